# SPDX-License-Identifier: MIT
"""sddl.h: security descriptors and SIDs as text."""

from __future__ import annotations

from memsection.vocabulary import descriptor, sddl, sid
from memsection.vocabulary import status as st
from memsection.win32._base import DWORD, LPCWSTR, refuse, windows
from memsection.win32.securitybaseapi import SECURITY_DESCRIPTOR, plain
from memsection.win32.securitybaseapi_acl import sid_of
from memsection.win32.winbase import SDDL_REVISION_1

__all__ = [
    "ConvertSecurityDescriptorToStringSecurityDescriptor",
    "ConvertSidToStringSid",
    "ConvertStringSecurityDescriptorToSecurityDescriptor",
    "ConvertStringSidToSid",
]


def _revision(number: int, operation: str) -> None:
    if number != SDDL_REVISION_1:
        refuse(st.UNKNOWN_REVISION, operation, f"revision {number}")


@windows
def ConvertStringSecurityDescriptorToSecurityDescriptor(
    StringSecurityDescriptor: LPCWSTR, StringSDRevision: DWORD = SDDL_REVISION_1
) -> bytes:
    """The self-relative descriptor that a text describes, such as ``D:(A;;GR;;;WD)``.

    Rights:
        None.

    Raises:
        OSError: 1305: a revision that is none; 87: no text, or no descriptor; 1336: no access list,
            or an entry that is none; 1337: an owner or a group that is no SID.
    """
    if StringSecurityDescriptor is None:
        refuse(
            st.INVALID_PARAMETER,
            "ConvertStringSecurityDescriptorToSecurityDescriptor",
            "a text is needed",
        )
    _revision(StringSDRevision, "ConvertStringSecurityDescriptorToSecurityDescriptor")
    return sddl.parse(StringSecurityDescriptor).to_bytes()


@windows
def ConvertSecurityDescriptorToStringSecurityDescriptor(
    SecurityDescriptor: SECURITY_DESCRIPTOR | bytes,
    RequestedStringSDRevision: DWORD = SDDL_REVISION_1,
    SecurityInformation: DWORD = 0xF,
) -> str:
    """A descriptor as text, with the parts that ``SecurityInformation`` names.

    Rights:
        None.

    Raises:
        OSError: 1305: a revision that is none; 1336, 1337, 1338: the bytes are no descriptor.
    """
    _revision(RequestedStringSDRevision, "ConvertSecurityDescriptorToStringSecurityDescriptor")
    return sddl.text(
        descriptor.SecurityDescriptor.from_bytes(plain(SecurityDescriptor)).select(
            SecurityInformation
        )
    )


@windows
def ConvertStringSidToSid(StringSid: LPCWSTR) -> sid.Sid:
    """A SID from its text: ``S-1-...``, or two letters such as ``WD``.

    Rights:
        None.

    Raises:
        OSError: 87: no text; 1337: the text is no SID.
    """
    if StringSid is None:
        refuse(st.INVALID_PARAMETER, "ConvertStringSidToSid", "the text of a SID is needed")
    return sid.Sid.parse(StringSid)


@windows
def ConvertSidToStringSid(Sid: sid.Sid | bytes) -> str:
    """A SID as text.

    Rights:
        None.

    Raises:
        OSError: 1337: the bytes are no SID.
    """
    return str(sid_of(Sid))
