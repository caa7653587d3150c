# SPDX-License-Identifier: MIT
"""The words of access to a section, and what each means for rights, pages and files."""

from __future__ import annotations

from memsection.vocabulary import access as a
from memsection.vocabulary import protection as p
from memsection.vocabulary.arguments import whole_number
from memsection.vocabulary.errors import ArgumentError
from memsection.vocabulary.text import shown

_READ = a.SECTION_QUERY | a.SECTION_MAP_READ
_WRITE = _READ | a.SECTION_MAP_WRITE
_X = a.SECTION_MAP_EXECUTE
#: The words of access, and the rights that each asks for.
RIGHTS = {
    "r": _READ,
    "rw": _WRITE,
    "c": _READ,
    "rx": _READ | _X,
    "rwx": _WRITE | _X,
    "cx": _READ | _X,
}
#: The protection of pages that each means, of a section as of a view.
PROTECTIONS = {
    "r": p.PAGE_READONLY,
    "rw": p.PAGE_READWRITE,
    "c": p.PAGE_WRITECOPY,
    "rx": p.PAGE_EXECUTE_READ,
    "rwx": p.PAGE_EXECUTE_READWRITE,
    "cx": p.PAGE_EXECUTE_WRITECOPY,
}
#: What has to be asked of a file: a section that may be written through needs a file that may.
FILE_RIGHTS = {
    word: a.GENERIC_READ
    | (a.GENERIC_WRITE if "w" in word else 0)
    | (a.GENERIC_EXECUTE if "x" in word else 0)
    for word in RIGHTS
}


def protection_of(access: object) -> int:
    """The protection of pages that a word of access means.

    Raises:
        ArgumentError: It is no such word.
    """
    found = PROTECTIONS.get(access) if isinstance(access, str) else None
    if found is None:
        words = ", ".join(map(repr, PROTECTIONS))
        raise ArgumentError(f"access {shown(repr(access), 60)}: not one of {words}")
    return found


def node_number(number: object) -> int:
    """The number of a NUMA node, whether or not this machine has it.

    Raises:
        ArgumentError: It can be none.
    """
    node = whole_number(number, "numa_node")
    if not 0 <= node < 1 << 31:
        raise ArgumentError(f"numa_node: {shown(node, 60)} is no number of a node")
    return node


def access_words(granted: int) -> str:
    """What an access mask permits with a section, in the words of ``access``; "" for nothing of
    that."""
    if not granted & (a.SECTION_MAP_READ | a.SECTION_MAP_WRITE):
        return ""
    return (
        ("r" if granted & a.SECTION_MAP_READ else "")
        + ("w" if granted & a.SECTION_MAP_WRITE else "")
        + ("x" if granted & _X else "")
    )
