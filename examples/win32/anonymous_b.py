# SPDX-License-Identifier: MIT
"""Process B: takes the section of process A by process id and handle, prints what is there, and answers.

The program of the article, line by line.
"""

import ctypes
import sys

from memsection.win32 import (
    DUPLICATE_SAME_ACCESS,
    FILE_MAP_ALL_ACCESS,
    PROCESS_DUP_HANDLE,
    CloseHandle,
    DuplicateHandle,
    GetCurrentProcess,
    MapViewOfFile,
    OpenProcess,
    UnmapViewOfFile,
)

BUFFER_SIZE = 0x1000


def main() -> int:
    print("Process id of A:", end=" ", flush=True)
    process_id = int(sys.stdin.readline())
    print("Handle in A:", end=" ", flush=True)
    handle = int(sys.stdin.readline(), 0)

    try:
        process = OpenProcess(PROCESS_DUP_HANDLE, False, process_id)
    except OSError as error:
        print(f"OpenProcess: error {error.winerror}")
        return 1
    try:
        section = DuplicateHandle(process, handle, GetCurrentProcess(), 0, False, DUPLICATE_SAME_ACCESS)
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

    print(f"B reads: {ctypes.string_at(buffer, BUFFER_SIZE).decode('utf-16-le').partition(chr(0))[0]}")
    text = "为人民服务".encode("utf-16-le") + b"\0\0"
    ctypes.memmove(buffer, text, len(text))
    print(f"B wrote: {text[:-2].decode('utf-16-le')}")

    UnmapViewOfFile(buffer)
    CloseHandle(section)
    return 0


if __name__ == "__main__":
    sys.exit(main())
