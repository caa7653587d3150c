# SPDX-License-Identifier: MIT
"""Puts memsection's queues in the place of multiprocessing's, in every process of an environment.

A ``.pth`` file imports this when the interpreter starts (site), so that forked, spawned and plain
child processes have them too.
"""

from __future__ import annotations

from multiprocessing import queues

from memsection.compat.queues import JoinableQueue, Queue, SimpleQueue

queues.Queue = Queue  # type: ignore[assignment, misc]
queues.JoinableQueue = JoinableQueue  # type: ignore[assignment, misc]
queues.SimpleQueue = SimpleQueue  # type: ignore[assignment, misc]
