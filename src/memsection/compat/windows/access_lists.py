# SPDX-License-Identifier: MIT
"""The functions of advapi32 whose C form has buffers: access lists and their entries.

Each is called as ``declarations`` says: without the pointers that its result goes through.
"""

# ruff: noqa: N802, N803  # the names of the originals

from __future__ import annotations

import ctypes
import struct
from typing import Any

from memsection import win32 as w
from memsection.compat.windows import memory
from memsection.compat.windows.memory import fill, refusal, store, with_unit
from memsection.compat.windows.structures import RawAcl, RawExplicitAccess
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.sid import Sid


def InitializeAcl(address: int, size: int, revision: int) -> None:
    if size < ctypes.sizeof(RawAcl):
        raise NtError(st.BUFFER_TOO_SMALL, "InitializeAcl", None, f"{size} bytes are too few")
    if not 2 <= revision <= 4:
        raise NtError(st.INVALID_PARAMETER, "InitializeAcl", None, f"revision {revision}")
    raw = RawAcl.from_address(address)
    raw.AclRevision, raw.Sbz1, raw.AclSize, raw.AceCount, raw.Sbz2 = revision, 0, size, 0, 0


def _entries(address: int) -> list[int]:
    """Where each entry of a list begins, and where the last one ends."""
    if not address:
        raise refusal("access list", "a list is needed")
    acl, places = RawAcl.from_address(address), [address + ctypes.sizeof(RawAcl)]
    for _ in range(acl.AceCount):
        size = ctypes.c_uint16.from_address(places[-1] + 2).value
        if places[-1] + max(size, 8) > address + acl.AclSize:
            raise NtError(
                st.INVALID_ACL, "access list", None, f"entry {len(places) - 1} goes beyond its end"
            )
        places.append(places[-1] + size)
    return places


def _add_ace(address: int, kind: int, mask: int, sid: bytes | None, flags: int = 0) -> None:
    place = _entries(address)[-1] - address
    acl = RawAcl.from_address(address)
    sid = Sid.from_bytes(sid or b"").to_bytes()
    ace = (
        bytes([kind, flags & 0xFF])
        + (8 + len(sid)).to_bytes(2, "little")
        + mask.to_bytes(4, "little")
        + sid
    )
    if place + len(ace) > acl.AclSize:
        w.SetLastError(1344)  # ERROR_ALLOTTED_SPACE_EXCEEDED
        raise OSError(0, "the access list has no room for one more entry")
    ctypes.memmove(address + place, ace, len(ace))
    acl.AceCount += 1


def AddAccessAllowedAce(address: int, revision: int, mask: int, sid: bytes | None) -> None:
    _add_ace(address, 0, mask, sid)


def AddAccessDeniedAce(address: int, revision: int, mask: int, sid: bytes | None) -> None:
    _add_ace(address, 1, mask, sid)


def AddAccessAllowedAceEx(
    address: int, revision: int, flags: int, mask: int, sid: bytes | None
) -> None:
    _add_ace(address, 0, mask, sid, flags)


def AddAccessDeniedAceEx(
    address: int, revision: int, flags: int, mask: int, sid: bytes | None
) -> None:
    _add_ace(address, 1, mask, sid, flags)


def AddAuditAccessAceEx(
    address: int,
    revision: int,
    flags: int,
    mask: int,
    sid: bytes | None,
    success: int,
    failure: int,
) -> None:
    _add_ace(address, 2, mask, sid, flags | (0x40 if success else 0) | (0x80 if failure else 0))


def GetAce(address: int, index: int) -> int:
    places = _entries(address)
    if index >= len(places) - 1:
        raise NtError(st.INVALID_PARAMETER, "GetAce", None, f"entry {index} of {len(places) - 1}")
    return places[index]


def GetAclInformation(address: int, buffer: int, size: int, what: int) -> None:
    acl, used = RawAcl.from_address(address), _entries(address)[-1] - address
    values = {1: (acl.AclRevision,), 2: (acl.AceCount, used, acl.AclSize - used)}.get(what)
    if values is None:
        raise NtError(st.INVALID_PARAMETER, "GetAclInformation", None, f"class {what}")
    fill(buffer, size, 0, struct.pack(f"<{len(values)}I", *values), "GetAclInformation")


def IsValidAcl(address: int) -> bool:
    return bool(w.IsValidAcl(memory.acl_bytes(address) or b""))


def list_of(value: Any) -> Any:
    """An ACL of ``memsection.win32``; None at NULL."""
    return None if value is None else w.ACL(value.aces, value.revision)


@with_unit
def SetEntriesInAcl(count: int, entries: int, old: int, out: int, unit: int) -> int:
    if not out or count and not entries:
        raise refusal("SetEntriesInAcl", "entries and a place for the list are needed")
    wanted = []
    for place in range(entries, entries + 48 * count, 48):
        raw = RawExplicitAccess.from_address(place)
        form, name = raw.TrusteeForm, raw.ptstrName
        # TRUSTEE_IS_SID
        who: Any = memory.sid_bytes(name) if form == 0 else memory.text(name, unit)
        wanted.append(
            w.EXPLICIT_ACCESS(
                raw.grfAccessPermissions,
                raw.grfAccessMode,
                raw.grfInheritance,
                w.TRUSTEE(who, form, raw.TrusteeType),
            )
        )
    made = bytes(w.SetEntriesInAcl(wanted, list_of(memory.access_list(old))))
    store("PVOID", out, memory.allocate(made))
    return 0
