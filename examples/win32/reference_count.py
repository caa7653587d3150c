# SPDX-License-Identifier: MIT
"""The system counts handles across processes: a name lives until the last of them is closed,
whoever has it.

Started with two numbers it is its own child, and just keeps what it inherited until
it is told to end.
"""

import sys
from subprocess import list2cmdline

from memsection.nt import NtQueryObject, ObjectBasicInformation
from memsection.win32 import (
    FILE_MAP_READ,
    INFINITE,
    INVALID_HANDLE_VALUE,
    PAGE_READWRITE,
    SECURITY_ATTRIBUTES,
    CloseHandle,
    CreateEvent,
    CreateFileMapping,
    CreateProcess,
    OpenFileMapping,
    SetEvent,
    WaitForSingleObject,
)

BUFFER_SIZE = 0x1000


def count(section: int) -> int:
    """How many handles the section has, in all processes."""
    return int(NtQueryObject(section, ObjectBasicInformation)[1].HandleCount)


def exists() -> bool:
    """Whether the name can still be opened."""
    try:
        CloseHandle(OpenFileMapping(FILE_MAP_READ, False, "SHINE COUNTED"))
    except FileNotFoundError:
        return False
    return True


def child(ready: int, end: int) -> int:
    SetEvent(ready)
    WaitForSingleObject(end, INFINITE)
    return 0


def parent() -> int:
    attributes = SECURITY_ATTRIBUTES(bInheritHandle=True)
    section = CreateFileMapping(
        INVALID_HANDLE_VALUE, attributes, PAGE_READWRITE, 0, BUFFER_SIZE, "SHINE COUNTED"
    )
    ready, end = (
        CreateEvent(attributes, True, False, None),
        CreateEvent(attributes, True, False, None),
    )
    counts = [count(section)]
    print(f"created: {counts[-1]} handle")

    command = list2cmdline([sys.executable, __file__, str(ready), str(end)])
    process = CreateProcess(None, command, None, None, True, 0, None, None, None)
    WaitForSingleObject(ready, INFINITE)
    counts.append(count(section))
    print(f"inherited by a child: {counts[-1]} handles")

    CloseHandle(section)
    kept = exists()
    print(f"closed here: the name {'is still there' if kept else 'is gone'}")

    SetEvent(end)
    WaitForSingleObject(process.hProcess, INFINITE)
    left = exists()
    print(f"the child has ended: the name {'is still there' if left else 'is gone'}")
    for handle in (process.hThread, process.hProcess, ready, end):
        CloseHandle(handle)
    return 0 if counts == [1, 2] and kept and not left else 1


if __name__ == "__main__":
    sys.exit(parent() if len(sys.argv) == 1 else child(int(sys.argv[1]), int(sys.argv[2])))
