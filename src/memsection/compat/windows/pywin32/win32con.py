# SPDX-License-Identifier: MIT
"""pywin32's win32con: the constants that ``memsection.win32`` has."""

from memsection import win32 as _w

globals().update(
    {name: value for name, value in vars(_w).items() if name.isupper() and isinstance(value, int)}
)
INFINITE = -1
FILE_ATTRIBUTE_DIRECTORY = 0x10
WAIT_FAILED = -1
GENERIC_READ = -2147483648  # as pywin32 has it: a signed number
STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE = -10, -11, -12
