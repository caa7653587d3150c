# SPDX-License-Identifier: MIT
"""Timers: something to wait for that comes at a time, once or again and again.

Everything about the handle itself is in ``handle``, waiting for several objects in ``wait``.
"""

from __future__ import annotations

from math import ceil, isfinite

from memsection.api.waitable import Waitable
from memsection.nt import kernel, native
from memsection.vocabulary import access as a
from memsection.vocabulary import object_types
from memsection.vocabulary import structs as s
from memsection.vocabulary.arguments import object_name, seconds
from memsection.vocabulary.errors import ArgumentError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from typing import Any, Self

    from memsection.api.security import Security

_LOOK = a.TIMER_QUERY_STATE | a.SYNCHRONIZE
_EPOCH = 116444736000000000  # of POSIX, in 100 ns since 1601
_LATEST = (1 << 63) - 1
_LONGEST_PERIOD = 0x7FFFFFFF  # ms


class Timer(Waitable):
    """What is signaled at a time.  An auto-reset timer lets one wait through each time that it is
    due; a manual-reset timer lets everybody through from then on, until it is set again.

    It needs no thread and no process: the one that set it may have ended.
    """

    _type = object_types.TIMER
    _words = {"r": _LOOK, "w": a.TIMER_MODIFY_STATE, "rw": _LOOK | a.TIMER_MODIFY_STATE}

    @staticmethod
    def _open_named(access: int, attributes: s.ObjectAttributes | None) -> int:
        return kernel.open_timer(access, attributes)

    @classmethod
    def create(
        cls,
        name: str | None = None,
        *,
        manual_reset: bool = False,
        exist_ok: bool = False,
        inheritable: bool = False,
        security: Security | str | bytes | None = None,
    ) -> Self:
        r"""Make a timer, with a name or without one; it is not set.

        Args:
            name: What other processes open it by; ``Global\name`` for other users and containers.
            manual_reset: Whether it lets everybody through once it is due, or one wait each time.
            exist_ok: Whether a timer that has the name already is opened instead, as it is; see
                ``created``.
            inheritable: Whether child processes get the handle.
            security: Who may open it by name; this user alone when omitted.

        Rights:
            None for a new object.  An existing one must grant ``SYNCHRONIZE``,
            ``TIMER_QUERY_STATE`` and ``TIMER_MODIFY_STATE``.

        Raises:
            ExistsError: The name is taken (FileExistsError).
            HandleError: With ``exist_ok``: the name is that of another type.
            ArgumentError: The name or the security makes no sense.
            AccessError: An existing timer does not grant the access.
            TypeError: The name is no str.

        Example:
            >>> from memsection import Timer
            >>> with Timer.create() as timer:
            ...     timer.set(0.01, period=0.5)
            ...     timer.wait(), timer.wait(timeout=0)
            (True, False)
        """
        object_name(name, "manual_reset")
        kind = s.NOTIFICATION_TIMER if manual_reset else s.SYNCHRONIZATION_TIMER
        return cls._make(
            lambda access, attributes: kernel.create_timer(access, attributes, kind),
            name,
            exist_ok,
            inheritable,
            security,
        )

    def set(
        self, due: float | timedelta | datetime, period: float | timedelta | None = None
    ) -> None:
        """Set it, whatever it was set to before: it is not signaled until it is due.

        Where a periodic timer was due several times and nobody waited, that is once.

        Args:
            due: Seconds from now, or a timedelta, by a clock that nobody sets and that stands still
                while the system sleeps; or a datetime with a time zone, which follows the system's
                clock when that is set.
            period: After how many seconds it is due again, and again: whole milliseconds, from
                0.001 on.  Once when omitted.

        Rights:
            ``TIMER_MODIFY_STATE``.

        Raises:
            ArgumentError: A span below 0, a datetime without a time zone, or a period that is not
                whole milliseconds; or more than a timer can count (ValueError).
            TypeError: No number, timedelta or datetime.
            AccessError: The handle does not permit it.
            CorruptError: Somebody spoiled the object.
            HandleError: The handle is closed.
        """
        self._ask(kernel.set_timer, _units(due), _milliseconds(period), False)

    def cancel(self) -> None:
        """Have it due no more.  If it is signaled, it stays that.

        Rights:
            ``TIMER_MODIFY_STATE``.

        Raises:
            AccessError: The handle does not permit it.
            CorruptError: Somebody spoiled the object.
            HandleError: The handle is closed.
        """
        self._ask(kernel.cancel_timer)

    def is_signaled(self) -> bool:
        """Whether a wait would be let through now; changes nothing.

        Rights:
            ``TIMER_QUERY_STATE``.

        Raises:
            AccessError: The handle does not permit it.
            CorruptError: Somebody spoiled the object.
            HandleError: The handle is closed.
        """
        return bool(self._ask(kernel.query_timer).TimerState)

    def remaining(self) -> float | None:
        """Seconds until it is due next; None when it will not be: it is not set, was cancelled, or
        was due once.

        Rights:
            ``TIMER_QUERY_STATE``.

        Raises:
            AccessError: The handle does not permit it.
            CorruptError: Somebody spoiled the object.
            HandleError: The handle is closed.
        """
        left: int = self._ask(kernel.query_timer).RemainingTime
        return left / 1e7 if left > 0 else None

    @native("timer_wait")
    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is due; an auto-reset timer lets nobody else through for that time.

        Args:
            timeout: Seconds; for ever when omitted, only a look when 0.

        Returns:
            Whether it let this wait through; False when the time was up.

        Rights:
            ``SYNCHRONIZE``.

        Raises:
            AccessError: The handle does not permit waiting.
            CorruptError: Somebody spoiled the object.
            HandleError: The handle is closed.
        """
        return self._take(timeout)


def _span(value: Any, what: str) -> float | int:
    """A span in units of 100 ns, exactly where it is a timedelta."""
    if hasattr(value, "total_seconds"):
        return int(10 * (value.microseconds + 1_000_000 * (value.seconds + 86_400 * value.days)))
    return seconds(value, what) * 1e7


def _units(due: Any) -> int:
    """A due time as the kernel interface has it: -span in 100 ns, or the time since 1601."""
    if hasattr(due, "timestamp"):
        if due.utcoffset() is None:
            raise ArgumentError(f"due: {due} has no time zone: give it one, as datetime.now(UTC)")
        # the float has the exact microsecond
        return max(1, int(round(due.timestamp() * 1e6)) * 10 + _EPOCH)
    span = _span(due, "due")
    if not 0 <= span <= _LATEST:  # what is no number is neither
        raise ArgumentError(f"due: {due} is no span from 0 to 29,000 years")
    return -ceil(span)


def _milliseconds(period: Any) -> int:
    if period is None:
        return 0
    span = _span(period, "period")
    count = round(span / 10_000) if isfinite(span) else 0
    if not 1 <= count <= _LONGEST_PERIOD or abs(span - count * 10_000) > 1e-6 * span:
        raise ArgumentError(
            f"period: {period} is not whole milliseconds, from 0.001 s to {_LONGEST_PERIOD // 1000}"
        )
    return count
