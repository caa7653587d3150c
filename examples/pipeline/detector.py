# SPDX-License-Identifier: MIT
"""A worker of the detector: finds the white square in each frame, in the queue's memory itself.

A worker that is killed gives its frame back: another one gets it.
"""

from __future__ import annotations

import argparse
import os

import numpy as np

from memsection import EndOfChannelError, NoReceiverError
from memsection.channels import Queue


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", default="pipeline")
    options = parser.parse_args()
    with (
        Queue.open(f"{options.name}.frames", np.ndarray, role="receive") as frames,
        Queue.open(f"{options.name}.found", role="send") as found,
    ):
        while True:
            try:
                with frames.receiving() as message:  # no copy: 6 MB stay where the camera made them
                    frame = message.value
                    white = frame[::8, ::8, 0] > 200
                    rows, columns = (np.flatnonzero(white.any(axis=axis)) for axis in (1, 0))
                    place = (int(columns[0]) * 8, int(rows[0]) * 8) if len(rows) else None
                    size, again = frame.shape[:2], message.deliveries > 1
                    del frame  # the last array over the place gives it back
                found.send({"pid": os.getpid(), "place": place, "size": size, "again": again})
            except (EndOfChannelError, NoReceiverError):
                return  # nobody is left who sends frames, or wants to know


if __name__ == "__main__":
    main()
