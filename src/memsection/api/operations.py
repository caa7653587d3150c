# SPDX-License-Identifier: MIT
"""For what is built on this face: functions that end with their result, or leave nothing of what
they made.

A signal handler can raise between any two steps of them (docs/decisions/0080).
"""

from __future__ import annotations

import sys

from memsection.nt.owners import done, drop_held, finish, outside, settled, unless_locked, whole

__all__ = ["done", "drop_held", "finish", "outside", "settled", "unless_locked", "whole"]

if sys.platform != "win32":
    from memsection.nt.owners import (
        beside,
        close_fd,
        duplicate_fd,
        guard_buffer,
        make_memory,
        open_fd,
    )

    __all__ += ["beside", "close_fd", "duplicate_fd", "guard_buffer", "make_memory", "open_fd"]
