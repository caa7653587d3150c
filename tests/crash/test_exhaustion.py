# SPDX-License-Identifier: MIT
"""Running out of things in the middle: a clear error, and everything as before.

First every call that takes something is made to fail, one after the other; then the real thing: a
limit of descriptors, of address space, of processes, of mappings, of disk, of memory in a cgroup
and in a small mount.
"""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import users
from support.users import Program
from test_syscall_sweep import AUDIT, NEIGHBOUR, OPERATIONS, files

Start = Callable[..., Program]
COMMITMENT_LIMIT = 1455
SWEPT = [
    name
    for name, operation in OPERATIONS.items()
    if "crash" not in name and not name.startswith(("close", "list")) and name != "make temporary"
]


@pytest.mark.sentence(24)
@pytest.mark.parametrize("name", SWEPT)
def test_running_out_in_any_call_is_an_error_and_changes_nothing(
    name: str, root: str, start: Start, tmp_path: object
) -> None:
    operation = OPERATIONS[name]
    path = f"{tmp_path}/file"
    with open(path, "wb") as file:
        file.write(b"z" * 20000)
    neighbour, sweeper = start(), start()
    neighbour.run(NEIGHBOUR + AUDIT)
    sweeper.run(
        "from support import sweep",
        neighbour=neighbour.pid,
        handle=neighbour.value("shared.handle"),
        path=path,
    )
    kept = files(root)
    number, outcome, refused = 0, "", 0
    while outcome != "ended":
        number += 1 if number < 40 else number // 5
        outcome = sweeper.value(
            "sweep.attempt_without(globals(), prepare, run, number)",
            prepare=operation.prepare,
            run=operation.run,
            number=number,
        )
        assert outcome.startswith(("refused: ", "managed: ", "ended")), f"call {number}: {outcome}"
        refused += outcome.startswith("refused: ")
        if operation.clean:
            neighbour.run(operation.clean)
        neighbour.run("audit()")
        assert files(root) == kept, f"call {number}: {outcome}"
    assert refused or name in NEVER_REFUSED, "no call was met that takes anything"


#: Operations that take nothing which could be missing.
NEVER_REFUSED = (
    "change the flags",
    "look at the security",
    "use an event",
    "map, write, unmap",
    "map a copy",
    "release a semaphore and close it",
    "write a file's view to disk",
    "wait for one of several",
    "make permanent",
)


# ------------------------------------------------------------------ the real thing


def descriptors(program: Program) -> int:
    count = program.value("len(os.listdir('/proc/self/fd'))")
    assert isinstance(count, int)
    return count


@pytest.fixture
def alone(root: str) -> Iterator[Start]:
    """Programs that nobody uses after this test: lowered limits cannot be raised again."""
    begun: list[Program] = []

    def begin(uid: int = 0) -> Program:
        begun.append(users.start(uid, root=root))
        return begun[-1]

    yield begin
    for program in begun:
        assert program.end() == 0, "the program ended badly"


def test_no_descriptors_left(alone: Start) -> None:
    program = alone()
    program.run("shared = Section.create('descriptors', 4096)")
    try:
        program.run(
            "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)); more = []\n"
            "try:\n"
            "    while True: more.append(Section.create(size=4096))\n"
            "except Error as problem: said = problem.winerror, str(problem)\n"
            "more.pop().close(); full = len(os.listdir('/proc/self/fd')); "
            "more.append(Section.create(size=4096))"
        )
        assert program.value("said[0]") == 4  # ERROR_TOO_MANY_OPEN_FILES
        for code in (
            "Section.create('descriptors', 4096, exist_ok=True)",
            "Section.create(size=4096)",
            "Section.create('Global\\\\new', 4096)",
            "shared.duplicate()",
            "Event.create('event')",
            "Section.from_file('/proc/self/exe')",
            "Process(os.getppid())",
        ):
            assert program.refusal(code).winerror == 4, code
        program.run("more.pop().close(); now = len(os.listdir('/proc/self/fd'))")
        assert program.value("full == now")
        program.run(
            "more.pop().close(); more.pop().close(); Section.create(size=4096).close()\n"
            "while more: more.pop().close()"
        )
    finally:
        program.run("while more: more.pop().close()\nshared.close()")


def test_the_soft_limit_of_descriptors_is_not_felt_while_the_hard_one_allows_more(
    alone: Start,
) -> None:
    program = alone()
    program.run(
        "import resource; before = resource.getrlimit(resource.RLIMIT_NOFILE)\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, before[1]))\n"
        "many = [Section.create(size=4096) for _ in range(200)]\n"
        "for each in many: each.close()\nresource.setrlimit(resource.RLIMIT_NOFILE, before)"
    )


def test_no_address_space_left(alone: Start) -> None:
    program = alone()
    program.run(
        "import resource\nsection = Section.create(size=64 << 20, commit=False)\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * 4096\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + (32 << 20), resource.RLIM_INFINITY))"
    )
    try:
        refused = program.refusal("section.map()")
        assert refused.winerror in (8, COMMITMENT_LIMIT) and refused.kind == "CommitError", refused
        assert "67108864 bytes" in refused.text and "ulimit -v" in refused.text
        before = descriptors(program)
        program.refusal("section.map()")
        assert descriptors(program) == before
        program.run("section.map(0, 65536).close()")
    finally:
        program.run(
            "resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2); section.close()"
        )


def test_no_mappings_left(alone: Start) -> None:
    """vm.max_map_count is the machine's; the program fills its own share up."""
    most = int(Path("/proc/sys/vm/max_map_count").read_text())
    program = alone()
    program.run(
        "section = Section.create(size=4096); filler = ctypes.CDLL(None).mmap\n"
        "filler.restype = ctypes.c_void_p; filled = []\n"
        "anonymous = os.memfd_create('filler'); os.ftruncate(anonymous, 8192)\n"
        "while True:\n"
        "    at = filler(None, ctypes.c_size_t(4096), 1 + 2 * (len(filled) % 2), 1, anonymous, "
        "ctypes.c_long(0))\n"
        "    if at == ctypes.c_void_p(-1).value: break\n"
        "    filled.append(at)\n"
    )
    try:
        assert program.value("len(filled)") > most // 2
        refused = program.refusal("section.map()")
        assert refused.kind == "CommitError" and "vm.max_map_count" in refused.text, refused
    finally:
        program.run(
            "for at in filled: ctypes.CDLL(None).munmap(ctypes.c_void_p(at), "
            "ctypes.c_size_t(4096))\n"
            "os.close(anonymous); section.map().close(); section.close(); del filled"
        )


def test_no_processes_left(alone: Start) -> None:
    program = alone(12345)
    program.run(
        "import resource; before = resource.getrlimit(resource.RLIMIT_NPROC)\n"
        "resource.setrlimit(resource.RLIMIT_NPROC, (1, before[1])); s = Section.create('kept', "
        "4096)"
    )
    try:
        count = descriptors(program)
        refused = program.refusal(
            "win32.CreateProcess(None, '/bin/true', None, None, True, 0, None, None, None)"
        )
        assert refused.winerror in (8, 1450), refused
        assert descriptors(program) == count
        program.run("Section.open('kept').close(); s.close()")
    finally:
        program.run("resource.setrlimit(resource.RLIMIT_NPROC, before)")


# ------------------------------------------------------------------ memory and disk


@contextlib.contextmanager
def cgroup(limit: int) -> Iterator[str]:
    """A memory cgroup with a limit, of whichever version limits memory here."""
    with open("/proc/self/cgroup") as file:
        lines = [line.strip().split(":", 2) for line in file]
    one = next((path for _, controllers, path in lines if "memory" in controllers.split(",")), None)
    if one is not None:
        base, name = f"/sys/fs/cgroup/memory{one}", "memory.limit_in_bytes"
    else:
        base, name = (
            "/sys/fs/cgroup" + next(path for _, controllers, path in lines if not controllers),
            "memory.max",
        )
    directory = f"{base}/memsection-test-{os.getpid()}"
    try:
        os.mkdir(directory)
    except OSError as failure:
        users.lacking("cgroup", f"no cgroup can be made here: {failure}")
    try:
        with open(f"{directory}/{name}", "w") as file:
            file.write(str(limit))
        yield directory
    finally:
        os.rmdir(directory)


@pytest.fixture
def confined(root: str) -> Iterator[tuple[Program, str]]:
    """A program in a cgroup of 96 MiB."""
    with cgroup(96 << 20) as directory:
        program = users.start(
            0, root=root, before=f"open('{directory}/cgroup.procs', 'w').write(str(os.getpid()))"
        )
        try:
            yield program, directory
        finally:
            assert program.end() == 0, "the program did not survive"


@pytest.mark.sentence(23)
def test_more_than_the_cgroup_allows_is_refused_before_anybody_is_killed(
    confined: tuple[Program, str],
) -> None:
    program, directory = confined
    refused = program.refusal("Section.create('big', 512 << 20)")
    assert refused.winerror == COMMITMENT_LIMIT and refused.kind == "CommitError", refused
    for said in (
        "asked for 512.0 MiB",
        f"cgroup {directory} allows 96.0 MiB",
        "raise memory.",
        "commit=False",
    ):
        assert said in refused.text
    program.run("s = Section.create('big', 512 << 20, commit=False); s.close()")  # the remedy
    program.run(
        "s = Section.create('big', 16 << 20); v = s.map(); v[:] = b'x' * len(v); v.close(); "
        "s.close()"
    )


@pytest.mark.sentence(23)
def test_many_small_sections_end_in_an_error_and_not_in_a_kill(
    confined: tuple[Program, str],
) -> None:
    program, _ = confined
    refused = program.refusal(
        "kept = []\nwhile len(kept) < 200: kept.append(Section.create(size=(1 << 20) - 4096))"
    )
    assert refused.winerror == COMMITMENT_LIMIT, refused
    assert program.value("len(kept)") > 20
    program.run("while kept: kept.pop().close()\nSection.create(size=8 << 20).close()")


def test_committing_reserved_pages_beyond_the_cgroup_is_refused_too(
    confined: tuple[Program, str],
) -> None:
    program, _ = confined
    program.run("s = Section.create(size=1 << 30, commit=False); v = s.map()")
    refused = program.refusal("v.commit(0, 512 << 20)")
    assert refused.winerror == COMMITMENT_LIMIT and "cgroup" in refused.text, refused
    program.run("v.commit(0, 1 << 20); v[:4] = b'fine'; v.close(); s.close()")


@contextlib.contextmanager
def mounted(size: str) -> Iterator[str]:
    """A namespace on a tmpfs of this size."""
    directory = f"/tmp/memsection-small-{os.getpid()}"
    os.mkdir(directory)
    options = f"size={size},mode=1777"
    if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", directory]).returncode:
        os.rmdir(directory)
        users.lacking("mount", "no mount can be made here")
    try:
        yield directory
    finally:
        subprocess.run(["umount", directory], check=True)
        os.rmdir(directory)


@pytest.fixture
def small_mount() -> Iterator[str]:
    """A namespace on a tmpfs of 8 MiB."""
    with mounted("8m") as directory:
        yield directory


@pytest.fixture
def tiny_mount() -> Iterator[str]:
    """A namespace on a tmpfs of 1 MiB."""
    with mounted("1m") as directory:
        yield directory


@pytest.mark.invariant("C1")
@pytest.mark.sentence(23)
def test_more_than_a_small_mount_holds_is_refused(small_mount: str) -> None:
    with users.programs() as start:
        program = start(0, root=small_mount)
        refused = program.refusal("Section.create('Global\\\\big', 64 << 20)")
        assert refused.winerror == COMMITMENT_LIMIT and refused.kind == "CommitError", refused
        assert (
            f"the file system of {small_mount} allows 8.0 MiB" in refused.text
            and "remount" in refused.text
        )
        # a Local one needs no room there
        program.run("s = Section.create('big', 64 << 20); s.close()")
        refused = program.refusal(
            "kept = []\n"
            "while True: kept.append(Section.create(f'Global\\\\{len(kept)}', 256 << 10))"
        )
        assert refused.winerror == COMMITMENT_LIMIT and refused.kind == "CommitError", refused
        assert 10 < program.value("len(kept)") < 32
        program.run("v = kept[0].map(); v[:] = b'x' * len(v); v.close()")  # what was given is there
        assert (
            program.refusal("Section.create('Global\\\\one more', 512 << 10)").winerror
            == COMMITMENT_LIMIT
        )
        program.run("Section.create('local', 4096).close()\nwhile kept: kept.pop().close()")
        assert not [file for file in os.listdir(small_mount) if file.startswith("memsection.")]


@pytest.mark.invariant("C1")
def test_all_of_a_tiny_mount_can_be_used_and_no_more(tiny_mount: str) -> None:
    with users.programs() as start:
        program = start(0, root=tiny_mount)
        program.run("s = Section.create('Global\\\\most', 1000 << 10); v = s.map()")
        program.run("v[:] = b'x' * len(v); v.close(); s.close()")
        program.run(
            "s = Section.create('Global\\\\kept', 2 << 20, commit=False); v = s.map()\n"
            "for at in range(0, 15 * (64 << 10), 64 << 10):\n"
            "    v.commit(at, 64 << 10); v[at:at + (64 << 10)] = b'y' * (64 << 10)"
        )
        refused = program.refusal("v.commit(1 << 20, 64 << 10)")
        assert refused.winerror == COMMITMENT_LIMIT and refused.kind == "CommitError", refused
        assert f"the file system of {tiny_mount} allows 1.0 MiB" in refused.text, refused
        program.run("assert bytes(v[:15 * (64 << 10)]) == b'y' * (15 * (64 << 10))")
        program.run("v.close(); s.close()")


@pytest.mark.parametrize("kind", ["Mutex", "Event", "Semaphore", "RWLock", "Queue", "latest"])
@pytest.mark.parametrize("prefix", ["", "Global\\"])
def test_a_full_mount_is_said_to_be_full(tiny_mount: str, kind: str, prefix: str) -> None:
    with users.programs() as start:
        program = start(0, root=tiny_mount)
        program.run(
            "import memsection\nfrom memsection import latest\n"
            "from memsection.channels import Queue\n"
            "Section.create('first', 4096).close()"
        )
        with open(f"{tiny_mount}/fill", "wb") as file:
            os.posix_fallocate(file.fileno(), 0, os.statvfs(tiny_mount).f_bavail * 4096)
        made = {
            "Queue": "Queue.create(name, bytes, capacity=4)",
            "latest": "latest.create(name, 8)",
        }.get(kind, f"memsection.{kind}.create(name)")
        refused = program.refusal(made, name=f"{prefix}thing")
        assert tiny_mount in refused.text and "remount,size=" in refused.text, refused
        os.unlink(f"{tiny_mount}/fill")
        program.run(f"{made}.close()", name=f"{prefix}thing")


@pytest.mark.invariant("F1")
def test_a_full_disk_leaves_the_file_as_it_was(small_mount: str) -> None:
    with users.programs() as start:
        program = start(0)
        path = f"{small_mount}/data"
        program.run("open(path, 'wb').write(b'keep me' * 1000)", path=path)
        refused = program.refusal("Section.from_file(path, access='rw', size=64 << 20)")
        assert refused.winerror == 112, refused  # ERROR_DISK_FULL
        with open(path, "rb") as file:
            assert file.read() == b"keep me" * 1000
        os.unlink(path)


def test_the_limit_of_file_sizes_is_an_error(alone: Start) -> None:
    program = alone()
    program.run(
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (32 << 20, "
        "resource.RLIM_INFINITY))"
    )
    try:
        refused = program.refusal("Section.create(size=64 << 20)")
        assert refused.winerror == COMMITMENT_LIMIT and "RLIMIT_FSIZE" in refused.text, refused
    finally:
        program.run("resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)")


def test_more_than_the_machine_has_is_an_error_at_once() -> None:
    from memsection import Section
    from memsection.vocabulary.errors import CommitError

    with pytest.raises(CommitError, match="this machine's memory and swap") as caught:
        Section.create(size=1 << 45)
    assert caught.value.winerror == COMMITMENT_LIMIT and isinstance(caught.value, MemoryError)
    # nothing of it was touched (KiB)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 4 << 20


@pytest.mark.invariant("M3")
def test_what_a_full_disk_did_not_take_is_told_by_the_operation_itself(tiny_mount: str) -> None:
    with users.programs() as start:
        program = start(0)
        path = f"{tiny_mount}/sparse"
        with open(path, "wb") as file:
            file.truncate(2 << 20)
        program.run("s = Section.from_file(path, access='rw'); v = s.map()", path=path)
        refused = program.refusal("v[:] = bytes(2 << 20)")
        assert refused.kind == "InPageError", refused
        program.run("v.close(); v = s.map()")
        refused = program.refusal("v[-1] = 1")
        assert refused.kind == "InPageError", refused
        program.run("v.close(); s.close()")
        os.unlink(path)
