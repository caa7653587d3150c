# SPDX-License-Identifier: MIT
"""A ctypes with Windows's sizes: ``c_long`` has 32 bits and ``c_wchar`` 16, text in memory is
UTF-16.

It is genuine ctypes but for these types and what deals with text: fields, arrays and pointers of
``c_wchar`` take and give ``str`` as the originals do.  ``wintypes`` is the standard library's own
source, executed over it.
"""

# ruff: noqa: N801  # the names of the originals

from __future__ import annotations

import builtins
import ctypes as _ctypes
import ctypes.wintypes as _wintypes
import functools
import types
from pathlib import Path
from typing import Any

from memsection.compat.windows import last_error, library, memory

ctypes: Any = _ctypes  #: what is done to its types here is beyond what they are declared to be
_UNIT = 2


class Utf16:
    """How wide text is in foreign functions: UTF-16."""

    unit = _UNIT

    @staticmethod
    def argument(value: Any) -> Any:
        """A value as a foreign function takes it."""
        return c_wchar_p(value) if isinstance(value, str) else value

    @staticmethod
    def result(value: Any) -> Any:
        """A value as a foreign function gave it."""
        return value.value if type(value) is c_wchar_p else value


def _until_zero(data: bytes) -> str:
    return data.decode("utf-16-le", "surrogatepass").split("\0", 1)[0]


class _WideKind(type(ctypes.c_uint16)):  # type: ignore[misc]  # a metaclass without a name
    """The type of ``c_wchar``: its arrays are text."""

    def __mul__(cls, count: int) -> Any:
        return _array(cls, count)

    __rmul__ = __mul__


class c_wchar(ctypes.c_uint16, metaclass=_WideKind):  # type: ignore[misc]
    """One unit of UTF-16."""

    def __init__(self, value: str = "\0") -> None:
        super().__init__(_one_unit(value))

    @property
    def value(self) -> str:
        """The character."""
        return chr(ctypes.c_uint16.from_buffer(self).value)

    @value.setter
    def value(self, text: str) -> None:
        ctypes.c_uint16.from_buffer(self).value = _one_unit(text)


def _one_unit(text: Any) -> int:
    if not isinstance(text, str) or len(text) != 1 or ord(text) > 0xFFFF:
        raise TypeError(f"one character string of at most 16 bits expected, not {text!r}")
    return ord(text)


class _WideArray:
    """What an array of ``c_wchar`` has besides: its text."""

    _length_: int

    @property
    def value(self) -> str:
        """The text up to the first zero."""
        return _until_zero(ctypes.string_at(ctypes.addressof(self), 2 * self._length_))

    @value.setter
    def value(self, text: str) -> None:
        _write(ctypes.addressof(self), 2 * self._length_, text)

    def __getitem__(self, index: Any) -> str:
        raw = ctypes.string_at(ctypes.addressof(self), 2 * self._length_)
        data = raw.decode("utf-16-le", "surrogatepass")
        return (
            data[index]
            if len(data) == self._length_
            else "".join(
                chr(unit)
                for unit in (ctypes.c_uint16 * self._length_).from_buffer(self)[index:][:1]
            )
        )

    def __setitem__(self, index: Any, text: str) -> None:
        units = (ctypes.c_uint16 * self._length_).from_buffer(self)
        units[index] = (
            [_one_unit(one) for one in text] if isinstance(index, slice) else _one_unit(text)
        )


@functools.cache
def _array(kind: Any, count: int) -> Any:
    """The array type: one for each length, as ctypes has it."""
    return type(ctypes.Array)(
        f"c_wchar_Array_{count}", (_WideArray, ctypes.Array), {"_type_": kind, "_length_": count}
    )


def _write(address: int, size: int, text: str) -> None:
    if not isinstance(text, str):
        raise TypeError(f"unicode string expected instead of {type(text).__name__} instance")
    data = text.encode("utf-16-le", "surrogatepass")
    if len(data) > size:
        raise ValueError("string too long")
    if len(data) < size:
        data += b"\0\0"
    ctypes.memmove(address, data, len(data))


class c_wchar_p(ctypes.c_void_p):  # type: ignore[misc]
    """A pointer to UTF-16 text that a zero ends."""

    def __init__(self, value: Any = None) -> None:
        self._text = None
        if isinstance(value, str):
            self._text = ctypes.create_string_buffer(memory.encode_text(value, _UNIT))
            value = ctypes.addressof(self._text)
        elif value is not None and not isinstance(value, int):
            raise TypeError(
                f"unicode string or integer address expected instead of {type(value).__name__} "
                f"instance"
            )
        super().__init__(value)

    @property
    def value(self) -> str | None:
        """The text; None for NULL."""
        return memory.text(ctypes.c_size_t.from_buffer(self).value, _UNIT)

    @value.setter
    def value(self, text: Any) -> None:
        other = c_wchar_p(text)
        self._text = other._text
        ctypes.c_size_t.from_buffer(self).value = ctypes.c_size_t.from_buffer(other).value

    @classmethod
    def from_param(cls, value: Any) -> Any:
        """A value as a foreign function takes it."""
        if isinstance(value, str):
            return cls(value)
        if isinstance(value, bytes | bytearray):
            raise TypeError("wrong type: bytes are not wide text")
        return super().from_param(value)


class _Text:
    """A field of wide text, which is a ``str`` as the original's is."""

    def __init__(self, field: Any, length: int) -> None:
        self._field, self._count = field, length
        self.offset, self.size = field.offset, field.size

    def __get__(self, owner: Any, kind: Any = None) -> Any:
        if owner is None:
            return self
        data = ctypes.string_at(ctypes.addressof(owner) + self.offset, self.size)
        return _until_zero(data) if self._count else data.decode("utf-16-le", "surrogatepass")

    def __set__(self, owner: Any, text: str) -> None:
        if self._count:
            _write(ctypes.addressof(owner) + self.offset, self.size, text)
        else:
            ctypes.c_uint16.from_address(ctypes.addressof(owner) + self.offset).value = _one_unit(
                text
            )


class _TextPointer:
    """A field that points to wide text."""

    def __init__(self, field: Any, name: str) -> None:
        self._field, self._name = field, name
        self.offset, self.size = field.offset, field.size

    def __get__(self, owner: Any, kind: Any = None) -> Any:
        return self if owner is None else self._field.__get__(owner, kind).value

    def __set__(self, owner: Any, text: Any) -> None:
        pointer = text if isinstance(text, c_wchar_p) else c_wchar_p(text)
        self._field.__set__(owner, pointer)
        # it lives as long as who points to it
        vars(owner).setdefault("_texts", {})[self._name] = pointer


def _with_text(base: Any) -> Any:
    class Kind(type(base)):  # type: ignore[misc]
        def __setattr__(cls, name: str, value: Any) -> None:
            super().__setattr__(name, value)
            if name == "_fields_":
                for field, kind, *_ in value:
                    wrapped = _wrap(cls.__dict__.get(field), field, kind)
                    if wrapped is not None:
                        super().__setattr__(field, wrapped)

    return Kind(base.__name__, (base,), {"__module__": "ctypes"})


def _wrap(field: Any, name: str, kind: Any) -> Any:
    if kind is c_wchar:
        return _Text(field, 0)
    if kind is c_wchar_p:
        return _TextPointer(field, name)
    if not (isinstance(kind, type) and issubclass(kind, ctypes.Array)):
        return None
    array: Any = kind
    return _Text(field, array._length_) if array._type_ is c_wchar else None


Structure, Union = _with_text(ctypes.Structure), _with_text(ctypes.Union)


def create_unicode_buffer(init: str | int, size: int | None = None) -> Any:
    """A buffer of wide text."""
    if isinstance(init, str):
        length = len(init.encode("utf-16-le", "surrogatepass")) // 2 + 1 if size is None else size
        buffer = _array(c_wchar, length)()
        buffer.value = init
        return buffer
    if isinstance(init, int):
        return _array(c_wchar, init)()
    raise TypeError(init)


def wstring_at(pointer: Any, size: int = -1) -> str:
    """The text at an address, up to a zero or of a length."""
    address = ctypes.cast(pointer, ctypes.c_void_p).value or 0
    return memory.text(address, _UNIT, None if size < 0 else size) or ""


class WinDLL(library.WinDLL):
    """A library of Windows, whose wide text is UTF-16."""

    _text = Utf16


class OleDLL(WinDLL):
    """The same: none of the functions gives an HRESULT."""


REPLACED: dict[str, Any] = {
    "c_long": ctypes.c_int32,
    "c_ulong": ctypes.c_uint32,
    "c_wchar": c_wchar,
    "c_wchar_p": c_wchar_p,
    "Structure": Structure,
    "LittleEndianStructure": Structure,
    "Union": Union,
    "create_unicode_buffer": create_unicode_buffer,
    "wstring_at": wstring_at,
    "HRESULT": ctypes.c_int32,
    "WinDLL": WinDLL,
    "OleDLL": OleDLL,
    "windll": library.LibraryLoader(WinDLL),
    "oledll": library.LibraryLoader(OleDLL),
    "WINFUNCTYPE": library.function_type(Utf16),
    "LibraryLoader": library.LibraryLoader,
    **{name: getattr(last_error, name) for name in last_error.__all__},
}


def wintypes(wide: types.ModuleType) -> dict[str, Any]:
    """The names of ``ctypes.wintypes``, made of its own source over this ctypes."""

    def import_(name: str, *rest: Any, **words: Any) -> Any:
        return wide if name == "ctypes" else builtins.__import__(name, *rest, **words)

    source = _wintypes.__file__ or ""
    space: dict[str, Any] = {
        "__name__": "ctypes.wintypes",
        "__builtins__": {**vars(builtins), "__import__": import_},
    }
    exec(compile(Path(source).read_text("utf-8"), source, "exec"), space)
    return {name: value for name, value in space.items() if not name.startswith("__")}
