# SPDX-License-Identifier: MIT
"""Opening a channel that is not there yet: waiting for its name, in a thread or in an event loop."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from support.objects import unique_name

from memsection import NameTimeoutError, NotFoundError
from memsection.channels import Client, Queue, Service, Topic

#: (what makes it, what opens it, the specs of its messages)
PAIRS = [
    (Queue, Queue, [bytes]),
    (Topic, Topic, [bytes]),
    (Service, Service, [bytes, bytes]),
    (Service, Client, [bytes, bytes]),
]


@pytest.fixture(params=PAIRS, ids=lambda pair: pair[1].__name__)
def pair(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_the_name_appears_while_somebody_waits(pair: Any) -> None:
    maker, opener, specs = pair
    name = unique_name()
    made = []
    timer = threading.Timer(0.05, lambda: made.append(maker.create(name, *specs)))
    timer.start()
    with opener.open(name, timeout=60) as end:
        assert end.name == name
    timer.join()
    made[0].close()


def test_nothing_has_the_name_in_time(pair: Any) -> None:
    name = unique_name()
    with pytest.raises(NameTimeoutError, match="nothing had this name within 0.01 s"):
        pair[1].open(name, timeout=0.01)
    with pytest.raises(NotFoundError) as failure:
        pair[1].open(name)
    assert not isinstance(failure.value, NameTimeoutError)


@pytest.mark.parametrize("wrong", ["5", float("nan"), object()])
def test_a_timeout_that_is_no_number(pair: Any, wrong: Any) -> None:
    maker, opener, specs = pair
    with maker.create(unique_name(), *specs) as there, pytest.raises((TypeError, ValueError)):
        opener.open(there.name, timeout=wrong)


def test_the_loop_goes_on_while_a_task_waits(pair: Any) -> None:
    maker, opener, specs = pair

    async def main() -> None:
        name = unique_name()
        waiter = asyncio.create_task(opener.open_async(name, timeout=60))
        await asyncio.sleep(0.05)
        assert not waiter.done()
        with maker.create(name, *specs), await waiter as end:
            assert end.name == name

    asyncio.run(main())


def test_the_specs_and_options_are_those_of_open() -> None:
    async def main() -> None:
        with Queue.create(unique_name(), bytes) as queue:
            with await Queue.open_async(queue.name, bytes, role="send") as end:
                assert end.role == "send"
        with Service.create(unique_name(), bytes, bytes) as service:
            with await Client.open_async(service.name, bytes, reply=bytes) as client:
                assert client.name == service.name
        with pytest.raises(NameTimeoutError):
            await Topic.open_async(unique_name(), timeout=0.01)

    asyncio.run(main())


def test_a_task_that_is_cancelled_opened_nothing(pair: Any) -> None:
    async def main() -> None:
        waiter = asyncio.create_task(pair[1].open_async(unique_name()))
        await asyncio.sleep(0.02)
        waiter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter

    asyncio.run(main())


@pytest.mark.parametrize("option", ["capacity", "redeliver"])
def test_what_has_to_be_a_number_is_not_none(option: str) -> None:
    with pytest.raises(TypeError, match=f"{option} is a number, not NoneType"):
        Queue.create(None, **{option: None})  # type: ignore[call-overload]
