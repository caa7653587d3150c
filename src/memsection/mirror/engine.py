# SPDX-License-Identifier: MIT
"""zenoh in a Python process: importing it, opening and ending sessions, forks, and the end of the
interpreter.

zenoh's threads do not survive a fork: in the child every call of it would wait for ever, also the
collector's.  So the child keeps the parent's sessions for good, untouched, and is refused new ones.
It lets go of the links themselves: as long as it had them, nobody would see that the parent has
ended, and nobody else could listen where the parent did.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import socket
import threading
import weakref
from collections.abc import Callable, Iterable
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

from memsection.api.operations import finish
from memsection.mirror.endpoints import host_and_port
from memsection.vocabulary.errors import Error
from memsection.vocabulary.forks import run_in_child

JOIN = (
    8.0  #: seconds that a thread is waited for: a reply to somebody who takes nothing ends after 5
)

_started_by = 0  #: the process in which zenoh has begun its threads
_living: dict[
    int, Any
] = {}  #: sessions, and what was declared on them; in a forked child they are kept for ever
_listened: set[int] = set()  #: ports that sessions of this process have listened on
#: where they have connected to: addresses, None for a host that has a name, and ports
_connected: set[tuple[str | None, int]] = set()
_closers: list[weakref.ref[Any]] = []
_consuming: weakref.WeakSet[threading.Thread] = weakref.WeakSet()
_lock = threading.Lock()


def zenoh() -> Any:
    """The module.

    Raises:
        ImportError: It is not installed.
    """
    try:
        import zenoh
    except ImportError as missing:  # pragma: no cover - seen by a test in a process without zenoh
        raise ImportError(
            "memsection.mirror needs zenoh: pip install 'memsection[mirror]'"
        ) from missing
    return zenoh


def refuse_after_fork() -> None:
    """Raise an Error in a child that was forked after zenoh had begun."""
    if _started_by and _started_by != os.getpid():
        raise Error(
            f"mirror: process {os.getpid()} was forked from one that has used the network, "
            f"whose threads do not "
            "survive that; start it with the method 'spawn' or 'forkserver', or before the "
            "first use"
        )


def begin(
    opening: Callable[[], Any], listen: Iterable[str] = (), connect: Iterable[str] = ()
) -> Any:
    """Open a session at some endpoints, to be ended by ``end`` or with the interpreter."""
    global _started_by
    refuse_after_fork()
    if not _started_by:
        atexit.register(_end_all)
    _started_by = os.getpid()
    _listened.update(host_and_port(one)[1] for one in listen)
    _connected.update(_address(one) for one in connect)
    return keep(opening())


def keep(made: Any) -> Any:
    """Remember something of zenoh's that waits for its threads when it is dropped."""
    with _lock:
        _living[id(made)] = made
    return made


def end(made: Any) -> None:
    """Close a session, or undeclare what was declared; in a forked child leave it alone."""
    if _started_by != os.getpid():
        return
    with _lock:
        if id(made) not in _living:
            return
    with suppress(Exception):  # a link that broke under it has no more to say
        (made.close if hasattr(made, "close") else made.undeclare)()
    with _lock:
        _living.pop(id(made), None)  # last: what a signal interrupts is done again


def consume(
    handler: Any, take: Callable[[Any], object], failed: Callable[[Exception], object], name: str
) -> threading.Thread:
    """Call a function with everything that arrives, in a thread that ends when the handler is
    undeclared.

    Not by a callback: zenoh calls those from threads that the interpreter waits for at its end.
    """
    channel = (
        handler.handler
    )  # receiving through the entity itself would keep it from being undeclared

    def run() -> None:
        while True:
            try:
                found = channel.recv()
            except Exception:  # it was undeclared, or its session closed
                return
            try:
                take(found)
            except Exception as failure:  # whatever a peer has sent: the next one is looked at
                failed(failure)
            del found

    thread = threading.Thread(target=run, name=name, daemon=True)
    _consuming.add(thread)  # also where a signal keeps the caller from having it
    thread.start()
    return thread


def join(threads: Iterable[threading.Thread]) -> None:
    """Wait for threads that were told to end: one that is in zenoh when the interpreter goes takes
    the process with it."""
    for thread in threads:
        if thread is not threading.current_thread() and thread.ident is not None:
            thread.join(JOIN)


def sleep_exactly() -> None:
    """Have this thread's sleeps end when they should: the system otherwise adds up to 50 us
    (PR_SET_TIMERSLACK)."""
    with suppress(AttributeError, OSError, TypeError):  # another system
        ctypes.CDLL(None).prctl(29, 1, 0, 0, 0)


def remember(user: Any) -> None:
    """Have ``user.close()`` called at the end of the interpreter, if it is still there."""
    _closers[:] = [one for one in _closers if one() is not None] + [weakref.ref(user)]


def _end_all() -> None:
    if _started_by == os.getpid():
        finish(_end_each)


def _end_each() -> None:
    for user in [found for found in (one() for one in reversed(_closers)) if found is not None]:
        with suppress(Exception):
            user.close()
    for made in list(_living.values()):
        end(made)
    join(list(_consuming))


@run_in_child
def _after_fork_in_child() -> None:
    """Keep everything of zenoh's: dropping it would wait for threads that are not there."""
    global _lock
    _lock = threading.Lock()
    for made in _living.values():
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(made))
    if _started_by:
        _let_go_of_links()
        # zenoh ends its threads in an exit handler of the C library, which would wait for them
        # here for ever.  The handlers run in reverse order: this one is the first, and ends the
        # process with the status it is given.
        with suppress(AttributeError):  # a C library without on_exit(3)
            libc = ctypes.CDLL(None)
            libc.on_exit(libc._exit, None)


def _let_go_of_links() -> None:
    """Put nothing in the place of each descriptor of a link, and of those that were listened on:
    its number stays taken, for zenoh knows it."""
    with suppress(OSError), open(os.devnull, "rb") as nothing:
        for name in os.listdir("/proc/self/fd"):
            if _is_link(int(name)):
                os.dup2(nothing.fileno(), int(name), inheritable=False)


def _address(endpoint: str) -> tuple[str | None, int]:
    """Address and port of an endpoint; None for the address of a host that has a name."""
    host, port = host_and_port(endpoint)
    try:
        return str(ip_address(host)), port
    except ValueError:
        return None, port


def _is_link(descriptor: int) -> bool:
    try:
        found = socket.socket(fileno=descriptor)
    except OSError:
        return False
    try:
        if (
            found.family not in (socket.AF_INET, socket.AF_INET6)
            or found.type != socket.SOCK_STREAM
        ):
            return False
        with suppress(OSError):
            host, port = found.getpeername()[:2]
            if (host, port) in _connected or (None, port) in _connected:
                return True
        return found.getsockname()[1] in _listened
    except OSError:
        return False
    finally:
        found.detach()
