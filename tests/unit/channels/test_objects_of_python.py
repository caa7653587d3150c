# SPDX-License-Identifier: MIT
"""Messages of objects: what is in the pickle, what lies beside it, and what somebody wrote who does
not keep to the layout."""

from __future__ import annotations

import pickle
import struct
from typing import Any

import pytest
from support.objects import unique_name

from memsection import ArgumentError, CorruptError, MessageTooLargeError
from memsection._native import ends
from memsection.channels import Queue, Topic
from memsection.channels.object_codec import WITH_BUFFERS, ObjectCodec

np = pytest.importorskip("numpy")


class Closing:
    """Closes the end that it is sent through."""

    def __init__(self, queue: Queue[Any]) -> None:
        self.queue = queue

    def __reduce__(self) -> Any:
        self.queue.close()
        return str, ()


@pytest.mark.parametrize("kind", [Queue, Topic])
@pytest.mark.parametrize("length", [0, 1, 4095, 4096, 5000, 100_000])
def test_buffers_of_any_length_and_number_come_as_they_were(kind: Any, length: int) -> None:
    readonly = np.arange(length, dtype=np.uint8)
    readonly.setflags(write=False)
    value = [np.full(length, 7, np.uint8), {"n": length}, readonly, b"y" * length]
    with kind.create(unique_name(), largest=400_000) as end:
        for copy in (True, False):
            end.send(value)
            first, facts, second, raw = end.receive(20, copy=copy)
            assert (facts, raw) == ({"n": length}, b"y" * length)
            assert first.tobytes() == value[0].tobytes() and second.tobytes() == readonly.tobytes()
            assert first.flags.writeable or (length >= 4096 and not copy)
            assert not second.flags.writeable


@pytest.mark.parametrize("length", [10, 5000])
def test_the_core_and_the_codec_write_and_read_the_same(length: int) -> None:
    value = {"a": np.arange(length, dtype=np.uint8), "n": 1}
    with Queue.create(None) as queue:
        queue.send(value)
        taken = queue._core.take_whole(0)
        parts, whole, _, kind = ObjectCodec().parts(value)
        laid_out = bytearray(whole)
        for at, part in parts:
            laid_out[at : at + memoryview(part).nbytes] = memoryview(part).cast("B")
        assert (bytes(taken), taken.format) == (bytes(laid_out), kind)
        found = ObjectCodec().receive(taken, True)
        assert found["a"].tobytes() == value["a"].tobytes()


@pytest.mark.parametrize(
    "raw",
    [
        b"short",
        struct.pack("<QQ", 1 << 63, 0),
        struct.pack("<QQ", 5, 1 << 60) + bytes(200),
        struct.pack("<QQ", 5, (1 << 64) - 1) + bytes(200),
        struct.pack("<QQQQQ", 5, 1, 1 << 40, 1, 0) + bytes(200),
        struct.pack("<QQQQQ", 5, 1, 100, (1 << 64) - 50, 0) + bytes(200),
        struct.pack("<QQQQQ", 500, 1, 0, 0, 0) + bytes(200),
    ],
)
def test_a_table_that_makes_no_sense_is_gone_with_an_error(raw: bytes) -> None:
    with Queue.create(None) as queue:
        assert queue._core.send_raw(raw, WITH_BUFFERS, 0) == 0
        queue.send("next")
        with pytest.raises(CorruptError):
            queue.receive(0)
        assert queue.receive(0) == "next" and queue._core.places_in_hand()[0] == 0


def test_what_is_no_pickle_is_gone_with_an_error() -> None:
    with Queue.create(None) as queue:
        for raw in (b"no pickle", b"no pickle" * 100):
            assert queue._core.send_raw(raw, 0, 0) == 0
            with pytest.raises(CorruptError, match="no pickle") as caught:
                queue.receive(0)
            assert isinstance(caught.value.__cause__, pickle.UnpicklingError)
        assert len(queue) == 0 and queue._core.places_in_hand()[0] == 0


@pytest.mark.parametrize("beside", [False, True])
def test_pickling_may_close_the_end(beside: bool) -> None:
    with Queue.create(None) as queue:
        other = Queue.from_section(queue.section.duplicate(), object)
        with pytest.raises(ArgumentError, match="closed"):
            other.send([np.zeros(5000 * beside), Closing(other)])
        assert len(queue) == 0


def test_a_pickle_with_buffers_above_largest_gets_memory_of_its_own_or_is_refused() -> None:
    value = [np.ones(20_000, np.uint8), b"x" * 50_000]
    with Queue.create(None, largest=60_000) as queue:
        queue.send(value)
        assert queue._core.take_whole(0).format & (1 << 31)
    with Queue.create(None, largest=60_000, overflow=False) as queue:
        with pytest.raises(MessageTooLargeError, match="70"):
            queue.send(value)
        assert len(queue) == 0 and ends.pickle_value(value)[1] is not None


@pytest.mark.parametrize("size", [8, 300])
def test_a_text_that_was_spoiled_in_its_pickle_is_the_channel_s_fault(size: int) -> None:
    with Queue.create(None) as queue:
        queue.send("ä" * size)
        with queue.section.map() as view:
            at = bytes(view).find("ä".encode() * size)
            view[at] = 0xFF
        with pytest.raises(CorruptError, match="no pickle"):
            queue.receive(0)
        assert len(queue) == 0
