# SPDX-License-Identifier: MIT
"""Which file a mapping is of, whatever its name has in it and whatever became of it."""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.objects import leaves_nothing, unique_name

from memsection import Section
from memsection.nt.linux.views import mapped_file
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError

_left = pytest.fixture(autouse=True)(leaves_nothing)
NAMES = ["plain", "with space", "two\nlines", "back\\slash", "back\\012slash", "name (deleted)"]


@contextmanager
def mapped(path: Path) -> Iterator[int]:
    path.write_bytes(bytes(4096))
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 4096) as memory:
        anchor = ctypes.c_char.from_buffer(memory)
        yield ctypes.addressof(anchor)
        del anchor


def refusal(address: int) -> int:
    with pytest.raises(NtError) as caught:
        mapped_file.name(os.getpid(), address)
    return caught.value.status


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_told_by_its_name(tmp_path: Path, name: str) -> None:
    with mapped(tmp_path / name) as address:
        for at in (address, address + 4095):
            assert mapped_file.name(os.getpid(), at) == str(tmp_path / name)


@pytest.mark.parametrize("name", ["plain", "two\nlines", "name (deleted)"])
def test_a_file_that_was_removed_is_told_by_the_name_that_it_had(tmp_path: Path, name: str) -> None:
    with mapped(tmp_path / name) as address:
        (tmp_path / name).unlink()
        assert mapped_file.name(os.getpid(), address) == str(tmp_path / name)


def test_another_file_that_came_under_the_name_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "name (deleted)"
    with mapped(tmp_path / "name") as address:
        (tmp_path / "name").unlink()
        path.write_bytes(b"another")
        assert mapped_file.name(os.getpid(), address) == str(tmp_path / "name")


@pytest.mark.parametrize("prefix", ["", "Global\\"])
def test_a_section_is_no_file(prefix: str) -> None:
    with Section.create(unique_name(prefix), 4096) as section, section.map() as view:
        assert refusal(view.address) == st.FILE_INVALID


def test_memory_without_a_file_and_no_memory_have_no_name() -> None:
    assert refusal(0) == st.INVALID_ADDRESS
    assert refusal(1 << 46) == st.INVALID_ADDRESS
    with mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        anchor = ctypes.c_char.from_buffer(memory)
        assert refusal(ctypes.addressof(anchor)) == st.INVALID_ADDRESS
        del anchor


def test_a_process_that_is_gone_has_no_mappings() -> None:
    with pytest.raises(NtError) as caught:
        mapped_file.name(1 << 30, 4096)
    assert caught.value.status == st.PROCESS_IS_TERMINATING
