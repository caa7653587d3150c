# SPDX-License-Identifier: MIT
"""``memsection ls``: the objects that exist."""

from __future__ import annotations

import gc
from collections.abc import Container
from typing import Annotated, Any

import typer

from memsection import Section, errors
from memsection.cli import contents
from memsection.cli.output import (
    flags_words,
    note,
    print_json,
    print_rows,
    process_ids,
    rights_words,
    size_words,
    type_word,
)
from memsection.nt import kernel
from memsection.vocabulary.names import win32_name
from memsection.vocabulary.object_types import LISTED
from memsection.vocabulary.structs import HandleEntry, NamedObject
from memsection.vocabulary.text import shown as printable

MAX_AGE = 2.0  #: seconds without news after which a replica is shown as stale


def ls(
    json: Annotated[bool, typer.Option("--json", help="One JSON document, for programs.")] = False,
    unnamed: Annotated[
        bool,
        typer.Option(
            "--unnamed",
            "-u",
            help="Objects without a name too: every process that may be looked into is searched.",
        ),
    ] = False,
) -> None:
    """List the objects that have a name, and who holds them with which rights."""
    # What is found stays until the end, and looking through thousands of it again and again for
    # garbage takes a fifth of the time.
    collects = gc.isenabled()
    gc.disable()
    try:
        _list(json, unnamed)
    finally:
        if collects:
            gc.enable()


def _list(json: bool, unnamed: bool) -> None:
    objects = kernel.list_directory()
    if unnamed:
        objects = objects + find_unnamed()
    if json:
        names = {found.name for found in objects}
        print_json([as_json(found, names) for found in objects])
        return
    if not objects:
        note(
            "No objects. 'memsection share FILE NAME' makes one, 'memsection demo' shows how they "
            "work."
        )
        return
    names = {found.name for found in objects}
    objects = sorted(objects, key=lambda found: (found.name, found.type_name))
    print_rows(
        ("NAME", "TYPE", "SIZE", "OWNER", "HOLDERS"),
        [
            (
                found.name or "-",
                kind_words(found, names),
                size_words(found.size) if found.size else "-",
                found.owner,
                holders_words(found) or found.problem or "nobody to be seen",
            )
            for found in objects
        ],
        right=("SIZE",),
    )


def replica_of(found: NamedObject, names: Container[str] | None = None) -> Any:
    """How a section that is a replica of another host's stands; None for everything else.

    With the ``names`` of all objects nothing is looked for that is not there.
    """
    if found.type_name != "Section" or not found.name or found.name.startswith("Global\\"):
        return None
    status_name = f"{found.name}.mirror"
    if names is not None and status_name not in names:
        return None
    try:
        Section.open(status_name, access="r").close()
    except errors.Error:
        return None
    from memsection.mirror.status import status_of  # brings what few need

    return status_of(found.name)


def kind_words(found: NamedObject, names: Container[str] | None = None) -> str:
    """``Mutex``, ``Section, array float64 (2, 3), replica of robot/camera (live)``."""
    words = [
        type_word(found.type_name),
        contents.content_of_named(found).words() if found.type_name == "Section" else "",
    ]
    replica = replica_of(found, names)
    if replica:
        words.append(f"replica of {printable(replica.key)} ({replica.state(MAX_AGE)})")
    return ", ".join(filter(None, words))


def holders_words(found: NamedObject) -> str:
    """``1234:rw 1250:r``: each process, and what its handles permit."""
    rights: dict[int, list[str]] = {}
    for holder in found.holders:
        words = rights.setdefault(holder.pid, [])
        word = (
            rights_words(found.type_name, holder.granted_access)
            if found.type_name == "Section"
            else ""
        )
        if word not in words:
            words.append(word)
    return " ".join(
        f"{pid}:{','.join(words)}" if any(words) else str(pid)
        for pid, words in sorted(rights.items())
    )


def find_unnamed() -> list[NamedObject]:
    """Objects without a name, found through the handles of every process that may be looked
    into."""
    held: dict[Any, list[HandleEntry]] = {}
    for pid in process_ids():
        try:
            entries = kernel.process_handles(pid)
        except errors.NtError:
            continue
        for entry in entries:
            if entry.type_name in LISTED and not entry.name:
                held.setdefault(entry.identity or (pid, entry.handle), []).append(entry)
    return [
        NamedObject("", entries[0].type_name, entries[0].size, tuple(entries))
        for entries in held.values()
    ]


def as_json(found: NamedObject, names: Container[str] | None = None) -> dict[str, Any]:
    """What ``--json`` says of an object."""
    replica = replica_of(found, names)
    inside = contents.content_of_named(found)
    return {
        "name": found.name or None,
        "type": type_word(found.type_name),
        "size": found.size,
        "owner": found.owner,
        "problem": found.problem or None,
        "holders": [holder_json(holder) for holder in found.holders],
        **({"content": inside.facts} if inside.facts else {}),
        **({"channel": inside.channel.json()} if inside.channel is not None else {}),
        **(
            {"replica_of": replica.key, "replica_state": replica.state(MAX_AGE)}
            if replica is not None
            else {}
        ),
    }


def holder_json(holder: HandleEntry) -> dict[str, Any]:
    """What ``--json`` says of a handle."""
    return {
        "pid": holder.pid,
        "handle": holder.handle,
        "type": type_word(holder.type_name),
        "name": win32_name(holder.name)
        if holder.name and holder.type_name != "File"
        else holder.name or None,
        "size": holder.size,
        "access": rights_words(holder.type_name, holder.granted_access),
        "granted_access": holder.granted_access,
        "flags": flags_words(holder.attributes),
        "creator_pid": holder.creator_pid or None,
        "created": holder.created or None,
    }
