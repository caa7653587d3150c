# SPDX-License-Identifier: MIT
"""``_native.seqlock``: no value is ever torn, whoever dies, and nobody hangs, whatever is in the
memory."""

from __future__ import annotations

import mmap
import os
import random
import signal
import struct
import sys
import threading
import time
from collections.abc import Callable

import pytest

from memsection._native import seqlock

linux = pytest.mark.linux_only("the other process is made by fork")
LATEST = 24  # offset of the newest value's number in the header
LINE = 64


def shared(capacity: int, slots: int = seqlock.SLOTS) -> mmap.mmap:
    return mmap.mmap(-1, seqlock.size(capacity, slots))


def pair(
    capacity: int, slots: int = seqlock.SLOTS
) -> tuple[seqlock.Latest, seqlock.Latest, mmap.mmap]:
    memory = shared(capacity, slots)
    writer = seqlock.Latest(memory, writable=True, capacity=capacity, slots=slots)
    return writer, seqlock.Latest(memory, writable=False), memory


def child(run: Callable[[], None]) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            run()
        finally:
            os._exit(1)
    return pid


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def test_a_reader_gets_the_newest_value_and_its_number() -> None:
    writer, reader, _ = pair(100)
    assert (reader.read(), reader.sequence, writer.read()) == (None, 0, None)
    for number in range(1, 20):
        value = bytes([number]) * (5 * number)
        writer.write(value)
        assert reader.read() == (number, value)
        assert reader.sequence == number
    writer.write(b"")
    assert reader.read() == (20, b"")


def test_a_value_goes_into_the_readers_buffer() -> None:
    writer, reader, _ = pair(100)
    target = bytearray(8)
    assert reader.read_into(target) is None
    writer.write(b"abcd")
    assert reader.read_into(target) == (1, 4) and target == b"abcd\0\0\0\0"
    writer.write(b"too long for it")
    with pytest.raises(ValueError, match="15 bytes do not fit into 8"):
        reader.read_into(target)
    with pytest.raises(TypeError, match="a buffer to write to"):
        reader.read_into(b"read-only")


def test_a_value_may_be_made_in_place() -> None:
    writer, reader, memory = pair(100)
    for number in range(1, 10):
        at = writer.begin()
        memory[at : at + 3] = b"%03d" % number
        assert (reader.read() or (0, b""))[0] == number - 1
        writer.commit(3)
        assert reader.read() == (number, b"%03d" % number)


def test_a_value_that_is_too_long_is_refused_and_changes_nothing() -> None:
    writer, reader, _ = pair(10)
    writer.write(b"0123456789")
    with pytest.raises(ValueError, match="11 bytes, at most 10"):
        writer.write(b"0123456789a")
    with pytest.raises(ValueError):
        writer.commit(11)
    assert reader.read() == (1, b"0123456789")


def test_a_reader_cannot_write() -> None:
    _, reader, _ = pair(10)
    for act in (lambda: reader.write(b""), reader.begin, lambda: reader.commit(0)):
        with pytest.raises(TypeError):
            act()
    with pytest.raises(ValueError):
        seqlock.Latest(shared(10), writable=False, capacity=10)
    with pytest.raises(BufferError):
        seqlock.Latest(bytes(1000), writable=True, capacity=10)


@pytest.mark.parametrize(
    ("capacity", "slots"), [(0, 4), (10, 1), (10, 65), (2**60, 4), (2**64 - 1, 4)]
)
def test_sizes_that_make_no_sense_are_refused(capacity: int, slots: int) -> None:
    with pytest.raises(ValueError):
        seqlock.size(capacity, slots)


def test_a_buffer_that_is_too_small_unaligned_or_never_formatted_is_refused() -> None:
    memory = memoryview(bytearray(seqlock.size(10) + 8))
    with pytest.raises(ValueError, match="needed"):
        seqlock.Latest(memory[: seqlock.size(10) - 1], writable=True, capacity=10)
    odd = next(at for at in range(8) if _address(memory) + at & 7)
    with pytest.raises(ValueError):
        seqlock.Latest(memory[odd:], writable=True, capacity=10)
    with pytest.raises(ValueError, match="never formatted"):
        seqlock.Latest(shared(10), writable=False)
    with pytest.raises(ValueError):
        seqlock.Latest(bytearray(10), writable=False)


def _address(memory: memoryview) -> int:
    import ctypes

    return ctypes.addressof(ctypes.c_char.from_buffer(memory))


def test_a_closed_end_gives_its_buffer_back_and_refuses_everything() -> None:
    memory = bytearray(seqlock.size(10))
    with seqlock.Latest(memory, writable=True, capacity=10) as writer:
        with pytest.raises(BufferError):
            memory.append(0)
    memory.append(0)
    writer.close()
    assert writer.closed
    for act in (writer.read, writer.begin, lambda: writer.write(b""), lambda: writer.sequence):
        with pytest.raises(ValueError, match="closed"):
            act()


def _whole(value: bytes) -> bool:
    return value == value[:8] * (len(value) // 8)


@pytest.mark.parametrize(("size", "slots"), [(64, 2), (4096, 2), (4096, 4), (300_000, 3)])
@linux
def test_nothing_is_torn_between_processes(size: int, slots: int) -> None:
    writer, reader, _ = pair(size, slots)

    def write() -> None:
        number = 0
        while os.getppid() != 1:
            number += 1
            length = random.randrange(8, size + 1, 8)
            writer.write(struct.pack("<Q", number) * (length // 8))

    pid = child(write)
    try:
        last = seen = 0
        end = time.monotonic() + 0.4
        while time.monotonic() < end or seen < 3:
            got = reader.read(30)
            if got is not None:
                number, value = got
                assert _whole(value) and value[:8] == struct.pack("<Q", number) and number >= last
                seen += number != last
                last = number
    finally:
        kill(pid)
    final = reader.read()
    assert final is not None and _whole(final[1]) and final[0] >= last


@linux
def test_a_writer_killed_at_any_moment_leaves_the_last_complete_value_and_the_next_one_goes_on() -> (
    None
):
    size = 200_000
    writer, reader, memory = pair(size, 2)
    for _ in range(30):

        def write() -> None:
            mine = seqlock.Latest(memory, writable=True)
            while True:
                mine.write(struct.pack("<Q", mine.sequence + 1) * (size // 8))

        before = reader.sequence
        pid = child(write)
        while reader.sequence < before + 2:
            pass
        time.sleep(random.random() * 0.003)
        kill(pid)
        got = reader.read()
        assert got is not None and got == reader.read()
        assert _whole(got[1]) and got[1][:8] == struct.pack("<Q", got[0])


@linux
def test_a_writer_that_died_between_begin_and_commit_is_as_if_it_had_not_begun() -> None:
    writer, reader, memory = pair(64, 2)
    writer.write(b"first")
    writer.write(b"second")

    def write() -> None:
        at = writer.begin()
        memory[at : at + 7] = b"garbage"
        os.kill(os.getpid(), signal.SIGKILL)

    os.waitpid(child(write), 0)
    assert reader.read() == (2, b"second")
    after = seqlock.Latest(memory, writable=True)
    after.write(b"third")
    assert reader.read() == (3, b"third")


def test_threads_read_whole_values_while_one_writes() -> None:
    writer, reader, _ = pair(100_000, 3)
    done = threading.Event()
    wrong: list[int] = []

    def read() -> None:
        while not done.is_set():
            got = reader.read(30)
            if got is not None and not _whole(got[1]):
                wrong.append(got[0])

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(1, 800):
        writer.write(struct.pack("<Q", number) * 12_500)
    done.set()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_close_while_others_read_takes_the_memory_from_nobody() -> None:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(50):
            writer, reader, _ = pair(100_000, 3)
            writer.write(b"12345678" * 12_500)
            started = threading.Barrier(3)
            bad: list[object] = []

            def read(
                reader: seqlock.Latest = reader,
                started: threading.Barrier = started,
                bad: list[object] = bad,
            ) -> None:
                started.wait()
                while True:
                    try:
                        got = reader.read()
                    except ValueError:
                        return
                    if got is None or not _whole(got[1]):
                        bad.append(got)

            threads = [threading.Thread(target=read) for _ in range(2)]
            for thread in threads:
                thread.start()
            started.wait()
            reader.close()
            for thread in threads:
                thread.join()
            assert bad == []
    finally:
        sys.setswitchinterval(interval)


@pytest.mark.parametrize("latest", [1, 2, 5, 2**32, 2**63, 2**64 - 1])
def test_a_number_that_no_slot_has_ends_in_an_error_after_the_time_asked_for(latest: int) -> None:
    writer, reader, memory = pair(64, 4)
    writer.write(b"value")
    struct.pack_into("<Q", memory, LATEST, latest)
    start = time.monotonic()
    if latest == 1:
        assert reader.read(0.01) == (1, b"value")
        return
    with pytest.raises(TimeoutError):
        reader.read(0.01)
    # a coarse clock's step is as long, and rounded
    assert round(time.monotonic() - start, 6) >= 0.01


@pytest.mark.parametrize("length", [65, 2**32, 2**63, 2**64 - 1])
def test_a_length_beyond_the_slot_ends_in_an_error(length: int) -> None:
    writer, reader, memory = pair(64, 4)
    writer.write(b"value")
    struct.pack_into("<Q", memory, LINE + 1 * 128 + 8, length)
    with pytest.raises(TimeoutError):
        reader.read(0)
    with pytest.raises(TimeoutError):
        reader.read_into(bytearray(1000), 0)


@pytest.mark.parametrize("seed", range(40))
def test_no_bytes_in_the_memory_crash_or_hang_either_end(seed: int) -> None:
    chance = random.Random(seed)
    writer, reader, memory = pair(64, 3)
    writer.write(b"value")
    for _ in range(200):
        at = chance.randrange(len(memory))
        memory[at : at + 8] = chance.randbytes(8)[: len(memory) - at]
        try:
            got = reader.read(0)
            assert got is None or len(got[1]) <= 64
        except TimeoutError:
            pass
        writer.write(b"next")
        try:
            seqlock.Latest(memory, writable=False).read(0)
        except (ValueError, TimeoutError):
            pass


@pytest.mark.parametrize(
    ("offset", "value"), [(0, 1), (4, 2), (8, 0), (8, 65), (8, 2**32 - 1), (16, 0), (16, 2**63)]
)
def test_a_header_that_does_not_fit_the_memory_is_refused(offset: int, value: int) -> None:
    _, _, memory = pair(64, 4)
    struct.pack_into("<Q" if offset == 16 else "<I", memory, offset, value)
    with pytest.raises(ValueError):
        seqlock.Latest(memory, writable=False)


@linux
def test_control_c_ends_a_read_that_goes_on_for_ever() -> None:
    writer, reader, memory = pair(64, 4)
    writer.write(b"value")
    struct.pack_into("<Q", memory, LATEST, 77)
    threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        reader.read(60)


def test_parts_of_a_value_are_its_own_as_long_as_it_is_there() -> None:
    writer, reader, _ = pair(100)
    assert reader.look() is None
    writer.write(bytes(range(80)))
    assert reader.look() == (1, 80)
    part = bytearray(30)
    assert reader.read_part(1, 50, part)
    assert part == bytes(range(50, 80))
    for number in range(2, seqlock.SLOTS + 1):
        writer.write(bytes([number]))
        assert reader.read_part(1, 0, part) and part == bytes(range(30))
    writer.write(b"over it")
    assert not reader.read_part(1, 0, part)
    assert not reader.read_part(99, 0, part)  # never was there
    assert reader.read_part(seqlock.SLOTS + 1, 0, memoryview(part)[:7]) and part[:7] == b"over it"
    for offset, size in ((0, 101), (80, 21), (101, 0), (2**64 - 1, 2)):
        with pytest.raises(ValueError, match="at most 100 fit"):
            reader.read_part(1, offset, bytearray(size))
    with pytest.raises(OverflowError):
        reader.read_part(1, 2**64, part)
    with pytest.raises(BufferError):
        reader.read_part(1, 0, b"read-only")
    reader.close()
    for use in (reader.look, lambda: reader.read_part(1, 0, part), lambda: reader.watch(1, 0, 1)):
        with pytest.raises(ValueError, match="closed"):
            use()


def test_looks_for_another_value_end_with_it_and_after_so_many() -> None:
    writer, reader, _ = pair(100)
    assert not reader.watch(0, 0.0001, 3)
    assert not reader.watch(0, 0, 0)
    looking: list[bool] = []
    thread = threading.Thread(target=lambda: looking.append(reader.watch(0, 0.001, 60_000)))
    thread.start()
    writer.write(b"news")
    thread.join(60)
    assert looking == [True]
    assert reader.watch(0, 0, 1)
    for pause in (-1e-9, 60.1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="at most 60"):
            reader.watch(1, pause, 1)
