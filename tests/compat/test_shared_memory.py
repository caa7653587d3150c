# SPDX-License-Identifier: MIT
"""What memsection.compat does better than what it stands in for: the published defects, one test
each."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing import shared_memory as originals
from pathlib import Path

import pytest

from memsection import Section
from memsection.compat import (
    ShareableList,
    SharedMemory,
    SharedMemoryManager,
    blocks,
    child_handover,
    posix_shm,
    record,
)

linux_only = pytest.mark.linux_only(
    "POSIX shared memory objects, and names that live until unlink()"
)


@pytest.fixture
def name() -> str:
    return f"compat-{os.getpid()}-{time.monotonic_ns()}"


@pytest.fixture(autouse=True)
def nothing_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test leaves a handle of a block, or a genuine block.

    Genuine blocks are in one directory with those of the tests beside this one: a random name has
    this process in it, too.
    """
    mine = f"p{os.getpid():x}-"
    for module in (originals, sys.modules[SharedMemory.__module__]):
        monkeypatch.setattr(module, "_SHM_NAME_PREFIX", f"/{mine}" if blocks.POSIX else mine)
    before = set(blocks._handles)
    yield
    assert set(blocks._handles) == before
    if blocks.POSIX:
        assert not [
            file
            for file in os.listdir(posix_shm.DIRECTORY)
            if file.startswith((f"compat-{os.getpid()}-", mine))
        ]


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Another process, unrelated to this one."""
    return subprocess.run(
        [sys.executable, "-X", "dev", "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
    )


# ---------------------------------------------------------------------- lifetime


def test_an_attacher_that_exits_destroys_nothing(name: str) -> None:
    block = SharedMemory(name, create=True, size=100)
    for end in ("", "block.close()"):
        done = python(
            "import sys; from memsection.compat import SharedMemory\n"
            f"block = SharedMemory(sys.argv[1])\n{end}",
            name,
        )
        assert (done.returncode, done.stderr) == (0, "")
        SharedMemory(name).close()
    block.close()
    block.unlink()


def test_a_killed_attacher_destroys_nothing(name: str) -> None:
    block = SharedMemory(name, create=True, size=100)
    done = python(
        "import os, signal, sys; from memsection.compat import SharedMemory\n"
        "block = SharedMemory(sys.argv[1]); os.kill(os.getpid(), signal.SIGTERM)",
        name,
    )
    assert done.returncode != 0
    SharedMemory(name).close()
    block.close()
    block.unlink()


@linux_only
def test_a_failed_attach_destroys_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    block = SharedMemory(name, create=True, size=100)

    def fails(*_: object, **__: object) -> None:
        raise MemoryError("no address space")

    with monkeypatch.context() as patch:
        patch.setattr(Section, "map", fails)
        with pytest.raises(MemoryError):
            SharedMemory(name)
    SharedMemory(name).close()
    block.close()
    block.unlink()


@linux_only
def test_the_name_outlives_close_and_ends_with_unlink(name: str) -> None:
    block = SharedMemory(name, create=True, size=100)
    block.buf[:3] = b"abc"
    block.close()
    again = SharedMemory(name)
    assert bytes(again.buf[:3]) == b"abc"
    again.unlink()
    with pytest.raises(FileNotFoundError):
        SharedMemory(name)
    with pytest.raises(FileNotFoundError):
        block.unlink()
    assert bytes(again.buf[:3]) == b"abc"
    again.close()


@linux_only
def test_a_killed_creator_leaves_nothing(name: str) -> None:
    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time; from memsection.compat import SharedMemory\n"
            "block = SharedMemory(sys.argv[1], create=True, size=1 << 20)\nprint(flush=True)\n"
            "time.sleep(60)",
            name,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdout is not None
    child.stdout.readline()
    SharedMemory(name).close()
    child.send_signal(signal.SIGKILL)
    _, errors = child.communicate()
    assert errors == b""
    with pytest.raises(FileNotFoundError):
        SharedMemory(name)
    block = SharedMemory(name, create=True, size=10)
    block.close()
    block.unlink()


@linux_only
def test_an_attachment_keeps_the_name_of_a_creator_that_ended(name: str) -> None:
    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from memsection.compat import SharedMemory\n"
            "block = SharedMemory(sys.argv[1], create=True, size=10)\nprint(flush=True)\ninput()",
            name,
        ],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
    )
    assert child.stdout is not None
    child.stdout.readline()
    block = SharedMemory(name)
    child.communicate(b"\n")
    SharedMemory(name).close()
    block.unlink()
    block.close()
    with pytest.raises(FileNotFoundError):
        SharedMemory(name)


@linux_only
def test_unlinking_removes_the_block_that_was_meant_and_no_other(name: str) -> None:
    first = SharedMemory(name, create=True, size=10)
    attached = SharedMemory(name)
    first.unlink()
    second = SharedMemory(name, create=True, size=20)
    with pytest.raises(FileNotFoundError):
        attached.unlink()
    assert SharedMemory(name).size == 20
    for block in (first, attached, second):
        block.close()
    second.unlink()


@linux_only
def test_a_name_is_free_after_unlink_although_another_process_is_attached(name: str) -> None:
    first = SharedMemory(name, create=True, size=10)
    first.buf[0] = 1
    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from memsection.compat import SharedMemory\n"
            "block = SharedMemory(sys.argv[1])\nprint(flush=True)\ninput()\n"
            "print(block.buf[0], SharedMemory(sys.argv[1]).buf[0])",
            name,
        ],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    child.stdout.readline()
    first.close()
    first.unlink()
    with pytest.raises(FileNotFoundError):
        SharedMemory(name)
    second = SharedMemory(name, create=True, size=10)
    second.buf[0] = 2
    output, _ = child.communicate("\n")
    assert output.split() == ["1", "2"]
    assert SharedMemory(name).buf[0] == 2
    with pytest.raises(FileExistsError):
        SharedMemory(name, create=True, size=10)
    second.close()
    second.unlink()


@linux_only
def test_a_block_that_another_process_unlinked_is_let_go_by_its_creator(name: str) -> None:
    before = set(blocks._handles)
    for number in range(8):
        block = SharedMemory(f"{name}-{number}", create=True, size=10)
        block.close()
    code = (
        "import sys; from memsection.compat import SharedMemory\n"
        "for name in sys.argv[1:]: SharedMemory(name).unlink()"
    )
    assert python(code, *(f"{name}-{number}" for number in range(8))).returncode == 0
    for _ in range(6):
        extra = SharedMemory(create=True, size=10)
        extra.close()
        extra.unlink()
    assert set(blocks._handles) == before


def test_two_creators_never_both_succeed(name: str) -> None:
    block = SharedMemory(name, create=True, size=10)
    with pytest.raises(FileExistsError):
        SharedMemory(name, create=True, size=10)
    done = python(
        "import sys; from memsection.compat import SharedMemory\n"
        "SharedMemory(sys.argv[1], create=True, size=1)",
        name,
    )
    assert "FileExistsError" in done.stderr
    block.close()
    if blocks.POSIX:
        block.unlink()


# ---------------------------------------------------------------------- children of multiprocessing


def make_and_end(name: str, depth: int) -> None:
    if depth:
        child = multiprocessing.get_context("fork").Process(
            target=make_and_end, args=(name, depth - 1)
        )
        child.start()
        child.join()
    else:
        block = SharedMemory(name, create=True, size=10)
        block.buf[:4] = b"left"
        block.close()


def make_and_die(name: str) -> None:
    SharedMemory(name, create=True, size=10)
    os.kill(os.getpid(), signal.SIGKILL)


@linux_only
@pytest.mark.parametrize(
    ("method", "depth"), [("fork", 0), ("fork", 2), ("forkserver", 0), ("spawn", 0)]
)
def test_a_child_leaves_its_blocks_to_its_parent(name: str, method: str, depth: int) -> None:
    child = multiprocessing.get_context(method).Process(target=make_and_end, args=(name, depth))
    child.start()
    child.join()
    assert child.exitcode == 0
    block = SharedMemory(name)
    assert bytes(block.buf[:4]) == b"left"
    block.close()
    done = python(
        "import sys; from memsection.compat import SharedMemory\nSharedMemory(sys.argv[1]).unlink()",
        name,
    )
    assert (done.returncode, done.stderr) == (0, "")
    with pytest.raises(FileNotFoundError):
        SharedMemory(name)
    blocks._sweep()


PROGRAM = """
import multiprocessing
import sys
from multiprocessing import util
from memsection import Section
from memsection.compat import SharedMemory

def child(connection, block, section):
    connection.recv()
    SharedMemory(block).close()
    Section.open(section).close()
    print("found", flush=True)

if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    block = SharedMemory(create=True, size=10)
    section = Section.create(block.name + "-section", 4096)
    context.Process(target=child, args=(there, block.name, block.name + "-section")).start()
    util.Finalize(None, here.send, ("the program is at its end",), exitpriority=5)
"""


def test_a_programs_names_stay_until_its_children_have_ended(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "program.py")], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("found\n", "")


@linux_only
def test_a_killed_child_leaves_nothing(name: str) -> None:
    child = multiprocessing.get_context("fork").Process(target=make_and_die, args=(name,))
    child.start()
    child.join()
    with pytest.raises(FileNotFoundError):
        SharedMemory(name)


@linux_only
def test_what_strangers_leave_is_no_block() -> None:
    before = set(blocks._handles)
    with open("/dev/null") as null, Section.create(size=4096) as section:
        section.map().close()
        with pytest.raises(FileNotFoundError):
            SharedMemory("nobody-has-this")
        open_before = len(os.listdir("/proc/self/fd"))
        for message, fds in [
            (b"x" * 5, []),
            (b"x", [null.fileno()] * 3),
            (b"x", [section.fileno()]),
        ]:
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as stranger:
                stranger.connect(child_handover._address(os.getpid()))
                socket.send_fds(stranger, [message], fds)
        with pytest.raises(FileNotFoundError):
            SharedMemory("nobody-has-this")
        assert len(os.listdir("/proc/self/fd")) == open_before
    assert set(blocks._handles) == before


# ---------------------------------------------------------------------- the object


@pytest.mark.parametrize("size", [1, 10, 4031, 4032, 4033, 4095, 4096, 4097, 65536, 100_000])
def test_every_attachment_has_the_exact_size(name: str, size: int) -> None:
    block = SharedMemory(name, create=True, size=size)
    other = SharedMemory(name)
    assert (block.size, len(block.buf), other.size, len(other.buf)) == (size,) * 4
    other.buf[-1] = 9
    assert block.buf[size - 1] == 9
    other.close()
    block.close()
    if blocks.POSIX:
        block.unlink()


def test_arrays_outlive_the_object() -> None:
    np = pytest.importorskip("numpy")
    block = SharedMemory(create=True, size=8000)
    array = np.ndarray((1000,), dtype=float, buffer=block.buf)
    array[:] = 7.0
    block.close()
    if blocks.POSIX:
        block.unlink()
    del block
    array[5] = 8.0
    assert array.sum() == 7001.0


def test_close_is_harmless_while_memoryviews_are_in_use_and_when_repeated() -> None:
    block = SharedMemory(create=True, size=10)
    view = block.buf[2:4]
    block.close()
    block.close()
    assert block.buf is None
    view[0] = 5
    assert view[0] == 5
    if blocks.POSIX:
        block.unlink()


@pytest.mark.parametrize("track", [True, False])
def test_track_survives_pickling(track: bool) -> None:
    block = SharedMemory(create=True, size=10, track=track)
    copy = pickle.loads(pickle.dumps(block))
    assert copy._track is track
    assert pickle.loads(pickle.dumps(copy))._track is track
    copy.buf[0] = 3
    assert block.buf[0] == 3
    copy.close()
    block.close()
    if blocks.POSIX:
        block.unlink()


def test_sizes_that_no_block_can_have_and_names_that_lead_elsewhere_are_refused() -> None:
    for size in (0, -1):
        with pytest.raises(ValueError):
            SharedMemory(create=True, size=size)
    with pytest.raises(ValueError):
        SharedMemory()
    with pytest.raises(ValueError):
        SharedMemory("a\0b")
    if blocks.POSIX:
        for bad in ("../etc/passwd", "a/b", "..", ""):
            with pytest.raises(OSError):
                SharedMemory(bad)


def test_more_memory_than_there_is_is_an_exception() -> None:
    with pytest.raises((MemoryError, OSError)):
        SharedMemory(create=True, size=1 << 50)


def test_any_section_can_be_attached_to_by_its_name(name: str) -> None:
    with Section.create(name, 5000) as section, section.map() as view:
        view[:5] = b"hello"
        block = SharedMemory(name)
        assert (block.size, bytes(block.buf[:5])) == (8192, b"hello")
        if blocks.POSIX:
            block.unlink()  # its name is not a block's to take away
        block.close()
        SharedMemory(name).close()


def test_a_scribbled_record_gives_no_more_than_the_section(name: str) -> None:
    block = SharedMemory(name, create=True, size=100)
    with Section.open(name) as section, section.map() as view:
        struct.pack_into("<Q", memoryview(view), len(view) - record.SIZE, 1 << 40)
        other = SharedMemory(name)
        assert other.size == len(view)
        other.close()
        struct.pack_into("<Q", memoryview(view), len(view) - record.SIZE, 100)
    block.close()
    if blocks.POSIX:
        block.unlink()


# ---------------------------------------------------------------------- POSIX shared memory objects


@linux_only
def test_a_genuine_block_can_be_opened_written_and_unlinked() -> None:
    genuine = originals.SharedMemory(create=True, size=5000)
    try:
        genuine.buf[:5] = b"there"
        block = SharedMemory(genuine.name)
        assert (block.size, bytes(block.buf[:5])) == (5000, b"there")
        block.buf[:4] = b"back"
        assert bytes(genuine.buf[:5]) == b"backe"
        block.close()
        with pytest.raises(FileExistsError):
            SharedMemory(genuine.name, create=True, size=10)
        done = python(
            "import sys; from memsection.compat import SharedMemory\nb = SharedMemory(sys.argv[1])",
            genuine.name,
        )
        assert (done.returncode, done.stderr) == (0, "")
        originals.SharedMemory(genuine.name).close()
    finally:
        genuine.close()
        genuine.unlink()


@linux_only
def test_an_untracked_block_stays_until_it_is_unlinked_and_is_a_genuine_one(name: str) -> None:
    code = (
        "import sys; from memsection.compat import SharedMemory\n"
        "SharedMemory(sys.argv[1], create=True, size=5000, track=False).buf[:4] = b'stay'"
    )
    done = python(code, name)
    assert (done.returncode, done.stderr) == (0, "")
    path = Path(posix_shm.DIRECTORY, name)
    assert (path.stat().st_size, path.stat().st_mode & 0o777) == (5000, 0o600)
    block = SharedMemory(name)
    assert bytes(block.buf[:4]) == b"stay"
    block.unlink()
    assert not path.exists()
    with pytest.raises(FileNotFoundError):
        block.unlink()
    block.close()


@linux_only
def test_a_link_in_the_directory_is_not_followed(name: str, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(bytes(4096))
    link = Path(posix_shm.DIRECTORY, name)
    link.symlink_to(target)
    try:
        with pytest.raises(PermissionError):
            SharedMemory(name)
        with pytest.raises(FileExistsError):
            SharedMemory(name, create=True, size=10)
    finally:
        link.unlink()


@linux_only
def test_a_full_file_system_is_an_exception(name: str) -> None:
    if os.geteuid():
        pytest.skip("mounting a small /dev/shm needs root")
    code = """
import ctypes, os, sys
from memsection.compat import SharedMemory
libc = ctypes.CDLL(None, use_errno=True)
if libc.unshare(0x20000) or libc.mount(b"none", b"/", None, 0x44000, None) or libc.mount(
        b"tmpfs", b"/dev/shm", b"tmpfs", 0, b"size=1m"):
    print("cannot mount"); sys.exit()
os.environ.pop("MEMSECTION_ROOT", None)
try:
    SharedMemory(sys.argv[1], create=True, size=2 << 20, track=False)
except OSError as problem:
    print(problem.errno, sys.argv[1] in os.listdir("/dev/shm"))
block = SharedMemory(sys.argv[1], create=True, size=8 << 20)  # a section is not bound by the mount
block.buf[::4096] = bytes(2048)
print(block.size)
block.close()
block.unlink()
"""
    done = python(code, name)
    if "cannot mount" in done.stdout:
        pytest.skip("this root may not mount")
    assert done.stdout.split("\n")[:2] == ["28 False", str(8 << 20)], done.stderr


# ---------------------------------------------------------------------- the manager


def test_a_managers_blocks_go_with_it_and_stay_without_their_maker() -> None:
    with SharedMemoryManager(ctx=multiprocessing.get_context("spawn")) as manager:
        block = manager.SharedMemory(100)
        values = manager.ShareableList(["a", 1])
        names = [block.name, values.shm.name]
        block.close()
        values.shm.close()
        assert list(ShareableList(name=names[1])) == ["a", 1]
        SharedMemory(names[0]).close()
    if blocks.POSIX:
        for gone in names:
            with pytest.raises(FileNotFoundError):
                SharedMemory(gone)
        blocks._sweep()


@pytest.mark.linux_only("a resource tracker is what forking systems have")
def test_a_manager_starts_no_resource_tracker_and_says_nothing() -> None:
    done = python(
        "import multiprocessing\nfrom multiprocessing import resource_tracker\n"
        "from memsection.compat import SharedMemoryManager\n"
        "if __name__ == '__main__':\n"
        "    with SharedMemoryManager(ctx=multiprocessing.get_context('fork')) as manager:\n"
        "        block = manager.SharedMemory(10)\n"
        "    print(resource_tracker._resource_tracker._pid)"
    )
    assert (done.stdout, done.stderr) == ("None\n", "")
