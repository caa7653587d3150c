# SPDX-License-Identifier: MIT
"""Random histories of mutexes, events and semaphores in several processes, against a model of a page.

Every operation has the timeout 0, so the model always knows the answer.  Actors are forked processes; they are killed
and replaced in the middle of the history.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import socket
import sys
from typing import Any

import pytest

if sys.platform == "win32":
    pytest.skip("its actors are forked", allow_module_level=True)

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from support.objects import unique_name

from memsection import Error, Event, Mutex, Semaphore, wait_all, wait_any

ACTORS = 3
ABANDONED, REFUSED, FULL = "AbandonedMutexError", "AccessError", "ArgumentError"
MUTEXES, EVENTS, SEMAPHORE = (0, 1), (2, 3), 4  # where among the objects
MANUAL = 2
ANYTHING = st.integers(0, SEMAPHORE)


class Actor:
    """A forked process that has the objects of its parent, and does what it is told."""

    def __init__(self, objects: list[Any]) -> None:
        self.socket, theirs = socket.socketpair()
        self.pid = os.fork()
        if not self.pid:
            self.socket.close()
            try:
                while call := theirs.recv(65536):
                    theirs.sendall(pickle.dumps(_do(objects, *pickle.loads(call))))
            finally:
                os._exit(0)
        theirs.close()

    def do(self, what: str, *arguments: Any) -> Any:
        self.socket.sendall(pickle.dumps((what, arguments)))
        assert select.select([self.socket], [], [], 20)[0], f"{what}{arguments} did not come to its end"
        return pickle.loads(self.socket.recv(65536))

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.socket.close()


def _do(objects: list[Any], what: str, arguments: tuple[Any, ...]) -> Any:
    try:
        if what == "any":
            found = wait_any([objects[i] for i in arguments[0]], 0, abandoned_ok=arguments[1])
            return None if found is None else objects.index(found)
        if what == "all":
            return wait_all([objects[i] for i in arguments[0]], 0, abandoned_ok=arguments[1])
        one, *rest = arguments
        if what == "knowingly":
            return objects[one].acquire(0, abandoned_ok=True)
        return getattr(objects[one], what)(*rest)
    except Error as error:
        return type(error).__name__


class Histories(RuleBasedStateMachine):
    """The model: who owns what how often, what is abandoned, what is set, how many units there are."""

    @initialize(named=st.booleans(), units=st.integers(0, 2))
    def begin(self, named: bool, units: int) -> None:
        name = unique_name if named else lambda: None
        self.objects: list[Any] = [Mutex.create(name()), Mutex.create(name()), Event.create(name()),
                                   Event.create(name(), manual_reset=False), Semaphore.create(name(), units, 2)]
        self.actors = [Actor(self.objects) for _ in range(ACTORS)]
        self.owner: dict[int, tuple[int, int] | None] = dict.fromkeys(MUTEXES)
        self.abandoned = dict.fromkeys(MUTEXES, False)
        self.set = dict.fromkeys(EVENTS, False)
        self.units = units

    # what the model knows

    def available(self, actor: int, which: int) -> bool:
        if which in MUTEXES:
            owner = self.owner[which]
            return owner is None or owner[0] == actor
        return self.set[which] if which in EVENTS else self.units > 0

    def take(self, actor: int, which: int) -> None:
        if which in MUTEXES:
            owner = self.owner[which]
            self.owner[which] = (actor, owner[1] + 1 if owner else 1)
            self.abandoned[which] = False
        elif which == SEMAPHORE:
            self.units -= 1
        elif which != MANUAL:
            self.set[which] = False

    # what can happen

    @rule(actor=st.integers(0, ACTORS - 1), which=ANYTHING, knowingly=st.booleans())
    def take_one(self, actor: int, which: int, knowingly: bool) -> None:
        what = "wait" if which in EVENTS else "knowingly" if knowingly and which in MUTEXES else "acquire"
        expected: Any = self.available(actor, which)
        if which in MUTEXES and self.abandoned[which] and not knowingly:
            expected = ABANDONED
        elif expected:
            self.take(actor, which)
        arguments = (which,) if what == "knowingly" else (which, 0)
        assert self.actors[actor].do(what, *arguments) == expected

    @rule(actor=st.integers(0, ACTORS - 1), which=st.lists(ANYTHING, min_size=1, max_size=5, unique=True),
          knowingly=st.booleans(), how=st.sampled_from(["any", "all"]))
    def take_several(self, actor: int, which: list[int], knowingly: bool, how: str) -> None:
        ready = [one for one in which if self.available(actor, one)]
        told = [one for one in ready if self.abandoned.get(one)] if not knowingly else []
        expected: Any
        if how == "any":
            first = ready[0] if ready else None
            expected = ABANDONED if first in told and first is not None else first
            taken = [] if expected in (ABANDONED, None) else [first]
        else:
            complete = len(ready) == len(which)
            expected = ABANDONED if complete and told else complete
            taken = which if expected is True else []
        for one in taken:
            self.take(actor, one)  # type: ignore[arg-type]
        assert self.actors[actor].do(how, which, knowingly) == expected

    @rule(actor=st.integers(0, ACTORS - 1), which=st.sampled_from(MUTEXES))
    def release_mutex(self, actor: int, which: int) -> None:
        owner = self.owner[which]
        expected = None if owner and owner[0] == actor else REFUSED
        assert self.actors[actor].do("release", which) == expected
        if owner and expected is None:
            self.owner[which] = (actor, owner[1] - 1) if owner[1] > 1 else None

    @rule(actor=st.integers(0, ACTORS - 1), which=st.sampled_from(EVENTS),
          what=st.sampled_from(["set", "clear", "pulse"]))
    def change_event(self, actor: int, which: int, what: str) -> None:
        assert self.actors[actor].do(what, which) is None
        self.set[which] = what == "set"

    @rule(actor=st.integers(0, ACTORS - 1), n=st.integers(0, 3))
    def release_units(self, actor: int, n: int) -> None:
        expected: Any = FULL if n < 1 or self.units + n > 2 else self.units
        assert self.actors[actor].do("release", SEMAPHORE, n) == expected
        if expected != FULL:
            self.units += n

    @rule(actor=st.integers(0, ACTORS - 1))
    def kill(self, actor: int) -> None:
        self.actors[actor].kill()
        self.actors[actor] = Actor(self.objects)
        for which, owner in self.owner.items():
            if owner and owner[0] == actor:
                self.owner[which], self.abandoned[which] = None, True

    @invariant()
    def everybody_sees_the_same(self) -> None:
        if not hasattr(self, "actors"):
            return
        assert self.objects[SEMAPHORE].value == self.units
        assert [self.objects[which].is_set() for which in EVENTS] == list(self.set.values())
        for which in MUTEXES:
            owner = self.owner[which]
            if owner:
                assert self.objects[which].owner == (self.actors[owner[0]].pid,) * 2

    def teardown(self) -> None:
        for actor in getattr(self, "actors", ()):
            actor.kill()
        for one in getattr(self, "objects", ()):
            one.close()


Histories.TestCase.settings = settings(max_examples=40, stateful_step_count=35, deadline=None,
                                       suppress_health_check=[HealthCheck.too_slow])
TestHistories = Histories.TestCase
