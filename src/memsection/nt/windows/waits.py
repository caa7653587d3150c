# SPDX-License-Identifier: MIT
"""Waits that Ctrl-C ends, and what they tell."""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import ctypes
import threading
import time
from collections.abc import Sequence
from typing import Any

from memsection.nt.windows import arguments, ntdll, objects
from memsection.nt.windows import structs as n
from memsection.vocabulary import access as a
from memsection.vocabulary import names
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import AbandonedNtError, NtError

SLICE = 500_000  #: 50 ms in units of 100 ns
MOST_HANDLES = 64  #: MAXIMUM_WAIT_OBJECTS


def interrupt_event() -> int:
    """The event that the interpreter sets at Ctrl-C, 0 where it does not show it."""
    try:
        function = ctypes.pythonapi._PyOS_SigintEvent
    except AttributeError:
        return 0
    function.restype = n.HANDLE
    function.argtypes = ()
    return int(function() or 0)


def deadline_of(timeout: int | None) -> int | None:
    """When a timeout is over, in 100 ns units of the one clock that does not tick in steps of 16 ms
    here; an absolute time becomes a span first."""
    if timeout is None:
        return None
    if timeout > 0:  # 100 ns units since 1601
        timeout = min(0, int((time.time() + 11_644_473_600) * 10_000_000) - timeout)
    return time.perf_counter_ns() // 100 - timeout


def remaining(deadline: int | None) -> int | None:
    """What is left of it, as a timeout."""
    return None if deadline is None else min(0, time.perf_counter_ns() // 100 - deadline)


def check_wait(status: int, handles: Sequence[int]) -> int:
    """The status of a wait, unless it failed; the message names the first handle that does not
    permit it."""
    if status & 0x80000000:
        for handle in handles:
            problem = objects.failure(status, "NtWaitForSingleObject", handle, a.SYNCHRONIZE)
            if problem.detail:
                raise problem
        raise NtError(status, "wait")
    return status


def wait_in_slices(wait: Any, timeout: int | None) -> int:
    """A wait in slices short enough for Ctrl-C, which Python sees between them."""
    deadline = deadline_of(timeout)
    while True:
        left = remaining(deadline)
        last = left is not None and left > -SLICE
        status: int = wait(arguments.large(left if last else -SLICE))
        if status != st.TIMEOUT or last:
            return status


def wait_any(handles: Sequence[int], timeout: int | None, event: int) -> int:
    """A wait for any of fewer than 64 objects, or for Ctrl-C."""
    array = (n.HANDLE * (len(handles) + 1))(*handles, event)
    deadline = deadline_of(timeout)
    while True:
        ntdll.call("NtResetEvent", event, None)
        status = check_wait(
            ntdll.status_of(
                "NtWaitForMultipleObjects",
                len(array),
                array,
                s.WAIT_ANY,
                False,
                arguments.large(remaining(deadline)),
            ),
            handles,
        )
        if status != st.WAIT_0 + len(handles):
            return status
        # Python raises KeyboardInterrupt somewhere below; the event can come a moment before its
        # flag.
        time.sleep(0.001)


def is_abandoned(handle: int) -> bool:
    """Whether a handle is that of a mutant whose owner ended; False too where it may not be
    asked."""
    info = n.MutantBasicInformation()
    status = ntdll.status_of(
        "NtQueryMutant", handle, 0, ctypes.byref(info), ctypes.sizeof(info), None
    )
    return status == st.SUCCESS and bool(info.AbandonedState)


def abandoned_error(handle: int, index: int = 0) -> AbandonedNtError:
    name = names.win32_name(objects.object_name(handle)) or None
    return AbandonedNtError(name, owner_pid=0, index=index)  # Windows does not say who it was


def is_interruptible(timeout: int | None) -> bool:
    """Whether this wait can be long, and Python would have to be told of Ctrl-C meanwhile."""
    return timeout != 0 and threading.current_thread() is threading.main_thread()
