# SPDX-License-Identifier: MIT
"""winbase.h: names of accounts and privileges.

On Linux an account is a Unix user or group (``S-1-22-1-UID``, ``S-1-22-2-GID``), in the domains
"Unix User" and "Unix Group"; the well-known SIDs have the names that they have on Windows.
"""

from __future__ import annotations

from memsection.nt import kernel
from memsection.vocabulary import sid as wellknown
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.privileges import PRIVILEGES
from memsection.vocabulary.sid import Sid, builtin
from memsection.win32._base import DWORD, LPCWSTR, refuse, windows
from memsection.win32.securitybaseapi_acl import sid_of
from memsection.win32.winnt import SidTypeAlias, SidTypeGroup, SidTypeUser, SidTypeWellKnownGroup

__all__ = ["LookupAccountName", "LookupAccountSid", "LookupPrivilegeName", "LookupPrivilegeValue"]

_NT, _BUILTIN, _USERS, _GROUPS = "NT AUTHORITY", "BUILTIN", "Unix User", "Unix Group"
#: SID: (domain, name, SID_NAME_USE), as Windows has them in English.
_WELL_KNOWN = {
    wellknown.EVERYONE: ("", "Everyone", SidTypeWellKnownGroup),
    wellknown.LOCAL: ("", "LOCAL", SidTypeWellKnownGroup),
    Sid(0, (0,)): ("", "NULL SID", SidTypeWellKnownGroup),
    wellknown.CREATOR_OWNER: ("", "CREATOR OWNER", SidTypeWellKnownGroup),
    Sid(3, (1,)): ("", "CREATOR GROUP", SidTypeWellKnownGroup),
    wellknown.OWNER_RIGHTS: ("", "OWNER RIGHTS", SidTypeWellKnownGroup),
    **{
        Sid(5, (rid,)): (_NT, name, SidTypeWellKnownGroup)
        for rid, name in (
            (1, "DIALUP"),
            (2, "NETWORK"),
            (3, "BATCH"),
            (4, "INTERACTIVE"),
            (6, "SERVICE"),
            (7, "ANONYMOUS LOGON"),
            (9, "ENTERPRISE DOMAIN CONTROLLERS"),
            (10, "SELF"),
            (11, "Authenticated Users"),
            (12, "RESTRICTED"),
            (13, "TERMINAL SERVER USER"),
            (18, "SYSTEM"),
            (19, "LOCAL SERVICE"),
            (20, "NETWORK SERVICE"),
        )
    },
    **{
        builtin(rid): (_BUILTIN, name, SidTypeAlias)
        for rid, name in (
            (544, "Administrators"),
            (545, "Users"),
            (546, "Guests"),
            (547, "Power Users"),
            (551, "Backup Operators"),
            (555, "Remote Desktop Users"),
        )
    },
}


def _this_system(name: str | None, operation: str) -> None:
    if name:
        refuse(st.NOT_SUPPORTED, operation, f"only on this system, not '{name}'")


def sid_of_account(name: str) -> Sid:
    """The SID of an account: well-known, a user, or a group, with or without its domain."""
    return _look_up(name)[0]


def _look_up(name: str) -> tuple[Sid, str, int]:
    domain, _, account = name.rpartition("\\")
    for sid, (place, known, use) in _WELL_KNOWN.items():
        if known.casefold() == account.casefold() and domain.casefold() in ("", place.casefold()):
            return sid, place, use
    if domain.casefold() not in ("", _USERS.casefold(), _GROUPS.casefold()):
        return kernel.account_sid(name), domain, SidTypeUser
    if domain.casefold() != _GROUPS.casefold():
        try:
            sid = kernel.account_sid(account)
            return sid, _USERS if sid.uid is not None else domain, SidTypeUser
        except NtError as failure:
            if failure.status != st.NONE_MAPPED or domain:
                raise
    sid = kernel.account_sid(account, group=True)
    return sid, _GROUPS if sid.gid is not None else domain, SidTypeGroup


@windows
def LookupAccountName(lpSystemName: LPCWSTR, lpAccountName: LPCWSTR) -> tuple[Sid, str, int]:
    """An account by its name, such as ``Everyone``, ``NT AUTHORITY\\SYSTEM``, ``daemon`` or
    ``Unix Group\\audio``.

    Returns:
        Its SID, the domain that it was found in, and its SID_NAME_USE.

    Rights:
        None.

    Raises:
        OSError: 50: another system; 87: no name; 1332: no such account.
    """
    _this_system(lpSystemName, "LookupAccountName")
    if not lpAccountName:
        refuse(st.INVALID_PARAMETER, "LookupAccountName", "the name of an account is needed")
    return _look_up(lpAccountName)


@windows
def LookupAccountSid(lpSystemName: LPCWSTR, Sid: Sid | bytes | str) -> tuple[str, str, int]:
    """An account by its SID.

    Returns:
        Its name, its domain, and its SID_NAME_USE.

    Rights:
        None.

    Raises:
        OSError: 50: another system; 1332: no account has this SID; 1337: no SID.
    """
    _this_system(lpSystemName, "LookupAccountSid")
    sid = sid_of(Sid)
    if sid in _WELL_KNOWN:
        domain, name, use = _WELL_KNOWN[sid]
        return name, domain, use
    name = kernel.account_name(sid)
    if name == str(sid) or sid.uid is sid.gid is None and "\\" not in name or name.isdigit():
        refuse(st.NONE_MAPPED, "LookupAccountSid", f"no account has the SID {sid}")
    if sid.uid is not None or sid.gid is not None:
        return (name, _USERS, SidTypeUser) if sid.uid is not None else (name, _GROUPS, SidTypeGroup)
    domain, _, name = name.rpartition("\\")
    return name, domain, SidTypeUser


@windows
def LookupPrivilegeValue(lpSystemName: LPCWSTR, lpName: LPCWSTR) -> int:
    """The number (LUID) by which Windows knows a privilege; ``lpSystemName`` must be None.

    Rights:
        None.

    Raises:
        OSError: 1313: no such privilege; 50: another system.
    """
    _this_system(lpSystemName, "LookupPrivilegeValue")
    wanted = (lpName or "").casefold()
    for name, luid in PRIVILEGES.items():
        if name.casefold() == wanted:
            return luid
    refuse(st.NO_SUCH_PRIVILEGE, "LookupPrivilegeValue", f"'{lpName}' is no privilege")


@windows
def LookupPrivilegeName(lpSystemName: LPCWSTR, lpLuid: DWORD) -> str:
    """The name of a privilege by its number (LUID).

    Rights:
        None.

    Raises:
        OSError: 1313: no such privilege; 50: another system.
    """
    _this_system(lpSystemName, "LookupPrivilegeName")
    for name, luid in PRIVILEGES.items():
        if luid == lpLuid:
            return name
    refuse(st.NO_SUCH_PRIVILEGE, "LookupPrivilegeName", f"{lpLuid} is no privilege")
