# SPDX-License-Identifier: MIT
"""pywin32's win32process: starting programs and what became of them."""

# ruff: noqa: N802, N803  # the names of the originals

from __future__ import annotations

import os
from typing import Any

from pywintypes import HANDLEType, attributes, call, number
from pywintypes import error as error

from memsection import win32 as w

STARTF_USESHOWWINDOW, STARTF_USESTDHANDLES = 1, 0x100
CREATE_NEW_CONSOLE, CREATE_NO_WINDOW, CREATE_SUSPENDED, DETACHED_PROCESS = 0x10, 0x08000000, 4, 8
CREATE_NEW_PROCESS_GROUP, CREATE_UNICODE_ENVIRONMENT, NORMAL_PRIORITY_CLASS = 0x200, 0x400, 0x20
STILL_ACTIVE = 259


def STARTUPINFO() -> Any:
    """How a new process begins."""
    return w.STARTUPINFO()


def CreateProcess(
    appName: str | None,
    commandLine: str | None,
    processAttributes: Any,
    threadAttributes: Any,
    bInheritHandles: Any,
    dwCreationFlags: int,
    newEnvironment: Any,
    currentDirectory: str | None,
    startupinfo: Any,
) -> tuple[Any, Any, int, int]:
    """Start a program: handles and ids of its process and first thread."""
    startup = w.STARTUPINFO()
    for field in ("dwFlags", "hStdInput", "hStdOutput", "hStdError"):
        value = getattr(startupinfo, field, 0)
        setattr(startup, field, number(value) if field.startswith("h") else value)
    found = call(
        "CreateProcess",
        w.CreateProcess,
        appName,
        commandLine,
        attributes(processAttributes),
        attributes(threadAttributes),
        bInheritHandles,
        dwCreationFlags,
        newEnvironment,
        currentDirectory,
        startup,
    )
    handles = []
    for value in (found.hProcess, found.hThread):
        handle = HANDLEType()
        handle.handle = value
        handles.append(handle)
    return handles[0], handles[1], found.dwProcessId, found.dwThreadId


def GetExitCodeProcess(handle: Any) -> int:
    return int(call("GetExitCodeProcess", w.GetExitCodeProcess, number(handle)))


def GetExitCodeThread(handle: Any) -> int:
    return int(call("GetExitCodeThread", w.GetExitCodeThread, number(handle)))


def TerminateProcess(handle: Any, exitCode: int) -> None:
    call("TerminateProcess", w.TerminateProcess, number(handle), exitCode)


def GetCurrentProcess() -> int:
    return w.GetCurrentProcess()


def GetCurrentProcessId() -> int:
    return os.getpid()


def GetProcessId(handle: Any) -> int:
    return int(call("GetProcessId", w.GetProcessId, number(handle)))
