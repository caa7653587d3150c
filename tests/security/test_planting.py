# SPDX-License-Identifier: MIT
"""Squatting and planting: directories and files that somebody put where the library looks."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from support.users import Program

Start = Callable[..., Program]
VICTIM, MALLORY = 12345, 12346
REFUSED = 0xE0530002  # STATUS_MEMSECTION_NAMESPACE_REFUSED
CREATE = "Section.create('x', 4096).close()"


def refusal(program: Program, code: str) -> str:
    refused = program.refusal(code)
    assert refused.ntstatus == REFUSED and refused.winerror == 5, refused
    return refused.text


@pytest.mark.sentence(5)
@pytest.mark.invariant("N1")
def test_a_directory_that_is_a_link_is_refused(root: str, start: Start) -> None:
    os.mkdir(f"{root}/elsewhere", 0o777)
    os.symlink(f"{root}/elsewhere", f"{root}/memsection-{VICTIM}")
    assert "is a link" in refusal(start(VICTIM), CREATE)
    assert os.listdir(f"{root}/elsewhere") == []
    os.unlink(f"{root}/memsection-{VICTIM}")


@pytest.mark.sentence(5)
@pytest.mark.invariant("N1")
def test_a_directory_of_somebody_else_is_refused(root: str, start: Start) -> None:
    start(MALLORY).run(
        f"os.mkdir('{root}/memsection-{VICTIM}', 0o777); os.chmod('{root}/memsection-{VICTIM}', "
        f"0o777)"
    )
    assert f"belongs to user {MALLORY}, not {VICTIM}" in refusal(start(VICTIM), CREATE)
    assert os.listdir(f"{root}/memsection-{VICTIM}") == []


@pytest.mark.sentence(5)
@pytest.mark.invariant("N1")
@pytest.mark.parametrize("mode", [0o777, 0o750, 0o701])
def test_a_directory_that_is_open_to_others_is_refused(root: str, start: Start, mode: int) -> None:
    victim = start(VICTIM)
    victim.run(
        f"os.mkdir('{root}/memsection-{VICTIM}'); os.chmod('{root}/memsection-{VICTIM}', {mode})"
    )
    assert f"is open to others (mode {mode:04o}, must be 0700)" in refusal(victim, CREATE)


@pytest.mark.invariant("N1")
def test_a_file_in_place_of_the_directory_is_refused(root: str, start: Start) -> None:
    victim = start(VICTIM)
    victim.run(f"open('{root}/memsection-{VICTIM}', 'w').close()")
    assert "is a link or a file" in refusal(victim, CREATE)
    os.unlink(f"{root}/memsection-{VICTIM}")


def test_a_shared_directory_without_the_sticky_bit_is_refused(root: str, start: Start) -> None:
    os.chmod(root, 0o777)
    assert "without the sticky bit" in refusal(start(VICTIM), "Section.create('Global\\\\x', 4096)")


def test_a_shared_directory_of_another_user_is_refused(root: str, start: Start) -> None:
    os.chown(root, MALLORY, MALLORY)
    assert f"belongs to user {MALLORY}" in refusal(
        start(VICTIM), "Section.create('Global\\\\x', 4096)"
    )


PLANTS = [
    ("a link", "os.symlink('/etc/passwd', file)", "is a link"),
    ("a dangling link", "os.symlink('/nowhere', file)", "is a link"),
    ("a directory", "os.mkdir(file)", "no regular file"),
    ("a pipe", "os.mkfifo(file)", "no regular file"),
    ("an empty file", "open(file, 'w').close(); os.chmod(file, 0o666)", "somebody put it there"),
    (
        "a file of other bytes",
        "open(file, 'wb').write(b'rubbish' * 5000); os.chmod(file, 0o666)",
        "somebody put it there",
    ),
    ("a file that nobody may read", "open(file, 'wb').write(bytes(8192)); os.chmod(file, 0)", ""),
]


@pytest.mark.sentence(6)
@pytest.mark.parametrize(
    ("plant", "said"), [row[1:] for row in PLANTS], ids=[row[0] for row in PLANTS]
)
@pytest.mark.parametrize("verb", ["open", "create"])
def test_what_another_user_planted_under_a_global_name_is_refused_and_left_alone(
    root: str, start: Start, plant: str, said: str, verb: str
) -> None:
    file = f"{root}/memsection.planted"
    start(MALLORY).run(plant, file=file)
    before = os.lstat(file)
    for uid in (VICTIM, 0):
        tries = (
            "Section.open('Global\\\\planted')"
            if verb == "open"
            else "Section.create('Global\\\\planted', 4096)"
        )
        refused = start(uid).refusal(tries)
        if said and uid == VICTIM:
            assert refused.ntstatus == REFUSED and said in refused.text and file in refused.text, (
                refused
            )
        else:
            assert refused.winerror in (2, 5), refused
    after = os.lstat(file)
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    os.rmdir(file) if os.path.isdir(file) else os.unlink(file)


@pytest.mark.sentence(6)
@pytest.mark.invariant("N3")
def test_a_body_whose_descriptor_names_another_owner_than_its_file_is_refused(
    root: str, start: Start
) -> None:
    """A copy of a real body, with everything in it as it should be; only the file is mallory's."""
    victim, mallory = start(VICTIM), start(MALLORY)
    victim.run("s = Section.create('Global\\\\copied', 4096, security='D:NO_ACCESS_CONTROL')")
    mallory.run(
        "import shutil; shutil.copyfile(source, copy); os.chmod(copy, 0o666)\n"
        "held = os.open(copy, os.O_RDONLY); fcntl.flock(held, fcntl.LOCK_SH)",
        source=f"{root}/memsection.copied",
        copy=f"{root}/memsection.forged",
    )
    text = refusal(victim, "Section.open('Global\\\\forged', access='r')")
    assert f"belongs to user {MALLORY}" in text
    mallory.run("os.close(held); os.unlink(copy)")
    victim.run("s.close()")


SHARED = "security=Security(everyone='rw')"


@pytest.mark.sentence(6)
@pytest.mark.invariant("N3")
@pytest.mark.parametrize("remembers", [True, False], ids=["remembering", "forgetful"])
@pytest.mark.parametrize(
    "kind", ["Section.create({name}, 4096, {shared})", "Event.create({name}, {shared})"]
)
def test_an_object_under_a_name_that_it_was_not_made_with_is_refused(
    root: str, start: Start, remembers: bool, kind: str
) -> None:
    """Who may write a Global object can link its file under another name, which its owner would
    seem to have given it."""
    victim, mallory, third = (
        start(VICTIM, remembers=remembers),
        start(MALLORY),
        start(VICTIM + 5, remembers=remembers),
    )
    victim.run("thing = " + kind.format(name="'Global\\\\scratch'", shared=SHARED))
    mallory.run(
        "os.link(real, planted)",
        real=f"{root}/memsection.scratch",
        planted=f"{root}/memsection.config",
    )
    make = kind.format(name="'Global\\\\config'", shared=SHARED)
    for program in (third, victim, start(0, remembers=remembers)):
        for tries in (
            f"{kind.split('.')[0]}.open('Global\\\\config')",
            make,
            make.replace(SHARED, "exist_ok=True"),
        ):
            text = refusal(program, tries)
            assert "'Global\\\\scratch'" in text and "a hard link" in text
    os.unlink(f"{root}/memsection.config")  # it was left alone
    third.run(f"{kind.split('.')[0]}.open('Global\\\\scratch').close()")
    victim.run("thing.close()")


@pytest.mark.sentence(6)
@pytest.mark.invariant("N3")
def test_an_object_with_two_names_is_refused_under_both(root: str, start: Start) -> None:
    victim, mallory, third = start(VICTIM), start(MALLORY), start(VICTIM + 5)
    victim.run(f"thing = Section.create('Global\\\\two', 4096, {SHARED})")
    mallory.run(
        "os.link(real, elsewhere)", real=f"{root}/memsection.two", elsewhere=f"{root}/elsewhere"
    )
    assert "has 2 hard links" in refusal(third, "Section.open('Global\\\\two')")
    os.unlink(f"{root}/elsewhere")
    third.run("Section.open('Global\\\\two').close()")
    victim.run("thing.close()")


def test_a_hard_link_goes_with_the_object_that_it_leads_to(root: str, start: Start) -> None:
    victim, mallory = start(VICTIM), start(MALLORY)
    victim.run(f"thing = Section.create('Global\\\\scratch', 4096, {SHARED})")
    mallory.run(
        "os.link(real, planted)",
        real=f"{root}/memsection.scratch",
        planted=f"{root}/memsection.config",
    )
    victim.run("thing.close()")
    victim.run("Section.create('Global\\\\config', 4096).close()")


def test_a_locator_of_another_user_is_refused(root: str, start: Start) -> None:
    """Root can put a file into the victim's directory; it does not become the victim's locator."""
    victim = start(VICTIM)
    victim.run("s = Section.create('real', 4096)")
    directory = f"{root}/memsection-{VICTIM}"
    with open(f"{directory}/real", "rb") as source, open(f"{directory}/fake", "wb") as copy:
        copy.write(source.read())
    os.chmod(f"{directory}/fake", 0o666)
    assert "owner 0" in refusal(victim, "Section.open('fake')")
    os.unlink(f"{directory}/fake")
    victim.run("s.close()")


def test_a_locator_that_was_copied_to_another_name_leads_nowhere(root: str, start: Start) -> None:
    victim = start(VICTIM)
    victim.run(
        "s = Section.create('real', 4096); import shutil; shutil.copyfile(d + '/real', d + "
        "'/copied')",
        d=f"{root}/memsection-{VICTIM}",
    )
    assert victim.refusal("Section.open('copied')").winerror == 2
    # what leads nowhere and nobody holds is swept
    assert not os.path.exists(f"{root}/memsection-{VICTIM}/copied")
    victim.run("s.close()")


@pytest.mark.sentence(8)
@pytest.mark.parametrize(
    "name",
    [
        "../escaped",
        "a/../../escaped",
        "/tmp/escaped",
        "..",
        ".",
        ".hidden",
        "a/b",
        "%2e%2e",
        "~",
        "-rf",
        "x" * 300,
        "ü/…",
        "new\nline",
        "Global\\../escaped",
        "Global\\..",
    ],
)
def test_no_name_leaves_the_directory(root: str, start: Start, name: str) -> None:
    program = start(VICTIM)
    os.mkdir(f"{root}/tree")
    before = set(os.listdir("/tmp")) | set(os.listdir("/dev/shm")) | set(os.listdir(root))
    program.run("s = Section.create(name, 4096); t = Section.open(name)", name=name)
    assert program.value("s.name") == name
    made = (
        [file for file in os.listdir(f"{root}/memsection-{VICTIM}")]
        if not name.startswith("Global")
        else [file for file in os.listdir(root) if file.startswith("memsection.")]
    )
    assert len(made) == 1 and "/" not in made[0] and made[0] not in (".", "..")
    outside = (
        set(os.listdir("/tmp")) | set(os.listdir("/dev/shm")) | set(os.listdir(root))
    ) - before
    assert not [
        file for file in outside if "escaped" in file and not file.startswith("memsection.")
    ]
    program.run("s.close(); t.close()")


def test_a_section_whose_file_was_exchanged_in_a_world_writable_directory_is_refused(
    root: str, start: Start
) -> None:
    os.mkdir(f"{root}/open")
    os.chmod(f"{root}/open", 0o777)
    victim, mallory, reader = start(VICTIM), start(MALLORY), start(VICTIM + 2)
    file = f"{root}/open/data"
    victim.run(
        "open(file, 'wb').write(b'true' * 1024); os.chmod(file, 0o644)\n"
        "s = Section.from_file(file, name='Global\\\\backed', security='D:(A;;GR;;;WD)')",
        file=file,
    )
    mallory.run(
        "os.rename(file, file + '.away'); open(file, 'wb').write(b'fake' * 1024)", file=file
    )
    try:
        refused = reader.refusal("Section.open('Global\\\\backed', access='r')")
        assert refused.winerror == 1006 and "it was replaced" in refused.text, refused
    finally:
        victim.run("s.close()")
        os.unlink(file)
        os.unlink(f"{file}.away")
