#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks that every tag of a synchronising atomic stands at both ends of its pair.

A tag is a comment ``SYNC(name): release ...`` or ``SYNC(name): acquire ...`` (or
``acquire and release``) in the C and Cython of the core.  A name needs a release side and an
acquire side; ``pairs with the kernel`` stands for the side that is not in this repository.  Prints
what is wrong and exits with 1.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

CORE = Path(__file__).parents[1] / "src" / "memsection" / "_native"
TAG = re.compile(
    r"SYNC\(([\w-]+)\)(?::\s*(acquire and release|acquire|release)?([^.*]*))?", re.DOTALL
)
COMMENT_EDGE = re.compile(r"\n[ \t]*[*#](?!/)")


def complaints(sources: Iterable[tuple[str, str]]) -> list[str]:
    """What is wrong with the tags in (file name, text) pairs."""
    sides: dict[str, set[str]] = {}
    found: list[str] = []
    for name, text in sources:
        text = COMMENT_EDGE.sub("\n", text)
        for match in TAG.finditer(text):
            tag, side, rest = (
                match.group(1),
                match.group(2),
                " ".join((match.group(3) or "").split()),
            )
            if side is None:
                if match.group(3) is not None:
                    line = text.count("\n", 0, match.start()) + 1
                    found.append(
                        f"{name}:{line}: SYNC({tag}) does not say whether it is the acquire or the "
                        f"release"
                    )
                continue  # a mention of another tag, inside a sentence
            sides.setdefault(tag, set()).update(side.split(" and "))
            if "with the kernel" in rest:
                sides[tag] |= {"acquire", "release"}
    for tag, there in sorted(sides.items()):
        found += [
            f"SYNC({tag}) has no {missing} side"
            for missing in sorted({"acquire", "release"} - there)
        ]
    return found


def main() -> int:
    paths = [path for pattern in ("*.c", "*.h", "*.pyx") for path in sorted(CORE.rglob(pattern))]
    found = complaints(
        (str(path.relative_to(CORE)), path.read_text(encoding="utf-8")) for path in paths
    )
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
