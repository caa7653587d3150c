# SPDX-License-Identifier: MIT
"""Security identifiers: their bytes, their text, the well-known ones, and Unix accounts as SIDs.

Pure data.  What an account is called on this system is the kernel interface's ``account_sid``; who
may do what is decided in ``security``.  Bytes may come from other processes: every length is
checked (MS-DTYP 2.4.2).
"""

from __future__ import annotations

import struct

from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.records import record

MAXIMUM_SUB_AUTHORITIES = 15
_TEXT = r"(?i:S-(?:0X0*)?1-(0X[0-9A-F]{1,12}|[0-9]{1,15})((?:-(?:0X[0-9A-F]{1,8}|[0-9]{1,10}))+))"
# the convention of Samba for accounts of a Unix system
_UNIX_AUTHORITY, _UNIX_USER, _UNIX_GROUP = 22, 1, 2
_NO_ID = 0xFFFFFFFF  # (uid_t) -1 means "no change" to chown(2): never an account


@record(frozen=True, slots=True)
class Sid:
    """A security identifier: ``S-1-authority-sub-sub...``."""

    authority: int
    subs: tuple[int, ...] = ()

    @classmethod
    def unix_user(cls, uid: int) -> Sid:
        """The SID of a Unix user: ``S-1-22-1-UID``.

        Raises:
            NtError: INVALID_SID: there is no such number.
        """
        return cls(_UNIX_AUTHORITY, (_UNIX_USER, _account_number(uid, "user")))

    @classmethod
    def unix_group(cls, gid: int) -> Sid:
        """The SID of a Unix group: ``S-1-22-2-GID``.

        Raises:
            NtError: INVALID_SID: there is no such number.
        """
        return cls(_UNIX_AUTHORITY, (_UNIX_GROUP, _account_number(gid, "group")))

    @classmethod
    def parse(cls, text: str) -> Sid:
        """A SID from its text, ``S-1-...`` or an alias of SDDL such as ``WD``; numbers are decimal
        or hexadecimal (``0x``).

        As on Windows the text needs one sub-authority at least: ``S-1-5`` is no SID.

        Raises:
            NtError: INVALID_SID.
        """
        if (known := ALIASES.get(text.upper())) is not None:
            return known
        import re

        match = re.fullmatch(_TEXT, text)
        if match is None:
            hint = (
                "; aliases of a domain's accounts mean nothing here"
                if text.upper() in _DOMAIN_ALIASES
                else ""
            )
            raise NtError(st.INVALID_SID, detail=f"'{text}' is not a security identifier{hint}")
        authority, *subs = (
            int(part, 16 if part[:2] in ("0X", "0x") else 10)
            for part in (match[1], *match[2].split("-")[1:])
        )
        if (
            authority >= 1 << 48
            or len(subs) > MAXIMUM_SUB_AUTHORITIES
            or any(sub >= 1 << 32 for sub in subs)
        ):
            raise NtError(
                st.INVALID_SID, detail=f"'{text}' is out of the range of security identifiers"
            )
        return cls(authority, tuple(subs))

    @classmethod
    def from_bytes(cls, data: bytes, offset: int = 0, end: int | None = None) -> Sid:
        """A SID that stands at ``offset`` and must end by ``end``.

        Raises:
            NtError: INVALID_SID.
        """
        limit = len(data) if end is None else min(end, len(data))
        if offset < 0 or offset + 8 > limit:
            raise NtError(
                st.INVALID_SID,
                detail=f"a security identifier at offset {offset} has no room for its header",
            )
        revision, count = data[offset], data[offset + 1]
        if revision != 1 or count > MAXIMUM_SUB_AUTHORITIES:
            raise NtError(
                st.INVALID_SID,
                detail=f"a security identifier of revision {revision} with {count} parts",
            )
        if offset + 8 + 4 * count > limit:
            raise NtError(
                st.INVALID_SID,
                detail=f"a security identifier of {count} parts does not fit its place",
            )
        authority = int.from_bytes(data[offset + 2 : offset + 8], "big")
        return cls(authority, struct.unpack_from(f"<{count}I", data, offset + 8))

    def to_bytes(self) -> bytes:
        """The binary form."""
        head = bytes((1, len(self.subs))) + self.authority.to_bytes(6, "big")
        return head + struct.pack(f"<{len(self.subs)}I", *self.subs)

    @property
    def uid(self) -> int | None:
        """The Unix user that this SID means, or None."""
        return self._unix(_UNIX_USER)

    @property
    def gid(self) -> int | None:
        """The Unix group that this SID means, or None."""
        return self._unix(_UNIX_GROUP)

    def _unix(self, kind: int) -> int | None:
        if self.authority == _UNIX_AUTHORITY and len(self.subs) == 2 and self.subs[0] == kind:
            return self.subs[1] if self.subs[1] != _NO_ID else None
        return None

    @property
    def alias(self) -> str:
        """The two letters of SDDL for a well-known SID, else its text."""
        return _ALIAS_OF.get(self) or str(self)

    def __str__(self) -> str:
        # From 2**32 on the authority is written in hexadecimal (MS-DTYP 2.4.2.1).
        authority = f"0x{self.authority:012X}" if self.authority >= 1 << 32 else str(self.authority)
        return "-".join(["S-1", authority, *map(str, self.subs)])


def _account_number(number: int, kind: str) -> int:
    if not 0 <= number < 1 << 32:
        raise NtError(st.INVALID_SID, detail=f"no {kind} can have the number {number}")
    return number


EVERYONE = Sid(1, (0,))
LOCAL = Sid(2, (0,))
CREATOR_OWNER = Sid(3, (0,))
OWNER_RIGHTS = Sid(3, (4,))
INTERACTIVE = Sid(5, (4,))
ANONYMOUS = Sid(5, (7,))
AUTHENTICATED_USERS = Sid(5, (11,))
LOCAL_SYSTEM = Sid(5, (18,))
ADMINISTRATORS = Sid(5, (32, 544))
USERS = Sid(5, (32, 545))
GUESTS = Sid(5, (32, 546))
MEDIUM_LABEL = Sid(16, (8192,))
LABEL_AUTHORITY = 16


def builtin(rid: int) -> Sid:
    """A group of the BUILTIN domain, ``S-1-5-32-RID``."""
    return Sid(5, (32, rid))


#: WELL_KNOWN_SID_TYPE (winnt.h): the number and the SID, for those that do not depend on a domain.
WELL_KNOWN = {
    0: Sid(0, (0,)),
    1: EVERYONE,
    2: LOCAL,
    3: CREATOR_OWNER,
    4: Sid(3, (1,)),
    5: Sid(3, (2,)),
    6: Sid(3, (3,)),
    7: Sid(5),
    **{
        8 + rank: Sid(5, (rid,))
        for rank, rid in enumerate((1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14))
    },
    22: LOCAL_SYSTEM,
    23: Sid(5, (19,)),
    24: Sid(5, (20,)),
    25: Sid(5, (32,)),
    **{
        26 + rank: builtin(rid)
        for rank, rid in enumerate((544, 545, 546, 547, 548, 549, 550, 551, 552, 554, 555, 556))
    },
    51: Sid(5, (64, 10)),
    52: Sid(5, (64, 21)),
    53: Sid(5, (64, 14)),
    54: Sid(5, (15,)),
    55: Sid(5, (1000,)),
    **{56 + rank: builtin(rid) for rank, rid in enumerate((557, 558, 559, 560, 561, 562, 568))},
    63: Sid(5, (17,)),
    64: builtin(569),
    **{65 + rank: Sid(16, (4096 * rank,)) for rank in range(5)},
    70: Sid(5, (33,)),
    71: OWNER_RIGHTS,
}
#: The rest of WELL_KNOWN_SID_TYPE: the account's number below the SID of its domain.
WELL_KNOWN_OF_DOMAIN = {
    38: 500,
    39: 501,
    40: 502,
    41: 512,
    42: 513,
    43: 514,
    44: 515,
    45: 516,
    46: 517,
    47: 518,
    48: 519,
    49: 520,
    50: 553,
}

#: The aliases of SDDL that do not depend on a domain (MS-DTYP 2.5.1.1).
ALIASES = {
    "WD": EVERYONE,
    "CO": CREATOR_OWNER,
    "CG": Sid(3, (1,)),
    "OW": OWNER_RIGHTS,
    "NU": Sid(5, (2,)),
    "IU": INTERACTIVE,
    "SU": Sid(5, (6,)),
    "AN": ANONYMOUS,
    "ED": Sid(5, (9,)),
    "PS": Sid(5, (10,)),
    "AU": AUTHENTICATED_USERS,
    "RC": Sid(5, (12,)),
    "SY": LOCAL_SYSTEM,
    "LS": Sid(5, (19,)),
    "NS": Sid(5, (20,)),
    "WR": Sid(5, (33,)),
    "BA": ADMINISTRATORS,
    "BU": USERS,
    "BG": GUESTS,
    "PU": Sid(5, (32, 547)),
    "AO": Sid(5, (32, 548)),
    "SO": Sid(5, (32, 549)),
    "PO": Sid(5, (32, 550)),
    "BO": Sid(5, (32, 551)),
    "RE": Sid(5, (32, 552)),
    "RU": Sid(5, (32, 554)),
    "RD": Sid(5, (32, 555)),
    "NO": Sid(5, (32, 556)),
    "MU": Sid(5, (32, 558)),
    "LU": Sid(5, (32, 559)),
    "IS": Sid(5, (32, 568)),
    "CY": Sid(5, (32, 569)),
    "ER": Sid(5, (32, 573)),
    "AC": Sid(15, (2, 1)),
    "LW": Sid(16, (4096,)),
    "ME": MEDIUM_LABEL,
    "MP": Sid(16, (8448,)),
    "HI": Sid(16, (12288,)),
    "SI": Sid(16, (16384,)),
}
_ALIAS_OF = {sid: alias for alias, sid in ALIASES.items()}
_DOMAIN_ALIASES = frozenset("LA LG DA DU DG DC DD CA SA EA PA RS RO CN AP KA EK".split())
