# SPDX-License-Identifier: MIT
"""What /proc tells of processes, with those that are gone, foreign or of odd names among them."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest
from support.workers import kill, stopped_in

from memsection.nt.linux.system import proc
from memsection.nt.linux.system import syscalls as sys_
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError

NOBODY = 1 << 30  #: no process id: the kernel's largest is 2**22


def test_this_process_is_one_and_its_descriptors_are_in_order() -> None:
    assert os.getpid() in proc.processes()
    fd = os.open("/dev/null", os.O_RDONLY)
    found = proc.list_descriptors(os.getpid())
    os.close(fd)
    assert fd in found and found == sorted(found)


def test_what_is_gone_has_no_descriptors() -> None:
    assert proc.descriptors(NOBODY) == []
    with pytest.raises(OSError):
        proc.list_descriptors(NOBODY)


def test_a_file_is_found_in_this_process_first_and_then_in_others(tmp_path: Path) -> None:
    fd = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    child = stopped_in(lambda: None)
    try:
        found = os.fstat(fd)
        places = list(proc.search((found.st_dev, found.st_ino)))
        assert places[0] == (os.getpid(), fd)
        assert (child, fd) in places
    finally:
        kill(child)
        os.close(fd)
    assert list(proc.search((found.st_dev, found.st_ino))) == []


def test_position_and_flags_of_a_descriptor_are_told() -> None:
    fd = os.memfd_create("file")  # files on disks do not take every position
    try:
        os.lseek(fd, (1 << 62) + 5, os.SEEK_SET)
        info = proc.descriptor_info(os.getpid(), fd)
        assert info is not None and info[0] == (1 << 62) + 5
        assert info[1] & os.O_ACCMODE == os.O_RDWR and info[1] & os.O_CLOEXEC
    finally:
        os.close(fd)
    assert proc.descriptor_info(os.getpid(), fd) is None
    assert proc.descriptor_info(NOBODY, 0) is None


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"pos:",
        b"pos:\t1\n",
        b"flags:\t1\npos:\t2\n",
        b"pos:\tone\nflags:\t02\n",
        b"pos:\t1\nflags:\t9\n",
    ],
)
def test_words_of_another_kind_are_no_descriptor(
    text: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys_, "read", lambda fd, size: text)
    assert proc.descriptor_info(os.getpid(), 0) is None


def test_a_process_with_brackets_in_its_name_has_its_own_start_time(tmp_path: Path) -> None:
    def rename() -> None:
        Path("/proc/self/comm").write_bytes(b"a) R 1 (b) 7")

    child = stopped_in(rename)
    try:
        fields = Path(f"/proc/{child}/stat").read_bytes().rpartition(b") ")[2].split()
        assert proc.start_time(child) == int(fields[19]) >= proc.start_time(os.getpid())
    finally:
        kill(child)
    with pytest.raises(NtError) as caught:
        proc.start_time(child)
    assert caught.value.status == st.INVALID_CID


def test_a_process_is_known_by_its_descriptor_as_long_as_it_lives() -> None:
    child = stopped_in(lambda: None)
    fd = os.pidfd_open(child)
    try:
        assert proc.pid_of(fd) == child
        kill(child)
        assert proc.pid_of(fd) == -1
    finally:
        os.close(fd)


def test_what_is_no_process_descriptor_is_told_so() -> None:
    fd = os.open("/dev/null", os.O_RDONLY)
    try:
        with pytest.raises(NtError) as caught:
            proc.pid_of(fd)
        assert caught.value.status == st.INVALID_HANDLE
    finally:
        os.close(fd)


def test_a_descriptor_of_another_process_is_shared_with_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    fd = os.open(path, os.O_RDONLY)
    child = stopped_in(lambda: os.lseek(fd, 3, os.SEEK_SET))
    os.close(fd)
    try:
        mine = proc.borrow(child, fd)
        assert os.read(mine, 9) == b"tent"
        os.close(mine)
        with pytest.raises(OSError):
            proc.borrow(child, 1 << 20)
    finally:
        kill(child)


def test_who_took_a_lock_is_told_by_file(tmp_path: Path) -> None:
    fd = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    try:
        found = os.fstat(fd)
        key = found.st_dev, found.st_ino
        before = proc.lockers()
        assert before is not None and key not in before
        fcntl.flock(fd, fcntl.LOCK_SH)
        after = proc.lockers()
        assert after is not None and after[key] == {os.getpid()}
    finally:
        os.close(fd)


def test_without_a_list_of_locks_nothing_is_said_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(path: str, flags: int) -> int:
        raise FileNotFoundError(path)

    monkeypatch.setattr(sys_, "open", missing)
    assert proc.lockers() is None


def test_without_proc_it_is_seen_that_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert proc.proc_is_mounted()

    def missing(path: str) -> str:
        raise FileNotFoundError(path)

    monkeypatch.setattr(sys_, "readlink", missing)
    assert not proc.proc_is_mounted()
