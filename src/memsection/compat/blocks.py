# SPDX-License-Identifier: MIT
"""Blocks: sections that live as long as the standard library's shared memory does, and not longer.

A block of ``multiprocessing.shared_memory`` has its name until somebody calls ``unlink()``; a section has its name as
long as somebody has a handle.  What is here brings the two together, and leaves nothing behind after a crash:

* The process that creates a block keeps a handle to it until the block is unlinked or the process ends; a child of
  multiprocessing leaves it to its parent then (``heritage``).  Whoever attaches has a handle until it closes.  So a
  name outlives ``close()``, and an attacher that ends takes nothing with it.
* ``unlink()`` marks the block and closes the handles of the calling process.  A marked block is found by nobody; views
  of it stay as they are.  As long as other processes still have handles to it, its successor under the same name is
  a section of another *generation*, and whoever made the successor keeps those before it from going first.
* A block that is to survive all processes (``track=False`` at its creation) cannot be a section: it is a genuine POSIX
  shared memory object, which any other program can open by name, and which stays until it is unlinked.  Such objects,
  whoever made them, are attached to like any other.

On Windows the standard library's blocks live as sections do, and so do these: unlinking has no effect.

What a section cannot say of itself stands in its ``record``; genuine objects are ``genuine``'s.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import secrets
from itertools import count, islice
from typing import TYPE_CHECKING

from memsection import Section
from memsection.compat import genuine, heritage, record

if TYPE_CHECKING:
    from memsection import View

POSIX = os.name == "posix"  #: whether names live until unlink(); the standard library makes the same distinction
_WINDOW = 1 << 16  # the offset of a view is a multiple of this

_handles: dict[bytes, list[int]] = {}  # by identity: this process's handles to blocks that are sections
_kept: dict[bytes, int] = {}  # of these, the one that is kept for a block made here, or left by a child
_left: dict[bytes, int] = {}  # blocks made and closed here, not known to be unlinked: identity to section size
_predecessors: dict[bytes, list[int]] = {}  # identity of a block made here to handles to the generations before it


class Block:
    """One attachment to a block: its bytes, and what is needed to let go of it."""

    __slots__ = ("_handle", "_view", "identity", "name", "size")

    def __init__(self, name: str, size: int, identity: bytes, view: View, handle: int = 0) -> None:
        self.name = name
        self.size = size
        self.identity = identity
        self._view = view
        self._handle = handle  # 0: a creator's, which stays when the attachment goes, or none at all

    @property
    def buffer(self) -> memoryview:
        """The block's bytes.  They stay mapped as long as anybody uses this or something made from it."""
        return memoryview(self._view)[:self.size]

    def close(self) -> None:
        """Let go of the view, and of the handle if this attachment has one of its own.  Once."""
        if not self._handle and self.identity in _handles:
            _left[self.identity] = len(self._view)
        # Not closed but dropped: an array over a memoryview may hold on to the view itself and to no buffer of it.
        del self._view
        mine = _handles.get(self.identity, [])
        if self._handle in mine:  # otherwise the block was unlinked here, and the handle closed
            mine.remove(self._handle)
            if not mine:
                _handles.pop(self.identity, None)
            _close(self._handle)


def create(name: str, size: int, *, persistent: bool = False) -> Block:
    """A new block of this name.

    Rights:
        None.

    Raises:
        FileExistsError: There is one.
        MemoryError: The memory cannot be had.
        OSError: There is no room for a persistent one.
    """
    _check(name)
    if not POSIX:
        return _create_section(name, size)
    _take_heritage()
    _sweep()
    if genuine.exists(name):
        raise genuine.taken(name)
    if not persistent:
        return _create_section(name, size)
    try:
        _open_section(name).close()
    except FileNotFoundError:
        view, identity = genuine.create(name, size)
        return Block(name, size, identity, view)
    raise genuine.taken(name)


def attach(name: str) -> Block:
    """The block of this name.

    Rights:
        Reading and writing the section, or the file.

    Raises:
        FileNotFoundError: There is none, or it is unlinked.
        PermissionError: It may not be read and written.
    """
    _check(name)
    if POSIX:
        _take_heritage()
    try:
        return _open_section(name)
    except FileNotFoundError:
        if not POSIX:
            raise
    view, identity = genuine.open_(name)
    return Block(name, len(view), identity, view)


def unlink(name: str, identity: bytes = b"") -> None:
    """Take a block's name away: nobody finds it from now on; who has it mapped keeps it.

    A section that was made otherwise than as a block keeps its name, which ends with its last handle.

    Args:
        name: The name.
        identity: Which block is meant.  Another one that has the name by now is left alone.

    Rights:
        As for ``attach``; for a POSIX shared memory object, those that its removal needs.

    Raises:
        FileNotFoundError: There is no such block (any more).
    """
    block = attach(name)
    try:
        if identity not in (b"", block.identity):
            raise genuine.missing(name)
        if not block._handle:
            genuine.remove(name)
        elif block.identity:
            record.mark_unlinked(memoryview(block._view))
    finally:
        block.close()
    if block.identity:
        _let_go(block.identity)


# ---------------------------------------------------------------------- sections


def _create_section(name: str, size: int) -> Block:
    before: list[int] = []
    try:
        handle, view = _map(_new(name, size, before))
    except BaseException:
        for old in before:
            _close(old)
        raise
    identity = secrets.token_bytes(16)
    record.write(memoryview(view), size, identity)
    _handles[identity] = [handle]
    if before:
        _predecessors[identity] = before
    if not POSIX:
        return Block(name, size, identity, view, handle)
    _kept[identity] = handle
    heritage.leave_at_end(_to_leave)
    return Block(name, size, identity, view)


def _new(name: str, size: int, before: list[int]) -> Section:
    """A section of the first generation that is free; ``before`` gets handles to those that unlinked blocks still have."""
    while True:
        full = _generation(name, len(before))
        try:
            return Section.create(full, record.section_size(size))
        except FileExistsError:
            pass
        try:
            handle, view = _map(Section.open(full))
        except FileNotFoundError:
            continue  # it has gone in between
        with view:
            _, identity, unlinked = record.read(memoryview(view))
        if not unlinked:
            _close(handle)
            raise genuine.taken(name)
        if identity in _handles:  # another process unlinked what was made here: that was not noticed yet
            _close(handle)
            _let_go(identity)
            continue
        before.append(handle)


def _open_section(name: str) -> Block:
    for generation in count():
        try:
            section = Section.open(_generation(name, generation))
        except FileNotFoundError:
            break
        handle, view = _map(section)
        size, identity, unlinked = record.read(memoryview(view))
        if not unlinked:
            _handles.setdefault(identity, []).append(handle)
            return Block(name, size, identity, view, handle)
        view.close()
        _close(handle)
    raise genuine.missing(name)


def _map(section: Section) -> tuple[int, View]:
    """The handle, which is the caller's from now on, and a view of the whole section."""
    try:
        view = section.map()
    except BaseException:
        section.close()
        raise
    return section.detach(), view


def _check(name: str) -> None:
    if "\0" in name:
        raise ValueError("embedded null character")
    if POSIX:
        genuine.check(name)


def _generation(name: str, generation: int) -> str:
    return f"{name}\x1f{generation}" if generation else name


def _let_go(identity: bytes) -> None:
    """Close every handle of this process to a block that is unlinked."""
    _left.pop(identity, None)
    _kept.pop(identity, None)
    for handle in [*_handles.pop(identity, []), *_predecessors.pop(identity, [])]:
        _close(handle)


def _sweep() -> None:
    """Look at two of the blocks that were left here: one that another process unlinked is let go.

    Nobody can tell this process of it; without a look now and then, a process that makes blocks for others to unlink
    would keep the memory of all of them.
    """
    for identity in list(islice(_left, 2)):
        size, handles = _left.pop(identity, 0), _handles.get(identity)
        if not size or not handles:
            continue
        _left[identity] = size  # behind the others, which have their turn next
        offset = (size - record.SIZE) // _WINDOW * _WINDOW
        section = Section.from_handle(handles[0])
        try:
            with section.map(offset, size - offset, access="r") as view:
                unlinked = record.is_unlinked(memoryview(view))
        finally:
            section.detach()
        if unlinked:
            _let_go(identity)


def _close(handle: int) -> None:
    Section.from_handle(handle).close()


def _take_heritage() -> None:
    """Keep what ended children have left, as if it had been made here."""
    for section in heritage.taken():
        try:
            with section.map() as view:
                _, identity, unlinked = record.read(memoryview(view))
                length = len(view)
        except OSError:
            section.close()
            continue
        if not identity or unlinked or identity in _kept:
            section.close()
            continue
        handle = section.detach()
        _handles.setdefault(identity, []).append(handle)
        _kept[identity] = handle
        _left[identity] = length
        heritage.leave_at_end(_to_leave)


def _to_leave() -> list[int]:
    """The handles that go to the parent when this process, its child, ends."""
    _take_heritage()
    return list(_kept.values())


def _after_fork_in_child() -> None:
    """What was made by the parent is not this process's to leave to anybody."""
    _kept.clear()
    _left.clear()
    heritage.listen()


if POSIX:
    heritage.listen()
    heritage.leave_at_end_of_children(_to_leave)
    os.register_at_fork(after_in_child=_after_fork_in_child)  # type: ignore[attr-defined, unused-ignore]


@atexit.register
def _close_all() -> None:
    """The process ends in order: names that nobody else has go now, not when somebody meets what is left of them."""
    heritage.stop()
    for identity in list(_handles):
        with contextlib.suppress(OSError):
            _let_go(identity)
