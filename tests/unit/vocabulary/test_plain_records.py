# SPDX-License-Identifier: MIT
"""Records without ``dataclasses``: their initialisers share code, and nothing of each other's."""

from __future__ import annotations

import inspect

import pytest

from memsection.vocabulary.records import record


@record
class Named:
    name: str
    size: int = 7


@record
class Placed:
    place: int
    name: str | None = None


def test_records_with_as_many_fields_keep_their_own_names_and_defaults() -> None:
    assert (Named("a").name, Named("a").size, Named("a", 8).size) == ("a", 7, 8)
    assert (Placed(1).place, Placed(1).name, Placed(name="b", place=2).name) == (1, None, "b")


def test_the_signature_is_that_of_the_fields() -> None:
    assert list(inspect.signature(Named).parameters) == ["name", "size"]
    assert inspect.signature(Placed).parameters["name"].default is None
    assert inspect.signature(Placed).parameters["place"].default is inspect.Parameter.empty


def test_a_missing_argument_is_told_with_the_record_and_the_field() -> None:
    with pytest.raises(TypeError, match=r"Placed\.__init__\(\) missing .* 'place'"):
        Placed()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="'where'"):
        Named("a", where=1)  # type: ignore[call-arg]


def test_a_record_without_fields_can_be_made() -> None:
    @record
    class Empty:
        pass

    assert Empty() == Empty()
