# SPDX-License-Identifier: MIT
"""securitybaseapi.h: security descriptors and access lists as programs build them, and privileges.

Here are the structures that C programs fill in, and the functions that do it.  What a descriptor is stands in
``vocabulary.descriptor``; it is evaluated below ``nt``.
"""

from __future__ import annotations

from memsection.nt import kernel
from memsection.vocabulary import status as st
from memsection.vocabulary.descriptor import ACCESS_ALLOWED, ACCESS_DENIED, Ace, Acl, SecurityDescriptor
from memsection.vocabulary.records import record
from memsection.vocabulary.sid import Sid
from memsection.win32._base import BOOL, DWORD, HANDLE, LPCWSTR, failed, set_last_error, windows
from memsection.win32.winnt import ACL_REVISION, SE_DACL_DEFAULTED, SECURITY_DESCRIPTOR_REVISION

__all__ = ["ACL", "LUID_AND_ATTRIBUTES", "SECURITY_DESCRIPTOR", "TOKEN_PRIVILEGES", "AddAccessAllowedAce",
           "AddAccessDeniedAce", "AdjustTokenPrivileges", "GetKernelObjectSecurity", "InitializeAcl",
           "InitializeSecurityDescriptor", "LookupPrivilegeValue", "SetKernelObjectSecurity",
           "SetSecurityDescriptorDacl", "SetSecurityDescriptorGroup", "SetSecurityDescriptorOwner"]


class ACL:
    """An access list that is being filled in."""

    def __init__(self) -> None:
        self.aces: list[Ace] = []

    def value(self) -> Acl:
        """The list as it is now."""
        return Acl(tuple(self.aces))

    def __bytes__(self) -> bytes:
        return self.value().to_bytes()


class SECURITY_DESCRIPTOR:
    """A descriptor that is being filled in; ``bytes`` of it is its self-relative form."""

    def __init__(self) -> None:
        self.value: SecurityDescriptor | None = None  # until it is initialized

    def __bytes__(self) -> bytes:
        return _initialized(self).to_bytes()


def _initialized(descriptor: SECURITY_DESCRIPTOR) -> SecurityDescriptor:
    if not isinstance(descriptor, SECURITY_DESCRIPTOR):
        raise TypeError(f"a SECURITY_DESCRIPTOR is needed, not {type(descriptor).__name__}")
    if descriptor.value is None:
        failed(st.UNKNOWN_REVISION, "SECURITY_DESCRIPTOR", "InitializeSecurityDescriptor was not called")
    return descriptor.value


def sid_of(sid: Sid | bytes | str) -> Sid:
    """A SID from any of its forms."""
    if isinstance(sid, Sid):
        return sid
    return Sid.parse(sid) if isinstance(sid, str) else Sid.from_bytes(bytes(sid))


@windows
def InitializeSecurityDescriptor(pSecurityDescriptor: SECURITY_DESCRIPTOR,
                                 dwRevision: DWORD = SECURITY_DESCRIPTOR_REVISION) -> None:
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
def SetSecurityDescriptorDacl(pSecurityDescriptor: SECURITY_DESCRIPTOR, bDaclPresent: BOOL, pDacl: ACL | None = None,
                              bDaclDefaulted: BOOL = False) -> None:
    """Say who may do what: present and None gives everybody everything, an empty list nobody anything.

    Rights:
        None.

    Raises:
        OSError: 1305: the descriptor was not initialized.
    """
    value = _initialized(pSecurityDescriptor)
    if not bDaclPresent:
        pSecurityDescriptor.value = SecurityDescriptor(value.owner, value.group).with_sacl(value.sacl, value.control)
        return
    control = SE_DACL_DEFAULTED if bDaclDefaulted else 0
    pSecurityDescriptor.value = value.with_dacl(None if pDacl is None else pDacl.value(), control)


@windows
def SetSecurityDescriptorOwner(pSecurityDescriptor: SECURITY_DESCRIPTOR, pOwner: Sid | bytes | str | None = None,
                               bOwnerDefaulted: BOOL = False) -> None:
    """Say who owns the object; None leaves it to the creator.

    Rights:
        None here; the kernel lets an owner be only whom the caller may name.

    Raises:
        OSError: 1305: the descriptor was not initialized; 1337: no SID.
    """
    owner = None if pOwner is None else sid_of(pOwner)
    pSecurityDescriptor.value = _initialized(pSecurityDescriptor).with_owner(owner, 1 if bOwnerDefaulted else 0)


@windows
def SetSecurityDescriptorGroup(pSecurityDescriptor: SECURITY_DESCRIPTOR, pGroup: Sid | bytes | str | None = None,
                               bGroupDefaulted: BOOL = False) -> None:
    """Say which group the object has.

    Rights:
        None.

    Raises:
        OSError: 1305: the descriptor was not initialized; 1337: no SID.
    """
    group = None if pGroup is None else sid_of(pGroup)
    pSecurityDescriptor.value = _initialized(pSecurityDescriptor).with_group(group, 2 if bGroupDefaulted else 0)


@windows
def InitializeAcl(pAcl: ACL, nAclLength: DWORD = 0, dwAclRevision: DWORD = ACL_REVISION) -> None:
    """Make an access list empty; ``nAclLength`` is not looked at, lists grow by themselves.

    Rights:
        None.

    Raises:
        OSError: 87: a revision that is none.
    """
    if not ACL_REVISION <= dwAclRevision <= 4:
        failed(st.INVALID_PARAMETER, "InitializeAcl", f"revision {dwAclRevision}")
    pAcl.aces = []


def _add(acl: ACL, kind: int, mask: int, sid: Sid | bytes | str) -> None:
    if not isinstance(acl, ACL):
        raise TypeError(f"an ACL is needed, not {type(acl).__name__}")
    acl.aces.append(Ace(kind, 0, mask, sid_of(sid)))


@windows
def AddAccessAllowedAce(pAcl: ACL, dwAceRevision: DWORD, AccessMask: DWORD, pSid: Sid | bytes | str) -> None:
    """Allow somebody some rights.

    Rights:
        None.

    Raises:
        OSError: 1337: no SID.
    """
    _add(pAcl, ACCESS_ALLOWED, AccessMask, pSid)


@windows
def AddAccessDeniedAce(pAcl: ACL, dwAceRevision: DWORD, AccessMask: DWORD, pSid: Sid | bytes | str) -> None:
    """Deny somebody some rights; it counts before what stands after it.

    Rights:
        None.

    Raises:
        OSError: 1337: no SID.
    """
    _add(pAcl, ACCESS_DENIED, AccessMask, pSid)


@windows
def GetKernelObjectSecurity(Handle: HANDLE, RequestedInformation: DWORD) -> bytes:
    """An object's descriptor, with the parts that are asked for, in self-relative form.

    Rights:
        READ_CONTROL.

    Raises:
        OSError: 5: the right is missing; 6: it is no handle.
    """
    return kernel.query_security_object(Handle, RequestedInformation)


@windows
def SetKernelObjectSecurity(Handle: HANDLE, SecurityInformation: DWORD,
                            SecurityDescriptor: SECURITY_DESCRIPTOR | bytes) -> None:
    """Replace those parts of an object's descriptor that ``SecurityInformation`` names.

    Rights:
        WRITE_DAC for the DACL, WRITE_OWNER for owner and group.

    Raises:
        OSError: 5: a right is missing; 6: it is no handle; 1307: that owner may not be set; 1338: no descriptor.
    """
    kernel.set_security_object(Handle, SecurityInformation, _plain(SecurityDescriptor))


def _plain(descriptor: SECURITY_DESCRIPTOR | bytes) -> bytes:
    if isinstance(descriptor, int | str):
        raise TypeError(f"a SECURITY_DESCRIPTOR or its bytes are needed, not {type(descriptor).__name__}")
    return bytes(descriptor)


# ------------------------------------------------------------------ privileges


@record(slots=True)
class LUID_AND_ATTRIBUTES:
    """A privilege, and whether it is enabled (SE_PRIVILEGE_ENABLED)."""

    Luid: int = 0
    Attributes: int = 0


class TOKEN_PRIVILEGES:
    """Privileges and their attributes; as in C there is one to begin with."""

    def __init__(self, PrivilegeCount: int = 1, Privileges: list[LUID_AND_ATTRIBUTES] | None = None) -> None:
        self.PrivilegeCount = PrivilegeCount
        self.Privileges = [LUID_AND_ATTRIBUTES() for _ in range(PrivilegeCount)] if Privileges is None else Privileges

    def __repr__(self) -> str:
        return f"TOKEN_PRIVILEGES({self.PrivilegeCount}, {self.Privileges})"


@windows
def LookupPrivilegeValue(lpSystemName: LPCWSTR, lpName: LPCWSTR) -> int:
    """The number (LUID) by which this system knows a privilege; ``lpSystemName`` must be None.

    Rights:
        None.

    Raises:
        OSError: 1313: no such privilege; 50: another system.
    """
    if lpSystemName:
        failed(st.NOT_SUPPORTED, "LookupPrivilegeValue", f"only on this system, not '{lpSystemName}'")
    return kernel.lookup_privilege(lpName or "")


@windows
def AdjustTokenPrivileges(TokenHandle: HANDLE, DisableAllPrivileges: BOOL = False,
                          NewState: TOKEN_PRIVILEGES | None = None) -> TOKEN_PRIVILEGES:
    """Enable or disable privileges that a token has.

    It succeeds even if the token lacks some of them: the last error is then ERROR_NOT_ALL_ASSIGNED, else 0.

    Returns:
        What was changed, with the attributes before; handing it back undoes the change.

    Rights:
        TOKEN_ADJUST_PRIVILEGES; TOKEN_QUERY to learn the state before.

    Raises:
        OSError: 5: the right is missing; 6: it is no token; 87: nothing to do is given.
    """
    if NewState is None and not DisableAllPrivileges:
        failed(st.INVALID_PARAMETER, "AdjustTokenPrivileges", "no new state is given")
    wanted = [] if NewState is None else NewState.Privileges[:NewState.PrivilegeCount]
    status, before = kernel.adjust_privileges(TokenHandle, [(one.Luid, one.Attributes) for one in wanted],
                                              bool(DisableAllPrivileges))
    set_last_error(st.winerror(status))
    return TOKEN_PRIVILEGES(len(before), [LUID_AND_ATTRIBUTES(*one) for one in before])
