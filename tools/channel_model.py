#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A model of a channel's words, explored exhaustively: every order of steps, every death, every
slot.

The steps are those of ``_native/channel/ms_ring.c``, ``ms_place.c`` and ``ms_judge.c``: what
happens between two of them is one atomic operation on a position's word, a place's word, a hint, or
a slot's file lock.  Up to three senders and receivers, two positions, two places.  Checked in every
state that can be reached: no message is delivered twice, none is delivered that was not sent whole,
a place is used by one at a time; and from every state everybody can come to an end with everything
that was sent by the living delivered, or lost in the hands of a receiver that died.  ``FAULTS`` are
the protocol with one rule left out: each must be found out.

    python tools/channel_model.py            explores and prints how many states there were
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import NamedTuple

from model import DEAD, DONE, Explored, Violation, report

FREE, WRITING, FULL, READING, VOID = "free", "writing", "full", "reading", "void"
SENDING, QUEUED, HELD = "sending", "queued", "held"
POSITIONS = 2

#: Rules of the protocol, for leaving one out.
FAULTS = {
    "judge without the lock": "whoever judges only asks whether the slot is free, and sets right "
    "later",
    "head not set back": "a message that is given to another is filled again behind the head",
    "place freed before its entry": "a receiver frees the place while its position still says that "
    "the message is there",
    "mark not renewed": "a receiver that slept and was satisfied leaves no mark for the others",
    "position not in the word": "a late attempt succeeds in the next lap",
}


class Entry(NamedTuple):
    lap: int = 0
    state: str = FREE
    slot: int = 0
    place: int = -1
    message: int = -1


class Place(NamedTuple):
    state: str = FREE
    who: int = 0  #: the slot; of a queued one the position
    message: int = -1


class Process(NamedTuple):
    role: str  #: "send", "receive", or "late": a sender that opens an end while others are at work
    at: str = "start"
    slot: int = 0
    message: int = -1
    place: int = -1
    position: int = 0
    seen: Entry = Entry()
    asleep: bool = False
    stale: bool = True
    slept: bool = False
    judged: int = 0


class State(NamedTuple):
    ring: tuple[Entry, ...]
    places: tuple[Place, ...]
    head: int
    tail: int
    mark: bool
    locks: tuple[int, ...]  #: for each slot who has its lock: process + 1, or 0
    sent: tuple[int, ...]
    got: tuple[int, ...]
    lost: int  #: messages in the hands of receivers that died
    deaths: int
    processes: tuple[Process, ...]


class Model(Explored[State]):
    """The protocol for some senders and receivers, with so many deaths; senders send one message
    each."""

    def __init__(
        self,
        roles: tuple[str, ...],
        *,
        deaths: int,
        fault: str = "",
        looks: bool = True,
        places: int = 2,
        positions: int = POSITIONS,
    ) -> None:
        assert not fault or fault in FAULTS, fault
        self.fault, self.looks, self.positions = fault, looks, positions
        slots = len(roles) + 1
        processes = tuple(
            Process(
                role,
                slot=0 if role == "late" else number + 1,
                message=-1 if role == "receive" else number,
                at="opening" if role == "late" else "start",
            )
            for number, role in enumerate(roles)
        )
        locks = (0, *(0 if role == "late" else number + 1 for number, role in enumerate(roles)))[
            :slots
        ]
        self.start = State(
            (Entry(),) * positions,
            (Place(),) * places,
            0,
            0,
            False,
            locks,
            (),
            (),
            0,
            deaths,
            processes,
        )
        self.senders = sum(role != "receive" for role in roles)

    def next(self, state: State) -> Iterator[State]:
        """Every state that one step leads to."""
        for number, process in enumerate(state.processes):
            if process.at in (DEAD, DONE):
                continue
            yield from getattr(self, f"_{process.at}")(state, number, process)
            if state.deaths:
                yield self._dies(state, number, process)

    def _dies(self, state: State, number: int, process: Process) -> State:
        in_hand = (
            process.role == "receive"
            and process.at in ("copied", "freeing", "waking")
            and process.message >= 0
        )
        locks = tuple(0 if holder == number + 1 else holder for holder in state.locks)
        return state._replace(
            deaths=state.deaths - 1,
            locks=locks,
            lost=state.lost + in_hand,
            processes=_with(state, number, Process(process.role, DEAD, process.slot)),
        )

    # ------------------------------------------------------------------ opening

    def _opening(self, state: State, number: int, process: Process) -> Iterator[State]:
        """The lowest slot that nobody has is claimed, and what words say of its last owner set
        right."""
        slot = min(slot for slot in range(1, len(state.locks)) if not state.locks[slot])
        locks = (*state.locks[:slot], number + 1, *state.locks[slot + 1 :])
        yield _go(state._replace(locks=locks), number, "right_opened", slot=slot, judged=slot)

    def _right_opened(self, state: State, number: int, process: Process) -> Iterator[State]:
        for after in self._right(state, number, process, "start"):
            # What is claimed is kept.
            yield after._replace(locks=state.locks)

    # ------------------------------------------------------------------ sending

    def _start(self, state: State, number: int, process: Process) -> Iterator[State]:
        if process.role == "receive":
            yield _go(state, number, "look")
            return
        for index, place in enumerate(state.places):
            if place.state == FREE:
                yield _go(
                    _place(state, index, Place(SENDING, process.slot)), number, "made", place=index
                )
                return
        if all(other.at in (DEAD, DONE) for other in state.processes if other.role == "receive"):
            yield _go(state, number, DONE)
        else:
            yield _go(state, number, "judge")

    def _made(self, state: State, number: int, process: Process) -> Iterator[State]:
        position = state.tail
        while True:
            entry, lap = state.ring[position % self.positions], position // self.positions
            if entry.lap == lap and entry.state == FREE:
                yield _go(state, number, "claim", position=position, seen=entry)
                return
            if entry.lap == lap - 1 and entry.state == VOID:
                yield _ring(state, position, entry._replace(lap=lap, state=FREE, slot=0))
                return
            if entry.lap < lap:
                yield _go(state, number, "judge_made")
                return
            position += 1

    def _claim(self, state: State, number: int, process: Process) -> Iterator[State]:
        entry, lap = (
            state.ring[process.position % self.positions],
            process.position // self.positions,
        )
        same = (
            entry == process.seen
            if self.fault != "position not in the word"
            else entry.state == FREE
        )
        if not same:
            yield _go(state, number, "made")
            return
        mine = entry._replace(lap=lap, state=WRITING, slot=process.slot)
        yield _go(
            _ring(state, process.position, mine)._replace(tail=process.position + 1), number, "name"
        )

    def _name(self, state: State, number: int, process: Process) -> Iterator[State]:
        entry = state.ring[process.position % self.positions]
        named = entry._replace(place=process.place, message=process.message)
        yield _go(_ring(state, process.position, named), number, "queue")

    def _queue(self, state: State, number: int, process: Process) -> Iterator[State]:
        place = state.places[process.place]
        if (place.state, place.who) != (SENDING, process.slot):
            raise Violation("a sender's place is no longer its own")
        queued = Place(QUEUED, process.position % self.positions, process.message)
        yield _go(_place(state, process.place, queued), number, "publish")

    def _publish(self, state: State, number: int, process: Process) -> Iterator[State]:
        entry = state.ring[process.position % self.positions]
        lap = process.position // self.positions
        if entry.lap == lap and entry.state == WRITING and entry.slot == process.slot:
            full = entry._replace(state=FULL, slot=0)
            after = _ring(state, process.position, full)._replace(
                sent=(*state.sent, process.message)
            )
            yield _go(after, number, "ring")
        else:
            raise Violation("a sender's position is no longer its own")

    def _ring(self, state: State, number: int, process: Process) -> Iterator[State]:
        if not state.mark:
            yield _go(state, number, DONE)
        else:
            yield from _woken(_go(state._replace(mark=False), number, DONE))

    def _judge_made(self, state: State, number: int, process: Process) -> Iterator[State]:
        if all(other.at in (DEAD, DONE) for other in state.processes if other.role == "receive"):
            # it is told that nobody receives
            yield _go(_place(state, process.place, Place()), number, DONE)
            return
        yield from self._look_after(state, number, process, "made")

    # ------------------------------------------------------------------ receiving

    def _look(self, state: State, number: int, process: Process) -> Iterator[State]:
        position = state.head
        for _ in range(2 * self.positions + 1):
            entry, lap = state.ring[position % self.positions], position // self.positions
            if entry.lap == lap and entry.state == FULL:
                yield _go(state, number, "take", position=position, seen=entry)
                return
            if entry.lap < lap or entry.lap == lap and entry.state in (FREE, WRITING):
                break
            if entry.lap == lap and entry.state == VOID:
                yield _ring(state, position, entry._replace(lap=lap + 1, state=FREE))._replace(
                    head=position + 1
                )
                return
            position += 1
        if self._is_over(state, number):
            yield _go(state, number, DONE)
        else:
            yield _go(state, number, "read", stale=False)

    def _is_over(self, state: State, number: int) -> bool:
        """Nobody sends any more, and nothing is there or being set right: the other side's end is
        told."""
        senders_gone = all(p.at in (DEAD, DONE) or p.role == "receive" for p in state.processes)
        receiving = any(
            p.role == "receive"
            and p.at not in (DONE, DEAD)
            and other != number
            and p.at in _AT_WORK
            for other, p in enumerate(state.processes)
        )
        idle = all(entry.state in (FREE, VOID) for entry in state.ring)
        return senders_gone and idle and not receiving

    def _read(self, state: State, number: int, process: Process) -> Iterator[State]:
        yield _go(state._replace(mark=True), number, "again")

    def _again(self, state: State, number: int, process: Process) -> Iterator[State]:
        position, found = state.head, False
        for _ in range(self.positions):
            entry, lap = state.ring[position % self.positions], position // self.positions
            found |= entry.lap == lap and entry.state in (FULL, VOID)
            position += entry.lap > lap or entry.state == READING
        if found or process.stale or self._is_over(state, number):
            yield _go(state, number, "look", slept=process.slept)
        else:
            yield _go(state, number, "sleep")

    def _sleep(self, state: State, number: int, process: Process) -> Iterator[State]:
        if process.stale:
            yield _go(state, number, "look", slept=True)
        if self.looks:
            yield _go(state, number, "judge", slept=True)
        elif self._is_over(state, number):
            yield _go(state, number, DONE)

    def _take(self, state: State, number: int, process: Process) -> Iterator[State]:
        entry = state.ring[process.position % self.positions]
        if entry != process.seen:
            yield _go(state, number, "look")
            return
        taken = entry._replace(state=READING, slot=process.slot)
        after = _ring(state, process.position, taken)
        if after.head == process.position:
            after = after._replace(head=process.position + 1)
        yield _go(after, number, "copy")

    def _copy(self, state: State, number: int, process: Process) -> Iterator[State]:
        entry = state.ring[process.position % self.positions]
        place = state.places[entry.place]
        if (place.state, place.message) != (QUEUED, entry.message):
            raise Violation("a receiver finds a place without its message")
        then = "early" if self.fault == "place freed before its entry" else "hold"
        yield _go(state, number, then, place=entry.place, message=entry.message)

    def _early(self, state: State, number: int, process: Process) -> Iterator[State]:
        yield _go(_place(state, process.place, Place()), number, "give", place=-1)

    def _hold(self, state: State, number: int, process: Process) -> Iterator[State]:
        place = state.places[process.place]
        yield _go(
            _place(state, process.place, place._replace(state=HELD, who=process.slot)),
            number,
            "give",
        )

    def _give(self, state: State, number: int, process: Process) -> Iterator[State]:
        entry = state.ring[process.position % self.positions]
        if entry.state != READING or entry.slot != process.slot:
            raise Violation("a receiver's position is no longer its own")
        after = _ring(
            state, process.position, Entry(entry.lap + 1, FREE, 0, entry.place, entry.message)
        )
        yield _go(after, number, "freeing")

    def _freeing(self, state: State, number: int, process: Process) -> Iterator[State]:
        after = state if process.place < 0 else _place(state, process.place, Place())
        yield _go(after._replace(got=(*state.got, process.message)), number, "waking", message=-1)

    def _waking(self, state: State, number: int, process: Process) -> Iterator[State]:
        """Whoever slept sets the mark again, because others may sleep too, and wakes the next one
        if there is more."""
        more = any(entry.state == FULL for entry in state.ring)
        then = DONE if self._enough(state) else "look"
        if process.slept and self.fault != "mark not renewed":
            state = state._replace(mark=True)
            if more:
                yield from _woken(_go(state._replace(mark=False), number, then, slept=False))
                return
        yield _go(state, number, then, slept=False)

    def _enough(self, state: State) -> bool:
        return not self.looks and len(state.processes) > self.senders + 1

    # ------------------------------------------------------------------ the dead

    def _judge(self, state: State, number: int, process: Process) -> Iterator[State]:
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
                locks = state.locks
                if self.fault != "judge without the lock":
                    locks = (*locks[:slot], number + 1, *locks[slot + 1 :])
                yield _go(state._replace(locks=locks), number, f"right_{then}", judged=slot)
                return
        # Hints are set anew from the words.
        full = [
            entry.lap * self.positions + index
            for index, entry in enumerate(state.ring)
            if entry.state in (FULL, VOID)
        ]
        head = min([*full, state.head]) if self.fault != "head not set back" else state.head
        yield _go(state._replace(head=head), number, then, stale=process.stale)

    def _right_look(self, state: State, number: int, process: Process) -> Iterator[State]:
        yield from self._right(state, number, process, "look")

    def _right_start(self, state: State, number: int, process: Process) -> Iterator[State]:
        yield from self._right(state, number, process, "start")

    def _right_made(self, state: State, number: int, process: Process) -> Iterator[State]:
        yield from self._right(state, number, process, "made")

    def _right(self, state: State, number: int, process: Process, then: str) -> Iterator[State]:
        """One change; the lock is given back when there is none left to make."""
        slot = process.judged
        for index, entry in enumerate(state.ring):
            if entry.slot == slot and entry.state == WRITING:
                place = state.places[entry.place] if entry.place >= 0 else Place()
                if place.state == QUEUED and place.who == index:
                    yield _place(state, entry.place, Place())
                else:
                    yield _ring(state, index, entry._replace(state=VOID, slot=0))
                return
            if entry.slot == slot and entry.state == READING:
                place = state.places[entry.place]
                if place.state == HELD and place.who == slot:
                    yield _place(state, entry.place, place._replace(state=QUEUED, who=index))
                else:
                    position = entry.lap * self.positions + index
                    head = (
                        state.head
                        if self.fault == "head not set back"
                        else min(state.head, position)
                    )
                    yield _ring(state, index, entry._replace(state=FULL, slot=0))._replace(
                        head=head
                    )
                return
        for index, place in enumerate(state.places):
            if place.state in (SENDING, HELD) and place.who == slot:
                yield _place(state, index, Place())
                return
        locks = tuple(
            0 if other == slot and holder == number + 1 else holder
            for other, holder in enumerate(state.locks)
        )
        after = _go(state._replace(locks=locks, mark=False), number, then, judged=0)
        yield after._replace(processes=tuple(p._replace(stale=True) for p in after.processes))

    # ------------------------------------------------------------------ what must hold

    def check(self, state: State) -> None:
        """Raise Violation if this state must not be."""
        if len(set(state.got)) < len(state.got):
            raise Violation("a message was delivered twice")
        if not set(state.got) <= set(state.sent):
            raise Violation("a message was delivered that was not sent")
        for process in state.processes:
            if (
                process.at in ("made", "claim", "name", "queue")
                and state.places[process.place].who != process.slot
            ):
                raise Violation("two have one place")

    def finished(self, state: State) -> bool:
        """Whether everybody has come to an end as it should."""
        if not all(process.at in (DEAD, DONE) for process in state.processes):
            return False
        receivers = [process for process in state.processes if process.role == "receive"]
        if any(process.at == DONE for process in receivers) and len(state.got) + state.lost < len(
            state.sent
        ):
            raise Violation("a message was lost that nobody had in hand")
        return True


_AT_WORK = ("take", "copy", "early", "hold", "give")


def _with(state: State, number: int, process: Process) -> tuple[Process, ...]:
    return state.processes[:number] + (process,) + state.processes[number + 1 :]


def _go(state: State, number: int, at: str, **changes: object) -> State:
    process = state.processes[number]._replace(at=at, **changes)  # type: ignore[arg-type]
    if at == DONE:  # nothing of it matters any more but its slot
        process = Process(process.role, DONE, process.slot)
    elif at in ("look", "start"):
        process = Process(
            process.role,
            at,
            process.slot,
            -1 if process.role == "receive" else process.message,
            slept=process.slept,
        )
    return state._replace(processes=_with(state, number, process))


def _ring(state: State, position: int, entry: Entry) -> State:
    index = position % len(state.ring)
    return state._replace(ring=(*state.ring[:index], entry, *state.ring[index + 1 :]))


def _place(state: State, index: int, place: Place) -> State:
    return state._replace(places=(*state.places[:index], place, *state.places[index + 1 :]))


def _woken(state: State) -> Iterator[State]:
    """The sequence changes, then one sleeper wakes; which one is up to the kernel."""
    processes = tuple(
        process if process.at == "sleep" else process._replace(stale=True)
        for process in state.processes
    )
    asleep = [
        number
        for number, process in enumerate(processes)
        if process.at == "sleep" and not process.stale
    ]
    state = state._replace(processes=processes)
    if not asleep:
        yield state
    for number in asleep:
        yield state._replace(processes=_with(state, number, processes[number]._replace(stale=True)))


#: What is explored: who is there, how many deaths, whether sleepers look by themselves.
CONFIGURATIONS: dict[str, Model] = {
    "nobody dies and nobody looks": Model(("send", "send", "receive"), deaths=0, looks=False),
    "two receivers": Model(("send", "receive", "receive"), deaths=0),
    "one dies": Model(("send", "send", "receive"), deaths=1),
    "one of two receivers dies": Model(("send", "receive", "receive"), deaths=1),
    "two die": Model(("send", "receive", "receive"), deaths=2),
    "one position": Model(("send", "send", "receive"), deaths=1, positions=1),
    "one dies, and one opens an end": Model(("send", "late", "receive"), deaths=1),
}
#: Where each fault shows.
FAULTY: dict[str, Model] = {
    "judge without the lock": Model(
        ("send", "late", "receive"), deaths=1, fault="judge without the lock"
    ),
    "head not set back": Model(("send", "receive", "receive"), deaths=1, fault="head not set back"),
    "place freed before its entry": Model(
        ("send", "receive", "receive"), deaths=1, fault="place freed before its entry"
    ),
    "mark not renewed": Model(
        ("send", "send", "receive", "receive"), deaths=0, looks=False, fault="mark not renewed"
    ),
    "position not in the word": Model(
        ("send", "send", "receive"),
        deaths=0,
        looks=False,
        fault="position not in the word",
        positions=1,
    ),
}


if __name__ == "__main__":
    sys.exit(report(CONFIGURATIONS, FAULTY, FAULTS))
