# SPDX-License-Identifier: MIT
"""Values of handles that were given to another process: they say where the handle waits, giver's
process id and descriptor."""

from __future__ import annotations

import sys

assert sys.platform == "linux"


PID_SHIFT, FD_MASK, INHERIT = 24, (1 << 24) - 4, 1 << 47
# the objects behind the values that this process gave, the latest ones
recent_transfers: dict[int, tuple[int, ...]] = {}
MOST_RECENT_TRANSFERS = 4096
