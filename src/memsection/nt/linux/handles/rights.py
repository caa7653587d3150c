# SPDX-License-Identifier: MIT
"""What a caller gets of the access that it desires, and which open mode that needs (R1, R2)."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

from memsection.nt.linux.bodies import control_page
from memsection.nt.linux.system import accounts
from memsection.vocabulary import access as a
from memsection.vocabulary import object_types, security
from memsection.vocabulary.object_types import ObjectType

_granted: dict[tuple[bytes, int, int], int] = {}
_caches_token: security.Token | None = None  # whom the table above is about


def grant(descriptor: bytes, desired: int, kind: ObjectType) -> int:
    """The access that this caller gets of what it desires: all of it, or ACCESS_DENIED (R1)."""
    token = _token()
    key = (descriptor, desired, kind.number)
    granted = _granted.get(key)
    if granted is None:
        granted = security.access_check(descriptor, token, desired, kind)
        if len(_granted) > 256:
            _granted.clear()
        _granted[key] = granted
    return granted


def _token() -> security.Token:
    """The caller's token; answers remembered for another one are forgotten."""
    global _caches_token
    token = accounts.current_token()
    if token is not _caches_token:
        _granted.clear()
        _caches_token = token
    return token


def needs_write(kind: ObjectType, access: int, facts: control_page.Facts | None = None) -> bool:
    """Whether a handle with this access must be able to write the body.

    The body of a section whose data is another file is only the record of which file that is: who
    may write the data must not be able to write another file's name there (S2).
    """
    if facts is not None and facts.file_identity is not None:
        return False
    if kind is object_types.SECTION:
        return access & a.SECTION_MAP_WRITE != 0
    return access & (a.SYNCHRONIZE | 0x2) != 0
