# SPDX-License-Identifier: MIT
"""Who may do what: tokens, the access check, and the descriptor that a new object gets.

Pure decisions over descriptors, the same on every system that has no access check of its own.  The
forms of a descriptor stand in ``descriptor`` and ``sddl``, SIDs in ``sid``; what the Linux kernel
can be told of a descriptor is in ``nt.linux.bodies.permissions``.  This is also the module that
users get as ``memsection.security``.
"""

from __future__ import annotations

from memsection.vocabulary import access as a
from memsection.vocabulary import sid as wellknown
from memsection.vocabulary import status as st
from memsection.vocabulary.descriptor import (
    ACCESS_ALLOWED,
    INHERIT_ONLY_ACE,
    MANDATORY_LABEL,
    SE_DACL_PRESENT,
    Ace,
    Acl,
    SecurityDescriptor,
)
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.object_types import BY_NUMBER, ObjectType
from memsection.vocabulary.records import record
from memsection.vocabulary.remembering import remember_results
from memsection.vocabulary.sid import Sid
from memsection.vocabulary.structs import (
    DACL_SECURITY_INFORMATION,
    GROUP_SECURITY_INFORMATION,
    OWNER_SECURITY_INFORMATION,
    SACL_SECURITY_INFORMATION,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "Ace",
    "Acl",
    "SecurityDescriptor",
    "Sid",
    "Token",
    "access_check",
    "assign_descriptor",
    "creation_descriptor",
    "default_descriptor",
    "from_sddl",
    "maximum_access",
    "merge_descriptors",
    "to_sddl",
]

SE_SECURITY_PRIVILEGE = "SeSecurityPrivilege"
SE_RESTORE_PRIVILEGE = "SeRestorePrivilege"
_EVERY_RIGHT = 0x1FFFFF  #: standard and specific rights that a mask has room for
_OWNER_IMPLICIT = a.READ_CONTROL | a.WRITE_DAC
#: Every account that runs a process here is a member of these.
EVERYBODY = frozenset(
    (
        wellknown.EVERYONE,
        wellknown.LOCAL,
        wellknown.INTERACTIVE,
        wellknown.AUTHENTICATED_USERS,
        wellknown.USERS,
    )
)


@record(frozen=True, eq=False)
class Token:
    """Who asks: user, groups, and a question to the system about privileges.

    Attributes:
        user: The caller's own SID, which new objects are owned by.
        groups: Every group the caller is in, well-known ones included.
        primary_group: The group of new objects.
        privileged: Whether the caller holds a privilege, by its name, at this moment.
    """

    user: Sid
    groups: frozenset[Sid] = EVERYBODY
    primary_group: Sid | None = None
    privileged: Callable[[str], bool] = lambda _: False

    @property
    def sids(self) -> frozenset[Sid]:
        """Every SID that entries are compared with."""
        return self.groups | {self.user}


def maximum_access(descriptor: SecurityDescriptor, sids: frozenset[Sid], kind: ObjectType) -> int:
    """Every right of ``kind`` that the descriptor gives to somebody who has these SIDs.

    Entry by entry in their order, a right belongs to the first entry that mentions it (MS-DTYP
    2.5.3.2).
    """
    if not descriptor.dacl_present or descriptor.dacl is None:
        return kind.generic_all
    aces = [ace for ace in descriptor.dacl.aces if not ace.flags & INHERIT_ONLY_ACE]
    is_owner = descriptor.owner in sids
    granted = denied = 0
    if is_owner:
        if all(ace.sid != wellknown.OWNER_RIGHTS for ace in aces):
            granted = _OWNER_IMPLICIT
        sids = sids | {wellknown.OWNER_RIGHTS}
    for ace in aces:
        if ace.sid in sids:
            mask = kind.specific(ace.mask)
            if ace.type == ACCESS_ALLOWED:
                granted |= mask & ~denied
            else:
                denied |= mask & ~granted
    return granted & kind.valid


@remember_results(512)
def _maximum(descriptor: bytes, token: Token, kind: int) -> int | None:
    parsed = SecurityDescriptor.from_bytes(descriptor)
    if not parsed.dacl_present or parsed.dacl is None:
        return None
    return maximum_access(parsed, token.sids, BY_NUMBER[kind])


def access_check(
    descriptor: SecurityDescriptor | bytes, token: Token, desired: int, kind: ObjectType
) -> int:
    """The rights that an open with ``desired`` access grants: all that were asked for, or none.

    Args:
        descriptor: The object's descriptor; bytes are checked and remembered, which makes the next
            check cheap.
        token: Who asks.  Nobody is above the check: neither the owner nor an administrator.
        desired: Specific, standard and generic rights, MAXIMUM_ALLOWED.
        kind: The object's type.

    Raises:
        NtError: ACCESS_DENIED; PRIVILEGE_NOT_HELD for ACCESS_SYSTEM_SECURITY; the INVALID_*
            statuses for bytes that are no descriptor.
    """
    data = descriptor if isinstance(descriptor, bytes) else descriptor.to_bytes()
    return _grant(_maximum(data, token, kind.number), token, desired, kind)


def _grant(found: int | None, token: Token, desired: int, kind: ObjectType) -> int:
    """What is granted of ``desired`` where the descriptor gives ``found``; None for a descriptor
    without an access list."""
    wanted = kind.specific(desired)
    system = wanted & a.ACCESS_SYSTEM_SECURITY
    if system and not token.privileged(SE_SECURITY_PRIVILEGE):
        raise NtError(
            st.PRIVILEGE_NOT_HELD, detail=f"ACCESS_SYSTEM_SECURITY needs {SE_SECURITY_PRIVILEGE}"
        )
    most = wanted & a.MAXIMUM_ALLOWED
    wanted &= ~(a.ACCESS_SYSTEM_SECURITY | a.MAXIMUM_ALLOWED)
    everything = found is None  # a NULL DACL grants even rights beyond GENERIC_ALL
    allowed = kind.generic_all if found is None else found
    granted = wanted | (allowed if most else 0) | system
    if wanted & ~kind.valid or (wanted & ~allowed and not everything) or not granted:
        raise NtError(
            st.ACCESS_DENIED,
            detail=f"asked for {kind.words(desired)}, "
            f"the security descriptor grants {kind.words(allowed)}",
        )
    return granted


def mapped_access_check(
    descriptor: SecurityDescriptor, token: Token, desired: int, mapping: tuple[int, int, int, int]
) -> int:
    """``access_check`` for objects of a program's own: ``mapping`` says what generic read, write,
    execute and all mean.

    Raises:
        NtError: As ``access_check``; GENERIC_NOT_MAPPED for generic rights in ``desired``;
            INVALID_SECURITY_DESCR for a descriptor without an owner or a group.
    """
    if desired & a.GENERIC_MASK:
        raise NtError(st.GENERIC_NOT_MAPPED, detail=f"asked for {desired:#x}")
    if descriptor.owner is None or descriptor.group is None:
        raise NtError(st.INVALID_SECURITY_DESCR, detail="it names no owner, or no group")
    kind = ObjectType("Object", 0, _EVERY_RIGHT, *mapping, False, False, {})
    unrestricted = not descriptor.dacl_present or descriptor.dacl is None
    return _grant(
        None if unrestricted else maximum_access(descriptor, token.sids, kind), token, desired, kind
    )


def default_descriptor(token: Token, kind: ObjectType) -> SecurityDescriptor:
    """What a new object gets whose creator says nothing: private to the creator."""
    only = Acl((Ace(ACCESS_ALLOWED, 0, kind.generic_all, token.user),))
    return SecurityDescriptor(token.user, token.primary_group, only, None, SE_DACL_PRESENT)


def assign_descriptor(
    supplied: SecurityDescriptor | bytes | None, token: Token, kind: ObjectType
) -> SecurityDescriptor:
    """The descriptor of a new object: what its creator supplied, completed by the defaults
    (SeAssignSecurity).

    Raises:
        NtError: INVALID_OWNER, PRIVILEGE_NOT_HELD, and the INVALID_* statuses for bytes that are no
            descriptor.
    """
    default = default_descriptor(token, kind)
    if supplied is None:
        return default
    parsed = SecurityDescriptor.from_bytes(supplied) if isinstance(supplied, bytes) else supplied
    result = default
    if parsed.owner is not None:
        result = result.with_owner(_permitted_owner(parsed.owner, token))
    if parsed.group is not None:
        result = result.with_group(parsed.group)
    if parsed.dacl_present:
        result = result.with_dacl(_map_generic(parsed.dacl, kind), parsed.control)
    if parsed.sacl is not None and parsed.sacl.aces:
        result = result.with_sacl(_permitted_sacl(parsed.sacl, token), parsed.control)
    return result


def creation_descriptor(supplied: bytes | None, token: Token, kind: ObjectType) -> bytes:
    """The bytes of ``assigned``; the default's are made once for each token."""
    if supplied is None:
        return _default_bytes(token, kind.number)
    return assign_descriptor(supplied, token, kind).to_bytes()


@remember_results(32)
def _default_bytes(token: Token, kind: int) -> bytes:
    return default_descriptor(token, BY_NUMBER[kind]).to_bytes()


def merge_descriptors(
    current: SecurityDescriptor,
    supplied: SecurityDescriptor | bytes,
    information: int,
    token: Token,
    kind: ObjectType,
) -> SecurityDescriptor:
    """``current`` with those parts replaced that ``information`` names (NtSetSecurityObject).

    Raises:
        NtError: As ``assigned``; INVALID_SECURITY_DESCR where a part is named but not supplied.
    """
    parsed = SecurityDescriptor.from_bytes(supplied) if isinstance(supplied, bytes) else supplied
    result = current
    if information & OWNER_SECURITY_INFORMATION:
        if parsed.owner is None:
            raise NtError(
                st.INVALID_OWNER, detail="the owner is to be set, and the descriptor names none"
            )
        result = result.with_owner(_permitted_owner(parsed.owner, token))
    if information & GROUP_SECURITY_INFORMATION:
        if parsed.group is None:
            raise NtError(
                st.INVALID_SECURITY_DESCR,
                detail="the group is to be set, and the descriptor names none",
            )
        result = result.with_group(parsed.group)
    if information & DACL_SECURITY_INFORMATION:
        # A DACL that is to be set and not there is a NULL DACL, as for RtlSetSecurityObject.
        result = result.with_dacl(_map_generic(parsed.dacl, kind), parsed.control)
    if information & SACL_SECURITY_INFORMATION:
        if not token.privileged(SE_SECURITY_PRIVILEGE):
            raise NtError(st.PRIVILEGE_NOT_HELD, detail=f"a SACL needs {SE_SECURITY_PRIVILEGE}")
        result = result.with_sacl(parsed.sacl, parsed.control)
    return result


def _permitted_owner(owner: Sid, token: Token) -> Sid:
    # Of the groups, only the administrators may own things (SE_GROUP_OWNER).
    own = owner == token.user or owner == wellknown.ADMINISTRATORS and owner in token.groups
    if not own and not token.privileged(SE_RESTORE_PRIVILEGE):
        raise NtError(st.INVALID_OWNER, detail=f"{owner} cannot be made the owner by {token.user}")
    return owner


def _permitted_sacl(sacl: Acl, token: Token) -> Acl:
    """A SACL that needs no privilege: a label at or below the caller's own, which is medium for
    every process here."""
    for ace in sacl.aces:
        label = ace.type == MANDATORY_LABEL and ace.sid.authority == wellknown.LABEL_AUTHORITY
        if not (
            label and len(ace.sid.subs) == 1 and ace.sid.subs <= wellknown.MEDIUM_LABEL.subs
        ) and not token.privileged(SE_SECURITY_PRIVILEGE):
            raise NtError(
                st.PRIVILEGE_NOT_HELD,
                detail=f"a SACL with more than a low or medium label needs {SE_SECURITY_PRIVILEGE}",
            )
    return sacl


def _map_generic(dacl: Acl | None, kind: ObjectType) -> Acl | None:
    """Generic rights replaced by what they mean, as Windows stores them."""
    if dacl is None:
        return None
    return Acl(
        tuple(
            ace
            if ace.flags & INHERIT_ONLY_ACE
            else Ace(ace.type, ace.flags, kind.specific(ace.mask), ace.sid)
            for ace in dacl.aces
        ),
        dacl.revision,
    )


def creation_mapped(descriptor: SecurityDescriptor, kind: ObjectType) -> SecurityDescriptor:
    """A descriptor as an object of this type keeps it: generic rights replaced by what they
    mean."""
    if not descriptor.dacl_present:
        return descriptor
    return descriptor.with_dacl(_map_generic(descriptor.dacl, kind), descriptor.control)


def from_sddl(text: str) -> SecurityDescriptor:
    """A descriptor from SDDL.

    Raises:
        NtError: INVALID_SECURITY_DESCR, INVALID_ACL, INVALID_SID.
    """
    from memsection.vocabulary import sddl  # with ``re`` behind it, which most programs do without

    return sddl.parse(text)


def to_sddl(descriptor: SecurityDescriptor) -> str:
    """A descriptor as SDDL."""
    from memsection.vocabulary import sddl

    return sddl.text(descriptor)
