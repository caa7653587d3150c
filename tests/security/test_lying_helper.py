# SPDX-License-Identifier: MIT
"""A helper in a prefix that is none of ours: whatever it answers is an answer that makes sense, or
an error, and in time."""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from support.users import SOURCE
from support.workers import until

if sys.platform == "win32":
    pytest.skip("Windows has no prefixes", allow_module_level=True)

from memsection.vocabulary.errors import CorruptError, Error, WaitTimeoutError
from memsection.wine import helper, memory, objects, waitables
from memsection.wine.processes import Prefix

#: Answers every command with the text that it was started with, ``hello`` honestly.
LIAR = """
import os, sys
for line in sys.stdin.buffer:
    os.write(1, b"ok 40 1\\n" if line == b"hello\\n" else sys.argv[1].encode("latin-1").decode("unicode_escape").encode())
"""
FLOOD = """
import os, sys
for line in sys.stdin.buffer:
    os.write(1, b"ok 40 1\\n") if line == b"hello\\n" else [os.write(1, b"entry Event 0 x\\n" * 4000) for _ in iter(int, 1)]
"""


class Lying(helper.Helper):
    """A helper whose other end is a program of this test's."""

    def __init__(self, program: str, *words: str) -> None:
        self._program = [sys.executable, "-I", "-S", "-c", program, *words]
        super().__init__(Prefix("/nowhere", 1, 1, 1, False))

    def _start(self, bits: int, keep: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._program,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )


@pytest.fixture
def lying() -> Iterator[Any]:
    made = []

    def make(*words: str) -> Lying:
        made.append(Lying(*words))
        return made[-1]

    yield make
    for each in made:
        each.close()
        assert each.process.returncode is not None


ANSWERS = [
    "ok",
    "",
    "ok x y z",
    "ok -4 -1 -1",
    "entry\\nok",
    "entry Event zz name\\nok",
    "entry Event 1\\nok",
    "error",
    "error x",
    "error 0",
    "error c0000034",
    "nothing",
    "ok 99999999999999999 1 1",
    "ok \\u001b[2J",
    "ok ffffffffffffffff ffffffffffffffff 1",
]


@pytest.mark.parametrize("answer", ANSWERS)
def test_answers_that_make_no_sense_are_errors(lying: Any, answer: str) -> None:
    for ask in (
        lambda made: objects.locate(made, "name", writable=False),
        lambda made: made.wait("4", 0),
        objects.listing,
    ):
        made = lying(LIAR, answer + "\\n")
        try:
            # nothing is listed, whatever the rest of the line says
            assert ask(made) is not None and answer.startswith("ok")
        except Error as problem:
            assert str(problem).isprintable()


def test_a_wait_has_no_result_that_there_is_not(lying: Any) -> None:
    with pytest.raises(CorruptError, match="makes no sense"):
        lying(LIAR, "ok 55\\n").wait("4", 0)


def test_a_flood_ends(lying: Any) -> None:
    made = lying(FLOOD)
    with pytest.raises(CorruptError):
        objects.listing(made)
    assert not made.alive


def test_a_line_without_end_and_silence_end(lying: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    endless = lying(FLOOD.replace('\\n" *', '" *'))
    with pytest.raises(WaitTimeoutError):
        objects.listing(endless)
    silent = lying(LIAR, "")
    with pytest.raises(WaitTimeoutError):
        silent.ask("ls", 0.1)
    assert not endless.alive and not silent.alive


#: Answers honestly, whatever it is asked, and slowly; ``count`` says how many commands came.
SLOW = """
import os, sys, time
number = 0
for line in sys.stdin.buffer:
    number += 1
    time.sleep(float(sys.argv[1]) if line.startswith(b"wait") else 0)
    os.write(1, b"ok 40 1\\n" if line == b"hello\\n" else b"ok 0\\n" if line.startswith(b"wait") else b"ok %x\\n" % number)
"""


class Interrupted(Exception):
    """What a signal handler raises."""


@contextlib.contextmanager
def interrupting(every: float) -> Iterator[list[bool]]:
    """A signal now and then, whose handler raises as long as the list says so."""
    raises = [False]

    def handle(*_: object) -> None:
        if raises[0]:
            raises[0] = False
            raise Interrupted

    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, every, every)
    try:
        yield raises
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_an_interrupted_conversation_never_gives_one_command_the_answer_to_another(
    lying: Any,
) -> None:
    made, interruptions = lying(SLOW, "0.002"), 0
    with interrupting(0.0007) as raises:
        for _ in range(300):
            try:
                raises[0] = True
                made.read_interrupted_wait()
                assert made.wait("4", 0) == 0
                raises[0] = False
            except Interrupted:
                interruptions += 1
    assert interruptions
    # What waits for an answer takes its own; the helper is not ended by the waits.
    made.read_interrupted_wait()
    before = int(made.ask("count")[0], 16)
    assert [int(made.ask("count")[0], 16) - before for _ in range(20)] == list(range(1, 21))


def test_a_command_that_was_interrupted_ends_the_conversation(lying: Any) -> None:
    made = lying(
        SLOW.replace('line.startswith(b"wait") else 0', 'line != b"hello\\n" else 0'), "60"
    )
    with interrupting(0.2) as raises, pytest.raises(Interrupted):
        raises[0] = True
        made.ask("count")
    with pytest.raises(Error, match="has ended"):
        made.ask("count")
    assert not made.alive


def held() -> set[str]:
    """The descriptors of this process, and its children."""
    found = {
        f"child {pid}"
        for pid in Path("/proc/self/task").glob("*/children")
        for pid in pid.read_text().split()
    }
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            where = os.readlink(f"/proc/self/fd/{fd}")
            if "/proc/" not in where:  # the one that lists
                found.add(f"{fd} {where}")
    return found


def interrupted_at(number: int, operation: Callable[[], object]) -> bool:
    """Run an operation and raise at the n-th call or return of any function; whether there was
    one."""
    count = 0

    def profile(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        if argument is sys.setprofile:
            return  # the end below, which has to come
        count += 1
        if count == number:
            sys.setprofile(None)
            raise Interrupted

    sys.setprofile(profile)
    try:
        operation()
        return False
    except Interrupted:
        return True
    finally:
        sys.setprofile(None)


@pytest.mark.invariant("O1")
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # what is left to the collector
def test_a_start_and_an_end_that_are_interrupted_leave_no_descriptor_and_no_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waitables.processes, "choose", lambda _: None)
    monkeypatch.setattr(waitables, "Helper", lambda _: Answering())
    monkeypatch.setattr(sys, "unraisablehook", lambda problem: None)

    class Answering(Lying):
        def __init__(self) -> None:
            super().__init__("")

        def _start(self, bits: int, keep: int) -> subprocess.Popen[bytes]:
            self._program = ["/bin/sh", "-c", "while read x; do echo ok 40 1; done"]
            return super()._start(bits, keep)

    def start_and_end() -> None:
        waitables.open_event("name").close()

    start_and_end()
    gc.collect()
    before, number = held(), 1
    while interrupted_at(number, start_and_end):
        if held() != before:
            # The event is nobody's: its helper ends, and is collected with the next program's start.
            gc.collect()
            until(lambda: subprocess.call("true") == 0 and held() == before, f"call {number}")
        number += 1
    assert number > 100


def test_an_answer_of_long_lines_is_bounded(lying: Any) -> None:
    made = lying(
        FLOOD.replace(
            'b"entry Event 0 x\\\\n" * 4000', 'b"entry Event 0 " + b"x" * 500_000 + b"\\\\n"'
        )
    )
    with pytest.raises(CorruptError):
        objects.listing(made)
    assert not made.alive


def test_more_than_was_asked_for_is_no_answer(lying: Any) -> None:
    with pytest.raises(CorruptError, match="makes no sense"):
        lying(LIAR, "ok 1 1 1\\nok 2 2 2\\n").ask("section 5 name")


def test_with_more_descriptors_than_select_knows_it_answers(lying: Any) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 1500:
        pytest.fail(f"needs 1500 descriptors, the hard limit is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (1500, hard))
    kept = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        assert lying(LIAR, "ok 7\\n").ask("count") == ["7"]
    finally:
        for each in kept:
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_no_descriptor_left_is_told_with_the_limit() -> None:
    script = (
        "import resource, sys; sys.path[:0] = sys.argv[1:]\n"
        "import memsection.wine.helper; from memsection import Error\n"
        "from memsection.wine.processes import Prefix\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (12, 12))\n"
        "try: memsection.wine.helper.Helper(Prefix('/nowhere', 1, 1, 1, False))\n"
        "except Error as problem: print(problem)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(SOURCE)], capture_output=True, text=True, timeout=60
    )
    assert "hard limit raised" in done.stdout, done.stdout + done.stderr


def test_a_forked_child_neither_uses_the_helper_nor_keeps_it_alive(lying: Any) -> None:
    made = lying(LIAR, "ok 7\\n")
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            made.ask("count")
        except Error as problem:
            os.write(writing, str(problem).encode())
        made.close()
        signal.pause()
    try:
        assert b"forked from" in os.read(reading, 1000)
        assert made.ask("count") == ["7"]
        made._streams[0].close()
        assert made.process.wait(60) == 0  # its input has ended, whatever the child has
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reading)
        os.close(writing)


def test_two_threads_at_once_are_told(lying: Any) -> None:
    made = lying(SLOW, "1")
    waiting = threading.Thread(target=made.wait, args=("4", 0))
    waiting.start()
    try:
        while not made._sent:
            time.sleep(0.001)
        with pytest.raises(Error, match="another thread"):
            made.ask("count")
    finally:
        waiting.join(60)
    assert made.ask("count") == ["3"]


def test_a_process_that_has_ended_maps_nothing() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait(60)
    with pytest.raises(Error, match="has ended"):
        memory.identity(ended.pid, 4096)


def test_an_event_that_has_no_handle_leaves_no_helper(
    lying: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Lying] = []

    def start(_: object) -> Lying:
        made.append(lying(LIAR, "ok none\\n"))
        return made[-1]

    monkeypatch.setattr(waitables, "Helper", start)
    monkeypatch.setattr(waitables.processes, "choose", lambda _: None)
    with pytest.raises(CorruptError):
        waitables.open_event("name")
    assert not made[0].alive
