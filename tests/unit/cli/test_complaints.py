# SPDX-License-Identifier: MIT
"""What the command line says beside an error: what the error itself says can be done, or else what
its status tells."""

from __future__ import annotations

import pickle

import pytest

from memsection import ExistsError, NotFoundError
from memsection.cli.output import complain
from memsection.vocabulary.errors import with_hint


def said(problem: OSError, capsys: pytest.CaptureFixture[str]) -> list[str]:
    assert complain(problem) == 1
    return capsys.readouterr().err.splitlines()


def test_an_error_says_what_can_be_done_before_its_status_does(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert said(NotFoundError("open 'x'"), capsys)[1:] == [
        "'memsection ls' shows the names that exist."
    ]
    assert said(with_hint(NotFoundError("open 'x'"), "Look there."), capsys)[1:] == ["Look there."]
    assert said(with_hint(ExistsError("save 'x'"), ""), capsys)[1:] == []


def test_a_hint_goes_with_its_error_to_other_processes() -> None:
    problem = with_hint(NotFoundError("open 'x'"), "Look there.")
    again = pickle.loads(pickle.dumps(problem))
    assert (type(again), str(again), again.hint) == (NotFoundError, str(problem), "Look there.")
    assert pickle.loads(pickle.dumps(NotFoundError("open 'x'"))).hint is None
