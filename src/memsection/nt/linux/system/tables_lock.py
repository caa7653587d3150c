# SPDX-License-Identifier: MIT
"""The lock of the tables of handles, objects and views, which also whoever forks waits for."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

from memsection.nt.linux import _fast

lock = _fast.Lock()
