# SPDX-License-Identifier: MIT
"""aclapi.h: the security of an object by its handle or its name, and lists made of entries for
accounts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from memsection.nt import kernel
from memsection.vocabulary import access as a
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.descriptor import (
    ACCESS_ALLOWED,
    ACCESS_DENIED,
    FAILED_ACCESS_ACE,
    INHERITED_ACE,
    SUCCESSFUL_ACCESS_ACE,
    SYSTEM_AUDIT,
    Ace,
    SecurityDescriptor,
)
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.records import record
from memsection.vocabulary.sid import Sid
from memsection.win32._base import DWORD, HANDLE, refuse, to_open, windows
from memsection.win32.accounts import sid_of_account
from memsection.win32.securitybaseapi_acl import ACL, sid_of
from memsection.win32.winbase import (
    DENY_ACCESS,
    GRANT_ACCESS,
    REVOKE_ACCESS,
    SE_FILE_OBJECT,
    SE_KERNEL_OBJECT,
    SET_ACCESS,
    SET_AUDIT_FAILURE,
    SET_AUDIT_SUCCESS,
    TRUSTEE_IS_NAME,
    TRUSTEE_IS_SID,
)
from memsection.win32.winnt import (
    DACL_SECURITY_INFORMATION,
    GROUP_SECURITY_INFORMATION,
    OWNER_SECURITY_INFORMATION,
    SACL_SECURITY_INFORMATION,
)

__all__ = [
    "EXPLICIT_ACCESS",
    "TRUSTEE",
    "GetNamedSecurityInfo",
    "GetSecurityInfo",
    "SetEntriesInAcl",
    "SetNamedSecurityInfo",
    "SetSecurityInfo",
]

_TYPES = (SE_FILE_OBJECT, SE_KERNEL_OBJECT)


def _require_type(kind: int, operation: str) -> None:
    if kind not in _TYPES:
        refuse(
            st.INVALID_PARAMETER,
            operation,
            f"object type {kind}: neither SE_KERNEL_OBJECT nor SE_FILE_OBJECT",
        )


@windows
def GetSecurityInfo(handle: HANDLE, ObjectType: DWORD, SecurityInfo: DWORD) -> bytes:
    """An object's descriptor, with the parts that are asked for, in self-relative form.

    Rights:
        READ_CONTROL; for the SACL ACCESS_SYSTEM_SECURITY, which nobody has on Linux
        (LABEL_SECURITY_INFORMATION needs READ_CONTROL).

    Raises:
        OSError: 5: the right is missing; 6: it is no handle; 87: ``ObjectType`` is not
            SE_KERNEL_OBJECT or SE_FILE_OBJECT.
    """
    _require_type(ObjectType, "GetSecurityInfo")
    return kernel.query_security_object(handle, SecurityInfo)


@windows
def SetSecurityInfo(
    handle: HANDLE,
    ObjectType: DWORD,
    SecurityInfo: DWORD,
    psidOwner: Sid | bytes | str | None = None,
    psidGroup: Sid | bytes | str | None = None,
    pDacl: ACL | None = None,
    pSacl: ACL | None = None,
) -> None:
    """Replace those parts of an object's descriptor that ``SecurityInfo`` names; a DACL of None is
    a NULL DACL.

    Rights:
        WRITE_DAC for the DACL, WRITE_OWNER for owner and group, ACCESS_SYSTEM_SECURITY for the
        SACL.

    Raises:
        OSError: 5: a right is missing; 6: it is no handle; 87: ``ObjectType`` is not
            SE_KERNEL_OBJECT or SE_FILE_OBJECT; 1307: that owner may not be set.
    """
    _require_type(ObjectType, "SetSecurityInfo")
    value = SecurityDescriptor()
    if SecurityInfo & OWNER_SECURITY_INFORMATION and psidOwner is not None:
        value = value.with_owner(sid_of(psidOwner))
    if SecurityInfo & GROUP_SECURITY_INFORMATION and psidGroup is not None:
        value = value.with_group(sid_of(psidGroup))
    if SecurityInfo & DACL_SECURITY_INFORMATION:
        value = value.with_dacl(None if pDacl is None else pDacl.value())
    if SecurityInfo & SACL_SECURITY_INFORMATION:
        value = value.with_sacl(None if pSacl is None else pSacl.value())
    kernel.set_security_object(handle, SecurityInfo, value.to_bytes())


# ------------------------------------------------------------------ by name


@contextmanager
def _open_named(name: str | None, kind: int, access: int, operation: str) -> Iterator[int]:
    """A handle to the object of a name, whatever its type, for the time of the block."""
    _require_type(kind, operation)
    if not name:
        refuse(st.INVALID_PARAMETER, operation, "the name of an object is needed")
    handle = _file(name, access) if kind == SE_FILE_OBJECT else _object(name, access, operation)
    try:
        yield handle
    finally:
        kernel.close(handle)


def _file(path: str, access: int) -> int:
    share = s.FILE_SHARE_READ | s.FILE_SHARE_WRITE | s.FILE_SHARE_DELETE
    return kernel.create_file(access, path, 0, share, s.FILE_OPEN, 0)[0]


def _object(name: str, access: int, operation: str) -> int:
    attributes = to_open(name, False, operation)
    for open_ in (
        kernel.open_section,
        kernel.open_mutant,
        kernel.open_event,
        kernel.open_semaphore,
        kernel.open_timer,
    ):
        try:
            return open_(access, attributes)
        except NtError as failure:
            if failure.status != st.OBJECT_TYPE_MISMATCH:
                raise
    refuse(
        st.OBJECT_TYPE_MISMATCH, operation, "an object of a type that has no security here", name
    )


@windows
def GetNamedSecurityInfo(pObjectName: str, ObjectType: DWORD, SecurityInfo: DWORD) -> bytes:
    """The descriptor of a named section, mutex, event, semaphore or timer, or of a file, in
    self-relative form.

    Rights:
        READ_CONTROL on the object; ACCESS_SYSTEM_SECURITY for its SACL.

    Raises:
        OSError: 2: there is no such object; 5: a right is missing; 87: no name, or ``ObjectType``
            is not SE_KERNEL_OBJECT or SE_FILE_OBJECT.
    """
    access = a.READ_CONTROL | (
        a.ACCESS_SYSTEM_SECURITY if SecurityInfo & SACL_SECURITY_INFORMATION else 0
    )
    with _open_named(pObjectName, ObjectType, access, "GetNamedSecurityInfo") as handle:
        return kernel.query_security_object(handle, SecurityInfo)


@windows
def SetNamedSecurityInfo(
    pObjectName: str,
    ObjectType: DWORD,
    SecurityInfo: DWORD,
    psidOwner: Sid | bytes | str | None = None,
    psidGroup: Sid | bytes | str | None = None,
    pDacl: ACL | None = None,
    pSacl: ACL | None = None,
) -> None:
    """Replace those parts of a named object's descriptor that ``SecurityInfo`` names; a DACL of
    None is a NULL DACL.

    Rights:
        WRITE_DAC on the object for the DACL, WRITE_OWNER for owner and group,
        ACCESS_SYSTEM_SECURITY for the SACL.

    Raises:
        OSError: 2: there is no such object; 5: a right is missing; 87: no name, or ``ObjectType``
            is not SE_KERNEL_OBJECT or SE_FILE_OBJECT; 1307: that owner may not be set; 50: a file
            of Linux, which has a mode instead (os.chmod).
    """
    access = (
        (a.WRITE_DAC if SecurityInfo & DACL_SECURITY_INFORMATION else 0)
        | (a.ACCESS_SYSTEM_SECURITY if SecurityInfo & SACL_SECURITY_INFORMATION else 0)
        | (
            a.WRITE_OWNER
            if SecurityInfo & (OWNER_SECURITY_INFORMATION | GROUP_SECURITY_INFORMATION)
            else 0
        )
    )
    with _open_named(pObjectName, ObjectType, access, "SetNamedSecurityInfo") as handle:
        SetSecurityInfo(handle, ObjectType, SecurityInfo, psidOwner, psidGroup, pDacl, pSacl)


# ------------------------------------------------------------------ entries for accounts


@record(slots=True)
class TRUSTEE:
    """An account: a SID (TRUSTEE_IS_SID), or a name (TRUSTEE_IS_NAME)."""

    ptstrName: Sid | bytes | str
    TrusteeForm: int = TRUSTEE_IS_SID
    TrusteeType: int = 0


@record(slots=True)
class EXPLICIT_ACCESS:
    """What one account is to be granted, denied, or to have recorded (GRANT_ACCESS, SET_ACCESS and
    so on)."""

    grfAccessPermissions: int
    grfAccessMode: int
    grfInheritance: int
    Trustee: TRUSTEE


def _trustee(trustee: TRUSTEE) -> Sid:
    if trustee.TrusteeForm == TRUSTEE_IS_NAME and isinstance(trustee.ptstrName, str):
        return sid_of_account(trustee.ptstrName)
    if trustee.TrusteeForm != TRUSTEE_IS_SID:
        refuse(
            st.INVALID_PARAMETER,
            "SetEntriesInAcl",
            f"trustee form {trustee.TrusteeForm}; a SID or a name is taken",
        )
    return sid_of(trustee.ptstrName)


def _without(aces: list[Ace], sid: Sid, kind: int, mask: int) -> list[Ace]:
    """``aces`` less the rights in ``mask`` of one account's own entries of a kind."""
    kept = []
    for ace in aces:
        if ace.sid == sid and ace.type == kind and not ace.flags & INHERITED_ACE:
            ace = Ace(ace.type, ace.flags, ace.mask & ~mask, ace.sid)
            if not ace.mask:
                continue
        kept.append(ace)
    return kept


def _apply_entry(aces: list[Ace], entry: EXPLICIT_ACCESS) -> list[Ace]:
    """``aces`` with one entry applied."""
    sid, mode, mask = _trustee(entry.Trustee), entry.grfAccessMode, entry.grfAccessPermissions
    everything = 0xFFFFFFFF
    if mode in (SET_ACCESS, REVOKE_ACCESS):
        aces = _without(aces, sid, ACCESS_ALLOWED, everything)
        if mode == REVOKE_ACCESS:
            return aces
        aces = _without(aces, sid, ACCESS_DENIED, everything)
    kind, flags = {
        GRANT_ACCESS: (ACCESS_ALLOWED, 0),
        SET_ACCESS: (ACCESS_ALLOWED, 0),
        DENY_ACCESS: (ACCESS_DENIED, 0),
        SET_AUDIT_SUCCESS: (SYSTEM_AUDIT, SUCCESSFUL_ACCESS_ACE),
        SET_AUDIT_FAILURE: (SYSTEM_AUDIT, FAILED_ACCESS_ACE),
    }.get(mode, (-1, 0))
    if kind < 0:
        refuse(st.INVALID_PARAMETER, "SetEntriesInAcl", f"access mode {mode}")
    if mode == GRANT_ACCESS:
        aces = _without(aces, sid, ACCESS_DENIED, mask)
    flags |= entry.grfInheritance
    for position, ace in enumerate(aces):
        if (ace.sid, ace.type, ace.flags) == (sid, kind, flags):
            return [*aces[:position], Ace(kind, flags, ace.mask | mask, sid), *aces[position + 1 :]]
    return [*aces, Ace(kind, flags, mask, sid)]


def SetEntriesInAcl(
    pListOfExplicitEntries: Sequence[EXPLICIT_ACCESS], OldAcl: ACL | None = None
) -> ACL:
    """A new list: the old one with entries granted, set, denied or revoked, in the canonical order.

    GRANT_ACCESS adds rights to what an account has and takes them out of what it is denied;
    SET_ACCESS replaces all that an account has; REVOKE_ACCESS removes what it is granted;
    DENY_ACCESS denies in addition.  The account's own denials stand first, then what is granted,
    then what was inherited.

    Rights:
        None.

    Raises:
        OSError: 87: a mode or form that is none; 1332: no such account; 1337: no SID.
    """
    return _set_entries(pListOfExplicitEntries, OldAcl)


@windows
def _set_entries(entries: Sequence[EXPLICIT_ACCESS], old: ACL | None) -> ACL:
    aces = [] if old is None else list(old.aces)
    for entry in entries:
        aces = _apply_entry(aces, entry)
    aces.sort(key=lambda ace: 2 if ace.flags & INHERITED_ACE else ace.type != ACCESS_DENIED)
    return ACL(aces)
