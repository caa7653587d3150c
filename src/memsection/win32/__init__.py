# SPDX-License-Identifier: MIT
# ruff: noqa: F403
"""The Win32-named face: functions, structures and constants under their documented names, without A
or W.

One body of code over the kernel interface, the same on every system.  A file per header; this one
only brings their names together.  Handles and addresses are ints, NULL is 0 or None; what C writes
through pointers is the result; a call that fails raises ``OSError`` with ``.winerror`` and leaves
the code in ``GetLastError()``.
"""

from memsection.win32.accounts import *
from memsection.win32.aclapi import *
from memsection.win32.errhandlingapi import *
from memsection.win32.fileapi import *
from memsection.win32.fileapi_lock import *
from memsection.win32.fileapi_query import *
from memsection.win32.handleapi import *
from memsection.win32.memoryapi import *
from memsection.win32.memoryapi_pages import *
from memsection.win32.minwinbase import *
from memsection.win32.processenv import *
from memsection.win32.processthreadsapi import *
from memsection.win32.psapi import *
from memsection.win32.sddl import *
from memsection.win32.securitybaseapi import *
from memsection.win32.securitybaseapi_acl import *
from memsection.win32.securitybaseapi_check import *
from memsection.win32.securitybaseapi_query import *
from memsection.win32.securitybaseapi_sid import *
from memsection.win32.securitybaseapi_token import *
from memsection.win32.shellapi import *
from memsection.win32.synchapi import *
from memsection.win32.synchapi_timers import *
from memsection.win32.synchapi_wait import *
from memsection.win32.sysinfoapi import *
from memsection.win32.winbase import *
from memsection.win32.winerror import *
from memsection.win32.winnt import *
