# SPDX-License-Identifier: MIT
"""Threads as objects through the Win32 and the native names: that of a new process, others by
their ids, and what they grant."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from memsection import nt, win32
from memsection.vocabulary.structs import ObjectAttributes


@pytest.fixture
def other() -> Iterator[int]:
    """The id of a thread of this process that runs until the test ends."""
    told, end = threading.Event(), threading.Event()
    ids = []

    def body() -> None:
        ids.append(win32.GetCurrentThreadId())
        told.set()
        end.wait(60)

    thread = threading.Thread(target=body)
    thread.start()
    assert told.wait(60)
    yield ids[0]
    end.set()
    thread.join()


def _code(call: Callable[..., Any], *arguments: Any) -> int:
    with pytest.raises(OSError) as caught:
        call(*arguments)
    code: int = caught.value.winerror
    return code


def _started(*words: str, **options: Any) -> win32.PROCESS_INFORMATION:
    return win32.CreateProcess(
        None, subprocess.list2cmdline([sys.executable, "-c", *words]), **options
    )


def test_the_thread_of_a_new_process_is_a_thread() -> None:
    event = win32.CreateEvent(win32.SECURITY_ATTRIBUTES(bInheritHandle=True), True, False, None)
    code = f"from memsection import win32; win32.WaitForSingleObject({event}, 60000)"
    made = _started(code, bInheritHandles=True)
    assert nt.NtQueryObject(made.hThread, nt.ObjectTypeInformation) == (0, "Thread")
    assert nt.NtQueryObject(made.hProcess, nt.ObjectTypeInformation) == (0, "Process")
    assert win32.GetThreadId(made.hThread) == made.dwThreadId
    assert win32.GetProcessIdOfThread(made.hThread) == made.dwProcessId
    assert win32.GetExitCodeThread(made.hThread) == win32.STILL_ACTIVE
    assert win32.WaitForSingleObject(made.hThread, 0) == win32.WAIT_TIMEOUT
    again = win32.OpenThread(win32.THREAD_ALL_ACCESS, False, made.dwThreadId)
    assert win32.CompareObjectHandles(again, made.hThread)
    assert not win32.CompareObjectHandles(made.hProcess, made.hThread)
    assert _code(win32.GetExitCodeProcess, made.hThread) == win32.ERROR_INVALID_HANDLE
    assert _code(win32.TerminateProcess, made.hThread, 1) == win32.ERROR_INVALID_HANDLE
    win32.TerminateProcess(made.hProcess, 42)
    both = [made.hThread, made.hProcess]
    assert win32.WaitForMultipleObjects(both, True, 60_000) == win32.WAIT_OBJECT_0
    assert win32.GetExitCodeThread(made.hThread) == win32.GetExitCodeThread(again) == 42
    for handle in (*both, again, event):
        win32.CloseHandle(handle)


def test_the_thread_of_a_process_tells_what_that_ended_with_after_its_handle_is_closed() -> None:
    made = _started("raise SystemExit(7)")
    assert win32.WaitForSingleObject(made.hProcess, 60_000) == win32.WAIT_OBJECT_0
    win32.CloseHandle(made.hProcess)
    assert win32.WaitForSingleObject(made.hThread, 60_000) == win32.WAIT_OBJECT_0
    assert win32.GetExitCodeThread(made.hThread) == 7
    win32.CloseHandle(made.hThread)


@pytest.mark.linux_only("Wine 8 never gives an inheritable one")
def test_the_handle_to_a_new_thread_is_inheritable_where_that_was_asked_for() -> None:
    yes = win32.SECURITY_ATTRIBUTES(bInheritHandle=True)
    made = _started("pass", lpThreadAttributes=yes)
    assert win32.GetHandleInformation(made.hThread) == win32.HANDLE_FLAG_INHERIT
    assert win32.GetHandleInformation(made.hProcess) == 0
    assert win32.WaitForSingleObject(made.hThread, 60_000) == win32.WAIT_OBJECT_0
    win32.CloseHandle(made.hThread)
    win32.CloseHandle(made.hProcess)


def test_a_thread_is_opened_with_the_rights_that_were_asked_for(other: int) -> None:
    for asked, granted in (
        (win32.SYNCHRONIZE, win32.SYNCHRONIZE),
        (
            win32.THREAD_QUERY_INFORMATION,
            win32.THREAD_QUERY_INFORMATION | win32.THREAD_QUERY_LIMITED_INFORMATION,
        ),
        (
            win32.THREAD_SET_INFORMATION,
            win32.THREAD_SET_INFORMATION | win32.THREAD_SET_LIMITED_INFORMATION,
        ),
        (win32.GENERIC_ALL, win32.THREAD_ALL_ACCESS),
        (win32.MAXIMUM_ALLOWED, win32.THREAD_ALL_ACCESS),
    ):
        status, handle = nt.NtOpenThread(asked, None, other)
        assert status == nt.STATUS_SUCCESS
        assert nt.NtQueryObject(handle, nt.ObjectBasicInformation)[1].GrantedAccess == granted
        win32.CloseHandle(handle)


@pytest.mark.linux_only("Wine 8 grants it")
def test_no_right_at_all_to_a_thread_is_not_granted(other: int) -> None:
    assert _code(win32.OpenThread, 0, False, other) == win32.ERROR_ACCESS_DENIED


def test_a_thread_is_of_its_process(other: int) -> None:
    status, handle = nt.NtOpenThread(
        nt.SYNCHRONIZE | nt.THREAD_QUERY_LIMITED_INFORMATION,
        ObjectAttributes(None, 0, nt.OBJ_INHERIT),
        (os.getpid(), other),
    )
    assert status == nt.STATUS_SUCCESS
    assert win32.GetHandleInformation(handle) == win32.HANDLE_FLAG_INHERIT
    status, found = nt.NtQueryInformationThread(handle)
    assert (status, found.UniqueProcess, found.UniqueThread) == (0, os.getpid(), other)
    assert found.ExitStatus == nt.STATUS_PENDING
    assert nt.NtQueryInformationThread(handle, 1000)[0] == nt.STATUS_INVALID_INFO_CLASS
    win32.CloseHandle(handle)
    assert nt.NtOpenThread(nt.SYNCHRONIZE, None, None) == (nt.STATUS_INVALID_PARAMETER_MIX, 0)


@pytest.mark.linux_only("Wine 8 does not look at the process")
def test_a_thread_is_not_opened_as_one_of_another_process(other: int) -> None:
    assert nt.NtOpenThread(nt.SYNCHRONIZE, None, (os.getppid(), other)) == (
        nt.STATUS_INVALID_CID,
        0,
    )


def test_the_calling_thread_is_asked_by_its_pseudo_handle() -> None:
    me = win32.GetCurrentThread()
    assert win32.GetThreadId(me) == win32.GetCurrentThreadId()
    assert win32.GetProcessIdOfThread(me) == os.getpid()
    assert win32.GetExitCodeThread(me) == win32.STILL_ACTIVE
    assert nt.NtQueryObject(me, nt.ObjectNameInformation) == (nt.STATUS_SUCCESS, "")
    assert nt.NtSetEvent(me)[0] == nt.STATUS_OBJECT_TYPE_MISMATCH
    assert win32.WaitForSingleObject(me, 1) == win32.WAIT_TIMEOUT


@pytest.mark.linux_only("Wine 8 counts bits that no thread has")
def test_the_calling_thread_may_do_all_to_itself() -> None:
    found = nt.NtQueryObject(win32.GetCurrentThread(), nt.ObjectBasicInformation)[1]
    assert found.GrantedAccess == win32.THREAD_ALL_ACCESS


@pytest.mark.linux_only("Wine 8 gives a thread no owner")
def test_a_thread_has_security(other: int) -> None:
    thread = win32.OpenThread(win32.READ_CONTROL, False, other)
    for handle in (thread, win32.GetCurrentThread()):
        descriptor = win32.GetKernelObjectSecurity(handle, 0x7)
        assert win32.GetSecurityDescriptorOwner(descriptor)[0] is not None
        present, acl, _ = win32.GetSecurityDescriptorDacl(descriptor)
        assert present and acl is not None and win32.GetAclInformation(acl)[0]
    win32.CloseHandle(thread)


@pytest.mark.linux_only("Wine 8 looks at the rights that a type has, and not at others")
@pytest.mark.parametrize("access", [0xFFFFFFFF, -1, -3, 0x00800000])
def test_rights_that_no_such_object_has_are_refused(access: int) -> None:
    me = nt.CURRENT_PROCESS
    real = win32.OpenProcess(win32.PROCESS_ALL_ACCESS, False, os.getpid())
    denied = (nt.STATUS_ACCESS_DENIED, 0)
    assert nt.NtOpenProcess(access, None, os.getpid()) == denied
    assert nt.NtOpenThread(access, None, win32.GetCurrentThreadId()) == denied
    assert nt.NtOpenProcessToken(me, access) == denied
    for source in (me, real, nt.CURRENT_THREAD):
        assert nt.NtDuplicateObject(me, source, me, access, 0, 0) == denied
    win32.CloseHandle(real)


def test_all_that_may_be_had_of_a_token_is_enough_to_ask_it() -> None:
    status, token = nt.NtOpenProcessToken(nt.CURRENT_PROCESS, win32.MAXIMUM_ALLOWED)
    assert status == nt.STATUS_SUCCESS
    assert win32.GetTokenInformation(token, win32.TokenUser)
    win32.CloseHandle(token)
