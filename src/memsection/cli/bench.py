# SPDX-License-Identifier: MIT
"""``memsection bench``: what this machine does, put together."""

from __future__ import annotations

import typer

from memsection.cli import bench_channel

app = typer.Typer(
    no_args_is_help=True,
    help="What this machine does, beside what people use otherwise.",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _group() -> None:
    """Keep the group a group: one command alone would take its place."""


app.command()(bench_channel.channel)
