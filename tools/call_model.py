#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A model of a service's calls, explored exhaustively: every order of steps, every death, every
client that gives up.

The steps are those of ``_native/channel/ms_call.c`` and of what ``ms_recover.c`` does with calls:
what happens between two of them is one atomic operation on a cell's word, a place's word, a ticket,
or a slot's file lock; or one look at them.  The ring is a list of tickets here: ``channel_model``
explores how it works.  Checked in every state that can be reached: an answer reaches the call that
it is for and no other, no call is served twice, no request is read before it was written, an honest
call is never taken for damage, and from every state everybody can come to an end.  In the end
nothing of the dead is left where a server lives to look after it.  ``FAULTS`` are the protocol with
one rule left out: each must be found out.

    python tools/call_model.py            explores and prints how many states there were
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import NamedTuple

from model import DEAD, DONE, Explored, Violation, report

FREE, ASKED, TAKING, SERVING = "free", "asked", "taking", "serving"
ANSWERED, DROPPED, AGAIN, ABANDONED = "answered", "dropped", "again", "abandoned"
SENDING, HELD = "sending", "held"
TRIES = 2  #: how often a client asks at most when a server died before it had the call in hand
JOIN = "join"  #: where one is that has not opened the service yet

#: Rules of the protocol, for leaving one out.
FAULTS = {
    "ticket without a number": "a ticket means whatever call its cell has now",
    "in hand is asked again": "a call is asked again though its dead server had it in hand",
    "cell freed by who gives up": "who gives up a call that is served frees its cell",
    "word not looked at again": "a request's place that was taken back is damage, whoever took it",
    "cell freed before its place": "who gives up an answered call frees the cell, then the place",
    "cells looked at once": "whoever recovers does not look again at a cell that changed meanwhile",
    "slot claimed as it is": "who joins takes a dead one's slot and does not set right what it left",
    "asked again at once": "who asks again after a death puts its call back into the same cell",
    "places before cells": "of the dead first places are set right, and then cells",
}


BEGINS = {"ask": "start", "serve": "look"}


class Word(NamedTuple):
    number: int = 0
    state: str = FREE
    client: int = 0
    server: int = 0


class PlaceWord(NamedTuple):
    number: int = 0
    state: str = FREE
    who: int = 0


class Noted(NamedTuple):
    """What a cell holds beside its word: bytes, or a place with the word that it had then."""

    content: tuple[object, ...] = ()
    place: int = -1
    word: PlaceWord = PlaceWord()


class Cell(NamedTuple):
    word: Word = Word()
    noted: Noted = Noted()


class Place(NamedTuple):
    word: PlaceWord = PlaceWord()
    content: tuple[object, ...] = ()


class Ticket(NamedTuple):
    cell: int
    number: int
    slot: int = 0  #: whose position is being read


class Process(NamedTuple):
    role: str  #: "ask" or "serve"
    slot: int  #: 0 before it joined
    at: str
    who: int = 0  #: other than a slot nobody else has it later
    attempt: int = 0
    dropped: int = 0  #: how often a server died that had its call in hand
    cell: int = -1
    word: Word = Word()  #: of the call as it was last set here
    seen: Word = Word()  #: as it was last looked at
    place: int = -1  #: of the request, or of the answer that is being made
    place_word: PlaceWord = PlaceWord()
    other: int = -1  #: the place of what was received
    other_word: PlaceWord = PlaceWord()
    content: tuple[object, ...] = ()
    outcome: str = ""
    recovered: int = 0
    index: int = 0
    back: str = ""  #: where it goes on after it has recovered


class State(NamedTuple):
    cells: tuple[Cell, ...]
    places: tuple[Place, ...]
    tickets: tuple[Ticket, ...]
    locks: tuple[int, ...]  #: for each slot who has its lock: process + 1, or 0
    served: frozenset[object]  #: the calls that were in some server's hands
    deaths: int
    processes: tuple[Process, ...]


class Model(Explored[State]):
    """The protocol for some clients, who make a call each, and servers, with so many deaths."""

    def __init__(
        self,
        roles: tuple[str, ...],
        *,
        deaths: int,
        impatient: bool = False,
        cells: int = 1,
        places: int = 0,
        answers_in_places: bool = True,
        late: tuple[str, ...] = (),
        retry: int = 0,
        fault: str = "",
    ) -> None:
        """``late`` are those who open the service some time later, and maybe in a dead one's slot."""
        assert not fault or fault in FAULTS, fault
        self.fault, self.impatient, self.deaths = fault, impatient, deaths
        self.answers_in_places, self.retry = answers_in_places, retry
        processes = tuple(
            Process(role, number + 1, BEGINS[role], number + 1) for number, role in enumerate(roles)
        ) + tuple(
            Process(role, 0, JOIN, number + 1) for number, role in enumerate(late, len(roles))
        )
        self.start = State(
            (Cell(),) * cells,
            (Place(),) * places,
            (),
            (0, *(process.slot for process in processes)),  # those who come later have none
            frozenset(),
            deaths,
            processes,
        )

    def next(self, state: State) -> Iterator[State]:
        """Every state that one step leads to."""
        for number, process in enumerate(state.processes):
            if process.at in (DEAD, DONE):
                continue
            yield from getattr(self, f"_{process.at}")(state, number, process)
            if state.deaths:
                locks = tuple(0 if holder == number + 1 else holder for holder in state.locks)
                dead = Process(process.role, process.slot, DEAD, process.who)
                after = state._replace(deaths=state.deaths - 1, locks=locks)
                yield _with(after, number, dead)

    # ------------------------------------------------------------------ who comes later

    def _join(self, state: State, number: int, process: Process) -> Iterator[State]:
        """Lock a slot that nobody has, and set right what its last owner left."""
        for slot, holder in enumerate(state.locks):
            if slot and not holder and not self._is_done(state, slot):
                locks = (*state.locks[:slot], number + 1, *state.locks[slot + 1 :])
                first = "right_places" if self.fault == "places before cells" else "right"
                if self.fault == "slot claimed as it is":
                    first = "righted"
                after = state._replace(locks=locks)
                yield _go(after, number, first, recovered=slot, index=0, back=JOIN)

    @staticmethod
    def _is_done(state: State, slot: int) -> bool:
        return any(one.at == DONE and one.slot == slot for one in state.processes)

    # ------------------------------------------------------------------ the client

    def _start(self, state: State, number: int, process: Process) -> Iterator[State]:
        """Make the request, in a place if one is free: no place is waited for."""
        content = _request_of(process)
        for index, place in enumerate(state.places):
            if place.word.state == FREE:
                mine = PlaceWord(place.word.number + 1, SENDING, process.slot)
                after = _place(state, index, Place(mine, content))
                yield _go(after, number, "claim", place=index, place_word=mine)
                return
        yield _go(state, number, "claim", place=-1)

    def _claim(self, state: State, number: int, process: Process) -> Iterator[State]:
        for index, cell in enumerate(state.cells):
            if cell.word.state == FREE:
                mine = Word(cell.word.number + 1, ASKED, process.slot)
                yield _go(_word(state, index, mine), number, "put", cell=index, word=mine)
                return
        if self.impatient or self._nobody_serves(state):
            yield _go(state, number, "free_request", outcome="not asked")
        yield from self._block_a_dead_slot(state, number, process, "claim")

    def _put(self, state: State, number: int, process: Process) -> Iterator[State]:
        content = _request_of(process) if process.place < 0 else ()
        noted = Noted(content, process.place, process.place_word)
        yield _go(_write_cell(state, process.cell, noted), number, "ticket")

    def _ticket(self, state: State, number: int, process: Process) -> Iterator[State]:
        ticket = Ticket(process.cell, process.word.number)
        yield _go(state._replace(tickets=(*state.tickets, ticket)), number, "wait")

    def _wait(self, state: State, number: int, process: Process) -> Iterator[State]:
        word = state.cells[process.cell].word
        if (word.number, word.client) != (process.word.number, process.slot):
            raise Violation("a client's cell has another call")
        if word.state == ANSWERED:
            yield _go(state, number, "answer")
        elif word.state in (DROPPED, AGAIN):
            if self.fault == "asked again at once" and process.dropped < self.retry:
                # As if nothing had changed but the word: its place may be gone.
                then = process.word
                dropped = process.dropped + 1
                yield _go(_word(state, process.cell, then), number, "ticket", dropped=dropped)
                return
            yield _go(state, number, "end", outcome=word.state)
        elif word.state not in (ASKED, TAKING, SERVING):
            raise Violation(f"a client's call is {word.state} while it waits")
        elif word.state == ASKED and self._nobody_serves(state):
            yield _go(state, number, "end", outcome="nobody serves")
        else:
            if self.impatient:
                yield _go(state, number, "end", outcome="given up")
            yield from self._block_a_dead_slot(state, number, process, "wait")

    def _answer(self, state: State, number: int, process: Process) -> Iterator[State]:
        cell = state.cells[process.cell]
        after, content, place, word = self._got(state, number, cell, cell.word.server)
        if content != ("answer", *_request_of(process)[1:]):
            raise Violation("a client gets what is no answer to its call")
        yield _go(after, number, "end", other=place, other_word=word, outcome=ANSWERED)

    def _end(self, state: State, number: int, process: Process) -> Iterator[State]:
        yield _go(state, number, "ends", seen=state.cells[process.cell].word)

    def _ends(self, state: State, number: int, process: Process) -> Iterator[State]:
        seen = process.seen
        if (seen.number, seen.client) != (process.word.number, process.slot):
            yield _go(state, number, "free_request")
        elif seen.state in (TAKING, SERVING):
            then = seen._replace(state=ABANDONED)
            if self.fault == "cell freed by who gives up":
                then = Word(seen.number)
            yield self._changes(state, number, seen, then, "free_request", "end")
        elif seen.state == ANSWERED and process.outcome != ANSWERED:
            early = self.fault == "cell freed before its place"
            yield _go(state, number, "free_answered" if early else "hold_answer")
        elif seen.state in (ASKED, ANSWERED, DROPPED, AGAIN):
            yield self._changes(state, number, seen, Word(seen.number), "free_request", "end")
        else:
            yield _go(state, number, "free_request")

    def _hold_answer(self, state: State, number: int, process: Process) -> Iterator[State]:
        """Nobody wants the answer: its place goes before the cell does."""
        cell = state.cells[process.cell]
        after, _, place, word = self._got(state, number, cell, process.seen.server)
        yield _go(after, number, "free_answered", other=place, other_word=word)

    def _free_answered(self, state: State, number: int, process: Process) -> Iterator[State]:
        seen = process.seen
        then = "free_request"
        if self.fault == "cell freed before its place":
            then = "hold_late"
        yield self._changes(state, number, seen, Word(seen.number), then, "free_request")

    def _hold_late(self, state: State, number: int, process: Process) -> Iterator[State]:
        cell = state.cells[process.cell]
        after, _, place, word = self._got(state, number, cell, process.seen.server)
        yield _go(after, number, "free_request", other=place, other_word=word)

    def _free_request(self, state: State, number: int, process: Process) -> Iterator[State]:
        """Unless a server has it, or had it."""
        after = _free_place(state, process.place, process.place_word)
        yield _go(after, number, "free_answer", place=-1)

    def _free_answer(self, state: State, number: int, process: Process) -> Iterator[State]:
        after = _free_place(state, process.other, process.other_word)
        again = process.outcome == AGAIN and process.attempt + 1 < TRIES
        retried = process.outcome == DROPPED and process.dropped < self.retry
        next_one = Process(process.role, process.slot, DONE, process.who, dropped=process.dropped)
        if again or retried:
            next_one = next_one._replace(at="start", attempt=process.attempt + again)
            next_one = next_one._replace(dropped=process.dropped + retried)
        else:
            next_one = next_one._replace(outcome=process.outcome)
        yield _with(after, number, next_one)

    # ------------------------------------------------------------------ the server

    def _look(self, state: State, number: int, process: Process) -> Iterator[State]:
        for index, ticket in enumerate(state.tickets):
            if not ticket.slot:
                yield _go(_set_ticket(state, index, process.slot), number, "take")
                return
        yield from self._block_a_dead_slot(state, number, process, "look")
        clients = (other for other in state.processes if other.role == "ask")
        if all(one.at in (DEAD, DONE) for one in clients) and _nothing_is_left(state):
            yield _go(state, number, DONE)

    def _take(self, state: State, number: int, process: Process) -> Iterator[State]:
        ticket = next(one for one in state.tickets if one.slot == process.slot)
        word = state.cells[ticket.cell].word
        same = word.number == ticket.number or self.fault == "ticket without a number"
        if word.state == ASKED and same:
            yield _go(state, number, "takes", cell=ticket.cell, seen=word)
        else:
            yield _go(state, number, "pulled", outcome="stale")

    def _takes(self, state: State, number: int, process: Process) -> Iterator[State]:
        mine = process.seen._replace(state=TAKING, server=process.slot)
        after = self._changes(state, number, process.seen, mine, "get", "pulled")
        taken = after.processes[number].at == "get"
        yield _go(after, number, after.processes[number].at, outcome="" if taken else "stale")

    def _get(self, state: State, number: int, process: Process) -> Iterator[State]:
        cell, word = state.cells[process.cell], process.word
        try:
            after, content, place, held = self._got(state, number, cell, word.client)
        except Violation:
            if self.fault == "word not looked at again":
                raise
            yield _go(state, number, "look_again")
            return
        if content[:2] != ("ask", word.client):
            raise Violation("a server reads a request that is not there yet, or another one's")
        yield _go(after, number, "pulled", content=content, other=place, other_word=held)

    def _look_again(self, state: State, number: int, process: Process) -> Iterator[State]:
        """Who gives a call up says so in the cell before it takes its place back."""
        if state.cells[process.cell].word == process.word:
            raise Violation("an honest call is taken for damage")
        yield _go(state, number, "finish", back="pulled")

    def _pulled(self, state: State, number: int, process: Process) -> Iterator[State]:
        tickets = tuple(one for one in state.tickets if one.slot != process.slot)
        then = "free_stale" if process.outcome == "stale" else "serve"
        yield _go(state._replace(tickets=tickets), number, then)

    def _serve(self, state: State, number: int, process: Process) -> Iterator[State]:
        mine = process.word._replace(state=SERVING)
        after = self._changes(state, number, process.word, mine, "served", "finish")
        if after.processes[number].at == "finish":
            yield _go(after, number, "finish", back="free_stale")
            return
        _, _, who, _, dropped = process.content
        if (who, dropped) in state.served:
            raise Violation("a call is served twice")
        after = after._replace(served=after.served | {(who, dropped)})
        yield _go(after, number, "served")

    def _served(self, state: State, number: int, process: Process) -> Iterator[State]:
        """The request was copied; then the function has run."""
        after = _free_place(state, process.other, process.other_word)
        yield _go(after, number, "reply", other=-1)

    def _reply(self, state: State, number: int, process: Process) -> Iterator[State]:
        content = ("answer", *process.content[1:])
        for index, place in enumerate(state.places if self.answers_in_places else ()):
            if place.word.state == FREE:
                mine = PlaceWord(place.word.number + 1, SENDING, process.slot)
                after = _place(state, index, Place(mine, content))
                yield _go(after, number, "put_answer", place=index, place_word=mine)
                return
        yield _go(state, number, "put_answer", place=-1)

    def _put_answer(self, state: State, number: int, process: Process) -> Iterator[State]:
        content = ("answer", *process.content[1:]) if process.place < 0 else ()
        noted = Noted(content, process.place, process.place_word)
        yield _go(_write_cell(state, process.cell, noted), number, "answers")

    def _answers(self, state: State, number: int, process: Process) -> Iterator[State]:
        after = self._changes(
            state, number, process.word, process.word._replace(state=ANSWERED), "look", "finish"
        )
        if after.processes[number].at == "finish":
            yield _go(after, number, "finish", back="free_unwanted")
        else:
            yield _with(after, number, _looking(process))

    def _free_unwanted(self, state: State, number: int, process: Process) -> Iterator[State]:
        after = _free_place(state, process.place, process.place_word)
        yield _with(after, number, _looking(process))

    def _free_stale(self, state: State, number: int, process: Process) -> Iterator[State]:
        after = _free_place(state, process.other, process.other_word)
        yield _with(after, number, _looking(process))

    def _finish(self, state: State, number: int, process: Process) -> Iterator[State]:
        """What nobody waits for any more is the server's to free."""
        word = state.cells[process.cell].word
        if word == process.word._replace(state=ABANDONED):
            state = _word(state, process.cell, Word(word.number))
        yield _go(state, number, process.back, outcome="stale")

    # ------------------------------------------------------------------ the dead

    def _block_a_dead_slot(
        self, state: State, number: int, process: Process, back: str
    ) -> Iterator[State]:
        """Lock the slot of one who died and is named somewhere, if there is one."""
        for slot in sorted(_named_slots(state) - {process.slot}):
            if state.locks[slot]:
                continue
            if self._is_done(state, slot):
                raise Violation("one who has come to an end left something")
            locks = (*state.locks[:slot], number + 1, *state.locks[slot + 1 :])
            first = "right_places" if self.fault == "places before cells" else "right"
            yield _go(
                state._replace(locks=locks), number, first, recovered=slot, index=0, back=back
            )

    def _right(self, state: State, number: int, process: Process) -> Iterator[State]:
        """Look at the next cell."""
        index = process.index
        if index == len(state.cells):
            last = self.fault == "places before cells"
            yield _go(state, number, "righted" if last else "right_tickets", index=0)
            return
        word = state.cells[index].word
        if word.state == FREE or process.recovered not in (word.client, word.server):
            yield _go(state, number, "right", index=index + 1)
        else:
            asking = word.client == process.recovered
            yield _go(state, number, "right_asking" if asking else "right_serving", seen=word)

    def _right_serving(self, state: State, number: int, process: Process) -> Iterator[State]:
        word = process.seen
        if word.state == ANSWERED:
            yield from self._noted_still(state, number, process, "right_next")
            return
        then = {TAKING: AGAIN, SERVING: DROPPED}.get(word.state)
        if self.fault == "in hand is asked again" and word.state == SERVING:
            then = AGAIN
        now = word._replace(state=then, server=0) if then else Word(word.number)
        yield self._set_right(state, number, now)

    def _right_asking(self, state: State, number: int, process: Process) -> Iterator[State]:
        word, index = process.seen, process.index
        if word.state in (TAKING, SERVING):
            yield self._set_right(state, number, word._replace(state=ABANDONED))
        elif word.state == ABANDONED:
            yield _go(state, number, "right", index=index + 1)
        elif word.state == ANSWERED:
            yield from self._noted_still(state, number, process, "right_free")
        else:
            yield _go(state, number, "right_free")

    def _noted_still(
        self, state: State, number: int, process: Process, then: str
    ) -> Iterator[State]:
        """The answer's place goes to the client, if the cell has not changed since."""
        cell = state.cells[process.index]
        noted, owner = cell.noted, (SENDING, process.seen.server)
        if cell.word == process.seen and noted.place >= 0 and noted.word[1:] == owner:
            yield _go(
                state, number, "right_hand", other=noted.place, other_word=noted.word, outcome=then
            )
        else:
            yield _go(state, number, then)

    def _right_hand(self, state: State, number: int, process: Process) -> Iterator[State]:
        place = state.places[process.other]
        if place.word == process.other_word:
            held = PlaceWord(place.word.number, HELD, process.seen.client)
            state = _place(state, process.other, place._replace(word=held))
        yield _go(state, number, process.outcome, other=-1, outcome="")

    def _right_free(self, state: State, number: int, process: Process) -> Iterator[State]:
        yield self._set_right(state, number, Word(process.seen.number))

    def _set_right(self, state: State, number: int, now: Word) -> State:
        """The cell's word changes; one that changed meanwhile is looked at again."""
        process = state.processes[number]
        index = process.index
        if state.cells[index].word == process.seen:
            state = _word(state, index, now)
        elif self.fault != "cells looked at once":
            return _go(state, number, "right")
        return _go(state, number, "right", index=index + 1)

    def _right_next(self, state: State, number: int, process: Process) -> Iterator[State]:
        yield _go(state, number, "right", index=process.index + 1)

    def _right_tickets(self, state: State, number: int, process: Process) -> Iterator[State]:
        for index, ticket in enumerate(state.tickets):
            if ticket.slot == process.recovered:
                state = _set_ticket(state, index, 0)
        yield _go(state, number, "right_places", index=0)

    def _right_places(self, state: State, number: int, process: Process) -> Iterator[State]:
        for index, place in enumerate(state.places):
            if place.word.who == process.recovered:
                yield _go(_free_place(state, index, place.word), number, "right_places")
                return
        first = self.fault == "places before cells"
        yield _go(state, number, "right" if first else "righted", index=0)

    def _righted(self, state: State, number: int, process: Process) -> Iterator[State]:
        if self.fault == "places before cells":
            for index, ticket in enumerate(state.tickets):
                if ticket.slot == process.recovered:
                    state = _set_ticket(state, index, 0)
        slot = process.recovered
        if process.back == JOIN:  # the lock stays
            at = BEGINS[process.role]
            yield _with(state, number, Process(process.role, slot, at, process.who))
            return
        locks = (*state.locks[:slot], 0, *state.locks[slot + 1 :])
        yield _go(state._replace(locks=locks), number, process.back, recovered=0, back="", index=0)

    # ------------------------------------------------------------------ what they have in common

    def _changes(
        self, state: State, number: int, seen: Word, to: Word, then: str, otherwise: str
    ) -> State:
        """Compare and swap the word of the process's cell."""
        process = state.processes[number]
        if state.cells[process.cell].word != seen:
            return _go(state, number, otherwise)
        return _go(_word(state, process.cell, to), number, then, word=to)

    def _got(
        self, state: State, number: int, cell: Cell, sender: int
    ) -> tuple[State, tuple[object, ...], int, PlaceWord]:
        """What a cell holds, and the place of it that is in hand from now on."""
        noted, slot = cell.noted, state.processes[number].slot
        if noted.place < 0:
            return state, noted.content, -1, PlaceWord()
        place = state.places[noted.place]
        held = PlaceWord(noted.word.number, HELD, slot)
        if noted.word[1:] != (SENDING, sender) or place.word not in (noted.word, held):
            raise Violation("a cell names a place that is not its own")
        return (
            _place(state, noted.place, place._replace(word=held)),
            place.content,
            noted.place,
            held,
        )

    @staticmethod
    def _nobody_serves(state: State) -> bool:
        """Who has not come yet is waited for only if nobody ever was there."""
        servers = [one for one in state.processes if one.role == "serve"]
        gone = [one for one in servers if one.at in (DEAD, DONE)]
        return bool(gone) and all(one in gone or not one.slot for one in servers)

    # ------------------------------------------------------------------ what must hold

    def check(self, state: State) -> None:
        """Raise Violation if this state must not be."""
        for process in state.processes:
            if process.at in ("served", "reply", "put_answer", "answers"):
                word = state.cells[process.cell].word
                if word.number != process.word.number or word.state not in (SERVING, ABANDONED):
                    raise Violation("a cell is another call's while a server has its call in hand")

    def is_finished(self, state: State) -> bool:
        """Whether everybody has come to an end as it should."""
        if not all(process.at in (DEAD, DONE) for process in state.processes):
            return False
        died = state.deaths < self.deaths
        for process in state.processes:
            if process.role == "ask" and process.at == DONE and process.outcome != ANSWERED:
                if not (died or self.impatient):
                    raise Violation(f"a call was {process.outcome} though everybody lives")
                if process.outcome == DROPPED and self.deaths - state.deaths <= self.retry:
                    raise Violation("a client is told of a death that was none, or of too few")
        return True


def _named_slots(state: State) -> set[int]:
    """The slots that words name."""
    named = {slot for cell in state.cells for slot in (cell.word.client, cell.word.server)}
    named |= {ticket.slot for ticket in state.tickets}
    return (named | {place.word.who for place in state.places}) - {0}


def _request_of(process: Process) -> tuple[object, ...]:
    """What a client's request says."""
    return ("ask", process.slot, process.who, process.attempt, process.dropped)


def _looking(process: Process) -> Process:
    """A server that has no call."""
    return Process(process.role, process.slot, "look", process.who)


def _nothing_is_left(state: State) -> bool:
    """What a server waits for here before it comes to its end: were something left for ever, it
    would never come to it."""
    return (
        not state.tickets
        and all(cell.word.state == FREE for cell in state.cells)
        and all(place.word.state == FREE for place in state.places)
    )


def _with(state: State, number: int, process: Process) -> State:
    processes = (*state.processes[:number], process, *state.processes[number + 1 :])
    return state._replace(processes=processes)


def _go(state: State, number: int, at: str, **changes: object) -> State:
    process = state.processes[number]
    return _with(state, number, process._replace(at=at, **changes))  # type: ignore[arg-type]


def _word(state: State, index: int, word: Word) -> State:
    cell = state.cells[index]._replace(word=word)
    return state._replace(cells=(*state.cells[:index], cell, *state.cells[index + 1 :]))


def _write_cell(state: State, index: int, noted: Noted) -> State:
    cell = state.cells[index]._replace(noted=noted)
    return state._replace(cells=(*state.cells[:index], cell, *state.cells[index + 1 :]))


def _place(state: State, index: int, place: Place) -> State:
    return state._replace(places=(*state.places[:index], place, *state.places[index + 1 :]))


def _free_place(state: State, index: int, word: PlaceWord) -> State:
    """The place is given back, if it still has this word."""
    if index < 0 or state.places[index].word != word:
        return state
    return _place(state, index, Place(PlaceWord(word.number)))


def _set_ticket(state: State, index: int, slot: int) -> State:
    ticket = state.tickets[index]._replace(slot=slot)
    return state._replace(tickets=(*state.tickets[:index], ticket, *state.tickets[index + 1 :]))


#: What is explored: who is there, how many deaths, whether clients give up.
CONFIGURATIONS: dict[str, Model] = {
    "nobody dies": Model(("ask", "ask", "serve"), deaths=0, cells=2, places=2),
    "clients give up": Model(("ask", "serve"), deaths=0, impatient=True, places=2),
    "two clients give up": Model(("ask", "ask", "serve"), deaths=0, impatient=True, places=1),
    "one dies": Model(("ask", "serve", "serve"), deaths=1, places=2),
    "one dies, clients give up": Model(
        ("ask", "ask", "serve"), deaths=1, impatient=True, cells=1, places=1
    ),
    "two clients and two servers, of whom one dies": Model(
        ("ask", "ask", "serve", "serve"), deaths=1
    ),
    "two die, short messages": Model(("ask", "serve", "serve"), deaths=2, impatient=True),
    "two die": Model(("ask", "serve", "serve"), deaths=2, impatient=True, places=1),
    "a server comes later, maybe in a dead one's slot": Model(
        ("ask", "serve"), deaths=1, places=1, late=("serve",)
    ),
    "the first server comes later": Model(("ask",), deaths=1, impatient=True, late=("serve",)),
    "a client comes later, maybe in a dead one's slot": Model(
        ("ask", "serve"), deaths=1, places=1, late=("ask",)
    ),
    "calls of the dead are asked again": Model(
        ("ask", "serve", "serve"), deaths=1, places=1, retry=1
    ),
    "asked again of one who comes later": Model(
        ("ask", "serve"), deaths=1, places=1, late=("serve",), retry=1
    ),
    "asked again, and two die": Model(("ask", "serve", "serve"), deaths=2, retry=1),
    "asked again, or given up": Model(
        ("ask", "serve", "serve"), deaths=1, impatient=True, places=1, retry=1
    ),
}
#: Where each fault shows.
FAULTY: dict[str, Model] = {
    "ticket without a number": Model(
        ("ask", "ask", "serve"), deaths=0, impatient=True, fault="ticket without a number"
    ),
    "in hand is asked again": Model(
        ("ask", "serve", "serve"), deaths=1, fault="in hand is asked again"
    ),
    "cell freed by who gives up": Model(
        ("ask", "ask", "serve"), deaths=0, impatient=True, fault="cell freed by who gives up"
    ),
    "word not looked at again": Model(
        ("ask", "serve"), deaths=0, impatient=True, places=1, fault="word not looked at again"
    ),
    "cell freed before its place": Model(
        ("ask", "serve", "serve"),
        deaths=1,
        impatient=True,
        places=1,
        fault="cell freed before its place",
    ),
    "cells looked at once": Model(
        ("ask", "serve", "serve"), deaths=1, places=1, fault="cells looked at once"
    ),
    "slot claimed as it is": Model(
        ("ask", "serve"), deaths=1, late=("serve",), fault="slot claimed as it is"
    ),
    "asked again at once": Model(
        ("ask", "serve", "serve"), deaths=1, places=1, retry=1, fault="asked again at once"
    ),
    "places before cells": Model(
        ("ask", "serve", "serve"), deaths=1, places=1, fault="places before cells"
    ),
}


if __name__ == "__main__":
    sys.exit(report(CONFIGURATIONS, FAULTY, FAULTS))
