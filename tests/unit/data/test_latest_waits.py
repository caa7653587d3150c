# SPDX-License-Identifier: MIT
"""Waiting for a latest value: in a thread, in an event loop, beside other objects; and who writes
it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from support.alarms import ended_by_a_handler

from memsection import ArgumentError, Event, Mutex, Section, latest, wait_all, wait_any

Ends = list[Any]


@pytest.fixture
def ends(name: str) -> Iterator[Ends]:
    """A writer and a reader; the list is emptied, because pytest keeps it for longer than
    descriptors are counted."""
    both: Ends = [latest.create(name, 8), latest.open(name)]
    yield both
    for end in both:
        end.close()
    both.clear()


def test_a_value_that_is_there_already_is_newer_than_none(ends: Ends) -> None:
    writer, reader = ends
    assert reader.wait(timeout=0) is False and reader.wait(0, 0.01) is False
    writer.write(b"one")
    assert reader.wait() and reader.wait(0) and reader.wait(timeout=0)
    assert reader.read() == b"one"
    assert (
        reader.wait(timeout=0) is False and reader.wait(0, 0) is True and reader.wait(1, 0) is False
    )
    with writer.writing(3) as memory:
        memory[:] = b"two"
    assert reader.wait(timeout=0) and reader.wait(1, 0) and not reader.wait(2, 0)


@pytest.mark.parametrize("read", ["read", "read_numbered", "read_into"])
def test_every_way_of_reading_counts(ends: Ends, read: str) -> None:
    writer, reader = ends
    writer.write(b"12345678")
    getattr(reader, read)(*([bytearray(8)] if read == "read_into" else []))
    assert reader.wait(timeout=0) is False and writer.wait(timeout=0) is True


def test_many_readers_are_woken_by_each_value(ends: Ends, name: str) -> None:
    writer, _ = ends
    seen: list[list[int]] = [[], [], []]

    def follow(numbers: list[int]) -> None:
        with latest.open(name) as reader:
            while not numbers or numbers[-1] < 50:
                assert reader.wait(timeout=60)
                numbers.append(reader.read_numbered()[0])

    threads = [threading.Thread(target=follow, args=(numbers,)) for numbers in seen]
    for thread in threads:
        thread.start()
    for value in range(50):
        writer.write(value.to_bytes(8, "little"))
    for thread in threads:
        thread.join()
    for numbers in seen:
        assert numbers[-1] == 50 and numbers == sorted(set(numbers))


def test_a_reader_in_another_process_with_a_read_only_handle_is_woken(name: str) -> None:
    program = """if True:
        import sys
        from memsection import latest
        with latest.open(sys.argv[1], timeout=60) as reader:
            assert reader.section.access == "r"
            print("ready", flush=True)
            while reader.wait(timeout=60):
                number, value = reader.read_numbered()
                print(number, value, flush=True)
                if value == b"end":
                    break
    """
    with latest.create(name, 8) as writer:
        with subprocess.Popen(
            [sys.executable, "-W", "error", "-c", program, name], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None and process.stdout.readline().split() == [b"ready"]
            for number, value in enumerate((b"a", b"b", b"end"), 1):
                writer.write(value)
                assert process.stdout.readline().rstrip() == f"{number} {value!r}".encode()
        assert process.returncode == 0


def test_an_event_loop_waits_for_several_values_and_cancels(ends: Ends, name: str) -> None:
    writer, reader = ends

    async def follow() -> list[bytes]:
        found = []
        with latest.open(name) as own:
            while len(found) < 3:
                assert await own.wait_async(timeout=60)
                found.append(own.read())
        return found

    async def program() -> None:
        assert await reader.wait_async(timeout=0.01) is False
        cancelled = asyncio.create_task(reader.wait_async())
        tasks = [asyncio.create_task(follow()) for _ in range(3)]
        await asyncio.sleep(0.01)
        cancelled.cancel()
        for value in (b"1", b"2", b"3"):
            writer.write(value)
            await asyncio.sleep(0.05)
        assert await asyncio.gather(*tasks) == [[b"1", b"2", b"3"]] * 3
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        assert await reader.wait_async(0)

    asyncio.run(program())


def test_wait_any_takes_it_beside_other_objects(ends: Ends) -> None:
    writer, reader = ends
    mutex = Mutex.create()
    with Event.create(manual_reset=False) as event:
        assert wait_any([reader, event], 0.01) is None
        threading.Timer(0.05, lambda: writer.write(b"x")).start()
        assert wait_any([event, reader], 30) is reader
        assert wait_any([event, reader], 30) is reader, "nothing was read yet"
        reader.read()
        threading.Timer(0.05, event.set).start()
        assert wait_any([reader, event], 30) is event and not event.is_set()
        assert wait_any([reader, mutex], 30) is mutex
        mutex.release()
        writer.write(b"y")
        assert wait_any([reader, writer, mutex], 30) is reader and not mutex.locked()
        event.set()
        assert wait_all([reader, event], 30) and not event.is_set()
        assert not wait_all([reader, event], 0)
    mutex.close()


def test_wait_any_takes_it_beside_a_process(ends: Ends) -> None:
    from memsection import Process

    writer, reader = ends
    with (
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child,
        Process(child.pid) as process,
    ):
        assert wait_any([reader, process], 0.02) is None
        threading.Timer(0.02, lambda: writer.write(b"x")).start()
        assert wait_any([reader, process], 30) is reader
        reader.read()
        threading.Timer(0.02, lambda: child.communicate(b"\n")).start()
        assert wait_any([reader, process], 30) is process


def test_what_cannot_be_waited_for_is_told(ends: Ends) -> None:
    _, reader = ends
    for bad in ("1", 1.5):
        with pytest.raises(TypeError):
            reader.wait(bad, 0)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        reader.wait(0, "1")  # type: ignore[arg-type]
    reader.close()
    with pytest.raises(ArgumentError):
        reader.wait(timeout=0)
    with pytest.raises(ArgumentError):
        wait_any([reader], 0)
    with pytest.raises(ArgumentError):
        asyncio.run(reader.wait_async(timeout=0))


def test_closing_while_somebody_waits_takes_no_memory_away(ends: Ends) -> None:
    writer, reader = ends
    found: list[object] = []

    def wait() -> None:
        try:
            found.append(reader.wait(timeout=60))
        except ArgumentError as failure:  # closed before the wait began, or between two looks
            found.append(str(failure))

    thread = threading.Thread(target=wait)
    thread.start()
    reader.close()
    writer.write(b"x")
    thread.join()
    assert found in ([True], ["[WinError 87] latest value: used after it was closed"])


@pytest.mark.linux_only("Windows has no timer that sends a signal")
def test_ctrl_c_ends_a_wait(ends: Ends) -> None:
    _, reader = ends

    class Interrupted(Exception):
        pass

    ended_by_a_handler(lambda: reader.wait(timeout=60), Interrupted)


def test_numbers_beyond_four_billion_are_compared_whole(ends: Ends) -> None:
    writer, reader = ends
    with writer.section.map() as view:
        view[24:32] = (1 << 32).to_bytes(8, sys.byteorder)
    assert reader.wait(0, 0) and reader.wait((1 << 32) - 1, 0) and not reader.wait(1 << 32, 0.01)


# ---------------------------------------------------------------------- writers


def test_a_restarted_writer_goes_on_where_its_readers_wait(name: str) -> None:
    with latest.create(name, 8, exist_ok=True) as first, latest.open(name) as reader:
        first.write(b"one")
        reader.read()
        first.close()
        with latest.create(name, 8, exist_ok=True) as second:
            second.write(b"two")
            assert reader.wait(timeout=0) and reader.read_numbered() == (2, b"two")
        with pytest.raises(ArgumentError, match="asked for capacity 9; found capacity 8"):
            latest.create(name, 9, exist_ok=True)
        with pytest.raises(FileExistsError):
            latest.create(name, 8)
    with Section.create(name, 1 << 20), pytest.raises(Exception, match="latest"):
        latest.create(name, 8, exist_ok=True)


@pytest.mark.linux_only("Windows does not tell")
def test_readers_see_whether_a_writer_lives(name: str) -> None:
    program = """if True:
        import sys
        from memsection import latest
        with latest.create(sys.argv[1], 8, exist_ok=True) as writer:
            print("ready", flush=True)
            sys.stdin.read()
    """
    with latest.create(name, 8) as mine, latest.open(name) as reader:
        assert reader.writer_alive and mine.writer_alive
        mine.close()
        assert not reader.writer_alive
        for end in ("input ends", "killed"):
            with subprocess.Popen(
                [sys.executable, "-c", program, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            ) as process:
                assert process.stdout is not None and process.stdout.readline() == b"ready\n"
                assert reader.writer_alive
                if end == "killed":
                    process.kill()
                process.communicate()
            assert not reader.writer_alive
        reader.close()
        with pytest.raises(ValueError):
            reader.writer_alive  # noqa: B018


@pytest.mark.linux_only("there is no fork on Windows")
def test_a_forked_child_does_not_pass_for_its_parent(name: str) -> None:
    with latest.create(name, 8) as writer, latest.open(name) as reader:
        (forked, ready), (end, ended) = os.pipe(), os.pipe()
        child = os.fork()
        if not child:
            os.close(ended)
            os.write(ready, b"!")
            os.read(end, 1)
            os._exit(0)
        os.read(forked, 1)
        writer.close()
        alive = reader.writer_alive
        os.close(ended)
        os.waitpid(child, 0)
        for fd in (forked, ready, end):
            os.close(fd)
        assert not alive


def test_a_writer_that_is_forgotten_is_gone(name: str) -> None:
    if sys.platform == "linux":
        with latest.create(name, 8) as keep, latest.open(name) as reader:
            other: Any = latest.open(name, write=True)
            keep.close()
            assert reader.writer_alive
            section = other.section
            del other
            assert not reader.writer_alive
            section.close()
