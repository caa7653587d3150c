# SPDX-License-Identifier: MIT
"""Every module of the compiled core has a stub that says what is there: the same names and the same
parameters."""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
from pathlib import Path
from types import ModuleType

import pytest

from memsection import _native

FOLDER = Path(next(iter(_native.__path__)))
#: What type checkers want to see and a compiled class has by other means.
BUFFER = {"__buffer__", "__release_buffer__"}
#: What every object has, or a compiled class gets without asking.
EVERYWHERE = set(dir(object)) | {
    "__weakref__",
    "__dict__",
    "__module__",
    "__pyx_vtable__",
    "__test__",
    "__new__",
    "__delitem__",
    "__cinit__",
    "__dealloc__",
    "__setstate__",
    "__setstate_cython__",
    "__reduce_cython__",
}

names = sorted(path.stem for path in FOLDER.glob("*.pyx"))
if sys.platform == "linux":
    names.remove("handles")
else:
    names = [name for name in names if name in ("handles", "view", "seqlock")]


def stub(name: str) -> ast.Module:
    return ast.parse((FOLDER / f"{name}.pyi").read_text())


def declared(body: list[ast.stmt]) -> dict[str, ast.stmt]:
    found: dict[str, ast.stmt] = {}
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found[node.name] = node
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found[node.target.id] = node
    return found


def members(module: ast.Module, node: ast.ClassDef) -> set[str]:
    """What the class and its bases in the same stub declare."""
    above = declared(module.body)
    bases = [
        above[base.id] for base in node.bases if isinstance(base, ast.Name) and base.id in above
    ]
    return set(declared(node.body)).union(
        *(members(module, base) for base in bases if isinstance(base, ast.ClassDef))
    )


def parameters(node: ast.FunctionDef) -> list[str]:
    arguments = node.args
    listed = arguments.posonlyargs + arguments.args + arguments.kwonlyargs
    return [one.arg for one in listed if one.arg not in ("self", "cls")]


def of(function: object) -> list[str] | None:
    try:
        signature = inspect.signature(function)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    plain = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [
        one.name
        for one in signature.parameters.values()
        if one.kind not in plain and one.name != "self"
    ]


def public(module: ModuleType) -> set[str]:
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and not isinstance(value, ModuleType)
        and getattr(value, "__module__", module.__name__) == module.__name__
    }


@pytest.mark.parametrize("name", names)
def test_the_stub_declares_the_modules_names(name: str) -> None:
    module = importlib.import_module(f"memsection._native.{name}")
    assert public(module) == {one for one in declared(stub(name).body) if not one.startswith("_")}


@pytest.mark.parametrize("name", names)
def test_the_stub_declares_the_members_of_classes(name: str) -> None:
    module = importlib.import_module(f"memsection._native.{name}")
    for kind, node in declared(stub(name).body).items():
        if isinstance(node, ast.ClassDef):
            classes = [
                one for one in getattr(module, kind).__mro__ if one.__module__ == module.__name__
            ]
            there = {member for one in classes for member in vars(one)} - EVERYWHERE - BUFFER
            assert there == members(stub(name), node) - EVERYWHERE - BUFFER, kind


@pytest.mark.parametrize("name", names)
def test_the_stub_declares_the_parameters(name: str) -> None:
    module = importlib.import_module(f"memsection._native.{name}")
    for owner, body in [
        (module, stub(name).body),
        *(
            (getattr(module, kind), node.body)
            for kind, node in declared(stub(name).body).items()
            if isinstance(node, ast.ClassDef)
        ),
    ]:
        for function, node in declared(body).items():
            if isinstance(node, ast.FunctionDef) and not function.startswith("__"):
                found = of(getattr(owner, function))
                assert found is None or found == parameters(node), function
