# SPDX-License-Identifier: MIT
"""The genuine Windows ``mmap`` with Linux's parameters besides."""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import ctypes
import mmap as genuine
from typing import Any, Self

from memsection.compat import mmap_form as form
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import ArgumentError, Error
from memsection.vocabulary.protection import PAGE_NOACCESS

#: Linux's constants (mman(2), madvise(2)), which programs written there name.
CONSTANTS = {
    "MAP_SHARED": 1,
    "MAP_PRIVATE": 2,
    "MAP_ANON": 0x20,
    "MAP_ANONYMOUS": 0x20,
    "MAP_DENYWRITE": 0x800,
    "MAP_EXECUTABLE": 0x1000,
    "MAP_NORESERVE": 0x4000,
    "MAP_POPULATE": 0x8000,
    "MAP_STACK": 0x20000,
    "PROT_READ": 1,
    "PROT_WRITE": 2,
    "PROT_EXEC": 4,
    "MADV_NORMAL": 0,
    "MADV_RANDOM": 1,
    "MADV_SEQUENTIAL": 2,
    "MADV_WILLNEED": 3,
    "MADV_DONTNEED": 4,
    "MADV_FREE": 8,
    "MADV_REMOVE": 9,
    "MADV_DONTFORK": 10,
    "MADV_DOFORK": 11,
    "MADV_MERGEABLE": 12,
    "MADV_UNMERGEABLE": 13,
    "MADV_HUGEPAGE": 14,
    "MADV_NOHUGEPAGE": 15,
    "MADV_DONTDUMP": 16,
    "MADV_DODUMP": 17,
    "MADV_HWPOISON": 100,
}
_ADVICE = range(4)  #: what says nothing but how the memory will be used
#: flags that Linux ignores, or takes as advice
_MEANINGLESS = 0x800 | 0x1000 | 0x4000 | 0x8000 | 0x20000


class mmap(genuine.mmap):  # noqa: N801  # the name of the original
    """A map of a file or of memory; ``mmap.mmap`` with Linux's parameters besides."""

    _tagname: str | None = None

    def __new__(cls, fileno: int, length: int, *args: Any, **kw: Any) -> Self:
        """Map a file, or memory: see the module."""
        if form.is_windows(args, kw):
            tagname, access, offset = form.windows(args, kw)
        else:
            flags, prot, access, offset = form.linux(args, kw)
            tagname = None
            if flags & ~(form.MAP_SHARED | form.MAP_PRIVATE | form.MAP_ANONYMOUS | _MEANINGLESS):
                raise ValueError(f"mmap: flags={flags:#x} have no meaning on Windows")
            if flags & form.MAP_ANONYMOUS and fileno != -1:
                raise ValueError("mmap: MAP_ANONYMOUS maps no file: fileno has to be -1")
            if prot == form.PROT_NONE and flags & form.MAP_ANONYMOUS:
                return super().__new__(cls, -1, length)._without_access()
            if access == genuine.ACCESS_DEFAULT and (args or kw.keys() & {"flags", "prot"}):
                access = form.access_of(flags, prot)
        self = super().__new__(cls, fileno, length, tagname, access, offset)
        self._tagname = tagname
        return self

    def _without_access(self) -> Self:
        """Let nobody touch the memory."""
        before = ctypes.c_ulong()
        with memoryview(self) as held:
            # Safety: the address is this map's, which is held, and so is its length.
            address = ctypes.addressof(ctypes.c_char.from_buffer(held))
            if not ctypes.windll.kernel32.VirtualProtect(
                ctypes.c_void_p(address),
                ctypes.c_size_t(len(self)),
                PAGE_NOACCESS,
                ctypes.byref(before),
            ):
                raise ctypes.WinError()
        return self

    def resize(self, newsize: int) -> None:
        """Change the size of the map, and of its file.

        Raises:
            OSError: No size; somebody else has it mapped.
        """
        if newsize == 0:  # the genuine one cuts the file first, and fails then
            len(self)  # a closed map says so
            raise ArgumentError("resize: a map has at least one byte")
        super().resize(newsize)

    def madvise(self, option: int, start: int = 0, length: int | None = None) -> None:
        """Say how the memory will be used.

        Raises:
            ValueError: The range leaves the map.
            Error: It is more than advice, which Windows has nothing for.
        """
        if not 0 <= start < len(self):
            raise ValueError("madvise start out of bounds")
        if length is not None and length < 0:
            raise ValueError("madvise length invalid")
        if length is not None and start + length > sys.maxsize:
            raise OverflowError("madvise length too large")
        if option not in _ADVICE:
            raise Error(
                f"madvise: {option} is more than advice: it changes the memory",
                ntstatus=st.NOT_SUPPORTED,
            )

    def __repr__(self) -> str:
        text = super().__repr__()
        return text.replace("<mmap ", "<mmap.mmap ", 1) if type(self).__name__ == "mmap" else text

    def __sizeof__(self) -> int:
        return object.__sizeof__(self) + (len(self._tagname) + 1 if self._tagname else 0)
