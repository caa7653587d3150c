# SPDX-License-Identifier: MIT
"""How the benchmarks here measure, and how they print it; what is measured is in the other files.

Machines are noisy, and slow drift (frequency, neighbours) is larger than most differences of
interest.  So all candidates run in one run, in turns: a round gives every candidate one short
batch, in an order that changes from round to round.  A figure is the median over the rounds; a
ratio is the median of the rounds' own ratios, in which the drift cancels.  The 99th percentile is
that of the batches.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

#: candidate to seconds for one operation, one entry for each round
Samples = dict[str, list[float]]


def percentile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def median(values: Sequence[float]) -> float:
    """The middle value."""
    return percentile(values, 0.5)


def measure_in_turns(
    cases: dict[str, Callable[[], object]], *, rounds: int, batch: int, warm_up: int = 3
) -> Samples:
    """Seconds for one operation of each candidate, round by round.

    Args:
        cases: What to call, by name.
        rounds: How many batches each candidate gets.
        batch: How many calls are timed at once.
        warm_up: Rounds that are not counted.
    """
    result: Samples = {name: [] for name in cases}
    order = list(cases)
    shuffle = random.Random(1).shuffle
    gc.collect()
    gc.disable()
    try:
        for number in range(rounds + warm_up):
            shuffle(order)
            for name in order:
                call = cases[name]
                start = time.perf_counter()
                for _ in range(batch):
                    call()
                spent = (time.perf_counter() - start) / batch
                if number >= warm_up:
                    result[name].append(spent)
    finally:
        gc.enable()
    return result


def ratio(samples: Samples, candidate: str, reference: str) -> float:
    """How long the candidate takes for what takes the reference 1: the median of the rounds'
    ratios."""
    return median(
        [mine / theirs for mine, theirs in zip(samples[candidate], samples[reference], strict=True)]
    )


def start_resource_tracker() -> None:
    """Have multiprocessing's resource tracker run and wait for work, as it does in a program that
    has run for a while.

    It is a process of its own that every SharedMemory writes to.  Before it reads, that costs a
    third of what it costs later.
    """
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()
    pid = resource_tracker._resource_tracker._pid  # type: ignore[attr-defined]
    asleep = 0
    while asleep < 10:  # times in a row
        time.sleep(0.02)
        asleep = (
            asleep + 1
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"
            else 0
        )


def span(seconds: float) -> str:
    """A time in the unit that reads best."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table that reads well as plain text too."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in (head, *rows)
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def compare(
    title: str,
    samples: Samples,
    reference: str,
    target: float | None = None,
    ours: str = "memsection",
) -> str:
    """Print candidates against a reference: median, 99th percentile, ratio; and the target of ours,
    if there is one."""
    rows = [
        [
            name,
            span(median(times)),
            span(percentile(times, 0.99)),
            f"{ratio(samples, name, reference):.2f}",
        ]
        for name, times in sorted(samples.items(), key=lambda item: median(item[1]))
    ]
    text = f"### {title}\n\n{table(['', 'median', '99th percentile', f'ratio to {reference}'], rows)}\n"
    if target is not None:
        reached = ratio(samples, ours, reference)
        verdict = "reached" if reached <= target else "MISSED"
        text += f"\ntarget for {ours}: at most {target}; {verdict} at {reached:.2f}\n"
    print(text, flush=True)
    return text


def _commit() -> str:
    root = Path(__file__).resolve().parent.parent
    try:
        commit, dirty = (
            subprocess.run(
                ["git", "-C", str(root), *words], capture_output=True, text=True, check=True
            ).stdout.strip()
            for words in (("rev-parse", "--short", "HEAD"), ("status", "--porcelain", "--", "src"))
        )
    except (OSError, subprocess.CalledProcessError):
        return "no commit"
    return commit + (" with changes" if dirty else "")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")),
        platform.machine(),
    )


def heading() -> str:
    """Machine, kernel, interpreter and commit, in one line."""
    return (
        f"{_processor()}, {os.cpu_count()} CPUs, {platform.system()} {platform.release()},"
        f" Python {platform.python_version()}, commit {_commit()}, {time.strftime('%Y-%m-%d')}"
    )


def arguments(description: str | None, rounds: int) -> argparse.Namespace:
    """The command line every benchmark has: how many rounds."""
    parser = argparse.ArgumentParser(description=(description or "").split("\n")[0])
    parser.add_argument(
        "--rounds",
        type=int,
        default=rounds,
        help="batches for each candidate (default %(default)s)",
    )
    options = parser.parse_args()
    print(f"{Path(sys.argv[0]).name}: {heading()}\n", flush=True)
    return options
