# SPDX-License-Identifier: MIT
"""pywin32's win32security: identifiers, access lists and descriptors, as text and of objects."""

# ruff: noqa: N801, N802, N803  # the names of the originals

from __future__ import annotations

from typing import Any

from pywintypes import SECURITY_ATTRIBUTES as SECURITY_ATTRIBUTES
from pywintypes import call, make_handle, message, number
from pywintypes import error as error

from memsection import win32 as w
from memsection.compat.windows.pywin32 import security_numbers
from memsection.compat.windows.pywin32.access_lists import ACL as ACL
from memsection.compat.windows.pywin32.access_lists import SECURITY_DESCRIPTOR, SID

globals().update({name: value for name, value in vars(security_numbers).items() if name[0] != "_"})
SDDL_REVISION_1 = 1


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


def CreateWellKnownSid(WellKnownSidType: int, DomainSid: SID | None = None) -> SID:
    domain = None if DomainSid is None else DomainSid.value
    return SID(call("CreateWellKnownSid", w.CreateWellKnownSid, WellKnownSidType, domain))


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
        None if Sacl is None else Sacl.raw,
    )


def GetNamedSecurityInfo(
    ObjectName: str, ObjectType: int, SecurityInfo: int
) -> SECURITY_DESCRIPTOR:
    return SECURITY_DESCRIPTOR(
        bytes(
            call(
                "GetNamedSecurityInfo", w.GetNamedSecurityInfo, ObjectName, ObjectType, SecurityInfo
            )
        )
    )


def SetNamedSecurityInfo(
    ObjectName: str,
    ObjectType: int,
    SecurityInfo: int,
    Owner: Any,
    Group: Any,
    Dacl: Any,
    Sacl: Any,
) -> None:
    call(
        "SetNamedSecurityInfo",
        w.SetNamedSecurityInfo,
        ObjectName,
        ObjectType,
        SecurityInfo,
        None if Owner is None else Owner.value,
        None if Group is None else Group.value,
        None if Dacl is None else Dacl.raw,
        None if Sacl is None else Sacl.raw,
    )


def GetFileSecurity(
    filename: str, info: int = w.OWNER_SECURITY_INFORMATION | w.DACL_SECURITY_INFORMATION
) -> SECURITY_DESCRIPTOR:
    return _of_file("GetFileSecurity", filename, info)


def _of_file(name: str, filename: str, info: int) -> SECURITY_DESCRIPTOR:
    found = call(name, w.GetNamedSecurityInfo, filename, w.SE_FILE_OBJECT, info)
    return SECURITY_DESCRIPTOR(bytes(found))


def SetFileSecurity(filename: str, info: int, security: SECURITY_DESCRIPTOR) -> None:
    value = security.value
    call(
        "SetFileSecurity",
        w.SetNamedSecurityInfo,
        filename,
        w.SE_FILE_OBJECT,
        info,
        value.owner,
        value.group,
        None if value.dacl is None else ACL._of(value.dacl).raw,
        None if value.sacl is None else ACL._of(value.sacl).raw,
    )


def DsBind(DomainController: str | None = None, DnsDomainName: str | None = None) -> Any:
    """A connection to a domain: this machine is in none."""
    raise error(1355, "DsBind", message(1355))


def DsGetDcName(
    computerName: str | None = None,
    domainName: str | None = None,
    domainGUID: Any = None,
    siteName: str | None = None,
    flags: int = 0,
) -> Any:
    """The controller of a domain: this machine is in none."""
    raise error(1355, "DsGetDcName", message(1355))


# ------------------------------------------------------------------ tokens


def GetTokenInformation(TokenHandle: Any, TokenInformationClass: int) -> Any:
    """What a token says: an identifier and its attributes, or as many as there are; a number."""
    found = call(
        "GetTokenInformation", w.GetTokenInformation, number(TokenHandle), TokenInformationClass
    )
    if TokenInformationClass == w.TokenUser:
        return SID(found.Sid), found.Attributes
    if TokenInformationClass == w.TokenGroups:
        return tuple((SID(one.Sid), one.Attributes) for one in found)
    if TokenInformationClass == w.TokenPrivileges:
        return tuple((one.Luid, one.Attributes) for one in found.Privileges)
    if TokenInformationClass in (w.TokenOwner, w.TokenPrimaryGroup):
        return SID(found)
    if TokenInformationClass == w.TokenStatistics:
        return {name: getattr(found, name) for name in found.__slots__}
    return found


def LookupPrivilegeName(SystemName: Any, luid: int) -> str:
    return str(call("LookupPrivilegeName", w.LookupPrivilegeName, SystemName or None, luid))


def OpenProcessToken(processHandle: Any, desiredAccess: int) -> Any:
    return make_handle("OpenProcessToken", w.OpenProcessToken, number(processHandle), desiredAccess)


def OpenThreadToken(handle: Any, desiredAccess: int, openasself: Any) -> Any:
    """The token of whom a thread acts for: nobody but its process."""
    call("GetThreadId", w.GetThreadId, number(handle))
    raise error(1008, "OpenThreadToken", message(1008))


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
