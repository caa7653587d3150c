# SPDX-License-Identifier: MIT
"""A timeout of a queue is a number of seconds, and is named where it is none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from memsection import WaitTimeoutError
from memsection.channels import Queue, Topic


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("send", (b"x",)),
        ("send_many", ([b"x"],)),
        ("send_async", (b"x",)),
        ("receive", ()),
        ("receive_many", (2,)),
        ("receive_into", (bytearray(9),)),
        ("receive_async", ()),
        ("wait", ()),
    ],
)
def test_a_timeout_that_is_no_number_is_named(method: str, arguments: tuple[Any, ...]) -> None:
    async def whole(end: Queue[bytes]) -> None:
        found = getattr(end, method)(*arguments, timeout="5")
        if asyncio.iscoroutine(found):
            await found

    with Queue.create(None, bytes, capacity=2) as queue:
        if "send" in method:
            queue.send_many([b"1", b"2"], timeout=0)
        with pytest.raises(TypeError, match="timeout: a number of seconds is needed, not '5'"):
            asyncio.run(whole(queue))


_AT_ONCE: dict[str, Callable[[Any, Any], Any]] = {
    "send": lambda end, timeout: end.send(end.something, timeout=timeout),
    "send_many": lambda end, timeout: end.send_many([end.something], timeout=timeout),
    "send_async": lambda end, timeout: _ran(end.send_async(end.something, timeout=timeout)),
    "receive": lambda end, timeout: end.receive(timeout=timeout),
    "receive_many": lambda end, timeout: end.receive_many(2, timeout=timeout),
    "receive_none": lambda end, timeout: end.receive_many(0, timeout=timeout),
    "receive_async": lambda end, timeout: _ran(end.receive_async(timeout=timeout)),
    "wait": lambda end, timeout: end.wait(timeout=timeout),
}


def _ran(waits: Any) -> Any:
    async def whole() -> Any:
        return await waits

    return asyncio.run(whole())


class _Queue(Queue[Any]):
    something: Any = b""


class _Topic(Topic[Any]):
    something: Any = b""


@pytest.mark.parametrize("wrong", ["5", float("nan"), 1j, [1]], ids=repr)
@pytest.mark.parametrize("method", _AT_ONCE)
@pytest.mark.parametrize("kind", [_Queue, _Topic])
@pytest.mark.parametrize(
    ("spec", "something"),
    [(bytes, b"short"), (bytes, bytes(5000)), (object, {"a": 1})],
    ids=["bytes", "long", "object"],
)
def test_a_wrong_timeout_is_refused_where_nothing_has_to_be_waited_for(
    spec: Any, something: Any, kind: Any, method: str, wrong: Any
) -> None:
    with kind.create(None, spec, capacity=8) as end:
        end.something = something
        end.send(something)
        with pytest.raises((TypeError, ValueError), match="timeout: a number of seconds is needed"):
            _AT_ONCE[method](end, wrong)
        assert end.receive(timeout=1) == something, "the message is still there"
        with pytest.raises(WaitTimeoutError):
            end.receive(timeout=0)


@pytest.mark.parametrize("right", [None, 0, 5, 10**30, 0.5, float("inf"), True, -1], ids=repr)
def test_a_right_timeout_is_none_the_worse_for_it(right: Any) -> None:
    with Queue.create(None, bytes, capacity=8) as end:
        end.send(b"x", timeout=right)
        assert end.receive(timeout=right) == b"x"


def test_an_observer_refuses_a_wrong_timeout_at_once_too() -> None:
    with Topic.create(None, bytes, observers=True, history=4) as topic:
        topic.send(b"x")
        with (
            Topic.from_section(topic.section, bytes, role="observe") as observer,
            pytest.raises(TypeError, match="timeout"),
        ):
            observer.wait(timeout="5")  # type: ignore[arg-type]
