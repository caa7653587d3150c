# SPDX-License-Identifier: MIT
"""A machine that lacks something: the error says what, never that an object is missing, and doctor
names the cause."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import namespaces
from support.users import SOURCE, TESTS, lacking

from memsection import AccessError, Mutex, NotFoundError, Section, win32

WITHOUT_PROC = """
import ctypes, os, sys, tempfile
import memsection.api.security
from memsection import *
from memsection import nt, win32
early = Section.create('early', 4096); mutex = Mutex.create('mutex'); view = early.map()
file = tempfile.NamedTemporaryFile(); file.write(bytes(5000)); file.flush()
os.mkdir(sys.argv[1] + '/nothing')
assert ctypes.CDLL(None).mount(os.fsencode(sys.argv[1] + '/nothing'), b'/proc', None, 4096, None) == 0
me = os.getpid()
operations = [lambda: Section.create('a', 4096), lambda: Section.create('Global\\\\a', 4096), lambda: Section.open('early'),
    lambda: Section.from_file(file.name), lambda: early.map(), lambda: early.duplicate('r'), lambda: early.seal(),
    lambda: setattr(early, 'security', Security(everyone='r')), lambda: Mutex.create('m'), lambda: Mutex.open('mutex'),
    lambda: mutex.acquire(0.1), lambda: mutex.release(), lambda: Process(os.getppid()), lambda: Process(me).sections(),
    lambda: Section.from_process(me, early.handle), lambda: early.send, lambda: win32.VirtualQuery(id(early)),
    lambda: win32.OpenProcess(0x400, False, os.getppid()), lambda: nt.kernel.list_directory(),
    lambda: nt.kernel.process_handles(me), lambda: nt.kernel.open_process_token(-1, 8),
    lambda: nt.kernel.query_security_object(-1, 1), lambda: nt.kernel.diagnose(), lambda: early.name, lambda: bytes(view[:4])]
told = 0
for number, operation in enumerate(operations):
    try:
        operation()
    except Exception as failure:
        assert type(failure).__module__.startswith('memsection'), (number, failure)
        assert not isinstance(failure, FileNotFoundError), (number, failure)
        assert '/proc, which is not mounted' in str(failure), (number, failure)
        told += 1
try:
    Section.open('none')
except NotFoundError:
    told += 100
print(told)
"""


def test_without_proc_every_error_says_so(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        lacking("root", "needs root to hide /proc")
    place = namespaces.place("memsection-test-")
    done = subprocess.run(
        ["unshare", "-m", sys.executable, "-W", "ignore", "-c", WITHOUT_PROC, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        env={
            **os.environ,
            "PYTHONPATH": f"{SOURCE}:{TESTS}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "MEMSECTION_ROOT": place,
        },
    )
    shutil.rmtree(place)  # without /proc names stay
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 105


ELSEWHERE = """
import ctypes, os, sys
from memsection import *
from memsection.cli import app
assert ctypes.CDLL(None).mount(os.fsencode(sys.argv[1]), b'/proc', None, 4096, None) == 0
for operation in (lambda: Section.open('held'), lambda: Mutex.open('held-m'), lambda: Section.create('held', 1)):
    try:
        operation()
    except Error as failure:
        print(failure)
for words in (['ls', '-u'], ['show', 'held']):
    sys.argv[1:] = words
    try:
        print(app.run())
    except SystemExit as end:
        print(end.code)
"""


def test_without_proc_an_object_of_another_process_is_not_said_to_be_missing(
    tmp_path: Path,
) -> None:
    if os.geteuid() != 0:
        lacking("root", "needs root to hide /proc")
    with Section.create("held", 4096), contextlib.closing(Mutex.create("held-m")):
        done = subprocess.run(
            ["unshare", "-m", sys.executable, "-W", "ignore", "-c", ELSEWHERE, str(tmp_path)],
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, "PYTHONPATH": f"{SOURCE}:{TESTS}", "PYTHONDONTWRITEBYTECODE": "1"},
        )
        found = subprocess.run(
            [sys.executable, "-c", "from memsection import Section; Section.open('held').close()"],
            env={**os.environ, "PYTHONPATH": f"{SOURCE}:{TESTS}"},
        )
    assert found.returncode == 0  # who sees nobody that has it removes no name
    assert "Traceback" not in done.stderr and "is not mounted" in done.stderr
    lines = done.stdout.splitlines()
    assert all("[WinError 50]" in line and "is not mounted" in line for line in lines[:3]), lines
    assert len(lines) > 3


REFUSING = """
import ctypes, json, struct, sys
from memsection.nt import kernel
number = int(sys.argv[1])
# Classic BPF: load the number of the call; if it is the one, answer EPERM (seccomp(2), SECCOMP_RET_ERRNO).
program = b''.join(struct.pack('HBBI', *line) for line in (
    (0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7FFF0000)))
buffer = ctypes.create_string_buffer(program)
head = struct.pack('HxxxxxxP', 4, ctypes.addressof(buffer))
libc = ctypes.CDLL(None)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, head) == 0
print(json.dumps([(check.state, check.name, check.found) for check in kernel.diagnose()]))
"""


@pytest.mark.skipif(
    os.uname().machine != "x86_64", reason="the numbers of calls are those of x86-64"
)
@pytest.mark.parametrize(
    ("name", "number"),
    [("fallocate", 285), ("pidfd_open", 434), ("flock", 73), ("linkat", 265), ("pidfd_getfd", 438)],
)
def test_doctor_names_a_call_that_a_filter_refuses(name: str, number: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", REFUSING, str(number)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": f"{SOURCE}:{TESTS}"},
    )
    assert done.returncode == 0, done.stderr
    problems = [found for state, _, found in json.loads(done.stdout) if state == "problem"]
    assert any(name in found and "not permitted" in found for found in problems), problems


def test_a_global_name_is_missing_where_there_can_be_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from memsection.nt.linux.names import namespace
    from memsection.nt.linux.system import syscalls

    real = syscalls.open

    def open_(path: str, flags: int, *rest: object, **options: object) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(95, "Operation not supported")
        return real(path, flags, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setenv("MEMSECTION_ROOT", str(tmp_path))
    monkeypatch.setattr(syscalls, "open", open_)
    namespace.reset()
    try:
        for kind in (Section, Mutex):
            with pytest.raises(NotFoundError, match="not on a tmpfs") as caught:
                kind.open("Global\\none")
            assert caught.value.winerror == 2
        with pytest.raises(AccessError, match="not on a tmpfs"):
            Section.create("Global\\none", 4096)
    finally:
        monkeypatch.undo()
        namespace.reset()


def test_memory_of_absurd_sizes_and_addresses_cannot_be_read() -> None:
    me = win32.GetCurrentProcess()
    with Section.create(size=4096) as section, section.map() as view:
        view[:4] = b"data"
        assert win32.ReadProcessMemory(me, view.address, 4) == b"data"
        for address, size in [
            (view.address, size)
            for size in (-1, 1 << 31, 1 << 40, (1 << 62) - 1, 1 << 63, (1 << 64) - 1)
        ] + [(address, 8) for address in (-1, 0, 1 << 63, (1 << 64) - 4)]:
            with pytest.raises(OSError) as caught:
                win32.ReadProcessMemory(me, address, size)
            assert caught.value.winerror in (299, 998), (address, size)  # type: ignore[attr-defined]
        for address in (-1, 0, 1 << 63, (1 << 64) - 2):
            with pytest.raises(OSError) as caught:
                win32.WriteProcessMemory(me, address, b"data")
            assert caught.value.winerror in (299, 998), address  # type: ignore[attr-defined]
