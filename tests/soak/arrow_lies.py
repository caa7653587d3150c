# SPDX-License-Identifier: MIT
"""Readers of Arrow tables, while the writer alters bytes of them at random, before and during the
reading.

What must hold: a reader gets a table or the library's error; no reader ends, and none hangs.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

sys.path[:0] = [
    str(Path(__file__).resolve().parent.parent),
    str(Path(__file__).resolve().parents[2] / "src"),
]

from support.storms import Storm, main  # noqa: E402  (after the path)

READER = """
import faulthandler; faulthandler.enable()
import itertools, sys
import pyarrow.compute as pc
from memsection import CorruptError, arrow
uses = [str, lambda c: c.to_pylist(), lambda c: c.combine_chunks(), lambda c: c.drop_null(), pc.count, pc.unique,
        lambda c: c.take([0]) if len(c) else None,
        lambda c: c.cast("string"), lambda c: c.cast("binary"), lambda c: c.cast("int64")]
turns = itertools.cycle((False, True))
for line in sys.stdin:
    try:
        copy = next(turns)
        with arrow.open(line.strip(), trusted=False, copy=copy) as shared:
            for column in shared.table.columns:
                # Sorting looks at values twice, so it needs some that stay as they are.
                for use in (uses + [pc.sort_indices] * copy) if len(column) < 1 << 20 else ():
                    try:
                        use(column)
                    except Exception as failure:  # values may be anything: text that is none, times that cannot be
                        if isinstance(failure, SystemError):
                            raise
            word = "read"
    except CorruptError:
        word = "refused"
    print(word, flush=True)
"""


def run(storm: Storm) -> None:
    import pyarrow as pa
    from unit.data.test_arrow_strangers import columns, file_of

    from memsection.content import schema

    files = [
        file_of(pa.table({kind: array}), compression)
        for kind, array in columns().items()
        for compression in (None, "lz4", "zstd")
    ]
    reader = begin()
    while storm.goes_on():
        good = storm.random.choice(files)
        bad = bytearray(good)
        for _ in range(storm.random.choice((0, 1, 1, 2, 8))):
            bad[storm.random.randrange(len(bad))] = storm.random.choice(
                (0, 1, 0x7F, 0x80, 0xFF, storm.random.randrange(256))
            )
        section, view = schema.make(
            schema.section_attributes("table"),
            len(bad),
            {"kind": "arrow", "version": 0},
            content=[(0, memoryview(bad))],
        )
        stop = threading.Event()
        scribbler = threading.Thread(
            target=scribble, args=(view, good, stop, storm.random.randrange(1 << 30))
        )
        scribbler.start()
        try:
            assert reader.stdin is not None and reader.stdout is not None
            reader.stdin.write("table\n")
            reader.stdin.flush()
            watchdog = threading.Timer(60, reader.kill)
            watchdog.start()
            answer = reader.stdout.readline().strip()
            storm.count("stuck", not watchdog.is_alive(), "a reader")
            watchdog.cancel()
            storm.count("scribbled" if not answer else answer)
            if not answer:
                storm.count("raw", example=f"a reader ended with status {reader.wait(60)}")
                reader.communicate()
                reader = begin()
        finally:
            stop.set()
            scribbler.join()
            view.close()
            section.close()
    reader.communicate()


def begin() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", READER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def scribble(view: object, good: bytes, stop: threading.Event, seed: int) -> None:
    """Alter a byte for a moment, again and again."""
    import random

    chance = random.Random(seed)
    with memoryview(view) as memory:  # type: ignore[arg-type]
        while not stop.wait(0.00001):
            at = chance.randrange(len(good))
            before = memory[at]
            memory[at] = chance.randrange(256)
            memory[at] = before


if __name__ == "__main__":
    main(run)
