# SPDX-License-Identifier: MIT
"""The kernel of Windows itself, put together from its parts; nothing is kept here but what the
parts say."""

from __future__ import annotations

import sys

assert sys.platform == "win32"

from memsection.nt.windows.accounts import Accounts
from memsection.nt.windows.directories import Directories
from memsection.nt.windows.files import Files
from memsection.nt.windows.memory import Memory
from memsection.nt.windows.objects import Objects
from memsection.nt.windows.processes import Processes
from memsection.nt.windows.synchronisation import Synchronisation


class WindowsKernel(Objects, Directories, Memory, Files, Synchronisation, Processes, Accounts):
    """``nt.interface.Kernel`` over ntdll."""
