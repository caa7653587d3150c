# SPDX-License-Identifier: MIT
"""Object directories: handles to them, names relative to them, and what they list."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from memsection import nt
from memsection.vocabulary.structs import ObjectAttributes

GLOBAL = "\\BaseNamedObjects"
BOTH = nt.DIRECTORY_QUERY | nt.DIRECTORY_TRAVERSE


@pytest.fixture
def handles() -> Iterator[list[int]]:
    opened: list[int] = []
    yield opened
    for handle in opened:
        assert nt.NtClose(handle) == nt.STATUS_SUCCESS


def directory(handles: list[int], name: str, root: int = 0, access: int = BOTH) -> int:
    status, handle = nt.NtOpenDirectoryObject(access, ObjectAttributes(name, root))
    assert status == nt.STATUS_SUCCESS
    handles.append(handle)
    return handle


def event(handles: list[int], name: str, root: int) -> int:
    status, handle = nt.NtCreateEvent(nt.EVENT_ALL_ACCESS, ObjectAttributes(name, root), 0, False)
    assert status == nt.STATUS_SUCCESS
    handles.append(handle)
    return handle


def listed(handle: int) -> list[tuple[str, str]]:
    status, entries, context = nt.NtQueryDirectoryObject(handle)
    assert status == nt.STATUS_SUCCESS and context == len(entries)
    return entries


def test_a_handle_to_a_directory_tells_what_it_is(handles: list[int]) -> None:
    whole = directory(handles, GLOBAL)
    assert nt.NtQueryObject(whole, nt.ObjectTypeInformation) == (nt.STATUS_SUCCESS, "Directory")
    assert nt.NtQueryObject(whole, nt.ObjectNameInformation) == (nt.STATUS_SUCCESS, GLOBAL)
    status, basic = nt.NtQueryObject(whole, nt.ObjectBasicInformation)
    assert status == nt.STATUS_SUCCESS and basic.GrantedAccess == BOTH
    assert nt.NtCompareObjects(whole, directory(handles, GLOBAL)) == nt.STATUS_SUCCESS
    other = directory(handles, "\\Sessions")
    assert nt.NtCompareObjects(whole, other) == nt.STATUS_NOT_SAME_OBJECT


def test_the_directory_of_the_process_is_the_one_with_its_name(handles: list[int]) -> None:
    root = nt.kernel.named_objects_directory()
    status, name = nt.NtQueryObject(root, nt.ObjectNameInformation)
    assert status == nt.STATUS_SUCCESS
    assert nt.NtCompareObjects(directory(handles, name), root) == nt.STATUS_SUCCESS
    assert nt.NtCompareObjects(root, directory(handles, "Local", root)) == nt.STATUS_SUCCESS


def test_one_name_in_two_directories_is_two_objects(handles: list[int]) -> None:
    whole, root = directory(handles, GLOBAL), nt.kernel.named_objects_directory()
    name = f"twice {uuid.uuid4()}"
    # the directory of the session first and last: what was remembered of one is not the other's
    here, there = event(handles, name, root), event(handles, name, whole)
    assert nt.NtCompareObjects(here, there) == nt.STATUS_NOT_SAME_OBJECT
    for place, expected in ((whole, there), (root, here), (whole, there)):
        status, again = nt.NtOpenEvent(nt.EVENT_ALL_ACCESS, ObjectAttributes(name, place))
        assert status == nt.STATUS_SUCCESS
        assert nt.NtCompareObjects(again, expected) == nt.STATUS_SUCCESS
        assert nt.NtClose(again) == nt.STATUS_SUCCESS
    assert (name, "Event") in listed(whole) and (name, "Event") in listed(root)


def test_a_scan_goes_on_and_begins_again(handles: list[int]) -> None:
    whole = directory(handles, GLOBAL)
    made = [event(handles, f"scan {number} {uuid.uuid4()}", whole) for number in range(3)]
    entries: list[tuple[str, str]] = []
    context = 0
    while True:
        status, found, after = nt.NtQueryDirectoryObject(whole, True, False, context)
        if status:
            break
        assert len(found) == 1 and after == context + 1
        entries += found
        context = after
    assert (status, found, after) == (nt.STATUS_NO_MORE_ENTRIES, [], context)
    assert len(entries) >= len(made)
    assert nt.NtQueryDirectoryObject(whole, False, False, 1)[1] == entries[1:]
    assert nt.NtQueryDirectoryObject(whole, True, True, 2) == (nt.STATUS_SUCCESS, entries[:1], 1)
    assert nt.NtQueryDirectoryObject(whole, True, False, -1)[0] == nt.STATUS_INVALID_PARAMETER


def test_a_directory_is_listed_with_the_right_to(handles: list[int]) -> None:
    walked = directory(handles, GLOBAL, access=nt.DIRECTORY_TRAVERSE)
    assert nt.NtQueryDirectoryObject(walked) == (nt.STATUS_ACCESS_DENIED, [], 0)
    name = f"walked {uuid.uuid4()}"
    made = event(handles, name, walked)
    assert nt.NtQueryDirectoryObject(made) == (nt.STATUS_OBJECT_TYPE_MISMATCH, [], 0)
    assert nt.NtOpenDirectoryObject(BOTH, ObjectAttributes(name, walked)) == (
        nt.STATUS_OBJECT_TYPE_MISMATCH,
        0,
    )


def test_a_closed_handle_is_no_directory() -> None:
    status, handle = nt.NtOpenDirectoryObject(BOTH, ObjectAttributes(GLOBAL))
    assert status == nt.STATUS_SUCCESS and nt.NtClose(handle) == nt.STATUS_SUCCESS
    assert nt.NtQueryDirectoryObject(handle) == (nt.STATUS_INVALID_HANDLE, [], 0)
    assert nt.NtOpenDirectoryObject(BOTH, ObjectAttributes("Local", handle)) == (
        nt.STATUS_INVALID_HANDLE,
        0,
    )


@pytest.mark.linux_only("names are files")
def test_files_that_are_no_objects_are_not_listed(handles: list[int]) -> None:
    from memsection.nt.linux.names import namespace

    whole, root = directory(handles, GLOBAL), nt.kernel.named_objects_directory()
    tag = uuid.uuid4().hex
    for place in (root, whole):
        event(handles, f"good {tag}", place)
    local, shared = Path(namespace.path_of("local")), Path(namespace.path_of("global"))
    bad = [local / f"bad{tag}", shared / f"memsection.bad{tag}"]
    for file in bad:
        file.write_bytes(b"\xff" * 5000)
    bad += [shared / f"memsection.link{tag}", shared / f"memsection.pipe{tag}"]
    bad[2].symlink_to("/etc/passwd")
    os.mkfifo(bad[3])
    bad.append(shared / f"memsection.shut{tag}")
    bad[4].write_bytes(b"")
    bad[4].chmod(0)
    try:
        # Names of others come and go meanwhile.
        ours = [name for name, _ in listed(root) + listed(whole) if tag in name]
        assert sorted(ours) == [f"good {tag}", f"good {tag}"]
    finally:
        for file in bad:
            file.unlink()


@pytest.mark.linux_only("rights of directories are Windows's own there")
def test_rights_that_a_directory_cannot_give_are_refused(
    handles: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = nt.kernel.named_objects_directory()
    name = ObjectAttributes(GLOBAL)
    for access in (0, nt.SYNCHRONIZE, 0x10, nt.DIRECTORY_QUERY | nt.ACCESS_SYSTEM_SECURITY):
        assert nt.NtOpenDirectoryObject(access, name) == (nt.STATUS_ACCESS_DENIED, 0)
    directory(handles, "Local", root, nt.DIRECTORY_ALL_ACCESS)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert nt.NtOpenDirectoryObject(nt.DIRECTORY_ALL_ACCESS, name) == (nt.STATUS_ACCESS_DENIED, 0)
    most = directory(handles, GLOBAL, access=nt.MAXIMUM_ALLOWED)
    granted = nt.NtQueryObject(most, nt.ObjectBasicInformation)[1].GrantedAccess
    assert granted == BOTH | nt.DIRECTORY_CREATE_OBJECT | nt.READ_CONTROL


@pytest.mark.linux_only("a child of fork(2)")
def test_a_forked_child_has_the_directory_too(handles: list[int]) -> None:
    whole = directory(handles, GLOBAL)
    name = f"forked {uuid.uuid4()}"
    event(handles, name, whole)
    child = os.fork()
    if not child:
        os._exit(0 if (name, "Event") in listed(whole) else 1)
    assert os.waitpid(child, 0)[1] == 0


def creations_and_openings(attributes: ObjectAttributes) -> tuple[set[int], set[int]]:
    """The statuses of making, and of opening, an object of each type; nothing stays."""
    every = nt.GENERIC_ALL
    made = [
        nt.NtCreateMutant(every, attributes, False),
        nt.NtCreateSemaphore(every, attributes, 1, 2),
        nt.NtCreateEvent(every, attributes, 1, False),
        nt.NtCreateTimer(every, attributes, 0),
        nt.NtCreateSection(2, attributes, 4096, nt.PAGE_READWRITE, nt.SEC_COMMIT, 0),
    ]
    for _, handle in made:
        if handle:
            nt.NtClose(handle)
    opened = [
        opening(every, attributes)
        for opening in (
            nt.NtOpenMutant,
            nt.NtOpenSemaphore,
            nt.NtOpenEvent,
            nt.NtOpenTimer,
            nt.NtOpenSection,
        )
    ]
    assert not any(handle for _, handle in opened)
    return {status for status, _ in made}, {status for status, _ in opened}


# The statuses are those that Wine's test (ntdll/tests/om.c) records of Windows.
@pytest.mark.parametrize(
    ("name", "root", "made", "opened"),
    [
        ("", "bad", nt.STATUS_SUCCESS, nt.STATUS_INVALID_HANDLE),
        ("", "event", nt.STATUS_SUCCESS, nt.STATUS_OBJECT_TYPE_MISMATCH),
        ("", "directory", nt.STATUS_SUCCESS, nt.STATUS_OBJECT_TYPE_MISMATCH),
        (None, "bad", nt.STATUS_OBJECT_NAME_INVALID, nt.STATUS_OBJECT_NAME_INVALID),
        (None, "", nt.STATUS_SUCCESS, nt.STATUS_OBJECT_PATH_SYNTAX_BAD),
        ("x", "bad", nt.STATUS_INVALID_HANDLE, nt.STATUS_INVALID_HANDLE),
        ("x", "event", nt.STATUS_OBJECT_TYPE_MISMATCH, nt.STATUS_OBJECT_TYPE_MISMATCH),
        ("\\x", "directory", nt.STATUS_OBJECT_PATH_SYNTAX_BAD, nt.STATUS_OBJECT_PATH_SYNTAX_BAD),
        ("x\\y", "directory", nt.STATUS_OBJECT_PATH_NOT_FOUND, nt.STATUS_OBJECT_PATH_NOT_FOUND),
        ("a" * 32767, "directory", nt.STATUS_OBJECT_NAME_INVALID, nt.STATUS_OBJECT_NAME_INVALID),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else None,
)
def test_what_a_name_and_its_directory_lead_to(
    handles: list[int], name: str | None, root: str, made: int, opened: int
) -> None:
    status, event = nt.NtCreateEvent(nt.EVENT_ALL_ACCESS, None, 0, False)
    assert status == nt.STATUS_SUCCESS
    handles.append(event)
    place = {"": 0, "bad": 0x7FFFFFF0, "event": event}.get(root)
    if place is None:
        place = nt.kernel.named_objects_directory()
    assert creations_and_openings(ObjectAttributes(name, place)) == ({made}, {opened})


@pytest.mark.linux_only("Wine 8 does not find it when it is opened")
def test_an_object_is_no_directory_of_others(handles: list[int]) -> None:
    root, name = nt.kernel.named_objects_directory(), f"leaf {uuid.uuid4()}"
    event(handles, name, root)
    event(handles, "Global\\" + name, root)
    mismatch = {nt.STATUS_OBJECT_TYPE_MISMATCH}
    for path, place in (
        (f"{name}\\below", root),
        (f"Local\\{name}\\below\\it", root),
        (f"Global\\{name}\\below", root),
        (f"\\BaseNamedObjects\\{name}\\below", 0),
    ):
        below = ObjectAttributes(path, place)
        assert creations_and_openings(below) == (mismatch, mismatch)
        assert nt.NtOpenDirectoryObject(BOTH, below) == (nt.STATUS_OBJECT_TYPE_MISMATCH, 0)


@pytest.mark.parametrize("path", [GLOBAL, GLOBAL + "\\Global", "\\Sessions\\..\\x"])
def test_a_backslash_at_the_end_of_a_directory_is_no_name_and_of_nothing_no_path(path: str) -> None:
    there = path != "\\Sessions\\..\\x"
    expected = nt.STATUS_OBJECT_NAME_INVALID if there else nt.STATUS_OBJECT_PATH_NOT_FOUND
    assert nt.NtOpenDirectoryObject(BOTH, ObjectAttributes(path + "\\")) == (expected, 0)
    assert nt.NtCreateDirectoryObject(BOTH, ObjectAttributes(path + "\\")) == (expected, 0)


def test_directories_are_found_regardless_of_case_where_that_is_asked_for(
    handles: list[int],
) -> None:
    root, name = nt.kernel.named_objects_directory(), f"Mixed {uuid.uuid4()}"
    event(handles, "Global\\" + name, root)
    for path, place in (
        (f"\\BASENamedObjects\\{name.upper()}", 0),
        (f"global\\{name.lower()}", root),
        (f"local\\GLOBAL\\{name}", root),
    ):
        plain = ObjectAttributes(path, place)
        any_case = ObjectAttributes(path, place, nt.OBJ_CASE_INSENSITIVE)
        assert creations_and_openings(plain) == (
            {nt.STATUS_OBJECT_PATH_NOT_FOUND},
            {nt.STATUS_OBJECT_PATH_NOT_FOUND},
        )
        status, found = nt.NtOpenEvent(nt.EVENT_ALL_ACCESS, any_case)
        assert status == nt.STATUS_SUCCESS
        assert nt.NtCompareObjects(found, handles[0]) == nt.NtClose(found) == nt.STATUS_SUCCESS
        assert nt.NtCreateEvent(nt.EVENT_ALL_ACCESS, any_case, 0, False) == (
            nt.STATUS_OBJECT_NAME_COLLISION,
            0,
        )
