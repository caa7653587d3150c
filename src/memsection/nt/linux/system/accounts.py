# SPDX-License-Identifier: MIT
"""Who asks: the caller's token, made of the ids that the kernel checks files with, and Unix
accounts as SIDs.

What a token is granted is decided in ``vocabulary.security``.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

from memsection.nt.linux.system import syscalls as sys_
from memsection.vocabulary import sid as wellknown
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.security import EVERYBODY, SE_RESTORE_PRIVILEGE, Token
from memsection.vocabulary.sid import Sid

ROOT = 0
# capabilities(7): may give files away, which is what SeRestorePrivilege means for owners
_CAP_CHOWN = 1 << 0

_known: tuple[bytes, Token] | None = None  # the last caller's ids, and the token of these


def current_token(ids: bytes = b"") -> Token:
    """The caller's token, made of the ids that the kernel itself checks files with."""
    global _known
    ids, known = ids or sys_.caller_ids(), _known
    if known is None or known[0] != ids:
        uid, gid, *groups = memoryview(ids).cast("I")
        _known = known = ids, token_of(uid, gid, tuple(groups))
    return known[1]


def token_of(uid: int, gid: int, groups: tuple[int, ...]) -> Token:
    """The token of a process with these effective ids.  Root is an administrator, and checked like
    everybody."""
    sids = EVERYBODY | {Sid.unix_group(number) for number in (gid, *groups)}
    if uid == ROOT:
        sids |= {wellknown.ADMINISTRATORS}
    return Token(Sid.unix_user(uid), frozenset(sids), Sid.unix_group(gid), _is_privileged)


def _is_privileged(name: str) -> bool:
    return name == SE_RESTORE_PRIVILEGE and bool(sys_.capabilities()[0] & _CAP_CHOWN)


def account_sid(name: str, *, group: bool = False) -> Sid:
    """The SID of a Unix user or group by its name or number.

    Raises:
        NtError: NONE_MAPPED.
    """
    import grp
    import pwd

    try:
        if name.isascii() and name.isdigit():
            number = int(name[:11])  # more digits are out of range, too
            return Sid.unix_group(number) if group else Sid.unix_user(number)
        return (
            Sid.unix_group(grp.getgrnam(name).gr_gid)
            if group
            else Sid.unix_user(pwd.getpwnam(name).pw_uid)
        )
    except (KeyError, ValueError):  # ValueError: a name with a 0 or half a character in it
        raise NtError(
            st.NONE_MAPPED,
            "account_sid",
            name,
            f"there is no {'group' if group else 'user'} '{name}' on this system",
        ) from None


def account_name(sid: Sid) -> str:
    """What the system calls an account: its name, its number where it has none, else the SID's
    text."""
    import grp
    import pwd

    try:
        if sid.uid is not None:
            return pwd.getpwuid(sid.uid).pw_name
        if sid.gid is not None:
            return grp.getgrgid(sid.gid).gr_name
    except (KeyError, OverflowError):
        return str(sid.subs[1])
    return str(sid)
