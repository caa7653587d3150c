# SPDX-License-Identifier: MIT
"""Programs that fork while they publish or subscribe: a child holds neither their links nor what
they listen on."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from support.hosts import Host

FORK = """
child = os.fork()
if child == 0:
    try: time.sleep(600)
    finally: os._exit(0)
"""


@contextmanager
def child_of(host: Host) -> Iterator[None]:
    """A child of the host's program, forked now, which sleeps."""
    host.run("import os; " + FORK.lstrip())
    child = host.value("child")
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        if host.program.process.poll() is None:
            host.run("os.waitpid(child, 0)")


def _publish(robot: Host) -> None:
    robot.run(
        "camera = keep(latest.create('camera', 64)); camera.write(b'first')\n"
        "publication = keep(mirror.publish('camera', network=net))"
    )


def _subscribe(base: Host) -> None:
    base.run("replica = keep(mirror.subscribe('robot/camera', network=net))")
    assert base.value("replica.wait(timeout=60)")


def test_what_a_program_listens_on_is_free_when_it_closes(robot: Host, base: Host) -> None:
    _publish(robot)
    _subscribe(base)
    with child_of(robot):
        robot.run("publication.close(); publication = keep(mirror.publish('camera', network=net))")
        assert base.value(
            "until(lambda: replica.epoch == epoch)", epoch=robot.value("publication.epoch")
        )


def test_a_program_that_is_killed_is_gone_and_the_next_one_listens(
    robot: Host, base: Host, host: Callable[..., Host], port: int
) -> None:
    _publish(robot)
    _subscribe(base)
    with child_of(robot):
        os.kill(robot.pid, signal.SIGKILL)
        robot.program.process.wait(60)
        assert base.value("until(lambda: replica.state == 'gone')")
        again = host(beside=robot)
        again.run(
            f"net = mirror.Network('robot', listen=['tcp/127.0.0.1:{port}'])\n"
            "other = keep(latest.create('other', 64)); other.write(b'again')\n"
            "publication = keep(mirror.publish('other', name='camera', network=net))"
        )
        assert base.value("until(lambda: replica.state == 'live')")
        base.run("camera = keep(latest.open('camera'))")
        assert base.value("until(lambda: camera.read() == b'again')")
    again.run(
        "def is_swept():\n"
        "    try: Section.open('camera', access='r').close()\n"
        "    except memsection.NotFoundError: return True\n"
        "    return False"
    )
    assert again.value("until(is_swept)")  # when the child has ended


def test_a_subscriber_that_is_killed_leaves_no_link(
    robot: Host, base: Host, host: Callable[..., Host], port: int
) -> None:
    _publish(robot)
    _subscribe(base)
    assert robot.value("len(net._shared[0].session.info.links())") == 1
    with child_of(base):
        os.kill(base.pid, signal.SIGKILL)
        base.program.process.wait(60)
        # sooner than the link's lease is over
        assert robot.value("until(lambda: not net._shared[0].session.info.links(), 1.5)")
    again = host(beside=base)
    again.run(f"net = mirror.Network('base', connect=['tcp/127.0.0.1:{port}'])")
    _subscribe(again)


def test_a_child_keeps_its_other_descriptors(robot: Host, base: Host, port: int) -> None:
    """Also one to the same port of another host than the one that was connected to."""
    _publish(robot)
    _subscribe(base)
    base.run(
        "import os, socket\n"
        f"server = keep(socket.create_server(('127.0.0.2', {port})))\n"
        "mine = keep(socket.create_connection(server.getsockname())); its, _ = server.accept()\n"
        "keep(its)\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    try: mine.sendall(b'still there')\n"
        "    finally: os._exit(0)\n"
        "os.waitpid(child, 0)"
    )
    assert base.value("its.recv(100)") == b"still there"
