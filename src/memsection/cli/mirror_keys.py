# SPDX-License-Identifier: MIT
"""``memsection mirror keys HOST...``: a private authority and certificates of hosts, for a
laboratory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from memsection.cli.output import err, out


def keys(
    hosts: Annotated[
        list[str],
        typer.Argument(metavar="HOST...", help="Names of hosts; 'router' for a zenoh router."),
    ],
    directory: Annotated[
        Path, typer.Option("--directory", "-d", help="Where the files go.")
    ] = Path("keys"),
    address: Annotated[
        list[str] | None, typer.Option(help="A name or IP address that they are good for, too.")
    ] = None,
    days: Annotated[int, typer.Option(help="How many days they are good.", min=1)] = 825,
) -> None:
    """Write certificates for hosts, signed by an authority that is made with the first of them.

    Each host needs authority.pem, its own HOST.pem and HOST.key, and no other key.
    """
    from memsection.mirror import make_keys

    for path in make_keys(directory, hosts, address or (), days=days):
        out.print(str(path))
    err.print(
        "Copy authority.pem, HOST.pem and HOST.key to each host. authority.key stays here: who "
        "has it can be every "
        "host.",
        style="dim",
    )
