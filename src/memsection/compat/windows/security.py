# SPDX-License-Identifier: MIT
"""The functions of advapi32 whose C form has buffers: descriptors, access lists, SIDs, accounts, privileges and tokens.

As in ``bodies``, each is called as ``declarations`` says: without the pointers that its result goes through.
"""

# ruff: noqa: N802, N803  # the names of the originals

from __future__ import annotations

import ctypes
import struct
from typing import Any

from memsection import nt
from memsection import win32 as w
from memsection.compat.windows import memory
from memsection.compat.windows.memory import (
    KINDS,
    RawAcl,
    RawDescriptor,
    RawExplicitAccess,
    fill,
    load,
    refused,
    store,
    with_unit,
)
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.sid import Sid

_DWORD = KINDS["DWORD"]


def _room(parts: list[tuple[int, int, bytes]], operation: str, unit: int = 0) -> None:
    """Fill buffers whose sizes stand at addresses, in bytes or units of text; where one is too small, say how large each
    has to be."""
    is_small = False
    for buffer, size, data in parts:
        needed = len(data) // (unit or 1)
        if not size:
            raise refused(operation, "a pointer to the size is needed")
        is_small = is_small or load("DWORD", size) < needed or not buffer and bool(data)
        store("DWORD", size, needed)
    if is_small:
        raise NtError(st.BUFFER_TOO_SMALL, operation, None, "a buffer is too small")
    for buffer, size, data in parts:
        if data:
            ctypes.memmove(buffer, data, len(data))
        if unit:
            store("DWORD", size, len(data) // unit - 1)  # now without the zero


def ConvertStringSecurityDescriptorToSecurityDescriptor(text: str, revision: int, out: int, size: int) -> None:
    data = bytes(w.ConvertStringSecurityDescriptorToSecurityDescriptor(text, revision))
    if not out:
        raise refused("ConvertStringSecurityDescriptorToSecurityDescriptor", "a place for the descriptor is needed")
    store("PVOID", out, memory.allocate(data))
    if size:
        store("DWORD", size, len(data))


@with_unit
def ConvertSecurityDescriptorToStringSecurityDescriptor(descriptor: bytes, revision: int, parts: int, out: int, size: int,
                                                        unit: int) -> None:
    text = w.ConvertSecurityDescriptorToStringSecurityDescriptor(descriptor, revision, parts)
    store("PVOID", out, memory.allocate(memory.encoded(text, unit)))
    if size:
        store("DWORD", size, len(text) + 1)


def ConvertStringSidToSid(text: str, out: int) -> None:
    store("PVOID", out, memory.allocate(w.ConvertStringSidToSid(text).to_bytes()))


@with_unit
def ConvertSidToStringSid(sid: bytes, out: int, unit: int) -> None:
    store("PVOID", out, memory.allocate(memory.encoded(w.ConvertSidToStringSid(sid), unit)))


def _absolute(address: int, operation: str) -> RawDescriptor:
    raw = RawDescriptor.from_address(address) if address else None
    if raw is None or raw.Revision != 1:
        raise NtError(st.UNKNOWN_REVISION, operation, None, "the descriptor is not initialized")
    if raw.Control & 0x8000:
        raise NtError(st.INVALID_SECURITY_DESCR, operation, None, "a self-relative descriptor cannot be changed")
    return raw


def InitializeSecurityDescriptor(address: int, revision: int) -> None:
    if revision != 1:
        raise NtError(st.UNKNOWN_REVISION, "InitializeSecurityDescriptor", None, f"revision {revision}")
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
        raise NtError(st.INVALID_PARAMETER, "SetSecurityDescriptorControl", None, f"bits {bits:#x}, set {values:#x}")
    raw = RawDescriptor.from_address(address)
    raw.Control = raw.Control & ~bits | values


def MakeSelfRelativeSD(address: int, buffer: int, size: int) -> None:
    _absolute(address, "MakeSelfRelativeSD")
    _room([(buffer, size, memory.descriptor(address) or b"")], "MakeSelfRelativeSD")


def MakeAbsoluteSD(address: int, buffer: int, size: int, dacl: int, dacl_size: int, sacl: int, sacl_size: int, owner: int,
                   owner_size: int, group: int, group_size: int) -> None:
    source = RawDescriptor.from_address(address)
    if not source.Control & 0x8000:
        raise NtError(st.INVALID_SECURITY_DESCR, "MakeAbsoluteSD", None, "it is in absolute form already")
    memory.descriptor(address)
    parts = {"Dacl": (dacl, dacl_size, memory.acl_bytes(GetSecurityDescriptorDacl(address)[1]) or b""),
             "Sacl": (sacl, sacl_size, memory.acl_bytes(GetSecurityDescriptorSacl(address)[1]) or b""),
             "Owner": (owner, owner_size, memory.sid_bytes(GetSecurityDescriptorOwner(address)[0]) or b""),
             "Group": (group, group_size, memory.sid_bytes(GetSecurityDescriptorGroup(address)[0]) or b"")}
    made = RawDescriptor(Revision=1, Control=source.Control & 0x7FFF,
                         **{name: place if data else 0 for name, (place, _, data) in parts.items()})
    _room([(buffer, size, bytes(made)), *parts.values()], "MakeAbsoluteSD")


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
        raise refused("access list", "a list is needed")
    acl, places = RawAcl.from_address(address), [address + ctypes.sizeof(RawAcl)]
    for _ in range(acl.AceCount):
        size = ctypes.c_uint16.from_address(places[-1] + 2).value
        if places[-1] + max(size, 8) > address + acl.AclSize:
            raise NtError(st.INVALID_ACL, "access list", None, f"entry {len(places) - 1} goes beyond its end")
        places.append(places[-1] + size)
    return places


def _add_ace(address: int, kind: int, mask: int, sid: bytes | None, flags: int = 0) -> None:
    place = _entries(address)[-1] - address
    acl = RawAcl.from_address(address)
    sid = Sid.from_bytes(sid or b"").to_bytes()
    ace = bytes([kind, flags & 0xFF]) + (8 + len(sid)).to_bytes(2, "little") + mask.to_bytes(4, "little") + sid
    if place + len(ace) > acl.AclSize:
        w.SetLastError(1344)  # ERROR_ALLOTTED_SPACE_EXCEEDED
        raise OSError(0, "the access list has no room for one more entry")
    ctypes.memmove(address + place, ace, len(ace))
    acl.AceCount += 1


def AddAccessAllowedAce(address: int, revision: int, mask: int, sid: bytes | None) -> None:
    _add_ace(address, 0, mask, sid)


def AddAccessDeniedAce(address: int, revision: int, mask: int, sid: bytes | None) -> None:
    _add_ace(address, 1, mask, sid)


def AddAccessAllowedAceEx(address: int, revision: int, flags: int, mask: int, sid: bytes | None) -> None:
    _add_ace(address, 0, mask, sid, flags)


def AddAccessDeniedAceEx(address: int, revision: int, flags: int, mask: int, sid: bytes | None) -> None:
    _add_ace(address, 1, mask, sid, flags)


def AddAuditAccessAceEx(address: int, revision: int, flags: int, mask: int, sid: bytes | None, success: int,
                        failure: int) -> None:
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


def EqualSid(one: bytes | None, other: bytes | None) -> bool:
    return one == other


def GetLengthSid(sid: bytes | None) -> int:
    return len(sid or b"")


def IsValidSid(sid: bytes | None) -> bool:
    return sid is not None and sid[0] == 1 and sid[1] <= 15


def GetKernelObjectSecurity(handle: int, parts: int, buffer: int, size: int, needed: int) -> None:
    fill(buffer, size, needed, w.GetKernelObjectSecurity(handle, parts), "GetKernelObjectSecurity")


def GetSecurityInfo(handle: int, kind: int, parts: int, owner: int, group: int, dacl: int, sacl: int, out: int) -> int:
    return _taken_apart(w.GetSecurityInfo(handle, kind, parts), owner, group, dacl, sacl, out)


def SetSecurityInfo(handle: int, kind: int, parts: int, owner: bytes | None, group: bytes | None, dacl: int,
                    sacl: int) -> int:
    acl = None
    if dacl:
        acl = w.ACL()
        acl.aces = list(memory.access_list(dacl).aces)
    w.SetSecurityInfo(handle, kind, parts, owner, group, acl)
    return 0


def AdjustTokenPrivileges(token: int, disable_all: int, new: int, size: int, before: int, needed: int) -> None:
    wanted = None
    if new:
        count = _DWORD.from_address(new).value
        wanted = w.TOKEN_PRIVILEGES(count, [w.LUID_AND_ATTRIBUTES(
            ctypes.c_uint64.from_buffer_copy(ctypes.string_at(new + 4 + 12 * number, 8)).value,
            ctypes.c_uint32.from_buffer_copy(ctypes.string_at(new + 12 + 12 * number, 4)).value) for number in range(count)])
    found = w.AdjustTokenPrivileges(token, disable_all, wanted)
    if before:
        data = found.PrivilegeCount.to_bytes(4, "little") + b"".join(
            one.Luid.to_bytes(8, "little") + one.Attributes.to_bytes(4, "little") for one in found.Privileges)
        fill(before, size, needed, data, "AdjustTokenPrivileges")


# ------------------------------------------------------------------ SIDs, accounts, privileges


def AllocateAndInitializeSid(authority: int, count: int, *parts: int) -> int:
    if not authority:
        raise refused("AllocateAndInitializeSid", "an authority is needed")
    return memory.allocate(w.AllocateAndInitializeSid(ctypes.string_at(authority, 6), count, *parts[:max(count, 0)]).to_bytes())


FreeSid = memory.free


def CreateWellKnownSid(kind: int, domain: bytes | None, buffer: int, size: int) -> None:
    _room([(buffer, size, w.CreateWellKnownSid(kind, domain).to_bytes())], "CreateWellKnownSid")


def IsWellKnownSid(sid: bytes | None, kind: int) -> bool:
    return sid is not None and bool(w.IsWellKnownSid(sid, kind))


def GetSidIdentifierAuthority(address: int) -> int:
    return address + 2


def GetSidSubAuthorityCount(address: int) -> int:
    return address + 1


def GetSidSubAuthority(address: int, number: int) -> int:
    return address + 8 + 4 * number


@with_unit
def LookupAccountName(system: str | None, name: str | None, buffer: int, size: int, domain: int, domain_size: int,
                      unit: int) -> int:
    sid, where, use = w.LookupAccountName(system, name)
    data, text = sid.to_bytes(), memory.encoded(where, unit)
    if not size or not domain_size:
        raise refused("LookupAccountName", "pointers to the sizes are needed")
    if load("DWORD", size) < len(data) or load("DWORD", domain_size) * unit < len(text) or not buffer or not domain:
        store("DWORD", size, len(data))
        store("DWORD", domain_size, len(text) // unit)
        raise NtError(st.BUFFER_TOO_SMALL, "LookupAccountName", None, "a buffer is too small")
    _room([(buffer, size, data)], "LookupAccountName")
    _room([(domain, domain_size, text)], "LookupAccountName", unit)
    return use


@with_unit
def LookupAccountSid(system: str | None, sid: bytes | None, name: int, name_size: int, domain: int, domain_size: int,
                     unit: int) -> int:
    found, where, use = w.LookupAccountSid(system, sid or b"")
    _room([(name, name_size, memory.encoded(found, unit)), (domain, domain_size, memory.encoded(where, unit))],
          "LookupAccountSid", unit)
    return use


@with_unit
def LookupPrivilegeName(system: str | None, luid: int, name: int, size: int, unit: int) -> None:
    found = w.LookupPrivilegeName(system, load("ULONGLONG", luid) or 0)
    _room([(name, size, memory.encoded(found, unit))], "LookupPrivilegeName", unit)


# ------------------------------------------------------------------ objects by name, lists of entries


def _taken_apart(data: bytes, owner: int, group: int, dacl: int, sacl: int, out: int) -> int:
    """Give a descriptor in memory of its own, and where its parts are in it."""
    address = memory.allocate(data)
    if out:
        store("PVOID", out, address)
    for place, found in ((owner, GetSecurityDescriptorOwner(address)[0]), (group, GetSecurityDescriptorGroup(address)[0]),
                         (dacl, GetSecurityDescriptorDacl(address)[1]), (sacl, GetSecurityDescriptorSacl(address)[1])):
        if place:
            store("PVOID", place, found)
    return 0


def _list_of(value: Any) -> Any:
    """An ACL of ``memsection.win32``; None at NULL."""
    return None if value is None else w.ACL(value.aces, value.revision)


def GetNamedSecurityInfo(name: str, kind: int, parts: int, owner: int, group: int, dacl: int, sacl: int, out: int) -> int:
    return _taken_apart(w.GetNamedSecurityInfo(name, kind, parts), owner, group, dacl, sacl, out)


def SetNamedSecurityInfo(name: str, kind: int, parts: int, owner: bytes | None, group: bytes | None, dacl: int,
                         sacl: int) -> int:
    w.SetNamedSecurityInfo(name, kind, parts, owner, group, _list_of(memory.access_list(dacl)),
                           _list_of(memory.audit_list(sacl)))
    return 0


@with_unit
def SetEntriesInAcl(count: int, entries: int, old: int, out: int, unit: int) -> int:
    if not out or count and not entries:
        raise refused("SetEntriesInAcl", "entries and a place for the list are needed")
    wanted = []
    for place in range(entries, entries + 48 * count, 48):
        raw = RawExplicitAccess.from_address(place)
        form, name = raw.TrusteeForm, raw.ptstrName
        who: Any = memory.sid_bytes(name) if form == 0 else memory.text(name, unit)  # TRUSTEE_IS_SID
        wanted.append(w.EXPLICIT_ACCESS(raw.grfAccessPermissions, raw.grfAccessMode, raw.grfInheritance,
                                        w.TRUSTEE(who, form, raw.TrusteeType)))
    made = bytes(w.SetEntriesInAcl(wanted, _list_of(memory.access_list(old))))
    store("PVOID", out, memory.allocate(made))
    return 0


# ------------------------------------------------------------------ tokens


def _mapping(address: int) -> tuple[int, int, int, int]:
    """The GENERIC_MAPPING at an address."""
    if not address:
        raise refused("access check", "a mapping is needed")
    read, write, execute, everything = struct.unpack("<4I", ctypes.string_at(address, 16))
    return read, write, execute, everything


def _no_privileges(buffer: int, size: int, operation: str) -> None:
    """Say that no privilege was used: a PRIVILEGE_SET."""
    if not size:
        raise refused(operation, "a pointer to the size is needed")
    if load("DWORD", size) < 20 or not buffer:
        store("DWORD", size, 20)
        raise NtError(st.BUFFER_TOO_SMALL, operation, None, "20 bytes are needed for the privileges")
    ctypes.memset(buffer, 0, 20)


def AccessCheck(descriptor: bytes | None, token: int, access: int, mapping: int, privileges: int,
                size: int) -> tuple[int, bool]:
    _no_privileges(privileges, size, "AccessCheck")
    return w.AccessCheck(descriptor or b"", token, access, w.GENERIC_MAPPING(*_mapping(mapping)))


def NtAccessCheck(descriptor: bytes | None, token: int, access: int, mapping: int, privileges: int,
                  size: int) -> tuple[int, int, int]:
    _no_privileges(privileges, size, "NtAccessCheck")
    return nt.NtAccessCheck(descriptor or b"", token, access, _mapping(mapping))


def MapGenericMask(mask: int, mapping: int) -> None:
    if not mask:
        raise refused("MapGenericMask", "a mask is needed")
    store("DWORD", mask, w.MapGenericMask(load("DWORD", mask), w.GENERIC_MAPPING(*_mapping(mapping))))


@with_unit
def NtDuplicateToken(token: int, access: int, attributes: int, effective: int, kind: int, unit: int) -> tuple[int, int]:
    if effective:
        return st.NOT_SUPPORTED, 0  # what is not in force cannot be left out here
    level = 0
    if attributes:
        quality = memory.RawObjectAttributes.from_address(attributes).SecurityQualityOfService
        level = load("DWORD", quality + 4) if quality else 0
    return nt.NtDuplicateToken(token, access, memory.object_attributes(attributes, unit), level, kind)


def _token(what: int, value: Any, address: int) -> bytes:
    """What a token says as C has it; SIDs stand behind, and are pointed to."""
    if isinstance(value, int):
        return struct.pack("<I", value)
    if isinstance(value, Sid):  # TOKEN_OWNER, TOKEN_PRIMARY_GROUP
        return struct.pack("<Q", address + 8) + value.to_bytes()
    if what == w.TokenPrivileges:
        return struct.pack("<I", len(value)) + b"".join(struct.pack("<QI", *one) for one in value)
    if what == w.TokenStatistics:
        return struct.pack("<QQqIIIIIIQ", value.TokenId, value.AuthenticationId, value.ExpirationTime, value.TokenType,
                           value.ImpersonationLevel, value.DynamicCharged, value.DynamicAvailable, value.GroupCount,
                           value.PrivilegeCount, value.ModifiedId)
    accounts = [value] if what == w.TokenUser else value
    head = b"" if what == w.TokenUser else struct.pack("<Q", len(accounts))
    table, sids = b"", b""
    for sid, attributes in accounts:
        table += struct.pack("<QQ", address + len(head) + 16 * len(accounts) + len(sids), attributes)
        sids += sid.to_bytes()
    return head + table + sids


def NtQueryInformationToken(token: int, what: int, buffer: int, size: int, needed: int) -> int:
    status, value = nt.NtQueryInformationToken(token, what)
    if not status & 0x80000000:
        fill(buffer, size, needed, _token(what, value, buffer), "NtQueryInformationToken")
    return status


def GetTokenInformation(token: int, what: int, buffer: int, size: int, needed: int) -> None:
    status = NtQueryInformationToken(token, what, buffer, size, needed)
    if status & 0x80000000:
        raise NtError(status, "GetTokenInformation", None, f"class {what}")


def NtAdjustPrivilegesToken(token: int, disable_all: int, new: int, size: int, before: int, needed: int) -> int:
    wanted = []
    if new and not disable_all:
        wanted = list(struct.iter_unpack("<QI", ctypes.string_at(new + 4, 12 * _DWORD.from_address(new).value)))
    status, found = nt.NtAdjustPrivilegesToken(token, bool(disable_all), wanted)
    if before and not status & 0x80000000:
        fill(before, size, needed, struct.pack("<I", len(found)) + b"".join(struct.pack("<QI", *one) for one in found),
             "NtAdjustPrivilegesToken")
    return status
