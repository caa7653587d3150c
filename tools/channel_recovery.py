# SPDX-License-Identifier: MIT
"""The part of ``channel_model`` that sets right what the dead left, as ``ms_recover.c`` does."""

from __future__ import annotations

from collections.abc import Iterator

from channel_state import (
    FULL,
    HELD,
    QUEUED,
    READING,
    SENDING,
    VOID,
    WRITING,
    Place,
    Process,
    Seen,
    State,
    go,
    with_entry,
    with_place,
    word_of,
)
from model import Explored


class Recovering(Explored[State]):
    """What whoever is held up does; see ``channel_model.FAULTS`` for what may be left out."""

    fault: str
    positions: int

    # ------------------------------------------------------------------ opening

    def _opening(self, state: State, number: int, process: Process) -> Iterator[State]:
        """The lowest slot that nobody has, nor recovers, is claimed, and what words say of its last
        owner set right."""
        taken = {other.recovered for other in state.processes}
        if self.fault == "recover without the lock":
            taken = set()
        slot = min(
            slot
            for slot in range(1, len(state.locks))
            if not state.locks[slot] and slot not in taken
        )
        locks = (*state.locks[:slot], number + 1, *state.locks[slot + 1 :])
        after = state._replace(locks=locks)
        yield go(after, number, "right", slot=slot, recovered=slot, back="start")

    # ------------------------------------------------------------------ the dead

    def _recover(self, state: State, number: int, process: Process) -> Iterator[State]:
        yield from self._look_after(
            state, number, process, "look" if process.role == "receive" else "start"
        )

    def _look_after(
        self, state: State, number: int, process: Process, then: str
    ) -> Iterator[State]:
        slots = {entry.slot for entry in state.ring if entry.state in (WRITING, READING)}
        slots |= {place.who for place in state.places if place.state in (SENDING, HELD)}
        for slot in sorted(slots - {process.slot}):
            if not state.locks[slot]:
                yield go(state, number, "right", recovered=slot, back=then)
                return
        # Hints are set anew from the words.
        full = [
            entry.lap * self.positions + index
            for index, entry in enumerate(state.ring)
            if entry.state in (FULL, VOID)
        ]
        head = min([*full, state.head]) if self.fault != "head not set back" else state.head
        yield go(state._replace(head=head), number, then, stale=process.stale)

    def _right(self, state: State, number: int, process: Process) -> Iterator[State]:
        """What is left to set right is looked for; the lock is given back when it is nothing."""
        slot = process.recovered
        for index, entry in enumerate(state.ring):
            if entry.slot == slot and entry.state in (WRITING, READING):
                yield go(state, number, "entry", other=Seen(index, entry))
                return
        for index, place in enumerate(state.places):
            if place.state in (SENDING, HELD) and place.who == slot:
                yield with_place(state, index, Place())
                return
        after = go(state._replace(mark=False), number, process.back, recovered=0, back="")
        yield after._replace(processes=tuple(p._replace(stale=True) for p in after.processes))

    def _entry(self, state: State, number: int, process: Process) -> Iterator[State]:
        """The place that the position names, and then the position again."""
        seen = process.other
        assert seen is not None
        now = state.ring[seen.index]
        same = word_of(now) == word_of(seen.entry)
        if not same and self.fault not in (
            "position not looked at again",
            "set right without comparing",
        ):
            yield go(state, number, "right", other=None)
            return
        place = state.places[now.place] if now.place >= 0 else Place()
        whose = {WRITING: (QUEUED, seen.index), READING: (HELD, process.recovered)}
        if same or self.fault == "position not looked at again":
            if (place.state, place.who) == whose[seen.entry.state]:
                found = seen._replace(place=now.place, was=place)
                yield go(state, number, "retake", other=found)
                return
        yield go(state, number, "reset")

    def _retake(self, state: State, number: int, process: Process) -> Iterator[State]:
        seen = process.other
        assert seen is not None
        if state.places[seen.place] == seen.was:
            free = seen.entry.state == WRITING
            right = Place() if free else seen.was._replace(state=QUEUED, who=seen.index)
            state = with_place(state, seen.place, right)
        yield go(state, number, "reset")

    def _reset(self, state: State, number: int, process: Process) -> Iterator[State]:
        seen = process.other
        assert seen is not None
        now, was = state.ring[seen.index], seen.entry
        after = go(state, number, "right", other=None)
        if word_of(now) != word_of(was) and self.fault != "set right without comparing":
            yield after
        elif was.state == WRITING:
            yield with_entry(after, seen.index, now._replace(lap=was.lap, state=VOID, slot=0))
        else:
            head = min(state.head, was.lap * self.positions + seen.index)
            if self.fault == "head not set back":
                head = state.head
            full = now._replace(lap=was.lap, state=FULL, slot=0)
            yield with_entry(after, seen.index, full)._replace(head=head)
