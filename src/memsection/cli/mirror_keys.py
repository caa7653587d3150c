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
        list[str] | None,
        typer.Argument(metavar="HOST...", help="Names of hosts; 'router' for a zenoh router."),
    ] = None,
    directory: Annotated[
        Path, typer.Option("--directory", "-d", help="Where the files go.")
    ] = Path("keys"),
    address: Annotated[
        list[str] | None, typer.Option(help="A name or IP address that they are good for, too.")
    ] = None,
    days: Annotated[int, typer.Option(help="How many days they are good.", min=1, max=36500)] = 825,
    renew: Annotated[
        bool, typer.Option("--renew", help="Replace them, and prolong the authority.")
    ] = False,
) -> None:
    """Write certificates for hosts, signed by an authority that is made with the first of them.

    Each host needs authority.pem, its own HOST.pem and HOST.key, and no other key. With --renew the
    authority keeps its key, and what it signed before stays good.
    """
    from memsection.mirror import make_keys

    if not hosts and not renew:
        raise typer.BadParameter("no host is named", param_hint="HOST...")
    for path in make_keys(directory, hosts or (), address or (), days=days, renew=renew):
        out.print(str(path))
    err.print(
        "Copy authority.pem, HOST.pem and HOST.key to each host. authority.key stays here: who "
        "has it can be every "
        "host.",
        style="dim",
    )
