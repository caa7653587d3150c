# SPDX-License-Identifier: MIT
"""What killed processes left, between users: each removes its own, whatever the object's descriptor
says."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from support.users import Program
from support.workers import until

Start = Callable[..., Program]
# The owner is nobody else's, in no other run either: a search through a user's processes touches
# what they hold.
OWNER, OTHER = 1_000_000 + int.from_bytes(os.urandom(3)), 12346
NOTHING = [
    "Security(owner='', users={'12346': 'r'})",
    "Security(owner='')",
    "Security(owner='r', everyone='r')",
]


def files(root: str) -> list[str]:
    return [name for name in os.listdir(root) if os.path.isfile(f"{root}/{name}")]


@pytest.mark.sentence(25)
@pytest.mark.parametrize("remembers", [True, False], ids=["remembering", "forgetful"])
@pytest.mark.parametrize("security", NOTHING)
def test_a_body_whose_descriptor_gives_its_owner_nothing_goes_too(
    root: str, start: Start, security: str, remembers: bool
) -> None:
    living, doomed = start(OWNER, remembers=remembers), start(OWNER, remembers=remembers)
    living.run("Section.create('Global\\\\first', 4096).close()")
    doomed.run(f"kept = Section.create('Global\\\\left', 1 << 20, security={security})")
    living.run("Section.create('Global\\\\second', 4096).close()")
    before = os.stat(f"{root}/memsection.left")
    living.run("time.sleep(0.3); Section.create('Global\\\\third', 4096).close()")
    after = os.stat(f"{root}/memsection.left")
    assert (after.st_mode, after.st_ino, after.st_ctime_ns) == (
        before.st_mode,
        before.st_ino,
        before.st_ctime_ns,
    )
    doomed.kill()
    found = living.value("[(each.name, each.problem) for each in nt.kernel.list_directory()]")
    assert [(name, problem.split(";")[0]) for name, problem in found] == [
        ("Global\\left", "left by a process that was killed")
    ]

    # by one of the next names: a sweep that found nothing is followed by a longer pause
    def is_swept() -> bool:
        living.run("time.sleep(0.1); Section.create('Global\\\\fourth', 4096).close()")
        return not files(root)

    until(is_swept, "the next names sweep what the killed process left")


@pytest.mark.sentence(6)
def test_what_another_user_left_is_left_alone(root: str, start: Start) -> None:
    other, doomed = start(OTHER), start(OWNER)
    doomed.run("kept = Section.create('Global\\\\left', 4096, security=Security(everyone='rw'))")
    doomed.kill()
    other.run("Section.create('Global\\\\mine', 4096).close()")
    assert files(root) == ["memsection.left"]
    start(OWNER).run("Section.create('Global\\\\again', 4096).close()")
    assert files(root) == []
