# SPDX-License-Identifier: MIT
"""A module in the place of the standard library's ``mmap``, with Windows's parameters and Linux's
on both systems.

``mmap(fileno, length, tagname=None, access=ACCESS_DEFAULT, offset=0)`` maps a section by its name,
as on Windows; ``mmap(fileno, length, flags, prot, access, offset)`` maps as on Linux.  The type is
a subclass of the genuine one, whose C code does everything after the mapping was made.  All
constants of either system are here, on both.
"""

from __future__ import annotations

import sys
from mmap import *  # noqa: F403  # pyright: ignore[reportWildcardImportFromLibrary]

from memsection.vocabulary.protection import ALLOCATION_GRANULARITY

if sys.platform == "win32":
    from memsection.compat.mmap_windows import CONSTANTS
    from memsection.compat.mmap_windows import mmap as mmap

    globals().update(CONSTANTS)
else:
    from memsection.compat.mmap_linux import mmap as mmap

#: What offsets of a map with a tag name are multiples of, everywhere.
globals()["ALLOCATIONGRANULARITY"] = ALLOCATION_GRANULARITY
