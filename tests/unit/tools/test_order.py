# SPDX-License-Identifier: MIT
"""The order in which workers read the test files and run them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from support import order, platforms


def _config(number: int, *words: Path) -> SimpleNamespace:
    return SimpleNamespace(
        option=SimpleNamespace(loadscopereorder=True),
        workerinput={"workerid": f"gw{number}", "workercount": 3},
        args=[str(word) for word in words],
    )


def test_workers_read_all_files_and_each_begins_elsewhere() -> None:
    configs = [_config(number, platforms.TESTS) for number in range(3)]
    for config in configs:
        order.begin(config)  # type: ignore[arg-type]
    first, *others = (config.args for config in configs)
    assert str(Path(__file__).resolve()) in first
    assert [sorted(other) for other in others] == [sorted(first)] * 2
    assert len({args[0] for args in (first, *others)}) == 3
    assert not any(platforms.excluded(Path(name)) for name in first)


def test_what_was_asked_for_is_read_as_it_was_asked_for() -> None:
    config = _config(1, platforms.TESTS / "crash", platforms.TESTS / "cli")
    asked = list(config.args)
    order.begin(config)  # type: ignore[arg-type]
    assert config.args == asked


def test_workers_run_the_short_files_last_wherever_they_began() -> None:
    names = ["unit/test_b.py", "crash/test_c.py", "unit/api/test_a.py", "cli/test_d.py"]
    for number in range(len(names)):
        items = [
            SimpleNamespace(path=platforms.TESTS / name)
            for name in order.rotated(names, number, len(names))
        ]
        order.arrange(_config(number), items)  # type: ignore[arg-type]
        found = [item.path.relative_to(platforms.TESTS).as_posix() for item in items]
        assert found == [names[3], names[1], names[2], names[0]]
