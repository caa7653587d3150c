# SPDX-License-Identifier: MIT
"""Blocks: sections that live as long as the standard library's shared memory does, and not longer.

A block of ``multiprocessing.shared_memory`` has its name until somebody calls ``unlink()``; a
section has its name as long as somebody has a handle.  What is here brings the two together, and
leaves nothing behind after a crash:

* The process that creates a block keeps a handle to it until the block is unlinked or the process
  ends; a child of multiprocessing hands it over to its parent then (``child_handover``).  Whoever
  attaches has a handle until it closes.  So a name outlives ``close()``, and an attacher that ends
  takes nothing with it.
* ``unlink()`` marks the block and closes the handles of the calling process.  A marked block is
  found by nobody; views of it stay as they are.  As long as other processes still have handles to
  it, its successor under the same name is a section of another *generation*, and whoever made the
  successor keeps those before it from going first.
* A block that is to survive all processes (``track=False`` at its creation) cannot be a section: it
  is a genuine POSIX shared memory object, which any other program can open by name, and which stays
  until it is unlinked.  Such objects, whoever made them, are attached to like any other.

On Windows the standard library's blocks live as sections do, and so do these: unlinking has no
effect.

What a section cannot say of itself stands in its ``record``; genuine objects are ``posix_shm``'s.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from itertools import count, islice
from typing import TYPE_CHECKING

from memsection import Section
from memsection.api.operations import done, settled, whole
from memsection.compat import child_handover, posix_shm, record
from memsection.vocabulary.forks import run_in_child

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memsection import View

#: whether names live until unlink(); the standard library makes the same distinction
POSIX = os.name == "posix"
_WINDOW = 1 << 16  # the offset of a view is a multiple of this

# by identity: this process's handles to blocks that are sections
_handles: dict[bytes, list[Section]] = {}
# of these, the one that is kept for a block made here, or left by a child
_kept: dict[bytes, Section] = {}
# blocks made and closed here, or left by a child, not known to be unlinked; in order
_left: dict[bytes, None] = {}
# identity of a block made here to handles to the generations before it
_predecessors: dict[bytes, list[Section]] = {}


class Block:
    """One attachment to a block: its bytes, and what is needed to let go of it."""

    __slots__ = ("_handle", "_view", "identity", "name", "size")

    def __init__(
        self, name: str, size: int, identity: bytes, view: View, handle: Section | None = None
    ) -> None:
        self.name = name
        self.size = size
        self.identity = identity
        self._view: View | None = view
        # None: a creator's, which stays when the attachment goes, or none at all
        self._handle = handle

    @property
    def buffer(self) -> memoryview:
        """The block's bytes.  They stay mapped as long as anybody uses this or something made from
        it."""
        assert self._view is not None
        return memoryview(self._view)[: self.size]

    def close(self) -> None:
        """Let go of the view, and of the handle if this attachment has one of its own.  Again is
        harmless."""
        handle = self._handle
        if handle is None and self.identity in _handles:
            _left[self.identity] = None
        # Not closed but dropped: an array over a memoryview may hold on to the view itself and to
        # no buffer of it.
        self._view = None
        if handle is None:
            return
        handle.close()  # closed already if the block was unlinked here
        mine = _handles.get(self.identity, [])
        with contextlib.suppress(ValueError):
            mine.remove(handle)
        if not mine:
            _handles.pop(self.identity, None)


@whole
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
    if posix_shm.exists(name):
        raise posix_shm.name_taken(name)
    if not persistent:
        return _create_section(name, size)
    try:
        _open_section(name).close()
    except FileNotFoundError:
        view, identity = posix_shm.create(name, size)
        return Block(name, size, identity, view)
    raise posix_shm.name_taken(name)


@whole
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
    view, identity = posix_shm.open_(name)
    return Block(name, len(view), identity, view)


def unlink(name: str, identity: bytes = b"") -> None:
    """Take a block's name away: nobody finds it from now on; who has it mapped keeps it.

    A section that was made otherwise than as a block keeps its name, which ends with its last
    handle.

    Args:
        name: The name.
        identity: Which block is meant.  Another one that has the name by now is left alone.

    Rights:
        As for ``attach``; for a POSIX shared memory object, those that its removal needs.

    Raises:
        FileNotFoundError: There is no such block (any more).
    """
    if identity in _kept:
        _check(name)
        if not _mark_unlinked(_kept[identity]):
            _let_go(identity)
            raise posix_shm.name_missing(name)  # another process has unlinked what was made here
        _let_go(identity)
        return
    block = attach(name)
    try:
        if identity not in (b"", block.identity):
            raise posix_shm.name_missing(name)
        if block._handle is None:
            posix_shm.remove(name)
        elif block.identity:
            assert block._view is not None
            record.mark_unlinked(memoryview(block._view))
    finally:
        block.close()
    if block.identity:
        _let_go(block.identity)


# ---------------------------------------------------------------------- sections


def _create_section(name: str, size: int) -> Block:
    before: list[Section] = []
    try:
        section = _new(name, size, before)
        view = _map(section)
    except BaseException:
        for old in before:
            old.close()
        raise
    identity = secrets.token_bytes(16)
    record.write(memoryview(view), size, identity)
    if POSIX:
        child_handover.hand_over_at_exit(_to_leave)
    block: Block = done(_forget, Block, name, size, identity, view, None if POSIX else section)
    if before:
        _predecessors[identity] = before
    if POSIX:
        _kept[identity] = section
    _handles[identity] = [section]
    return block


def _forget(arguments: object, block: Block) -> None:
    """The operation that made a block has failed, and its handles are closed with it."""
    for known in (_handles, _kept, _left, _predecessors):
        known.pop(block.identity, None)


def _new(name: str, size: int, before: list[Section]) -> Section:
    """A section of the first generation that is free; ``before`` gets handles to those that
    unlinked blocks still have."""
    while True:
        full = _generation(name, len(before))
        try:
            return Section.create(full, record.section_size(size))
        except FileExistsError:
            pass
        try:
            section = Section.open(full)
        except FileNotFoundError:
            continue  # it has gone in between
        with _map(section) as view:
            _, identity, unlinked = record.read(memoryview(view))
        if not unlinked:
            section.close()
            raise posix_shm.name_taken(name)
        # another process unlinked what was made here: that was not noticed yet
        if identity in _handles:
            section.close()
            _let_go(identity)
            continue
        before.append(section)


def _open_section(name: str) -> Block:
    for generation in count():
        try:
            section = Section.open(_generation(name, generation))
        except FileNotFoundError:
            break
        view = _map(section)
        size, identity, unlinked = record.read(memoryview(view))
        if not unlinked:
            block: Block = done(_forget_handle, Block, name, size, identity, view, section)
            _handles.setdefault(identity, []).append(section)
            return block
        view.close()
        section.close()
    raise posix_shm.name_missing(name)


def _forget_handle(arguments: object, block: Block) -> None:
    """The operation that attached to a block has failed, and its handle is closed with it."""
    mine = _handles.get(block.identity, [])
    if block._handle in mine:
        mine.remove(block._handle)
    if not mine:
        _handles.pop(block.identity, None)


def _map(section: Section) -> View:
    """A view of the whole section, which is closed if there can be none."""
    try:
        return section.map()
    except BaseException:
        section.close()
        raise


def _check(name: str) -> None:
    if "\0" in name:
        raise ValueError("embedded null character")
    if POSIX:
        posix_shm.check(name)


def _generation(name: str, generation: int) -> str:
    return f"{name}\x1f{generation}" if generation else name


def _let_go(identity: bytes) -> None:
    """Close every handle of this process to a block that is unlinked."""
    _left.pop(identity, None)
    _kept.pop(identity, None)
    for section in [*_handles.pop(identity, []), *_predecessors.pop(identity, [])]:
        section.close()


def _sweep() -> None:
    """Look at two of the blocks that were left here: one that another process unlinked is let go.

    Nobody can tell this process of it; without a look now and then, a process that makes blocks for
    others to unlink would keep the memory of all of them.
    """
    for identity in list(islice(_left, 2)):
        handles = _handles.get(identity)
        del _left[identity]
        if not handles:
            continue
        _left[identity] = None  # behind the others, which have their turn next
        with _record_of(handles[0]) as view:
            unlinked = record.is_unlinked(memoryview(view))
        if unlinked:
            _let_go(identity)


def _mark_unlinked(section: Section) -> bool:
    """Mark a block; whether it was not marked before."""
    with _record_of(section) as view:
        buffer = memoryview(view)
        if record.is_unlinked(buffer):
            return False
        record.mark_unlinked(buffer)
        return True


def _record_of(section: Section) -> View:
    """A view of the end of a section, where the record is."""
    return section.map((section.size - record.SIZE) // _WINDOW * _WINDOW)


def _take_heritage() -> None:
    """Keep what ended children have left, as if it had been made here."""
    sections = child_handover.collect()
    while _inherit(sections):
        pass


@settled
def _inherit(sections: Iterator[Section]) -> bool:
    """Keep the next one, whatever becomes of the operation that looks; False when there is none."""
    section = next(sections, None)
    if section is None:
        return False
    try:
        with section.map() as view:
            _, identity, unlinked = record.read(memoryview(view))
    except OSError:
        section.close()
        return True
    if not identity or unlinked or identity in _kept:
        section.close()
        return True
    child_handover.hand_over_at_exit(_to_leave)
    others = _handles.get(identity, [])
    # Without a call in between, so that nothing raises.
    _handles[identity] = [*others, section]
    _kept[identity] = section
    _left[identity] = None
    return True


def _to_leave() -> list[Section]:
    """The handles that go to the parent when this process, its child, ends."""
    _take_heritage()
    return list(_kept.values())


@run_in_child
def _after_fork_in_child() -> None:
    """What was made by the parent is not this process's to leave to anybody."""
    _kept.clear()
    _left.clear()
    child_handover.listen()


def _close_all() -> None:
    """The process ends in order, and its children have: names that nobody else has go now."""
    child_handover.stop()
    for identity in list(_handles):
        with contextlib.suppress(OSError):
            _let_go(identity)


if POSIX:
    child_handover.listen()
    child_handover.hand_over_at_exit_of_children(_to_leave)
child_handover.at_exit(_close_all)
