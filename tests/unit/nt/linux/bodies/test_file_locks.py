# SPDX-License-Identifier: MIT
"""What opens of a file say to each other: share modes, and that a section of it is in use."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from memsection.nt.linux.bodies import file_locks
from memsection.vocabulary import access as a
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import NtError

READ, WRITE, DELETE = a.FILE_READ_DATA, a.FILE_WRITE_DATA, a.DELETE
R, W, D = s.FILE_SHARE_READ, s.FILE_SHARE_WRITE, s.FILE_SHARE_DELETE
Opens = Callable[..., int]


@pytest.fixture
def opens(tmp_path: Path) -> Iterator[Opens]:
    """Opens one file again and again."""
    path, fds = tmp_path / "file", []
    path.write_bytes(b"content")

    def one(mode: int = os.O_RDWR) -> int:
        fds.append(os.open(path, mode))
        return fds[-1]

    yield one
    for fd in fds:
        os.close(fd)


def shares(fd: int, access: int, sharing: int, *, readable: bool = True) -> bool:
    try:
        file_locks.enforce_share_mode(fd, access, sharing, readable=readable)
    except NtError as failure:
        assert failure.status == st.SHARING_VIOLATION
        return False
    return True


@pytest.mark.parametrize(
    ("access", "bit"),
    [(READ, R), (a.FILE_EXECUTE, R), (WRITE, W), (a.FILE_APPEND_DATA, W), (DELETE, D)],
)
def test_who_comes_second_may_do_what_the_first_one_shares(
    opens: Opens, access: int, bit: int
) -> None:
    assert shares(opens(), READ, (R | W | D) & ~bit)
    assert not shares(opens(), access, R | W | D)
    assert bit == R or shares(opens(), READ, R | W | D), "another thing is shared"


@pytest.mark.parametrize(("access", "bit"), [(READ, R), (WRITE, W), (DELETE, D)])
def test_who_comes_second_has_to_share_what_the_first_one_does(
    opens: Opens, access: int, bit: int
) -> None:
    everything = R | W | D
    assert shares(opens(), access, everything)
    assert not shares(opens(), READ, everything & ~bit)
    assert shares(opens(), READ, everything)


def test_who_is_refused_holds_nothing(opens: Opens, tmp_path: Path) -> None:
    first = os.open(tmp_path / "file", os.O_RDWR)
    assert shares(first, WRITE, 0)
    refused = opens()
    assert not shares(refused, READ, 0)
    os.close(first)
    assert shares(opens(), READ | WRITE | DELETE, 0), "the refused one denies nothing"


def test_a_handle_for_attributes_neither_uses_nor_denies(opens: Opens) -> None:
    assert shares(opens(), READ | WRITE | DELETE, 0)
    assert shares(opens(), a.FILE_READ_ATTRIBUTES, 0)
    assert not shares(opens(), READ, R | W | D)


def test_what_a_description_says_goes_with_it(opens: Opens, tmp_path: Path) -> None:
    fd = os.open(tmp_path / "file", os.O_RDWR)
    assert shares(fd, READ, 0)
    assert not shares(opens(), READ, R | W | D)
    os.close(fd)
    assert shares(opens(), READ, R | W | D)


def test_there_is_room_for_as_many_who_cannot_read_as_are_told_of(opens: Opens) -> None:
    def say() -> None:
        file_locks.enforce_share_mode(opens(os.O_WRONLY), WRITE, R | W | D, readable=False)

    for _ in range(file_locks._WIDTH - 1):
        say()
    with pytest.raises(NtError) as caught:
        say()
    assert caught.value.status == st.INSUFFICIENT_RESOURCES
    assert not shares(opens(), READ, R | D), "each of them writes"


def test_a_section_in_use_is_seen_by_others_until_the_last_goes(
    opens: Opens, tmp_path: Path
) -> None:
    first, second = (os.open(tmp_path / "file", os.O_RDONLY) for _ in range(2))
    looker = opens()
    assert not file_locks.section_in_use(looker)
    file_locks.hold_section(first)
    file_locks.hold_section(second)
    assert file_locks.section_in_use(looker)
    os.close(first)
    assert file_locks.section_in_use(looker)
    os.close(second)
    assert not file_locks.section_in_use(looker)
