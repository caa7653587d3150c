# SPDX-License-Identifier: MIT
"""The readers-writer lock, ``memsection.RWLock``."""

from __future__ import annotations

from memsection.rwlock.lock import RWLock
from memsection.rwlock.sides import ReadSide, WriteSide

__all__ = ["RWLock", "ReadSide", "WriteSide"]
