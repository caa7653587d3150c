# SPDX-License-Identifier: MIT
"""Functions that work out each result once."""

from __future__ import annotations

import pytest

from memsection.vocabulary.remembering import remember_results


def test_each_result_is_worked_out_once_and_all_are_forgotten_when_they_are_too_many() -> None:
    asked: list[int] = []

    @remember_results(2)
    def doubled(number: int) -> int:
        """Twice the number."""
        asked.append(number)
        return 2 * number

    assert [doubled(1), doubled(2), doubled(1), doubled(2)] == [2, 4, 2, 4]
    assert asked == [1, 2]
    assert [doubled(3), doubled(3), doubled(1)] == [6, 6, 2]
    assert asked == [1, 2, 3, 1]
    assert (doubled.__name__, doubled.__doc__) == ("doubled", "Twice the number.")


def test_a_failure_is_not_remembered() -> None:
    asked: list[int] = []

    @remember_results(2)
    def refused(number: int) -> int:
        asked.append(number)
        raise ValueError("no")

    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            refused(1)
    assert asked == [1, 1]
