# SPDX-License-Identifier: MIT
"""The threads of a publication that answer pulls: a subscriber who takes nothing holds up its own
alone."""

from __future__ import annotations

import queue
import threading
from contextlib import suppress
from typing import Any

from memsection.mirror import engine

MOST_PULLS = 64  #: at the same time, of one publication
IDLE_THREAD = 5.0  #: seconds after which a thread without a pull ends


class Pulls:
    """Threads that answer pulls: one for each at a time, kept for a while for the next."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()
        self._idle, self._closed = 0, False

    def is_busy(self) -> bool:
        """Whether a pull is being answered."""
        return len(self._threads) > self._idle

    def put(self, query: Any) -> None:
        """Have a query answered."""
        with self._lock:
            if self._closed or len(self._threads) >= MOST_PULLS and not self._idle:
                with suppress(Exception), query:
                    query.reply_err(b"busy")
                return
            if self._idle:
                self._idle -= 1
            else:
                thread = threading.Thread(target=self._work, name="mirror pull", daemon=True)
                self._threads.add(thread)
                thread.start()
        self._queue.put(query)

    def _work(self) -> None:
        while True:
            try:
                query = self._queue.get(timeout=IDLE_THREAD)
            except queue.Empty:
                with self._lock:
                    if self._idle and self._queue.empty():
                        self._idle -= 1
                        self._threads.discard(threading.current_thread())
                        return
                continue
            if query is None:
                return
            # Whatever the peer asked for, or if it went away under it: the next one is answered.
            with suppress(Exception), query:
                self._answer(query)
            del query
            with self._lock:
                self._idle += 1

    def close(self) -> None:
        """End the threads; one that sends ends with the session."""
        with self._lock:
            self._closed = True
            threads = list(self._threads)
        for _ in threads:
            self._queue.put(None)
        engine.join(threads)
