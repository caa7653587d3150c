# SPDX-License-Identifier: MIT
"""``memsection peek NAME``: what a section contains: values where it tells their types, otherwise
numbers and text."""

from __future__ import annotations

import codecs
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from rich.live import Live
from rich.text import Text

from memsection import Section, View, errors
from memsection.cli import completion, contents, pictures, png, typed, values
from memsection.cli import save as saving
from memsection.cli.output import err, json_line, out, print_json, wrap
from memsection.content import schema
from memsection.vocabulary.text import shown

_ROW = 16
_SHORTEST_TEXT = 4
_SAMPLE = 65536  #: how much of the start of a section has to be text before any of it is shown so


def peek(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="The section's name.", autocompletion=completion.names),
    ],
    offset: Annotated[int, typer.Option(help="The first byte to show.", min=0)] = 0,
    length: Annotated[int, typer.Option(help="How many bytes to show.", min=1)] = 256,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Go on, and mark what changes, until Ctrl-C.")
    ] = False,
    raw: Annotated[
        bool, typer.Option("--hex", help="Bytes, also where the section says what they mean.")
    ] = False,
    numbers: Annotated[
        bool, typer.Option("--numbers", help="Arrays as numbers, never as pictures.")
    ] = False,
    save: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.png",
            help="Write the picture of an array to a file; every pixel, not what a terminal shows.",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="With --save: replace a file that is there.")
    ] = False,
    json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="One JSON document, for programs; with --watch one on each line, "
            "whenever it has changed.",
        ),
    ] = False,
    interval: Annotated[float, typer.Option(help="Seconds between two looks.", min=0.02)] = 0.5,
) -> None:
    """Look at the content of a section, once or as it changes.

    Arrays, records and latest values of this library are shown as what they are, and so are the
    newest message of a topic and UTF-8 text; everything else as bytes. In a terminal an array of
    numbers is drawn: an image, a heat map, or a curve.
    """
    if save is not None and (watch or json):
        raise typer.BadParameter("--save goes with neither --watch nor --json")
    with Section.open(name, access="r") as section:
        facts = None if raw else schema.describe(section)
        if save is not None:
            _save(section, facts, Path(save), force)
            return
        if json:
            _print_json(lambda: values.as_json(section, facts, offset, length), watch, interval)
            return
        _show_content(section, facts, _Look(offset, length, numbers, watch, interval, raw))


class _Look(NamedTuple):
    """What of a section is looked at, and how."""

    offset: int
    length: int
    numbers: bool  #: never pictures
    watch: bool
    interval: float
    raw: bool  #: bytes, whatever they mean


def _show_content(section: Section, facts: schema.Facts | None, how: _Look) -> None:
    """Show a section as what it says it holds, or else as bytes."""
    kind = facts.get("kind") if facts is not None else None
    if facts is not None and kind == "array" and out.is_terminal and not how.numbers:
        array = _array_in(section)
        if array is not None and pictures.is_drawn(array):
            _show(lambda before: (_picture(facts, array), None), how)
            return
    if facts is not None and kind == "topic" and _show_topic(section, facts, how):
        return
    if facts is not None and typed.lines(section, facts) is not None:
        _show(lambda before: _typed(section, facts, before), how)
        return
    _show_bytes(section, how)


def _show_bytes(section: Section, how: _Look) -> None:
    with section.map() as view:
        part = shown_bytes(view, f"peek '{section.name}'", how.offset, how.length)
        _show(lambda before: text_or_dump(view, part, before, raw=how.raw), how)


def shown_bytes(view: View, operation: str, offset: int, length: int) -> slice:
    """Which bytes of a section are shown, where that many were asked for.

    Raises:
        ArgumentError: There are none.
    """
    if offset >= len(view):
        raise errors.ArgumentError(
            f"{operation}: asked for offset {offset}, the section has {len(view)} bytes"
        )
    return slice(offset, min(offset + length, len(view)))


def text_or_dump(
    view: View, part: slice, before: bytes | None = None, *, raw: bool = False
) -> tuple[Text, bytes]:
    """Some bytes of a section as text, where that is what is in it, or else as a dump; and the
    bytes, to be given as those ``before`` at the next look."""
    now = bytes(view[part])
    text = None if raw or text_in(bytes(view[:_SAMPLE])) is None else text_in(now)
    if text is not None:
        return _text(text), now
    return dump(now, part.start, before, _row_that_fits()), now


def text_in(data: bytes) -> str | None:
    """The UTF-8 text that bytes are, with nothing but zeros behind it; None when they are no text.

    Less than four bytes may as well be a number, and a character that is cut at the end is left
    out.
    """
    written = data.rstrip(b"\0")
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(written, len(written) < len(data))
    except UnicodeDecodeError:
        return None
    is_text = all(one.isprintable() or one in "\t\r\n" for one in text)
    return text if is_text and len(written) >= _SHORTEST_TEXT else None


def _text(text: str) -> Text:
    shown_as = wrap(f"text, {len(text.encode())} bytes", "cyan").append("\n")
    lines = text.replace("\r\n", "\n").rstrip("\n").split("\n")
    return shown_as.append("\n".join(shown(line.expandtabs()) for line in lines), "default")


def _show_topic(section: Section, facts: schema.Facts, how: _Look) -> bool:
    """Show the newest message of a topic; False where there are no channels."""
    from memsection.cli.topic_newest import Newest

    try:
        topic = Newest(section, facts, how.numbers)
    except ImportError:
        return False
    with topic:

        def look(_: Any) -> tuple[Text, Any]:
            topic.look()
            return topic.text(how.length), None

        _show(look, how)
    return True


def _array_in(section: Section) -> Any:
    """The array in a section; None where NumPy is not installed."""
    try:
        from memsection import arrays
    except ImportError:
        return None
    return arrays.from_section(section.duplicate(), access="r")


def _picture(facts: schema.Facts, array: Any) -> Text:
    text = wrap(typed.heading(facts), "cyan").append("\n", "")
    text.append_text(pictures.draw(array, out.width, out.height - 4))
    return text


def _save(section: Section, facts: schema.Facts | None, file: Path, force: bool) -> None:
    """Write the picture of an array, complete or not at all."""
    array = _array_in(section) if facts is not None and facts.get("kind") == "array" else None
    if array is None or not pictures.has_picture(array):
        what = contents.content_of(section).words() or "bytes"
        raise errors.ArgumentError(
            f"peek '{section.name}': it holds {what}, no picture: an array of numbers of shape "
            "(height, width), or with 3 or 4 channels; 'memsection save' writes other arrays"
        )
    if file.suffix.lower() != ".png":
        raise errors.ArgumentError(f"peek --save '{file}': pictures are written as .png")
    saving.write_whole(
        file, force, lambda part: part.write_bytes(png.png_bytes(pictures.image_of(array)))
    )
    err.print(shown(f"'{file}': {array.shape[1]} x {array.shape[0]} pixels"))


def _print_json(look: Callable[[], dict[str, Any]], watch: bool, interval: float) -> None:
    now = look()
    if not watch:
        print_json(now)
        return
    while True:
        print(json_line(now), flush=True)
        before = now
        while now == before:
            time.sleep(interval)
            now = look()


def _show(look: Callable[[Any], tuple[Text, Any]], how: _Look) -> None:
    """Show what ``look`` gives, again and again if asked; it is told what it saw before."""
    text, before = look(None)
    if not how.watch:
        out.print(text)
        return
    with Live(text, console=out, auto_refresh=False) as live:
        while True:
            time.sleep(how.interval)
            text, before = look(before)
            live.update(text, refresh=True)


def _typed(
    section: Section, facts: schema.Facts, before: list[str] | None
) -> tuple[Text, list[str]]:
    now = typed.lines(section, facts) or []
    text = wrap(typed.heading(facts), "cyan")
    for index, line in enumerate(now):
        changed = before is not None and (index >= len(before) or before[index] != line)
        text.append("\n")
        text.append(shown(line), "bold black on yellow" if changed else "default")
    return text, now


def _row_that_fits() -> int:
    """How many bytes a row of a dump has in this terminal: sixteen, or less in a narrow one."""
    return next(
        (
            row
            for row in (_ROW, _ROW // 2)
            if not out.is_terminal or 12 + 4 * row + row // 8 <= out.width
        ),
        _ROW // 4,
    )


def dump(data: bytes, offset: int = 0, before: bytes | None = None, length: int = _ROW) -> Text:
    """Rows of ``length`` bytes: offset, numbers, characters; what changed stands out, repeated rows
    are left out."""
    text = Text()
    last, skipping = b"", False
    for start in range(0, len(data), length):
        row = data[start : start + length]
        changed = before is not None and before[start : start + length] != row
        if start and row == last and not changed and start + length < len(data):
            if not skipping:
                text.append("*\n", "dim")
            skipping = True
            continue
        last, skipping = row, False
        _append_row(
            text,
            offset + start,
            row,
            before[start : start + length] if before is not None else row,
            length,
        )
    text.rstrip()
    return text


def _append_row(text: Text, offset: int, row: bytes, before: bytes, length: int) -> None:
    text.append(f"{offset:08x}  ", "cyan")
    styles = [
        "bold black on yellow" if old != new else "dim" if not new else ""
        for old, new in zip(before, row, strict=True)
    ]
    for index in range(length):
        if index < len(row):
            text.append(f"{row[index]:02x}", styles[index])
        else:
            text.append("  ")
        text.append("  " if index % 8 == 7 else " ")
    text.append("│")
    for byte, style in zip(row, styles, strict=True):
        text.append(chr(byte) if 32 <= byte < 127 else "·", style)
    text.append("│\n")
