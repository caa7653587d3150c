# SPDX-License-Identifier: MIT
"""Puts memsection's classes in the place of the standard library's, in every process of an
environment.

A ``.pth`` file imports this when the interpreter starts (site), so that forked, spawned and plain
child processes have it too, with ``-E`` and ``-I`` as well.
"""

from __future__ import annotations

import multiprocessing
import sys

from memsection.compat import shared_memory

sys.modules["multiprocessing.shared_memory"] = shared_memory
multiprocessing.shared_memory = shared_memory  # type: ignore[attr-defined]

from multiprocessing import managers  # noqa: E402  # it takes its SharedMemory from the module above

from memsection.compat import SharedMemoryManager  # noqa: E402

managers.SharedMemoryManager = SharedMemoryManager  # type: ignore[misc]
