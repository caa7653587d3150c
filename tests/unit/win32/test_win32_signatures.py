# SPDX-License-Identifier: MIT
"""The surface of the Win32-named face: its functions, their arguments, their constants, and what
wrong types get."""

from __future__ import annotations

import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from memsection import win32

ROOT = Path(__file__).resolve().parents[3]
HEADERS = sorted(
    path.stem
    for path in Path(win32.__file__).parent.glob("*.py")
    if not path.stem.startswith(("_", "win", "minwinbase"))
)
FUNCTIONS = {
    name: function
    for header in HEADERS
    for name, function in vars(importlib.import_module(f"memsection.win32.{header}")).items()
    if name in importlib.import_module(f"memsection.win32.{header}").__all__
    and inspect.isfunction(function)
}


@pytest.fixture(scope="module")
def suite() -> Iterator[ModuleType]:
    """The constants and signatures of the conformance suite, which has them on its own account."""
    place = str(Path(__file__).resolve().parents[2] / "conformance")
    sys.path.insert(0, place)
    try:
        yield importlib.import_module("harness.signatures")
    finally:
        sys.path.remove(place)


def test_every_function_of_a_header_is_there_under_its_name() -> None:
    assert FUNCTIONS
    for name, function in FUNCTIONS.items():
        assert getattr(win32, name) is function


def test_the_page_of_functions_is_what_the_face_has_and_lacks() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "functions_page.py"), "--check"], check=False
    )
    assert done.returncode == 0, "run tools/functions_page.py"
    page = (ROOT / "docs" / "reference" / "functions.md").read_text(encoding="utf-8")
    assert not [name for name in FUNCTIONS if f"[`{name}`](" not in page]
    assert not [
        name for name in re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) if hasattr(win32, name)
    ]


def test_functions_take_what_the_conformance_suite_passes(suite: ModuleType) -> None:
    for name, signature in suite.FUNCTIONS.items():
        if name.startswith("Nt"):
            continue
        inspect.signature(FUNCTIONS[name]).bind(*signature.parameters)  # raises TypeError if not


def test_constants_have_the_values_that_the_conformance_suite_has(suite: ModuleType) -> None:
    native = (
        "OBJ_",
        "STATUS_",
        "View",
        "Section",
        "Object",
        "MUTANT_",
        "DIRECTORY_",
        "SYMBOLIC_LINK_",
    )
    wrong = {
        name: (value, getattr(win32, name, None))
        for name, value in suite.c.ALL.items()
        if not name.startswith(native) and getattr(win32, name, None) != value
    }
    assert not wrong


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_function_says_which_rights_it_needs_and_what_it_raises(name: str) -> None:
    text = inspect.getdoc(FUNCTIONS[name]) or ""
    assert "\nRights:\n" in text
    assert "\nRaises:\n" in text


def _parameters(kind: str) -> list[tuple[str, str]]:
    return [
        (name, parameter.name)
        for name, function in sorted(FUNCTIONS.items())
        for parameter in inspect.signature(function).parameters.values()
        if parameter.annotation == kind
    ]


def _call_with(name: str, which: str, value: Any) -> None:
    """Call a function with harmless values, and ``value`` for one parameter."""
    plain = {
        "HANDLE": 0,
        "HANDLES": (),
        "LPVOID": 0,
        "DWORD": 0,
        "LONG": 0,
        "SIZE_T": 0,
        "LARGE_INTEGER": 0,
        "BOOL": False,
        "LPCWSTR": None,
        "PATH": "",
        "BUFFER": b"",
        "ATTRIBUTES": None,
    }
    arguments = {
        parameter.name: plain.get(parameter.annotation)
        for parameter in inspect.signature(FUNCTIONS[name]).parameters.values()
    }
    FUNCTIONS[name](**{**arguments, which: value})


@pytest.mark.parametrize(
    ("name", "which"),
    [
        pair
        for kind in ("HANDLE", "LPVOID", "DWORD", "LONG", "SIZE_T", "BOOL", "LARGE_INTEGER")
        for pair in _parameters(kind)
    ],
)
def test_what_is_no_number_is_a_type_error(name: str, which: str) -> None:
    for value in ("4", 4.0, b"4", object()):
        with pytest.raises(
            TypeError, match=f"{name}: {which} must be int, not {type(value).__name__}"
        ):
            _call_with(name, which, value)


@pytest.mark.parametrize(("name", "which"), _parameters("LPCWSTR"))
def test_what_is_no_text_is_a_type_error(name: str, which: str) -> None:
    for value in (5, b"name", ["name"]):
        with pytest.raises(TypeError, match=f"{name}: {which} must be str or None"):
            _call_with(name, which, value)


@pytest.mark.parametrize(("name", "which"), _parameters("ATTRIBUTES"))
def test_what_are_no_security_attributes_is_a_type_error(name: str, which: str) -> None:
    inside: list[Any] = [5, "D:"]
    for value in (
        1,
        "D:",
        b"",
        *(win32.SECURITY_ATTRIBUTES(lpSecurityDescriptor=one) for one in inside),
    ):
        with pytest.raises(TypeError, match=f"{name}: {which} must be SECURITY_ATTRIBUTES or None"):
            _call_with(name, which, value)


@pytest.mark.parametrize(("name", "which"), _parameters("HANDLES"))
@pytest.mark.parametrize("value", [5, ["x"], None])
def test_what_is_no_list_of_handles_is_a_type_error(name: str, which: str, value: object) -> None:
    with pytest.raises(TypeError, match=f"{name}: {which} must be sequence of int"):
        _call_with(name, which, value)


@pytest.mark.parametrize(("name", "which"), _parameters("BUFFER"))
@pytest.mark.parametrize("value", [5, "text", None])
def test_what_are_no_bytes_is_a_type_error(name: str, which: str, value: object) -> None:
    with pytest.raises(TypeError, match=f"{name}: {which} must be bytes-like object"):
        _call_with(name, which, value)


def test_too_many_and_unknown_arguments_are_type_errors() -> None:
    with pytest.raises(TypeError):
        win32.CloseHandle(0, 0)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        win32.CloseHandle(handle=0)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        win32.CloseHandle()  # type: ignore[call-arg]


def test_a_zero_inside_a_name_is_refused_because_c_would_see_a_shorter_name() -> None:
    with pytest.raises(ValueError, match="null character"):
        win32.CreateMutex(None, False, "one\0two")


def test_numbers_are_cut_to_their_c_type() -> None:
    win32.SetLastError(0x1_0000_0005)
    assert win32.GetLastError() == 5
    with pytest.raises(OSError) as caught:
        win32.GetHandleInformation((1 << 64) - 16)  # the same as -16 in a HANDLE
    assert caught.value.winerror == win32.ERROR_INVALID_HANDLE


def test_the_unsigned_form_of_a_pseudo_handle_is_the_pseudo_handle() -> None:
    assert (
        win32.GetProcessId((1 << 64) - 1) == win32.GetProcessId(-1) == win32.GetCurrentProcessId()
    )


def test_none_is_null() -> None:
    with pytest.raises(OSError) as caught:
        win32.CloseHandle(None)  # type: ignore[arg-type]
    assert caught.value.winerror == win32.ERROR_INVALID_HANDLE
