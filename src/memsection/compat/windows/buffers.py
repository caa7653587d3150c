# SPDX-License-Identifier: MIT
"""The functions that copy, fill and compare bytes at addresses, which kernel32 and ntdll have both:
programs use them on views."""

# ruff: noqa: N802  # the names of the originals

from __future__ import annotations

import ctypes
import os


def _touchable(operation: str, size: int, *places: int) -> bool:
    """Whether there is anything to do.

    Raises:
        ValueError: At NULL, where Windows ends the program.
    """
    if size and not all(places):
        raise ValueError(f"{operation}: access violation at NULL")
    return size > 0


def RtlMoveMemory(target: int, source: int, size: int) -> None:
    if _touchable("RtlMoveMemory", size, target, source):
        ctypes.memmove(target, source, size)


RtlCopyMemory = RtlMoveMemory


def RtlFillMemory(target: int, size: int, value: int) -> None:
    if _touchable("RtlFillMemory", size, target):
        ctypes.memset(target, value & 0xFF, size)


def RtlZeroMemory(target: int, size: int) -> None:
    RtlFillMemory(target, size, 0)


def RtlCompareMemory(first: int, second: int, size: int) -> int:
    if not _touchable("RtlCompareMemory", size, first, second):
        return 0
    both = [ctypes.string_at(place, size) for place in (first, second)]
    return size if both[0] == both[1] else len(os.path.commonprefix(both))
