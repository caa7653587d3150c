# SPDX-License-Identifier: MIT
"""The child of inherit_parent.py: uses handles that it did not open, under the values that it is
told."""

import sys

from memsection.win32 import (
    FILE_MAP_ALL_ACCESS,
    INFINITE,
    GetCurrentProcess,
    MapViewOfFile,
    ReadProcessMemory,
    ReleaseMutex,
    UnmapViewOfFile,
    WaitForSingleObject,
    WriteProcessMemory,
)

BUFFER_SIZE = 0x1000


def main() -> int:
    section, mutex = int(sys.argv[1]), int(sys.argv[2])
    try:
        WaitForSingleObject(mutex, INFINITE)
        buffer = MapViewOfFile(section, FILE_MAP_ALL_ACCESS, 0, 0, BUFFER_SIZE)
    except OSError as error:
        return int(error.winerror)  # 6: this process does not have that handle
    text = ReadProcessMemory(GetCurrentProcess(), buffer, 18).decode("utf-16-le")
    if text == "我将无我，不负人民":
        WriteProcessMemory(GetCurrentProcess(), buffer, "为人民服务\0".encode("utf-16-le"))
    UnmapViewOfFile(buffer)
    ReleaseMutex(mutex)
    return 0


if __name__ == "__main__":
    sys.exit(main())
