# SPDX-License-Identifier: MIT
"""The terminal interface of ``memsection top``.

What is shown comes from ``ls`` and ``show``; this file arranges it, and reacts to keys.
"""

from __future__ import annotations

from collections.abc import Container
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import DataTable, Footer, Header, Input, Static

from memsection import Section, errors
from memsection.cli import typed
from memsection.cli.ls import find_unnamed, holders_words, kind_words
from memsection.cli.output import command_of, size_words
from memsection.cli.peek import dump
from memsection.cli.show import details, render
from memsection.content import schema
from memsection.nt import kernel
from memsection.vocabulary.structs import NamedObject
from memsection.vocabulary.text import shown

_SORTS = ("name", "size", "holders", "type")
_INSIDE = 512  #: bytes of a section that are shown when looking inside


class Inside(ModalScreen[None]):
    """One object: what ``show`` tells, and the first bytes of a section."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape,q,enter", "dismiss", "Back")]
    DEFAULT_CSS = (
        "Inside { align: center middle; } Inside > VerticalScroll { width: 95%; height: 90%; "
        "border: round $accent; background: $surface; padding: 0 1; }"
    )

    def __init__(self, found: NamedObject, interval: float) -> None:
        super().__init__()
        self.found, self.interval = found, interval
        self.before: bytes | None = None

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield Static(id="facts")
            yield Static(id="bytes")
        yield Footer()

    def on_mount(self) -> None:
        self.look()
        self.set_interval(self.interval, self.look)

    def look(self) -> None:
        found = next(
            (entry for entry in kernel.list_directory() if entry.name == self.found.name),
            self.found,
        )
        self.query_one("#facts", Static).update(
            render(found, details(found) if found.name else {"views": {}, "waiters": {}})
        )
        self.query_one("#bytes", Static).update(self._bytes(found))

    def _bytes(self, found: NamedObject) -> Text:
        if found.type_name != "Section":
            return Text()
        try:
            if found.name:
                section = Section.open(found.name, access="r")
            else:
                section = Section.from_process(
                    found.holders[0].pid, found.holders[0].handle, access="r"
                )
            with section:
                facts = schema.describe(section)
                lines = None if facts is None else typed.lines(section, facts)
                if lines is not None:
                    return Text("\n".join(map(shown, lines)))
                with section.map() as view:
                    now = bytes(view[:_INSIDE])
        except errors.Error as problem:
            return Text(shown(problem), "red")
        before, self.before = self.before, now
        return dump(now, 0, before if before is not None and len(before) == len(now) else None)


class Top(App[None]):
    """The table of objects."""

    TITLE = "memsection"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        ("q", "quit", "Quit"),
        ("s", "sort", "Sort"),
        ("slash", "filter", "Filter"),
        ("u", "unnamed", "Unnamed"),
        ("enter", "inside", "Look inside"),
        ("escape", "clear", "Clear filter"),
        # in a terminal of its own it is a key, no signal
        Binding("ctrl+c", "interrupt", show=False, priority=True),
    ]
    CSS = "DataTable { height: 1fr; } #filter { display: none; } #filter.shown { display: block; }"

    def __init__(self, interval: float, unnamed: bool) -> None:
        super().__init__()
        self.interval, self.unnamed = interval, unnamed
        self.order = 0
        self.wanted = ""
        self.shown: list[NamedObject] = []

    def compose(self) -> ComposeResult:
        yield Header()
        yield DataTable[str | Text](cursor_type="row", zebra_stripes=True)
        yield Input(placeholder="part of a name, a type, a process id or a command", id="filter")
        yield Footer()

    def on_mount(self) -> None:
        self.screen_stack[0].query_one(DataTable).add_columns(
            "NAME", "TYPE", "SIZE", "OWNER", "HOLDERS", "COMMANDS"
        )
        self.look()
        self.set_interval(self.interval, self.look)

    def look(self) -> None:
        """Look again, and show what there is now; the cursor stays on its object."""
        objects = kernel.list_directory() + (find_unnamed() if self.unnamed else [])
        total = len(objects)
        names = {found.name for found in objects}
        rows = [(found, self._row(found, names)) for found in objects]
        if self.wanted:
            rows = [
                pair for pair in rows if any(self.wanted in str(cell).lower() for cell in pair[1])
            ]
        rows.sort(key=self._key)
        # The table, also while another screen is before it; none while the screen is taken down at
        # the end, when the timer may still come.
        tables = list(self.screen_stack[0].query(DataTable)) if self.screen_stack else []
        if not tables:
            return
        table = tables[0]
        at = self.shown[table.cursor_row] if 0 <= table.cursor_row < len(self.shown) else None
        self.shown = [found for found, _ in rows]
        table.clear()
        for _, cells in rows:
            table.add_row(
                *(cell if isinstance(cell, Text) else Text(shown(cell)) for cell in cells)
            )
        same = [
            index for index, found in enumerate(self.shown) if at is not None and _same(found, at)
        ]
        if same:
            table.move_cursor(row=same[0])
        memory = sum(found.size for found in objects)
        self.sub_title = (
            f"{len(rows)} of {total} objects, {size_words(memory)}, sorted by {_SORTS[self.order]}"
            + (f", with '{self.wanted}'" if self.wanted else "")
        )

    def _row(self, found: NamedObject, names: Container[str]) -> list[str | Text]:
        commands = sorted({command_of(holder.pid) for holder in found.holders})
        return [
            found.name or "-",
            kind_words(found, names),
            Text(size_words(found.size) if found.size else "-", justify="right"),
            found.owner,
            holders_words(found) or found.problem,
            ", ".join(command[:60] for command in commands),
        ]

    def _key(self, pair: tuple[NamedObject, list[str | Text]]) -> tuple[int, str, str]:
        found = pair[0]
        numbers = {"size": -found.size, "holders": -len(found.holders)}
        order = _SORTS[self.order]
        return numbers.get(order, 0), found.type_name if order == "type" else "", found.name

    def action_interrupt(self) -> None:
        self.exit(return_code=130)

    def action_sort(self) -> None:
        self.order = (self.order + 1) % len(_SORTS)
        self.look()

    def action_unnamed(self) -> None:
        self.unnamed = not self.unnamed
        self.look()

    def action_filter(self) -> None:
        box = self.screen_stack[0].query_one("#filter", Input)
        box.add_class("shown")
        box.focus()

    def action_clear(self) -> None:
        box = self.screen_stack[0].query_one("#filter", Input)
        box.value = ""
        box.remove_class("shown")
        self.screen_stack[0].query_one(DataTable).focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        self.wanted = event.value.lower()
        self.look()

    def on_input_submitted(self) -> None:
        self.screen_stack[0].query_one(DataTable).focus()

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        if 0 <= event.cursor_row < len(self.shown):
            self.push_screen(Inside(self.shown[event.cursor_row], self.interval))


def _same(one: NamedObject, other: NamedObject) -> bool:
    return (one.name, one.type_name) == (other.name, other.type_name) and (
        bool(one.name)
        or [h.identity for h in one.holders[:1]] == [h.identity for h in other.holders[:1]]
    )
