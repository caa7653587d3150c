# SPDX-License-Identifier: MIT
"""``memsection rm NAME``: what can be removed, is; what cannot, is explained."""

from __future__ import annotations

import os
import time
from typing import Annotated

import psutil
import typer

from memsection import errors
from memsection.cli import completion
from memsection.cli.output import command_of, complain, err
from memsection.cli.show import find, open_named
from memsection.nt import kernel
from memsection.vocabulary import access as a
from memsection.vocabulary import status as st
from memsection.vocabulary.structs import NamedObject
from memsection.vocabulary.text import shown

STOP_SECONDS = 5.0  #: how long a process that was asked to end may take


def rm(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="The object's name.", autocompletion=completion.names),
    ],
    stop: Annotated[
        bool, typer.Option("--stop", help="Ask the processes that hold it to end (SIGTERM).")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask whether to.")] = False,
) -> None:
    """Remove an object that nobody needs any more.

    An object goes by itself with its last handle, also after a crash, so there is seldom anything
    to remove.  A permanent object is made temporary; one that is held is shown with its holders,
    which --stop asks to end.
    """
    found = find(name)
    if found is None:
        raise errors.NotFoundError(
            f"rm '{name}': no object has this name; if it was what a crash left behind, it "
            "is gone already"
        )
    _make_temporary(found)
    pids = sorted({holder.pid for holder in found.holders} - {os.getpid()})
    if pids and stop:
        for pid in pids:
            err.print(f"process {pid}: {command_of(pid)}")
        if not yes and not typer.confirm(
            f"Ask {'it' if len(pids) == 1 else 'them'} to end?", err=True
        ):
            raise typer.Exit(1)
        _stop(pids, name)
    if find(name) is not None:
        complain(
            errors.Error(
                f"rm '{name}': it is held and goes with its last handle", ntstatus=st.CANNOT_DELETE
            )
        )
        for pid in pids:
            err.print(f"  process {pid}: {command_of(pid) or 'unknown command'}")
        if not pids:
            err.print(f"  {shown(found.problem)}")
        err.print(shown(f"'memsection rm --stop {name}' asks these processes to end."))
        raise typer.Exit(1)
    err.print(shown(f"'{name}': gone"))


def _make_temporary(found: NamedObject) -> None:
    """An object that is permanent goes with its last handle from now on."""
    try:
        handle = open_named(found, a.DELETE)
    except errors.NtError as failure:
        handle = 0
        # What a killed process left is removed by whoever meets the name: then there is none.
        if not isinstance(errors.public_error(failure), (errors.AccessError, errors.NotFoundError)):
            raise errors.public_error(failure) from None
    if handle:
        try:
            kernel.make_temporary_object(handle)
        except errors.NtError as failure:
            raise errors.public_error(failure) from None
        finally:
            kernel.close(handle)


def _stop(pids: list[int], name: str) -> None:
    for pid in pids:
        try:
            psutil.Process(pid).terminate()
        except psutil.NoSuchProcess:
            continue
        except psutil.AccessDenied:
            raise errors.AccessError(f"rm: process {pid} belongs to somebody else") from None
    deadline = time.monotonic() + STOP_SECONDS
    while find(name) is not None and time.monotonic() < deadline:
        time.sleep(0.02)
