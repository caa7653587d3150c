# SPDX-License-Identifier: MIT
"""The carrying side: hears what is announced, asks when it hears nothing, pulls, and publishes
what is complete.

All of it runs in three threads of one replica: one takes announcements, one pulls (``pulling``),
and one asks, and looks at the tokens.  One pull is under way at a time, and the next is of whatever
is newest by then.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from memsection.mirror import contents, engine, network, wire
from memsection.mirror.copies import Copy, explain
from memsection.mirror.network import Network, User
from memsection.mirror.pulling import SLOWEST, Puller, Replies
from memsection.mirror.status import GONE, LOST, Shared
from memsection.vocabulary.errors import CorruptError, Error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from memsection.content.schema import Facts
    from memsection.mirror.status import Status

POLL = 0.4  #: seconds between two questions to a publisher
TURN = 0.05  #: seconds between two looks at the tokens
#: Bytes of a snapshot that are not here yet when the next one is asked for, and bytes that this one
#: may have for that.
AHEAD, MOST_AHEAD = wire.CHUNK, 8 * wire.CHUNK
GRACE = 0.5  #: seconds after a silence in which a token may come back: the link is made anew
_TOKENS = 64  #: epochs that are remembered: a publisher that restarts for ever fills no memory


class Receiver(User):
    """Carries one replica, as long as its process lives."""

    def __init__(
        self,
        settings: Network,
        key: str,
        shared: Shared,
        max_age: float,
        changed: Callable[[Status], None],
    ) -> None:
        self._network, self._shared, self._tell = settings, shared, changed
        self._host, name = wire.split(key)
        self._prefix = wire.prefix(self._host, name)
        self._copy = Copy(shared.name, key)
        self._poll = min(POLL, max_age / 4)
        self._facts: dict[bytes, Facts] = {}  #: checked descriptions by digest: the newest alone
        self._lock = threading.Lock()  # held by whoever changes the copy or what is known
        self._wake = threading.Event()
        self._closed = self._filling = False
        self._alive: dict[int, None] = {}  #: epochs whose token is there, the newest last
        self._ended: deque[int] = deque(maxlen=_TOKENS)  #: epochs that will say nothing more
        self._wanted: wire.Announcement | None = None
        self._ahead: Replies | None = None  #: the pull after the one that is under way
        self._handlers: list[Any] = []
        self._listening: threading.Thread | None = None
        self._tokens: Any = None
        self._silent_until, self._gone_at = 0.0, float("inf")
        self._session: Any = None
        self._puller = Puller(self._pull, self._pull_failed, f"replica {shared.name} pull")
        self.problem: Error | None = None  #: why the newest snapshot is not here
        found = shared.status
        self._epoch, self._sequence = found.epoch, found.sequence
        #: whether that is what another program has written, and no publisher has confirmed
        self._is_hearsay = True
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
                    self._tell_arrival(
                        news, news.size, self._copy.put(facts, content, after, news.sequence)
                    )
                    return
            self._wanted = news
        self._puller.want()

    def _check_epoch(self, news: wire.Announcement) -> None:
        if news.epoch in self._ended or self._alive and news.epoch not in self._alive:
            raise CorruptError("mirror: an announcement of a publication that has ended")
        if news.size > self._network.max_size:
            raise CorruptError(
                f"mirror: {self._shared.status.key}: an announcement of {news.size} bytes, at most "
                f"{self._network.max_size} are accepted (max_size)"
            )

    def _check_hearsay(self, news: wire.Announcement) -> None:
        """What was begun with cannot be newer than what the publisher answers now."""
        if self._is_hearsay and news.epoch == self._epoch:
            self._is_hearsay = False
            if news.sequence < self._sequence:  # somebody has scribbled
                self._epoch = self._sequence = 0
                self._shared.write(epoch=0, sequence=0)

    def _is_newer(self, news: wire.Announcement) -> bool:
        current = next(reversed(self._alive), news.epoch)
        if news.epoch != current or not news.sequence:
            return False
        return news.epoch != self._epoch or news.sequence > self._sequence

    def _after(self, news: wire.Announcement) -> int:
        """The newest sequence of that epoch that is here."""
        return self._sequence if news.epoch == self._epoch else 0

    def _tell_arrival(self, news: wire.Announcement, size: int, count: int) -> None:
        """Say that a snapshot is there, or so many messages; the lock is held."""
        before_it = self._after(news)
        skipped = max(news.sequence - before_it - count, 0) if before_it else 0
        self._epoch, self._sequence = news.epoch, news.sequence
        self._is_hearsay, self.problem = False, None
        self._tell(self._shared.note_arrival(news.epoch, news.sequence, size, count, skipped))

    # ------------------------------------------------------------------ what takes time

    def run(self, stop: Callable[[], bool]) -> None:
        """Carry the replica until ``stop``."""
        ask_at = 0.0
        self._puller.start()
        while not stop():
            try:
                self._look_at_tokens()
                self._look_at_silence()
                if time.monotonic() >= ask_at:
                    with self._lock:
                        self._shared.repair()
                    self._ask()
                    ask_at = time.monotonic() + self._poll
                self._puller.look()
            except Error as failure:
                self._fail(failure)
            except engine.zenoh().ZError:
                self._lose()  # the session is being made anew
            self._wake.wait(TURN)
            self._wake.clear()

    def _fail(self, failure: Exception) -> None:
        if self._closed:
            return
        with self._lock:
            self.problem = explain(failure)
            self._shared.write()
        self._tell(self._shared.status)

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
                self._note_token(epoch)
                appeared = True
            else:
                with self._lock:
                    was_there = self._alive.pop(epoch, 0) is None
                if was_there:
                    self._drop_token(epoch)
        if appeared:
            self._ask()

    def _note_token(self, epoch: int) -> None:
        with self._lock:
            self._alive.pop(epoch, None)
            self._alive[epoch] = None
            if epoch in self._ended:
                self._ended.remove(epoch)
            if len(self._alive) > _TOKENS:
                del self._alive[next(iter(self._alive))]

    def _drop_token(self, epoch: int) -> None:
        """A token went: its publication has ended, or the link was silent for its lease."""
        has_ended = time.monotonic_ns() - self._shared.status.heard_ns < network.LEASE * 0.95e9
        with self._lock:
            if has_ended:
                self._ended.append(epoch)
            if not self._alive:
                if has_ended and time.monotonic() < self._silent_until:
                    self._gone_at, has_ended = time.monotonic() + GRACE, False
                self._shared.write(flags=GONE if has_ended else LOST)
        self._tell(self._shared.status)

    def _look_at_silence(self) -> None:
        """Remember a silence, and say so when a publication has not come back after one."""
        now, heard = time.monotonic(), self._shared.status.heard_ns / 1e9
        if heard and now - heard > network.LEASE / 2:
            self._silent_until = now + network.LEASE
        if now >= self._gone_at:
            self._gone_at = float("inf")
            if not self._alive:
                self._lose(GONE)

    def _lose(self, how: int = LOST) -> None:
        with self._lock:
            self._shared.write(flags=self._shared.status.flags | how)
        self._tell(self._shared.status)

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
                self._check_hearsay(news)
                before = self._shared.status
                self._shared.write(heard_ns=time.monotonic_ns(), flags=0)
                if self._is_newer(news):
                    self._wanted = news
                    self._puller.want()
                else:
                    self.problem = None  # whatever it was, nothing is missing
            if before.flags:
                self._tell(self._shared.status)

    def _describe(self, digest: bytes, text: bytes) -> Facts:
        known = self._facts.get(digest)
        if known is None or contents.digest(text) != digest:
            if contents.digest(text) != digest:
                raise CorruptError("mirror: a description that is not the announced one")
            known = contents.unpack(text, self._network.max_size)
            self._facts = {digest: known}
        return known

    def _pull_failed(self, failure: Exception) -> None:
        if isinstance(failure, engine.zenoh().ZError):
            self._lose()  # the session is being made anew
        else:
            self._fail(failure)

    def _pull(self) -> None:
        """Fetch the newest snapshot and publish it, if all of it arrives."""
        replies, self._ahead = self._ahead, None
        if replies is None:
            with self._lock:
                wanted, self._wanted = self._wanted, None
                if wanted is None or not self._is_newer(wanted):
                    return
            replies = self._ask_for(self._epoch, self._sequence)
        if replies is None:
            return
        is_here = False
        try:
            is_here = self._take(replies)
        finally:
            self._puller.end_replies(replies)
            ahead = self._ahead
            if ahead is not None and not is_here:
                # It was asked for as what comes after the one that did not arrive.
                self._ahead = None
                self._puller.end_replies(ahead)
        if ahead is not None:
            self._puller.want()

    def _ask_for(self, epoch: int, sequence: int, parts: int = 4) -> Replies | None:
        """Ask for what is newer than a snapshot; so many parts of it may wait here."""
        timeout = 10 + self._network.max_size / SLOWEST
        have = wire.pack_wanted(epoch, sequence, self._network.max_size)
        return self._puller.ask(lambda token: self._get("pull", have, timeout, token, parts))

    def _look_ahead(self, facts: Facts, news: wire.Announcement) -> None:
        """Ask for the next snapshot while the last parts of this one are on their way, so that the
        link is not idle between the two.

        All of it may wait here: who waited for us to take it would hold up what we wait for.
        """
        with self._lock:
            wanted = self._wanted
            if (
                wanted is None
                or (wanted.epoch, news.size) != (news.epoch, wanted.size)
                or wanted.sequence <= news.sequence
                or news.size > MOST_AHEAD
                or facts["kind"] == contents.TOPIC
            ):
                return
            self._wanted = None
        self._ahead = self._ask_for(news.epoch, news.sequence, news.size // wire.CHUNK + 4)

    def _take(self, replies: Replies) -> bool:
        """Publish what is answered to a pull; whether there was something, and all of it."""
        incoming = iter(replies)
        first = next((reply.ok for reply in incoming if reply.ok is not None), None)
        if first is None:
            return False  # nothing newer, or nobody there
        news = wire.announcement(_bytes(first.attachment))
        facts = self._describe(news.digest, _bytes(first.payload) or b"")
        contents.check_size(facts, news.size, self._network.max_size)
        with self._lock:
            if self._closed or not self._is_newer(news):
                return False
            self._check_epoch(news)
            place = self._copy.begin(facts, news.size, self._after(news), news.sequence)
            self._filling = True
        try:
            self._fill(place.memory, incoming, news, facts)
            with self._lock:
                if not self._closed and self._is_newer(news):
                    self._tell_arrival(news, news.size, place.publish())
                    return True
        except _Incomplete:
            pass  # the next answer says what is newest then
        finally:
            with self._lock:
                self._filling = False
                place.close()
        return False

    def _fill(
        self, memory: memoryview, replies: Iterator[Any], news: wire.Announcement, facts: Facts
    ) -> None:
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
            if self._ahead is None and news.size - at <= AHEAD:
                self._look_ahead(facts, news)
        raise _Incomplete

    def _heard(self) -> None:
        """A part of a long pull is news of the publisher too."""
        now = time.monotonic_ns()
        if now - self._shared.status.heard_ns > self._poll * 1e9:
            with self._lock:
                self._shared.write(heard_ns=now)

    def _get(
        self, what: str, payload: bytes | None, timeout: float, token: Any = None, parts: int = 4
    ) -> Any:
        zenoh, pulled = engine.zenoh(), what == "pull"
        return self._session.get(
            f"{self._prefix}/{what}",
            zenoh.handlers.FifoChannel(parts),
            payload=payload,
            timeout=timeout,
            cancellation_token=token,
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
        self._puller.close()
        self._undeclare()
        self._connection.remove(self)
        with self._lock:
            self._closed = True
            self._copy.close()


class _Incomplete(Exception):
    """A pull ended without its commit record: the link broke, or the publisher did."""


def _bytes(payload: Any) -> Any:
    return None if payload is None else payload.to_bytes()
