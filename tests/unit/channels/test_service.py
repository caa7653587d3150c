# SPDX-License-Identifier: MIT
"""Services in one process: what is asked, what is answered, and what each side is told when
something goes wrong.
"""

from __future__ import annotations

import gc
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from support.alarms import ended_by_a_handler
from support.objects import starts_futures, unique_name
from support.workers import until

from memsection import (
    ArgumentError,
    EndOfChannelError,
    ExistsError,
    PeerDiedError,
    RemoteError,
    WaitTimeoutError,
    wait_any,
)
from memsection.channels import Call, Client, Queue, Service, overflow

np = pytest.importorskip("numpy")


def client_of(service: Service[Any, Any]) -> Client[Any, Any]:
    """A client that says of objects that they are: where nobody can tell who writes a section, as in
    Wine, nobody else may open such a service."""
    said = (spec if spec is object else None for spec in service._codec.spec)
    return Client.open(service.name or "", *said)


@contextmanager
def served(function: Callable[[Any], Any], *specs: Any, **options: Any) -> Iterator[Client]:
    """A client of a service that a thread serves."""
    name = unique_name()
    with Service.create(name, *specs, **options) as service, client_of(service) as client:
        server = threading.Thread(target=service.serve, args=[function])
        server.start()
        try:
            yield client
        finally:
            service.shutdown()
            server.join()


thread_of_the_futures = pytest.fixture(scope="module", autouse=True)(starts_futures)


def echo(value: Any) -> Any:
    return value


@dataclass
class Record:
    """As ``records.layout`` takes it."""

    number: Annotated[int, "i4"]
    weight: float


@pytest.mark.parametrize(
    ("spec", "values"),
    [
        (object, [None, {"a": [1, 2]}, "x" * 5000, "y" * 200_000, np.arange(3000)]),
        (
            bytes,
            [
                b"",
                b"a",
                b"b" * 112,
                b"c" * 113,
                b"d" * 5000,
                b"e" * 200_000,
                bytearray(b"f"),
                memoryview(b"g" * 200),
            ],
        ),
        (
            np.ndarray,
            [np.arange(7), np.zeros((3, 4), np.uint8), np.arange(9000.0), np.empty((0, 3))],
        ),
    ],
    ids=["object", "bytes", "array"],
)
def test_answers_come_back_for_requests_of_every_spec_and_size(
    spec: Any, values: list[Any]
) -> None:
    with served(echo, spec, spec) as client:
        for value in values:
            for answer in (
                client(value, 20),
                client(value, 20, copy=False),
                client.submit(value).result(60),
            ):
                if isinstance(value, np.ndarray):
                    assert answer.dtype == value.dtype and np.array_equal(answer, value)
                else:
                    assert answer == value


def test_tables_are_asked_and_answered() -> None:
    pa = pytest.importorskip("pyarrow")
    with served(lambda table: table.slice(1), "arrow", "arrow") as client:
        assert client(pa.table({"a": [1, 2, 3]}), 20).to_pydict() == {"a": [2, 3]}


def test_request_and_answer_may_be_of_different_specs() -> None:
    with served(lambda frame: int(frame.sum()), np.ndarray, object) as client:
        assert client(np.ones((100, 100), np.uint8), 20) == 10_000
    with served(len, bytes, object) as client:
        assert client(b"abc", 20) == 3


@pytest.mark.invariant("Q6")
def test_an_exception_of_the_function_arrives_with_its_name_its_text_and_its_traceback() -> None:
    class OutOfStockError(Exception):
        pass

    def sell(what: str) -> None:
        if what == "nothing":
            return
        raise KeyError(what) if what == "pears" else OutOfStockError("x" * 50_000)

    with served(sell) as client:
        with pytest.raises(RemoteError, match="KeyError: 'pears'") as caught:
            client("pears", 20)
        assert caught.value.type == "KeyError" and caught.value.text == "'pears'"
        assert "in sell" in caught.value.traceback
        with pytest.raises(RemoteError) as caught:
            client("apples", 20)
        assert caught.value.type.endswith("OutOfStockError") and len(caught.value.text) < 5000
        again = pickle.loads(pickle.dumps(caught.value))
        assert (again.type, again.text, again.traceback) == (
            caught.value.type,
            caught.value.text,
            caught.value.traceback,
        )
        assert client("nothing", 20) is None, "the server goes on"


def test_an_answer_that_cannot_be_sent_is_a_failure_of_the_call_and_not_of_the_server() -> None:
    with served(lambda value: value if value == b"x" else threading.Lock(), bytes, bytes) as client:
        with pytest.raises(RemoteError, match="TypeError"):
            client(b"a", 20)
        assert client(b"x", 20) == b"x"
    with (
        served(lambda value: threading.Lock()) as client,
        pytest.raises(RemoteError, match="cannot pickle"),
    ):
        client(1, 20)


def test_a_request_that_cannot_be_sent_raises_at_the_caller() -> None:
    with served(echo, bytes, bytes) as client:
        with pytest.raises(TypeError):
            client("text", 20)
        with pytest.raises(TypeError):
            client.submit("text")
    with served(echo, np.ndarray) as client, pytest.raises(TypeError, match="pointers"):
        client(np.array([object()]), 20)


def test_a_request_that_cannot_be_decoded_is_told_to_its_caller_alone() -> None:
    class Mine:
        def __reduce__(self) -> Any:
            return int, ("no number",)

    with served(echo) as client:
        with pytest.raises(RemoteError, match="ValueError"):
            client(Mine(), 20)
        assert client(5, 20) == 5


# ---------------------------------------------------------------------- by hand


def test_calls_are_taken_in_their_order_and_answered_in_any() -> None:
    with Service.create(unique_name()) as service, client_of(service) as client:
        futures = [client.submit(i) for i in range(5)]
        assert len(service) == 5 and service.wait(0)
        calls = [service.receive(60) for _ in range(5)]
        assert [call.value for call in calls] == list(range(5)) and not service.wait(0)
        for call in reversed(calls):
            assert isinstance(call, Call) and not call.done
            call.reply(call.value * 10)
            assert call.done
        assert [future.result(60) for future in futures] == [0, 10, 20, 30, 40]


def test_a_call_is_answered_once() -> None:
    with Service.create(unique_name()) as service, client_of(service) as client:
        future = client.submit(1)
        call = service.receive(60)
        call.reply("first")
        with pytest.raises(ArgumentError, match="already"):
            call.reply("second")
        with pytest.raises(ArgumentError, match="already"):
            call.fail(ValueError("third"))
        with pytest.raises(TypeError, match="takes an exception"):
            call.fail("no exception")  # type: ignore[arg-type]
        assert future.result(60) == "first"


@pytest.mark.invariant("Q6")
def test_a_call_that_is_collected_without_an_answer_is_told_to_its_caller() -> None:
    with Service.create(unique_name()) as service, client_of(service) as client:
        future = client.submit(1)
        call = service.receive(60)
        del call
        gc.collect()
        with pytest.raises(PeerDiedError, match="gave it up"):
            future.result(60)


def test_with_retry_another_gets_a_call_that_was_given_up() -> None:
    with Service.create(unique_name(), retry=2) as service, client_of(service) as client:
        future = client.submit([1])
        for _ in range(2):
            assert service.receive(60).value == [1]
        service.receive(60).reply("third")
        assert future.result(60) == "third"
        future = client.submit([2])
        for _ in range(3):
            assert service.receive(60).value == [2]
        with pytest.raises(PeerDiedError):
            future.result(60)
        assert client.retry == service.retry == 2


@pytest.mark.invariant("Q6")
def test_a_call_whose_time_is_up_is_given_to_nobody_and_its_answer_reaches_no_other() -> None:
    with Service.create(unique_name(), bytes, bytes) as service, client_of(service) as client:
        with pytest.raises(WaitTimeoutError, match="the time is up"):
            client(b"early", 0.01)
        with pytest.raises(WaitTimeoutError):
            service.receive(0)
        first = client.submit(b"first")
        call = service.receive(60)
        assert not call.abandoned
        first.cancel()
        until(lambda: call.abandoned, "the call is given up")
        second = client.submit(b"second")
        call.reply(b"late")
        other = service.receive(60)
        assert other.value == b"second"
        other.reply(b"right")
        assert second.result(60) == b"right"


@pytest.mark.parametrize("length", [1, 5000, 200_000])
def test_calls_that_are_given_up_leave_no_memory_taken(length: int) -> None:
    with (
        Service.create(unique_name(), bytes, bytes, capacity=2) as service,
        client_of(service) as client,
    ):
        for _ in range(200):
            with pytest.raises(WaitTimeoutError):
                client(b"x" * length, 0)
            with pytest.raises(WaitTimeoutError):
                service.receive(0)
        futures = [client.submit(b"y" * length) for _ in range(2)]
        with pytest.raises(WaitTimeoutError):
            client(b"z", 0.01)
        for _ in futures:
            service.receive(60).reply(b"w" * length)
        assert [future.result(60) for future in futures] == [b"w" * length] * 2


def test_answers_larger_than_the_memory_wait_for_nobody() -> None:
    with (
        Service.create(unique_name(), bytes, bytes, largest=5000, memory=40_000) as service,
        client_of(service) as client,
    ):
        futures = [client.submit(b"%d" % i) for i in range(40)]
        for i in range(40):
            service.receive(60).reply(b"%d" % i * 2000)
        assert [len(future.result(60)) for future in futures] == [
            len(b"%d" % i) * 2000 for i in range(40)
        ]


def test_a_large_answer_that_nobody_has_taken_keeps_nothing_of_its_request() -> None:
    with Service.create(unique_name(), bytes, bytes) as service, client_of(service) as client:
        future = client.submit(b"x" * 5000)
        call = service.receive(20, copy=False)
        assert service._core.places_in_hand()[0] == 1
        call.reply(b"y" * 300_000)
        del call
        assert service._core.places_in_hand()[0] == 0
        assert future.result(60) == b"y" * 300_000


@pytest.mark.parametrize("request_length", [10, 3000])
def test_a_large_answer_stays_until_its_client_has_opened_its_memory(
    monkeypatch: pytest.MonkeyPatch, request_length: int
) -> None:
    answered, really = threading.Event(), overflow.receive

    def receive_late(*arguments: Any) -> overflow.Large:
        assert answered.wait(60)
        service._codec.release_taken()  # as with the server's next large answer
        return really(*arguments)

    def answer() -> None:
        service.receive(60).reply(b"y" * 300_000)
        answered.set()

    name = unique_name()
    with Service.create(name, bytes, bytes) as service, Client.open(name) as client:
        monkeypatch.setattr(overflow, "receive", receive_late)
        server = threading.Thread(target=answer)
        server.start()
        assert client(b"x" * request_length, 20) == b"y" * 300_000
        server.join()
        assert service._codec.release_taken(), "the call has ended, and its memory may go"


def test_a_server_that_closes_waits_until_its_large_answers_were_taken() -> None:
    service = Service.create(unique_name(), bytes, bytes)
    with client_of(service) as client:
        future = client.submit(b"x")
        service.receive(60).reply(b"y" * 300_000)
        service.close()
        assert future.result(60) == b"y" * 300_000


def test_in_place_the_value_is_over_the_memory_and_keeps_it() -> None:
    with (
        Service.create(unique_name(), np.ndarray, np.ndarray) as service,
        client_of(service) as client,
    ):
        future = client.submit(np.arange(1000))
        call = service.receive(20, copy=False)
        assert not call.value.flags.writeable
        kept = call.value
        call.reply(np.arange(5))
        del call
        assert future.result(60).tolist() == [0, 1, 2, 3, 4]
        assert kept[999] == 999 and service._core.places_in_hand()[0] == 1
        del kept
        gc.collect()
        assert service._core.places_in_hand()[0] == 0


# ---------------------------------------------------------------------- the end


@pytest.mark.invariant("Q1")
def test_shut_down_calls_that_wait_are_served_and_new_ones_refused() -> None:
    with Service.create(unique_name()) as service, client_of(service) as client:
        future = client.submit(1)
        client.shutdown()
        with pytest.raises(EndOfChannelError, match="shut down"):
            client(2)
        with pytest.raises(EndOfChannelError):
            client.submit(2)
        for call in service:
            call.reply(call.value)
        assert future.result(60) == 1
        with pytest.raises(EndOfChannelError):
            service.receive()


@pytest.mark.invariant("Q1")
def test_shut_down_at_once_calls_that_wait_are_refused_and_those_in_hand_answered() -> None:
    with Service.create(unique_name()) as service, client_of(service) as client:
        in_hand, waiting = client.submit(1), client.submit(2)
        call = service.receive(60)
        service.shutdown(immediate=True)
        with pytest.raises(EndOfChannelError):
            waiting.result(60)
        call.reply("still")
        assert in_hand.result(60) == "still"


@pytest.mark.invariant("Q1")
def test_a_caller_whose_servers_have_all_closed_is_told() -> None:
    service = Service.create(unique_name())
    with client_of(service) as client:
        future = client.submit(1)
        service.close()
        with pytest.raises(PeerDiedError):
            future.result(60)
        with pytest.raises(PeerDiedError, match="no server is left"):
            client(2)
        with Service.open(client.name or "", *service._codec.spec) as again:
            future = client.submit(3)
            again.receive(60).reply(4)
            assert future.result(60) == 4
            assert again.servers == 1 and again.clients == 1


def test_a_closed_end_is_not_used_and_what_it_had_in_hand_can_be_answered() -> None:
    service = Service.create(unique_name())
    with client_of(service) as client:
        future = client.submit(1)
        call = service.receive(60)
        service.close()
        service.close()
        for use in (
            service.receive,
            lambda: service.wait(0),
            service.shutdown,
            lambda: service.servers,
        ):
            with pytest.raises(ArgumentError, match="closed"):
                use()
        call.reply(2)
        assert future.result(60) == 2
        client.close()
        for use in (lambda: client(1), lambda: client.submit(1), lambda: pickle.dumps(client)):
            with pytest.raises(ArgumentError, match="closed"):
                use()
        assert "closed" in repr(client) and "closed" in repr(service)


def test_a_call_in_another_thread_ends_when_its_client_is_closed() -> None:
    with Service.create(unique_name()) as service:
        client = client_of(service)
        found: list[BaseException] = []

        def calls() -> None:
            try:
                client(1)
            except ArgumentError as failure:
                found.append(failure)

        thread = threading.Thread(target=calls)
        thread.start()
        until(lambda: len(service) == 1, "the call waits")
        client.close()
        thread.join()
        assert found and service.clients == 0


@pytest.mark.linux_only("Windows has no timer that raises a signal")
def test_a_signal_handler_that_raises_ends_a_call_and_takes_none_from_a_server() -> None:
    class Now(Exception):
        pass

    with Service.create(unique_name(), bytes, bytes) as service, client_of(service) as client:
        ended_by_a_handler(lambda: client(b"given up"), Now)
        ended_by_a_handler(service.receive, Now)
        future = client.submit(b"kept")
        service.receive(60).reply(b"answer")
        assert future.result(60) == b"answer"


# ---------------------------------------------------------------------- making and opening


def test_what_differs_is_refused_and_the_error_shows_both() -> None:
    name = unique_name()
    with Service.create(name, bytes, np.ndarray, capacity=8, retry=1, version=3):
        with pytest.raises(ExistsError):
            Service.create(name, bytes, np.ndarray)
        for options in ({"capacity": 9}, {"retry": 0}, {"reply": bytes}, {"version": 4}):
            asked = {
                "request": bytes,
                "reply": np.ndarray,
                "capacity": 8,
                "retry": 1,
                "version": 3,
                **options,
            }
            with pytest.raises(ArgumentError, match="asked for .*; found"):
                Service.create(name, exist_ok=True, **asked)
        for opener in (Service.open, Client.open):
            with pytest.raises(ArgumentError, match="asked for spec object; found spec bytes"):
                opener(name, object)
            with pytest.raises(ArgumentError, match="asked for reply bytes; found reply array"):
                opener(name, bytes, bytes)
            with pytest.raises(ArgumentError, match="version"):
                opener(name, version=9)
            opener(name, bytes, np.ndarray, version=3).close()
        with pytest.raises(ArgumentError, match="asked for queue, found service"):
            Queue.open(name)
        again = Service.create(
            name, bytes, np.ndarray, capacity=8, retry=1, version=3, exist_ok=True
        )
        assert again.servers == 2 and again.capacity == 8
        again.close()
    with (
        Queue.create(name, bytes),
        pytest.raises(ArgumentError, match="asked for service, found queue"),
    ):
        Client.open(name)


@pytest.mark.parametrize(
    "options",
    [
        {"capacity": 0},
        {"retry": -1},
        {"largest": 0},
        {"capacity": 1 << 30},
        {"largest": 500, "memory": 100},
    ],
)
def test_what_no_service_can_be_is_refused(options: dict[str, int]) -> None:
    with pytest.raises(ArgumentError, match="asked for"):
        Service.create(None, **options)  # type: ignore[arg-type]


def test_a_retry_that_is_no_number_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="retry"):
        Service.create(None, retry=True)


def test_neither_is_made_by_calling_its_class() -> None:
    with pytest.raises(TypeError, match="makes nothing"):
        Client()
    with pytest.raises(TypeError, match="makes nothing"):
        Service()


def test_records_are_asked_and_answered() -> None:
    with served(lambda record: record, Record, Record) as client:
        assert client(Record(3, 0.5), 20) == {"number": 3, "weight": 0.5}
        with Client.open(client.name or "", Record, Record) as typed:
            assert typed(Record(3, 0.5), 20) == Record(3, 0.5)


def test_wait_any_takes_a_service_and_no_client() -> None:
    with Service.create(unique_name()) as service, client_of(service) as client:
        assert wait_any([service], 0) is None
        future = client.submit(1)
        assert wait_any([service], 60) is service
        service.receive(0).reply(1)
        assert future.result(60) == 1
        with pytest.raises(ArgumentError, match="not waited for"):
            wait_any([client], 0)


def test_threads_share_a_client_and_a_server() -> None:
    name = unique_name()
    with Service.create(name, bytes, bytes, capacity=4) as service, Client.open(name) as client:
        servers = [threading.Thread(target=service.serve, args=[bytes.upper]) for _ in range(3)]
        wrong: list[bytes] = []

        def calls(who: int) -> None:
            for i in range(150):
                value = b"%d-%d-" % (who, i) + b"a" * (i % 3 * 100)
                if client(value, 60) != value.upper():
                    wrong.append(value)

        clients = [threading.Thread(target=calls, args=[who]) for who in range(4)]
        for thread in [*servers, *clients]:
            thread.start()
        for thread in clients:
            thread.join()
        service.shutdown()
        for thread in servers:
            thread.join()
        assert not wrong and service._core.recover() == 0


def test_a_deadline_counts_for_asking_and_waiting_together() -> None:
    with Service.create(unique_name(), capacity=1) as service, client_of(service) as client:
        waiting = client.submit(1)
        begun = time.monotonic()
        with pytest.raises(WaitTimeoutError):
            client(2, 0.05)
        assert time.monotonic() - begun >= 0.05
        service.receive(60).reply(1)
        assert waiting.result(60) == 1
