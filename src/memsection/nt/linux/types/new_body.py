# SPDX-License-Identifier: MIT
"""Making the body of an object: an empty one, and its mode, access list and seals when it is
written."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import errno
import os

from memsection._native import protocol
from memsection.nt.linux.bodies import commit, control_page, permissions, reserve, seals
from memsection.nt.linux.names import namespace
from memsection.nt.linux.system import descriptions
from memsection.nt.linux.system import syscalls as sys_
from memsection.vocabulary import protection as p

_MEMFD = sys_.MFD_CLOEXEC | sys_.MFD_ALLOW_SEALING


def make_body(place: namespace.Place | None, size: int, draft: control_page.Draft) -> int:
    """An empty body: a memfd, or for a Global name a file in its directory, not linked yet
    (O_TMPFILE)."""
    total = size + draft.area_pages * p.PAGE_SIZE
    if place is not None and place.directory == "global":
        fd = sys_.open(".", sys_.O_TMPFILE | sys_.O_RDWR | sys_.O_CLOEXEC, 0, dir_fd=place.dirfd)
    else:
        fd = sys_.memfd_create("memsection", _MEMFD)
    try:
        sys_.ftruncate(fd, total)
    except BaseException as problem:
        sys_.close(fd)
        if isinstance(problem, OSError) and problem.errno == errno.EFBIG:
            commit.require(total)  # which limit that was (RLIMIT_FSIZE), and what to do
        raise
    return fd


def finish_body(
    fd: int, place: namespace.Place | None, file_permissions: permissions.PosixPermissions
) -> None:
    """Its true mode and access list, and the seals (a file cannot be sealed: its views are guarded
    instead)."""
    permissions.apply(fd, file_permissions, fresh=True)
    if place is None or place.directory != "global":
        sys_.fcntl(fd, sys_.F_ADD_SEALS, seals.SEALS)


Made = tuple[int, control_page.Facts, tuple[int, int]]  #: descriptor, facts, identity


def create_body(
    place: namespace.Place | None,
    size: int,
    reserved: int,
    draft: control_page.Draft,
    area: tuple[bytes, int],
    file_permissions: permissions.PosixPermissions,
    where: str,
    *,
    read_only: bool,
) -> Made:
    """A body of memory in one step: its pages, control area, mode, seals and lock."""
    total = size + draft.area_pages * p.PAGE_SIZE
    mode, flags = _mode_and_flags(place, file_permissions, read_only)
    try:
        made = sys_.create_body(
            place.dirfd if place is not None and place.directory == "global" else -1,
            size,
            total,
            reserved,
            area[0],
            area[1],
            size + draft.bitmap_pages * p.PAGE_SIZE,
            b"",
            os.getpid(),
            os.geteuid(),
            mode,
            flags,
        )
    except OSError as error:
        reserve.tell_shortage(error, total, where)
        raise
    return _with_permissions(made, total, file_permissions)


def finish_new_body(
    fd: int,
    place: namespace.Place | None,
    size: int,
    draft: control_page.Draft,
    area: tuple[bytes, int],
    file_permissions: permissions.PosixPermissions,
    *,
    read_only: bool,
) -> Made:
    """The same for a body that has its pages, which is closed if this fails."""
    mode, flags = _mode_and_flags(place, file_permissions, read_only)
    try:
        made = sys_.finish_body(
            fd,
            size,
            area[0],
            area[1],
            size + draft.bitmap_pages * p.PAGE_SIZE,
            b"",
            os.getpid(),
            os.geteuid(),
            mode,
            flags,
        )
    except BaseException:
        sys_.close(fd)
        raise
    return _with_permissions(made, size + draft.area_pages * p.PAGE_SIZE, file_permissions)


def _mode_and_flags(
    place: namespace.Place | None, file_permissions: permissions.PosixPermissions, read_only: bool
) -> tuple[int, int]:
    # A file cannot be sealed: views of a Global body are guarded instead.
    flags = 0 if place is not None and place.directory == "global" else protocol.SEAL
    if read_only:
        flags |= protocol.READ_ONLY
    return file_permissions.mode if file_permissions.acl_entries is None else -1, flags


def _with_permissions(
    made: protocol.Made, total: int, file_permissions: permissions.PosixPermissions
) -> Made:
    fd, device, inode, uid, gid, _, page = made
    try:
        # Nobody else can have opened it yet (N2), so that its permissions may come after the lock.
        if file_permissions.acl_entries is not None or (uid, gid) != (
            file_permissions.uid,
            file_permissions.gid,
        ):
            permissions.apply(fd, file_permissions, fresh=True)
        return fd, control_page.read(fd, total, page), (device, inode)
    except BaseException:
        sys_.close(fd)
        raise


def locked_handle(fd: int, *, read_only: bool) -> tuple[int, tuple[int, int]]:
    """The descriptor of a new body's handle, locked; another one where it may only read (R2)."""
    descriptions.hold(fd)
    if read_only:
        fd, stronger = descriptions.reopen(fd, sys_.O_RDONLY), fd
        sys_.close(stronger)
        descriptions.hold(fd)
    found = sys_.fstat(fd)
    return fd, (found.st_dev, found.st_ino)


def facts_of(fd: int) -> control_page.Facts:
    """What a body that was just written says of itself."""
    return control_page.read(fd, sys_.fstat(fd).st_size)
