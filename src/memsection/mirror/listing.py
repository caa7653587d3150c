# SPDX-License-Identifier: MIT
"""What other hosts publish, asked of all of them at once."""

from __future__ import annotations

import fnmatch
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from memsection.mirror import contents, engine, wire
from memsection.mirror.endpoints import refuse_taken, to_own
from memsection.mirror.network import Network, User, checked, hosts_reached
from memsection.vocabulary.errors import CorruptError, Error

PATIENCE = 1.0  #: seconds for answers


@dataclass(frozen=True, slots=True)
class Published:
    """A publication of some host, as it was when it was asked."""

    key: str  #: HOST/NAME
    kind: str  #: latest, array, arrow, record, topic or bytes
    size: int  #: bytes of a snapshot; of a large latest value at most; 0 of a topic
    epoch: int
    sequence: int


class _Asker(User):
    """Needs a session and declares nothing."""

    session: Any = None

    def declare(self, session: Any) -> None:
        self.session = session


def publications(network: Network, pattern: str = "*") -> list[Published]:
    """What the hosts publish that this network reaches.

    Where another program of this host listens already, that one is asked as well.

    Args:
        network: How this host takes part.
        pattern: ``HOST/NAME`` with ``*`` for any characters; ``robot/*`` is all of one host.

    Rights:
        None.

    Raises:
        AccessError: A peer does not accept our certificate, or we not theirs (PermissionError).
        WaitTimeoutError: An endpoint could not be reached within ``connect_timeout``
            (TimeoutError).
        Error: This process was forked from one that used the network.
    """
    zenoh = engine.zenoh()
    network = _asking(checked(network))
    host = pattern.partition("/")[0]
    believed = (
        [host]
        if "/" in pattern and not any(sign in host for sign in "*?[")
        else hosts_reached(network)
    )
    found = {}
    for one in believed:
        asker = _Asker()
        connection = network._connection(asker, None if one == "*" else wire.host_name(one))
        try:
            for reply in asker.session.get(
                f"{wire.ROOT}/{one}/*/head",
                timeout=PATIENCE,
                target=zenoh.QueryTarget.ALL,
                consolidation=zenoh.ConsolidationMode.NONE,
            ):
                entry = _entry(reply.ok) if reply.ok is not None else None
                if entry is not None and fnmatch.fnmatchcase(
                    entry.key, pattern if "/" in pattern else f"{pattern}/*"
                ):
                    found[entry.key, entry.epoch] = entry
        finally:
            connection.remove(asker)
    return sorted(found.values(), key=lambda entry: (entry.key, entry.epoch))


def _asking(network: Network) -> Network:
    """The settings to ask with: where another program of this host listens, that one is asked,
    too."""
    if any(one.session is not None for one in network._shared):
        return network
    try:
        for endpoint in network.listen:
            refuse_taken(endpoint)
    except Error:
        own = [to_own(one) for one in network.listen]
        return replace(network, listen=(), connect=(*network.connect, *own))
    return network


def _entry(sample: Any) -> Published | None:
    """What an answer says; None for one that makes no sense."""
    with suppress(CorruptError):
        key = wire.path_of(str(sample.key_expr))
        news = wire.announcement(
            sample.attachment.to_bytes() if sample.attachment is not None else None
        )
        facts = contents.unpack(sample.payload.to_bytes(), 1 << 62)
        if key is not None:
            return Published(key, facts["kind"], news.size, news.epoch, news.sequence)
    return None
