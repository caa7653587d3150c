# SPDX-License-Identifier: MIT
"""The order in which workers of pytest-xdist read the test files, and in which they run them.

Each worker has to read all files, and half of the time that takes is pytest's own compilation of
them: a worker begins where the others do not, and finds compiled later what they have read.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from support.platforms import TESTS, excluded

SHORT = "unit"  #: the directory whose files take a second each, and others up to a minute


def begin(config: pytest.Config) -> None:
    """Have the files given out in the order of ``arrange``, and read from a place of the worker's
    own."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False
    worker = getattr(config, "workerinput", None)
    if worker is None or [Path(word).resolve() for word in config.args] != [TESTS]:
        return
    files = [str(path) for path in sorted(TESTS.rglob("test_*.py")) if not excluded(path)]
    number, count = int(worker["workerid"].removeprefix("gw")), worker["workercount"]
    config.args[:] = rotated(files, number, count)


def rotated(files: list[str], number: int, count: int) -> list[str]:
    """The files from the part on that is the worker's with this number, of so many."""
    first = len(files) * number // count
    return files[first:] + files[:first]


def arrange(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The same order for all workers: short files last, so that none is alone with a long one."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: (TESTS / SHORT in item.path.parents, str(item.path)))
