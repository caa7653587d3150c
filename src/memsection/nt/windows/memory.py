# SPDX-License-Identifier: MIT
"""The services for sections, views and memory."""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import ctypes
from collections.abc import Sequence
from ctypes import wintypes as w
from typing import Any

from memsection._native import handles
from memsection._native.view import View
from memsection.nt.windows import arguments, named, ntdll, objects
from memsection.nt.windows import structs as n
from memsection.vocabulary import access as a
from memsection.vocabulary import protection as p
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import NtError

_VM_PREFETCH = 0  #: VIRTUAL_MEMORY_INFORMATION_CLASS
_MAPPED_FILE_NAME = 2  #: MemoryMappedFilenameInformation
_PARAMETER_NUMA_NODE = 3  #: MemSectionExtendedParameterNumaNode
_view_lock = handles.view_lock()


class Memory:
    """The part of the kernel that is about sections and memory."""

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
        operation = ntdll.operation("NtCreateSection")
        arguments.require_bits(64, st.SECTION_TOO_BIG, operation, maximum_size or 0)
        size = arguments.large(maximum_size)
        if numa_node is not None:
            handle, native = n.HANDLE(), arguments.object_attributes(attributes)
            parameter = n.SectionParameter(_PARAMETER_NUMA_NODE, numa_node)
            status = ntdll.status_of(
                "NtCreateSectionEx",
                ctypes.byref(handle),
                access,
                native,
                size,
                protection,
                kind,
                file,
                ctypes.byref(parameter),
                1,
            )
            if status != st.NOT_IMPLEMENTED:
                if status & 0x80000000:
                    raise NtError(
                        status, ntdll.operation("NtCreateSectionEx"), arguments.name_of(attributes)
                    )
                return status, handle.value
            # The node is a preference: a Windows before 10, which cannot be told it, makes the
            # section without.
        return named.create("NtCreateSection", access, attributes, size, protection, kind, file)

    def open_section(self, access: int, attributes: Any) -> int:
        return named.open_("NtOpenSection", access, attributes)

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
        *,
        numa_node: int | None = None,
    ) -> tuple[int, int, int]:
        operation = ntdll.operation("NtMapViewOfSection")
        arguments.require_bits(64, st.INVALID_VIEW_SIZE, operation, base, offset, view_size)
        # A view's own node is a preference as well, which NtMapViewOfSection has no parameter for.
        address, start, size = n.ADDRESS(base), n.LARGE(offset), n.SIZE(view_size)
        status = ntdll.status_of(
            "NtMapViewOfSection",
            section,
            process,
            ctypes.byref(address),
            zero_bits,
            commit_size,
            ctypes.byref(start),
            ctypes.byref(size),
            inherit,
            allocation_type,
            protection,
        )
        if status & 0x80000000:
            raise objects.failure(
                status,
                "NtMapViewOfSection",
                section,
                p.needed_access(protection),
                f"{view_size:#x} bytes at offset {offset:#x} as {p.words(protection)}",
            )
        return status, address.value, size.value

    def unmap_view(self, process: int, address: int) -> None:
        with _view_lock:
            base = self._base(address) if process == s.CURRENT_PROCESS else address
            ntdll.check(
                handles.unmap(process, address, base),
                "NtUnmapViewOfSection",
                detail=f"address {address:#x}",
            )

    def _base(self, address: int) -> int:
        """Where the view begins that an address is in."""
        if handles.is_base(address):
            return address
        try:
            return self.query_virtual_memory(s.CURRENT_PROCESS, address).AllocationBase
        except NtError:
            return address

    def extend_section(self, section: int, size: int) -> int:
        wanted = n.LARGE(size)
        ntdll.call("NtExtendSection", section, ctypes.byref(wanted))
        return wanted.value

    def query_section(self, section: int) -> s.SectionBasicInformation:
        info = n.SectionBasicInformation()
        status = ntdll.status_of(
            "NtQuerySection", section, 0, ctypes.byref(info), ctypes.sizeof(info), None
        )
        if status & 0x80000000:
            raise objects.failure(status, "NtQuerySection", section, a.SECTION_QUERY)
        return s.SectionBasicInformation(info.BaseAddress, info.Attributes, info.Size)

    def query_virtual_memory(self, process: int, address: int) -> s.MemoryBasicInformation:
        info = n.MemoryBasicInformation()
        ntdll.call(
            "NtQueryVirtualMemory",
            process,
            address,
            0,
            ctypes.byref(info),
            ctypes.sizeof(info),
            None,
        )
        return s.MemoryBasicInformation(
            info.BaseAddress,
            info.AllocationBase,
            info.AllocationProtect,
            info.RegionSize,
            info.State,
            info.Protect,
            info.Type,
        )

    def query_mapped_file_name(self, process: int, address: int) -> str:
        buffer = ctypes.create_string_buffer(0x10000 + 64)
        ntdll.call(
            "NtQueryVirtualMemory", process, address, _MAPPED_FILE_NAME, buffer, len(buffer), None
        )
        return n.UnicodeString.from_buffer(buffer).text()

    def protect_virtual_memory(
        self, process: int, address: int, size: int, protection: int
    ) -> tuple[int, int, int]:
        base, length, old = n.ADDRESS(address), n.SIZE(size), w.ULONG()
        ntdll.call(
            "NtProtectVirtualMemory",
            process,
            ctypes.byref(base),
            ctypes.byref(length),
            protection,
            ctypes.byref(old),
            detail=f"{size:#x} bytes at {address:#x} to protection {protection:#x}",
        )
        return base.value, length.value, old.value

    def allocate_virtual_memory(
        self,
        process: int,
        address: int,
        zero_bits: int,
        size: int,
        allocation_type: int,
        protection: int,
    ) -> tuple[int, int]:
        base, length = n.ADDRESS(address), n.SIZE(size)
        if not address and allocation_type & p.MEM_COMMIT:
            allocation_type |= p.MEM_RESERVE  # as it means without an address; so it can be undone
        ntdll.call(
            "NtAllocateVirtualMemory",
            process,
            ctypes.byref(base),
            zero_bits,
            ctypes.byref(length),
            allocation_type,
            protection,
            detail=f"{size:#x} bytes at {address:#x}",
        )
        return base.value, length.value

    def free_virtual_memory(
        self, process: int, address: int, size: int, free_type: int
    ) -> tuple[int, int]:
        base, length = n.ADDRESS(address), n.SIZE(size)
        ntdll.call(
            "NtFreeVirtualMemory",
            process,
            ctypes.byref(base),
            ctypes.byref(length),
            free_type,
            detail=f"{size:#x} bytes at {address:#x}",
        )
        return base.value, length.value

    def flush_virtual_memory(self, process: int, address: int, size: int) -> None:
        base, length, io = n.ADDRESS(address), n.SIZE(size), n.IoStatusBlock()
        ntdll.call(
            "NtFlushVirtualMemory",
            process,
            ctypes.byref(base),
            ctypes.byref(length),
            ctypes.byref(io),
        )

    def prefetch_virtual_memory(self, process: int, ranges: Sequence[tuple[int, int]]) -> None:
        entries = (n.MemoryRange * len(ranges))(*(n.MemoryRange(*one) for one in ranges))
        flags = w.ULONG(0)
        ntdll.call(
            "NtSetInformationVirtualMemory",
            process,
            _VM_PREFETCH,
            len(ranges),
            entries,
            ctypes.byref(flags),
            ctypes.sizeof(flags),
        )

    def read_virtual_memory(self, process: int, address: int, size: int) -> bytes:
        buffer, done = ctypes.create_string_buffer(size), n.SIZE()
        ntdll.call(
            "NtReadVirtualMemory",
            process,
            address,
            buffer,
            size,
            ctypes.byref(done),
            detail=f"{size:#x} bytes at {address:#x}",
        )
        return buffer.raw[: done.value]

    def write_virtual_memory(self, process: int, address: int, data: bytes) -> int:
        done = n.SIZE()
        ntdll.call(
            "NtWriteVirtualMemory",
            process,
            address,
            bytes(data),
            len(data),
            ctypes.byref(done),
            detail=f"{len(data):#x} bytes at {address:#x}",
        )
        return done.value

    def view_buffer(
        self, address: int, length: int, *, readonly: bool, kind: type[Any] | None = None
    ) -> Any:
        release = handles.Mapped(address)
        buffer = (kind or View)(address, length, readonly=readonly, release=release)
        release.register(buffer)
        return buffer

    def map_buffer(
        self,
        section: int,
        offset: int,
        view_size: int,
        protection: int,
        kind: type[Any],
        numa_node: int | None = None,
    ) -> Any:
        _, address, pages = self.map_view(
            section,
            s.CURRENT_PROCESS,
            0,
            0,
            0,
            offset,
            view_size,
            p.VIEW_UNMAP,
            0,
            protection,
            numa_node=numa_node,
        )
        length = view_size
        if not length:
            try:
                length = min(self.query_section(section).Size - offset, pages)
            except NtError:
                # a handle without SECTION_QUERY: whole pages are what can be known
                length = pages
        readonly = not (p.writable(protection) or p.copies(protection))
        return self.view_buffer(address, length, readonly=readonly, kind=kind)

    def flush_buffer(self, buffer: Any, offset: int, size: int) -> None:
        release = buffer._mapping
        self._require_mapped(release)
        # Without the lock, as the disk may take long: a view that comes to this address meanwhile
        # is written earlier than it would be, and no more.
        try:
            self.flush_virtual_memory(s.CURRENT_PROCESS, release.address + offset, size)
        except NtError:
            self._require_mapped(release)
            raise
        self._require_mapped(release)

    def commit_buffer(self, buffer: Any, offset: int, size: int, protection: int) -> None:
        release = buffer._mapping
        with _view_lock:  # so that the view is there until it is done
            self._require_mapped(release)
            self.allocate_virtual_memory(
                s.CURRENT_PROCESS, release.address + offset, 0, size, p.MEM_COMMIT, protection
            )

    def _require_mapped(self, release: handles.Mapped | None) -> None:
        """NOT_MAPPED_VIEW where a view was unmapped: what is at its address by now is somebody
        else's (M2)."""
        if release is None or not release.is_mapped:
            raise NtError(st.NOT_MAPPED_VIEW, detail="the view was unmapped")

    def seal_section(self, section: int) -> None:
        raise NtError(
            st.NOT_ON_THIS_SYSTEM,
            "seal",
            None,
            "Windows has no seals; give others a handle without "
            f"SECTION_MAP_WRITE ({a.SECTION_MAP_WRITE:#x}) instead",
        )

    def take_name(self, section: int, attributes: s.ObjectAttributes, predecessor: int = 0) -> None:
        raise NtError(
            st.NOT_ON_THIS_SYSTEM,
            "take name",
            None,
            "Windows names a section when it is made, and never later",
        )

    def handle_descriptors(self, handle: int) -> tuple[int, ...]:
        raise NtError(
            st.NOT_ON_THIS_SYSTEM, "pass", None, "a handle of Windows has no file descriptor"
        )

    def receive_descriptors(
        self, sock: int, size: int, timeout: float | None
    ) -> tuple[bytes, list[int]]:
        raise NtError(st.NOT_ON_THIS_SYSTEM, "receive", None, "sockets of Windows pass no handles")

    def close_descriptors(self, descriptors: Sequence[int]) -> None:
        raise NtError(
            st.NOT_ON_THIS_SYSTEM,
            "close descriptors",
            None,
            "a handle of Windows has no file descriptor",
        )

    def handle_from_descriptors(self, descriptors: Sequence[int]) -> int:
        raise NtError(
            st.NOT_ON_THIS_SYSTEM, "receive", None, "a handle of Windows has no file descriptor"
        )

    def resident_pages(self, address: int, size: int) -> bytes:
        raise NtError(
            st.NOT_ON_THIS_SYSTEM,
            "resident pages",
            None,
            "Windows tells of a process's own pages only",
        )

    def process_views(self, pid: int, identity: tuple[int, ...]) -> list[tuple[int, int, int]]:
        raise NtError(
            st.NOT_ON_THIS_SYSTEM,
            "process views",
            None,
            "Windows does not tell which section a view is of",
        )

    def waiting_threads(self, pid: int, identity: tuple[int, ...]) -> list[int]:
        raise NtError(
            st.NOT_ON_THIS_SYSTEM, "threads that wait", None, "Windows does not tell who waits"
        )

    def file_descriptor(self, handle: int) -> int:
        raise NtError(
            st.NOT_ON_THIS_SYSTEM, "descriptor", None, "a handle of Windows has no file descriptor"
        )
