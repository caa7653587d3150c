# SPDX-License-Identifier: MIT
"""pywin32's win32api, as far as programs of this subject use it."""

# ruff: noqa: N802, N803  # the names of the originals

from __future__ import annotations

import os
import tempfile
import threading
import time
from typing import Any

from pywintypes import HANDLEType, call, made, message, number
from pywintypes import error as error

from memsection import win32 as w

NameUnknown, NameFullyQualifiedDN, NameSamCompatible, NameDisplay = 0, 1, 2, 3
GetLastError, SetLastError = w.GetLastError, w.SetLastError


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
    return made(
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
    return message(arguments[0] if arguments and arguments[0] else w.GetLastError()) + "\r\n"


FormatMessageW = FormatMessage


def GetCurrentProcess() -> int:
    return w.GetCurrentProcess()


def GetCurrentProcessId() -> int:
    return os.getpid()


def GetCurrentThreadId() -> int:
    return threading.get_native_id()


def OpenProcess(reqdAccess: int, bInherit: Any, pid: int) -> Any:
    return made("OpenProcess", w.OpenProcess, reqdAccess, bInherit, pid)


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


def GetStdHandle(handle: int) -> int:
    return int(call("GetStdHandle", w.GetStdHandle, handle))


def GetTempPath() -> str:
    return os.path.join(tempfile.gettempdir(), "")


def GetUserName() -> str:
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name


def GetComputerName() -> str:
    return os.uname().nodename
