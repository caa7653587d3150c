# SPDX-License-Identifier: MIT
"""Objects on their way to another process: pickled, through a Unix socket, or inherited by a
program.

The other process gets a handle of its own with the access of the one that was sent, named or not.
There is no background process and no thread:

* To a process that multiprocessing is just starting, a handle is handed over with the start itself.
* In a queue, a pipe, a pool or an executor travels where the receiver finds it (``transit``).
* Through a socket the descriptors themselves travel, and the kernel keeps what is on its way.

A forked child has all handles anyway, under the same values.
"""

from __future__ import annotations

import struct
import sys

from memsection.api.handle import Handle
from memsection.nt import kernel
from memsection.nt.owners import undo_here, whole
from memsection.vocabulary import object_types
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import HandleError, NtError, public_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Any, Self, TypeVar

    from memsection.api.transit import Ticket

    H = TypeVar("H", bound="Passable")


class Passable(Handle):
    """A handle that can be sent to another process and pickled: every type but processes."""

    __slots__ = ()

    @whole
    def send(self, sock: socket.socket) -> None:
        """Send the handle through a Unix socket, to whatever process takes it there with ``recv``.

        The receiver gets a handle of its own, with the access of this one, which may be closed at
        once.  It is a duplicate that shares nothing with this handle: a receiver who is not trusted
        cannot harm it.

        Rights:
            None.

        Raises:
            HandleError: The handle is closed.
            AccessError: Another user gave this handle, and the kernel does not let this user open
                the object again.
            Error: A system other than Linux.
            OSError: The socket cannot send.
        """
        _send(self, sock)

    @classmethod
    @whole
    def recv(cls, sock: socket.socket) -> Self:
        """The handle that the process on the other side of a Unix socket sends next.

        Rights:
            None: the handle has the access of the one that was sent.

        Raises:
            EOFError: The other side closed the socket.
            HandleError: What arrives is no handle, or means an object of another type.
            OSError: The socket cannot receive.
        """
        return _receive(cls, sock)

    def __reduce__(self) -> tuple[Any, ...]:
        return _reduce(self)


# ---------------------------------------------------------------------- pickling


@whole
def _reduce(owner: Passable) -> tuple[Any, ...]:
    """To a process that is being started a part of the start, to all others a duplicate in
    transit."""
    handle = owner.handle
    context = sys.modules.get("multiprocessing.context")
    start = context.get_spawning_popen() if context is not None else None
    try:
        if start is None:
            from memsection.api.transit import put

            return _take, (type(owner), put(handle), owner.name, owner.granted_access)
        try:
            fds = kernel.handle_descriptors(handle)
        except NtError as failure:
            if failure.status != st.NOT_ON_THIS_SYSTEM:
                raise
            return type(owner).from_handle, (start.duplicate_for_child(handle),)
        from multiprocessing.reduction import DupFd  # type: ignore[attr-defined, unused-ignore]  # not on Windows

        return _from_parent, (type(owner), *(DupFd(fd) for fd in fds))
    except NtError as failure:
        raise public_error(failure) from None


@whole
def _from_parent(kind: type[H], *passed: Any) -> H:
    """Unpickle in a process that was started with the descriptors."""
    return _from_descriptors(kind, [fd.detach() for fd in passed])


def _from_descriptors(kind: type[H], fds: list[int]) -> H:
    try:
        mine = kernel.handle_from_descriptors(fds)
    except NtError as failure:
        raise public_error(failure) from None
    return _own_handle(kind, mine)


def _own_handle(kind: type[H], handle: int) -> H:
    try:
        return kind.from_handle(handle)
    except BaseException:
        undo_here(kernel.close, handle)
        raise


@whole
def _take(kind: type[H], ticket: Ticket, name: str | None, access: int) -> H:
    """Unpickle elsewhere: take what is in transit."""
    from memsection.api.transit import take

    mine = take(ticket)
    if mine:
        return _own_handle(kind, mine)
    if name is not None:
        # Taken before (a pickle may be loaded more than once), or the sender has gone: a name can
        # still be opened.
        return kind.open(name, access=access)  # type: ignore[attr-defined, no-any-return]
    raise HandleError(
        f"unpickle an unnamed {kind.__name__}: process {ticket[0]} does not hold it any more: it "
        "has ended, or this pickle was loaded before, or it waited too long for somebody to load it"
    )


# ---------------------------------------------------------------------- sockets

_HEADER = struct.Struct("=8sBB6x")  # magic, object type, number of descriptors
_MAGIC = b"memsecth"


def _send(owner: Passable, sock: socket.socket) -> None:
    """Send a handle through a Unix socket.  The sender may close its own at once.

    What goes is a duplicate that nobody else has: what the receiver does to its open file
    description (its position, its locks) does nothing to the sender's handle.
    """
    import socket as socket_module

    try:
        duplicate = kernel.duplicate_object(
            s.CURRENT_PROCESS, owner.handle, s.CURRENT_PROCESS, 0, 0, s.DUPLICATE_SAME_ACCESS
        )
    except NtError as failure:
        raise public_error(failure) from None
    try:
        fds = kernel.handle_descriptors(duplicate)
        header = _HEADER.pack(_MAGIC, type(owner)._type.number, len(fds))
        sent = socket_module.send_fds(sock, [header], fds)  # type: ignore[attr-defined, unused-ignore]
        if sent < len(header):
            sock.sendall(header[sent:])
    except NtError as failure:
        raise public_error(failure) from None
    finally:
        _close_sent(duplicate)


def _close_sent(duplicate: int) -> None:
    """Close what may be a receiver's too by now, who can make it no handle any more: then it is
    closed all the same."""
    try:
        kernel.close(duplicate)
    except NtError as failure:
        if failure.status != st.INVALID_HANDLE:
            raise


def _receive(kind: type[H], sock: socket.socket) -> H:
    """The handle that the other side of a Unix socket sends next."""
    try:
        data, fds = kernel.receive_descriptors(sock.fileno(), _HEADER.size, sock.gettimeout())
    except NtError as failure:
        raise public_error(failure) from None
    try:
        while data and len(data) < _HEADER.size:
            more = sock.recv(_HEADER.size - len(data))
            if not more:
                break
            data += more
        if not data:
            raise EOFError("receive a handle: the other side closed the socket")
        if len(data) < _HEADER.size or data[: len(_MAGIC)] != _MAGIC:
            raise HandleError("receive a handle: what arrived is no handle")
        _, number, count = _HEADER.unpack(data)
        if count != len(fds) or not fds:
            raise HandleError(f"receive a handle: it has {count} descriptors, {len(fds)} arrived")
        if number != kind._type.number:
            found = object_types.BY_NUMBER.get(number)
            raise HandleError(
                f"receive a handle: asked for {kind._type.a_noun},"
                f" got {found.a_noun if found else number}",
                ntstatus=st.OBJECT_TYPE_MISMATCH,
            )
    except BaseException:
        kernel.close_descriptors(fds)
        raise
    return _from_descriptors(kind, fds)


# ---------------------------------------------------------------------- programs


def popen_arguments(*owners: Handle) -> dict[str, Any]:
    """Arguments for ``subprocess.Popen`` with which a program inherits these handles and no others.

    The program finds each under the value it has here, ``owner.handle``, which has to be told to
    it: ``Section.from_handle(value)``, or the same with ``win32``.  It shares them with this
    process, as a forked child does: a program of another user, who is not trusted with that, gets
    its handles through a socket (``send``).

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
        ...     child = popen_arguments(section)
        ...     subprocess.run(command, **child, check=True, capture_output=True).stdout.split()
        [b'4096']
    """
    try:
        fds = [fd for owner in owners for fd in kernel.handle_descriptors(owner.handle)]
    except NtError as failure:
        if failure.status != st.NOT_ON_THIS_SYSTEM:
            raise public_error(failure) from None
    else:
        return {"pass_fds": tuple(fds)}
    import subprocess

    for owner in owners:
        owner.inheritable = True
    start = subprocess.STARTUPINFO(  # type: ignore[attr-defined, unused-ignore]  # Windows only
        lpAttributeList={"handle_list": [owner.handle for owner in owners]}
    )
    return {"startupinfo": start, "close_fds": True}
