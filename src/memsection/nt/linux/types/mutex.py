# SPDX-License-Identifier: MIT
"""Mutexes, which the kernel interface calls mutants: create, open, release, query.

Taking one is waiting for it (``wait``).
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import errno

from memsection._native import ledger, sync
from memsection.nt.linux.handles import create_open, rights, table
from memsection.nt.linux.handles.record import Handle
from memsection.nt.linux.types import waitable
from memsection.vocabulary import access as a
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.object_types import MUTANT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


_SLOT, _LOCKED, _ABANDONED = 0xFFFF, 1 << 17, 1 << 18


def create(access: int, attributes: Any, initial_owner: bool) -> tuple[int, Handle]:
    """NtCreateMutant.  The creator owns it before anybody else can see it."""
    mine: list[sync.State] = []

    def take_ownership(state: sync.State, fd: int) -> None:
        while mine:  # an earlier attempt, whose name was taken meanwhile
            mine.pop().release_mutex()
        result = ledger.done(
            sync.put_back_one,
            sync.wait,
            [(state, fd)],
            all=False,
            accept_abandoned=True,
            deadline=0,
        )[0]
        if result:
            raise waitable.failure(result, MUTANT)
        mine.append(state)

    kept = False
    try:
        status, handle = waitable.create(
            MUTANT,
            access,
            attributes,
            sync.state_bytes(sync.MUTEX),
            take_ownership if initial_owner else None,
        )
        kept = bool(mine) and handle.obj.state is mine[0]
        return status, handle
    finally:
        if mine and not kept:
            mine.pop().release_mutex()


def open_(access: int, attributes: Any) -> Handle:
    """NtOpenMutant."""
    return create_open.open_(MUTANT, access, attributes)


def release(value: int) -> int:
    """NtReleaseMutant; the count before: 1 - how often it was owned."""
    handle = table.lookup(value, MUTANT)
    try:
        result = waitable.state_of(handle).release_mutex()
    except NtError:
        # A handle that may only read, to a mutex that this process has not mapped: so it does not
        # own it.
        result = -errno.EPERM
    if result < 0:
        raise waitable.failure(result, MUTANT, handle.obj.display_name())
    return 1 - result


def abandon(value: int) -> None:
    """Give a mutex back marked as abandoned: the next owner is told, as if this thread had
    ended."""
    handle = table.lookup(value, MUTANT)
    result = waitable.state_of(handle).abandon_mutex()
    if result < 0:
        raise waitable.failure(result, MUTANT, handle.obj.display_name())


def query(value: int) -> s.MutantBasicInformation:
    """NtQueryMutant; the owner as far as it says so itself."""
    handle = table.lookup(value, MUTANT, a.MUTANT_QUERY_STATE)
    if rights.needs_write(MUTANT, handle.access):
        waitable.state_of(handle).recover_dead_owner(handle.fd)
    word, tid, depth, owned, _, _ = waitable.look(handle)
    if not word & _SLOT or word & _LOCKED:
        return s.MutantBasicInformation(1, False, bool(word & _ABANDONED))
    count = owned or (depth if 0 < depth < 1 << 31 else 1)
    return s.MutantBasicInformation(1 - count, owned > 0, False, word >> 32, tid)
