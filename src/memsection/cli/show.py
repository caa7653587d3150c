# SPDX-License-Identifier: MIT
"""``memsection show NAME``: everything there is to know about one object."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer
from rich.cells import cell_len
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from memsection import Security, errors
from memsection.cli import completion, contents
from memsection.cli.channel_facts import ChannelFacts
from memsection.cli.ls import as_json
from memsection.cli.output import (
    command_of,
    flags_words,
    inner_rows,
    out,
    print_json,
    process_ids,
    rights_words,
    size_words,
    type_word,
)
from memsection.nt import kernel
from memsection.vocabulary import access as a
from memsection.vocabulary import protection as p
from memsection.vocabulary import structs as s
from memsection.vocabulary.text import shown

_CELLS = 64  #: of the picture of pages, at most
_BESIDE = 14  #: cells that the frame and the labels take from each line
_SHADES = " ░▒▓█"  #: from none to all pages of a cell


def show(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="The object's name.", autocompletion=completion.names),
    ],
    json: Annotated[bool, typer.Option("--json", help="One JSON document, for programs.")] = False,
) -> None:
    """Show one object: what it is, who may use it, who does, and which of its pages are there."""
    found = find(name)
    if found is None:
        raise errors.NotFoundError(f"show '{name}': no object has this name")
    facts = details(found)
    if json:
        print_json(
            {
                **as_json(found),
                **{key: value for key, value in facts.items() if key not in ("picture", "channel")},
            }
        )
        return
    out.print(render(found, facts))


def find(name: str) -> s.NamedObject | None:
    """The object of this name in the directory, None if there is none."""
    plain = name[6:] if name.startswith("Local\\") else name
    return next((found for found in kernel.list_directory() if found.name == plain), None)


def open_named(found: s.NamedObject, access: int) -> int:
    """A handle to an object of any type."""
    attributes = s.ObjectAttributes(found.name, kernel.named_objects_directory(), 0, None)
    opens = {
        "Section": kernel.open_section,
        "Mutant": kernel.open_mutant,
        "Event": kernel.open_event,
        "Semaphore": kernel.open_semaphore,
        "Timer": kernel.open_timer,
    }
    return opens.get(found.type_name, kernel.open_section)(access, attributes)


def details(found: s.NamedObject) -> dict[str, Any]:
    """What can be found out beyond the directory; what may not be asked is left out."""
    facts: dict[str, Any] = {"views": _views(found), "waiters": _waiters(found)}
    creator = next((holder for holder in found.holders if holder.creator_pid), None)
    if creator is not None:
        facts.update(creator_pid=creator.creator_pid, created=creator.created)
    # 1 is the right to query, of every type
    for right, ask in ((a.READ_CONTROL, _security), (1, _state)):
        try:
            handle = open_named(found, right)
        except errors.NtError as failure:
            facts.setdefault("refused", str(errors.public_error(failure)))
            continue
        try:
            facts.update(ask(handle, found))
        except errors.NtError as failure:
            facts.setdefault("refused", str(errors.public_error(failure)))
        finally:
            kernel.close(handle)
    if found.type_name == "Section":
        inside = contents.content_of_named(found)
        facts.update(_pages(found), content=inside.facts, channel=inside.channel)
    return facts


def _security(handle: int, found: s.NamedObject) -> dict[str, Any]:
    parts = (
        s.OWNER_SECURITY_INFORMATION | s.GROUP_SECURITY_INFORMATION | s.DACL_SECURITY_INFORMATION
    )
    security = Security.from_descriptor(kernel.query_security_object(handle, parts))
    return {
        "sddl": security.sddl,
        "entries": [
            {"allow": allow, "who": who, "rights": rights_words(found.type_name, mask)}
            for allow, who, mask in security.entries()
        ],
    }


def _state(handle: int, found: s.NamedObject) -> dict[str, Any]:
    if found.type_name == "Section":
        attributes = kernel.query_section(handle).Attributes
        words = {
            p.SEC_COMMIT: "committed",
            p.SEC_RESERVE: "reserved",
            p.SEC_FILE: "of a file",
            p.SEC_LARGE_PAGES: "large pages",
        }
        return {"attributes": [word for bit, word in words.items() if attributes & bit]}
    if found.type_name == "Mutant":
        mutant = kernel.query_mutant(handle)
        return {
            "owner_pid": mutant.owner_pid or None,
            "owner_tid": mutant.owner_tid or None,
            "abandoned": mutant.AbandonedState,
            "free": mutant.CurrentCount > 0,
        }
    if found.type_name == "Event":
        event = kernel.query_event(handle)
        return {
            "set": bool(event.EventState),
            "reset": "manual" if event.EventType == s.NOTIFICATION_EVENT else "automatic",
        }
    if found.type_name == "Timer":
        return _timer(kernel.query_timer(handle))
    semaphore = kernel.query_semaphore(handle)
    return {"count": semaphore.CurrentCount, "maximum": semaphore.MaximumCount}


def _timer(timer: s.TimerBasicInformation) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "signaled": timer.TimerState,
        "due_in": timer.RemainingTime / 1e7 if timer.RemainingTime > 0 else None,
    }
    if timer.manual is not None:
        facts["reset"] = "manual" if timer.manual else "automatic"
        facts["period"] = timer.period / 1000 if timer.period else None
    return facts


def _views(found: s.NamedObject) -> dict[int, int]:
    """How many views each process has of a section, as far as can be told."""
    identity = next((holder.identity for holder in found.holders if holder.identity), None)
    views: dict[int, int] = {}
    if found.type_name != "Section" or identity is None:
        return views
    for pid in process_ids():
        try:
            count = len(kernel.process_views(pid, identity))
        except errors.NtError:
            continue
        if count:
            views[pid] = count
    return views


def _waiters(found: s.NamedObject) -> dict[int, list[int]]:
    """The threads of each process that wait for the object, as far as can be told."""
    waiters: dict[int, list[int]] = {}
    for holder in found.holders:
        if found.type_name != "Section" and holder.identity and holder.pid not in waiters:
            try:
                waiters[holder.pid] = kernel.waiting_threads(holder.pid, holder.identity)
            except errors.NtError:
                continue
    return {pid: threads for pid, threads in waiters.items() if threads}


def _pages(found: s.NamedObject) -> dict[str, Any]:
    """Which pages of a section have memory, as a picture and in figures."""
    try:
        handle = open_named(found, a.SECTION_QUERY | a.SECTION_MAP_READ)
    except errors.NtError:
        return {}
    try:
        _, address, size = kernel.map_view(
            handle, s.CURRENT_PROCESS, 0, 0, 0, 0, 0, p.VIEW_UNMAP, 0, p.PAGE_READONLY
        )
        try:
            pages = kernel.resident_pages(address, size)
        finally:
            kernel.unmap_view(s.CURRENT_PROCESS, address)
    except errors.NtError:
        return {}
    finally:
        kernel.close(handle)
    return {
        "pages": len(pages),
        "resident_pages": sum(pages),
        "picture": picture(pages, max(1, min(_CELLS, out.width - _BESIDE - 2))),
    }


def picture(pages: bytes, cells: int = _CELLS) -> str:
    """One character for each page, or for as many as fit into ``cells``: how many of them have
    memory."""
    cell = max(1, -(-len(pages) // cells))
    shares = (pages[start : start + cell] for start in range(0, len(pages), cell))
    return "".join(_SHADES[-(-sum(part) * (len(_SHADES) - 1) // len(part))] for part in shares)


def render(found: s.NamedObject, facts: dict[str, Any]) -> Panel:
    """The object for people."""
    lines = Table.grid(padding=(0, 2))
    lines.add_column(style="bold")
    lines.add_column(overflow="fold")
    title = shown(
        f"{type_word(found.type_name)} " + (f"'{found.name}'" if found.name else "without a name")
    )
    if cell_len(title) > out.width - 6:  # a title is cut, a line goes on in the next
        lines.add_row("name", Text(shown(found.name)))
        title = type_word(found.type_name)
    for label, text in _lines(found, facts):
        lines.add_row(label, Text(shown(text)))
    lines.add_row("holders", _holders(found, facts))
    return Panel(lines, title=Text(title), title_align="left", expand=False)


def _timer_line(facts: dict[str, Any]) -> str:
    parts = ["signaled" if facts["signaled"] else "not signaled"]
    if facts["due_in"] is not None:
        parts.append(f"due in {facts['due_in']:.3f} s")
    if facts.get("period"):
        parts.append(f"each {facts['period']:g} s")
    if "reset" in facts:
        parts.append(f"{facts['reset']} reset")
    return ", ".join(parts)


def _lines(found: s.NamedObject, facts: dict[str, Any]) -> list[tuple[str, str]]:
    lines = []
    if found.type_name == "Section":
        lines.append(
            (
                "size",
                f"{found.size} bytes ({size_words(found.size)})"
                + "".join(f", {word}" for word in facts.get("attributes", ())),
            )
        )
    lines.extend(_contents(facts.get("content", {})))
    if facts.get("channel") is not None:
        lines.extend(_channel(facts["channel"]))
    if "picture" in facts:
        lines.append(
            (
                "pages",
                f"▕{facts['picture']}▏ {facts['resident_pages']} of {facts['pages']} resident",
            )
        )
    lines.extend(_state_lines(found, facts))
    lines.extend(
        ("waits", f"process {pid}, thread {', '.join(map(str, threads))}: {command_of(pid)}")
        for pid, threads in facts["waiters"].items()
    )
    if facts.get("creator_pid"):
        when = (
            time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(facts["created"]))
            if facts.get("created")
            else "?"
        )
        lines.append(("created", f"{when} by process {facts['creator_pid']}"))
    if found.owner:
        lines.append(("owner", found.owner))
    if "sddl" in facts:
        lines.append(("security", facts["sddl"]))
        lines.extend(
            ("", f"{'allow' if entry['allow'] else 'deny'} {entry['who']}: {entry['rights']}")
            for entry in facts["entries"]
        )
    if "refused" in facts:
        lines.append(("refused", facts["refused"]))
    if found.problem:
        lines.append(("problem", found.problem))
    return lines


def _state_lines(found: s.NamedObject, facts: dict[str, Any]) -> list[tuple[str, str]]:
    """What state an object to wait for is in."""
    lines = []
    if found.type_name == "Mutant" and "free" in facts:
        held = (
            f"held by process {facts['owner_pid']}, thread {facts['owner_tid']}: "
            f"{command_of(facts['owner_pid'])}"
            if facts["owner_pid"]
            else "free"
            if facts["free"]
            else "held"
        )
        lines.append(
            (
                "state",
                held + (", abandoned: its owner died holding it" if facts["abandoned"] else ""),
            )
        )
    if "set" in facts:
        lines.append(("state", f"{'set' if facts['set'] else 'not set'}, {facts['reset']} reset"))
    if "count" in facts:
        lines.append(("state", f"{facts['count']} of {facts['maximum']} free"))
    if "due_in" in facts:
        lines.append(("state", _timer_line(facts)))
    return lines


def _channel(channel: ChannelFacts) -> list[tuple[str, str]]:
    """What a channel says of itself, and who has an end of it."""
    limits = ", ".join(
        f"{key} {getattr(channel, key)}"
        for key in ("largest", "redeliver", "slow", "history", "version")
        if getattr(channel, key)
    )
    lines = [("channel", channel.summary()), *([("", limits)] if limits else [])]
    for label, end in zip(["ends"] + [""] * len(channel.ends), channel.ends, strict=False):
        held = f", {end.in_hand} in hand" if end.in_hand else ""
        held += "".join(
            f", {count} {word}"
            for count, word in ((end.behind, "behind"), (end.missed, "missed"))
            if count
        )
        lines.append(
            (
                label,
                f"process {end.pid}, {end.role}{held}: {command_of(end.pid)}"
                if end.alive
                else f"process {end.pid}, {end.role}{held}, which has ended",
            )
        )
    return lines


def _contents(inside: dict[str, Any]) -> list[tuple[str, str]]:
    """What a section contains: a line, and each column or field with its type."""
    words = contents.Content(inside).words()
    parts = inside.get("columns") or inside.get("fields") or ()
    return (
        [("content", words), *(("", f"{part['name']}: {part['type']}") for part in parts)]
        if words
        else []
    )


def _holders(found: s.NamedObject, facts: dict[str, Any]) -> Table | Text | str:
    views = dict(facts["views"])
    rows = [
        (
            str(holder.pid),
            f"{holder.handle:#x}",
            rights_words(found.type_name, holder.granted_access),
            flags_words(holder.attributes),
            str(views.pop(holder.pid, "")),
            command_of(holder.pid),
        )
        for holder in found.holders
    ]
    # needs no handle
    rows.extend(
        (str(pid), "-", "", "", str(count), command_of(pid)) for pid, count in views.items()
    )
    return (
        inner_rows(
            ("PID", "HANDLE", "ACCESS", "FLAGS", "VIEWS", "COMMAND"),
            rows,
            out.width - _BESIDE,
            right=("PID", "HANDLE", "VIEWS"),
        )
        if rows
        else "nobody to be seen"
    )
