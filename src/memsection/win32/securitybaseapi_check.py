# SPDX-License-Identifier: MIT
"""securitybaseapi.h: copies of tokens, and what a descriptor grants to who a token is."""

from __future__ import annotations

from memsection.nt import kernel
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.access import TOKEN_QUERY
from memsection.vocabulary.records import record
from memsection.vocabulary.sid import Sid
from memsection.win32._base import (
    ATTRIBUTES,
    DWORD,
    HANDLE,
    descriptor_of,
    inherit_flag,
    inherits,
    refuse,
    set_last_error,
    windows,
)
from memsection.win32.securitybaseapi import SECURITY_DESCRIPTOR, plain
from memsection.win32.securitybaseapi_acl import sid_of
from memsection.win32.winnt import (
    GENERIC_ALL,
    GENERIC_EXECUTE,
    GENERIC_READ,
    GENERIC_WRITE,
    SE_GROUP_ENABLED,
    TOKEN_IMPERSONATE,
    TokenGroups,
    TokenImpersonation,
    TokenType,
    TokenUser,
)

__all__ = [
    "GENERIC_MAPPING",
    "AccessCheck",
    "CheckTokenMembership",
    "DuplicateToken",
    "DuplicateTokenEx",
    "MapGenericMask",
]


@record(frozen=True, slots=True)
class GENERIC_MAPPING:
    """What the generic rights mean for a kind of objects."""

    GenericRead: int
    GenericWrite: int
    GenericExecute: int
    GenericAll: int


@windows
def DuplicateToken(ExistingTokenHandle: HANDLE, ImpersonationLevel: DWORD) -> int:
    """An impersonation token that says what another one says now, with TOKEN_QUERY and
    TOKEN_IMPERSONATE.

    Args:
        ExistingTokenHandle: A token.
        ImpersonationLevel: SecurityAnonymous, SecurityIdentification, SecurityImpersonation or
            SecurityDelegation.

    Returns:
        The new handle.

    Rights:
        TOKEN_DUPLICATE.

    Raises:
        OSError: 5: the right is missing; 6: it is no token; 1346: no such level, or a higher one
            than the token's.
    """
    return kernel.duplicate_token(
        ExistingTokenHandle,
        TOKEN_IMPERSONATE | TOKEN_QUERY,
        0,
        ImpersonationLevel,
        s.TOKEN_IMPERSONATION,
    )


@windows
def DuplicateTokenEx(
    hExistingToken: HANDLE,
    dwDesiredAccess: DWORD,
    lpTokenAttributes: ATTRIBUTES,
    ImpersonationLevel: DWORD,
    TokenType: DWORD,
) -> int:
    """A token that says what another one says now: it does not change with the process, and
    outlives it.

    Args:
        hExistingToken: A token.
        dwDesiredAccess: Rights of the new handle; 0 for those of the old one.
        lpTokenAttributes: SECURITY_ATTRIBUTES without a descriptor, or None; on Linux without
            inheritance.
        ImpersonationLevel: As for ``DuplicateToken``.
        TokenType: TokenPrimary or TokenImpersonation.

    Returns:
        The new handle.  Privileges are adjusted in the copy alone; no thread of Linux can act by
        it.

    Rights:
        TOKEN_DUPLICATE.

    Raises:
        OSError: 5: the right is missing; 6: it is no token; 50: a descriptor, or on Linux an
            inheritable handle; 87: a type that is none; 1346: no such level, or a higher one than
            the token's.
    """
    if descriptor_of(lpTokenAttributes) is not None:
        refuse(st.NOT_SUPPORTED, "DuplicateTokenEx", "tokens have no descriptors of their own here")
    return kernel.duplicate_token(
        hExistingToken,
        dwDesiredAccess,
        inherit_flag(inherits(lpTokenAttributes)),
        ImpersonationLevel,
        TokenType,
    )


@windows
def AccessCheck(
    pSecurityDescriptor: SECURITY_DESCRIPTOR | bytes,
    ClientToken: HANDLE,
    DesiredAccess: DWORD,
    GenericMapping: GENERIC_MAPPING,
) -> tuple[int, bool]:
    """What a descriptor grants to who a token is, for objects of a program's own.

    Args:
        pSecurityDescriptor: With an owner and a group.
        ClientToken: An impersonation token, at level SecurityIdentification or higher.
        DesiredAccess: Specific and standard rights, MAXIMUM_ALLOWED.
        GenericMapping: What generic rights in the descriptor mean.

    Returns:
        ``(granted rights, True)``, or ``(0, False)``, with 5 or 1314 as the last error.

    Rights:
        TOKEN_QUERY on the token.

    Raises:
        OSError: 1309: no impersonation token; 1346: its level is too low; 1360: generic rights were
            asked for; 1338: the descriptor has no owner or no group, or is none; 5: the right is
            missing; 6: it is no token.
    """
    mapping = (
        GenericMapping.GenericRead,
        GenericMapping.GenericWrite,
        GenericMapping.GenericExecute,
        GenericMapping.GenericAll,
    )
    status, granted = kernel.check_access(
        plain(pSecurityDescriptor), ClientToken, DesiredAccess, mapping
    )
    set_last_error(st.winerror(status))
    return granted, status == st.SUCCESS


@windows
def MapGenericMask(AccessMask: DWORD, GenericMapping: GENERIC_MAPPING) -> int:
    """The mask with generic rights replaced by what they mean.

    Rights:
        None.

    Raises:
        TypeError: The mask is no number.
    """
    for bit, meaning in (
        (GENERIC_READ, GenericMapping.GenericRead),
        (GENERIC_WRITE, GenericMapping.GenericWrite),
        (GENERIC_EXECUTE, GenericMapping.GenericExecute),
        (GENERIC_ALL, GenericMapping.GenericAll),
    ):
        if AccessMask & bit:
            AccessMask = AccessMask & ~bit | meaning
    return AccessMask


@windows
def CheckTokenMembership(TokenHandle: HANDLE, SidToCheck: Sid | bytes | str) -> bool:
    """Whether a SID is the user, or a group in force, of a token; 0 for the token of this process.

    Rights:
        TOKEN_QUERY on the token.

    Raises:
        OSError: 1309: no impersonation token; 5: the right is missing; 6: it is no token; 1337: it
            is no SID.
    """
    sid = sid_of(SidToCheck)
    if TokenHandle:
        if kernel.query_token(TokenHandle, TokenType) != TokenImpersonation:
            refuse(
                st.NO_IMPERSONATION_TOKEN, "CheckTokenMembership", "DuplicateToken makes one of it"
            )
        return _is_in(TokenHandle, sid)
    token = kernel.open_process_token(s.CURRENT_PROCESS, TOKEN_QUERY)
    try:
        return _is_in(token, sid)
    finally:
        kernel.close(token)


def _is_in(token: int, sid: Sid) -> bool:
    user: Sid = kernel.query_token(token, TokenUser)[0]
    return sid == user or any(
        sid == group and attributes & SE_GROUP_ENABLED
        for group, attributes in kernel.query_token(token, TokenGroups)
    )
