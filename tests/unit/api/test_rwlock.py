# SPDX-License-Identifier: MIT
"""The readers-writer lock: who is let in beside whom, and what becomes of those who end."""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest
from support.elsewhere import Elsewhere, elsewhere
from support.objects import unique_name
from support.users import Refused
from support.workers import until

from memsection import Event, Mutex, RWLock, Section, Semaphore, errors, wait_all, wait_any
from memsection.api import transit
from memsection.rwlock.sides import SLICE

LONG = 20.0
METHODS = [
    method for method in ("fork", "spawn") if method in multiprocessing.get_all_start_methods()
]


@pytest.fixture(scope="module", autouse=True)
def helpers_of_multiprocessing() -> None:
    """What it keeps for itself is there before anything is counted."""
    if sys.platform != "win32":
        from multiprocessing import resource_tracker

        resource_tracker.ensure_running()
    transit._own.make_notes()


@pytest.fixture
def lock(leaves_nothing: None) -> Iterator[RWLock]:
    with RWLock.create(unique_name()) as made:
        yield made


def in_thread(body: Callable[[], object]) -> object:
    """What a function gives in a thread of its own, or the exception that it raises."""
    found: list[object] = []

    def run() -> None:
        try:
            found.append(body())
        except Exception as problem:
            found.append(problem)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(LONG)
    return found[0]


@contextmanager
def holder(lock: RWLock, side: str) -> Iterator[Elsewhere]:
    """Another process that has one side of the lock until it is killed."""
    with elsewhere() as other:
        other.run(f"lock = RWLock.open({lock.name!r}); lock.acquire_{side}()")
        yield other


# ---------------------------------------------------------------------- beside whom


def test_many_read_at_once(lock: RWLock) -> None:
    with lock.read, lock.read:
        assert in_thread(lambda: lock.acquire_read(timeout=0)) is True


@pytest.mark.invariant("S5")
def test_nobody_writes_while_somebody_reads(lock: RWLock) -> None:
    with lock.read:
        assert in_thread(lambda: lock.acquire_write(timeout=0.01)) is False
    assert lock.acquire_write(timeout=0)
    lock.release_write()


@pytest.mark.invariant("S5")
def test_nobody_reads_or_writes_while_somebody_writes(lock: RWLock) -> None:
    with lock.write:
        assert lock.writer == os.getpid()
        assert in_thread(lambda: lock.acquire_read(timeout=0.01)) is False
        assert in_thread(lambda: lock.acquire_write(timeout=0.01)) is False
    assert lock.writer is None
    assert in_thread(lambda: lock.acquire_read(timeout=0)) is True


def test_it_holds_between_two_objects_for_the_same_lock(lock: RWLock) -> None:
    with RWLock.open(lock.name or "") as other:
        with lock.read:
            assert in_thread(lambda: other.acquire_write(timeout=0)) is False
        with other.write:
            assert in_thread(lambda: lock.acquire_read(timeout=0)) is False
            assert lock.acquire_write(timeout=0), (
                "the thread that writes takes it again through either"
            )
            lock.release_write()


def test_it_holds_between_processes(lock: RWLock) -> None:
    with holder(lock, "read"):
        assert lock.processes == 1
        assert lock.acquire_read(timeout=0)
        lock.release_read()
        assert not lock.acquire_write(timeout=0.01)
    with holder(lock, "write"):
        assert not lock.acquire_read(timeout=0.01)
        assert not lock.acquire_write(timeout=0.01)


def test_another_program_opens_it_by_its_name(lock: RWLock) -> None:
    with holder(lock, "read") as other:
        assert lock.processes == 1
        assert not lock.acquire_write(timeout=0)
        other.run("lock.release_read()")
        assert lock.acquire_write(timeout=LONG)
        lock.release_write()


def test_a_waiting_writer_keeps_new_readers_out_and_gets_it(lock: RWLock) -> None:
    got = threading.Event()

    def write() -> None:
        with lock.write:
            got.set()

    with holder(lock, "read"):
        writer = threading.Thread(target=write)
        writer.start()
        until(lambda: not lock.acquire_read(timeout=0) or lock.release_read(), "the writer waits")
        assert not lock.acquire_read(timeout=0.01)
    assert got.wait(LONG)
    writer.join(LONG)


def test_a_reader_that_reads_again_does_not_wait_for_a_waiting_writer(lock: RWLock) -> None:
    with lock.read:
        writer = threading.Thread(target=lambda: lock.acquire_write() and lock.release_write())
        writer.start()
        until(
            lambda: (
                in_thread(lambda: lock.acquire_read(timeout=0) and not lock.release_read()) is False
            ),
            "it waits",
        )
        with lock.read:
            pass
    writer.join(LONG)
    assert not writer.is_alive()


def test_who_writes_may_write_again_and_read(lock: RWLock) -> None:
    with lock.write, lock.write, lock.read:
        assert in_thread(lambda: lock.acquire_read(timeout=0)) is False
    assert in_thread(lambda: lock.acquire_read(timeout=0)) is True


def test_who_goes_on_reading_after_writing_lets_others_read(lock: RWLock) -> None:
    lock.acquire_write()
    lock.acquire_read()
    lock.release_write()
    assert in_thread(lambda: lock.acquire_read(timeout=0)) is True
    assert in_thread(lambda: lock.acquire_write(timeout=0)) is False
    lock.release_read()


def test_who_reads_is_refused_to_write_instead_of_waiting_for_itself(lock: RWLock) -> None:
    with lock.read, pytest.raises(errors.Error, match="would wait for itself"):
        lock.acquire_write()
    with lock.read, pytest.raises(errors.Error, match="would wait for itself"):
        wait_any([lock.write], 0)


# ---------------------------------------------------------------------- as other locks


@pytest.mark.parametrize("side", ["read", "write"])
def test_a_side_has_the_methods_of_a_threading_lock(lock: RWLock, side: str) -> None:
    one = getattr(lock, side)
    assert one.acquire() and one.acquire(False) and one.acquire(True, 1) and one.acquire(0.5)
    for _ in range(4):
        one.release()
    with pytest.raises(errors.AccessError, match="this thread has not taken"):
        one.release()
    with pytest.raises(TypeError):
        one.acquire("5")
    with pytest.raises(errors.ArgumentError):
        one.acquire(timeout=-2)


def test_another_thread_cannot_give_back(lock: RWLock) -> None:
    with lock.read:
        assert isinstance(in_thread(lock.release_read), errors.AccessError)
    with lock.write:
        assert isinstance(in_thread(lock.release_write), errors.AccessError)


def test_a_subclass_decides_what_with_does(lock: RWLock) -> None:
    class Counted(RWLock):
        calls: list[str]

        def acquire_read(self, *arguments: object, **options: object) -> bool:
            self.calls.append("read")
            return super().acquire_read(*arguments, **options)  # type: ignore[arg-type]

        def release_write(self) -> None:
            self.calls.append("written")
            super().release_write()

    with Counted.open(lock.name or "") as mine:
        mine.calls = []
        with mine.write, mine.read:
            pass
        assert mine.calls == ["read", "written"]


def test_wait_any_takes_a_side(lock: RWLock) -> None:
    with closing(Event.create()) as event, closing(Mutex.create()) as mutex:
        assert wait_any([event, lock.write, mutex], 0) is lock.write
        assert wait_any([lock.read], 0) is lock.read, "who writes may read"
        lock.release_read()
        lock.release_write()
        assert wait_any([lock.read, event], 0) is lock.read
        assert lock.processes == 1
        lock.release_read()


def test_wait_any_that_takes_something_else_leaves_the_lock(lock: RWLock) -> None:
    release, reading = threading.Event(), threading.Event()

    def read() -> None:
        with lock.read:
            reading.set()
            release.wait(LONG)

    reader = threading.Thread(target=read)
    reader.start()
    reading.wait(LONG)
    with closing(Semaphore.create(initial=1)) as semaphore:
        assert wait_any([lock.write], 0.01) is None
        assert wait_any([lock.write, semaphore], LONG) is semaphore
    assert lock.acquire_read(timeout=0), "the writer that gave up keeps nobody out"
    lock.release_read()
    threading.Timer(0.02, release.set).start()
    assert wait_any([lock.write], LONG) is lock.write
    lock.release_write()
    reader.join(LONG)


def test_wait_any_forgets_a_reader_that_was_killed(lock: RWLock) -> None:
    with holder(lock, "read") as other, closing(Event.create()) as event:
        threading.Timer(0.02, other.process.kill).start()
        assert wait_any([event, lock.write], LONG) is lock.write
    lock.release_write()


def test_wait_all_says_that_it_does_not_take_sides(lock: RWLock) -> None:
    with pytest.raises(errors.ArgumentError, match="wait_any"):
        wait_all([lock.read], 0)


# ---------------------------------------------------------------------- those who end


@pytest.mark.invariant("S5")
def test_a_reader_that_is_killed_is_forgotten(lock: RWLock) -> None:
    with holder(lock, "read"):
        pass
    assert lock.acquire_write(timeout=LONG)
    lock.release_write()
    assert lock.processes == 0


def test_a_reader_that_is_killed_while_a_writer_waits_is_forgotten(lock: RWLock) -> None:
    with holder(lock, "read") as other:
        threading.Timer(2 * SLICE, other.process.kill).start()
        assert lock.acquire_write(timeout=LONG)
        lock.release_write()


def test_after_a_writer_that_was_killed_everybody_is_told(lock: RWLock) -> None:
    with holder(lock, "write") as other:
        pid = other.pid
    assert lock.abandoned
    for take in (
        lock.acquire_read,
        lock.acquire_write,
        lambda: wait_any([lock.read]),
        lambda: wait_any([lock.write]),
    ):
        with pytest.raises(errors.AbandonedMutexError, match="ended while it wrote") as told:
            take()
        assert told.value.owner_pid == pid
    assert lock.acquire_read(accept_abandoned=True), "who knows it may look"
    lock.release_read()
    assert lock.abandoned
    assert lock.acquire_write(accept_abandoned=True), "and put it right"
    lock.release_write()
    assert not lock.abandoned
    assert lock.acquire_read(timeout=0)
    lock.release_read()


@pytest.mark.parametrize("side", ["read", "write"])
def test_a_repair_is_called_with_the_lock_taken(lock: RWLock, side: str) -> None:
    with holder(lock, "write"):
        pass
    seen: list[object] = []

    def repair(error: errors.AbandonedMutexError) -> None:
        seen.append(
            (
                error.owner_pid,
                in_thread(lambda: lock.acquire_read(timeout=0, accept_abandoned=True)),
            )
        )

    with RWLock.open(lock.name or "", repair=repair) as mine:
        with getattr(mine, side):
            assert [others for _, others in seen] == [False]
        with getattr(mine, side):
            assert len(seen) == 1


def test_a_repair_that_raises_leaves_it_to_the_next(lock: RWLock) -> None:
    with holder(lock, "write"):
        pass

    def fails(error: errors.AbandonedMutexError) -> None:
        raise RuntimeError("not to be repaired")

    with RWLock.open(lock.name or "", repair=fails) as mine:
        for take in (mine.acquire_read, mine.acquire_write):
            with pytest.raises(RuntimeError, match="not to be repaired"):
                take()
            assert lock.abandoned
    assert lock.acquire_write(accept_abandoned=True)
    lock.release_write()


def test_a_writer_that_is_killed_while_it_waits_has_changed_nothing(lock: RWLock) -> None:
    with lock.read:
        with elsewhere() as other:
            other.run(
                "import threading\n"
                f"lock = RWLock.open({lock.name!r})\n"
                "threading.Thread(target=lock.acquire_write, daemon=True).start()"
            )
            until(
                lambda: (
                    in_thread(lambda: lock.acquire_read(timeout=0) and not lock.release_read())
                    is False
                ),
                "it waits",
            )
        assert (
            in_thread(lambda: lock.acquire_read(timeout=LONG) and not lock.release_read()) is True
        )
        assert not lock.abandoned
    with lock.write:
        pass


def test_a_thread_that_ends_gives_back_what_it_read(lock: RWLock) -> None:
    in_thread(lambda: [lock.acquire_read() for _ in range(3)])
    assert lock.acquire_write(timeout=LONG)
    lock.release_write()


def test_after_a_thread_that_ended_while_it_wrote_everybody_is_told(lock: RWLock) -> None:
    in_thread(lock.acquire_write)
    with pytest.raises(errors.AbandonedMutexError):
        lock.acquire_read()
    assert lock.acquire_write(accept_abandoned=True)
    lock.release_write()


def test_closing_gives_back_what_is_read(lock: RWLock) -> None:
    other = RWLock.open(lock.name or "")
    other.close()
    other.close()
    assert other.closed
    with pytest.raises(errors.HandleError):
        other.acquire_read()
    with pytest.raises(errors.HandleError), other.read:
        pass
    name = lock.name or ""
    with elsewhere() as reader:
        reader.run(f"lock = RWLock.open({name!r}); lock.acquire_read(); lock.close()")
        assert lock.acquire_write(timeout=LONG)
        lock.release_write()


# ---------------------------------------------------------------------- names, pickles, damage


def test_a_name_that_is_taken_and_one_that_is_not() -> None:
    name = unique_name()
    with pytest.raises(errors.NotFoundError):
        RWLock.open(name)
    with RWLock.create(name) as lock:
        assert lock.created and lock.name == name
        with pytest.raises(errors.ExistsError):
            RWLock.create(name)
        with RWLock.create(name, exist_ok=True) as other:
            assert not other.created
    with pytest.raises(errors.NotFoundError):
        RWLock.open(name)
    with Section.create(name, 1 << 17), pytest.raises(errors.ArgumentError):
        RWLock.open(name)
    with pytest.raises(errors.NotFoundError):
        Mutex.open(name + ".gate")


def _reads(lock: RWLock, ready: object, go: object) -> None:
    with lock.read:
        ready.set()  # type: ignore[attr-defined]
        go.wait(LONG)  # type: ignore[attr-defined]


@pytest.mark.parametrize("method", METHODS)
def test_it_is_an_argument_of_a_process(method: str) -> None:
    context = multiprocessing.get_context(method)
    ready, go = context.Event(), context.Event()
    with RWLock.create() as lock:
        process = context.Process(target=_reads, args=(lock, ready, go))
        process.start()
        assert ready.wait(LONG)
        assert not lock.acquire_write(timeout=0)
        go.set()
        assert lock.acquire_write(timeout=LONG)
        lock.release_write()
        process.join(LONG)


def test_a_pickle_is_the_same_lock(lock: RWLock) -> None:
    with pickle.loads(pickle.dumps(lock)) as other, other.read:
        assert in_thread(lambda: lock.acquire_write(timeout=0)) is False
    transit.close_collected()


def test_memory_that_somebody_scribbled_on_is_an_error_when_it_is_opened_and_no_crash_later(
    lock: RWLock,
) -> None:
    with Section.open(lock.name or "") as section, section.map() as view:
        assert lock.acquire_read()
        view[192:196] = b"\xff\xff\xff\xff"  # the highest slot
        view[256:65000] = bytes([255]) * (65000 - 256)
        lock.release_read()
        assert lock.acquire_write(timeout=LONG), (
            "slots that nobody has are forgotten, whatever they say"
        )
        lock.release_write()
        view[:4] = b"none"
        with elsewhere() as other, pytest.raises(Refused, match="there is none"):
            other.run(f"RWLock.open({lock.name!r})")


def test_a_lost_lock_is_closed_at_once_and_a_side_keeps_one(leaves_nothing: None) -> None:
    name = unique_name()
    gc.disable()
    try:
        lost = RWLock.create(name)
        with lost.read, lost.read:
            pass
        side = lost.write
        assert lost.write is side, "the same one as long as somebody has it"
        del lost
        with side, RWLock.open(name) as other:
            assert in_thread(lambda: other.acquire_read(timeout=0)) is False
        with pytest.warns(ResourceWarning):
            del side
        with pytest.raises(errors.NotFoundError):
            RWLock.open(name)
    finally:
        gc.enable()


def test_sides_of_a_closed_lock_say_so(leaves_nothing: None) -> None:
    lock = RWLock.create()
    kept = lock.read
    lock.close()
    for side in (kept, lock.read, lock.write):
        with pytest.raises(errors.HandleError, match="closed"), side:
            pass
