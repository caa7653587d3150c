#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Builds the helpers that run inside Wine from their one source, or compares them with what is in
the tree.

    tools/wine_helpers.py build      # after a change in src/memsection/wine/helpers/helper.c
    tools/wine_helpers.py check      # what the continuous integration does: the same source makes
    the same bytes

The compilers are Debian 12's mingw-w64 (GCC 12), by which the files in the tree were made; another
version may make others.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HELPERS = Path(__file__).resolve().parent.parent / "src" / "memsection" / "wine" / "helpers"
SOURCE = HELPERS / "helper.c"
#: Bits: compiler, and how the entry point is called there.
COMPILERS = {64: ("x86_64-w64-mingw32-gcc", "start"), 32: ("i686-w64-mingw32-gcc", "_start")}
PACKAGES = ("gcc-mingw-w64-x86-64-win32", "gcc-mingw-w64-i686-win32")
#: No C library, no unwinding tables, no time stamp: nothing that differs from one build to the
#: next.
FLAGS = (
    "-std=gnu11",
    "-Os",
    "-s",
    "-nostdlib",
    "-ffreestanding",
    "-fno-asynchronous-unwind-tables",
    "-fno-ident",
    "-fno-tree-loop-distribute-patterns",
    "-mno-stack-arg-probe",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wl,--no-insert-timestamp",
    "-Wl,--subsystem,console",
)


def name(bits: int) -> str:
    """The file of a helper."""
    return f"memsection-helper{bits}.exe"


def build(bits: int, directory: Path) -> Path:
    """Build one helper in a directory.

    Raises:
        SystemExit: The compiler is missing.
    """
    compiler, entry = COMPILERS[bits]
    if shutil.which(compiler) is None:
        raise SystemExit(f"{compiler} is needed; on Debian: apt-get install {' '.join(PACKAGES)}")
    output = directory / name(bits)
    subprocess.run(
        [compiler, *FLAGS, "-e", entry, SOURCE.name, "-o", str(output), "-lkernel32", "-lntdll"],
        check=True,
        cwd=HELPERS,
        env={**os.environ, "SOURCE_DATE_EPOCH": "0", "LC_ALL": "C"},
    )
    return output


def differing() -> list[str]:
    """The helpers in the tree that are not what their source makes."""
    with tempfile.TemporaryDirectory() as directory:
        return [
            name(bits)
            for bits in COMPILERS
            if build(bits, Path(directory)).read_bytes() != (HELPERS / name(bits)).read_bytes()
        ]


def main(words: list[str]) -> int:
    """The command line of the docstring above."""
    if words == ["build"]:
        for bits in COMPILERS:
            print(f"{name(bits)}: {build(bits, HELPERS).stat().st_size} bytes")
        return 0
    if words == ["check"]:
        wrong = differing()
        print(
            "\n".join(
                f"{one} is not what {SOURCE.name} makes: tools/wine_helpers.py build"
                for one in wrong
            )
            or "wine helpers: the source makes these bytes"
        )
        return 1 if wrong else 0
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
