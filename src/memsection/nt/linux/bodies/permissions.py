# SPDX-License-Identifier: MIT
"""Security descriptors and the Linux kernel: a descriptor as file permissions.

The permissions are owner, mode and POSIX ACL of a body: what the kernel enforces even against
programs that go round this library.  They give nobody more than the descriptor does (invariant S1),
and where mode and ACL cannot say the same as the descriptor about reading and writing, there are
none and the descriptor is refused.  How a body
gets them is ``set_permissions``' business, the access check itself ``vocabulary.security``'s; why
they are as they are: docs/decisions/0020-kernel-floor.md.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

from itertools import combinations

from memsection.nt.linux.system import syscalls as sys_
from memsection.nt.linux.system.accounts import ROOT
from memsection.vocabulary import access as a
from memsection.vocabulary import sid as wellknown
from memsection.vocabulary import status as st
from memsection.vocabulary.descriptor import ACCESS_DENIED, INHERIT_ONLY_ACE, SecurityDescriptor
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.object_types import BY_NUMBER, SECTION, ObjectType
from memsection.vocabulary.records import record
from memsection.vocabulary.remembering import remember_results
from memsection.vocabulary.security import EVERYBODY, maximum_access
from memsection.vocabulary.sid import Sid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


#: tags of a POSIX access list's entries (acl(5), linux/posix_acl.h)
USER_OBJ, USER, GROUP_OBJ, GROUP, MASK, OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
NO_ID = 0xFFFFFFFF
NONE, _READ, _READ_WRITE = 0, 4, 6  #: what a principal gets, as permission bits
_QUERY_STATE = (
    a.EVENT_QUERY_STATE | a.MUTANT_QUERY_STATE | a.SEMAPHORE_QUERY_STATE | a.TIMER_QUERY_STATE
)
_MODIFY_STATE = a.EVENT_MODIFY_STATE | a.SEMAPHORE_MODIFY_STATE | a.TIMER_MODIFY_STATE
_MOST_DECIDING_GROUPS = 24  # their triples are tried one by one


# ------------------------------------------------------------------ what the kernel is told


@record(frozen=True, slots=True)
class PosixPermissions:
    """Owner, group, mode, and the named entries of a POSIX ACL (None: the mode says it all).

    Attributes:
        uid: Owner of the file.
        gid: Group of the file.
        mode: Permission bits; with named entries the group's bits are the ACL's mask.
        acl_entries: (tag, permissions, id), the whole list as the kernel wants it.
    """

    uid: int
    gid: int
    mode: int
    acl_entries: tuple[tuple[int, int, int], ...] | None = None

    def entries(self) -> tuple[tuple[int, int, int], ...]:
        """The whole access list, the one that a bare mode stands for too (acl(5))."""
        return self.acl_entries or (
            (USER_OBJ, self.mode >> 6, NO_ID),
            (GROUP_OBJ, self.mode >> 3 & 7, NO_ID),
            (OTHER, self.mode & 7, NO_ID),
        )


def permissions_for(
    descriptor: SecurityDescriptor | bytes, kind: ObjectType, gid: int | None = None
) -> PosixPermissions:
    """The file permissions of a descriptor.

    Args:
        descriptor: A complete one, with an owner.
        kind: The object's type: what reading and writing mean for it.
        gid: The group that the body's file has; the caller's when omitted.

    Returns:
        Owner, group and permissions.  The group is another one where only that makes a denial
        effective.

    Raises:
        NtError: NO_KERNEL_FLOOR, with what the kernel cannot be told.
    """
    data = descriptor if isinstance(descriptor, bytes) else descriptor.to_bytes()
    return _permissions_for(data, kind.number, sys_.getegid() if gid is None else gid)


def owner_writes_only(permissions: PosixPermissions) -> PosixPermissions:
    """The permissions of a body that only says which file the data is: its owner alone writes it
    (S2)."""

    def readable(bits: int) -> int:
        return bits & _READ

    entries = (
        None
        if permissions.acl_entries is None
        else tuple(
            (tag, bits if tag == USER_OBJ else readable(bits), number)
            for tag, bits, number in permissions.acl_entries
        )
    )
    return PosixPermissions(permissions.uid, permissions.gid, permissions.mode & ~0o022, entries)


@remember_results(256)
def _permissions_for(data: bytes, number: int, gid: int) -> PosixPermissions:
    descriptor, kind = SecurityDescriptor.from_bytes(data), BY_NUMBER[number]
    owner = owner_uid(descriptor)
    users, groups = _ids_mentioned(descriptor, gid)
    deciding = _deciding_groups(descriptor, groups)
    # The owner is looked at strictly: whatever groups the owner's process is in.
    owner_bits = min(_level(descriptor, kind, _user(owner) | extra) for extra in _subsets(deciding))
    user_bits = {uid: _user_level(descriptor, kind, uid, deciding) for uid in users if uid != owner}
    group_bits = {
        number: _level(descriptor, kind, EVERYBODY | {Sid.unix_group(number)}) for number in groups
    }
    other_bits = _level(descriptor, kind, EVERYBODY)
    _refuse_group_conflicts(descriptor, kind, deciding, group_bits)
    gid = _own_group(gid, deciding, group_bits)
    own_group = group_bits.pop(gid)
    if not user_bits and not group_bits:
        return PosixPermissions(owner, gid, owner_bits << 6 | own_group << 3 | other_bits)
    mask = max(own_group, *user_bits.values(), *group_bits.values())
    entries = (
        (USER_OBJ, owner_bits, NO_ID),
        *((USER, bits, uid) for uid, bits in sorted(user_bits.items())),
        (GROUP_OBJ, own_group, NO_ID),
        *((GROUP, bits, number) for number, bits in sorted(group_bits.items())),
        (MASK, mask, NO_ID),
        (OTHER, other_bits, NO_ID),
    )
    return PosixPermissions(owner, gid, owner_bits << 6 | mask << 3 | other_bits, entries)


def owner_uid(descriptor: SecurityDescriptor) -> int:
    """The Unix user that owns the body's file.

    Raises:
        NtError: NO_KERNEL_FLOOR.
    """
    if descriptor.owner == wellknown.ADMINISTRATORS:
        return ROOT
    uid = descriptor.owner.uid if descriptor.owner is not None else None
    if uid is None:
        raise NtError(
            st.NO_KERNEL_FLOOR,
            detail=f"the owner {descriptor.owner} is no Unix account (S-1-22-1-UID)",
        )
    return uid


def _user(uid: int) -> frozenset[Sid]:
    """What a process of this user has whatever groups it is in."""
    return EVERYBODY | (
        {Sid.unix_user(uid), wellknown.ADMINISTRATORS} if uid == ROOT else {Sid.unix_user(uid)}
    )


def _ids_mentioned(descriptor: SecurityDescriptor, gid: int) -> tuple[set[int], set[int]]:
    """The users and groups that the descriptor names; the file's own group always counts."""
    users: set[int] = set()
    groups = {gid}
    for ace in descriptor.dacl.aces if descriptor.dacl is not None else ():
        if ace.flags & INHERIT_ONLY_ACE:
            continue
        if ace.sid == wellknown.ADMINISTRATORS:
            users.add(ROOT)
        elif ace.sid.uid is not None:
            users.add(ace.sid.uid)
        elif ace.sid.gid is not None:
            groups.add(ace.sid.gid)
    return users, groups


def _deciding_groups(descriptor: SecurityDescriptor, groups: set[int]) -> list[Sid]:
    """Those groups whose membership makes a difference: an entry names them."""
    named = {ace.sid for ace in descriptor.dacl.aces} if descriptor.dacl is not None else set()
    deciding = [sid for sid in map(Sid.unix_group, sorted(groups)) if sid in named]
    if len(deciding) > _MOST_DECIDING_GROUPS:
        raise NtError(
            st.NO_KERNEL_FLOOR,
            detail=f"the access list names {len(deciding)} groups; "
            f"{_MOST_DECIDING_GROUPS} can be checked against each other",
        )
    return deciding


def _subsets(groups: list[Sid]) -> Iterator[frozenset[Sid]]:
    """Every set of up to three of these groups.

    Three are enough: a level depends on at most three rights, and each right on the one entry that
    comes first.
    """
    for count in range(min(3, len(groups)) + 1):
        for some in combinations(groups, count):
            yield frozenset(some)


def _level(descriptor: SecurityDescriptor, kind: ObjectType, sids: frozenset[Sid]) -> int:
    """What somebody with these SIDs may do to the body's bytes."""
    granted = maximum_access(descriptor, sids, kind)
    if kind is SECTION:
        # A writable view can be read, on Windows as here; and the kernel makes one from a
        # read-write file only.
        if granted & a.SECTION_MAP_WRITE:
            return _READ_WRITE
        return _READ if granted & (a.SECTION_MAP_READ | a.SECTION_MAP_EXECUTE) else NONE
    # Waiting takes (a mutex, a unit, an auto-reset event): waiting and signalling both change the
    # state words.
    if granted & (a.SYNCHRONIZE | _MODIFY_STATE):
        return _READ_WRITE
    return _READ if granted & _QUERY_STATE else NONE


def _user_level(
    descriptor: SecurityDescriptor, kind: ObjectType, uid: int, deciding: list[Sid]
) -> int:
    """A named user's level.  POSIX looks at the user's entry alone, so groups must make no
    difference (acl(5))."""
    alone = _level(descriptor, kind, _user(uid))
    for extra in _subsets(deciding):
        if _level(descriptor, kind, _user(uid) | extra) != alone:
            raise NtError(
                st.NO_KERNEL_FLOOR,
                detail=(
                    f"what user {uid} may do depends on membership in {_names(extra)}, and the "
                    f"kernel decides for a "
                    "user who is named by that entry alone; deny or allow the user by name, before "
                    "the groups, whatever "
                    "the groups would add or take"
                ),
            )
    return alone


def _refuse_group_conflicts(
    descriptor: SecurityDescriptor,
    kind: ObjectType,
    deciding: list[Sid],
    group_bits: dict[int, int],
) -> None:
    """For members of several groups POSIX allows what any of them allows: a group's denial must not
    be needed then."""
    if descriptor.dacl is None or not any(
        ace.type == ACCESS_DENIED and ace.sid.gid is not None for ace in descriptor.dacl.aces
    ):
        return
    for some in _subsets(deciding):
        if len(some) < 2:
            continue
        kernel = max(bits for number, bits in group_bits.items() if Sid.unix_group(number) in some)
        if _level(descriptor, kind, EVERYBODY | some) != kernel:
            raise NtError(
                st.NO_KERNEL_FLOOR,
                detail=(
                    f"a member of {_names(some)} is denied what one of these groups is allowed, "
                    f"and the kernel "
                    "allows to a member of several groups what any of them is allowed"
                ),
            )


def _own_group(gid: int, deciding: list[Sid], group_bits: dict[int, int]) -> int:
    """The group that the file is to have: its own, unless that would let in a group that is denied
    something.

    The kernel takes the file's own group for an entry even where the descriptor does not name it,
    and allows to its members what everybody is allowed, whatever other group denies it to them.
    Then the file is given to that other group (``apply`` tells when the caller may not).
    """
    if Sid.unix_group(gid) in deciding:
        return gid
    lowest = min((sid.gid or 0 for sid in deciding), key=group_bits.__getitem__, default=gid)
    if group_bits[lowest] >= group_bits[gid]:
        return gid
    del group_bits[gid]
    return lowest


def _names(sids: frozenset[Sid]) -> str:
    return "group " + " and ".join(str(number) for number in sorted(sid.gid or 0 for sid in sids))
