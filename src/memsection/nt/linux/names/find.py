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
import stat as stat_
from collections.abc import Iterator

from memsection.nt.linux.bodies import control_page, permissions
from memsection.nt.linux.bodies.position import decode
from memsection.nt.linux.names import locators, namespace, unlink, verify
from memsection.nt.linux.system import descriptions, proc
from memsection.nt.linux.system import syscalls as sys_
from memsection.nt.linux.system.descriptions import OPEN_FLAGS
from memsection.nt.linux.system.proc import descriptor_info
from memsection.vocabulary import log, names
from memsection.vocabulary import status as st
from memsection.vocabulary.descriptor import SecurityDescriptor
from memsection.vocabulary.errors import NtError


class Found:
    """A living body: a descriptor of it, where it was found, and the locator that led there.

    One that was found through the file system holds a shared lock of its own until it is taken or
    released.
    """

    __slots__ = ("fd", "hints", "locator_fd", "owned", "place", "source", "writable")

    def __init__(
        self,
        fd: int,
        *,
        source: tuple[int, int] | None = None,
        owned: bool = False,
        writable: bool = False,
        locator_fd: int = -1,
        place: namespace.Place | None = None,
    ) -> None:
        self.fd = fd
        self.source = source or (os.getpid(), fd)
        self.owned = owned
        self.writable = writable
        self.locator_fd = locator_fd
        self.place = place
        self.hints: list[tuple[int, int]] = []  #: that the locator had

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


def find(place: namespace.Place, *, writable: bool) -> Found | None:
    """The living object of a name; None to look again, because something was just ending.

    Raises:
        NtError: OBJECT_NAME_NOT_FOUND, NAMESPACE_REFUSED, FILE_CORRUPT_ERROR, ACCESS_DENIED.
    """
    return (
        _find_local(place, writable)
        if place.directory == "local"
        else _find_global(place, writable)
    )


def _open_file(place: namespace.Place, mode: int) -> int | None:
    try:
        return sys_.open(place.file, mode | OPEN_FLAGS | sys_.O_NOFOLLOW, dir_fd=place.dirfd)
    except FileNotFoundError:
        if namespace.directory_is_gone(place):
            return None
        raise NtError(st.OBJECT_NAME_NOT_FOUND, name=names.win32_name(place.full)) from None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise verify.planted(place, "is a link") from None
        if error.errno in (errno.EISDIR, errno.ENXIO, errno.ENODEV):
            raise verify.planted(place, "is no regular file") from None
        raise


SWEPT = "removed the name %r: nobody has a handle to its object any more, so its last user died"


def _find_local(place: namespace.Place, writable: bool) -> Found | None:
    locator_fd = _open_file(place, sys_.O_RDWR)
    if locator_fd is None:
        return None
    body = -1
    try:
        status = sys_.fstat(locator_fd)
        if not stat_.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
            raise verify.planted(place, f"is no regular file of yours (owner {status.st_uid})")
        # Whoever gets the exclusive lock looks alone, and the others wait.  With shared locks,
        # several that look for what a crash left would keep each other from ever sweeping it.
        exclusive = descriptions.try_lock(locator_fd, sys_.LOCK_EX)
        if (
            not (exclusive or descriptions.try_lock(locator_fd, sys_.LOCK_SH))
            or not sys_.fstat(locator_fd).st_nlink
        ):
            return None
        locator = locators.read_locator(locator_fd, status.st_size)
        if locator is None or locator.name != place.full:
            log.tell(log.INFO, "the locator file of %r is damaged", place.leaf)
            if _sweep_locator(place, locator_fd):
                return None
            raise NtError(
                st.FILE_CORRUPT_ERROR, detail="its locator file is damaged, and a process holds it"
            )
        source = None
        for source in candidates(locator):
            body = _open_body(source, locator.identity, writable)
            if body >= 0:
                break
        else:
            _sweep_locator(place, locator_fd)
            return None
        # no handle anywhere: what was found is a view's, or on its way out (L4)
        if descriptions.try_lock(body, sys_.LOCK_EX):
            if sys_.fstat(locator_fd).st_nlink:
                sys_.unlink(place.file, dir_fd=place.dirfd)
                log.tell(log.INFO, SWEPT, place.leaf)
            return None
        if (
            not descriptions.try_lock(body, sys_.LOCK_SH)
            or exclusive
            and not descriptions.try_lock(locator_fd, sys_.LOCK_SH)
            or not sys_.fstat(locator_fd).st_nlink
        ):
            return None
        if source is not None and source not in locator.hints:
            # a search had to find it: the next one is spared that
            locators.write_hint(locator_fd, 0, source)
        found = Found(
            body,
            source=source,
            owned=True,
            writable=descriptions.is_writable(body),
            locator_fd=locator_fd,
            place=place,
        )
        found.hints = locator.hints
        body = locator_fd = -1
        return found
    finally:
        if body >= 0:
            sys_.close(body)
        if locator_fd >= 0:
            sys_.close(locator_fd)


def _sweep_locator(place: namespace.Place, locator_fd: int) -> bool:
    """Unlink a locator whose object nobody has, unless somebody holds the locator (L6)."""
    sys_.flock(locator_fd, sys_.LOCK_UN)
    if not descriptions.try_lock(locator_fd, sys_.LOCK_EX):
        return False
    if sys_.fstat(locator_fd).st_nlink:
        sys_.unlink(place.file, dir_fd=place.dirfd)
        log.tell(log.INFO, SWEPT, place.leaf)
    return True


def candidates(locator: locators.Locator) -> Iterator[tuple[int, int]]:
    """(pid, descriptor) pairs that may be the body: the hints, then every descriptor that can be
    looked into."""
    if locator.pid_namespace == locators.pid_namespace():
        yield from locator.hints
    yield from proc.search(locator.identity)


def _open_body(source: tuple[int, int], identity: tuple[int, int], writable: bool) -> int:
    """Open the body through somebody's descriptor; -1 unless it is that very file (hints may
    lie)."""
    path = f"/proc/{source[0]}/fd/{source[1]}"
    try:
        status = sys_.stat(path)
        if (status.st_dev, status.st_ino) != identity or not stat_.S_ISREG(status.st_mode):
            return -1
        try:
            fd = descriptions.open_as_owner(path, sys_.O_RDWR if writable else sys_.O_RDONLY)
        except PermissionError:
            fd = descriptions.open_as_owner(path, sys_.O_RDONLY)
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
            raise
        # gone, forbidden, or by now something else that cannot even be opened so (EISDIR, ENXIO)
        return -1
    status = sys_.fstat(fd)
    if (status.st_dev, status.st_ino) != identity:
        sys_.close(fd)
        return -1
    return fd


def open_source(source: tuple[int, int], identity: tuple[int, int]) -> int:
    """A description of a body that another process has open under this descriptor; INVALID_HANDLE
    if it has not."""
    fd = _open_body(source, identity, False)
    if fd < 0:
        raise NtError(st.INVALID_HANDLE, name=f"process {source[0]}")
    return fd


def _find_global(place: namespace.Place, writable: bool) -> Found | None:
    try:
        fd = _open_file(place, sys_.O_RDWR if writable else sys_.O_RDONLY)
    except PermissionError:
        fd = _open_global_as_owner(place, writable)
    if fd is None:
        return None
    try:
        status = sys_.fstat(fd)
        if not stat_.S_ISREG(status.st_mode):
            raise verify.planted(place, "is no regular file")
        if not status.st_nlink:
            return None
        if status.st_uid != os.geteuid():
            _verify_foreign(place, fd, status)
        if descriptions.try_lock(fd, sys_.LOCK_EX) and not unlink.is_permanent(fd):
            # The lock is free: remains of a crash.  Who may not remove them sees no object (sticky
            # directory).
            try:
                unlink.unlink_if(place, fd)
            except PermissionError:
                raise NtError(
                    st.OBJECT_NAME_NOT_FOUND,
                    detail=f"only the remains of a crashed process of user "
                    f"{status.st_uid} are there",
                ) from None
            return None
        if not descriptions.try_lock(fd, sys_.LOCK_SH) or not sys_.fstat(fd).st_nlink:
            return None
        found = Found(fd, owned=True, writable=descriptions.is_writable(fd), place=place)
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
        raise verify.planted(
            place, f"belongs to user {status.st_uid} and is no object ({failure.detail})"
        ) from None
    if owner != status.st_uid:
        raise verify.planted(
            place, f"belongs to user {status.st_uid}, while its security descriptor says {owner}"
        )
    verify.require_own_name(place, fd, facts, status)


def _open_global_as_owner(place: namespace.Place, writable: bool) -> int:
    by_path = sys_.open(
        place.file, sys_.O_PATH | sys_.O_NOFOLLOW | sys_.O_CLOEXEC, dir_fd=place.dirfd
    )
    try:
        for mode in (sys_.O_RDWR, sys_.O_RDONLY) if writable else (sys_.O_RDONLY,):
            try:
                return descriptions.open_as_owner(f"/proc/self/fd/{by_path}", mode)
            except PermissionError:
                continue
    finally:
        sys_.close(by_path)
    raise NtError(
        st.ACCESS_DENIED,
        name=names.win32_name(place.full),
        detail="the object's security descriptor gives this user nothing (the kernel refused to "
        "open it)",
    )


def count_handles(identity: tuple[int, ...]) -> int:
    """The handles to an object in all processes that may be looked into: its descriptors that carry
    the tag."""
    count = 0
    for pid, fd in proc.search(identity):
        info = descriptor_info(pid, fd)
        if info is not None and decode(info[0]) is not None:
            count += 1
    return count
