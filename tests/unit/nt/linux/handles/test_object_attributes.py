# SPDX-License-Identifier: MIT
"""Where the name in OBJECT_ATTRIBUTES leads, with and without a directory to begin at."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from support.objects import leaves_nothing, unique_name

from memsection import Section
from memsection.nt import kernel
from memsection.nt.linux.handles import object_attributes
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.structs import ObjectAttributes

_left = pytest.fixture(autouse=True)(leaves_nothing)


@pytest.fixture
def root() -> Iterator[int]:
    yield kernel.named_objects_directory()


def refusal(name: str | None, root: int = 0) -> int:
    with pytest.raises(NtError) as caught:
        object_attributes.place_of(ObjectAttributes(name, RootDirectory=root))
    return caught.value.status


def test_without_a_name_it_leads_nowhere() -> None:
    assert object_attributes.place_of(ObjectAttributes(None)) is None
    assert object_attributes.place_of(ObjectAttributes("")) is None


def test_the_same_place_has_a_full_name_and_one_below_its_directory(root: int) -> None:
    below = object_attributes.place_of(ObjectAttributes("leaf", RootDirectory=root))
    full = object_attributes.place_of(
        ObjectAttributes(f"\\Sessions\\{os.geteuid()}\\BaseNamedObjects\\leaf")
    )
    assert below is not None and full is not None
    assert (below.full, below.directory, below.file) == (full.full, "local", full.file)
    found = object_attributes.place_of(ObjectAttributes("Global\\leaf", RootDirectory=root))
    assert found is not None and found.is_global and found.full == "\\BaseNamedObjects\\leaf"


@pytest.mark.parametrize(
    ("name", "status"),
    [
        (None, st.OBJECT_NAME_INVALID),
        ("\\leaf", st.OBJECT_PATH_SYNTAX_BAD),
        ("with\0nul", st.OBJECT_NAME_INVALID),
        ("Global", st.OBJECT_TYPE_MISMATCH),
        ("Local", st.OBJECT_TYPE_MISMATCH),
        ("Session", st.OBJECT_TYPE_MISMATCH),
        ("no\\such\\directory", st.OBJECT_PATH_NOT_FOUND),
    ],
)
def test_what_leads_to_no_object_is_refused(root: int, name: str | None, status: int) -> None:
    assert refusal(name, root) == status


@pytest.mark.parametrize("name", ["relative", "\\", "\\BaseNamedObjects\\", "\\Device\\x"])
def test_a_full_name_begins_with_a_directory_that_has_objects(name: str) -> None:
    assert refusal(name) != st.SUCCESS


def test_a_handle_that_is_no_directory_is_no_place_to_begin() -> None:
    with Section.create(size=4096) as section:
        assert refusal("leaf", section.handle) == st.OBJECT_TYPE_MISMATCH
    assert refusal("leaf", 0x7FFC) == st.INVALID_HANDLE


def test_the_case_of_a_name_counts_unless_it_is_asked_not_to(root: int) -> None:
    name = unique_name() + "-Mixed"
    with Section.create(name, 4096):
        exact = object_attributes.place_of(ObjectAttributes(name.upper(), RootDirectory=root))
        assert exact is not None and not object_attributes.has_file(exact)
        any_case = object_attributes.place_of(
            ObjectAttributes(name.upper(), RootDirectory=root, Attributes=s.OBJ_CASE_INSENSITIVE)
        )
        assert any_case is not None and object_attributes.has_file(any_case)
        assert any_case.leaf == name


def test_a_name_below_the_root_has_one_backslash() -> None:
    assert object_attributes.below("\\", "a") == "\\a"
    assert object_attributes.below("\\a", "b") == "\\a\\b"
