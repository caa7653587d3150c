# SPDX-License-Identifier: MIT
"""The file behind a section: a description of it for a new handle, found again and verified
(S2)."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import os
import stat as stat_

from memsection.nt.linux.bodies import control_page, file_locks
from memsection.nt.linux.bodies.position import decode
from memsection.nt.linux.names.find import Found
from memsection.nt.linux.system import proc
from memsection.nt.linux.system import syscalls as sys_
from memsection.nt.linux.system.descriptions import OPEN_FLAGS
from memsection.nt.linux.system.proc import descriptor_info
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def open_data(found: Found, facts: control_page.Facts, *, writable: bool) -> int:
    """A description of the file behind a section, through a holder's descriptor or else by its
    path, verified."""
    assert facts.file_identity is not None
    mode = sys_.O_RDWR if writable else sys_.O_RDONLY
    owner = sys_.fstat(found.fd).st_uid
    problem: OSError | None = None
    for path in _data_paths(found, facts):
        try:
            status = sys_.stat(path)
            if (status.st_dev, status.st_ino) != facts.file_identity or not stat_.S_ISREG(
                status.st_mode
            ):
                continue
            _require_honest(status, owner, path, writable=writable)
            fd = sys_.open(path, mode | OPEN_FLAGS)
        except OSError as error:
            problem = problem or error
            continue
        status = sys_.fstat(fd)
        if (status.st_dev, status.st_ino) != facts.file_identity:
            sys_.close(fd)
            continue
        try:
            file_locks.hold_section(fd)
        except BaseException:
            sys_.close(fd)
            raise
        return fd
    raise NtError(
        st.ACCESS_DENIED if isinstance(problem, PermissionError) else st.FILE_INVALID,
        detail=f"the file behind the section cannot be opened: {problem or 'it was replaced'}",
    )


def _require_honest(file: os.stat_result, owner: int, path: str, *, writable: bool) -> None:
    """Refuse a file that another user's section leads to, and that this user may not have: we open
    it by our rights (S2).

    What everybody may do, the section's owner may; what is the owner's, too.  Memberships of the
    owner cannot be known.
    """
    wanted = 0o006 if writable else 0o004
    if owner not in (os.geteuid(), 0, file.st_uid) and file.st_mode & wanted != wanted:
        raise NtError(
            st.ACCESS_DENIED,
            detail=(
                f"the section belongs to user {owner}; the file that it leads to, {path}, belongs "
                f"to user {file.st_uid} and is "
                "not open to everybody: the one may have no right to it"
            ),
        )


def _data_paths(found: Found, facts: control_page.Facts) -> Iterator[str]:
    pid, fd = found.source
    info = descriptor_info(pid, fd)
    carried = decode(info[0]) if info is not None else None
    if carried is not None and carried[1] >= 0:
        yield f"/proc/{pid}/fd/{carried[1]}"
    path = control_page.path(found.fd, facts)
    # the page is the owner's to write, and whatever it says is only tried
    if path and "\0" not in path:
        yield path
    identity = sys_.fstat(found.fd)
    for pid, fd in proc.search((identity.st_dev, identity.st_ino)):
        info = descriptor_info(pid, fd)
        carried = decode(info[0]) if info is not None else None
        if carried is not None and carried[1] >= 0:
            yield f"/proc/{pid}/fd/{carried[1]}"
