# SPDX-License-Identifier: MIT
"""The lock of the tables of handles, objects and views, which also whoever forks waits for."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

from memsection._native import records

lock = records.lock
