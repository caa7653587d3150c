# SPDX-License-Identifier: MIT
"""Records that were read: copies that refuse to be changed, at every depth.

``records[0].position.x = 9`` would change a copy that nobody sees again.  It is an error that says
how to change the record, and never a write: who reads a record, changes it and assigns it to
another place does not mean the first one. What is made of such a copy (``dataclasses.replace``,
``copy.deepcopy``, ``dict``, ``list``, a pickle) can be changed. NumPy refuses by itself to write
into a scalar of read-only bytes.
"""

from __future__ import annotations

import ctypes
import dataclasses
from collections.abc import Callable
from functools import lru_cache
from types import MemberDescriptorType, new_class
from typing import Any, NoReturn

from memsection.content.schema import Repeat, Scalar, Type

Fixer = Callable[[Any], Any]


def _refuse(self: object, *_: object, **__: object) -> NoReturn:
    in_place = (
        "records.live(i).field = ..."
        if isinstance(self, (ctypes.Structure, ctypes.Array))
        else ("records.array['field'][i] = ...")
    )
    raise TypeError(
        "a record that was read is a copy, and a change of it would be lost: assign a whole record "
        "(records[i] = "
        f"...), a changed copy.deepcopy(record) for example, or write in place ({in_place})"
    )


def _unchangeable(names: str) -> dict[str, Any]:
    """The methods that would change it, each of them refused."""
    return dict.fromkeys(names.split(), _refuse)


def _plain(kind: Any) -> dict[str, Any]:
    """Methods by which everything that copies or pickles gets the plain kind."""
    return {
        "__new__": lambda cls, *arguments, **named: kind(*arguments, **named),
        "__reduce_ex__": lambda self, protocol: (kind, (kind(self),)),
        "copy": lambda self: kind(self),
    }


_List: Any = type(
    "list",
    (list,),
    {
        "__slots__": (),
        **_plain(list),
        **_unchangeable(
            "__setitem__ __delitem__ __iadd__ __imul__ append clear extend insert pop remove "
            "reverse sort"
        ),
    },
)
_Dict: Any = type(
    "dict",
    (dict,),
    {
        "__slots__": (),
        **_plain(dict),
        **_unchangeable("__setitem__ __delitem__ __ior__ clear pop popitem setdefault update"),
    },
)


def fixer(kind: Type) -> Fixer | None:
    """What fixes a value that was read as this type; None where nothing in it could be changed."""
    if isinstance(kind, Scalar):
        return None
    if isinstance(kind, Repeat):
        return _list_fixer(
            fixer(Repeat(kind.of, kind.shape[1:]) if len(kind.shape) > 1 else kind.of)
        )
    return _record_fixer(
        [(field.name, inner) for field in kind.fields if (inner := fixer(field.type)) is not None]
    )


def _list_fixer(inner: Fixer | None) -> Fixer:
    def fix(value: Any) -> Any:
        if type(value) is tuple:
            return value if inner is None else tuple(map(inner, value))
        if type(value) is not list:
            return value  # the dataclass has made something else of it
        fixed = list.__new__(_List)
        list.extend(fixed, value if inner is None else map(inner, value))
        return fixed

    return fix


def _record_fixer(nested: list[tuple[str, Fixer]]) -> Fixer:
    def fix(value: Any) -> Any:
        kind = type(value)
        if kind is dict:
            fixed = dict.__new__(_Dict)
            dict.update(fixed, value)
            for name, inner in nested:
                dict.__setitem__(fixed, name, inner(value[name]))
            return fixed
        if not dataclasses.is_dataclass(kind):
            return value
        for name, inner in nested:
            object.__setattr__(value, name, inner(getattr(value, name)))
        return _copy(value, *_fixed_dataclass(kind))

    return fix


class _Fixed:
    """Before a dataclass in the order of its bases: what registers subclasses of that is not told
    of this one."""

    __slots__ = ()

    def __init_subclass__(cls, **_: object) -> None:
        pass


def _copy(value: Any, kind: Any, slots: tuple[str, ...]) -> Any:
    """An instance of another class with the same attributes, made without asking either class."""
    copy = object.__new__(kind)
    if hasattr(value, "__dict__"):
        copy.__dict__.update(value.__dict__)
    for name in slots:
        object.__setattr__(copy, name, getattr(value, name))
    return copy


@lru_cache(maxsize=256)
def _fixed_dataclass(kind: Any) -> tuple[type, tuple[str, ...]]:
    """A class whose instances cannot be changed, and are of ``kind`` to everybody who asks; and
    which fields are slots."""
    slots = tuple(
        field.name
        for field in dataclasses.fields(kind)
        if isinstance(getattr(kind, field.name, None), MemberDescriptorType)
    )
    return new_class(
        kind.__name__,
        (_Fixed, kind),
        exec_body=lambda names: names.update(
            __slots__=(),
            __module__=kind.__module__,
            __qualname__=kind.__qualname__,
            __class__=property(lambda self: kind),
            __setattr__=_refuse,
            __delattr__=_refuse,
            __reduce_ex__=lambda self, protocol: _copy(self, kind, slots).__reduce_ex__(protocol),
        ),
    ), slots


@lru_cache(maxsize=256)
def fixed_ctypes(kind: Any) -> Any:
    """The structure or array type with the same bytes, whose instances, and what they consist of,
    cannot be changed."""
    names: dict[str, Any] = {
        "__setattr__": _refuse,
        "__reduce_ex__": lambda self, protocol: kind.from_buffer_copy(self).__reduce_ex__(protocol),
    }
    if issubclass(kind, ctypes.Structure):
        for base in kind.__mro__:
            for name, member, *_ in base.__dict__.get("_fields_", ()):
                if _is_composed(member) and member.__dict__.get("_type_") is not ctypes.c_char:
                    names[name] = _part(member, getattr(kind, name).offset)
    else:
        names["__setitem__"] = _refuse
        if _is_composed(kind._type_):
            names["__getitem__"] = lambda self, index: _element(self, kind, index)
    metaclass: Any = type(kind)
    return metaclass(kind.__name__, (kind,), names)


def _is_composed(kind: Any) -> bool:
    return issubclass(kind, (ctypes.Structure, ctypes.Array))


def _part(kind: Any, offset: int) -> property:
    return property(lambda self: fixed_ctypes(kind).from_buffer(self, offset), _refuse)


def _element(array: Any, kind: Any, index: Any) -> Any:
    if isinstance(index, slice):
        return [_element(array, kind, at) for at in range(*index.indices(len(array)))]
    at = range(len(array))[index]
    return fixed_ctypes(kind._type_).from_buffer(array, at * ctypes.sizeof(kind._type_))
