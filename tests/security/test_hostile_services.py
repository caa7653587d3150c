# SPDX-License-Identifier: MIT
"""Clients that lie, scribble and die end no server: what makes no sense is passed over, and others
are answered."""

from __future__ import annotations

import contextlib
import struct
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from support.objects import leaves_nothing, starts_futures, unique_name

from memsection import ArgumentError, CorruptError, Error, Section, WaitTimeoutError
from memsection.channels import Client, Service
from memsection.content import schema

thread_of_the_futures = pytest.fixture(scope="module", autouse=True)(starts_futures)


nothing_left = pytest.fixture(autouse=True)(leaves_nothing)
RING, ENTRY, FULL = 20480, 128, 2
TIME = 0.01
MARK = b"what the liar asks"
LIMITS = [0, 1, 4, 113, 1 << 20, 1 << 31, (1 << 32) - 1, (1 << 63) - 1, (1 << 64) - 1]


@pytest.fixture
def ends() -> Iterator[tuple[Service[bytes, bytes], Client[bytes, bytes], Client[bytes, bytes]]]:
    """A server, a client that lies, and one that does not."""
    name = unique_name()
    with (
        Service.create(name, bytes, bytes, capacity=4, largest=5000) as service,
        Client.open(name, bytes, bytes) as liar,
        Client.open(name, bytes, bytes) as honest,
    ):
        yield service, liar, honest


def others_are_answered(service: Service[bytes, bytes], client: Client[bytes, bytes]) -> None:
    """Calls are served as ever, by the loop that users write."""
    server = threading.Thread(target=service.serve, args=[bytes.upper])
    server.start()
    for length in (5, 4000, 50_000):
        assert client(b"x" * length, 20) == b"X" * length
    assert server.is_alive()
    client.shutdown()
    server.join(60)
    assert not server.is_alive()


def spoil_cell(memory: memoryview, at: int, value: int) -> None:
    """Write into the cell of the call that waits, behind its word: length and format, then its
    place."""
    cell = bytes(memory).find(MARK) - 16
    assert cell > RING
    if at == 8:
        struct.pack_into("<I", memory, cell + 8, value & 0xFFFFFFFF)
    else:
        struct.pack_into("<I", memory, cell + 8, 0xFFFFFFFF)  # in a place
        struct.pack_into("<Q", memory, cell + at, value)


@pytest.mark.sentence(45)
@pytest.mark.parametrize(
    "at", [8, 16, 24, 32], ids=["length", "unit", "length in the place", "word of the place"]
)
def test_lengths_and_places_of_a_request_at_their_limits_end_no_server(at: int, ends: Any) -> None:
    service, liar, honest = ends
    with memoryview(service._view) as memory:
        for value in LIMITS:
            future = liar.submit(MARK)
            spoil_cell(memory, at, value)
            with contextlib.suppress(WaitTimeoutError):  # and no other: one would end Service.serve
                call = service.receive(TIME)
                assert len(call.value) <= 112
                call.reply(b"")
            future.cancel()
    others_are_answered(service, honest)


@pytest.mark.sentence(45)
@pytest.mark.parametrize("at", [8, 16, 24], ids=["length", "number", "cell"])
def test_tickets_at_their_limits_end_no_server(at: int, ends: Any) -> None:
    service, liar, honest = ends
    with memoryview(service._view) as memory:
        for value in LIMITS:
            future = liar.submit(MARK)
            words = struct.unpack_from("<" + "Q120x" * 4, memory, RING)
            (entry,) = [number for number, word in enumerate(words) if word >> 16 & 15 == FULL]
            struct.pack_into("<Q", memory, RING + entry * ENTRY + at, value)
            with contextlib.suppress(WaitTimeoutError):
                service.receive(TIME).reply(b"")
            future.cancel()
    others_are_answered(service, honest)


SCRIBBLER = textwrap.dedent("""
    import contextlib, random, struct, sys, time
    from memsection import Error
    from memsection.channels import Client
    client = Client.open(sys.argv[1])
    memory, draw = memoryview(client._view), random.Random(3)
    end, cells = time.monotonic() + 0.5, len(memory) - 8192 - 260 * 192
    print("ready", flush=True)
    while time.monotonic() < end:
        low, high = draw.choice([(64, 192), (256, 512), (20480, 20992), (cells, cells + 4096)])
        struct.pack_into("<I", memory, draw.randrange(low, high, 4),
                         draw.choice([draw.getrandbits(32), draw.getrandbits(4), 0]))
        with contextlib.suppress(Error):
            client(b"x" * draw.choice([5, 3000]), 0.0005)
    """)


@pytest.mark.sentence(45)
@pytest.mark.sentence(13)
def test_a_client_that_scribbles_holds_up_no_wait_of_a_server_or_of_other_clients() -> None:
    name = unique_name()
    with (
        Service.create(name, bytes, bytes, capacity=4, largest=5000) as service,
        Client.open(name) as client,
    ):
        stop, raised = threading.Event(), list[BaseException]()

        def serves() -> None:
            try:
                while not stop.is_set():
                    with contextlib.suppress(Error):
                        service.receive(TIME).reply(b"y" * 3000)
            except BaseException as failure:
                raised.append(failure)

        server = threading.Thread(target=serves)
        server.start()
        with subprocess.Popen(
            [sys.executable, "-c", SCRIBBLER, name], stdout=subprocess.PIPE
        ) as liar:
            assert liar.stdout is not None and liar.stdout.readline() == b"ready\n"
            while liar.poll() is None:
                for length in (5, 4000):
                    with contextlib.suppress(Error):
                        client(b"x" * length, 0.001)
        stop.set()
        server.join(60)
        assert not server.is_alive() and not raised and liar.returncode == 0


@pytest.mark.sentence(45)
def test_clients_that_are_killed_while_they_ask_end_no_server() -> None:
    program = textwrap.dedent("""
        import sys
        from memsection.channels import Client
        client = Client.open(sys.argv[1])
        client(b"first", 20)
        print("ready", flush=True)
        while True:
            for length in (5, 4000, 50_000):
                client(b"x" * length)
        """)
    name = unique_name()
    service = Service.create(name, bytes, bytes, capacity=4, largest=5000)
    with service, Client.open(name, bytes, bytes) as client:
        server = threading.Thread(target=service.serve, args=[bytes.upper])
        server.start()
        liars = [
            subprocess.Popen([sys.executable, "-c", program, name], stdout=subprocess.PIPE)
            for _ in range(2)
        ]
        for liar in liars:
            with liar:
                assert liar.stdout is not None and liar.stdout.readline() == b"ready\n"
                assert client(b"x" * 4000, 20) == b"X" * 4000
                liar.kill()
        for length in (5, 4000, 50_000) * 4:
            assert client(b"x" * length, 20) == b"X" * length
        client.shutdown()
        server.join(60)
        assert not server.is_alive()
        service._core.recover()
        assert service.clients == 1 and service._core.places_in_hand()[0] == 0


@pytest.mark.sentence(13)
@pytest.mark.parametrize(
    "change",
    [
        {"reply": None},
        {"reply": "bytes"},
        {"reply": {}},
        {"reply": {"spec": "parrot"}},
        {"retry": -1},
        {"retry": "often"},
        {"retry": 1 << 70},
        {"capacity": 9},
        {"shape": [4, 0, 6, 0, 0, 0, 0]},
        {"shape": [4, 0, 6, 0, 0, 0, 0, 1 << 30]},
        {"shape": [4, 0, 6, 0, 0, 0, 0, 0]},
        {"shape": [4, 0, 6, 0, 0, 1, 1, 260]},
        {"kind": "queue"},
    ],
    ids=str,
)
def test_a_description_that_makes_no_sense_is_refused(change: dict[str, Any]) -> None:
    with Service.create(None, bytes, bytes, capacity=4) as service:
        facts = dict(schema.describe(service.section) or {})
        size = len(memoryview(service._view))
    name = unique_name()
    section, view = schema.make(schema.section_attributes(name), size, {**facts, **change})
    with section, view:
        for kind in (Service, Client):
            with pytest.raises((CorruptError, ArgumentError)):
                kind.from_section(Section.open(name, access="rw"))
