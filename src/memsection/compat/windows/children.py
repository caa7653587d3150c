# SPDX-License-Identifier: MIT
"""Processes that a script starts see Windows too: those of ``multiprocessing`` always, because they
run the script once more, and Python programs that it starts with ``sys.executable`` where that was
asked for.

Both are started by a launcher that takes the interpreter's own options.  The interpreter, the
chosen packages and what was asked for travel in the environment.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

LAUNCHER = Path(__file__).with_name("launcher") / "python"
AGAIN = "__mp_main__"  #: what multiprocessing calls the script in a child
PYTHON, PACKAGES = "MEMSECTION_WINDOWS_PYTHON", "MEMSECTION_WINDOWS_PACKAGES"
CHILDREN = "MEMSECTION_WINDOWS_CHILDREN"  #: set where sys.executable is the launcher

_FLAGS = "bBdEiIOPqsSuvx"
_PROGRAM = re.compile(rf"-([{_FLAGS}]*)([cm])(.*)", re.DOTALL)
_WITH_A_WORD = ("-W", "-X", "--check-hash-based-pycs")


class CommandLine(NamedTuple):
    """A command line of the interpreter, taken apart."""

    options: list[str]  #: of the interpreter
    kind: str  #: "c", "m", or "" for a script
    program: str | None  #: None where there is none: an interactive interpreter, or its version
    arguments: list[str]


def parse_command_line(words: Sequence[str]) -> CommandLine:
    """What the interpreter's own command line says."""
    options: list[str] = []
    left = list(words)
    while left:
        word = left.pop(0)
        found = _PROGRAM.fullmatch(word)
        if found:
            flags, kind, program = found.groups()
            options += [f"-{flags}"] if flags else []
            if not program and not left:
                return CommandLine([*options, f"-{kind}"], kind, None, [])  # it says what is wrong
            return CommandLine(options, kind, program or left.pop(0), left)
        if word == "-" or not word.startswith("-"):
            return CommandLine(options, "", word, left)
        options.append(word)
        if word in _WITH_A_WORD and left:
            options.append(left.pop(0))
    return CommandLine(options, "", None, [])


def provide(packages: Sequence[str], children: bool) -> str | None:
    """Have processes of ``multiprocessing`` see Windows, and these packages in them.

    Args:
        packages: The packages that were chosen.
        children: Whether programs that are started with ``sys.executable`` shall too.

    Returns:
        What ``sys.executable`` is to the script, where it is another one.

    Raises:
        OSError: The launcher cannot be executed.
    """
    if children and not _is_executable():
        raise _not_executable()
    os.environ[PYTHON] = sys.executable
    os.environ[PACKAGES] = ",".join(packages)
    os.environ[CHILDREN] = str(int(children))
    if _SPAWN in sys.modules:
        _change_multiprocessing(sys.modules[_SPAWN])
    else:
        sys.meta_path.insert(0, _Later())
    return str(LAUNCHER) if children else None


def _is_executable() -> bool:
    return os.access(LAUNCHER, os.X_OK)


def _not_executable() -> PermissionError:
    return PermissionError(13, "the launcher for children cannot be executed", str(LAUNCHER))


_SPAWN = "multiprocessing.spawn"


class _Later(importlib.abc.MetaPathFinder):
    """Waits for a program that uses ``multiprocessing``: others need not pay for importing it."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> Any:
        """Where the module is that starts processes."""
        if name != _SPAWN:
            return None
        spec: Any = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None:
            loaded = spec.loader.exec_module

            def load(module: ModuleType) -> None:
                loaded(module)
                _change_multiprocessing(module)

            spec.loader.exec_module = load
        return spec


def _change_multiprocessing(spawn: Any) -> None:
    """Have its processes be started by the launcher, and the script in them see Windows.

    It is told so by the two functions that run a script in a child; a process that is forked sees
    what its parent sees.
    """
    if not _is_executable():
        spawn.get_preparation_data = _refuse  # before a process starts that would see Linux
        return
    spawn.set_executable(str(LAUNCHER))
    spawn._fixup_main_from_path = _run_script_again
    spawn._fixup_main_from_name = _run_module_again


def _refuse(*_: object) -> None:
    raise _not_executable()


def _run_script_again(path: str) -> None:
    from memsection.compat.windows import personality

    if getattr(sys.modules["__main__"], "__file__", None) != path:
        personality.run(path, AGAIN)


def _run_module_again(name: str) -> None:
    from memsection.compat.windows import personality

    known = getattr(sys.modules["__main__"].__spec__, "name", None)
    # what a package has for running it is not meant to be run once more
    if name != "__main__" and not name.endswith(".__main__") and known != name:
        personality.run_module(name, AGAIN)


def requested_command_line() -> CommandLine:
    """The command line that the launcher was called with.  It does not return where the interpreter
    itself is wanted, or options of its come first."""
    found = parse_command_line(sys.argv[2:])
    if found.program is None:
        os.execv(sys.executable, [sys.executable, *found.options])
    if found.options:
        rest = [f"-{found.kind}"] if found.kind else []
        again = ["-m", "memsection.compat.windows", "--as-python", *rest, found.program]
        os.execv(sys.executable, [sys.executable, *found.options, *again, *found.arguments])
    return found
