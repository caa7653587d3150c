# SPDX-License-Identifier: MIT
"""Processes that cannot see each other: each in a PID namespace of its own, as in two containers
that share a directory."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest
from support import users
from support.users import Program

OUT_OF_REACH = 0xE0530001
APART = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")


@pytest.fixture
def containers(root: str) -> Iterator[tuple[Program, Program]]:
    """Two programs that are each process 1 of a namespace of their own."""
    if subprocess.run([*APART, "true"], capture_output=True).returncode:
        users.lacking("namespaces", "no PID namespace can be made here")
    pair = [users.start(0, root=root, prefix=APART) for _ in range(2)]
    yield pair[0], pair[1]
    for program in pair:
        assert program.end() == 0


def test_a_local_name_whose_holder_cannot_be_seen_is_an_error_that_says_so(
    root: str, containers: tuple[Program, Program]
) -> None:
    one, other = containers
    assert one.value("os.getpid()") == other.value("os.getpid()") == 1
    one.run("made = Section.create('apart', 4096); view = made.map(); view[:4] = b'kept'")
    for tries in ("Section.open('apart')", "Section.create('apart', 4096, exist_ok=True)"):
        refused = other.refusal(tries)
        assert refused.ntstatus == OUT_OF_REACH and "PID namespace" in refused.text, refused
    assert os.listdir(f"{root}/memsection-0") == ["apart"]
    one.run(
        "again = Section.open('apart'); assert bytes(again.map()[:4]) == b'kept'\n"
        "again.close(); view.close(); made.close()"
    )
    other.run("Section.create('apart', 4096).close()")


def test_global_objects_are_shared_between_them(containers: tuple[Program, Program]) -> None:
    one, other = containers
    one.run("made = Section.create('Global\\\\shared', 4096); view = made.map()")
    other.run("got = Section.open('Global\\\\shared'); there = got.map(); there[:5] = b'hello'")
    assert one.value("bytes(view[:5])") == b"hello"
    one.run("view.close(); made.close()")
    other.run("there.close(); Section.open('Global\\\\shared').close(); got.close()")
    assert one.refusal("Section.open('Global\\\\shared')").winerror == 2


def test_a_mutex_has_one_owner_where_both_threads_have_the_same_number(
    containers: tuple[Program, Program],
) -> None:
    one, other = containers
    one.run("made = Mutex.create('Global\\\\lock'); made.acquire()")
    other.run("got = Mutex.open('Global\\\\lock')")
    assert one.value("__import__('threading').get_native_id()") == other.value(
        "__import__('threading').get_native_id()"
    )
    assert other.value("got.acquire(0.1)") is False
    assert other.refusal("got.release()").winerror == 288  # ERROR_NOT_OWNER
    one.run("made.release()")
    assert other.value("got.acquire(60)") is True
    other.run("got.release(); got.close()")
    one.run("made.close()")


def test_a_mutex_is_abandoned_by_an_owner_that_nobody_sees_die(
    root: str, containers: tuple[Program, Program]
) -> None:
    _, other = containers
    owner = users.start(0, root=root, prefix=APART)
    owner.run("made = Mutex.create('Global\\\\lock'); made.acquire()")
    other.run("got = Mutex.open('Global\\\\lock')")
    assert other.value("got.acquire(0.1)") is False
    owner.kill()
    refused = other.refusal("got.acquire(60)")
    assert refused.kind == "AbandonedMutexError"
    other.run("got.acquire(5, accept_abandoned=True); got.release(); got.close()")


# Two processes of one id that started in one clock tick, as /proc tells both.  Kernels before 6.9
# tell no more of them, and give all pidfds one inode.
ONE_AFTER_THE_OTHER = """
import select
from memsection import Process
from memsection.nt.linux.system import proc

def started():
    with open('/proc/sys/kernel/ns_last_pid', 'w') as file:
        file.write('2999')
    told, end = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(end)
        os.read(told, 1)
        os._exit(3)
    os.close(told)
    return pid, end

def ended(pid, end):
    os.close(end)
    os.waitpid(pid, 0)

until = time.monotonic() + 80  # on a busy machine a tick passes mostly
while time.monotonic() < until:
    pid, end = started()
    first, ticks = Process(pid), proc.start_time(pid)
    ended(pid, end)
    pid, end = started()
    if (pid, proc.start_time(pid)) == (first.pid, ticks):
        break
    ended(pid, end)
    first.close()
else:
    raise AssertionError('no two processes of one id in one tick')
"""


@pytest.fixture
def reusing(containers: tuple[Program, Program]) -> Program:
    """A program that can say which id its next process has, where the kernel tells two apart."""
    one, _ = containers
    one.run(
        "fds = [os.pidfd_open(pid) for pid in (os.getpid(), os.fork() or os._exit(0))]\n"
        "inodes = {os.fstat(fd).st_ino for fd in fds}\n"
        "[os.close(fd) for fd in fds]; os.wait()"
    )
    if one.value("len(inodes)") == 1:
        users.lacking("pidfs", "this kernel gives all pidfds one inode")
    return one


def test_a_process_is_not_taken_for_the_one_that_had_its_id_in_the_same_tick(
    reusing: Program,
) -> None:
    one = reusing
    one.run(ONE_AFTER_THE_OTHER)
    one.run(
        "second = Process(pid)\n"
        "same, alive = first.same_object(second), (first.alive, second.alive)\n"
        "ended(pid, end); first.close(); second.close()"
    )
    assert one.value("same") is False
    assert one.value("alive") == (False, True)


def test_what_a_process_was_ended_with_is_not_told_of_the_next_one_of_its_id(
    reusing: Program,
) -> None:
    one = reusing
    one.run(
        ONE_AFTER_THE_OTHER.replace(
            "    ended(pid, end)\n    pid, end = started()",
            "    able = win32.OpenProcess(win32.PROCESS_TERMINATE, False, pid)\n"
            "    win32.TerminateProcess(able, 77); win32.CloseHandle(able)\n"
            "    ended(pid, end)\n    pid, end = started()",
        )
    )
    one.run(
        "second = Process(pid); ended(pid, end)\n"
        "codes = [win32.GetExitCodeProcess(each.handle) for each in (first, second)]\n"
        "first.close(); second.close()"
    )
    assert one.value("codes") == [77, 3]


def test_both_are_handed_the_blocks_of_their_children_though_both_have_one_number(
    containers: tuple[Program, Program],
) -> None:
    """The sockets for it have names that containers may share, as those of one network do."""
    for number, program in enumerate(containers):
        program.run(
            "import multiprocessing\nfrom memsection.compat import SharedMemory\n"
            "def make():\n"
            "    block = SharedMemory(name, create=True, size=10); block.buf[:4] = b'left'\n"
            "    block.close()\n"
            "kept = SharedMemory(create=True, size=10)\n"
            "child = multiprocessing.get_context('fork').Process(target=make)\n"
            "child.start(); child.join()",
            name=f"left-{number}",
        )
        program.run(
            "left = SharedMemory(name); assert bytes(left.buf[:4]) == b'left'\n"
            "for block in (left, kept): block.close(); block.unlink()"
        )
