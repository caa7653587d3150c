# SPDX-License-Identifier: MIT
"""Threads through kernel32 and ntdll as C calls them, and through pywin32's names."""

from __future__ import annotations

import ctypes
import os
import struct
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from memsection import nt, win32

pytestmark = pytest.mark.linux_only("on Windows the genuine functions do this")


def test_a_thread_is_opened_and_asked_by_c() -> None:
    from memsection.compat.windows.sizes import WinDLL

    kernel32, ntdll = WinDLL("kernel32"), WinDLL("ntdll")
    me, pid = threading.get_native_id(), os.getpid()
    assert kernel32.GetCurrentThreadId() == me
    handle = kernel32.OpenThread(win32.THREAD_ALL_ACCESS, False, me)
    assert kernel32.GetThreadId(handle) == me and kernel32.GetProcessIdOfThread(handle) == pid
    code = ctypes.c_uint32()
    assert kernel32.GetExitCodeThread(handle, ctypes.byref(code)) and code.value == 259
    assert kernel32.OpenThread(win32.SYNCHRONIZE, False, 0) == 0
    assert kernel32.GetLastError() == win32.ERROR_INVALID_PARAMETER

    again = ctypes.c_ssize_t()
    for client, status in (
        (struct.pack("<QQ", 0, me), nt.STATUS_SUCCESS),
        (struct.pack("<QQ", pid, me), nt.STATUS_SUCCESS),
        (struct.pack("<QQ", os.getppid(), me), nt.STATUS_INVALID_CID),
        (None, nt.STATUS_INVALID_PARAMETER_MIX),
    ):
        found = ntdll.NtOpenThread(ctypes.byref(again), win32.SYNCHRONIZE, None, client)
        assert found & 0xFFFFFFFF == status
        if not status:
            assert kernel32.CompareObjectHandles(again, handle)
            assert kernel32.CloseHandle(again)

    information, size = ctypes.create_string_buffer(48), ctypes.c_uint32()
    assert ntdll.NtQueryInformationThread(handle, 0, information, 48, ctypes.byref(size)) == 0
    assert size.value == 48
    assert struct.unpack_from("<i4xQQQ", information) == (nt.STATUS_PENDING, 0, pid, me)
    assert kernel32.CloseHandle(handle)


PYWIN32 = """
import sys, threading, win32api, win32con, win32event, win32process
me = win32api.GetCurrentThreadId()
thread = win32api.OpenThread(win32con.THREAD_ALL_ACCESS, False, me)
print(me == threading.get_native_id(), win32process.GetExitCodeThread(thread) == win32process.STILL_ACTIVE)
print(win32event.WaitForSingleObject(thread, 0) == win32event.WAIT_TIMEOUT, win32api.GetCurrentThread())
process, first, pid, tid = win32process.CreateProcess(
    None, f'"{sys.executable}" -c "raise SystemExit(7)"', None, None, 0, 0, None, None, win32process.STARTUPINFO())
win32event.WaitForSingleObject(first, win32event.INFINITE)
print(win32process.GetExitCodeThread(first))
"""


def test_pywin32s_names_are_there(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(PYWIN32)
    done = subprocess.run(
        [sys.executable, "-m", "memsection.compat.windows", str(script)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.stdout, done.stderr) == ("True True\nTrue -2\n7\n", "")
