# SPDX-License-Identifier: MIT
"""Giving a body its file permissions, changing them, and reading them back.

What they are to be is ``permissions``' business.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import errno
import struct

from memsection.nt.linux.bodies.permissions import (
    GROUP,
    GROUP_OBJ,
    MASK,
    NO_ID,
    NONE,
    OTHER,
    USER,
    USER_OBJ,
    PosixPermissions,
)
from memsection.nt.linux.system import syscalls as sys_
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_XATTR, _VERSION = "system.posix_acl_access", 2
_ENTRY = struct.Struct("<HHI")


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
        {(tag, number): bits for tag, bits, number in each.entries() if tag != MASK}
        for each in (_apply_mask(one), _apply_mask(other))
    )
    both = {
        key: min(first.get(key, NONE), second.get(key, NONE))
        for key in first.keys() | second.keys()
    }
    if one.gid != other.gid:  # who was of the file's group is one of the others then
        both[GROUP_OBJ, NO_ID] = both[OTHER, NO_ID] = NONE
    mask = max(bits for (tag, _), bits in both.items() if tag in (USER, GROUP_OBJ, GROUP))
    entries = sorted(
        (tag, bits, number) for (tag, number), bits in (both | {(MASK, NO_ID): mask}).items()
    )
    return PosixPermissions(
        other.uid,
        other.gid,
        both[USER_OBJ, NO_ID] << 6 | mask << 3 | both[OTHER, NO_ID],
        tuple(entries) if len(entries) > 4 else None,
    )


def _apply_mask(permissions: PosixPermissions) -> PosixPermissions:
    """With the mask taken into the entries that it bounds."""
    mask = next((bits for tag, bits, _ in permissions.entries() if tag == MASK), 7)
    return PosixPermissions(
        permissions.uid,
        permissions.gid,
        permissions.mode,
        tuple(
            (tag, bits & mask if tag in (USER, GROUP_OBJ, GROUP) else bits, number)
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
