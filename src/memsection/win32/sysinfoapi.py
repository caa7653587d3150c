# SPDX-License-Identifier: MIT
"""sysinfoapi.h: the sizes that sections and views go by."""

from __future__ import annotations

import os

from memsection.vocabulary.protection import ALLOCATION_GRANULARITY, PAGE_SIZE
from memsection.vocabulary.records import record

__all__ = ["SYSTEM_INFO", "GetSystemInfo"]


@record(frozen=True, slots=True)
class SYSTEM_INFO:
    """Sizes of pages, of the steps at which views begin, and how many processors there are."""

    dwPageSize: int
    dwNumberOfProcessors: int
    dwAllocationGranularity: int


def GetSystemInfo() -> SYSTEM_INFO:
    """What this system is like, as far as sections depend on it.

    Rights:
        None.

    Raises:
        Nothing.
    """
    return SYSTEM_INFO(PAGE_SIZE, os.cpu_count() or 1, ALLOCATION_GRANULARITY)
