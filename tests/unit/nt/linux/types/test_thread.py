# SPDX-License-Identifier: MIT
"""Threads as objects on Linux: what the kernel tells of them, older kernels, and event loops."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator

import pytest
from support.objects import leaves_nothing
from support.workers import fork, reap, until

from memsection import nt, win32
from memsection.nt import kernel
from memsection.nt.linux.system import proc, syscalls
from memsection.nt.linux.types import process
from memsection.vocabulary import access as a
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import NtError

_left = pytest.fixture(autouse=True)(leaves_nothing)


class Other:
    """A thread that runs until it is told to end."""

    def __init__(self) -> None:
        told = threading.Event()
        self._end = threading.Event()

        def body() -> None:
            self.tid = threading.get_native_id()
            told.set()
            self._end.wait(60)

        self._thread = threading.Thread(target=body)
        self._thread.start()
        assert told.wait(60)

    def end(self) -> None:
        self._end.set()
        self._thread.join()


@pytest.fixture
def other() -> Iterator[Other]:
    thread = Other()
    yield thread
    thread.end()


@pytest.fixture
def older_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """As before Linux 6.9: pidfd_open(2) knows no PIDFD_THREAD."""
    genuine = syscalls.pidfd_open

    def pidfd_open(pid: int, flags: int = 0) -> int:
        if flags:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return genuine(pid)

    monkeypatch.setattr(syscalls, "pidfd_open", pidfd_open)


def _refused(call: object, *arguments: object) -> bool:
    assert callable(call)
    with pytest.raises(NtError) as caught:
        call(*arguments)
    return caught.value.status == st.NOT_ON_THIS_SYSTEM


@pytest.mark.usefixtures("older_kernel")
def test_where_the_kernel_has_no_threads_a_main_thread_is_as_good_as_its_process() -> None:
    handle = kernel.open_thread(a.THREAD_ALL_ACCESS, 0, os.getpid())
    assert kernel.query_object_type(handle) == "Thread"
    assert kernel.compare_objects(handle, nt.CURRENT_THREAD)
    assert not kernel.compare_objects(handle, nt.CURRENT_PROCESS)
    assert kernel.wait_for_single_object(handle, 0) == st.TIMEOUT
    copy = kernel.duplicate_object(-1, handle, -1, 0, 0, nt.DUPLICATE_SAME_ACCESS)
    assert kernel.compare_objects(handle, copy)
    kernel.close(copy)
    # who inherited it would take it for a process
    assert _refused(kernel.open_thread, a.SYNCHRONIZE, nt.OBJ_INHERIT, os.getpid())
    assert _refused(
        kernel.duplicate_object, -1, handle, -1, 0, nt.OBJ_INHERIT, nt.DUPLICATE_SAME_ACCESS
    )
    with pytest.raises(NtError) as caught:
        kernel.set_handle_flags(handle, inherit=True)
    assert caught.value.status == st.NOT_ON_THIS_SYSTEM
    assert kernel.query_handle(handle) == (0, a.THREAD_ALL_ACCESS)
    kernel.close(handle)


@pytest.mark.usefixtures("older_kernel")
def test_where_the_kernel_has_no_threads_a_new_process_has_no_inheritable_one() -> None:
    yes = win32.SECURITY_ATTRIBUTES(bInheritHandle=True)
    with pytest.raises(OSError) as caught:
        win32.CreateProcess("/bin/true", lpThreadAttributes=yes)
    assert caught.value.winerror == win32.ERROR_NOT_SUPPORTED
    made = win32.CreateProcess("/bin/true")
    assert kernel.query_object_type(made.hThread) == "Thread"
    assert win32.WaitForSingleObject(made.hThread, 60_000) == win32.WAIT_OBJECT_0
    assert win32.GetExitCodeThread(made.hThread) == 0
    win32.CloseHandle(made.hThread)
    win32.CloseHandle(made.hProcess)


def test_a_refusal_of_the_kernel_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def pidfd_open(pid: int, flags: int = 0) -> int:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    monkeypatch.setattr(syscalls, "pidfd_open", pidfd_open)
    with pytest.raises(NtError) as caught:
        kernel.open_thread(a.SYNCHRONIZE, 0, os.getpid())
    assert caught.value.status == st.NO_MEMORY


def test_a_thread_is_not_taken_for_the_token_of_its_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    token = kernel.open_process_token(nt.CURRENT_PROCESS, a.TOKEN_QUERY)
    # one that started when the machine had done so
    monkeypatch.setattr(proc, "start_time", lambda pid: token // 4)
    handle = kernel.open_thread(a.SYNCHRONIZE, 0, os.getpid())
    assert kernel.query_object_type(handle) == "Thread"
    assert not kernel.compare_objects(handle, token)
    assert kernel.compare_objects(handle, nt.CURRENT_THREAD)
    kernel.close(handle)
    kernel.close(token)


@pytest.mark.parametrize("tid", [-1, 0, 1 << 31, 1 << 40])
def test_what_is_no_id_is_no_thread(tid: int) -> None:
    assert nt.NtOpenThread(a.SYNCHRONIZE, None, tid) == (st.INVALID_CID, 0)


def test_a_thread_that_has_ended_is_not_opened(other: Other) -> None:
    other.end()  # a moment before the kernel's thread has
    until(lambda: not os.path.exists(f"/proc/self/task/{other.tid}"), "the thread ends")
    assert nt.NtOpenThread(a.SYNCHRONIZE, None, other.tid) == (st.INVALID_CID, 0)


def test_the_descriptor_of_an_ended_thread_is_its_processs_while_that_is_the_same(
    other: Other, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = kernel.open_thread(a.THREAD_ALL_ACCESS, 0, other.tid)
    before = kernel.query_security_object(handle, s.OWNER_SECURITY_INFORMATION)
    other.end()
    until(lambda: not os.path.exists(f"/proc/self/task/{other.tid}"), "the thread ends")
    assert kernel.query_security_object(handle, s.OWNER_SECURITY_INFORMATION) == before
    monkeypatch.setattr(proc, "start_time", lambda pid: 1)  # as if another one had got the id
    with pytest.raises(NtError) as caught:
        kernel.query_security_object(handle, s.OWNER_SECURITY_INFORMATION)
    assert caught.value.status == st.PROCESS_IS_TERMINATING
    kernel.close(handle)


def test_what_a_thread_ended_with_is_an_error_where_the_kernel_does_not_tell_it(
    other: Other, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = kernel.open_thread(a.THREAD_ALL_ACCESS, 0, other.tid)
    other.end()
    assert kernel.wait_for_single_object(handle, None) == st.WAIT_0
    monkeypatch.setattr(process, "_taken_status", lambda *about: None)  # as before Linux 6.15
    monkeypatch.setattr(process, "_zombie_status", lambda *about: None)
    assert _refused(kernel.query_thread, handle)
    kernel.close(handle)


def test_an_event_loop_is_called_when_a_thread_ends(other: Other) -> None:
    handle = kernel.open_thread(a.SYNCHRONIZE, 0, other.tid)
    ready = threading.Event()
    watch = kernel.watch(handle, ready.set)
    assert watch is not None
    assert watch.attempt(accept_abandoned=False) == st.TIMEOUT
    watch.arm()
    assert not ready.is_set()
    other.end()
    assert ready.wait(60)
    assert watch.attempt(accept_abandoned=False) == st.WAIT_0
    watch.end()
    kernel.close(handle)


def test_a_forked_child_has_the_handle_and_another_thread_of_its_own(other: Other) -> None:
    main = kernel.duplicate_object(-1, nt.CURRENT_THREAD, -1, 0, 0, nt.DUPLICATE_SAME_ACCESS)

    def child() -> None:
        assert not kernel.compare_objects(main, nt.CURRENT_THREAD)
        assert kernel.query_thread(main).UniqueThread == os.getppid()
        assert kernel.wait_for_single_object(main, 0) == st.TIMEOUT

    assert reap(fork(child)) == 0
    kernel.close(main)


def test_a_handle_is_not_put_into_another_process() -> None:
    me = kernel.open_process(a.PROCESS_ALL_ACCESS, 0, os.getppid())
    thread = kernel.duplicate_object(-1, -2, -1, 0, 0, nt.DUPLICATE_SAME_ACCESS)
    for source in (nt.CURRENT_THREAD, thread):
        assert _refused(kernel.duplicate_object, -1, source, me, 0, 0, nt.DUPLICATE_SAME_ACCESS)
    kernel.close(thread)
    kernel.close(me)
