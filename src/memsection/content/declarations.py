# SPDX-License-Identifier: MIT
"""A record's layout as C and C# declarations, for programs on the other side of a section.

It only writes text.  Offsets are as they are: where C would lay the fields out differently, the
structure is packed and padded by hand, and in each case assertions make the compiler check every
offset.
"""

from __future__ import annotations

import keyword
import re
import sys
from math import prod

from memsection.content.schema import Repeat, Scalar, Struct, Type
from memsection.vocabulary.errors import ArgumentError

_C = {
    "b1": "bool",
    "i1": "int8_t",
    "i2": "int16_t",
    "i4": "int32_t",
    "i8": "int64_t",
    "u1": "uint8_t",
    "u2": "uint16_t",
    "u4": "uint32_t",
    "u8": "uint64_t",
    "f4": "float",
    "f8": "double",
    "c8": "float _Complex",
    "c16": "double _Complex",
    "m8": "int64_t",
    "M8": "int64_t",
}
_CSHARP = {
    "b1": "byte",
    "i1": "sbyte",
    "i2": "short",
    "i4": "int",
    "i8": "long",
    "u1": "byte",
    "u2": "ushort",
    "u4": "uint",
    "u8": "ulong",
    "f4": "float",
    "f8": "double",
    "m8": "long",
    "M8": "long",
}
_WORDS = set(
    """abstract as auto base bool break byte case catch char checked class const continue decimal default
delegate do double else enum event explicit extern false finally fixed float for foreach goto if implicit in inline int
interface internal is lock long namespace new null object operator out override params private protected public
readonly ref register restrict return sbyte sealed short signed sizeof stackalloc static string struct switch this
throw true try typedef typeof uint ulong unchecked union unsafe unsigned ushort using virtual void volatile
while""".split()
)


def _name(text: str) -> str:
    """An identifier of both languages."""
    plain = re.sub(r"\W", "_", text, flags=re.ASCII) or "_"
    return (
        f"{plain}_"
        if plain in _WORDS or keyword.iskeyword(plain)
        else f"_{plain}"
        if plain[0].isdigit()
        else plain
    )


def _key(kind: Scalar) -> str:
    return kind.code[1:3] if kind.code[1] in "mM" else kind.code[1:]


def _note(kind: Scalar, table: dict[str, str]) -> str:
    key = _key(kind)
    if key == "b1" and table is _CSHARP:
        return "0 or 1"
    if key[0] == "S":
        return "ends at the first 0, or is full"
    if key[0] == "U":
        return "UTF-32"
    if key[0] in "mM":
        return f"time: {kind.code[1:]}"
    if kind.code[0] != "|" and kind.code[0] != ("<" if sys.byteorder == "little" else ">"):
        return "bytes in the other order"
    return "" if key in table else f"{kind.code}, {kind.size} bytes"


def _natural(kind: Type) -> int:
    """What a compiler aligns the declared type to."""
    if isinstance(kind, Repeat):
        return _natural(kind.of)
    if isinstance(kind, Struct):
        return (
            max((_natural(field.type) for field in kind.fields), default=1)
            if _is_natural(kind)
            else 1
        )
    key = _key(kind)
    if key[0] == "U":
        return 4
    return (kind.size // 2 if key[0] == "c" else kind.size) if key in _C else 1


def _is_natural(whole: Struct) -> bool:
    """Whether C lays the fields out like this by itself."""
    at, most = 0, 1
    for field in whole.fields:
        step = _natural(field.type)
        at = -(-at // step) * step
        if at != field.offset:
            return False
        at, most = at + field.type.size, max(most, step)
    return -(-at // most) * most == whole.size


def _shape(kind: Type) -> tuple[Type, tuple[int, ...]]:
    lengths: tuple[int, ...] = ()
    while isinstance(kind, Repeat):
        lengths += kind.shape
        kind = kind.of
    return kind, lengths


def c_declaration(name: str, whole: Struct, fingerprint: str) -> str:
    """C11, with an assertion for every offset."""
    out = [
        f"/* Layout {fingerprint}, {whole.size} bytes. */",
        "#include <stdbool.h>",
        "#include <stddef.h>",
        "#include <stdint.h>",
        "",
    ]
    _c_struct(_name(name), whole, out)
    return "\n".join(out) + "\n"


def _in_order(name: str, whole: Struct) -> Struct:
    """The fields as they lie in memory."""
    fields = tuple(sorted(whole.fields, key=lambda field: field.offset))
    for one, following in zip(fields, fields[1:], strict=False):
        if one.offset + one.type.size > following.offset:
            raise ArgumentError(
                f"layout {name}: fields {one.name!r} and {following.name!r} overlap: no declaration"
            )
    return Struct(fields, whole.size)


def _c_struct(name: str, whole: Struct, out: list[str]) -> None:
    whole = _in_order(name, whole)
    natural, at, lines, pads = _is_natural(whole), 0, [], 0
    for field in whole.fields:
        inner, lengths = _shape(field.type)
        label = _name(field.name)
        if isinstance(inner, Struct):
            _c_struct(f"{name}_{label}", inner, out)
            base, note = f"{name}_{label}", ""
        else:
            assert isinstance(inner, Scalar)
            key = _key(inner)
            base = _C.get(key) or {"S": "char", "U": "uint32_t"}.get(key[0], "unsigned char")
            if key not in _C:
                lengths += (inner.size // 4 if key[0] == "U" else inner.size,)
            note = _note(inner, _C)
        if not natural and field.offset > at:
            lines.append(f"    unsigned char pad{pads}_[{field.offset - at}];")
            pads += 1
        lines.append(
            f"    {base} {label}{''.join(f'[{length}]' for length in lengths)};"
            + (f" /* {note} */" if note else "")
        )
        at = field.offset + field.type.size
    if not natural and whole.size > at:
        lines.append(f"    unsigned char pad{pads}_[{whole.size - at}];")
    out += [
        *([] if natural else ["#pragma pack(push, 1)"]),
        f"typedef struct {name} {{",
        *lines,
        f"}} {name};",
        *([] if natural else ["#pragma pack(pop)"]),
        f'_Static_assert(sizeof({name}) == {whole.size}, "size of {name}");',
    ]
    out += [
        f"_Static_assert(offsetof({name}, {_name(field.name)}) == {field.offset}, "
        f'"{name}.{_name(field.name)}");'
        for field in whole.fields
    ]
    out.append("")


def csharp_declaration(name: str, whole: Struct, fingerprint: str) -> str:
    """C# with explicit offsets, for pointers into a view."""
    out = [
        f"// Layout {fingerprint}, {whole.size} bytes.",
        "using System.Runtime.InteropServices;",
        "",
    ]
    _csharp_struct(_name(name), whole, out)
    return "\n".join(out) + "\n"


def _csharp_struct(name: str, whole: Struct, out: list[str]) -> None:
    whole, lines = _in_order(name, whole), []
    for field in whole.fields:
        inner, lengths = _shape(field.type)
        label, at, count = (
            _name(field.name),
            f"    [FieldOffset({field.offset})] public ",
            prod(lengths),
        )
        if isinstance(inner, Struct):
            _csharp_struct(f"{name}_{label}", inner, out)
            if not lengths:
                lines.append(f"{at}{name}_{label} {label};")
            else:  # C# has no fixed arrays of structures: bytes, to be cast to a pointer
                lines.append(
                    f"{at}fixed byte {label}[{field.type.size}]; // {count} x {name}_{label}"
                )
            continue
        assert isinstance(inner, Scalar)
        key = _key(inner)
        note = _note(inner, _CSHARP)
        tail = f" // {note}" if note else ""
        if key in _CSHARP and not lengths:
            lines.append(f"{at}{_CSHARP[key]} {label};{tail}")
        elif key in _CSHARP:
            shape = f"[{', '.join(map(str, lengths))}]" if len(lengths) > 1 else ""
            lines.append(
                f"{at}fixed {_CSHARP[key]} "
                f"{label}[{count}];{tail or (' // ' + shape if shape else '')}"
            )
        elif key[0] == "U":
            lines.append(f"{at}fixed uint {label}[{count * inner.size // 4}];{tail}")
        else:
            lines.append(f"{at}fixed byte {label}[{count * inner.size}];{tail}")
    out += [
        f"[StructLayout(LayoutKind.Explicit, Size = {whole.size})]",
        f"public unsafe struct {name}",
        "{",
        *lines,
        "}",
        "",
    ]
