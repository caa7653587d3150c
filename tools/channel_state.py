# SPDX-License-Identifier: MIT
"""What ``channel_model`` explores the states of: words, processes, and the changes of both."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from model import DONE

FREE, WRITING, FULL, READING, VOID = "free", "writing", "full", "reading", "void"
SENDING, QUEUED, HELD = "sending", "queued", "held"


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


class Seen(NamedTuple):
    """What one who recovers has seen of a position, and of its place."""

    index: int
    entry: Entry
    place: int = -1
    was: Place = Place()


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
    recovered: int = 0  #: the slot that it sets right
    back: str = ""  #: where it goes on after that
    other: Seen | None = None
    bare: bool = False  #: whether its lock is gone although it lives


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
    losses: int  #: of locks whose owner lives
    processes: tuple[Process, ...]


def word_of(entry: Entry) -> tuple[int, str, int]:
    """What is compared: the rest of an entry is written beside its word."""
    return entry.lap, entry.state, entry.slot


def with_process(state: State, number: int, process: Process) -> tuple[Process, ...]:
    return state.processes[:number] + (process,) + state.processes[number + 1 :]


def go(state: State, number: int, at: str, **changes: object) -> State:
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
    return state._replace(processes=with_process(state, number, process))


def with_entry(state: State, position: int, entry: Entry) -> State:
    index = position % len(state.ring)
    return state._replace(ring=(*state.ring[:index], entry, *state.ring[index + 1 :]))


def with_place(state: State, index: int, place: Place) -> State:
    return state._replace(places=(*state.places[:index], place, *state.places[index + 1 :]))


def wake_one(state: State) -> Iterator[State]:
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
        yield state._replace(
            processes=with_process(state, number, processes[number]._replace(stale=True))
        )
