# SPDX-License-Identifier: MIT
"""Process B: takes the section of process A by process id and handle, prints what is there, and
answers.

As a C program for Windows does it, line by line, with its functions that enable the debug privilege
while a process is opened.
"""

import ctypes
import sys

from memsection.win32 import (
    DUPLICATE_SAME_ACCESS,
    ERROR_SUCCESS,
    FILE_MAP_ALL_ACCESS,
    PROCESS_DUP_HANDLE,
    SE_DEBUG_NAME,
    SE_PRIVILEGE_ENABLED,
    TOKEN_ADJUST_PRIVILEGES,
    TOKEN_PRIVILEGES,
    TOKEN_QUERY,
    AdjustTokenPrivileges,
    CloseHandle,
    DuplicateHandle,
    GetCurrentProcess,
    GetLastError,
    LookupPrivilegeValue,
    MapViewOfFile,
    OpenProcess,
    OpenProcessToken,
    SetLastError,
    UnmapViewOfFile,
)

BUFFER_SIZE = 0x1000


def SunEnableSunDebugPrivilege(PrivilegeName: str, IsEnable: bool) -> bool:
    """Switch a privilege of this process on or off; False, with the last error, if that is not
    possible."""
    try:
        TokenHandle = OpenProcessToken(GetCurrentProcess(), TOKEN_ADJUST_PRIVILEGES | TOKEN_QUERY)
    except OSError:
        return False
    LastError = ERROR_SUCCESS
    try:
        TokenPrivileges = TOKEN_PRIVILEGES(PrivilegeCount=1)
        TokenPrivileges.Privileges[0].Luid = LookupPrivilegeValue(None, PrivilegeName)
        TokenPrivileges.Privileges[0].Attributes = SE_PRIVILEGE_ENABLED if IsEnable else 0
        AdjustTokenPrivileges(TokenHandle, False, TokenPrivileges)
        # ERROR_NOT_ALL_ASSIGNED: the call worked, but the token has no such privilege
        LastError = GetLastError()
    except OSError as error:
        LastError = error.winerror
    finally:
        CloseHandle(TokenHandle)
        SetLastError(LastError)
    return LastError == ERROR_SUCCESS


def SunOpenProcess(DesiredAccess: int, IsInheritHandle: bool, ProcessID: int) -> int:
    """Open a process with the debug privilege on; 0, with the last error, if it cannot be
    opened."""
    # an ordinary user's own processes open without it
    SunEnableSunDebugPrivilege(SE_DEBUG_NAME, True)
    try:
        ProcessHandle = OpenProcess(DesiredAccess, IsInheritHandle, ProcessID)
    except OSError:
        ProcessHandle = 0
    LastError = GetLastError()
    SunEnableSunDebugPrivilege(SE_DEBUG_NAME, False)
    SetLastError(LastError)
    return ProcessHandle


def main() -> int:
    print("Process id of A:", end=" ", flush=True)
    process_id = int(sys.stdin.readline())
    print("Handle in A:", end=" ", flush=True)
    handle = int(sys.stdin.readline(), 0)

    process = SunOpenProcess(PROCESS_DUP_HANDLE, False, process_id)
    if not process:
        print(f"OpenProcess: error {GetLastError()}")
        return 1
    try:
        section = DuplicateHandle(
            process, handle, GetCurrentProcess(), 0, False, DUPLICATE_SAME_ACCESS
        )
    except OSError as error:
        print(f"DuplicateHandle: error {error.winerror}")
        CloseHandle(process)
        return 1
    CloseHandle(process)
    try:
        buffer = MapViewOfFile(section, FILE_MAP_ALL_ACCESS, 0, 0, BUFFER_SIZE)
    except OSError as error:
        print(f"MapViewOfFile: error {error.winerror}")
        CloseHandle(section)
        return 1

    print(
        f"B reads: {ctypes.string_at(buffer, BUFFER_SIZE).decode('utf-16-le').partition(chr(0))[0]}"
    )
    text = "为人民服务".encode("utf-16-le") + b"\0\0"
    ctypes.memmove(buffer, text, len(text))
    print(f"B wrote: {text[:-2].decode('utf-16-le')}")

    UnmapViewOfFile(buffer)
    CloseHandle(section)
    return 0


if __name__ == "__main__":
    sys.exit(main())
