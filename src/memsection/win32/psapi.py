# SPDX-License-Identifier: MIT
"""psapi.h: which file a view is of."""

from __future__ import annotations

from memsection.nt import kernel
from memsection.win32._base import HANDLE, LPVOID, windows

__all__ = ["GetMappedFileName"]


@windows
def GetMappedFileName(hProcess: HANDLE, lpv: LPVOID) -> str:
    """The name of the file that is mapped at an address of a process.

    Returns:
        On Windows a path that begins with a device (``\\\\Device\\\\HarddiskVolume1\\\\...``); on
        Linux the file's path.

    Rights:
        PROCESS_QUERY_INFORMATION; on Linux another process's memory is told to who may trace it
        (proc_pid_maps(5)).

    Raises:
        OSError: 59: nothing is mapped there, or private memory; 1006: a view of a section without a
            file; 5: the right is missing; 6: it is no process.
    """
    return kernel.query_mapped_file_name(hProcess, lpv)
