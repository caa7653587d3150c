# SPDX-License-Identifier: MIT
"""What is not as on Windows where several users share objects: the rows ``BETWEEN_USERS`` of the
table of deviations."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import pytest
from support.users import TESTS, Program

Start = Callable[..., Program]
OWNER, OTHER, THIRD = 12345, 12346, 12347


def test_each_row_of_the_table_has_a_test_here() -> None:
    sys.path.insert(0, str(TESTS / "conformance"))
    try:
        from deviations import BETWEEN_USERS
    finally:
        sys.path.remove(str(TESTS / "conformance"))
    assert set(BETWEEN_USERS) < set(globals())


@pytest.mark.parametrize("rights", ["RC", "SD"])
def test_rights_that_are_not_about_data_are_of_use_to_the_owner_alone(
    start: Start, rights: str
) -> None:
    mask = {"RC": 0x20000, "SD": 0x10000}[rights]
    owner, other = start(OWNER), start(OTHER)
    owner.run(
        f"made = Section.create('Global\\\\facts', 4096, security='D:(A;;{rights};;;WD)')\n"
        f"win32.CloseHandle(win32.OpenFileMapping({mask}, False, 'Global\\\\facts'))"
    )
    assert other.refusal(f"win32.OpenFileMapping({mask}, False, 'Global\\\\facts')").winerror == 5
    owner.run("made.security = 'D:(A;;GRSD;;;WD)'")
    # with the data it works
    other.run(f"win32.CloseHandle(win32.OpenFileMapping({mask}, False, 'Global\\\\facts'))")
    owner.run("made.close()")


@pytest.mark.parametrize(
    "text",
    [
        f"D:(A;;GR;;;S-1-22-1-{OTHER})(A;;GA;;;S-1-22-2-50)",
        "D:(D;;GA;;;S-1-22-2-50)(A;;GR;;;S-1-22-2-51)",
    ],
)
def test_a_descriptor_that_the_kernel_cannot_enforce_is_refused(start: Start, text: str) -> None:
    owner = start(OWNER)
    refused = owner.refusal(f"Section.create('Global\\\\refused', 4096, security={text!r})")
    assert refused.winerror == 1338 and "group 50" in refused.text, refused
    owner.run("made = Section.create('Global\\\\refused', 4096)")
    assert owner.refusal(f"made.security = {text!r}").winerror == 1338
    owner.run("made.close()")


def test_a_name_that_another_user_left_is_free_for_who_may_remove_it(
    root: str, start: Start
) -> None:
    owner, other, third = start(OWNER), start(OTHER), start(THIRD)
    owner.run("made = Section.create('Global\\\\left', 4096, security=Security(everyone='rw'))")
    other.run("got = Section.open('Global\\\\left')")
    owner.run("made.close()")
    other.run("got.close()")
    assert os.listdir(root).count("memsection.left") == 1
    assert third.refusal("Section.open('Global\\\\left')").winerror == 2
    refused = third.refusal("Section.create('Global\\\\left', 4096)")
    assert (refused.winerror, refused.ntstatus) == (
        5,
        0xE0530001,
    ) and "crashed process of another user" in refused.text
    owner.run("made = Section.create('Global\\\\left', 8192); assert made.created; made.close()")
    third.run("Section.create('Global\\\\left', 4096).close()")


def test_a_file_of_a_third_user_is_not_opened_for_another_users_section(
    root: str, start: Start
) -> None:
    team = 12400
    path = f"{root}/of the team"
    with open(path, "wb") as file:
        file.write(bytes(4096))
    os.chmod(path, 0o660)
    os.chown(path, THIRD, team)
    owner, other = start(OWNER, groups=(team,)), start(OTHER, groups=(team,))
    owner.run(
        "made = Section.from_file(path, name='Global\\\\team', access='r', "
        "security=Security(everyone='r'))",
        path=path,
    )
    refused = other.refusal("Section.open('Global\\\\team', access='r')")
    assert refused.winerror == 5 and f"belongs to user {THIRD}" in refused.text, refused
    # by its own name it is theirs
    other.run("Section.from_file(path, access='r').close()", path=path)
    owner.run("made.close()")
    os.unlink(path)
