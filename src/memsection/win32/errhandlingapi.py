# SPDX-License-Identifier: MIT
"""errhandlingapi.h: the last error, which each thread has of its own, and its text (winbase.h)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from memsection.vocabulary import status as st
from memsection.vocabulary.messages import MESSAGES
from memsection.win32._base import DWORD, LPCWSTR, last_error, refuse, set_last_error, windows
from memsection.win32.winbase import (
    FORMAT_MESSAGE_FROM_STRING,
    FORMAT_MESSAGE_FROM_SYSTEM,
    FORMAT_MESSAGE_IGNORE_INSERTS,
    FORMAT_MESSAGE_MAX_WIDTH_MASK,
)

__all__ = ["FormatMessage", "GetLastError", "SetLastError"]


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


def _insert(message: str, values: Sequence[object] | None) -> str:
    """``%1`` to ``%99`` replaced by values, ``%n`` by a line break and ``%%`` by a per cent
    sign."""

    def replace(match: re.Match[str]) -> str:
        what = match[1]
        if what == "n":
            return "\r\n"
        if not what.isdigit():
            return what
        if values is None or not 0 < int(what) <= len(values):
            refuse(st.INVALID_PARAMETER, "FormatMessage", f"the text wants a value for %{what}")
        return str(values[int(what) - 1])

    return re.sub(r"%(\d{1,2}|.)", replace, message)


@windows
def FormatMessage(
    dwFlags: DWORD,
    lpSource: LPCWSTR = None,
    dwMessageId: DWORD = 0,
    dwLanguageId: DWORD = 0,
    Arguments: Sequence[object] | None = None,
) -> str:
    """The text of an error code, in English, with a line break at its end as on Windows.

    Args:
        dwFlags: FORMAT_MESSAGE_FROM_SYSTEM for the texts of error codes, or
            FORMAT_MESSAGE_FROM_STRING for ``lpSource``; with FORMAT_MESSAGE_IGNORE_INSERTS ``%1``
            and the like stay as they are.  A FORMAT_MESSAGE_MAX_WIDTH_MASK makes it one line
            without a break.
        lpSource: The text, with FORMAT_MESSAGE_FROM_STRING.
        dwMessageId: A code of ``GetLastError``; every code that this library gives has its text.
        dwLanguageId: 0, or 0x409 for English.
        Arguments: What stands for ``%1``, ``%2`` ...

    Rights:
        None.

    Raises:
        OSError: 87: no source, or a missing value; 317: there is no text for this code here; 1815:
            another language.
    """
    if dwLanguageId not in (0, 0x400, 0x409, 0x800):
        refuse(
            st.RESOURCE_LANG_NOT_FOUND,
            "FormatMessage",
            f"language {dwLanguageId:#x}; the texts are English (0x409)",
        )
    if dwFlags & FORMAT_MESSAGE_FROM_STRING:
        if lpSource is None:
            refuse(
                st.INVALID_PARAMETER, "FormatMessage", "FORMAT_MESSAGE_FROM_STRING without a text"
            )
        text = lpSource
    elif dwFlags & FORMAT_MESSAGE_FROM_SYSTEM:
        if dwMessageId not in MESSAGES:
            refuse(
                st.MESSAGE_NOT_FOUND,
                "FormatMessage",
                f"there is no text for the error code {dwMessageId} here",
            )
        text = MESSAGES[dwMessageId] + "\r\n"
    else:
        refuse(
            st.INVALID_PARAMETER,
            "FormatMessage",
            "neither FORMAT_MESSAGE_FROM_SYSTEM nor FORMAT_MESSAGE_FROM_STRING",
        )
    if dwFlags & FORMAT_MESSAGE_MAX_WIDTH_MASK:
        text = " ".join(text.split("\r\n"))
    return text if dwFlags & FORMAT_MESSAGE_IGNORE_INSERTS else _insert(text, Arguments)
