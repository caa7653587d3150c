# SPDX-License-Identifier: MIT
"""A camera, a detector with four workers, and a viewer.  Kill any of them: it goes on.

    python examples/pipeline/run.py
    memsection show pipeline.frames       # in another terminal: who has the queue open
    kill -9 PID

This program makes the two queues, starts the others, and starts whoever was killed again.  It
touches no frame, and the others need it for nothing else: what one of them had in hand is set right
by those that live.  When it ends, in any way, the camera ends; then nobody is left who sends
frames, so the workers end, and then the viewer.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from memsection.channels import Queue

HERE = Path(__file__).resolve().parent


class Crew:
    """The processes of the pipeline."""

    def __init__(self, options: argparse.Namespace) -> None:
        name = ["--name", options.name]
        size = ["--size", *map(str, options.size), "--rate", str(options.rate)]
        self.commands = [
            ["camera.py", *name, *size],
            *[["detector.py", *name]] * options.workers,
            ["viewer.py", *name],
        ]
        self.running: dict[int, tuple[list[str], subprocess.Popen[bytes]]] = {}

    def start(self, command: list[str]) -> None:
        process = subprocess.Popen([sys.executable, str(HERE / command[0]), *command[1:]])
        self.running[process.pid] = command, process
        print(f"{command[0]} is process {process.pid}", file=sys.stderr, flush=True)

    def keep_going(self) -> int:
        """Start again whoever was killed, until one of them fails by itself; the exit status."""
        for command in self.commands:
            self.start(command)
        while True:
            pid, status = os.wait()
            command, process = self.running.pop(pid)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode >= 0:
                print(f"{command[0]} ended with {process.returncode}", file=sys.stderr)
                return 1
            self.start(command)

    def end(self) -> None:
        for _, process in self.running.values():
            process.kill()
            process.wait()


def main() -> int:
    parser = argparse.ArgumentParser(
        description="A camera, a detector with four workers, and a viewer."
    )
    parser.add_argument(
        "--name", default="pipeline", help="what the names of the queues begin with"
    )
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--rate", type=float, default=60, help="frames a second")
    parser.add_argument(
        "--size", type=int, nargs=2, default=(1080, 1920), metavar=("HEIGHT", "WIDTH")
    )
    options = parser.parse_args()
    frame = options.size[0] * options.size[1] * 3
    with (
        Queue.create(
            f"{options.name}.frames",
            np.ndarray,
            capacity=8,
            largest=frame,
            memory=(options.workers + 8) * (frame + frame // 32 + 4096),
            redeliver=2,
        ),
        Queue.create(f"{options.name}.found"),
    ):
        crew = Crew(options)
        try:
            return crew.keep_going()
        except KeyboardInterrupt:
            return 0
        finally:
            crew.end()


if __name__ == "__main__":
    sys.exit(main())
