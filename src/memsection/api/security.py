# SPDX-License-Identifier: MIT
"""Who may do what with an object, in words: users, groups and everyone with "r", "w" and "x"; or in
SDDL.

It owns the translation between these words and a security descriptor.  Descriptors themselves, SDDL
and the access check are ``vocabulary``'s; what an account is called is the kernel interface's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from memsection.nt import kernel
from memsection.vocabulary import access as a
from memsection.vocabulary import sddl, structs
from memsection.vocabulary.arguments import whole_number
from memsection.vocabulary.descriptor import (
    ACCESS_ALLOWED,
    ACCESS_DENIED,
    Ace,
    Acl,
    SecurityDescriptor,
)
from memsection.vocabulary.errors import ArgumentError, Error, NtError, public_error
from memsection.vocabulary.object_types import SECTION, ObjectType
from memsection.vocabulary.security import creation_mapped
from memsection.vocabulary.sid import EVERYONE, Sid

if TYPE_CHECKING:
    from memsection.api.section import Section

Account = str | int | Sid
_LETTERS = {"r": a.GENERIC_READ, "w": a.GENERIC_WRITE, "x": a.GENERIC_EXECUTE}
_PARTS = (
    structs.OWNER_SECURITY_INFORMATION
    | structs.GROUP_SECURITY_INFORMATION
    | structs.DACL_SECURITY_INFORMATION
)


class Security:
    """Who may open an object, and for what.

    Args:
        owner: What its creator may do when opening it again; ``"rw"`` is full control.
        users: What each of these users may do.
        groups: What the members of each of these groups may do.
        everyone: What everybody else may do.

    Access is ``""`` (nothing), or of the letters ``r`` (look, map for reading, wait), ``w`` (map
    for writing, signal) and ``x`` (map for execution).  The nearer word holds: what is said of a
    user is not changed by what is said of that user's groups, nor what is said of a group by what
    is said of everyone.  Accounts are names, Unix numbers, or SIDs.

    The creator's own handle is not limited by this; handles opened later are.  Whoever owns the
    object can always look at its descriptor and change it.

    Rights:
        None.

    Raises:
        ArgumentError: No such account, or an access of other letters.
        TypeError: The users or groups are no mapping.

    Example:
        >>> Security(owner="rw", everyone="r")
        Security(everyone='r')
    """

    __slots__ = ("_descriptor", "_words")

    def __init__(
        self,
        owner: str = "rw",
        users: Mapping[Account, str] | None = None,
        groups: Mapping[Account, str] | None = None,
        everyone: str = "",
    ) -> None:
        for what, given in (("users", users), ("groups", groups)):
            if not isinstance(given, Mapping | None):
                raise TypeError(
                    f"{what}: a mapping of accounts to access such as {{'alice': 'r'}} is needed, "
                    f"not {type(given).__name__}"
                )
        users, groups = dict(users or {}), dict(groups or {})
        words = [
            f"{name}={value!r}"
            for name, value, usual in (
                ("owner", owner, "rw"),
                ("users", users, {}),
                ("groups", groups, {}),
                ("everyone", everyone, ""),
            )
            if value != usual
        ]
        try:
            entries = [
                [(kernel.current_user(), _mask(owner, owner=True))],
                [(_sid(name), _mask(access)) for name, access in users.items()],
                [(_sid(name, group=True), _mask(access)) for name, access in groups.items()],
                [(EVERYONE, _mask(everyone))],
            ]
        except NtError as failure:
            raise public_error(failure) from None
        self._descriptor = SecurityDescriptor().with_dacl(Acl(tuple(_aces(entries))))
        self._words = f"Security({', '.join(words)})"

    @classmethod
    def from_sddl(cls, text: str) -> Security:
        """What a text in the Security Descriptor Definition Language says: ``D:(A;;GR;;;WD)``.

        Unix accounts are ``S-1-22-1-UID`` and ``S-1-22-2-GID``.

        Rights:
            None.

        Raises:
            ArgumentError: The text is no security descriptor.
        """
        try:
            return cls._of(sddl.parse(text))
        except NtError as failure:
            raise public_error(failure) from None

    @classmethod
    def from_descriptor(cls, descriptor: bytes) -> Security:
        """What the bytes of a self-relative security descriptor say.

        Rights:
            None.

        Raises:
            ArgumentError: The bytes are no security descriptor.
        """
        try:
            return cls._of(SecurityDescriptor.from_bytes(descriptor))
        except NtError as failure:
            raise public_error(failure) from None

    @classmethod
    def _of(cls, descriptor: SecurityDescriptor) -> Security:
        self = object.__new__(cls)
        self._descriptor = descriptor
        self._words = ""
        return self

    @property
    def sddl(self) -> str:
        """The same as text; rights stand as for a section."""
        return sddl.text(self._descriptor)

    @property
    def owner(self) -> str | None:
        """The owner's account name; None where the descriptor leaves it to the creator."""
        return (
            None if self._descriptor.owner is None else kernel.account_name(self._descriptor.owner)
        )

    def descriptor(self, kind: ObjectType = SECTION) -> bytes:
        """The self-relative security descriptor for an object of this type.

        Rights:
            None.

        Raises:
            ArgumentError: More than a descriptor can hold.
        """
        found = self._descriptor
        if self._words and kind.waitable and found.dacl is not None:
            # Who may look may wait; generic reading alone does not include it.
            found = found.with_dacl(
                Acl(
                    tuple(
                        Ace(
                            ace.type,
                            ace.flags,
                            ace.mask | (a.SYNCHRONIZE if ace.mask & a.GENERIC_READ else 0),
                            ace.sid,
                        )
                        for ace in found.dacl.aces
                    )
                )
            )
        try:
            return found.to_bytes()
        except NtError as failure:
            raise public_error(failure) from None

    def entries(self) -> Iterator[tuple[bool, str, int]]:
        """(allowed, account name, access mask) for each entry of the DACL, in their order; none for
        a NULL DACL."""
        for ace in self._descriptor.dacl.aces if self._descriptor.dacl is not None else ():
            yield ace.type == ACCESS_ALLOWED, kernel.account_name(ace.sid), ace.mask

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Security) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> SecurityDescriptor:
        return creation_mapped(self._descriptor.select(_PARTS), SECTION)

    def __repr__(self) -> str:
        return self._words or f"Security.from_sddl({self.sddl!r})"

    def __str__(self) -> str:
        return self.sddl


#: Accounts that are not held by access lists anyway: the system, its administrators, the owner by
#: another name.
_POWERS = {Sid(5, (18,)), Sid(5, (32, 544)), Sid(3, (0,)), Sid(3, (4,))}
_WRITES = (
    a.SECTION_MAP_WRITE
    | a.GENERIC_WRITE
    | a.GENERIC_ALL
    | a.MAXIMUM_ALLOWED
    | a.WRITE_DAC
    | a.WRITE_OWNER
)


def is_written_by_this_user_alone(section: Section) -> bool:
    """Whether a section is this user's, and its descriptor lets no other account write it.

    False where that cannot be told.  It says nothing of handles that were given away.
    """
    try:
        # The descriptor stands in memory that its maker wrote; this does not.
        if hasattr(os, "geteuid") and os.fstat(section.fileno()).st_uid != os.geteuid():
            return False
        return _lets_only_one_write(section._descriptor_bytes(), kernel.current_user())
    except (Error, NtError):
        return False


@lru_cache(maxsize=64)
def _lets_only_one_write(data: bytes, me: Sid) -> bool:
    descriptor = SecurityDescriptor.from_bytes(data)
    if descriptor.owner not in {me, *_POWERS} or descriptor.dacl is None:
        return False
    return all(
        ace.type != ACCESS_ALLOWED
        or not ace.mask & _WRITES
        or ace.sid in {me, *_POWERS}
        # the logon session of whoever made it
        or ace.sid.authority == 5
        and ace.sid.subs[:1] == (5,)
        for ace in descriptor.dacl.aces
    )


_READS = a.SECTION_MAP_READ | a.GENERIC_READ | a.GENERIC_ALL | a.MAXIMUM_ALLOWED
_WHOEVER_OWNS = {Sid(3, (0,)), Sid(3, (4,))}  # CREATOR OWNER, OWNER RIGHTS


def for_readers_of(section: Section) -> Security | None:
    """What lets an object of this user's be read by whoever may read a section, its owner included,
    and by nobody else.

    None where that cannot be told: then it is for this user alone.
    """
    try:
        descriptor = section.security._descriptor
    except (Error, NtError):
        return None
    owner = descriptor.owner
    if owner is None:
        return None
    entries = [
        Ace(ACCESS_ALLOWED, 0, a.GENERIC_ALL, Sid(3, (4,))),
        Ace(ACCESS_ALLOWED, 0, a.GENERIC_READ, owner),
    ]
    if descriptor.dacl is None:
        entries.append(Ace(ACCESS_ALLOWED, 0, a.GENERIC_READ, EVERYONE))
    else:
        entries += [
            Ace(ace.type, 0, a.GENERIC_READ, ace.sid)
            for ace in descriptor.dacl.aces
            if ace.mask & _READS
            and ace.type in (ACCESS_ALLOWED, ACCESS_DENIED)
            and ace.sid not in _WHOEVER_OWNS
        ]
    return Security._of(SecurityDescriptor().with_dacl(Acl(tuple(entries))))


def _mask(access: str, *, owner: bool = False) -> int:
    if not isinstance(access, str) or set(access) - _LETTERS.keys():
        raise ArgumentError(f"access {access!r}: not of the letters r, w and x")
    if owner and {"r", "w"} <= set(access):
        return a.GENERIC_ALL
    mask = 0
    for letter in access:
        mask |= _LETTERS[letter]
    return mask


def _sid(account: Account, *, group: bool = False) -> Sid:
    if isinstance(account, Sid):
        return account
    if not isinstance(account, str):
        number = whole_number(account, "an account is a name, a Sid or a number")
        return Sid.unix_group(number) if group else Sid.unix_user(number)
    return (
        Sid.parse(account)
        if account.startswith("S-1-")
        else kernel.account_sid(account, group=group)
    )


def _aces(entries: list[list[tuple[Sid, int]]]) -> Iterator[Ace]:
    """Entries from the nearest to the farthest: what one allows, then a denial of all that a
    farther one would add.

    With the denial after it, a member of two groups has what either allows: the same as the Linux
    kernel says.
    """
    for number, level in enumerate(entries):
        farther = 0
        for _, mask in (entry for later in entries[number + 1 :] for entry in later):
            farther |= mask
        for sid, mask in level:
            if mask:
                yield Ace(ACCESS_ALLOWED, 0, mask, sid)
        for sid, mask in level:
            if farther & ~(mask if mask != a.GENERIC_ALL else a.GENERIC_MASK):
                yield Ace(ACCESS_DENIED, 0, a.GENERIC_ALL, sid)
