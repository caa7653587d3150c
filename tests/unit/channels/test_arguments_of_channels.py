# SPDX-License-Identifier: MIT
"""What users give channels: numbers of other libraries, numbers that cannot be, buffers in any
order."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support.objects import unique_name

from memsection import ArgumentError, WaitTimeoutError
from memsection.channels import Client, Queue, Service, Topic

np = pytest.importorskip("numpy")

KINDS: list[Any] = [Queue, Topic, Service]


@pytest.mark.parametrize("kind", KINDS)
def test_integers_of_numpy_are_numbers(kind: Any) -> None:
    name = unique_name()
    with kind.create(
        name,
        bytes,
        capacity=np.int64(5),
        largest=np.uint16(900),
        memory=np.int32(90_000),
        version=np.int8(3),
    ) as made:
        assert (made.capacity, made.largest) == (5, 900) and type(made.capacity) is int
        kind.open(name, version=np.int64(3)).close()
        with pytest.raises(ArgumentError, match="asked for version 4; found version 3"):
            kind.open(name, version=4)


def test_integers_of_numpy_are_numbers_of_one_kind_only() -> None:
    with Queue.create(None, redeliver=np.int64(2)) as queue:
        assert queue.capacity == 1024
    with Topic.create(unique_name(), bytes, role="send", history=np.int64(3)) as topic:
        topic.send_many([b"1", b"2", b"3"])
        with Topic.open(topic.name, role="receive", history=np.int64(2)) as late:
            assert late.receive_many(np.int64(9), 0) == [b"2", b"3"]
    with Service.create(None, retry=np.int64(1)) as service:
        assert service.retry == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("what", "value", "error"),
    [
        ("largest", 1 << 70, ArgumentError),
        ("memory", 1 << 70, ArgumentError),
        ("capacity", 1 << 70, ArgumentError),
        ("version", -1, ArgumentError),
        ("version", 1 << 62, ArgumentError),
        ("version", "1", TypeError),
        ("version", 1.5, TypeError),
        ("version", None, TypeError),
        ("largest", True, TypeError),
    ],
)
def test_what_those_who_open_it_would_not_accept_is_not_made(
    kind: Any, what: str, value: Any, error: type[Exception]
) -> None:
    with pytest.raises(error, match=what):
        kind.create(None, **{what: value})


@pytest.mark.parametrize(("kind", "what"), [(Queue, "redeliver"), (Service, "retry")])
def test_tries_that_the_memory_has_no_number_for_are_not_promised(kind: Any, what: str) -> None:
    with pytest.raises(ArgumentError, match=f"the most is {(1 << 31) - 1}"):
        kind.create(None, **{what: 1 << 31})
    with kind.create(unique_name(), bytes, **{what: (1 << 31) - 1}) as made:
        kind.open(made.name).close()


@pytest.mark.parametrize("observed", [False, True])
def test_how_many_are_received_is_a_number_from_0_on(observed: bool) -> None:
    with Topic.create(unique_name(), bytes) as topic:
        end = Topic.open(topic.name, role="observe") if observed else topic
        topic.send_many([b"1", b"2"])
        with pytest.raises(ValueError, match="most is a number from 0 on, not -1"):
            end.receive_many(-1, 0)
        with pytest.raises(TypeError):
            end.receive_many(1.5, 0)  # type: ignore[arg-type]
        assert end.receive_many(1 << 70, 0) == [b"1", b"2"]
        end.close()


@pytest.mark.parametrize("size", [3, 40, 400])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_buffer_in_any_contiguous_order_is_sent_as_bytes_would_have_it(
    size: int, asynchronous: bool
) -> None:
    array = np.arange(size * size, dtype="u2").reshape(size, size)
    with Queue.create(None, bytes, largest=4000) as queue:
        for value in (array, np.asfortranarray(array), array[:0], np.zeros((0, size))):
            if asynchronous:
                asyncio.run(queue.send_async(value))
            else:
                queue.send(value)
            assert queue.receive(0) == value.tobytes()


def test_a_buffer_that_is_not_contiguous_is_refused_with_the_way_out() -> None:
    with Queue.create(None, bytes) as queue, Service.create(unique_name(), bytes, bytes) as service:
        with Client.open(service.name) as client:
            for value in (memoryview(b"abcdef")[::2], np.arange(9).reshape(3, 3)[:, ::2]):
                for send in (
                    queue.send,
                    client.submit,
                    lambda one: queue.send_many([one]),
                    lambda one: asyncio.run(queue.send_async(one)),
                ):
                    with pytest.raises(ArgumentError, match=r"not contiguous; .*bytes\(value\)"):
                        send(value)
        assert len(queue) == 0


def test_lengths_of_what_is_made_in_place_are_integers_of_any_library() -> None:
    with Queue.create(None, bytes) as queue, Queue.create(None, np.ndarray) as arrays:
        with queue.sending(np.int64(3)) as memory:
            memory[:] = b"abc"
        assert queue.receive(0) == b"abc"
        for shape in (np.int64(3), (np.int64(3),), np.array([3])):
            with arrays.sending(shape, "u1") as array:
                array[:] = 7
            assert arrays.receive(0).tolist() == [7, 7, 7]
        for end, wrong in ((queue, -1), (arrays, (2, -1))):
            with pytest.raises(TypeError, match="a length is 0 or more, not -1"):
                end.sending(wrong)
        for end, odd in ((queue, 1.5), (arrays, (2.5,))):
            with pytest.raises(TypeError):
                end.sending(odd)


def test_receive_into_of_a_queue_of_objects_does_not_wait() -> None:
    with Queue.create(None) as queue:
        with pytest.raises(TypeError, match="an object has no bytes of its own"):
            queue.receive_into(bytearray(9))


@pytest.mark.parametrize("largest", [4096, 1 << 16, 1 << 20])
@pytest.mark.parametrize("count", [2, 3])
def test_memory_for_so_many_of_the_largest_takes_as_many(largest: int, count: int) -> None:
    with Queue.create(None, bytes, capacity=16, largest=largest, memory=count * largest) as queue:
        for number in range(count):
            queue.send(bytes([number]) * largest, 0)
        kept = [queue.receive(0, copy=False) for _ in range(count)]
        with pytest.raises(WaitTimeoutError, match=f"{count} places are kept in hand"):
            for _ in range(2):  # a little more may fit, not one more of these and another
                queue.send(bytes(largest), 0)
        del kept
        queue.send(bytes(largest), 0)


def test_an_array_has_as_many_dimensions_as_numpy_gives_it() -> None:
    most = 64 if int(np.__version__.split(".")[0]) >= 2 else 32
    with Queue.create(None, np.ndarray) as queue:
        queue.send(np.full((1,) * most, 7))
        assert queue.receive(0).shape == (1,) * most
