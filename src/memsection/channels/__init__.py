# SPDX-License-Identifier: MIT
"""Channels: messages between processes, with no wait that nobody alive could end.

A ``Queue`` gives each message to one receiver, a ``Topic`` to every subscriber; a ``Service``
answers the calls of each ``Client``.  What a message may be is the channel's spec: any object,
bytes, arrays, records, or Arrow tables.  The memory and its protocol are the native core's
(``_native.ends``); this package makes messages of values and values of messages.

Each name is imported when it is first used: who has queues needs nothing of services.
"""

from __future__ import annotations

from memsection import _import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from memsection.channels.answering import Call
    from memsection.channels.client import Client
    from memsection.channels.message import Message
    from memsection.channels.queue import Queue
    from memsection.channels.service import Service
    from memsection.channels.topic import Topic

__all__ = ["Call", "Client", "Message", "Queue", "Service", "Topic"]
_HOME = {
    "Call": "answering",
    "Client": "client",
    "Message": "message",
    "Queue": "queue",
    "Service": "service",
    "Topic": "topic",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(_import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
