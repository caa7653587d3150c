# SPDX-License-Identifier: MIT
"""``memsection mirror subscribe HOST/NAME...``: keep replicas here until Ctrl-C."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from memsection.cli.mirror_lines import Row, renewal, show, stop_on_signal
from memsection.cli.mirror_ls import NetworkFile


def subscribe(
    keys: Annotated[
        list[str], typer.Argument(metavar="HOST/NAME...", help="What to subscribe to.")
    ],
    network: NetworkFile = Path("mirror.toml"),
    name: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="What the replica is called here.")
    ] = None,
    max_age: Annotated[
        float, typer.Option(help="Seconds without news after which it is stale.", min=0.05)
    ] = 2.0,
) -> None:
    """Keep local copies of what other hosts publish, until Ctrl-C; programs open them by their
    names."""
    from memsection import mirror

    if name is not None and len(keys) > 1:
        raise typer.BadParameter("--as names one replica; subscribe to the others by themselves")
    settings = mirror.Network.from_file(network)
    with stop_on_signal() as end, ExitStack() as stack:
        replicas = [
            stack.enter_context(mirror.subscribe(key, network=settings, name=name, max_age=max_age))
            for key in keys
        ]

        def rows() -> list[Row]:
            return [_row(one) for one in replicas]

        show(rows, end, renewal(settings))


def _row(one: object) -> Row:
    from memsection.mirror import Replica

    assert isinstance(one, Replica)
    state = f"{one.state}, {one.problem.strerror}" if one.problem is not None else one.state
    counts = one.statistics
    return one.key, state, one.sequence, counts["snapshots"], counts["bytes"], one.age
