# SPDX-License-Identifier: MIT
"""The viewer: where the square is, how many frames a second, and which worker found how many."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from memsection.channels import Queue

COLUMNS, ROWS = 48, 12


def picture(place: tuple[int, int] | None, size: tuple[int, int]) -> list[str]:
    """A frame in characters, with the square where it was found."""
    rows = [["·"] * COLUMNS for _ in range(ROWS)]
    if place is not None:
        rows[place[1] * ROWS // size[0]][place[0] * COLUMNS // size[1]] = "█"
    return ["".join(row) for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", default="pipeline")
    parser.add_argument("--every", type=float, default=0.25, help="seconds between two pictures")
    options = parser.parse_args()
    counts, again, begun = Counter[int](), 0, time.monotonic()
    with Queue.open(f"{options.name}.found", role="receive") as found:
        for one in found:
            counts[one["pid"]] += 1
            again += one["again"]
            passed = time.monotonic() - begun
            if passed < options.every:
                continue
            workers = ", ".join(f"{pid}: {count}" for pid, count in sorted(counts.items()))
            rate = counts.total() / passed
            line = f"{rate:5.1f} frames/s, by workers {workers}; given again so far {again}"
            if sys.stdout.isatty():
                print("\x1b[H\x1b[2J" + "\n".join(picture(one["place"], one["size"])))
            print(line, flush=True)
            counts.clear()
            begun = time.monotonic()


if __name__ == "__main__":
    main()
