# SPDX-License-Identifier: MIT
"""``wait_any`` with what is taken in several steps among the objects: a side of a readers-writer
lock."""

from __future__ import annotations

import time

from memsection.api.wait import left_of, repaired, units, waited_of
from memsection.nt import kernel
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import AbandonedNtError, NtError, public_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from memsection.api.wait import H


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
    taken = next((index for index, stage in stages.items() if stage.at_once()), None)
    try:
        while taken is None:
            waited = [
                stages[index].waiting() if index in stages else waited_of(one)
                for index, one in enumerate(several)
            ]
            pauses = [stage.pause for stage in stages.values() if stage.pause is not None]
            left = left_of(timeout, end)
            if pauses:
                left = units(min(pauses)) if left is None else max(left, units(min(pauses)) or 0)
            try:
                status = kernel.wait_for_multiple_objects(
                    waited, s.WAIT_ANY, left, careful=not accept_abandoned
                )
            except AbandonedNtError as failure:
                stage = stages.get(failure.index)
                if (
                    stage.take_abandoned() and stage.step()
                    if stage
                    else repaired(several[failure.index], failure)
                ):
                    taken = failure.index
                continue
            except NtError as failure:
                raise public_error(failure) from None
            if status == st.TIMEOUT:
                taken = next(
                    (
                        index
                        for index, stage in stages.items()
                        if stage.pause is not None and stage.step()
                    ),
                    None,
                )
                if taken is None and timeout is not None and time.monotonic() >= end:
                    return None
                continue
            index = status - (st.ABANDONED_WAIT_0 if status >= st.ABANDONED_WAIT_0 else st.WAIT_0)
            if index not in stages or stages[index].step():
                taken = index
        return several[taken]
    finally:
        for index, stage in stages.items():
            if index != taken:
                stage.give_up()
