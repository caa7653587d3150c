# SPDX-License-Identifier: MIT
"""How a number that no call of this process made becomes a handle, by the type of what it can only
be.

The handle table asks what is entered here: it knows the types and the transfer of handles no more
than by this.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import os

from memsection.nt.linux.handles import create_open, state, table
from memsection.nt.linux.handles.record import Handle
from memsection.vocabulary.object_types import FILE, PROCESS


def connect() -> None:
    """Enter who adopts into the handle table, and what has to be done before a name is opened."""
    table.adopters[PROCESS] = _adopt_pidfd
    table.adopters[FILE] = _adopt_file
    table.fetch_given = _fetch_given
    if _close_delivered not in create_open.before_open:
        create_open.before_open.append(_close_delivered)


# What few programs need is imported with its first use.


def _adopt_pidfd(fd: int, found: os.stat_result, value: int) -> Handle:
    from memsection.nt.linux.types import process, thread

    adopt = thread.adopt if thread.is_thread(fd) else process.adopt
    return adopt(fd, found, value)


def _adopt_file(fd: int, found: os.stat_result, value: int) -> Handle:
    from memsection.nt.linux.types import file

    return file.adopt(fd, found, value)


def _fetch_given(value: int) -> Handle:
    from memsection.nt.linux.transfer import give

    return give.accept(value)


def _close_delivered() -> None:
    if state.pending_transfers:
        from memsection.nt.linux.transfer import give

        give.close_delivered()
