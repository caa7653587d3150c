# SPDX-License-Identifier: MIT
"""memoryapi.h: sections and their views."""

from __future__ import annotations

from memsection.nt import kernel
from memsection.vocabulary import protection as p
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.access import (
    SECTION_MAP_EXECUTE,
    SECTION_MAP_READ,
    SECTION_MAP_WRITE,
    SECTION_QUERY,
    STANDARD_RIGHTS_REQUIRED,
)
from memsection.win32._base import (
    ATTRIBUTES,
    BOOL,
    DWORD,
    HANDLE,
    LPCWSTR,
    LPVOID,
    SIZE_T,
    handle_of_create,
    refuse,
    to_create,
    to_open,
    windows,
)
from memsection.win32.winbase import (
    FILE_MAP_COPY,
    FILE_MAP_EXECUTE,
    FILE_MAP_LARGE_PAGES,
    FILE_MAP_READ,
    FILE_MAP_RESERVE,
    FILE_MAP_TARGETS_INVALID,
    FILE_MAP_WRITE,
    INVALID_HANDLE_VALUE,
    NUMA_NO_PREFERRED_NODE,
)

__all__ = [
    "CreateFileMapping",
    "CreateFileMappingNuma",
    "FlushViewOfFile",
    "MapViewOfFile",
    "MapViewOfFileEx",
    "MapViewOfFileExNuma",
    "OpenFileMapping",
    "UnmapViewOfFile",
]

_READ = STANDARD_RIGHTS_REQUIRED | SECTION_QUERY | SECTION_MAP_READ
#: What the handle of a create is granted, and which protections there are (conformance: existing,
#: protections).
_ACCESS_OF = {
    p.PAGE_READONLY: _READ,
    p.PAGE_WRITECOPY: _READ,
    p.PAGE_READWRITE: _READ | SECTION_MAP_WRITE,
    p.PAGE_EXECUTE_READ: _READ | SECTION_MAP_EXECUTE,
    p.PAGE_EXECUTE_WRITECOPY: _READ | SECTION_MAP_EXECUTE,
    p.PAGE_EXECUTE_READWRITE: _READ | SECTION_MAP_WRITE | SECTION_MAP_EXECUTE,
}
_VIEW_FLAGS = FILE_MAP_LARGE_PAGES | FILE_MAP_TARGETS_INVALID | FILE_MAP_RESERVE


# ------------------------------------------------------------------ sections


@windows
def CreateFileMapping(
    hFile: HANDLE,
    lpFileMappingAttributes: ATTRIBUTES,
    flProtect: DWORD,
    dwMaximumSizeHigh: DWORD,
    dwMaximumSizeLow: DWORD,
    lpName: LPCWSTR = None,
) -> int:
    """A section over a file, or over the page file when ``hFile`` is INVALID_HANDLE_VALUE.

    Size 0 means the size of the file.  A writable section that is larger than its file makes the
    file grow.  An existing section of this name is opened: size, file and descriptor then mean
    nothing, ``flProtect`` says which access to it is asked for, and the last error is 183.

    Args:
        hFile: A file handle, or INVALID_HANDLE_VALUE.
        lpFileMappingAttributes: SECURITY_ATTRIBUTES, or None for the default.
        flProtect: One of ``PAGE_*``, and ``SEC_*`` flags; without any ``SEC_*`` flag ``SEC_COMMIT``
            is meant.
        dwMaximumSizeHigh: The upper half of the size.
        dwMaximumSizeLow: The lower half of the size.
        lpName: ``name``, ``Local\\\\name``, ``Global\\\\name``, or None for an anonymous section.

    Rights:
        On the file FILE_READ_DATA, and FILE_WRITE_DATA for a writable section.  On an existing
        section STANDARD_RIGHTS_REQUIRED, SECTION_QUERY, SECTION_MAP_READ and what the protection
        adds.

    Raises:
        OSError: 87: a protection that is none, or no size without a file; 5: a right is missing; 6:
            no file handle, or a name of another type; 8: larger than a file that may not grow; 112:
            no room for the file; 1006: an empty file; 1455: more memory than can be had; 3, 123,
            161: a bad name.
    """
    return _create(
        "CreateFileMapping",
        hFile,
        lpFileMappingAttributes,
        flProtect,
        dwMaximumSizeHigh << 32 | dwMaximumSizeLow,
        lpName,
        None,
    )


@windows
def CreateFileMappingNuma(
    hFile: HANDLE,
    lpFileMappingAttributes: ATTRIBUTES,
    flProtect: DWORD,
    dwMaximumSizeHigh: DWORD,
    dwMaximumSizeLow: DWORD,
    lpName: LPCWSTR = None,
    nndPreferred: DWORD = NUMA_NO_PREFERRED_NODE,
) -> int:
    """``CreateFileMapping`` with the memory node that pages shall come from.

    Rights:
        As ``CreateFileMapping``.

    Raises:
        OSError: As ``CreateFileMapping``; 87: there is no such node.
    """
    return _create(
        "CreateFileMappingNuma",
        hFile,
        lpFileMappingAttributes,
        flProtect,
        dwMaximumSizeHigh << 32 | dwMaximumSizeLow,
        lpName,
        _node(nndPreferred),
    )


def _create(
    operation: str,
    file: int,
    attributes: object,
    protect: int,
    size: int,
    name: str | None,
    node: int | None,
) -> int:
    kind = protect & p.SEC_MASK or p.SEC_COMMIT
    access = _ACCESS_OF.get(protect & ~p.SEC_MASK)
    if access is None:
        refuse(
            st.INVALID_PAGE_PROTECTION,
            operation,
            f"{protect & ~p.SEC_MASK:#x} is no protection of a section",
            name,
        )
    if file == INVALID_HANDLE_VALUE:
        file = 0
        # before the name is looked at (conformance: existing.zero_size_with_an_existing_name)
        if not size:
            refuse(st.INVALID_PARAMETER, operation, "a section without a file needs a size", name)
    return handle_of_create(
        kernel.create_section(
            access,
            to_create(name, attributes),
            size or None,
            protect & ~p.SEC_MASK,
            kind,
            file,
            numa_node=node,
        )
    )


def _node(number: int) -> int | None:
    return None if number == NUMA_NO_PREFERRED_NODE else number


@windows
def OpenFileMapping(
    dwDesiredAccess: DWORD, bInheritHandle: BOOL = False, lpName: LPCWSTR = None
) -> int:
    """A handle to an existing section.

    Rights:
        ``dwDesiredAccess``; FILE_MAP_COPY alone asks for SECTION_MAP_READ.

    Raises:
        OSError: 2: no such name; 5: not granted; 6: of another type; 87: no name given; 3, 123,
            161: a bad name.
    """
    if dwDesiredAccess == FILE_MAP_COPY:
        dwDesiredAccess = SECTION_MAP_READ
    elif dwDesiredAccess & FILE_MAP_EXECUTE:
        dwDesiredAccess = dwDesiredAccess & ~FILE_MAP_EXECUTE | SECTION_MAP_EXECUTE
    return kernel.open_section(dwDesiredAccess, to_open(lpName, bInheritHandle, "OpenFileMapping"))


# ------------------------------------------------------------------ views


@windows
def MapViewOfFile(
    hFileMappingObject: HANDLE,
    dwDesiredAccess: DWORD,
    dwFileOffsetHigh: DWORD = 0,
    dwFileOffsetLow: DWORD = 0,
    dwNumberOfBytesToMap: SIZE_T = 0,
) -> int:
    """Map a section, or a part of it, into this process.

    Args:
        hFileMappingObject: The section.
        dwDesiredAccess: FILE_MAP_READ, FILE_MAP_WRITE (reads too), FILE_MAP_COPY or
            FILE_MAP_ALL_ACCESS, and FILE_MAP_EXECUTE besides; 0 gives a view that nobody may touch.
        dwFileOffsetHigh: The upper half of the offset.
        dwFileOffsetLow: The lower half of the offset, a multiple of 65536.
        dwNumberOfBytesToMap: 0 maps to the end of the section.

    Returns:
        The address of the view.

    Rights:
        SECTION_MAP_READ to read or copy, SECTION_MAP_WRITE to write, SECTION_MAP_EXECUTE to
        execute.

    Raises:
        OSError: 5: a right is missing, or the view leaves the section; 87: the section was made
            with less protection; 1132: the offset is not aligned; 6: it is no section.
    """
    return _map(
        hFileMappingObject,
        dwDesiredAccess,
        dwFileOffsetHigh << 32 | dwFileOffsetLow,
        dwNumberOfBytesToMap,
        0,
        None,
    )


@windows
def MapViewOfFileEx(
    hFileMappingObject: HANDLE,
    dwDesiredAccess: DWORD,
    dwFileOffsetHigh: DWORD = 0,
    dwFileOffsetLow: DWORD = 0,
    dwNumberOfBytesToMap: SIZE_T = 0,
    lpBaseAddress: LPVOID = 0,
) -> int:
    """``MapViewOfFile`` at a wished address, a multiple of 65536.

    Rights:
        As ``MapViewOfFile``.

    Raises:
        OSError: As ``MapViewOfFile``; 487: the address range is not free; 1132: the address is not
            aligned.
    """
    return _map(
        hFileMappingObject,
        dwDesiredAccess,
        dwFileOffsetHigh << 32 | dwFileOffsetLow,
        dwNumberOfBytesToMap,
        lpBaseAddress,
        None,
    )


@windows
def MapViewOfFileExNuma(
    hFileMappingObject: HANDLE,
    dwDesiredAccess: DWORD,
    dwFileOffsetHigh: DWORD = 0,
    dwFileOffsetLow: DWORD = 0,
    dwNumberOfBytesToMap: SIZE_T = 0,
    lpBaseAddress: LPVOID = 0,
    nndPreferred: DWORD = NUMA_NO_PREFERRED_NODE,
) -> int:
    """``MapViewOfFileEx`` with the memory node that pages shall come from.

    Rights:
        As ``MapViewOfFile``.

    Raises:
        OSError: As ``MapViewOfFileEx``; 87: there is no such node.
    """
    return _map(
        hFileMappingObject,
        dwDesiredAccess,
        dwFileOffsetHigh << 32 | dwFileOffsetLow,
        dwNumberOfBytesToMap,
        lpBaseAddress,
        _node(nndPreferred),
    )


def _map(section: int, access: int, offset: int, size: int, base: int, node: int | None) -> int:
    allocation = (p.MEM_RESERVE if access & FILE_MAP_RESERVE else 0) | (
        p.MEM_LARGE_PAGES if access & FILE_MAP_LARGE_PAGES else 0
    )
    execute = access & FILE_MAP_EXECUTE
    access &= ~(FILE_MAP_EXECUTE | _VIEW_FLAGS)
    if access == FILE_MAP_COPY:
        protect = p.PAGE_EXECUTE_WRITECOPY if execute else p.PAGE_WRITECOPY
    elif access & FILE_MAP_WRITE:
        protect = p.PAGE_EXECUTE_READWRITE if execute else p.PAGE_READWRITE
    elif access & FILE_MAP_READ:
        protect = p.PAGE_EXECUTE_READ if execute else p.PAGE_READONLY
    else:
        protect = p.PAGE_NOACCESS  # execute alone, too (conformance: protections)
    _, address, _ = kernel.map_view(
        section,
        s.CURRENT_PROCESS,
        base,
        0,
        0,
        offset,
        size,
        p.VIEW_SHARE,
        allocation,
        protect,
        numa_node=node,
    )
    return address


@windows
def UnmapViewOfFile(lpBaseAddress: LPVOID) -> None:
    """Unmap the whole view that contains an address.

    The address may be that of a ``memsection.View``: then the view is closed, as by its ``close``,
    and what is lent of it (arrays, memoryviews) keeps the memory mapped until the last goes.

    Rights:
        None.

    Raises:
        OSError: 487: there is no view at this address.
    """
    kernel.unmap_view(s.CURRENT_PROCESS, lpBaseAddress)


@windows
def FlushViewOfFile(lpBaseAddress: LPVOID, dwNumberOfBytesToFlush: SIZE_T = 0) -> None:
    """Write changed pages of a file view to disk; they are there when it returns.

    Size 0 goes to the end of the view.  Views of memory have nothing to flush, and that is no
    error.

    Rights:
        None.

    Raises:
        OSError: 487: there is no view at this address; 112, 1117: the disk is full, or failed.
    """
    kernel.flush_virtual_memory(s.CURRENT_PROCESS, lpBaseAddress, dwNumberOfBytesToFlush)
