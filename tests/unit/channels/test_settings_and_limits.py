# SPDX-License-Identifier: MIT
"""What channels promise at their limits, and what is set from outside: ends, subscribers, places
that stopped processes have, inheritance, how long waits spin."""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import subprocess
import sys

import pytest
from support.objects import unique_name
from support.workers import kill, stopped_in

from memsection import Error
from memsection._native import ends
from memsection.channels import Queue, Topic, endpoint

F_OFD_SETLK = 37
LOCKS = (1 << 62) + (1 << 32)  # MS_CHANNEL_LOCKS: the byte of slot 0
FLOCK = struct.Struct("@hhqqi4x")


def test_an_end_more_than_there_are_slots_is_told_how_many_there_can_be() -> None:
    with Queue.create(unique_name(), bytes) as queue:
        others = os.open(f"/proc/self/fd/{queue.section.fileno()}", os.O_RDWR)
        try:
            # They have all slots but that of the end here.
            lock = FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, LOCKS + 2, ends.ENDS_MOST - 1, 0)
            fcntl.fcntl(others, F_OFD_SETLK, lock)
            with pytest.raises(Error, match=f"{ends.ENDS_MOST} ends of the channel are open"):
                Queue.open(queue.name)
        finally:
            os.close(others)
        with Queue.open(queue.name) as another:
            another.send(b"there is a slot again")
            assert queue.receive(0) == b"there is a slot again"


def test_sixty_four_subscribers_get_every_message() -> None:
    with Topic.create(None, bytes, role="send", capacity=8) as topic:
        subscribers = [
            Topic.from_section(topic.section.duplicate(), bytes, role="receive") for _ in range(64)
        ]
        assert topic.receivers == 64
        for number in range(8):
            topic.send(b"%d" % number)
        for subscriber in subscribers:
            assert subscriber.receive_many(9, 0) == [b"%d" % number for number in range(8)]
            assert subscriber.missed == 0
            subscriber.close()


def test_who_is_stopped_while_it_makes_a_message_has_no_position() -> None:
    with Queue.create(None, bytes, capacity=2, largest=4000, memory=5 * 4224) as queue:

        def begins() -> object:
            block = queue.sending(4000, timeout=0)
            block.__enter__()
            return block

        pid = stopped_in(begins)
        os.kill(pid, signal.SIGSTOP)
        for number in range(20):  # the ring comes round ten times
            for _ in range(2):
                queue.send(b"%d" % number * 1000, 0)
            assert queue.receive_many(3, 0) == [b"%d" % number * 1000] * 2
        kill(pid)


def test_a_program_inherits_a_queue_that_is_inheritable() -> None:
    code = (
        "import sys; from memsection import Section; from memsection.channels import Queue\n"
        "with Queue.from_section(Section.from_handle(int(sys.argv[1])), bytes, role='send') as queue:\n"
        "    queue.send(b'from the program')\n"
    )
    with Queue.create(None, bytes, inheritable=True) as queue:
        subprocess.run(
            [sys.executable, "-c", code, str(queue.section.handle)], check=True, close_fds=False
        )
        assert queue.receive(0) == b"from the program"


@pytest.mark.parametrize(
    ("value", "spin"),
    [("0", 0), ("50", 50_000), ("9999999", 1_000_000), ("", None), ("-1", None), ("²", None)],
)
def test_the_environment_says_how_long_waits_spin(
    monkeypatch: pytest.MonkeyPatch, value: str, spin: int | None
) -> None:
    told: list[int] = []
    monkeypatch.setattr(ends, "set_spin", told.append)
    endpoint.set_spin(value)
    assert told == ([] if spin is None else [spin])


def test_a_program_whose_waits_do_not_spin_gets_its_messages() -> None:
    code = (
        "import sys; from memsection._native import ends\n"
        "told = []; set_spin = ends.set_spin\n"
        "ends.set_spin = lambda ns: (told.append(ns), set_spin(ns))\n"
        "from memsection.channels import Queue\n"
        "with Queue.open(sys.argv[1], role='receive') as queue:\n"
        "    assert queue.receive(60) == b'1' and told == [0], told\n"
    )
    with Queue.create(unique_name(), bytes, role="send") as queue:
        program = subprocess.Popen(
            [sys.executable, "-c", code, str(queue.name)],
            env={**os.environ, "MEMSECTION_SPIN_US": "0"},
        )
        queue.send(b"1", 60)
        assert program.wait(60) == 0


@pytest.mark.parametrize("spec", ["bytes", "object", "array"])
def test_copies_that_ask_for_huge_pages_are_whole_from_the_first_byte_to_the_last(
    spec: str,
) -> None:
    np = pytest.importorskip("numpy")
    raw = np.random.default_rng(7).integers(0, 256, (5 << 20) + 123, np.uint8)
    kinds = {"bytes": bytes, "object": object, "array": np.ndarray}
    value = {"bytes": raw.tobytes(), "object": {"frame": raw}, "array": raw}[spec]
    with Queue.create(None, kinds[spec], capacity=2, largest=6 << 20) as queue:
        for _ in range(3):
            queue.send(value, 0)
            found = queue.receive(0)
            frame = found["frame"] if spec == "object" else found
            if spec == "bytes":
                assert frame == value
            else:
                assert np.array_equal(frame, raw) and frame.flags.writeable
