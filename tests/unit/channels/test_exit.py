# SPDX-License-Identifier: MIT
"""Interpreters that end with channels open, threads waiting in them, messages in hand: quietly, at
once; others go on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
from support.objects import starts_futures, unique_name
from support.workers import PATIENCE

from memsection import NotFoundError, PeerDiedError
from memsection.channels import Client, Queue, Service, Topic

thread_of_the_futures = pytest.fixture(scope="module", autouse=True)(starts_futures)


BEGIN = """
import asyncio, os, sys, threading, time
from memsection import Section, wait_any
from memsection.channels import Client, Queue, Service, Topic

waiting = 0

def waits(function, *arguments):
    def run():
        global waiting
        waiting += 1
        function(*arguments)

    threading.Thread(target=run, daemon=True).start()

def forever(make):
    waits(lambda: asyncio.run(make()))

name = sys.argv[1]
"""
END = """
while waiting < expected:
    time.sleep(0.001)
time.sleep(0.02)  # they are in their waits
print("waits", flush=True)
sys.stdin.readline()
"""
PROGRAMS = {
    "queue": """
jobs = Queue.open(name, bytes)
kept = jobs.receive(20, copy=False)
block = jobs.receiving(20)
message = block.__enter__()
empty, full = Queue.create(None, bytes), Queue.create(None, capacity=1)
full.send({"large": b"x" * 300_000})
waits(empty.receive); waits(lambda: list(empty)); waits(full.send, 1); waits(wait_any, [empty]); waits(empty.wait)
forever(empty.receive_async); forever(lambda: full.send_async(2))
making = jobs.sending(5000)
place = making.__enter__()
expected = 7
""",
    "topic": """
news = Topic.open(name, bytes)
sender = Topic.open(name, bytes, role="send")
sender.send(b"a" * 3000); sender.send(b"b" * 300_000)
kept = news.receive(20, copy=False)
block = news.receiving(20)
message = block.__enter__()
empty, full = Topic.create(None, bytes), Topic.create(None, bytes, capacity=1, slow="wait")
slow = Topic.from_section(full.section.duplicate(), role="receive")
full.send(b"1")
seen = Topic.from_section(empty.section.duplicate("r"), role="observe")
waits(empty.receive); waits(lambda: list(empty)); waits(full.send, b"2"); waits(wait_any, [empty]); waits(seen.receive)
forever(empty.receive_async); forever(lambda: full.send_async(b"2"))
making = sender.sending(5000)
place = making.__enter__()
expected = 7
""",
    "service": """
server = Service.open(name, bytes, bytes)
call, placed = server.receive(60), server.receive(60, copy=False)
own = Service.create(None, bytes, bytes, capacity=1)
client, other = (Client.from_section(own.section.duplicate(), bytes, bytes) for _ in range(2))
waits(server.receive); waits(server.serve, bytes.upper); waits(wait_any, [server]); waits(client, b"answered by nobody")
while not len(own):
    time.sleep(0.001)
answered = own.receive(60)
answered.reply(b"y" * 300_000)
futures = [other.submit(b"x" * 300_000)]
waits(other.submit, b"no room"); forever(lambda: other.call_async(b"no room")); forever(server.receive_async)
expected = 7
""",
}
EXITS = ["pass", "raise SystemExit", "os._exit(0)"]


def ends(kind: str, exit_by: str, name: str, before: Callable[[], object]) -> None:
    """Run the program to its end, which must be soon, quiet and good."""
    program = [sys.executable, "-c", BEGIN + PROGRAMS[kind] + END + exit_by, name]
    with subprocess.Popen(
        program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            assert process.stdout.readline() == b"waits\n", (
                process.stderr and process.stderr.read().decode()
            )
            before()
            process.stdin.write(b"\n")
            _, said = process.communicate(timeout=PATIENCE)
        except BaseException:
            process.kill()
            raise
    assert (process.returncode, said) == (0, b"")


@pytest.mark.parametrize("exit_by", EXITS)
def test_an_interpreter_ends_with_queues_in_use_and_others_go_on(exit_by: str) -> None:
    name = unique_name()
    with Queue.create(name, bytes, capacity=4) as queue:
        for number in range(3):
            queue.send(b"%d" % number + b" " * 4000)
        ends("queue", exit_by, name, lambda: None)
        assert queue.receive(60).strip() == b"2"
        for _ in range(12):
            queue.send(b"x" * 4000, 60)
            queue.receive(60)
        queue._core.recover()
        assert (queue.senders, queue.receivers, queue._core.places_in_hand()[0]) == (1, 1, 0)
    with pytest.raises(NotFoundError):
        Queue.open(name)


@pytest.mark.parametrize("exit_by", EXITS)
def test_an_interpreter_ends_with_topics_in_use_and_others_go_on(exit_by: str) -> None:
    name = unique_name()
    with Topic.create(name, bytes, capacity=4, slow="wait") as topic:
        ends("topic", exit_by, name, lambda: topic.receive(60))
        for _ in range(12):
            topic.send(b"x" * 4000, 60)
            while topic.receive(60) != b"x" * 4000:
                pass
        topic._core.recover()
        assert (topic.senders, topic.receivers, topic._core.places_in_hand()[0]) == (1, 1, 0)
    with pytest.raises(NotFoundError):
        Topic.open(name)


@pytest.mark.parametrize("exit_by", EXITS)
def test_an_interpreter_ends_with_services_in_use_and_clients_are_told(exit_by: str) -> None:
    name = unique_name()
    with (
        Service.create(name, bytes, bytes, capacity=4) as service,
        Client.open(name, bytes, bytes) as client,
    ):
        futures = [client.submit(b"x" * length) for length in (5, 4000)]
        ends("service", exit_by, name, lambda: None)
        for future in futures:
            with pytest.raises(PeerDiedError):
                future.result(60)
        later = client.submit(b"again")
        service.receive(60).reply(b"yes")
        assert later.result(60) == b"yes"
        service._core.recover()
        assert (service.servers, service.clients, service._core.places_in_hand()[0]) == (1, 1, 0)
    with pytest.raises(NotFoundError):
        Service.open(name)
