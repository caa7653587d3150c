# SPDX-License-Identifier: MIT
"""``multiprocessing.shared_memory`` as Windows has it: its own source, executed over sections.

A block is a section of the same name, and lasts as long as somebody has it open; so a program that
takes ``SharedMemory`` to open what another Windows program has made (``Local\\...``) finds it.
Blocks of the standard library, and those of ``memsection.compat``, live until they are unlinked and
have names of their own.
"""

from __future__ import annotations

import builtins
import mmap
import os
import types
from multiprocessing import shared_memory as _genuine
from pathlib import Path
from typing import Any

from memsection import win32 as w
from memsection.compat.mmap import mmap as _Map  # noqa: N812  # a class, by the original's name

_winapi = types.SimpleNamespace(
    INVALID_HANDLE_VALUE=w.INVALID_HANDLE_VALUE,
    NULL=None,
    PAGE_READWRITE=w.PAGE_READWRITE,
    FILE_MAP_READ=w.FILE_MAP_READ,
    ERROR_ALREADY_EXISTS=183,
    GetLastError=w.GetLastError,
    CreateFileMapping=w.CreateFileMapping,
    OpenFileMapping=w.OpenFileMapping,
    MapViewOfFile=w.MapViewOfFile,
    UnmapViewOfFile=w.UnmapViewOfFile,
    CloseHandle=w.CloseHandle,
    VirtualQuerySize=lambda address: w.VirtualQuery(address).RegionSize,
)


def _module(real: types.ModuleType, **replaced: Any) -> types.SimpleNamespace:
    return types.SimpleNamespace(**{**vars(real), **replaced})


_SEEN = {"os": _module(os, name="nt"), "mmap": _module(mmap, mmap=_Map), "_winapi": _winapi}


def _import(name: str, globals: Any = None, locals: Any = None, *rest: Any) -> Any:  # noqa: A002
    return _SEEN.get(name) or builtins.__import__(name, globals, locals, *rest)


def _execute_module() -> dict[str, Any]:
    source = Path(_genuine.__file__ or "")
    space: dict[str, Any] = {
        "__name__": __name__,
        "__package__": "multiprocessing",
        "__builtins__": {**vars(builtins), "__import__": _import},
    }
    exec(compile(source.read_text("utf-8"), str(source), "exec"), space)
    return space


_space = _execute_module()
SharedMemory, ShareableList = _space["SharedMemory"], _space["ShareableList"]
__all__ = ["ShareableList", "SharedMemory"]
