# SPDX-License-Identifier: MIT
"""A signal handler that raises at random moments of every operation, on objects and on the data in
them.

What must hold: what was begun comes to its end or leaves nothing, and nothing but what the handler
raised is raised.
"""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path

sys.path[:0] = [
    str(Path(__file__).resolve().parent.parent),
    str(Path(__file__).resolve().parents[2] / "src"),
]

from support.storms import Storm, main  # noqa: E402  (after the path)

#: Left out: a number that a function returns can be lost by its caller; an owned mutex that is lost
#: is held, and a block is there until it is unlinked; asyncio itself does not come through a
#: handler that raises in its own code.
LOST = (
    "win32 open and close",
    "owned mutex",
    "create a block",
    "create a list",
    "with a mutex in a task",
    "call a service",
)


def run(storm: Storm) -> None:
    from support.data_interruptions import DataBench
    from support.interruptions import Bench, by_timer

    from memsection import Section
    from memsection.api.transit import _own

    with Section.create(size=4096) as section:
        pickle.dumps(section)  # the first one makes notes, which a process keeps
        for slot in list(_own._sent):
            _own._let_go(slot)
    storm.keeps_what_it_has()
    own = f"storm-{os.getpid()}"
    benches = [Bench(f"{own}-o"), DataBench(f"{own}-d")]
    work = [
        (bench, name, operation)
        for bench in benches
        for name, operation in bench.operations.items()
        if name not in LOST
    ]
    while storm.goes_on():
        storm.random.shuffle(work)  # a short run does not always try the same ones
        for bench, name, operation in work:
            hits, problems, left = by_timer(
                bench, operation, storm.random, min(2.0, storm.left), 1000
            )
            storm.count("interrupted", hits)
            storm.count("raw", len(problems), f"{name}: {problems[:3]}")
            storm.count("leaked", len(left), f"{name}: {left}")
            if storm.left <= 0:
                break
    for bench in benches:
        bench.close()


if __name__ == "__main__":
    main(run)
