# SPDX-License-Identifier: MIT
"""Layouts of records: from a dataclass, a ctypes structure or a NumPy dtype, and values to bytes
and back.

A layout has a fingerprint and prints itself as C and C# declarations (``declarations``).  Where
records lie is the business of ``records`` and ``latest``.
"""

from __future__ import annotations

import ctypes
import dataclasses
import struct
import typing
from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from memsection.content import schema
from memsection.content.codec import ENDIAN, FORMATS, Codec, hints_of, object_count
from memsection.content.declarations import c_declaration, csharp_declaration
from memsection.content.fixed import Fixer, fixed_ctypes, fixer
from memsection.content.schema import Field, Repeat, Scalar, Struct, Type
from memsection.vocabulary.errors import ArgumentError, CorruptError, Error
from memsection.vocabulary.text import shown

if TYPE_CHECKING:
    import numpy as np

    #: What can be a layout: a dataclass, a subclass of ctypes.Structure, a structured dtype, or a
    #: Layout.
    Spec: TypeAlias = "type[Any] | np.dtype[Any] | Layout"

#: Field types for dataclasses, where ``int`` (int64), ``float`` (float64) and ``bool`` are not what
#: is wanted. Bytes and text have their length beside them: ``Annotated[bytes, 16]``,
#: ``Annotated[str, 16]`` (UTF-8); arrays their shape: ``Annotated[list[float], "f4", 3]``,
#: ``Annotated[list[Point], 10]``.
int8: TypeAlias = Annotated[int, "i1"]
int16: TypeAlias = Annotated[int, "i2"]
int32: TypeAlias = Annotated[int, "i4"]
int64: TypeAlias = Annotated[int, "i8"]
uint8: TypeAlias = Annotated[int, "u1"]
uint16: TypeAlias = Annotated[int, "u2"]
uint32: TypeAlias = Annotated[int, "u4"]
uint64: TypeAlias = Annotated[int, "u8"]
float16: TypeAlias = Annotated[float, "f2"]
float32: TypeAlias = Annotated[float, "f4"]
float64: TypeAlias = Annotated[float, "f8"]

MOST_FOREIGN = 1 << 20  #: values and lists that a record of a layout that came with it may become
LONGEST_SHOWN = 2000  #: characters of a layout in a message
_OTHER_ENDIAN, _OTHER_TYPE = (">", "__ctype_be__") if ENDIAN == "<" else ("<", "__ctype_le__")
_PLAIN = {int: "i8", float: "f8", bool: "b1"}


def _scalar(code: str, order: str = ENDIAN) -> Scalar:
    return Scalar(("|" if code[1:] == "1" or code[0] in "SV" else order) + code)


# ---------------------------------------------------------------------- where layouts come from


def _refuse(what: object, why: str) -> ArgumentError:
    return ArgumentError(f"layout: {what}: {why}")


def alignment(kind: Type) -> int:
    """What C would align such a value to."""
    if isinstance(kind, Scalar):
        if kind.code[1] in "SV":
            return 1
        return 4 if kind.code[1] == "U" else kind.size // 2 if kind.code[1] == "c" else kind.size
    if isinstance(kind, Repeat):
        return alignment(kind.of)
    return max((alignment(field.type) for field in kind.fields), default=1)


def _laid_out(members: Sequence[tuple[str, Type]]) -> Struct:
    """Offsets as C gives them."""
    fields, at = [], 0
    for name, kind in members:
        at = -(-at // alignment(kind)) * alignment(kind)
        fields.append(Field(name, kind, at))
        at += kind.size
    whole = Struct(tuple(fields), at)
    return Struct(whole.fields, -(-at // alignment(whole)) * alignment(whole))


def _of_dataclass(kind: type[Any]) -> Struct:
    try:
        hints = hints_of(typing.cast(Any, kind))
    except NameError as failure:
        raise _refuse(
            kind.__name__, f"a type that is written as text cannot be found: {failure}"
        ) from None
    return _laid_out(
        [
            (field.name, _of_annotation(f"{kind.__name__}.{field.name}", hints[field.name]))
            for field in dataclasses.fields(kind)
        ]
    )


def _of_annotation(where: str, hint: Any) -> Type:
    extras: tuple[Any, ...] = ()
    if typing.get_origin(hint) is Annotated:
        hint, *rest = typing.get_args(hint)
        extras = tuple(rest)
    lengths = tuple(extra for extra in extras if type(extra) is int and extra > 0)
    code = next((extra for extra in extras if isinstance(extra, str)), None)
    if code is not None and code not in FORMATS:
        raise _refuse(where, f"{code!r} is none of {', '.join(FORMATS)}")
    if hint in (bytes, str):
        if len(lengths) != 1:
            raise _refuse(where, f"how many bytes? Annotated[{hint.__name__}, 16]")
        return _scalar(f"{'S' if hint is str else 'V'}{lengths[0]}")
    if typing.get_origin(hint) in (list, tuple):
        inner = _of_annotation(where, typing.get_args(hint)[0])
        if not lengths:
            raise _refuse(where, "how many of them? Annotated[list[...], 3]")
        return Repeat(inner if code is None else _scalar(code), lengths)
    if hint in _PLAIN:
        return _scalar(code or _PLAIN[hint])
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _of_dataclass(hint)
    raise _refuse(where, f"{hint!r} has no fixed size that could be told")


def _of_structure(where: str, kind: Any) -> Struct:
    # a structure of the other byte order: its base has the mark
    order = _OTHER_ENDIAN if hasattr(kind, "_swappedbytes_") else ENDIAN
    fields = []
    for base in reversed(kind.__mro__):  # the bases' fields come first
        for name, member, *bits in base.__dict__.get("_fields_", ()):
            if bits:
                raise _refuse(
                    f"{where}.{name}", "C leaves the place of a bit field to the compiler"
                )
            at = base.__dict__[name].offset
            fields.append(Field(name, _of_ctypes(f"{where}.{name}", member, order), at))
    if not fields:
        raise _refuse(where, "it has no fields")
    return Struct(tuple(fields), ctypes.sizeof(kind))


def _of_ctypes(where: str, kind: Any, order: str) -> Type:
    if issubclass(kind, ctypes.Structure):
        return _of_structure(where, kind)
    if issubclass(kind, ctypes.Array):
        array: Any = kind
        if array._type_ is ctypes.c_char:
            return _scalar(f"S{array._length_}")
        return Repeat(_of_ctypes(where, array._type_, order), (array._length_,))
    letter = getattr(kind, "_type_", None)
    size = ctypes.sizeof(kind)
    if letter == "c":
        return _scalar("S1")
    if getattr(kind, _OTHER_TYPE, None) is kind:
        order = _OTHER_ENDIAN
    for group, letters in (("b", "?"), ("i", "bhilq"), ("u", "BHILQ"), ("f", "fd")):
        if isinstance(letter, str) and letter in letters:
            return _scalar(f"{group}{size}", order)
    raise _refuse(where, f"{kind.__name__} is nothing that another process could read")


def _of_dtype(dtype: Any) -> Struct:
    from memsection import arrays

    kind = arrays.type_of(dtype)
    if not isinstance(kind, Struct):
        raise _refuse(
            dtype, "a record has named fields; arrays of plain numbers are memsection.arrays'"
        )
    return kind


# ---------------------------------------------------------------------- a layout


class Layout:
    """What the bytes of one record mean.

    Attributes:
        name: The name that declarations give it. struct: Fields, types, offsets and size.
            fingerprint: Equal exactly for equal layouts, whatever they were made from.
    """

    def __init__(self, name: str, whole: Struct, spec: Any = None) -> None:
        if whole.size == 0:
            raise _refuse(name, "it has no bytes")
        _check_names(name, whole)
        self.name = name
        self.struct = whole
        self.fingerprint = schema.fingerprint(whole)
        self._spec = spec

    def _again(self) -> Layout:
        """The same, with nothing in it that was needed to use it."""
        again = object.__new__(Layout)
        again.name, again.struct = self.name, self.struct
        again.fingerprint, again._spec = self.fingerprint, self._spec
        return again

    @cached_property
    def _codec(self) -> Codec:
        spec = self._spec
        if spec is None and object_count(self.struct) > MOST_FOREIGN:
            raise ArgumentError(
                f"record {shown(self.name)}: more than {MOST_FOREIGN} values and lists in each, by "
                f"a "
                "description that anybody may have written: use .array, or open it with its layout"
            )
        return Codec(
            self.struct, spec if isinstance(spec, type) and dataclasses.is_dataclass(spec) else None
        )

    @property
    def size(self) -> int:
        """Bytes of one record."""
        return self.struct.size

    def c(self) -> str:
        """The declaration for C (C11), with assertions for the compiler to check.

        Rights:
            None.

        Raises:
            ArgumentError: Fields overlap, which C could only say with a union (ValueError).
        """
        return c_declaration(self.name, self.struct, self.fingerprint)

    def csharp(self) -> str:
        """The declaration for C#, with explicit offsets.

        Rights:
            None.

        Raises:
            ArgumentError: Fields overlap (ValueError).
        """
        return csharp_declaration(self.name, self.struct, self.fingerprint)

    def dtype(self) -> np.dtype[Any]:
        """The layout as a structured dtype; needs NumPy.

        Rights:
            None.

        Raises:
            ImportError: NumPy is not installed.
        """
        from memsection import arrays

        return arrays.dtype_of(self.struct)

    def pack_into(self, buffer: Any, offset: int, value: Any) -> None:
        """Write a record: an instance of what the layout was made from, or a mapping of its fields.

        All of it is written, or nothing.

        Rights:
            None.

        Raises:
            ArgumentError: A value does not fit its field (ValueError).
            TypeError: The buffer is read-only.
        """
        if isinstance(value, ctypes.Structure) or hasattr(value, "dtype"):
            raw = (
                bytes(value)
                if isinstance(value, ctypes.Structure)
                else value.astype(self.dtype()).tobytes()
            )
            if len(raw) != self.size:
                raise ArgumentError(f"record {self.name}: {len(raw)} bytes, {self.size} are needed")
            memoryview(buffer)[offset : offset + self.size] = raw
        else:
            self._codec.pack_into(buffer, offset, value)

    def unpack_from(self, buffer: Any, offset: int = 0) -> Any:
        """Read a record: a copy, as an instance of what the layout was made from, else a dict.

        Rights:
            None.

        Raises:
            ArgumentError: Only NumPy can read this layout; or no record is at that offset
                (ValueError).
        """
        try:
            if isinstance(self._spec, type) and issubclass(self._spec, ctypes.Structure):
                return self._spec.from_buffer_copy(buffer, offset)
            if self._spec is not None and not isinstance(self._spec, type):
                import numpy as np

                return np.frombuffer(buffer, self._spec, 1, offset)[0].copy()
            return self._codec.unpack_from(buffer, offset)
        except (struct.error, ValueError, OverflowError) as failure:
            if isinstance(failure, Error):
                raise
            raise ArgumentError(f"record {self.name} at {offset}: {failure}") from None

    @cached_property
    def _fixer(self) -> Fixer:
        found = fixer(self.struct)
        assert found is not None  # a structure can be changed
        return found

    def _unpack_fixed(self, buffer: Any, offset: int) -> Any:
        """As ``unpack_from``, where a write into what comes of it could be meant for the memory: it
        refuses."""
        spec = self._spec
        if isinstance(spec, type) and issubclass(spec, ctypes.Structure):
            return fixed_ctypes(spec).from_buffer_copy(buffer, offset)
        if spec is not None and not isinstance(spec, type):
            import numpy as np

            with memoryview(buffer) as memory:
                return np.frombuffer(bytes(memory[offset : offset + self.size]), spec)[0]
        return self._fixer(self._codec.unpack_from(buffer, offset))

    def __repr__(self) -> str:
        return (
            f"<memsection.records.Layout {shown(self.name)} {self.size} bytes {self.fingerprint}>"
        )


def _check_names(name: str, whole: Type) -> None:
    """Two fields of one name could not be told apart by their readers."""
    if isinstance(whole, Repeat):
        _check_names(name, whole.of)
    elif isinstance(whole, Struct):
        if len({field.name for field in whole.fields}) != len(whole.fields):
            raise _refuse(name, "two fields have the same name")
        for field in whole.fields:
            _check_names(f"{name}.{field.name}", field.type)


def layout(spec: Spec) -> Layout:
    """The layout that a dataclass, a ctypes structure or a structured dtype means.

    A dataclass is laid out as C would do it; the others say themselves where their fields are.

    Rights:
        None.

    Raises:
        ArgumentError: It has a field without a fixed size, or one that means nothing to another
            process (ValueError).
    """
    if isinstance(spec, Layout):
        return spec
    if isinstance(spec, type):
        if dataclasses.is_dataclass(spec):
            return _layout_of_class(spec, dataclasses.fields(spec))
        if issubclass(spec, ctypes.Structure):
            return _layout_of_class(spec, ())
    elif hasattr(spec, "names") and hasattr(spec, "itemsize"):
        return Layout("Record", _of_dtype(spec), spec)
    raise _refuse(spec, "neither a dataclass, nor a ctypes structure, nor a structured dtype")


@lru_cache(maxsize=256)
def _layout_of_class(spec: type[Any], fields: tuple[Any, ...]) -> Layout:
    """The layout of a class.

    A dataclass can get other fields, where the decorator is applied later or again, and is asked
    for with those that it has; a structure's never change. Some hundred classes stay alive here.
    """
    if fields:
        return Layout(spec.__name__, _of_dataclass(spec), spec)
    return Layout(spec.__name__, _of_structure(spec.__name__, spec), spec)


# -------------------------------------------------------------------- in descriptions and messages


def layout_in(facts: schema.Facts) -> Layout:
    """The layout that a description means.

    Raises:
        CorruptError: None.
    """
    known = schema.remember(facts, Layout, _layout_in)
    # Not that one itself: what a layout needs to read records can be large, and goes with it.
    return known._again()


def _layout_in(facts: schema.Facts) -> Layout:
    whole = schema.from_json(facts.get("type"))
    if not isinstance(whole, Struct) or whole.size == 0:
        raise CorruptError("description: its type is no record")
    return Layout(shown(facts.get("name"), 100), whole)


class LayoutText:
    """A layout in a comparison: equal by fingerprint, and told field by field."""

    def __init__(self, kind: Layout) -> None:
        self._kind = kind

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LayoutText) and self._kind.fingerprint == other._kind.fingerprint

    def __hash__(self) -> int:
        return hash(self._kind.fingerprint)

    def __str__(self) -> str:
        fields = ", ".join(
            f"{one.name}: {_short(one.type)} at {one.offset}" for one in self._kind.struct.fields
        )
        return f"{self._kind.fingerprint} ({shown(fields, LONGEST_SHOWN)}; {self._kind.size} bytes)"


def _short(kind: Type) -> str:
    if isinstance(kind, Scalar):
        return kind.code.lstrip(ENDIAN + "|")
    if isinstance(kind, Repeat):
        return _short(kind.of) + "".join(f"[{length}]" for length in kind.shape)
    return "{" + ", ".join(_short(field.type) for field in kind.fields) + "}"
