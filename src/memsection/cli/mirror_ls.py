# SPDX-License-Identifier: MIT
"""``memsection mirror ls``: what other hosts publish."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from memsection.cli.output import note, print_json, print_rows, size_words

NetworkFile = Annotated[Path, typer.Option("--network", "-n", help="The network's TOML file.")]


def ls(
    pattern: Annotated[
        str, typer.Argument(metavar="[HOST/*]", help="Which: 'robot/*' is all of one host.")
    ] = "*",
    network: NetworkFile = Path("mirror.toml"),
    json: Annotated[bool, typer.Option("--json", help="One JSON document, for programs.")] = False,
) -> None:
    """List what the hosts publish that this network reaches."""
    from memsection import mirror

    found = mirror.publications(mirror.Network.from_file(network), pattern)
    if json:
        print_json([asdict(one) for one in found])
        return
    if not found:
        note("Nothing is published. 'memsection mirror publish NAME' on a host does that.")
        return
    sizes = ["-" if one.kind == "topic" else size_words(one.size) for one in found]
    print_rows(
        ("NAME", "KIND", "SIZE", "SEQUENCE"),
        [
            (one.key, one.kind, size, str(one.sequence or "-"))
            for one, size in zip(found, sizes, strict=True)
        ],
        right=("SIZE", "SEQUENCE"),
    )
