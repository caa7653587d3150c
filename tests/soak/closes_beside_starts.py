# SPDX-License-Identifier: MIT
"""Several threads make and close named objects while others start programs: every close takes its
name away.

Between fork and exec a child has every lock of its parent.  What a slow child kept is gone with a
later operation.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

sys.path[:0] = [
    str(Path(__file__).resolve().parent.parent),
    str(Path(__file__).resolve().parents[2] / "src"),
]

from support.storms import Storm, main  # noqa: E402  (after the path)

PROGRAM = r"""
import json, os, random, subprocess, sys, threading, time
from memsection import Error, Event, Section
from memsection.nt.linux.names import closing

ends, counts, lock = time.monotonic() + float(sys.argv[1]), dict(closes=0, starts=0, late=0, raw=0), threading.Lock()
root = os.environ['MEMSECTION_ROOT']

def add(figure):
    with lock: counts[figure] += 1

def start():
    while time.monotonic() < ends:
        subprocess.run(['/bin/true'], close_fds=random.random() < 0.5)
        add('starts')

def close(number):
    chance = random.Random(number)
    while time.monotonic() < ends:
        leaf = f'{number}-{chance.randrange(5)}'
        prefix = chance.choice(['', 'Global\\'])
        try:
            made = chance.choice([Event.create, lambda name: Section.create(name, 1 << 16)])(prefix + leaf)
            view = made.map() if isinstance(made, Section) and chance.random() < 0.3 else None
            made.close()
            if view is not None: view.close()
        except Error as problem:
            add('late' if 'taken' in str(problem) else 'raw')  # what a slow child still kept
            continue
        except BaseException:
            add('raw')
            raise
        add('closes')
        if os.path.exists(f'{root}/memsection.{leaf}' if prefix else f'{root}/memsection-{os.getuid()}/{leaf}'): add('late')

threads = [threading.Thread(target=start) for _ in range(2)] + [
    threading.Thread(target=close, args=(number,)) for number in range(2)]
for thread in threads: thread.start()
for thread in threads: thread.join()
limit = time.monotonic() + 5
while closing.later and time.monotonic() < limit:
    time.sleep(0.01)
    Section.create('last', 4096).close()
left = sorted(file for _, _, files in os.walk(root) for file in files)
print(json.dumps([counts, left, len(closing.doubtful)]))
"""


def run(storm: Storm) -> None:
    """Rounds of half a minute, each in a process of its own."""
    while storm.goes_on():
        seconds = min(30.0, max(1.0, storm.left))
        try:
            done = subprocess.run(
                [sys.executable, "-W", "ignore", "-c", PROGRAM, str(seconds)],
                capture_output=True,
                text=True,
                timeout=seconds + 60,
                check=False,
            )
        except subprocess.TimeoutExpired:
            storm.count("stuck", example="a round did not end")
            continue
        if done.returncode or done.stderr:
            storm.count("raw", example=f"status {done.returncode}: {done.stderr[-300:]}")
            continue
        counts, left, doubtful = json.loads(done.stdout)
        for figure, value in counts.items():
            storm.count(figure, value)
        storm.count("leaked", len(left) + doubtful, f"{left}, {doubtful} in doubt")


if __name__ == "__main__":
    main(run)
