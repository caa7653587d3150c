# SPDX-License-Identifier: MIT
"""``SharedMemory`` with the standard library's signature, properties and exceptions, over a block.

This module can stand in the place of ``multiprocessing.shared_memory``, whose few private names
that its users and tests know are here too.  Lifetime is in ``blocks``, lists are in
``shareable_list``.
"""

from __future__ import annotations

import os
import secrets
from typing import Any

from memsection.api.operations import whole
from memsection.compat import blocks
from memsection.compat.shareable_list import ShareableList

__all__ = ["ShareableList", "SharedMemory"]

_USE_POSIX = blocks.POSIX
_SHM_SAFE_NAME_LENGTH = 14
_SHM_NAME_PREFIX = "/psm_" if _USE_POSIX else "wnsm_"
_O_CREX = os.O_CREAT | os.O_EXCL


def _make_filename() -> str:
    """A random name, of the standard library's form."""
    return _SHM_NAME_PREFIX + secrets.token_hex(
        (_SHM_SAFE_NAME_LENGTH - len(_SHM_NAME_PREFIX)) // 2
    )


class SharedMemory:
    """A new shared memory block, or an attachment to an existing one.

    What is different from ``multiprocessing.shared_memory.SharedMemory``:

    * No process but its users knows of a block: nothing is registered, nobody warns, and nobody
      removes a block that is in use.  A block goes when it is unlinked; without that, with the
      process that created it and the last attachment.
    * Arrays over ``buf`` keep the memory alive after ``close()``.
    * Memory that cannot be had is an exception here, not a signal later.
    * The object that ``unlink()`` removes is the one that this attachment means, or none.

    Args:
        name: The block's name; one is made up for a new block without.
        create: Whether to make a new block.
        size: Bytes of a new block; ignored otherwise.
        track: Of a new block: whether it goes with the processes that use it.  False makes a POSIX
            shared memory object, which stays until it is unlinked.  An attachment never removes
            anything, whatever this is.

    Raises:
        FileExistsError: There is a block of that name already.
        FileNotFoundError: There is none to attach to.
        MemoryError: The memory cannot be had.
        ValueError: A size that no block can have, or no name to attach to.
    """

    _name: str | None = None
    _block: blocks.Block | None = None
    _buf: memoryview | None = None
    _size = 0
    _identity = b""
    _flags = os.O_RDWR
    _mode = 0o600
    _prepend_leading_slash = _USE_POSIX
    _track = True

    @whole
    def __init__(
        self, name: str | None = None, create: bool = False, size: int = 0, *, track: bool = True
    ) -> None:
        if not size >= 0:
            raise ValueError("'size' must be a positive integer")
        if create:
            self._flags = _O_CREX | os.O_RDWR
            if size == 0:
                raise ValueError("'size' must be a positive number different from zero")
        if name is None and not self._flags & os.O_EXCL:
            raise ValueError("'name' can only be None if create=True")
        self._track = track
        block = self._make_unnamed(size) if name is None else self._make_named(name, size)
        self._block = block
        self._identity = block.identity
        self._size = block.size
        self._buf = block.buffer

    def _make_unnamed(self, size: int) -> blocks.Block:
        while True:
            name = _make_filename()
            try:
                block = blocks.create(_bare(name), size, persistent=not self._track)
            except FileExistsError:
                continue
            self._name = name
            return block

    def _make_named(self, name: str, size: int) -> blocks.Block:
        full = "/" + name if self._prepend_leading_slash else name
        bare = _bare(full)
        if self._flags & os.O_EXCL:
            block = blocks.create(bare, size, persistent=not self._track)
        else:
            try:
                block = blocks.attach(bare)
            except FileNotFoundError:
                # a subclass may have flags of its own that say to create it then
                if not self._flags & os.O_CREAT or not size:
                    raise
                block = blocks.create(bare, size, persistent=not self._track)
        self._name = full
        return block

    def __del__(self) -> None:
        try:
            self.close()
        except (OSError, TypeError, AttributeError):
            pass  # at the end of the interpreter, when modules are half gone

    def __reduce__(self) -> tuple[Any, ...]:
        return _attach, (type(self), self.name, self.size, self._track)

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({self.name!r}, size={self.size})"

    @property
    def buf(self) -> memoryview | None:
        """A memoryview of the block's contents; None after ``close()``."""
        return self._buf

    @property
    def name(self) -> str | None:
        """The name that other processes attach by."""
        name = self._name
        return name[1:] if name and self._prepend_leading_slash and name.startswith("/") else name

    @property
    def size(self) -> int:
        """Size in bytes."""
        return self._size

    def close(self) -> None:
        """Let go of the memory; the block stays.  Arrays and memoryviews that are still in use stay
        valid."""
        self._buf = None
        block = self._block
        if block is not None:
            block.close()
            self._block = None

    def unlink(self) -> None:
        """Take the block's name away.  Its memory goes when nobody has it mapped.  No effect on
        Windows.

        Raises:
            FileNotFoundError: It was done already, or the block has gone.
        """
        if _USE_POSIX and self._name:
            blocks.unlink(_bare(self._name), self._identity)


def _bare(name: str) -> str:
    """The name without the slash in front that a POSIX name has."""
    return name.lstrip("/") if _USE_POSIX else name


def _attach(kind: type[SharedMemory], name: str, size: int, track: bool) -> SharedMemory:
    """Unpickle.  A class derived from the standard library's older form may know no ``track``."""
    return kind(name, False, size) if track else kind(name, False, size, track=False)
