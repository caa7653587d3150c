# SPDX-License-Identifier: MIT
"""Chosen modules see Windows: what they import is a stand-in for ``sys``, ``os``, ``ctypes`` and
the like; nobody else's is.

A module imports through the ``__import__`` of its builtins, and a chosen one gets builtins of its
own.  So the standard library and every package that was not named still see the system as it is.
"""

from __future__ import annotations

import builtins
import collections
import ctypes
import ctypes.wintypes
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import mmap
import os
import platform
import struct
import sys
import types
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from memsection.compat.windows import msvcrt, sizes
from memsection.vocabulary.protection import ALLOCATION_GRANULARITY

#: What ``sys.getwindowsversion()`` says: a Windows 10 of 64 bits.
_Version = collections.namedtuple("_Version", "major minor build platform service_pack")  # noqa: PYI024  # as sys has it
_VERSION = _Version(10, 0, 19045, 2, "")


class StandIn(types.ModuleType):
    """A module that is another one but for some names."""

    def __init__(self, real: types.ModuleType, **replaced: Any) -> None:
        super().__init__(real.__name__, real.__doc__)
        vars(self).update(_real=real, _replaced=replaced, **replaced)

    def __getattr__(self, name: str) -> Any:
        return getattr(vars(self)["_real"], name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in vars(self)["_replaced"]:
            vars(self)[name] = value
        else:
            setattr(vars(self)["_real"], name, value)

    def __delattr__(self, name: str) -> None:
        delattr(vars(self)["_real"], name)

    def __dir__(self) -> list[str]:
        return sorted({*dir(vars(self)["_real"]), *vars(self)["_replaced"]})

    @property
    def __all__(self) -> list[str]:
        return getattr(vars(self)["_real"], "__all__", None) or [
            name for name in dir(self) if not name.startswith("_")
        ]


def _windows_struct() -> dict[str, Any]:
    """``struct`` whose native ``l`` has 4 bytes."""
    table = str.maketrans("lL", "iI")

    def native(layout: Any) -> Any:
        words = layout.decode() if isinstance(layout, bytes) else layout
        return (
            words.translate(table)
            if isinstance(words, str) and words[:1] not in tuple("<>=!")
            else layout
        )

    def function(original: Callable[..., Any]) -> Callable[..., Any]:
        return lambda layout, *rest, **words: original(native(layout), *rest, **words)

    class Struct(struct.Struct):
        def __new__(cls, layout: Any) -> Any:
            return super().__new__(cls, native(layout))  # type: ignore[call-arg]

        def __init__(self, layout: Any) -> None:
            super().__init__(native(layout))

    names = ("calcsize", "pack", "pack_into", "unpack", "unpack_from", "iter_unpack")
    return {"Struct": Struct, **{name: function(getattr(struct, name)) for name in names}}


def _mmap_stand_in() -> StandIn:
    from memsection.compat.mmap_linux import WindowsMmap  # type: ignore[attr-defined, unused-ignore]  # Linux only

    return StandIn(mmap, mmap=WindowsMmap, ALLOCATIONGRANULARITY=ALLOCATION_GRANULARITY)


class _Processes(StandIn):
    """``multiprocessing``, whose blocks are sections by name."""

    def __getattr__(self, name: str) -> Any:
        found = super().__getattr__(name)
        return _blocks() if name == "shared_memory" else found


def _blocks() -> types.ModuleType:
    from memsection.compat.windows import shared_memory

    return shared_memory


def _make_modules() -> dict[str, Any]:
    wide = StandIn(ctypes, **sizes.REPLACED)
    seen: dict[str, Any] = {
        "sys": StandIn(
            sys,
            platform="win32",
            getwindowsversion=lambda: _VERSION,
            winver=f"{sys.version_info[0]}.{sys.version_info[1]}",
            dllhandle=0,
        ),
        "os": StandIn(os, name="nt", O_BINARY=0, O_TEXT=0, O_NOINHERIT=getattr(os, "O_CLOEXEC", 0)),
        "platform": StandIn(
            platform,
            system=lambda: "Windows",
            release=lambda: "10",
            version=lambda: "10.0.19045",
            win32_ver=lambda *_: ("10", "10.0.19045", "", "Multiprocessor Free"),
        ),
        "struct": StandIn(struct, **_windows_struct()),
        "ctypes": wide,
        "mmap": _mmap_stand_in(),
        "msvcrt": msvcrt,
        "importlib": StandIn(importlib, import_module=_import_module),
    }
    replaced = sizes.wintypes(wide)
    seen["ctypes.wintypes"] = vars(wide)["wintypes"] = StandIn(ctypes.wintypes, **replaced)
    vars(wide)["_replaced"]["wintypes"] = seen["ctypes.wintypes"]
    return seen


_seen: dict[str, Any] = {}


def _import(
    name: str, globals: Any = None, locals: Any = None, fromlist: Sequence[str] = (), level: int = 0
) -> Any:  # noqa: A002
    # nobody else may see that there is one: subprocess takes it for Windows
    if not level and name == "msvcrt":
        return _seen[name]
    found = builtins.__import__(name, globals, locals, fromlist, level)
    return found if level else _module_as_seen(name if fromlist else name.partition(".")[0], found)


def _import_module(name: str, package: str | None = None) -> Any:
    if name == "msvcrt":
        return _seen[name]
    return _module_as_seen(name, importlib.import_module(name, package))


def _module_as_seen(name: str, found: types.ModuleType) -> types.ModuleType:
    """What a module is to those who see Windows.  Most do not import ``multiprocessing``."""
    if name == "multiprocessing.shared_memory":
        return _blocks()
    if name == "multiprocessing" and name not in _seen:
        _seen[name] = _Processes(found)
    return _seen.get(name, found)  # type: ignore[no-any-return]


def windows_builtins() -> dict[str, Any]:
    """The builtins of a module that sees Windows."""
    if not _seen:
        _seen.update(_make_modules())
    return {**vars(builtins), "__import__": _import}


# ------------------------------------------------------------------ modules by name


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads a module that sees Windows."""

    def exec_module(self, module: types.ModuleType) -> None:
        module.__dict__["__builtins__"] = windows_builtins()
        super().exec_module(module)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules that were chosen, and what is below them."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = tuple(names)

    def _is_chosen(self, name: str) -> bool:
        return any(name == one or name.startswith(f"{one}.") for one in self._names)

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> Any:
        """Where a chosen module is."""
        if not self._is_chosen(name):
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and type(spec.loader) is importlib.machinery.SourceFileLoader:
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


def choose(names: Sequence[str], executable: str | None = None) -> None:
    """Have modules, and what is below them, see Windows when they are imported.

    Args:
        names: The modules.
        executable: What ``sys.executable`` is to them; what it is when omitted.

    Raises:
        ImportError: There is no such module, or it was imported before.
    """
    for name in names:
        if name in sys.modules:
            raise ImportError(
                f"'{name}' is imported already, and has seen the system as it is", name=name
            )
    if executable is not None:
        windows_builtins()
        facts = vars(_seen["sys"])
        facts["executable"] = facts["_replaced"]["executable"] = executable
    sys.meta_path.insert(0, _Finder(names))
    for name in names:
        spec = importlib.util.find_spec(name)
        if spec is None:
            raise ImportError(f"there is no module '{name}' that could see Windows", name=name)
        if spec.origin is not None and not isinstance(spec.loader, _Loader):
            raise ImportError(
                f"'{name}' has no source that could be made to see Windows: {spec.origin}",
                name=name,
            )


def run(path: str, name: str = "__main__") -> None:
    """Run a script as the main module, which sees Windows, or under another name as what stands for
    it."""
    with open(path, "rb") as file:
        _run(file.read(), path, name, __file__=path)


def run_text(text: str, name: str) -> None:
    """Run a program that is no file as the main module, which sees Windows."""
    _run(text, name, "__main__")


def run_module(name: str, as_name: str = "__main__") -> None:
    """Run a module, or what a package has for that, as the main module, which sees Windows, or
    under another name as what stands for it.

    Raises:
        ImportError: There is none, or it has no source.
    """
    spec = importlib.util.find_spec(name)
    if spec is not None and spec.submodule_search_locations is not None:
        spec = importlib.util.find_spec(f"{name}.__main__")
    if spec is None or spec.origin is None or not os.path.isfile(spec.origin):
        raise ImportError(f"there is no module '{name}' that could see Windows", name=name)
    sys.argv[0] = spec.origin
    facts = {"__file__": spec.origin, "__spec__": spec, "__package__": spec.parent}
    with open(spec.origin, "rb") as file:
        _run(file.read(), spec.origin, as_name, **facts)


def _run(source: bytes | str, place: str, name: str, **facts: Any) -> None:
    main = types.ModuleType(name)
    main.__dict__.update(__builtins__=windows_builtins(), __cached__=None, **facts)
    sys.modules["__main__"] = sys.modules[name] = main
    exec(compile(source, place, "exec"), main.__dict__)
