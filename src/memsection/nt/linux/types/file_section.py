# SPDX-License-Identifier: MIT
"""Sections of files: what they are made of, and making their files longer."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import errno
import os
import stat as stat_

from memsection.nt.linux.bodies import control_page, file_locks
from memsection.nt.linux.bodies.permissions import owner_writes_only
from memsection.nt.linux.handles import create_open
from memsection.nt.linux.handles.record import Handle
from memsection.nt.linux.handles.rights import NewSecurity
from memsection.nt.linux.names import namespace
from memsection.nt.linux.system import syscalls as sys_
from memsection.nt.linux.types import new_body
from memsection.vocabulary import access as a
from memsection.vocabulary import protection as p
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.object_types import SECTION


def body_beside(
    data: int,
    place: namespace.Place | None,
    new_security: NewSecurity,
    protection: int,
    kind: int,
    size: int,
    path: str,
) -> create_open.Made:
    """A body that is only a control area, for a section whose bytes are another file."""
    found = sys_.fstat(data)
    draft = control_page.Draft(
        place.full if place is not None else "", path, new_security.descriptor
    )
    fd = new_body.make_body(place, 0, draft)
    try:
        draft.write(
            fd,
            0,
            (SECTION.number, protection, kind, size),
            (found.st_dev, found.st_ino),
            (os.getpid(), os.geteuid()),
        )
        new_body.finish_body(fd, place, owner_writes_only(new_security.permissions))
        facts = new_body.facts_of(fd)
    except BaseException:
        sys_.close(fd)
        raise
    # Who may write the data must not be able to write another file's name into the record (S2).
    fd, identity = new_body.lock_handle(fd, read_only=True)
    return fd, facts, data, identity


def new_body_of_file(
    source: Handle, access: int, size: int, protection: int, kind: int
) -> FileBody:
    """The body of a section of a file that the handle grants enough of."""
    needed = a.FILE_READ_DATA
    if p.writable(protection):
        needed |= a.FILE_WRITE_DATA
    if p.executable(protection):
        needed |= a.FILE_EXECUTE
    found = sys_.fstat(source.fd)
    if not stat_.S_ISREG(found.st_mode):
        raise NtError(
            st.INVALID_FILE_FOR_SECTION,
            name=source.obj.name,
            detail="only regular files can be mapped",
        )
    source.require(needed, f"a {p.words(protection)} section of the file ")
    if kind & p.SEC_IMAGE:
        raise _image_refused(source)
    if not size:
        if not found.st_size:
            raise NtError(st.MAPPED_FILE_SIZE_ZERO, name=source.obj.name)
        size = found.st_size
    elif size > found.st_size and not p.writable(protection):
        raise NtError(
            st.SECTION_TOO_BIG,
            name=source.obj.name,
            detail=f"asked for {size} bytes, the file has {found.st_size} and a "
            f"{p.words(protection)} section "
            "may not extend it",
        )
    # As on Windows SEC_RESERVE means nothing for a file, whose pages are all there
    # (section_flags.sections_of_a_file).
    attributes = kind & ~(p.SEC_COMMIT | p.SEC_RESERVE) | p.SEC_FILE
    writable = p.writable(protection) and bool(
        SECTION.specific(access) & (a.SECTION_MAP_WRITE | a.SECTION_EXTEND_SIZE | a.MAXIMUM_ALLOWED)
    )

    return FileBody(source, size, found.st_size, protection, attributes, writable)


class FileBody:
    """A file of the user's, of which the section keeps a description of its own."""

    __slots__ = ("attributes", "had", "protection", "size", "source", "writable")

    is_small = False

    def __init__(
        self, source: Handle, size: int, had: int, protection: int, attributes: int, writable: bool
    ) -> None:
        self.source, self.size, self.had = source, size, had
        self.protection, self.attributes, self.writable = protection, attributes, writable

    def make(
        self, place: namespace.Place | None, new_security: NewSecurity, *, read_only: bool
    ) -> create_open.Made:
        data = _data_description(self.source, writable=self.writable)
        try:
            file_locks.hold_section(data)
            if self.size > self.had:
                extend_file(self.source.fd, self.had, self.size)
            path = sys_.readlink(f"/proc/self/fd/{self.source.fd}")
            return body_beside(
                data, place, new_security, self.protection, self.attributes, self.size, path
            )
        except BaseException:
            sys_.close(data)
            raise


def _data_description(source: Handle, *, writable: bool) -> int:
    """An own description of the file; the handle's where the file may not be opened again (its mode
    has changed)."""
    try:
        return sys_.open(
            f"/proc/self/fd/{source.fd}",
            (sys_.O_RDWR if writable else sys_.O_RDONLY) | sys_.O_CLOEXEC,
        )
    except PermissionError:
        return sys_.duplicate_from(source.fd, 3)  # the handle was granted what is needed


_TOO_LARGE = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk is full",
    errno.EFBIG: "too large for the file system or for RLIMIT_FSIZE",
}


def extend_file(fd: int, old: int, new: int) -> None:
    """Make a file larger, with its blocks: a full disk is an error now, and the file as it was
    (F1)."""
    try:
        sys_.fallocate(fd, old, new - old)
    except OSError as error:
        if sys_.fstat(fd).st_size > old:
            sys_.ftruncate(fd, old)
        why = _TOO_LARGE.get(error.errno or 0)
        if why is not None:
            raise NtError(
                st.DISK_FULL, detail=f"the file cannot grow from {old} to {new} bytes: {why}"
            ) from None
        raise


def _image_refused(source: Handle) -> NtError:
    head = sys_.pread(source.fd, 2, 0)
    if not head:
        return NtError(
            st.INVALID_FILE_FOR_SECTION, name=source.obj.name, detail="an empty file is no image"
        )
    if head != b"MZ":
        return NtError(st.INVALID_IMAGE_NOT_MZ, name=source.obj.name)
    return NtError(
        st.INVALID_IMAGE_FORMAT,
        name=source.obj.name,
        detail="images are not mapped by this library",
    )
