# SPDX-License-Identifier: MIT
"""A child process of multiprocessing hands over to its parent the blocks that it made and nobody
has unlinked.

With the standard library a block lives until the whole tree of processes has ended; programs make
blocks in a child, end it, and open them in the parent.  Here the handle has to be somewhere
meanwhile.  A process that uses blocks has a Unix socket, on which nobody waits: a child that ends
connects to its parent's and sends its handles, and the kernel keeps them in the queue until the
parent takes them, which it does whenever it looks for a block, or ends.  There is no thread and no
process for this.  How a handle travels is ``api.passing``'s business, and what a block is,
``blocks``'.

The socket has an abstract name (unix(7)), which anybody could take: both sides look who is on the
other (SO_PEERCRED).
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable, Iterator
from multiprocessing import process, util
from types import SimpleNamespace
from typing import Any

from memsection import Section
from memsection.vocabulary.errors import HandleError

#: What of these modules exists on POSIX systems only, where alone this is used; type checkers for
#: others need not know.
posix: Any = SimpleNamespace(
    **{
        name: getattr(module, name)
        for module, names in (
            (os, ("geteuid",)),
            (socket, ("AF_UNIX", "SOCK_SEQPACKET", "SOL_SOCKET", "SO_PEERCRED")),
        )
        for name in names
        if hasattr(module, name)
    }
)
_PENDING = 1024  # children that may end before the parent looks

_listener: socket.socket | None = None
_arranged_in = 0  # the process whose end is arranged for


def listen() -> None:
    """Let children of this process hand sections over.  Without a socket they keep them, and these
    end with them."""
    global _listener
    stop()
    listener = socket.socket(posix.AF_UNIX, posix.SOCK_SEQPACKET)
    try:
        listener.bind(_address(os.getpid()))
        listener.listen(_PENDING)
        listener.setblocking(False)
    except OSError:
        # the name is taken (by another PID namespace's process, say), or there is no such kind of
        # name
        listener.close()
        return
    _listener = listener


def stop() -> None:
    """Close the socket: in a forked child, whose parent's it is, and at the end."""
    global _listener
    listener, _listener = _listener, None
    if listener is not None:
        listener.close()


def collect() -> Iterator[Section]:
    """Receive the sections that ended children have sent."""
    while _listener is not None:
        try:
            connection, _ = _listener.accept()
        except OSError:  # none is left, mostly
            return
        with connection:
            connection.setblocking(False)
            if _peer(connection)[1] == posix.geteuid():
                yield from _receive_sections(connection)


def _receive_sections(connection: socket.socket) -> Iterator[Section]:
    while True:
        try:
            yield Section.recv(connection)
        except HandleError:
            continue  # somebody else's idea of a message
        except (EOFError, OSError):
            return


def hand_over_at_exit(sections: Callable[[], list[Section]]) -> None:
    """Send these sections to the parent when this process ends, if it is a child of
    multiprocessing."""
    global _arranged_in
    parent = process.parent_process()
    if parent is None or parent.pid is None or _arranged_in == os.getpid():
        return
    _arranged_in = os.getpid()
    # After queues are flushed (-5) and objects in transit have arrived (-20).
    util.Finalize(None, _hand_over, (parent.pid, sections), exitpriority=-30)


def at_exit(close: Callable[[], None]) -> None:
    """Call ``close`` last when this process ends: after its children have ended and handed over
    their sections."""
    util.Finalize(None, close, exitpriority=-40)


def hand_over_at_exit_of_children(sections: Callable[[], list[Section]]) -> None:
    """Arrange the same in every child that will be forked.  A spawned child has to call
    ``hand_over_at_exit`` itself."""
    util.register_after_fork(hand_over_at_exit, lambda _: hand_over_at_exit(sections))


def _hand_over(parent: int, ask: Callable[[], list[Section]]) -> None:
    sections = ask()
    if not sections:
        return
    with socket.socket(posix.AF_UNIX, posix.SOCK_SEQPACKET) as connection:
        connection.setblocking(False)
        try:
            connection.connect(_address(parent))
            if _peer(connection) != (parent, posix.geteuid()):
                return
            for section in sections:
                section.send(connection)
        except OSError:
            pass  # the parent uses no blocks, or has ended: they end with this process


def _peer(connection: socket.socket) -> tuple[int, int]:
    """Process and user on the other side: who called connect, or listen."""
    pid, uid, _ = struct.unpack(
        "=3i", connection.getsockopt(posix.SOL_SOCKET, posix.SO_PEERCRED, 12)
    )
    return pid, uid


def _address(pid: int) -> str:
    """The name of a process's socket.  Containers may share these names and each count their own
    processes, so that the PID namespace is in it."""
    try:
        namespace = os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        namespace = 0
    return f"\0memsection-blocks-{posix.geteuid()}-{namespace}-{pid}"
