# SPDX-License-Identifier: MIT
"""Text that others chose, in a form that only shows what it is.

Names, paths, command lines and what stands in shared memory can hold anything: a terminal's
commands, a change of the writing direction, the end of a line, half characters that no output
takes.  What people read goes through here.
"""

from __future__ import annotations


def shown(text: object, longest: int | None = None) -> str:
    """The text with every character that is not printable as its escape, cut to a length.

    Doing it twice changes nothing.
    """
    whole = str(text)
    if longest is not None and len(whole) > longest:
        whole = whole[:longest] + "..."
    return whole if whole.isprintable() else "".join(map(_shown_character, whole))


def about(operation: str, name: str | None) -> str:
    """What a message begins with: the operation, and the name of an object that has one."""
    if name:
        return f"{operation} {name!r}"
    for preposition in (" from", " to", " of", " for", " at"):
        operation = operation.removesuffix(preposition)
    return operation


def _shown_character(character: str) -> str:
    if character.isprintable():
        return character
    code = ord(character)
    if character in "\t\n\r":
        return {"\t": "\\t", "\n": "\\n", "\r": "\\r"}[character]
    return (
        f"\\x{code:02x}"
        if code < 0x100
        else f"\\u{code:04x}"
        if code < 0x10000
        else f"\\U{code:08x}"
    )
