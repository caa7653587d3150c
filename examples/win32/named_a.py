# SPDX-License-Identifier: MIT
"""Process A: makes a section with a name, writes into it, and prints what process B made of it.

As a C program for Windows does it, line by line.  Start it in a terminal, and named_b.py in
another.
"""

import ctypes
import sys

from memsection.win32 import (
    FILE_MAP_ALL_ACCESS,
    INVALID_HANDLE_VALUE,
    PAGE_READWRITE,
    CloseHandle,
    CreateFileMapping,
    GetCurrentProcessId,
    MapViewOfFile,
    UnmapViewOfFile,
)

BUFFER_SIZE = 0x1000


def main() -> int:
    try:
        section = CreateFileMapping(
            INVALID_HANDLE_VALUE, None, PAGE_READWRITE, 0, BUFFER_SIZE, "SHINE"
        )
    except OSError as error:
        print(f"CreateFileMapping: error {error.winerror}")
        return 1
    try:
        buffer = MapViewOfFile(section, FILE_MAP_ALL_ACCESS, 0, 0, BUFFER_SIZE)
    except OSError as error:
        print(f"MapViewOfFile: error {error.winerror}")
        CloseHandle(section)
        return 1

    text = "我将无我，不负人民".encode("utf-16-le") + b"\0\0"
    ctypes.memmove(buffer, text, len(text))
    print(f"process id {GetCurrentProcessId()}, handle {section:#x}")
    print(f"A wrote: {text[:-2].decode('utf-16-le')}")
    print("Press Enter when B has answered:", end=" ", flush=True)
    sys.stdin.readline()
    print(
        f"A reads: {ctypes.string_at(buffer, BUFFER_SIZE).decode('utf-16-le').partition(chr(0))[0]}"
    )

    UnmapViewOfFile(buffer)
    CloseHandle(section)
    return 0


if __name__ == "__main__":
    sys.exit(main())
