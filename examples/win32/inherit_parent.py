# SPDX-License-Identifier: MIT
"""A parent hands its child a section and a mutex, which need no names: the handles are inherited.

A handle is inherited when both switches are on: bInheritHandle of the handle's
SECURITY_ATTRIBUTES, and bInheritHandles of CreateProcess.  All four combinations are tried.
"""

import sys
from pathlib import Path
from subprocess import list2cmdline

from memsection.win32 import (
    FILE_MAP_ALL_ACCESS,
    INFINITE,
    INVALID_HANDLE_VALUE,
    PAGE_READWRITE,
    SECURITY_ATTRIBUTES,
    CloseHandle,
    CreateFileMapping,
    CreateMutex,
    CreateProcess,
    GetCurrentProcess,
    GetExitCodeProcess,
    MapViewOfFile,
    ReadProcessMemory,
    ReleaseMutex,
    UnmapViewOfFile,
    WaitForSingleObject,
    WriteProcessMemory,
)

BUFFER_SIZE = 0x1000
CHILD = Path(__file__).with_name("inherit_child.py")


def hand_over(of_the_handles: bool, of_the_process: bool) -> int:
    """Start the child with these switches; its exit code."""
    attributes = SECURITY_ATTRIBUTES(bInheritHandle=of_the_handles)
    section = CreateFileMapping(
        INVALID_HANDLE_VALUE, attributes, PAGE_READWRITE, 0, BUFFER_SIZE, None
    )
    mutex = CreateMutex(attributes, True, None)  # owned: the child waits until the text is there
    buffer = MapViewOfFile(section, FILE_MAP_ALL_ACCESS, 0, 0, BUFFER_SIZE)

    # The child is told the values; it has the handles under the same ones.
    command = list2cmdline([sys.executable, str(CHILD), str(section), str(mutex)])
    child = CreateProcess(None, command, None, None, of_the_process, 0, None, None, None)
    WriteProcessMemory(GetCurrentProcess(), buffer, "我将无我，不负人民".encode("utf-16-le"))
    ReleaseMutex(mutex)
    WaitForSingleObject(child.hProcess, INFINITE)
    code = GetExitCodeProcess(child.hProcess)

    text = (
        ReadProcessMemory(GetCurrentProcess(), buffer, BUFFER_SIZE)
        .decode("utf-16-le")
        .partition("\0")[0]
    )
    print(
        f"bInheritHandle {of_the_handles}, bInheritHandles {of_the_process}: "
        f"the child ended with {code}, and the section says {text}"
    )
    UnmapViewOfFile(buffer)
    for handle in (child.hThread, child.hProcess, mutex, section):
        CloseHandle(handle)
    return code


def main() -> int:
    # As a real program would have: handles that a small child does not have under these values by
    # accident.
    taken = [CreateMutex(None, False, None) for _ in range(200)]
    codes = [hand_over(handle, process) for handle in (False, True) for process in (False, True)]
    for handle in taken:
        CloseHandle(handle)
    return 0 if codes == [6, 6, 6, 0] else 1


if __name__ == "__main__":
    sys.exit(main())
