# SPDX-License-Identifier: MIT
"""securitybaseapi.h: security descriptors and access lists as programs build them, and privileges.

Here are the structures that C programs fill in, and the functions that do it.  What a descriptor is
stands in ``vocabulary.descriptor``; it is evaluated below ``nt``.
"""

from __future__ import annotations

from collections.abc import Iterable

from memsection.nt import kernel
from memsection.vocabulary import status as st
from memsection.vocabulary.descriptor import (
    ACCESS_ALLOWED,
    ACCESS_DENIED,
    FAILED_ACCESS_ACE,
    SE_SACL_DEFAULTED,
    SE_SACL_PRESENT,
    SUCCESSFUL_ACCESS_ACE,
    SYSTEM_AUDIT,
    Ace,
    Acl,
    SecurityDescriptor,
)
from memsection.vocabulary.records import record
from memsection.vocabulary.sid import Sid
from memsection.win32._base import BOOL, DWORD, HANDLE, failed, set_last_error, windows
from memsection.win32.winnt import (
    ACL_REVISION,
    ACL_REVISION_DS,
    SE_DACL_DEFAULTED,
    SECURITY_DESCRIPTOR_REVISION,
    VALID_INHERIT_FLAGS,
)

_MOST_BYTES = 0xFFFC  #: what an access list can hold (MS-DTYP 2.4.5)
_SMALLEST_ACL = 8
#: The control bits that SetSecurityDescriptorControl may change: requests and results of
#: inheritance, and protection.
_INHERITANCE_CONTROL = 0x3FC0

__all__ = [
    "ACL",
    "LUID_AND_ATTRIBUTES",
    "SECURITY_DESCRIPTOR",
    "TOKEN_PRIVILEGES",
    "AddAccessAllowedAce",
    "AddAccessAllowedAceEx",
    "AddAccessDeniedAce",
    "AddAccessDeniedAceEx",
    "AddAuditAccessAceEx",
    "AdjustTokenPrivileges",
    "GetKernelObjectSecurity",
    "InitializeAcl",
    "InitializeSecurityDescriptor",
    "SetKernelObjectSecurity",
    "SetSecurityDescriptorControl",
    "SetSecurityDescriptorDacl",
    "SetSecurityDescriptorGroup",
    "SetSecurityDescriptorOwner",
    "SetSecurityDescriptorSacl",
]


class ACL:
    """An access list that is being filled in.

    Attributes:
        size: Bytes that the list may take, its header of 8 bytes included.
        revision: ACL_REVISION, 3 or ACL_REVISION_DS.
    """

    def __init__(self, aces: Iterable[Ace] = (), revision: int = ACL_REVISION) -> None:
        self.aces: list[Ace] = list(aces)
        self.size = _MOST_BYTES
        self.revision = revision

    def value(self) -> Acl:
        """The list as it is now."""
        return Acl(tuple(self.aces), self.revision)

    def __bytes__(self) -> bytes:
        return self.value().to_bytes()


class SECURITY_DESCRIPTOR:
    """A descriptor that is being filled in; ``bytes`` of it is its self-relative form."""

    def __init__(self) -> None:
        self.value: SecurityDescriptor | None = None  # until it is initialized

    def __bytes__(self) -> bytes:
        return initialized(self).to_bytes()


def initialized(descriptor: SECURITY_DESCRIPTOR) -> SecurityDescriptor:
    """What was filled in so far."""
    if not isinstance(descriptor, SECURITY_DESCRIPTOR):
        raise TypeError(f"a SECURITY_DESCRIPTOR is needed, not {type(descriptor).__name__}")
    if descriptor.value is None:
        failed(
            st.UNKNOWN_REVISION,
            "SECURITY_DESCRIPTOR",
            "InitializeSecurityDescriptor was not called",
        )
    return descriptor.value


def sid_of(sid: Sid | bytes | str) -> Sid:
    """A SID from any of its forms."""
    if isinstance(sid, Sid):
        return sid
    return Sid.parse(sid) if isinstance(sid, str) else Sid.from_bytes(bytes(sid))


@windows
def InitializeSecurityDescriptor(
    pSecurityDescriptor: SECURITY_DESCRIPTOR, dwRevision: DWORD = SECURITY_DESCRIPTOR_REVISION
) -> None:
    """Make a descriptor empty: no owner, no group, nothing said about access.

    Rights:
        None.

    Raises:
        OSError: 1305: a revision other than SECURITY_DESCRIPTOR_REVISION.
    """
    if dwRevision != SECURITY_DESCRIPTOR_REVISION:
        failed(st.UNKNOWN_REVISION, "InitializeSecurityDescriptor", f"revision {dwRevision}")
    pSecurityDescriptor.value = SecurityDescriptor()


@windows
def SetSecurityDescriptorDacl(
    pSecurityDescriptor: SECURITY_DESCRIPTOR,
    bDaclPresent: BOOL,
    pDacl: ACL | None = None,
    bDaclDefaulted: BOOL = False,
) -> None:
    """Say who may do what: present and None gives everybody everything, an empty list nobody
    anything.

    Rights:
        None.

    Raises:
        OSError: 1305: the descriptor was not initialized.
    """
    value = initialized(pSecurityDescriptor)
    if not bDaclPresent:
        pSecurityDescriptor.value = SecurityDescriptor(value.owner, value.group).with_sacl(
            value.sacl, value.control
        )
        return
    control = SE_DACL_DEFAULTED if bDaclDefaulted else 0
    pSecurityDescriptor.value = value.with_dacl(None if pDacl is None else pDacl.value(), control)


@windows
def SetSecurityDescriptorSacl(
    pSecurityDescriptor: SECURITY_DESCRIPTOR,
    bSaclPresent: BOOL,
    pSacl: ACL | None = None,
    bSaclDefaulted: BOOL = False,
) -> None:
    """Say what is recorded of the access to an object.

    Rights:
        None here; the kernel takes a list with entries only from who holds SeSecurityPrivilege.

    Raises:
        OSError: 1305: the descriptor was not initialized.
    """
    value = initialized(pSecurityDescriptor)
    control = 0
    if bSaclPresent:
        control = SE_SACL_PRESENT | (SE_SACL_DEFAULTED if bSaclDefaulted else 0)
    pSecurityDescriptor.value = value.with_sacl(
        None if pSacl is None or not bSaclPresent else pSacl.value(), control
    )


@windows
def SetSecurityDescriptorControl(
    pSecurityDescriptor: SECURITY_DESCRIPTOR, ControlBitsOfInterest: DWORD, ControlBitsToSet: DWORD
) -> None:
    """Set or clear those control bits that say how a descriptor is inherited and protected.

    Rights:
        None.

    Raises:
        OSError: 87: another bit than SE_DACL_PROTECTED, SE_SACL_PROTECTED, SE_DACL_AUTO_INHERITED
            and so on; 1305: the descriptor was not initialized.
    """
    value = initialized(pSecurityDescriptor)
    if (ControlBitsOfInterest | ControlBitsToSet) & ~_INHERITANCE_CONTROL:
        failed(
            st.INVALID_PARAMETER,
            "SetSecurityDescriptorControl",
            f"bits {ControlBitsOfInterest:#x} and {ControlBitsToSet:#x}; {_INHERITANCE_CONTROL:#x} "
            f"can be set",
        )
    control = value.control & ~ControlBitsOfInterest | ControlBitsToSet & ControlBitsOfInterest
    pSecurityDescriptor.value = SecurityDescriptor(
        value.owner, value.group, value.dacl, value.sacl, control
    )


@windows
def SetSecurityDescriptorOwner(
    pSecurityDescriptor: SECURITY_DESCRIPTOR,
    pOwner: Sid | bytes | str | None = None,
    bOwnerDefaulted: BOOL = False,
) -> None:
    """Say who owns the object; None leaves it to the creator.

    Rights:
        None here; the kernel lets an owner be only whom the caller may name.

    Raises:
        OSError: 1305: the descriptor was not initialized; 1337: no SID.
    """
    owner = None if pOwner is None else sid_of(pOwner)
    pSecurityDescriptor.value = initialized(pSecurityDescriptor).with_owner(
        owner, 1 if bOwnerDefaulted else 0
    )


@windows
def SetSecurityDescriptorGroup(
    pSecurityDescriptor: SECURITY_DESCRIPTOR,
    pGroup: Sid | bytes | str | None = None,
    bGroupDefaulted: BOOL = False,
) -> None:
    """Say which group the object has.

    Rights:
        None.

    Raises:
        OSError: 1305: the descriptor was not initialized; 1337: no SID.
    """
    group = None if pGroup is None else sid_of(pGroup)
    pSecurityDescriptor.value = initialized(pSecurityDescriptor).with_group(
        group, 2 if bGroupDefaulted else 0
    )


@windows
def InitializeAcl(
    pAcl: ACL, nAclLength: DWORD = _MOST_BYTES, dwAclRevision: DWORD = ACL_REVISION
) -> None:
    """Make an access list empty, with room for ``nAclLength`` bytes.

    Rights:
        None.

    Raises:
        OSError: 87: a revision that is none, or more than 65532 bytes; 122: fewer than the 8 bytes
            of the header.
    """
    if nAclLength < _SMALLEST_ACL:
        failed(
            st.BUFFER_TOO_SMALL,
            "InitializeAcl",
            f"{nAclLength} bytes; the header of a list takes {_SMALLEST_ACL}",
        )
    if nAclLength > 0xFFFF:
        failed(
            st.INVALID_PARAMETER, "InitializeAcl", f"{nAclLength} bytes; a list holds {_MOST_BYTES}"
        )
    if not ACL_REVISION <= dwAclRevision <= ACL_REVISION_DS:
        failed(st.INVALID_PARAMETER, "InitializeAcl", f"revision {dwAclRevision}")
    pAcl.aces, pAcl.size, pAcl.revision = [], nAclLength & ~3, dwAclRevision


def _add(
    acl: ACL,
    revision: int,
    kind: int,
    flags: int,
    mask: int,
    sid: Sid | bytes | str,
    operation: str,
) -> None:
    if not isinstance(acl, ACL):
        raise TypeError(f"an ACL is needed, not {type(acl).__name__}")
    if not 0 < revision <= ACL_REVISION_DS:
        failed(st.REVISION_MISMATCH, operation, f"revision {revision} of an entry")
    ace = Ace(kind, flags, mask, sid_of(sid))
    size = len(bytes(acl)) + len(ace.to_bytes())
    if size > acl.size:
        failed(
            st.ALLOTTED_SPACE_EXCEEDED,
            operation,
            f"the list would take {size} bytes and has room for {acl.size}",
        )
    acl.aces.append(ace)
    acl.revision = max(acl.revision, revision)


def _inheritance(flags: int, operation: str) -> int:
    if flags & ~VALID_INHERIT_FLAGS:
        failed(st.INVALID_PARAMETER, operation, f"{flags:#x} are not flags of inheritance")
    return flags


@windows
def AddAccessAllowedAce(
    pAcl: ACL, dwAceRevision: DWORD, AccessMask: DWORD, pSid: Sid | bytes | str
) -> None:
    """Allow somebody some rights.

    Rights:
        None.

    Raises:
        OSError: 1306: a revision that is none; 1337: no SID; 1344: the list has no room left.
    """
    _add(pAcl, dwAceRevision, ACCESS_ALLOWED, 0, AccessMask, pSid, "AddAccessAllowedAce")


@windows
def AddAccessAllowedAceEx(
    pAcl: ACL, dwAceRevision: DWORD, AceFlags: DWORD, AccessMask: DWORD, pSid: Sid | bytes | str
) -> None:
    """Allow somebody some rights, with flags of inheritance (OBJECT_INHERIT_ACE and so on).

    Rights:
        None.

    Raises:
        OSError: 87: flags that are none; 1306: a revision that is none; 1337: no SID; 1344: the
            list has no room left.
    """
    _add(
        pAcl,
        dwAceRevision,
        ACCESS_ALLOWED,
        _inheritance(AceFlags, "AddAccessAllowedAceEx"),
        AccessMask,
        pSid,
        "AddAccessAllowedAceEx",
    )


@windows
def AddAccessDeniedAce(
    pAcl: ACL, dwAceRevision: DWORD, AccessMask: DWORD, pSid: Sid | bytes | str
) -> None:
    """Deny somebody some rights; it counts before what stands after it.

    Rights:
        None.

    Raises:
        OSError: 1306: a revision that is none; 1337: no SID; 1344: the list has no room left.
    """
    _add(pAcl, dwAceRevision, ACCESS_DENIED, 0, AccessMask, pSid, "AddAccessDeniedAce")


@windows
def AddAccessDeniedAceEx(
    pAcl: ACL, dwAceRevision: DWORD, AceFlags: DWORD, AccessMask: DWORD, pSid: Sid | bytes | str
) -> None:
    """Deny somebody some rights, with flags of inheritance; it counts before what stands after it.

    Rights:
        None.

    Raises:
        OSError: 87: flags that are none; 1306: a revision that is none; 1337: no SID; 1344: the
            list has no room left.
    """
    _add(
        pAcl,
        dwAceRevision,
        ACCESS_DENIED,
        _inheritance(AceFlags, "AddAccessDeniedAceEx"),
        AccessMask,
        pSid,
        "AddAccessDeniedAceEx",
    )


@windows
def AddAuditAccessAceEx(
    pAcl: ACL,
    dwAceRevision: DWORD,
    AceFlags: DWORD,
    AccessMask: DWORD,
    pSid: Sid | bytes | str,
    bAuditSuccess: BOOL,
    bAuditFailure: BOOL,
) -> None:
    """Have somebody's access recorded where it is granted, where it is refused, or both.  For a
    SACL.

    Rights:
        None.

    Raises:
        OSError: 87: flags that are none; 1306: a revision that is none; 1337: no SID; 1344: the
            list has no room left.
    """
    flags = _inheritance(AceFlags, "AddAuditAccessAceEx")
    flags |= (SUCCESSFUL_ACCESS_ACE if bAuditSuccess else 0) | (
        FAILED_ACCESS_ACE if bAuditFailure else 0
    )
    _add(pAcl, dwAceRevision, SYSTEM_AUDIT, flags, AccessMask, pSid, "AddAuditAccessAceEx")


@windows
def GetKernelObjectSecurity(Handle: HANDLE, RequestedInformation: DWORD) -> bytes:
    """An object's descriptor, with the parts that are asked for, in self-relative form.

    Rights:
        READ_CONTROL; for the SACL ACCESS_SYSTEM_SECURITY, which nobody has on Linux
        (LABEL_SECURITY_INFORMATION needs READ_CONTROL).

    Raises:
        OSError: 5: the right is missing; 6: it is no handle.
    """
    return kernel.query_security_object(Handle, RequestedInformation)


@windows
def SetKernelObjectSecurity(
    Handle: HANDLE, SecurityInformation: DWORD, SecurityDescriptor: SECURITY_DESCRIPTOR | bytes
) -> None:
    """Replace those parts of an object's descriptor that ``SecurityInformation`` names.

    Rights:
        WRITE_DAC for the DACL, WRITE_OWNER for owner and group.

    Raises:
        OSError: 5: a right is missing; 6: it is no handle; 1307: that owner may not be set; 1338:
            no descriptor.
    """
    kernel.set_security_object(Handle, SecurityInformation, plain(SecurityDescriptor))


def plain(descriptor: SECURITY_DESCRIPTOR | bytes) -> bytes:
    """The self-relative bytes of a descriptor in any of its forms."""
    if isinstance(descriptor, int | str):
        raise TypeError(
            f"a SECURITY_DESCRIPTOR or its bytes are needed, not {type(descriptor).__name__}"
        )
    return bytes(descriptor)


# ------------------------------------------------------------------ privileges


@record(slots=True)
class LUID_AND_ATTRIBUTES:
    """A privilege, and whether it is enabled (SE_PRIVILEGE_ENABLED)."""

    Luid: int = 0
    Attributes: int = 0


class TOKEN_PRIVILEGES:
    """Privileges and their attributes; as in C there is one to begin with."""

    def __init__(
        self, PrivilegeCount: int = 1, Privileges: list[LUID_AND_ATTRIBUTES] | None = None
    ) -> None:
        self.PrivilegeCount = PrivilegeCount
        self.Privileges = (
            [LUID_AND_ATTRIBUTES() for _ in range(PrivilegeCount)]
            if Privileges is None
            else Privileges
        )

    def __repr__(self) -> str:
        return f"TOKEN_PRIVILEGES({self.PrivilegeCount}, {self.Privileges})"


@windows
def AdjustTokenPrivileges(
    TokenHandle: HANDLE,
    DisableAllPrivileges: BOOL = False,
    NewState: TOKEN_PRIVILEGES | None = None,
) -> TOKEN_PRIVILEGES:
    """Enable or disable privileges that a token has.

    It succeeds even if the token lacks some of them: the last error is then ERROR_NOT_ALL_ASSIGNED,
    else 0.

    Returns:
        What was changed, with the attributes before; handing it back undoes the change.

    Rights:
        TOKEN_ADJUST_PRIVILEGES; TOKEN_QUERY to learn the state before.

    Raises:
        OSError: 5: the right is missing; 6: it is no token; 87: nothing to do is given.
    """
    if NewState is None and not DisableAllPrivileges:
        failed(st.INVALID_PARAMETER, "AdjustTokenPrivileges", "no new state is given")
    wanted = [] if NewState is None else NewState.Privileges[: NewState.PrivilegeCount]
    status, before = kernel.adjust_privileges(
        TokenHandle, [(one.Luid, one.Attributes) for one in wanted], bool(DisableAllPrivileges)
    )
    set_last_error(st.winerror(status))
    return TOKEN_PRIVILEGES(len(before), [LUID_AND_ATTRIBUTES(*one) for one in before])
