# SPDX-License-Identifier: MIT
"""pywin32's win32file: files as sections need them."""

# ruff: noqa: N802, N803  # the names of the originals

from __future__ import annotations

from typing import Any

from pywintypes import OVERLAPPED as OVERLAPPED
from pywintypes import attributes, call, made, number
from pywintypes import error as error
from win32api import CloseHandle as CloseHandle

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
    return made(
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


def AllocateReadBuffer(bufSize: int) -> memoryview:
    return memoryview(bytearray(bufSize))


def _place(overlapped: Any) -> Any:
    return (
        None
        if overlapped is None
        else w.OVERLAPPED(0, 0, overlapped.Offset, overlapped.OffsetHigh, 0)
    )


def ReadFile(hFile: Any, bufferOrSize: Any, overlapped: Any = None) -> tuple[int, Any]:
    """Read so many bytes, or into a buffer: 0 and what was read."""
    if isinstance(bufferOrSize, int):
        return 0, call("ReadFile", w.ReadFile, number(hFile), bufferOrSize, _place(overlapped))
    with memoryview(bufferOrSize) as view:
        data = call("ReadFile", w.ReadFile, number(hFile), len(view), _place(overlapped))
        view[: len(data)] = data
    if overlapped is not None:
        overlapped.InternalHigh = len(data)
    return 0, bufferOrSize[: len(data)]


def WriteFile(hFile: Any, data: Any, overlapped: Any = None) -> tuple[int, int]:
    """Write bytes: 0 and how many were written."""
    data = data.encode() if isinstance(data, str) else data
    return 0, call("WriteFile", w.WriteFile, number(hFile), data, _place(overlapped))


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
