# SPDX-License-Identifier: MIT
"""pywin32's mmapfile: a view of a file or of memory, with a position."""

# ruff: noqa: N803  # the names of the originals

from __future__ import annotations

from typing import Any

from pywintypes import call
from pywintypes import error as error

from memsection import win32 as w
from memsection.nt import kernel

_SHARE_ALL = 7


class Pymmapfile:
    """A view that reads and writes at a position."""

    def __init__(
        self, file: str | None, name: str | None, maximum: int, offset: int, count: int
    ) -> None:
        self._name, self._offset, self._count, self._position = name or None, offset, count, 0
        self._file = self._section = 0
        self._view: Any = None
        try:
            if file is not None:
                self._file = call(
                    "CreateFile",
                    w.CreateFile,
                    file,
                    w.GENERIC_READ | w.GENERIC_WRITE,
                    _SHARE_ALL,
                    None,
                    w.OPEN_ALWAYS,
                    w.FILE_ATTRIBUTE_NORMAL,
                    0,
                )
            self._open(maximum)
        except BaseException:
            self.close()
            raise

    def _open(self, maximum: int) -> None:
        self._section = call(
            "CreateFileMapping",
            w.CreateFileMapping,
            self._file or w.INVALID_HANDLE_VALUE,
            None,
            w.PAGE_READWRITE,
            maximum >> 32,
            maximum & 0xFFFFFFFF,
            self._name,
        )
        address = call(
            "MapViewOfFile",
            w.MapViewOfFile,
            self._section,
            w.FILE_MAP_WRITE,
            self._offset >> 32,
            self._offset & 0xFFFFFFFF,
            self._count,
        )
        size = self._count or w.VirtualQuery(address).RegionSize
        self._view = kernel.view_buffer(address, size, readonly=False)

    def _shut(self) -> None:
        if self._view is not None:
            self._view.close()
            self._view = None
        if self._section:
            w.CloseHandle(self._section)
            self._section = 0

    def _content(self) -> memoryview:
        if self._view is None:
            raise ValueError("the mapping is closed")
        return memoryview(self._view)

    def close(self) -> None:
        """Unmap the view and close the handles."""
        self._shut()
        if self._file:
            w.CloseHandle(self._file)
            self._file = 0

    def __del__(self) -> None:
        try:
            self.close()
        except Exception:
            pass  # somebody closed it underneath, or the interpreter ends

    def size(self) -> int:
        """The bytes of the view."""
        return len(self._content())

    def tell(self) -> int:
        """The position."""
        return self._position

    def seek(self, dist: int, how: int = 0) -> None:
        """Move the position."""
        where = dist + (0, self._position, self.size())[how]
        if not 0 <= where <= self.size():
            raise ValueError("seek out of range")
        self._position = where

    def read(self, num_bytes: int) -> bytes:
        """The next bytes; fewer at the end."""
        data = bytes(self._content()[self._position : self._position + max(num_bytes, 0)])
        self._position += len(data)
        return data

    def read_byte(self) -> bytes:
        """The next byte."""
        if self._position >= self.size():
            raise ValueError("read byte out of range")
        return self.read(1)

    def read_line(self) -> bytes:
        """The bytes up to the next line break."""
        rest = bytes(self._content()[self._position :])
        return self.read(rest.find(b"\n") + 1 or len(rest))

    readline = read_line

    def write(self, data: Any) -> None:
        """Write bytes at the position."""
        content = self._content()
        if self._position + len(data) > len(content):
            raise ValueError("data out of range")
        content[self._position : self._position + len(data)] = data
        self._position += len(data)

    def write_byte(self, char: Any) -> None:
        """Write one byte."""
        self.write(bytes([char]) if isinstance(char, int) else char)

    def find(self, needle: Any, start: int | None = None) -> int:
        """Where bytes are, from the position on when no start is given; -1 if they are not."""
        return bytes(self._content()).find(needle, self._position if start is None else start)

    def move(self, dest: int, src: int, count: int) -> None:
        """Copy bytes within the view."""
        content = self._content()
        if min(dest, src, count) < 0 or max(dest, src) + count > len(content):
            raise ValueError("source or destination out of range")
        content[dest : dest + count] = bytes(content[src : src + count])

    def flush(self, offset: int = 0, size: int = 0) -> None:
        """Have what was written in the file."""
        call("FlushViewOfFile", w.FlushViewOfFile, self._view.address + offset, size)

    def resize(self, MaximumSize: int, FileOffset: int = 0, NumberOfBytesToMap: int = 0) -> None:
        """Map the file, or the memory, anew with another size."""
        self._shut()
        self._offset, self._count = FileOffset, NumberOfBytesToMap
        if self._file and MaximumSize:
            call("SetFilePointer", w.SetFilePointer, self._file, MaximumSize, w.FILE_BEGIN)
            call("SetEndOfFile", w.SetEndOfFile, self._file)
        self._open(MaximumSize)


def mmapfile(
    File: str | None,
    Name: str | None,
    MaximumSize: int = 0,
    FileOffset: int = 0,
    NumberOfBytesToMap: int = 0,
) -> Pymmapfile:
    """Map a file, or memory without one, under a name or none."""
    return Pymmapfile(File, Name, MaximumSize, FileOffset, NumberOfBytesToMap)
