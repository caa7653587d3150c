# SPDX-License-Identifier: MIT
"""pywin32's win32pipe: pipes without a name.  There are none with a name."""

# ruff: noqa: N802, N803  # the names of the originals

from __future__ import annotations

import os
from typing import Any, NoReturn

from pywintypes import error as error
from pywintypes import make_handle, message
from win32api import SetHandleInformation

from memsection import win32 as w
from memsection.nt import kernel

PIPE_ACCESS_INBOUND, PIPE_ACCESS_OUTBOUND, PIPE_ACCESS_DUPLEX = 1, 2, 3
PIPE_TYPE_BYTE, PIPE_TYPE_MESSAGE, PIPE_READMODE_BYTE, PIPE_READMODE_MESSAGE = 0, 4, 0, 2
PIPE_WAIT, PIPE_NOWAIT, PIPE_UNLIMITED_INSTANCES = 0, 1, 255
NMPWAIT_NOWAIT, NMPWAIT_WAIT_FOREVER, NMPWAIT_USE_DEFAULT_WAIT = 1, -1, 0


def CreatePipe(sa: Any, nSize: int = 0) -> tuple[Any, Any]:
    """The handles of both ends of a new pipe: the one that reads, the one that writes."""
    ends = []
    for fd, access in zip(os.pipe(), (w.GENERIC_READ, w.GENERIC_WRITE), strict=True):
        end = make_handle("CreatePipe", kernel.file_from_fd, fd, access)
        os.close(fd)  # the handle has its own
        ends.append(end)
        if sa is not None and sa.bInheritHandle:
            SetHandleInformation(end, w.HANDLE_FLAG_INHERIT, w.HANDLE_FLAG_INHERIT)
    return ends[0], ends[1]


def _none(name: str) -> Any:
    def function(*_arguments: Any) -> NoReturn:
        raise error(50, name, f"{message(50)} (a pipe with a name)")

    function.__name__ = name
    return function


CallNamedPipe, ConnectNamedPipe = _none("CallNamedPipe"), _none("ConnectNamedPipe")
CreateNamedPipe, DisconnectNamedPipe = _none("CreateNamedPipe"), _none("DisconnectNamedPipe")
PeekNamedPipe, TransactNamedPipe = _none("PeekNamedPipe"), _none("TransactNamedPipe")
WaitNamedPipe = _none("WaitNamedPipe")
SetNamedPipeHandleState = _none("SetNamedPipeHandleState")
GetNamedPipeHandleState = _none("GetNamedPipeHandleState")
