# SPDX-License-Identifier: MIT
"""Process B: opens the section of process A by its name, prints what is there, and answers.

As a C program for Windows does it, line by line.
"""

import ctypes
import sys

from memsection.win32 import (
    FILE_MAP_ALL_ACCESS,
    CloseHandle,
    MapViewOfFile,
    OpenFileMapping,
    UnmapViewOfFile,
)

BUFFER_SIZE = 0x1000


def main() -> int:
    try:
        section = OpenFileMapping(FILE_MAP_ALL_ACCESS, False, "SHINE")
    except OSError as error:
        print(f"OpenFileMapping: error {error.winerror}")
        return 1
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
