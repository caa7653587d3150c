# SPDX-License-Identifier: MIT
"""Replicas of sections on other hosts, over Eclipse zenoh (``pip install memsection[mirror]``).

``publish`` offers an object of this host to others; ``subscribe`` keeps a local, read-only copy
that is always one complete snapshot, which readers open as if it were the original.
"""

from __future__ import annotations

from memsection.mirror.credentials import make_keys
from memsection.mirror.listing import Published, publications
from memsection.mirror.network import Network
from memsection.mirror.publication import Publication, publish
from memsection.mirror.replica import Replica
from memsection.mirror.subscribing import subscribe

__all__ = [
    "Network",
    "Publication",
    "Published",
    "Replica",
    "make_keys",
    "publications",
    "publish",
    "subscribe",
]
