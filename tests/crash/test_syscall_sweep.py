# SPDX-License-Identifier: MIT
"""Death at every system call of every public operation; then an audit by those who live on.

The audit: the neighbours' objects work, what the dead had is free for anybody, and nothing is left
in the namespace.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple

import pytest
from support.users import Program

Start = Callable[..., Program]


class Operation(NamedTuple):
    """What is swept over: statements, what goes before them, and what the living may have to do
    afterwards."""

    run: str
    prepare: str = ""
    clean: str = ""


HANDLE = "s = Section.open('shared')"
OWN = "s = Section.create('own', 8192)"
GLOBAL = "s = Section.create('Global\\\\own', 8192, security=Security(users={12345: 'r'}))"
REMAINS = (
    "pid = os.fork()\n"
    "if not pid:\n"
    "    s = Section.create('own', 8192); t = Section.create('Global\\\\own', 8192); "
    "os.kill(os.getpid(), 9)\n"
    "os.waitpid(pid, 0)\n"
)
TEMPORARY = (
    "try:\n"
    "    s = Section.open('Global\\\\own', access=0x10000); nt.NtMakeTemporaryObject(s.handle); "
    "s.close()\n"
    "except FileNotFoundError: pass"
)
#: What was started has the handle too, until it ends by itself.
INHERITED = """
import time
end = time.monotonic() + 60
while time.monotonic() < end:
    try:
        Section.open('own').close()
    except FileNotFoundError:
        break
    time.sleep(0.005)
"""
OPERATIONS = {
    "create unnamed": Operation("s = Section.create(size=8192)"),
    "create": Operation(OWN),
    "create global": Operation(GLOBAL),
    "create a large one": Operation("s = Section.create('own', 8 << 20)"),
    "create a reserved one": Operation(
        "s = Section.create('own', 1 << 20, commit=False)\nv = s.map(); v.commit(0, 65536)"
    ),
    "create what exists": Operation("s = Section.create('shared', 8192, exist_ok=True)"),
    "create what is taken": Operation(
        "try: Section.create('shared', 8192)\nexcept FileExistsError: pass"
    ),
    "open": Operation(HANDLE),
    "open to read": Operation("s = Section.open('shared', access='r')"),
    "open global": Operation("s = Section.open('Global\\\\shared')"),
    "open what does not exist": Operation(
        "try: Section.open('own')\nexcept FileNotFoundError: pass"
    ),
    "open what a crash left": Operation(
        "for name in ('own', 'Global\\\\own'):\n"
        "    try: Section.open(name)\n"
        "    except FileNotFoundError: pass",
        REMAINS,
    ),
    "create where a crash left something": Operation(
        f"{OWN}; t = Section.create('Global\\\\own', 8192)", REMAINS
    ),
    "map, write, unmap": Operation(
        "v = s.map(); v[:1] = b'x'; v.close()", f"{HANDLE}; s.map().close()"
    ),
    "map a copy": Operation(
        "v = s.map(access='c'); v[:1] = b'x'; v.close()", f"{HANDLE}; s.map(access='r').close()"
    ),
    "close the last handle": Operation("s.close()", OWN),
    "close the last global handle": Operation("s.close()", GLOBAL),
    "close a handle that is not the last": Operation("s.close()", HANDLE),
    "close while mapped": Operation("s.close(); v.close()", f"{OWN}; v = s.map()"),
    "duplicate": Operation("t = s.duplicate(); t.close()", HANDLE),
    "duplicate with less access": Operation("t = s.duplicate('r')", HANDLE),
    "duplicate and close the source": Operation(
        "t = win32.DuplicateHandle(-1, h, -1, 0, False, 3)", f"{OWN}; h = s.detach()"
    ),
    "change the flags": Operation(
        "s.inheritable = True; s.protect_from_close = True; s.protect_from_close = False", OWN
    ),
    "take from another process": Operation(
        "t = Section.from_process(neighbour, handle); t.map().close(); t.close()"
    ),
    "give to another process": Operation(
        "h = win32.DuplicateHandle(-1, s.handle, p, 0, False, 2)",
        f"{OWN}; p = win32.OpenProcess(0x40, False, neighbour)",
    ),
    "search a process": Operation("found = Process(neighbour).sections()"),
    "list everything": Operation(
        "from memsection.nt import kernel; found = kernel.list_directory()"
    ),
    "make a section of a file": Operation(
        "s = Section.from_file(path, name='own', access='rw', size=20000)"
    ),
    "write a file's view to disk": Operation(
        "v[:3] = b'abc'; v.flush(); v.close(); s.close()",
        "s = Section.from_file(path, name='own', access='rw'); v = s.map()",
    ),
    "extend": Operation(
        "must(nt.NtExtendSection(s, 40000)[0])",
        "k = win32.CreateFile(path, 0xC0000000, 3, None, 3, 0x80, 0)\n"
        "s = nt.NtCreateSection(0xF001F, None, 20000, 4, 0x8000000, k)[1]",
    ),
    "make a section of a descriptor": Operation(
        "s = Section.from_fd(fd)", "fd = os.memfd_create('x'); os.ftruncate(fd, 8192)"
    ),
    "seal": Operation("s.seal()", OWN),
    "look at the security": Operation("text = s.security.sddl", HANDLE),
    "loosen the security": Operation("s.security = 'D:(A;;GA;;;WD)'", GLOBAL),
    "tighten the security": Operation("s.security = 'D:'", GLOBAL),
    "make permanent": Operation(
        "must(nt.NtMakePermanentObject(s.handle)); s.close()",
        "s = Section.create('Global\\\\own', 8192)",
        TEMPORARY,
    ),
    "make temporary": Operation(
        "must(nt.NtMakeTemporaryObject(s.handle)); s.close()",
        "s = Section.create('Global\\\\own', 8192); nt.NtMakePermanentObject(s.handle)",
        TEMPORARY,
    ),
    "send and receive": Operation(
        "s.send(a); t = Section.recv(b); t.close()",
        f"import socket; a, b = socket.socketpair(); {OWN}",
    ),
    "create an event": Operation("e = Event.create('own', manual_reset=False, initial=True)"),
    "create a global event": Operation(
        "e = Event.create('Global\\\\own', security=Security(everyone='rw'))"
    ),
    "use an event": Operation(
        "e.set(); e.wait(0); e.clear(); e.is_set(); e.close()", "e = Event.open('shared event')"
    ),
    "create a semaphore": Operation("e = Semaphore.create('own', 1, maximum=2)"),
    "release a semaphore and close it": Operation(
        "e.release(); e.acquire(0); e.close()", "e = Semaphore.create('own', 1, maximum=5)"
    ),
    "wait for one of several": Operation(
        "wait_any([e, f], 0); e.close(); f.close()",
        "e = Event.open('shared event'); f = Event.create('own', initial=True)",
    ),
    "create a file handle": Operation(
        "h = win32.CreateFile(path, 0xC0000000, 3, None, 3, 0x80, 0)\nwin32.CloseHandle(h)"
    ),
    "start a process": Operation(
        "i = win32.CreateProcess(None, '/bin/true', None, None, True, 0, None, None, None)",
        "s = Section.create('own', 8192, inheritable=True)",
        INHERITED,
    ),
}

AUDIT = """
def audit():
    for name in ("shared", "Global\\\\shared"):
        with Section.open(name) as again, again.map() as there:
            there[-1:] = b"!"
            assert bytes(view[-1:]) == b"!" or name != "shared"
    event.set(); assert event.wait(60); event.clear()
    for name in ("own", "Global\\\\own"):
        with Section.create(name, 4096) as made:
            assert made.created and made.size == 4096, name
"""
NEIGHBOUR = (
    "shared = Section.create('shared', 8192); view = shared.map()\n"
    "everybodys = Section.create('Global\\\\shared', 8192, security=Security(everyone='rw'))\n"
    "event = Event.create('shared event')\n"
)


@pytest.fixture
def neighbour(start: Start) -> Program:
    """A program that lives through it all, with objects that others have open too."""
    program = start()
    program.run(NEIGHBOUR + AUDIT)
    return program


@pytest.mark.sentence(25)
@pytest.mark.invariant("L1")
@pytest.mark.parametrize("name", OPERATIONS)
def test_death_at_any_system_call_leaves_nothing_behind(
    name: str, root: str, start: Start, neighbour: Program, tmp_path: object
) -> None:
    operation = OPERATIONS[name]
    path = f"{tmp_path}/file"
    with open(path, "wb") as file:
        file.write(b"z" * 20000)
    sweeper = start()
    sweeper.run(
        "from support import sweep",
        neighbour=neighbour.pid,
        handle=neighbour.value("shared.handle"),
        path=path,
    )
    kept = files(root)
    number, outcome = 0, ""
    while outcome != "ended":
        # Death after a call is death before the next one: nothing that others could see happens
        # between them.  A search looks at every descriptor of every process, hundreds of calls that
        # change nothing: of what comes after the first fifty a sample is enough.
        number += 1 if number < 50 else number // 4
        outcome = sweeper.value(
            "sweep.attempt(globals(), prepare, run, number)",
            prepare=operation.prepare,
            run=operation.run,
            number=number,
        )
        assert outcome in ("killed", "ended"), f"call {number}: {outcome}"
        if operation.clean:
            neighbour.run(operation.clean)
        try:
            neighbour.run("audit()")
        except Exception as failure:
            raise AssertionError(f"after death at call {number}: {failure}") from None
        assert files(root) == kept, f"after death at call {number}"
        assert number < 1 << 16, "it does not end"
    assert number > 1, "no system call was met: the table was gone round"


def files(root: str) -> set[str]:
    """Every file of the namespace."""
    return {f"{directory}/{file}" for directory, _, found in os.walk(root) for file in found}


SHORT = [
    "create",
    "create global",
    "open",
    "open global",
    "map, write, unmap",
    "close the last handle",
    "close the last global handle",
    "use an event",
    "release a semaphore and close it",
]


@pytest.mark.invariant("L1")
@pytest.mark.sentence(25)
@pytest.mark.parametrize("name", SHORT)
def test_death_at_any_system_call_of_native_code_leaves_nothing_behind(
    name: str, root: str, start: Start, neighbour: Program
) -> None:
    """The same for what native code does without the table: the kernel stops the child at each call
    (ptrace)."""
    operation = OPERATIONS[name]
    sweeper = start()
    # so that what is done at first use only does not come between
    sweeper.run(f"{operation.prepare}\n{operation.run}")
    sweeper.leave()
    sweeper.enter(root)
    sweeper.run("from support import tracing")
    assert sweeper.value("tracing.available()")
    kept = files(root)
    number, outcome = 0, ""
    while outcome != "ended":
        number += 1
        outcome = sweeper.value(
            "tracing.attempt(globals(), prepare, run, number)",
            prepare=operation.prepare,
            run=operation.run,
            number=number,
        )
        assert outcome in ("killed", "ended"), f"stop {number}: {outcome}"
        neighbour.run("audit()")
        assert files(root) == kept, f"after death at stop {number}"
        assert number < 2000, "it does not end"
    assert number > 4, "no system call was met"
