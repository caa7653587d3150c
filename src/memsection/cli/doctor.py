# SPDX-License-Identifier: MIT
"""``memsection doctor``: what this machine allows, what would fail here and why, and what can be
done about it.

The checks are the kernel interface's (``diagnose``); this file shows them.
"""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from memsection.cli.output import note, out, print_json
from memsection.nt import kernel
from memsection.vocabulary.structs import Check
from memsection.vocabulary.text import shown

_MARKS = {
    "ok": ("ok     ", "green"),
    "note": ("note   ", "yellow"),
    "problem": ("problem", "bold red"),
}


def run() -> list[Check]:
    """Every check with what it found."""
    return kernel.diagnose()


def render(checks: list[Check]) -> Text:
    """The checks for a person: a mark, a name, what was found, and the remedy below it."""
    width = max((len(check.name) for check in checks), default=0)
    text = Text()
    for check in checks:
        word, style = _MARKS[check.state]
        text.append(word, style).append(f"  {check.name:<{width}}  {shown(check.found)}\n")
        if check.remedy and check.state != "ok":
            text.append(" " * (width + 11) + f"remedy: {shown(check.remedy)}\n", "dim")
    return text


def doctor(
    json: Annotated[bool, typer.Option("--json", help="One JSON document, for programs.")] = False,
) -> None:
    """Look for what does not work on this machine, and say what to do about it.

    The exit status is 1 when there is a problem; a note is about something that not every program
    needs.
    """
    checks = run()
    if json:
        print_json(
            [{field: getattr(check, field) for field in check.__slots__} for check in checks]
        )
    else:
        out.print(render(checks), end="")
        problems = sum(check.state == "problem" for check in checks)
        notes = sum(check.state == "note" for check in checks)
        note(f"{len(checks)} checks: {problems} problems, {notes} notes.")
    if any(check.state == "problem" for check in checks):
        raise typer.Exit(1)
