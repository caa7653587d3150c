# SPDX-License-Identifier: MIT
"""The native core compiled for tests, without Python."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CORE = HERE.parents[1] / "src" / "memsection" / "_native"
compiler = os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang") or ""
needs_compiler = pytest.mark.skipif(not compiler, reason="needs a C compiler")
CHANNEL = [
    "ms_futex.c",
    "ms_spin.c",
    "ms_lives.c",
    *sorted(f"channel/{path.name}" for path in (CORE / "channel").glob("*.c")),
]
SYNC = [
    "ms_futex.c",
    "ms_spin.c",
    *sorted(f"sync/{path.name}" for path in (CORE / "sync").glob("*.c")),
]
LIBRARY = ["-shared", "-fPIC", "-DMS_TEST_STEPS"]


@functools.cache
def _objects() -> Path:
    """Where the core's compiled files are kept while this process runs: several programs have them
    in common."""
    place = tempfile.mkdtemp(prefix="memsection-objects-")
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    return Path(place)


@functools.cache
def _object(options: tuple[str, ...], source: str) -> str:
    target = _objects() / f"{len(list(_objects().iterdir()))}.o"
    subprocess.run([*_command(options), "-c", source, "-o", str(target)], check=True)
    return str(target)


def _command(options: tuple[str, ...]) -> list[str]:
    command = [compiler, "-std=gnu11", "-g", "-O1", "-Wall", "-Wextra", "-Werror", *options]
    return [*command, "-I", str(CORE), "-I", str(CORE / "include"), "-I", str(HERE), "-pthread"]


def build(target: Path, options: Iterable[str], tests: Iterable[str], core: Iterable[str]) -> Path:
    """Compile files of this directory and of the core into one; every warning is an error."""
    options = tuple(options)
    parts = [
        *(str(HERE / name) for name in tests),
        *(_object(options, str(CORE / name)) for name in core),
    ]
    subprocess.run([*_command(options), *parts, "-o", str(target)], check=True)
    return target
