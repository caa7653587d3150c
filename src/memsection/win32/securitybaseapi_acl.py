# SPDX-License-Identifier: MIT
"""securitybaseapi.h: access lists as programs build them, entry by entry."""

from __future__ import annotations

from collections.abc import Iterable

from memsection.vocabulary import status as st
from memsection.vocabulary.descriptor import (
    ACCESS_ALLOWED,
    ACCESS_DENIED,
    FAILED_ACCESS_ACE,
    SUCCESSFUL_ACCESS_ACE,
    SYSTEM_AUDIT,
    Ace,
    Acl,
)
from memsection.vocabulary.sid import Sid
from memsection.win32._base import BOOL, DWORD, refuse, windows
from memsection.win32.winnt import ACL_REVISION, ACL_REVISION_DS, VALID_INHERIT_FLAGS

__all__ = [
    "ACL",
    "AddAccessAllowedAce",
    "AddAccessAllowedAceEx",
    "AddAccessDeniedAce",
    "AddAccessDeniedAceEx",
    "AddAuditAccessAceEx",
    "InitializeAcl",
]

_MOST_BYTES = 0xFFFC  #: what an access list can hold (MS-DTYP 2.4.5)
_SMALLEST_ACL = 8


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


def sid_of(sid: Sid | bytes | str) -> Sid:
    """A SID from any of its forms."""
    if isinstance(sid, Sid):
        return sid
    return Sid.parse(sid) if isinstance(sid, str) else Sid.from_bytes(bytes(memoryview(sid)))


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
        refuse(
            st.BUFFER_TOO_SMALL,
            "InitializeAcl",
            f"{nAclLength} bytes; the header of a list takes {_SMALLEST_ACL}",
        )
    if nAclLength > 0xFFFF:
        refuse(
            st.INVALID_PARAMETER, "InitializeAcl", f"{nAclLength} bytes; a list holds {_MOST_BYTES}"
        )
    if not ACL_REVISION <= dwAclRevision <= ACL_REVISION_DS:
        refuse(st.INVALID_PARAMETER, "InitializeAcl", f"revision {dwAclRevision}")
    pAcl.aces, pAcl.size, pAcl.revision = [], nAclLength & ~3, dwAclRevision


def _add(
    acl: ACL,
    revision: int,
    ace: tuple[int, int, int],
    sid: Sid | bytes | str,
    operation: str,
    audit: int = 0,
) -> None:
    """Add an entry of this type, with these flags of inheritance and this mask."""
    kind, flags, mask = ace
    if flags & ~VALID_INHERIT_FLAGS:
        refuse(st.INVALID_PARAMETER, operation, f"{flags:#x} are not flags of inheritance")
    if not isinstance(acl, ACL):
        raise TypeError(f"an ACL is needed, not {type(acl).__name__}")
    if not 0 < revision <= ACL_REVISION_DS:
        refuse(st.REVISION_MISMATCH, operation, f"revision {revision} of an entry")
    entry = Ace(kind, flags | audit, mask, sid_of(sid))
    size = len(bytes(acl)) + len(entry.to_bytes())
    if size > acl.size:
        refuse(
            st.ALLOTTED_SPACE_EXCEEDED,
            operation,
            f"the list would take {size} bytes and has room for {acl.size}",
        )
    acl.aces.append(entry)
    acl.revision = max(acl.revision, revision)


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
    _add(pAcl, dwAceRevision, (ACCESS_ALLOWED, 0, AccessMask), pSid, "AddAccessAllowedAce")


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
    _add(pAcl, dwAceRevision, (ACCESS_ALLOWED, AceFlags, AccessMask), pSid, "AddAccessAllowedAceEx")


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
    _add(pAcl, dwAceRevision, (ACCESS_DENIED, 0, AccessMask), pSid, "AddAccessDeniedAce")


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
    _add(pAcl, dwAceRevision, (ACCESS_DENIED, AceFlags, AccessMask), pSid, "AddAccessDeniedAceEx")


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
    audit = (SUCCESSFUL_ACCESS_ACE if bAuditSuccess else 0) | (
        FAILED_ACCESS_ACE if bAuditFailure else 0
    )
    entry = SYSTEM_AUDIT, AceFlags, AccessMask
    _add(pAcl, dwAceRevision, entry, pSid, "AddAuditAccessAceEx", audit)
