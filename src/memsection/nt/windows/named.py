# SPDX-License-Identifier: MIT
"""Creating and opening objects by OBJECT_ATTRIBUTES: the beginning that all such services have in
common."""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import ctypes
from typing import Any

from memsection.nt.windows import arguments, ntdll
from memsection.nt.windows import structs as n


def create(
    function: str, access: int, attributes: Any, *rest: Any, called: str | None = None
) -> tuple[int, int]:
    """A service that makes an object, or opens one that is there: (status, handle).

    ``called`` is what messages call an object that has no name.
    """
    handle = n.HANDLE()
    status = ntdll.call(
        function,
        ctypes.byref(handle),
        access,
        arguments.object_attributes(attributes),
        *rest,
        name=called or arguments.name_of(attributes),
        detail=f"asked for access {access:#x}",
    )
    return status, handle.value


def open_(function: str, access: int, attributes: Any) -> int:
    """A service that opens an object that is there: the handle."""
    return create(function, access, attributes)[1]
