# SPDX-License-Identifier: MIT
"""What descriptions say is read once for each text: whoever reads it again is told the same, and
shares nothing that can be changed or is large."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from support.objects import unique_name

from memsection import arrays, records
from memsection.content import facts as facts_of
from memsection.content import schema
from memsection.content.layouts import layout, layout_in


@dataclass
class Pair:
    x: float
    count: int


def test_who_asks_what_a_section_says_may_change_the_answer() -> None:
    with records.create(None, Pair, 2) as pairs:
        first = schema.describe(pairs.section)
        assert first is not None
        first["type"]["fields"].clear()
        again = schema.glance(pairs.section)
        assert again == schema.describe(pairs.section) and again["type"]["fields"]


def test_what_is_made_of_a_description_is_bounded() -> None:
    facts = facts_of.facts_in(facts_of.text_of({"kind": "made of"}))
    assert facts is not None
    for number in range(100):
        assert facts_of.remember(facts, number, lambda _, number=number: number + 1) == number + 1
    assert len(facts.made) <= facts_of._MOST_MADE


def test_two_layouts_of_one_description_share_nothing_large() -> None:
    with records.create(None, Pair, 2) as pairs, memoryview(pairs.view) as whole:
        found = schema.read(whole)
    assert found is not None
    first, again = layout_in(found[0]), layout_in(found[0])
    first.unpack_from(bytes(first.size))
    assert "_codec" in first.__dict__ and "_codec" not in again.__dict__
    assert first.fingerprint == again.fingerprint and first.c() == again.c()


def test_a_structured_dtype_that_is_renamed_in_one_array_stays_in_the_next() -> None:
    name = unique_name()
    with_names = np.dtype([("x", "f8"), ("y", "f8")])
    made = arrays.create(name, 4, with_names)
    arrays.open(name).dtype.names = ("a", "b")
    assert arrays.open(name).dtype == with_names == made.dtype


def test_a_class_has_one_layout() -> None:
    assert layout(Pair) is layout(Pair)
