# SPDX-License-Identifier: MIT
"""One mapping of a section, as a buffer.

Bounds, exports and the moment of unmapping are the native core's (``nt.ViewBuffer``); this file
adds what is done with the memory as a whole: flushing, committing, looking for lost pages.  Mapping
is ``Section.map``.
"""

from __future__ import annotations

from memsection.nt import ViewBuffer, kernel
from memsection.nt import publish as publish
from memsection.nt import published as published
from memsection.vocabulary.arguments import whole_number
from memsection.vocabulary.errors import ArgumentError, NtError, public_error
from memsection.vocabulary.protection import MEM_COMMIT, PAGE_SIZE
from memsection.vocabulary.structs import CURRENT_PROCESS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class View(ViewBuffer):
    """Bytes of a section, mapped into this process.

    A buffer for ``memoryview``, ``numpy.frombuffer``, ``struct`` and everybody else, with ``len``,
    indexing and slicing of its own; a slice is a ``memoryview`` of the same memory, not a copy.
    Closing it never fails: while arrays or memoryviews use the memory, it stays mapped until the
    last of them goes.  A view left to the collector is closed by it.

    Made by ``Section.map``.
    """

    __slots__ = ("_committed_as", "_held")

    _committed_as: int  #: the page protection that a commit gives
    _held: object  #: what goes with the memory

    def __init__(self, *arguments: Any, **options: Any) -> None:
        if "release" not in options:
            raise TypeError("View() makes nothing: use section.map(...)")
        super().__init__(*arguments, **options)

    def flush(self, offset: int = 0, length: int | None = None) -> None:
        """Have what was written to a view of a file on disk when this returns.

        For a section without a file, and in a copy-on-write view, there is nothing to do.

        Args:
            offset: First byte to flush.
            length: Bytes to flush; to the end of the view when omitted.

        Rights:
            None: what the view could write may be flushed.

        Raises:
            ArgumentError: The range leaves the view, or the view is closed, or was unmapped
                otherwise (``UnmapViewOfFile``): what is at its address now is left alone.
            InPageError: The file was cut short under the view.
            Error: The disk is full, or does not work.
        """
        start, size = self._range("flush", offset, length)
        # raises where pages are missing, and keeps the view until it is done
        with memoryview(self):
            if size:
                self._call(kernel.flush_buffer, self, start, size)

    def commit(self, offset: int = 0, length: int | None = None) -> None:
        """Have memory behind pages of a section that was created with ``commit=False``, for every
        view of it.

        Committing what is committed already does nothing.

        Args:
            offset: First byte that is needed.
            length: Bytes that are needed; to the end of the view when omitted.

        Rights:
            None: what the view could write may be committed.

        Raises:
            ArgumentError: The range leaves the view, or the view is closed, or was unmapped
                otherwise (``UnmapViewOfFile``): what is at its address now is left alone.
            CommitError: The memory cannot be had.
            InPageError: The memory was cut away under the view.
        """
        start, size = self._range("commit", offset, length)
        with memoryview(self):  # keeps the view until it is done
            if size:
                self._call(kernel.commit_buffer, self, start, size, self._committed_as)

    def check(self) -> None:
        """Find out whether all pages are still there.

        Only a view of a file can lose pages: when somebody cuts the file short.  The process lives,
        the lost pages read as zeros, and this, like the next operation on the view, says so.

        Rights:
            None.

        Raises:
            ArgumentError: The view is closed.
            InPageError: Pages were found missing; the message names the first.
        """
        memoryview(self).release()  # whoever asks for the buffer is told

    def _is_committed(self, start: int, stop: int) -> bool:
        """Whether there is memory behind a part of it: touching reserved pages ends a process."""
        if self._is_whole:
            return True
        at, end = self.address + start, self.address + stop
        while at < end:
            found = self._call(kernel.query_virtual_memory, CURRENT_PROCESS, at)
            if found.State == MEM_COMMIT:
                at = found.BaseAddress + found.RegionSize
                continue
            try:  # Wine tells of the first part that somebody else committed, and of no other
                kernel.read_virtual_memory(CURRENT_PROCESS, at, 1)
            except NtError:
                return False
            at = found.BaseAddress + PAGE_SIZE
        return True

    def _range(self, operation: str, offset: int, length: int | None) -> tuple[int, int]:
        whole = len(self)
        offset = whole_number(offset, "offset")
        size = whole - offset if length is None else whole_number(length, "length")
        if offset < 0 or size < 0 or offset + size > whole:
            raise ArgumentError(
                f"{operation}: asked for {size} bytes at offset {offset}, the view has {whole}"
            )
        return offset, size

    def _call(self, service: Any, *arguments: Any) -> Any:
        try:
            return service(*arguments)
        except NtError as failure:
            raise public_error(failure) from None

    def __repr__(self) -> str:
        if self.closed:
            return "<memsection.View closed>"
        mode = "read-only, " if self.readonly else ""
        return f"<memsection.View {mode}{len(self)} bytes at {self.address:#x}>"
