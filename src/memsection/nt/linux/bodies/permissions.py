# SPDX-License-Identifier: MIT
"""Security descriptors and the Linux kernel: a descriptor as file permissions, and setting them.

The permissions are owner, mode and POSIX ACL of a body: what the kernel enforces even against
programs that go round this library.  They give nobody more than the descriptor does (invariant S1),
and where mode and ACL cannot say the same as the descriptor about reading and writing, there are
none and the descriptor is refused.  The access check itself is ``vocabulary.security``; why they
are as they are: docs/decisions/0020-kernel-floor.md.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import errno
import struct
from functools import lru_cache
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
from memsection.vocabulary.security import EVERYBODY, maximum_access
from memsection.vocabulary.sid import Sid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


_XATTR = "system.posix_acl_access"
_VERSION, _USER_OBJ, _USER, _GROUP_OBJ, _GROUP, _MASK, _OTHER = (
    2,
    0x01,
    0x02,
    0x04,
    0x08,
    0x10,
    0x20,
)
_NO_ID = 0xFFFFFFFF
_NONE, _READ, _READ_WRITE = 0, 4, 6  #: what a principal gets, as permission bits
_QUERY_STATE = a.EVENT_QUERY_STATE | a.MUTANT_QUERY_STATE | a.SEMAPHORE_QUERY_STATE
_ENTRY = struct.Struct("<HHI")
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
            (_USER_OBJ, self.mode >> 6, _NO_ID),
            (_GROUP_OBJ, self.mode >> 3 & 7, _NO_ID),
            (_OTHER, self.mode & 7, _NO_ID),
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
            (tag, bits if tag == _USER_OBJ else readable(bits), number)
            for tag, bits, number in permissions.acl_entries
        )
    )
    return PosixPermissions(permissions.uid, permissions.gid, permissions.mode & ~0o022, entries)


def enforce(
    fd: int, descriptor: SecurityDescriptor | bytes, kind: ObjectType, *, fresh: bool = False
) -> None:
    """Give a body the permissions of its descriptor; ``fresh`` when this process just made it.

    Raises:
        NtError: As ``permissions_for`` and ``apply``.
    """
    apply(
        fd, permissions_for(descriptor, kind, None if fresh else sys_.fstat(fd).st_gid), fresh=fresh
    )


@lru_cache(maxsize=256)
def _permissions_for(data: bytes, number: int, gid: int) -> PosixPermissions:
    descriptor, kind = SecurityDescriptor.from_bytes(data), BY_NUMBER[number]
    owner = owner_uid(descriptor)
    users, groups = _mentioned(descriptor, gid)
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
        (_USER_OBJ, owner_bits, _NO_ID),
        *((_USER, bits, uid) for uid, bits in sorted(user_bits.items())),
        (_GROUP_OBJ, own_group, _NO_ID),
        *((_GROUP, bits, number) for number, bits in sorted(group_bits.items())),
        (_MASK, mask, _NO_ID),
        (_OTHER, other_bits, _NO_ID),
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


def _mentioned(descriptor: SecurityDescriptor, gid: int) -> tuple[set[int], set[int]]:
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
        return _READ if granted & (a.SECTION_MAP_READ | a.SECTION_MAP_EXECUTE) else _NONE
    # Waiting takes (a mutex, a unit, an auto-reset event): waiting and signalling both change the
    # state words.
    if granted & (a.SYNCHRONIZE | a.EVENT_MODIFY_STATE | a.SEMAPHORE_MODIFY_STATE):
        return _READ_WRITE
    return _READ if granted & _QUERY_STATE else _NONE


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


# ------------------------------------------------------------------ telling it


def apply(fd: int, wanted: PosixPermissions, *, fresh: bool = False) -> None:
    """Give a body its permissions, at once and never loosely in between.

    Args:
        fd: A descriptor of the body, not opened with O_PATH.
        wanted: What to set.
        fresh: The body was just made by this process: it has no ACL, and its owner is the caller.

    Raises:
        NtError: NO_KERNEL_FLOOR where the file system keeps no access lists, INVALID_OWNER where
            the caller may not give the file away, ACCESS_DENIED for a file that is not the
            caller's.
    """
    try:
        if fresh and wanted.acl_entries is None:
            sys_.fchmod(fd, wanted.mode)
        else:
            _set_entries(fd, wanted)
        found = sys_.fstat(fd)
    except OSError as failure:
        raise _refusal(failure) from failure
    if (found.st_uid, found.st_gid) != (wanted.uid, wanted.gid):
        try:
            sys_.fchown(fd, wanted.uid, wanted.gid)
        except OSError as failure:
            raise _not_given(failure, found.st_uid, wanted) from failure


def _set_entries(fd: int, wanted: PosixPermissions) -> None:
    # One call sets mode and ACL together, and removes an ACL that is no longer needed (acl(5),
    # posix_acl_update_mode): with chmod and the ACL one after the other a moment would be looser or
    # stricter than both.
    data = struct.pack("<I", _VERSION) + b"".join(_ENTRY.pack(*entry) for entry in wanted.entries())
    try:
        sys_.setxattr(fd, _XATTR, data)
    except OSError as failure:
        if failure.errno != errno.EOPNOTSUPP or wanted.acl_entries is not None:
            raise
        sys_.fchmod(fd, wanted.mode)


def _refusal(failure: OSError) -> NtError:
    if failure.errno == errno.EOPNOTSUPP:
        return NtError(
            st.NO_KERNEL_FLOOR,
            detail="the file system of this object keeps no access lists: only the "
            "owner, one group and everybody can be told apart",
        )
    if failure.errno == errno.EINVAL:
        return NtError(
            st.NO_KERNEL_FLOOR,
            detail="the descriptor names a user or group that this user namespace has "
            "no number for",
        )
    return NtError(
        st.from_errno(failure.errno or errno.EPERM),
        detail=f"setting mode and access list: {failure.strerror} (only the owner of its file may)",
    )


def _not_given(failure: OSError, owner: int, wanted: PosixPermissions) -> NtError:
    if failure.errno == errno.EPERM and wanted.uid == owner:
        return NtError(
            st.NO_KERNEL_FLOOR,
            detail=(
                f"group {wanted.gid} is denied what everybody is allowed; the kernel can be told "
                f"so by giving the file to "
                "that group, which its members may do, and who has CAP_CHOWN"
            ),
        )
    if failure.errno == errno.EPERM:
        return NtError(
            st.INVALID_OWNER, detail=f"giving the object to user {wanted.uid} needs CAP_CHOWN"
        )
    return NtError(
        st.from_errno(failure.errno or errno.EPERM),
        detail=f"setting owner and group: {failure.strerror}",
    )


def change(fd: int, wanted: PosixPermissions, write: Callable[[], None]) -> None:
    """Give a body another permissions and, by ``write``, the descriptor that it is the permissions
    of.

    At no moment, not even for those who die in the middle, does the kernel give more than the
    descriptor that stands: what both the old and the new permissions give comes first, then the
    descriptor, then the new ones.

    Raises:
        NtError: As ``apply``, and what ``write`` raises; then everything is as before.
    """
    before = read_back(fd)
    if before == wanted:
        write()
        return
    try:
        apply(fd, _common(before, wanted))
        write()
    except BaseException:
        try:
            apply(fd, before)
        except NtError:
            pass  # nothing was changed either: the file is somebody else's
        raise
    apply(fd, wanted)


def _common(one: PosixPermissions, other: PosixPermissions) -> PosixPermissions:
    """A permissions, with the second's owner and group, that gives nobody more than either."""
    first, second = (
        {(tag, number): bits for tag, bits, number in each.entries() if tag != _MASK}
        for each in (_masked(one), _masked(other))
    )
    both = {
        key: min(first.get(key, _NONE), second.get(key, _NONE))
        for key in first.keys() | second.keys()
    }
    if one.gid != other.gid:  # who was of the file's group is one of the others then
        both[_GROUP_OBJ, _NO_ID] = both[_OTHER, _NO_ID] = _NONE
    mask = max(bits for (tag, _), bits in both.items() if tag in (_USER, _GROUP_OBJ, _GROUP))
    entries = sorted(
        (tag, bits, number) for (tag, number), bits in (both | {(_MASK, _NO_ID): mask}).items()
    )
    return PosixPermissions(
        other.uid,
        other.gid,
        both[_USER_OBJ, _NO_ID] << 6 | mask << 3 | both[_OTHER, _NO_ID],
        tuple(entries) if len(entries) > 4 else None,
    )


def _masked(permissions: PosixPermissions) -> PosixPermissions:
    """With the mask taken into the entries that it bounds."""
    mask = next((bits for tag, bits, _ in permissions.entries() if tag == _MASK), 7)
    return PosixPermissions(
        permissions.uid,
        permissions.gid,
        permissions.mode,
        tuple(
            (tag, bits & mask if tag in (_USER, _GROUP_OBJ, _GROUP) else bits, number)
            for tag, bits, number in permissions.entries()
        ),
    )


def read_back(fd: int) -> PosixPermissions:
    """The permissions that a body has."""
    found = sys_.fstat(fd)
    mode = found.st_mode & 0o777
    try:
        data = sys_.getxattr(fd, _XATTR)
    except OSError as failure:
        if failure.errno not in (errno.ENODATA, errno.EOPNOTSUPP):
            raise NtError(
                st.from_errno(failure.errno or errno.EIO), detail=str(failure.strerror)
            ) from failure
        return PosixPermissions(found.st_uid, found.st_gid, mode)
    entries = tuple(_ENTRY.iter_unpack(data[4:]))
    return PosixPermissions(found.st_uid, found.st_gid, mode, entries)
