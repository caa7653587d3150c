# SPDX-License-Identifier: MIT
"""Random histories of mutexes, events and semaphores in several processes, against a model of a
page.

Every operation has the timeout 0, so the model always knows the answer.  Actors are threads of
forked processes, with other threads at work beside them; their processes are killed and replaced in
the middle of the history, and fork children, which own nothing.  A signal handler may raise in the
middle of an operation, which then has happened or has not.
"""

from __future__ import annotations

import gc
import os
import pickle
import select
import signal
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

if sys.platform == "win32":
    pytest.skip("its actors are forked", allow_module_level=True)

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from support.histories import Company, child_says, how, interrupted, options
from support.objects import unique_name

from memsection import AccessError, Error, Event, Mutex, Semaphore, wait_all, wait_any

PROCESSES, THREADS = 3, 2
ACTOR = st.tuples(st.integers(0, PROCESSES - 1), st.integers(0, THREADS - 1))  #: whose thread
Actor = tuple[int, int]
ABANDONED, REFUSED, FULL = "AbandonedMutexError", "AccessError", "ArgumentError"
MUTEXES, EVENTS, SEMAPHORE = (0, 1), (2, 3), 4  # where among the objects
MANUAL = 2
ANYTHING = st.integers(0, SEMAPHORE)


class Actors:
    """A forked process that has the objects of its parent, and does what it is told in one of two
    threads."""

    def __init__(self, objects: list[Any]) -> None:
        self.socket, theirs = socket.socketpair()
        self.pid = os.fork()
        if not self.pid:
            self.socket.close()
            gc.freeze()  # what the parent has is nothing to collect here, after each interruption
            try:
                _serve(objects, theirs)
            finally:
                os._exit(0)
        theirs.close()
        self.in_company = False
        self.threads = [self.do(thread, "thread") for thread in range(THREADS)]

    def do(self, thread: int, what: str, *arguments: Any, way: Any = None) -> Any:
        self.socket.sendall(pickle.dumps((thread, way, what, arguments)))
        assert select.select([self.socket], [], [], 20)[0], (
            f"{what}{arguments} did not come to its end"
        )
        return pickle.loads(self.socket.recv(65536))

    def company(self, name: str | None) -> None:
        """Have another thread at work in it, or not."""
        assert self.do(0, "company", name) is None
        self.in_company = name is not None

    def kill(self) -> None:
        if self.in_company:
            self.company(None)  # what it has names for would stay
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.socket.close()


def _serve(objects: list[Any], calls: socket.socket) -> None:
    company, other = Company(), ThreadPoolExecutor(1)
    while call := calls.recv(65536):
        thread, way, what, arguments = pickle.loads(call)

        def answer(way: Any = way, what: str = what, arguments: tuple[Any, ...] = arguments) -> Any:
            return (
                _do(objects, what, arguments)
                if way is None
                else _interrupted(objects, way, what, arguments)
            )

        if what == "company":
            found = company.leave() if arguments[0] is None else company.come(arguments[0])
        else:
            found = other.submit(answer).result() if thread else answer()
        calls.sendall(pickle.dumps(found))


def _interrupted(
    objects: list[Any], way: Any, what: str, arguments: tuple[Any, ...]
) -> tuple[bool, Any]:
    """Whether a signal handler raised before there was an answer; the answer."""
    found: list[Any] = []
    hit = interrupted(lambda: found.append(_do(objects, what, arguments)), way)
    return hit and not found, found[0] if found else None


def _state(objects: list[Any]) -> Any:
    """What this thread owns how often, what is set, how many units there are."""
    counts = []
    for mutex in (objects[which] for which in MUTEXES):
        count = 0
        with suppress(AccessError):
            while True:
                mutex.release()
                count += 1
        for _ in range(count):
            mutex.acquire(0)
        counts.append(count)
    return counts, [objects[which].is_set() for which in EVENTS], objects[SEMAPHORE].value


def _operate_in_child(objects: list[Any], which: int, state: Any, free: bool) -> None:
    """What a forked child finds: what all see, and nothing that is its own.  Then it takes one, and
    gives it back."""
    assert _state(objects) == ([0, 0], *state)
    one = objects[which]
    taken = one.wait(0) if which in EVENTS else one.acquire(0)
    assert taken == free, f"{one!r}: taken is {taken}"
    if taken and which not in EVENTS:
        one.release()
    elif taken and which != MANUAL:
        one.set()


def _do(objects: list[Any], what: str, arguments: tuple[Any, ...]) -> Any:
    try:
        if what == "any":
            found = wait_any([objects[i] for i in arguments[0]], 0, accept_abandoned=arguments[1])
            return None if found is None else objects.index(found)
        if what == "all":
            return wait_all([objects[i] for i in arguments[0]], 0, accept_abandoned=arguments[1])
        if what == "thread":
            return threading.get_native_id()
        if what == "state":
            return _state(objects)
        if what == "child":
            return child_says(lambda: _operate_in_child(objects, *arguments))
        one, *rest = arguments
        if what == "knowingly":
            return objects[one].acquire(0, accept_abandoned=True)
        return getattr(objects[one], what)(*rest)
    except Error as error:
        return type(error).__name__


class Histories(RuleBasedStateMachine):
    """The model: who owns what how often, what is abandoned, what is set, how many units there
    are."""

    @initialize(named=st.booleans(), units=st.integers(0, 2))
    def begin(self, named: bool, units: int) -> None:
        gc.collect()  # ends of channels that other tests left in cycles: no table has their locks
        name = unique_name if named else lambda: None
        self.objects: list[Any] = [
            Mutex.create(name()),
            Mutex.create(name()),
            Event.create(name()),
            Event.create(name(), manual_reset=False),
            Semaphore.create(name(), units, 2),
        ]
        self.processes = [Actors(self.objects) for _ in range(PROCESSES)]
        self.owner: dict[int, tuple[Actor, int] | None] = dict.fromkeys(MUTEXES)
        self.abandoned = dict.fromkeys(MUTEXES, False)
        self.set = dict.fromkeys(EVENTS, False)
        self.units = units

    # what the model knows

    def available(self, actor: Actor, which: int) -> bool:
        if which in MUTEXES:
            owner = self.owner[which]
            return owner is None or owner[0] == actor
        return self.set[which] if which in EVENTS else self.units > 0

    def take(self, actor: Actor, which: int) -> None:
        if which in MUTEXES:
            owner = self.owner[which]
            self.owner[which] = (actor, owner[1] + 1 if owner else 1)
            self.abandoned[which] = False
        elif which == SEMAPHORE:
            self.units -= 1
        elif which != MANUAL:
            self.set[which] = False

    def state(self, actor: Actor) -> Any:
        counts = [
            owner[1] if (owner := self.owner[which]) and owner[0] == actor else 0
            for which in MUTEXES
        ]
        return counts, list(self.set.values()), self.units

    def tell(
        self, actor: Actor, way: Any, before: Any, expected: Any, what: str, *arguments: Any
    ) -> None:
        """Have an actor do what leads from the state before to the model's; interrupted, it may
        have to do it again."""
        process, thread = self.processes[actor[0]], actor[1]
        if way == "thread" or thread and isinstance(way, float):
            way = None  # signal handlers run in the main thread
        if way is not None:
            lost, found = process.do(thread, what, *arguments, way=way)
            if not lost:
                assert found == expected
                return
            state = process.do(thread, "state")
            assert state in (before, self.state(actor)), f"{what}{arguments} was interrupted"
            if state != before:
                return  # it came to its end, and only its answer was lost
        assert process.do(thread, what, *arguments) == expected

    # what can happen

    @rule(actor=ACTOR, which=ANYTHING, knowingly=st.booleans(), way=how())
    def take_one(self, actor: Actor, which: int, knowingly: bool, way: Any) -> None:
        before = self.state(actor)
        what = (
            "wait"
            if which in EVENTS
            else "knowingly"
            if knowingly and which in MUTEXES
            else "acquire"
        )
        expected: Any = self.available(actor, which)
        if which in MUTEXES and self.abandoned[which] and not knowingly:
            expected = ABANDONED
        elif expected:
            self.take(actor, which)
        arguments = (which,) if what == "knowingly" else (which, 0)
        self.tell(actor, way, before, expected, what, *arguments)

    @rule(
        actor=ACTOR,
        which=st.lists(ANYTHING, min_size=1, max_size=5, unique=True),
        knowingly=st.booleans(),
        what=st.sampled_from(["any", "all"]),
        way=how(),
    )
    def take_several(
        self, actor: Actor, which: list[int], knowingly: bool, what: str, way: Any
    ) -> None:
        before = self.state(actor)
        ready = [one for one in which if self.available(actor, one)]
        told = [one for one in ready if self.abandoned.get(one)] if not knowingly else []
        expected: Any
        if what == "any":
            first = ready[0] if ready else None
            expected = ABANDONED if first in told and first is not None else first
            taken = [] if expected in (ABANDONED, None) else [first]
        else:
            complete = len(ready) == len(which)
            expected = ABANDONED if complete and told else complete
            taken = which if expected is True else []
        for one in taken:
            self.take(actor, one)  # type: ignore[arg-type]
        self.tell(actor, way, before, expected, what, which, knowingly)

    @rule(actor=ACTOR, which=st.sampled_from(MUTEXES), way=how())
    def release_mutex(self, actor: Actor, which: int, way: Any) -> None:
        before = self.state(actor)
        owner = self.owner[which]
        expected = None if owner and owner[0] == actor else REFUSED
        if owner and expected is None:
            self.owner[which] = (actor, owner[1] - 1) if owner[1] > 1 else None
        self.tell(actor, way, before, expected, "release", which)

    @rule(
        actor=ACTOR,
        which=st.sampled_from(EVENTS),
        what=st.sampled_from(["set", "clear", "pulse"]),
        way=how(),
    )
    def change_event(self, actor: Actor, which: int, what: str, way: Any) -> None:
        before = self.state(actor)
        self.set[which] = what == "set"
        self.tell(actor, way, before, None, what, which)

    @rule(actor=ACTOR, n=st.integers(0, 3), way=how())
    def release_units(self, actor: Actor, n: int, way: Any) -> None:
        before = self.state(actor)
        expected: Any = FULL if n < 1 or self.units + n > 2 else self.units
        if expected != FULL:
            self.units += n
        self.tell(actor, way, before, expected, "release", SEMAPHORE, n)

    @rule(process=st.integers(0, PROCESSES - 1), come=st.booleans())
    def other_threads(self, process: int, come: bool) -> None:
        self.processes[process].company(unique_name() if come else None)

    @rule(actor=ACTOR, which=ANYTHING)
    def fork(self, actor: Actor, which: int) -> None:
        if which in MUTEXES and self.abandoned[which]:
            which = SEMAPHORE  # the child would be told, and leave it as it is
        free = self.owner[which] is None if which in MUTEXES else self.available(actor, which)
        state = list(self.set.values()), self.units
        assert self.processes[actor[0]].do(actor[1], "child", which, state, free) == ""

    @rule(process=st.integers(0, PROCESSES - 1))
    def kill(self, process: int) -> None:
        self.processes[process].kill()
        self.processes[process] = Actors(self.objects)
        for which, owner in self.owner.items():
            if owner and owner[0][0] == process:
                self.owner[which], self.abandoned[which] = None, True

    @invariant()
    def everybody_sees_the_same(self) -> None:
        if not hasattr(self, "processes"):
            return
        assert self.objects[SEMAPHORE].value == self.units
        assert [self.objects[which].is_set() for which in EVENTS] == list(self.set.values())
        for which in MUTEXES:
            owner = self.owner[which]
            if owner:
                process, thread = owner[0]
                assert self.objects[which].owner == (
                    self.processes[process].pid,
                    self.processes[process].threads[thread],
                )

    def teardown(self) -> None:
        for process in getattr(self, "processes", ()):
            process.kill()
        for one in getattr(self, "objects", ()):
            one.close()


Histories.TestCase.settings = options(examples=12, steps=35)
TestHistories = Histories.TestCase
