# SPDX-License-Identifier: MIT
"""The peers that ``against_everybody`` compares, one adapter in each file.

An adapter is a module with ``NAME``, ``version()`` and as many of these as the peer has; nothing is
emulated that a user of the peer would not write in the same few lines:

``create(name, size)``    make a named block: something with ``buffer`` and ``close()``, which
removes it ``attach(name, size)``    the same for one that exists; ``close()`` leaves it ``lock()``
something with ``acquire()`` and ``release()`` that forked children share ``signals()``
a ``Conversation`` that wakes the other process, and is woken by it ``frames(size)``          a
``Conversation`` that gives the other process ``size`` bytes to read ``arrays(shape)``         the
same for an array of float64 that the other process can then use with NumPy ``tables(table)``
the same for an Arrow table ``latest(size)``          what reads the latest value of ``size`` bytes
that some process wrote, consistently
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Protocol

NAMES = (
    "ours",
    "shared_memory",
    "mmap_by_hand",
    "posix_ipc",
    "shared_array",
    "iceoryx2",
    "easyshm",
    "mp",
    "mp_queue",
    "pyzmq",
    "c_floor",
)


class Conversation(Protocol):
    """One question and its answer, between a process and its forked child."""

    def parent(self) -> None:
        """Called once in the parent after the fork."""

    def child(self) -> None:
        """Called once in the child after the fork."""

    def ask(self) -> object:
        """What is timed: give something to the child, and wait for its answer."""

    def answer(self) -> None:
        """Wait for a question, look at what came, and answer."""

    def close(self) -> None:
        """Called in the parent when the child has gone."""


class Talk:
    """A conversation whose parts are optional."""

    def parent(self) -> None: ...

    def child(self) -> None: ...

    def close(self) -> None: ...


def available() -> tuple[dict[str, ModuleType], dict[str, str]]:
    """The adapters whose libraries are installed, and why the others are not."""
    found, missing = {}, {}
    for name in NAMES:
        try:
            found[name] = importlib.import_module(f"peers.{name}")
        except (ImportError, OSError) as problem:
            missing[name] = str(problem)
    return found, missing
