# SPDX-License-Identifier: MIT
"""Every function of the faces of Windows, with numbers that nobody means in the place of each of its
arguments: a status, an error of this library, or TypeError."""

from __future__ import annotations

import inspect
import subprocess
import sys
from typing import Any

import pytest

import memsection
from memsection import nt, win32

ABSURD: list[Any] = [-1, 2**31, 2**63, 2**64, 10**400, -(2**31), -(2**64), -(10**400)]
ABSURD += [1.5, float("nan"), float("inf"), "x", "\ud800", "a\0b"]
#: what ends this process or waits, and what no number alone is refused for
LEFT_OUT = {"NtTerminateProcess", "TerminateProcess", "CreateProcess", "Sleep", "SleepEx"}
NUMBERS = {"int", "int | None", "HANDLE", "DWORD", "LONG", "SIZE_T", "LPVOID", "LARGE_INTEGER"}
TEXTS = {"LPCWSTR", "PATH", "Sid | bytes | str", "SECURITY_DESCRIPTOR | bytes"}


def functions(module: Any) -> list[Any]:
    return [
        found
        for name, found in sorted(vars(module).items())
        if inspect.isfunction(found)
        and name[0] != "_"
        and not name.startswith("Zw")
        and name not in LEFT_OUT
        and "Wait" not in name
    ]


def arguments(function: Any) -> list[Any] | None:
    """Numbers that make as little sense as possible; None where something else is needed."""
    found = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.annotation in NUMBERS | {"BOOL", "bool"}:
            found.append(0)
        elif parameter.annotation in TEXTS or parameter.default is not parameter.empty:
            found.append(None)
        elif parameter.annotation in ("ATTRIBUTES", "Any"):
            found.append(None)
        else:
            return None
    return found


@pytest.mark.linux_only("ctypes and Windows itself judge numbers there")
@pytest.mark.parametrize("face", ["nt", "win32"])
def test_no_number_ends_in_anything_but_an_error_of_this_library(face: str) -> None:
    # in a program of its own, with which all that it makes goes
    run = subprocess.run(
        [sys.executable, __file__, face], capture_output=True, text=True, timeout=120
    )
    assert (run.returncode, run.stderr) == (0, "")


def try_all(module: Any) -> None:
    """Call every function of a face with each absurd value in the place of each argument."""
    tried = 0
    for function in functions(module):
        base = arguments(function)
        kinds = [one.annotation for one in inspect.signature(function).parameters.values()]
        for at, kind in enumerate(kinds if base is not None else ()):
            if kind not in NUMBERS | TEXTS:
                continue
            assert base is not None
            for value in ABSURD:
                try:
                    function(*base[:at], value, *base[at + 1 :])
                except (memsection.Error, TypeError):
                    pass
                except Exception as problem:
                    raise AssertionError(f"{function.__name__}: {kinds[at]} {value!r}") from problem
                tried += 1
    assert tried > 1000


def made_section() -> int:
    status, handle = nt.NtCreateSection(
        nt.SECTION_ALL_ACCESS, None, 0x20000, nt.PAGE_READWRITE, nt.SEC_COMMIT
    )
    assert status == nt.STATUS_SUCCESS
    return handle


@pytest.mark.linux_only("ctypes and Windows itself judge numbers there")
def test_views_at_absurd_places() -> None:
    section = made_section()
    for value in ABSURD:
        for at in range(2, 7):
            given: list[Any] = [section, nt.CURRENT_PROCESS, 0, 0, 0, 0, 0x1000]
            given[at] = value
            try:
                status, address, _ = nt.NtMapViewOfSection(*given)
            except TypeError:
                continue
            if status == nt.STATUS_SUCCESS:
                assert nt.NtUnmapViewOfSection(nt.CURRENT_PROCESS, address) == status
    assert nt.NtClose(section) == nt.STATUS_SUCCESS


def test_what_is_no_number_is_named() -> None:
    with pytest.raises(TypeError, match=r"NtClose: Handle: an int is needed, not float"):
        nt.NtClose(1.5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"NtClose: Handle"):
        nt.ZwClose(Handle="5")  # type: ignore[arg-type]


def test_integers_of_other_libraries_are_numbers() -> None:
    np = pytest.importorskip("numpy")
    section = made_section()
    status, address, size = nt.NtMapViewOfSection(
        np.int64(section), nt.CURRENT_PROCESS, ViewSize=np.int32(0x1000)
    )
    assert (status, size) == (nt.STATUS_SUCCESS, 0x1000)
    assert nt.NtUnmapViewOfSection(nt.CURRENT_PROCESS, np.uint64(address)) == status
    assert nt.NtClose(np.uint64(2**64 - 8)) == nt.STATUS_INVALID_HANDLE
    assert nt.NtClose(np.int64(section)) == status


if __name__ == "__main__":
    try_all({"nt": nt, "win32": win32}[sys.argv[1]])
