# SPDX-License-Identifier: MIT
"""A call to a service and its answer, beside an echo over two queues and what people use now.

Two processes on two processors; every candidate is measured in turns with the others, in one run.

    python bench/calls.py [--rounds N]
"""

from __future__ import annotations

import argparse
import multiprocessing.managers
import statistics
import time
from typing import Any

import measure
from channel_cases import call_service, echo, ours
from channel_peers import Case, pipes


class _Echo:
    """What a manager of multiprocessing serves."""

    def echo(self, value: bytes) -> bytes:
        return value


class _Manager(multiprocessing.managers.BaseManager):
    pass


_Manager.register("Echo", _Echo)


def call_manager(value: bytes) -> Case:
    """A call to an object in a manager's process; its processors are the system's choice."""

    def run(count: int) -> float:
        with _Manager() as manager:
            echo_there: Any = manager.Echo()  # type: ignore[attr-defined]
            begun = time.perf_counter()
            for _ in range(count):
                echo_there.echo(value)
            return (time.perf_counter() - begun) / count

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=9, help="batches each (default %(default)s)")
    options = parser.parse_args()
    print(f"calls.py: {measure.heading()}\n", flush=True)
    for length, count in ((64, 3000), (1024, 2000), (65_536, 600)):
        value = b"x" * length
        candidates: dict[str, Case] = {
            "memsection": call_service(value),
            "memsection, echo over two queues": echo(ours(), value),
            "mp.Pipe": echo(pipes, value),
            "mp.Manager": call_manager(value),
        }
        samples: dict[str, list[float]] = {candidate: [] for candidate in candidates}
        for number in range(options.rounds + 1):
            for candidate, run in candidates.items():
                seconds = run(count)
                if number:
                    samples[candidate].append(seconds)
        lines = [
            [
                candidate,
                measure.span(statistics.median(times)),
                f"{measure.ratio(samples, 'memsection', candidate):.3f}",
            ]
            for candidate, times in samples.items()
        ]
        table = measure.table(["", "median", "memsection takes, for its 1"], lines)
        print(f"### call and reply {length} B\n\n{table}\n", flush=True)


if __name__ == "__main__":
    main()
