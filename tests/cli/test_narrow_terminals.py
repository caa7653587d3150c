# SPDX-License-Identifier: MIT
"""Forty columns: no line is longer, no word of a heading and no column is cut, and the same is said
as in wide terminals."""

from __future__ import annotations

import dataclasses
import os
from types import SimpleNamespace
from typing import Any

import pytest

from memsection import NotFoundError, Section, mirror, records
from memsection.cli import mirror_lines, mirror_ls, output, peek, show

WIDTH = 40


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    console = output.Console(
        highlight=False,
        markup=False,
        soft_wrap=True,
        width=WIDTH,
        height=30,
        force_terminal=True,
        color_system=None,
    )
    for module in (output, show, peek, mirror_lines):
        monkeypatch.setattr(module, "out", console)


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[str]:
    lines = capsys.readouterr().out.splitlines()
    assert lines and max(map(len, lines)) <= WIDTH
    assert not any("…" in line for line in lines)
    return lines


@pytest.mark.linux_only("pages and holders are told there")
def test_show_has_the_whole_name_and_each_holder(capsys: pytest.CaptureFixture[str]) -> None:
    long = f"test-narrow-{os.getpid()}-" + "n" * 40
    with Section.create(long, 1 << 22), Section.open(long, access="r"):
        show.show(long)
    lines = [line.strip("│╭╮╰╯─ ") for line in lines_of(capsys)]
    assert lines[0] == "Section" and long in "".join(lines[1:4]).replace("name      ", "")
    assert (
        "access rw" in lines
        and "access r" in lines
        and any(line.startswith("handle 0x") for line in lines)
    )
    assert sum("▕" in line and "▏" in line for line in lines) == 1


def test_the_heading_of_peek_ends_its_lines_between_words(
    capsys: pytest.CaptureFixture[str],
) -> None:
    @dataclasses.dataclass
    class RecordOfTelemetry:
        x: records.int32

    with records.create(None, RecordOfTelemetry, 2) as shared:
        text, _ = peek._typed(shared.section, peek.schema.describe(shared.section) or {}, None)
        output.out.print(text)
        lines = lines_of(capsys)
        assert " ".join(lines).startswith(
            f"record: name RecordOfTelemetry, count 2, fingerprint {shared.layout.fingerprint}"
        )
    output.out.print(peek.dump(bytes(range(9)), 0, None, peek._row_that_fits()))
    assert lines_of(capsys) == [
        "00000000  00 01 02 03 │····│",
        "00000004  04 05 06 07 │····│",
        "00000008  08          │·│",
    ]


def test_mirror_ls_gives_each_publication_lines_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def publications(*_: Any) -> list[Any]:
        return [
            SimpleNamespace(key="robot/" + "camera-" * 4, kind="latest", size=1 << 20, sequence=0)
        ]

    monkeypatch.setattr(mirror, "publications", publications)
    monkeypatch.setattr(mirror.Network, "from_file", lambda file: None)
    mirror_ls.ls()
    assert lines_of(capsys) == ["robot/" + "camera-" * 4, "  kind latest", "  size 1 MiB"]
    output.print_rows(
        ("NAME", "TYPE"), [("n" * 20, "Section, table of 2 rows: a column, another one")]
    )
    assert lines_of(capsys) == [
        "n" * 20,
        "  type Section, table of 2 rows: a",
        "    column, another one",
    ]


@pytest.mark.parametrize("name", ["camera", "camera-" * 5])
def test_what_is_published_is_shown_as_lines_too(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    output.out.print(mirror_lines._table([(name, "live", 7, 3, 1000, 0.25)], {}))
    lines = lines_of(capsys)
    assert lines[0] == name and {"  state live", "  sequence 7", "  age 0.2 s"} < set(lines)


def test_failures_and_hints_end_their_lines_between_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(output, "err", output.out)
    with pytest.raises(NotFoundError) as caught:
        Section.open("prices")
    assert output.complain(caught.value) == 1
    said = " ".join(lines_of(capsys))
    assert said.startswith("memsection: [WinError 2] ")
    assert said.endswith(" 'memsection ls' shows the names that exist.")
