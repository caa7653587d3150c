# SPDX-License-Identifier: MIT
"""The modules of pywin32 that programs about shared memory use, by the names that they have there.

They are importable after ``make_importable``, and only where pywin32 itself is not: a real one
always comes first.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

NAMES = (
    "mmapfile",
    "pywintypes",
    "win32api",
    "win32con",
    "win32event",
    "win32file",
    "win32process",
    "win32security",
    "win32pipe",
    "win32timezone",
    "winerror",
    "winnt",
    "ntsecuritycon",
)
_HERE = Path(__file__).resolve().parent


class _Finder(importlib.abc.MetaPathFinder):
    """Finds these modules, after everything else was asked."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> Any:
        """Where a module is."""
        if name not in NAMES:
            return None
        return importlib.util.spec_from_file_location(name, _HERE / f"{name}.py")


def make_importable() -> None:
    """Have ``import win32event`` and the like find these modules, where nobody else has them."""
    if sys.platform != "win32" and not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())
