# SPDX-License-Identifier: MIT
"""Any history of writes, cuts, kills and restarts, against what a replica may show.

The two hosts outlive their programs: one keeps the value and writes it, the other reads the
replica.  Who publishes and who subscribes are programs beside them, which are killed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from support.histories import options
from support.hosts import END, ROBOT, SHORT_LEASE, WIRED_PORT, Host, ip, secure


class History(RuleBasedStateMachine):
    """What is plugged, who is alive, and what was written."""

    robot: Host
    base: Host
    publish: Callable[[], Host]
    subscribe: Callable[[], Host]
    publisher: Host | None
    subscriber: Host | None

    def __init__(self) -> None:
        super().__init__()
        self.written = self.newest = 0
        self.has_begun, self.publisher, self.subscriber = False, None, None

    @initialize()
    def start(self) -> None:
        self.seen: dict[int, int] = {}
        self.is_plugged, self.is_published = True, True
        self.write(1)
        self.publisher, self.subscriber = self.publish(), self.subscribe()
        assert self.subscriber.value("replica.wait(timeout=60)")
        self.base.run("reader = latest.open('camera')")
        self.has_begun = True

    @rule(times=st.integers(1, 3))
    def write(self, times: int) -> None:
        for _ in range(times):
            self.written += 1
            self.robot.run(f"camera.write(b'{self.written}')")

    @rule()
    @precondition(lambda self: self.is_plugged)
    def cut(self) -> None:
        ip(self.base, "link", "set", "cable", "down")
        self.is_plugged = False

    @rule()
    @precondition(lambda self: not self.is_plugged)
    def heal(self) -> None:
        ip(self.base, "link", "set", "cable", "up")
        self.is_plugged = True

    @rule()
    @precondition(lambda self: self.is_published)
    def close(self) -> None:
        assert self.publisher is not None
        self.publisher.run("publication.close()")
        self.is_published = False

    @rule()
    @precondition(lambda self: self.publisher is not None)
    def kill_the_publisher(self) -> None:
        assert self.publisher is not None
        self.publisher.program.kill()
        self.publisher, self.is_published = None, False

    @rule()
    @precondition(lambda self: not self.is_published)
    def publish_again(self) -> None:
        if self.publisher is None:
            self.publisher = self.publish()
        else:
            self.publisher.run("publication = keep(mirror.publish('camera', network=net))")
        self.is_published = True

    @rule()
    @precondition(lambda self: self.subscriber is not None)
    def kill_the_subscriber(self) -> None:
        assert self.subscriber is not None
        self.subscriber.program.kill()
        self.subscriber = None

    @rule()
    @precondition(
        lambda self: self.subscriber is None and self.is_plugged and self.publisher is not None
    )
    def subscribe_again(self) -> None:
        self.subscriber = self.subscribe()

    @invariant()
    def a_reader_has_a_value_that_was_written_and_never_an_older_one(self) -> None:
        if self.has_begun:
            value = int(self.base.value("reader.read()"))
            assert self.newest <= value <= self.written
            self.newest = value

    @invariant()
    def the_replica_says_how_it_stands(self) -> None:
        if not self.has_begun or self.subscriber is None:
            return
        if self.is_plugged and self.is_published:
            assert self.subscriber.value("until(lambda: replica.state == 'live', 20)")
            assert self.base.value(
                "until(lambda: reader.read() == value, 20)", value=b"%d" % self.written
            )
        else:
            assert self.subscriber.value("until(lambda: replica.state != 'live', 20)")
        epoch, sequence = self.subscriber.value("(replica.epoch, replica.sequence)")
        if sequence:  # who subscribes anew has none until one arrives
            assert sequence >= self.seen.get(epoch, 0), "it went back"
            self.seen[epoch] = sequence

    def teardown(self) -> None:
        for one in (self.publisher, self.subscriber):
            if one is not None:
                one.program.kill()
        self.base.run("if reader is not None: reader.close()")
        ip(self.base, "link", "set", "cable", "up")


def _clean(one: Host) -> None:
    """What the killed leave are empty locators, which the next opening sweeps."""
    one.run(END)
    for path in one.root.rglob("*"):
        if path.is_file():
            assert path.stat().st_size < 4096, path
            path.unlink()


def test_any_history_of_cuts_kills_and_restarts_leaves_a_replica_that_says_how_it_stands(
    wired: tuple[Host, Host], host: Callable[..., Host], keys: Path
) -> None:
    def beside(one: Host) -> Host:
        made = host(beside=one, prefix=("nsenter", "-t", str(one.pid), "-n"))
        made.run(SHORT_LEASE)
        return made

    def publish() -> Host:
        made = beside(wired[0])
        made.run(f"net = {secure(keys, 'robot', listen=[f'{ROBOT}:{WIRED_PORT}'])}")
        made.run("publication = keep(mirror.publish('camera', network=net))")
        return made

    def subscribe() -> Host:
        made = beside(wired[1])
        made.run(f"net = {secure(keys, 'base', connect=[f'{ROBOT}:{WIRED_PORT}'])}")
        made.run("replica = keep(mirror.subscribe('robot/camera', network=net, max_age=0.4))")
        return made

    History.robot, History.base = wired
    History.publish, History.subscribe = staticmethod(publish), staticmethod(subscribe)
    wired[0].run("camera = keep(latest.create('camera', 64))")
    wired[1].run("reader = None")
    run_state_machine_as_test(History, settings=options(2, 7))  # type: ignore[no-untyped-call]
    for one in wired:
        _clean(one)
