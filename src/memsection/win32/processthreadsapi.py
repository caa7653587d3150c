# SPDX-License-Identifier: MIT
"""processthreadsapi.h: processes and threads, and opening the tokens of processes."""

from __future__ import annotations

from collections.abc import Mapping
from threading import get_native_id

from memsection.nt import kernel
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.records import record
from memsection.win32._base import (
    ATTRIBUTES,
    BOOL,
    DWORD,
    HANDLE,
    LPCWSTR,
    inherit_flag,
    inherits,
    refuse,
    windows,
)
from memsection.win32.shellapi import CommandLineToArgv
from memsection.win32.winbase import STARTF_USESTDHANDLES, STILL_ACTIVE

__all__ = [
    "PROCESS_INFORMATION",
    "STARTUPINFO",
    "CreateProcess",
    "GetCurrentProcess",
    "GetCurrentProcessId",
    "GetCurrentThread",
    "GetCurrentThreadId",
    "GetExitCodeProcess",
    "GetExitCodeThread",
    "GetProcessId",
    "GetProcessIdOfThread",
    "GetThreadId",
    "OpenProcess",
    "OpenProcessToken",
    "OpenThread",
    "TerminateProcess",
]

PROCESS_INFORMATION = s.StartedProcess


@record(slots=True)
class STARTUPINFO:
    """How a new process begins; what is about windows and consoles is not looked at.

    Attributes:
        dwFlags: STARTF_USESTDHANDLES when the three handles below are to be the child's standard
            handles.
        hStdInput: An inheritable handle, or 0 for none.
        hStdOutput: An inheritable handle, or 0 for none.
        hStdError: An inheritable handle, or 0 for none.
    """

    cb: int = 104
    lpReserved: str | None = None
    lpDesktop: str | None = None
    lpTitle: str | None = None
    dwX: int = 0
    dwY: int = 0
    dwXSize: int = 0
    dwYSize: int = 0
    dwXCountChars: int = 0
    dwYCountChars: int = 0
    dwFillAttribute: int = 0
    dwFlags: int = 0
    wShowWindow: int = 0
    hStdInput: int = 0
    hStdOutput: int = 0
    hStdError: int = 0


def GetCurrentProcess() -> int:
    """The pseudo handle of this process, which needs no closing.

    Rights:
        None.

    Raises:
        Nothing.
    """
    return s.CURRENT_PROCESS


def GetCurrentProcessId() -> int:
    """The id of this process.

    Rights:
        None.

    Raises:
        Nothing.
    """
    return kernel.current_process_id()


def GetCurrentThread() -> int:
    """The pseudo handle of the calling thread, whichever that is: -2.

    It can be compared, asked, waited for (which takes as long as was asked for), and duplicated:
    ``DuplicateHandle`` makes of it a handle that means this thread to every thread.

    Rights:
        None.

    Raises:
        Nothing.
    """
    return s.CURRENT_THREAD


def GetCurrentThreadId() -> int:
    """The id of the calling thread: what the system calls it, as in ``threading.get_native_id``.

    Rights:
        None.

    Raises:
        Nothing.
    """
    return get_native_id()


@windows
def OpenProcess(dwDesiredAccess: DWORD, bInheritHandle: BOOL, dwProcessId: DWORD) -> int:
    """A handle to a process, which means that very process even when its id is used again.

    Rights:
        ``dwDesiredAccess``, on a process of this user; on another's only with SeDebugPrivilege
        enabled.

    Raises:
        OSError: 87: no such process; 5: not granted.
    """
    if dwProcessId == 0:
        refuse(st.INVALID_CID, "OpenProcess", "0 is no process id")
    return kernel.open_process(dwDesiredAccess, inherit_flag(bInheritHandle), dwProcessId)


@windows
def GetProcessId(Process: HANDLE) -> int:
    """The id of the process that a handle means.

    Rights:
        PROCESS_QUERY_LIMITED_INFORMATION.

    Raises:
        OSError: 6: it is no process; 5: the right is missing.
    """
    return kernel.query_process(Process).UniqueProcessId


@windows
def GetExitCodeProcess(hProcess: HANDLE) -> int:
    """What a process ended with, STILL_ACTIVE while it runs.

    Rights:
        PROCESS_QUERY_LIMITED_INFORMATION.

    Raises:
        OSError: 6: it is no process; 5: the right is missing.
    """
    code = kernel.query_process(hProcess).ExitStatus
    return STILL_ACTIVE if code == st.PENDING else code


@windows
def OpenThread(dwDesiredAccess: DWORD, bInheritHandle: BOOL, dwThreadId: DWORD) -> int:
    """A handle to a thread, to wait for its end, to compare and to ask.

    Rights:
        ``dwDesiredAccess``, on a thread of this user's processes; on another's only with
        SeDebugPrivilege enabled.

    Raises:
        OSError: 87: no such thread; 5: not granted; 50: the kernel has no handles to threads other
            than the first of a process (Linux before 6.9).
    """
    if dwThreadId == 0:
        refuse(st.INVALID_CID, "OpenThread", "0 is no thread id")
    return kernel.open_thread(dwDesiredAccess, inherit_flag(bInheritHandle), dwThreadId)


@windows
def GetThreadId(Thread: HANDLE) -> int:
    """The id of the thread that a handle means.

    Rights:
        THREAD_QUERY_LIMITED_INFORMATION.

    Raises:
        OSError: 6: it is no thread; 5: the right is missing.
    """
    return kernel.query_thread(Thread).UniqueThread


@windows
def GetProcessIdOfThread(Thread: HANDLE) -> int:
    """The id of the process that a thread is of.

    Rights:
        THREAD_QUERY_LIMITED_INFORMATION.

    Raises:
        OSError: 6: it is no thread; 5: the right is missing.
    """
    return kernel.query_thread(Thread).UniqueProcess


@windows
def GetExitCodeThread(hThread: HANDLE) -> int:
    """What a thread ended with, STILL_ACTIVE while it runs: for the first thread of a process what
    the process ended with, for another one 0, or on Linux 128 more than the signal that ended it
    with its process.

    Rights:
        THREAD_QUERY_LIMITED_INFORMATION.

    Raises:
        OSError: 6: it is no thread; 5: the right is missing; 50: the kernel does not tell it (Linux
            before 6.15).
    """
    code = kernel.query_thread(hThread).ExitStatus
    return STILL_ACTIVE if code == st.PENDING else code


@windows
def TerminateProcess(hProcess: HANDLE, uExitCode: DWORD) -> None:
    """End a process at once; it gets no chance to clean up, and its handles are closed by the
    system.

    Rights:
        PROCESS_TERMINATE.

    Raises:
        OSError: 6: it is no process; 5: the right is missing, or it has ended.
    """
    kernel.terminate_process(hProcess, uExitCode)


@windows
def CreateProcess(
    lpApplicationName: LPCWSTR = None,
    lpCommandLine: LPCWSTR = None,
    lpProcessAttributes: ATTRIBUTES = None,
    lpThreadAttributes: ATTRIBUTES = None,
    bInheritHandles: BOOL = False,
    dwCreationFlags: DWORD = 0,
    lpEnvironment: Mapping[str, str] | str | None = None,
    lpCurrentDirectory: LPCWSTR = None,
    lpStartupInfo: STARTUPINFO | None = None,
) -> PROCESS_INFORMATION:
    """Start a program.

    Args:
        lpApplicationName: The program's file, or None to take the first word of the command line.
        lpCommandLine: The command line, quoted as ``CommandLineToArgv`` reads it; None when there
            are no arguments.
        lpProcessAttributes: Whether the process handle is inheritable.
        lpThreadAttributes: Whether the thread handle is inheritable.
        bInheritHandles: Whether the child gets the inheritable handles, under the same values.
        dwCreationFlags: ``CREATE_*`` flags.
        lpEnvironment: Variables as a mapping or as a block of ``NAME=value`` ended by zeros; None
            for this process's.
        lpCurrentDirectory: Where the child begins; None for here.
        lpStartupInfo: The child's standard handles, with STARTF_USESTDHANDLES.

    Returns:
        Handles and ids of the process and its first thread; both handles are the caller's to close.

    Rights:
        To execute the file.

    Raises:
        OSError: 2, 3: no such program; 5: it may not be executed; 87: neither name nor command
            line, or a bad flag; 193: it is no program; 267: no such directory.
    """
    if lpApplicationName is None and not lpCommandLine:
        refuse(
            st.INVALID_PARAMETER, "CreateProcess", "neither a program nor a command line is given"
        )
    if lpApplicationName == "":
        refuse(st.OBJECT_PATH_NOT_FOUND, "CreateProcess", "the name of the program is empty")
    arguments = CommandLineToArgv(lpCommandLine) if lpCommandLine else [lpApplicationName or ""]
    if lpApplicationName is None and not arguments[0].rstrip(" "):
        # what begins with a blank too: that is the end of an empty first word
        refuse(st.INVALID_PARAMETER, "CreateProcess", "the command line begins with no program")
    startup = lpStartupInfo
    handles = None
    if startup is not None and startup.dwFlags & STARTF_USESTDHANDLES:
        handles = (startup.hStdInput, startup.hStdOutput, startup.hStdError)
    return kernel.create_process(
        s.ProcessStart(
            lpApplicationName,
            lpCommandLine,
            bool(bInheritHandles),
            dwCreationFlags,
            _environment(lpEnvironment),
            lpCurrentDirectory,
            handles,
            inherits(lpProcessAttributes),
            inherits(lpThreadAttributes),
            tuple(arguments),
        )
    )


def _environment(block: Mapping[str, str] | str | None) -> Mapping[str, str] | None:
    if not isinstance(block, str):
        return block
    variables = {}
    for line in block.split("\0"):
        if not line:
            break
        name, _, value = line[1:].partition("=")  # a name may begin with "="
        variables[line[0] + name] = value
    return variables


@windows
def OpenProcessToken(ProcessHandle: HANDLE, DesiredAccess: DWORD) -> int:
    """A handle to a process's token, which says who it is and which privileges it has.

    Rights:
        PROCESS_QUERY_LIMITED_INFORMATION on the process, ``DesiredAccess`` on the token.

    Raises:
        OSError: 6: it is no process; 5: a right is missing.
    """
    return kernel.open_process_token(ProcessHandle, DesiredAccess)
