# SPDX-License-Identifier: MIT
"""``memsection peek NAME``: the bytes of a section as hexadecimal numbers and text."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.live import Live
from rich.text import Text

from memsection import Section, errors
from memsection.cli.output import out

_ROW = 16


def peek(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The section's name.")],
    offset: Annotated[int, typer.Option(help="The first byte to show.", min=0)] = 0,
    length: Annotated[int, typer.Option(help="How many bytes to show.", min=1)] = 256,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on, and mark what changes, until Ctrl-C.")] = False,
    interval: Annotated[float, typer.Option(help="Seconds between two looks.", min=0.02)] = 0.5,
) -> None:
    """Look at the bytes of a section, once or as they change."""
    with Section.open(name, access="r") as section, section.map() as view:
        if offset >= len(view):
            raise errors.ArgumentError(f"peek '{name}': asked for offset {offset}, the section has {len(view)} bytes")
        end = min(offset + length, len(view))
        before = bytes(view[offset:end])
        if not watch:
            out.print(dump(before, offset))
            return
        try:
            with Live(dump(before, offset), console=out, auto_refresh=False) as live:
                while True:
                    time.sleep(interval)
                    now = bytes(view[offset:end])
                    live.update(dump(now, offset, before), refresh=True)
                    before = now
        except KeyboardInterrupt:
            return


def dump(data: bytes, offset: int = 0, before: bytes | None = None) -> Text:
    """Rows of sixteen bytes: offset, numbers, characters; what changed stands out, repeated rows are left out."""
    text = Text()
    last, skipping = b"", False
    for start in range(0, len(data), _ROW):
        row = data[start:start + _ROW]
        changed = before is not None and before[start:start + _ROW] != row
        if start and row == last and not changed and start + _ROW < len(data):
            if not skipping:
                text.append("*\n", "dim")
            skipping = True
            continue
        last, skipping = row, False
        _append_row(text, offset + start, row, before[start:start + _ROW] if before is not None else row)
    text.rstrip()
    return text


def _append_row(text: Text, offset: int, row: bytes, before: bytes) -> None:
    text.append(f"{offset:08x}  ", "cyan")
    styles = ["bold black on yellow" if old != new else "dim" if not new else "" for old, new in
              zip(before, row, strict=True)]
    for index in range(_ROW):
        if index < len(row):
            text.append(f"{row[index]:02x}", styles[index])
        else:
            text.append("  ")
        text.append("  " if index % 8 == 7 else " ")
    text.append("│")
    for byte, style in zip(row, styles, strict=True):
        text.append(chr(byte) if 32 <= byte < 127 else "·", style)
    text.append("│\n")
