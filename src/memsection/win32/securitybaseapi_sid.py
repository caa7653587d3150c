# SPDX-License-Identifier: MIT
"""securitybaseapi.h: SIDs: making, comparing and taking them apart, and the well-known ones.

A SID is a ``Sid``, its bytes or its text.
"""

from __future__ import annotations

from memsection.vocabulary import sid as wellknown
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.sid import Sid
from memsection.win32._base import DWORD, refuse, set_last_error, windows
from memsection.win32.securitybaseapi_acl import sid_of

__all__ = [
    "AllocateAndInitializeSid",
    "CreateWellKnownSid",
    "EqualSid",
    "GetLengthSid",
    "GetSidIdentifierAuthority",
    "GetSidSubAuthority",
    "GetSidSubAuthorityCount",
    "IsValidSid",
    "IsWellKnownSid",
]


@windows
def IsValidSid(pSid: Sid | bytes | str) -> bool:
    """Whether this is a SID; the last error is 0 or 1337.

    Rights:
        None.

    Raises:
        Nothing.
    """
    try:
        sid_of(pSid)
    except NtError:
        set_last_error(st.winerror(st.INVALID_SID))
        return False
    set_last_error(0)
    return True


@windows
def EqualSid(pSid1: Sid | bytes | str, pSid2: Sid | bytes | str) -> bool:
    """Whether two SIDs are the same; what is no SID equals nothing.  The last error is 0.

    Rights:
        None.

    Raises:
        Nothing.
    """
    set_last_error(0)
    try:
        return sid_of(pSid1) == sid_of(pSid2)
    except NtError:
        return False


@windows
def GetLengthSid(pSid: Sid | bytes | str) -> int:
    """Bytes of a SID.

    Rights:
        None.

    Raises:
        OSError: 1337: no SID.
    """
    return len(sid_of(pSid).to_bytes())


@windows
def GetSidIdentifierAuthority(pSid: Sid | bytes | str) -> bytes:
    """The six bytes of a SID's authority, the most significant first.

    Rights:
        None.

    Raises:
        OSError: 1337: no SID.
    """
    return sid_of(pSid).authority.to_bytes(6, "big")


@windows
def GetSidSubAuthorityCount(pSid: Sid | bytes | str) -> int:
    """How many sub-authorities a SID has.

    Rights:
        None.

    Raises:
        OSError: 1337: no SID.
    """
    return len(sid_of(pSid).subs)


@windows
def GetSidSubAuthority(pSid: Sid | bytes | str, nSubAuthority: DWORD) -> int:
    """One sub-authority of a SID, counted from 0.

    Rights:
        None.

    Raises:
        OSError: 87: there are not so many (Windows reads beyond the SID); 1337: no SID.
    """
    subs = sid_of(pSid).subs
    if nSubAuthority >= len(subs):
        refuse(
            st.INVALID_PARAMETER,
            "GetSidSubAuthority",
            f"sub-authority {nSubAuthority} of {len(subs)}",
        )
    return subs[nSubAuthority]


@windows
def AllocateAndInitializeSid(
    pIdentifierAuthority: bytes | int,
    nSubAuthorityCount: DWORD,
    nSubAuthority0: DWORD = 0,
    nSubAuthority1: DWORD = 0,
    nSubAuthority2: DWORD = 0,
    nSubAuthority3: DWORD = 0,
    nSubAuthority4: DWORD = 0,
    nSubAuthority5: DWORD = 0,
    nSubAuthority6: DWORD = 0,
    nSubAuthority7: DWORD = 0,
) -> Sid:
    """A SID of an authority (six bytes, or a number) and up to 8 sub-authorities.

    Rights:
        None.

    Raises:
        OSError: 87: an authority that is out of range; 1337: more than 8 sub-authorities.
    """
    authority = (
        pIdentifierAuthority
        if isinstance(pIdentifierAuthority, int)
        else int.from_bytes(bytes(memoryview(pIdentifierAuthority)), "big")
    )
    if not 0 <= authority < 1 << 48:
        refuse(
            st.INVALID_PARAMETER,
            "AllocateAndInitializeSid",
            f"authority {authority:#x} is not of six bytes",
        )
    if nSubAuthorityCount > 8:
        refuse(
            st.INVALID_SID,
            "AllocateAndInitializeSid",
            f"{nSubAuthorityCount} sub-authorities; 8 can be given here",
        )
    subs = (
        nSubAuthority0,
        nSubAuthority1,
        nSubAuthority2,
        nSubAuthority3,
        nSubAuthority4,
        nSubAuthority5,
        nSubAuthority6,
        nSubAuthority7,
    )
    return Sid(authority, subs[:nSubAuthorityCount])


@windows
def CreateWellKnownSid(WellKnownSidType: DWORD, DomainSid: Sid | bytes | str | None = None) -> Sid:
    """A well-known SID by its WELL_KNOWN_SID_TYPE (WinWorldSid is 1, WinLocalSystemSid 22 ...).

    Args:
        WellKnownSidType: A number of the enumeration in winnt.h, 0 to 71.
        DomainSid: The domain, for the accounts of a domain (38 to 50); otherwise not used.

    Rights:
        None.

    Raises:
        OSError: 87: a type that is none, or a missing domain; 1337: the domain is no SID.
    """
    known = wellknown.WELL_KNOWN.get(WellKnownSidType)
    if known is not None:
        return known
    rid = wellknown.WELL_KNOWN_OF_DOMAIN.get(WellKnownSidType)
    if rid is None or DomainSid is None:
        refuse(
            st.INVALID_PARAMETER,
            "CreateWellKnownSid",
            f"type {WellKnownSidType}"
            + (" needs the SID of its domain" if rid else " is no WELL_KNOWN_SID_TYPE here"),
        )
    domain = sid_of(DomainSid)
    return Sid(domain.authority, (*domain.subs, rid))


@windows
def IsWellKnownSid(pSid: Sid | bytes | str, WellKnownSidType: DWORD) -> bool:
    """Whether a SID is the well-known one of this type.

    Rights:
        None.

    Raises:
        OSError: 1337: no SID.
    """
    sid = sid_of(pSid)
    rid = wellknown.WELL_KNOWN_OF_DOMAIN.get(WellKnownSidType)
    if rid is not None:
        return sid.authority == 5 and sid.subs[:1] == (21,) and sid.subs[-1] == rid
    return sid == wellknown.WELL_KNOWN.get(WellKnownSidType)
