#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A model of the readers-writer lock, explored exhaustively: every order of steps, every death.

The steps are those of ``_native/ms_readers.c`` and ``rwlock/lock.py``: what happens between two of
them is one atomic operation on the writer's word, on a slot's count, on the gate, or on what the
kernel says of a slot.  Checked in every state: nobody reads or writes while another writes, nobody
reads what a dead writer left without having been told, and nobody is told of one that had only
waited.  Without deaths nobody sleeps for ever even if writers never look by themselves; with
deaths, and looks, everybody can always come to an end.  ``FAULTS`` are the protocol with one rule
left out: each must be found out.

    python tools/rwlock_model.py            explores and prints how many states there were
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import NamedTuple

from model import DEAD, DONE, Explored, Violation, report

NOBODY = -1
FREE, WAITS, WRITES = "", "waits", "writes"  #: what the writer's word says

#: Rules of the protocol, for leaving one out.
FAULTS = {
    "look before counting": "a reader looks for a writer first and counts itself then",
    "look before saying so": "a writer looks for readers first and says that it is there then",
    "leaving wakes nobody": "a reader that leaves does not wake the writer",
    "taking back wakes nobody": "a reader that saw the writer and takes itself back does not wake it",
    "departures read late": "a writer reads the number of departures after it looked at the counts",
    "recover without the slot": "who recovers only asks whether a slot is free, and sets it to 0 later",
    "the dead are counted": "who recovers leaves the count of the dead as it is",
    "claim as it is": "a newcomer leaves what the slot's dead owner counted",
    "highest raised late": "a newcomer counts itself before it says how high its slot is",
    "no mark when it begins": "a writer that begins leaves the word as it was while it waited",
    "a mark from the start": "a writer that waits has the mark of one that writes",
    "the mark is overwritten": "a writer that waits forgets the mark of a dead one",
}


class Process(NamedTuple):
    #: "read": is told and goes; "repair": reads, and repairs first what was left; "write": takes
    #: it knowingly; "hasty": the same, and may give up; "idle": opens the lock, no more; "watch":
    #: counts those who read, without the gate.
    role: str
    at: str = "claim"
    slot: int = 0
    index: int = 0  #: the slot that it looks at
    highest: int = 0
    before: str = FREE  #: the word that it found
    stale: bool = True  #: whether the number of departures has changed since it was read


class State(NamedTuple):
    word: str
    gate: int
    counts: tuple[int, ...]
    owners: tuple[int, ...]  #: for each slot
    blockers: tuple[frozenset[int], ...]  #: for each slot
    highest: int
    torn: bool  #: a writer died while it wrote, and nobody has put it right
    deaths: int
    processes: tuple[Process, ...]


class Model(Explored[State]):
    """The protocol for some processes, slots, deaths and looks.

    ``exclusive``: a slot has one blocker at a time, as on Windows.
    """

    def __init__(
        self,
        roles: tuple[str, ...],
        *,
        slots: int,
        deaths: int,
        looks: bool,
        exclusive: bool = False,
        fault: str = "",
    ) -> None:
        assert not fault or fault in FAULTS, fault
        self.slots, self.looks, self.exclusive, self.fault = slots, looks, exclusive, fault
        none = (0,) * (slots + 1)
        self.start = State(
            FREE,
            NOBODY,
            none,
            (NOBODY,) * (slots + 1),
            (frozenset(),) * (slots + 1),
            0,
            False,
            deaths,
            tuple(Process(role) for role in roles),
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
        return state._replace(
            gate=NOBODY if state.gate == number else state.gate,
            owners=tuple(NOBODY if owner == number else owner for owner in state.owners),
            blockers=tuple(blockers - {number} for blockers in state.blockers),
            torn=state.torn or process.at == "writing",
            deaths=state.deaths - 1,
            processes=_with(state, number, Process(process.role, DEAD)),
        )

    # a slot

    def _claim(self, state: State, number: int, process: Process) -> Iterator[State]:
        free = False
        for slot in range(1, self.slots + 1):
            if state.owners[slot] == NOBODY and not state.blockers[slot]:
                free = True
                yield _go(state, number, "claimed", slot=slot)._replace(
                    owners=_put(state.owners, slot, number)
                )
        if not free:
            yield _go(state, number, DONE)  # an error

    def _claimed(self, state: State, number: int, process: Process) -> Iterator[State]:
        if self.fault != "highest raised late":
            state = _raise_highest(state, process.slot)
        yield _go(state, number, "cleared")

    def _cleared(self, state: State, number: int, process: Process) -> Iterator[State]:
        if self.fault != "claim as it is":
            state = state._replace(counts=_put(state.counts, process.slot, 0))
        then = {"read": "count", "repair": "count", "idle": DONE, "watch": "watch"}
        if self.fault == "look before counting" and process.role in ("read", "repair"):
            yield _go(state, number, "look_first")
        else:
            yield _go(state, number, then.get(process.role, "gate"))

    # a reader

    def _look_first(self, state: State, number: int, process: Process) -> Iterator[State]:
        yield _go(state, number, "count_late" if state.word == FREE else "gate")

    def _count_late(self, state: State, number: int, process: Process) -> Iterator[State]:
        yield _go(_counted(state, process, 1), number, "reading")

    def _count(self, state: State, number: int, process: Process) -> Iterator[State]:
        yield _go(_counted(state, process, 1), number, "counted")

    def _counted(self, state: State, number: int, process: Process) -> Iterator[State]:
        yield _go(state, number, "reading" if state.word == FREE else "take_back")

    def _take_back(self, state: State, number: int, process: Process) -> Iterator[State]:
        then = "gate" if self.fault == "taking back wakes nobody" else "wake_then_gate"
        yield _go(_counted(state, process, 0), number, then)

    def _wake_then_gate(self, state: State, number: int, process: Process) -> Iterator[State]:
        yield _go(_add_departure(state), number, "gate")

    def _reading(self, state: State, number: int, process: Process) -> Iterator[State]:
        if self.fault == "highest raised late":
            state = _raise_highest(state, process.slot)
        yield _go(_counted(state, process, 0), number, "left")

    def _left(self, state: State, number: int, process: Process) -> Iterator[State]:
        wakes = state.word != FREE and self.fault != "leaving wakes nobody"
        yield _go(_add_departure(state) if wakes else state, number, DONE)

    def _gate(self, state: State, number: int, process: Process) -> Iterator[State]:
        if state.gate == NOBODY:
            then = "gated" if process.role in ("read", "repair") else "say"
            if then == "say" and self.fault == "look before saying so":
                then = "start_scan"
            yield _go(state._replace(gate=number), number, then)
        elif process.role == "hasty":
            yield _go(state, number, DONE)

    def _gated(self, state: State, number: int, process: Process) -> Iterator[State]:
        if state.word == WRITES and process.role == "read":
            yield _go(self._tell(state), number, "let_go")
        elif state.word == WRITES:
            yield _go(state, number, "say")
        else:  # FREE, or left by one that waited
            yield _go(state._replace(word=FREE), number, "count_through")

    def _count_through(self, state: State, number: int, process: Process) -> Iterator[State]:
        yield _go(_counted(state, process, 1), number, "through")

    def _through(self, state: State, number: int, process: Process) -> Iterator[State]:
        yield _go(state._replace(gate=NOBODY), number, "reading")

    def _let_go(self, state: State, number: int, process: Process) -> Iterator[State]:
        yield _go(state._replace(gate=NOBODY), number, DONE)

    # a writer

    def _say(self, state: State, number: int, process: Process) -> Iterator[State]:
        keeps = state.word == WRITES and self.fault != "the mark is overwritten"
        mark = WRITES if self.fault == "a mark from the start" else WAITS
        before, word = state.word, state.word if keeps else mark
        if before == WRITES:
            self._tell(state)
        then = "begin" if self.fault == "look before saying so" else "start_scan"
        yield _go(state._replace(word=word), number, then, before=before)

    def _start_scan(self, state: State, number: int, process: Process) -> Iterator[State]:
        late = self.fault == "departures read late"
        stale = process.stale if late else False
        yield _go(state, number, "scan", index=1, highest=state.highest, stale=stale)

    def _watch(self, state: State, number: int, process: Process) -> Iterator[State]:
        yield _go(state, number, "scan", index=1, highest=state.highest)

    def _scan(self, state: State, number: int, process: Process) -> Iterator[State]:
        slot = process.index
        if slot > process.highest:
            yield _go(state, number, self._after_scan(process))
        elif slot == process.slot or not state.counts[slot]:
            yield _go(state, number, "scan", index=slot + 1)
        else:
            yield _go(state, number, "recover")

    def _after_scan(self, process: Process) -> str:
        if process.role == "watch":
            return DONE
        return "say" if self.fault == "look before saying so" else "begin"

    def _recover(self, state: State, number: int, process: Process) -> Iterator[State]:
        slot = process.index
        taken = state.owners[slot] != NOBODY or (self.exclusive and state.blockers[slot])
        if taken and process.role == "watch":
            yield _go(state, number, "scan", index=slot + 1)
        elif taken:
            late = self.fault == "departures read late"
            yield _go(state, number, "sleep", **({"stale": False} if late else {}))
        elif self.fault == "recover without the slot":
            yield _go(state, number, "recovered")
        else:
            blockers = _put(state.blockers, slot, state.blockers[slot] | {number})
            yield _go(state._replace(blockers=blockers), number, "recovered")

    def _recovered(self, state: State, number: int, process: Process) -> Iterator[State]:
        slot = process.index
        if self.fault != "the dead are counted":
            state = state._replace(counts=_put(state.counts, slot, 0))
        yield _go(state, number, "recover_ends")

    def _recover_ends(self, state: State, number: int, process: Process) -> Iterator[State]:
        slot = process.index
        state = state._replace(blockers=_put(state.blockers, slot, state.blockers[slot] - {number}))
        then = slot if self.fault == "the dead are counted" else slot + 1
        yield _go(state, number, "scan", index=then)

    def _sleep(self, state: State, number: int, process: Process) -> Iterator[State]:
        yield _go(state, number, "start_scan" if process.stale else "asleep")

    def _asleep(self, state: State, number: int, process: Process) -> Iterator[State]:
        if self.looks:
            yield _go(state, number, "start_scan")
        if process.role == "hasty":  # its time is up
            word = WRITES if process.before == WRITES else FREE
            yield _go(state._replace(word=word), number, "let_go")

    def _begin(self, state: State, number: int, process: Process) -> Iterator[State]:
        word = state.word if self.fault == "no mark when it begins" else WRITES
        yield _go(state._replace(word=word), number, "writing")

    def _writing(self, state: State, number: int, process: Process) -> Iterator[State]:
        then = "count_through" if process.role == "repair" else "let_go"
        yield _go(state._replace(word=FREE, torn=False), number, then)

    def _tell(self, state: State) -> State:
        if not state.torn:
            raise Violation("somebody was told of a writer that had changed nothing")
        return state

    # ------------------------------------------------------------------ what must hold

    def check(self, state: State) -> None:
        """Raise Violation if this state must not be."""
        at = [process.at for process in state.processes]
        if at.count("writing") > 1:
            raise Violation("two write at once")
        if "writing" in at and "reading" in at:
            raise Violation("somebody reads while another writes")
        if state.torn and "reading" in at:
            raise Violation("somebody reads what is half written")

    def is_finished(self, state: State) -> bool:
        """Whether everybody has come to an end."""
        return all(process.at in (DEAD, DONE) for process in state.processes)


def _put(values: tuple, index: int, value: object) -> tuple:  # type: ignore[type-arg]
    return values[:index] + (value,) + values[index + 1 :]


def _with(state: State, number: int, process: Process) -> tuple[Process, ...]:
    return _put(state.processes, number, process)


def _go(state: State, number: int, at: str, **changes: object) -> State:
    process = state.processes[number]._replace(at=at, **changes)
    if at == DONE:  # nothing of it matters any more but its slot, which it keeps
        process = Process(process.role, DONE, process.slot)
    return state._replace(processes=_with(state, number, process))


def _raise_highest(state: State, slot: int) -> State:
    return state._replace(highest=max(state.highest, slot))


def _counted(state: State, process: Process, count: int) -> State:
    return state._replace(counts=_put(state.counts, process.slot, count))


def _add_departure(state: State) -> State:
    """The number of departures rises, and whoever sleeps on it wakes."""
    return state._replace(
        processes=tuple(
            process._replace(stale=True, at="start_scan" if process.at == "asleep" else process.at)
            for process in state.processes
        )
    )


def _model(*roles: str, slots: int = 0, deaths: int = 0, **options: object) -> Model:
    return Model(roles, slots=slots or len(roles), deaths=deaths, looks=deaths > 0, **options)  # type: ignore[arg-type]


#: What is explored.  Where nobody dies, nobody looks by itself.
CONFIGURATIONS: dict[str, Model] = {
    "nobody dies and nobody looks": _model("read", "read", "write"),
    "two write, nobody looks": _model("read", "write", "write"),
    "one gives up, nobody looks": _model("read", "hasty", "write"),
    "one dies": _model("read", "write", "write", deaths=1),
    "two die": _model("read", "hasty", "write", deaths=2),
    "two die, and one repairs": _model("repair", "write", "read", deaths=2),
    "two die, and slots are scarce": _model("read", "idle", "write", slots=2, deaths=2),
    "one dies, and one watches": _model("read", "watch", "write", deaths=1),
    "two die, and a slot has one blocker": _model(
        "read", "watch", "write", slots=3, deaths=2, exclusive=True
    ),
}
#: Where each fault shows.
FAULTY: dict[str, Model] = {
    "look before counting": _model("read", "write", fault="look before counting"),
    "look before saying so": _model("read", "write", fault="look before saying so"),
    "leaving wakes nobody": _model("read", "write", fault="leaving wakes nobody"),
    "taking back wakes nobody": _model("read", "write", fault="taking back wakes nobody"),
    "departures read late": _model("read", "write", fault="departures read late"),
    "recover without the slot": _model(
        "read", "read", "watch", "write", slots=3, deaths=1, fault="recover without the slot"
    ),
    "the dead are counted": _model("read", "write", deaths=1, fault="the dead are counted"),
    "claim as it is": _model("read", "idle", "write", slots=2, deaths=1, fault="claim as it is"),
    "highest raised late": _model("read", "write", fault="highest raised late"),
    "no mark when it begins": _model("read", "write", deaths=1, fault="no mark when it begins"),
    "a mark from the start": _model("read", "write", deaths=1, fault="a mark from the start"),
    "the mark is overwritten": _model(
        "read", "write", "write", deaths=2, fault="the mark is overwritten"
    ),
}


if __name__ == "__main__":
    sys.exit(report(CONFIGURATIONS, FAULTY, FAULTS))
