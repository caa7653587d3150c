# SPDX-License-Identifier: MIT
"""pywin32's win32file: files as sections need them."""

# ruff: noqa: N802, N803  # the names of the originals

from __future__ import annotations

from typing import Any

from pywintypes import OVERLAPPED as OVERLAPPED
from pywintypes import TimeStamp, attributes, call, make_handle, message, number
from pywintypes import error as error
from win32api import CloseHandle as CloseHandle
from win32api import CreateDirectory as CreateDirectory
from win32api import DeleteFile as DeleteFile
from win32api import GetFileAttributes as GetFileAttributes
from win32api import GetFullPathName as GetFullPathName
from win32api import RemoveDirectory as RemoveDirectory
from win32timezone import TimeZoneInfo

from memsection import win32 as w

globals().update(
    {
        name: value
        for name, value in vars(w).items()
        if name.isupper()
        and isinstance(value, int)
        and name.startswith(("FILE_", "GENERIC_", "CREATE_", "OPEN_", "TRUNCATE_", "INVALID_"))
    }
)


def CreateFile(
    fileName: str,
    desiredAccess: int,
    shareMode: int,
    attributes_: Any,
    CreationDisposition: int,
    flagsAndAttributes: int,
    hTemplateFile: Any = None,
) -> Any:
    return make_handle(
        "CreateFile",
        w.CreateFile,
        fileName,
        desiredAccess,
        shareMode,
        attributes(attributes_),
        CreationDisposition,
        flagsAndAttributes,
        number(hTemplateFile),
    )


CreateFileW = CreateFile


_FILE_TYPE_PIPE = 3


def AllocateReadBuffer(bufSize: int) -> memoryview:
    return memoryview(bytearray(bufSize))


def _place(overlapped: Any) -> Any:
    return (
        None
        if overlapped is None
        else w.OVERLAPPED(0, 0, overlapped.Offset, overlapped.OffsetHigh, 0)
    )


def _complete(overlapped: Any, count: int) -> None:
    """An operation is over when its function returns: its event says so."""
    if overlapped is not None:
        overlapped.InternalHigh = count
        if number(overlapped.hEvent):
            call("SetEvent", w.SetEvent, number(overlapped.hEvent))


def ReadFile(hFile: Any, bufferOrSize: Any, overlapped: Any = None) -> tuple[int, Any]:
    """Read so many bytes: 0 and they, or fewer at the end.  Into a buffer: 0 and what of it was
    read; with an OVERLAPPED the buffer itself, and at the end of the file an error."""
    wanted = bufferOrSize if isinstance(bufferOrSize, int) else memoryview(bufferOrSize).nbytes
    data = call("ReadFile", w.ReadFile, number(hFile), wanted, _place(overlapped))
    if wanted and not data:
        _at_the_end(hFile, overlapped)
    if isinstance(bufferOrSize, int):
        found = data
    else:
        with memoryview(bufferOrSize) as view:
            view[: len(data)] = data
        found = bufferOrSize if overlapped is not None else bufferOrSize[: len(data)]
    _complete(overlapped, len(data))
    return 0, found


def _at_the_end(file: Any, overlapped: Any) -> None:
    """Nothing was read: an error at a pipe whose writers are gone, and at a given place."""
    code = 109 if w.GetFileType(number(file)) == _FILE_TYPE_PIPE else 38 if overlapped else 0
    if code:
        raise error(code, "ReadFile", message(code))


def WriteFile(hFile: Any, data: Any, overlapped: Any = None) -> tuple[int, int]:
    """Write bytes: 0 and how many were written."""
    data = data.encode() if isinstance(data, str) else data
    count = call("WriteFile", w.WriteFile, number(hFile), data, _place(overlapped))
    _complete(overlapped, count)
    return 0, count


def GetOverlappedResult(hFile: Any, overlapped: Any, bWait: Any) -> int:
    """How many bytes an operation moved, which is over."""
    return int(overlapped.InternalHigh)


def GetFileSize(handle: Any) -> int:
    return int(call("GetFileSize", w.GetFileSize, number(handle)))


def SetFilePointer(handle: Any, offset: int, moveMethod: int) -> int:
    return int(call("SetFilePointer", w.SetFilePointer, number(handle), offset, moveMethod))


def SetEndOfFile(handle: Any) -> None:
    call("SetEndOfFile", w.SetEndOfFile, number(handle))


def FlushFileBuffers(handle: Any) -> None:
    call("FlushFileBuffers", w.FlushFileBuffers, number(handle))


def _get_osfhandle(fd: int) -> int:
    from memsection.compat.windows import msvcrt

    return msvcrt.get_osfhandle(fd)


# ------------------------------------------------------------------ facts

CreateDirectoryW, DeleteFileW, GetFileAttributesW = CreateDirectory, DeleteFile, GetFileAttributes
RemoveDirectoryW = RemoveDirectory
FileBasicInfo, FileStandardInfo = 0, 1


def _utc(units: int) -> Any:
    return TimeStamp(units).replace(tzinfo=TimeZoneInfo.utc())


def GetFileInformationByHandle(hFile: Any) -> tuple[Any, ...]:
    """Attributes, three times, volume, size, links and index of a file."""
    found = call("GetFileInformationByHandle", w.GetFileInformationByHandle, number(hFile))
    return (
        found.dwFileAttributes,
        *map(_utc, (found.ftCreationTime, found.ftLastAccessTime, found.ftLastWriteTime)),
        found.dwVolumeSerialNumber,
        found.nFileSizeHigh,
        found.nFileSizeLow,
        found.nNumberOfLinks,
        found.nFileIndexHigh,
        found.nFileIndexLow,
    )


def GetFileInformationByHandleEx(File: Any, FileInformationClass: int) -> dict[str, Any]:
    """Some of it by names: FileBasicInfo or FileStandardInfo."""
    found = GetFileInformationByHandle(File)
    if FileInformationClass == FileBasicInfo:
        names = ("FileAttributes", "CreationTime", "LastAccessTime", "LastWriteTime")
        return {**dict(zip(names, found, strict=False)), "ChangeTime": found[3]}
    if FileInformationClass == FileStandardInfo:
        size = found[5] << 32 | found[6]
        facts = {"AllocationSize": size, "EndOfFile": size, "NumberOfLinks": found[7]}
        return {**facts, "DeletePending": False, "Directory": bool(found[0] & 0x10)}
    raise error(50, "GetFileInformationByHandleEx", message(50))


def GetFileTime(handle: Any) -> tuple[Any, Any, Any]:
    """When the file was made, which Linux does not tell (it is 1601), read, and written."""
    found = GetFileInformationByHandle(handle)
    return found[1], found[2], found[3]


def GetFileAttributesEx(fileName: str, InfoLevelId: int = 0) -> tuple[Any, ...]:
    """Attributes, three times and size of a file by its path."""
    share = w.FILE_SHARE_READ | w.FILE_SHARE_WRITE | w.FILE_SHARE_DELETE
    with CreateFile(
        fileName, 0, share, None, w.OPEN_EXISTING, w.FILE_FLAG_BACKUP_SEMANTICS
    ) as file:
        found = GetFileInformationByHandle(file)
    return (*found[:4], found[5] << 32 | found[6])


GetFileAttributesExW = GetFileAttributesEx
