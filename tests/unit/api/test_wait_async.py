# SPDX-License-Identifier: MIT
"""Waiting in asyncio: many waits without threads, cancellation that takes nothing, mutexes between
tasks."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from typing import Any

import pytest
from support.workers import worker

from memsection import AbandonedMutexError, Event, Mutex, Process, Semaphore, errors


def run(main: Any) -> Any:
    return asyncio.run(asyncio.wait_for(main, 60))


@pytest.fixture(autouse=True)
def threads_come_to_an_end() -> Any:
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        if thread.name.startswith("memsection"):
            thread.join(60)
    assert set(threading.enumerate()) <= before


def test_hundreds_of_waits_at_once_need_no_thread_each() -> None:
    async def main() -> None:
        before = threading.active_count()
        events = [Event.create(manual_reset=False) for _ in range(400)]
        waits = [asyncio.create_task(event.wait_async()) for event in events]
        await asyncio.sleep(0.05)
        assert threading.active_count() - before <= 4
        for event in events:
            event.set()
        assert all(await asyncio.gather(*waits))
        for event in events:
            assert not event.is_set()
            event.close()

    run(main())


def test_what_is_there_is_taken_at_once_and_a_timeout_is_false() -> None:
    async def main() -> None:
        with Event.create(initial=True) as event:
            assert await event.wait_async() is True
            event.clear()
            assert await event.wait_async(0) is False
            assert await event.wait_async(0.02) is False

    run(main())


def test_another_process_wakes_a_wait(name: str) -> None:
    async def main() -> None:
        semaphore = Semaphore.create(name, 0, 3)
        with worker() as other:
            other.run("s = Semaphore.open(name)", name=name)
            wait = asyncio.create_task(semaphore.wait_async())
            await asyncio.sleep(0.02)
            assert not wait.done()
            other.run("s.release(2)")
            assert await wait is True
            assert semaphore.value == 1
        semaphore.close()

    run(main())


def test_a_wait_that_is_cancelled_has_taken_nothing() -> None:
    async def main() -> None:
        with Event.create(manual_reset=False) as event:
            waits = [asyncio.create_task(event.wait_async()) for _ in range(3)]
            await asyncio.sleep(0.02)
            waits[0].cancel()
            waits[1].cancel()
            await asyncio.gather(*waits[:2], return_exceptions=True)
            event.set()
            assert await waits[2] is True
            assert event.wait(0) is False
            last = asyncio.create_task(event.wait_async())
            await asyncio.sleep(0.02)
            last.cancel()
            await asyncio.gather(last, return_exceptions=True)
            event.set()
            assert event.wait(0) is True

    run(main())


def test_a_cancelled_wait_that_had_been_woken_leaves_the_turn_to_another() -> None:
    async def main() -> None:
        with Event.create(manual_reset=False) as event:
            first = asyncio.create_task(event.wait_async())
            await asyncio.sleep(0.02)
            through: list[bool] = []
            thread = threading.Thread(target=lambda: through.append(event.wait(60)))
            thread.start()
            await asyncio.sleep(0.02)
            event.set()
            first.cancel()  # before the loop can hear that it was woken
            await asyncio.gather(first, return_exceptions=True)
            while thread.is_alive():
                await asyncio.sleep(0.001)
            assert through == [True]

    run(main())


@pytest.mark.linux_only("Windows tells nobody of a pulse but who waits in the kernel")
def test_a_pulse_reaches_waits_that_had_begun() -> None:
    async def main() -> None:
        with Event.create() as event:
            waits = [asyncio.create_task(event.wait_async(30)) for _ in range(3)]
            await asyncio.sleep(0.02)
            event.pulse()
            assert await asyncio.gather(*waits) == [True] * 3
            assert await event.wait_async(0) is False

    run(main())


def test_tasks_take_turns_with_a_mutex_although_they_are_one_thread(name: str) -> None:
    async def main() -> None:
        one, two = Mutex.create(name), Mutex.open(name)
        inside: list[int] = []

        async def use(mutex: Mutex, number: int) -> None:
            async with mutex:
                inside.append(number)
                await asyncio.sleep(0.005)
                async with mutex:  # recursive for its task
                    await asyncio.sleep(0)
                inside.append(number)

        await asyncio.gather(*(use((one, two)[number % 2], number) for number in range(6)))
        assert inside[::2] == inside[1::2]
        assert one.owner is None
        one.close()
        two.close()

    run(main())


def test_async_with_waits_for_another_thread_without_blocking_the_loop() -> None:
    async def main() -> None:
        mutex = Mutex.create()
        taken, give = threading.Event(), threading.Event()

        def own() -> None:
            with mutex:
                taken.set()
                give.wait()

        thread = threading.Thread(target=own)
        thread.start()
        taken.wait()

        async def enter() -> int:
            async with mutex:
                return 1

        entering = asyncio.create_task(enter())
        await asyncio.sleep(0.02)
        assert not entering.done()
        give.set()
        assert await entering == 1
        thread.join()
        entering = asyncio.create_task(enter())
        assert await entering == 1
        mutex.close()

    run(main())


def test_a_cancelled_async_with_leaves_the_mutex_to_the_other_tasks() -> None:
    async def main() -> None:
        mutex = Mutex.create()

        async def hold(seconds: float) -> None:
            async with mutex:
                await asyncio.sleep(seconds)

        first = asyncio.create_task(hold(30))
        second = asyncio.create_task(hold(0))
        third = asyncio.create_task(hold(0))
        await asyncio.sleep(0.02)
        second.cancel()
        first.cancel()
        await asyncio.gather(first, second, return_exceptions=True)
        await third
        assert mutex.owner is None
        mutex.close()

    run(main())


def test_an_abandoned_mutex_raises_here_too(name: str) -> None:
    async def main() -> None:
        mutex = Mutex.create(name)
        with worker() as other:
            other.run("m = Mutex.open(name); m.acquire()", name=name)
            wait = asyncio.create_task(mutex.wait_async())
            await asyncio.sleep(0.02)
            pid = other.pid
            other.kill()
            with pytest.raises(AbandonedMutexError) as caught:
                await wait
            assert caught.value.owner_pid == pid
        with pytest.raises(AbandonedMutexError):
            async with mutex:
                pass
        assert await mutex.wait_async(accept_abandoned=True)
        mutex.release()
        async with mutex:
            pass
        mutex.close()

    run(main())


def test_a_repair_function_works_here_too() -> None:
    async def main() -> None:
        seen: list[Any] = []
        mutex = Mutex.create(repair=seen.append)
        thread = threading.Thread(target=mutex.acquire)
        thread.start()
        thread.join()
        async with mutex:
            assert len(seen) == 1
        mutex.close()

    run(main())


def test_processes_can_be_awaited_together_with_other_things() -> None:
    async def main() -> None:
        children = [
            subprocess.Popen(
                [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE
            )
            for _ in range(2)
        ]
        with Event.create() as event:
            processes = [Process(child.pid) for child in children]
            assert await processes[0].wait_async(0.02) is False
            waits = [asyncio.create_task(process.wait_async()) for process in processes]
            both = asyncio.create_task(event.wait_async())
            await asyncio.sleep(0.02)
            os.kill(children[1].pid, signal.SIGTERM)
            assert await waits[1] is True
            event.set()
            assert await both is True
            waits[0].cancel()
            await asyncio.gather(waits[0], return_exceptions=True)
            assert processes[1].alive is False and processes[0].alive is True
        for process, child in zip(processes, children, strict=True):
            process.close()
            child.kill()
            child.communicate()

    run(main())


def test_a_closed_object_cannot_be_awaited() -> None:
    event = Event.create()
    event.close()
    with pytest.raises(errors.HandleError):
        run(event.wait_async())
