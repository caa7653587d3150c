# SPDX-License-Identifier: MIT
"""securitybaseapi.h: what a token says.  Its privileges are changed in ``securitybaseapi``."""

from __future__ import annotations

from typing import Any

from memsection.nt import kernel
from memsection.vocabulary.records import record
from memsection.vocabulary.sid import Sid
from memsection.win32._base import DWORD, HANDLE, windows
from memsection.win32.securitybaseapi import LUID_AND_ATTRIBUTES, TOKEN_PRIVILEGES
from memsection.win32.winnt import TokenGroups, TokenPrivileges, TokenStatistics, TokenUser

__all__ = ["SID_AND_ATTRIBUTES", "TOKEN_STATISTICS", "GetTokenInformation"]


@record(frozen=True, slots=True)
class SID_AND_ATTRIBUTES:
    """A SID in a token, and SE_GROUP_* bits; a user has none."""

    Sid: Sid
    Attributes: int


@record(frozen=True, slots=True)
class TOKEN_STATISTICS:
    """What tells one token from others, and its present state.

    Attributes:
        TokenId: The token's LUID; on Linux made of the process id and when the process started.
        AuthenticationId: The logon session's LUID; on Linux the audit session, 0x3e7 (the system's)
            where there is none.
        ExpirationTime: 100 ns units since 1601; on Linux it never comes.
        TokenType: TokenPrimary or TokenImpersonation.
        ImpersonationLevel: Of an impersonation token; 0 else.
        DynamicCharged: Bytes; 0 on Linux.
        DynamicAvailable: Bytes; 0 on Linux.
        GroupCount: How many groups.
        PrivilegeCount: How many privileges.
        ModifiedId: Another one when what the token says has changed; on Linux a checksum of it.
    """

    TokenId: int
    AuthenticationId: int
    ExpirationTime: int
    TokenType: int
    ImpersonationLevel: int
    DynamicCharged: int
    DynamicAvailable: int
    GroupCount: int
    PrivilegeCount: int
    ModifiedId: int


@windows
def GetTokenInformation(TokenHandle: HANDLE, TokenInformationClass: DWORD) -> Any:
    """What a token says.  On Linux it is asked of the process each time, as ids and capabilities
    are there.

    Returns:
        A SID_AND_ATTRIBUTES for TokenUser, a list of them for TokenGroups, a TOKEN_PRIVILEGES for
        TokenPrivileges, a ``Sid`` for TokenOwner and TokenPrimaryGroup, TokenPrimary for TokenType,
        a TOKEN_STATISTICS for TokenStatistics, 1 or 0 for TokenElevation (on Linux whether the
        effective user is root).

    Rights:
        TOKEN_QUERY.

    Raises:
        OSError: 6: it is no token; 5: the right is missing; 87: no such class; 50: a class that is
            not answered here.
    """
    found = kernel.query_token(TokenHandle, TokenInformationClass)
    if TokenInformationClass == TokenUser:
        return SID_AND_ATTRIBUTES(*found)
    if TokenInformationClass == TokenGroups:
        return [SID_AND_ATTRIBUTES(*one) for one in found]
    if TokenInformationClass == TokenPrivileges:
        return TOKEN_PRIVILEGES(len(found), [LUID_AND_ATTRIBUTES(*one) for one in found])
    if TokenInformationClass == TokenStatistics:
        return TOKEN_STATISTICS(
            found.TokenId,
            found.AuthenticationId,
            found.ExpirationTime,
            found.TokenType,
            found.ImpersonationLevel,
            found.DynamicCharged,
            found.DynamicAvailable,
            found.GroupCount,
            found.PrivilegeCount,
            found.ModifiedId,
        )
    return found
