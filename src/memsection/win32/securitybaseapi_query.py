# SPDX-License-Identifier: MIT
"""securitybaseapi.h: taking descriptors and access lists apart.

A descriptor is a SECURITY_DESCRIPTOR or the bytes of a self-relative one; a list is an ACL or its
bytes.  Building them is in ``securitybaseapi`` and ``securitybaseapi_acl``.
"""

from __future__ import annotations

from memsection.vocabulary import status as st
from memsection.vocabulary.descriptor import (
    ACCESS_ALLOWED,
    ACCESS_DENIED,
    MANDATORY_LABEL,
    SYSTEM_AUDIT,
    Ace,
    Acl,
    SecurityDescriptor,
)
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.sid import Sid
from memsection.win32._base import DWORD, refuse, set_last_error, windows
from memsection.win32.securitybaseapi import SECURITY_DESCRIPTOR, parts_so_far
from memsection.win32.securitybaseapi_acl import ACL
from memsection.win32.winnt import (
    SE_DACL_DEFAULTED,
    SE_DACL_PRESENT,
    SE_GROUP_DEFAULTED,
    SE_OWNER_DEFAULTED,
    SE_SACL_DEFAULTED,
    SE_SACL_PRESENT,
    SE_SELF_RELATIVE,
    SECURITY_DESCRIPTOR_REVISION,
    AclRevisionInformation,
    AclSizeInformation,
)

__all__ = [
    "GetAce",
    "GetAclInformation",
    "GetSecurityDescriptorControl",
    "GetSecurityDescriptorDacl",
    "GetSecurityDescriptorGroup",
    "GetSecurityDescriptorLength",
    "GetSecurityDescriptorOwner",
    "GetSecurityDescriptorSacl",
    "IsValidAcl",
    "IsValidSecurityDescriptor",
    "MakeAbsoluteSD",
    "MakeSelfRelativeSD",
]

_ALL_TYPES = frozenset((ACCESS_ALLOWED, ACCESS_DENIED, SYSTEM_AUDIT, MANDATORY_LABEL))
_ABSOLUTE_BYTES = 40  #: SECURITY_DESCRIPTOR_MIN_LENGTH of 64-bit Windows


def _value(descriptor: SECURITY_DESCRIPTOR | bytes) -> tuple[SecurityDescriptor, int]:
    """A descriptor and its control word, which says whether it is self-relative."""
    if isinstance(descriptor, str) or hasattr(descriptor, "__index__"):
        raise TypeError(
            f"a SECURITY_DESCRIPTOR or its bytes are needed, not {type(descriptor).__name__}"
        )
    if isinstance(descriptor, SECURITY_DESCRIPTOR):
        value = parts_so_far(descriptor)
        return value, value.control
    value = SecurityDescriptor.from_bytes(bytes(descriptor))
    return value, value.control | SE_SELF_RELATIVE


def _list(acl: ACL | bytes) -> Acl:
    if isinstance(acl, ACL):
        return acl.value()
    return Acl.from_bytes(bytes(memoryview(acl)), 0, _ALL_TYPES)


def _editable(acl: Acl | None) -> ACL | None:
    return None if acl is None else ACL(acl.aces, acl.revision)


@windows
def GetSecurityDescriptorOwner(
    pSecurityDescriptor: SECURITY_DESCRIPTOR | bytes,
) -> tuple[Sid | None, bool]:
    """The owner, or None where none is named, and whether it was set by default.

    Rights:
        None.

    Raises:
        OSError: 1305: the descriptor was not initialized; 1336, 1337, 1338: the bytes are no
            descriptor.
    """
    value, control = _value(pSecurityDescriptor)
    return value.owner, bool(control & SE_OWNER_DEFAULTED)


@windows
def GetSecurityDescriptorGroup(
    pSecurityDescriptor: SECURITY_DESCRIPTOR | bytes,
) -> tuple[Sid | None, bool]:
    """The group, or None where none is named, and whether it was set by default.

    Rights:
        None.

    Raises:
        OSError: 1305: the descriptor was not initialized; 1336, 1337, 1338: the bytes are no
            descriptor.
    """
    value, control = _value(pSecurityDescriptor)
    return value.group, bool(control & SE_GROUP_DEFAULTED)


@windows
def GetSecurityDescriptorDacl(
    pSecurityDescriptor: SECURITY_DESCRIPTOR | bytes,
) -> tuple[bool, ACL | None, bool]:
    """Whether there is a DACL, the DACL, and whether it was set by default.

    Returns:
        ``(False, None, False)`` where nothing is said; ``(True, None, ...)`` for a NULL DACL, which
        gives everybody everything; else the list, a copy that may be changed.

    Rights:
        None.

    Raises:
        OSError: 1305: the descriptor was not initialized; 1336, 1337, 1338: the bytes are no
            descriptor.
    """
    value, control = _value(pSecurityDescriptor)
    if not control & SE_DACL_PRESENT:
        return False, None, False
    return True, _editable(value.dacl), bool(control & SE_DACL_DEFAULTED)


@windows
def GetSecurityDescriptorSacl(
    pSecurityDescriptor: SECURITY_DESCRIPTOR | bytes,
) -> tuple[bool, ACL | None, bool]:
    """Whether there is a SACL, the SACL, and whether it was set by default.

    Rights:
        None.

    Raises:
        OSError: 1305: the descriptor was not initialized; 1336, 1337, 1338: the bytes are no
            descriptor.
    """
    value, control = _value(pSecurityDescriptor)
    if not control & SE_SACL_PRESENT:
        return False, None, False
    return True, _editable(value.sacl), bool(control & SE_SACL_DEFAULTED)


@windows
def GetSecurityDescriptorControl(
    pSecurityDescriptor: SECURITY_DESCRIPTOR | bytes,
) -> tuple[int, int]:
    """The control bits (SE_DACL_PRESENT and so on; SE_SELF_RELATIVE for bytes), and the revision.

    Rights:
        None.

    Raises:
        OSError: 1305: the descriptor was not initialized; 1336, 1337, 1338: the bytes are no
            descriptor.
    """
    return _value(pSecurityDescriptor)[1], SECURITY_DESCRIPTOR_REVISION


@windows
def GetSecurityDescriptorLength(pSecurityDescriptor: SECURITY_DESCRIPTOR | bytes) -> int:
    """Bytes of a descriptor with all its parts; one that is being filled in counts as 64-bit
    Windows has it.

    Rights:
        None.

    Raises:
        OSError: 1305: the descriptor was not initialized; 1336, 1337, 1338: the bytes are no
            descriptor.
    """
    value, control = _value(pSecurityDescriptor)
    relative = len(value.to_bytes())
    return relative if control & SE_SELF_RELATIVE else relative - 20 + _ABSOLUTE_BYTES


@windows
def MakeSelfRelativeSD(pAbsoluteSecurityDescriptor: SECURITY_DESCRIPTOR) -> bytes:
    """The self-relative bytes of a descriptor that was filled in.

    Rights:
        None.

    Raises:
        OSError: 1305: the descriptor was not initialized; 1361: it is self-relative already.
    """
    if not isinstance(pAbsoluteSecurityDescriptor, SECURITY_DESCRIPTOR):
        refuse(
            st.BAD_DESCRIPTOR_FORMAT,
            "MakeSelfRelativeSD",
            "the descriptor is self-relative already",
        )
    return bytes(pAbsoluteSecurityDescriptor)


@windows
def MakeAbsoluteSD(pSelfRelativeSecurityDescriptor: bytes) -> SECURITY_DESCRIPTOR:
    """A descriptor that can be changed, from self-relative bytes.

    Rights:
        None.

    Raises:
        OSError: 1336, 1337, 1338: the bytes are no descriptor; 1361: it is no self-relative one.
    """
    if isinstance(pSelfRelativeSecurityDescriptor, SECURITY_DESCRIPTOR):
        refuse(st.BAD_DESCRIPTOR_FORMAT, "MakeAbsoluteSD", "the descriptor is not self-relative")
    result = SECURITY_DESCRIPTOR()
    result.value = _value(pSelfRelativeSecurityDescriptor)[0]
    return result


@windows
def IsValidSecurityDescriptor(pSecurityDescriptor: SECURITY_DESCRIPTOR | bytes) -> bool:
    """Whether every part of a descriptor is well formed; the last error is 0 or 1338.

    Rights:
        None.

    Raises:
        Nothing.
    """
    try:
        _value(pSecurityDescriptor)
    except NtError:
        set_last_error(st.winerror(st.INVALID_SECURITY_DESCR))
        return False
    set_last_error(0)
    return True


# ------------------------------------------------------------------ access lists


@windows
def GetAce(pAcl: ACL | bytes, dwAceIndex: DWORD) -> Ace:
    """One entry of a list: its ``type``, ``flags``, ``mask`` and ``sid``.

    Rights:
        None.

    Raises:
        OSError: 87: there are not so many entries; 1336: the bytes are no list.
    """
    aces = _list(pAcl).aces
    if dwAceIndex >= len(aces):
        refuse(st.INVALID_PARAMETER, "GetAce", f"entry {dwAceIndex} of a list of {len(aces)}")
    return aces[dwAceIndex]


@windows
def GetAclInformation(
    pAcl: ACL | bytes, dwAclInformationClass: DWORD = AclSizeInformation
) -> tuple[int, ...]:
    """``(AceCount, AclBytesInUse, AclBytesFree)`` for AclSizeInformation, ``(AclRevision,)`` for
    AclRevisionInformation.

    Rights:
        None.

    Raises:
        OSError: 87: another class; 1336: the bytes are no list.
    """
    value = _list(pAcl)
    if dwAclInformationClass == AclRevisionInformation:
        return (value.revision,)
    if dwAclInformationClass != AclSizeInformation:
        refuse(
            st.INVALID_PARAMETER, "GetAclInformation", f"information class {dwAclInformationClass}"
        )
    used = len(value.to_bytes())
    size = (
        pAcl.size
        if isinstance(pAcl, ACL)
        else int.from_bytes(bytes(memoryview(pAcl))[2:4], "little")
    )
    return len(value.aces), used, size - used


@windows
def IsValidAcl(pAcl: ACL | bytes) -> bool:
    """Whether a list and its entries are well formed; the last error is 0 or 1336.

    Rights:
        None.

    Raises:
        Nothing.
    """
    try:
        _list(pAcl)
    except NtError:
        set_last_error(st.winerror(st.INVALID_ACL))
        return False
    set_last_error(0)
    return True
