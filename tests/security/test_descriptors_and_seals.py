# SPDX-License-Identifier: MIT
"""Descriptors received from liars, files that change under a section, and ``seal`` against every
way to write."""

from __future__ import annotations

import contextlib
import errno
import os
import pty
import socket
from collections.abc import Callable, Iterator

import pytest
from support.users import Program

from memsection import Error, InPageError, Section

Start = Callable[..., Program]


@contextlib.contextmanager
def descriptor(kind: str, directory: str) -> Iterator[int]:
    """A descriptor of something, which a liar calls a piece of shared memory."""
    extra: list[int] = []
    if kind == "pipe":
        fd, other = os.pipe()
        extra.append(other)
    elif kind == "socket":
        left, right = socket.socketpair()
        fd = left.detach()
        extra.append(right.detach())
    elif kind == "directory":
        fd = os.open(directory, os.O_RDONLY)
    elif kind == "null device":
        fd = os.open("/dev/null", os.O_RDWR)
    elif kind == "zero device":
        fd = os.open("/dev/zero", os.O_RDWR)
    elif kind == "terminal":
        fd, other = pty.openpty()
        extra.append(other)
    elif kind == "event counter":
        fd = os.eventfd(0)
    elif kind == "process":
        fd = os.pidfd_open(os.getpid())
    elif kind == "path only":
        path = f"{directory}/path only"
        with open(path, "wb") as file:
            file.write(b"x" * 4096)
        fd = os.open(path, os.O_PATH)
        os.unlink(path)
    elif kind == "empty file":
        fd = os.memfd_create("empty")
    elif kind == "kernel file":
        fd = os.open("/proc/self/maps", os.O_RDONLY)
    else:
        fd = 987654
    try:
        yield fd
    finally:
        for each in (fd, *extra):
            with contextlib.suppress(OSError):
                os.close(each)


LIES = [
    "pipe",
    "socket",
    "directory",
    "null device",
    "zero device",
    "terminal",
    "event counter",
    "process",
    "path only",
    "empty file",
    "kernel file",
    "closed",
]


@pytest.mark.sentence(19)
@pytest.mark.parametrize("kind", LIES)
def test_a_descriptor_of_something_else_is_an_error(kind: str, root: str) -> None:
    with descriptor(kind, root) as fd:
        before = sorted(os.listdir("/proc/self/fd"))
        with pytest.raises(Error) as caught:
            Section.from_fd(fd)
        assert isinstance(caught.value, (ValueError, PermissionError)) and str(caught.value)
        assert sorted(os.listdir("/proc/self/fd")) == before


@pytest.mark.sentence(15)
def test_a_file_that_shrinks_costs_an_error_and_not_the_process(root: str) -> None:
    path = f"{root}/shrinks"
    with open(path, "wb") as file:
        file.write(b"y" * 65536)
    fd = os.open(path, os.O_RDWR)
    try:
        with Section.from_fd(fd) as section, section.map() as view:
            assert bytes(view[:4]) == b"yyyy"
            os.ftruncate(fd, 0)
            with pytest.raises(InPageError, match="its file was cut short"):
                bytes(view[:4])
            with section.map() as another, pytest.raises(InPageError):
                bytes(another[:4])
    finally:
        os.close(fd)
        os.unlink(path)


def test_a_memfd_that_shrinks_between_the_look_and_the_map_is_an_in_page_error() -> None:
    fd = os.memfd_create("shrinks")
    os.ftruncate(fd, 65536)
    try:
        with Section.from_fd(fd) as section:
            os.ftruncate(fd, 4096)
            with section.map(0, 65536) as view, pytest.raises(InPageError):
                bytes(view[:])
    finally:
        os.close(fd)


@pytest.mark.sentence(19)
def test_a_descriptor_that_says_it_is_a_handle_of_this_library_is_checked_before_it_is_one() -> (
    None
):
    """The file position carries what a handle is; a liar can write one that names any descriptor of
    the receiver's."""
    precious = os.memfd_create("precious")
    os.ftruncate(precious, 4096)
    lie = os.memfd_create("lie")
    try:
        for size in (0, 4096, 8192):
            os.ftruncate(lie, size)
            os.lseek(lie, 1 << 62 | (precious + 1) << 32 | 0xF001F, 0)
            with pytest.raises(Error):
                Section.from_handle(lie * 4)
        assert os.fstat(precious).st_size == 4096
    finally:
        os.close(lie)
        os.close(precious)


@pytest.mark.sentence(19)
def test_a_true_body_with_a_lying_position_gives_no_descriptor_of_the_receiver_away() -> None:
    precious = os.memfd_create("precious")
    os.ftruncate(precious, 4096)
    try:
        with Section.create(size=4096) as section:
            lie = os.open(f"/proc/self/fd/{section.fileno()}", os.O_RDWR)
            try:
                os.lseek(lie, 1 << 62 | (precious + 1) << 32 | 0xF001F, 0)
                with pytest.raises(Error):
                    Section.from_handle(lie * 4)
            finally:
                os.close(lie)
        assert os.fstat(precious).st_size == 4096
    finally:
        os.close(precious)


@pytest.mark.sentence(10)
def test_the_sender_of_a_reader_keeps_its_own_handle_whatever_another_user_does(
    start: Start, root: str
) -> None:
    owner, stranger = start(12345), start(12346)
    owner.run(
        "import socket\nthing = Section.create('Global\\\\sent', 4096)\n"
        "listener = socket.socket(socket.AF_UNIX); listener.bind(path); os.chmod(path, 0o777); "
        "listener.listen()",
        path=f"{root}/socket",
    )
    stranger.run(
        "import socket\nsock = socket.socket(socket.AF_UNIX); sock.connect(path)",
        path=f"{root}/socket",
    )
    owner.run("peer, _ = listener.accept()\nreader = thing.duplicate('r'); reader.send(peer)")
    stranger.run(
        "got = Section.recv(sock); fd = got.fileno()\n"
        "os.lseek(fd, 0, 0); fcntl.flock(fd, fcntl.LOCK_UN)\n"
        "try: fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)\nexcept BlockingIOError: pass"
    )
    owner.run(
        "reader.duplicate().close(); reader.map().close(); Section.open('Global\\\\sent').close()"
    )
    owner.run(
        "peer.close(); listener.close(); os.unlink(path); reader.close(); thing.close()",
        path=f"{root}/socket",
    )
    stranger.run("sock.close()")


# ------------------------------------------------------------------ seal

WRITABLE = [
    ("map", "section.map(access='rw')"),
    ("another handle", "Section.open(name, access='rw').map(access='rw')"),
    ("a duplicate", "section.duplicate('rw').map(access='rw')"),
    ("MapViewOfFile", "win32.MapViewOfFile(section.handle, 2, 0, 0, 0)"),
    (
        "the descriptor",
        "mmap.mmap(section.fileno(), 4096, mmap.MAP_SHARED, mmap.PROT_WRITE | mmap.PROT_READ)",
    ),
    (
        "the descriptor, opened again",
        "mmap.mmap(os.open(f'/proc/self/fd/{section.fileno()}', os.O_RDWR), 4096, mmap.MAP_SHARED, "
        "mmap.PROT_WRITE)",
    ),
    ("write()", "os.pwrite(section.fileno(), b'x', 0)"),
    (
        "write() after opening again",
        "os.pwrite(os.open(f'/proc/self/fd/{section.fileno()}', os.O_RDWR), b'x', 0)",
    ),
    ("another process's descriptor", "Section.from_process(pid, handle).map(access='rw')"),
    ("growing", "os.ftruncate(section.fileno(), 1 << 20)"),
    ("shrinking", "os.ftruncate(section.fileno(), 0)"),
    (
        "punching a hole",
        "if ctypes.CDLL(None, use_errno=True).fallocate(section.fileno(), 3, ctypes.c_long(0), "
        "ctypes.c_long(4096)): raise PermissionError(ctypes.get_errno(), 'fallocate')",
    ),
    (
        "making a read-only view writable",
        "v = win32.MapViewOfFile(section.handle, 4, 0, 0, 0); win32.VirtualProtect(v, 4096, 4)",
    ),
]


@pytest.mark.sentence(18)
@pytest.mark.invariant("R3")
@pytest.mark.parametrize("who", [0, 12345])
@pytest.mark.parametrize(("way", "code"), WRITABLE, ids=[way for way, _ in WRITABLE])
def test_after_seal_nobody_gets_a_writable_view(
    start: Start, who: int, way: str, code: str
) -> None:
    keeper, other = start(who), start(who)
    keeper.run(
        "section = Section.create('sealed', 8192); view = section.map(); view[:6] = b'before'; "
        "section.seal()"
    )
    other.run(
        "section = Section.open('sealed', access='r')",
        name="sealed",
        pid=keeper.pid,
        handle=keeper.value("section.handle"),
    )
    for program in (keeper, other):
        program.run("", name="sealed", pid=keeper.pid, handle=keeper.value("section.handle"))
        refused = program.refusal(code)
        assert refused.winerror is not None or refused.errno in (
            errno.EPERM,
            errno.EACCES,
            errno.EBADF,
            errno.EINVAL,
        ), refused
    keeper.run("view[:5] = b'after'")  # views that exist keep writing
    assert other.value("bytes(section.map()[:6])") == b"aftere"
    assert other.value("bytes(section.map(access='c')[:6])") == b"aftere"
    other.run("section.close()")
    keeper.run("view.close(); section.close()")


def test_sealing_needs_the_right_to_write(start: Start) -> None:
    program = start(0)
    program.run("s = Section.create('sealed', 4096); r = Section.open('sealed', access='r')")
    assert program.refusal("r.seal()").winerror == 5
    program.run("s.map().close(); s.close(); r.close()")


def test_bodies_never_shrink_or_grow() -> None:
    with Section.create(size=4096) as section:
        for size in (0, 1 << 20):
            with pytest.raises(PermissionError):
                os.ftruncate(section.fileno(), size)
