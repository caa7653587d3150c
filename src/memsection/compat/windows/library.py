# SPDX-License-Identifier: MIT
"""``WinDLL``, ``windll`` and ``WINFUNCTYPE``: genuine foreign functions whose entry points are this
library's.

An entry point is a C function that ctypes makes of a Python one, so ``argtypes``, ``restype``,
``errcheck``, ``byref``, arrays, structures and ``paramflags`` are ctypes' own, and only what
happens behind the entry point is ours.  What each function is stands in ``declarations``.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from typing import Any

from memsection import win32 as w
from memsection.compat.windows.declarations import LIBRARIES, Declaration
from memsection.compat.windows.last_error import get_last_error, set_last_error
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError

_Genuine: Any = ctypes._CFuncPtr  # type: ignore[attr-defined]
_CDECL = 1  #: FUNCFLAG_CDECL: there is one calling convention here


class _Thread(threading.local):
    raised: BaseException | None = None


_thread = _Thread()


class NativeText:
    """How this system's own ctypes has wide text: in units of 4 bytes."""

    unit = 4

    @staticmethod
    def argument(value: Any) -> Any:
        """A value as a foreign function takes it."""
        return value

    @staticmethod
    def result(value: Any) -> Any:
        """A value as a foreign function gave it."""
        return value


def _entry(declaration: Declaration, unit: int) -> Any:
    """The C entry point of a function."""

    def call(*values: Any) -> Any:
        try:
            return declaration.call(values, unit)
        except NtError as failure:
            w.SetLastError(st.winerror(failure.status))
            if declaration.result == "NTSTATUS":
                return failure.status
            if declaration.result == "ERROR":
                return st.winerror(failure.status)
        except OSError as failure:
            if declaration.result == "ERROR":
                return getattr(failure, "winerror", None) or 31
        except BaseException as failure:
            # a C function raises nothing: it comes out where the call began
            _thread.raised = failure
        return declaration.failure

    return ctypes.CFUNCTYPE(declaration.kind, *declaration.parameter_kinds())(call)


def _call(
    function: Any, arguments: tuple[Any, ...], words: dict[str, Any], text: Any, keep_error: bool
) -> Any:
    """Call a foreign function: the private copy of the last error goes in and comes out, and what
    was raised."""
    arguments = tuple(map(text.argument, arguments))
    if keep_error:
        w.SetLastError(get_last_error())
    try:
        found = _Genuine.__call__(function, *arguments, **words)
    finally:
        if keep_error:
            set_last_error(w.GetLastError())
        raised, _thread.raised = _thread.raised, None
        if raised is not None:
            raise raised
    return text.result(found)


class WinDLL:
    """A library of Windows: what this package has of its functions.

    Raises:
        FileNotFoundError: There is no such library here.
    """

    _text: Any = NativeText
    _func_restype_: Any = ctypes.c_int
    _func_flags_ = _CDECL

    def __init__(
        self,
        name: str | os.PathLike[str] | None,
        mode: int = 0,
        handle: int | None = None,
        use_errno: bool = False,
        use_last_error: bool = False,
        winmode: int | None = None,
    ) -> None:
        base = (
            os.path.basename(os.fspath(name or "").replace("\\", "/")).lower().removesuffix(".dll")
        )
        if base not in LIBRARIES:
            raise FileNotFoundError(
                f"Could not find module '{name}' (or one of its dependencies): "
                f"memsection has {', '.join(sorted(LIBRARIES))}"
            )
        self._name, self._handle, self._base, self._last = name, 0, base, use_last_error
        text, last = self._text, use_last_error

        class _FuncPtr(_Genuine):  # type: ignore[misc]
            _flags_ = _CDECL
            _restype_ = self._func_restype_

            def __call__(self, *arguments: Any, **words: Any) -> Any:
                return _call(self, arguments, words, text, last)

        self._FuncPtr = _FuncPtr

    def __repr__(self) -> str:
        return f"<{type(self).__name__} '{self._name}', of memsection at {id(self):#x}>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        function = self[name]
        setattr(self, name, function)
        return function

    def __getitem__(self, name: str | int) -> Any:
        entry = self._entry_point(name)
        function = self._FuncPtr(ctypes.cast(entry, ctypes.c_void_p).value)
        function._entry = entry
        function.__name__ = name
        if name in ("GetLastError", "SetLastError") and self._last:
            function.restype = ctypes.c_int
        return function

    def _entry_point(self, name: str | int) -> Any:
        declaration = LIBRARIES[self._base].get(name)  # type: ignore[arg-type]
        if declaration is None:
            raise AttributeError(
                f"function '{name}' not found: memsection's {self._base} does not have it"
            )
        return _entry_of(declaration, self._text.unit)


_entries: dict[tuple[int, int], Any] = {}


def _entry_of(declaration: Declaration, unit: int) -> Any:
    """The one entry point of a function, which stays."""
    key = id(declaration), unit
    if key not in _entries:
        _entries[key] = _entry(declaration, unit)
    return _entries[key]


class LibraryLoader:
    """What ``windll`` is: libraries as attributes."""

    def __init__(self, kind: type[WinDLL]) -> None:
        self._dlltype = kind

    def __getattr__(self, name: str) -> WinDLL:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            library = self._dlltype(name)
        except FileNotFoundError as problem:
            raise AttributeError(str(problem)) from None
        setattr(self, name, library)
        return library

    def __getitem__(self, name: str) -> WinDLL:
        return getattr(self, name)  # type: ignore[no-any-return]

    def LoadLibrary(self, name: str) -> WinDLL:  # noqa: N802  # the name of the original
        """A library.

        Raises:
            FileNotFoundError: There is no such library here.
        """
        return self._dlltype(name)


def function_type(text: Any) -> Callable[..., Any]:
    """A ``WINFUNCTYPE`` for this kind of wide text."""
    made: dict[Any, Any] = {}

    def WINFUNCTYPE(
        restype: Any,
        *argtypes: Any,
        use_errno: bool = False,  # noqa: N802  # the name of the original
        use_last_error: bool = False,
    ) -> Any:
        """A type of foreign functions and of callbacks."""
        key = restype, argtypes, use_errno, use_last_error
        if key not in made:
            made[key] = _function_type(text, restype, argtypes, use_last_error)
        return made[key]

    return WINFUNCTYPE


def _function_type(text: Any, restype: Any, argtypes: tuple[Any, ...], keep_error: bool) -> Any:
    class WinFunctionType(_Genuine):  # type: ignore[misc]
        _argtypes_ = argtypes
        _restype_ = restype
        _flags_ = _CDECL

        def __new__(cls, *arguments: Any) -> Any:
            if not (
                arguments
                and isinstance(arguments[0], tuple)
                and isinstance(arguments[0][1], WinDLL)
            ):
                return super().__new__(cls, *arguments)
            (name, library), rest = arguments[0], arguments[1:]
            entry = library._entry_point(name)
            # Some exported function of the interpreter's, so that ctypes takes the flags of the
            # parameters; then ours.
            function = super().__new__(cls, ("Py_IncRef", ctypes.pythonapi), *rest)
            ctypes.c_size_t.from_address(ctypes.addressof(function)).value = (
                ctypes.cast(entry, ctypes.c_void_p).value or 0
            )
            function._entry = entry
            return function

        def __init__(self, *arguments: Any) -> None:
            pass

        def __call__(self, *arguments: Any, **words: Any) -> Any:
            return _call(self, arguments, words, text, keep_error)

    return WinFunctionType
