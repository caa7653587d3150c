# SPDX-License-Identifier: MIT
"""A decorator for plain records, which costs nothing to import.

To a type checker it is ``dataclasses.dataclass``.  At run time it makes slots, ``__init__``,
``__repr__`` and ``__eq__`` itself, because ``dataclasses`` brings ``inspect`` with it and would
double the time that ``import memsection`` takes (bench/import_time.py).  Defaults are plain values;
records are not mutated.
"""

from __future__ import annotations

__all__ = ["record"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import dataclass as record
else:

    def record(cls=None, **options):
        """Make a record of a class with annotated fields."""
        if cls is None:
            return lambda cls: record(cls, **options)
        fields = tuple(cls.__annotations__)
        body = {
            key: value
            for key, value in vars(cls).items()
            if key not in fields and key not in ("__dict__", "__weakref__")
        }
        defaults = {field: vars(cls)[field] for field in fields if field in vars(cls)}
        make = body["__init__"] = _initialiser(cls, fields, tuple(defaults.values()))
        make.__module__ = cls.__module__
        body.update(__slots__=fields, __match_args__=fields, __repr__=_repr)
        if options.get("eq", True):
            body.update(__eq__=_eq, __hash__=_hash)
        return type(cls)(cls.__name__, cls.__bases__, body)

    _templates = {}  # number of fields: what an ``__init__`` of so many consists of

    def _initialiser(cls, fields, defaults):
        """``__init__`` with these parameters, the last of which have defaults.

        Compiling one for each record would take most of the time that the import does; with as many
        fields they differ in names only.
        """
        template = _templates.get(len(fields))
        if template is None:
            names = [f"field_{number}" for number in range(len(fields))]
            lines = "".join(f"    self.{name} = {name}\n" for name in names) or "    pass\n"
            space = {}
            exec(f"def __init__(self, {', '.join(names)}):\n{lines}", space)
            template = _templates[len(fields)] = space["__init__"].__code__
        code = template.replace(
            co_varnames=("self", *fields),
            co_names=fields,
            co_qualname=f"{cls.__qualname__}.__init__",
        )
        return type(_initialiser)(code, {}, "__init__", defaults)

    def _values(self):
        return tuple(getattr(self, field) for field in self.__slots__)

    def _repr(self):
        inside = ", ".join(
            f"{field}={value!r}" for field, value in zip(self.__slots__, _values(self), strict=True)
        )
        return f"{type(self).__name__}({inside})"

    def _eq(self, other):
        return _values(self) == _values(other) if type(other) is type(self) else NotImplemented

    def _hash(self):
        return hash(_values(self))
