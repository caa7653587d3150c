# SPDX-License-Identifier: MIT
"""The functions of advapi32 whose C form has buffers: descriptors and SIDs.

Each is called as ``declarations`` says: without the pointers that its result goes
through.
"""

# ruff: noqa: N802, N803  # the names of the originals

from __future__ import annotations

import ctypes

from memsection import win32 as w
from memsection.compat.windows import memory
from memsection.compat.windows.access_lists import list_of
from memsection.compat.windows.memory import fill, fill_all, refusal, store, with_unit
from memsection.compat.windows.structures import KINDS, RawDescriptor
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError

_DWORD = KINDS["DWORD"]


def ConvertStringSecurityDescriptorToSecurityDescriptor(
    text: str, revision: int, out: int, size: int
) -> None:
    data = bytes(w.ConvertStringSecurityDescriptorToSecurityDescriptor(text, revision))
    if not out:
        raise refusal(
            "ConvertStringSecurityDescriptorToSecurityDescriptor",
            "a place for the descriptor is needed",
        )
    store("PVOID", out, memory.allocate(data))
    if size:
        store("DWORD", size, len(data))


@with_unit
def ConvertSecurityDescriptorToStringSecurityDescriptor(
    descriptor: bytes, revision: int, parts: int, out: int, size: int, unit: int
) -> None:
    text = w.ConvertSecurityDescriptorToStringSecurityDescriptor(descriptor, revision, parts)
    store("PVOID", out, memory.allocate(memory.encode_text(text, unit)))
    if size:
        store("DWORD", size, len(text) + 1)


def ConvertStringSidToSid(text: str, out: int) -> None:
    store("PVOID", out, memory.allocate(w.ConvertStringSidToSid(text).to_bytes()))


@with_unit
def ConvertSidToStringSid(sid: bytes, out: int, unit: int) -> None:
    store("PVOID", out, memory.allocate(memory.encode_text(w.ConvertSidToStringSid(sid), unit)))


def _absolute(address: int, operation: str) -> RawDescriptor:
    raw = RawDescriptor.from_address(address) if address else None
    if raw is None or raw.Revision != 1:
        raise NtError(st.UNKNOWN_REVISION, operation, None, "the descriptor is not initialized")
    if raw.Control & 0x8000:
        raise NtError(
            st.INVALID_SECURITY_DESCR,
            operation,
            None,
            "a self-relative descriptor cannot be changed",
        )
    return raw


def InitializeSecurityDescriptor(address: int, revision: int) -> None:
    if revision != 1:
        raise NtError(
            st.UNKNOWN_REVISION, "InitializeSecurityDescriptor", None, f"revision {revision}"
        )
    ctypes.memset(address, 0, ctypes.sizeof(RawDescriptor))
    RawDescriptor.from_address(address).Revision = 1


def SetSecurityDescriptorSacl(address: int, present: int, acl: int, defaulted: int) -> None:
    raw = _absolute(address, "SetSecurityDescriptorSacl")
    raw.Control = raw.Control & ~0x30 | (0x10 | (0x20 if defaulted else 0) if present else 0)
    raw.Sacl = acl if present else 0


def GetSecurityDescriptorSacl(address: int) -> tuple[int, int, int]:
    raw = RawDescriptor.from_address(address)
    place = raw.Sacl
    if raw.Control & 0x8000:
        offset = _DWORD.from_address(address + 12).value
        place = address + offset if offset else 0
    return raw.Control >> 4 & 1, place if raw.Control & 0x10 else 0, raw.Control >> 5 & 1


def GetSecurityDescriptorControl(address: int) -> tuple[int, int]:
    raw = RawDescriptor.from_address(address)
    return raw.Control, raw.Revision


def SetSecurityDescriptorControl(address: int, bits: int, values: int) -> None:
    if (bits | values) & ~memory.INHERITANCE or values & ~bits:
        raise NtError(
            st.INVALID_PARAMETER,
            "SetSecurityDescriptorControl",
            None,
            f"bits {bits:#x}, set {values:#x}",
        )
    raw = RawDescriptor.from_address(address)
    raw.Control = raw.Control & ~bits | values


def MakeSelfRelativeSD(address: int, buffer: int, size: int) -> None:
    _absolute(address, "MakeSelfRelativeSD")
    fill_all([(buffer, size, memory.descriptor(address) or b"")], "MakeSelfRelativeSD")


def MakeAbsoluteSD(
    address: int,
    buffer: int,
    size: int,
    dacl: int,
    dacl_size: int,
    sacl: int,
    sacl_size: int,
    owner: int,
    owner_size: int,
    group: int,
    group_size: int,
) -> None:
    source = RawDescriptor.from_address(address)
    if not source.Control & 0x8000:
        raise NtError(
            st.INVALID_SECURITY_DESCR, "MakeAbsoluteSD", None, "it is in absolute form already"
        )
    memory.descriptor(address)
    parts = {
        "Dacl": (dacl, dacl_size, memory.acl_bytes(GetSecurityDescriptorDacl(address)[1]) or b""),
        "Sacl": (sacl, sacl_size, memory.acl_bytes(GetSecurityDescriptorSacl(address)[1]) or b""),
        "Owner": (
            owner,
            owner_size,
            memory.sid_bytes(GetSecurityDescriptorOwner(address)[0]) or b"",
        ),
        "Group": (
            group,
            group_size,
            memory.sid_bytes(GetSecurityDescriptorGroup(address)[0]) or b"",
        ),
    }
    made = RawDescriptor(
        Revision=1,
        Control=source.Control & 0x7FFF,
        **{name: place if data else 0 for name, (place, _, data) in parts.items()},
    )
    fill_all([(buffer, size, bytes(made)), *parts.values()], "MakeAbsoluteSD")


def SetSecurityDescriptorDacl(address: int, present: int, acl: int, defaulted: int) -> None:
    raw = _absolute(address, "SetSecurityDescriptorDacl")
    raw.Control = raw.Control & ~12 | (4 | (8 if defaulted else 0) if present else 0)
    raw.Dacl = acl if present else 0


def GetSecurityDescriptorDacl(address: int) -> tuple[int, int, int]:
    raw = RawDescriptor.from_address(address)
    place = raw.Dacl
    if raw.Control & 0x8000:
        offset = _DWORD.from_address(address + 16).value
        place = address + offset if offset else 0
    return raw.Control >> 2 & 1, place if raw.Control & 4 else 0, raw.Control >> 3 & 1


def _set_sid(address: int, field: str, sid: int, bit: int, defaulted: int) -> None:
    raw = _absolute(address, f"SetSecurityDescriptor{field}")
    setattr(raw, field, sid)
    raw.Control = raw.Control & ~bit | (bit if defaulted else 0)


def _get_sid(address: int, field: str, place: int, bit: int) -> tuple[int, int]:
    raw = RawDescriptor.from_address(address)
    found = getattr(raw, field)
    if raw.Control & 0x8000:
        offset = _DWORD.from_address(address + place).value
        found = address + offset if offset else 0
    return found, int(bool(raw.Control & bit))


def SetSecurityDescriptorOwner(address: int, sid: int, defaulted: int) -> None:
    _set_sid(address, "Owner", sid, 1, defaulted)


def SetSecurityDescriptorGroup(address: int, sid: int, defaulted: int) -> None:
    _set_sid(address, "Group", sid, 2, defaulted)


def GetSecurityDescriptorOwner(address: int) -> tuple[int, int]:
    return _get_sid(address, "Owner", 4, 1)


def GetSecurityDescriptorGroup(address: int) -> tuple[int, int]:
    return _get_sid(address, "Group", 8, 2)


def GetSecurityDescriptorLength(descriptor: bytes | None) -> int:
    return len(descriptor or b"")


def IsValidSecurityDescriptor(address: int) -> bool:
    try:
        return bool(memory.descriptor(address))
    except NtError:
        return False


def EqualSid(one: bytes | None, other: bytes | None) -> bool:
    return one == other


def GetLengthSid(sid: bytes | None) -> int:
    return len(sid or b"")


def IsValidSid(sid: bytes | None) -> bool:
    return sid is not None and sid[0] == 1 and sid[1] <= 15


def GetKernelObjectSecurity(handle: int, parts: int, buffer: int, size: int, needed: int) -> None:
    fill(buffer, size, needed, w.GetKernelObjectSecurity(handle, parts), "GetKernelObjectSecurity")


def GetSecurityInfo(
    handle: int, kind: int, parts: int, owner: int, group: int, dacl: int, sacl: int, out: int
) -> int:
    return _take_apart(w.GetSecurityInfo(handle, kind, parts), owner, group, dacl, sacl, out)


def SetSecurityInfo(
    handle: int,
    kind: int,
    parts: int,
    owner: bytes | None,
    group: bytes | None,
    dacl: int,
    sacl: int,
) -> int:
    acl = None
    if dacl:
        acl = w.ACL()
        acl.aces = list(memory.access_list(dacl).aces)
    w.SetSecurityInfo(handle, kind, parts, owner, group, acl)
    return 0


# ------------------------------------------------------------------ SIDs


def AllocateAndInitializeSid(authority: int, count: int, *parts: int) -> int:
    if not authority:
        raise refusal("AllocateAndInitializeSid", "an authority is needed")
    return memory.allocate(
        w.AllocateAndInitializeSid(
            ctypes.string_at(authority, 6), count, *parts[: max(count, 0)]
        ).to_bytes()
    )


FreeSid = memory.free


def CreateWellKnownSid(kind: int, domain: bytes | None, buffer: int, size: int) -> None:
    fill_all([(buffer, size, w.CreateWellKnownSid(kind, domain).to_bytes())], "CreateWellKnownSid")


def IsWellKnownSid(sid: bytes | None, kind: int) -> bool:
    return sid is not None and bool(w.IsWellKnownSid(sid, kind))


def GetSidIdentifierAuthority(address: int) -> int:
    return address + 2


def GetSidSubAuthorityCount(address: int) -> int:
    return address + 1


def GetSidSubAuthority(address: int, number: int) -> int:
    return address + 8 + 4 * number


# ------------------------------------------------------------------ objects by name


def _take_apart(data: bytes, owner: int, group: int, dacl: int, sacl: int, out: int) -> int:
    """Give a descriptor in memory of its own, and where its parts are in it."""
    address = memory.allocate(data)
    if out:
        store("PVOID", out, address)
    for place, found in (
        (owner, GetSecurityDescriptorOwner(address)[0]),
        (group, GetSecurityDescriptorGroup(address)[0]),
        (dacl, GetSecurityDescriptorDacl(address)[1]),
        (sacl, GetSecurityDescriptorSacl(address)[1]),
    ):
        if place:
            store("PVOID", place, found)
    return 0


def GetNamedSecurityInfo(
    name: str, kind: int, parts: int, owner: int, group: int, dacl: int, sacl: int, out: int
) -> int:
    return _take_apart(w.GetNamedSecurityInfo(name, kind, parts), owner, group, dacl, sacl, out)


def SetNamedSecurityInfo(
    name: str, kind: int, parts: int, owner: bytes | None, group: bytes | None, dacl: int, sacl: int
) -> int:
    w.SetNamedSecurityInfo(
        name,
        kind,
        parts,
        owner,
        group,
        list_of(memory.access_list(dacl)),
        list_of(memory.audit_list(sacl)),
    )
    return 0
