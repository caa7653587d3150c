# SPDX-License-Identifier: MIT
"""What a caller gets of the access that it desires, which open mode that needs (R1, R2), and what
security its new objects have."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

from memsection.nt.linux.bodies import control_page, permissions
from memsection.nt.linux.system import accounts
from memsection.nt.linux.system import syscalls as sys_
from memsection.vocabulary import access as a
from memsection.vocabulary import object_types, security
from memsection.vocabulary.descriptor import SecurityDescriptor
from memsection.vocabulary.object_types import ObjectType

_MOST_REMEMBERED = 256


class NewSecurity:
    """The security descriptor of a new object, and what the kernel is told of it."""

    __slots__ = ("creator", "descriptor", "permissions")

    def __init__(
        self, descriptor: bytes, file_permissions: permissions.PosixPermissions, creator: int
    ) -> None:
        self.descriptor = descriptor
        self.permissions = file_permissions
        self.creator = creator  #: the user that the kernel makes it for


class _Caller:
    """What was found out for one token."""

    __slots__ = ("granted", "ids", "new", "token")

    def __init__(self, ids: bytes, token: security.Token | None) -> None:
        self.ids, self.token = ids, token
        self.granted: dict[tuple[bytes, int, int], int] = {}
        self.new: dict[tuple[int, bytes | None], NewSecurity] = {}


_caller = _Caller(b"", None)


def _current_caller() -> _Caller:
    """The caller, by the ids that it has now; what was found out for another one is forgotten."""
    global _caller
    ids, caller = sys_.caller_ids(), _caller
    if ids != caller.ids:
        _caller = caller = _Caller(ids, accounts.current_token(ids))
    return caller


def grant(descriptor: bytes, desired: int, kind: ObjectType) -> int:
    """The access that this caller gets of what it desires: all of it, or ACCESS_DENIED (R1)."""
    caller = _current_caller()
    key = (descriptor, desired, kind.number)
    granted = caller.granted.get(key)
    if granted is None:
        assert caller.token is not None
        granted = security.access_check(descriptor, caller.token, desired, kind)
        if len(caller.granted) >= _MOST_REMEMBERED:
            caller.granted.clear()
        caller.granted[key] = granted
    return granted


def security_of_new(given: bytes | None, kind: ObjectType) -> NewSecurity:
    """What a new object of this caller's gets, with the descriptor that it gives or without one.

    Raises:
        NtError: What is wrong with the descriptor.
    """
    caller = _current_caller()
    known = caller.new.get((kind.number, given))
    if known is not None:
        return known
    token = caller.token
    assert token is not None
    descriptor = security.creation_descriptor(given, token, kind)
    creator = token.user.uid
    assert creator is not None  # the token is of this system's ids
    found = NewSecurity(descriptor, permissions.permissions_for(descriptor, kind), creator)
    parsed = SecurityDescriptor.from_bytes(descriptor)
    # Another owner and an audit list need privileges, which a process can lose at any time.
    if parsed.owner == token.user and parsed.sacl is None:
        if len(caller.new) >= _MOST_REMEMBERED:
            caller.new.clear()
        caller.new[kind.number, given] = found
    return found


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
