# SPDX-License-Identifier: MIT
"""Reserving the memory of a body when it is made or committed, so that touching it later cannot
fail (C1)."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import errno
import time

from memsection._native import system
from memsection.nt.linux.bodies import commit
from memsection.nt.linux.system import addresses
from memsection.nt.linux.system import syscalls as sys_
from memsection.nt.linux.system.addresses import HUGE_PAGE, PAGE
from memsection.nt.linux.system.tables_lock import lock
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError

_AT_ONCE = 32 * HUGE_PAGE  # each such call waits for all processors once


def reserve(
    fd: int, offset: int, size: int, where: str = commit.MEMORY, *, whole: bool = False
) -> None:
    """Charge memory for a part of a body now, so that touching it later cannot fail (C1).

    For the whole of a body that is made here and now, huge pages are taken where the kernel has
    them at hand.

    Raises:
        NtError: COMMITMENT_LIMIT, naming what was asked, the limit and the remedy.
    """
    commit.check(size, where)
    if whole and size >= commit.SMALL and where == commit.MEMORY:
        _take_huge_pages(fd, size)
    try:
        sys_.fallocate(fd, offset, size)
    except OSError as error:
        tell_shortage(error, size, where)
        raise


def tell_shortage(error: OSError, size: int, where: str) -> None:
    """Raise what stands against reserving so much, where that is why a call failed."""
    if error.errno == errno.EFBIG:
        commit.require(size)  # which limit that was (RLIMIT_FSIZE), and what to do
    if error.errno == errno.ENOSPC and where != commit.MEMORY:
        commit.require_inode(where)
    if error.errno in (errno.ENOSPC, errno.ENOMEM):
        commit.require(size, where)
        raise NtError(
            st.COMMITMENT_LIMIT,
            detail=(
                f"asked for {commit.amount(size)}, which could not be had from {where} although it "
                "seemed to be free: somebody else was faster"
            ),
        ) from None


def _take_huge_pages(fd: int, size: int) -> None:
    """Have an empty body in huge pages as far as that goes at once: they are reserved faster, and
    read and written faster.

    By MADV_COLLAPSE, which needs one page there to begin with, and takes the mount's word against
    huge pages for advice only (madvise(2)).  Where the kernel would have to make room first,
    ordinary pages do.
    """
    size = size // HUGE_PAGE * HUGE_PAGE
    with lock:
        address = addresses.place(
            size, system.PROT_READ | system.PROT_WRITE, system.MAP_SHARED, fd, 0
        )
    try:
        if address % HUGE_PAGE:
            return
        began = time.thread_time()
        for offset in range(0, size, _AT_ONCE):
            part = min(size - offset, _AT_ONCE)
            for first in range(offset, offset + part, HUGE_PAGE):
                sys_.fallocate(fd, first, PAGE)
            sys_.madvise(address + offset, part, sys_.MADV_COLLAPSE)
            # clearing one takes a tenth of that
            if time.thread_time() - began > 0.05 + offset / HUGE_PAGE * 0.003:
                return
    except OSError:
        pass  # no such advice, no huge page left, no memory: what the caller does next tells which
    finally:
        sys_.munmap(address, size)
        with lock:
            sys_.reuse_address(address, size)
