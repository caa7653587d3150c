# SPDX-License-Identifier: MIT
"""``memsection mirror``: publish, subscribe, ls and keys, put together.

Only this group needs the libraries of ``memsection[mirror]``, and only when one of its commands
runs.
"""

from __future__ import annotations

import typer

from memsection.cli import mirror_keys, mirror_ls, mirror_publish, mirror_subscribe

app = typer.Typer(
    no_args_is_help=True,
    help="Replicas of sections on other hosts.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for function in (
    mirror_publish.publish,
    mirror_subscribe.subscribe,
    mirror_ls.ls,
    mirror_keys.keys,
):
    app.command()(function)
