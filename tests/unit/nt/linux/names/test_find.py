# SPDX-License-Identifier: MIT
"""How long names and bytes live: whoever holds a handle keeps the name, whoever has a view keeps
the bytes."""

from __future__ import annotations

import fcntl
import mmap
import os
import signal

import pytest
from support.objects import leaves_nothing, unique_name
from support.workers import fork, reap, until, worker

from memsection import Section
from memsection.nt import kernel
from memsection.nt.linux.names import find, namespace
from memsection.nt.linux.system import descriptions, proc

_left = pytest.fixture(autouse=True)(leaves_nothing)
MIB = 1 << 20


def exists(name: str) -> bool:
    try:
        Section.open(name, access="r").close()
    except FileNotFoundError:
        return False
    return True


def files() -> list[str]:
    return [
        file for file in os.listdir(namespace.path_of("local")) if f"test-{os.getpid()}-" in file
    ]


@pytest.mark.invariant("L1")
@pytest.mark.invariant("L2")
@pytest.mark.invariant("L5")
@pytest.mark.parametrize("prefix", ["", "Global\\"])
def test_the_name_goes_with_the_last_handle_and_the_bytes_with_the_last_view(prefix: str) -> None:
    name = unique_name(prefix)
    section = Section.create(name, size=8192)
    view, other = section.map(), section.map(access="r")
    view[:5] = b"hello"
    section.close()
    assert not exists(name)
    assert bytes(other[:5]) == b"hello"
    view.close()
    assert bytes(other[:5]) == b"hello"
    with Section.create(name, size=4096) as fresh, fresh.map() as again:
        assert bytes(again[:5]) == bytes(5)
        assert bytes(other[:5]) == b"hello"
    other.close()


@pytest.mark.invariant("L1")
@pytest.mark.parametrize("prefix", ["", "Global\\"])
def test_a_forked_child_alone_keeps_the_name(prefix: str) -> None:
    name = unique_name(prefix)
    section = Section.create(name, size=4096)
    reader, writer = os.pipe()
    child = fork(lambda: (os.close(writer), os.read(reader, 1), section.close())[-1])
    os.close(reader)
    section.close()
    assert exists(name)
    os.close(writer)
    assert reap(child) == 0
    assert not exists(name)
    assert files() == []


@pytest.mark.invariant("L1")
@pytest.mark.invariant("H1")
def test_an_execed_child_that_inherited_alone_keeps_the_name_and_closing_there_removes_it() -> None:
    name = unique_name()
    section = Section.create(name, size=4096, inheritable=True)
    with worker(close_fds=False) as child:
        child.run("mine = Section.from_handle(value)", value=section.handle)
        section.close()
        assert exists(name)
        assert child.value("(mine.size, mine.name)") == (4096, name)
        child.run("mine.close()")
        assert files() == []
        assert not exists(name)


@pytest.mark.invariant("L1")
def test_an_execed_child_that_never_touches_what_it_inherited_keeps_the_name_until_it_is_killed() -> (
    None
):
    name = unique_name()
    section = Section.create(name, size=4096, inheritable=True)
    with worker(close_fds=False) as child:
        child.value("1")
        section.close()
        assert exists(name)
        child.kill()
        assert not exists(name)
        assert files() == []


@pytest.mark.invariant("L1")
def test_a_process_that_duplicated_the_handle_alone_keeps_the_name() -> None:
    name = unique_name()
    section = Section.create(name, size=4096)
    with worker() as other:
        other.run("mine = Section.from_process(pid, value)", pid=os.getpid(), value=section.handle)
        section.close()
        assert exists(name)
        other.run("mine.close()")
        assert not exists(name)


@pytest.mark.invariant("L2")
def test_a_killed_holder_leaves_neither_name_nor_memory() -> None:
    def shared_memory() -> int:
        with open("/proc/meminfo", encoding="ascii") as stream:
            return next(int(line.split()[1]) for line in stream if line.startswith("Shmem:")) * 1024

    name, size = unique_name(), 1024 * MIB
    before = shared_memory()
    with worker() as owner:
        owner.run("mine = Section.create(name, size=size)", name=name, size=size)
        entry = owner.value(
            "(mine.handle, os.fstat(mine.fileno()).st_ino, os.fstat(mine.fileno()).st_dev)"
        )
        assert shared_memory() - before > size - 64 * MIB
        os.kill(owner.pid, signal.SIGKILL)
        owner.process.wait()
        assert list(proc.search((entry[2], entry[1]))) == []
        until(
            lambda: shared_memory() - before < 512 * MIB, "the memory of a killed process is free"
        )
    assert not exists(name)
    assert files() == []


@pytest.mark.invariant("L4")
@pytest.mark.invariant("L6")
def test_a_view_that_outlives_a_killed_holder_does_not_bring_the_name_back() -> None:
    name = unique_name()
    with worker() as owner, worker() as viewer:
        owner.run("mine = Section.create(name, size=4096)", name=name)
        viewer.run(
            "mine = Section.open(name); view = mine.map(); view[:3] = b'old'; mine.close()",
            name=name,
        )
        owner.kill()
        assert not exists(name)
        with Section.create(name, size=4096) as fresh, fresh.map() as view:
            assert bytes(view[:3]) == bytes(3)
            assert viewer.value("bytes(view[:3])") == b"old"


@pytest.mark.invariant("L6")
def test_what_a_crash_left_is_swept_by_whoever_meets_it() -> None:
    name = unique_name()
    with worker() as owner:
        owner.run("mine = Section.create(name, size=4096)", name=name)
        owner.kill()
    assert files() == [name]
    with Section.create(name, size=8192) as section:
        assert section.created and section.size == 8192
    assert files() == []


@pytest.mark.invariant("L3")
def test_a_refused_probe_does_not_take_a_lock_from_anybody() -> None:
    name = unique_name()
    section = Section.create(name, size=4096)
    child = fork(lambda: [Section.open(name).close() for _ in range(50)][-1])
    for _ in range(50):
        Section.open(name).close()
    assert reap(child) == 0
    identity = os.fstat(section.fileno())
    probe = os.open(f"/proc/self/fd/{section.fileno()}", os.O_RDONLY)
    assert not descriptions.try_lock(probe, fcntl.LOCK_EX)
    os.close(probe)
    assert find.count_handles((identity.st_dev, identity.st_ino)) == 1
    section.close()
    assert not exists(name)


@pytest.mark.invariant("R2")
@pytest.mark.parametrize("prefix", ["", "Global\\"])
def test_a_read_only_handle_cannot_be_mapped_for_writing_even_by_the_system(prefix: str) -> None:
    name = unique_name(prefix)
    with Section.create(name, size=4096) as section, Section.open(name, access="r") as reader:
        with pytest.raises(PermissionError):
            reader.map(access="rw")
        with pytest.raises(PermissionError):
            mmap.mmap(reader.fileno(), 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE)
        with mmap.mmap(section.fileno(), 4096) as direct:
            direct[:2] = b"ok"
        with reader.map() as view:
            assert bytes(view[:2]) == b"ok" and view.readonly


def test_a_large_named_section_works_where_dev_shm_is_tiny() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a small /dev/shm")
    script = 'mount -t tmpfs -o size=1m tmpfs /dev/shm && exec "$@"'
    with worker("unshare", "-m", "sh", "-c", script, "sh") as small:
        assert (
            small.value("os.statvfs('/dev/shm').f_blocks * os.statvfs('/dev/shm').f_frsize") == MIB
        )
        small.run("os.environ.pop('MEMSECTION_ROOT', None)")
        small.run("""
big = Section.create('big', size=256 << 20)
with big.map() as view:
    view[-5:] = b'there'
with Section.open('big') as again, again.map(access='r') as view:
    found = bytes(view[-5:])
big.close()""")
        assert small.value("found") == b"there"
        refused = small.refusal("Section.create('Global\\\\big', size=256 << 20)")
        assert refused.winerror == 1455 and "/dev/shm" in refused.text


@pytest.mark.invariant("H2")
def test_a_handle_taken_away_by_another_process_is_none_any_more() -> None:
    name = unique_name()
    section = Section.create(name, size=4096)
    with worker() as taker:
        taker.run(
            """
process = win32.OpenProcess(0x40, False, pid)
taken = win32.DuplicateHandle(process, value, win32.GetCurrentProcess(), 0, False, 3)""",
            pid=os.getpid(),
            value=section.handle,
        )
        with pytest.raises(ValueError):
            section.map()
        assert exists(name)
        taker.run("win32.CloseHandle(taken)")
    assert not exists(name)
    with pytest.raises(ValueError):
        section.close()


def test_a_handle_given_to_another_process_is_there_under_the_value_told() -> None:
    with worker() as receiver, Section.create(size=4096) as section, section.map() as view:
        view[:5] = b"given"
        process = kernel.open_process(0x40, 0, receiver.pid)
        value = kernel.duplicate_object(-1, section.handle, process, 0, 0, 2)
        assert kernel.query_object(section.handle).HandleCount == 2
        receiver.run("mine = Section.from_handle(value)", value=value)
        assert receiver.value("bytes(mine.map()[:5])") == b"given"
        assert kernel.query_object(section.handle).HandleCount == 2
        receiver.kill()
        assert kernel.query_object(section.handle).HandleCount == 1
        kernel.close(process)


def test_many_handles_do_not_feel_the_soft_limit_of_descriptors() -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        sections = [Section.create(size=4096) for _ in range(400)]
        assert len({section.handle for section in sections}) == 400
        for section in sections:
            section.close()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
