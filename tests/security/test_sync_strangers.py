# SPDX-License-Identifier: MIT
"""Mutexes, events and semaphores among users, PID namespaces, and peers that scribble on the state
words."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.objects import unique_name
from support.users import SOURCE, Program, start

from memsection import Error, Event, Mutex, Semaphore, errors, wait_all, wait_any
from memsection.nt.linux.bodies import control_page
from memsection.nt.linux.handles import table
from memsection.vocabulary import status as st

ALICE, BOB = 12345, 12346
ROUNDS = 300


def page_of(one: Any) -> tuple[int, int]:
    """A descriptor of an object's body that can be written, and where its last page begins."""
    handle = table.lookup(one.handle)
    assert handle.obj.facts is not None
    return handle.fd, handle.obj.facts.body_size - 4096


@pytest.fixture
def three() -> Iterator[tuple[Mutex, Event, Semaphore]]:
    several = (
        Mutex.create(),
        Event.create(manual_reset=False),
        Semaphore.create(initial=1, maximum=3),
    )
    yield several
    for one in several:
        one.close()


def use(
    mutex: Mutex, event: Event, semaphore: Semaphore, problems: set[type[BaseException]]
) -> None:
    """Every operation, once; only the library's own errors may come of it."""
    for call in (
        lambda: mutex.acquire(0.001, accept_abandoned=True),
        mutex.release,
        event.set,
        lambda: event.wait(0.001),
        event.clear,
        event.pulse,
        lambda: semaphore.acquire(0.001),
        lambda: semaphore.release(),
        lambda: semaphore.value,
        lambda: mutex.owner,
        event.is_set,
        lambda: wait_any([mutex, event, semaphore], 0.001, accept_abandoned=True),
        mutex.release,
        lambda: wait_all([mutex, event, semaphore], 0.001, accept_abandoned=True),
        mutex.release,
    ):
        try:
            call()
        except Error as problem:
            problems.add(type(problem))
            assert problem.ntstatus in (
                st.FILE_CORRUPT_ERROR,
                st.MUTANT_NOT_OWNED,
                st.SEMAPHORE_LIMIT_EXCEEDED,
            )


@pytest.mark.invariant("M1")
def test_noise_in_the_state_words_gives_errors_and_crashes_nobody(
    three: tuple[Mutex, Event, Semaphore],
) -> None:
    noise = random.Random(7)
    problems: set[type[BaseException]] = set()
    for number in range(ROUNDS):
        for one in three:
            fd, page = page_of(one)
            # The word and what is beside it; half of the time flags that would be waited for are
            # left out.
            word = noise.getrandbits(64) & (~(1 << 17) if number % 2 else -1)
            os.pwrite(fd, word.to_bytes(8, "little") + noise.randbytes(24), page + 3072 + 64)
        use(*three, problems)
    assert errors.CorruptError in problems


@pytest.mark.invariant("M1")
def test_a_spoiled_header_is_refused_when_it_is_opened(name: str = "") -> None:
    for at in (0, 4, 5):
        mine = Mutex.create(unique_name())
        fd, page = page_of(mine)
        os.pwrite(fd, b"\xee", page + control_page.STATE_OFFSET + at)
        program = f"from memsection import *\nm = Mutex.open({mine.name!r})"
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", program],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(SOURCE)},
            check=False,
        )
        assert done.returncode == 1 and "CorruptError" in done.stderr
        mine.close()


def test_noise_while_others_wait_ends_their_waits_in_time(
    three: tuple[Mutex, Event, Semaphore],
) -> None:
    stop = threading.Event()
    problems: set[type[BaseException]] = set()

    def users() -> None:
        while not stop.is_set():
            use(*three, problems)

    threads = [threading.Thread(target=users) for _ in range(3)]
    for thread in threads:
        thread.start()
    noise = random.Random(8)
    end = time.monotonic() + 1
    while time.monotonic() < end:
        for one in three:
            fd, page = page_of(one)
            os.pwrite(
                fd, (noise.getrandbits(64) & ~(1 << 17)).to_bytes(8, "little"), page + 3072 + 64
            )
    stop.set()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "a wait did not come to its end"


def test_a_mutex_that_claims_to_be_ours_is_damaged_and_not_waited_for(
    three: tuple[Mutex, Event, Semaphore],
) -> None:
    mutex = three[0]
    fd, page = page_of(mutex)
    with mutex:
        owned = os.pread(fd, 8, page + 3072 + 64)
    os.pwrite(fd, owned, page + 3072 + 64)
    with pytest.raises(errors.CorruptError):
        mutex.acquire()


def test_an_owner_whose_word_was_overwritten_is_told_when_it_releases(
    three: tuple[Mutex, Event, Semaphore],
) -> None:
    mutex = three[0]
    fd, page = page_of(mutex)
    mutex.acquire()
    os.pwrite(fd, bytes(8), page + 3072 + 64)
    with pytest.raises(errors.CorruptError):
        mutex.release()
    assert mutex.acquire(0)
    mutex.release()


def test_a_global_body_that_is_cut_kills_nobody(root: str) -> None:
    name = unique_name("Global\\")
    program = f"""
import os
from memsection import *
from memsection.nt.linux.handles import table
mutex, event = Mutex.create({name!r}, initial_owner=True), Event.create({name + "e"!r})
event.set()
for one in (mutex, event):
    os.ftruncate(table.lookup(one.handle).fd, 0)
for call in (mutex.release, lambda: mutex.acquire(0.05), lambda: mutex.acquire(0.05), lambda: event.wait(0.05), event.set):
    try:
        call()
    except Error as error:
        print(type(error).__name__)
print("alive")
os._exit(0)
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(SOURCE), "MEMSECTION_ROOT": root},
        check=False,
    )
    assert done.stdout.endswith("alive\n"), (done.returncode, done.stderr)
    for file in os.listdir(root):
        if os.path.isfile(os.path.join(root, file)):
            os.unlink(os.path.join(root, file))


@pytest.fixture
def begin(root: str) -> Iterator[Callable[..., Program]]:
    programs: list[Program] = []

    def one(uid: int = 0, *prefix: str) -> Program:
        programs.append(start(uid, root=root, prefix=prefix))
        return programs[-1]

    yield one
    for program in programs:
        if program.process.poll() is None:
            program.kill()


EVERYONE = "security='D:(A;;GA;;;WD)'"


def test_a_mutex_between_users_is_told_of_the_death_of_the_other(
    begin: Callable[..., Program],
) -> None:
    name = unique_name("Global\\")
    alice, bob = begin(ALICE), begin(BOB)
    alice.run(f"m = Mutex.create(name, {EVERYONE})", name=name)
    bob.run("m = Mutex.open(name); m.acquire()", name=name)
    assert alice.value("m.acquire(0)") is False
    pid = bob.pid
    bob.kill()
    refused = alice.refusal("m.acquire(60)")
    assert refused.kind == "AbandonedMutexError" and str(pid) in refused.text
    alice.run("assert m.acquire(accept_abandoned=True); m.release(); m.close()")


def test_events_and_semaphores_between_users(begin: Callable[..., Program]) -> None:
    name = unique_name("Global\\")
    alice, bob = begin(ALICE), begin(BOB)
    alice.run(
        f"e = Event.create(name, {EVERYONE}); s = Semaphore.create(name + 's', 0, 2, {EVERYONE})",
        name=name,
    )
    bob.run("e = Event.open(name); s = Semaphore.open(name + 's')", name=name)
    alice.run("e.set()")
    assert bob.value("e.wait(60)") is True
    bob.run("s.release(2)")
    assert alice.value("wait_all([e, s], 60), s.value") == (True, 1)
    for one in (bob, alice):
        one.run("e.close(); s.close()")


def test_who_may_not_may_not(begin: Callable[..., Program]) -> None:
    name = unique_name("Global\\")
    alice, bob = begin(ALICE), begin(BOB)
    alice.run(
        "m = Mutex.create(name); e = Event.create(name + 'e', security=Security(everyone='r'))",
        name=name,
    )
    assert bob.refusal("Mutex.open(name)", name=name).winerror == 5
    assert bob.refusal("Event.open(name + 'e', access='rw')", name=name).winerror == 5
    bob.run("e = Event.open(name + 'e', access='r')", name=name)
    alice.run("e.set()")
    assert bob.value("e.wait(60)") is True
    assert bob.refusal("e.clear()").winerror == 5
    bob.run("e.close()")
    alice.run("m.close(); e.close()")


def test_two_pid_namespaces_share_a_global_mutex(begin: Callable[..., Program]) -> None:
    name = unique_name("Global\\")
    one = begin(0, "unshare", "--pid", "--fork", "--kill-child")
    two = begin(0, "unshare", "--pid", "--fork", "--kill-child")
    assert one.value("os.getpid()") == two.value("os.getpid()") == 1
    one.run(f"m = Mutex.create(name, {EVERYONE}); m.acquire()", name=name)
    two.run("m = Mutex.open(name)", name=name)
    assert two.value("m.acquire(0.02)") is False, "the same ids in both, and not the same owner"
    assert two.refusal("m.release()").kind == "AccessError"
    one.run("m.release()")
    assert two.value("m.acquire(60)") is True
    assert one.value("m.acquire(0.02)") is False
    two.kill()
    assert one.refusal("m.acquire(60)").kind == "AbandonedMutexError"
    one.run("assert m.acquire(accept_abandoned=True); m.release(); m.close()")
