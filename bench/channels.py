# SPDX-License-Identifier: MIT
"""Queues, topics and services beside what people use now: one way, there and back, copied and in
place, from Python as users write it.

Every row is measured in turns with its peers, in one run; what is printed is the median, and its
ratio to each peer.  Peers that are not installed are left out and named.  With ``--write`` the
targets and what was measured become the table in ``bench/README.md``: run that on a quiet machine.

    python bench/channels.py [--rounds N] [--minutes M] [--only WORD] [--iceoryx2] [--write]

Rows are printed as they come.  All of them together take ``--minutes`` at most: a row that would
take more than its share has shorter batches and fewer rounds, and at least three.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import measure
from channel_cases import EVENTS, IN_PLACE, IN_PLACE_ASLEEP, POLLING, cases, of_iceoryx
from two_processes import StalledError

README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- channels.py --write: begin -->\n", "<!-- end -->"
LEAST = 3  #: rounds that every row has
WARM_UP = 10  #: the part of a batch that the first round has, which tells how long one takes
OURS = "memsection"
PEERS = ("mp.Pipe", "mp.Queue", "faster-fifo", "pyzmq", POLLING)
#: row to (what of ours, beside what, and how much longer it may take); BEST is whichever is best
BEST = "the best peer"
TARGETS: dict[str, tuple[tuple[str, str, float], ...]] = {
    "echo 64 B": ((OURS, POLLING, 0.12), (OURS, "mp.Pipe", 0.03)),
    "echo 64 B, asleep": ((OURS, "mp.Pipe", 1.0),),
    "echo 64 B, one processor": ((OURS, "mp.Pipe", 0.5),),
    "echo 1 KiB": ((OURS, POLLING, 0.15),),
    "echo 64 KiB": ((OURS, POLLING, 0.7),),
    "echo 1 MiB": ((OURS, POLLING, 0.6),),
    "echo 6.2 MB, copied": ((OURS, POLLING, 1.1),),
    IN_PLACE: ((OURS, POLLING + " loans", 0.2),),
    IN_PLACE_ASLEEP: ((OURS, EVENTS + " loans", 0.75),),
    "one way 64 B": ((OURS, "pyzmq", 0.3), (OURS, "faster-fifo", 0.1)),
    "one way 1 KiB": ((OURS, BEST, 0.3),),
    "one way 6.2 MB": ((OURS, BEST, 1.05),),
    "4 senders, 1 receiver, 64 B": (
        (OURS, "faster-fifo get", 0.1),
        ("memsection receive_many", "faster-fifo get_many", 0.25),
    ),
    "send_many of 32": ((OURS, "one by one", 0.9),),
    "a dict with a frame, acknowledged": (
        (OURS, "faster-fifo", 0.12),
        (OURS, "mp.Queue", 0.06),
        ("memsection copy=False", "faster-fifo", 0.05),
    ),
    "topic: send 64 B": (("with 64 subscribers", OURS, 1.1),),
    "topic: echo 64 B": ((OURS, "a queue of ours", 1.2),),
    "opening an end": ((OURS, "Section.open and map", 2.0),),
    "service: call and reply 64 B": ((OURS, "a queue of ours", 1.5),),
}


def measure_row(name: str, rounds: int, with_iceoryx: bool, until: float) -> measure.Samples:
    """A row's candidates in turns, one batch each in every round; the first one, which is short, is
    not counted.  A peer that does not end is left out."""
    begun = time.monotonic()
    count, candidates = ROWS[name]
    if with_iceoryx:
        candidates |= of_iceoryx(name)
    samples: measure.Samples = {candidate: [] for candidate in candidates}
    counts = dict.fromkeys(candidates, max(1, count // WARM_UP))
    for number in range(rounds + 1):
        if number > LEAST and time.monotonic() > until:
            print(f"{name}: {number - 1} rounds, for it takes long", file=sys.stderr, flush=True)
            break
        for candidate in list(samples):
            try:
                seconds = candidates[candidate](counts[candidate])
            except StalledError as failure:
                if candidate.startswith(OURS):
                    raise
                print(f"{name}: {candidate}: {failure}; left out", file=sys.stderr, flush=True)
                del samples[candidate]
                continue
            if number:
                samples[candidate].append(seconds)
            else:  # a batch takes no longer than lets the least number of rounds fit in
                most = int((until - begun) / (LEAST + 1) / len(candidates) / seconds)
                counts[candidate] = max(counts[candidate], min(count, most))
    return samples


def table_of(samples: measure.Samples) -> str:
    """Every candidate's median, and what ours takes for its 1."""
    lines = [
        [
            candidate,
            measure.span(statistics.median(times)),
            f"{measure.ratio(samples, OURS, candidate):.3f}",
        ]
        for candidate, times in samples.items()
    ]
    return measure.table(["", "median", "memsection takes, for its 1"], lines)


def lines_of(name: str, samples: measure.Samples) -> list[list[str]]:
    """The row in the table of targets: a line for each target, or one where there is none."""
    found = []
    for mine, peer, most in TARGETS.get(name, ()):
        theirs = [one for one in PEERS if one in samples] if peer == BEST else [peer]
        theirs = [one for one in theirs if one in samples]
        if not theirs:
            found.append([name, f"{most:g} x {peer}", "", f"{peer} was not measured"])
            continue
        reached = max(measure.ratio(samples, mine, one) for one in theirs)
        what = measure.span(statistics.median(samples[mine]))
        what += "" if mine == OURS else f" ({mine.removeprefix('memsection ')})"
        verdict = "" if reached <= most else ", MISSED"
        found.append([name, f"{most:g} x {peer}", what, f"{reached:.3g}{verdict}"])
    if not found:
        times = [f"{one}: {measure.span(statistics.median(all_))}" for one, all_ in samples.items()]
        found = [[name, "", "; ".join(times), ""]]
    return found


def write(lines: list[list[str]], rounds: int) -> None:
    """Put the table into the README."""
    text = README.read_text(encoding="utf-8")
    begin, end = text.index(BEGIN) + len(BEGIN), text.index(END, text.index(BEGIN))
    head = f"{measure.heading()}; at most {rounds} rounds.\n\n"
    table = measure.table(["row", "target", "median", "measured"], lines)
    README.write_text(f"{text[:begin]}\n{head}{table}\n\n{text[end:]}", encoding="utf-8")


ROWS = cases()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--rounds", type=int, default=9, help="batches for each candidate (default %(default)s)"
    )
    parser.add_argument(
        "--minutes", type=float, default=7.0, help="for all rows (default %(default)g)"
    )
    parser.add_argument("--only", default="", help="rows whose name has this in it")
    parser.add_argument(
        "--iceoryx2",
        action="store_true",
        help="iceoryx2 too, polling, which keeps both processors busy",
    )
    parser.add_argument(
        "--write", action="store_true", help="write the table of targets into bench/README.md"
    )
    options = parser.parse_args()
    if options.write and options.only:
        parser.error("--write takes all rows")
    if options.iceoryx2 and find_spec("iceoryx2") is None:
        parser.error("--iceoryx2: it is not installed")
    print(f"channels.py: {measure.heading()}\n", flush=True)
    lines = []
    names = [name for name in ROWS if options.only in name]
    ends = time.monotonic() + 60 * options.minutes
    for number, name in enumerate(names):
        now = time.monotonic()
        share = max(0.0, ends - now) / (len(names) - number)
        samples = measure_row(name, options.rounds, options.iceoryx2, now + share)
        lines += lines_of(name, samples)
        print(f"### {name}\n\n{table_of(samples)}\n", flush=True)
    if options.write:
        write(lines, options.rounds)


if __name__ == "__main__":
    main()
