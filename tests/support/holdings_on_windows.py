# SPDX-License-Identifier: MIT
"""What this process has on Windows, as the kernel itself tells it."""

from __future__ import annotations

import os
from collections.abc import Iterator

from memsection.nt import kernel
from memsection.nt.windows import objects
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import NtError

_MAPPED = 0x40000  #: MEM_MAPPED


def handles() -> set[int]:
    """The handles of this process, of whatever type.  (GetProcessHandleCount is always 0 in
    Wine.)"""
    table = objects._handle_table()
    return {entry.HandleValue for entry in table if entry.UniqueProcessId == os.getpid()}


def processes() -> set[int]:
    """The processes that have handles."""
    return {entry.UniqueProcessId for entry in objects._handle_table()}


def mapped_regions() -> Iterator[int]:
    """Where views of sections begin."""
    address = 0x10000
    while True:
        try:
            region = kernel.query_virtual_memory(s.CURRENT_PROCESS, address)
        except NtError:
            return  # the end of what a process can have
        if region.Type == _MAPPED and region.BaseAddress == region.AllocationBase:
            yield region.AllocationBase
        address = region.BaseAddress + region.RegionSize


def names() -> set[str]:
    """What is in the directory of local names."""
    entries, _ = kernel.query_directory_object(kernel.named_objects_directory(), False, 0)
    return {name for name, _ in entries}


def holdings(name: str) -> dict[str, object]:
    """The handles of this process, the names that contain ``name``, and its views."""
    return {
        "handles": handles(),
        "names": {each for each in names() if name in each},
        "views": set(mapped_regions()),
    }
