# SPDX-License-Identifier: MIT
"""The thread of a replica that pulls: it sleeps until there is something to pull, and then until
the next part is there.

It sleeps in zenoh, which knows no time limit for that, so another thread looks after it and ends a
pull that has become silent.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from memsection.mirror import engine, wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SLOWEST = 1 << 16  #: bytes in a second below which a pull is given up
QUIET = 10 + wire.CHUNK / SLOWEST  #: seconds without a part after which it is given up, too


class Replies:
    """What is answered to one question, in order; the thread that takes it sleeps in zenoh."""

    def __init__(self) -> None:
        self._token = engine.zenoh().CancellationToken()
        self.heard = time.monotonic()  #: when the last part came
        self._channel: Any = None

    def begin(self, ask: Callable[[Any], Any]) -> None:
        """Ask, with a token that ends it."""
        self._channel = ask(self._token)

    def __iter__(self) -> Iterator[Any]:
        while self._channel is not None:
            self.heard = time.monotonic()
            try:
                reply = self._channel.recv()
            except engine.zenoh().ZError:  # that was all
                return
            yield reply

    def end(self) -> None:
        """Have the next part not come: the thread that waits for it goes on."""
        self._token.cancel()

    def forget(self) -> None:
        """What else comes goes nowhere; to end it would wait for who sends it."""
        self._channel = None


class Puller:
    """Calls ``pull`` whenever something is wanted, in one thread: one pull is under way at a
    time, and at the end of it the next one may be."""

    def __init__(
        self, pull: Callable[[], None], failed: Callable[[Exception], None], name: str
    ) -> None:
        self._pull, self._failed = pull, failed
        self._due = threading.Event()
        self._lock = threading.Lock()  # held by whoever begins a pull, or ends all of them
        self._open: list[Replies] = []  #: the pull that is under way, and the next one
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def want(self) -> None:
        """There is something to pull."""
        self._due.set()

    def _run(self) -> None:
        while True:
            self._due.wait()
            self._due.clear()
            if self._closed:
                return
            try:
                self._pull()
            except Exception as failure:  # whatever a peer has sent: the next may be right
                self._failed(failure)

    def ask(self, ask: Callable[[Any], Any]) -> Replies | None:
        """Ask a question, with a token that ends it; None when the puller was closed."""
        with self._lock:
            if self._closed:
                return None
            made = Replies()
            self._open.append(made)
        try:  # without the lock: to ask may take seconds
            made.begin(ask)
        except BaseException:
            self._open.remove(made)
            raise
        return made

    def end_replies(self, replies: Replies) -> None:
        """Take no more of these."""
        replies.forget()
        self._open.remove(replies)

    def look(self) -> None:
        """End a pull of which no part has come for too long; called now and then.

        The next one has time until the one before it has ended.
        """
        for replies in self._open[:1]:
            if time.monotonic() - replies.heard > QUIET:
                replies.end()

    def close(self) -> None:
        """End the thread, and the pulls that it is in."""
        with self._lock:
            self._closed = True
        self._due.set()
        for replies in list(self._open):
            replies.end()
        engine.join([self._thread])
