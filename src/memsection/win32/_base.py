# SPDX-License-Identifier: MIT
"""What the functions of this face share: C's argument types, the last error, and failures as
``OSError``.

It owns the passage between a C signature and a kernel service: arguments are converted as C would
(a DWORD of 32 bits, NULL as None or 0), an ``NtError`` becomes an ``OSError`` with ``.winerror``
and is remembered as the thread's last error, and object names and SECURITY_ATTRIBUTES become
OBJECT_ATTRIBUTES.  What a function does stands with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from operator import index
from os import PathLike, fspath
from threading import local
from typing import Any, NoReturn, ParamSpec, TypeAlias, TypeVar

from memsection.nt import kernel
from memsection.nt.owners import whole
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import ArgumentError, NtError, public_error

P = ParamSpec("P")
R = TypeVar("R")

# The types of documented signatures.  They are what a type checker sees; ``_CONVERT`` is what
# happens at run time.
HANDLE: TypeAlias = int
HANDLES: TypeAlias = Sequence[int]
LPVOID: TypeAlias = int
DWORD: TypeAlias = int
LONG: TypeAlias = int
SIZE_T: TypeAlias = int
LARGE_INTEGER: TypeAlias = int
BOOL: TypeAlias = bool | int
LPCWSTR: TypeAlias = str | None
ATTRIBUTES: TypeAlias = Any  #: SECURITY_ATTRIBUTES, any object with its fields, or None
PATH: TypeAlias = str | PathLike[str]
BUFFER: TypeAlias = bytes | bytearray | memoryview

INFINITE = 0xFFFFFFFF


def _to_unsigned(bits: int) -> Callable[[Any], int]:
    mask = (1 << bits) - 1
    return lambda value: value if type(value) is int and 0 <= value <= mask else index(value) & mask


def _to_signed(bits: int) -> Callable[[Any], int]:
    mask, sign = (1 << bits) - 1, 1 << bits - 1
    return lambda value: (
        value
        if type(value) is int and -sign <= value < sign
        else ((index(value) & mask) ^ sign) - sign
    )


_pointer_sized = large_integer = _to_signed(64)
_address = _to_unsigned(64)


def _handle(value: Any) -> int:
    return (
        value
        if type(value) is int and -9 < value < 1 << 63
        else 0
        if value is None
        else _pointer_sized(value)
    )


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        if value and "\0" in value:
            # C would see a shorter name
            raise ArgumentError(f"embedded null character: {value!r}")
        return value
    raise TypeError("str or None")


def _path(value: Any) -> str:
    found = _text(fspath(value))
    if found is None:
        raise TypeError("str")
    return found


def _buffer(value: Any) -> bytes:
    return value if type(value) is bytes else bytes(memoryview(value))


def _attributes(value: Any) -> Any:
    if value is not None and not (
        hasattr(value, "lpSecurityDescriptor")
        and hasattr(value, "bInheritHandle")
        and not isinstance(value.lpSecurityDescriptor, int | str)
    ):
        raise TypeError("SECURITY_ATTRIBUTES or None")
    return value


_CONVERT: dict[str, Callable[[Any], Any]] = {
    "HANDLE": _handle,
    "HANDLES": lambda value: tuple(_handle(one) for one in value),
    "LPVOID": lambda value: 0 if value is None else _address(value),
    "DWORD": _to_unsigned(32),
    "LONG": _to_signed(32),
    "SIZE_T": _address,
    "LARGE_INTEGER": _pointer_sized,
    "BOOL": lambda value: index(value) != 0,
    "LPCWSTR": _text,
    "PATH": _path,
    "BUFFER": _buffer,
    "ATTRIBUTES": _attributes,
}
_WANTED = {
    "LPCWSTR": "str or None",
    "PATH": "str or path",
    "BUFFER": "bytes-like object",
    "HANDLES": "sequence of int",
    "ATTRIBUTES": "SECURITY_ATTRIBUTES or None",
}


class _Thread(local):
    last_error = 0


_thread = _Thread()


def last_error() -> int:
    """The calling thread's last error."""
    return _thread.last_error


def set_last_error(code: int) -> None:
    """Set the calling thread's last error."""
    _thread.last_error = code


def refuse(status: int, operation: str, detail: str, name: str | None = None) -> NoReturn:
    """A function's own check says no: as if the kernel had said it."""
    raise NtError(status, operation, name, detail)


def windows(function: Callable[P, R]) -> Callable[P, R]:
    """A documented function: arguments are converted by their annotations, a failed service raises
    ``OSError``."""
    code = function.__code__
    names = code.co_varnames[: code.co_argcount]
    kinds = [str(function.__annotations__.get(name)) for name in names]
    steps = [(at, _CONVERT[kind]) for at, kind in enumerate(kinds) if kind in _CONVERT]
    count = len(names)
    run: Any = whole(function)

    def explain(values: list[Any]) -> None:
        for at, convert in steps:
            try:
                convert(values[at])
            except TypeError:
                wanted = _WANTED.get(kinds[at], "int")
                raise TypeError(
                    f"{function.__name__}: {names[at]} must be {wanted}, "
                    f"not {type(values[at]).__name__}"
                ) from None

    @wraps(function)
    def call(*given: P.args, **named: P.kwargs) -> R:
        if named or len(given) != count:
            given = _in_order(function, given, named)
        values: list[Any] = list(given)
        try:
            for at, convert in steps:
                values[at] = convert(given[at])
        except TypeError:
            explain(values)
            raise
        try:
            result: R = run(*values)
        except NtError as failure:
            raise _remember_error(failure) from None
        return result

    return call


def _in_order(function: Any, given: Any, named: dict[str, Any]) -> Any:
    """All arguments by position, the defaults too."""
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    defaults = dict(zip(reversed(names), reversed(function.__defaults__ or ()), strict=False))
    left = {name: defaults[name] for name in names[len(given) :] if name in defaults} | named
    if len(given) + len(left) != len(names) or left.keys() != set(names[len(given) :]):
        function(*given, **named)  # it says what is wrong
        raise TypeError(f"{function.__name__}: wrong arguments")
    return given + tuple(left[name] for name in names[len(given) :])


def _remember_error(failure: NtError) -> OSError:
    """The exception for a failed service, whose code is now the thread's last error."""
    error = public_error(failure)
    _thread.last_error = error.winerror
    return error


# ------------------------------------------------------------------ what several headers need


def inherit_flag(inherit: object) -> int:
    """OBJ_INHERIT or 0."""
    return s.OBJ_INHERIT if inherit else 0


def descriptor_of(lpAttributes: Any) -> bytes | None:
    """The self-relative descriptor of a SECURITY_ATTRIBUTES, None for the default one."""
    found = None if lpAttributes is None else lpAttributes.lpSecurityDescriptor
    return None if found is None else bytes(found)


def inherits(lpAttributes: Any) -> bool:
    """Whether a SECURITY_ATTRIBUTES asks for an inheritable handle."""
    return lpAttributes is not None and bool(lpAttributes.bInheritHandle)


def to_create(lpName: str | None, lpAttributes: Any) -> s.ObjectAttributes:
    """OBJECT_ATTRIBUTES for a create: an existing object is opened; no name, or an empty one, makes
    an unnamed one."""
    flags = inherit_flag(inherits(lpAttributes))
    descriptor = descriptor_of(lpAttributes)
    if not lpName:
        return s.ObjectAttributes(None, 0, flags, descriptor)
    return s.ObjectAttributes(
        lpName, kernel.named_objects_directory(), flags | s.OBJ_OPENIF, descriptor
    )


def to_open(lpName: str | None, bInheritHandle: object, operation: str) -> s.ObjectAttributes:
    """OBJECT_ATTRIBUTES for an open, which needs a name (conformance:
    lifetime.open_needs_an_existing_name)."""
    if lpName is None:
        refuse(st.INVALID_PARAMETER, operation, "a name is needed to open an object")
    return s.ObjectAttributes(
        lpName, kernel.named_objects_directory(), inherit_flag(bInheritHandle), None
    )


def handle_of_create(outcome: tuple[int, int]) -> int:
    """The handle of a create; the last error is 183 if the object was there, else 0."""
    status, handle = outcome
    _thread.last_error = st.winerror(status)
    return handle


def timeout_of(dwMilliseconds: int) -> int | None:
    """Milliseconds as the kernel has them: negative 100 ns units from now, None for INFINITE."""
    return None if dwMilliseconds == INFINITE else -dwMilliseconds * 10_000
