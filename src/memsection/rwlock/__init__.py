# SPDX-License-Identifier: MIT
"""The readers-writer lock, ``memsection.RWLock``."""

from __future__ import annotations

import sys

if sys.platform != "linux":
    raise ImportError(
        "memsection.RWLock: there is a readers-writer lock on Linux only so far (SUPPORTED.md); "
        "memsection.Mutex works everywhere"
    )

from memsection.rwlock.lock import RWLock
from memsection.rwlock.sides import ReadSide, WriteSide

__all__ = ["RWLock", "ReadSide", "WriteSide"]
