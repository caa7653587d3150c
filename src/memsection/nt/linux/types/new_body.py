# SPDX-License-Identifier: MIT
"""Making the body of an object: an empty one, and its mode, access list and seals when it is written."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import errno

from memsection.nt.linux.bodies import commit, control_page, permissions, seals
from memsection.nt.linux.names import namespace
from memsection.nt.linux.system import syscalls as sys_
from memsection.vocabulary import protection as p

_MEMFD = sys_.MFD_CLOEXEC | sys_.MFD_ALLOW_SEALING


def make_body(place: namespace.Place | None, size: int, draft: control_page.Draft) -> int:
    """An empty body: a memfd, or for a Global name a file in its directory, not linked yet (O_TMPFILE)."""
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


def finish_body(fd: int, place: namespace.Place | None, file_permissions: permissions.PosixPermissions) -> None:
    """Its true mode and access list, and the seals (a file cannot be sealed: its views are guarded instead)."""
    permissions.apply(fd, file_permissions, fresh=True)
    if place is None or place.directory != "global":
        sys_.fcntl(fd, sys_.F_ADD_SEALS, seals.SEALS)


def facts_of(fd: int) -> control_page.Facts:
    """What a body that was just written says of itself."""
    return control_page.read(fd, sys_.fstat(fd).st_size)
