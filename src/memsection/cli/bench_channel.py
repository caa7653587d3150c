# SPDX-License-Identifier: MIT
"""``memsection bench channel``: queues beside ``multiprocessing.Queue``, in turns in one run."""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable
from typing import Annotated, Any

import typer

from memsection.cli.output import err, out, print_json, table
from memsection.cli.queue_end import queues

_STOP, _LAST = b"stop", b""
_ROWS = (("echo", 64, 1000), ("echo", 1 << 20, 40), ("one way", 64, 5000), ("one way", 1 << 20, 40))


class _Pair:
    """A partner process, and a queue there and one back."""

    def __init__(
        self, make: Callable[[int], Any], size: int, ways: tuple[str, str], echoes: bool
    ) -> None:
        self.there, self.back = make(size), make(size)
        put, get = ways
        self.send, self.receive = getattr(self.there, put), getattr(self.back, get)
        self.partner = _context().Process(
            target=_answer, args=(self.there, self.back, ways, echoes), daemon=True
        )
        self.partner.start()

    def run(self, value: bytes, count: int, echoes: bool) -> float:
        """Seconds for one message, of so many."""
        send, receive = self.send, self.receive
        start = time.perf_counter()
        for _ in range(count):
            send(value)
            if echoes:
                receive()
        if not echoes:
            send(_LAST)
            receive()
        return (time.perf_counter() - start) / count

    def end(self) -> None:
        self.send(_STOP)
        self.partner.join(5)
        if self.partner.is_alive():
            self.partner.kill()
            self.partner.join()
        for queue in (self.there, self.back):
            queue.close()


def _context() -> Any:
    """By fork, where there is one: the partner has the queues already, and nothing is imported
    again."""
    ways = multiprocessing.get_all_start_methods()
    return multiprocessing.get_context("fork" if "fork" in ways else None)


def _queue(size: int) -> Any:
    return queues().create(None, bytes, largest=size, capacity=1024 if size < 4096 else 4)


def _theirs(size: int) -> Any:
    return _context().Queue()


_CANDIDATES: dict[str, tuple[Callable[[int], Any], tuple[str, str]]] = {
    "Queue": (_queue, ("send", "receive")),
    "multiprocessing.Queue": (_theirs, ("put", "get")),
}


def _answer(there: Any, back: Any, ways: tuple[str, str], echoes: bool) -> None:
    put, get = ways
    take, answer = getattr(there, get), getattr(back, put)
    try:
        while (value := take()) != _STOP:
            if echoes or value == _LAST:
                answer(value)
    except (EOFError, KeyboardInterrupt):
        return  # whoever measures has gone


def channel(
    json: Annotated[bool, typer.Option("--json", help="One JSON document, for programs.")] = False,
    rounds: Annotated[int, typer.Option(help="Rounds; the median counts.", min=1, max=1000)] = 7,
) -> None:
    """Measure queues between two processes, with multiprocessing.Queue beside them.

    Echo is there and back, one way is a message of a stream.  Both take turns in one run; look at
    the ratio, because times change with what else the machine does.
    """
    queues()  # or say at once that there are none
    pairs: dict[tuple[str, int, str], _Pair] = {}
    try:
        for what, size, _ in _ROWS:  # all of them before the first thread of a queue is there
            for name, (make, ways) in _CANDIDATES.items():
                pairs[what, size, name] = _Pair(make, size, ways, what == "echo")
        found = []
        for what, size, count in _ROWS:
            err.print(f"{what} of {size} bytes ...", style="dim") if err.is_terminal else None
            samples: dict[str, list[float]] = {name: [] for name in _CANDIDATES}
            for number in range(rounds + 1):
                for name in _CANDIDATES:
                    seconds = pairs[what, size, name].run(b"x" * size, count, what == "echo")
                    samples[name] += [seconds] if number else []
            found.append(_result(what, size, samples))
    finally:
        for pair in pairs.values():
            pair.end()
    print_json(found) if json else _show(found)


def _result(what: str, size: int, samples: dict[str, list[float]]) -> dict[str, Any]:
    ours, theirs = (statistics.median(samples[name]) for name in ("Queue", "multiprocessing.Queue"))
    return {
        "case": what,
        "bytes": size,
        "queue_seconds": ours,
        "multiprocessing_queue_seconds": theirs,
        "ratio": ours / theirs,
    }


def _show(found: list[dict[str, Any]]) -> None:
    shown = table(
        "CASE",
        "BYTES",
        "QUEUE",
        "MULTIPROCESSING.QUEUE",
        "RATIO",
        right=("BYTES", "QUEUE", "MULTIPROCESSING.QUEUE", "RATIO"),
    )
    for row in found:
        shown.add_row(
            row["case"],
            str(row["bytes"]),
            _span(row["queue_seconds"]),
            _span(row["multiprocessing_queue_seconds"]),
            f"{row['ratio']:.3f}",
        )
    out.print(shown)


def _span(seconds: float) -> str:
    return f"{seconds * 1e6:.3g} us" if seconds < 1e-3 else f"{seconds * 1e3:.3g} ms"
