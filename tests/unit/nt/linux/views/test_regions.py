# SPDX-License-Identifier: MIT
"""Protections of a region's pages, held against a list with one entry for each page."""

from __future__ import annotations

import random

import pytest
from support.objects import leaves_nothing

from memsection import Section
from memsection.nt.linux.views import regions
from memsection.nt.linux.views.regions import PAGE, Region
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.protection import (
    PAGE_EXECUTE_READ,
    PAGE_NOACCESS,
    PAGE_READONLY,
    PAGE_READWRITE,
)

_left = pytest.fixture(autouse=True)(leaves_nothing)
PAGES = 12
PROTECTIONS = [0, PAGE_NOACCESS, PAGE_READONLY, PAGE_READWRITE, PAGE_EXECUTE_READ]


def region(protection: int = PAGE_READWRITE) -> Region:
    """A record of memory that nobody maps."""
    return Region(1 << 40, PAGES * PAGE, protection, None, 0, True, False)


def agree(found: Region, model: list[int]) -> None:
    assert [found.page_protection(page) for page in range(len(model))] == model
    for page in range(len(model)):
        same = (at for at in range(page, len(model)) if model[at] != model[page])
        assert found.run_end(page) == next(same, len(model))


def test_a_region_that_nobody_changed_is_one_run() -> None:
    agree(region(), [PAGE_READWRITE] * PAGES)
    assert not region().any_reserved(0, PAGES)


@pytest.mark.parametrize("seed", range(40))
def test_any_history_of_changes_is_what_the_pages_say(seed: int) -> None:
    chance, found, model = random.Random(seed), region(), [PAGE_READWRITE] * PAGES
    for _ in range(30):
        first = chance.randrange(PAGES)
        count = chance.randrange(1, PAGES - first + 1)
        protection = chance.choice(PROTECTIONS)
        found.change(first, count, protection)
        model[first : first + count] = [protection] * count
        agree(found, model)
        first = chance.randrange(PAGES)
        count = chance.randrange(1, PAGES - first + 1)
        assert found.any_reserved(first, count) == (0 in model[first : first + count])
        part = found.part(first, count)
        assert (part.base, part.size) == (found.base + first * PAGE, count * PAGE)
        agree(part, model[first : first + count])


def test_a_region_is_found_by_each_of_its_addresses_and_by_no_other() -> None:
    with Section.create(size=3 * PAGE) as section, section.map() as view:
        found = regions.find(view.address)
        assert found is not None and found.size == 3 * PAGE
        for address in (view.address + 1, view.address + 3 * PAGE - 1):
            assert regions.find(address) is found
        for address in (view.address - 1, view.address + 3 * PAGE, 0, -1, (1 << 64) - 1):
            assert regions.find(address) is not found
        regions.require_mapped(found)
        assert regions.region_of(view) is found
    assert regions.find(found.base) is not found
    with pytest.raises(NtError) as caught:
        regions.require_mapped(found)
    assert caught.value.status == st.NOT_MAPPED_VIEW


@pytest.mark.invariant("M2")
def test_a_buffer_whose_view_went_has_no_region_though_another_one_is_there() -> None:
    with Section.create(size=PAGE) as section:
        view = section.map()
        view.close()
        with section.map(), pytest.raises((NtError, AttributeError)):
            regions.region_of(view)
