# SPDX-License-Identifier: MIT
"""The byte formats are one: what ``ms_layout.h`` says is what the object manager reads and
writes."""

from __future__ import annotations

import sys

import pytest

if sys.platform != "linux":
    pytest.skip("the steps are for Linux", allow_module_level=True)

from memsection._native import protocol
from memsection.nt.linux.bodies import control_page, position
from memsection.nt.linux.names import locators
from memsection.vocabulary import protection

C = protocol.layout()


def test_the_control_page_is_where_and_what_the_object_manager_says() -> None:
    assert control_page.HEADER.size == C["page_header"]
    assert (control_page.MAGIC, control_page.VERSION) == (
        bytes(C["page_magic"]) + b"\0",
        C["page_version"],
    )  # type: ignore[call-overload]
    assert control_page.LAYOUT == (C["descriptor_at"], C["text_at"], C["page_size"])
    assert control_page.STATE_OFFSET == C["state_at"]
    assert (control_page.PERMANENT, control_page.SUPERSEDED) == (C["permanent"], C["superseded"])


def test_the_locator_is_what_the_object_manager_says() -> None:
    assert locators.LAYOUT == (64, C["hints"], C["locator"])
    assert locators._MAGIC == bytes(C["locator_magic"]) + b"\0"  # type: ignore[call-overload]
    assert locators._VERSION == C["locator_version"]
    assert locators._HEAD.size == 48


def test_the_position_of_a_handle_is_what_the_object_manager_says() -> None:
    assert (position.TAG, position.REVOKED, position.PROTECTED, position.PENDING) == (
        C["tag"],
        C["revoked"],
        C["protected"],
        C["pending"],
    )
    assert position.position(0, 0) == position.TAG | 1 << int(C["data_shift"])


def test_pages_and_granularity_are_the_vocabularys() -> None:
    assert (protection.PAGE_SIZE, protection.ALLOCATION_GRANULARITY) == (
        C["page_size"],
        C["granularity"],
    )
