# SPDX-License-Identifier: MIT
"""What a token says of its process: on Linux the ids and capabilities of proc_pid_status(5)."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import os
import zlib
from typing import Any

from memsection.nt.linux.handles import table
from memsection.nt.linux.handles.record import Handle
from memsection.nt.linux.system import accounts, proc
from memsection.nt.linux.system import syscalls as sys_
from memsection.nt.linux.types.token import Token, privileges_of
from memsection.vocabulary import access as a
from memsection.vocabulary import security
from memsection.vocabulary import sid as wellknown
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.object_types import TOKEN
from memsection.vocabulary.sid import Sid

#: more than a status with as many groups as the kernel lets a process have in practice
_STATUS_BYTES = 1 << 16
_EFFECTIVE = 1  #: of the four ids in a line: real, effective, saved, file system
#: what is no audit session, and the LUID of the system's own logon
_NO_SESSION, _SYSTEM_SESSION = 0xFFFFFFFF, 0x3E7
_FOREVER = (1 << 63) - 1  #: an expiration time that never comes
_IN_FORCE = s.SE_GROUP_MANDATORY | s.SE_GROUP_ENABLED_BY_DEFAULT | s.SE_GROUP_ENABLED


def query(token: int, information: int) -> Any:
    """NtQueryInformationToken."""
    # before the handle is looked at, as Windows does
    if information not in s.TOKEN_INFORMATION_CLASSES:
        raise NtError(st.INVALID_INFO_CLASS, detail=f"class {information}")
    if information not in s.TOKEN_INFORMATION_HERE:
        raise NtError(
            st.NOT_SUPPORTED,
            detail=f"a token has nothing that information class {information} could tell on this "
            f"system",
        )
    handle = table.lookup(token, TOKEN, a.TOKEN_QUERY)
    assert isinstance(handle.obj, Token)
    copied = handle.obj.copied
    if information == s.TokenType:
        return copied.type if copied else s.TOKEN_PRIMARY
    if information == s.TokenImpersonationLevel:
        if copied is None or copied.type == s.TOKEN_PRIMARY:
            raise NtError(
                st.INVALID_INFO_CLASS,
                name=handle.obj.display_name(),
                detail="a primary token has no such level",
            )
        return copied.level
    who, effective, permitted = who_and_capabilities(handle)
    if information == s.TokenUser:
        return who.user, 0
    if information == s.TokenGroups:
        return [(sid, _group_attributes(sid)) for sid in sorted(who.groups, key=Sid.to_bytes)]
    if information == s.TokenPrivileges:
        return privileges_of(effective, permitted)
    if information == s.TokenOwner:
        return who.user
    if information == s.TokenPrimaryGroup:
        return who.primary_group
    if information == s.TokenStatistics:
        return _statistics(handle, who, effective, permitted)
    return int(wellknown.ADMINISTRATORS in who.groups)  # TokenElevation


def _statistics(
    handle: Handle, who: security.Token, effective: int, permitted: int
) -> s.TokenStatisticsInformation:
    """TOKEN_STATISTICS, as far as a process has what these mean.

    A process is known by its id and when it started; what its token says is known by a checksum, so
    that the modification id is another one when ids, groups or capabilities are others.
    """
    token, directory = handle.obj, f"/proc/self/fd/{handle.fd}"
    assert isinstance(token, Token)
    copied = token.copied
    words = repr(
        (who.user, sorted(map(str, who.groups)), str(who.primary_group), effective, permitted)
    ).encode()
    return s.TokenStatisticsInformation(
        TokenId=copied.number if copied else proc.start_time_in(directory) << 32 | token.pid,
        AuthenticationId=_session(directory),
        ExpirationTime=_FOREVER,
        TokenType=copied.type if copied else s.TOKEN_PRIMARY,
        ImpersonationLevel=copied.level if copied else 0,
        DynamicCharged=0,
        DynamicAvailable=0,
        GroupCount=len(who.groups),
        PrivilegeCount=len(privileges_of(effective, permitted)),
        ModifiedId=zlib.crc32(words),
    )


def _session(directory: str) -> int:
    """The audit session that the process of a directory of /proc was logged on in
    (proc_pid_sessionid(5)); the system's own where it was in none."""
    try:
        number = int(proc.read_start(f"{directory}/sessionid", 32))
    except (OSError, ValueError):  # a kernel without auditing
        return _SYSTEM_SESSION
    return _SYSTEM_SESSION if number == _NO_SESSION else number


def _group_attributes(sid: Sid) -> int:
    return _IN_FORCE | (s.SE_GROUP_OWNER if sid == wellknown.ADMINISTRATORS else 0)


def who_and_capabilities(handle: Handle) -> tuple[security.Token, int, int]:
    """Who a token is, and its effective and permitted capabilities: the process's now, or what was
    copied of it."""
    token = handle.obj
    assert isinstance(token, Token)
    copied = token.copied
    return (
        (copied.who, copied.effective, copied.permitted)
        if copied
        else _of_process(token, handle.fd)
    )


def _of_process(token: Token, fd: int) -> tuple[security.Token, int, int]:
    """Who a process is, and its effective and permitted capabilities."""
    if token.pid == os.getpid():
        effective, permitted, _ = sys_.capabilities()
        return accounts.current_token(), effective, permitted
    fields = _status(token, fd)
    try:
        uid, gid = (int(fields[key].split()[_EFFECTIVE]) for key in (b"Uid", b"Gid"))
        groups = tuple(int(number) for number in fields[b"Groups"].split())
        return (
            accounts.token_of(uid, gid, groups),
            int(fields[b"CapEff"], 16),
            int(fields[b"CapPrm"], 16),
        )
    except (KeyError, IndexError, ValueError):
        raise NtError(
            st.UNSUCCESSFUL,
            name=token.display_name(),
            detail="/proc tells it in a way unknown here",
        ) from None


def _status(token: Token, fd: int) -> dict[bytes, bytes]:
    """The lines of /proc/PID/status, of the very process that the token was opened of."""
    try:
        text = proc.read_start(f"/proc/self/fd/{fd}/status", _STATUS_BYTES)
    except (FileNotFoundError, ProcessLookupError):
        raise NtError(
            st.PROCESS_IS_TERMINATING,
            name=token.display_name(),
            detail="the process has ended, and what it was with it",
        ) from None
    return {
        key: value.strip() for key, _, value in (line.partition(b":") for line in text.splitlines())
    }
