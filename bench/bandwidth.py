# SPDX-License-Identifier: MIT
"""Do NumPy arrays over a section read and write as fast as private arrays?

Pages are present before anything is timed.  Two arrays over sections are compared with two private
ones, which NumPy itself allocated; figures are for one pass over the whole array.
"""

from __future__ import annotations

import contextlib
from functools import partial

import numpy as np
from measure import arguments, compare, measure_in_turns

from memsection import Section

SIZE = 64 << 20


def main() -> None:
    rounds = arguments(__doc__, 60).rounds
    source = np.ones(SIZE // 8)
    target = np.ones(SIZE // 8)
    private = np.ones(SIZE // 8)
    with contextlib.ExitStack() as stack:
        section = stack.enter_context(Section.create(size=SIZE))
        shared = np.frombuffer(stack.enter_context(section.map()), dtype=float)  # type: ignore[call-overload]
        shared[:] = 1.0
        cases = {
            "copy into": lambda array: np.copyto(array, source),
            "copy out of": lambda array: np.copyto(target, array),
            "fill": lambda array: array.fill(2.0),
            "sum": lambda array: array.sum(),
        }
        for name, operation in cases.items():
            samples = measure_in_turns(
                {"memsection": partial(operation, shared), "private": partial(operation, private)},
                rounds=rounds,
                batch=1,
            )
            # The target is a bandwidth of at least 0.97, that is a time of at most 1 / 0.97.
            compare(f"{name}, {SIZE >> 20} MiB", samples, "private", 1.03)


if __name__ == "__main__":
    main()
