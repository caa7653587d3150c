#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A model of a channel's words, explored exhaustively: every order of steps, every death, every
slot.

The steps are those of ``_native/channel/ms_ring.c``, ``ms_place.c`` and ``ms_recover.c``: what
happens between two of them is one atomic operation on a position's word, a place's word, a hint, or
a slot's file lock; or one look at them.  Several may recover one dead end at a time: a slot's lock
keeps out its owner and whoever would claim it, not others who recover.  A sender of short messages
may also lose its lock just before it publishes, alive: somebody closed its descriptors.  Up to
three senders and receivers, two positions, two places.  Checked in every
state that can be reached: no message is delivered twice, none is delivered that was not sent whole,
a place is used by one at a time; and from every state everybody can come to an end with everything
that was sent by the living delivered, or lost in the hands of a receiver that died.  ``FAULTS`` are
the protocol with one rule left out: each must be found out.

    python tools/channel_model.py            explores and prints how many states there were
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from channel_recovery import Recovering
from channel_state import (
    FREE,
    FULL,
    HELD,
    QUEUED,
    READING,
    SENDING,
    VOID,
    WRITING,
    Entry,
    Place,
    Process,
    State,
    go,
    wake_one,
    with_entry,
    with_place,
    with_process,
    word_of,
)
from model import DEAD, DONE, Violation, report

POSITIONS = 2

#: Rules of the protocol, for leaving one out.
FAULTS = {
    "recover without the lock": "whoever recovers only asks whether the slot is free, and sets right "
    "later",
    "position not looked at again": "whoever recovers takes the place that the dead one's position names, "
    "whosever position it is by then",
    "set right without comparing": "whoever recovers sets the dead one's position right, whatever it "
    "has become meanwhile",
    "publish without comparing": "a sender whose position was taken from it says all the same that "
    "its message is there",
    "head not set back": "a message that is given to another is filled again behind the head",
    "place freed before its entry": "a receiver frees the place while its position still says that "
    "the message is there",
    "mark not renewed": "a receiver that slept and was satisfied leaves no mark for the others",
    "position not in the word": "a late attempt succeeds in the next lap",
}


class Model(Recovering):
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
        losses: int = 0,
        short: bool = False,
    ) -> None:
        assert not fault or fault in FAULTS, fault
        self.fault, self.looks, self.positions, self.short = fault, looks, positions, short
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
            losses,
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
            processes=with_process(state, number, Process(process.role, DEAD, process.slot)),
        )

    # ------------------------------------------------------------------ sending

    def _start(self, state: State, number: int, process: Process) -> Iterator[State]:
        if process.role == "receive":
            yield go(state, number, "look")
            return
        if self.short:
            yield go(state, number, "made")
            return
        for index, place in enumerate(state.places):
            if place.state == FREE:
                yield go(
                    with_place(state, index, Place(SENDING, process.slot)),
                    number,
                    "made",
                    place=index,
                )
                return
        if all(other.at in (DEAD, DONE) for other in state.processes if other.role == "receive"):
            yield go(state, number, DONE)
        else:
            yield go(state, number, "recover")

    def _made(self, state: State, number: int, process: Process) -> Iterator[State]:
        position = state.tail
        while True:
            entry, lap = state.ring[position % self.positions], position // self.positions
            if entry.lap == lap and entry.state == FREE:
                yield go(state, number, "claim", position=position, seen=entry)
                return
            if entry.lap == lap - 1 and entry.state == VOID:
                yield with_entry(state, position, entry._replace(lap=lap, state=FREE, slot=0))
                return
            if entry.lap < lap:
                yield go(state, number, "recover_made")
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
            yield go(state, number, "made")
            return
        mine = entry._replace(lap=lap, state=WRITING, slot=process.slot)
        yield go(
            with_entry(state, process.position, mine)._replace(tail=process.position + 1),
            number,
            "name",
        )

    def _name(self, state: State, number: int, process: Process) -> Iterator[State]:
        entry = state.ring[process.position % self.positions]
        named = entry._replace(place=process.place, message=process.message)
        yield go(
            with_entry(state, process.position, named), number, "publish" if self.short else "queue"
        )

    def _queue(self, state: State, number: int, process: Process) -> Iterator[State]:
        place = state.places[process.place]
        if (place.state, place.who) != (SENDING, process.slot):
            raise Violation("a sender's place is no longer its own")
        queued = Place(QUEUED, process.position % self.positions, process.message)
        yield go(with_place(state, process.place, queued), number, "publish")

    def _publish(self, state: State, number: int, process: Process) -> Iterator[State]:
        entry = state.ring[process.position % self.positions]
        lap = process.position // self.positions
        same = word_of(entry) == (lap, WRITING, process.slot)
        if state.losses:
            locks = (*state.locks[: process.slot], 0, *state.locks[process.slot + 1 :])
            bare = state._replace(locks=locks, losses=state.losses - 1)
            yield go(bare, number, "publish", bare=True)
        if same or self.fault == "publish without comparing":
            full = entry._replace(lap=lap, state=FULL, slot=0)
            sent = (*state.sent, process.message)
            yield go(with_entry(state, process.position, full)._replace(sent=sent), number, "ring")
        elif process.bare:
            yield go(state, number, DONE)  # it is told, and has sent nothing
        else:
            raise Violation("a sender's position is no longer its own")

    def _ring(self, state: State, number: int, process: Process) -> Iterator[State]:
        if not state.mark:
            yield go(state, number, DONE)
        else:
            yield from wake_one(go(state._replace(mark=False), number, DONE))

    def _recover_made(self, state: State, number: int, process: Process) -> Iterator[State]:
        if all(other.at in (DEAD, DONE) for other in state.processes if other.role == "receive"):
            # it is told that nobody receives
            after = state if self.short else with_place(state, process.place, Place())
            yield go(after, number, DONE)
            return
        yield from self._look_after(state, number, process, "made")

    # ------------------------------------------------------------------ receiving

    def _look(self, state: State, number: int, process: Process) -> Iterator[State]:
        position = state.head
        for _ in range(2 * self.positions + 1):
            entry, lap = state.ring[position % self.positions], position // self.positions
            if entry.lap == lap and entry.state == FULL:
                yield go(state, number, "take", position=position, seen=entry)
                return
            if entry.lap < lap or entry.lap == lap and entry.state in (FREE, WRITING):
                break
            if entry.lap == lap and entry.state == VOID:
                yield with_entry(state, position, entry._replace(lap=lap + 1, state=FREE))._replace(
                    head=position + 1
                )
                return
            position += 1
        if self._is_over(state, number):
            yield go(state, number, DONE)
        else:
            yield go(state, number, "read", stale=False)

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
        yield go(state._replace(mark=True), number, "again")

    def _again(self, state: State, number: int, process: Process) -> Iterator[State]:
        position, found = state.head, False
        for _ in range(self.positions):
            entry, lap = state.ring[position % self.positions], position // self.positions
            found |= entry.lap == lap and entry.state in (FULL, VOID)
            position += entry.lap > lap or entry.state == READING
        if found or process.stale or self._is_over(state, number):
            yield go(state, number, "look", slept=process.slept)
        else:
            yield go(state, number, "sleep")

    def _sleep(self, state: State, number: int, process: Process) -> Iterator[State]:
        if process.stale:
            yield go(state, number, "look", slept=True)
        if self.looks:
            yield go(state, number, "recover", slept=True)
        elif self._is_over(state, number):
            yield go(state, number, DONE)

    def _take(self, state: State, number: int, process: Process) -> Iterator[State]:
        entry = state.ring[process.position % self.positions]
        if entry != process.seen:
            yield go(state, number, "look")
            return
        taken = entry._replace(state=READING, slot=process.slot)
        after = with_entry(state, process.position, taken)
        if after.head == process.position:
            after = after._replace(head=process.position + 1)
        yield go(after, number, "copy")

    def _copy(self, state: State, number: int, process: Process) -> Iterator[State]:
        entry = state.ring[process.position % self.positions]
        if self.short:
            yield go(state, number, "give", message=entry.message)
            return
        place = state.places[entry.place]
        if (place.state, place.message) != (QUEUED, entry.message):
            raise Violation("a receiver finds a place without its message")
        then = "early" if self.fault == "place freed before its entry" else "hold"
        yield go(state, number, then, place=entry.place, message=entry.message)

    def _early(self, state: State, number: int, process: Process) -> Iterator[State]:
        yield go(with_place(state, process.place, Place()), number, "give", place=-1)

    def _hold(self, state: State, number: int, process: Process) -> Iterator[State]:
        place = state.places[process.place]
        yield go(
            with_place(state, process.place, place._replace(state=HELD, who=process.slot)),
            number,
            "give",
        )

    def _give(self, state: State, number: int, process: Process) -> Iterator[State]:
        entry = state.ring[process.position % self.positions]
        if entry.state != READING or entry.slot != process.slot:
            raise Violation("a receiver's position is no longer its own")
        after = with_entry(
            state, process.position, Entry(entry.lap + 1, FREE, 0, entry.place, entry.message)
        )
        yield go(after, number, "freeing")

    def _freeing(self, state: State, number: int, process: Process) -> Iterator[State]:
        after = state if process.place < 0 else with_place(state, process.place, Place())
        yield go(after._replace(got=(*state.got, process.message)), number, "waking", message=-1)

    def _waking(self, state: State, number: int, process: Process) -> Iterator[State]:
        """Whoever slept sets the mark again, because others may sleep too, and wakes the next one
        if there is more."""
        more = any(entry.state == FULL for entry in state.ring)
        then = DONE if self._enough(state) else "look"
        if process.slept and self.fault != "mark not renewed":
            state = state._replace(mark=True)
            if more:
                yield from wake_one(go(state._replace(mark=False), number, then, slept=False))
                return
        yield go(state, number, then, slept=False)

    def _enough(self, state: State) -> bool:
        return not self.looks and len(state.processes) > self.senders + 1

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
                and not self.short
                and state.places[process.place].who != process.slot
            ):
                raise Violation("two have one place")

    def is_finished(self, state: State) -> bool:
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


#: What is explored: who is there, how many deaths, whether sleepers look by themselves.
CONFIGURATIONS: dict[str, Model] = {
    "nobody dies and nobody looks": Model(("send", "send", "receive"), deaths=0, looks=False),
    "two receivers": Model(("send", "receive", "receive"), deaths=0),
    "one dies": Model(("send", "send", "receive"), deaths=1),
    "one of two receivers dies": Model(("send", "receive", "receive"), deaths=1),
    "two die": Model(("send", "receive", "receive"), deaths=2),
    "one position": Model(("send", "send", "receive"), deaths=1, positions=1),
    "one dies, and one opens an end": Model(("send", "late", "receive"), deaths=1),
    "a sender's lock is lost": Model(
        ("send", "send", "receive"), deaths=0, losses=1, positions=1, short=True
    ),
}
#: Where each fault shows.
FAULTY: dict[str, Model] = {
    "recover without the lock": Model(
        ("send", "late", "receive"), deaths=1, fault="recover without the lock"
    ),
    "position not looked at again": Model(
        ("send", "send", "receive"), deaths=1, positions=1, fault="position not looked at again"
    ),
    "set right without comparing": Model(
        ("send", "send", "receive"), deaths=1, positions=1, fault="set right without comparing"
    ),
    "publish without comparing": Model(
        ("send", "send", "receive"),
        deaths=0,
        losses=1,
        positions=1,
        short=True,
        fault="publish without comparing",
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
