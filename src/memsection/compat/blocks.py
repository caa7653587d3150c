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

A record behind the data says what the section cannot: the exact size, an identity, and whether it is unlinked.  It is
in shared memory, so it is checked on each use; the worst it can do to a reader is a wrong size within the section.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import os
import secrets
import stat
import struct
import time
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING

from memsection import Section
from memsection.compat import heritage

if TYPE_CHECKING:
    from memsection import View

POSIX = os.name == "posix"  #: whether names live until unlink(); the standard library makes the same distinction
DIRECTORY = "/dev/shm"  #: where the C library has POSIX shared memory objects

_PAGE = 4096
_WINDOW = 1 << 16  # the offset of a view is a multiple of this
_RECORD = struct.Struct("<Q16sI28xQ")  # size, identity, unlinked, magic: the last bytes of the section
_MAGIC = 0x4B434F4C424D534D  # written last: a record without it is still in the making
_UNLINKED = _RECORD.size - 24  # where the flag is, counted from the end

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
    if os.path.lexists(_path(name)):
        raise _taken(name)
    if not persistent:
        return _create_section(name, size)
    try:
        _open_section(name).close()
    except FileNotFoundError:
        return _create_persistent(name, size)
    raise _taken(name)


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
    return _open_persistent(name)


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
            raise _missing(name)
        if not block._handle:
            os.unlink(_path(name))
        elif block.identity:
            buffer = memoryview(block._view)
            struct.pack_into("<I", buffer, len(buffer) - _UNLINKED, 1)
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
    buffer = memoryview(view)
    _RECORD.pack_into(buffer, len(buffer) - _RECORD.size, size, identity, 0, 0)
    struct.pack_into("<Q", buffer, len(buffer) - 8, _MAGIC)
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
            return Section.create(full, -(-(size + _RECORD.size) // _PAGE) * _PAGE)
        except FileExistsError:
            pass
        try:
            handle, view = _map(Section.open(full))
        except FileNotFoundError:
            continue  # it has gone in between
        with view:
            _, identity, unlinked = _record(view)
        if not unlinked:
            _close(handle)
            raise _taken(name)
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
        size, identity, unlinked = _record(view)
        if not unlinked:
            _handles.setdefault(identity, []).append(handle)
            return Block(name, size, identity, view, handle)
        view.close()
        _close(handle)
    raise _missing(name)


def _map(section: Section) -> tuple[int, View]:
    """The handle, which is the caller's from now on, and a view of the whole section."""
    try:
        view = section.map()
    except BaseException:
        section.close()
        raise
    return section.detach(), view


def _record(view: View) -> tuple[int, bytes, int]:
    """Size, identity and whether it is unlinked; a section without a record is one block as a whole."""
    buffer = memoryview(view)
    size = unlinked = magic = 0
    identity = b""
    for _ in range(20):
        size, identity, unlinked, magic = _RECORD.unpack_from(buffer, len(buffer) - _RECORD.size)
        if magic or size:
            break
        time.sleep(0.0001)  # it may be in the making; a section that is no block costs these 2 ms
    if magic != _MAGIC or not 0 < size <= len(buffer) - _RECORD.size < size + _PAGE:
        return len(buffer), b"", 0
    return size, identity, unlinked


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
        offset = (size - _RECORD.size) // _WINDOW * _WINDOW
        section = Section.from_handle(handles[0])
        try:
            with section.map(offset, size - offset, access="r") as view:
                unlinked = view[len(view) - _UNLINKED]
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
                size, identity, unlinked = _record(view)
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


# ---------------------------------------------------------------------- POSIX shared memory objects


def _create_persistent(name: str, size: int) -> Block:
    path = Path(_path(name))
    path.touch(0o600, exist_ok=False)
    try:
        with path.open("r+b", buffering=0) as file:
            # Room is made now: on a full file system a write to a hole would be a fatal signal later.
            os.posix_fallocate(file.fileno(), 0, size)  # type: ignore[attr-defined, unused-ignore]  # POSIX only
        return _open_persistent(name)
    except BaseException:
        path.unlink()
        raise


def _open_persistent(name: str) -> Block:
    path = _path(name)
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        raise _missing(name) from None
    if not stat.S_ISREG(found.st_mode):
        raise PermissionError(errno.EACCES, "not a shared memory object", name)
    with open(path, "r+b", buffering=0) as file:
        opened = os.fstat(file.fileno())
        if (opened.st_dev, opened.st_ino) != (found.st_dev, found.st_ino):
            raise _missing(name)  # replaced in between, perhaps by a link to somewhere else
        with Section.from_file(file, access="rw") as section:
            view = section.map()
    return Block(name, len(view), struct.pack("=QQ", opened.st_dev, opened.st_ino), view)


def _path(name: str) -> str:
    return f"{DIRECTORY}/{name}"


# ---------------------------------------------------------------------- names


def _check(name: str) -> None:
    """Refuse what shm_open refuses (shm_open(3)), and what would lead out of the directory."""
    if "\0" in name:
        raise ValueError("embedded null character")
    if POSIX and (name in ("", ".", "..") or "/" in name):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), name)


def _missing(name: str) -> FileNotFoundError:
    return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)


def _taken(name: str) -> FileExistsError:
    return FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name)
