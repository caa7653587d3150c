# SPDX-License-Identifier: MIT
"""Services of the native face that have no twin elsewhere: handle flags, files and privileges by
their Nt names."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from memsection import nt
from memsection.vocabulary.structs import OBJ_INHERIT, ObjectAttributes


def test_the_flags_of_a_handle_are_read_and_set() -> None:
    status, handle = nt.NtCreateEvent(nt.EVENT_ALL_ACCESS, None, 0, False)
    assert status == nt.STATUS_SUCCESS
    flags = nt.ObjectHandleFlagInformation
    assert nt.NtQueryObject(handle, flags) == (nt.STATUS_SUCCESS, (False, False))
    assert nt.NtSetInformationObject(handle, flags, (True, True)) == nt.STATUS_SUCCESS
    assert nt.NtQueryObject(handle, flags) == (nt.STATUS_SUCCESS, (True, True))
    assert nt.NtClose(handle) == nt.STATUS_HANDLE_NOT_CLOSABLE
    assert nt.NtSetInformationObject(handle, flags, (False, False)) == nt.STATUS_SUCCESS
    assert nt.NtSetInformationObject(handle, 2, (False, False)) == nt.STATUS_INVALID_INFO_CLASS
    assert nt.NtClose(handle) == nt.STATUS_SUCCESS
    assert nt.NtSetInformationObject(handle, flags, (True, False)) == nt.STATUS_INVALID_HANDLE
    assert nt.NtQueryObject(handle, flags) == (nt.STATUS_INVALID_HANDLE, None)


def test_a_file_is_created_and_opened_natively(tmp_path: Path) -> None:
    name = ObjectAttributes(str(tmp_path / "file"), 0, OBJ_INHERIT)
    created = nt.NtCreateFile(nt.FILE_GENERIC_WRITE, name, 0, 0, 2)  # FILE_CREATE
    assert created[0] == nt.STATUS_SUCCESS and created[2] == 2
    assert nt.NtQueryObject(created[1], nt.ObjectHandleFlagInformation)[1] == (True, False)
    assert nt.NtCreateFile(nt.FILE_GENERIC_READ, name, 0, 0, 1) == (
        nt.STATUS_SHARING_VIOLATION,
        0,
        0,
    )
    assert nt.NtClose(created[1]) == nt.STATUS_SUCCESS
    assert nt.NtCreateFile(nt.FILE_GENERIC_READ, name, 0, 0, 2) == (
        nt.STATUS_OBJECT_NAME_COLLISION,
        0,
        0,
    )
    assert (
        nt.NtCreateFile(nt.FILE_GENERIC_READ, None, 0, 0, 1)[0] == nt.STATUS_OBJECT_PATH_SYNTAX_BAD
    )
    opened = nt.NtCreateFile(nt.FILE_GENERIC_READ, name, 0, 0, 1)
    assert opened[0] == nt.STATUS_SUCCESS and opened[2] == 1
    assert nt.NtClose(opened[1]) == nt.STATUS_SUCCESS


def test_what_a_token_lacks_is_told_as_not_all_assigned() -> None:
    status, token = nt.NtOpenProcessToken(
        nt.CURRENT_PROCESS, nt.TOKEN_ADJUST_PRIVILEGES | nt.TOKEN_QUERY
    )
    assert status == nt.STATUS_SUCCESS
    # SeCreateToken
    assert nt.NtAdjustPrivilegesToken(token, False, [(2, 2)]) == (nt.STATUS_NOT_ALL_ASSIGNED, [])
    assert nt.NtClose(token) == nt.STATUS_SUCCESS
    assert nt.NtAdjustPrivilegesToken(token, True) == (nt.STATUS_INVALID_HANDLE, [])


def _creations(name: str | None, flags: int) -> list[tuple[int, int]]:
    root = 0 if name is None else nt.kernel.named_objects_directory()
    places = [ObjectAttributes(name and f"{name} {number}", root, flags) for number in range(4)]
    return [
        nt.NtCreateSection(
            nt.SECTION_ALL_ACCESS, places[0], 0x1000, nt.PAGE_READWRITE, nt.SEC_COMMIT
        ),
        nt.NtCreateMutant(nt.MUTANT_ALL_ACCESS, places[1], False),
        nt.NtCreateEvent(nt.EVENT_ALL_ACCESS, places[2], nt.NOTIFICATION_EVENT, True),
        nt.NtCreateSemaphore(nt.SEMAPHORE_ALL_ACCESS, places[3], 1, 1),
    ]


@pytest.mark.linux_only("Windows has permanent objects everywhere, for who may make them")
def test_an_object_of_a_user_cannot_be_created_permanent() -> None:
    for name in (None, f"kept {uuid.uuid4()}"):
        assert {made for made, _ in _creations(name, nt.OBJ_PERMANENT)} == {
            nt.STATUS_MEMSECTION_NOT_ON_THIS_SYSTEM
        }


@pytest.mark.linux_only("Windows has permanent objects everywhere, for who may make them")
def test_a_global_object_is_created_permanent() -> None:
    name, root = f"Global\\kept {uuid.uuid4()}", nt.kernel.named_objects_directory()
    openers = (nt.NtOpenSection, nt.NtOpenMutant, nt.NtOpenEvent, nt.NtOpenSemaphore)
    for number, (made, handle) in enumerate(_creations(name, nt.OBJ_PERMANENT)):
        assert made == nt.STATUS_SUCCESS
        assert nt.NtQueryObject(handle, nt.ObjectBasicInformation)[1].Attributes & nt.OBJ_PERMANENT
        assert nt.NtClose(handle) == nt.STATUS_SUCCESS
        place = ObjectAttributes(f"{name} {number}", root)
        found, again = openers[number](nt.MAXIMUM_ALLOWED, place)
        assert found == nt.STATUS_SUCCESS
        assert nt.NtMakeTemporaryObject(again) == nt.NtClose(again) == nt.STATUS_SUCCESS
        assert openers[number](nt.MAXIMUM_ALLOWED, place)[0] == nt.STATUS_OBJECT_NAME_NOT_FOUND
