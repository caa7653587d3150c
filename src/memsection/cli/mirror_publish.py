# SPDX-License-Identifier: MIT
"""``memsection mirror publish NAME...``: offer objects to other hosts until Ctrl-C."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from memsection.cli.mirror_lines import Row, renewal, show, stop_on_signal
from memsection.cli.mirror_ls import NetworkFile


def publish(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Names of objects here.")],
    network: NetworkFile = Path("mirror.toml"),
    interval: Annotated[
        float, typer.Option(help="Seconds between two looks at what is no latest value.", min=0.001)
    ] = 1.0,
) -> None:
    """Offer objects of this host to others, until Ctrl-C.

    Each write of a latest value and each message of a topic is sent. Of arrays, tables and other
    sections what is there is sent when it has changed and is at rest.
    """
    from memsection import mirror

    settings = mirror.Network.from_file(network)
    with stop_on_signal() as end, ExitStack() as stack:
        publications = [
            stack.enter_context(mirror.publish(name, network=settings, interval=interval))
            for name in names
        ]

        seen: dict[str, tuple[int, float]] = {}  # the newest sequence, and since when

        def row(one: mirror.Publication) -> Row:
            sequence, now = one.sequence, time.monotonic()
            if seen.get(one.key, (0, 0.0))[0] != sequence:
                seen[one.key] = sequence, now
            state = "problem: " + one.problem if one.problem else "published"
            age = now - seen[one.key][1] if sequence else None
            return one.key, state, sequence, sequence, one.sent_bytes, age

        def rows() -> list[Row]:
            return [row(one) for one in publications]

        show(rows, end, renewal(settings))
