# SPDX-License-Identifier: MIT
"""``wait_any`` with what is taken in several steps among the objects: a side of a readers-writer
lock."""

from __future__ import annotations

import time

from memsection.api.waitable import (
    LAST_LOOK,
    look_at,
    take_and_repair,
    units,
    units_left,
    wait_target,
)
from memsection.nt import kernel
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import AbandonedNtError, NtError, public_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from memsection.api.waitable import H


class Stage:
    """The taking, by one wait, of something that is taken in several steps; each object that is has
    ``_stage``."""

    pause: float | None  #: seconds after which the next step is due, whatever comes

    def at_once(self) -> bool:
        """Whether it was taken without a wait."""
        raise NotImplementedError

    def waiting(self) -> Any:
        """What to wait for."""
        raise NotImplementedError

    def take_abandoned(self) -> bool:
        """Take what was waited for although its owner ended; False when somebody else was
        faster."""
        raise NotImplementedError

    def step(self) -> bool:
        """After it came: whether all is taken now."""
        raise NotImplementedError

    def give_up(self) -> None:
        """Give back what the steps took."""
        raise NotImplementedError


def wait_any_in_stages(
    several: list[H], timeout: float | None, end: float, accept_abandoned: bool
) -> H | None:
    """``wait_any`` with objects that are taken in steps: a step of one goes on with the wait."""
    staged: list[Any] = [one if hasattr(one, "_stage") else None for one in several]
    stages: dict[int, Stage] = {
        index: one._stage(accept_abandoned) for index, one in enumerate(staged) if one is not None
    }
    looks = [None if index in stages else look_at(one) for index, one in enumerate(several)]
    taken = next((index for index, stage in stages.items() if stage.at_once()), None)
    try:
        while taken is None:
            waited = [
                stages[index].waiting() if index in stages else wait_target(one)
                for index, one in enumerate(several)
            ]
            pauses = [stage.pause for stage in stages.values() if stage.pause is not None]
            left = units_left(timeout, end)
            if None in waited:
                taken = next(
                    (at for at, is_ready in enumerate(looks) if is_ready and is_ready()), None
                )
                if taken is not None:
                    break
                pauses.append(LAST_LOOK)
            try:
                index = _wait(waited, _until_next_look(left, pauses), accept_abandoned)
            except AbandonedNtError as failure:
                stage = stages.get(failure.index)
                if (
                    stage.take_abandoned() and stage.step()
                    if stage
                    else take_and_repair(several[failure.index], failure)
                ):
                    taken = failure.index
                continue
            except NtError as failure:
                raise public_error(failure) from None
            if index is None:
                taken = _index_after_pause(stages)
                if taken is None and timeout is not None and time.monotonic() >= end:
                    return None
                continue
            if index not in stages or stages[index].step():
                taken = index
        return several[taken]
    finally:
        for index, stage in stages.items():
            if index != taken:
                stage.give_up()


def _until_next_look(left: int | None, pauses: list[float]) -> int | None:
    """How long to wait: not longer than until somebody has to look by itself."""
    if not pauses:
        return left
    pause = units(min(pauses))
    return pause if left is None else max(left, pause or 0)


def _index_after_pause(stages: dict[int, Stage]) -> int | None:
    """Which of those that look by themselves has all now, if one has."""
    return next(
        (i for i, stage in stages.items() if stage.pause is not None and stage.step()), None
    )


def _wait(waited: list[Any], left: int | None, accept_abandoned: bool) -> int | None:
    """Wait for those that the system can wait for, not for None; which came, if any did."""
    there = [index for index, one in enumerate(waited) if one is not None]
    try:
        status: int = kernel.wait_for_multiple_objects(
            [waited[index] for index in there], s.WAIT_ANY, left, accept_abandoned=accept_abandoned
        )
    except AbandonedNtError as failure:
        failure.index = there[failure.index]
        raise
    if status == st.TIMEOUT:
        return None
    return there[status - (st.ABANDONED_WAIT_0 if status >= st.ABANDONED_WAIT_0 else st.WAIT_0)]
