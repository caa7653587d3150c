# SPDX-License-Identifier: MIT
"""Objects on their way to another process: pickled, through a Unix socket, or inherited by a program.

The other process gets a handle of its own with the access of the one that was sent, named or not.  There is no
background process and no thread:

* To a process that multiprocessing is just starting, a handle is handed over with the start itself.
* In a queue, a pipe, a pool or an executor travels the process id and the value of a duplicate, which the receiver
  duplicates.  The duplicate is held *in transit* until the receiver has noted in a section of the sender's that it
  took it.  A sender that lives on looks at the notes whenever it sends or closes something; a child of
  multiprocessing that ends waits for them for two seconds.
* Through a socket the descriptors themselves travel, and the kernel keeps what is on its way.

A forked child has all handles anyway, under the same values.
"""

from __future__ import annotations

import os
import struct
import sys
import threading
import time

from memsection.api.handle import in_transit
from memsection.nt import kernel
from memsection.vocabulary import access as a
from memsection.vocabulary import object_types
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import ArgumentError, Error, HandleError, NtError, public

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Any, TypeVar

    from memsection.api.handle import Handle

    H = TypeVar("H", bound=Handle)

_NOTES_SIZE = 1 << 16
_SECRET = 16  # bytes at the start of the notes: whose they are
_SLOTS = (_NOTES_SIZE - _SECRET) // 8
_WAIT_AT_EXIT = 2.0  # seconds
_TAKEN_AWAY = os.name == "posix"  # elsewhere the value would be another handle's by the time that the sender looks
_PASSED = {kind.number for kind in (object_types.SECTION, object_types.MUTANT, object_types.EVENT,
                                    object_types.SEMAPHORE)}

# ---------------------------------------------------------------------- pickling


def reduce(owner: Handle) -> tuple[Any, ...]:
    """What ``__reduce__`` gives: to a process being started a part of the start, to all others a duplicate in transit.

    Rights:
        None: the receiver gets the access of this handle.

    Raises:
        HandleError: The handle is closed.
    """
    if owner._type.number not in _PASSED:
        raise TypeError(f"a {type(owner).__name__} cannot be pickled: pass its process id")
    handle = owner.handle
    context = sys.modules.get("multiprocessing.context")
    start = context.get_spawning_popen() if context is not None else None
    try:
        if start is None:
            return _take, (type(owner), *_transit.put(handle), owner.name, owner.granted_access)
        try:
            fds = kernel.handle_descriptors(handle)
        except NtError as failure:
            if failure.status != st.NOT_ON_THIS_SYSTEM:
                raise
            return type(owner).from_handle, (start.duplicate_for_child(handle),)
        from multiprocessing.reduction import DupFd  # type: ignore[attr-defined, unused-ignore]  # not on Windows

        return _started_with, (type(owner), *(DupFd(fd) for fd in fds))
    except NtError as failure:
        raise public(failure) from None


def _started_with(kind: type[H], *passed: Any) -> H:
    """Unpickle in a process that was started with the descriptors."""
    return _from_descriptors(kind, [fd.detach() for fd in passed])


def _from_descriptors(kind: type[H], fds: list[int]) -> H:
    try:
        mine = kernel.handle_from_descriptors(fds)
    except NtError as failure:
        raise public(failure) from None
    return _owned(kind, mine)


def _owned(kind: type[H], handle: int) -> H:
    try:
        return kind.from_handle(handle)
    except BaseException:
        kernel.close(handle)
        raise


def _take_away(pid: int, handle: int) -> int:
    """Duplicate a handle that is in transit in some process; that process lets go of it as soon as it can."""
    try:
        process = kernel.open_process(a.PROCESS_DUP_HANDLE, 0, pid)
        try:
            if _TAKEN_AWAY and pid != os.getpid():
                try:
                    return kernel.duplicate_object(process, handle, s.CURRENT_PROCESS, 0, 0,
                                                   s.DUPLICATE_SAME_ACCESS | s.DUPLICATE_CLOSE_SOURCE)
                except NtError as failure:
                    if failure.status != st.ACCESS_DENIED:  # the kernel may allow looking and no more
                        raise
            return kernel.duplicate_object(process, handle, s.CURRENT_PROCESS, 0, 0, s.DUPLICATE_SAME_ACCESS)
        finally:
            kernel.close(process)
    except NtError as failure:
        raise public(failure) from None


def _take(kind: type[H], pid: int, handle: int, notes_handle: int, secret: bytes, slot: int, token: int,
          name: str | None, access: int) -> H:
    """Unpickle elsewhere: duplicate what is in transit, and note that it was taken."""
    from memsection.api.section import Section

    try:
        with Section.from_process(pid, notes_handle, access="rw") as section, section.map(length=_NOTES_SIZE) as view:
            notes = memoryview(view)
            at = _SECRET + 8 * slot
            if notes[:_SECRET] == secret and struct.unpack_from("=Q", notes, at)[0] == token:
                mine = _take_away(pid, handle)
                struct.pack_into("=Q", notes, at, 0)
                return _owned(kind, mine)
    except (HandleError, ArgumentError):
        pass  # no such process, or it has no such notes any more
    if name is not None:
        # Taken before (a pickle may be loaded more than once), or the sender has gone: a name can still be opened.
        return kind.open(name, access=access)  # type: ignore[attr-defined, no-any-return]
    raise HandleError(f"unpickle an unnamed {kind.__name__}: process {pid} does not hold it any more: it has ended, or"
                      " this pickle was loaded before")


class _Transit:
    """The duplicates of this process that are on their way, and the notes of receivers on what they took."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._notes_handle = 0  # a handle, so that nothing is left to the collector
        self._notes = memoryview(b"")
        self._secret = b""
        self._token = 0
        self._sent = in_transit  # slot to handle
        self._pid = 0

    def put(self, handle: int) -> tuple[int, int, int, bytes, int, int]:
        """Duplicate a handle for whoever takes it: process id, duplicate, notes, secret, slot, token."""
        with self._lock:
            self._make_notes()
            self._sweep()
            if len(self._sent) == _SLOTS:
                raise Error(f"pickle: {_SLOTS} objects are in transit and none of them is being unpickled",
                            ntstatus=st.INSUFFICIENT_RESOURCES)
            duplicate = kernel.duplicate_object(s.CURRENT_PROCESS, handle, s.CURRENT_PROCESS, 0, 0,
                                                s.DUPLICATE_SAME_ACCESS)
            self._token += 1
            slot = self._token % _SLOTS
            while slot in self._sent:
                slot = (slot + 1) % _SLOTS
            struct.pack_into("=Q", self._notes, _SECRET + 8 * slot, self._token)
            self._sent[slot] = duplicate
            return self._pid, duplicate, self._notes_handle, self._secret, slot, self._token

    def _make_notes(self) -> None:
        if self._notes_handle:
            return
        from memsection.api.section import Section

        section = Section.create(size=_NOTES_SIZE)
        self._notes = memoryview(section.map())
        self._notes_handle = section.detach()
        self._secret = os.urandom(_SECRET)
        self._notes[:_SECRET] = self._secret
        self._token = int.from_bytes(os.urandom(6), "little")
        self._pid = os.getpid()
        process = sys.modules.get("multiprocessing.process")
        if process is not None and process.parent_process() is not None:
            # A child: what it puts into a queue last should arrive.  Queues are flushed at priority -5.
            from multiprocessing.util import Finalize

            Finalize(None, self._wait, exitpriority=-20)

    def _sweep(self) -> None:
        """Close what was taken."""
        for slot in list(self._sent):
            if not struct.unpack_from("=Q", self._notes, _SECRET + 8 * slot)[0]:
                try:
                    kernel.close(self._sent.pop(slot))
                except NtError:
                    pass  # the receiver closed it already

    def settle(self) -> None:
        """Close what was taken, unless somebody is just doing it."""
        if self._lock.acquire(blocking=False):
            try:
                self._sweep()
            finally:
                self._lock.release()

    def _wait(self) -> None:
        deadline = time.monotonic() + _WAIT_AT_EXIT
        pause = 0.0005
        while True:
            with self._lock:
                self._sweep()
            if not self._sent or time.monotonic() > deadline:
                return
            time.sleep(pause)
            pause = min(2 * pause, 0.02)

    def forget(self) -> None:
        """In a forked child: what is in transit is the parent's."""
        self._lock = threading.Lock()
        handles = [*self._sent.values(), *([self._notes_handle] if self._notes_handle else [])]
        self._sent.clear()
        self._notes_handle = 0
        self._notes = memoryview(b"")
        for handle in handles:
            try:
                kernel.close(handle)
            except NtError:
                pass  # nobody can be told in the middle of a fork


_transit = _Transit()
settle = _transit.settle
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_transit.forget)

# ---------------------------------------------------------------------- sockets

_HEADER = struct.Struct("=8sBB6x")  # magic, object type, number of descriptors
_MAGIC = b"memsecth"


def send(owner: Handle, sock: socket.socket) -> None:
    """Send a handle through a Unix socket.  The sender may close its own at once."""
    import socket as socket_module

    try:
        fds = kernel.handle_descriptors(owner.handle)
    except NtError as failure:
        raise public(failure) from None
    header = _HEADER.pack(_MAGIC, type(owner)._type.number, len(fds))
    sent = socket_module.send_fds(sock, [header], fds)  # type: ignore[attr-defined, unused-ignore]
    if sent < len(header):
        sock.sendall(header[sent:])


def receive(kind: type[H], sock: socket.socket) -> H:
    """The handle that the other side of a Unix socket sends next."""
    import socket as socket_module

    try:
        data, fds, _, _ = socket_module.recv_fds(sock, _HEADER.size, 2)  # type: ignore[attr-defined, unused-ignore]
    except AttributeError:
        raise Error("receive a handle: this system's sockets pass none", ntstatus=st.NOT_ON_THIS_SYSTEM) from None
    try:
        while data and len(data) < _HEADER.size:
            more = sock.recv(_HEADER.size - len(data))
            if not more:
                break
            data += more
        if not data:
            raise EOFError("receive a handle: the other side closed the socket")
        if len(data) < _HEADER.size or data[:len(_MAGIC)] != _MAGIC:
            raise HandleError("receive a handle: what arrived is no handle")
        _, number, count = _HEADER.unpack(data)
        if count != len(fds) or not fds:
            raise HandleError(f"receive a handle: it has {count} descriptors, {len(fds)} arrived")
        if number != kind._type.number:
            found = object_types.BY_NUMBER.get(number)
            raise HandleError(f"receive a handle: asked for a {kind._type.name},"
                              f" got a {found.name if found else number}", ntstatus=st.OBJECT_TYPE_MISMATCH)
    except BaseException:
        for fd in fds:
            os.close(fd)
        raise
    return _from_descriptors(kind, fds)


# ---------------------------------------------------------------------- programs


def popen_arguments(*owners: Handle) -> dict[str, Any]:
    """Arguments for ``subprocess.Popen`` with which a program inherits these handles and no others.

    The program finds each under the value it has here, ``owner.handle``, which has to be told to it:
    ``Section.from_handle(value)``, or the same with ``win32``.

    Rights:
        None.

    Raises:
        HandleError: One of the handles is closed.

    Platforms:
        Windows: the handles are made inheritable.

    Example:
        >>> import subprocess, sys
        >>> from memsection import Section
        >>> program = '''
        ... import sys
        ... from memsection import Section
        ... with Section.from_handle(int(sys.argv[1])) as section:
        ...     print(section.size)
        ... '''
        >>> with Section.create(size=4096) as section:
        ...     command = [sys.executable, "-c", program, str(section.handle)]
        ...     subprocess.run(command, **popen_arguments(section), check=True, capture_output=True).stdout.split()
        [b'4096']
    """
    try:
        fds = [fd for owner in owners for fd in kernel.handle_descriptors(owner.handle)]
    except NtError as failure:
        if failure.status != st.NOT_ON_THIS_SYSTEM:
            raise public(failure) from None
    else:
        return {"pass_fds": tuple(fds)}
    import subprocess

    for owner in owners:
        owner.inheritable = True
    start = subprocess.STARTUPINFO(  # type: ignore[attr-defined, unused-ignore]  # Windows only
        lpAttributeList={"handle_list": [owner.handle for owner in owners]})
    return {"startupinfo": start, "close_fds": True}
