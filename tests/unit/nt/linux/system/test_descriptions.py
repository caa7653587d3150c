# SPDX-License-Identifier: MIT
"""Open file descriptions: another one of the same file, and the locks that they hold."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from memsection.nt.linux.system import descriptions
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    opened = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT, 0o600)
    os.write(opened, b"content")
    yield opened
    os.close(opened)


@pytest.mark.parametrize("mode", [os.O_RDONLY, os.O_RDWR])
def test_another_description_has_its_own_mode_and_position_and_no_child_has_it(
    fd: int, mode: int
) -> None:
    other = descriptions.reopen(fd, mode)
    try:
        assert os.read(other, 3) == b"con" and os.lseek(fd, 0, os.SEEK_CUR) == 7
        assert descriptions.is_writable(other) == (mode == os.O_RDWR)
        assert not os.get_inheritable(other)
    finally:
        os.close(other)


@pytest.mark.invariant("R2")
def test_what_cannot_be_written_is_opened_for_reading_only() -> None:
    fd = os.open(sys.executable, os.O_RDONLY)  # nobody may write a program that runs
    try:
        with pytest.raises(OSError):
            descriptions.reopen(fd, os.O_RDWR)
        os.close(descriptions.reopen(fd, os.O_RDONLY))
    finally:
        os.close(fd)


def test_the_owner_opens_again_what_its_own_mode_denies_and_the_mode_stays(fd: int) -> None:
    os.fchmod(fd, 0)
    os.close(descriptions.reopen(fd, os.O_RDWR))
    assert os.fstat(fd).st_mode & 0o777 == 0


def test_what_is_no_descriptor_is_refused(fd: int) -> None:
    closed = os.dup(fd)
    os.close(closed)
    with pytest.raises(OSError):
        descriptions.reopen(closed, os.O_RDONLY)


@pytest.mark.invariant("L3")
def test_a_lock_is_tried_without_waiting(fd: int) -> None:
    other = descriptions.reopen(fd, os.O_RDONLY)
    try:
        assert descriptions.try_lock(fd, fcntl.LOCK_SH)
        assert descriptions.try_lock(other, fcntl.LOCK_SH)
        assert not descriptions.try_lock(other, fcntl.LOCK_EX)
        os.close(fd)
        assert descriptions.try_lock(other, fcntl.LOCK_EX)
    finally:
        os.dup2(other, fd)
        os.close(other)


@pytest.mark.invariant("L8")
def test_a_lock_that_somebody_keeps_is_not_waited_for_without_end(
    fd: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(descriptions, "LOCK_PATIENCE_SECONDS", 0.01)
    other = descriptions.reopen(fd, os.O_RDONLY)
    try:
        assert descriptions.try_lock(other, fcntl.LOCK_EX)
        with pytest.raises(NtError) as caught:
            descriptions.hold(fd)
        assert caught.value.status == st.SHARING_VIOLATION
    finally:
        os.close(other)
    descriptions.hold(fd)
