# SPDX-License-Identifier: MIT
"""What a file must be to be believed as the body of an object."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.objects import leaves_nothing, unique_name

from memsection import Section
from memsection.nt.linux.bodies import control_page, seals
from memsection.nt.linux.names import namespace, verify
from memsection.nt.linux.system import syscalls as sys_
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.object_types import FILE, PROCESS
from memsection.vocabulary.protection import PAGE_SIZE

_left = pytest.fixture(autouse=True)(leaves_nothing)


@pytest.fixture
def section() -> Iterator[Section]:
    with Section.create(unique_name(), 4096) as made:
        yield made


def copy_of(section: Section, *, sealed: bool, kind: int | None = None) -> int:
    """What a stranger makes of the bytes of a body: another memfd that says the same."""
    whole = bytearray(os.pread(section.fileno(), 1 << 20, 0))
    if kind is not None:
        whole[-PAGE_SIZE + 12 : -PAGE_SIZE + 16] = kind.to_bytes(4, "little")
    fd = os.memfd_create("copy", os.MFD_ALLOW_SEALING)
    os.write(fd, whole)
    if sealed:
        fcntl.fcntl(fd, sys_.F_ADD_SEALS, seals.SEALS)
    return fd


def refusal(fd: int, place: namespace.Place | None = None) -> NtError:
    with pytest.raises(NtError) as caught:
        verify.read_body(fd, None, place)
    return caught.value


@pytest.mark.invariant("M3")
def test_what_is_not_sealed_is_believed_by_nobody(section: Section) -> None:
    for sealed in (True, False):
        fd = copy_of(section, sealed=sealed)
        try:
            if sealed:
                assert verify.read_body(fd).size == 4096
            else:
                assert "not sealed" in str(refusal(fd))
        finally:
            os.close(fd)


@pytest.mark.invariant("M1")
@pytest.mark.parametrize("kind", [0, PROCESS.number, FILE.number, 99, 0xFFFFFFFF])
def test_a_type_that_has_no_body_is_refused(section: Section, kind: int) -> None:
    fd = copy_of(section, sealed=True, kind=kind)
    try:
        assert f"object type {kind}" in str(refusal(fd))
    finally:
        os.close(fd)


@pytest.mark.invariant("M3")
def test_pipes_devices_directories_and_files_are_no_bodies(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").write_bytes(bytes(4096))
    opened = [
        reader,
        writer,
        os.open(tmp_path, os.O_RDONLY),
        os.open(tmp_path / "fifo", os.O_RDWR),
        os.open(tmp_path / "file", os.O_RDWR),
        os.open("/dev/null", os.O_RDWR),
    ]
    try:
        assert {refusal(fd).status for fd in opened} == {st.FILE_CORRUPT_ERROR}
    finally:
        for fd in opened:
            os.close(fd)


@pytest.mark.invariant("R1")
def test_what_is_remembered_is_compared_before_it_is_used(section: Section) -> None:
    fd = section.fileno()
    first = verify.current_facts(fd, None, is_sealed=True)
    assert verify.current_facts(fd, first, is_sealed=True) is first
    control_page.write_flags(fd, first, control_page.PERMANENT)
    try:
        second = verify.current_facts(fd, first, is_sealed=True)
        assert second is not first and second.flags == control_page.PERMANENT
    finally:
        control_page.write_flags(fd, first, 0)
    assert verify.current_facts(fd, first, is_sealed=False) is not first


@pytest.mark.invariant("N3")
def test_a_global_body_under_another_name_is_told_to_be_a_hard_link() -> None:
    with Section.create(unique_name("Global\\"), 4096) as section:
        own = namespace.Place("global", section.name.removeprefix("Global\\"))
        fd = section.fileno()
        assert verify.read_body(fd, None, own).size == 4096
        other = namespace.Place("global", own.leaf + "-other")
        failure = refusal(fd, other)
        assert failure.status == st.NAMESPACE_REFUSED and "hard link" in str(failure)
        os.link(own.file, other.file, src_dir_fd=own.dirfd, dst_dir_fd=own.dirfd)
        try:
            failure = refusal(fd, own)
            assert failure.status == st.NAMESPACE_REFUSED and "2 hard links" in str(failure)
        finally:
            os.unlink(other.file, dir_fd=own.dirfd)
        local = namespace.Place("local", own.leaf)
        assert refusal(fd, local).status == st.FILE_CORRUPT_ERROR, "no body of a Local name"
