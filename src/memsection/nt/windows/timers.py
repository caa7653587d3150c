# SPDX-License-Identifier: MIT
"""The services for timers."""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import ctypes
from ctypes import wintypes as w
from typing import Any

from memsection.nt.windows import arguments, named, ntdll, objects
from memsection.nt.windows import structs as n
from memsection.vocabulary import access as a
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import NtError


class Timers:
    """The part of the kernel that is about timers."""

    timers_are_exact = False

    def create_timer(self, access: int, attributes: Any, timer_type: int) -> tuple[int, int]:
        if timer_type not in (s.NOTIFICATION_TIMER, s.SYNCHRONIZATION_TIMER):
            # said here, because Wine has another status for it
            raise NtError(st.INVALID_PARAMETER_4, "create timer", None, f"timer type {timer_type}")
        return named.create("NtCreateTimer", access, attributes, timer_type)

    def open_timer(self, access: int, attributes: Any) -> int:
        return named.open_("NtOpenTimer", access, attributes)

    def set_timer(self, handle: int, due: int, period: int, resume: bool) -> tuple[int, int]:
        if not 0 <= period < 1 << 31:
            # said here, because a LONG would be another number, and Wine takes one below 0
            raise NtError(st.INVALID_PARAMETER_6, "set timer", None, f"a period of {period} ms")
        before = w.BOOLEAN()
        status = ntdll.status_of(
            "NtSetTimer",
            handle,
            arguments.large(due),
            None,
            None,
            resume,
            period,
            ctypes.byref(before),
        )
        if status & 0x80000000:
            raise objects.failure(status, "NtSetTimer", handle, a.TIMER_MODIFY_STATE)
        return status, int(bool(before.value))

    def cancel_timer(self, handle: int) -> int:
        signaled = w.BOOLEAN()
        status = ntdll.status_of("NtCancelTimer", handle, ctypes.byref(signaled))
        if status & 0x80000000:
            raise objects.failure(status, "NtCancelTimer", handle, a.TIMER_MODIFY_STATE)
        return int(bool(signaled.value))

    def query_timer(self, handle: int) -> s.TimerBasicInformation:
        info = n.TimerBasicInformation()
        ntdll.call("NtQueryTimer", handle, 0, ctypes.byref(info), ctypes.sizeof(info), None)
        return s.TimerBasicInformation(info.RemainingTime, bool(info.TimerState))
