# SPDX-License-Identifier: MIT
"""The publishing side: announces what is new, answers who asks, and never waits for a subscriber.

Announcements are put and may be lost; whoever misses one asks.  Contents are pulled, each pull by
a thread of its own, so that one subscriber who takes nothing delays neither the others nor the
writer, who is not even in this process.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from memsection.api.operations import finish
from memsection.mirror import contents, engine, wire
from memsection.mirror.cadence import BUSY, Cadence
from memsection.mirror.network import Network, User, checked
from memsection.mirror.pulls import MOST_PULLS, Pulls
from memsection.mirror.sources import Block, Latest, Snapshot, section_of, source_of
from memsection.vocabulary.arguments import object_name, seconds
from memsection.vocabulary.errors import (
    ArgumentError,
    CorruptError,
    EndOfChannelError,
    Error,
    HandleError,
)

if TYPE_CHECKING:
    from typing import Self

    from memsection.mirror.streams import Stream

MOST_SNAPSHOTS = 4  #: in memory at the same time, for subscribers of different speed
_SENT = 6e9  #: bytes of a value in a second, which no pull reaches
_TURN = 0.05  #: seconds for which a message is waited for before the end is looked for


class Publication(User):
    """An object of this host that others can have; made by ``publish``, closed by ``close`` or at
    the end of ``with``."""

    def __init__(
        self,
        source: Latest | Block | Stream,
        facts: dict[str, Any],
        name: str,
        network: Network,
        interval: float | None,
    ) -> None:
        self.name = name  #: of the object here
        self.key = f"{network.host}/{name}"  #: what subscribers call it
        self.epoch = secrets.randbits(63) | 1  #: of this publication: a restart has another
        self._prefix = wire.prefix(network.host, name)
        self._source, self._interval = source, interval
        self._text = contents.pack(facts)
        self._digest = contents.digest(self._text)
        self._pid = os.getpid()
        self._closed, self._wake = threading.Event(), threading.Event()
        self._lock = threading.Lock()
        self._taking = threading.Lock()  # held by whoever takes a snapshot of what others write
        self._held: weakref.WeakSet[Snapshot] = weakref.WeakSet()
        self._newest: Snapshot | None = None
        self._is_over = False  #: whether all of it was closed
        self._declared: list[Any] = []
        self._listening: list[threading.Thread] = []
        self._news: Any = None
        self._pulls = Pulls(self._answer)
        self.sent_bytes = 0  #: of contents, to all subscribers together
        self.problem: str | None = (
            None  #: why there is no newer snapshot, where there should be one
        )
        if isinstance(source, Block):
            source.look()  # where somebody is writing, a later look or a commit finds the first
        self._thread = threading.Thread(target=self._watch, name=f"publish {name}", daemon=True)
        self._connection = network._connection(self, None)
        try:
            engine.remember(self)
            self._thread.start()
        except BaseException:
            self.close()
            raise

    # ------------------------------------------------------------------ for the user

    @property
    def sequence(self) -> int:
        """The number of the newest snapshot, 0 while there is none.

        Rights:
            None.

        Raises:
            HandleError: The publication is closed.
        """
        self._check()
        return self._source.sequence

    @property
    def closed(self) -> bool:
        """Whether it is closed."""
        return self._closed.is_set()

    def commit(self) -> int:
        """Declare that the section is complete as it is now; this is what subscribers get.  Its
        number.

        From the first call on the section is not looked at any more in between.

        Rights:
            None.

        Raises:
            ArgumentError: It is a latest value, where each write is a snapshot, or a topic
                (ValueError).
            WaitTimeoutError: Somebody wrote to it all the time (TimeoutError).
            HandleError: The publication is closed.
        """
        self._check()
        if not isinstance(self._source, Block):
            raise ArgumentError(
                f"commit {self.name!r}: it is a latest value, or a topic: each write, and each "
                f"message, is a snapshot"
            )
        with self._taking:
            self._interval = None
            sequence = self._source.commit()
        self._wake.set()
        return sequence

    def wait_closed(self, timeout: float | None = None) -> bool:
        """Wait until another thread has closed it; whether that happened in time.

        Rights:
            None.

        Raises:
            Nothing.
        """
        return self._closed.wait(None if timeout is None else seconds(timeout))

    def close(self) -> None:
        """End the publication: replicas keep the last snapshot, and are ``gone``.  Again is
        harmless.

        Rights:
            None.

        Raises:
            Nothing.
        """
        if not self._is_over and self._pid == os.getpid():
            finish(self._end)

    def _end(self) -> None:
        """The steps of closing, each of which may be done again."""
        self._closed.set()
        self._wake.set()
        self._undeclare()
        self._connection.remove(self)
        engine.join([self._thread])
        self._pulls.close()
        # A thread that is in zenoh may still look at it.
        with self._taking, self._lock, suppress(Exception):
            self._source.close()
        self._is_over = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check(self) -> None:
        if self._pid != os.getpid():
            raise Error(
                f"publication {self.key}: it belongs to process {self._pid}, which this one was "
                f"forked from"
            )
        if self._closed.is_set():
            raise HandleError(f"publication {self.key}: used after it was closed")

    # ------------------------------------------------------------------ on the network

    def declare(self, session: Any) -> None:
        """Declare the keys; the token last, when everything can be had."""
        zenoh = engine.zenoh()
        self._undeclare()
        keep, news = engine.keep, zenoh.CongestionControl.DROP
        self._news = keep(
            session.declare_publisher(
                f"{self._prefix}/news",
                congestion_control=news,
                express=True,
                priority=zenoh.Priority.REAL_TIME,
            )
        )
        head, pull = (
            keep(
                session.declare_queryable(
                    f"{self._prefix}/{what}", zenoh.handlers.FifoChannel(MOST_PULLS), complete=True
                )
            )
            for what in ("head", "pull")
        )
        self._listening = [
            engine.consume(head, self._tell, self._fail, f"publish {self.name} head"),
            engine.consume(pull, self._pulls.put, self._fail, f"publish {self.name} pull"),
        ]
        self._declared = [
            self._news,
            head,
            pull,
            keep(session.liveliness().declare_token(f"{self._prefix}/alive/{self.epoch:016x}")),
        ]

    def _fail(self, failure: Exception) -> None:
        if not self._closed.is_set():
            self.problem = str(failure)

    def _undeclare(self) -> None:
        while self._declared:
            engine.end(self._declared[-1])
            del self._declared[-1]
        engine.join(self._listening)
        self._listening = []

    def _watch(self) -> None:
        """Announce every new snapshot, until the publication is closed."""
        engine.sleep_exactly()
        source, cadence = self._source, Cadence()
        last, look_at = -1, 0.0
        while not self._closed.is_set():
            try:
                now = time.monotonic()
                if isinstance(source, Block):
                    if self._interval is not None and now >= look_at:
                        self._look(source)
                        look_at = time.monotonic() + (self._interval or 0)
                elif not isinstance(source, Latest):
                    self._gather(source, cadence.is_lively(now))
                if source.sequence != last:
                    last = self._announce(last)
                    cadence.news(now)
            except Exception as failure:  # whatever somebody has written there: it may be mended
                self.problem = str(failure) or type(failure).__name__
                self._wake.wait(BUSY)
            if isinstance(source, Latest):
                pause, looks = cadence.plan(time.monotonic())
                if self._pulls.is_busy():  # who gets one now will not want the next one so soon
                    pause = max(pause, source.size / _SENT)
                source.watch(last, pause, looks)
            elif isinstance(source, Block):
                self._wake.wait(0.05 if self._interval is None else min(0.05, self._interval))
                self._wake.clear()

    def _look(self, source: Block) -> None:
        """Take a snapshot of a section that nobody commits, if it has changed."""
        with self._taking:
            if self._interval is not None and not self._closed.is_set():
                source.look()

    def _gather(self, source: Stream, is_lively: bool) -> None:
        """Take messages of a topic; wait a while where there are none."""
        try:
            if source.gather(0 if is_lively and not source.wakes else _TURN):
                self.problem = None
            elif is_lively and not source.wakes:
                time.sleep(BUSY)
        except EndOfChannelError:  # nobody who could send one, until somebody opens it
            self._wake.wait(_TURN)
        except CorruptError as failure:  # somebody spoiled a message: the next may be right
            self.problem = str(failure)
            self._wake.wait(BUSY)

    def _announcement(self, after: int | None = None) -> tuple[wire.Announcement, bytes | None]:
        """What is newest, with its content if that is small; of a topic, with the messages after a
        sequence."""
        sequence, size, content = self._source.news(after)
        return wire.Announcement(self.epoch, sequence, size, self._digest), content

    def _announce(self, last: int) -> int:
        """Announce what is newest; its number."""
        record, content = self._announcement(last)
        news = self._news
        if record.sequence and news is not None:
            try:
                news.put(content or b"", attachment=record.pack())
            except engine.zenoh().ZError:
                pass  # the session is being made anew, and its peers ask then
        return record.sequence

    def _tell(self, query: Any) -> None:
        """Answer who asks what is newest."""
        with query:
            record, _ = self._announcement()
            query.reply(f"{self._prefix}/head", self._text, attachment=record.pack(), express=True)

    def _snapshot(self, epoch: int, sequence: int, most: int) -> Snapshot | None:
        """The newest snapshot for a pull that begins, of a subscriber that has this one; an older
        one while too many are being sent."""
        with self._lock:
            if self._closed.is_set():
                return None
            if not isinstance(self._source, Block | Latest):
                if epoch != self.epoch:
                    sequence = self._source.beginning(not epoch)
                return self._source.since(sequence, most)
            newest = self._newest
            if newest is None or (
                newest.sequence != self._source.sequence
                and (len(self._held) < MOST_SNAPSHOTS or isinstance(self._source, Block))
            ):
                newest = self._newest = None  # its memory may serve the next one
                self._newest = newest = self._source.take()
                if newest is not None:
                    self._held.add(newest)
            return newest

    def _answer(self, query: Any) -> None:
        """Send a snapshot in parts, and the commit record when all of it went."""
        epoch, sequence, most = wire.wants(
            query.payload.to_bytes() if query.payload is not None else None
        )
        found = self._snapshot(epoch, sequence, most)
        if found is None or (epoch, sequence) == (self.epoch, found.sequence):
            return  # an empty answer: there is nothing newer
        key = f"{self._prefix}/pull"
        record = wire.Announcement(self.epoch, found.sequence, found.size, self._digest)
        query.reply(key, self._text, attachment=record.pack())
        at = 0
        for part in found.pieces():
            if self._closed.is_set():
                return
            if part:
                query.reply(key, part, attachment=wire.chunk(self.epoch, found.sequence, at))
            at += len(part)
        self.sent_bytes += at
        query.reply(key, b"", attachment=wire.commit(self.epoch, found.sequence, found.size))


def publish(
    what: Any, *, network: Network, name: str | None = None, interval: float | None = 1.0
) -> Publication:
    """Offer an object of this host to others.

    Of a latest value each write is a snapshot.  The messages of a topic are sent to a topic of each
    subscriber's host: all of them while the links carry them, else the newest.  Of an array, a
    table, records or a plain section ``commit`` declares a snapshot; until it is called for the
    first time the section is looked at every ``interval`` seconds, and sent if it changed and is at
    rest.

    Args:
        what: The object: its name, a section, or an array, a table, records, an end of a latest
            value or of a topic.
        network: How this host takes part.
        name: What subscribers call it; the object's own name when omitted.
        interval: Seconds between two looks; None looks never, and waits for ``commit``.

    Rights:
        ``SECTION_QUERY`` and ``SECTION_MAP_READ``.

    Raises:
        NotFoundError: Nothing has this name (FileNotFoundError).
        ArgumentError: Its kind does not travel; it has no name, and none was given (ValueError).
        AccessError: It may not be read; a peer does not accept our certificate, or we not theirs
            (PermissionError).
        WaitTimeoutError: An endpoint could not be reached within ``connect_timeout``
            (TimeoutError).
        Error: This process was forked from one that used the network; or an endpoint to listen on
            is taken.
    """
    checked(network)
    object_name(name)
    if interval is not None and not 0 < seconds(interval, "interval") <= 86400:
        raise ArgumentError(f"publish: interval={interval}: seconds, more than 0; or None")
    section = section_of(what)
    try:
        called = name or section.name
        if called is None:
            raise ArgumentError(
                "publish: the section has no name: say what subscribers call it (name=...)"
            )
        called = called.removeprefix("Local\\")
        wire.prefix(network.host, called)
        source, facts = source_of(section, called)
    except BaseException:
        section.close()
        raise
    try:
        return Publication(source, facts, called, network, interval)
    except BaseException:
        source.close()
        raise
