# SPDX-License-Identifier: MIT
"""The readers-writer lock and forked children, who have nothing of what their parents have."""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Iterator

import pytest
from support.objects import unique_name
from support.workers import fork, reap, worker

from memsection import RWLock, errors

LONG = 60.0


@pytest.fixture
def lock(leaves_nothing: None) -> Iterator[RWLock]:
    with RWLock.create(unique_name()) as made:
        yield made


def test_a_forked_child_has_nothing_of_what_its_parent_has(lock: RWLock) -> None:
    def child() -> None:
        for release in (lock.release_read, lock.release_write):
            with pytest.raises(errors.AccessError):
                release()
        assert lock.acquire_read(timeout=0)
        lock.release_read()

    with lock.read:
        assert reap(fork(child)) == 0
        assert not _another_thread_writes(lock)


def test_a_child_does_not_keep_its_parents_reads_alive(lock: RWLock) -> None:
    with worker() as parent:
        parent.run(
            f"import os, signal\nfrom memsection import RWLock\nlock = RWLock.open({lock.name!r})\n"
            "lock.acquire_read()\nchild = os.fork()\nif not child:\n    signal.pause()\n    "
            "os._exit(0)"
        )
        child = parent.value("child")
        try:
            parent.kill()
            assert lock.acquire_write(timeout=LONG)
            lock.release_write()
        finally:
            ended = os.pidfd_open(child)
            os.kill(child, signal.SIGKILL)  # nobody's child by now, and it has the lock's handles
            assert select.select([ended], [], [], LONG)[0]
            os.close(ended)


def _another_thread_writes(lock: RWLock) -> bool:
    found: list[bool] = []
    thread = threading.Thread(target=lambda: found.append(lock.acquire_write(timeout=0)))
    thread.start()
    thread.join(LONG)
    return found[0]
