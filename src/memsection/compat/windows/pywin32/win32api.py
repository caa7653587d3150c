# SPDX-License-Identifier: MIT
"""pywin32's win32api, as far as programs of this subject use it."""

# ruff: noqa: N802, N803  # the names of the originals

from __future__ import annotations

import ctypes
import errno
import ntpath
import os
import platform
import stat
import sys
import tempfile
import threading
import time
from typing import Any

from pywintypes import HANDLEType, attributes, call, make_handle, message, number
from pywintypes import error as error

from memsection import win32 as w

NameUnknown, NameFullyQualifiedDN, NameSamCompatible, NameDisplay = 0, 1, 2, 3
NameCanonical, NameUniqueId = 7, 6


def GetLastError() -> int:
    code = w.GetLastError()
    return code - (code >> 31 << 32)  # as pywin32 has it: a signed number


def SetLastError(error: int) -> None:
    w.SetLastError(error & 0xFFFFFFFF)


def CloseHandle(handle: Any) -> None:
    if isinstance(handle, HANDLEType):
        handle.Close()
    else:
        call("CloseHandle", w.CloseHandle, number(handle))


def DuplicateHandle(
    hSourceProcess: Any,
    hSource: Any,
    hTargetProcess: Any,
    desiredAccess: int,
    bInheritHandle: Any,
    options: int,
) -> Any:
    return make_handle(
        "DuplicateHandle",
        w.DuplicateHandle,
        number(hSourceProcess),
        number(hSource),
        number(hTargetProcess),
        desiredAccess,
        bInheritHandle,
        options,
    )


def GetHandleInformation(handle: Any) -> int:
    return int(call("GetHandleInformation", w.GetHandleInformation, number(handle)))


def SetHandleInformation(handle: Any, mask: int, flags: int) -> None:
    call("SetHandleInformation", w.SetHandleInformation, number(handle), mask, flags)


def FormatMessage(*arguments: Any) -> str:
    """The text of an error code, the last one's when omitted; or with flags, source, code, language
    and inserts."""
    if len(arguments) > 1:
        flags, source, code, language, inserts = (*arguments, None, 0, 0, None)[:5]
        return str(call("FormatMessage", w.FormatMessage, flags, source, code, language, inserts))
    text = message(arguments[0] if arguments and arguments[0] else w.GetLastError())
    return f"{text}\r\n"


FormatMessageW = FormatMessage


def GetCurrentProcess() -> int:
    return w.GetCurrentProcess()


def GetCurrentProcessId() -> int:
    return os.getpid()


def GetCurrentThread() -> int:
    return w.GetCurrentThread()


def GetCurrentThreadId() -> int:
    return threading.get_native_id()


def OpenProcess(reqdAccess: int, bInherit: Any, pid: int) -> Any:
    return make_handle("OpenProcess", w.OpenProcess, reqdAccess, bInherit, pid)


def OpenThread(reqdAccess: int, bInherit: Any, tid: int) -> Any:
    return make_handle("OpenThread", w.OpenThread, reqdAccess, bInherit, tid)


def TerminateProcess(handle: Any, exitCode: int) -> None:
    call("TerminateProcess", w.TerminateProcess, number(handle), exitCode)


def GetTickCount() -> int:
    return time.monotonic_ns() // 1_000_000 & 0xFFFFFFFF


def GetTickCount64() -> int:
    return time.monotonic_ns() // 1_000_000


def Sleep(milliseconds: int, bAlertable: Any = 0) -> int:
    time.sleep(milliseconds / 1000)
    return 0


def GetSystemInfo() -> tuple[Any, ...]:
    found = w.GetSystemInfo()
    return (
        9,
        found.dwPageSize,
        0x10000,
        0x7FFFFFFEFFFF,
        (1 << min(found.dwNumberOfProcessors, 63)) - 1,
        found.dwNumberOfProcessors,
        8664,
        found.dwAllocationGranularity,
        (6, 0),
    )


GetNativeSystemInfo = GetSystemInfo


STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE = -10, -11, -12


def GetStdHandle(handle: int) -> int:
    return int(call("GetStdHandle", w.GetStdHandle, handle))


def GetUserName() -> str:
    import pwd

    name: str = pwd.getpwuid(os.getuid()).pw_name  # type: ignore[attr-defined, unused-ignore]
    return name


def GetComputerName() -> str:
    return platform.node()


def GetDomainName() -> str:
    """Where accounts are known: this system itself, under the name that their SIDs have."""
    return "Unix User"


def GetUserNameEx(NameFormat: int) -> str:
    """The user's name in a form: with the domain, or as people read it.  Others need a domain's
    controller."""
    import pwd

    if NameFormat == NameSamCompatible:
        return f"{GetDomainName()}\\{GetUserName()}"
    if NameFormat == NameDisplay:
        found = pwd.getpwuid(os.getuid())  # type: ignore[attr-defined, unused-ignore]
        return str(found.pw_gecos.partition(",")[0] or found.pw_name)
    raise error(1332, "GetUserNameEx", message(1332))


def GetProcAddress(hModule: Any, functionName: str | bytes) -> int:
    """The address of a function of Python's own library, ``sys.dllhandle``, by its name."""
    if number(hModule) != 0:
        raise error(126, "GetProcAddress", message(126))
    if not isinstance(functionName, str | bytes):
        raise error(127, "GetProcAddress", f"{message(127)} (functions have no numbers here)")
    name = functionName.decode("latin1") if isinstance(functionName, bytes) else functionName
    try:
        found = getattr(ctypes.pythonapi, name)
    except (AttributeError, ValueError):
        raise error(127, "GetProcAddress", message(127)) from None
    return int(ctypes.cast(found, ctypes.c_void_p).value or 0)


# ------------------------------------------------------------------ paths


def GetModuleFileName(hModule: Any) -> str:
    """The interpreter's file: no other module has one."""
    if hModule:
        raise error(126, "GetModuleFileName", message(126))
    return sys.executable


GetModuleFileNameW = GetModuleFileName


def _path(name: str) -> str:
    """A path as the system has it: without the prefix for long ones."""
    return name.removeprefix("\\\\?\\")


def _of_system(name: str, function: Any, *arguments: Any) -> Any:
    codes = {errno.ENOENT: 2, errno.ENOTDIR: 3, errno.EEXIST: 183, errno.ENOTEMPTY: 145}
    codes |= {errno.ENAMETOOLONG: 206, errno.EINVAL: 123}
    try:
        return function(*arguments)
    except OSError as problem:
        code = codes.get(problem.errno or 0, 5)
        raise error(code, name, message(code)) from None


def GetTempPath() -> str:
    return os.path.join(tempfile.gettempdir(), "")


def GetTempFileName(path: str, prefix: str, nUnique: int = 0) -> tuple[str, int]:
    """A name in a directory that nobody has, whose file is made, and its number; with a number of
    the caller's the name alone."""
    if nUnique:
        return os.path.join(path, f"{prefix[:3]}{nUnique & 0xFFFF:X}.tmp"), nUnique & 0xFFFF
    if not os.path.isdir(path):
        raise error(267, "GetTempFileName", message(267))
    for unique in range(1, 0x10000):
        name = os.path.join(path, f"{prefix[:3]}{unique:X}.tmp")
        try:
            os.close(_of_system("GetTempFileName", os.open, name, os.O_CREAT | os.O_EXCL, 0o666))
        except error as problem:
            if problem.winerror != 183:
                raise
            continue
        return name, unique
    raise error(80, "GetTempFileName", message(80))


def GetFullPathName(fileName: str) -> str:
    """A path from the root on; one in Windows's spelling stays what it is."""
    if fileName.startswith("\\") or fileName[1:3] == ":\\":
        return ntpath.normpath(fileName)
    return os.path.abspath(fileName)


def GetLongPathName(fileName: str) -> str:
    """A path with long names: it has no others."""
    _of_system("GetLongPathName", os.stat, _path(fileName))
    return fileName


GetLongPathNameW = GetShortPathName = GetLongPathName


def GetFileAttributes(pathName: str) -> int:
    found = _of_system("GetFileAttributes", os.stat, _path(pathName))
    if stat.S_ISDIR(found.st_mode):
        return 0x10
    return w.FILE_ATTRIBUTE_NORMAL if found.st_mode & 0o222 else w.FILE_ATTRIBUTE_READONLY


def DeleteFile(fileName: str) -> None:
    call("DeleteFile", w.DeleteFile, _path(fileName))


def CreateDirectory(name: str, sa: Any = None) -> None:
    if sa is not None and attributes(sa).lpSecurityDescriptor is not None:
        raise error(50, "CreateDirectory", f"{message(50)} (a descriptor of a directory)")
    _of_system("CreateDirectory", os.mkdir, _path(name))


def RemoveDirectory(name: str) -> None:
    _of_system("RemoveDirectory", os.rmdir, _path(name))
