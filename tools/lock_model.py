#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A model of the mutex's lock word, explored exhaustively: every order of steps, every death, every
slot.

The steps are those of ``_native/sync/ms_slot.c``, ``ms_mutex.c`` and ``ms_wait.c``: what happens
between two of them is one atomic operation on the word, on the sequence, or on a slot's file lock.
Checked in every state that can be reached: no two owners, an abandonment is told exactly once and
to the next owner, nobody's hold destroys another's; without deaths nobody sleeps for ever even if
sleepers never look by themselves; with deaths, and looks, everybody can always come to an end.
``FAULTS`` are the protocol with one rule left out: each must be found out.

    python tools/lock_model.py            explores and prints how many states there were
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import NamedTuple

from model import DEAD, DONE, Explored, Violation, report

#: Rules of the protocol, for leaving one out.
FAULTS = {
    "recover without the slot's lock": "a thief only asks whether the lock is free, and swaps later",
    "recover for writing": "a thief needs the slot's lock for writing, which a reader's lock refuses",
    "claim without setting right": "a newcomer uses a dead owner's slot as it is",
    "no mark after sleeping": "a sleeper that takes the mutex leaves no mark for the others",
    "no pass-on": "whoever is woken and gives up wakes nobody else",
    "sequence read late": "a sleeper reads the sequence after it looked at the word",
    "release forgets the mark": "a release does not wake",
    "hold forgets the abandonment": "a hold that is let go clears the mark of a dead owner",
}


class Word(NamedTuple):
    slot: int = 0
    contended: bool = False
    locked: bool = False
    abandoned: bool = False


class Process(NamedTuple):
    #: "lock": takes and gives back; "all": a wait for all, which holds it still first; "hasty": may
    #: give up; "reader": may only read the file, and locks a slot of its choice for reading at any
    #: moment and for good.
    role: str
    at: str = "claim"
    slot: int = 0
    recovered: int = 0  #: the slot whose owner it recovers
    seen: Word = Word()
    stale: bool = True  #: whether the sequence has changed since it was read
    slept: bool = False


class State(NamedTuple):
    word: Word
    #: For each slot: the process that has its file lock for writing, plus one; 0 for nobody; or,
    #: for reading, the negative sum of 1 << number of those who have it.
    locks: tuple[int, ...]
    owed: bool  #: a death of an owner that nobody was told of yet
    deaths: int
    processes: tuple[Process, ...]


class Model(Explored[State]):
    """The protocol for some processes, slots, deaths and looks."""

    def __init__(
        self, roles: tuple[str, ...], *, slots: int, deaths: int, looks: bool, fault: str = ""
    ) -> None:
        assert not fault or fault in FAULTS, fault
        self.slots, self.looks, self.fault = slots, looks, fault
        self.start = State(
            Word(), (0,) * (slots + 1), False, deaths, tuple(Process(role) for role in roles)
        )

    # ------------------------------------------------------------------ what can happen next

    def next(self, state: State) -> Iterator[State]:
        """Every state that one step leads to."""
        for number, process in enumerate(state.processes):
            if process.at in (DEAD, DONE):
                continue
            yield from getattr(self, "_" + process.at)(state, number, process)
            if state.deaths:
                yield self._dies(state, number, process)

    def _dies(self, state: State, number: int, process: Process) -> State:
        owner = process.slot and state.word.slot == process.slot and not state.word.locked
        return state._replace(
            owed=state.owed or bool(owner),
            deaths=state.deaths - 1,
            locks=tuple(_unlock_one(holder, number) for holder in state.locks),
            processes=_with(state, number, Process(process.role, DEAD)),
        )

    def _claim(self, state: State, number: int, process: Process) -> Iterator[State]:
        for slot in range(1, self.slots + 1):
            if process.role == "reader":
                if state.locks[slot] <= 0:
                    yield _go(state, number, DONE)._replace(locks=_lock_shared(state, slot, number))
            elif not state.locks[slot]:
                yield _go(state, number, "claimed", slot=slot)._replace(
                    locks=_lock(state, slot, number)
                )

    def _claimed(self, state: State, number: int, process: Process) -> Iterator[State]:
        if state.word.slot == process.slot and self.fault != "claim without setting right":
            yield from self._set_right(state, number, process, "attempt")
        else:
            yield _go(state, number, "attempt")

    def _set_right(self, state: State, number: int, process: Process, then: str) -> Iterator[State]:
        word = state.word
        right = Word(abandoned=word.abandoned if word.locked else True)
        changed = _go(state._replace(word=right), number, then, recovered=0)
        yield from _wake(changed, everybody=word.locked) if word.contended else [changed]

    def _attempt(self, state: State, number: int, process: Process) -> Iterator[State]:
        word = state.word
        if word.slot:
            yield _go(state, number, "look" if self.fault == "sequence read late" else "read")
        elif process.role == "all":
            yield _go(
                state._replace(word=word._replace(slot=process.slot, locked=True)),
                number,
                "holding",
                seen=word,
            )
        else:
            mark = word.contended or self._marks(process)
            yield _go(self._tell(state)._replace(word=Word(process.slot, mark)), number, "owning")

    def _marks(self, process: Process) -> bool:
        return process.slept and self.fault != "no mark after sleeping"

    def _tell(self, state: State) -> State:
        if state.word.abandoned != state.owed:
            raise Violation(
                "an abandonment was lost"
                if state.owed
                else "somebody was told of a death for nothing"
            )
        return state._replace(owed=False)

    def _read(self, state: State, number: int, process: Process) -> Iterator[State]:
        yield _go(state, number, "look", stale=False)

    def _look(self, state: State, number: int, process: Process) -> Iterator[State]:
        late = self.fault == "sequence read late"
        if not state.word.slot:
            yield _go(state, number, "attempt")
        else:
            yield _go(
                state._replace(word=state.word._replace(contended=True)),
                number,
                "late" if late else "sleep",
            )

    def _late(self, state: State, number: int, process: Process) -> Iterator[State]:
        yield _go(state, number, "sleep", stale=False)

    def _sleep(self, state: State, number: int, process: Process) -> Iterator[State]:
        yield _go(state, number, "attempt" if process.stale else "asleep", slept=True)

    def _asleep(self, state: State, number: int, process: Process) -> Iterator[State]:
        if self.looks:
            yield _go(state, number, "recover")
        if process.role == "hasty":  # its time is up: once more, then it goes
            yield _go(state, number, "last")

    def _last(self, state: State, number: int, process: Process) -> Iterator[State]:
        if not state.word.slot:
            yield from self._attempt(state, number, process)
        else:
            yield _go(state, number, "give_up")

    def _give_up(self, state: State, number: int, process: Process) -> Iterator[State]:
        gone = _go(state, number, DONE)
        if not state.word.slot and self.fault != "no pass-on":
            yield from _wake(gone, everybody=False, changed=False)
        else:
            yield gone

    def _recover(self, state: State, number: int, process: Process) -> Iterator[State]:
        slot = state.word.slot
        held = state.locks[slot] if self.fault == "recover for writing" else state.locks[slot] > 0
        if not slot or held or slot == process.slot:
            yield _go(state, number, "attempt")
        elif self.fault == "recover without the slot's lock":
            yield _go(state, number, "recovering", recovered=slot)
        else:
            yield _go(state, number, "recovering", recovered=slot)._replace(
                locks=_lock_shared(state, slot, number)
            )

    def _recovering(self, state: State, number: int, process: Process) -> Iterator[State]:
        after = state
        if self.fault != "recover without the slot's lock":
            after = state._replace(locks=_give_back(state, process.recovered, number))
        if state.word.slot == process.recovered:
            # The swap comes before the lock is given back; nobody can see the moment between.
            yield from self._set_right(after, number, process, "attempt")
        else:
            yield _go(after, number, "attempt", recovered=0)

    def _owning(self, state: State, number: int, process: Process) -> Iterator[State]:
        word = state.word
        free = _go(state._replace(word=Word()), number, "wake" if word.contended else DONE)
        yield free

    def _wake(self, state: State, number: int, process: Process) -> Iterator[State]:
        gone = _go(state, number, DONE)
        yield from (
            [gone] if self.fault == "release forgets the mark" else _wake(gone, everybody=False)
        )

    def _holding(self, state: State, number: int, process: Process) -> Iterator[State]:
        kept = process.seen.abandoned and self.fault != "hold forgets the abandonment"
        taken = _go(
            self._tell(state)._replace(word=Word(process.slot, self._marks(process))),
            number,
            "owning",
        )
        let_go = _go(
            state._replace(word=Word(abandoned=kept)), number, "give_up" if process.slept else DONE
        )
        # either it has everything it waits for, or something else is missing
        for after in (taken, let_go):
            yield from _wake(after, everybody=True) if state.word.contended else [after]

    # ------------------------------------------------------------------ what must hold

    def check(self, state: State) -> None:
        """Raise Violation if this state must not be."""
        at_work = [process for process in state.processes if process.at in ("owning", "holding")]
        if len(at_work) > 1:
            raise Violation("two have it at once")
        for process in at_work:
            if state.word.slot != process.slot or state.word.locked != (process.at == "holding"):
                raise Violation("the word no longer names its owner")

    def is_finished(self, state: State) -> bool:
        """Whether everybody has come to an end."""
        return all(process.at in (DEAD, DONE) for process in state.processes)


def _with(state: State, number: int, process: Process) -> tuple[Process, ...]:
    return state.processes[:number] + (process,) + state.processes[number + 1 :]


def _go(state: State, number: int, at: str, **changes: object) -> State:
    process = state.processes[number]._replace(at=at, **changes)
    # nothing of it matters any more but its slot, which it keeps until its process ends
    if at == DONE:
        process = Process(process.role, DONE, process.slot)
    return state._replace(processes=_with(state, number, process))


def _lock(state: State, slot: int, number: int) -> tuple[int, ...]:
    return state.locks[:slot] + (number + 1,) + state.locks[slot + 1 :]


def _lock_shared(state: State, slot: int, number: int) -> tuple[int, ...]:
    return state.locks[:slot] + (-(-state.locks[slot] | 1 << number),) + state.locks[slot + 1 :]


def _unlock_one(holder: int, number: int) -> int:
    if holder > 0:
        return 0 if holder == number + 1 else holder
    return -(-holder & ~(1 << number))


def _give_back(state: State, slot: int, number: int) -> tuple[int, ...]:
    return state.locks[:slot] + (_unlock_one(state.locks[slot], number),) + state.locks[slot + 1 :]


def _wake(state: State, *, everybody: bool, changed: bool = True) -> Iterator[State]:
    """The sequence changes, then one sleeper (or all) wakes; which one is up to the kernel."""
    if changed:
        state = state._replace(
            processes=tuple(process._replace(stale=True) for process in state.processes)
        )
    asleep = [number for number, process in enumerate(state.processes) if process.at == "asleep"]
    if everybody or not asleep:
        for number in asleep:
            state = _go(state, number, "attempt")
        yield state
        return
    for number in asleep:
        yield _go(state, number, "attempt")


#: What is explored: who is there, how many slots, how many deaths, whether sleepers look by
#: themselves.
CONFIGURATIONS: dict[str, Model] = {
    "nobody dies and nobody looks": Model(("lock", "lock", "lock"), slots=3, deaths=0, looks=False),
    "one gives up, nobody looks": Model(("lock", "lock", "hasty"), slots=3, deaths=0, looks=False),
    "one waits for all, nobody looks": Model(
        ("lock", "all", "lock"), slots=3, deaths=0, looks=False
    ),
    "one dies": Model(("lock", "lock", "lock"), slots=3, deaths=1, looks=True),
    "two die": Model(("lock", "lock", "lock"), slots=3, deaths=2, looks=True),
    "one dies, and a reader holds locks": Model(
        ("lock", "lock", "reader"), slots=3, deaths=1, looks=True
    ),
    "two die, and one waits for all": Model(("lock", "lock", "all"), slots=2, deaths=2, looks=True),
}
#: Where each fault shows.
FAULTY: dict[str, Model] = {
    "recover without the slot's lock": Model(
        ("lock", "lock", "lock", "lock"),
        slots=3,
        deaths=1,
        looks=True,
        fault="recover without the slot's lock",
    ),
    "recover for writing": Model(
        ("lock", "lock", "reader"), slots=3, deaths=1, looks=True, fault="recover for writing"
    ),
    "claim without setting right": Model(
        ("lock", "lock", "lock"), slots=2, deaths=1, looks=True, fault="claim without setting right"
    ),
    "no mark after sleeping": Model(
        ("lock", "lock", "lock"), slots=3, deaths=0, looks=False, fault="no mark after sleeping"
    ),
    "no pass-on": Model(
        ("lock", "all", "lock"), slots=3, deaths=0, looks=False, fault="no pass-on"
    ),
    "sequence read late": Model(
        ("lock", "lock", "lock"), slots=3, deaths=0, looks=False, fault="sequence read late"
    ),
    "release forgets the mark": Model(
        ("lock", "lock"), slots=2, deaths=0, looks=False, fault="release forgets the mark"
    ),
    "hold forgets the abandonment": Model(
        ("lock", "lock", "all"), slots=3, deaths=1, looks=True, fault="hold forgets the abandonment"
    ),
}


if __name__ == "__main__":
    sys.exit(report(CONFIGURATIONS, FAULTY, FAULTS))
