# SPDX-License-Identifier: MIT
"""Services for sections, views and memory."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import os
from _weakref import ref

from memsection.nt.linux.handles import create_open
from memsection.nt.linux.handles.record import CURRENT_PROCESS
from memsection.nt.linux.services.wrapping import service
from memsection.nt.linux.types import section
from memsection.nt.linux.views import mapping, regions
from memsection.vocabulary import access as a
from memsection.vocabulary import object_types
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import NtError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


def _require_this_process(process_handle: int, right: int, what: str) -> None:
    """Refuse a handle to another process than this one."""
    if process_handle != CURRENT_PROCESS:
        from memsection.nt.linux.types import process

        process.require_this_process(process_handle, right, what)


class MemoryServices:
    """Services for sections, views and memory."""

    @service("create section")
    def create_section(
        self,
        access: int,
        attributes: Any,
        maximum_size: int | None,
        protection: int,
        kind: int,
        file: int,
        *,
        numa_node: int | None = None,
    ) -> tuple[int, int]:
        """NtCreateSection."""
        status, handle = section.create(
            access, attributes, maximum_size, protection, kind, file, numa_node
        )
        return status, handle.value

    @service("open section")
    def open_section(self, access: int, attributes: Any) -> int:
        """NtOpenSection."""
        return create_open.open_(object_types.SECTION, access, attributes).value

    @service("map")
    def map_view(
        self,
        section_handle: int,
        process_handle: int,
        base: int,
        zero_bits: int,
        commit_size: int,
        offset: int,
        view_size: int,
        inherit: int,
        allocation_type: int,
        protection: int,
        *,
        numa_node: int | None = None,
    ) -> tuple[int, int, int]:
        """NtMapViewOfSection."""
        _require_this_process(process_handle, a.PROCESS_VM_OPERATION, "mapping a view")
        return mapping.map_view(
            section_handle,
            base,
            zero_bits,
            commit_size,
            offset,
            view_size,
            inherit,
            allocation_type,
            protection,
            numa_node,
        )

    @service("unmap")
    def unmap_view(self, process_handle: int, address: int) -> None:
        """NtUnmapViewOfSection."""
        _require_this_process(process_handle, a.PROCESS_VM_OPERATION, "unmapping a view")
        mapping.unmap(address)

    @service("extend section")
    def extend_section(self, section_handle: int, size: int) -> int:
        """NtExtendSection."""
        return section.extend(section_handle, size)

    @service("query section")
    def query_section(self, section_handle: int) -> s.SectionBasicInformation:
        """NtQuerySection."""
        return section.query(section_handle)

    @service("query memory")
    def query_virtual_memory(self, process_handle: int, address: int) -> s.MemoryBasicInformation:
        """NtQueryVirtualMemory."""
        from memsection.nt.linux.types.process import target
        from memsection.nt.linux.views import query

        pid, other = target(process_handle, a.PROCESS_QUERY_INFORMATION)
        return (
            query.query(address)
            if other is None or pid == os.getpid()
            else query.query_of(pid, address)
        )

    @service("protect memory")
    def protect_virtual_memory(
        self, process_handle: int, address: int, size: int, protection: int
    ) -> tuple[int, int, int]:
        """NtProtectVirtualMemory."""
        _require_this_process(process_handle, a.PROCESS_VM_OPERATION, "protecting memory")
        from memsection.nt.linux.views import protect

        return protect.protect(address, size, protection)

    @service("allocate memory")
    def allocate_virtual_memory(
        self,
        process_handle: int,
        address: int,
        zero_bits: int,
        size: int,
        allocation_type: int,
        protection: int,
    ) -> tuple[int, int]:
        """NtAllocateVirtualMemory."""
        from memsection.nt.linux.views import allocate

        _require_this_process(process_handle, a.PROCESS_VM_OPERATION, "allocating memory")
        return allocate.allocate(address, zero_bits, size, allocation_type, protection)

    @service("free memory")
    def free_virtual_memory(
        self, process_handle: int, address: int, size: int, free_type: int
    ) -> tuple[int, int]:
        """NtFreeVirtualMemory."""
        from memsection.nt.linux.views import allocate

        _require_this_process(process_handle, a.PROCESS_VM_OPERATION, "freeing memory")
        return allocate.free(address, size, free_type)

    @service("flush")
    def flush_virtual_memory(self, process_handle: int, address: int, size: int) -> None:
        """NtFlushVirtualMemory."""
        from memsection.nt.linux.views import flush

        _require_this_process(process_handle, a.PROCESS_VM_OPERATION, "flushing a view")
        flush.flush(address, size)

    @service("prefetch")
    def prefetch_virtual_memory(
        self, process_handle: int, ranges: Sequence[tuple[int, int]]
    ) -> None:
        """NtSetInformationVirtualMemory, VmPrefetchInformation."""
        from memsection.nt.linux.views import flush

        _require_this_process(process_handle, a.PROCESS_VM_OPERATION, "prefetching")
        flush.prefetch(ranges)

    @service("query mapped file")
    def query_mapped_file_name(self, process_handle: int, address: int) -> str:
        """NtQueryVirtualMemory, MemoryMappedFilenameInformation."""
        from memsection.nt.linux.types.process import target
        from memsection.nt.linux.views import mapped_file

        return mapped_file.name(target(process_handle, a.PROCESS_QUERY_INFORMATION)[0], address)

    @service("read memory")
    def read_virtual_memory(self, process_handle: int, address: int, size: int) -> bytes:
        """NtReadVirtualMemory."""
        from memsection.nt.linux.types.process import target
        from memsection.nt.linux.views import peers

        return peers.read(target(process_handle, a.PROCESS_VM_READ)[0], address, size)

    @service("write memory")
    def write_virtual_memory(self, process_handle: int, address: int, data: bytes) -> int:
        """NtWriteVirtualMemory."""
        from memsection.nt.linux.types.process import target
        from memsection.nt.linux.views import peers

        return peers.write(
            target(process_handle, a.PROCESS_VM_WRITE | a.PROCESS_VM_OPERATION)[0], address, data
        )

    @service("make a buffer over a view")
    def view_buffer(
        self, address: int, length: int, *, readonly: bool, kind: type[Any] | None = None
    ) -> Any:
        """A buffer over a view."""
        from memsection._native.view import View

        region = regions.find(address)
        if region is None or region.base != address:
            raise NtError(st.NOT_MAPPED_VIEW, detail=f"there is no view at {address:#x}")
        # It releases the region, not the address: whoever unmaps the view otherwise makes room for
        # another one there.
        buffer = (kind or View)(
            address,
            length,
            readonly=readonly,
            release=region,
            check=region.guard.check if region.guard is not None else None,
        )
        region.buffer = ref(buffer)
        return buffer

    @service("map")
    def map_buffer(
        self,
        section_handle: int,
        offset: int,
        view_size: int,
        protection: int,
        kind: type[Any],
        numa_node: int | None = None,
    ) -> Any:
        """A view of a section as a buffer."""
        return mapping.map_buffer(section_handle, offset, view_size, protection, kind, numa_node)

    @service("flush")
    def flush_buffer(self, buffer: Any, offset: int, size: int) -> None:
        """Flush the view that a buffer is of."""
        from memsection.nt.linux.views import flush

        flush.flush_region(regions.region_of(buffer), offset, size)

    @service("commit")
    def commit_buffer(self, buffer: Any, offset: int, size: int, protection: int) -> None:
        """Commit pages of the view that a buffer is of."""
        from memsection.nt.linux.views import commit_pages

        commit_pages.commit_region(regions.region_of(buffer), offset, size, protection)

    @service("resident pages")
    def resident_pages(self, address: int, size: int) -> bytes:
        """Which pages are in memory."""
        from memsection.nt.linux.inspect import mappings

        return mappings.resident_pages(address, size)

    @service("seal")
    def seal_section(self, section_handle: int) -> None:
        """No new writable views for anybody."""
        section.seal(section_handle)

    @service("take name")
    def take_name(
        self, section_handle: int, attributes: s.ObjectAttributes, predecessor: int = 0
    ) -> None:
        """A name for an unnamed section, also in the place of the section that has it."""
        from memsection.nt.linux.types import succession

        succession.take_name(section_handle, attributes, predecessor)
