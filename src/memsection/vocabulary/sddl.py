# SPDX-License-Identifier: MIT
"""Security descriptors as text (SDDL), both ways.

Pure text: ``D:(A;;GR;;;WD)``.  The grammar is MS-DTYP 2.5.1; conditional and object entries are
refused, because what is not understood cannot be enforced.
"""

from __future__ import annotations

import re

from memsection.vocabulary import descriptor as d
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.sid import Sid

_NUMBER = r"(?:0X[0-9A-F]+|[0-9]+)"
_SID = rf"S-(?:0X0*)?1(?:-{_NUMBER})+|[A-Z]{{2}}"
_PART = re.compile(
    rf"\s*(?:(?P<key>[OG]):\s*(?P<sid>{_SID})"
    r"|(?P<list>[DS]):\s*(?P<flags>[A-Z_]*?)(?P<aces>(?:\s*\([^()]*\))*))\s*(?=$|[OGDS]:)"
)
_TYPES = {
    "A": d.ACCESS_ALLOWED,
    "D": d.ACCESS_DENIED,
    "AU": d.SYSTEM_AUDIT,
    "ML": d.MANDATORY_LABEL,
}
_ACE_FLAGS = {
    "OI": d.OBJECT_INHERIT_ACE,
    "CI": d.CONTAINER_INHERIT_ACE,
    "NP": d.NO_PROPAGATE_INHERIT_ACE,
    "IO": d.INHERIT_ONLY_ACE,
    "ID": d.INHERITED_ACE,
    "SA": d.SUCCESSFUL_ACCESS_ACE,
    "FA": d.FAILED_ACCESS_ACE,
}
_LABEL_RIGHTS = {"NW": 0x1, "NR": 0x2, "NX": 0x4}
_SINGLE_RIGHTS = {
    "GA": 0x10000000,
    "GX": 0x20000000,
    "GW": 0x40000000,
    "GR": 0x80000000,
    "CC": 0x1,
    "DC": 0x2,
    "LC": 0x4,
    "SW": 0x8,
    "RP": 0x10,
    "WP": 0x20,
    "DT": 0x40,
    "LO": 0x80,
    "CR": 0x100,
    "SD": 0x10000,
    "RC": 0x20000,
    "WD": 0x40000,
    "WO": 0x80000,
}
_WHOLE_RIGHTS = {
    "FA": 0x1F01FF,
    "FR": 0x120089,
    "FW": 0x120116,
    "FX": 0x1200A0,
    "KA": 0xF003F,
    "KR": 0x20019,
    "KW": 0x20006,
    "KX": 0x20019,
}
_LIST_FLAGS = {
    "D": {
        "P": d.SE_DACL_PROTECTED,
        "AR": d.SE_DACL_AUTO_INHERIT_REQ,
        "AI": d.SE_DACL_AUTO_INHERITED,
    },
    "S": {
        "P": d.SE_SACL_PROTECTED,
        "AR": d.SE_SACL_AUTO_INHERIT_REQ,
        "AI": d.SE_SACL_AUTO_INHERITED,
    },
}
_NULL = "NO_ACCESS_CONTROL"


def parse(text: str) -> d.SecurityDescriptor:
    """The descriptor that a text describes; the empty text describes one that says nothing.

    Raises:
        NtError: INVALID_PARAMETER for what is not made of the parts ``O: G: D: S:``; INVALID_ACL
            for an access list or an entry, its SID too; INVALID_SID for owner and group.
    """
    if not isinstance(text, str):
        raise TypeError(f"SDDL text is needed, not {type(text).__name__}")
    rest = text.upper()
    result = d.SecurityDescriptor()
    seen = set()
    while rest and not rest.isspace():
        match = _PART.match(rest)
        key = match and (match["key"] or match["list"])
        if match is None or key in seen:
            # Windows says 87 here, not 1338, which is for bytes (Wine, advapi32/tests/security.c).
            raise NtError(
                st.INVALID_PARAMETER,
                detail=f"'{text}' is not a security descriptor, from '{rest}' on",
            )
        seen.add(key)
        if key == "O":
            result = result.with_owner(Sid.parse(match["sid"]))
        elif key == "G":
            result = result.with_group(Sid.parse(match["sid"]))
        elif key == "D":
            result = result.with_dacl(*_list("D", match["flags"], match["aces"]))
        else:
            acl, control = _list("S", match["flags"], match["aces"])
            result = result.with_sacl(acl, control | d.SE_SACL_PRESENT)
        rest = rest[match.end() :]
    return result


def _list(key: str, flags: str, aces: str) -> tuple[d.Acl | None, int]:
    null = key == "D" and flags.endswith(_NULL)
    control, rest = 0, flags.removesuffix(_NULL) if null else flags
    while rest:
        word = next((word for word in ("AR", "AI", "P") if rest.startswith(word)), None)
        if word is None:
            raise NtError(st.INVALID_ACL, detail=f"'{flags}' are not flags of an access list")
        control |= _LIST_FLAGS[key][word]
        rest = rest[len(word) :]
    if null:
        if aces:
            raise NtError(st.INVALID_ACL, detail="entries after NO_ACCESS_CONTROL")
        return None, control
    return d.Acl(tuple(_ace(key, body) for body in re.findall(r"\(([^()]*)\)", aces))), control


def _ace(key: str, body: str) -> d.Ace:
    # As on Windows a field may begin with blanks, and only the last one may end with them.
    fields = [field.lstrip() for field in body.rstrip().split(";")]
    if len(fields) != 6 or fields[3] or fields[4]:
        raise NtError(
            st.INVALID_ACL, detail=f"'({body})' is not of the form (type;flags;rights;;;sid)"
        )
    kind, flags, rights, _, _, sid = fields
    number = _TYPES.get(kind)
    if number is None or (number in (d.ACCESS_ALLOWED, d.ACCESS_DENIED)) != (key == "D"):
        raise NtError(st.INVALID_ACL, detail=f"'{kind}' is no type of entry for '{key}:'")
    table = _LABEL_RIGHTS if number == d.MANDATORY_LABEL else {**_SINGLE_RIGHTS, **_WHOLE_RIGHTS}
    return d.Ace(
        number, _pairs(flags, _ACE_FLAGS, "flags", body), _mask(rights, table, body), _sid(sid)
    )


def _sid(text: str) -> Sid:
    try:
        return Sid.parse(text)
    except NtError as failure:  # what is wrong with an entry is wrong with its list
        raise NtError(st.INVALID_ACL, detail=failure.detail) from None


_RIGHT = re.compile(rf"{_NUMBER}|[^0-9]{{1,2}}")


def _mask(text: str, table: dict[str, int], body: str) -> int:
    """Rights by their letters and by numbers, in any order (Wine, advapi32/tests/security.c)."""
    mask = 0
    for word in _RIGHT.findall(text):
        mask |= _number(word, body) if word[0].isdigit() else _pairs(word, table, "rights", body)
    return mask


def _number(text: str, body: str) -> int:
    try:
        value = int(text, 16 if text[:2] == "0X" else 8 if text[0] == "0" else 10)
    except ValueError:
        value = -1
    if not 0 <= value < 1 << 32:
        raise NtError(st.INVALID_ACL, detail=f"'{text}' in '({body})' is not an access mask")
    return value


def _pairs(text: str, table: dict[str, int], what: str, body: str) -> int:
    mask = 0
    for start in range(0, len(text), 2):
        value = table.get(text[start : start + 2])
        if value is None:
            raise NtError(st.INVALID_ACL, detail=f"'{text}' in '({body})' are not {what}")
        mask |= value
    return mask


def text(descriptor: d.SecurityDescriptor) -> str:
    """A descriptor as text; ``parse`` gives it back."""
    parts = []
    if descriptor.owner is not None:
        parts.append(f"O:{descriptor.owner.alias}")
    if descriptor.group is not None:
        parts.append(f"G:{descriptor.group.alias}")
    for key, present, acl in (
        ("D", d.SE_DACL_PRESENT, descriptor.dacl),
        ("S", d.SE_SACL_PRESENT, descriptor.sacl),
    ):
        if descriptor.control & present:
            flags = "".join(
                word for word, bit in _LIST_FLAGS[key].items() if descriptor.control & bit
            )
            if acl is None:
                parts.append(f"{key}:{flags}{_NULL if key == 'D' else ''}")
            else:
                parts.append(f"{key}:{flags}" + "".join(map(_ace_text, acl.aces)))
    return "".join(parts)


def _ace_text(ace: d.Ace) -> str:
    kind = next(word for word, number in _TYPES.items() if number == ace.type)
    flags = "".join(word for word, bit in _ACE_FLAGS.items() if ace.flags & bit)
    return f"({kind};{flags};{_rights_text(ace)};;;{ace.sid.alias})"


def _rights_text(ace: d.Ace) -> str:
    table = _LABEL_RIGHTS if ace.type == d.MANDATORY_LABEL else _SINGLE_RIGHTS
    whole = next((word for word, bits in _WHOLE_RIGHTS.items() if bits == ace.mask), None)
    if whole is not None and ace.type != d.MANDATORY_LABEL:
        return whole
    words = [word for word, bit in table.items() if ace.mask & bit]
    if ace.mask and sum(table[word] for word in words) == ace.mask:
        return "".join(words)
    return f"{ace.mask:#x}"
