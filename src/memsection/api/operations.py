# SPDX-License-Identifier: MIT
"""For what is built on this face: functions that end with their result, or leave nothing of what they made.

A signal handler can raise between any two steps of them (docs/decisions/0080).
"""

from __future__ import annotations

from memsection.nt.owners import done, drop_held, outside, settled, whole

__all__ = ["done", "drop_held", "outside", "settled", "whole"]
