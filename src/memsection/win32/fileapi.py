# SPDX-License-Identifier: MIT
"""fileapi.h: files, as far as sections need them.

Calls are synchronous: FILE_FLAG_OVERLAPPED is accepted, and an OVERLAPPED says where to read or
write.
"""

from __future__ import annotations

from memsection.nt import kernel
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.access import DELETE, FILE_READ_ATTRIBUTES, GENERIC_WRITE, SYNCHRONIZE
from memsection.vocabulary.errors import NtError
from memsection.win32._base import (
    ATTRIBUTES,
    BUFFER,
    DWORD,
    HANDLE,
    LARGE_INTEGER,
    PATH,
    descriptor_of,
    inherit_flag,
    inherits,
    refuse,
    set_last_error,
    windows,
)
from memsection.win32.minwinbase import OVERLAPPED
from memsection.win32.winbase import (
    CREATE_ALWAYS,
    CREATE_NEW,
    FILE_BEGIN,
    FILE_CURRENT,
    FILE_END,
    FILE_FLAG_BACKUP_SEMANTICS,
    FILE_FLAG_DELETE_ON_CLOSE,
    FILE_FLAG_RANDOM_ACCESS,
    FILE_FLAG_SEQUENTIAL_SCAN,
    FILE_FLAG_WRITE_THROUGH,
    OPEN_ALWAYS,
    OPEN_EXISTING,
    TRUNCATE_EXISTING,
)
from memsection.win32.winerror import ERROR_ALREADY_EXISTS
from memsection.win32.winnt import FILE_ATTRIBUTE_NORMAL

__all__ = [
    "CreateFile",
    "FlushFileBuffers",
    "GetFileSize",
    "GetFileSizeEx",
    "ReadFile",
    "SetEndOfFile",
    "SetFilePointer",
    "SetFilePointerEx",
    "WriteFile",
]

_DISPOSITIONS = {
    CREATE_NEW: s.FILE_CREATE,
    CREATE_ALWAYS: s.FILE_OVERWRITE_IF,
    OPEN_EXISTING: s.FILE_OPEN,
    OPEN_ALWAYS: s.FILE_OPEN_IF,
    TRUNCATE_EXISTING: s.FILE_OVERWRITE,
}
_OPTIONS = {
    FILE_FLAG_DELETE_ON_CLOSE: s.FILE_DELETE_ON_CLOSE,
    FILE_FLAG_WRITE_THROUGH: s.FILE_WRITE_THROUGH,
    FILE_FLAG_SEQUENTIAL_SCAN: s.FILE_SEQUENTIAL_ONLY,
    FILE_FLAG_RANDOM_ACCESS: s.FILE_RANDOM_ACCESS,
}
_FOUND = {(CREATE_ALWAYS, s.FILE_OVERWRITTEN), (OPEN_ALWAYS, s.FILE_OPENED)}


@windows
def CreateFile(
    lpFileName: PATH,
    dwDesiredAccess: DWORD,
    dwShareMode: DWORD = 0,
    lpSecurityAttributes: ATTRIBUTES = None,
    dwCreationDisposition: DWORD = OPEN_EXISTING,
    dwFlagsAndAttributes: DWORD = FILE_ATTRIBUTE_NORMAL,
    hTemplateFile: HANDLE = 0,
) -> int:
    """Open or create a file.

    The path is in the system's own spelling.  CREATE_ALWAYS and OPEN_ALWAYS leave 183 as the last
    error when the file was there, else 0.  Share modes hold among those who open the file by this
    function or by Windows itself.

    Args:
        lpFileName: The path.
        dwDesiredAccess: GENERIC_READ, GENERIC_WRITE, ... or ``FILE_*``; 0 only asks about the file.
        dwShareMode: What others may open the file for meanwhile: FILE_SHARE_READ, FILE_SHARE_WRITE,
            FILE_SHARE_DELETE.
        lpSecurityAttributes: SECURITY_ATTRIBUTES, or None.
        dwCreationDisposition: CREATE_NEW, CREATE_ALWAYS, OPEN_EXISTING, OPEN_ALWAYS or
            TRUNCATE_EXISTING.
        dwFlagsAndAttributes: FILE_FLAG_DELETE_ON_CLOSE and its like; what is only advice is taken
            as such.
        hTemplateFile: Must be 0: templates are not supported.

    Rights:
        ``dwDesiredAccess`` on an existing file; to TRUNCATE_EXISTING, GENERIC_WRITE.

    Raises:
        OSError: 2: no such file; 3: no such directory; 5: access denied; 32: not shared so; 80:
            CREATE_NEW, and it exists; 87: a disposition that is none; 1224: a section keeps the
            file from being cut.
    """
    path = str(lpFileName)
    disposition = _DISPOSITIONS.get(dwCreationDisposition)
    if disposition is None or (
        dwCreationDisposition == TRUNCATE_EXISTING and not dwDesiredAccess & GENERIC_WRITE
    ):
        refuse(
            st.INVALID_PARAMETER,
            "CreateFile",
            f"disposition {dwCreationDisposition} with access {dwDesiredAccess:#x}",
            path,
        )
    if hTemplateFile:
        refuse(st.NOT_SUPPORTED, "CreateFile", "template files are not supported", path)
    if not path:
        refuse(st.OBJECT_PATH_NOT_FOUND, "CreateFile", "the path is empty")
    options = (
        s.FILE_NON_DIRECTORY_FILE if not dwFlagsAndAttributes & FILE_FLAG_BACKUP_SEMANTICS else 0
    )
    for flag, option in _OPTIONS.items():
        options |= option if dwFlagsAndAttributes & flag else 0
    access = dwDesiredAccess | SYNCHRONIZE | FILE_READ_ATTRIBUTES
    if dwFlagsAndAttributes & FILE_FLAG_DELETE_ON_CLOSE:
        access |= DELETE
    try:
        handle, outcome = kernel.create_file(
            access,
            path,
            inherit_flag(inherits(lpSecurityAttributes)),
            dwShareMode,
            disposition,
            options,
            descriptor_of(lpSecurityAttributes),
        )
    except NtError as failure:
        # the one place where files have an error of their own
        if failure.status == st.OBJECT_NAME_COLLISION:
            raise NtError(st.FILE_EXISTS, failure.operation, failure.name, failure.detail) from None
        raise
    set_last_error(ERROR_ALREADY_EXISTS if (dwCreationDisposition, outcome) in _FOUND else 0)
    return handle


@windows
def GetFileSize(hFile: HANDLE) -> int:
    """The size of a file in bytes, both halves as one number.

    Rights:
        FILE_READ_ATTRIBUTES.

    Raises:
        OSError: 6: it is no file.
    """
    return kernel.query_file(hFile)[0]


@windows
def GetFileSizeEx(hFile: HANDLE) -> int:
    """The size of a file in bytes.

    Rights:
        FILE_READ_ATTRIBUTES.

    Raises:
        OSError: 6: it is no file.
    """
    return kernel.query_file(hFile)[0]


def _seek(file: int, distance: int, method: int) -> int:
    size, position = kernel.query_file(file)
    starts = {FILE_BEGIN: 0, FILE_CURRENT: position, FILE_END: size}
    if method not in starts:
        refuse(st.INVALID_PARAMETER, "SetFilePointer", f"method {method}")
    position = starts[method] + distance
    if position < 0:
        refuse(
            st.NEGATIVE_SEEK, "SetFilePointer", f"position {position} would be before the beginning"
        )
    kernel.set_file_position(file, position)
    return position


@windows
def SetFilePointer(
    hFile: HANDLE, lDistanceToMove: LARGE_INTEGER, dwMoveMethod: DWORD = FILE_BEGIN
) -> int:
    """Move the position of a file, both halves of the distance as one number.

    Returns:
        The new position.

    Rights:
        None.

    Raises:
        OSError: 131: before the beginning; 87: a method that is none; 6: it is no file.
    """
    return _seek(hFile, lDistanceToMove, dwMoveMethod)


@windows
def SetFilePointerEx(
    hFile: HANDLE, liDistanceToMove: LARGE_INTEGER, dwMoveMethod: DWORD = FILE_BEGIN
) -> int:
    """Move the position of a file.

    Returns:
        The new position.

    Rights:
        None.

    Raises:
        OSError: 131: before the beginning; 87: a method that is none; 6: it is no file.
    """
    return _seek(hFile, liDistanceToMove, dwMoveMethod)


@windows
def SetEndOfFile(hFile: HANDLE) -> None:
    """Cut or extend a file to its current position.

    Rights:
        FILE_WRITE_DATA.

    Raises:
        OSError: 1224: a section keeps the file from being cut; 112: the disk is full; 5: the right
            is missing.
    """
    kernel.set_end_of_file(hFile, kernel.query_file(hFile)[1])


@windows
def ReadFile(
    hFile: HANDLE, nNumberOfBytesToRead: DWORD, lpOverlapped: OVERLAPPED | None = None
) -> bytes:
    """Read from the current position, or from where ``lpOverlapped`` says.

    Returns:
        The bytes; fewer at the end of the file, none beyond it.

    Rights:
        FILE_READ_DATA.

    Raises:
        OSError: 38: beyond the end, with ``lpOverlapped``; 5: the right is missing; 6: it is no
            file.
    """
    data = kernel.read_file(
        hFile, nNumberOfBytesToRead, None if lpOverlapped is None else lpOverlapped.position
    )
    if not data and nNumberOfBytesToRead and lpOverlapped is not None:
        refuse(
            st.END_OF_FILE,
            "ReadFile",
            f"offset {lpOverlapped.position} is beyond the end of the file",
        )
    return data


@windows
def WriteFile(hFile: HANDLE, lpBuffer: BUFFER, lpOverlapped: OVERLAPPED | None = None) -> int:
    """Write at the current position, or where ``lpOverlapped`` says.

    Returns:
        How many bytes were written.

    Rights:
        FILE_WRITE_DATA.

    Raises:
        OSError: 112: the disk is full; 5: the right is missing; 6: it is no file.
    """
    return kernel.write_file(
        hFile, bytes(lpBuffer), None if lpOverlapped is None else lpOverlapped.position
    )


@windows
def FlushFileBuffers(hFile: HANDLE) -> None:
    """Have what was written to a file on disk.

    Rights:
        FILE_WRITE_DATA.

    Raises:
        OSError: 5: the right is missing; 6: it is no file; 112, 1117: the disk is full, or failed.
    """
    kernel.flush_file(hFile)
