# SPDX-License-Identifier: MIT
"""How a replica begins: what a program asks for is checked before anything is opened."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from memsection.mirror import engine, wire
from memsection.mirror.copies import explain
from memsection.mirror.network import Network, checked
from memsection.mirror.replica import Replica
from memsection.vocabulary.arguments import object_name, seconds
from memsection.vocabulary.errors import ArgumentError, Error

if TYPE_CHECKING:
    from typing import Literal


def subscribe(
    key: str,
    *,
    network: Network,
    name: str | None = None,
    max_age: float = 2.0,
    access: Literal["r"] = "r",
) -> Replica:
    """Keep a copy on this host of what another host publishes.

    Programs of this host that subscribe to the same key under the same name share one copy and one
    transfer.

    Args:
        key: ``HOST/NAME``.
        network: How this host takes part.
        name: What the copy is called here; as there when omitted.
        max_age: Seconds without news after which the replica is ``stale``.
        access: ``"r"``: a replica is only read.

    Rights:
        None.

    Raises:
        ExistsError: Something else has the name here (FileExistsError).
        ArgumentError: Such a key, name or ``max_age`` cannot be; or writing was asked for
            (ValueError).
        CommitError: No room is left for it here (MemoryError).
        AccessError: A peer does not accept our certificate, or we not theirs (PermissionError).
        WaitTimeoutError: An endpoint could not be reached within ``connect_timeout``
            (TimeoutError).
        Error: This process was forked from one that used the network; an endpoint to listen on is
            taken; or the system is Windows, where a section cannot take a name when it is complete.
    """
    checked(network)
    host, called = wire.split(key)
    if access != "r":
        raise ArgumentError(
            f"subscribe {key!r}: access {access!r}: a replica is only read. What this host has "
            f"to say it "
            f"publishes itself, and {host!r} subscribes to that"
        )
    wire.prefix(host, called)
    object_name(name)
    if not 0.05 <= seconds(max_age, "max_age") <= 86400:
        raise ArgumentError(f"subscribe {key!r}: max_age={max_age}: seconds, at least 0.05")
    here = (name or called).removeprefix("Local\\")
    if "\\" in here:
        raise ArgumentError(
            f"subscribe {key!r} as {here!r}: a replica has a Local name: say which (name=..., --as)"
        )
    engine.refuse_after_fork()
    if not hasattr(os, "fork"):
        raise Error(
            "subscribe: Windows names a section when it is made; replicas need one that takes a "
            "name when it is "
            "complete"
        )
    try:
        return Replica(key, network, here, max_age)
    except Error as failure:
        raise explain(failure) from None
