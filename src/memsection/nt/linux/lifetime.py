# SPDX-License-Identifier: MIT
"""Whether an object lives and who was last: shared file locks on bodies and locators, and sweeping after the dead.

Invariants (docs/design/invariants.md): a handle's shared lock is never converted (L3); a name just found is believed
only while its file is linked and somebody's lock is on the body (L4); a file is unlinked only by who holds the
exclusive lock on the body, or on the locator of a body that is gone (L6).
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import errno
import os
import stat as stat_
import time
from collections.abc import Iterator

from memsection.nt.linux import acl, bodies, control_page, namespace
from memsection.nt.linux import syscalls as sys_
from memsection.nt.linux.handles import decode, descriptor_info
from memsection.vocabulary import log, names
from memsection.vocabulary import status as st
from memsection.vocabulary.descriptor import SecurityDescriptor
from memsection.vocabulary.errors import NtError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from memsection.nt.linux.objects import LocalObject

_FLAGS = sys_.O_CLOEXEC | sys_.O_NONBLOCK | sys_.O_NOCTTY
LOCK_PATIENCE_SECONDS = 2.0  #: how long a handle's lock is waited for while another process has an exclusive one


class Found:
    """A living body: a descriptor of it, where it was found, and the locator that led there.

    One that was found through the file system holds a shared lock of its own until it is taken or released.
    """

    __slots__ = ("fd", "hints", "locator_fd", "owned", "place", "source", "writable")

    def __init__(self, fd: int, *, source: tuple[int, int] | None = None, owned: bool = False, writable: bool = False,
                 locator_fd: int = -1, place: namespace.Place | None = None) -> None:
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
        fd = reopen(self.fd, sys_.O_RDWR if writable else sys_.O_RDONLY)
        try:
            hold(fd)
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
                give_up(self.fd, self.place)
        finally:
            if self.locator_fd >= 0:
                sys_.close(self.keep_locator())


def give_up(fd: int, place: namespace.Place | None) -> None:
    """Close a locked description that became no handle; if all handles went meanwhile, the name goes too (L3).

    Nobody shares this description, so converting its lock takes nothing from anybody.
    """
    try:
        if place is not None and try_lock(fd, sys_.LOCK_EX):
            _unlink_if(place, fd)
    finally:
        sys_.close(fd)


def try_lock(fd: int, operation: int) -> bool:
    """Take a lock without waiting; whether it was granted."""
    try:
        sys_.flock(fd, operation | sys_.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def hold(fd: int) -> None:
    """Take the shared lock of a handle.

    Somebody who asks "was I last?" has the exclusive one for a moment, and whoever has any descriptor of the object can
    have it for ever, a user who may only read too: so it is waited for, but not longer than a moment can be (L8).

    Raises:
        NtError: SHARING_VIOLATION.
    """
    deadline = 0.0
    while not try_lock(fd, sys_.LOCK_SH):
        now = time.monotonic()
        deadline = deadline or now + LOCK_PATIENCE_SECONDS
        if now > deadline:
            raise NtError(st.SHARING_VIOLATION, detail=f"for {LOCK_PATIENCE_SECONDS:g} s another process had an exclusive lock "
                                                       "on the object, which no process that uses this library keeps")
        time.sleep(0.0005)


def reopen(fd: int, mode: int) -> int:
    """A new open file description of what a descriptor of ours means, with this mode; the kernel checks (R2).

    The owner may always: where the object's descriptor gives even its owner less, the mode is widened for that
    moment and for the owner's bits alone, which the owner could do anyway (chmod(2)).
    """
    return _open_as_owner(f"/proc/self/fd/{fd}", mode)


def _open_as_owner(path: str, mode: int) -> int:
    try:
        return sys_.open(path, mode | _FLAGS)
    except PermissionError:
        pass
    by_path = sys_.open(path, sys_.O_PATH | sys_.O_CLOEXEC)
    try:
        found = sys_.fstat(by_path)
        if found.st_uid != os.geteuid() or not stat_.S_ISREG(found.st_mode):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        link, bits = f"/proc/self/fd/{by_path}", stat_.S_IMODE(found.st_mode)
        sys_.chmod(link, bits | 0o600)
        try:
            return sys_.open(link, mode | _FLAGS)
        finally:
            sys_.chmod(link, bits)
    finally:
        sys_.close(by_path)


# ---------------------------------------------------------------------- finding


def find(place: namespace.Place, *, writable: bool) -> Found | None:
    """The living object of a name; None to look again, because something was just ending.

    Raises:
        NtError: OBJECT_NAME_NOT_FOUND, NAMESPACE_REFUSED, FILE_CORRUPT_ERROR, ACCESS_DENIED.
    """
    return _find_local(place, writable) if place.directory == "local" else _find_global(place, writable)


def _open_file(place: namespace.Place, mode: int) -> int | None:
    try:
        return sys_.open(place.file, mode | _FLAGS | sys_.O_NOFOLLOW, dir_fd=place.dirfd)
    except FileNotFoundError:
        if namespace.directory_is_gone(place):
            return None
        raise NtError(st.OBJECT_NAME_NOT_FOUND, name=names.win32_name(place.full)) from None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise bodies.planted(place, "is a link") from None
        if error.errno in (errno.EISDIR, errno.ENXIO, errno.ENODEV):
            raise bodies.planted(place, "is no regular file") from None
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
            raise bodies.planted(place, f"is no regular file of yours (owner {status.st_uid})")
        # Whoever gets the exclusive lock looks alone, and the others wait.  With shared locks, several that look for
        # what a crash left would keep each other from ever sweeping it.
        exclusive = try_lock(locator_fd, sys_.LOCK_EX)
        if not (exclusive or try_lock(locator_fd, sys_.LOCK_SH)) or not sys_.fstat(locator_fd).st_nlink:
            return None
        locator = namespace.read_locator(locator_fd, status.st_size)
        if locator is None or locator.name != place.full:
            log.tell(log.INFO, "the locator file of %r is damaged", place.leaf)
            if _sweep_locator(place, locator_fd):
                return None
            raise NtError(st.FILE_CORRUPT_ERROR, detail="its locator file is damaged, and a process holds it")
        source = None
        for source in candidates(locator):
            body = _open_body(source, locator.identity, writable)
            if body >= 0:
                break
        else:
            _sweep_locator(place, locator_fd)
            return None
        if try_lock(body, sys_.LOCK_EX):  # no handle anywhere: what was found is a view's, or on its way out (L4)
            if sys_.fstat(locator_fd).st_nlink:
                sys_.unlink(place.file, dir_fd=place.dirfd)
                log.tell(log.INFO, SWEPT, place.leaf)
            return None
        if (not try_lock(body, sys_.LOCK_SH) or exclusive and not try_lock(locator_fd, sys_.LOCK_SH)
                or not sys_.fstat(locator_fd).st_nlink):
            return None
        if source is not None and source not in locator.hints:
            namespace.write_hint(locator_fd, 0, source)  # a search had to find it: the next one is spared that
        found = Found(body, source=source, owned=True, writable=_is_writable(body), locator_fd=locator_fd, place=place)
        found.hints = locator.hints
        body = locator_fd = -1
        return found
    finally:
        if body >= 0:
            sys_.close(body)
        if locator_fd >= 0:
            sys_.close(locator_fd)


def _is_writable(fd: int) -> bool:
    return sys_.fcntl(fd, 3) & os.O_ACCMODE == sys_.O_RDWR  # F_GETFL


def _sweep_locator(place: namespace.Place, locator_fd: int) -> bool:
    """Unlink a locator whose object nobody has, unless somebody holds the locator (L6)."""
    sys_.flock(locator_fd, sys_.LOCK_UN)
    if not try_lock(locator_fd, sys_.LOCK_EX):
        return False
    if sys_.fstat(locator_fd).st_nlink:
        sys_.unlink(place.file, dir_fd=place.dirfd)
        log.tell(log.INFO, SWEPT, place.leaf)
    return True


def candidates(locator: namespace.Locator) -> Iterator[tuple[int, int]]:
    """(pid, descriptor) pairs that may be the body: the hints, then every descriptor that can be looked into."""
    if locator.pid_namespace == namespace.pid_namespace():
        yield from locator.hints
    yield from search(locator.identity)


def _open_body(source: tuple[int, int], identity: tuple[int, int], writable: bool) -> int:
    """Open the body through somebody's descriptor; -1 unless it is that very file (hints may lie)."""
    path = f"/proc/{source[0]}/fd/{source[1]}"
    try:
        status = sys_.stat(path)
        if (status.st_dev, status.st_ino) != identity or not stat_.S_ISREG(status.st_mode):
            return -1
        try:
            fd = _open_as_owner(path, sys_.O_RDWR if writable else sys_.O_RDONLY)
        except PermissionError:
            fd = _open_as_owner(path, sys_.O_RDONLY)
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
            raise
        return -1  # gone, forbidden, or by now something else that cannot even be opened so (EISDIR, ENXIO)
    status = sys_.fstat(fd)
    if (status.st_dev, status.st_ino) != identity:
        sys_.close(fd)
        return -1
    return fd


def open_source(source: tuple[int, int], identity: tuple[int, int]) -> int:
    """A description of a body that another process has open under this descriptor; INVALID_HANDLE if it has not."""
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
            raise bodies.planted(place, "is no regular file")
        if not status.st_nlink:
            return None
        if status.st_uid != os.geteuid():
            _verify_foreign(place, fd, status)
        if try_lock(fd, sys_.LOCK_EX) and not is_permanent(fd):
            # The lock is free: remains of a crash.  Who may not remove them sees no object (sticky directory).
            try:
                _unlink_if(place, fd)
            except PermissionError:
                raise NtError(st.OBJECT_NAME_NOT_FOUND, detail=f"only the remains of a crashed process of user "
                                                               f"{status.st_uid} are there") from None
            return None
        if not try_lock(fd, sys_.LOCK_SH) or not sys_.fstat(fd).st_nlink:
            return None
        found = Found(fd, owned=True, writable=_is_writable(fd), place=place)
        fd = -1
        return found
    finally:
        if fd >= 0:
            sys_.close(fd)


def _verify_foreign(place: namespace.Place, fd: int, status: os.stat_result) -> None:
    """Refuse what another user put under a name: a file that is no body, or a body that claims another owner (N3)."""
    try:
        facts = control_page.read(fd, status.st_size)
        owner = acl.owner_uid(SecurityDescriptor.from_bytes(facts.descriptor))
    except NtError as failure:
        if not try_lock(fd, sys_.LOCK_EX):
            return  # somebody has it open: a damaged object, which says so itself
        raise bodies.planted(place, f"belongs to user {status.st_uid} and is no object ({failure.detail})") from None
    if owner != status.st_uid:
        raise bodies.planted(place, f"belongs to user {status.st_uid}, while its security descriptor says {owner}")
    bodies.require_own_name(place, fd, facts, status)


def _open_global_as_owner(place: namespace.Place, writable: bool) -> int:
    by_path = sys_.open(place.file, sys_.O_PATH | sys_.O_NOFOLLOW | sys_.O_CLOEXEC, dir_fd=place.dirfd)
    try:
        for mode in (sys_.O_RDWR, sys_.O_RDONLY) if writable else (sys_.O_RDONLY,):
            try:
                return _open_as_owner(f"/proc/self/fd/{by_path}", mode)
            except PermissionError:
                continue
    finally:
        sys_.close(by_path)
    raise NtError(st.ACCESS_DENIED, name=names.win32_name(place.full),
                  detail="the object's security descriptor gives this user nothing (the kernel refused to open it)")


def is_permanent(fd: int) -> bool:
    """Whether a body lives without handles (NtMakePermanentObject)."""
    try:
        return bool(control_page.read(fd, sys_.fstat(fd).st_size).flags & control_page.PERMANENT)
    except NtError:
        return False


def _unlink_if(place: namespace.Place, body: int) -> None:
    """Remove the name if it (still) leads to this body, whose exclusive lock the caller holds (L6)."""
    status = sys_.fstat(body)
    try:
        if place.directory == "global":
            named = sys_.stat(place.file, dir_fd=place.dirfd, follow_symlinks=False)
            if (named.st_dev, named.st_ino) == (status.st_dev, status.st_ino):
                sys_.unlink(place.file, dir_fd=place.dirfd)
            return
        locator_fd = sys_.open(place.file, sys_.O_RDWR | _FLAGS | sys_.O_NOFOLLOW, dir_fd=place.dirfd)
        try:
            # The locator's shared lock keeps sweepers away between the look and the unlink.
            if not try_lock(locator_fd, sys_.LOCK_SH):
                return
            found = sys_.fstat(locator_fd)
            locator = namespace.read_locator(locator_fd, found.st_size) if found.st_nlink else None
            if locator is not None and locator.identity == (status.st_dev, status.st_ino):
                sys_.unlink(place.file, dir_fd=place.dirfd)
        finally:
            sys_.close(locator_fd)
    except FileNotFoundError:
        pass


def remove_name_if_last(probe: int, obj: LocalObject) -> bool:
    """After this process's last handle is closed: unlink the name if no handle is left anywhere (L1, L3).

    Whether that was so.
    """
    place = place_of_name(obj.name)
    return place is None or unlink_if_last(probe, place, obj.locator_fd)


def unlink_if_last(probe: int, place: namespace.Place, locator_fd: int = -1) -> bool:
    """Unlink the name of a body that nobody has a handle to any more; whether nobody has.

    Asked through a description of the body without a lock, and with the locator where there is one at hand.
    """
    if not try_lock(probe, sys_.LOCK_EX):
        return False
    try:
        if place.directory == "global" and is_permanent(probe):
            return True
        if locator_fd < 0:
            _unlink_if(place, probe)
        elif sys_.fstat(locator_fd).st_nlink:
            sys_.unlink(place.file, dir_fd=place.dirfd)
    except FileNotFoundError:
        pass  # somebody removed it by hand
    except OSError:
        pass  # another user's body in the sticky directory, or no descriptor left: whoever meets the name sweeps it
    finally:
        sys_.flock(probe, sys_.LOCK_UN)
    return True


def place_of_name(full: str) -> namespace.Place | None:
    """Where a full name is kept; None for what is no name of this user's namespace."""
    try:
        directory, leaf = names.split(full, os.geteuid(), rooted=False)
        return namespace.Place(directory, leaf) if leaf else None
    except NtError:
        return None


def directory_of(full: str) -> str | None:
    """"local", "global", or None for an unnamed object."""
    if not full:
        return None
    return "global" if full.startswith(names.GLOBAL_DIRECTORY + "\\") else "local"


# ---------------------------------------------------------------------- descriptors of other processes


def processes() -> list[int]:
    """The ids of all processes that can be seen."""
    return [int(entry) for entry in sys_.listdir("/proc") if entry.isdigit()]


def descriptors(pid: int) -> list[int]:
    """The descriptors of a process; [] where there is none or they may not be looked into."""
    try:
        return list_descriptors(pid)
    except (PermissionError, FileNotFoundError, ProcessLookupError, NotADirectoryError):
        return []


def list_descriptors(pid: int) -> list[int]:
    """The descriptors of a process, in order; OSError where they may not be looked into.

    The debug privilege opens fdinfo (proc(5), since Linux 5.14), not the directory fd, which is its owner's alone.
    """
    try:
        entries = sys_.listdir(f"/proc/{pid}/fd")
    except PermissionError:
        entries = sys_.listdir(f"/proc/{pid}/fdinfo")
        if entries:
            sys_.close(sys_.open(f"/proc/{pid}/fdinfo/{entries[0]}", sys_.O_RDONLY | sys_.O_CLOEXEC))
    return sorted(int(entry) for entry in entries)


def borrow(pid: int, fd: int) -> int:
    """A descriptor that shares another process's description (pidfd_getfd(2); needs the right to trace it).

    Raises:
        OSError: PermissionError without that right.
    """
    pidfd = sys_.pidfd_open(pid)
    try:
        return sys_.pidfd_getfd(pidfd, fd)
    finally:
        sys_.close(pidfd)


def search(identity: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """Every descriptor that means this file, in every process that may be looked into."""
    own = os.getpid()
    pids = processes()
    pids.sort(key=lambda pid: pid != own)
    for pid in pids:
        for fd in descriptors(pid):
            try:
                status = sys_.stat(f"/proc/{pid}/fd/{fd}")
            except OSError:
                continue
            if (status.st_dev, status.st_ino) == identity:
                yield pid, fd


def count_handles(identity: tuple[int, ...]) -> int:
    """The handles to an object in all processes that may be looked into: its descriptors that carry the tag."""
    count = 0
    for pid, fd in search(identity):
        info = descriptor_info(pid, fd)
        if info is not None and decode(info[0]) is not None:
            count += 1
    return count


def open_data(found: Found, facts: control_page.Facts, *, writable: bool) -> int:
    """A description of the file behind a section, through a holder's descriptor or else by its path, verified."""
    from memsection.nt.linux import filelocks

    assert facts.file_identity is not None
    mode = sys_.O_RDWR if writable else sys_.O_RDONLY
    owner = sys_.fstat(found.fd).st_uid
    problem: OSError | None = None
    for path in _data_paths(found, facts):
        try:
            status = sys_.stat(path)
            if (status.st_dev, status.st_ino) != facts.file_identity or not stat_.S_ISREG(status.st_mode):
                continue
            _require_honest(status, owner, path, writable=writable)
            fd = sys_.open(path, mode | _FLAGS)
        except OSError as error:
            problem = problem or error
            continue
        status = sys_.fstat(fd)
        if (status.st_dev, status.st_ino) != facts.file_identity:
            sys_.close(fd)
            continue
        try:
            filelocks.hold_section(fd)
        except BaseException:
            sys_.close(fd)
            raise
        return fd
    raise NtError(st.ACCESS_DENIED if isinstance(problem, PermissionError) else st.FILE_INVALID,
                  detail=f"the file behind the section cannot be opened: {problem or 'it was replaced'}")


def _require_honest(file: os.stat_result, owner: int, path: str, *, writable: bool) -> None:
    """Refuse a file that another user's section leads to, and that this user may not have: we open it by our rights (S2).

    What everybody may do, the section's owner may; what is the owner's, too.  Memberships of the owner cannot be known.
    """
    wanted = 0o006 if writable else 0o004
    if owner not in (os.geteuid(), 0, file.st_uid) and file.st_mode & wanted != wanted:
        raise NtError(st.ACCESS_DENIED, detail=(
            f"the section belongs to user {owner}; the file that it leads to, {path}, belongs to user {file.st_uid} and is "
            "not open to everybody: the one may have no right to it"))


def _data_paths(found: Found, facts: control_page.Facts) -> Iterator[str]:
    pid, fd = found.source
    info = descriptor_info(pid, fd)
    carried = decode(info[0]) if info is not None else None
    if carried is not None and carried[1] >= 0:
        yield f"/proc/{pid}/fd/{carried[1]}"
    path = control_page.path(found.fd, facts)
    if path and "\0" not in path:  # the page is the owner's to write, and whatever it says is only tried
        yield path
    identity = sys_.fstat(found.fd)
    for pid, fd in search((identity.st_dev, identity.st_ino)):
        info = descriptor_info(pid, fd)
        carried = decode(info[0]) if info is not None else None
        if carried is not None and carried[1] >= 0:
            yield f"/proc/{pid}/fd/{carried[1]}"
