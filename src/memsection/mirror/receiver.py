# SPDX-License-Identifier: MIT
"""The carrying side: hears what is announced, asks when it hears nothing, pulls, and publishes
what is complete.

All of it runs in two threads of one replica: one takes announcements, the other everything that
takes time.  One pull is under way at a time, and the next is of whatever is newest by then.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from memsection.mirror import contents, engine, network, wire
from memsection.mirror.copies import Copy
from memsection.mirror.network import Network, User
from memsection.mirror.status import GONE, LOST, Shared
from memsection.vocabulary.errors import CorruptError, Error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from memsection.content.schema import Facts

POLL = 0.4  #: seconds between two questions to a publisher
TURN = 0.05  #: seconds between two looks at the tokens
SLOWEST = 1 << 16  #: bytes in a second below which a pull is given up
QUIET = 10 + wire.CHUNK / SLOWEST  #: seconds without a part after which it is given up, too
_TOKENS = 64  #: epochs that are remembered: a publisher that restarts for ever fills no memory


class Receiver(User):
    """Carries one replica, as long as its process lives."""

    def __init__(
        self,
        settings: Network,
        key: str,
        shared: Shared,
        max_age: float,
        changed: Callable[[], None],
    ) -> None:
        self._network, self._shared, self._changed = settings, shared, changed
        self._host, name = wire.split(key)
        self._prefix = wire.prefix(self._host, name)
        self._copy = Copy(shared.name, key)
        self._poll = min(POLL, max_age / 4)
        self._facts: dict[bytes, Facts] = {}  #: checked descriptions by digest: the newest alone
        self._lock = threading.Lock()  # held by whoever changes the copy or what is known
        self._wake = threading.Event()
        self._closed = self._filling = False
        self._epoch = self._sequence = 0
        self._alive: dict[int, None] = {}  #: epochs whose token is there, the newest last
        self._ended: deque[int] = deque(maxlen=_TOKENS)  #: epochs that will say nothing more
        self._wanted: wire.Announcement | None = None
        self._handlers: list[Any] = []
        self._listening: threading.Thread | None = None
        self._tokens: Any = None
        self._session: Any = None
        self._stop: Callable[[], bool] = lambda: False
        self.problem: Error | None = None  #: why the newest snapshot is not here
        found = shared.look()
        self._epoch, self._sequence = found.epoch, found.sequence
        try:
            shared.write(poll_ns=int(self._poll * 1e9), flags=found.flags | LOST)
            self._connection = settings._connection(self, self._host)
        except BaseException:
            self._copy.close()
            raise

    # ------------------------------------------------------------------ on the network

    def declare(self, session: Any) -> None:
        """Declare what this replica listens to."""
        zenoh = engine.zenoh()
        self._undeclare()
        self._session = session
        news = engine.keep(
            session.declare_subscriber(f"{self._prefix}/news", zenoh.handlers.FifoChannel(16))
        )
        self._tokens = engine.keep(
            session.liveliness().declare_subscriber(
                f"{self._prefix}/alive/*", zenoh.handlers.FifoChannel(_TOKENS), history=True
            )
        )
        self._handlers = [news, self._tokens]
        self._listening = engine.consume(
            news, self._listen, self._fail, f"replica {self._shared.name} news"
        )

    def _undeclare(self) -> None:
        handlers, self._handlers = self._handlers, []
        for one in handlers:
            engine.end(one)
        listening, self._listening = self._listening, None
        if listening is not None:
            engine.join([listening])

    def _listen(self, sample: Any) -> None:
        """Take an announcement."""
        self._hear(wire.announcement(_bytes(sample.attachment)), sample.payload)

    def _hear(self, news: wire.Announcement, payload: Any) -> None:
        """An announcement: publish its content if it has it and it can be understood, else
        remember to pull."""
        with self._lock:
            if self._closed:
                return
            self._check_epoch(news)
            if not self._is_newer(news):
                return
            facts = self._facts.get(news.digest)
            # While a pull fills the place of the next value, nothing else may: it is pulled when
            # that has ended.
            if (
                facts is not None
                and 0 < news.size == len(payload) <= wire.INLINE
                and not self._filling
            ):
                contents.check_size(facts, news.size, self._network.max_size)
                content, after = payload.to_bytes(), self._after(news)
                # Of a topic only what comes next; where something was lost, that is pulled.
                if facts["kind"] != contents.TOPIC or wire.follows(content, after, news.sequence):
                    self._arrived(
                        news, news.size, self._copy.put(facts, content, after, news.sequence)
                    )
                    return
            self._wanted = news
        self._wake.set()

    def _check_epoch(self, news: wire.Announcement) -> None:
        if news.epoch in self._ended or self._alive and news.epoch not in self._alive:
            raise CorruptError("mirror: an announcement of a publication that has ended")
        if news.size > self._network.max_size:
            raise CorruptError(
                f"mirror: {self._shared.look().key}: an announcement of {news.size} bytes, at most "
                f"{self._network.max_size} are accepted (max_size)"
            )

    def _is_newer(self, news: wire.Announcement) -> bool:
        current = next(reversed(self._alive), news.epoch)
        if news.epoch != current or not news.sequence:
            return False
        return news.epoch != self._epoch or news.sequence > self._sequence

    def _after(self, news: wire.Announcement) -> int:
        """The newest sequence of that epoch that is here."""
        return self._sequence if news.epoch == self._epoch else 0

    def _arrived(self, news: wire.Announcement, size: int, count: int) -> None:
        """Say that a snapshot is there, or so many messages; the lock is held."""
        before_it = self._after(news)
        skipped = max(news.sequence - before_it - count, 0) if before_it else 0
        self._epoch, self._sequence = news.epoch, news.sequence
        self.problem = None
        now, before = time.monotonic_ns(), self._shared.look()
        self._shared.write(
            epoch=news.epoch,
            sequence=news.sequence,
            arrived_ns=now,
            heard_ns=now,
            flags=0,
            snapshots=before.snapshots + count,
            received=before.received + size,
            missed=before.missed + skipped,
        )
        self._changed()

    # ------------------------------------------------------------------ what takes time

    def run(self, stop: Callable[[], bool]) -> None:
        """Carry the replica until ``stop``."""
        ask_at, self._stop = 0.0, stop
        while not stop():
            try:
                self._look_at_tokens()
                if time.monotonic() >= ask_at:
                    self._ask()
                    ask_at = time.monotonic() + self._poll
                wanted, self._wanted = self._wanted, None
                if wanted is not None:
                    self._pull()
            except Error as failure:
                self._fail(failure)
            except engine.zenoh().ZError:
                self._lose()  # the session is being made anew
            self._wake.wait(TURN)
            self._wake.clear()

    def _fail(self, failure: Exception) -> None:
        if self._closed:
            return
        self.problem = failure if isinstance(failure, Error) else Error(f"mirror: {failure}")
        self._shared.write()
        self._changed()

    def _look_at_tokens(self) -> None:
        """Which publications there are, by their tokens."""
        zenoh = engine.zenoh()
        appeared = False
        for _ in range(_TOKENS):  # and then what else there is to do: they may come without end
            sample = self._tokens.try_recv()
            if sample is None:
                break
            epoch = wire.epoch_of(str(sample.key_expr))
            if epoch is None:
                continue
            if sample.kind == zenoh.SampleKind.PUT:
                self._alive.pop(epoch, None)
                self._alive[epoch] = None
                if epoch in self._ended:
                    self._ended.remove(epoch)
                if len(self._alive) > _TOKENS:
                    del self._alive[next(iter(self._alive))]
                appeared = True
            elif self._alive.pop(epoch, 0) is None:
                self._lost(epoch)
        if appeared:
            self._ask()

    def _lost(self, epoch: int) -> None:
        """A token went: its publication has ended, or else the link was silent until its lease was
        over."""
        silent = (time.monotonic_ns() - self._shared.look().heard_ns) / 1e9
        with self._lock:
            if silent < network.LEASE * 0.95:
                self._ended.append(epoch)
            if not self._alive:
                self._shared.write(flags=GONE if silent < network.LEASE * 0.95 else LOST)
        self._changed()

    def _lose(self) -> None:
        with self._lock:
            self._shared.write(flags=self._shared.look().flags | LOST)
        self._changed()

    def _ask(self) -> None:
        """Ask what is newest; who answers is heard of."""
        for reply in self._get("head", None, max(0.2, self._poll)):
            sample = reply.ok
            if sample is None:
                continue
            news = wire.announcement(_bytes(sample.attachment))
            self._describe(news.digest, _bytes(sample.payload) or b"")
            with self._lock:
                self._check_epoch(news)
                before = self._shared.look()
                self._shared.write(heard_ns=time.monotonic_ns(), flags=0)
                if self._is_newer(news):
                    self._wanted = news
                else:
                    self.problem = None  # whatever it was, nothing is missing
            if before.flags:
                self._changed()

    def _describe(self, digest: bytes, text: bytes) -> Facts:
        known = self._facts.get(digest)
        if known is None or contents.digest(text) != digest:
            if contents.digest(text) != digest:
                raise CorruptError("mirror: a description that is not the announced one")
            known = contents.unpack(text, self._network.max_size)
            self._facts = {digest: known}
        return known

    def _pull(self) -> None:
        """Fetch the newest snapshot and publish it, if all of it arrives."""
        timeout = 10 + self._network.max_size / SLOWEST
        wanted = wire.wanted(self._epoch, self._sequence, self._network.max_size)
        replies = self._replies(self._get("pull", wanted, timeout))
        first = next((reply.ok for reply in replies if reply.ok is not None), None)
        if first is None:
            return  # nothing newer, or nobody there
        news = wire.announcement(_bytes(first.attachment))
        facts = self._describe(news.digest, _bytes(first.payload) or b"")
        contents.check_size(facts, news.size, self._network.max_size)
        with self._lock:
            if self._closed or not self._is_newer(news):
                return
            self._check_epoch(news)
            place = self._copy.begin(facts, news.size, self._after(news), news.sequence)
            self._filling = True
        try:
            self._fill(place.memory, replies, news)
            with self._lock:
                if not self._closed and self._is_newer(news):
                    self._arrived(news, news.size, place.publish())
        except _Incomplete:
            pass  # the next answer says what is newest then
        finally:
            with self._lock:
                self._filling = False
                place.close()

    def _fill(self, memory: memoryview, replies: Any, news: wire.Announcement) -> None:
        """Put the parts where they belong, in order; return when the commit record has come."""
        at, end = 0, time.monotonic() + 10 + news.size / SLOWEST
        for reply in replies:
            sample = reply.ok
            if sample is None or time.monotonic() > end:
                raise _Incomplete
            record = _bytes(sample.attachment) or b""
            if wire.is_commit(record, news):
                if at != news.size:
                    raise CorruptError(
                        f"mirror: {at} of {news.size} bytes, and then the commit record"
                    )
                return
            if wire.offset_of(record, news) != at:
                raise CorruptError("mirror: parts in the wrong order")
            part = sample.payload.to_bytes()
            if len(part) > news.size - at or not part:
                raise CorruptError("mirror: more parts than the announced size has room for")
            memory[at : at + len(part)] = part
            at += len(part)
            self._heard()
        raise _Incomplete

    def _replies(self, channel: Any) -> Iterator[Any]:
        """What is answered, until the end, until nothing has come for too long, or the replica is
        closed."""
        failure, pause, end = engine.zenoh().ZError, 0.0001, time.monotonic() + QUIET
        while not self._stop() and time.monotonic() < end:
            try:
                reply = channel.try_recv()
            except failure:  # that was all
                return
            if reply is not None:
                yield reply
                pause, end = 0.0001, time.monotonic() + QUIET
            else:
                time.sleep(pause)
                pause = min(2 * pause, 0.002)

    def _heard(self) -> None:
        """A part of a long pull is news of the publisher too."""
        now = time.monotonic_ns()
        if now - self._shared._status.heard_ns > self._poll * 1e9:
            with self._lock:
                self._shared.write(heard_ns=now)

    def _get(self, what: str, payload: bytes | None, timeout: float) -> Any:
        zenoh, pulled = engine.zenoh(), what == "pull"
        return self._session.get(
            f"{self._prefix}/{what}",
            zenoh.handlers.FifoChannel(4),
            payload=payload,
            timeout=timeout,
            target=zenoh.QueryTarget.ALL,
            consolidation=zenoh.ConsolidationMode.NONE,
            priority=zenoh.Priority.DATA if pulled else zenoh.Priority.INTERACTIVE_HIGH,
            express=True,
            # Replies are sent as the query was.  Nobody waits for who does not take an answer to a
            # question.
            congestion_control=zenoh.CongestionControl.BLOCK
            if pulled
            else zenoh.CongestionControl.DROP,
        )

    def close(self) -> None:
        """Leave the network, and the copy to its readers."""
        self._undeclare()
        self._connection.remove(self)
        with self._lock:
            self._closed = True
            self._copy.close()


class _Incomplete(Exception):
    """A pull ended without its commit record: the link broke, or the publisher did."""


def _bytes(payload: Any) -> bytes | None:
    return None if payload is None else bytes(payload.to_bytes())
