# SPDX-License-Identifier: MIT
"""zenoh in a Python process: importing it, opening and ending sessions, forks, and the end of the interpreter.

zenoh's threads do not survive a fork: in the child every call of it would wait for ever, also the collector's.  So the
child keeps the parent's sessions for good, untouched, and is refused new ones.
"""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from memsection.vocabulary.errors import Error

_started_by = 0  #: the process in which zenoh has begun its threads
_sessions: list[Any] = []  #: those that are open; in a forked child they are kept here for ever
_closers: weakref.WeakSet[Any] = weakref.WeakSet()
_lock = threading.Lock()


def zenoh() -> Any:
    """The module.

    Raises:
        ImportError: It is not installed.
    """
    try:
        import zenoh
    except ImportError as missing:  # pragma: no cover - seen by a test in a process without zenoh
        raise ImportError("memsection.mirror needs zenoh: pip install 'memsection[mirror]'") from missing
    return zenoh


def refuse_after_fork() -> None:
    """Raise an Error in a child that was forked after zenoh had begun."""
    if _started_by and _started_by != os.getpid():
        raise Error(f"mirror: process {os.getpid()} was forked from one that has used the network, whose threads do not "
                    "survive that; start it with the method 'spawn' or 'forkserver', or before the first use")


def begin(opening: Callable[[], Any]) -> Any:
    """Open a session, to be ended by ``end`` or with the interpreter."""
    global _started_by
    refuse_after_fork()
    if not _started_by:
        atexit.register(_end_all)
    _started_by = os.getpid()
    session = opening()
    with _lock:
        _sessions.append(session)
    return session


def end(session: Any) -> None:
    """Close a session; in a forked child leave it alone."""
    if _started_by != os.getpid():
        return
    with _lock:
        if session not in _sessions:
            return
        _sessions.remove(session)
    with suppress(Exception):  # a link that broke under it has no more to say
        session.close()


def remember(user: Any) -> None:
    """Have ``user.close()`` called at the end of the interpreter, if it is still there."""
    _closers.add(user)


def _end_all() -> None:
    if _started_by != os.getpid():
        return
    for user in list(_closers):
        with suppress(Exception):
            user.close()
    for session in list(_sessions):
        end(session)


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork_in_child)
