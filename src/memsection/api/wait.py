# SPDX-License-Identifier: MIT
"""Waiting for several objects: for any, or for all.

Timeouts are as in ``waitable``.
"""

from __future__ import annotations

from collections.abc import Iterable

from memsection.api.waitable import (
    end_of,
    look_at,
    look_often,
    take_and_repair,
    units_left,
    wait_target,
)
from memsection.nt import kernel
from memsection.nt.owners import whole
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import AbandonedNtError, ArgumentError, NtError, public_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from memsection.api.handle import Handle
    from memsection.api.waitable import End, H


@whole
def wait_any(
    objects: Iterable[H], timeout: float | None = None, *, accept_abandoned: bool = False
) -> H | None:
    """Wait until one of several objects can be taken, and take that one: the first in their order
    that can.

    Args:
        objects: 1 to 64 mutexes, events, semaphores, processes, sides of readers-writer locks and
            ends of channels and of latest values, in any mix.  An end is ready when its
            ``wait(timeout=0)`` is true; nothing is taken from it.
        timeout: Seconds; for ever when omitted.
        accept_abandoned: Whether an abandoned mutex is taken.

    Returns:
        The object, or None when the time was up.

    Rights:
        ``SYNCHRONIZE`` for each.

    Raises:
        AbandonedMutexError: A mutex's owner ended while it owned it.  Nothing was taken, and it
            stays so until somebody takes it knowingly.  (One that was made with ``repair`` is
            repaired instead.)
        AccessError: A handle does not permit waiting.
        ArgumentError: No objects, or more than 64.
        HandleError: A handle is closed, or a section's.
        CorruptError: Somebody spoiled an object.
    """
    several, end = _list(objects), end_of(timeout)
    if any(hasattr(one, "_stage") for one in several):
        from memsection.api.staged import wait_any_in_stages

        return wait_any_in_stages(several, timeout, end, accept_abandoned)
    while True:
        waited = [wait_target(one) for one in several]
        if None in waited:
            return _any_by_looking(several, timeout, accept_abandoned)
        try:
            status = kernel.wait_for_multiple_objects(
                waited, s.WAIT_ANY, units_left(timeout, end), accept_abandoned=accept_abandoned
            )
        except AbandonedNtError as failure:
            found = several[failure.index]
            if take_and_repair(found, failure):
                return found
            continue
        except NtError as failure:
            raise public_error(failure) from None
        if status == st.TIMEOUT:
            return None
        return several[
            status - (st.ABANDONED_WAIT_0 if status >= st.ABANDONED_WAIT_0 else st.WAIT_0)
        ]


def _any_by_looking(several: list[H], timeout: float | None, accept_abandoned: bool) -> H | None:
    """``wait_any`` where the system waits for its own objects only: one after the other, again and
    again."""
    looks = [look_at(one) for one in several]
    found: list[H] = []

    def look() -> bool:
        for one, is_ready in zip(several, looks, strict=True):
            if (
                is_ready()
                if is_ready
                else wait_any([one], 0, accept_abandoned=accept_abandoned) is not None
            ):
                found.append(one)
                return True
        return False

    return found[0] if look_often(look, timeout) else None


@whole
def wait_all(
    objects: Iterable[Handle | End], timeout: float | None = None, *, accept_abandoned: bool = False
) -> bool:
    """Wait until all of several objects can be taken together, and take them; as long as one is
    missing, take none.

    Args:
        objects: 1 to 64 mutexes, events, semaphores, processes and ends of channels, in any mix,
            each once.
        timeout: Seconds; for ever when omitted.
        accept_abandoned: Whether abandoned mutexes are taken.

    Returns:
        Whether they were taken; False when the time was up.

    Rights:
        ``SYNCHRONIZE`` for each.

    Raises:
        AbandonedMutexError: All could be taken, but a mutex's owner ended while it owned it.
            Nothing was taken. (One that was made with ``repair`` is repaired instead.)
        AccessError: A handle does not permit waiting.
        ArgumentError: No objects, more than 64, or the same one twice.
        HandleError: A handle is closed, or a section's.
        CorruptError: Somebody spoiled an object.
    """
    several, end = _list(objects), end_of(timeout)
    while True:
        waited = [wait_target(one) for one in several]
        if None in waited:
            return _all_by_looking(several, timeout, accept_abandoned)
        try:
            return (
                kernel.wait_for_multiple_objects(
                    waited, s.WAIT_ALL, units_left(timeout, end), accept_abandoned=accept_abandoned
                )
                != st.TIMEOUT
            )
        except AbandonedNtError as failure:
            found: Any = several[failure.index]
            if take_and_repair(found, failure):
                found.release()  # only a mutex is repaired
        except NtError as failure:
            raise public_error(failure) from None


def _all_by_looking(several: list[Any], timeout: float | None, accept_abandoned: bool) -> bool:
    """``wait_all`` where the system waits for its own objects only.  What is not taken comes before
    what is."""
    if len({id(one) for one in several}) < len(several):
        raise ArgumentError("wait: a wait for all that has the same object twice")
    looks = [look_at(one) for one in several]
    others = [one for one, is_ready in zip(several, looks, strict=True) if is_ready is None]

    def look() -> bool:
        return all(is_ready() for is_ready in looks if is_ready) and (
            not others or wait_all(others, 0, accept_abandoned=accept_abandoned)
        )

    return look_often(look, timeout)


def _list(objects: Iterable[H]) -> list[H]:
    several = list(objects)
    if not several:
        raise ArgumentError("wait: no objects to wait for")
    return several
