# SPDX-License-Identifier: MIT
"""Sections, events and mutexes of programs that run in Wine or Proton, for programs on Linux, and
the other way.

``open(name)`` gives the memory of a running program's section, not a copy.  Nothing is needed in
the program, and nothing stays in its prefix but for as long as it is used.  A prefix that does not
run is never started.
"""

from __future__ import annotations

import sys

if sys.platform != "win32":
    from memsection.wine.bridging import Bridge, Bridged, bridge
    from memsection.wine.objects import NamedObject, Published, is_stale, ls, publish
    from memsection.wine.objects import open_section as open  # noqa: A004  # the verb that every face has
    from memsection.wine.processes import Prefix, prefixes
    from memsection.wine.waitables import Event, Mutex, open_event, open_mutex
else:
    raise ImportError(
        "memsection.wine is for Linux: it looks into Wine from outside", name=__name__
    )

__all__ = [
    "Bridge",
    "Bridged",
    "Event",
    "Mutex",
    "NamedObject",
    "Prefix",
    "Published",
    "bridge",
    "is_stale",
    "ls",
    "open",
    "open_event",
    "open_mutex",
    "prefixes",
    "publish",
]
