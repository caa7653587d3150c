# SPDX-License-Identifier: MIT
"""The public surface is what docs/reference/public.txt says: changing it means changing that file,
in sight of all.

Run as a program this writes the file.
"""

from __future__ import annotations

import importlib
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FILE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "public.txt"
MODULES = [
    "memsection",
    "memsection.arrays",
    "memsection.arrow",
    "memsection.channels",
    "memsection.compat",
    "memsection.compat.windows",
    "memsection.errors",
    "memsection.latest",
    "memsection.mirror",
    "memsection.nt",
    "memsection.pickling",
    "memsection.records",
    "memsection.win32",
    "memsection.wine",
]
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def surface() -> Iterator[str]:
    """One line for each public name, with its signature."""
    for name in MODULES:
        module: Any = importlib.import_module(
            "memsection.vocabulary.errors" if name == "memsection.errors" else name
        )
        for public in sorted(_names(module)):
            yield from _lines(f"{name}.{public}", getattr(module, public))


def _names(module: Any) -> list[str]:
    if hasattr(module, "__all__"):
        return list(module.__all__)
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and not inspect.ismodule(value)
        and (not hasattr(value, "__module__") or value.__module__.startswith("memsection"))
        and name
        not in (
            "TYPE_CHECKING",
            "annotations",
            "NtError",
            "message",
            "public_error",
            "kernel",
            "ViewBuffer",
            "WaitableBase",
            "native",
            "publish",
            "published",
        )
    ]


def _lines(name: str, value: Any) -> Iterator[str]:
    if inspect.isclass(value):
        yield f"class {name}({', '.join(base.__name__ for base in value.__bases__)}){_signature(value)}"
        for member, found in sorted(_members(value)):
            called = callable(getattr(value, member)) and not inspect.isdatadescriptor(found)
            yield f"  {name}.{member}{_signature(getattr(value, member)) if called else ''}"
    elif callable(value):
        yield f"{name}{_signature(value)}"
    elif isinstance(value, int):
        yield f"{name} = {value:#x}"
    else:
        yield name


def _members(kind: type) -> Iterator[tuple[str, Any]]:
    seen = set()
    for owner in kind.__mro__:
        if not owner.__module__.startswith("memsection"):
            continue
        for member, found in vars(owner).items():
            if not member.startswith("_") and member not in seen:
                seen.add(member)
                yield member, found


def _signature(value: Any) -> str:
    try:
        return _ADDRESS.sub("", str(inspect.signature(value)))
    except (TypeError, ValueError):
        return "(...)"


@pytest.mark.linux_only("the file is written on Linux, where some functions are compiled")
def test_the_surface_is_the_one_that_is_written_down() -> None:
    expected = FILE.read_text(encoding="utf-8").splitlines()
    assert list(surface()) == expected, f"if this is meant, run: python {Path(__file__).name}"


def test_all_public_names_can_be_had() -> None:
    memsection = importlib.import_module("memsection")
    for public in memsection.__all__:
        assert getattr(memsection, public) is not None
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = memsection.nothing_like_it


OPERATIONS = [
    (f"{name}.{member}", getattr(importlib.import_module("memsection"), name), member)
    for name in ("Section", "View", "Mutex", "Event", "Semaphore", "Process")
    for member, found in sorted(_members(getattr(importlib.import_module("memsection"), name)))
    if found.__doc__ is not None or not isinstance(found, property)
]
# facts that need no right and cannot fail
_PLAIN = {"closed", "readonly", "address", "exports", "pid", "created"}


@pytest.mark.parametrize(
    ("owner", "member"),
    [
        pytest.param(owner, member, id=label)
        for label, owner, member in OPERATIONS
        if member not in _PLAIN
    ],
)
def test_every_operation_says_what_it_needs_and_what_it_raises(owner: type, member: str) -> None:
    text = (
        inspect.getattr_static(owner, member).__doc__
        or inspect.getdoc(getattr(owner, member))
        or ""
    )
    if owner.__name__ == "View" and member in ("close",):
        return  # the buffer's own: it needs nothing and never raises, which its text says
    assert "Rights:" in text and "Raises:" in text, f"{owner.__name__}.{member}"


def test_importing_the_package_imports_nothing_else() -> None:
    program = (
        "import sys; before = set(sys.modules); import memsection; "
        "print(sorted(name for name in set(sys.modules) - before if 'memsection' not in name))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={"PYTHONPATH": str(FILE.parents[2] / "src")},
    )
    assert done.stdout.strip() == "['__future__']"


def test_dir_shows_the_public_names_and_the_modules_come_when_they_are_used() -> None:
    program = """if True:
        import sys, memsection
        shown = dir(memsection)
        print([name for name in shown if name.startswith("_")], sorted(set(memsection.__all__) - set(shown)))
        assert "memsection.arrays" not in sys.modules
        kinds = {}
        for name in dir(memsection):
            try:
                kinds[name] = type(getattr(memsection, name)).__name__
            except ImportError as error:  # of an extra that is not installed
                assert f"memsection[{name}]" in str(error)
        print(kinds["arrays"],
              memsection.latest.create.__module__)
        try:
            memsection.no_such_module
        except AttributeError as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(
                [str(FILE.parents[2] / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
            ),
        },
    )
    assert done.stdout.splitlines() == [
        "['__version__'] []",
        "module memsection.latest",
        "module 'memsection' has no attribute 'no_such_module'",
    ]


@pytest.mark.linux_only("on Windows the services are called through ctypes")
def test_what_is_expensive_to_import_is_not_needed_for_a_section() -> None:
    program = (
        "import sys; from memsection import Section; print([name for name in ('typing', "
        "'dataclasses', 'enum', "
        "'inspect', 'asyncio', 'ctypes', 'multiprocessing', 'socket', 'pickle', 'collections', "
        "'functools', 'importlib', 'threading', 'warnings', "
        "'memsection.nt.linux.types.thread', 'memsection.nt.linux.waiting.wait') if name in "
        "sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={"PYTHONPATH": str(FILE.parents[2] / "src")},
    )
    assert done.stdout.strip() == "[]"


if __name__ == "__main__":
    FILE.write_text("".join(f"{line}\n" for line in surface()), encoding="utf-8")
