# SPDX-License-Identifier: MIT
"""Handles that go from one process to another: taken by (process, value), taken away, and given.

The kernel checks who may look into whom (proc(5): /proc/PID/fd needs PTRACE_MODE_READ); what a handle is, its own
descriptor tells (H1).  A handle given to another process waits in the giver until the other uses its value for the
first time; the value says where: giver's process id and descriptor.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import os
import stat as stat_

from memsection._native import ledger
from memsection.nt.linux import _fast, bodies, control_page, lifetime, objects, process
from memsection.nt.linux import syscalls as sys_
from memsection.nt.linux.handles import GIFT, GIVEN, PROTECTED, REVOKED, Handle, decode, descriptor_info, invalid
from memsection.vocabulary import access as a
from memsection.vocabulary import object_types
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.object_types import FILE, PROCESS, ObjectType

_PID_SHIFT, _FD_MASK, _INHERIT = 24, (1 << 24) - 4, 1 << 47
_CLOEXEC_FLAG = 0o2000000  # O_CLOEXEC in fdinfo's flags
_given = objects.waiting  # (pidfd of the receiver, descriptor, data descriptor, full name)
_short_way = False  # whether opens went the short way, which does not look at what waits, before something waited
_gifts: dict[int, tuple[int, ...]] = {}  # the objects behind the values that this process gave, the latest ones
_MOST_GIFTS = 4096


def duplicate(source_process: int, source: int, target_process: int, access: int, attributes: int,
              options: int) -> int:
    """NtDuplicateObject."""
    settle()
    source_pid, _ = process.target(source_process, a.PROCESS_DUP_HANDLE)
    target_pid, receiver = process.target(target_process, a.PROCESS_DUP_HANDLE) if target_process else (0, None)
    own = os.getpid()
    if source_pid != own:
        handle = _take(source_pid, source, access, attributes, options)
        if target_pid == own:
            return handle.value
        if not target_pid:
            objects.close(handle.value)
            return 0
        value = _give(handle, receiver, handle.access, attributes, options)
        objects.close(handle.value)
        return value
    if source in (s.CURRENT_PROCESS, s.CURRENT_THREAD):
        return _pseudo(target_pid, access, attributes, options)
    handle = objects.lookup(source)
    if target_pid == own:
        return _within(handle, access, attributes, options)
    if target_pid:
        value = _give(handle, receiver, _wanted(handle, access, options), attributes, options)
    else:
        value = 0
    if options & s.DUPLICATE_CLOSE_SOURCE and not handle.protected:
        objects.close(handle.value)
    return value


def _pseudo(target_pid: int, access: int, attributes: int, options: int) -> int:
    """A real handle for the pseudo handle of this process."""
    if target_pid != os.getpid():
        raise NtError(st.NOT_ON_THIS_SYSTEM, detail="a handle to a process cannot be put into another process")
    wanted = PROCESS.valid if options & s.DUPLICATE_SAME_ACCESS else access
    return process.open_(wanted, attributes, os.getpid())


def _wanted(handle: Handle, access: int, options: int) -> int:
    """The access of the duplicate; more than the source's is checked against the object's descriptor (R1)."""
    if options & s.DUPLICATE_SAME_ACCESS:
        return handle.access
    kind = handle.kind
    wanted = kind.specific(access)
    if wanted & ~(kind.valid | a.MAXIMUM_ALLOWED):
        raise NtError(st.ACCESS_DENIED, name=handle.obj.display_name(),
                      detail=f"no {kind.noun} has the rights {wanted & ~kind.valid:#x}")
    if wanted & ~handle.access:
        if kind.number <= 4:
            assert handle.obj.facts is not None
            facts = control_page.read(handle.fd, handle.obj.facts.body_size)
            return objects.grant(facts.descriptor, wanted, kind)
        if kind is FILE:
            raise NtError(st.ACCESS_DENIED, name=handle.obj.display_name(),
                          detail=f"asked for {kind.words(wanted)}, the handle grants {kind.words(handle.access)}")
        if kind is PROCESS:
            assert isinstance(handle.obj, process.Process)
            temporary = process.open_(wanted, 0, handle.obj.pid)
            objects.close(temporary)
    return wanted & ~a.MAXIMUM_ALLOWED


def _within(handle: Handle, access: int, attributes: int, options: int) -> int:
    """Within this process."""
    wanted = _wanted(handle, access, options)
    inherit = bool(attributes & s.OBJ_INHERIT)
    protect = False
    if options & s.DUPLICATE_SAME_ATTRIBUTES:
        inherit, protect = sys_.get_inheritable(handle.fd), handle.protected
    copy = _copy(handle, wanted, inherit)
    if options & s.DUPLICATE_CLOSE_SOURCE and not handle.protected:
        copy = _move(handle, copy)
    if protect:
        set_protected(copy, True)
    return copy.value


@ledger.whole
def _copy(handle: Handle, access: int, inherit: bool) -> Handle:
    """Another handle of this process to the same object, with a description and a lock of its own."""
    kind, data_fd = handle.kind, -1
    if kind.number > 4:
        fd = sys_.duplicate_from(handle.fd, 3)  # files share their position, as on Windows
        return objects.register(fd, kind, access, handle.obj, inherit=inherit, tag=False)
    writable = objects.needs_write(kind, access)
    fd = lifetime.reopen(handle.fd, sys_.O_RDWR if objects.needs_write(kind, access, handle.obj.facts) else sys_.O_RDONLY)
    lifetime.hold(fd)
    if handle.data_fd >= 0:
        assert handle.obj.facts is not None
        data_fd = lifetime.open_data(lifetime.Found(handle.fd), handle.obj.facts, writable=writable)
    return objects.register(fd, kind, access, handle.obj, data_fd=data_fd, inherit=inherit)


def _move(handle: Handle, copy: Handle) -> Handle:
    """Put the copy in the place of its source: within one process the value stays (duplicate.close_source_reuses...)."""
    with objects.lock:
        inherit = sys_.get_inheritable(copy.fd)
        os.dup2(copy.fd, handle.fd, inheritable=inherit)
        handle.access = copy.access
        if handle.data_fd >= 0:
            os.dup2(copy.data_fd, handle.data_fd, inheritable=inherit)
        objects.discard(copy)
        if handle.kind.number <= 4:
            handle.publish()
    return handle


def set_protected(handle: Handle, protect: bool) -> None:
    """HANDLE_FLAG_PROTECT_FROM_CLOSE."""
    handle.protected = protect
    if handle.kind.number <= 4:
        handle.publish()


# ---------------------------------------------------------------------- taken from another process


def _take(pid: int, value: int, access: int, attributes: int, options: int) -> Handle:
    """A handle of another process, into this one."""
    value &= ~3
    pid, fd = (pid, value // 4) if value < GIFT else _whereabouts(pid, value)
    try:
        found, info = _look(pid, fd, value)
    except NtError as failure:
        if failure.status != st.ACCESS_DENIED:
            raise
        return _take_borrowed(pid, fd, access, attributes, options, failure)
    carried = decode(info[0])
    if carried is None:
        return _take_plain(pid, fd, value, found, info, access, attributes, options)
    try:
        body = lifetime.open_source((pid, fd), (found.st_dev, found.st_ino))
    except NtError:
        return _take_borrowed(pid, fd, access, attributes, options, _gone(pid, value))
    try:
        lifetime.hold(body)
        again = descriptor_info(pid, fd)
        if again is None or decode(again[0]) is None:
            raise _gone(pid, value)
        handle = _taken(body, (pid, fd), found, carried, info[1], access, attributes, options)
    finally:
        lifetime.give_up(body, None)
    if options & s.DUPLICATE_CLOSE_SOURCE and not carried[2]:
        try:
            _revoke(pid, fd)
        except BaseException:
            objects.close(handle.value)
            raise
    return handle


def _whereabouts(pid: int, value: int) -> tuple[int, int]:
    """Where the description of a handle is that a process was given: (process, descriptor).

    Until it is fetched it is the giver's.  Then it is the receiver's, under a descriptor that only the receiver knows:
    the giver finds it by the object that it gave.
    """
    giver, fd = (value & ~(GIFT | _INHERIT)) >> _PID_SHIFT, (value & _FD_MASK) // 4
    if _is_live(giver, fd, GIVEN):
        return giver, fd
    identity = _gifts.get(value)
    for other in lifetime.descriptors(pid) if identity is not None else ():
        try:
            found = sys_.stat(f"/proc/{pid}/fd/{other}")
        except OSError:
            continue
        if (found.st_dev, found.st_ino) == identity and _is_live(pid, other, 0):
            return pid, other
    raise _gone(pid, value)


def _is_live(pid: int, fd: int, given: int) -> bool:
    try:
        info = descriptor_info(pid, fd)
    except OSError:
        return False
    return info is not None and decode(info[0]) is not None and info[0] & GIVEN == given


@ledger.whole
def _take_borrowed(pid: int, fd: int, access: int, attributes: int, options: int, refusal: NtError) -> Handle:
    """A handle whose file the kernel does not let this user open: only the debug privilege reaches it.

    The duplicate shares the other process's description, and so cannot get more rights than that one carries.
    """
    try:
        body = lifetime.borrow(pid, fd)
    except OSError:
        raise refusal from None
    found, carried = sys_.fstat(body), decode(sys_.lseek(body, 0, 1))
    if not stat_.S_ISREG(found.st_mode) or carried is None or options & s.DUPLICATE_CLOSE_SOURCE:
        raise refusal
    facts = bodies.read(body, found)
    kind = object_types.BY_NUMBER[facts.type]
    if facts.file_identity is not None:
        raise refusal  # the data is in a file of its own, which has its own rights
    has = carried[0] & kind.valid
    wanted = has if options & s.DUPLICATE_SAME_ACCESS else kind.specific(access)
    if wanted & ~has:
        raise NtError(st.ACCESS_DENIED, name=f"process {pid}",
                      detail=f"asked for {kind.words(wanted)}, the handle grants {kind.words(has)}")
    with objects.lock:
        return objects.register(body, kind, wanted, objects.known(found, kind, facts, body),
                                inherit=bool(attributes & s.OBJ_INHERIT), tag=False)


def _look(pid: int, fd: int, value: int) -> tuple[os.stat_result, tuple[int, int]]:
    try:
        found = sys_.stat(f"/proc/{pid}/fd/{fd}")
        info = descriptor_info(pid, fd)
    except PermissionError:
        raise NtError(st.ACCESS_DENIED, name=f"process {pid}",
                      detail="the kernel does not let this process look into its descriptors (another user's?)") from None
    except OSError:
        raise _gone(pid, value) from None
    if info is None:
        raise _gone(pid, value)
    return found, info


def _gone(pid: int, value: int) -> NtError:
    alive = os.path.exists(f"/proc/{pid}/stat")
    return NtError(st.INVALID_HANDLE if alive else st.PROCESS_IS_TERMINATING, name=f"process {pid}",
                   detail=f"it has no handle {value:#x}" if alive else "it has ended")


@ledger.whole
def _taken(body: int, source: tuple[int, int], found: os.stat_result, carried: tuple[int, int, bool], open_flags: int,
           access: int, attributes: int, options: int) -> Handle:
    facts = bodies.read(body, found)
    kind = object_types.BY_NUMBER[facts.type]
    has = carried[0] & kind.valid
    if objects.needs_write(kind, has, facts) and open_flags & os.O_ACCMODE == os.O_RDONLY:
        has &= ~_writing(kind)  # a read-only descriptor carries no such right, whatever its holder wrote there
    if options & s.DUPLICATE_SAME_ACCESS:
        wanted = has
    else:
        wanted = kind.specific(access)
        if wanted & ~has:
            wanted = objects.grant(facts.descriptor, wanted, kind)
    inherit = bool(attributes & s.OBJ_INHERIT)
    if options & s.DUPLICATE_SAME_ATTRIBUTES:
        inherit = not open_flags & _CLOEXEC_FLAG
    writable = objects.needs_write(kind, wanted)
    fd = lifetime.reopen(body, sys_.O_RDWR if objects.needs_write(kind, wanted, facts) else sys_.O_RDONLY)
    data_fd = -1
    lifetime.hold(fd)
    if facts.file_identity is not None:
        data_fd = lifetime.open_data(lifetime.Found(body, source=source), facts, writable=writable)
    with objects.lock:
        handle = objects.register(fd, kind, wanted, objects.known(found, kind, facts, fd), data_fd=data_fd,
                                  inherit=inherit)
    if options & s.DUPLICATE_SAME_ATTRIBUTES and carried[2]:
        set_protected(handle, True)
    return handle


def _writing(kind: ObjectType) -> int:
    return a.SECTION_MAP_WRITE if kind is object_types.SECTION else a.SYNCHRONIZE | 0x2


@ledger.whole
def _take_plain(pid: int, fd: int, value: int, found: os.stat_result, info: tuple[int, int], access: int,
                attributes: int, options: int) -> Handle:
    """A descriptor that is no handle of this library's: a file shares the position, so the description must too."""
    if not stat_.S_ISREG(found.st_mode) or info[0] & (1 << 62):
        raise _gone(pid, value)
    if options & s.DUPLICATE_CLOSE_SOURCE:
        raise NtError(st.NOT_ON_THIS_SYSTEM, name=f"process {pid}", detail="a file handle cannot be taken away")
    new = _shared(pid, fd)
    from memsection.nt.linux import file

    mode = info[1] & os.O_ACCMODE
    has = {os.O_RDONLY: a.FILE_GENERIC_READ, os.O_WRONLY: a.FILE_GENERIC_WRITE}.get(
        mode, a.FILE_GENERIC_READ | a.FILE_GENERIC_WRITE)
    wanted = has if options & s.DUPLICATE_SAME_ACCESS else FILE.specific(access)
    if wanted & ~(has | a.SYNCHRONIZE):
        raise NtError(st.ACCESS_DENIED, name=f"process {pid}", detail=f"the file handle grants {FILE.words(has)}")
    return objects.register(new, FILE, wanted, file.File(sys_.readlink(f"/proc/self/fd/{new}")),
                            inherit=bool(attributes & s.OBJ_INHERIT), tag=False)


def _shared(pid: int, fd: int) -> int:
    """A descriptor that shares another process's description (pidfd_getfd(2); needs the right to trace it)."""
    try:
        return lifetime.borrow(pid, fd)
    except PermissionError:
        raise NtError(st.NOT_ON_THIS_SYSTEM, name=f"process {pid}",
                      detail="this needs the right to trace the process (kernel.yama.ptrace_scope=0, a descendant, or "
                             "CAP_SYS_PTRACE)") from None


def _revoke(pid: int, fd: int) -> None:
    """Take a handle away from another process: through the shared description its lock goes, and its tag (H2)."""
    shared = _shared(pid, fd)
    try:
        where = sys_.lseek(shared, 0, 1)
        if decode(where) is None:
            raise NtError(st.INVALID_HANDLE, name=f"process {pid}")
        sys_.lseek(shared, where | REVOKED, 0)
        sys_.flock(shared, sys_.LOCK_UN)
    finally:
        sys_.close(shared)


# ---------------------------------------------------------------------- given to another process


@ledger.whole
def _give(handle: Handle, receiver: Handle | None, access: int, attributes: int, options: int) -> int:
    """Make a handle for another process; it fetches it when it first uses the value."""
    global _short_way
    assert receiver is not None and isinstance(receiver.obj, process.Process)
    if handle.kind.number > 4:
        raise NtError(st.NOT_ON_THIS_SYSTEM, name=handle.obj.display_name(),
                      detail=f"{handle.kind.a_noun} handle cannot be put into another process on this system")
    if process.has_ended(receiver):
        raise NtError(st.PROCESS_IS_TERMINATING, name=receiver.obj.display_name())
    copy = _copy(handle, access, False)
    inherit = bool(attributes & s.OBJ_INHERIT)
    if options & s.DUPLICATE_SAME_ATTRIBUTES:
        inherit, copy.protected = sys_.get_inheritable(handle.fd), handle.protected
    try:
        pidfd = sys_.duplicate_from(receiver.fd, 3)
    except BaseException:
        objects.close(copy.value)
        raise
    with objects.lock:
        objects.discard(copy, close=False)
        copy.publish()
        sys_.lseek(copy.fd, sys_.lseek(copy.fd, 0, 1) | GIVEN, 0)
        if not _given:
            _short_way = _fast.switch(False)
        _given.append((pidfd, copy.fd, copy.data_fd, handle.obj.name))
    value = GIFT | (_INHERIT if inherit else 0) | os.getpid() << _PID_SHIFT | copy.fd * 4
    if len(_gifts) >= _MOST_GIFTS:
        _gifts.pop(next(iter(_gifts)))
    _gifts[value] = handle.obj.identity
    return value


@ledger.settled
def accept(value: int) -> Handle:
    """Fetch a handle that another process gave to this one."""
    inherit = bool(value & _INHERIT)
    pid, fd = (value & ~(GIFT | _INHERIT)) >> _PID_SHIFT, (value & _FD_MASK) // 4
    try:
        found, info = _look(pid, fd, value)
    except NtError:
        raise invalid(value) from None
    carried = decode(info[0])
    if carried is None or not info[0] & GIVEN or pid == os.getpid():
        raise invalid(value)
    body = lifetime.open_source((pid, fd), (found.st_dev, found.st_ino))
    try:
        lifetime.hold(body)
        handle = _taken(body, (pid, fd), found, carried, info[1], 0, s.OBJ_INHERIT if inherit else 0,
                        s.DUPLICATE_SAME_ACCESS)
    finally:
        lifetime.give_up(body, None)
    with objects.lock:
        objects.rename(handle, value)
    if info[0] & PROTECTED:
        set_protected(handle, True)
    try:
        _revoke(pid, fd)
    except NtError:
        pass  # the giver lets go of it when this process ends
    return handle


def settle() -> None:
    """Let go of given handles that were fetched, or whose receiver has ended."""
    if not _given:
        return
    with objects.lock:  # all of it: a descriptor that another thread closes meanwhile may be anything by now
        for entry in list(_given):
            pidfd, fd, data_fd, name = entry
            if not sys_.lseek(fd, 0, 1) & REVOKED and not _is_readable(pidfd):
                continue
            _given.remove(entry)
            if not _given:
                _fast.switch(_short_way)
            lifetime.give_up(fd, lifetime.place_of_name(name) if name else None)
            sys_.close(pidfd)
            if data_fd >= 0:
                sys_.close(data_fd)


def _is_readable(pidfd: int) -> bool:
    """Whether the process has ended (pidfd_open(2))."""
    poll = sys_.poll()
    poll.register(pidfd, 1)
    return bool(poll.poll(0))


def _forget_given() -> None:
    """A forked child has copies of what waits for others: not its to give."""
    if _given:
        _fast.switch(_short_way)
    for entry in _given:
        for fd in entry[:3]:
            if fd >= 0:
                sys_.close(fd)
    _given.clear()
    _gifts.clear()


os.register_at_fork(after_in_child=_forget_given)
