# SPDX-License-Identifier: MIT
"""Subclasses of queues, topics and services: overridden methods are called, and can call those they
override."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from memsection.channels import Client, Queue, Service, Topic
from memsection.channels.exchange import Exchange

CALLS: list[str] = []


@pytest.fixture(autouse=True)
def forget() -> None:
    CALLS.clear()


def loud(kind: Any, *methods: str) -> Any:
    """A subclass that notes which of these methods were called."""

    def overridden(name: str) -> Any:
        def method(self: Any, *arguments: Any, **options: Any) -> Any:
            CALLS.append(name)
            return getattr(super(made, self), name)(*arguments, **options)

        return method

    made = type(f"Loud{kind.__name__}", (kind,), {name: overridden(name) for name in methods})
    return made


@pytest.mark.parametrize("kind", [Queue, Topic])
@pytest.mark.parametrize("spec", [bytes, object])
def test_overridden_methods_of_an_end_are_called(kind: type[Exchange[Any]], spec: Any) -> None:
    methods = ("send", "send_many", "receive", "receive_many", "wait")
    with loud(kind, *methods).create(None, spec) as end:
        end.send(b"1")
        end.send_many([b"2", b"3", b"4"])
        assert end.wait(0)
        assert (end.receive(0), end.receive_many(2)) == (b"1", [b"2", b"3"])
        assert next(iter(end)) == b"4"
    assert CALLS == ["send", "send_many", "wait", "receive", "receive_many", "receive"]


def test_overridden_methods_of_a_service_are_called() -> None:
    with (
        loud(Service, "receive", "wait").create(None, bytes, bytes) as service,
        Client.from_section(service.section.duplicate(), bytes, bytes) as client,
        ThreadPoolExecutor(1) as other,
    ):
        answer = other.submit(client, b"question", 20)
        assert service.wait(60)
        service.receive(60).reply(b"answer")
        assert answer.result(60) == b"answer"
    assert CALLS == ["wait", "receive"]


@pytest.mark.parametrize("kind", [Queue, Topic])
def test_what_a_subclass_leaves_alone_costs_no_frame(kind: type[Exchange[Any]]) -> None:
    with loud(kind, "send").create(None, bytes) as end:
        assert "send" not in vars(end) and "receive" in vars(end)


def test_a_subclass_of_a_subclass_has_its_own_and_its_parents_methods_called() -> None:
    kind = loud(loud(Queue, "send"), "receive")
    with kind.create(None, bytes) as end:
        end.send(b"1")
        assert end.receive(0) == b"1"
        assert {"send_many", "wait"} <= vars(end).keys()
    assert CALLS == ["send", "receive"]


@pytest.mark.parametrize("overridden", [("__call__",), ()])
def test_a_subclass_of_a_client_is_called_as_it_says(overridden: tuple[str, ...]) -> None:
    kind = loud(Client, *overridden)
    with (
        Service.create(None, bytes, bytes) as service,
        kind.from_section(service.section.duplicate(), bytes, bytes) as client,
        ThreadPoolExecutor(1) as other,
    ):
        server = other.submit(service.serve, bytes.upper)
        assert client(b"question", timeout=60) == b"QUESTION"
        assert type(client).__mro__[1] is Client
        service.shutdown()
        server.result(60)
    assert list(overridden) == CALLS


def test_clients_are_called_with_what_their_calls_take_and_nothing_else() -> None:
    with (
        Service.create(None, bytes, bytes) as service,
        Client.from_section(service.section.duplicate(), bytes, bytes) as client,
        ThreadPoolExecutor(1) as other,
    ):
        server = other.submit(service.serve, bytes.upper)
        assert client(b"short", 60) == Client.__call__(client, b"short", 60) == b"SHORT"
        assert client(value=b"kept", timeout=60, copy=False) == b"KEPT"
        for wrong in ((), (b"", 1, True), (b"", 1, 2, 3)):
            with pytest.raises(TypeError):
                client(*wrong)
        with pytest.raises(TypeError):
            client(b"", unknown=1)  # type: ignore[call-arg]
        service.shutdown()
        server.result(60)
