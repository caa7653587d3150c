# SPDX-License-Identifier: MIT
"""Queues within one process: what each method promises, and what each mistake is told as."""

from __future__ import annotations

import ctypes
import gc
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from support.alarms import ended_by_a_handler
from support.objects import unique_name

from memsection import (
    AccessError,
    ArgumentError,
    CorruptError,
    EndOfChannelError,
    Event,
    ExistsError,
    MessageTooLargeError,
    Section,
    WaitTimeoutError,
    wait_all,
    wait_any,
)
from memsection.channels import Queue, Service, Topic

np = pytest.importorskip("numpy")
# bytes: in the ring, in one unit, in a run, above largest
SHORT, PLACED, LONG, HUGE = 64, 3000, 60_000, 300_000
Make = Callable[..., Queue[Any]]


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[Queue[Any]] = []

    def one(spec: Any = bytes, **options: Any) -> Queue[Any]:
        made.append(Queue.create(None, spec, **options))
        return made[-1]

    yield one
    for queue in made:
        queue.close()


# ---------------------------------------------------------------------- sending and receiving


@pytest.mark.parametrize("length", [0, 1, 112, 113, PLACED, LONG, 65536, HUGE])
def test_bytes_of_any_length_arrive_as_they_were(make: Make, length: int) -> None:
    queue = make()
    raw = bytes(i % 251 for i in range(length))
    queue.send(raw)
    assert len(queue) == 1
    assert queue.receive(0) == raw
    queue.send(bytearray(raw))
    view = queue.receive(0, copy=False)
    assert isinstance(view, memoryview) and view.readonly and view == raw


def test_messages_arrive_in_order_and_the_capacity_is_exact(make: Make) -> None:
    for capacity in (1, 3, 7):
        queue = make(capacity=capacity)
        for i in range(3 * capacity):
            queue.send(b"%d" % i)
            if i >= capacity - 1:
                with pytest.raises(WaitTimeoutError):
                    queue.send(b"one too many", 0)
                assert len(queue) == capacity
                assert queue.receive(0) == b"%d" % (i - capacity + 1)


def test_an_empty_queue_waits_until_the_time_is_up(make: Make) -> None:
    queue = make()
    begun = time.monotonic()
    with pytest.raises(TimeoutError, match="time is up"):
        queue.receive(0.05)
    assert time.monotonic() - begun >= 0.05
    with pytest.raises(ValueError, match="number of seconds"):
        queue.receive(float("nan"))


def test_an_object_arrives_with_private_writable_arrays(make: Make) -> None:
    queue = make(object)
    sent = {
        "small": np.arange(3),
        "large": np.arange(10_000.0).reshape(100, 100),
        "text": "x" * 100,
    }
    for value in (None, sent, [sent, b"y" * 20_000]):
        queue.send(value)
    assert queue.receive() is None
    for found in (queue.receive(), queue.receive()[0]):
        assert (found["large"] == sent["large"]).all() and found["text"] == sent["text"]
        found["large"][0] = 7
        found["small"][0] = 7


def test_an_array_that_is_not_copied_lies_over_the_place_and_keeps_it(make: Make) -> None:
    queue = make(object)
    queue.send({"frame": np.arange(5000)})
    found = queue.receive(copy=False)
    frame = found.pop("frame")
    assert not frame.flags.writeable and queue._core.places_in_hand()[0] == 1
    part = frame[5:10]
    del frame, found
    gc.collect()
    assert queue._core.places_in_hand()[0] == 1 and list(part) == [5, 6, 7, 8, 9]
    del part
    gc.collect()
    assert queue._core.places_in_hand()[0] == 0


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12, dtype="<i4").reshape(3, 4),
        np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        np.zeros((0, 3)),
        np.array(7.5),
        np.arange(20)[::2],
        np.array([("a", 1)], dtype=[("name", "S4"), ("n", "<i8")]),
        np.array(["2020-01-01"], dtype="M8[D]"),
        np.zeros((200, 200), np.complex64),
        np.arange(6, dtype=">u2"),
    ],
    ids=lambda array: f"{array.dtype}-{array.shape}",
)
@pytest.mark.parametrize("copied", [True, False])
def test_arrays_arrive_with_dtype_shape_and_order(make: Make, array: Any, copied: bool) -> None:
    queue = make(np.ndarray)
    queue.send(array)
    found = queue.receive(copy=copied)
    assert found.dtype == array.dtype and found.shape == array.shape and (found == array).all()
    assert found.flags.writeable == copied
    if array.flags.f_contiguous and not array.flags.c_contiguous:
        assert found.flags.f_contiguous


@dataclass
class Point:
    x: float
    name: Annotated[str, 8]


class Pair(ctypes.Structure):
    _fields_ = [("a", ctypes.c_int32), ("b", ctypes.c_double)]


def test_records_arrive_as_what_they_were_made_from(make: Make) -> None:
    points, pairs = make(Point), make(Pair)
    points.send(Point(1.5, "here"))
    assert points.receive() == Point(1.5, "here") and points.largest == 16
    pairs.send(Pair(3, 4.0))
    assert pairs.receive().b == 4.0
    with pytest.raises(ArgumentError):
        points.send({"x": 1.0})


def test_arrow_tables_arrive_whole(make: Make) -> None:
    pa = pytest.importorskip("pyarrow")
    queue = make("arrow")
    table = pa.table({"a": list(range(1000)), "b": ["x"] * 1000})
    queue.send(table)
    queue.send(table.to_batches()[0])
    assert queue.receive().equals(table)
    found = queue.receive(copy=False)
    assert found.equals(table) and queue._core.places_in_hand()[0] == 1
    del found
    gc.collect()
    assert queue._core.places_in_hand()[0] == 0


@pytest.mark.parametrize(
    ("spec", "value"),
    [
        (bytes, "text"),
        (bytes, 7),
        (np.ndarray, np.array([object()])),
        (object, threading.Lock()),
        pytest.param("arrow", 7, marks=pytest.mark.linux_only("there is no pyarrow in Wine")),
    ],
)
def test_what_the_spec_does_not_take_is_told_by_send_and_nothing_is_sent(
    make: Make, spec: Any, value: Any
) -> None:
    queue = make(spec)
    with pytest.raises((TypeError, ValueError, pickle.PicklingError)):
        queue.send(value)
    assert len(queue) == 0 and queue._core.places_in_hand()[0] == 0


def test_many_at_once(make: Make) -> None:
    queue = make(capacity=10)
    assert queue.send_many([b"%d" % i for i in range(20)], 0) == 10
    assert queue.receive_many(3) == [b"0", b"1", b"2"]
    assert len(queue.receive_many(100)) == 7
    with pytest.raises(WaitTimeoutError):
        queue.receive_many(5, 0)
    assert queue.receive_many(0) == []
    mixed = [b"s" * SHORT, b"p" * PLACED, b"h" * HUGE]
    assert queue.send_many(iter(mixed)) == 3 and queue.receive_many(9) == mixed
    objects = make(object, capacity=4)
    assert objects.send_many(range(9), 0) == 4 and objects.receive_many(9) == [0, 1, 2, 3]


def test_send_many_of_values_that_close_the_end_is_an_error(make: Make) -> None:
    for spec, late in (
        (bytes, b"2"),
        (bytes, bytearray(b"3")),
        (bytes, b"x" * 5000),
        (object, [4]),
    ):
        queue = make(spec)

        def values(queue: Queue[Any] = queue, late: Any = late) -> Iterator[Any]:
            yield b"1"
            queue.close()
            yield late

        with pytest.raises(ArgumentError, match="closed"):
            queue.send_many(values())


def test_send_many_passes_on_a_time_limit_of_the_values_own(make: Make) -> None:
    class Late:
        def __reduce__(self) -> Any:
            raise TimeoutError("the value's own")

    queue = make(object)
    with pytest.raises(TimeoutError, match="the value's own"):
        queue.send_many([1, Late()])
    assert queue.receive(0) == 1 and len(queue) == 0


def test_send_many_ends_where_the_values_raise(make: Make) -> None:
    queue = make()

    def values() -> Iterator[bytes]:
        yield b"1"
        raise KeyError("no more")

    with pytest.raises(KeyError):
        queue.send_many(values())
    assert queue.receive(0) == b"1"


# ---------------------------------------------------------------------- in place


def test_a_message_made_in_place_is_sent_at_the_end_of_the_block(make: Make) -> None:
    queue = make(capacity=2)
    with queue.sending(5) as memory:
        memory[:] = b"hello"
        assert len(queue) == 0
        queue.send(b"before it")  # it takes no position before it is sent
    assert queue.receive_many(2) == [b"before it", b"hello"]
    with pytest.raises(KeyError), queue.sending(PLACED) as memory:
        raise KeyError
    assert len(queue) == 0 and queue._core.place(queue.largest, 0) is not None
    arrays = make(np.ndarray, largest=100_000)
    with arrays.sending((10, 20), np.float32) as frame:
        frame[:] = 2
    assert arrays.receive().sum() == 400
    with pytest.raises(MessageTooLargeError):
        arrays.sending((1000, 1000)).__enter__()
    for bad in ((), (-1,), ("x",)):
        with pytest.raises(TypeError):
            queue.sending(*bad)
    with pytest.raises(TypeError, match="pickle"):
        make(object).sending(5)


def test_a_message_in_hand_is_given_back_at_the_end_of_the_block(make: Make) -> None:
    queue = make()
    queue.send(b"a" * PLACED)
    queue.send(b"b")
    with queue.receiving(0) as message:
        assert message.value == b"a" * PLACED and (message.number, message.deliveries) == (0, 1)
        assert len(queue) == 1 and queue._core.places_in_hand()[0] == 1
    assert message.value is None and queue._core.places_in_hand()[0] == 0
    with queue.receiving(0) as message:
        assert bytes(message.value) == b"b" and message.number == 1
        message.release()
        message.release()
    with pytest.raises(WaitTimeoutError), queue.receiving(0):
        pass


def test_an_array_taken_from_the_block_keeps_the_place_until_it_is_collected(make: Make) -> None:
    queue = make(np.ndarray)
    queue.send(np.arange(5000))
    with queue.receiving() as message:
        kept = message.value[10:20]
    assert queue._core.places_in_hand()[0] == 1 and kept.sum() == 145
    queue.close()
    assert kept.sum() == 145, "in hand it outlives its end"


def test_an_exception_in_the_block_gives_it_back_and_with_redeliver_sends_it_again(
    make: Make,
) -> None:
    queue = make()
    queue.send(b"x" * PLACED)
    with pytest.raises(KeyError), queue.receiving():
        raise KeyError
    assert len(queue) == 0
    again = make(redeliver=2)
    again.send(b"y")
    for deliveries in (1, 2, 3):
        with pytest.raises(KeyError), again.receiving(0) as message:
            assert (message.deliveries, message.number) == (deliveries, 0) and message.value == b"y"
            raise KeyError
    assert len(again) == 0, "it was given to three"
    assert again._core.places_in_hand()[0] == 0


def test_receive_into_copies_and_takes_nothing_that_does_not_fit(make: Make) -> None:
    queue = make()
    for raw in (b"short", b"z" * PLACED, b"h" * HUGE):
        queue.send(raw)
        with pytest.raises(ArgumentError, match="buffer has 3"):
            queue.receive_into(bytearray(3), 0)
        target = bytearray(len(raw))
        assert queue.receive_into(target, 0) == len(raw) and target == raw
    arrays = make(np.ndarray)
    arrays.send(np.arange(1000))
    target = np.zeros(1000, int)
    assert arrays.receive_into(target) == 8000 and (target == np.arange(1000)).all()
    with pytest.raises(TypeError):
        queue.receive_into(b"read-only")
    objects = make(object)
    objects.send(1)
    with pytest.raises(TypeError):
        objects.receive_into(bytearray(9))
    assert objects.receive(0) == 1


def test_places_in_hand_are_told_of_when_there_are_none_left(make: Make) -> None:
    import os

    queue = make(np.ndarray, capacity=8, largest=1_000_000)
    held = []
    while True:
        try:
            queue.send(np.zeros(900_000, np.uint8), 0)
        except WaitTimeoutError as failure:
            assert f"kept in hand by process {os.getpid()}" in str(failure)
            break
        held.append(queue.receive(copy=False))
    assert len(held) >= 2
    del held
    queue.send(np.zeros(900_000, np.uint8), 0)


# ---------------------------------------------------------------------- too large


def test_a_message_above_largest_has_memory_of_its_own_or_is_refused(make: Make) -> None:
    queue = make(largest=100)
    queue.send(b"x" * 101)
    assert queue.receive() == b"x" * 101
    strict = make(largest=100, overflow=False)
    for length in (101, PLACED, HUGE):
        with pytest.raises(MessageTooLargeError, match=f"{length} bytes.* 100"):
            strict.send(b"x" * length)
    strict.send(b"x" * 100)
    objects = make(object, largest=1000)
    objects.send(np.arange(100_000))
    found = objects.receive(copy=False)
    assert found[-1] == 99_999 and not found.flags.writeable
    objects.send(np.arange(100_000))
    assert objects.receive()[-1] == 99_999


def test_memory_of_its_own_goes_when_the_message_was_taken() -> None:
    with Queue.create(None, bytes) as queue:
        queue.send(b"x" * HUGE)
        queue.send(b"x" * HUGE)
        assert len(queue._codec.channel.sent) == 2
        queue.receive()
        queue.receive()
        queue.send(b"x" * HUGE)
        assert len(queue._codec.channel.sent) == 1


def test_memory_of_its_own_goes_to_another_end_of_the_process_when_its_own_is_closed() -> None:
    name = unique_name()
    with Queue.create(name, bytes) as queue:
        with Queue.open(name) as other:
            other.send(b"x" * HUGE)
        assert queue.receive(0) == b"x" * HUGE


# ---------------------------------------------------------------------- ends and the end


def test_after_shutdown_the_rest_is_received_and_nothing_sent(make: Make) -> None:
    queue = make()
    queue.send(b"rest")
    queue.shutdown()
    with pytest.raises(EndOfChannelError):
        queue.send(b"x")
    assert list(queue) == [b"rest"]
    with pytest.raises(EOFError):
        queue.receive()
    at_once = make()
    at_once.send(b"x")
    at_once.shutdown(immediate=True)
    assert len(at_once) == 0
    with pytest.raises(EndOfChannelError):
        at_once.receive()


@pytest.mark.invariant("Q1")
def test_shutdown_ends_waits_that_have_begun(make: Make) -> None:
    queue = make(capacity=1)
    told: list[str] = []

    def waits(operation: Callable[[], object]) -> None:
        try:
            operation()
        except EndOfChannelError:
            told.append("end")

    receiver = threading.Thread(target=waits, args=(queue.receive,))
    receiver.start()
    time.sleep(0.02)
    queue.shutdown()
    receiver.join(60)
    full = make(capacity=1)
    full.send(b"1")
    sender = threading.Thread(target=waits, args=(lambda: full.send(b"2"),))
    sender.start()
    time.sleep(0.02)
    full.shutdown()
    sender.join(60)
    assert told == ["end", "end"] and not receiver.is_alive() and not sender.is_alive()


@pytest.mark.invariant("Q1")
def test_the_end_of_the_last_sender_ends_the_wait_and_a_new_one_makes_it_work_again() -> None:
    name = unique_name()
    with Queue.create(name, bytes, role="receive") as receiver:
        with pytest.raises(WaitTimeoutError):
            receiver.receive(0)  # nobody ever sent: they may still come
        assert not receiver.wait(0) and (receiver.senders, receiver.receivers) == (0, 1)
        for _ in range(2):
            with Queue.open(name, role="send") as sender:
                assert receiver.senders == 1
                sender.send(b"last")
            assert receiver.wait(0)
            assert receiver.receive(0) == b"last"
            assert receiver.wait(0), "it would raise"
            with pytest.raises(EndOfChannelError):
                receiver.receive()
            assert list(receiver) == []


@pytest.mark.invariant("Q1")
def test_a_sender_without_receivers_goes_on_until_it_is_full() -> None:
    name = unique_name()
    with Queue.create(name, bytes, role="send", capacity=2) as sender:
        Queue.open(name, role="receive").close()
        sender.send(b"1")
        sender.send(b"2")
        with pytest.raises(BrokenPipeError):
            sender.send(b"3")
        with Queue.open(name, role="receive") as late:
            assert late.receive(0) == b"1"
            sender.send(b"3", 0)
            assert late.receive_many(5) == [b"2", b"3"]


def test_a_closed_end_refuses_everything_but_closing(make: Make) -> None:
    queue = make()
    assert not queue.closed
    queue.close()
    queue.close()
    assert queue.closed and "closed" in repr(queue)
    for operation in (
        lambda: queue.send(b"x"),
        queue.receive,
        lambda: queue.receive_many(2),
        lambda: queue.wait(0),
        queue.shutdown,
        lambda: queue.senders,
        lambda: queue.sending(3).__enter__(),
        lambda: queue.receiving().__enter__(),
        lambda: queue.receive_into(bytearray(3)),
        lambda: queue.send_many([b"x"]),
        lambda: pickle.dumps(queue),
        queue.__enter__,
    ):
        with pytest.raises(ArgumentError, match="closed"):
            operation()
    with pytest.raises(ArgumentError, match="send: this end was closed"):
        queue.send(b"x")


def test_closing_ends_the_waits_of_other_threads(make: Make) -> None:
    queue = make()
    told: list[Exception] = []

    def waits() -> None:
        try:
            queue.receive()
        except ArgumentError as failure:
            told.append(failure)

    thread = threading.Thread(target=waits)
    thread.start()
    time.sleep(0.02)
    queue.close()
    thread.join(60)
    assert len(told) == 1


@pytest.mark.linux_only("Windows has no timer that raises a signal")
def test_a_signal_handler_that_raises_ends_a_wait_with_nothing_taken(make: Make) -> None:
    queue = make(capacity=1)

    class Alarm(Exception):
        pass

    ended_by_a_handler(queue.receive, Alarm)
    queue.send(b"1")
    ended_by_a_handler(lambda: queue.send(b"2" * PLACED), Alarm)
    assert queue.receive(0) == b"1" and len(queue) == 0
    for _ in range(2):
        with queue.sending(queue.largest, timeout=0):
            pass
        queue.receive(0)


# ---------------------------------------------------------------------- opening


def test_a_queue_is_opened_by_name_with_what_it_is(make: Make) -> None:
    name = unique_name()
    with Queue.create(name, np.ndarray, capacity=5, largest=5000, version=3) as queue:
        assert (queue.name, queue.role, queue.capacity, queue.largest) == (name, "both", 5, 5000)
        with Queue.open(name) as other:
            assert (other.name, other.capacity, other.largest) == (name, 5, 5000)
            queue.send(np.arange(3))
            assert other.receive().sum() == 3
        with pytest.raises(ArgumentError, match="asked for spec bytes; found spec array"):
            Queue.open(name, bytes)
        with pytest.raises(ArgumentError, match="version 4; found version 3"):
            Queue.open(name, version=4)
        with pytest.raises(ExistsError):
            Queue.create(name, np.ndarray)
        with pytest.raises(ArgumentError, match="capacity 6; found capacity 5"):
            Queue.create(name, np.ndarray, capacity=6, version=3, exist_ok=True)
        with Queue.create(
            name, np.ndarray, capacity=5, largest=5000, version=3, exist_ok=True
        ) as same:
            assert not same.section.created
        with pytest.raises(ArgumentError, match="role"):
            Queue.open(name, role="neither")  # type: ignore[call-overload]
    with pytest.raises(FileNotFoundError):
        Queue.open(name)


def test_what_is_no_queue_is_told() -> None:
    from memsection import records

    name = unique_name()
    with (
        records.create(name, Point),
        pytest.raises(ArgumentError, match="asked for queue, found record"),
    ):
        Queue.open(name)
    with Queue.create(name, bytes) as queue, pytest.raises(AccessError):
        Queue.from_section(Section.open(name, access="r"))
    assert queue.closed
    with pytest.raises(TypeError):
        Queue()


def test_fingerprints_of_records_are_compared() -> None:
    @dataclass
    class Other:
        x: float
        name: Annotated[str, 16]

    name = unique_name()
    with Queue.create(name, Point), pytest.raises(ArgumentError, match="found spec"):
        Queue.open(name, Other)


@pytest.mark.parametrize(
    "options",
    [
        {"capacity": 0},
        {"capacity": -1},
        {"capacity": 1 << 40},
        {"largest": 0},
        {"memory": 100, "largest": 200},
        {"redeliver": -1},
        {"largest": 1 << 60},
        {"role": "x"},
        {"spec": "parrot"},
        {"spec": int},
    ],
    ids=str,
)
def test_a_queue_that_cannot_be_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError):
        Queue.create(None, **{"spec": bytes, **options})


def test_another_version_of_the_layout_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from memsection.channels import results

    name = unique_name()
    monkeypatch.setattr(results, "LAYOUT", 2)
    with Queue.create(name, bytes):
        monkeypatch.setattr(results, "LAYOUT", 1)
        with pytest.raises(CorruptError, match="version 2, this library knows version 1"):
            Queue.open(name)


def test_memory_is_enough_for_what_was_asked(make: Make) -> None:
    queue = make(capacity=64)
    for _ in range(64):
        queue.send(b"x" * 4096, 0)
    few = make(largest=500_000, memory=3_000_000)
    for _ in range(4):
        few.send(b"x" * 500_000, 0)
    for _ in range(64):
        assert len(queue.receive(0)) == 4096
    for _ in range(3):
        queue.send(b"y" * queue.largest, 0)
    assert make(largest=10_000_000, capacity=2).largest == 10_000_000


# ---------------------------------------------------------------------- in the company of the rest


def test_wait_any_and_wait_all_take_queues_and_take_nothing_from_them(make: Make) -> None:
    queue = make()
    with Event.create(manual_reset=True) as event:
        assert wait_any([queue, event], 0) is None
        assert not queue.wait(0)
        event.set()
        assert wait_any([queue, event], 0) is event
        assert not wait_all([queue, event], 0)
        queue.send(b"x")
        assert (
            wait_any([queue, event], 0) is queue and wait_all([queue, event], 0) and len(queue) == 1
        )
        assert queue.wait(0)
        with pytest.raises(ArgumentError):
            wait_all([queue, queue], 0)


def test_wait_any_wakes_for_a_message_that_comes_later(make: Make) -> None:
    queue = make()
    with Event.create() as event:
        sender = threading.Timer(0.05, queue.send, [b"x"])
        sender.start()
        assert wait_any([event, queue], 60) is queue
        sender.join()
        assert wait_all([queue], 60)


@pytest.mark.parametrize("threads", [8])
def test_threads_share_one_end(make: Make, threads: int) -> None:
    queue = make(object, capacity=5)
    each, found, lock = 60, [], threading.Lock()

    def sends(number: int) -> None:
        for i in range(each):
            queue.send((number, i, b"x" * (i % 3 * 2500)))

    def receives() -> None:
        for _ in range(each):
            number, i, rest = queue.receive()
            with lock:
                found.append((number, i))
            assert len(rest) == i % 3 * 2500

    workers = [threading.Thread(target=sends, args=(n,)) for n in range(threads)]
    workers += [threading.Thread(target=receives) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert sorted(found) == [(n, i) for n in range(threads) for i in range(each)]


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize(
    "create",
    [
        lambda name: Queue.create(name, bytes),
        lambda name: Topic.create(name, bytes),
        lambda name: Service.create(name, bytes, bytes),
    ],
    ids=["queue", "topic", "service"],
)
def test_an_end_that_nobody_has_any_more_closes_without_the_collector(
    create: Callable[[str], Any],
) -> None:
    name = unique_name()
    gc.collect()
    gc.disable()
    try:
        create(name)
        with pytest.raises(FileNotFoundError):
            Section.open(name)
    finally:
        gc.enable()
