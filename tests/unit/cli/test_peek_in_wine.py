# SPDX-License-Identifier: MIT
"""``wine peek`` shows a section's bytes as ``peek`` does."""

from __future__ import annotations

from typing import Any

import pytest
from support.objects import leaves_nothing, unique_name

from memsection import ArgumentError, Section

pytestmark = pytest.mark.linux_only("Wine's sections are looked at from outside")
_left = pytest.fixture(autouse=True)(leaves_nothing)


def test_text_is_shown_as_text_and_everything_else_as_bytes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from memsection.cli import peek, wine

    name = unique_name()

    def opened(there: str, **_: Any) -> Section:
        return Section.open(name, access="r")

    monkeypatch.setattr(wine.wine, "open", opened)
    with Section.create(name, 4096) as section, section.map() as view:
        view[:9] = b"one\ntwo.\n"
        wine.peek("Local\\x", length=64)
        as_text = capsys.readouterr().out
        assert as_text.splitlines() == ["text, 9 bytes", "one", "two."]
        peek.peek(name, length=64)
        assert capsys.readouterr().out == as_text
        wine.peek("Local\\x", offset=4, length=4, raw=True)
        assert capsys.readouterr().out.startswith("00000004  74 77 6f 2e")
        view[0] = 0xFF
        wine.peek("Local\\x", length=4)
        assert capsys.readouterr().out.startswith("00000000  ff 6e 65 0a")
        with pytest.raises(ArgumentError, match=r"wine peek 'Local\\x'.*has 4096 bytes"):
            wine.peek("Local\\x", offset=4096)
