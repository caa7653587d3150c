# SPDX-License-Identifier: MIT
"""Descriptors from users who are not trusted: what arrives is checked."""

from __future__ import annotations

import array
import fcntl
import os
import re
import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.objects import leaves_nothing, unique_name
from support.workers import worker

import memsection
from memsection import AccessError, Event, HandleError, InPageError, Mutex, Section, Semaphore
from memsection.api import passing
from memsection.nt import kernel

TAG = 1 << 62
_left = pytest.fixture(autouse=True)(leaves_nothing)

THINGS: dict[str, Callable[[], Any]] = {
    "section": lambda: Section.create(size=8192),
    "mutex": lambda: Mutex.create(),
    "event": lambda: Event.create(),
    "semaphore": lambda: Semaphore.create(maximum=3),
}


def lie(kind: type, *fds: int) -> tuple[bytes, list[tuple[int, int, array.array[int]]]]:
    """A message of the library's that brings these descriptors."""
    header = passing._HEADER.pack(passing._MAGIC, kind._type.number, len(fds))  # type: ignore[attr-defined]
    return header, [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]


def copy_of(
    thing: memsection.Section | Mutex, *, sealed: bool, flags: int = os.MFD_ALLOW_SEALING
) -> int:
    """A memfd with the bytes of a true body, which says of itself that it is a handle."""
    true = kernel.handle_descriptors(thing.handle)[0]
    size = os.fstat(true).st_size
    fd = os.memfd_create("copy", flags)
    os.ftruncate(fd, size)
    os.pwrite(fd, os.pread(true, size, 0), 0)
    if sealed:
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
    os.lseek(fd, TAG | thing.granted_access, 0)
    return fd


@pytest.mark.sentence(19)
@pytest.mark.invariant("M3")
@pytest.mark.parametrize(
    "flags", [os.MFD_ALLOW_SEALING, 0], ids=["could be sealed", "cannot be sealed"]
)
@pytest.mark.parametrize("what", THINGS)
def test_a_body_that_its_sender_can_cut_is_refused(
    what: str, flags: int, sockets: tuple[socket.socket, socket.socket]
) -> None:
    with closing(THINGS[what]()) as thing:
        forged = copy_of(thing, sealed=False, flags=flags)
        try:
            sockets[0].sendmsg(
                *[[part] if isinstance(part, bytes) else part for part in lie(type(thing), forged)]
            )
            with pytest.raises(HandleError, match="not sealed against being cut"):
                type(thing).recv(sockets[1])
            inherited = os.dup(forged)
            try:
                with pytest.raises(HandleError, match="not sealed against being cut"):
                    type(thing).from_handle(inherited * 4)
            finally:
                os.close(inherited)
        finally:
            os.close(forged)


@pytest.mark.sentence(19)
@pytest.mark.parametrize("seals", ["F_SEAL_SHRINK", "F_SEAL_GROW", "F_SEAL_SEAL"])
def test_half_of_the_seals_is_not_enough(
    seals: str, sockets: tuple[socket.socket, socket.socket]
) -> None:
    with Section.create(size=8192) as section:
        forged = copy_of(section, sealed=False)
        fcntl.fcntl(forged, fcntl.F_ADD_SEALS, getattr(fcntl, seals))
        header, rights = lie(Section, forged)
        sockets[0].sendmsg([header], rights)
        os.close(forged)
        with pytest.raises(HandleError, match="not sealed"):
            Section.recv(sockets[1])


@pytest.mark.sentence(19)
def test_a_memfd_that_claims_a_global_name_is_refused(
    sockets: tuple[socket.socket, socket.socket],
) -> None:
    """Bodies with a Global name are files, which have no seals; a memfd could have had them."""
    with Section.create(unique_name("Global\\"), size=8192) as section:
        forged = copy_of(section, sealed=False)
        header, rights = lie(Section, forged)
        sockets[0].sendmsg([header], rights)
        os.close(forged)
        with pytest.raises(HandleError, match="not sealed"):
            Section.recv(sockets[1])


@pytest.mark.sentence(13)
@pytest.mark.sentence(19)
def test_no_file_system_is_asked_about_what_is_no_memory(
    sockets: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its sender's could let the receiver wait."""
    from memsection.nt.linux.system import syscalls

    asked: list[str] = []

    def observed(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def observe(fd: int, *arguments: Any) -> Any:
            if os.readlink(f"/proc/self/fd/{fd}") == os.path.realpath(__file__):
                asked.append(name)
            return call(fd, *arguments)

        return observe

    for name in ("fstat", "pread", "reopen", "flock"):
        monkeypatch.setattr(syscalls, name, observed(name, getattr(syscalls, name)))
    fd = os.open(__file__, os.O_RDONLY)
    header, rights = lie(Section, fd)
    sockets[0].sendmsg([header], rights)
    os.close(fd)
    with pytest.raises(HandleError, match="no file in memory"):
        Section.recv(sockets[1])
    assert asked == []


@pytest.mark.sentence(15)
def test_a_received_global_body_that_is_cut_costs_an_error_and_not_the_process(
    sockets: tuple[socket.socket, socket.socket],
) -> None:
    with Section.create(unique_name("Global\\"), size=1 << 16) as section, section.map() as view:
        section.send(sockets[0])
        with Section.recv(sockets[1]) as received, received.map() as mine:
            mine[0] = 1
            os.ftruncate(section.fileno(), 0)
            with pytest.raises(InPageError):
                bytes(mine[:4])
        with pytest.raises(InPageError):
            bytes(view[:4])


ENDS_OWNING = """
import threading
from memsection.nt import kernel
mutex = Mutex.create(name)
fd = os.dup(kernel.handle_descriptors(mutex.handle)[0])

def own():
    global mutex
    mutex.acquire()
    mutex.close()
    mutex = None
    os.ftruncate(fd, 0)

for _ in range(2):
    thread = threading.Thread(target=own)
    thread.start()
    thread.join()
    os.close(fd)
    mutex = Mutex.create(name + '2')
    fd = os.dup(kernel.handle_descriptors(mutex.handle)[0])
os.close(fd); mutex.close()
"""


@pytest.mark.sentence(15)
@pytest.mark.invariant("M3")
def test_a_thread_that_ends_owning_a_closed_global_mutex_that_was_cut_ends_no_process() -> None:
    with worker() as other:
        other.run(ENDS_OWNING, name=unique_name("Global\\"))
        assert other.value("1 + 1") == 2


@pytest.mark.sentence(19)
def test_a_mutex_whose_memory_is_sealed_against_writing_is_an_error_that_says_so(
    sockets: tuple[socket.socket, socket.socket],
) -> None:
    with closing(Mutex.create()) as mutex:
        forged = copy_of(mutex, sealed=True)
        fcntl.fcntl(forged, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)
        header, rights = lie(Mutex, forged)
        sockets[0].sendmsg([header], rights)
        os.close(forged)
        with pytest.raises(AccessError, match="sealed against writing"):
            Mutex.recv(sockets[1])


@pytest.mark.sentence(15)
@pytest.mark.invariant("M3")
@pytest.mark.parametrize("left", [0, 8192, (1 << 20) + 4096, 1 << 20])
def test_a_reserved_global_section_that_is_cut_costs_an_error_and_not_the_process(
    left: int,
) -> None:
    name = unique_name("Global\\")
    with (
        Section.create(name, 1 << 20, commit=False) as section,
        section.map() as view,
        section.map(access="r") as reader,
    ):
        view.commit(0, 65536)
        view[:2] = b"ok"
        assert bytes(reader[:2]) == b"ok"
        os.ftruncate(section.fileno(), left)
        for touch in (
            lambda: bytes(view[32768:32772]),
            lambda: bytes(reader[:4]),
            lambda: view.commit(1 << 19, 4096),
            lambda: kernel.query_virtual_memory(-1, view.address),
        ):
            try:
                touch()
            except (InPageError, memsection.Error):
                continue
        if left < 65536:
            with pytest.raises(InPageError):
                bytes(view[:65536])


@pytest.mark.sentence(15)
def test_pages_of_a_reserved_global_section_are_there_for_all(
    sockets: tuple[socket.socket, socket.socket],
) -> None:
    name = unique_name("Global\\")
    with (
        worker() as other,
        Section.create(name, 1 << 20, commit=False) as section,
        section.map() as view,
    ):
        other.run(
            "section = Section.open(name); view = section.map(); view.commit(65536, 4096); "
            "view[65536:65538] = b'ok'",
            name=name,
        )
        assert bytes(view[65536:65538]) == b"ok"
        view.commit(0, 4096)
        view[0] = 7
        assert other.value("view[0]") == 7
        other.run("view.close(); section.close()")


@pytest.mark.sentence(19)
def test_a_body_of_a_type_that_has_none_is_refused(
    sockets: tuple[socket.socket, socket.socket],
) -> None:
    with Section.create(size=8192) as section:
        for number in (0, 5, 6, 7, 8, 99):
            forged = copy_of(section, sealed=False)
            os.pwrite(forged, number.to_bytes(4, "little"), 8192 + 12)
            fcntl.fcntl(forged, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
            header, rights = lie(Section, forged)
            sockets[0].sendmsg([header], rights)
            os.close(forged)
            with pytest.raises(HandleError, match=f"object type {number}"):
                Section.recv(sockets[1])


@pytest.mark.sentence(19)
def test_a_section_of_a_sealed_file_that_says_it_is_longer_is_guarded(
    sockets: tuple[socket.socket, socket.socket], tmp_path: Path
) -> None:
    """The record says two pages, the file, sealed or not, has one: touching the other is an error,
    and no death."""
    data = os.memfd_create("data", os.MFD_ALLOW_SEALING)
    os.ftruncate(data, 8192)
    with Section.from_fd(data) as section:
        forged = copy_of(section, sealed=True)
        short = os.memfd_create("short", os.MFD_ALLOW_SEALING)
        os.ftruncate(short, 4096)
        fcntl.fcntl(short, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
        found, size = os.fstat(short), os.fstat(forged).st_size
        page = bytearray(os.pread(forged, 4096, size - 4096))
        page[48:64] = found.st_dev.to_bytes(8, "little") + found.st_ino.to_bytes(8, "little")
        os.pwrite(forged, page, size - 4096)
        header, rights = lie(Section, forged, short)
        sockets[0].sendmsg([header], rights)
        for fd in (forged, short, data):
            os.close(fd)
        with (
            Section.recv(sockets[1]) as received,
            received.map(access="r") as view,
            pytest.raises(InPageError),
        ):
            bytes(view[:])


# ------------------------------------------------------------------ locks that somebody else holds


@pytest.mark.sentence(13)
@pytest.mark.invariant("L8")
@pytest.mark.parametrize("what", THINGS)
def test_a_lock_that_the_sender_keeps_is_not_waited_for(
    what: str, impatient: None, sockets: tuple[socket.socket, socket.socket]
) -> None:
    with closing(THINGS[what]()) as thing:
        forged = copy_of(thing, sealed=True)
        keeper = os.open(f"/proc/self/fd/{forged}", os.O_RDONLY)
        fcntl.flock(keeper, fcntl.LOCK_EX)
        try:
            header, rights = lie(type(thing), forged)
            sockets[0].sendmsg([header], rights)
            with pytest.raises(AccessError, match="exclusive lock"):
                type(thing).recv(sockets[1])
        finally:
            os.close(keeper)
            os.close(forged)


@pytest.mark.invariant("L8")
@pytest.mark.parametrize(
    "way", ["thing.duplicate()", "Section.from_process(pid, handle)", "Section.open(name)"]
)
@pytest.mark.parametrize("prefix", ["", "Global\\"])
def test_a_lock_that_somebody_keeps_on_an_object_holds_nobody_up(
    way: str, prefix: str, impatient: None
) -> None:
    """Somebody took the handle's own lock away (a forked child can), and keeps an exclusive one."""
    name = unique_name(prefix)
    with worker() as other:
        other.run(
            "thing = Section.create(name, 4096)\nfrom memsection.nt.linux.handles import "
            "create_open\n"
            "from memsection.nt.linux.system import descriptions\n"
            "descriptions.LOCK_PATIENCE_SECONDS = create_open.NAME_BUSY_TIMEOUT_SECONDS = 0.05\n"
            "keeper = os.open(f'/proc/self/fd/{thing.fileno()}', os.O_RDONLY)\n"
            "fcntl.flock(thing.fileno(), fcntl.LOCK_UN); fcntl.flock(keeper, fcntl.LOCK_EX)",
            name=name,
        )
        if way.startswith("thing"):
            assert other.refusal(way).kind == "AccessError"
        else:
            with pytest.raises(AccessError):
                eval(
                    way,
                    {
                        "Section": Section,
                        "pid": other.pid,
                        "handle": other.value("thing.handle"),
                        "name": name,
                    },
                )
        other.run("os.close(keeper); thing.close()")


@pytest.mark.invariant("L8")
def test_no_call_in_the_source_waits_for_a_lock_of_a_file() -> None:
    source = Path(memsection.__file__).parent
    files = [
        *source.rglob("*.py"),
        *source.rglob("*.pyx"),
        *source.rglob("*.c"),
        *source.rglob("*.h"),
    ]
    text = {path: path.read_text(encoding="utf-8") for path in files}
    calls = [
        (path.name, call)
        for path, lines in text.items()
        for call in re.findall(r"(?:(?:\.|c_)flock\(|MS_CALL\(flock,)[^()]*\)", lines)
    ]
    assert len(calls) > 5
    assert [call for call in calls if "LOCK_NB" not in call[1] and "LOCK_UN" not in call[1]] == []
    assert [path for path, lines in text.items() if "SETLKW" in lines or "lockf(" in lines] == []
