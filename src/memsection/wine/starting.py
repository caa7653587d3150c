# SPDX-License-Identifier: MIT
"""How a helper is started: where Wine can have the pages that it needs."""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import contextlib
import ctypes
import os
from collections.abc import Iterator

from memsection.api.operations import finish

_ADDR_NO_RANDOMIZE, _NOTHING = 0x0040000, 0xFFFFFFFF  #: personality(2): the latter asks alone


@contextlib.contextmanager
def addresses_not_randomised() -> Iterator[None]:
    """What this thread starts meanwhile has its heap where it always is.

    A process of Wine's needs the page at 0x7ffe0000.  Where the kernel puts a program's heap
    anywhere within a gigabyte, the heap of Wine's loader covers that page once in some ten thousand
    starts, and the program ends before its first instruction.

    The setting is the thread's own, and a child has it through execve (personality(2)).  A
    container may forbid it: then the program starts as any other does.
    """
    change = ctypes.CDLL(None).personality
    before = change(ctypes.c_ulong(_NOTHING))
    # What a container forbids is asked for again: it changes nothing either.
    usual = ctypes.c_ulong(before if before != -1 else _NOTHING)
    try:
        if before != -1:
            change(ctypes.c_ulong(before | _ADDR_NO_RANDOMIZE))
        yield
    finally:
        finish(change, usual)  # whatever a signal handler raises just now


def bits_of(prefix: str) -> int:
    """Which helper a prefix takes: one of 32 bits has no directory for the other 32-bit
    programs."""
    return 64 if os.path.isdir(os.path.join(prefix, "drive_c", "windows", "syswow64")) else 32
