# SPDX-License-Identifier: MIT
"""aclapi.h: reading and changing the security of an object through its handle."""

from __future__ import annotations

from memsection.nt import kernel
from memsection.vocabulary import status as st
from memsection.vocabulary.descriptor import SecurityDescriptor
from memsection.vocabulary.sid import Sid
from memsection.win32._base import DWORD, HANDLE, failed, windows
from memsection.win32.securitybaseapi import ACL, sid_of
from memsection.win32.winbase import SE_FILE_OBJECT, SE_KERNEL_OBJECT
from memsection.win32.winnt import (
    DACL_SECURITY_INFORMATION,
    GROUP_SECURITY_INFORMATION,
    OWNER_SECURITY_INFORMATION,
)

__all__ = ["GetSecurityInfo", "SetSecurityInfo"]

_TYPES = (SE_FILE_OBJECT, SE_KERNEL_OBJECT)


def _checked(kind: int, operation: str) -> None:
    if kind not in _TYPES:
        failed(st.INVALID_PARAMETER, operation, f"object type {kind}: neither SE_KERNEL_OBJECT nor SE_FILE_OBJECT")


@windows
def GetSecurityInfo(handle: HANDLE, ObjectType: DWORD, SecurityInfo: DWORD) -> bytes:
    """An object's descriptor, with the parts that are asked for, in self-relative form.

    Rights:
        READ_CONTROL.

    Raises:
        OSError: 5: the right is missing; 6: it is no handle; 87: ``ObjectType`` is not SE_KERNEL_OBJECT or
            SE_FILE_OBJECT.
    """
    _checked(ObjectType, "GetSecurityInfo")
    return kernel.query_security_object(handle, SecurityInfo)


@windows
def SetSecurityInfo(handle: HANDLE, ObjectType: DWORD, SecurityInfo: DWORD, psidOwner: Sid | bytes | str | None = None,
                    psidGroup: Sid | bytes | str | None = None, pDacl: ACL | None = None) -> None:
    """Replace those parts of an object's descriptor that ``SecurityInfo`` names; a DACL of None is a NULL DACL.

    Rights:
        WRITE_DAC for the DACL, WRITE_OWNER for owner and group.

    Raises:
        OSError: 5: a right is missing; 6: it is no handle; 87: ``ObjectType`` is not SE_KERNEL_OBJECT or
            SE_FILE_OBJECT; 1307: that owner may not be set.
    """
    _checked(ObjectType, "SetSecurityInfo")
    value = SecurityDescriptor()
    if SecurityInfo & OWNER_SECURITY_INFORMATION and psidOwner is not None:
        value = value.with_owner(sid_of(psidOwner))
    if SecurityInfo & GROUP_SECURITY_INFORMATION and psidGroup is not None:
        value = value.with_group(sid_of(psidGroup))
    if SecurityInfo & DACL_SECURITY_INFORMATION:
        value = value.with_dacl(None if pDacl is None else pDacl.value())
    kernel.set_security_object(handle, SecurityInfo, value.to_bytes())
