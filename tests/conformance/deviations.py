# SPDX-License-Identifier: MIT
"""Where the library knowingly differs from Windows on Linux: one row for each scenario that shows it.

A row makes its scenario a strict expected failure, and a row of docs/reference/deviations.md, which
tools/deviations.py writes from this table.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Deviation:
    """One difference, in words for users.

    Attributes:
        operation: The function or functions.
        windows: What Windows does.
        here: What happens on Linux instead.
        error: The error that says so; "" when the call succeeds.
        reason: Why.
    """

    operation: str
    windows: str
    here: str
    error: str
    reason: str


#: By the id of the scenario that shows it.
DEVIATIONS: dict[str, Deviation] = {
    "more_guard_pages.told_once": Deviation(
        "VirtualProtect, VirtualAlloc with PAGE_GUARD", "the first access to such a page raises an exception, once",
        "refused", "50 ERROR_NOT_SUPPORTED",
        "an access that the system makes for the program (a read into the page) is refused without a signal, so that "
        "nobody could tell that the first touch has happened"),
}
