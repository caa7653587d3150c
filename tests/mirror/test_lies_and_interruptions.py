# SPDX-License-Identifier: MIT
"""What another host, a program beside, a signal handler or a fork does to a mirror at a bad
moment: it goes on, or says why not."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

from support.hosts import Host, secure

#: A publisher that tells of values which it says it sent in between: in two epochs, more than there
#: are numbers.
HUGE = """
import zenoh
from memsection.mirror import contents, wire
config = zenoh.Config()
for name, value in {"mode": "peer", "listen/endpoints": ["tcp/127.0.0.1:PORT"], "scouting/multicast/enabled": False,
                    "scouting/gossip/enabled": False}.items():
    config.insert_json5(name, json.dumps(value))
session = keep(zenoh.open(config))
prefix, text = wire.prefix("robot", "camera"), contents.pack({"kind": "latest", "capacity": 64, "slots": 2, "version": 1})
now = [1, 1]
def record():
    return wire.Announcement(*now, 5, contents.digest(text)).pack()
def tell(query):
    with query: query.reply(prefix + "/head", text, attachment=record())
def pull(query):
    with query:
        for payload, attachment in [(text, record()), (b"%05d" % now[0], wire.chunk(*now, 0)), (b"", wire.commit(*now, 5))]:
            query.reply(prefix + "/pull", payload, attachment=attachment)
made = [session.declare_queryable(prefix + "/head", tell), session.declare_queryable(prefix + "/pull", pull)]
def say(epoch, sequence):
    now[:] = epoch, sequence
    if len(made) < epoch + 2:
        made.append(session.liveliness().declare_token(prefix + "/alive/%016x" % epoch))
"""


def test_counts_of_values_that_were_missed_are_never_too_large(
    robot: Host, base: Host, port: int
) -> None:
    robot.run(HUGE.replace("PORT", str(port)))
    robot.run("say(1, 1)")
    base.run("replica = keep(mirror.subscribe('robot/camera', network=net))")
    for epoch in (1, 2, 3):
        for sequence in (1, (1 << 64) - 1):
            robot.run(f"say({epoch}, {sequence})")
            seen = f"(replica.epoch, replica.sequence) == ({epoch}, {sequence})"
            assert base.value(f"until(lambda: {seen})"), base.value("str(replica.problem)")
    assert base.value("replica.statistics['missed']") == (1 << 64) - 1
    assert base.value("keep(latest.open('camera')).read()") == b"00003"
    robot.run("del made")


#: Statements that write noise over the status of a replica.
SCRIBBLE = """
spoiled = memsection.Section.open('camera.mirror', access='rw')
with spoiled.map() as view: view[:] = b'\\xff' * len(view)
spoiled.close()
"""


def test_a_program_that_stands_by_outlives_a_spoiled_status(
    robot: Host, base: Host, host: Callable[..., Host]
) -> None:
    robot.run(
        "camera = keep(latest.create('camera', 64)); camera.write(b'one')\n"
        "publication = keep(mirror.publish(camera, network=net))"
    )
    second = host(beside=base)
    second.run(
        "net = mirror.Network('base', connect=connect)", connect=base.value("list(net.connect)")
    )
    base.run("replica = keep(mirror.subscribe('robot/camera', network=net))")
    assert base.value("replica.wait(timeout=60)")
    second.run("replica = keep(mirror.subscribe('robot/camera', network=net))")
    os.kill(base.pid, signal.SIGSTOP)  # it would write the status anew
    try:
        second.run(SCRIBBLE)
        assert second.value("until(lambda: replica.problem is not None)")
        assert second.value("replica._thread.is_alive()")
    finally:
        os.kill(base.pid, signal.SIGCONT)
    robot.run("camera.write(b'two')")
    assert second.value("until(lambda: replica.problem is None)")
    base.run("replica.close()")
    assert second.value("until(lambda: replica.carries)")
    robot.run("camera.write(b'three')")
    assert second.value("until(lambda: keep(latest.open('camera')).read() == b'three')")


#: Statements that write, over the status of a replica, another one that makes sense.
LIE = """
from memsection.mirror.status import CAPACITY, Status
with latest.open('camera.mirror', CAPACITY, write=True) as end:
    before = Status.unpack(end.read())
    far = time.monotonic_ns() + 10**15
    lie = before._replace(changes=before.changes + 7, sequence=1 << 40, arrived_ns=far, heard_ns=far, flags=0)
    end.write(lie.pack())
"""


def test_who_carries_next_believes_no_number_that_the_publisher_has_not_reached(
    robot: Host, base: Host, host: Callable[..., Host]
) -> None:
    robot.run(
        "camera = keep(latest.create('camera', 64)); camera.write(b'one')\n"
        "publication = keep(mirror.publish(camera, network=net))"
    )
    second = host(beside=base)
    second.run(
        "net = mirror.Network('base', connect=connect)", connect=base.value("list(net.connect)")
    )
    base.run("replica = keep(mirror.subscribe('robot/camera', network=net))")
    assert base.value("replica.wait(timeout=60)")
    os.kill(base.pid, signal.SIGSTOP)  # it would write the status anew
    second.run(LIE)
    second.run("keep(latest.open('camera')), keep(latest.open('camera.mirror', CAPACITY))")
    os.kill(base.pid, signal.SIGKILL)
    base.program.process.wait(60)
    second.run("replica = keep(mirror.subscribe('robot/camera', network=net))")
    assert second.value("until(lambda: replica.carries)")
    robot.run("camera.write(b'two')")
    assert second.value("until(lambda: keep(latest.open('camera')).read() == b'two')")
    assert second.value("until(lambda: replica.sequence == 2 and replica.age < 60)")


def test_a_status_that_makes_sense_and_is_none_is_written_anew_though_nothing_comes(
    robot: Host, base: Host, host: Callable[..., Host]
) -> None:
    robot.run(
        "camera = keep(latest.create('camera', 64)); camera.write(b'one')\n"
        "publication = keep(mirror.publish(camera, network=net))"
    )
    second = host(beside=base)
    second.run(
        "net = mirror.Network('base', connect=connect)", connect=base.value("list(net.connect)")
    )
    base.run("replica = keep(mirror.subscribe('robot/camera', network=net))")
    assert base.value("replica.wait(timeout=60)")
    second.run("replica = keep(mirror.subscribe('robot/camera', network=net))")
    robot.run("publication.close()")
    assert second.value("until(lambda: replica.state == 'gone')")
    assert base.value("until(lambda: replica.state == 'gone')")
    second.run(LIE)
    assert base.value("(replica.state, replica.sequence)") == ("gone", 1)  # it knows better
    assert second.value("until(lambda: (replica.state, replica.sequence) == ('gone', 1))")
    assert second.value("until(lambda: not replica.wait(0, after=1))")


def test_who_was_told_a_number_that_never_was_gets_what_comes(
    robot: Host, base: Host, host: Callable[..., Host]
) -> None:
    robot.run(
        "camera = keep(latest.create('camera', 64)); camera.write(b'one')\n"
        "publication = keep(mirror.publish(camera, network=net))"
    )
    second = host(beside=base)
    second.run(
        "net = mirror.Network('base', connect=connect)", connect=base.value("list(net.connect)")
    )
    base.run("replica = keep(mirror.subscribe('robot/camera', network=net))")
    assert base.value("replica.wait(timeout=60)")
    second.run("replica = keep(mirror.subscribe('robot/camera', network=net))")
    os.kill(base.pid, signal.SIGSTOP)
    try:
        second.run(LIE)
        assert second.value("replica.sequence") == 1 << 40
    finally:
        os.kill(base.pid, signal.SIGCONT)
    assert second.value("until(lambda: replica.sequence == 1)")
    robot.run("camera.write(b'two')")
    assert second.value("replica.wait(15, after=1 << 40)")
    assert second.value("until(lambda: replica.sequence == 2)")
    assert second.value("until(lambda: not replica.wait(0, after=2))")


#: Statements that interrupt the next wait for a thread, as a signal handler does that raises.
INTERRUPT = """
def interrupted(*_, usual=threading.Thread.join):
    threading.Thread.join = usual
    raise KeyboardInterrupt
threading.Thread.join = interrupted
"""


def test_a_token_that_goes_after_a_silence_may_come_back(robot: Host, base: Host) -> None:
    """A publisher that was stopped ends its link when it goes on, and makes another one."""
    robot.run(
        "camera = keep(latest.create('camera', 64)); camera.write(b'first')\n"
        "publication = keep(mirror.publish('camera', network=net))"
    )
    base.run(
        "replica = keep(mirror.subscribe('robot/camera', network=net)); receiver = "
        "replica._receiver\n"
        "assert replica.wait(timeout=60) and until(lambda: receiver._alive)\n"
        "receiver._heard_now = lambda: receiver._shared.write(heard_ns=time.monotonic_ns())\n"
        "def drop():\n"
        "    receiver._alive.clear(); receiver._heard_now()\n"
        "    receiver._drop_token(replica.epoch)\n"
        "    return replica.state"
    )
    assert base.value("drop()") == "gone"  # nothing was silent: it has ended
    base.run("receiver._silent_until = time.monotonic() + 60; receiver._ask = lambda: None")
    assert base.value("drop()") == "stale"
    assert base.value("until(lambda: replica.state == 'gone')")
    base.run(
        "receiver._ended.clear(); drop(); receiver._note_token(replica.epoch); del receiver._ask"
    )
    assert base.value("until(lambda: replica.state == 'live')")
    assert not base.value("until(lambda: replica.state == 'gone', 1)")


def test_a_close_that_is_interrupted_is_one(robot: Host, base: Host) -> None:
    robot.run(
        "camera = keep(latest.create('camera', 64)); camera.write(b'one')\n"
        "publication = keep(mirror.publish(camera, network=net))"
    )
    base.run("replica = keep(mirror.subscribe('robot/camera', network=net))")
    assert base.value("replica.wait(timeout=60)")
    robot.run(INTERRUPT)
    robot.run(
        "try: publication.close()\nexcept KeyboardInterrupt: pass\nelse: raise AssertionError"
    )
    assert base.value("until(lambda: replica.state == 'gone')")
    assert not robot.value("publication._thread.is_alive()")
    base.run(INTERRUPT)
    base.run("try: replica.close()\nexcept KeyboardInterrupt: pass\nelse: raise AssertionError")
    assert not base.value("replica._thread.is_alive()")
    # Nothing is left: neither by this close, nor by the one at the end.
    assert base.value("[one.name for one in memsection.nt.kernel.list_directory()]") == []


def test_a_child_that_is_forked_while_a_lock_is_held_is_told(robot: Host) -> None:
    robot.run(
        "camera = keep(latest.create('camera', 64))\n"
        "publication = keep(mirror.publish(camera, network=net))\n"
        "from memsection.mirror import network\n"
        "taken, over = threading.Event(), threading.Event()\n"
        "def hold(network=network, taken=taken, over=over):\n"
        "    with network._lock: taken.set(); over.wait(60)\n"
        "holding = threading.Thread(target=hold); holding.start(); taken.wait(60)\n"
        "reading, writing = os.pipe(); child = os.fork()\n"
        "if not child:\n"
        "    try: mirror.publish('camera', network=net, name='other')\n"
        "    except memsection.Error as failure: os.write(writing, str(failure).encode())\n"
        "    finally: os._exit(0)\n"
        "os.close(writing); import select\n"
        "said = os.read(reading, 1000) if select.select([reading], [], [], 30)[0] else b'stuck'\n"
        "over.set(); holding.join(60); os.kill(child, 9); os.waitpid(child, 0); os.close(reading)"
    )
    assert b"forked" in robot.value("said")


def test_a_host_that_asks_what_others_publish_leaves_its_links_as_they_were(
    host: Callable[..., Host], keys: Path, port: int
) -> None:
    robot, base = host(), host()
    robot.run(
        f"net = {secure(keys, 'robot', listen=[f'tls/127.0.0.1:{port}'])}\n"
        "camera = keep(latest.create('camera', 64)); camera.write(b'one')\n"
        "publication = keep(mirror.publish(camera, network=net))"
    )
    base.run(
        f"net = {secure(keys, 'base', connect=[f'tls/127.0.0.1:{port}'])}\n"
        "replica = keep(mirror.subscribe('robot/camera', network=net))"
    )
    assert base.value("replica.wait(timeout=60)")
    robot.run("mirror.publications(net)")
    assert robot.value("len(publication._connection._users)") == 1
    robot.run("camera.write(b'two')")
    assert base.value("until(lambda: replica.sequence == 2)")
    assert base.value("replica.state") == "live"
