# SPDX-License-Identifier: MIT
"""What a file position says of a handle, and what says nothing of one."""

from __future__ import annotations

import pytest

from memsection.nt.linux.bodies import position


@pytest.mark.invariant("H1")
@pytest.mark.parametrize("access", [0, 1, 0x001F0001, 0xFFFFFFFF])
@pytest.mark.parametrize("data_fd", [-1, 0, 3, (1 << 24) - 2])
def test_access_and_data_descriptor_come_back_as_they_were(access: int, data_fd: int) -> None:
    where = position.position(access, data_fd)
    assert 0 <= where < 1 << 63, "lseek(2) takes no more"
    assert position.decode(where) == (access, data_fd, False)
    assert position.decode(where | position.PROTECTED) == (access, data_fd, True)


@pytest.mark.invariant("H1")
def test_a_handle_that_waits_to_be_fetched_is_one() -> None:
    assert position.decode(position.position(7, -1) | position.PENDING) == (7, -1, False)


@pytest.mark.invariant("H2")
@pytest.mark.parametrize("where", [0, 1, 4096, (1 << 62) - 1, position.PROTECTED | 7])
def test_the_position_of_any_other_file_is_no_handle(where: int) -> None:
    assert position.decode(where) is None


@pytest.mark.invariant("H2")
def test_a_handle_that_was_taken_away_is_none_whatever_else_it_says() -> None:
    where = position.position(0x1F, 5) | position.REVOKED
    assert position.decode(where) is None
    assert position.decode(where | position.PROTECTED | position.PENDING) is None
