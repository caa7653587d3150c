# SPDX-License-Identifier: MIT
"""Timers whose settings somebody scribbles on."""

from __future__ import annotations

import os
import random
import threading
import time
from typing import Any

import pytest

from memsection import CorruptError, Error, Event, Timer, errors, wait_all, wait_any
from memsection.nt.linux.handles import table
from memsection.vocabulary import status as st

WORD, SETTINGS = 3072 + 64, 3072 + 96
ROUNDS = 400
#: What a setting's numbers are checked at the ends of.
EDGES = (
    0,
    1,
    0x7FFFFFFF,
    0x80000000,
    (1 << 32) - 1,
    1 << 32,
    (1 << 63) - 1,
    1 << 63,
    (1 << 64) - 1,
)


def page_of(one: Any) -> tuple[int, int]:
    """A descriptor of an object's body that can be written, and where its last page begins."""
    handle = table.lookup(one.handle)
    assert handle.obj.facts is not None
    return handle.fd, handle.obj.facts.body_size - 4096


def use(timer: Timer, event: Event, problems: set[type[BaseException]]) -> None:
    """Every operation, once; only the library's own errors may come of it."""
    calls = (
        lambda: timer.wait(0),
        lambda: timer.wait(0.001),
        timer.remaining,
        timer.is_signaled,
        lambda: wait_any([timer, event], 0.001),
        lambda: wait_all([timer, event], 0.001),
        lambda: timer.set(0.0005, period=0.001),
        timer.cancel,
        lambda: timer.set(0),
    )
    for call in calls:
        try:
            call()
        except Error as problem:
            problems.add(type(problem))
            assert problem.ntstatus == st.FILE_CORRUPT_ERROR


@pytest.mark.sentence(47)
@pytest.mark.invariant("M1")
@pytest.mark.parametrize("manual", [False, True])
def test_noise_in_a_timer_gives_errors_and_crashes_nobody(manual: bool) -> None:
    noise = random.Random(11)
    problems: set[type[BaseException]] = set()
    with Timer.create(manual_reset=manual) as timer, Event.create(initial=True) as event:
        fd, page = page_of(timer)
        for number in range(ROUNDS):
            numbers = [noise.choice((*EDGES, noise.getrandbits(64))) for _ in range(4)]
            os.pwrite(fd, b"".join(one.to_bytes(8, "little") for one in numbers), page + SETTINGS)
            # armed, one setting or the other; and now and then any word at all
            word = (1 << 21) | (noise.getrandbits(1) << 22) | (noise.getrandbits(32) << 32)
            if number % 8 == 0:
                word = noise.getrandbits(64) & ~(1 << 17)
            os.pwrite(fd, word.to_bytes(8, "little"), page + WORD)
            use(timer, event, problems)
        os.pwrite(fd, bytes(8), page + WORD)
        timer.set(0)
        assert timer.wait(60), "who sets it again has a timer again"
    assert errors.CorruptError in problems


@pytest.mark.sentence(47)
def test_a_wait_ends_in_its_time_whatever_is_written_meanwhile() -> None:
    stop = threading.Event()
    problems: set[type[BaseException]] = set()
    with Timer.create() as timer, Event.create() as event:
        fd, page = page_of(timer)

        def scribble() -> None:
            noise = random.Random(12)
            while not stop.is_set():
                numbers = [noise.choice(EDGES) for _ in range(4)]
                data = b"".join(one.to_bytes(8, "little") for one in numbers)
                os.pwrite(fd, data, page + SETTINGS)
                word = (1 << 21) | (noise.getrandbits(1) << 22) | (noise.getrandbits(32) << 32)
                os.pwrite(fd, word.to_bytes(8, "little"), page + WORD)

        def wait() -> None:
            while not stop.is_set():
                use(timer, event, problems)

        threads = [threading.Thread(target=run) for run in (scribble, wait, wait)]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        stop.set()
        for thread in threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in threads)
        os.pwrite(fd, bytes(8), page + WORD)
    assert problems <= {CorruptError}


@pytest.mark.sentence(47)
def test_a_wait_without_end_is_not_kept_busy_by_a_word_that_is_held() -> None:
    """A peer that says that it holds a due timer still, and lives: who waits sleeps."""
    with Timer.create() as timer:
        timer.set(0, period=3600)
        fd, page = page_of(timer)
        word = int.from_bytes(os.pread(fd, 8, page + WORD), "little")
        os.pwrite(fd, (word | 1 << 17 | 0x1234).to_bytes(8, "little"), page + WORD)
        begun = time.thread_time()
        # slot 0x1234 is nobody's: it is set right, and the wait goes through
        assert timer.wait(60)
        assert time.thread_time() - begun < 1
