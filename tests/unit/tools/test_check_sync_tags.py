# SPDX-License-Identifier: MIT
"""``tools/check_sync_tags.py``: it finds what it is for, and the core is free of it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

PATH = Path(__file__).parents[3] / "tools" / "check_sync_tags.py"
spec = importlib.util.spec_from_file_location("check_sync_tags", PATH)
assert spec is not None and spec.loader is not None
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)


def test_the_core_has_both_sides_of_every_tag(capsys: pytest.CaptureFixture[str]) -> None:
    status = tool.main()
    assert capsys.readouterr().err == "" and status == 0


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("/* SYNC(a): release, pairs with x */", "SYNC(a) has no acquire side"),
        ("/* SYNC(a): acquire; pairs with x */", "SYNC(a) has no release side"),
        (
            "/* SYNC(a): pairs with x */",
            "a.c:1: SYNC(a) does not say whether it is the acquire or the release",
        ),
        (
            "\n\n# SYNC(a): both\n",
            "a.c:3: SYNC(a) does not say whether it is the acquire or the release",
        ),
    ],
)
def test_a_tag_without_its_other_side_is_a_complaint(text: str, complaint: str) -> None:
    assert tool.complaints([("a.c", text)]) == [complaint]


@pytest.mark.parametrize(
    "texts",
    [
        ["/* SYNC(a): release */", "# SYNC(a): acquire"],
        ["/* SYNC(a): acquire and release on one word */"],
        ["/* SYNC(a): release; pairs with\n * the kernel's comparison */"],
        ["/* SYNC(a): release; pairs with b, SYNC(c), SYNC(d) */ /* SYNC(a): acquire */"],
    ],
)
def test_whole_tags_are_no_complaint(texts: list[str]) -> None:
    assert tool.complaints([(f"{number}.c", text) for number, text in enumerate(texts)]) == []
