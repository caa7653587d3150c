# SPDX-License-Identifier: MIT
"""What is known of a process that has ended, by those who are not its parent."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from support.objects import leaves_nothing
from support.workers import fork, kill, reap, stopped_in

from memsection import Process
from memsection.nt import kernel
from memsection.nt.linux.handles import state
from memsection.nt.linux.system import proc
from memsection.nt.linux.types import process
from memsection.vocabulary import access as a
from memsection.vocabulary import errors
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s

_left = pytest.fixture(autouse=True)(leaves_nothing)


def grandchild(code: int) -> tuple[int, int, int, int]:
    """(child, grandchild, pipe that ends it, pipe that has the child take its status): neither
    happens by itself."""
    told, tell = os.pipe()
    end_read, end_write = os.pipe()
    take_read, take_write = os.pipe()

    def parent() -> None:
        os.close(end_write)
        os.close(take_write)

        def body() -> None:
            os.read(end_read, 1)
            os._exit(code)

        pid = fork(body)
        os.write(tell, pid.to_bytes(4, "little"))
        os.close(end_read)
        os.read(take_read, 1)
        os.waitpid(pid, 0)

    child = fork(parent)
    for fd in (tell, end_read, take_read):
        os.close(fd)
    pid = int.from_bytes(os.read(told, 4), "little")
    os.close(told)
    return child, pid, end_write, take_write


def test_a_process_that_its_parent_has_not_taken_yet_has_ended_with_its_status() -> None:
    child, pid, end, take = grandchild(7)
    other = Process(pid)
    assert other.alive
    os.close(end)
    assert other.wait(60) and not other.alive
    handle = kernel.open_process(0x1000, 0, pid)
    assert kernel.query_process(handle).ExitStatus == 7
    kernel.close(handle)
    os.close(take)
    assert reap(child) == 0
    other.close()


def test_that_it_has_ended_is_told_even_where_its_status_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    child, pid, end, take = grandchild(7)
    other = Process(pid)
    os.close(end)
    assert other.wait(60)
    monkeypatch.setattr(process, "_taken_status", lambda *about: None)  # as before Linux 6.15
    # as for another user's process
    monkeypatch.setattr(process, "_zombie_status", lambda *about: None)
    assert not other.alive
    handle = kernel.open_process(0x1000, 0, pid)
    with pytest.raises(errors.NtError) as caught:
        kernel.query_process(handle)
    assert caught.value.status == st.NOT_ON_THIS_SYSTEM
    kernel.close(handle)
    os.close(take)
    assert reap(child) == 0
    other.close()


_BY_ID: list[Callable[[int], object]] = [
    lambda handle: kernel.query_security_object(handle, s.OWNER_SECURITY_INFORMATION),
    lambda handle: kernel.open_process_token(handle, a.TOKEN_QUERY),
    lambda handle: kernel.query_virtual_memory(handle, 0x10000),
    lambda handle: kernel.query_mapped_file_name(handle, 0x10000),
    lambda handle: kernel.read_virtual_memory(handle, 0x10000, 1),
    lambda handle: kernel.write_virtual_memory(handle, 0x10000, b"1"),
    lambda handle: kernel.duplicate_object(handle, 0x10, -1, 0, 0, s.DUPLICATE_SAME_ACCESS),
    lambda handle: kernel.terminate_process(handle, 1),
]


@pytest.mark.parametrize("operation", _BY_ID)
def test_a_handle_never_means_who_got_the_id_of_its_process(
    operation: Callable[[int], object],
) -> None:
    ended, another = stopped_in(lambda: None), stopped_in(lambda: None)
    handle = kernel.open_process(a.PROCESS_ALL_ACCESS, 0, ended)
    kill(ended)
    found = state.handles[handle].obj
    assert isinstance(found, process.Process)
    found.pid = another  # as if that had got the id of who has ended
    try:
        with pytest.raises(errors.NtError) as caught:
            operation(handle)
        assert caught.value.status == st.PROCESS_IS_TERMINATING
        os.kill(another, 0)
    finally:
        kill(another)
        kernel.close(handle)


@pytest.mark.parametrize("service", [kernel.open_process, kernel.open_thread])
def test_who_ends_while_it_is_opened_is_not_taken_for_who_gets_its_id(
    service: Callable[[int, int, int], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    child = stopped_in(lambda: None)
    genuine = proc.start_time

    def start_time(pid: int) -> int:
        found = genuine(pid)
        monkeypatch.undo()
        kill(child)
        # as if it had been read of who has the id now
        monkeypatch.setattr(proc, "process_of_thread", lambda tid: child)
        monkeypatch.setattr(proc, "start_time", lambda pid: found)
        return found

    monkeypatch.setattr(proc, "start_time", start_time)
    with pytest.raises(errors.NtError) as caught:
        service(a.SYNCHRONIZE, 0, child)
    assert caught.value.status == st.INVALID_CID
