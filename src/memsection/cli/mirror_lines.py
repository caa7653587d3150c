# SPDX-License-Identifier: MIT
"""The live lines of ``mirror publish`` and ``mirror subscribe``: one for each object, until
Ctrl-C."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.live import Live

from memsection.cli.output import err, inner_rows, out
from memsection.vocabulary.errors import Error
from memsection.vocabulary.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from rich.table import Table
    from rich.text import Text

    from memsection.mirror import Network

INTERVAL = 0.5  #: seconds between two looks
Row = tuple[str, str, int, int, int, float | None]  #: name, state, sequence, snapshots, bytes, age


@contextmanager
def stop_on_signal() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set, so that everything is closed in order.

    Raises:
        KeyboardInterrupt: After the block, if it was Ctrl-C: the exit status says so.
    """
    end = threading.Event()
    told: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        told.append(number)
        end.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield end
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if signal.SIGINT in told:
        raise KeyboardInterrupt


def renewal(network: Network) -> Callable[[], None]:
    """A function that has the network use its files of certificates again when they were
    replaced, until that has worked."""
    files = [os.fspath(one) for one in (network.certificate, network.key, network.authority) if one]
    used = [_stamp(one) for one in files]
    said = ""

    def look() -> None:
        nonlocal used, said
        found = [_stamp(one) for one in files]
        if found == used:
            return
        try:
            network.renew()
        except Error as failure:  # one file is replaced after the other: the next look may find all
            if str(failure) != said:
                said = str(failure)
                err.print(shown(f"certificates: {said}"))
        else:
            used, said = found, ""
            err.print("certificates: renewed")

    return look


def _stamp(file: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def show(rows: Callable[[], list[Row]], end: threading.Event, look: Callable[[], None]) -> None:
    """Show the rows until the end; where nobody looks at a terminal, a line for each change of
    state.  Before each time something else is looked after."""
    last: dict[str, tuple[int, int, float]] = {}
    states: dict[str, str] = {}
    if not out.is_terminal:
        while True:
            look()
            for row in rows():
                if states.get(row[0]) != row[1]:
                    name, state, sequence, rate, speed, age = _cells(row, last)
                    err.print(
                        f"{shown(name)}: {state}, sequence {sequence}, {rate}, {speed} MB/s, "
                        f"age {age}"
                    )
                    states[name] = state
            if end.wait(INTERVAL / 5):
                return
    with Live(console=out, auto_refresh=False) as live:
        while True:
            look()
            live.update(_table(rows(), last), refresh=True)
            if end.wait(INTERVAL):
                return


def _cells(row: Row, last: dict[str, tuple[int, int, float]]) -> tuple[str, ...]:
    """A row in words: name, state, sequence, snapshots and MB each second since the last one of
    that name, age."""
    name, state, sequence, snapshots, size, age = row
    now = time.monotonic()
    before = last.get(name, (snapshots, size, now))
    last[name] = snapshots, size, now
    span = max(now - before[2], 1e-9)
    rate, speed = (snapshots - before[0]) / span, (size - before[1]) / span / 1e6
    since = "-" if age is None or age == float("inf") else f"{age:.1f} s"
    return name, state, str(sequence), f"{rate:.1f}/s", f"{speed:.1f}", since


def _table(rows: list[Row], last: dict[str, tuple[int, int, float]]) -> Table | Text:
    columns = ("NAME", "STATE", "SEQUENCE", "RATE", "MB/S", "AGE")
    lines = [_cells(row, last) for row in rows]
    return inner_rows(columns, lines, out.width, right=("SEQUENCE", "RATE", "MB/S", "AGE"))
