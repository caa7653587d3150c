# SPDX-License-Identifier: MIT
"""The file position of a handle's description, which nothing else uses: it says what the handle is
(H1).

So the granted access and the rest survive exec, and other processes can read them.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"


# The file position of a handle's open file description (H1).
TAG = 1 << 62  #: this description is a handle
#: another process took the handle away (DUPLICATE_CLOSE_SOURCE): it is none any more
REVOKED = 1 << 61
PROTECTED = 1 << 60  #: HANDLE_FLAG_PROTECT_FROM_CLOSE
#: the handle belongs to another process, which has not fetched it yet (DuplicateHandle into it)
PENDING = 1 << 59
#: values from here on are of handles that another process gave; see ``transfer.give``
TRANSFERRED_VALUES_FROM = 1 << 48
DATA_SHIFT, _DATA_MASK = 32, (1 << 24) - 1
_ACCESS_MASK = (1 << 32) - 1


def position(access: int, data_fd: int) -> int:
    """What a fresh handle's file position is."""
    return TAG | (data_fd + 1) << DATA_SHIFT | access


def decode(where: int) -> tuple[int, int, bool] | None:
    """(access, data descriptor or -1, protected) from a file position; None when it is no live
    handle's."""
    if where & (TAG | REVOKED) != TAG:
        return None
    return where & _ACCESS_MASK, (where >> DATA_SHIFT & _DATA_MASK) - 1, bool(where & PROTECTED)
