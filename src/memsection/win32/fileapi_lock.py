# SPDX-License-Identifier: MIT
"""fileapi.h: byte ranges of files that one handle has for itself, or shares for reading."""

from __future__ import annotations

from memsection.nt import kernel
from memsection.vocabulary import status as st
from memsection.win32._base import DWORD, HANDLE, refuse, windows
from memsection.win32.minwinbase import OVERLAPPED

__all__ = [
    "LOCKFILE_EXCLUSIVE_LOCK",
    "LOCKFILE_FAIL_IMMEDIATELY",
    "LockFile",
    "LockFileEx",
    "UnlockFile",
    "UnlockFileEx",
]

LOCKFILE_FAIL_IMMEDIATELY = 0x1
LOCKFILE_EXCLUSIVE_LOCK = 0x2


@windows
def LockFile(
    hFile: HANDLE,
    dwFileOffsetLow: DWORD,
    dwFileOffsetHigh: DWORD,
    nNumberOfBytesToLockLow: DWORD,
    nNumberOfBytesToLockHigh: DWORD,
) -> None:
    """Lock a range for this handle and its duplicates alone, or fail at once.

    The range may reach beyond the end of the file.  Reading and writing it through another handle
    is refused with 33. On Linux that holds among users of this library and who asks for such locks
    (fcntl(2)), and not for views.

    Rights:
        FILE_READ_DATA or FILE_WRITE_DATA; on Linux the latter.

    Raises:
        OSError: 33: a part is locked already; 307: the range ends beyond 2**64; 5: the rights are
            missing; 50: on Linux a length of 0, or a handle that may not write or is not of this
            process's CreateFile; 6: it is no file.
    """
    kernel.lock_file(
        hFile,
        dwFileOffsetHigh << 32 | dwFileOffsetLow,
        nNumberOfBytesToLockHigh << 32 | nNumberOfBytesToLockLow,
        True,
        False,
    )


@windows
def LockFileEx(
    hFile: HANDLE,
    dwFlags: DWORD,
    dwReserved: DWORD,
    nNumberOfBytesToLockLow: DWORD,
    nNumberOfBytesToLockHigh: DWORD,
    lpOverlapped: OVERLAPPED,
) -> None:
    """Lock a range that begins where ``lpOverlapped`` says; it returns when the range is locked.

    Args:
        hFile: The file.
        dwFlags: LOCKFILE_EXCLUSIVE_LOCK, else others may lock the range for reading too;
            LOCKFILE_FAIL_IMMEDIATELY, else it waits.
        dwReserved: Must be 0.
        nNumberOfBytesToLockLow: The length.
        nNumberOfBytesToLockHigh: Its upper half.
        lpOverlapped: The offset.

    Rights:
        FILE_READ_DATA or FILE_WRITE_DATA; on Linux the former for a shared lock, the latter for an
        exclusive one.

    Raises:
        OSError: 33: a part is locked already; 87: a reserved argument that is not 0, or no offset;
            307, 5, 50, 6: as ``LockFile``.
    """
    exclusive, wait = (
        bool(dwFlags & LOCKFILE_EXCLUSIVE_LOCK),
        not dwFlags & LOCKFILE_FAIL_IMMEDIATELY,
    )
    kernel.lock_file(
        hFile,
        _position("LockFileEx", dwReserved, lpOverlapped),
        nNumberOfBytesToLockHigh << 32 | nNumberOfBytesToLockLow,
        exclusive,
        wait,
    )


@windows
def UnlockFile(
    hFile: HANDLE,
    dwFileOffsetLow: DWORD,
    dwFileOffsetHigh: DWORD,
    nNumberOfBytesToUnlockLow: DWORD,
    nNumberOfBytesToUnlockHigh: DWORD,
) -> None:
    """Unlock a range, exactly as it was locked.  What a handle has locked is unlocked when its last
    duplicate closes.

    Rights:
        FILE_READ_DATA or FILE_WRITE_DATA.

    Raises:
        OSError: 158: this range is not locked by this handle; 5: the rights are missing; 6: it is
            no file.
    """
    kernel.unlock_file(
        hFile,
        dwFileOffsetHigh << 32 | dwFileOffsetLow,
        nNumberOfBytesToUnlockHigh << 32 | nNumberOfBytesToUnlockLow,
    )


@windows
def UnlockFileEx(
    hFile: HANDLE,
    dwReserved: DWORD,
    nNumberOfBytesToUnlockLow: DWORD,
    nNumberOfBytesToUnlockHigh: DWORD,
    lpOverlapped: OVERLAPPED,
) -> None:
    """Unlock a range that begins where ``lpOverlapped`` says, exactly as it was locked.

    Rights:
        FILE_READ_DATA or FILE_WRITE_DATA.

    Raises:
        OSError: 158: this range is not locked by this handle; 87: a reserved argument that is not
            0, or no offset; 5, 6:
            as ``UnlockFile``.
    """
    kernel.unlock_file(
        hFile,
        _position("UnlockFileEx", dwReserved, lpOverlapped),
        nNumberOfBytesToUnlockHigh << 32 | nNumberOfBytesToUnlockLow,
    )


def _position(function: str, reserved: int, overlapped: OVERLAPPED | None) -> int:
    if reserved or overlapped is None:
        refuse(
            st.INVALID_PARAMETER,
            function,
            "the reserved argument is not 0, or there is no OVERLAPPED",
        )
    return overlapped.position
