# SPDX-License-Identifier: MIT
"""errhandlingapi.h: the last error, which each thread has of its own."""

from __future__ import annotations

from memsection.win32._base import DWORD, last_error, set_last_error, windows

__all__ = ["GetLastError", "SetLastError"]


def GetLastError() -> int:
    """The calling thread's last error: that of its last failed call, or 0 or 183 after a create.

    Rights:
        None.

    Raises:
        Nothing.
    """
    return last_error()


@windows
def SetLastError(dwErrCode: DWORD) -> None:
    """Set the calling thread's last error.

    Rights:
        None.

    Raises:
        Nothing.
    """
    set_last_error(dwErrCode)
