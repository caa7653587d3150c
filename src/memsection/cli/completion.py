# SPDX-License-Identifier: MIT
"""What the shell completes: names of objects, and ids of processes that hold some."""

from __future__ import annotations

import re

from memsection import errors
from memsection.nt import kernel

# A name that another user chose may hold a shell's commands, and what is completed stands on the
# command line unquoted.
_PLAIN = re.compile(r"[\w.@+,:][\w.@+,:-]*\Z")


def names(incomplete: str) -> list[str]:
    """The objects whose names begin so, and mean nothing else to a shell."""
    try:
        return sorted(
            {
                found.name
                for found in kernel.list_directory()
                if found.name.startswith(incomplete) and _PLAIN.match(found.name)
            }
        )
    except (errors.NtError, OSError):
        return []


def pids(incomplete: str) -> list[str]:
    """The processes that hold named objects."""
    try:
        found = {holder.pid for entry in kernel.list_directory() for holder in entry.holders}
    except (errors.NtError, OSError):
        return []
    return [str(pid) for pid in sorted(found) if str(pid).startswith(incomplete)]
