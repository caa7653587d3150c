# SPDX-License-Identifier: MIT
"""Objects reach other processes with the rights that were meant, by every way there is, and nothing
stays behind."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

import pytest

from memsection import Event, Mutex, Section, Semaphore, Timer
from memsection.api import passing, transit
from memsection.api.handle import Handle
from memsection.api.transit import in_transit
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import HandleError, NtError

METHODS = ["spawn"] if sys.platform == "win32" else ["fork", "forkserver", "spawn"]
posix_only = pytest.mark.linux_only("descriptors and Unix sockets")


@pytest.fixture(scope="module", params=METHODS)
def context(request: pytest.FixtureRequest) -> BaseContext:
    return multiprocessing.get_context(request.param)


@pytest.fixture(autouse=True, scope="module")
def notes() -> None:
    """What the module keeps for itself is there before anything is counted."""
    transit._own.make_notes()
    for method in METHODS:
        # helpers of multiprocessing's own
        multiprocessing.get_context(method).Process(target=int).start()


@pytest.fixture(autouse=True)
def nothing_left(leaves_nothing: None) -> Iterator[None]:
    """No duplicate stays in transit; handles and descriptors are looked after by
    ``leaves_nothing``."""
    yield
    transit.close_collected()
    assert in_transit == {}


# ---------------------------------------------------------------------- what the other processes do


def use(thing: Any) -> str:
    """What it is here: its type, its access, and that it is the very object."""
    with closing(thing):
        if isinstance(thing, Section):
            with thing.map(access="r") as view:
                seen = bytes(view[:5]).decode()
            try:
                with thing.map(access="rw") as view:
                    view[0] = ord("j")
            except PermissionError:
                return f"{thing.access} {seen} refused"
            return f"{thing.access} {seen} written"
        if isinstance(thing, Mutex):
            taken = thing.acquire(timeout=0)
            if taken:
                thing.release()
            return f"mutex {'free' if taken else 'held'}"
        if isinstance(thing, Event):
            thing.set()
            return "event set"
        if isinstance(thing, Timer):
            thing.set(0, period=3600)
            return f"timer {thing.wait(10)} {thing.wait(0)}"
        return f"semaphore {thing.acquire(timeout=0)} {thing.acquire(timeout=0)}"


def use_from(source: Any, target: Any) -> None:
    target.put(use(source.get(timeout=30)))


def use_argument(target: Any, thing: Any) -> None:
    target.put(use(thing))


def make_and_put(target: Any) -> None:
    section = Section.create(size=4096)
    with section.map() as view:
        view[:5] = b"hello"
    target.put(section)
    target.close()
    target.join_thread()
    section.close()


def make(_: int) -> Section:
    with Section.create(size=4096) as section, section.map() as view:
        view[:5] = b"hello"
        return section.duplicate()


# ---------------------------------------------------------------------- what is passed


def _section(access: str) -> Callable[[], Any]:
    def make_it() -> Section:
        section = Section.create(size=4096)
        with section.map() as view:
            view[:5] = b"hello"
        if access == "rw":
            return section
        with section:
            return section.duplicate(access)

    return make_it


def _semaphore() -> Semaphore:
    return Semaphore.create(initial=1, maximum=2)


THINGS: dict[str, tuple[Callable[[], Any], str]] = {
    "section": (_section("rw"), "rw hello written"),
    "read-only section": (_section("r"), "r hello refused"),
    "mutex": (Mutex.create, "mutex free"),
    "event": (Event.create, "event set"),
    "timer": (Timer.create, "timer True False"),
    "semaphore": (_semaphore, "semaphore True False"),
}


@pytest.fixture(params=THINGS)
def thing(request: pytest.FixtureRequest) -> Iterator[tuple[Any, str]]:
    build, expected = THINGS[request.param]
    with closing(build()) as made:
        yield made, expected


def changed(thing: Any) -> bool:
    """Whether this process sees what the other one did."""
    if isinstance(thing, Timer):
        return thing.remaining() is not None
    if isinstance(thing, Section):
        with thing.map(access="r") as view:
            return view[0] == ord("j" if "w" in thing.access else "h")
    if isinstance(thing, Event):
        return thing.is_set()
    return isinstance(thing, Mutex) or not thing.acquire(timeout=0)


# ---------------------------------------------------------------------- multiprocessing


def test_an_argument_of_a_process_arrives(context: BaseContext, thing: tuple[Any, str]) -> None:
    made, expected = thing
    answers = context.SimpleQueue()
    process = context.Process(target=use_argument, args=(answers, made))  # type: ignore[attr-defined]
    process.start()
    assert answers.get() == expected
    process.join()
    assert process.exitcode == 0
    assert changed(made)
    answers.close()


def test_what_is_put_into_a_queue_arrives_although_the_sender_closes_it(
    context: BaseContext, thing: tuple[Any, str]
) -> None:
    made, expected = thing
    questions, answers = context.Queue(), context.SimpleQueue()
    process = context.Process(target=use_from, args=(questions, answers))  # type: ignore[attr-defined]
    process.start()
    copy = made.duplicate()
    questions.put(copy)
    questions.close()
    questions.join_thread()
    copy.close()
    assert answers.get() == expected
    process.join()
    assert changed(made)
    answers.close()


def test_a_pool_gets_and_gives_objects(context: BaseContext) -> None:
    with context.Pool(1) as pool:
        with THINGS["section"][0]() as section:
            assert pool.apply(use, (section,)) == "rw hello written"
        with pool.apply(make, (1,)) as section:
            assert use(section) == "rw hello written"
        pool.close()
        pool.join()


def test_an_executor_gets_and_gives_objects(context: BaseContext) -> None:
    with ProcessPoolExecutor(1, mp_context=context) as executor:
        with THINGS["read-only section"][0]() as section:
            assert executor.submit(use, section).result() == "r hello refused"
        for section in executor.map(make, range(5)):
            assert use(section) == "rw hello written"


def test_what_a_process_puts_last_arrives_although_it_ends(context: BaseContext) -> None:
    results = context.Queue()
    process = context.Process(target=make_and_put, args=(results,))  # type: ignore[attr-defined]
    process.start()
    section = results.get(timeout=30)
    process.join()
    assert process.exitcode == 0
    assert use(section) == "rw hello written"
    results.close()


@posix_only
def test_the_section_of_a_file_arrives(context: BaseContext, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"hello" + bytes(95))
    answers = context.SimpleQueue()
    with Section.from_file(tmp_path / "file", access="rw") as section:
        process = context.Process(target=use_argument, args=(answers, section))  # type: ignore[attr-defined]
        process.start()
        assert answers.get() == "rw hello written"
        process.join()
        copy = pickle.loads(pickle.dumps(section))
        assert copy.size == 100
        copy.close()
    assert (tmp_path / "file").read_bytes()[:5] == b"jello"
    answers.close()


def test_nothing_is_said_and_no_process_stays_at_the_end() -> None:
    program = """
import multiprocessing, sys
from memsection import Section

def child(queue, section):
    with section, queue.get() as other:
        assert (section.access, other.access) == ("rw", "r")

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    with Section.create(size=4096) as section, section.duplicate("r") as other:
        queue = context.Queue()
        process = context.Process(target=child, args=(queue, section))
        process.start()
        queue.put(other)
        process.join()
        queue.close()
        queue.join_thread()
    print(process.exitcode)
"""
    path = Path(os.environ.get("PYTEST_DEBUG_TEMPROOT", "/tmp"), f"passing-{os.getpid()}.py")
    path.write_text(program)
    try:
        for method in METHODS:
            done = subprocess.run(
                [sys.executable, "-X", "dev", "-W", "error", str(path), method],
                capture_output=True,
                text=True,
                timeout=60,
            )
            assert (done.stdout, done.stderr) == ("0\n", ""), method
    finally:
        path.unlink()


# ---------------------------------------------------------------------- plain pickle


def test_a_pickle_of_an_unnamed_object_can_be_loaded_once() -> None:
    with THINGS["section"][0]() as section:
        text = pickle.dumps(section)
        with pickle.loads(text) as copy:
            assert copy.same_object(section)
        with pytest.raises(HandleError, match="loaded before"):
            pickle.loads(text)


def test_a_pickle_of_a_named_object_can_be_loaded_again_with_the_same_rights() -> None:
    with (
        Section.create(f"passing-{os.getpid()}", 4096) as section,
        section.duplicate("r") as reader,
    ):
        text = pickle.dumps(reader)
        for _ in range(3):
            with pickle.loads(text) as copy:
                assert (copy.access, copy.same_object(section)) == ("r", True)
    with pytest.raises(FileNotFoundError):
        pickle.loads(text)


def test_an_earlier_pickle_does_not_get_what_is_in_transit_now() -> None:
    with THINGS["section"][0]() as first, THINGS["section"][0]() as second:
        old = pickle.dumps(first)
        pickle.loads(old).close()
        new = pickle.dumps(second)
        with pytest.raises(HandleError):
            pickle.loads(old)
        with pickle.loads(new) as copy:
            assert copy.same_object(second)


def test_what_was_taken_is_let_go_when_the_next_one_is_sent() -> None:
    with THINGS["section"][0]() as section:
        for _ in range(20):
            pickle.loads(pickle.dumps(section)).close()
            assert len(in_transit) <= 1


@posix_only
@pytest.mark.parametrize("permitted", [True, False])
def test_a_sender_lets_go_whether_or_not_the_receiver_may_take_handles_away(
    permitted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = (
        "import pickle, sys\nfrom memsection import Section\nfrom memsection.api import transit\n"
        "with Section.create(size=4096) as section:\n"
        "    print(pickle.dumps(section).hex(), len(transit.in_transit), flush=True)\n"
        "    input()\n"
        "    transit.close_collected()\n"
        "    print(len(transit.in_transit), section.granted_access)\n"
    )
    sender = subprocess.Popen(
        [sys.executable, "-X", "dev", "-c", program],
        stdin=subprocess.PIPE,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert sender.stdout is not None
    text, waiting = sender.stdout.readline().split()
    assert waiting == "1"
    duplicate = passing.kernel.duplicate_object

    def refuses(*arguments: int) -> int:
        if arguments[-1] & s.DUPLICATE_CLOSE_SOURCE:
            raise NtError(st.ACCESS_DENIED)  # what Yama makes of it (ptrace(2), PTRACE_MODE_ATTACH)
        return duplicate(*arguments)

    if not permitted:
        monkeypatch.setattr(passing.kernel, "duplicate_object", refuses)
    with pickle.loads(bytes.fromhex(text)) as section:
        output, errors = sender.communicate("\n", timeout=30)
        assert (output.split(), errors) == (["0", str(section.granted_access)], "")


def test_a_closed_object_and_a_process_cannot_be_pickled() -> None:
    from memsection import Process

    section = Section.create(size=4096)
    section.close()
    with pytest.raises(HandleError):
        pickle.dumps(section)
    with Process(os.getpid()) as process, pytest.raises(TypeError, match="process id"):
        pickle.dumps(process)


# ---------------------------------------------------------------------- sockets


@pytest.fixture
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    left, right = socket.socketpair()
    with left, right:
        yield left, right


@posix_only
def test_an_object_goes_through_a_socket_although_the_sender_closes_it(
    sockets: tuple[socket.socket, socket.socket],
) -> None:
    for build, expected in THINGS.values():
        with closing(build()) as made:
            with closing(made.duplicate()) as copy:
                copy.send(sockets[0])
            sockets[0].sendall(b"and more")
            received = type(made).recv(sockets[1])
            assert sockets[1].recv(100) == b"and more"
            assert received.granted_access == made.granted_access
            assert received.same_object(made)
            assert use(received) == expected


@posix_only
def test_another_process_receives_with_the_rights_that_were_sent(
    sockets: tuple[socket.socket, socket.socket],
) -> None:
    program = (
        "import socket, sys\nfrom memsection import Section\n"
        "with socket.socket(fileno=int(sys.argv[1])) as s, Section.recv(s) as section, "
        "section.map() as view:\n"
        "    print(section.access, bytes(view[:5]))\n"
    )
    with THINGS["read-only section"][0]() as section:
        section.send(sockets[0])
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", program, str(sockets[1].fileno())],
        capture_output=True,
        text=True,
        pass_fds=(sockets[1].fileno(),),
        timeout=30,
    )
    assert (done.stdout, done.stderr) == ("r b'hello'\n", "")


@posix_only
def test_the_section_of_a_file_goes_through_a_socket(
    sockets: tuple[socket.socket, socket.socket], tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"hello" + bytes(95))
    with Section.from_file(tmp_path / "file") as section:
        section.send(sockets[0])
    with Section.recv(sockets[1]) as received, received.map() as view:
        assert (received.size, received.access, bytes(view[:5])) == (100, "r", b"hello")


@posix_only
def test_what_is_no_handle_is_refused_and_closed(
    sockets: tuple[socket.socket, socket.socket], tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(bytes(8192))
    header = passing._HEADER.pack(passing._MAGIC, Section._type.number, 1)
    with (
        open(tmp_path / "file", "rb") as plain,
        Section.create(size=4096) as section,
        Event.create() as event,
    ):
        for message, fds in [
            (b"GET / HTTP/1.1\r\n", []),
            (header, []),
            (header, [plain.fileno()]),
            (header, [sockets[0].fileno()]),
            (header, [event.fileno()] if hasattr(event, "fileno") else list(_fds(event))),
            (header[:15] + b"\0" * 0, list(_fds(section))),
        ]:
            left, right = socket.socketpair()
            with left, right:
                socket.send_fds(left, [message], fds)
                left.shutdown(socket.SHUT_WR)
                before = len(os.listdir("/proc/self/fd"))
                with pytest.raises(HandleError):
                    Section.recv(right)
                assert len(os.listdir("/proc/self/fd")) == before - 0


def _fds(owner: Handle) -> tuple[int, ...]:
    return passing.kernel.handle_descriptors(owner.handle)


@posix_only
def test_an_object_of_another_type_is_refused(sockets: tuple[socket.socket, socket.socket]) -> None:
    with Event.create() as event:
        event.send(sockets[0])
    with pytest.raises(HandleError, match="asked for a section, got an event"):
        Section.recv(sockets[1])


@posix_only
def test_a_socket_that_was_closed_is_the_end(sockets: tuple[socket.socket, socket.socket]) -> None:
    sockets[0].close()
    with pytest.raises(EOFError):
        Section.recv(sockets[1])


# ---------------------------------------------------------------------- programs


def test_a_program_inherits_what_it_is_given_and_no_more() -> None:
    program = """
import sys
from memsection import Event, Section
section, reader, other = map(int, sys.argv[1:])
with Section.from_handle(section) as section, Section.from_handle(reader) as reader, section.map() as view:
    print(section.access, reader.access, bytes(view[:5]))
try:
    Event.from_handle(other)
except ValueError:
    print("not there")
"""
    with (
        THINGS["section"][0]() as section,
        section.duplicate("r") as reader,
        Event.create() as other,
    ):
        command = [
            sys.executable,
            "-c",
            program,
            *(str(owner.handle) for owner in (section, reader, other)),
        ]
        done = subprocess.run(
            command,
            **passing.popen_arguments(section, reader),
            capture_output=True,
            text=True,
            timeout=30,
        )
    assert (done.stdout.splitlines(), done.stderr) == (["rw r b'hello'", "not there"], "")


@posix_only
def test_an_inheritable_handle_reaches_a_program_that_closes_nothing() -> None:
    program = (
        "import sys; from memsection import Section\n"
        "with Section.from_handle(int(sys.argv[1])) as section: print(section.access)"
    )
    with Section.create(size=4096, inheritable=True) as section:
        done = subprocess.run(
            [sys.executable, "-c", program, str(section.handle)],
            close_fds=False,
            capture_output=True,
            text=True,
            timeout=30,
        )
    assert (done.stdout, done.stderr) == ("rw\n", "")


# ---------------------------------------------------------------------- what nobody loads


def sleep_long() -> None:
    import time

    time.sleep(60)


@posix_only
def test_what_was_sent_to_a_process_that_was_killed_is_let_go_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transit, "_TO_THE_DEAD", 0.0)
    context = multiprocessing.get_context("fork")
    for _ in range(3):
        here, there = context.Pipe()
        child = context.Process(target=sleep_long)
        child.start()
        with Section.create(size=1 << 20) as section:
            here.send(section)
        assert in_transit
        child.kill()
        child.join()
        here.close()
        there.close()
    transit.close_collected()
    transit.close_collected()  # the first one finds that nobody is there
    assert in_transit == {}


def test_a_pickle_that_goes_nowhere_is_held_for_a_while_and_never_keeps_others_from_going(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transit, "_MOST", 4)
    with Section.create(size=4096) as section:
        for _ in range(20):
            data = pickle.dumps(section)
        assert len(in_transit) == 4
        pickle.loads(data).close()
        # below 0: a clock of 15 ms may show the same time as before
        monkeypatch.setattr(transit, "_TO_NOBODY", -1.0)
        monkeypatch.setattr(transit, "_TO_THE_DEAD", -1.0)
        monkeypatch.setattr(transit, "_is_anybody_there", lambda: False)
        transit.close_collected()
        transit.close_collected()
    assert in_transit == {}


@posix_only
@pytest.mark.parametrize("limits", [(64, 240), (240, 240)])
def test_discarded_pickles_leave_a_program_most_of_its_descriptors(limits: tuple[int, int]) -> None:
    program = f"""
import os, pickle, resource
from memsection import Section
from memsection.api.transit import in_transit
resource.setrlimit(resource.RLIMIT_NOFILE, {limits})
with Section.create(size=4096) as section:
    for _ in range(500):
        data = pickle.dumps(section)
    files = [os.open("/dev/null", os.O_RDONLY) for _ in range(130)]
    print(len(in_transit))
    pickle.loads(data).close()
    print(len(in_transit))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("60\n59\n", "")
