# SPDX-License-Identifier: MIT
"""Queues between processes: passing ends on, forks, and what a kill leaves."""

from __future__ import annotations

import multiprocessing
import multiprocessing.forkserver
import multiprocessing.resource_tracker
import os
import signal
import threading
import time
from typing import Any

import pytest
from support.objects import unique_name
from support.workers import fork, kill, reap, stopped_in, until

from memsection import EndOfChannelError, NoReceiverError, WaitTimeoutError
from memsection.api import transit
from memsection.channels import Queue, starting

np = pytest.importorskip("numpy")
PLACED, HUGE = 3000, 300_000


@pytest.fixture(scope="module", autouse=True)
def helpers_of_multiprocessing() -> None:
    """What it keeps for itself is there before anything is counted."""
    multiprocessing.forkserver.ensure_running()
    multiprocessing.resource_tracker.ensure_running()
    transit._own.make_notes()


@pytest.mark.invariant("Q1")
@pytest.mark.parametrize("by_name", [True, False])
def test_a_receiver_whose_senders_are_killed_gets_the_rest_and_then_the_end(by_name: bool) -> None:
    with Queue.create(unique_name(), bytes) as queue:

        def sends() -> object:
            end = Queue.open(queue.name) if by_name else queue
            end.send(b"1")
            end.send(b"2" * PLACED)
            return end

        pid = stopped_in(sends)
        assert queue.receive(20) == b"1"
        threading.Timer(0.05, os.kill, [pid, signal.SIGKILL]).start()
        assert list(queue) == [b"2" * PLACED]
        os.waitpid(pid, 0)
        assert queue.wait(0)


@pytest.mark.invariant("Q1")
def test_a_sender_to_a_full_queue_whose_receivers_are_killed_is_told() -> None:
    with Queue.create(None, bytes, capacity=2) as queue:
        pid = stopped_in(lambda: queue.receive(0) if queue.wait(0) else None)
        queue.send(b"1")
        queue.send(b"2")
        threading.Timer(0.05, os.kill, [pid, signal.SIGKILL]).start()
        with pytest.raises(NoReceiverError):
            queue.send(b"3", 20)
        os.waitpid(pid, 0)
        with pytest.raises(NoReceiverError):
            queue.send(b"3" * PLACED, 0)


@pytest.mark.invariant("Q1")
@pytest.mark.parametrize(
    ("length", "redeliver", "in_hand"), [(10, 0, False), (PLACED, 0, False), (PLACED, 2, True)]
)
def test_a_both_end_is_told_that_only_it_could_make_room_and_goes_on_when_it_does(
    length: int, redeliver: int, in_hand: bool
) -> None:
    first, *others = (b"%d" % n * length for n in range(3))
    memory = 3 * 4224 if in_hand else None  # as many places as messages
    with Queue.create(
        None, bytes, capacity=3, largest=4000, memory=memory, redeliver=redeliver
    ) as queue:
        for message in (first, *others):
            queue.send(message, 0)
        if in_hand:
            pid = stopped_in(lambda: [queue.receive(0, copy=False) for _ in range(3)])
        else:
            pid = stopped_in(lambda: queue._core.take_whole(0))  # in the middle of a receive
            assert [queue.receive(0), queue.receive(0)] == others
        kill(pid)
        with pytest.raises(NoReceiverError, match="all others"):
            queue.send(first, 20)
        assert len(queue) == (3 if in_hand else 1)
        assert {queue.receive(20) for _ in range(len(queue))} == (
            {first, *others} if in_hand else {first}
        )
        for message in (first, *others):
            queue.send(message, 0)
        assert [queue.receive(0) for _ in range(3)] == [first, *others]


@pytest.mark.invariant("Q4")
def test_places_that_a_dead_receiver_had_in_hand_are_taken_back() -> None:
    with Queue.create(None, np.ndarray, capacity=8, largest=1_000_000) as queue:
        for _ in range(2):
            queue.send(np.zeros(900_000, np.uint8))
        pid = stopped_in(lambda: [queue.receive(copy=False), queue.receive(copy=False)])
        with pytest.raises(WaitTimeoutError, match=f"kept in hand by process {pid}"):
            queue.send(np.zeros(900_000, np.uint8), 0)
        kill(pid)
        threading.Thread(target=lambda: None).start()
        queue.send(np.zeros(900_000, np.uint8), 20)
        assert queue.repaired == 2


@pytest.mark.invariant("Q3")
def test_what_the_dead_had_in_hand_is_free_for_who_comes_next_at_its_first_look() -> None:
    with Queue.create(None, bytes, capacity=4, largest=3000, memory=2 * 4224) as queue:

        def held_by_a_dead_one() -> None:
            for _ in range(2):
                queue.send(b"x" * 3000)
            kill(stopped_in(lambda: [queue.receive(copy=False) for _ in range(2)]))
            assert queue._core.places_in_hand()[0] == 2

        held_by_a_dead_one()
        queue.send(b"y" * 3000, 0)  # whoever finds no place looks after the others first
        assert queue.receive(0) == b"y" * 3000 and queue._core.places_in_hand()[0] == 0
        held_by_a_dead_one()
        Queue.from_section(queue.section.duplicate(), bytes).close()  # so does whoever opens an end
        assert queue._core.places_in_hand()[0] == 0


@pytest.mark.parametrize("length", [5, PLACED])
def test_with_redeliver_another_receiver_gets_what_the_dead_had_in_hand(length: int) -> None:
    with Queue.create(None, bytes, redeliver=1) as queue:
        queue.send(b"a" * length)
        for deliveries in (1, 2):

            def takes(deliveries: int = deliveries) -> object:
                block = queue.receiving(20)
                assert block.__enter__().deliveries == deliveries
                return block

            kill(stopped_in(takes))
        with pytest.raises(EndOfChannelError):
            queue.receive(20)
    with Queue.create(None, bytes) as once:
        once.send(b"a" * PLACED)
        kill(stopped_in(lambda: once.receive(copy=False)))
        with pytest.raises(EndOfChannelError):
            once.receive(20)


@pytest.mark.parametrize("length", [5, PLACED])
@pytest.mark.parametrize("capacity", [4, 50_000])
def test_what_the_dead_had_in_hand_comes_before_the_end_of_a_queue_that_was_shut_down(
    length: int, capacity: int
) -> None:
    with Queue.create(None, bytes, capacity=capacity, largest=PLACED, redeliver=1) as queue:
        for _ in range(min(capacity, 20_000)):  # the message is far from where a look begins
            queue.send(b"a" * length)
        for _ in range(min(capacity, 20_000) - 1):
            assert queue.receive(0)
        kill(stopped_in(lambda: queue.receiving(20).__enter__()))
        queue.shutdown()
        assert queue.receive(0) == b"a" * length
        with pytest.raises(EndOfChannelError, match="shut down"):
            queue.receive(20)


@pytest.mark.parametrize("many", [4, 24_000])  # the last one is far from where a look begins
def test_what_the_dead_had_in_hand_comes_before_the_end_when_all_who_sent_have_gone(
    many: int,
) -> None:
    def end(role: str) -> Queue[bytes]:
        return Queue.from_section(queue.section.duplicate(), bytes, role=role)

    with Queue.create(None, bytes, role="receive", capacity=2 * many, redeliver=1) as queue:
        with end("send") as sender:
            sender.send_many([b"a"] * many)
        for _ in range(many - 1):
            queue.receive(0)
        receiver = end("receive")
        kill(stopped_in(lambda: end("receive").receiving(20).__enter__()))
        assert receiver.receive(20) == b"a"
        receiver.close()


def test_a_message_of_a_dead_sender_that_has_memory_of_its_own_goes_with_it_and_no_other_does() -> (
    None
):
    with Queue.create(None, bytes) as queue:

        def sends() -> None:
            queue.send(b"x" * HUGE)
            queue.send(b"small")

        kill(stopped_in(sends))
        assert queue.receive(20) == b"small"
        with pytest.raises(EndOfChannelError):
            queue.receive(20)


def test_close_waits_until_a_message_with_memory_of_its_own_was_taken() -> None:
    name = unique_name()
    with Queue.create(name, bytes, role="receive") as receiver:

        def sends() -> None:
            with Queue.open(name, role="send") as sender:
                sender.send(b"x" * HUGE)

        pid = fork(sends)
        time.sleep(0.05)
        assert receiver.receive(20) == b"x" * HUGE
        assert reap(pid) == 0
        pid = fork(sends)
        assert reap_after(pid, receiver) == 0, "nobody is left who could take it"


def reap_after(pid: int, receiver: Queue[bytes]) -> int:
    assert receiver.wait(20)
    receiver.close()
    return reap(pid)


def test_a_forked_child_starts_with_nothing_in_hand_and_what_is_in_hand_stays_the_parents() -> None:
    with Queue.create(None, np.ndarray) as queue:
        queue.send(np.arange(5000))
        held = queue.receive(copy=False)

        def child() -> None:
            nonlocal held
            assert held[-1] == 4999
            del held
            assert queue._core.places_in_hand()[0] == 1
            queue.send(np.arange(3))
            queue.close()

        assert reap(fork(child)) == 0
        assert queue._core.places_in_hand() == (1, [os.getpid()]) and held.sum() == 4999 * 2500
        assert queue.receive(20).sum() == 3


def test_a_fork_of_a_fork_uses_the_end_it_was_born_with() -> None:
    with Queue.create(None, bytes) as queue:

        def child() -> None:
            queue.send(b"child")
            assert reap(fork(lambda: queue.send(b"grandchild"))) == 0
            queue.send(b"child again")

        assert reap(fork(child)) == 0
        assert list(queue) == [b"child", b"grandchild", b"child again"]
        assert queue.senders == 1


def test_a_child_that_never_used_the_end_is_waited_for_by_nobody() -> None:
    with Queue.create(None, bytes) as queue:
        pid = stopped_in(lambda: None)
        assert reap(fork(lambda: queue.send(b"x"))) == 0
        assert list(queue) == [b"x"]
        kill(pid)


def test_forks_in_the_middle_of_traffic_disturb_nobody() -> None:
    with Queue.create(None, bytes, capacity=3) as queue:
        stop = threading.Event()

        def traffic() -> None:
            while not stop.is_set():
                queue.send(b"t" * 200)
                queue.receive(20)

        threads = [threading.Thread(target=traffic) for _ in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(10):
            assert reap(fork(lambda: queue.senders and None)) == 0
        stop.set()
        for thread in threads:
            thread.join(20)
        assert len(queue) == 0 and queue._core.places_in_hand()[0] == 0


def _worker(jobs: Queue[Any], results: Queue[Any]) -> None:
    with jobs, results:
        for job in jobs:
            results.send((os.getpid(), job * 2))


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_ends_pass_through_multiprocessing_with_their_role(method: str) -> None:
    context = multiprocessing.get_context(method)
    with Queue.create(None, role="send") as jobs, Queue.create(None, role="receive") as results:
        ends = [
            Queue.from_section(jobs.section.duplicate(), role="receive"),
            Queue.from_section(results.section.duplicate(), role="send"),
        ]
        process = context.Process(target=_worker, args=ends)
        process.start()
        for i in range(20):
            jobs.send(i)
        jobs.shutdown()
        found = []
        while len(found) < 20:
            found.append(results.receive(60))
        process.join(20)
        exitcode = process.exitcode
        process.close()
        for end in ends:
            end.close()
        assert sorted(value for _, value in found) == list(range(0, 40, 2)) and exitcode == 0


def _sends_late(results: Queue[Any]) -> None:
    with results:
        for number in range(3):
            results.send(number)


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_an_end_that_is_passed_counts_until_the_process_has_its_own(method: str) -> None:
    context = multiprocessing.get_context(method)
    with Queue.create(None, role="receive") as results:
        with Queue.from_section(results.section.duplicate(), role="send") as passed:
            process = context.Process(target=_sends_late, args=(passed,))
            process.start()
        assert list(results) == [0, 1, 2]
        process.join(20)
        process.close()


class _NotStarted:
    def __reduce__(self) -> Any:
        raise RuntimeError("this cannot be passed")


@pytest.mark.parametrize("dies", [False, True])
def test_closing_an_end_that_is_passed_does_not_wait_for_a_process_that_has_ended(
    dies: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starting, "_PATIENCE", 3600.0)
    context = multiprocessing.get_context("spawn")
    with Queue.create(None, role="receive") as results:
        passed = Queue.from_section(results.section.duplicate(), role="send")
        process = context.Process(
            target=_sends_late, args=(passed, None if dies else _NotStarted())
        )
        if dies:
            process.start()
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
            passed.close()
            process.join(20)
            process.close()
        else:
            with pytest.raises(RuntimeError, match="cannot be passed"):
                process.start()
            passed.close()
        with pytest.raises(EndOfChannelError):
            results.receive()


def _sends_back(carrier: Any) -> None:
    with carrier.get() as queue:
        queue.send(queue.role)


def test_an_end_passes_through_a_queue_at_any_time() -> None:
    context = multiprocessing.get_context("spawn")
    carrier = context.Queue()
    with Queue.create(unique_name(), role="receive") as queue:
        process = context.Process(target=_sends_back, args=(carrier,))
        process.start()
        with Queue.open(queue.name, role="send") as passed:
            carrier.put(passed)
            assert queue.receive(60) == "send"
        process.join(20)
        process.close()
    carrier.close()
    carrier.join_thread()
    carrier._reader.close()
    carrier._writer.close()


def test_ends_are_counted_by_who_lives() -> None:
    name = unique_name()
    with Queue.create(name, bytes) as queue, Queue.open(name, role="send"):
        assert (queue.senders, queue.receivers) == (2, 1)
        pid = stopped_in(lambda: Queue.open(name, role="receive"))
        assert (queue.senders, queue.receivers) == (2, 2)
        kill(pid)
        assert (queue.senders, queue.receivers) == (2, 1)


def test_what_was_sent_before_another_began_is_received_first() -> None:
    queue = Queue.create(None, bytes)
    other = Queue.from_section(queue.section.duplicate(), bytes, role="send")
    for i in range(60):
        (queue, other, other)[i % 3].send(b"%d" % i * (1 if i % 2 else PLACED), 0)
    found = queue.receive_many(60)
    assert [int(one[: len(str(i))]) for i, one in enumerate(found)] == list(range(60))
    other.close()
    queue.close()


def test_a_stopped_receiver_holds_up_nobody_but_its_position() -> None:
    with Queue.create(None, bytes, capacity=4) as queue:
        pid = stopped_in(lambda: queue.receive(0) if queue.wait(0) else None)
        os.kill(pid, signal.SIGSTOP)
        for i in range(20):
            queue.send(b"%d" % i, 20)
            assert queue.receive(20) == b"%d" % i
        kill(pid)


@pytest.mark.invariant("Q4")
def test_kills_at_random_moments_lose_nothing_but_what_was_in_hand() -> None:
    with Queue.create(None, bytes, capacity=8) as queue:
        for round_ in range(8):

            def sends(round_: int = round_) -> None:
                for i in range(100_000):
                    queue.send(b"%d %d" % (round_, i) + b" " * (i % 3 * 1500))

            pid = fork(sends)
            # until then the end of the one before is all there is
            until(lambda: len(queue) > 0, "the sender has begun")
            got = [int(queue.receive(20).split()[1]) for _ in range(200)]
            kill(pid)
            while True:
                try:
                    got.append(int(queue.receive(20).split()[1]))
                except EndOfChannelError:
                    break
            assert got == list(range(len(got)))
        for _ in range(8):
            queue.send(b"x" * 4096, 20)
        until(lambda: len(queue) == 8, "all positions are free")
