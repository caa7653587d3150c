# SPDX-License-Identifier: MIT
"""``_native.view``: bounds, the moment of release, and races for it."""

from __future__ import annotations

import ctypes
import gc
import mmap
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from memsection._native import view
from memsection._native.view import View
from memsection.vocabulary.errors import Error

SIZE = 8192


class Memory:
    """Memory for a view, and how often the view gave it up."""

    def __init__(self) -> None:
        self.map = mmap.mmap(-1, SIZE)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.map))
        self.released = 0

    def release(self) -> None:
        self.released += 1

    def view(self, kind: type[View] = View, **options: Any) -> View:
        options = {"readonly": False, "release": self.release, **options}
        return kind(self.address, options.pop("length", SIZE), **options)


@pytest.fixture
def memory() -> Iterator[Memory]:
    yield Memory()


class Subclass(View):
    """With a constructor of its own and attributes, as the Pythonic API has it."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        super().__init__(memory.address, SIZE, readonly=False, release=memory.release)


def test_a_view_reads_and_writes_its_memory(memory: Memory) -> None:
    with memory.view() as view:
        view[:5] = b"hello"
        view[5] = 33
        assert bytes(view[:6]) == b"hello!"
        assert (view[0], view[-1], len(view), view.address, view.readonly) == (
            104,
            0,
            SIZE,
            memory.address,
            False,
        )
        assert bytes(view[4:0:-1]) == b"olle"
        assert memory.map[:6] == b"hello!"
        whole = memoryview(view)
        assert (whole.format, whole.itemsize, whole.shape, whole.contiguous) == (
            "B",
            1,
            (SIZE,),
            True,
        )
        whole.release()


@pytest.mark.parametrize("key", [SIZE, -SIZE - 1])
def test_an_index_outside_the_view_is_an_error(memory: Memory, key: int) -> None:
    with memory.view() as view:
        with pytest.raises(IndexError):
            view[key]
        with pytest.raises(IndexError):
            view[key] = 1


def test_a_write_of_another_length_is_an_error_and_changes_nothing(memory: Memory) -> None:
    with memory.view() as view:
        with pytest.raises(ValueError):
            view[:5] = b"four"
        assert bytes(view[:5]) == bytes(5)


def test_a_read_only_view_refuses_every_way_of_writing(memory: Memory) -> None:
    with memory.view(readonly=True) as view:
        with pytest.raises(TypeError):
            view[0] = 1
        with pytest.raises(TypeError):
            view[:2] = b"ab"
        with pytest.raises((BufferError, TypeError)):
            (ctypes.c_char * SIZE).from_buffer(view)
        assert not np.frombuffer(view, np.uint8).flags.writeable
        assert memoryview(view).readonly


@pytest.mark.parametrize(("address", "length"), [(0, 1), (4096, -1), (sys.maxsize * 2 + 1, 1)])
def test_memory_that_cannot_be_is_refused(address: int, length: int) -> None:
    with pytest.raises(ValueError):
        View(address, length, readonly=False, release=None)


def test_a_view_cannot_be_opened_twice(memory: Memory) -> None:
    view = memory.view()
    with pytest.raises(ValueError):
        view.__init__(memory.address, SIZE, readonly=False, release=None)  # type: ignore[misc]
    view.close()
    with pytest.raises(ValueError):
        view.__init__(memory.address, SIZE, readonly=False, release=None)  # type: ignore[misc]
    assert memory.released == 1


def test_a_view_that_was_never_opened_is_closed() -> None:
    view = View.__new__(View)
    assert view.closed
    with pytest.raises(ValueError):
        memoryview(view)


def test_use_after_close_is_an_error_of_the_library_and_a_value_error(memory: Memory) -> None:
    view = memory.view()
    view.close()
    assert view.closed
    for use in (
        lambda: memoryview(view),
        lambda: view[0],
        lambda: len(view),
        lambda: view.address,
        view.__enter__,
        lambda: view.__setitem__(0, 1),
    ):
        with pytest.raises(Error) as caught:
            use()
        assert isinstance(caught.value, ValueError)


def test_close_releases_once_however_often_it_is_called(memory: Memory) -> None:
    view = memory.view()
    for _ in range(3):
        view.close()
    del view
    assert memory.released == 1


def test_close_waits_for_the_last_memoryview(memory: Memory) -> None:
    view = memory.view()
    one, two = memoryview(view), memoryview(view)
    part = one[10:20]
    assert view.exports == 2
    view.close()
    assert (view.closed, memory.released) == (True, 0)
    one[0] = 7
    assert two[0] == 7
    two.release()
    del one
    assert memory.released == 0
    part[0] = 8
    part.release()
    assert (memory.released, view.exports) == (1, 0)


def test_an_array_keeps_the_memory_after_close_and_after_the_view_is_gone(memory: Memory) -> None:
    view = memory.view()
    array = np.frombuffer(view, np.uint32)[4:8]
    view.close()
    del view
    gc.collect()
    assert memory.released == 0
    array[:] = 5
    assert array.sum() == 20
    del array
    assert memory.released == 1


def test_the_collector_releases_a_view_in_a_cycle() -> None:
    memory = Memory()
    view = memory.view(kind=lambda *args, **options: Subclass(memory))  # type: ignore[arg-type]
    view.myself = view  # type: ignore[attr-defined]
    del view
    assert memory.released == 0
    gc.collect()
    assert memory.released == 1


def test_a_release_that_is_part_of_the_cycle_is_still_called() -> None:
    calls: list[int] = []

    class Holder:
        view: View

    holder = Holder()
    memory = Memory()

    def release(keep: Holder = holder) -> None:
        calls.append(1)

    holder.view = memory.view(release=release)
    del holder, release
    gc.collect()
    assert calls == [1]


def test_a_finalizer_of_a_subclass_does_not_lose_the_release() -> None:
    class Careless(Subclass):
        def __del__(self) -> None:
            pass

    memory = Memory()
    view = Careless(memory)
    view.myself = view  # type: ignore[attr-defined]
    del view
    gc.collect()
    assert memory.released == 1


def test_what_release_raises_is_reported_not_raised(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", reports.append)

    def release() -> None:
        raise RuntimeError("lost")

    memory.view(release=release).close()
    assert [type(report.exc_value) for report in reports] == [RuntimeError]


def test_a_failed_check_lends_nothing_and_keeps_nothing(memory: Memory) -> None:
    good = True

    def check() -> None:
        if not good:
            raise BufferError("gone")

    view = memory.view(check=check)
    assert view[0] == 0
    good = False
    with pytest.raises(BufferError, match="gone"):
        memoryview(view)
    with pytest.raises(BufferError, match="gone"):
        np.frombuffer(view, np.uint8)
    assert view.exports == 0
    view.close()
    assert memory.released == 1


def test_a_view_can_be_weakly_referenced_and_not_pickled(memory: Memory) -> None:
    import pickle
    import weakref

    view = memory.view()
    reference = weakref.ref(view)
    with pytest.raises(TypeError):
        pickle.dumps(view)
    del view
    assert reference() is None and memory.released == 1


def test_close_racing_with_users_releases_exactly_once_and_after_the_last() -> None:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(300):
            memory = Memory()
            in_use = [0] * 3
            wrong: list[str] = []

            def release(
                memory: Memory = memory, in_use: list[int] = in_use, wrong: list[str] = wrong
            ) -> None:
                memory.release()
                if any(in_use):
                    wrong.append("released under a user")

            view = memory.view(release=release)
            start = threading.Barrier(4)

            def use(
                who: int,
                view: View = view,
                start: threading.Barrier = start,
                in_use: list[int] = in_use,
            ) -> None:
                start.wait()
                for _ in range(50):
                    try:
                        lent = memoryview(view)
                    except ValueError:
                        return
                    in_use[who] = 1
                    lent[0] = who
                    in_use[who] = 0
                    lent.release()

            threads = [threading.Thread(target=use, args=(who,)) for who in range(3)]
            for thread in threads:
                thread.start()
            start.wait()
            view.close()
            for thread in threads:
                thread.join()
            assert (memory.released, view.exports, wrong) == (1, 0, [])
    finally:
        sys.setswitchinterval(interval)


@pytest.mark.linux_only("fork")
def test_a_forked_child_closes_its_own_copy(memory: Memory) -> None:
    view = memory.view()
    lent = memoryview(view)
    child = os.fork()
    if child == 0:
        view.close()
        lent.release()
        os._exit(0 if memory.released == 1 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert (memory.released, view.closed) == (0, False)
    lent[0] = 1
    lent.release()
    view.close()
    assert memory.released == 1


def test_a_view_and_its_buffer_in_one_cycle_are_released_once_by_the_collector() -> None:
    released: list[int] = []

    class Knot:
        pass

    for number in range(20):
        memory = ctypes.create_string_buffer(64)
        knot = Knot()
        view = View(
            ctypes.addressof(memory),
            64,
            readonly=False,
            release=lambda number=number, memory=memory: released.append(number),
        )
        knot.parts = [knot, memoryview(view), view]  # type: ignore[attr-defined]
        del knot, view
        gc.collect()
    assert released == list(range(20))


@pytest.mark.parametrize("lend", [lambda view: view, memoryview, lambda view: memoryview(view)[8:]])
def test_an_array_that_holds_no_buffer_keeps_the_memory(memory: Memory, lend: Any) -> None:
    view = memory.view()
    array = np.ndarray((5,), dtype=np.uint8, buffer=lend(view))
    view.close()
    del view
    gc.collect()
    assert memory.released == 0
    array[:] = 1
    del array
    assert memory.released == 1


@pytest.mark.parametrize("offset", [0, 8, 3])
def test_a_mark_is_published_and_seen(offset: int) -> None:
    memory = bytearray(24)
    view.publish(memory, offset, b"complete")
    assert view.published(bytes(memory), offset) == b"complete"
    assert memory.replace(b"complete", b"") == bytes(16)


@pytest.mark.parametrize("offset", [-1, 17, 1 << 62, -(1 << 62)])
def test_a_mark_stays_in_its_buffer(offset: int) -> None:
    for use in (
        lambda: view.publish(bytearray(24), offset, b"complete"),
        lambda: view.published(bytes(24), offset),
    ):
        with pytest.raises(ValueError, match="at offset"):
            use()


def test_a_mark_has_eight_bytes_in_memory_that_can_be_written() -> None:
    with pytest.raises(ValueError, match="has 8"):
        view.publish(bytearray(24), 0, b"short")
    with pytest.raises(BufferError):
        view.publish(bytes(24), 0, b"complete")
