# SPDX-License-Identifier: MIT
"""Data frames of pandas and polars: put as tables, and opened as frames over the same memory."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest

from memsection import ArgumentError, NotFoundError, Section

pa: Any = pytest.importorskip(
    "pyarrow", reason="memsection[arrow] is not installed", exc_type=ImportError
)
pd: Any = pytest.importorskip("pandas")
pl: Any = pytest.importorskip("polars")
arrow: Any = pytest.importorskip("memsection.arrow", exc_type=ImportError)


def _lies_in_the_section(name: str, values: np.ndarray) -> bool:
    """Whether a change of the section's bytes is seen in the array."""
    before = values[0]
    with Section.open(name) as section, section.map() as view:
        at = bytes(view).index(values.tobytes())
        view[at : at + 1] = bytes([view[at] ^ 1])
        changed = values[0] != before
        view[at : at + 1] = bytes([view[at] ^ 1])
    return bool(changed)


def test_pandas_columns_of_numbers_are_not_copied(name: str) -> None:
    source = pd.DataFrame(
        {
            "a": np.arange(100.0) + 0.5,
            "b": np.arange(100.0) + 1000,
            "c": [f"t{n}" for n in range(100)],
        }
    )
    with arrow.put(name, source):
        found = arrow.frame(name)
        pd.testing.assert_frame_equal(found, source, check_dtype=False)
        for column in ("a", "b"):
            assert _lies_in_the_section(name, found[column].to_numpy())
    assert found["a"].sum() == source["a"].sum(), "valid after everything was closed"
    del found
    gc.collect()
    with pytest.raises(NotFoundError):
        arrow.frame(name)


def test_polars_columns_are_not_copied(name: str) -> None:
    source = pl.DataFrame({"a": np.arange(100.0) + 0.5, "t": [f"t{n}" for n in range(100)]})
    with arrow.put(name, source):
        found = arrow.frame(name, "polars")
        assert found.equals(source)
        assert _lies_in_the_section(name, found["a"].to_numpy())


def test_a_column_that_cannot_be_shared_is_named() -> None:
    class Thing:
        pass

    with pytest.raises(ArgumentError, match="column 'bad'"):
        arrow.put(None, pd.DataFrame({"good": [1, 2], "bad": [Thing(), Thing()]}))
    with pytest.raises(ArgumentError, match="column 'mixed'"):
        arrow.put(None, pd.DataFrame({"mixed": [1, "two"], "good": [1, 2]}))
    with pytest.raises(ArgumentError, match="is no table"):
        arrow.put(None, 7)


def test_a_library_that_is_not_known_is_told_before_anything_is_opened(name: str) -> None:
    with pytest.raises(ArgumentError, match="not one of"):
        arrow.frame(name, "dask")  # type: ignore[arg-type]
    with (
        arrow.put(name, pa.table({"a": [1]}), version=3),
        pytest.raises(ArgumentError, match="version"),
    ):
        arrow.frame(name, version=4)
    gc.collect()
