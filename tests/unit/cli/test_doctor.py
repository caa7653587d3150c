# SPDX-License-Identifier: MIT
"""``memsection doctor``: each check in a state of the machine that it is about."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from memsection.cli import doctor
from memsection.vocabulary.structs import Check

pytestmark = pytest.mark.linux_only("the checks of Linux")

NAMES = {
    "kernel",
    "memory files",
    "Local\\ names",
    "Global\\ names",
    "memory",
    "ptrace scope",
    "user namespace",
    "logout clean-up",
    "large pages",
    "left by the killed",
    "file descriptors",
    "mappings",
    "debug privilege",
    "access lists, memory",
}


def found(name: str) -> Check:
    return next(check for check in doctor.run() if check.name == name)


@pytest.fixture
def namespace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Uses another directory of names."""
    from memsection.nt.linux.names import namespace as module

    def use(path: Path) -> None:
        monkeypatch.setenv("MEMSECTION_ROOT", str(path))
        module.reset()

    yield use  # type: ignore[misc]
    monkeypatch.delenv("MEMSECTION_ROOT", raising=False)
    module.reset()


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The kernel's files, as the test writes them; others as they are."""
    from memsection.nt.linux.bodies import commit

    real, written = commit.read, {}
    monkeypatch.setattr(commit, "read", lambda path: written.get(path, real(path)))
    return written


def test_everything_is_looked_at_and_nothing_is_left(tmp_path: Path) -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    doctor.run()
    checks = doctor.run()
    assert {check.name for check in checks} >= NAMES
    assert all(check.state in ("ok", "note", "problem") and check.found for check in checks)
    assert all(check.remedy for check in checks if check.state != "ok")
    # the two directories of names stay open
    assert len(os.listdir("/proc/self/fd")) <= len(before) + 2


def test_a_refused_directory_is_a_problem(
    namespace: Callable[[Path], None], tmp_path: Path
) -> None:
    os.mkdir(tmp_path / "elsewhere")
    os.symlink(tmp_path / "elsewhere", tmp_path / f"memsection-{os.geteuid()}")
    namespace(tmp_path)
    check = found("Local\\ names")
    assert (
        check.state == "problem"
        and "is a link" in check.found
        and "MEMSECTION_ROOT" in check.remedy
    )


def test_a_shared_directory_without_the_sticky_bit_is_a_problem(
    namespace: Callable[[Path], None], tmp_path: Path
) -> None:
    os.chmod(tmp_path, 0o777)
    namespace(tmp_path)
    assert found("Global\\ names").state == "problem"


@pytest.mark.parametrize(
    ("name", "path", "text", "state"),
    [
        ("ptrace scope", "/proc/sys/kernel/yama/ptrace_scope", "3\n", "note"),
        ("ptrace scope", "/proc/sys/kernel/yama/ptrace_scope", "1\n", "ok"),
        (
            "/proc",
            "/proc/self/mountinfo",
            "22 1 0:21 / /proc rw - proc proc rw,hidepid=2\n",
            "note",
        ),
        ("user namespace", "/proc/self/uid_map", "0 1000 1\n", "note"),
        ("user namespace", "/proc/self/uid_map", "         0          0 4294967295\n", "ok"),
        ("large pages", "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "0\n", "note"),
        ("large pages", "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "16\n", "ok"),
        ("mappings", "/proc/sys/vm/max_map_count", "1000\n", "note"),
        ("memory", "/proc/meminfo", "MemTotal: 1000000 kB\nMemAvailable: 20000 kB\n", "note"),
    ],
)
def test_a_check_says(files: dict[str, str], name: str, path: str, text: str, state: str) -> None:
    files[path] = text
    check = next(
        check
        for check in doctor.run()
        if check.name == name and (state == "ok" or check.state == state)
    )
    assert check.state == state


def test_few_descriptors_are_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (256, 512))
    assert found("file descriptors").state == "note"


def test_logout_clean_up_is_noted_for_whom_it_hits(
    files: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from memsection.nt.linux.inspect import diagnosis
    from memsection.nt.linux.system import syscalls

    monkeypatch.setattr(os.path, "isdir", lambda path: path == "/run/systemd/system")
    monkeypatch.setattr(os.path, "exists", lambda path: path.endswith("systemd-logind"))
    monkeypatch.setattr(syscalls, "geteuid", lambda: 1000)
    assert [check.state for check in diagnosis._logout()] == ["note"]
    files["/etc/systemd/logind.conf"] = "[Login]\nRemoveIPC=no\n"
    assert [check.state for check in diagnosis._logout()] == ["ok"]


@pytest.mark.parametrize(
    ("name", "number", "lost"),
    [("eventfd2", 290, "eventfd (waiting"), ("process_vm_readv", 310, "process_vm_readv (reading")],
)
def test_a_call_that_a_filter_refuses_is_a_problem(name: str, number: int, lost: str) -> None:
    program = _FILTERED.format(number=number)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    state, found, remedy = done.stdout.splitlines()
    assert state == "problem" and lost in found and "Operation not permitted" in found
    assert found.count("Operation not permitted") == 1 and "seccomp profile" in remedy


#: Refuses one system call of x86-64 by a filter of its own (seccomp(2)), and asks the doctor.
_FILTERED = """
import ctypes, struct

program = struct.pack(
    "<HBBIHBBIHBBIHBBI",
    0x20, 0, 0, 0,  # the number of the call
    0x15, 0, 1, {number},
    0x06, 0, 0, 0x00050001,  # EPERM
    0x06, 0, 0, 0x7FFF0000,  # anything else goes through
)
code = ctypes.create_string_buffer(program)
filter = ctypes.create_string_buffer(struct.pack("<H6xQ", 4, ctypes.addressof(code)))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
assert libc.prctl(22, 2, filter, 0, 0) == 0  # PR_SET_SECCOMP

from memsection.cli import doctor

check = next(check for check in doctor.run() if check.name == "system calls")
print(check.state, check.found, check.remedy, sep="\\n")
"""


def test_what_is_found_is_shown_with_its_remedy() -> None:
    text = doctor.render(
        [Check("one thing", "ok", "fine", "unused"), Check("other", "problem", "broken", "mend it")]
    )
    assert text.plain.splitlines() == [
        "ok       one thing  fine",
        "problem  other      broken",
        "                    remedy: mend it",
    ]
