# SPDX-License-Identifier: MIT
"""securitybaseapi.h: what a token says.  Its privileges are changed in ``securitybaseapi``."""

from __future__ import annotations

from typing import Any

from memsection.nt import kernel
from memsection.vocabulary.records import record
from memsection.vocabulary.sid import Sid
from memsection.win32._base import DWORD, HANDLE, windows
from memsection.win32.securitybaseapi import LUID_AND_ATTRIBUTES, TOKEN_PRIVILEGES
from memsection.win32.winnt import TokenGroups, TokenPrivileges, TokenUser

__all__ = ["SID_AND_ATTRIBUTES", "GetTokenInformation"]


@record(frozen=True, slots=True)
class SID_AND_ATTRIBUTES:
    """A SID in a token, and SE_GROUP_* bits; a user has none."""

    Sid: Sid
    Attributes: int


@windows
def GetTokenInformation(TokenHandle: HANDLE, TokenInformationClass: DWORD) -> Any:
    """What a token says.  On Linux it is asked of the process each time, as ids and capabilities are there.

    Returns:
        A SID_AND_ATTRIBUTES for TokenUser, a list of them for TokenGroups, a TOKEN_PRIVILEGES for TokenPrivileges, a
        ``Sid`` for TokenOwner and TokenPrimaryGroup, TokenPrimary for TokenType, 1 or 0 for TokenElevation (on Linux
        whether the effective user is root).

    Rights:
        TOKEN_QUERY.

    Raises:
        OSError: 6: it is no token; 5: the right is missing; 87: no such class; 50: a class that is not answered here.
    """
    found = kernel.query_token(TokenHandle, TokenInformationClass)
    if TokenInformationClass == TokenUser:
        return SID_AND_ATTRIBUTES(*found)
    if TokenInformationClass == TokenGroups:
        return [SID_AND_ATTRIBUTES(*one) for one in found]
    if TokenInformationClass == TokenPrivileges:
        return TOKEN_PRIVILEGES(len(found), [LUID_AND_ATTRIBUTES(*one) for one in found])
    return found
