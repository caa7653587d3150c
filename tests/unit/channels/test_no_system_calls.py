# SPDX-License-Identifier: MIT
"""While nobody sleeps, nobody makes a system call: messages pass without the kernel, which counts
here."""

from __future__ import annotations

import pytest
from support.tracing import attempt

from memsection.channels import Queue, Topic

MESSAGES = 500
FEW = 40  #: stops: two for each call that the interpreter makes beside the messages, for memory
PREPARE = "for _ in range(20): send(value); receive(0)"
OPERATION = f"for _ in range({MESSAGES}): send(value); receive(0)"


@pytest.mark.parametrize("length", [20, 3000])
@pytest.mark.parametrize("kind", ["queue", "topic"])
def test_messages_pass_without_system_calls_while_nobody_sleeps(kind: str, length: int) -> None:
    value = b"x" * length
    if kind == "queue":
        with Queue.create(None, bytes) as queue:
            space = {"send": queue.send, "receive": queue.receive, "value": value}
            assert attempt(space, PREPARE, OPERATION, FEW) == "ended"
        return
    with (
        Topic.create(None, bytes, role="send") as topic,
        Topic.from_section(topic.section.duplicate(), bytes, role="receive") as subscriber,
    ):
        space = {"send": topic.send, "receive": subscriber.receive, "value": value}
        assert attempt(space, PREPARE, OPERATION, FEW) == "ended"


def test_the_count_counts() -> None:
    assert attempt({}, "import os", f"for _ in range({FEW}): os.getppid()", FEW) == "killed"
