# SPDX-License-Identifier: MIT
"""Sections that exist without handles until somebody removes them."""

from __future__ import annotations

import subprocess
import sys
import uuid

import pytest

from memsection import Error, NotFoundError, Section

REMOVE = [sys.executable, "-m", "memsection", "rm"]


@pytest.mark.linux_only("on Windows it takes a right that few accounts have")
def test_a_permanent_section_outlives_its_last_handle() -> None:
    name = f"Global\\permanent-{uuid.uuid4().hex}"
    with (
        Section.create(name, 4096, permanent=True, inheritable=True) as section,
        section.map() as view,
    ):
        view[:4] = b"kept"
    try:
        with Section.open(name) as section, section.map() as view:
            assert bytes(view[:4]) == b"kept"
    finally:
        removed = subprocess.run([*REMOVE, name], capture_output=True, text=True, timeout=60)
    assert removed.returncode == 0, removed.stderr
    with pytest.raises(NotFoundError):
        Section.open(name)


@pytest.mark.linux_only("on Windows it takes a right that few accounts have")
@pytest.mark.parametrize("name", [None, "permanent-here"])
def test_what_cannot_be_permanent_is_an_error_that_tells_what_can_be_done(name: str | None) -> None:
    with pytest.raises(Error, match="only a Global name.*'memsection keep'") as told:
        Section.create(name, 4096, permanent=True)
    assert told.value.winerror == 50
    if name is not None:
        with pytest.raises(NotFoundError):
            Section.open(name)
