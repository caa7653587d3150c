# SPDX-License-Identifier: MIT
"""An end that one thread closes while another is in the middle of a call of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from memsection import ArgumentError, EndOfChannelError
from memsection.channels import Client, Queue, Service

LARGE = 96 << 20  # bytes; copying them takes longer than the pauses here
PAUSES = (0.002, 0.01, 0.02)  # seconds


def beside(pause: float, call: Callable[[], Any], close: Callable[[], None]) -> list[object]:
    """What a call in a thread of its own came to, while this one closes."""
    came: list[object] = []
    inside = threading.Event()

    def calls() -> None:
        inside.set()
        try:
            came.append(call())
        except Exception as failure:
            came.append(failure)

    thread = threading.Thread(target=calls)
    thread.start()
    inside.wait()
    time.sleep(pause)
    close()
    thread.join(60)
    assert not thread.is_alive()
    return came


def values(spec: Any) -> Any:
    if spec is bytes:
        return bytes(LARGE)
    np = pytest.importorskip("numpy")
    frame = np.zeros(LARGE, np.uint8)
    return frame if spec is np.ndarray else {"frame": frame}


def specs() -> list[Any]:
    try:
        import numpy as np
    except ImportError:
        return [bytes]
    return [bytes, np.ndarray, object]


@pytest.mark.parametrize("spec", specs(), ids=lambda spec: spec.__name__)
def test_a_large_message_whose_end_is_closed_meanwhile_is_sent_whole_or_refused(spec: Any) -> None:
    value = values(spec)
    for pause in PAUSES:
        with Queue.create(None, spec, role="receive", largest=LARGE + 4096, capacity=1) as there:
            here = Queue.from_section(there.section.duplicate(), spec, role="send")
            (came,) = beside(pause, lambda end=here: end.send(value), here.close)
            assert came is None or isinstance(came, ArgumentError), came
            if came is None:
                assert there.wait(1)
            else:
                with pytest.raises(EndOfChannelError):
                    there.receive(1)
            assert there._core.places_in_hand()[0] == 0


def test_a_large_request_whose_end_is_closed_meanwhile_is_refused() -> None:
    value = bytes(LARGE)
    with Service.create("closed.meanwhile", bytes, bytes, largest=LARGE) as service:
        for pause in PAUSES:
            client = Client.open("closed.meanwhile", bytes, bytes)
            (came,) = beside(pause, lambda end=client: end(value), client.close)
            assert isinstance(came, ArgumentError), came
        assert not service.closed


def test_a_message_that_arrives_while_its_receiver_closes_is_taken_or_stays() -> None:
    with Queue.create(None, bytes, role="receive") as there:
        sender = Queue.from_section(there.section.duplicate(), bytes, role="send")
        for number in range(50):
            here = Queue.from_section(there.section.duplicate(), bytes, role="receive")
            value = b"%05d" % number * 2000

            def sends_and_closes(end: Queue[bytes] = here, value: bytes = value) -> None:
                sender.send(value)
                end.close()

            (came,) = beside(0.001, here.receive, sends_and_closes)
            if came != value:
                assert isinstance(came, ArgumentError), came
                assert there.receive(1) == value
            assert len(there) == 0
        sender.close()
