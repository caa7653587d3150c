# SPDX-License-Identifier: MIT
"""What the library does at a fork: functions that the object manager calls.

Not by ``os.register_at_fork``: a signal handler that raises in a function that is registered there
ends it, and Python goes on without it.  In the child these are called before any signal is
delivered to it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

before: list[Callable[[], None]] = []  #: in the parent, before the tables are locked
in_child: list[Callable[[], None]] = []  #: in the child, in this order, when they are unlocked


def run_before(function: Callable[[], None]) -> Callable[[], None]:
    """Have this process call a function before each fork."""
    before.append(function)
    return function


def run_in_child(function: Callable[[], None]) -> Callable[[], None]:
    """Have each forked child call a function first of all."""
    in_child.append(function)
    return function
