# SPDX-License-Identifier: MIT
"""fileapi.h: what a file is, its removal, and a second open by handle.

Opening by path, reading and writing are in ``fileapi``.
"""

from __future__ import annotations

from memsection.nt import kernel
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.access import DELETE, FILE_READ_ATTRIBUTES, SYNCHRONIZE
from memsection.vocabulary.records import record
from memsection.win32._base import DWORD, HANDLE, PATH, refuse, windows
from memsection.win32.winbase import FILE_FLAG_DELETE_ON_CLOSE, FILE_FLAG_WRITE_THROUGH

__all__ = [
    "BY_HANDLE_FILE_INFORMATION",
    "DeleteFile",
    "GetFileInformationByHandle",
    "GetFileType",
    "ReOpenFile",
]


@record(frozen=True, slots=True)
class BY_HANDLE_FILE_INFORMATION:
    """What a file is.  Two handles mean one file when volume and index are the same.

    Attributes:
        dwFileAttributes: FILE_ATTRIBUTE_READONLY where nobody may write the file; on Linux
            FILE_ATTRIBUTE_NORMAL else.
        ftCreationTime: 100 ns units since 1601; 0 on Linux, which does not tell it.
        ftLastAccessTime: As above.
        ftLastWriteTime: As above.
        dwVolumeSerialNumber: The volume; on Linux the number of its device.
    """

    dwFileAttributes: int
    ftCreationTime: int
    ftLastAccessTime: int
    ftLastWriteTime: int
    dwVolumeSerialNumber: int
    nFileSizeHigh: int
    nFileSizeLow: int
    nNumberOfLinks: int
    nFileIndexHigh: int
    nFileIndexLow: int


@windows
def GetFileType(hFile: HANDLE) -> int:
    """FILE_TYPE_DISK, FILE_TYPE_CHAR or FILE_TYPE_PIPE.

    Rights:
        None.

    Raises:
        OSError: 6: it is no file.
    """
    return kernel.query_file_type(hFile)


@windows
def GetFileInformationByHandle(hFile: HANDLE) -> BY_HANDLE_FILE_INFORMATION:
    """Times, size, number of links and identity of a file on a disk.

    Rights:
        FILE_READ_ATTRIBUTES, which ``CreateFile`` always adds.

    Raises:
        OSError: 6: it is no file; 1: it is none on a disk; 5: the right is missing.
    """
    found = kernel.query_file_information(hFile)
    return BY_HANDLE_FILE_INFORMATION(
        found.attributes,
        found.creation_time,
        found.last_access_time,
        found.last_write_time,
        found.volume,
        found.size >> 32,
        found.size & 0xFFFFFFFF,
        found.links,
        found.index >> 32,
        found.index & 0xFFFFFFFF,
    )


@windows
def DeleteFile(lpFileName: PATH) -> None:
    """Remove a file by its path.

    The name is gone at once; who has the file open with FILE_SHARE_DELETE goes on with its
    content.  A symbolic link is removed itself.

    Rights:
        DELETE on the file, or to remove entries of its directory; on Linux the latter, and to read
        or write the file, without which nobody can be asked whether they share it.

    Raises:
        OSError: 2: no such file; 3: no such directory; 5: access denied, a directory, a read-only
            file, or a section of the file is in use; 32: somebody has it open without
            FILE_SHARE_DELETE.
    """
    path = str(lpFileName)
    if not path:
        refuse(st.OBJECT_PATH_NOT_FOUND, "DeleteFile", "the path is empty")
    kernel.delete_file(path)


#: FILE_FLAG_*; what is below are attributes, which an existing file has already
_FLAGS = 0xFFFF0000


@windows
def ReOpenFile(
    hOriginalFile: HANDLE, dwDesiredAccess: DWORD, dwShareMode: DWORD, dwFlagsAndAttributes: DWORD
) -> int:
    """Open the file of a handle once more, with other rights, another share mode and a position of
    its own.

    What the caller may do with the file is looked at, as by ``CreateFile``, not what the handle
    grants.  The handle has the file open too: both share modes have to agree.

    Args:
        hOriginalFile: A handle to a file on a disk.
        dwDesiredAccess: As for ``CreateFile``.
        dwShareMode: As for ``CreateFile``.
        dwFlagsAndAttributes: FILE_FLAG_*; FILE_FLAG_DELETE_ON_CLOSE removes the path that the file
            was opened by.

    Returns:
        The new handle, which is not inherited.

    Rights:
        ``dwDesiredAccess`` on the file.

    Raises:
        OSError: 5: access denied; 32: not shared so; 87: a flag that is none; 6: it is no file; 1:
            it is none on a disk.
    """
    if dwFlagsAndAttributes & ~_FLAGS:
        refuse(st.INVALID_PARAMETER, "ReOpenFile", f"flags {dwFlagsAndAttributes:#x}")
    access, options = dwDesiredAccess | SYNCHRONIZE | FILE_READ_ATTRIBUTES, 0
    if dwFlagsAndAttributes & FILE_FLAG_DELETE_ON_CLOSE:
        access, options = access | DELETE, options | s.FILE_DELETE_ON_CLOSE
    if dwFlagsAndAttributes & FILE_FLAG_WRITE_THROUGH:
        options |= s.FILE_WRITE_THROUGH
    return kernel.reopen_file(hOriginalFile, access, dwShareMode, options)
