# SPDX-License-Identifier: MIT
"""The services for sections, their views and the memory of processes, a part of the kernel
interface (``nt.interface``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from memsection.vocabulary import structs as s

Attributes = Any  #: ObjectAttributes or any object with its fields


class MemoryKernel(Protocol):
    """Sections, views, pages, and what passes objects between processes."""

    def create_section(
        self,
        access: int,
        attributes: Attributes,
        maximum_size: int | None,
        protection: int,
        kind: int,
        file: int,
        /,
        *,
        numa_node: int | None = None,
    ) -> tuple[int, int]:
        """NtCreateSection; (SUCCESS or OBJECT_NAME_EXISTS, handle).  ``kind`` are ``SEC_*`` flags.

        A new object grants ``access`` whole (generic rights mapped; the descriptor does not limit
        its creator). An existing one (OBJ_OPENIF) is opened with ``access``, checked against its
        descriptor.
        """
        ...

    def open_section(self, access: int, attributes: Attributes) -> int:
        """NtOpenSection."""
        ...

    def map_view(
        self,
        section: int,
        process: int,
        base: int,
        zero_bits: int,
        commit_size: int,
        offset: int,
        view_size: int,
        inherit: int,
        allocation_type: int,
        protection: int,
        /,
        *,
        numa_node: int | None = None,
    ) -> tuple[int, int, int]:
        """NtMapViewOfSection; (status, address, size in whole pages).  Rights: see
        protection.needed_access."""
        ...

    def unmap_view(self, process: int, address: int, /) -> None:
        """NtUnmapViewOfSection: the whole view that contains the address.  NOT_MAPPED_VIEW.

        A buffer over it is closed with that.  What is lent of the buffer keeps the memory mapped.
        """
        ...

    def extend_section(self, section: int, size: int, /) -> int:
        """NtExtendSection; the new size.  Rights: SECTION_EXTEND_SIZE.  SECTION_NOT_EXTENDED
        without a file."""
        ...

    def query_section(self, section: int, /) -> s.SectionBasicInformation:
        """NtQuerySection, SectionBasicInformation.  Rights: SECTION_QUERY."""
        ...

    def query_virtual_memory(self, process: int, address: int, /) -> s.MemoryBasicInformation:
        """NtQueryVirtualMemory, MemoryBasicInformation."""
        ...

    def query_mapped_file_name(self, process: int, address: int, /) -> str:
        """NtQueryVirtualMemory, MemoryMappedFilenameInformation: the device path on Windows, the
        path on Linux.

        Rights: PROCESS_QUERY_INFORMATION.  INVALID_ADDRESS, FILE_INVALID (a mapping of no file).
        """
        ...

    def protect_virtual_memory(
        self, process: int, address: int, size: int, protection: int, /
    ) -> tuple[int, int, int]:
        """NtProtectVirtualMemory; (base, size, old protection of the first page)."""
        ...

    def allocate_virtual_memory(
        self,
        process: int,
        address: int,
        zero_bits: int,
        size: int,
        allocation_type: int,
        protection: int,
        /,
    ) -> tuple[int, int]:
        """NtAllocateVirtualMemory; (base, size).  In a view of a SEC_RESERVE section it commits
        pages for everybody."""
        ...

    def free_virtual_memory(
        self, process: int, address: int, size: int, free_type: int, /
    ) -> tuple[int, int]:
        """NtFreeVirtualMemory; (base, size)."""
        ...

    def flush_virtual_memory(self, process: int, address: int, size: int, /) -> None:
        """NtFlushVirtualMemory: written pages of a file view are on disk when it returns; size 0 is
        to the view's end."""
        ...

    def prefetch_virtual_memory(self, process: int, ranges: Sequence[tuple[int, int]], /) -> None:
        """NtSetInformationVirtualMemory, VmPrefetchInformation: (address, size) pairs; advice
        only."""
        ...

    def read_virtual_memory(self, process: int, address: int, size: int, /) -> bytes:
        """NtReadVirtualMemory; PARTIAL_COPY / ACCESS_VIOLATION where the memory cannot be read."""
        ...

    def write_virtual_memory(self, process: int, address: int, data: bytes, /) -> int:
        """NtWriteVirtualMemory; the bytes written."""
        ...

    def view_buffer(
        self, address: int, length: int, *, readonly: bool, kind: type[Any] | None = None
    ) -> Any:
        """A buffer (``_native.view.View``, or ``kind``, a subclass) over the view that begins at
        this address.

        The view is unmapped when the buffer is closed and the last memoryview or array over it is
        gone.  If it was unmapped otherwise by then, what is at its address now stays.
        """
        ...

    def map_buffer(
        self,
        section: int,
        offset: int,
        view_size: int,
        protection: int,
        kind: type[Any],
        numa_node: int | None = None,
        /,
    ) -> Any:
        """``map_view`` and ``view_buffer`` in one: a ``kind`` over the section from ``offset`` on.

        With size 0 it reaches to the section's end, or without ``SECTION_QUERY`` to the end of the
        last page.  Rights: as ``map_view``.
        """
        ...

    def flush_buffer(self, buffer: Any, offset: int, size: int, /) -> None:
        """``flush_virtual_memory`` for the view that a buffer is of.  NOT_MAPPED_VIEW if it was
        unmapped otherwise."""
        ...

    def commit_buffer(self, buffer: Any, offset: int, size: int, protection: int, /) -> None:
        """Commit pages of the view that a buffer is of.  NOT_MAPPED_VIEW if it was unmapped
        otherwise."""
        ...

    def seal_section(self, section: int, /) -> None:
        """After it nobody gets a new writable view; existing ones keep writing.  NOT_ON_THIS_SYSTEM
        on Windows."""
        ...

    def take_name(
        self, section: int, attributes: s.ObjectAttributes, predecessor: int = 0, /
    ) -> None:
        """Give a section that was made without a name this one, ``Local`` only.  With a predecessor
        the name goes over from that section in one step: whoever opens it finds the one or the
        other.  The predecessor lives on unnamed.

        Rights: SECTION_MAP_WRITE on the section, DELETE on the predecessor.  Statuses:
        OBJECT_NAME_COLLISION when somebody else has the name.  NOT_ON_THIS_SYSTEM on Windows."""
        ...

    def receive_descriptors(
        self, sock: int, size: int, timeout: float | None, /
    ) -> tuple[bytes, list[int]]:
        """The next bytes from a Unix socket, and the descriptors that came with them; ``timeout``
        is the socket's. NOT_ON_THIS_SYSTEM on Windows."""
        ...

    def close_descriptors(self, descriptors: Sequence[int], /) -> None:
        """Close descriptors that were received and become no handle."""
        ...

    def handle_descriptors(self, handle: int, /) -> tuple[int, ...]:
        """All descriptors that together are a handle, to be passed to another process; they stay
        the handle's. NOT_ON_THIS_SYSTEM on Windows."""
        ...

    def handle_from_descriptors(self, descriptors: Sequence[int]) -> int:
        """A handle with the rights that passed descriptors carry.  They are closed, whatever
        happens.  INVALID_HANDLE for what is no handle of this library; NOT_ON_THIS_SYSTEM on
        Windows."""
        ...

    def resident_pages(self, address: int, size: int) -> bytes:
        """One byte for each page of mapped memory of this process: 1 where it is in memory, touched
        by anybody. NOT_ON_THIS_SYSTEM on Windows, which tells of a process's own pages only."""
        ...

    def process_views(self, pid: int, identity: tuple[int, ...]) -> list[tuple[int, int, int]]:
        """(address, size, protection) of each view that a process has of the object with this
        ``HandleEntry.identity``. INVALID_CID, ACCESS_DENIED; NOT_ON_THIS_SYSTEM on Windows."""
        ...

    def waiting_threads(self, pid: int, identity: tuple[int, ...]) -> list[int]:
        """Ids of the threads of a process that wait for the object with this
        ``HandleEntry.identity``. INVALID_CID, ACCESS_DENIED; NOT_ON_THIS_SYSTEM on Windows."""
        ...
