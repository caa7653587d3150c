# SPDX-License-Identifier: MIT
"""What is known of a process that has ended, by those who are not its parent."""

from __future__ import annotations

import os

import pytest
from support.objects import leaves_nothing
from support.workers import fork, reap

from memsection import Process
from memsection.nt import kernel
from memsection.nt.linux.types import process
from memsection.vocabulary import errors
from memsection.vocabulary import status as st

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
    assert other.wait(20) and not other.alive
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
    assert other.wait(20)
    monkeypatch.setattr(process, "_taken_status", lambda handle: None)  # as before Linux 6.15
    # as for another user's process
    monkeypatch.setattr(process, "_zombie_status", lambda handle: None)
    assert not other.alive
    handle = kernel.open_process(0x1000, 0, pid)
    with pytest.raises(errors.NtError) as caught:
        kernel.query_process(handle)
    assert caught.value.status == st.NOT_ON_THIS_SYSTEM
    kernel.close(handle)
    os.close(take)
    assert reap(child) == 0
    other.close()
