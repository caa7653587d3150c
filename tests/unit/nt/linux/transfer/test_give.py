# SPDX-License-Identifier: MIT
"""Handles that were given to others are let go of by several threads at once."""

from __future__ import annotations

import threading

import pytest
from support.objects import leaves_nothing, unique_name
from support.workers import worker

from memsection import Section
from memsection.nt import kernel
from memsection.nt.linux.handles import state
from memsection.nt.linux.system import syscalls
from memsection.nt.linux.transfer import give
from memsection.vocabulary import access as a
from memsection.vocabulary import structs as s

_left = pytest.fixture(autouse=True)(leaves_nothing)


def test_several_threads_let_go_of_given_handles_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    name, rounds, problems = unique_name(), 8, []
    both = threading.Barrier(2)
    real = syscalls.lseek

    def slow(fd: int, where: int, how: int) -> int:
        # between the look at an entry and the use of its descriptor another thread gets its turn
        pause.wait(0.0005)
        return real(fd, where, how)

    def settle() -> None:
        for _ in range(rounds):
            both.wait(30)
            try:
                give.close_delivered()
            except BaseException as problem:
                problems.append(problem)
            both.wait(30)

    pause = threading.Event()
    with worker() as receiver, Section.create(name, size=4096) as section:
        other = threading.Thread(target=settle, daemon=True)
        other.start()
        for _ in range(rounds):
            process = kernel.open_process(a.PROCESS_DUP_HANDLE, 0, receiver.pid)
            values = [
                kernel.duplicate_object(
                    s.CURRENT_PROCESS, section.handle, process, 0, 0, s.DUPLICATE_SAME_ACCESS
                )
                for _ in range(3)
            ]
            kernel.close(process)
            receiver.run("".join(f"Section.from_handle({value}).close()\n" for value in values))
            monkeypatch.setattr(syscalls, "lseek", slow)
            both.wait(30)
            try:
                give.close_delivered()
            except BaseException as problem:
                problems.append(problem)
            both.wait(30)
            monkeypatch.setattr(syscalls, "lseek", real)
        other.join(30)
    assert problems == []
    assert state.pending_transfers == []
