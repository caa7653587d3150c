# SPDX-License-Identifier: MIT
"""Access control entries, lists and security descriptors, and their self-relative bytes.

Pure data.  Text stands in ``sddl``, what they mean in ``security``.  The bytes come from callers
and from memory that other processes write: every length, offset and count is checked before use
(MS-DTYP 2.4.4 to 2.4.6).
"""

from __future__ import annotations

import struct

from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.records import record
from memsection.vocabulary.remembering import remember_results
from memsection.vocabulary.sid import Sid
from memsection.vocabulary.structs import (
    DACL_SECURITY_INFORMATION,
    GROUP_SECURITY_INFORMATION,
    LABEL_SECURITY_INFORMATION,
    OWNER_SECURITY_INFORMATION,
    SACL_SECURITY_INFORMATION,
)

ACCESS_ALLOWED, ACCESS_DENIED, SYSTEM_AUDIT, MANDATORY_LABEL = 0x00, 0x01, 0x02, 0x11
_DACL_TYPES = frozenset((ACCESS_ALLOWED, ACCESS_DENIED))
_SACL_TYPES = frozenset((SYSTEM_AUDIT, MANDATORY_LABEL))

OBJECT_INHERIT_ACE, CONTAINER_INHERIT_ACE, NO_PROPAGATE_INHERIT_ACE, INHERIT_ONLY_ACE = (
    0x01,
    0x02,
    0x04,
    0x08,
)
INHERITED_ACE, SUCCESSFUL_ACCESS_ACE, FAILED_ACCESS_ACE = 0x10, 0x40, 0x80

SE_OWNER_DEFAULTED, SE_GROUP_DEFAULTED, SE_DACL_PRESENT, SE_DACL_DEFAULTED = 0x1, 0x2, 0x4, 0x8
SE_SACL_PRESENT, SE_SACL_DEFAULTED = 0x10, 0x20
SE_DACL_AUTO_INHERIT_REQ, SE_SACL_AUTO_INHERIT_REQ = 0x100, 0x200
SE_DACL_AUTO_INHERITED, SE_SACL_AUTO_INHERITED = 0x400, 0x800
SE_DACL_PROTECTED, SE_SACL_PROTECTED, SE_SELF_RELATIVE = 0x1000, 0x2000, 0x8000
_OWNER_BITS, _GROUP_BITS, _DACL_BITS, _SACL_BITS = 0x0001, 0x0002, 0x150C, 0x2A30

_HEADER = struct.Struct("<BBHIIII")
_ACL_HEADER = struct.Struct("<BBHHH")
_ACE_HEADER = struct.Struct("<BBHI")


@record(frozen=True, slots=True)
class Ace:
    """One access control entry: what ``sid`` is allowed or denied."""

    type: int
    flags: int
    mask: int
    sid: Sid

    def to_bytes(self) -> bytes:
        """The binary form."""
        sid = self.sid.to_bytes()
        return _ACE_HEADER.pack(self.type, self.flags, _ACE_HEADER.size + len(sid), self.mask) + sid


@record(frozen=True, slots=True)
class Acl:
    """Access control entries in their order."""

    aces: tuple[Ace, ...] = ()
    revision: int = 2

    @classmethod
    def from_bytes(cls, data: bytes, offset: int, allowed_types: frozenset[int]) -> Acl:
        """The list that stands at ``offset``.

        Raises:
            NtError: INVALID_ACL, INVALID_SID.
        """
        if offset + _ACL_HEADER.size > len(data):
            raise NtError(
                st.INVALID_ACL,
                detail=f"an access list at offset {offset} has no room for its header",
            )
        revision, _, size, count, _ = _ACL_HEADER.unpack_from(data, offset)
        end = offset + size
        if not 2 <= revision <= 4 or size < _ACL_HEADER.size or end > len(data):
            raise NtError(
                st.INVALID_ACL,
                detail=f"an access list of revision {revision} and {size} bytes "
                f"where {len(data) - offset} are left",
            )
        aces = []
        position = offset + _ACL_HEADER.size
        for number in range(count):
            ace, position = _ace(data, position, end, number, allowed_types)
            aces.append(ace)
        return cls(tuple(aces), revision)

    def to_bytes(self) -> bytes:
        """The binary form.

        Raises:
            NtError: INVALID_ACL: more than the format can hold.
        """
        body = b"".join(ace.to_bytes() for ace in self.aces)
        size = _ACL_HEADER.size + len(body)
        if size > 0xFFFC:
            raise NtError(
                st.INVALID_ACL, detail=f"an access list of {size} bytes; the format holds 65532"
            )
        return _ACL_HEADER.pack(self.revision, 0, size, len(self.aces), 0) + body


def _ace(
    data: bytes, position: int, end: int, number: int, allowed_types: frozenset[int]
) -> tuple[Ace, int]:
    if position + _ACE_HEADER.size > end:
        raise NtError(
            st.INVALID_ACL, detail=f"entry {number} of an access list begins beyond its end"
        )
    kind, flags, size, mask = _ACE_HEADER.unpack_from(data, position)
    if size < _ACE_HEADER.size + 8 or size % 4 or position + size > end:
        raise NtError(
            st.INVALID_ACL,
            detail=f"entry {number} of an access list claims {size} bytes "
            f"where {end - position} are left",
        )
    if kind not in allowed_types:
        # An entry that is not understood may deny something: ignoring it could grant too much.
        raise NtError(
            st.INVALID_ACL,
            detail=f"entry {number} of an access list has type {kind:#04x}, "
            "which is not understood here",
        )
    return Ace(
        kind, flags, mask, Sid.from_bytes(data, position + _ACE_HEADER.size, position + size)
    ), position + size


@record(frozen=True, slots=True)
class SecurityDescriptor:
    """Owner, group, and who may do what.

    A DACL that is *present* but ``None`` is a NULL DACL: everybody may do everything.  One that is
    not present leaves the default.
    """

    owner: Sid | None = None
    group: Sid | None = None
    dacl: Acl | None = None
    sacl: Acl | None = None
    control: int = 0

    @property
    def dacl_present(self) -> bool:
        """Whether the descriptor says anything about access."""
        return self.control & SE_DACL_PRESENT != 0

    @staticmethod
    def from_bytes(data: bytes) -> SecurityDescriptor:
        """A descriptor from its self-relative bytes.

        Raises:
            NtError: INVALID_SECURITY_DESCR, INVALID_ACL, INVALID_SID.
        """
        return _parse(bytes(memoryview(data)))

    def to_bytes(self) -> bytes:
        """The self-relative form."""
        offsets, body = [], b""
        for part in (self.owner, self.group, self.sacl, self.dacl):
            offsets.append(_HEADER.size + len(body) if part is not None else 0)
            body += part.to_bytes() if part is not None else b""
        return _HEADER.pack(1, 0, self.control | SE_SELF_RELATIVE, *offsets) + body

    def with_dacl(self, dacl: Acl | None, control: int = SE_DACL_PRESENT) -> SecurityDescriptor:
        """This descriptor with another DACL (``None``: a NULL DACL)."""
        return SecurityDescriptor(
            self.owner,
            self.group,
            dacl,
            self.sacl,
            self.control & ~_DACL_BITS | SE_DACL_PRESENT | control & _DACL_BITS,
        )

    def with_owner(self, owner: Sid | None, control: int = 0) -> SecurityDescriptor:
        """This descriptor with another owner."""
        return SecurityDescriptor(
            owner,
            self.group,
            self.dacl,
            self.sacl,
            self.control & ~_OWNER_BITS | control & _OWNER_BITS,
        )

    def with_group(self, group: Sid | None, control: int = 0) -> SecurityDescriptor:
        """This descriptor with another group."""
        return SecurityDescriptor(
            self.owner,
            group,
            self.dacl,
            self.sacl,
            self.control & ~_GROUP_BITS | control & _GROUP_BITS,
        )

    def with_sacl(self, sacl: Acl | None, control: int = SE_SACL_PRESENT) -> SecurityDescriptor:
        """This descriptor with another SACL."""
        return SecurityDescriptor(
            self.owner,
            self.group,
            self.dacl,
            sacl,
            self.control & ~_SACL_BITS | control & _SACL_BITS,
        )

    def select(self, information: int) -> SecurityDescriptor:
        """The parts that ``information`` asks for (``*_SECURITY_INFORMATION``), as
        NtQuerySecurityObject gives them."""
        part = SecurityDescriptor()
        if information & OWNER_SECURITY_INFORMATION:
            part = part.with_owner(self.owner, self.control)
        if information & GROUP_SECURITY_INFORMATION:
            part = part.with_group(self.group, self.control)
        if information & DACL_SECURITY_INFORMATION and self.dacl_present:
            part = part.with_dacl(self.dacl, self.control)
        if information & SACL_SECURITY_INFORMATION:
            part = part.with_sacl(self.sacl, self.control)
        elif information & LABEL_SECURITY_INFORMATION and self.sacl is not None:
            labels = tuple(ace for ace in self.sacl.aces if ace.type == MANDATORY_LABEL)
            part = part.with_sacl(Acl(labels, self.sacl.revision) if labels else None, self.control)
        return part


@remember_results(256)
def _parse(data: bytes) -> SecurityDescriptor:
    if len(data) < _HEADER.size:
        raise NtError(
            st.INVALID_SECURITY_DESCR,
            detail=f"a security descriptor of {len(data)} bytes; the shortest has {_HEADER.size}",
        )
    revision, _, control, *offsets = _HEADER.unpack_from(data)
    if revision != 1 or not control & SE_SELF_RELATIVE:
        raise NtError(
            st.INVALID_SECURITY_DESCR,
            detail=f"a security descriptor of revision {revision}, control "
            f"{control:#06x}: not revision 1 in self-relative form",
        )
    for what, offset in zip(("owner", "group", "SACL", "DACL"), offsets, strict=True):
        if offset and (offset < _HEADER.size or offset % 4 or offset >= len(data)):
            raise NtError(
                st.INVALID_SECURITY_DESCR,
                detail=f"the {what} of a security descriptor of {len(data)} bytes "
                f"at offset {offset}",
            )
    owner, group, sacl, dacl = offsets
    return SecurityDescriptor(
        Sid.from_bytes(data, owner) if owner else None,
        Sid.from_bytes(data, group) if group else None,
        Acl.from_bytes(data, dacl, _DACL_TYPES) if dacl and control & SE_DACL_PRESENT else None,
        Acl.from_bytes(data, sacl, _SACL_TYPES) if sacl and control & SE_SACL_PRESENT else None,
        control & ~SE_SELF_RELATIVE & (_OWNER_BITS | _GROUP_BITS | _DACL_BITS | _SACL_BITS),
    )
