#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A model of a topic's words, explored exhaustively: every order of steps, every death.

The steps are those of ``_native/channel/ms_topic.c``, ``ms_subscriber.c``, ``ms_holders.c`` and
``ms_recover.c``: what happens between two of them is one atomic operation on a position's word, a
place's word, or a place's holders.  Checked in every state: what a subscriber has in hand was sent
whole, and is not overwritten or given to another.  In the end every place is free, or in the ring
once; and from every state everybody can come to an end.  ``FAULTS`` are the protocol with one rule
left out.

    python tools/topic_model.py            explores and prints how many states there were
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import NamedTuple

from model import DEAD, DONE, Explored, Violation, report

FREE, WRITING, FULL, VOID, GONE = "free", "writing", "full", "void", "gone"
SENDING, QUEUED, LEFT = "sending", "queued", "left"

#: Rules of the protocol, for leaving one out.
FAULTS = {
    "no look at the position after holding": "a subscriber that has set its bit does not look at "
    "the position again",
    "no look at the holders after leaving": "whoever makes a place LEFT does not look at its "
    "holders once more",
    "no look at the holders": "a place that leaves the ring is free, whoever holds it",
    "old place not taken out": "a sender writes a position again and forgets the place that it had",
    "the dead hold on": "whoever recovers forgets what the dead held",
    "position not looked at again": "whoever recovers takes out the place of a position that changed",
    "orphans stay": "whoever recovers does not look for places whose position no longer has them",
}


class Entry(NamedTuple):
    lap: int = 0
    state: str = FREE
    slot: int = 0
    place: int = -1


class Place(NamedTuple):
    state: str = FREE
    who: int = 0  #: the slot; of a queued one the position
    number: int = 0
    content: int = -1  #: -1: being written
    holders: frozenset[int] = frozenset()


class Process(NamedTuple):
    role: str  #: "send", "receive" or "recover"
    at: str
    slot: int
    left: int = 0  #: messages to send
    message: int = -1
    place: int = -1
    position: int = 0  #: of a subscriber where it reads
    seen: Entry = Entry()
    old: int = -1  #: the place that leaves the ring, or is held
    number: int = 0
    then: str = ""
    dead: int = 0  #: whom it recovers
    index: int = 0


class State(NamedTuple):
    ring: tuple[Entry, ...]
    places: tuple[Place, ...]
    tail: int
    deaths: int
    recovered: frozenset[int]
    processes: tuple[Process, ...]


_FIRST = {"send": "take", "receive": "find", "recover": "idle"}


class Model(Explored[State]):
    """The protocol for these roles, with so many deaths; the first sender sends ``messages``, each
    other one a single one."""

    def __init__(
        self,
        roles: tuple[str, ...],
        *,
        deaths: int,
        messages: int = 3,
        positions: int = 2,
        places: int = 3,
        fault: str = "",
    ) -> None:
        assert not fault or fault in FAULTS, fault
        self.fault, self.positions = fault, positions
        processes = tuple(
            Process(
                role,
                _FIRST[role],
                number + 1,
                left=messages if number == 0 else int(role == "send"),
            )
            for number, role in enumerate(roles)
        )
        self.start = State(
            (Entry(),) * positions, (Place(),) * places, 0, deaths, frozenset(), processes
        )

    def next(self, state: State) -> Iterator[State]:
        for number, process in enumerate(state.processes):
            if process.at in (DEAD, DONE):
                continue
            yield from getattr(self, f"_{process.at}")(state, number, process)
            if state.deaths:
                gone = process._replace(at=DEAD, then="", seen=Entry(), message=-1)
                yield _with(state._replace(deaths=state.deaths - 1), number, gone)

    def check(self, state: State) -> None:
        for process in state.processes:
            if process.at == "use":
                place = state.places[process.old]
                if (
                    place.state not in (QUEUED, LEFT)
                    or place.number != process.number
                    or place.content != process.message
                ):
                    raise Violation("what a subscriber has in hand is overwritten, or another's")
                if process.message < 0:
                    raise Violation("a message was read that was not sent whole")

    def is_finished(self, state: State) -> bool:
        if any(process.at not in (DEAD, DONE) for process in state.processes):
            return False
        if not all(process.at == DONE for process in state.processes if process.role == "recover"):
            return True  # nobody is left who could set anything right
        for index, place in enumerate(state.places):
            named = (
                place.state == QUEUED
                and state.ring[place.who].place == index
                and state.ring[place.who].state == FULL
            )
            if place.holders or not (place.state == FREE or named):
                raise Violation(f"a place is {place.state} for ever")
        for index, entry in enumerate(state.ring):
            place = state.places[entry.place]
            if entry.state == FULL and (place.state, place.who) != (QUEUED, index):
                raise Violation("a message has lost its place")
        return True

    # ------------------------------------------------------------------ sending

    def _take(self, state: State, number: int, process: Process) -> Iterator[State]:
        if not process.left:
            yield _go(state, number, DONE)
            return
        for index, place in enumerate(state.places):
            if place.state == FREE:
                mine = place._replace(
                    state=SENDING, who=process.slot, number=place.number + 1, content=-1
                )
                yield _go(_place(state, index, mine), number, "fill", place=index)
                return
        for position in range(max(0, state.tail - self.positions), state.tail):
            entry = state.ring[position % self.positions]
            if (
                entry.state == FULL
                and entry.lap == position // self.positions
                and not state.places[entry.place].holders
            ):
                yield _go(state, number, "evict", position=position, seen=entry)
                return

    def _evict(self, state: State, number: int, process: Process) -> Iterator[State]:
        if state.ring[process.position % self.positions] != process.seen:
            yield _go(state, number, "take")
            return
        gone = _ring(state, process.position % self.positions, process.seen._replace(state=GONE))
        yield _go(gone, number, "unqueue", then="take")

    def _fill(self, state: State, number: int, process: Process) -> Iterator[State]:
        place = state.places[process.place]
        message = process.slot * 10 + process.left
        yield _go(
            _place(state, process.place, place._replace(content=message)),
            number,
            "claim",
            message=message,
        )

    def _claim(self, state: State, number: int, process: Process) -> Iterator[State]:
        index, lap = state.tail % self.positions, state.tail // self.positions
        entry = state.ring[index]
        if (entry.lap == lap and entry.state == FREE) or (
            entry.lap == lap - 1 and entry.state in (FULL, VOID, GONE)
        ):
            yield _go(state, number, "swap", position=state.tail, seen=entry)
        # else somebody writes there; the tail itself is right here, as a hint it is the queue's
        # model's business

    def _swap(self, state: State, number: int, process: Process) -> Iterator[State]:
        index = process.position % self.positions
        if state.ring[index] != process.seen:
            yield _go(state, number, "claim")
            return
        mine = Entry(process.position // self.positions, WRITING, process.slot, process.seen.place)
        after = _ring(state, index, mine)._replace(tail=process.position + 1)
        yield _go(
            after,
            number,
            "name" if self.fault == "old place not taken out" else "unqueue",
            then="name",
        )

    def _name(self, state: State, number: int, process: Process) -> Iterator[State]:
        index = process.position % self.positions
        yield _go(
            _ring(state, index, state.ring[index]._replace(place=process.place)), number, "queue"
        )

    def _queue(self, state: State, number: int, process: Process) -> Iterator[State]:
        place = state.places[process.place]
        if (place.state, place.who) != (SENDING, process.slot):
            raise Violation("a sender's place is no longer its own")
        queued = place._replace(state=QUEUED, who=process.position % self.positions)
        yield _go(_place(state, process.place, queued), number, "publish")

    def _publish(self, state: State, number: int, process: Process) -> Iterator[State]:
        index = process.position % self.positions
        entry = state.ring[index]
        if (entry.state, entry.slot) != (WRITING, process.slot):
            raise Violation("a sender's position is no longer its own")
        after = _ring(state, index, entry._replace(state=FULL, slot=0))
        yield _go(after, number, "take", left=process.left - 1, place=-1, message=-1, seen=Entry())

    # ------------------------------------------------------------------ a place leaves the ring

    def _unqueue(self, state: State, number: int, process: Process) -> Iterator[State]:
        index = process.position % self.positions
        named = state.ring[index].place
        recovered = process.then == "skip" and self.fault != "position not looked at again"
        theirs = recovered and state.ring[index] != process.seen
        place = state.places[named]
        if named >= 0 and not theirs and (place.state, place.who) == (QUEUED, index):
            yield _go(state, number, "holders", old=named, number=state.places[named].number)
        else:
            yield _go(state, number, process.then)

    def _holders(self, state: State, number: int, process: Process) -> Iterator[State]:
        held = state.places[process.old].holders and self.fault != "no look at the holders"
        yield _go(state, number, "leave" if held else "mine")

    def _mine(self, state: State, number: int, process: Process) -> Iterator[State]:
        yield from self._becomes_mine(state, number, process, QUEUED)

    def _becomes_mine(
        self, state: State, number: int, process: Process, was: str
    ) -> Iterator[State]:
        place = state.places[process.old]
        if (place.state, place.number) != (was, process.number):
            yield _go(state, number, process.then)
            return
        mine = place._replace(state=SENDING, who=process.slot)
        yield _go(_place(state, process.old, mine), number, "free")

    def _free(self, state: State, number: int, process: Process) -> Iterator[State]:
        place = state.places[process.old]
        if (place.state, place.who) != (SENDING, process.slot):
            raise Violation("a place is given back twice")
        yield _go(
            _place(state, process.old, place._replace(state=FREE, who=0, content=-1)),
            number,
            process.then,
        )

    def _leave(self, state: State, number: int, process: Process) -> Iterator[State]:
        place = state.places[process.old]
        if (place.state, place.number) != (QUEUED, process.number):
            yield _go(state, number, process.then)
            return
        then = process.then if self.fault == "no look at the holders after leaving" else "last"
        yield _go(_place(state, process.old, place._replace(state=LEFT, who=0)), number, then)

    def _last(self, state: State, number: int, process: Process) -> Iterator[State]:
        """Whether the place is LEFT, and nobody holds it any more."""
        place = state.places[process.old]
        if place.state == LEFT and not place.holders:
            yield _go(state, number, "rest", number=place.number)
        else:
            yield _go(state, number, process.then)

    def _rest(self, state: State, number: int, process: Process) -> Iterator[State]:
        yield from self._becomes_mine(state, number, process, LEFT)

    # ------------------------------------------------------------------ receiving

    def _find(self, state: State, number: int, process: Process) -> Iterator[State]:
        entry, lap = (
            state.ring[process.position % self.positions],
            process.position // self.positions,
        )
        if entry.lap > lap:
            oldest = process.position + (entry.lap - lap - 1) * self.positions + 1
            yield _go(state, number, "find", position=oldest)
        elif entry.lap == lap and entry.state == FULL:
            yield _go(state, number, "read", seen=entry)
        elif entry.lap == lap and entry.state in (VOID, GONE):
            yield _go(state, number, "find", position=process.position + 1)
        elif (entry.lap < lap or entry.state == FREE) and _senders_gone(state):
            yield _go(state, number, DONE)

    def _read(self, state: State, number: int, process: Process) -> Iterator[State]:
        """The position says which place, and then is still the same."""
        entry = state.ring[process.position % self.positions]
        if entry != process.seen:
            yield _go(state, number, "find")
        else:
            yield _go(state, number, "hold", old=entry.place)

    def _hold(self, state: State, number: int, process: Process) -> Iterator[State]:
        place = state.places[process.old]
        yield _go(
            _place(state, process.old, place._replace(holders=place.holders | {process.slot})),
            number,
            "again",
        )

    def _again(self, state: State, number: int, process: Process) -> Iterator[State]:
        index = process.position % self.positions
        place = state.places[process.old]
        same = (
            state.ring[index] == process.seen
            or self.fault == "no look at the position after holding"
        )
        if same and (place.state, place.who) == (QUEUED, index):
            yield _go(
                state,
                number,
                "use",
                message=place.content,
                number=place.number,
                then="find",
                position=process.position + 1,
            )
        else:
            yield _go(state, number, "drop", then="find")

    def _use(self, state: State, number: int, process: Process) -> Iterator[State]:
        yield _go(state, number, "drop", message=-1)

    def _drop(self, state: State, number: int, process: Process) -> Iterator[State]:
        place = state.places[process.old]
        yield _go(
            _place(state, process.old, place._replace(holders=place.holders - {process.slot})),
            number,
            "last",
        )

    # ------------------------------------------------------------------ the dead

    def _idle(self, state: State, number: int, process: Process) -> Iterator[State]:
        for other in state.processes:
            if other.at == DEAD and other.slot not in state.recovered:
                yield _go(state, number, "positions", dead=other.slot, index=0)
                return
        if all(other.at in (DEAD, DONE) for other in state.processes if other.role != "recover"):
            yield _go(state, number, DONE)

    def _positions(self, state: State, number: int, process: Process) -> Iterator[State]:
        if process.index == self.positions:
            yield _go(state, number, "sending", index=0)
            return
        entry = state.ring[process.index]
        if (entry.state, entry.slot) == (WRITING, process.dead):
            yield _go(state, number, "unqueue", position=process.index, seen=entry, then="skip")
        else:
            yield _go(state, number, "positions", index=process.index + 1)

    def _skip(self, state: State, number: int, process: Process) -> Iterator[State]:
        entry = state.ring[process.index]
        if entry == process.seen:
            state = _ring(state, process.index, entry._replace(state=VOID, slot=0))
        yield _go(state, number, "positions", index=process.index + 1, seen=Entry())

    def _sending(self, state: State, number: int, process: Process) -> Iterator[State]:
        if process.index == len(state.places):
            after = state._replace(recovered=state.recovered | {process.dead})
            yield _go(after, number, "idle", dead=0, index=0, old=-1, number=0, then="", position=0)
            return
        place = state.places[process.index]
        if (place.state, place.who) == (SENDING, process.dead):
            mine = place._replace(who=process.slot)
            yield _go(
                _place(state, process.index, mine), number, "free", old=process.index, then="held"
            )
        else:
            yield _go(state, number, "held")

    def _held(self, state: State, number: int, process: Process) -> Iterator[State]:
        place = state.places[process.index]
        if process.dead in place.holders and self.fault != "the dead hold on":
            state = _place(
                state, process.index, place._replace(holders=place.holders - {process.dead})
            )
        yield _go(state, number, "last", old=process.index, then="orphan")

    def _orphan(self, state: State, number: int, process: Process) -> Iterator[State]:
        """A queued place whose position does not have it: whoever took it out of the ring died
        before it said so."""
        place = state.places[process.index]
        entry = state.ring[place.who % self.positions]
        lost = place.state == QUEUED and (
            entry.state in (GONE, VOID, FREE) or entry.place != process.index
        )
        if lost and self.fault != "orphans stay":
            yield _go(
                state, number, "holders", old=process.index, number=place.number, then="following"
            )
        else:
            yield _go(state, number, "following")

    def _following(self, state: State, number: int, process: Process) -> Iterator[State]:
        yield _go(state, number, "sending", index=process.index + 1)


def _senders_gone(state: State) -> bool:
    over = all(process.at in (DEAD, DONE) for process in state.processes if process.role == "send")
    return over and all(entry.state != WRITING for entry in state.ring)


def _with(state: State, number: int, process: Process) -> State:
    return state._replace(
        processes=(*state.processes[:number], process, *state.processes[number + 1 :])
    )


def _go(state: State, number: int, at: str, /, **changes: object) -> State:
    return _with(state, number, state.processes[number]._replace(at=at, **changes))  # type: ignore[arg-type]


def _ring(state: State, index: int, entry: Entry) -> State:
    return state._replace(ring=(*state.ring[:index], entry, *state.ring[index + 1 :]))


def _place(state: State, index: int, place: Place) -> State:
    return state._replace(places=(*state.places[:index], place, *state.places[index + 1 :]))


#: What is explored: who is there, how many deaths.
CONFIGURATIONS: dict[str, Model] = {
    "nobody dies": Model(("send", "send", "receive"), deaths=0, messages=2),
    "two subscribers": Model(("send", "receive", "receive"), deaths=0),
    "one position": Model(("send", "receive", "receive"), deaths=0, positions=1, places=2),
    "one dies": Model(("send", "receive", "recover"), deaths=1, positions=1, places=2),
    "one of two who recover may die too": Model(
        ("send", "receive", "recover", "recover"), deaths=2, messages=1, positions=1, places=2
    ),
    "one dies where places are short": Model(
        ("send", "send", "recover"), deaths=1, messages=2, positions=2, places=2
    ),
}
#: What takes long: explored by this program, and not by the tests.
LARGE: dict[str, Model] = {
    "one of two senders dies beside two who recover": Model(
        ("send", "send", "recover", "recover"), deaths=1, messages=1, positions=1, places=2
    ),
    "short of places": Model(("send", "receive", "receive"), deaths=0, places=2),
    "one dies beside two who recover": Model(
        ("send", "receive", "recover", "recover"), deaths=1, messages=2, positions=1, places=2
    ),
    "one of two senders dies": Model(
        ("send", "send", "receive", "recover"), deaths=1, messages=2, positions=1
    ),
    "two die": Model(
        ("send", "receive", "recover", "recover"), deaths=2, messages=2, positions=1, places=2
    ),
}
_ONE = {"deaths": 0, "positions": 1, "places": 2}
#: Where each fault shows: who is there, and what else.
_SHOWN: dict[str, tuple[tuple[str, ...], dict[str, int]]] = {
    "no look at the position after holding": (("send", "receive"), _ONE),
    "no look at the holders after leaving": (("send", "receive"), {"deaths": 0}),
    "no look at the holders": (("send", "receive"), {"deaths": 0}),
    "old place not taken out": (("send", "receive"), {"deaths": 0, "positions": 1}),
    "the dead hold on": (("send", "receive", "recover"), {"deaths": 1, "positions": 1}),
    "position not looked at again": (
        ("send", "send", "recover", "recover"),
        {"deaths": 1, "messages": 1, "positions": 1, "places": 2},
    ),
    "orphans stay": (("send", "send", "recover"), {"deaths": 1, "messages": 2, "places": 2}),
}
FAULTY: dict[str, Model] = {
    fault: Model(roles, fault=fault, **options) for fault, (roles, options) in _SHOWN.items()
}


if __name__ == "__main__":
    sys.exit(report({**CONFIGURATIONS, **LARGE}, FAULTY, FAULTS))
