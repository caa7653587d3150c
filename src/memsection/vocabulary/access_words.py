# SPDX-License-Identifier: MIT
"""The words of ``access`` arguments, for type checkers; what each means is said where the arguments
are.

Imported by nobody at run time who does not ask for it: ``typing`` would cost every program its
import.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

#: Of sections, views, and what sections contain.
SectionAccess: TypeAlias = Literal["r", "rw", "c", "rx", "rwx", "cx"]
#: Of sections that other systems' programs have.
ReadOrWrite: TypeAlias = Literal["r", "rw"]
#: Of mutexes, events, semaphores and timers.
WaitableAccess: TypeAlias = Literal["r", "w", "rw"]
#: Of whatever has a handle.
Access: TypeAlias = SectionAccess | WaitableAccess
