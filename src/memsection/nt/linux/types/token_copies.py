# SPDX-License-Identifier: MIT
"""Copies of tokens, and the access check with one of them (NtDuplicateToken, NtAccessCheck).

A copy is a value of this process: who, with which capabilities, at the moment of copying.  No
thread can act by it; it is there to be asked, and to have descriptors judged for who it is.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

from memsection._native import records
from memsection.nt.linux.handles import table
from memsection.nt.linux.system import syscalls as sys_
from memsection.nt.linux.types.token import Copy, Token
from memsection.nt.linux.types.token_facts import who_and_capabilities
from memsection.vocabulary import access as a
from memsection.vocabulary import security
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.descriptor import SecurityDescriptor
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.object_types import TOKEN

_LEVELS = range(s.SECURITY_ANONYMOUS, s.SECURITY_DELEGATION + 1)


def duplicate(token: int, access: int, attributes: int, level: int, kind: int) -> int:
    """NtDuplicateToken."""
    handle = table.lookup(token, TOKEN, a.TOKEN_DUPLICATE)
    source = handle.obj
    assert isinstance(source, Token)
    name = source.display_name()
    if kind not in (s.TOKEN_PRIMARY, s.TOKEN_IMPERSONATION):
        raise NtError(st.INVALID_PARAMETER, name=name, detail=f"a token of type {kind}")
    if level not in _LEVELS:
        raise NtError(st.BAD_IMPERSONATION_LEVEL, name=name, detail=f"level {level}")
    if source.copied is not None and source.copied.type == s.TOKEN_IMPERSONATION:
        needed = s.SECURITY_IMPERSONATION if kind == s.TOKEN_PRIMARY else level
        if source.copied.level < needed:
            raise NtError(
                st.BAD_IMPERSONATION_LEVEL,
                name=name,
                detail=f"a copy at level {needed} of a token at level {source.copied.level}",
            )
    if attributes & s.OBJ_INHERIT:
        raise NtError(
            st.NOT_SUPPORTED,
            name=name,
            detail="a copied token is a value of this process: no child has it",
        )
    granted = TOKEN.specific(access) if access else handle.access
    if granted & a.MAXIMUM_ALLOWED:
        granted = TOKEN.generic_all
    if granted & ~TOKEN.valid:
        raise NtError(
            st.ACCESS_DENIED,
            name=name,
            detail=f"no token has the rights {granted & ~TOKEN.valid:#x}",
        )
    who, effective, permitted = who_and_capabilities(handle)
    copied = Copy(
        who,
        effective,
        permitted,
        kind,
        level if kind == s.TOKEN_IMPERSONATION else s.SECURITY_ANONYMOUS,
    )
    fd = sys_.duplicate_from(handle.fd, 3)
    try:
        return table.register(fd, TOKEN, granted, Token(source.pid, fd, copied), tag=False).value
    except BaseException:
        records.give_back(fd, False)
        raise


def check_access(
    descriptor: bytes, token: int, desired: int, mapping: tuple[int, int, int, int]
) -> tuple[int, int]:
    """NtAccessCheck."""
    handle = table.lookup(token, TOKEN, a.TOKEN_QUERY)
    assert isinstance(handle.obj, Token)
    copied = handle.obj.copied
    if copied is None or copied.type != s.TOKEN_IMPERSONATION:
        raise NtError(
            st.NO_IMPERSONATION_TOKEN,
            name=handle.obj.display_name(),
            detail="DuplicateToken makes one of it",
        )
    if copied.level < s.SECURITY_IDENTIFICATION:
        raise NtError(
            st.BAD_IMPERSONATION_LEVEL,
            name=handle.obj.display_name(),
            detail="it may not be identified",
        )
    try:
        return st.SUCCESS, security.mapped_access_check(
            SecurityDescriptor.from_bytes(descriptor), copied.who, desired, mapping
        )
    except NtError as failure:
        if failure.status not in (st.ACCESS_DENIED, st.PRIVILEGE_NOT_HELD):
            raise
        return failure.status, 0
