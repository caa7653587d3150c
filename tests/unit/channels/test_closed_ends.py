# SPDX-License-Identifier: MIT
"""The error of an end that was closed names the operation that was called."""

from __future__ import annotations

import asyncio
import inspect
import pickle
from typing import TYPE_CHECKING, Any

import pytest

from memsection import ArgumentError, wait_any
from memsection.channels import Client, Queue, Service, Topic

if TYPE_CHECKING:
    from collections.abc import Callable

_RECEIVES = {
    "receive": lambda end: end.receive(),
    "receive_many": lambda end: end.receive_many(2),
    "receive_into": lambda end: end.receive_into(bytearray(4)),
    "receive_async": lambda end: asyncio.run(end.receive_async()),
    "receiving": lambda end: end.receiving().__enter__(),
    "__iter__": lambda end: next(iter(end)),
    "__aiter__": lambda end: asyncio.run(anext(aiter(end))),
}
_SENDS = {
    "send": lambda end: end.send(b"x"),
    "send_many": lambda end: end.send_many([b"x"]),
    "send_async": lambda end: asyncio.run(end.send_async(b"x")),
    "sending": lambda end: end.sending(3).__enter__(),
}
_CALLS = {
    "__call__": lambda end: end(b"x"),
    "call_async": lambda end: asyncio.run(end.call_async(b"x")),
    "submit": lambda end: end.submit(b"x").result(60),
}
#: what is called, and what the error says of it
_CASES: dict[str, tuple[Callable[[Any], object], str]] = {
    **{name: (call, "receive from") for name, call in _RECEIVES.items()},
    **{name: (call, "send to") for name, call in _SENDS.items()},
    **{name: (call, "call") for name, call in _CALLS.items()},
    "receive_newest": (lambda end: end.receive_newest(), "receive from"),
    "wait": (lambda end: end.wait(0), "wait for"),
    "wait_any": (lambda end: wait_any([end], 0), "wait for"),
    "shutdown": (lambda end: end.shutdown(), "shut down"),
    "serve": (lambda end: end.serve(bytes), "serve"),
    "senders": (lambda end: end.senders, "senders of"),
    "receivers": (lambda end: end.receivers, "receivers of"),
    "servers": (lambda end: end.servers, "servers of"),
    "clients": (lambda end: end.clients, "clients of"),
    "__len__": (len, "length of"),
    "__enter__": (lambda end: end.__enter__(), "enter"),
    "__reduce__": (pickle.dumps, "pickle {kind}"),
}
_NOT_ASKED = {
    *("create", "open", "open_async", "from_section"),  # make another end
    *("close", "closed", "name", "missed", "repaired"),  # can be asked of a closed one
    *("section", "role", "capacity", "largest", "slow", "history", "observers", "retry"),
    "__bool__",
}


def _ends() -> list[tuple[str, Any]]:
    queue, topic = Queue.create("closed-queue", bytes), Topic.create("closed-topic", bytes)
    observer = Topic.open("closed-topic", role="observe")
    server = Service.create("closed-service", bytes, bytes)
    return [
        ("queue", queue),
        ("topic", topic),
        ("observer", observer),
        ("server", server),
        ("client", Client.open("closed-service")),
    ]


def _operations(end: Any) -> set[str]:
    """What this kind of end has of its own or of the library's classes."""
    return {
        name
        for kind in type(end).__mro__
        if kind.__module__.startswith("memsection.channels")
        for name, value in vars(kind).items()
        if (not name.startswith("_") or name in _CASES)
        and (callable(value) or isinstance(value, property) or inspect.isfunction(value))
    }


@pytest.mark.parametrize("name", ["queue", "topic", "observer", "server", "client"])
def test_the_error_of_a_closed_end_names_the_operation(name: str) -> None:
    ends = _ends()
    for _, each in ends:
        each.close()
    end = dict(ends)[name]
    unnamed = _operations(end) - _NOT_ASKED - set(_CASES)
    assert not unnamed, f"not asked here: {unnamed}"
    for operation in sorted(_operations(end) - _NOT_ASKED | {"wait_any"}):
        call, said = _CASES[operation]
        if name == "observer" and operation in (*_SENDS, "shutdown"):
            continue  # it never may: AccessError
        if name == "client" and operation == "wait_any":
            continue  # it is never waited for
        with pytest.raises(ArgumentError) as caught:
            call(end)
        text = f"{said.format(kind=type(end).__name__)} {end.name!r}: this end was closed"
        assert caught.value.strerror == text, operation


def test_without_a_name_there_is_no_preposition() -> None:
    queue = Queue.create(None, bytes)
    queue.close()
    with pytest.raises(ArgumentError, match="senders: this end was closed"):
        _ = queue.senders
    with pytest.raises(ArgumentError, match="length: this end was closed"):
        len(queue)
    with pytest.raises(ArgumentError, match="wait: this end was closed"):
        queue.wait(0)
