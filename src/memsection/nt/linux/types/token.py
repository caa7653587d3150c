# SPDX-License-Identifier: MIT
"""Tokens of processes, and their privileges: on Linux capabilities (capabilities(7))."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import os

from memsection._native import records
from memsection.nt.linux.handles import record, table
from memsection.nt.linux.system import syscalls as sys_
from memsection.nt.linux.types.process import require_rights_of, target
from memsection.vocabulary import access as a
from memsection.vocabulary import security
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.object_types import TOKEN

#: Privileges and the capability that is each on Linux (capabilities(7)).
_PRIVILEGES = {
    "SeDebugPrivilege": (s.SE_DEBUG_PRIVILEGE, 19),
    "SeLockMemoryPrivilege": (4, 14),
    "SeIncreaseQuotaPrivilege": (5, 24),
    "SeTakeOwnershipPrivilege": (9, 3),
    "SeBackupPrivilege": (17, 2),
    "SeRestorePrivilege": (18, 0),
    "SeCreatePermanentPrivilege": (16, 21),
}


class Copy:
    """What a token said when it was copied (NtDuplicateToken), and what was changed in the copy
    since."""

    __slots__ = ("effective", "level", "number", "permitted", "type", "who")

    def __init__(
        self, who: security.Token, effective: int, permitted: int, kind: int, level: int
    ) -> None:
        self.who = who
        self.effective, self.permitted = effective, permitted
        self.type, self.level = kind, level
        self.number = int.from_bytes(os.urandom(8), "little") >> 1  #: its TokenId


class Token(record.LocalObject):
    """The token of a process: on Linux a view of its ids and capabilities; or a copy of one, which
    stays as it is."""

    __slots__ = ("copied", "pid")

    def __init__(self, pid: int, serial: int, copied: Copy | None = None) -> None:
        super().__init__(TOKEN, (-3, pid, serial))
        self.pid = pid
        self.copied = copied

    def display_name(self) -> str | None:
        return f"{'copied ' if self.copied else ''}token of process {self.pid}"


def open_token(process: int, access: int) -> int:
    """NtOpenProcessToken."""
    pid, handle = target(process, a.PROCESS_QUERY_LIMITED_INFORMATION)
    if not access:
        raise NtError(
            st.ACCESS_DENIED, name=f"token of process {pid}", detail="no right was asked for"
        )
    granted = TOKEN.specific(access & 0xFFFFFFFF)
    if granted & a.MAXIMUM_ALLOWED:
        granted = granted & ~a.MAXIMUM_ALLOWED | TOKEN.valid
    require_rights_of(TOKEN, granted, f"token of process {pid}")
    try:
        fd = sys_.open(f"/proc/{pid}", sys_.O_PATH | sys_.O_DIRECTORY | sys_.O_CLOEXEC)
    except FileNotFoundError:
        raise NtError(st.PROCESS_IS_TERMINATING, name=f"process {pid}") from None
    try:
        if handle is not None:
            target(process, 0)  # the directory is of this process, and of none that got its id
        return table.register(fd, TOKEN, granted, Token(pid, fd), tag=False).value
    except BaseException:
        records.give_back(fd, False)
        raise


def lookup_privilege(name: str) -> int:
    """The LUID of a privilege; names are compared without case, as LookupPrivilegeValue does."""
    for known, (luid, _) in _PRIVILEGES.items():
        if known.casefold() == name.casefold():
            return luid
    raise NtError(st.NO_SUCH_PRIVILEGE, name=name)


def privileges_of(effective: int, permitted: int) -> list[tuple[int, int]]:
    """The privileges that these capabilities are, with their attributes, in the order of their
    numbers."""
    return sorted(
        (luid, s.SE_PRIVILEGE_ENABLED if effective & 1 << bit else 0)
        for luid, bit in _PRIVILEGES.values()
        if permitted & 1 << bit
    )


def adjust_privileges(
    token: int, privileges: list[tuple[int, int]], disable_all: bool
) -> tuple[int, list[tuple[int, int]]]:
    """NtAdjustPrivilegesToken: capabilities go from the permitted into the effective set of this
    thread, and back.

    A token never gains what is not permitted to it; what it lacks is reported as NOT_ALL_ASSIGNED.
    """
    handle = table.lookup(token, TOKEN, a.TOKEN_ADJUST_PRIVILEGES)
    assert isinstance(handle.obj, Token)
    copied = handle.obj.copied
    if copied is None and handle.obj.pid != os.getpid():
        raise NtError(
            st.NOT_ON_THIS_SYSTEM,
            name=handle.obj.display_name(),
            detail="a process can adjust its own privileges only",
        )
    effective, permitted, inheritable = (
        sys_.capabilities() if copied is None else (copied.effective, copied.permitted, 0)
    )
    capability = dict(_PRIVILEGES.values())
    if disable_all:
        privileges = [(luid, 0) for luid, bit in capability.items() if effective & 1 << bit]
    status, previous, wanted = st.SUCCESS, [], effective
    for luid, attributes in privileges:
        bit = 1 << capability[luid] if luid in capability else 0
        if not bit or attributes & s.SE_PRIVILEGE_ENABLED and not permitted & bit:
            status = st.NOT_ALL_ASSIGNED
            continue
        before = wanted
        wanted = wanted | bit if attributes & s.SE_PRIVILEGE_ENABLED else wanted & ~bit
        if wanted != before:
            previous.append((luid, s.SE_PRIVILEGE_ENABLED if before & bit else 0))
    if copied is not None:
        copied.effective = wanted
    elif wanted != effective:
        sys_.set_capabilities(wanted, permitted, inheritable)
    return status, previous
