# SPDX-License-Identifier: MIT
"""Names beyond the scenarios: sessions, links in every directory, directories without a name."""

from __future__ import annotations

import uuid

import pytest

from memsection import nt, win32
from memsection.vocabulary.structs import ObjectAttributes


def _section(name: str) -> int:
    return win32.CreateFileMapping(
        win32.INVALID_HANDLE_VALUE, None, win32.PAGE_READWRITE, 0, 0x1000, name
    )


def test_a_name_can_say_the_session_it_is_in() -> None:
    leaf = f"session {uuid.uuid4()}"
    section = _section(leaf)
    _, full = nt.NtQueryObject(section, nt.ObjectNameInformation)
    number = full.split("\\")[2]
    again = win32.OpenFileMapping(win32.FILE_MAP_READ, False, f"Session\\{number}\\{leaf}")
    assert win32.CompareObjectHandles(section, again)
    win32.CloseHandle(again)
    win32.CloseHandle(section)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("Session", win32.ERROR_INVALID_HANDLE),
        ("Session\\", win32.ERROR_INVALID_NAME),
        ("Session\\123456789\\x", win32.ERROR_PATH_NOT_FOUND),
        ("Global\\Local", win32.ERROR_INVALID_HANDLE),
        ("Global\\Session", win32.ERROR_INVALID_HANDLE),
        ("Local\\Global", win32.ERROR_INVALID_HANDLE),
    ],
)
def test_the_prefixes_are_taken_in_every_directory(name: str, code: int) -> None:
    with pytest.raises(OSError) as caught:
        _section(name)
    assert caught.value.winerror == code


def test_a_directory_without_a_name_in_it_is_no_place_for_an_object() -> None:
    attributes = ObjectAttributes(None, nt.kernel.named_objects_directory())
    status, _ = nt.NtCreateSection(
        nt.SECTION_ALL_ACCESS, attributes, 0x1000, nt.PAGE_READWRITE, nt.SEC_COMMIT
    )
    assert status == nt.STATUS_OBJECT_NAME_INVALID


def test_what_is_no_directory_cannot_be_the_root_of_a_name() -> None:
    event = win32.CreateEvent()
    for root, expected in (
        (event, nt.STATUS_OBJECT_TYPE_MISMATCH),
        (0x7FFFFFF0, nt.STATUS_INVALID_HANDLE),
    ):
        assert nt.NtOpenSection(nt.SECTION_MAP_READ, ObjectAttributes("name", root))[0] == expected
    win32.CloseHandle(event)
