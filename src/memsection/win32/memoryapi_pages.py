# SPDX-License-Identifier: MIT
"""memoryapi.h: pages (what they are, committing and protecting them), and the memory of other
processes."""

from __future__ import annotations

from collections.abc import Sequence

from memsection.nt import kernel
from memsection.vocabulary import protection as p
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.records import record
from memsection.win32._base import BUFFER, DWORD, HANDLE, LPVOID, SIZE_T, refuse, windows

__all__ = [
    "WIN32_MEMORY_RANGE_ENTRY",
    "PrefetchVirtualMemory",
    "ReadProcessMemory",
    "VirtualAlloc",
    "VirtualAllocEx",
    "VirtualFree",
    "VirtualFreeEx",
    "VirtualProtect",
    "VirtualProtectEx",
    "VirtualQuery",
    "VirtualQueryEx",
    "WriteProcessMemory",
]


@record(frozen=True, slots=True)
class WIN32_MEMORY_RANGE_ENTRY:
    """A range of addresses to prefetch."""

    VirtualAddress: int
    NumberOfBytes: int


@windows
def VirtualQuery(lpAddress: LPVOID) -> s.MemoryBasicInformation:
    """What the page at an address is, and how far the pages after it are the same.

    Rights:
        None.

    Raises:
        OSError: 87: beyond what a process can address.
    """
    return kernel.query_virtual_memory(s.CURRENT_PROCESS, lpAddress)


@windows
def VirtualQueryEx(hProcess: HANDLE, lpAddress: LPVOID) -> s.MemoryBasicInformation:
    """``VirtualQuery`` for a process.  Of another one Linux tells each mapping, as an allocation of
    its own.

    Rights:
        PROCESS_QUERY_INFORMATION.

    Raises:
        OSError: 5: the right is missing; 6: it is no process; 87: beyond what a process can
            address.
    """
    return kernel.query_virtual_memory(hProcess, lpAddress)


@windows
def VirtualProtect(lpAddress: LPVOID, dwSize: SIZE_T, flNewProtect: DWORD) -> int:
    """Change the protection of pages, to no more than their view was mapped with.

    Returns:
        The protection that the first page had.

    Rights:
        Those that the view was mapped with.

    Raises:
        OSError: 87: no protection, more than the view allows, or copy-on-write of private memory;
            487: the range leaves the view.
    """
    return kernel.protect_virtual_memory(s.CURRENT_PROCESS, lpAddress, dwSize, flNewProtect)[2]


@windows
def VirtualProtectEx(
    hProcess: HANDLE, lpAddress: LPVOID, dwSize: SIZE_T, flNewProtect: DWORD
) -> int:
    """``VirtualProtect`` for a process; on Linux only for this one.

    Rights:
        PROCESS_VM_OPERATION.

    Raises:
        OSError: As ``VirtualProtect``; 5: the right is missing; 6: it is no process; 50: another
            process, on Linux.
    """
    return kernel.protect_virtual_memory(hProcess, lpAddress, dwSize, flNewProtect)[2]


@windows
def VirtualAlloc(
    lpAddress: LPVOID, dwSize: SIZE_T, flAllocationType: DWORD, flProtect: DWORD
) -> int:
    """Reserve or commit pages; in a view of a SEC_RESERVE section it commits them for everybody.

    MEM_RESET says that the contents of committed pages are not needed for now, MEM_RESET_UNDO that
    they are needed again.

    Returns:
        The address of the pages.

    Rights:
        None.

    Raises:
        OSError: 5: the pages of a file need no commit; 87: bad flags, or more than the view was
            mapped with; 487: the range is not free, or not reserved; 1455: more memory than can be
            had.
    """
    return _allocate(
        "VirtualAlloc", s.CURRENT_PROCESS, lpAddress, dwSize, flAllocationType, flProtect
    )


@windows
def VirtualAllocEx(
    hProcess: HANDLE, lpAddress: LPVOID, dwSize: SIZE_T, flAllocationType: DWORD, flProtect: DWORD
) -> int:
    """``VirtualAlloc`` for a process; on Linux only for this one.

    Rights:
        PROCESS_VM_OPERATION.

    Raises:
        OSError: As ``VirtualAlloc``; 5: the right is missing; 6: it is no process; 50: another
            process, on Linux.
    """
    return _allocate("VirtualAllocEx", hProcess, lpAddress, dwSize, flAllocationType, flProtect)


def _allocate(
    operation: str, process: int, address: int, size: int, kind: int, protection: int
) -> int:
    if 0 < address < p.ALLOCATION_GRANULARITY:  # nobody's, by definition
        refuse(
            st.INVALID_PARAMETER,
            operation,
            f"{address:#x} is below the first address that can be allocated",
        )
    return kernel.allocate_virtual_memory(process, address, 0, size, kind, protection)[0]


@windows
def VirtualFree(lpAddress: LPVOID, dwSize: SIZE_T, dwFreeType: DWORD) -> None:
    """Give back what ``VirtualAlloc`` reserved or committed; pages of sections cannot be given
    back.

    Rights:
        None.

    Raises:
        OSError: 87: MEM_RELEASE with a size, bad flags, or pages of a section; 487: not allocated.
    """
    _free("VirtualFree", s.CURRENT_PROCESS, lpAddress, dwSize, dwFreeType)


@windows
def VirtualFreeEx(hProcess: HANDLE, lpAddress: LPVOID, dwSize: SIZE_T, dwFreeType: DWORD) -> None:
    """``VirtualFree`` for a process; on Linux only for this one.

    Rights:
        PROCESS_VM_OPERATION.

    Raises:
        OSError: As ``VirtualFree``; 5: the right is missing; 6: it is no process; 50: another
            process, on Linux.
    """
    _free("VirtualFreeEx", hProcess, lpAddress, dwSize, dwFreeType)


def _free(operation: str, process: int, address: int, size: int, kind: int) -> None:
    if kind == p.MEM_RELEASE and size:
        refuse(
            st.INVALID_PARAMETER,
            operation,
            f"MEM_RELEASE frees the whole allocation, not {size} bytes of it",
        )
    kernel.free_virtual_memory(process, address, size, kind)


@windows
def PrefetchVirtualMemory(
    hProcess: HANDLE,
    VirtualAddresses: Sequence[WIN32_MEMORY_RANGE_ENTRY | tuple[int, int]],
    Flags: DWORD = 0,
) -> None:
    """Bring ranges of memory in, before they are touched; advice only.

    The list knows its length: there is no ``NumberOfEntries``.

    Rights:
        PROCESS_QUERY_INFORMATION and PROCESS_SET_QUOTA on another process.

    Raises:
        OSError: 87: no range, one of no bytes, or a flag; 6: it is no process.
    """
    ranges = [
        (one.VirtualAddress, one.NumberOfBytes)
        if isinstance(one, WIN32_MEMORY_RANGE_ENTRY)
        else one
        for one in VirtualAddresses
    ]
    if Flags or not ranges or not all(size for _, size in ranges):
        refuse(st.INVALID_PARAMETER, "PrefetchVirtualMemory", f"ranges {ranges}, flags {Flags:#x}")
    kernel.prefetch_virtual_memory(hProcess, ranges)


@windows
def ReadProcessMemory(hProcess: HANDLE, lpBaseAddress: LPVOID, nSize: SIZE_T) -> bytes:
    """Bytes from the memory of a process, this one included; what is not there is an error, not a
    crash.

    Rights:
        PROCESS_VM_READ.

    Raises:
        OSError: 299, 998: some of it cannot be read; 5: the right is missing; 6: it is no process.
    """
    return kernel.read_virtual_memory(hProcess, lpBaseAddress, nSize)


@windows
def WriteProcessMemory(hProcess: HANDLE, lpBaseAddress: LPVOID, lpBuffer: BUFFER) -> int:
    """Bytes into the memory of a process, this one included; what is not there is an error, not a
    crash.

    Returns:
        How many bytes were written: all of them.

    Rights:
        PROCESS_VM_WRITE and PROCESS_VM_OPERATION.

    Raises:
        OSError: 299, 998: some of it cannot be written; 5: the right is missing; 6: it is no
            process.
    """
    written = kernel.write_virtual_memory(hProcess, lpBaseAddress, bytes(lpBuffer))
    if written != len(lpBuffer):
        raise NtError(
            st.PARTIAL_COPY,
            "WriteProcessMemory",
            None,
            f"{written} of {len(lpBuffer)} bytes were written",
        )
    return written
