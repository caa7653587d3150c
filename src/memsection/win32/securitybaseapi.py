# SPDX-License-Identifier: MIT
"""securitybaseapi.h: security descriptors as programs build them, and privileges.

Here are the structures that C programs fill in, and the functions that do it.  What a descriptor is
stands in ``vocabulary.descriptor``; it is evaluated below ``nt``.
"""

from __future__ import annotations

from memsection.nt import kernel
from memsection.vocabulary import status as st
from memsection.vocabulary.descriptor import SE_SACL_DEFAULTED, SE_SACL_PRESENT, SecurityDescriptor
from memsection.vocabulary.records import record
from memsection.vocabulary.sid import Sid
from memsection.win32._base import BOOL, DWORD, HANDLE, refuse, set_last_error, windows
from memsection.win32.securitybaseapi_acl import ACL, sid_of
from memsection.win32.winnt import SE_DACL_DEFAULTED, SECURITY_DESCRIPTOR_REVISION

#: The control bits that SetSecurityDescriptorControl may change: requests and results of
#: inheritance, and protection.
_INHERITANCE_CONTROL = 0x3FC0

__all__ = [
    "LUID_AND_ATTRIBUTES",
    "SECURITY_DESCRIPTOR",
    "TOKEN_PRIVILEGES",
    "AdjustTokenPrivileges",
    "GetKernelObjectSecurity",
    "InitializeSecurityDescriptor",
    "SetKernelObjectSecurity",
    "SetSecurityDescriptorControl",
    "SetSecurityDescriptorDacl",
    "SetSecurityDescriptorGroup",
    "SetSecurityDescriptorOwner",
    "SetSecurityDescriptorSacl",
]


class SECURITY_DESCRIPTOR:
    """A descriptor that is being filled in; ``bytes`` of it is its self-relative form."""

    def __init__(self) -> None:
        self.value: SecurityDescriptor | None = None  # until it is initialized

    def __bytes__(self) -> bytes:
        return parts_so_far(self).to_bytes()


def parts_so_far(descriptor: SECURITY_DESCRIPTOR) -> SecurityDescriptor:
    """What was filled in so far."""
    if not isinstance(descriptor, SECURITY_DESCRIPTOR):
        raise TypeError(f"a SECURITY_DESCRIPTOR is needed, not {type(descriptor).__name__}")
    if descriptor.value is None:
        refuse(
            st.UNKNOWN_REVISION,
            "SECURITY_DESCRIPTOR",
            "InitializeSecurityDescriptor was not called",
        )
    return descriptor.value


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
        refuse(st.UNKNOWN_REVISION, "InitializeSecurityDescriptor", f"revision {dwRevision}")
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
    value = parts_so_far(pSecurityDescriptor)
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
    value = parts_so_far(pSecurityDescriptor)
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
    value = parts_so_far(pSecurityDescriptor)
    if (ControlBitsOfInterest | ControlBitsToSet) & ~_INHERITANCE_CONTROL:
        refuse(
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
    pSecurityDescriptor.value = parts_so_far(pSecurityDescriptor).with_owner(
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
    pSecurityDescriptor.value = parts_so_far(pSecurityDescriptor).with_group(
        group, 2 if bGroupDefaulted else 0
    )


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
    if isinstance(descriptor, str) or hasattr(descriptor, "__index__"):
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
        refuse(st.INVALID_PARAMETER, "AdjustTokenPrivileges", "no new state is given")
    wanted = [] if NewState is None else NewState.Privileges[: NewState.PrivilegeCount]
    status, before = kernel.adjust_privileges(
        TokenHandle, [(one.Luid, one.Attributes) for one in wanted], bool(DisableAllPrivileges)
    )
    set_last_error(st.winerror(status))
    return TOKEN_PRIVILEGES(len(before), [LUID_AND_ATTRIBUTES(*one) for one in before])
