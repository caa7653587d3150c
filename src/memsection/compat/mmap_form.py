# SPDX-License-Identifier: MIT
"""How a call of ``mmap`` is meant: in Windows's form or in Linux's, and what the one is in the
words of the other."""

from __future__ import annotations

import mmap as genuine
from operator import index
from typing import Any, NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# mmap(2): what Linux's numbers mean, also where the genuine module does not have them.
MAP_SHARED, MAP_PRIVATE, MAP_ANONYMOUS = 1, 2, 0x20
PROT_NONE, PROT_READ, PROT_WRITE = 0, 1, 2
ACCESSES = (genuine.ACCESS_DEFAULT, genuine.ACCESS_READ, genuine.ACCESS_WRITE, genuine.ACCESS_COPY)
_WINDOWS = ("tagname", "access", "offset")
_LINUX = ("flags", "prot", "access", "offset")


class Form(NamedTuple):
    """What a call in Windows's form asks for."""

    tagname: str | None
    access: int
    offset: int


def is_windows(args: Sequence[Any], kw: Mapping[str, Any]) -> bool:
    """Whether a call has Windows's form: a tag name, or None in its place, comes after the
    length."""
    return "tagname" in kw or bool(args and (args[0] is None or isinstance(args[0], str | bytes)))


def windows(args: Sequence[Any], kw: Mapping[str, Any]) -> Form:
    """The arguments after the length of a call in Windows's form.

    Flags and protection given by name together with a tag name are translated.

    Raises:
        TypeError: Arguments that no form has.
        ValueError: An access that is none, or contradicts flags and protection.
        OverflowError: A negative offset.
    """
    values = _by_name(args, kw, _WINDOWS)
    flags, prot = values.pop("flags", None), values.pop("prot", None)
    unknown = next(iter(values.keys() - set(_WINDOWS)), None)
    if unknown is not None:
        raise TypeError(f"{unknown!r} is an invalid keyword argument for mmap()")
    access = index(values.get("access", genuine.ACCESS_DEFAULT))
    if flags is not None or prot is not None:
        if access != genuine.ACCESS_DEFAULT:
            raise ValueError("mmap can't specify both access and flags, prot.")
        access = access_of(
            MAP_SHARED if flags is None else flags, PROT_READ | PROT_WRITE if prot is None else prot
        )
    return Form(
        _tagname(values.get("tagname")), _check_access(access), _offset(values.get("offset", 0))
    )


def linux(args: Sequence[Any], kw: Mapping[str, Any]) -> tuple[int, int, int, int]:
    """Flags, protection, access and offset of a call in Linux's form, on a system that has no such
    form.

    Raises:
        TypeError: Arguments that no form has.
        ValueError: An access that is none, or contradicts flags and protection.
        OverflowError: A negative offset.
    """
    values = _by_name(args, kw, _LINUX)
    unknown = next(iter(values.keys() - set(_LINUX)), None)
    if unknown is not None:
        raise TypeError(f"{unknown!r} is an invalid keyword argument for mmap()")
    flags, prot = values.get("flags", MAP_SHARED), values.get("prot", PROT_READ | PROT_WRITE)
    access = index(values.get("access", genuine.ACCESS_DEFAULT))
    if access != genuine.ACCESS_DEFAULT and values.keys() & {"flags", "prot"}:
        raise ValueError("mmap can't specify both access and flags, prot.")
    return index(flags), index(prot), _check_access(access), _offset(values.get("offset", 0))


def access_of(flags: int, prot: int) -> int:
    """The access that flags and protection amount to.

    Raises:
        ValueError: They ask for what no access gives.
    """
    if prot & ~(PROT_READ | PROT_WRITE) or not prot & PROT_READ:
        raise ValueError(
            f"mmap: no access is like prot={prot:#x}: readable memory, writable or not, can be "
            f"asked for"
        )
    kind = flags & (MAP_SHARED | MAP_PRIVATE)
    if kind not in (MAP_SHARED, MAP_PRIVATE):
        raise ValueError(f"mmap: flags={flags:#x} ask for neither MAP_SHARED nor MAP_PRIVATE alone")
    if not prot & PROT_WRITE:
        return genuine.ACCESS_READ
    return genuine.ACCESS_WRITE if kind == MAP_SHARED else genuine.ACCESS_COPY


def _by_name(args: Sequence[Any], kw: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    if len(args) > len(names):
        raise TypeError(f"mmap() takes at most {len(names) + 2} arguments ({len(args) + 2} given)")
    values = dict(zip(names, args, strict=False))
    twice = values.keys() & kw.keys()
    if twice:
        raise TypeError(f"argument for mmap() given by name ({twice.pop()!r}) and position")
    return {**values, **kw}


def _tagname(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise TypeError(f"expected str or None for 'tagname', not {type(value).__name__}")
    if "\0" in value:
        raise ValueError("tagname: embedded null character")
    return value or None


def _check_access(access: int) -> int:
    if access not in ACCESSES:
        raise ValueError("mmap invalid access parameter.")
    return access


def _offset(value: Any) -> int:
    offset = index(value)
    if offset < 0:
        raise OverflowError("memory mapped offset must be positive")
    return offset
