# SPDX-License-Identifier: MIT
"""Finding the living object of a name: by its locator and the hints in it, or the body itself for a
Global name.

Invariants (docs/design/invariants.md): a name just found is believed only while its file is linked
and somebody's lock is on the body (L4); a file is unlinked only by who holds the exclusive lock on
the body, or on the locator of a body that is gone (L6).
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import errno
import os
from itertools import chain

from memsection._native import protocol
from memsection.nt.linux.bodies import control_page, permissions
from memsection.nt.linux.bodies.position import decode
from memsection.nt.linux.names import locators, namespace, unlink, verify
from memsection.nt.linux.system import descriptions, proc
from memsection.nt.linux.system import syscalls as sys_
from memsection.nt.linux.system.proc import descriptor_info
from memsection.vocabulary import log, names
from memsection.vocabulary import status as st
from memsection.vocabulary.descriptor import SecurityDescriptor
from memsection.vocabulary.errors import NtError


class Found:
    """A living body: a descriptor of it, where it was found, and the locator that led there.

    One that was found by its name holds a shared lock of its own until it is taken or released.
    """

    __slots__ = (
        "fd",
        "hints",
        "identity",
        "locator_fd",
        "owned",
        "place",
        "size",
        "source",
        "writable",
    )

    def __init__(
        self,
        fd: int,
        source: tuple[int, int] | None = None,
        place: namespace.Place | None = None,
        identity: tuple[int, int] = (0, 0),
        size: int = 0,
        *,
        writable: bool = False,
        locator_fd: int = -1,
        hints: bytes = b"",
    ) -> None:
        self.fd = fd
        self.source = source or (os.getpid(), fd)
        self.place = place  #: of one that was found by its name
        self.owned = place is not None
        self.identity, self.size = identity, size
        self.writable = writable
        self.locator_fd = locator_fd
        self.hints = hints  #: that the locator had

    def handle_descriptor(self, *, writable: bool) -> int:
        """A locked description for a new handle: this very one where its mode fits."""
        if self.owned and self.writable == writable:
            self.owned = False
            return self.fd
        fd = descriptions.reopen(self.fd, sys_.O_RDWR if writable else sys_.O_RDONLY)
        try:
            descriptions.hold(fd)
        except BaseException:
            sys_.close(fd)
            raise
        return fd

    def keep_locator(self) -> int:
        """The locator's descriptor, the caller's from now on; -1 if there is none."""
        fd, self.locator_fd = self.locator_fd, -1
        return fd

    def release(self) -> None:
        """Let go of what was not taken."""
        try:
            if self.owned:
                self.owned = False
                unlink.close_unused(self.fd, self.place)
        finally:
            if self.locator_fd >= 0:
                sys_.close(self.keep_locator())


def find(place: namespace.Place, *, writable: bool, again: bool = False) -> Found | None:
    """The living object of a name; None to look again, because something was just ending.

    Who looks ``again`` looks alone at once: several that come with shared locks, each for a moment,
    would keep from sweeping a name whoever found that nobody has its object.

    Raises:
        NtError: OBJECT_NAME_NOT_FOUND, NAMESPACE_REFUSED, FILE_CORRUPT_ERROR, ACCESS_DENIED.
    """
    if place.is_global:
        return _find_global(place, writable)
    return _search(place, writable) if again else _find_local(place, writable)


def _refuse_file(place: namespace.Place, error: OSError) -> None:
    """Raise what it means that the file of a name could not be opened, unless its directory is
    gone."""
    if error.errno == errno.ENOENT:
        if not namespace.directory_is_gone(place):
            raise NtError(st.OBJECT_NAME_NOT_FOUND, name=names.win32_name(place.full)) from None
    elif error.errno == errno.ELOOP:
        raise verify.planted_error(place, "is a link") from None
    elif error.errno in (errno.EISDIR, errno.ENXIO, errno.ENODEV):
        raise verify.planted_error(place, "is no regular file") from None
    else:
        raise error


SWEPT = "removed the name %r: nobody has a handle to its object any more, so its last user died"


def _own_namespace() -> int:
    """The PID namespace of this process, whose hints mean something; 0 without /proc, which shows
    no process to look into."""
    try:
        return locators.pid_namespace()
    except FileNotFoundError:
        return 0


def _find_local(place: namespace.Place, writable: bool) -> Found | None:
    try:
        outcome, body, locator_fd, device, inode, size, pid, fd, is_writable, hints = sys_.find(
            place.dirfd,
            place.path,
            place.name,
            place.checksum,
            _own_namespace(),
            place.uid,
            writable,
        )
    except OSError as error:
        _refuse_file(place, error)
        return None
    if outcome == protocol.FOUND:
        return Found(
            body,
            (pid, fd),
            place,
            (device, inode),
            size,
            writable=is_writable,
            locator_fd=locator_fd,
            hints=hints,
        )
    if outcome in (protocol.LOST, protocol.DAMAGED):
        return _search(place, writable)
    _tell(place, outcome, body)
    return None


def _tell(place: namespace.Place, outcome: int, owner: int) -> None:
    """Say what became of a name that does not lead to a living body."""
    if outcome == protocol.PLANTED:
        raise verify.planted_error(place, f"is no regular file of yours (owner {owner})")
    if outcome == protocol.SWEPT:
        log.tell(log.INFO, SWEPT, place.leaf)


def _search(place: namespace.Place, writable: bool) -> Found | None:
    """The body of a locator whose hints do not lead there, by the descriptors of all processes."""
    try:
        # Whoever gets the exclusive lock looks alone, and the others wait.  With shared locks,
        # several that look for what a crash left would keep each other from ever sweeping it.
        outcome, locator_fd, device, inode, pid_namespace, hints, is_alone = sys_.open_locator(
            place.dirfd, place.path, place.name, place.checksum, place.uid, True
        )
    except OSError as error:
        _refuse_file(place, error)
        return None
    if outcome not in (protocol.FOUND, protocol.DAMAGED):
        _tell(place, outcome, locator_fd)
        return None
    body = -1
    try:
        if outcome == protocol.DAMAGED:
            _sweep_damaged(place, locator_fd)
            return None
        source, body = _search_body(
            hints if pid_namespace == _own_namespace() else b"", (device, inode), writable
        )
        if body < 0:
            _sweep_unseen(place, locator_fd)
            return None
        outcome = sys_.hold_found(body, locator_fd, place.dirfd, place.path, is_alone)
        if outcome != protocol.FOUND:
            _tell(place, outcome, -1)
            return None
        if source not in protocol.hints_of(hints):
            # the next one is spared the search
            sys_.leave_hint(locator_fd, b"", 0, *source)
        found = Found(
            body,
            source,
            place,
            (device, inode),
            sys_.fstat(body).st_size,
            writable=descriptions.is_writable(body),
            locator_fd=locator_fd,
            hints=hints,
        )
        body = locator_fd = -1
        return found
    finally:
        if body >= 0:
            sys_.close(body)
        if locator_fd >= 0:
            sys_.close(locator_fd)


def _sweep_unseen(place: namespace.Place, locator_fd: int) -> None:
    """Unlink a locator whose object no process was found to have; an error where none could be
    found."""
    if not _sweep_locator(place, locator_fd) and not proc.proc_is_mounted():
        raise NtError(st.NOT_SUPPORTED, name=names.win32_name(place.full), detail=proc.NO_PROC)


def _sweep_damaged(place: namespace.Place, locator_fd: int) -> None:
    """Unlink a locator that makes no sense; an error where somebody holds it."""
    log.tell(log.INFO, "the locator file of %r is damaged", place.leaf)
    if not _sweep_locator(place, locator_fd):
        raise NtError(
            st.FILE_CORRUPT_ERROR, detail="its locator file is damaged, and a process holds it"
        )


def _search_body(
    hints: bytes, identity: tuple[int, int], writable: bool
) -> tuple[tuple[int, int], int]:
    """Whose descriptor leads to a body, and a description of it; -1 for none that can be looked
    into."""
    for source in chain(protocol.hints_of(hints), proc.search(identity)):
        body = sys_.open_body(*source, *identity, writable)
        if body >= 0:
            return source, body
    return (0, 0), -1


def _sweep_locator(place: namespace.Place, locator_fd: int) -> bool:
    """Unlink a locator whose object nobody has, unless somebody holds the locator (L6)."""
    if not sys_.sweep_locator(locator_fd, place.dirfd, place.path):
        return False
    log.tell(log.INFO, SWEPT, place.leaf)
    return True


def open_source(source: tuple[int, int], identity: tuple[int, int]) -> int:
    """A description of a body that another process has open under this descriptor; INVALID_HANDLE
    if it has not."""
    fd = sys_.open_body(*source, *identity, False)
    if fd < 0:
        raise NtError(st.INVALID_HANDLE, name=f"process {source[0]}")
    return fd


def _find_global(place: namespace.Place, writable: bool) -> Found | None:
    try:
        outcome, fd, device, inode, size, uid, _, is_writable = sys_.find_body(
            place.dirfd, place.path, writable
        )
    except PermissionError:
        raise NtError(
            st.ACCESS_DENIED,
            name=names.win32_name(place.full),
            detail="the object's security descriptor gives this user nothing (the kernel refused "
            "to open it)",
        ) from None
    except OSError as error:
        _refuse_file(place, error)
        return None
    if outcome == protocol.PLANTED:
        raise verify.planted_error(place, "is no regular file")
    if outcome != protocol.FOUND:
        return None
    try:
        if uid != place.uid:
            _verify_foreign(place, fd, sys_.fstat(fd))
        try:
            outcome = sys_.hold_body(fd, place.dirfd, place.path)
        except PermissionError:
            # The lock is free: remains of a crash.  Who may not remove them sees no object (sticky
            # directory).
            raise NtError(
                st.OBJECT_NAME_NOT_FOUND,
                detail=f"only the remains of a crashed process of user {uid} are there",
            ) from None
        if outcome != protocol.FOUND:
            return None
        found = Found(fd, None, place, (device, inode), size, writable=is_writable)
        fd = -1
        return found
    finally:
        if fd >= 0:
            sys_.close(fd)


def _verify_foreign(place: namespace.Place, fd: int, status: os.stat_result) -> None:
    """Refuse what another user put under a name: a file that is no body, or a body that claims
    another owner (N3)."""
    try:
        facts = control_page.read(fd, status.st_size)
        owner = permissions.owner_uid(SecurityDescriptor.from_bytes(facts.descriptor))
    except NtError as failure:
        if not descriptions.try_lock(fd, sys_.LOCK_EX):
            return  # somebody has it open: a damaged object, which says so itself
        raise verify.planted_error(
            place, f"belongs to user {status.st_uid} and is no object ({failure.detail})"
        ) from None
    if owner != status.st_uid:
        raise verify.planted_error(
            place, f"belongs to user {status.st_uid}, while its security descriptor says {owner}"
        )
    verify.require_own_name(place, fd, facts, status)


def count_handles(identity: tuple[int, ...]) -> int:
    """The handles to an object in all processes that may be looked into: its descriptors that carry
    the tag."""
    count = 0
    for pid, fd in proc.search(identity):
        info = descriptor_info(pid, fd)
        if info is not None and decode(info[0]) is not None:
            count += 1
    return count
