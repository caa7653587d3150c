# SPDX-License-Identifier: MIT
"""Identifiers, access lists and descriptors as pywin32 has them: objects that are changed."""

# ruff: noqa: N801, N802, N803  # the names of the originals

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pywintypes import call

from memsection import win32 as w
from memsection.vocabulary.descriptor import Acl, SecurityDescriptor
from memsection.vocabulary.sid import Sid
from memsection.win32.winnt import (
    DACL_SECURITY_INFORMATION,
    GROUP_SECURITY_INFORMATION,
    OWNER_SECURITY_INFORMATION,
    SACL_SECURITY_INFORMATION,
    SE_DACL_DEFAULTED,
    SE_DACL_PRESENT,
    SE_GROUP_DEFAULTED,
    SE_OWNER_DEFAULTED,
    SE_SACL_DEFAULTED,
    SE_SACL_PRESENT,
    SE_SELF_RELATIVE,
    SECURITY_DESCRIPTOR_REVISION,
)


class SID(bytearray):
    """Who somebody is: the bytes of an identifier, which others may look at as memory."""

    def __init__(self, data: Any = None) -> None:
        super().__init__()
        if data is not None:
            self[:] = (data if isinstance(data, Sid) else Sid.from_bytes(bytes(data))).to_bytes()

    @property
    def value(self) -> Sid:
        """The identifier itself."""
        if not self:
            raise ValueError("the SID is not initialized")
        return Sid.from_bytes(bytes(self))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SID) and bytes(self) == bytes(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:  # type: ignore[override]  # pywin32's can be a key too
        return hash(bytes(self))

    def __str__(self) -> str:
        return f"PySID:{self.value if self else None}"

    __repr__ = __str__

    def Initialize(self, idAuthority: Any, numSubauthorities: int) -> None:
        """Make it one of an authority, a number or its six bytes, with so many parts, all 0."""
        if not 0 <= numSubauthorities <= 15:
            raise ValueError("a SID has at most 15 sub-authorities")
        high = bytes(idAuthority) if not isinstance(idAuthority, int) else idAuthority.to_bytes(6)
        if len(high) != 6:
            raise TypeError(f"an authority has 6 bytes, not {len(high)}")
        self[:] = bytes((1, numSubauthorities)) + high + bytes(4 * numSubauthorities)

    def IsValid(self) -> bool:
        return bool(self)

    def GetLength(self) -> int:
        return len(self)

    def GetSidIdentifierAuthority(self) -> tuple[int, ...]:
        return tuple(w.GetSidIdentifierAuthority(self.value))

    def GetSubAuthorityCount(self) -> int:
        return len(self.value.subs)

    def _place(self, subauthorityNum: int) -> slice:
        if not 0 <= subauthorityNum < self.GetSubAuthorityCount():
            raise ValueError("the SID has no such sub-authority")
        return slice(8 + 4 * subauthorityNum, 12 + 4 * subauthorityNum)

    def GetSubAuthority(self, subauthorityNum: int) -> int:
        return int.from_bytes(self[self._place(subauthorityNum)], "little")

    def SetSubAuthority(self, subauthorityNum: int, value: int) -> None:
        self[self._place(subauthorityNum)] = (value & 0xFFFFFFFF).to_bytes(4, "little")


class ACL:
    """An access list."""

    def __init__(self, size: int = 64) -> None:
        self.raw = w.ACL()

    @classmethod
    def _of(cls, acl: Acl) -> ACL:
        found = cls()
        found.raw.aces, found.raw.revision = list(acl.aces), acl.revision
        return found

    def Initialize(self) -> None:
        w.InitializeAcl(self.raw)

    def AddAccessAllowedAce(self, revision: int, access: int, sid: SID) -> None:
        call("AddAccessAllowedAce", w.AddAccessAllowedAce, self.raw, revision, access, sid.value)

    def AddAccessDeniedAce(self, revision: int, access: int, sid: SID) -> None:
        call("AddAccessDeniedAce", w.AddAccessDeniedAce, self.raw, revision, access, sid.value)

    def AddAccessAllowedAceEx(self, revision: int, aceflags: int, access: int, sid: SID) -> None:
        self._add("AddAccessAllowedAceEx", w.AddAccessAllowedAceEx, revision, aceflags, access, sid)

    def AddAccessDeniedAceEx(self, revision: int, aceflags: int, access: int, sid: SID) -> None:
        self._add("AddAccessDeniedAceEx", w.AddAccessDeniedAceEx, revision, aceflags, access, sid)

    def AddAuditAccessAce(
        self,
        dwAceRevision: int,
        dwAccessMask: int,
        sid: SID,
        bAuditSuccess: Any,
        bAuditFailure: Any,
    ) -> None:
        """An entry of a SACL: what is recorded when it is granted, and when it is refused."""
        self.AddAuditAccessAceEx(dwAceRevision, 0, dwAccessMask, sid, bAuditSuccess, bAuditFailure)

    def AddAuditAccessAceEx(
        self,
        dwAceRevision: int,
        AceFlags: int,
        dwAccessMask: int,
        sid: SID,
        bAuditSuccess: Any,
        bAuditFailure: Any,
    ) -> None:
        """The same, with flags of inheritance."""
        call(
            "AddAuditAccessAceEx",
            w.AddAuditAccessAceEx,
            self.raw,
            dwAceRevision,
            AceFlags,
            dwAccessMask,
            sid.value,
            bool(bAuditSuccess),
            bool(bAuditFailure),
        )

    def _add(self, name: str, function: Any, *words: Any) -> None:
        *numbers, sid = words
        call(name, function, self.raw, *numbers, sid.value)

    def GetAceCount(self) -> int:
        return len(self.raw.aces)

    def GetAce(self, index: int) -> tuple[tuple[int, int], int, SID]:
        """Type and flags, rights, and whom an entry is about."""
        one = self.raw.aces[index]
        return (one.type, one.flags), one.mask, SID(one.sid)

    def DeleteAce(self, index: int) -> None:
        del self.raw.aces[index]

    def GetAclSize(self) -> int:
        return len(bytes(self.raw))

    def GetAclRevision(self) -> int:
        return int(self.raw.revision)

    def SetEntriesInAcl(self, obexpl_list: Sequence[Any]) -> ACL:
        """Grant, deny or revoke, by entries that are dictionaries: a new list, which is this one's
        content too."""
        entries = [_entry(one) for one in obexpl_list]
        self.raw = call("SetEntriesInAcl", w.SetEntriesInAcl, entries, self.raw)
        return ACL._of(self.raw.value())

    def GetExplicitEntriesFromAcl(self) -> tuple[dict[str, Any], ...]:
        """What ``SetEntriesInAcl`` would make the list of."""
        return tuple(_describe(one) for one in self.raw.aces)

    def IsValid(self) -> bool:
        return True


_AUDITED = {0x40: w.SET_AUDIT_SUCCESS, 0x80: w.SET_AUDIT_FAILURE}


def _entry(given: Any) -> w.EXPLICIT_ACCESS:
    trustee = given["Trustee"]
    who = trustee["Identifier"]
    return w.EXPLICIT_ACCESS(
        given["AccessPermissions"] & 0xFFFFFFFF,
        given["AccessMode"],
        given["Inheritance"],
        w.TRUSTEE(
            who.value if isinstance(who, SID) else who,
            trustee["TrusteeForm"],
            trustee["TrusteeType"],
        ),
    )


def _describe(one: Any) -> dict[str, Any]:
    mode = {0: w.GRANT_ACCESS, 1: w.DENY_ACCESS}.get(one.type)
    return {
        "Trustee": {
            "MultipleTrustee": None,
            "MultipleTrusteeOperation": 0,
            "TrusteeForm": w.TRUSTEE_IS_SID,
            "TrusteeType": 0,
            "Identifier": SID(one.sid),
        },
        "Inheritance": one.flags & 0x1F,
        "AccessMode": _AUDITED.get(one.flags & 0xC0, 0) if mode is None else mode,
        "AccessPermissions": one.mask,
    }


class SECURITY_DESCRIPTOR:
    """Who owns an object, and who may do what with it."""

    def __init__(self, data: Any = None) -> None:
        given = data is not None and not isinstance(data, int)  # a number is how large it will be
        self.value = SecurityDescriptor.from_bytes(bytes(data)) if given else SecurityDescriptor()

    def Initialize(self) -> None:
        """Make it empty."""
        self.value = SecurityDescriptor()

    def is_said(self) -> bool:
        """Whether it says anything at all."""
        return (
            self.value.dacl_present
            or bool(self.value.control & SE_SACL_PRESENT)
            or self.value.owner is not None
            or self.value.group is not None
        )

    def __bytes__(self) -> bytes:
        return self.value.to_bytes()

    def SetSecurityDescriptorDacl(self, bSaclPresent: Any, SACL: Any, bSaclDefaulted: Any) -> None:
        """Say who may do what: present and None gives everybody everything."""
        if not bSaclPresent:
            self.value = self.value.select(
                OWNER_SECURITY_INFORMATION | GROUP_SECURITY_INFORMATION | SACL_SECURITY_INFORMATION
            )
        else:
            control = SE_DACL_PRESENT | (SE_DACL_DEFAULTED if bSaclDefaulted else 0)
            self.value = self.value.with_dacl(None if SACL is None else SACL.raw.value(), control)

    SetDacl = SetSecurityDescriptorDacl

    def GetSecurityDescriptorDacl(self) -> ACL | None:
        """The access list; None where there is none, which gives everybody everything."""
        return None if self.value.dacl is None else ACL._of(self.value.dacl)

    GetDacl = GetSecurityDescriptorDacl

    def SetSecurityDescriptorSacl(self, bSaclPresent: Any, SACL: Any, bSaclDefaulted: Any) -> None:
        """Say what is recorded, and the label."""
        if not bSaclPresent:
            self.value = self.value.with_sacl(None, 0)
        else:
            control = SE_SACL_PRESENT | (SE_SACL_DEFAULTED if bSaclDefaulted else 0)
            self.value = self.value.with_sacl(None if SACL is None else SACL.raw.value(), control)

    SetSacl = SetSecurityDescriptorSacl

    def GetSecurityDescriptorSacl(self) -> ACL | None:
        """What is recorded; None where nothing is said of it."""
        return None if self.value.sacl is None else ACL._of(self.value.sacl)

    GetSacl = GetSecurityDescriptorSacl

    def GetSecurityDescriptorControl(self) -> tuple[int, int]:
        """The control bits, and the revision."""
        return self.value.control | SE_SELF_RELATIVE, SECURITY_DESCRIPTOR_REVISION

    def SetSecurityDescriptorOwner(self, sid: SID, bOwnerDefaulted: Any) -> None:
        self.value = self.value.with_owner(sid.value, SE_OWNER_DEFAULTED if bOwnerDefaulted else 0)

    def SetSecurityDescriptorGroup(self, sid: SID, bOwnerDefaulted: Any) -> None:
        self.value = self.value.with_group(sid.value, SE_GROUP_DEFAULTED if bOwnerDefaulted else 0)

    def GetSecurityDescriptorOwner(self) -> SID | None:
        return None if self.value.owner is None else SID(self.value.owner)

    def GetSecurityDescriptorGroup(self) -> SID | None:
        return None if self.value.group is None else SID(self.value.group)

    def GetLength(self) -> int:
        return len(bytes(self))

    def IsValid(self) -> bool:
        return True

    def IsSelfRelative(self) -> bool:
        return True

    def SetSecurityDescriptorControl(
        self, ControlBitsOfInterest: int, ControlBitsToSet: int
    ) -> None:
        """Set some of the control bits: those of inheritance, and of its protection."""
        self.value = SecurityDescriptor.from_bytes(
            bytes(
                call(
                    "SetSecurityDescriptorControl",
                    _with_control,
                    bytes(self),
                    ControlBitsOfInterest,
                    ControlBitsToSet,
                )
            )
        )


def _with_control(data: bytes, of_interest: int, wanted: int) -> bytes:
    descriptor = w.MakeAbsoluteSD(data)
    w.SetSecurityDescriptorControl(descriptor, of_interest, wanted)
    return w.MakeSelfRelativeSD(descriptor)
