# SPDX-License-Identifier: MIT
"""Delay, stalls and broken connections between two hosts, made by a forwarder where a kernel has no
network emulator."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest
from support.hosts import Host

#: A forwarder of TCP in a program of its own: what it takes it passes on ``delay`` seconds later,
#: and now and then after ``stall`` seconds, as a lost packet that is sent again would come.
FORWARDER = """
import random
delay, stall, often = 0.02, 0.25, 0.02
paths, listening, chance = set(), [], random.Random(5)
async def carry(reader, writer):
    # what is under way, with the time when it arrives: in order, as TCP has it
    under_way, loop, due = asyncio.Queue(200), asyncio.get_running_loop(), 0.0
    async def deliver():
        while (found := await under_way.get()) is not None:
            await asyncio.sleep(found[0] - loop.time())
            writer.write(found[1])
            await writer.drain()
        writer.close()
    delivering = asyncio.ensure_future(deliver())
    try:
        while some := await reader.read(65536):
            late = stall if chance.random() < often else 0
            due = max(due, loop.time() + delay + late)
            await under_way.put((due, some))
    except OSError:
        pass
    await under_way.put(None)
    await delivering
async def join(reader, writer):
    try:
        ahead = await asyncio.open_connection("127.0.0.1", TO)
    except OSError:
        writer.close()
        return
    ends = [writer, ahead[1]]
    paths.update(ends)
    try:
        await asyncio.gather(carry(reader, ahead[1]), carry(ahead[0], writer), return_exceptions=True)
    finally:
        paths.difference_update(ends)
        for end in ends:
            end.close()
async def serve():
    listening.append(await asyncio.start_server(join, "127.0.0.1", FROM))
loop = asyncio.new_event_loop()
threading.Thread(target=loop.run_forever, daemon=True).start()
asyncio.run_coroutine_threadsafe(serve(), loop).result(60)
def cut():
    # every connection breaks, and for a while nobody gets through
    listening.pop().close()
    for path in list(paths):
        path.transport.abort()
"""


@pytest.fixture
def between(host: Callable[..., Host], robot: Host, base: Host, port: int) -> Iterator[Host]:
    """The forwarder; ``base`` reaches ``robot`` through it alone."""
    made = host()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        own = int(probe.getsockname()[1])
    made.run(FORWARDER.replace("FROM", str(own)).replace("TO", str(port)))
    base.run(f"net = mirror.Network('base', connect=['tcp/127.0.0.1:{own}'])")
    yield made
    made.run(
        "asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(60)\n"
        "[loop.call_soon_threadsafe(one.close) for one in listening]\n"
        "loop.call_soon_threadsafe(cut) if listening else None\n"
        "loop.call_soon_threadsafe(loop.stop)"
    )


def test_values_arrive_whole_with_delay_and_stalls(robot: Host, base: Host, between: Host) -> None:
    size = 3_000_000
    robot.run(
        f"camera = keep(latest.create('camera', {size})); camera.write(bytes([1]) * {size})\n"
        "small = keep(latest.create('small', 64)); small.write(b'0')\n"
        "publications = [keep(mirror.publish(one, network=net)) for one in (camera, small)]"
    )
    base.run(
        "replica = keep(mirror.subscribe('robot/camera', network=net))\n"
        "little = keep(mirror.subscribe('robot/small', network=net))"
    )
    assert base.value("replica.wait(timeout=60) and little.wait(timeout=60)")
    base.run("reader = keep(latest.open('camera')); seen = []")
    for number in range(2, 8):
        robot.run(f"camera.write(bytes([{number}]) * {size}); small.write(b'{number}')")
        base.run("replica.wait(timeout=0.2, after=seen[-1] if seen else 1)")
        base.run("seen.append(replica.sequence); now = reader.read()")
        assert base.value(f"len(set(now)) == 1 and len(now) == {size}")
    assert base.value(f"until(lambda: reader.read() == bytes([7]) * {size})")
    assert base.value("until(lambda: little.sequence == 7)")
    assert base.value("seen == sorted(seen)")


def test_connections_that_break_make_it_stale_and_live_again(
    robot: Host, base: Host, between: Host
) -> None:
    robot.run(
        "camera = keep(latest.create('camera', 64)); camera.write(b'1')\n"
        "publication = keep(mirror.publish(camera, network=net))"
    )
    base.run("replica = keep(mirror.subscribe('robot/camera', network=net, max_age=1.0))")
    assert base.value("replica.wait(timeout=60)")
    between.run("loop.call_soon_threadsafe(cut)")
    assert base.value("until(lambda: replica.state != 'live')")
    robot.run("camera.write(b'2')")
    between.run("asyncio.run_coroutine_threadsafe(serve(), loop).result(60)")
    assert base.value("until(lambda: replica.state == 'live' and replica.sequence == 2)")
