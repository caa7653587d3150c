# SPDX-License-Identifier: MIT
"""Flushing views to disk, and advice that pages will be needed."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import errno

from memsection._native import system
from memsection.nt.linux.system import syscalls as sys_
from memsection.nt.linux.system.addresses import PAGE
from memsection.nt.linux.views import regions
from memsection.nt.linux.views.regions import Region
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def flush(address: int, size: int) -> None:
    """NtFlushVirtualMemory: when it returns, the written pages of a file's view are on disk."""
    region = regions.find(address)
    if region is None or region.obj is None:
        raise NtError(st.NOT_MAPPED_VIEW, detail=f"there is no view at {address:#x}")
    flush_region(region, address - region.base, size)


def flush_region(region: Region, offset: int, size: int) -> None:
    """Write pages of a file's view to disk; to the view's end with size 0."""
    regions.require_mapped(region)
    first = offset // PAGE * PAGE
    end = min(-(-(offset + size) // PAGE) * PAGE, region.size) if size else region.size
    obj = region.obj
    if (
        region.shared
        and region.writable
        and obj is not None
        and obj.facts is not None
        and obj.facts.file_identity
    ):
        # The disk may take long, so it is done without the lock.  Who unmaps the view meanwhile can
        # have another one's pages written to disk earlier than they would be, and no more; what is
        # said about this one is asked afterwards.
        try:
            sys_.msync(region.base + first, end - first)
        except OSError:
            regions.require_mapped(region)
            raise
        regions.require_mapped(region)


def prefetch(ranges: Any) -> None:
    """Advice that pages will be needed (madvise(2), MADV_WILLNEED)."""
    for address, size in ranges:
        start = address // PAGE * PAGE
        try:
            sys_.madvise(start, -(-(address + size - start) // PAGE) * PAGE, system.MADV_WILLNEED)
        except OSError as error:
            raise NtError(
                st.ACCESS_VIOLATION if error.errno == errno.ENOMEM else st.from_errno(error.errno)
            ) from None
