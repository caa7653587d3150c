# SPDX-License-Identifier: MIT
"""The camera: synthetic frames, made in the queue's memory without a copy.

A frame is grey noise with a white square that moves.  Frames that no detector has taken in time are
left out, as by a real camera: one that waits for its readers shows the past.  It ends with the
program that started it.
"""

from __future__ import annotations

import argparse
import os
import time

import numpy as np

from memsection import WaitTimeoutError
from memsection.channels import Queue


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", default="pipeline")
    parser.add_argument("--rate", type=float, default=60, help="frames a second")
    parser.add_argument(
        "--size", type=int, nargs=2, default=(1080, 1920), metavar=("HEIGHT", "WIDTH")
    )
    options = parser.parse_args()
    height, width = options.size
    noise = np.random.default_rng(1).integers(0, 100, (height, width, 3), np.uint8)
    side = height // 10
    parent, due, number = os.getppid(), time.monotonic(), 0
    with Queue.open(f"{options.name}.frames", np.ndarray, role="send") as frames:
        while os.getppid() == parent:
            number += 1
            try:
                with frames.sending((height, width, 3), np.uint8, timeout=0) as frame:
                    frame[:] = noise
                    x, y = number * 7 % (width - side), number * 3 % (height - side)
                    frame[y : y + side, x : x + side] = 255
            except WaitTimeoutError:
                pass  # nobody has time for it
            due = max(due + 1 / options.rate, time.monotonic() - 1)
            time.sleep(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    main()
