# SPDX-License-Identifier: MIT
"""Sections of files between users: nobody is led to a file that the other could not use."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from support.users import Program

Start = Callable[..., Program]
VICTIM, MALLORY, FRIEND = 12345, 12346, 12347
LIE = (
    "from memsection.nt.linux.bodies import control_page\n"
    "import struct\n"
    "def lead_elsewhere(fd, target):\n"
    "    size = os.fstat(fd).st_size\n"
    "    page = bytearray(os.pread(fd, 4096, size - 4096))\n"
    "    fields = list(control_page.HEADER.unpack_from(page))\n"
    "    found = os.stat(target)\n"
    "    fields[9], fields[10], fields[-1] = found.st_dev, found.st_ino, len(target)\n"
    "    control_page.HEADER.pack_into(page, 0, *fields)\n"
    "    page[fields[-2]:fields[-2] + len(target)] = target.encode()\n"
    "    os.pwrite(fd, bytes(page), size - 4096)\n"
)


@pytest.fixture
def secret(root: str) -> str:
    """A file of the victim's that nobody else may use."""
    path = f"{root}/secret"
    with open(path, "wb") as file:
        file.write(b"secret" + bytes(8186))
    os.chmod(path, 0o600)
    os.chown(path, VICTIM, VICTIM)
    yield path  # type: ignore[misc]
    with open(path, "rb") as file:
        assert file.read(6) == b"secret"
    os.unlink(path)


@pytest.mark.invariant("S2")
@pytest.mark.sentence(13)
@pytest.mark.parametrize("access", ["r", "rw"])
def test_a_section_of_another_user_does_not_lead_to_the_openers_own_file(
    root: str, start: Start, secret: str, access: str
) -> None:
    """Mallory's own section, whose record says that its data is the victim's file."""
    mallory, victim = start(MALLORY), start(VICTIM)
    path = f"{root}/bait"
    mallory.run(
        "open(path, 'wb').write(bytes(8192)); os.chmod(path, 0o666)\n"
        "made = Section.from_file(path, name='Global\\\\bait', access='rw', "
        "security='D:NO_ACCESS_CONTROL')",
        path=path,
    )
    victim.run(f"Section.open('Global\\\\bait', access='{access}').close()")  # honest so far
    mallory.run(f"{LIE}\ncontrol = os.open(body, os.O_RDWR)", body=f"{root}/memsection.bait")
    mallory.run("found = os.stat(target)", target=secret)  # stat needs no right to the file
    mallory.run("lead_elsewhere(control, target); os.close(control)", target=secret)
    refused = victim.refusal(f"Section.open('Global\\\\bait', access='{access}')")
    assert refused.winerror == 5 and f"belongs to user {VICTIM}" in refused.text, refused
    mallory.run("made.close()")
    os.unlink(path)


@pytest.mark.invariant("S2")
def test_who_may_write_the_data_may_not_write_which_file_it_is(root: str, start: Start) -> None:
    victim, mallory = start(VICTIM), start(MALLORY)
    path = f"{root}/data"
    victim.run(
        "open(path, 'wb').write(bytes(8192)); os.chmod(path, 0o666)\n"
        f"rights = Security(users={{{MALLORY}: 'rw'}})\n"
        "made = Section.from_file(path, name='Global\\\\data', access='rw', security=rights)",
        path=path,
    )
    mallory.run(
        "got = Section.open('Global\\\\data', access='rw'); view = got.map(access='rw'); view[:5] "
        "= b'given'"
    )
    assert mallory.refusal("os.open(body, os.O_RDWR)", body=f"{root}/memsection.data").errno == 13
    victim.run("made.security = 'D:NO_ACCESS_CONTROL'")
    assert mallory.refusal("os.open(body, os.O_RDWR)").errno == 13
    victim.run(
        "again = Section.open('Global\\\\data'); there = again.map(); assert bytes(there[:5]) == "
        "b'given'"
    )
    victim.run("twice = again.duplicate('rw'); twice.map(access='rw').close(); twice.close()")
    mallory.run("view.close(); got.close()")
    victim.run("there.close(); again.close(); made.close()")
    os.unlink(path)


def test_the_owners_own_file_and_everybodys_are_shared(root: str, start: Start) -> None:
    owner, friend = start(VICTIM), start(FRIEND)
    for number, (uid, mode) in enumerate([(VICTIM, 0o644), (MALLORY, 0o666)]):
        path = f"{root}/shared{number}"
        with open(path, "wb") as file:
            file.write(bytes(4096))
        os.chmod(path, mode)
        os.chown(path, uid, uid)
        owner.run(
            "made = Section.from_file(path, name='Global\\\\shared', access='r', "
            "security=Security(everyone='r'))",
            path=path,
        )
        friend.run(
            "got = Section.open('Global\\\\shared', access='r'); got.map(access='r').close(); "
            "got.close()"
        )
        owner.run("made.close()")
        os.unlink(path)
