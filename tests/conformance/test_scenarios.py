# SPDX-License-Identifier: MIT
"""Every scenario of the conformance suite as a test of its own, against ``memsection.win32`` and
``memsection.nt``.

It owns nothing but the collecting: scenarios, transcripts and comparison are the suite's.
Scenarios run in processes of their own, so the ones to come are started while the current one is
waited for.  Where this library knowingly differs from Windows is in ``deviations``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import compare  # noqa: E402
from deviations import DEVIATIONS  # noqa: E402
from harness import engine, golden  # noqa: E402
from harness.scenario import Scenario, discover  # noqa: E402

MODULES = ["memsection.win32", "memsection.nt"]
SUITES = [HERE, HERE / "further"]
SCENARIOS: list[Scenario] = []
EXPECTED: dict[str, list[engine.Line]] = {}
for _suite in SUITES:
    SCENARIOS += discover(str(_suite / "scenarios"))
    EXPECTED |= {
        name: entry["lines"] for name, entry in golden.load(str(_suite / "golden.json")).items()
    }

#: Scenarios that run ahead of the one that is waited for; none where the tests are spread over
#: processes already.
AHEAD = 0 if "PYTEST_XDIST_WORKER" in os.environ else (os.cpu_count() or 1)


def _parameters() -> list[object]:
    deviations = {} if sys.platform == "win32" else DEVIATIONS
    return [
        pytest.param(
            scenario,
            id=scenario.id,
            marks=[pytest.mark.xfail(strict=True, reason=deviations[scenario.id].reason)]
            if scenario.id in deviations
            else [],
        )
        for scenario in SCENARIOS
    ]


class Runs:
    """The runs of the scenarios that were selected, in their order, a few ahead."""

    def __init__(self, order: list[Scenario]) -> None:
        self._order = order
        self._pool = ThreadPoolExecutor(max_workers=max(1, AHEAD))
        self._started: dict[str, Future[engine.Outcome]] = {}

    def outcome(self, scenario: Scenario) -> engine.Outcome:
        position = self._order.index(scenario)
        for one in self._order[position : position + 1 + AHEAD]:
            if one.id not in self._started:
                self._started[one.id] = self._pool.submit(engine.run, one, MODULES, engine.native())
        return self._started[scenario.id].result()

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)


@pytest.fixture(scope="session")
def runs(request: pytest.FixtureRequest) -> Iterator[Runs]:
    chosen = [
        item.callspec.params["scenario"]
        for item in request.session.items
        if "scenario" in getattr(getattr(item, "callspec", None), "params", {})
    ]
    runs = Runs(chosen)
    yield runs
    runs.close()


@pytest.mark.parametrize("scenario", _parameters())
def test_the_transcript_is_that_of_windows(scenario: Scenario, runs: Runs) -> None:
    outcome = runs.outcome(scenario)
    found = golden.diverges(EXPECTED[scenario.id], outcome.lines, compare.under_wine())
    if found is not None:
        pytest.fail(
            f"{scenario.about}\nline {found.position}\n  expected  "
            f"{compare.shown(found.expected)}\n"
            f"  got       {compare.shown(found.got)}\n{outcome.problem or ''}\n{outcome.stderr}",
            pytrace=False,
        )
    assert outcome.problem is None, f"{outcome.problem}\n{outcome.stderr}"


def test_every_transcript_has_its_scenario() -> None:
    assert sorted(EXPECTED) == sorted(scenario.id for scenario in SCENARIOS)


def test_every_deviation_names_a_scenario() -> None:
    assert set(DEVIATIONS) <= {scenario.id for scenario in SCENARIOS}
