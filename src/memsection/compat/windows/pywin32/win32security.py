# SPDX-License-Identifier: MIT
"""pywin32's win32security: identifiers, access lists and descriptors, as text and of objects."""

# ruff: noqa: N801, N802, N803  # the names of the originals

from __future__ import annotations

from typing import Any

from pywintypes import SECURITY_ATTRIBUTES as SECURITY_ATTRIBUTES
from pywintypes import call, made, number
from pywintypes import error as error

from memsection import win32 as w
from memsection.vocabulary.descriptor import SecurityDescriptor
from memsection.vocabulary.sid import Sid

OWNER_SECURITY_INFORMATION, GROUP_SECURITY_INFORMATION = 1, 2
DACL_SECURITY_INFORMATION, SACL_SECURITY_INFORMATION = 4, 8
ACL_REVISION, ACL_REVISION_DS, SDDL_REVISION_1, SECURITY_DESCRIPTOR_REVISION = 2, 4, 1, 1
SE_FILE_OBJECT, SE_KERNEL_OBJECT = 1, 6
SE_DACL_PRESENT, SE_SELF_RELATIVE = 4, 0x8000
TOKEN_QUERY, TOKEN_ADJUST_PRIVILEGES, SE_PRIVILEGE_ENABLED = 8, 0x20, 2
SE_DEBUG_NAME = "SeDebugPrivilege"
WinWorldSid, WinLocalSystemSid, WinBuiltinAdministratorsSid, WinAuthenticatedUserSid = 1, 22, 26, 17
_WELL_KNOWN = {
    WinWorldSid: "WD",
    WinLocalSystemSid: "SY",
    WinBuiltinAdministratorsSid: "BA",
    WinAuthenticatedUserSid: "AU",
}


class SID:
    """Who somebody is."""

    def __init__(self, data: Any = None) -> None:
        self._sid = (
            data
            if isinstance(data, Sid)
            else Sid.from_bytes(bytes(data))
            if data is not None
            else None
        )

    @property
    def value(self) -> Sid:
        """The identifier itself."""
        if self._sid is None:
            raise ValueError("the SID is not initialized")
        return self._sid

    def __bytes__(self) -> bytes:
        return self.value.to_bytes()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SID) and self._sid == other._sid

    def __hash__(self) -> int:
        return hash(self._sid)

    def __repr__(self) -> str:
        return f"PySID:{self._sid}"

    def IsValid(self) -> bool:
        return self._sid is not None

    def GetLength(self) -> int:
        return len(bytes(self))


class ACL:
    """An access list."""

    def __init__(self, size: int = 64) -> None:
        self.raw = w.ACL()

    def Initialize(self) -> None:
        w.InitializeAcl(self.raw)

    def AddAccessAllowedAce(self, revision: int, access: int, sid: SID) -> None:
        call("AddAccessAllowedAce", w.AddAccessAllowedAce, self.raw, revision, access, sid.value)

    def AddAccessDeniedAce(self, revision: int, access: int, sid: SID) -> None:
        call("AddAccessDeniedAce", w.AddAccessDeniedAce, self.raw, revision, access, sid.value)

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

    def IsValid(self) -> bool:
        return True


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
            self.value.dacl_present or self.value.owner is not None or self.value.group is not None
        )

    def __bytes__(self) -> bytes:
        return self.value.to_bytes()

    def SetSecurityDescriptorDacl(self, bSaclPresent: Any, SACL: Any, bSaclDefaulted: Any) -> None:
        """Say who may do what: present and None gives everybody everything."""
        if not bSaclPresent:
            self.value = SecurityDescriptor(self.value.owner, self.value.group)
        else:
            self.value = self.value.with_dacl(None if SACL is None else SACL.raw.value())

    SetDacl = SetSecurityDescriptorDacl

    def GetSecurityDescriptorDacl(self) -> ACL | None:
        """The access list; None where there is none, which gives everybody everything."""
        if self.value.dacl is None:
            return None
        found = ACL()
        found.raw.aces = list(self.value.dacl.aces)
        return found

    GetDacl = GetSecurityDescriptorDacl

    def SetSecurityDescriptorOwner(self, sid: SID, bOwnerDefaulted: Any) -> None:
        self.value = self.value.with_owner(sid.value)

    def SetSecurityDescriptorGroup(self, sid: SID, bOwnerDefaulted: Any) -> None:
        self.value = self.value.with_group(sid.value)

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


def ConvertStringSecurityDescriptorToSecurityDescriptor(
    StringSecurityDescriptor: str, StringSDRevision: int = 1
) -> Any:
    return SECURITY_DESCRIPTOR(
        call(
            "ConvertStringSecurityDescriptorToSecurityDescriptor",
            w.ConvertStringSecurityDescriptorToSecurityDescriptor,
            StringSecurityDescriptor,
            StringSDRevision,
        )
    )


def ConvertSecurityDescriptorToStringSecurityDescriptor(
    SecurityDescriptor: Any, RequestedStringSDRevision: int = 1, SecurityInformation: int = 7
) -> str:
    return str(
        call(
            "ConvertSecurityDescriptorToStringSecurityDescriptor",
            w.ConvertSecurityDescriptorToStringSecurityDescriptor,
            bytes(SecurityDescriptor),
            RequestedStringSDRevision,
            SecurityInformation,
        )
    )


def ConvertStringSidToSid(StringSid: str) -> SID:
    return SID(call("ConvertStringSidToSid", w.ConvertStringSidToSid, StringSid))


def ConvertSidToStringSid(Sid: SID) -> str:
    return str(Sid.value)


def CreateWellKnownSid(WellKnownSidType: int, DomainSid: Any = None) -> SID:
    text = _WELL_KNOWN.get(WellKnownSidType)
    if text is None:
        raise error(
            87, "CreateWellKnownSid", f"{WellKnownSidType} is none of those that are known here"
        )
    return ConvertStringSidToSid(text)


def GetKernelObjectSecurity(handle: Any, info: int) -> SECURITY_DESCRIPTOR:
    return SECURITY_DESCRIPTOR(
        call("GetKernelObjectSecurity", w.GetKernelObjectSecurity, number(handle), info)
    )


def SetKernelObjectSecurity(handle: Any, info: int, security: SECURITY_DESCRIPTOR) -> None:
    call(
        "SetKernelObjectSecurity", w.SetKernelObjectSecurity, number(handle), info, bytes(security)
    )


def GetSecurityInfo(handle: Any, ObjectType: int, SecurityInfo: int) -> SECURITY_DESCRIPTOR:
    return SECURITY_DESCRIPTOR(
        bytes(call("GetSecurityInfo", w.GetSecurityInfo, number(handle), ObjectType, SecurityInfo))
    )


def SetSecurityInfo(
    handle: Any, ObjectType: int, SecurityInfo: int, Owner: Any, Group: Any, Dacl: Any, Sacl: Any
) -> None:
    call(
        "SetSecurityInfo",
        w.SetSecurityInfo,
        number(handle),
        ObjectType,
        SecurityInfo,
        None if Owner is None else Owner.value,
        None if Group is None else Group.value,
        None if Dacl is None else Dacl.raw,
    )


def OpenProcessToken(processHandle: Any, desiredAccess: int) -> Any:
    return made("OpenProcessToken", w.OpenProcessToken, number(processHandle), desiredAccess)


def LookupPrivilegeValue(systemName: Any, privilegeName: str) -> int:
    return int(
        call("LookupPrivilegeValue", w.LookupPrivilegeValue, systemName or None, privilegeName)
    )


def AdjustTokenPrivileges(
    TokenHandle: Any, bDisableAllPrivileges: Any, NewState: Any
) -> tuple[tuple[int, int], ...]:
    """Switch privileges on and off: what they were before."""
    wanted = [w.LUID_AND_ATTRIBUTES(*one) for one in NewState or ()]
    found = call(
        "AdjustTokenPrivileges",
        w.AdjustTokenPrivileges,
        number(TokenHandle),
        bDisableAllPrivileges,
        w.TOKEN_PRIVILEGES(len(wanted), wanted),
    )
    return tuple((one.Luid, one.Attributes) for one in found.Privileges)


def LookupAccountName(systemName: Any, accountName: str) -> tuple[SID, str, int]:
    """Whom an account name means: identifier, domain and kind."""
    found = call("LookupAccountName", w.LookupAccountName, systemName or None, accountName)
    return SID(found[0]), found[1], found[2]


def LookupAccountSid(systemName: Any, sid: SID) -> tuple[str, str, int]:
    """The account of an identifier: name, domain and kind."""
    found = call("LookupAccountSid", w.LookupAccountSid, systemName or None, sid.value)
    return found[0], found[1], found[2]
