# SPDX-License-Identifier: MIT
"""ctypes' words for the last error: its private copy, the texts of codes, and the exception for a
code."""

from __future__ import annotations

import errno
import threading
from functools import lru_cache
from typing import Any

from memsection import win32 as w

__all__ = ["FormatError", "GetLastError", "WinError", "get_last_error", "set_last_error"]

GetLastError = w.GetLastError
#: errno of error codes, as the C library of Windows has it; EINVAL for the others.
_ERRNO = {
    **dict.fromkeys((2, 3, 15, 18, 53, 67, 161, 206), errno.ENOENT),
    **dict.fromkeys((4,), errno.EMFILE),
    **dict.fromkeys((5, 16, *range(19, 37), 65, 82, 83, 108, 132, 158, 167), errno.EACCES),
    **dict.fromkeys((6, 114, 130), errno.EBADF),
    **dict.fromkeys((7, 8, 9, 1816), errno.ENOMEM),
    **dict.fromkeys((80, 183), errno.EEXIST),
    **dict.fromkeys((109, 232), errno.EPIPE),
    10: errno.E2BIG,
    **dict.fromkeys((11, *range(188, 203)), errno.ENOEXEC),
    17: errno.EXDEV,
    **dict.fromkeys((89, 164, 215), errno.EAGAIN),
    112: errno.ENOSPC,
    **dict.fromkeys((128, 129), errno.ECHILD),
    145: errno.ENOTEMPTY,
    267: errno.ENOTDIR,
}


class _Thread(threading.local):
    code = 0


_thread = _Thread()


def get_last_error() -> int:
    """ctypes' private copy of the last error, which functions with ``use_last_error`` leave."""
    return _thread.code


def set_last_error(code: int) -> int:
    """Set that copy; what it was before."""
    before, _thread.code = _thread.code, code & 0xFFFFFFFF
    return before


def FormatError(code: int | None = None) -> str:  # noqa: N802  # the name of the original
    """The text of an error code, the last one's when omitted."""
    code = w.GetLastError() if code is None else code
    before = w.GetLastError()
    try:
        return str(
            w.FormatMessage(
                w.FORMAT_MESSAGE_FROM_SYSTEM | w.FORMAT_MESSAGE_IGNORE_INSERTS, None, code
            )
        ).rstrip(" .\r\n")
    except OSError:
        return "<no description>"
    finally:
        w.SetLastError(before)


@lru_cache
def _kind(base: Any) -> Any:
    """A kind of OSError with what Windows's has."""

    def spell(self: Any) -> str:
        return f"[WinError {self.winerror}] {self.strerror}"

    return type(
        base.__name__, (base,), {"__str__": spell, "__module__": "builtins", "winerror": None}
    )


def WinError(code: int | None = None, descr: str | None = None) -> OSError:  # noqa: N802  # the name of the original
    """The exception for an error code, the last one's when omitted: FileNotFoundError,
    PermissionError ..."""
    code = w.GetLastError() if code is None else code
    number, words = _ERRNO.get(code, errno.EINVAL), FormatError(code) if descr is None else descr
    base: Any = type(OSError(number, words))
    found = _kind(base)(number, words)
    found.winerror, found.args = code, (number, words, None, code)
    error: OSError = found
    return error
