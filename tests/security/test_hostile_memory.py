# SPDX-License-Identifier: MIT
"""Scribbling on control pages, locators and hints while other processes work: errors, never a
crash, a hang or a grant.

The scribbler is what may exist: another handle with write access (the control page), the same user
(the locator).
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from support.users import Program

Start = Callable[..., Program]
OWNER, PEER, STRANGER = 12345, 12346, 12347
PAGE = 4096
HEADER = 256

# What the victims try.  Each is an error of the library or a success, within a watchdog; nothing
# else.
TRIES = """
def tries(names):
    for name in names:
        for attempt in (
            lambda: Section.open(name, access='r'), lambda: Section.open(name, access='rw'),
            lambda: Section.create(name, 4096, exist_ok=True), lambda: Event.open(name),
            lambda: Mutex.open(name), lambda: Semaphore.open(name),
        ):
            try:
                found = attempt()
            except Error:
                continue
            try:
                look(found)
            finally:
                found.close()  # and not "with": that would wait for a semaphore whose units somebody scribbled away

def look(found):
    for part in ('name', 'size', 'access', 'security', 'granted_access'):
        try:
            getattr(found, part, None)
        except Error:
            pass
    try:
        if isinstance(found, Section):
            with found.map(access='r') as view:
                # Any section can be made to look like a reserved one, whose pages must not be touched before they
                # are committed (sentence 26); committing what is committed is nothing.
                try: view.commit()
                except Error: pass
                else: bytes(view[:1]), bytes(view[-1:])
        elif isinstance(found, Event):
            found.is_set(); found.wait(0)
        elif isinstance(found, Semaphore):
            found.acquire(0)
        elif isinstance(found, Mutex):
            if found.acquire(0): found.release()
    except Error:
        pass
"""
#: Where in the control area, and what: mostly in the control page, which is the last one, now and
#: then before it.
SCRIBBLES = some.lists(
    some.tuples(
        some.one_of(
            some.integers(0, HEADER - 1),
            some.integers(HEADER, PAGE - 1),
            some.integers(3072, 3200),
            some.integers(-2 * PAGE, -1),
        ),
        some.one_of(
            some.binary(min_size=1, max_size=16),
            some.integers(0, 7).map(lambda bit: (1 << bit * 8).to_bytes(8, "little")),
            some.sampled_from(
                [b"\xff" * 8, b"\0" * 8, b"\x7f\xff\xff\xff", b"\xff" * 64, b"\0" * 256]
            ),
        ),
    ),
    min_size=1,
    max_size=8,
)


@pytest.fixture
def victims(start: Start) -> Iterator[tuple[Program, Program]]:
    """The owner of Global objects that a peer may write, and a stranger who may not open them."""
    owner, stranger = start(OWNER), start(STRANGER)
    for program in (owner, stranger):
        program.run(TRIES)
    yield owner, stranger


OBJECTS = {
    "section": "made = Section.create('Global\\\\victim', 8192, security=rights)",
    "reserved section": "made = Section.create('Global\\\\victim', 1 << 20, commit=False, "
    "security=rights)",
    "section of a file": "made = Section.from_file('/proc/self/exe', name='Global\\\\victim', "
    "security=rights)",
    "section with a long descriptor": "made = Section.create('Global\\\\victim', 8192, "
    "security=Security(users={\n"
    f"    {PEER}: 'rw', **{{number: 'r' for number in range(50000, 50100)}}}}))",
    "event": "made = Event.create('Global\\\\victim', security=rights)",
    "mutex": "made = Mutex.create('Global\\\\victim', security=rights)",
    "semaphore": "made = Semaphore.create('Global\\\\victim', 1, maximum=5, security=rights)",
}
SETTINGS = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.sentence(12)
@pytest.mark.sentence(13)
@pytest.mark.invariant("M1")
@pytest.mark.parametrize("kind", OBJECTS)
def test_a_scribbled_control_page_gives_errors_and_opens_nothing_to_strangers(
    root: str, victims: tuple[Program, Program], kind: str
) -> None:
    owner, stranger = victims
    path = f"{root}/memsection.victim"

    @SETTINGS
    @given(SCRIBBLES)
    def scribbled(scribbles: list[tuple[int, bytes]]) -> None:
        owner.run(f"rights = Security(users={{{PEER}: 'rw'}}); {OBJECTS[kind]}")
        fd = os.open(path, os.O_RDWR)
        try:
            last = os.fstat(fd).st_size - PAGE
            for at, data in scribbles:
                os.pwrite(fd, data[: PAGE - at], max(0, last + at))
            owner.run("tries(['Global\\\\victim'])")
            refused = stranger.refusal("Section.open('Global\\\\victim', access='r')")
            # a wrong type or a damaged page, but never a handle
            assert refused.winerror in (2, 5, 6, 1392), refused
        finally:
            os.close(fd)
            owner.run("made.close()")
            if os.path.exists(path):  # what is damaged beyond recognition is its owner's to remove
                os.unlink(path)

    scribbled()


@pytest.mark.sentence(14)
def test_a_descriptor_that_a_peer_wrote_into_the_page_opens_nothing(
    root: str, start: Start
) -> None:
    """The peer, who may write, replaces the descriptor by one that lets everybody in, with its
    checksum and all."""
    owner, peer, stranger = start(OWNER), start(PEER), start(STRANGER)
    owner.run(
        f"made = Section.create('Global\\\\victim', 8192, security=Security(users={{{PEER}: "
        f"'rw'}}))"
    )
    peer.run(
        "s = Section.open('Global\\\\victim')\n"
        "from memsection.nt.linux.bodies import control_page\n"
        "from memsection.vocabulary import sddl\n"
        f"lie = sddl.parse('O:S-1-22-1-{OWNER}D:NO_ACCESS_CONTROL').to_bytes()\n"
        "fd = os.open(path, os.O_RDWR); control_page.write_descriptor(fd, control_page.read(fd, "
        "os.fstat(fd).st_size),"
        " lie); os.close(fd)",
        path=f"{root}/memsection.victim",
    )
    # the library believes it ...
    assert owner.value("made.security.sddl").endswith("D:NO_ACCESS_CONTROL")
    for access in ("r", "rw"):
        # not the kernel
        assert (
            stranger.refusal(f"Section.open('Global\\\\victim', access='{access}')").winerror == 5
        )
    # nor does writing it make anybody the owner
    assert peer.refusal("s.security = 'D:NO_ACCESS_CONTROL'").winerror == 5
    assert os.stat(f"{root}/memsection.victim").st_mode & 0o007 == 0
    peer.run("s.close()")
    owner.run("made.close()")


@pytest.mark.invariant("M1")
def test_a_scribbled_locator_gives_errors(root: str, victims: tuple[Program, Program]) -> None:
    owner, _ = victims
    path = f"{root}/memsection-{OWNER}/victim"

    @SETTINGS
    @given(
        some.lists(
            some.tuples(some.integers(0, 220), some.binary(min_size=1, max_size=24)),
            min_size=1,
            max_size=6,
        ),
        some.one_of(some.none(), some.integers(0, 400)),
    )
    def scribbled(scribbles: list[tuple[int, bytes]], size: int | None) -> None:
        owner.run("made = Section.create('victim', 8192); view = made.map(); view[:4] = b'true'")
        fd = os.open(path, os.O_RDWR)
        try:
            for at, data in scribbles:
                os.pwrite(fd, data, at)
            if size is not None:
                os.ftruncate(fd, size)
            owner.run("tries(['victim'])")
            assert owner.value("bytes(view[:4])") == b"true"
        finally:
            os.close(fd)
            owner.run("view.close(); made.close()")
            if os.path.exists(path):
                os.unlink(path)

    scribbled()


@pytest.mark.invariant("M1")
def test_hints_that_lie_lead_nowhere_else(root: str, start: Start) -> None:
    """Hints that name other descriptors: a pipe, a directory, another section, init's; the right
    body is found anyway."""
    owner, other = start(OWNER), start(OWNER)
    owner.run(
        "made = Section.create('victim', 4096); view = made.map(); view[:4] = b'true'\n"
        "decoy = Section.create(size=4096); r, w = os.pipe()"
    )
    path = f"{root}/memsection-{OWNER}/victim"
    lies = [
        (1, 0),
        (owner.pid, owner.value("r")),
        (owner.pid, owner.value("decoy.handle // 4")),
        (0xFFFFFFFF, 3),
        (other.pid, 1),
        (owner.pid, 0xFFFFFFFF),
        (os.getpid(), 0),
    ]
    for lie in lies:
        with open(path, "r+b") as file:
            for slot in range(16):
                file.seek(64 + 8 * slot)
                file.write(lie[0].to_bytes(4, "little") + lie[1].to_bytes(4, "little"))
        assert other.value("bytes(Section.open('victim').map()[:4])") == b"true", lie
        other.run(
            "import gc, warnings\nwith warnings.catch_warnings(): warnings.simplefilter('ignore'); "
            "gc.collect()"
        )
    owner.run("os.close(r); os.close(w); decoy.close(); view.close(); made.close()")


@pytest.mark.sentence(13)
def test_scribbling_while_others_work_ends_nobody(
    root: str, start: Start, pytestconfig: pytest.Config
) -> None:
    """One scribbles without a pause on the pages of living objects; three work with them, and
    live."""
    owner = start(OWNER)
    workers = [start(OWNER) for _ in range(3)]
    owner.run(
        "rights = Security(everyone='rw')\n"
        "kept = [Section.create('Global\\\\s', 8192, security=rights), Event.create('Global\\\\e', "
        "security=rights),\n"
        "        Semaphore.create('Global\\\\q', 1, maximum=3, security=rights),\n"
        "        Mutex.create('Global\\\\m', security=rights)]"
    )
    paths = [f"{root}/memsection.{name}" for name in "seqm"]
    before = [open_and_read(path) for path in paths]
    stop = threading.Event()

    def scribble() -> None:
        chance = random.Random(20260101)
        descriptors = [os.open(path, os.O_RDWR) for path in paths]
        try:
            while not stop.is_set():
                which = chance.randrange(len(paths))
                last = len(before[which]) - PAGE
                at = chance.randrange(PAGE - 8)
                os.pwrite(descriptors[which], chance.randbytes(chance.randrange(1, 8)), last + at)
                if chance.random() < 0.3:  # and now and then it makes sense again
                    os.pwrite(descriptors[which], before[which][last:], last)
        finally:
            for fd in descriptors:
                os.close(fd)

    thread = threading.Thread(target=scribble)
    thread.start()
    try:
        deadline = time.monotonic() + 3
        for worker in workers:
            worker.run(TRIES)
        while time.monotonic() < deadline:
            for worker in workers:  # each answers within the watchdog, or the test fails
                worker.run("tries(['Global\\\\s', 'Global\\\\e', 'Global\\\\q', 'Global\\\\m'])")
    finally:
        stop.set()
        thread.join()
    for path, whole in zip(paths, before, strict=True):
        if os.path.exists(path):
            with open(path, "r+b") as file:
                file.write(whole)
    owner.run("for each in kept: each.close()")
    for path in paths:
        if os.path.exists(path):
            os.unlink(path)


def open_and_read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


@pytest.mark.sentence(26)
def test_a_writer_can_make_pages_count_as_not_committed(root: str, start: Start) -> None:
    owner, careless = start(OWNER), start(OWNER)
    owner.run(
        f"made = Section.create('Global\\\\pages', 1 << 20, commit=False, "
        f"security=Security(users={{{PEER}: 'rw'}}))\n"
        "view = made.map(); view.commit(0, 65536); view[:4] = b'true'"
    )
    peer = start(PEER)
    spoil = (
        "fd = os.open(path, os.O_RDWR); size = os.fstat(fd).st_size; os.pwrite(fd, bytes(4096), "
        "size - 8192)\n"
        "ctypes.CDLL(None).fallocate(fd, 3, ctypes.c_long(0), ctypes.c_long(size - 8192)); "
        "os.close(fd)"
    )
    peer.run(spoil, path=f"{root}/memsection.pages")
    careless.run(
        "got = Section.open('Global\\\\pages'); there = got.map()\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    import resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); bytes(there[:4]); "
        "os._exit(0)\n"
        "status = os.waitpid(child, 0)[1]"
    )
    assert careless.value("os.WTERMSIG(status)") in (7, 11)
    careless.run("there.close(); got.close()")
    owner.run("view.close(); made.close()")
