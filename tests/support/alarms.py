# SPDX-License-Identifier: MIT
"""A handler of a signal that ends a call, wherever a busy machine lets the signal come."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType

import pytest


def ended_by_a_handler(
    call: Callable[[], object], raised: type[BaseException], delay: float = 0.02
) -> None:
    """Have a handler raise while a call runs, once and never before or after it; the call has to
    end by that."""

    def inside() -> None:
        call()

    def ring(_: int, frame: FrameType | None) -> None:
        while frame is not None and frame.f_code is not inside.__code__:
            frame = frame.f_back
        if frame is not None:
            signal.setitimer(signal.ITIMER_REAL, 0)
            raise raised("from a handler")

    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, delay, delay)  # again: it may come before the call
        with pytest.raises(raised):
            inside()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
