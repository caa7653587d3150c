# SPDX-License-Identifier: MIT
"""processenv.h: the standard handles of this process."""

from __future__ import annotations

from memsection.nt import kernel
from memsection.vocabulary import status as st
from memsection.vocabulary.access import FILE_READ_DATA, FILE_WRITE_DATA
from memsection.vocabulary.errors import NtError
from memsection.win32._base import DWORD, HANDLE, refuse, windows
from memsection.win32.winbase import STD_ERROR_HANDLE, STD_INPUT_HANDLE, STD_OUTPUT_HANDLE

__all__ = ["GetStdHandle", "SetStdHandle"]

_DESCRIPTORS = {
    STD_INPUT_HANDLE: (0, FILE_READ_DATA),
    STD_OUTPUT_HANDLE: (1, FILE_WRITE_DATA),
    STD_ERROR_HANDLE: (2, FILE_WRITE_DATA),
}
STANDARD = _DESCRIPTORS.keys()
_handles: dict[int, int] = {}


def _row(which: int) -> tuple[int, int]:
    if which not in _DESCRIPTORS:
        refuse(
            st.INVALID_HANDLE,
            "standard handle",
            f"{which:#x} is none of STD_INPUT_HANDLE, STD_OUTPUT_HANDLE and STD_ERROR_HANDLE",
        )
    return _DESCRIPTORS[which]


@windows
def GetStdHandle(nStdHandle: DWORD) -> int:
    """A handle to standard input, output or error; 0 if this process has none.

    The handle is made at the first call, over descriptor 0, 1 or 2, inheritable as those are, and
    stays valid.

    Args:
        nStdHandle: STD_INPUT_HANDLE, STD_OUTPUT_HANDLE or STD_ERROR_HANDLE.

    Rights:
        None.

    Raises:
        OSError: 6: ``nStdHandle`` is none of the three.
    """
    descriptor, access = _row(nStdHandle)
    known = _handles.get(nStdHandle)
    if known is None:
        try:
            known = kernel.file_from_fd(descriptor, access)
        except NtError:
            return 0
        kernel.set_handle_flags(known, inherit=True)
        _handles[nStdHandle] = known
    return known


@windows
def SetStdHandle(nStdHandle: DWORD, hHandle: HANDLE) -> None:
    """What ``GetStdHandle`` gives from now on; the descriptors of the process stay as they are.

    Rights:
        None.

    Raises:
        OSError: 6: ``nStdHandle`` is none of the three.
    """
    _row(nStdHandle)
    _handles[nStdHandle] = hHandle


def take_standard(which: int) -> int:
    """The standard handle, which is none any more."""
    handle = GetStdHandle(which)
    _handles[which] = 0
    return int(handle)
