# SPDX-License-Identifier: MIT
"""Publications and replicas between two hosts over loopback: what arrives, in which state, and for
whom."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest
from support.hosts import SHORT_LEASE, USUAL_LEASE, Host

FRAME = 3_000_000


def _publish_camera(robot: Host, capacity: int = 64) -> None:
    robot.run(
        "camera = keep(latest.create('camera', capacity)); camera.write(b'first')\n"
        "publication = keep(mirror.publish('camera', network=net))",
        capacity=capacity,
    )


def _subscribe(base: Host, what: str = "robot/camera", **options: object) -> None:
    base.run(
        "replica = keep(mirror.subscribe(what, network=net, **options))", what=what, options=options
    )
    assert base.value("replica.wait(timeout=60)"), base.value(
        "(replica.state, str(replica.problem))"
    )


def test_each_value_of_a_latest_value_arrives(robot: Host, base: Host) -> None:
    _publish_camera(robot)
    _subscribe(base)
    base.run("reader = keep(latest.open('camera'))")
    assert base.value("(reader.read(), replica.state, replica.sequence)") == (b"first", "live", 1)
    assert base.value("replica.epoch") == robot.value("publication.epoch")
    for number in range(2, 6):
        robot.run(f"camera.write(b'value {number}')")
        assert base.value("replica.wait(timeout=60, after=number - 1)", number=number)
        assert base.value("(reader.read(), replica.sequence)") == (b"value %d" % number, number)
    assert 0 <= base.value("replica.age") < 60
    assert base.value("replica.statistics")["snapshots"] >= 2


def test_a_large_value_is_pulled_whole(robot: Host, base: Host) -> None:
    _publish_camera(robot, FRAME)
    _subscribe(base, name="picture")
    base.run("reader = keep(latest.open('picture'))")
    robot.run("camera.write(bytes(range(256)) * (size // 256))", size=FRAME)
    assert base.value("replica.wait(timeout=60, after=1)")
    found = base.value("reader.read()")
    assert found == bytes(range(256)) * (FRAME // 256)


def test_records_keep_their_layout(robot: Host, base: Host) -> None:
    robot.run(
        "import dataclasses\n@dataclasses.dataclass\nclass Pose:\n    x: float\n    n: int\n"
        "pose = keep(latest.create('pose', Pose)); pose.write(Pose(1.5, 2)); "
        "keep(mirror.publish(pose, network=net))"
    )
    _subscribe(base, "robot/pose")
    assert base.value("keep(latest.open('pose')).read()") == {"x": 1.5, "n": 2}


def test_arrays_tables_records_and_bytes_open_as_what_they_are(robot: Host, base: Host) -> None:
    robot.run(
        "import numpy as np, pyarrow as pa; from memsection import arrow\n"
        "a = arrays.put('prices', np.arange(12.0).reshape(3, 4)); t = keep(arrow.put('table', "
        "{'x': 1} and "
        "pa.table({'x': [1, 2, 3]})))\n"
        "r = keep(records.create('dots', np.dtype([('x', '<i4'), ('y', '<f8')]), 5)); r[2] = "
        "{'x': 7, 'y': 0.5}\n"
        "s = keep(Section.create('plain', 5000)); v = keep(s.map()); v[:5] = b'bytes'\n"
        "for one in (a, t, r, s): keep(mirror.publish(one, network=net))"
    )
    for name in ("prices", "table", "dots", "plain"):
        _subscribe(base, f"robot/{name}")
    base.run(
        "from memsection import arrow\n"
        "p = arrays.open('prices', access='r'); found = p.tolist(), p.dtype.str, p.shape; del p\n"
        "with arrow.open('table') as t: found += (t.table.column('x').to_pylist(),)\n"
        "del t\n"
        "with records.open('dots', access='r') as r: found += (r[2],)\n"
        "with Section.open('plain', access='r') as s, s.map() as v: found += (bytes(v[:5]), len(v))"
    )
    assert base.value("found") == (
        [[0.0, 1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 7.0], [8.0, 9.0, 10.0, 11.0]],
        "<f8",
        (3, 4),
        [1, 2, 3],
        {"x": 7, "y": 0.5},
        b"bytes",
        8192,
    )
    robot.run("del a")


@pytest.mark.invariant("L7")
def test_a_reader_of_an_array_keeps_its_snapshot_and_the_next_opening_gets_the_new_one(
    robot: Host, base: Host
) -> None:
    robot.run(
        "a = arrays.create('prices', 1000); publication = keep(mirror.publish('prices', "
        "network=net, interval=None))"
    )
    _subscribe(base, "robot/prices")
    base.run("old = arrays.open('prices', access='r')")
    robot.run("a[:] = 7; publication.commit()")
    assert base.value("replica.wait(timeout=60, after=1)")
    base.run(
        "new = arrays.open('prices', access='r'); found = (old.sum(), new.sum()); del old, new"
    )
    assert base.value("found") == (0.0, 7000.0)
    robot.run("del a")


def test_a_section_is_looked_at_until_the_first_commit(robot: Host, base: Host) -> None:
    robot.run(
        "s = keep(Section.create('plain', 4096)); v = keep(s.map())\n"
        "publication = keep(mirror.publish('plain', network=net, interval=0.02))"
    )
    _subscribe(base, "robot/plain")
    robot.run("v[:3] = b'one'")
    assert base.value("replica.wait(timeout=60, after=1)")
    robot.run("publication.commit(); n = publication.sequence; v[:3] = b'two'; time.sleep(0.2)")
    assert robot.value("publication.sequence == n")
    robot.run("publication.commit()")
    assert base.value("replica.wait(timeout=60, after=n)", n=robot.value("n"))
    base.run("with Section.open('plain', access='r') as s, s.map() as v: found = bytes(v[:3])")
    assert base.value("found") == b"two"


def test_a_writer_that_scribbles_all_the_time_makes_no_snapshot(robot: Host) -> None:
    """The write comes while the copy is made, every time: by a copy that writes as it goes."""
    robot.run(
        "from memsection.mirror import sources\n"
        "s = keep(Section.create('noise', 1 << 22)); v = keep(s.map())\n"
        "publication = keep(mirror.publish('noise', network=net, interval=None)); whole = "
        "sources.Block._parts\n"
        "def scribble(block):\n"
        "    parts = whole(block)\n"
        "    v[100] = (v[100] + 1) % 256\n"
        "    return parts\n"
        "sources.Block._parts = scribble"
    )
    try:
        refused = robot.refusal("publication.commit()")
    finally:
        robot.run("sources.Block._parts = whole")
    assert refused.kind == "WaitTimeoutError" and "written to during every attempt" in str(refused)
    assert robot.value("publication.sequence") == 1
    assert robot.value("publication.commit()") == 2


def test_no_snapshot_is_torn(robot: Host, base: Host) -> None:
    """Values that say themselves whether they are whole, read while they change."""
    _publish_camera(robot, 200_000)
    robot.run(
        "def write_all():\n"
        "    for n in range(1, 401):\n"
        "        camera.write(bytes([n % 256]) * (100_000 + n))\n"
        "        time.sleep(0.001)\n"
        "writer = threading.Thread(target=write_all); camera.write(bytes(100_000)); writer.start()"
    )
    _subscribe(base)
    base.run(
        "reader = keep(latest.open('camera')); seen = set(); torn = 0; last = 0\n"
        "end = time.monotonic() + 60\n"
        "while time.monotonic() < end and not (len(set(seen)) and last == 400):\n"
        "    value = reader.read()\n"
        "    seen.add(value[0]); torn += value != value[:1] * len(value); last = len(value) - "
        "100_000"
    )
    robot.run("writer.join()")
    assert base.value("(torn, last)") == (0, 400)
    assert base.value("len(seen)") > 3


def test_a_late_subscriber_gets_the_newest(robot: Host, base: Host) -> None:
    _publish_camera(robot)
    robot.run("for n in range(50): camera.write(b'%d' % n)")
    _subscribe(base)
    assert base.value("keep(latest.open('camera')).read()") == b"49"


def test_a_publisher_that_closes_is_gone_and_its_last_value_stays(robot: Host, base: Host) -> None:
    _publish_camera(robot)
    _subscribe(base)
    robot.run("publication.close()")
    assert base.value("until(lambda: replica.state == 'gone')")
    assert base.value("keep(latest.open('camera')).read()") == b"first"


def test_a_publisher_that_is_killed_is_gone_and_comes_back_with_another_epoch(
    robot: Host, base: Host, host: Callable[..., Host], port: int
) -> None:
    _publish_camera(robot)
    _subscribe(base)
    epoch = base.value("replica.epoch")
    os.kill(robot.pid, signal.SIGKILL)
    robot.program.process.wait(60)
    assert base.value("until(lambda: replica.state == 'gone')")
    again = host(beside=robot)
    again.run(f"net = mirror.Network('robot', listen=['tcp/127.0.0.1:{port}'])")
    _publish_camera(again)
    again.run("camera.write(b'again')")
    assert base.value("replica.wait(timeout=60, after=(epoch, 1 << 60))", epoch=epoch)
    assert base.value("until(lambda: replica.state == 'live')")
    assert base.value("replica.epoch") != epoch
    base.run("reader = keep(latest.open('camera'))")
    assert base.value("until(lambda: reader.read() == b'again')")


def test_a_publisher_that_is_stopped_is_stale_and_then_live_again(robot: Host, base: Host) -> None:
    for one in (robot, base):
        one.run(SHORT_LEASE)
    _publish_camera(robot)
    _subscribe(base, max_age=0.4)
    os.kill(robot.pid, signal.SIGSTOP)
    try:
        assert base.value("until(lambda: replica.state == 'stale')")
        assert base.value("keep(latest.open('camera')).read()") == b"first"
        assert not base.value(
            "until(lambda: replica.state != 'stale', 1.3)"
        )  # also when the link's lease is over
    finally:
        os.kill(robot.pid, signal.SIGCONT)
        for one in (robot, base):
            one.run(USUAL_LEASE)
    assert base.value("until(lambda: replica.state == 'live')")
    robot.run("camera.write(b'more')")
    assert base.value("replica.wait(timeout=60, after=1)")


def test_two_programs_share_a_replica_and_the_second_goes_on_when_the_first_dies(
    robot: Host, base: Host, host: Callable[..., Host]
) -> None:
    _publish_camera(robot)
    robot.run(
        "a = arrays.create('prices', 10); publication = keep(mirror.publish('prices', "
        "network=net, interval=None))"
    )
    second = host(beside=base)
    second.run(
        "net = mirror.Network('base', connect=['tcp/127.0.0.1:1'])"
    )  # never used while the first carries
    for program in (base, second):
        _subscribe(program)
        _subscribe(program, "robot/prices")
        program.run("prices, replica = replica, open_things[-2]")
    assert base.value("(replica.carries, prices.carries)") == (True, True)
    assert second.value("(replica.carries, prices.carries)") == (False, False)
    robot.run("camera.write(b'both'); a[:] = 3; publication.commit()")
    for program in (base, second):
        assert program.value(
            "replica.wait(timeout=60, after=1) and prices.wait(timeout=60, after=1)"
        )
    second.run(
        "for one in (replica, prices): object.__setattr__(one._network, 'connect', net2)",
        net2=base.value("net.connect"),
    )
    second.run("reader = keep(latest.open('camera'))")
    os.kill(base.pid, signal.SIGKILL)
    base.program.process.wait(60)
    assert second.value("until(lambda: replica.carries and prices.carries)")
    robot.run("camera.write(b'on'); a[:] = 4; publication.commit()")
    assert second.value("replica.wait(timeout=60, after=2) and prices.wait(timeout=60, after=2)")
    second.run("p = arrays.open('prices', access='r'); found = p.sum(); del p")
    assert second.value("(found, reader.read())") == (40.0, b"on")
    robot.run("del a")


def test_a_replica_stands_in_wait_any(robot: Host, base: Host) -> None:
    _publish_camera(robot)
    _subscribe(base)
    base.run("event = keep(Event.create()); wait_any([event, replica], timeout=0)")
    assert base.value("wait_any([event, replica], timeout=0)") is None
    robot.run("camera.write(b'news')")
    assert base.value("wait_any([event, replica], timeout=60) is replica")
    assert base.value("wait_any([event, replica], timeout=0)") is None


def test_a_replica_is_awaited(robot: Host, base: Host) -> None:
    _publish_camera(robot)
    _subscribe(base)
    assert base.value("asyncio.run(replica.wait_async(timeout=0.05, after=1))") is False
    robot.run("threading.Timer(0.2, camera.write, [b'news']).start()")
    assert base.value("asyncio.run(replica.wait_async(timeout=60, after=1))") is True


def test_writing_to_a_replica_says_what_to_do_instead(robot: Host, base: Host) -> None:
    robot.run("a = arrays.create('prices', 10); keep(mirror.publish('prices', network=net))")
    _publish_camera(robot)
    _subscribe(base)
    _subscribe(base, "robot/prices")
    for opening in ("latest.open('camera', write=True)", "arrays.open('prices')"):
        refused = base.refusal(opening)
        assert refused.kind == "AccessError" and "publishes itself" in str(refused)
    robot.run("keep(mirror.publish(keep(Section.create('plain', 4096)), network=net))")
    _subscribe(base, "robot/plain")
    assert "access='r' opens it to read" in str(base.refusal("Section.open('plain')"))
    assert "publishes itself" in str(
        base.refusal("mirror.subscribe('robot/x', network=net, access='rw')")
    )
    robot.run("del a")


def test_locks_do_not_travel(robot: Host) -> None:
    robot.run("m = keep(Mutex.create('lock'))")
    for what in ("'lock'", "m"):
        refused = robot.refusal(f"mirror.publish({what}, network=net)")
        assert (
            refused.kind == "ArgumentError"
            and "end" in str(refused)
            and "latest value" in str(refused)
        )


def test_a_pickle_does_not_travel(robot: Host) -> None:
    robot.run(
        "for one in schema.make(schema.section_attributes('pickle'), 100, {'kind': 'pickle', 'length': 1, 'buffers': 0}): "
        "keep(one)"
    )
    assert "not for other hosts" in str(robot.refusal("mirror.publish('pickle', network=net)"))


def test_a_name_that_is_taken_is_refused(robot: Host, base: Host) -> None:
    _publish_camera(robot)
    base.run("mine = keep(Section.create('camera', 4096))")
    refused = base.refusal("mirror.subscribe('robot/camera', network=net)")
    assert refused.kind == "ExistsError" and "--as" in str(refused)
    _subscribe(base, name="other")
    refused = base.refusal("mirror.subscribe('robot/elsewhere', network=net, name='other')")
    assert refused.kind == "ExistsError" and "robot/camera" in str(refused)


def test_no_memory_is_an_error_of_the_subscriber_and_the_last_snapshot_stays(
    robot: Host, base: Host
) -> None:
    robot.run(
        "a = arrays.create('prices', 100_000); publication = keep(mirror.publish('prices', "
        "network=net, interval=None))"
    )
    _subscribe(base, "robot/prices")
    base.run(
        "from memsection.mirror import copies\n"
        "def full(*a, **k): raise memsection.CommitError('no memory')\n"
        "whole, copies.schema.make = copies.schema.make, full"
    )
    robot.run("a[:] = 1; publication.commit()")
    assert base.refusal("replica.wait(timeout=60, after=1)").kind == "CommitError"
    base.run("p = arrays.open('prices', access='r'); found = p.sum(); del p")
    assert base.value("found") == 0.0
    base.run("copies.schema.make = whole")
    robot.run("a[:] = 2; publication.commit()")
    assert base.value("until(lambda: replica.sequence == 3)")
    assert base.value("replica.problem") is None
    robot.run("del a")


def test_what_is_larger_than_max_size_is_refused(robot: Host, base: Host, port: int) -> None:
    _publish_camera(robot, FRAME)
    base.run(
        f"net = mirror.Network('base', connect=['tcp/127.0.0.1:{port}'], max_size=1 << 20)\n"
        "replica = keep(mirror.subscribe('robot/camera', network=net))"
    )
    refused = base.refusal("replica.wait(timeout=60)")
    assert refused.kind == "CorruptError" and "max_size" in str(refused)


def test_a_forked_child_is_told_and_does_not_hang(robot: Host, base: Host) -> None:
    _publish_camera(robot)
    _subscribe(base)
    base.run(
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    status = 1\n"
        "    try:\n"
        "        for use in (lambda: replica.state, lambda: mirror.subscribe('robot/camera', "
        "network=net, name='x')):\n"
        "            try: use()\n"
        "            except memsection.Error as error: assert 'forked' in str(error)\n"
        "            else: raise AssertionError\n"
        "        replica.close()\n"
        "        with latest.open('camera') as reader: assert reader.read() == b'first'\n"
        "        gc.collect()\n"
        "        status = 0\n"
        "    finally: os._exit(status)\n"
        "code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])"
    )
    assert base.value("code") == 0
    robot.run("camera.write(b'on')")
    assert base.value("replica.wait(timeout=60, after=1)")


def test_a_closed_replica_says_so(robot: Host, base: Host) -> None:
    _publish_camera(robot)
    _subscribe(base)
    base.run("replica.close(); replica.close()")
    for use in (
        "replica.state",
        "replica.wait(0)",
        "replica.handle",
        "asyncio.run(replica.wait_async(0))",
    ):
        assert base.refusal(use).kind == "HandleError"
    robot.run("publication.close(); publication.close()")
    for use in ("publication.commit()", "publication.sequence"):
        assert robot.refusal(use).kind == "HandleError"
    assert robot.value("publication.wait_closed(0)")


def test_a_subscriber_that_is_stopped_delays_no_other(
    robot: Host, base: Host, host: Callable[..., Host], port: int
) -> None:
    _publish_camera(robot, FRAME)
    stopped = host()
    stopped.run(f"net = mirror.Network('other', connect=['tcp/127.0.0.1:{port}'])")
    for program in (base, stopped):
        _subscribe(program)
    os.kill(stopped.pid, signal.SIGSTOP)
    try:
        robot.run(
            "for n in range(20):\n    camera.write(bytes([n]) * capacity)\n    time.sleep(0.02)\n",
            capacity=FRAME,
        )
        assert base.value("replica.wait(timeout=4, after=20)")
    finally:
        os.kill(stopped.pid, signal.SIGCONT)
    assert stopped.value("replica.wait(timeout=60, after=20)")
