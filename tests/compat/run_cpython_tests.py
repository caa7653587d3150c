# SPDX-License-Identifier: MIT
"""Runs CPython's own tests of shared memory with one start method, and prints what came out as JSON.

Takes the module of the tests and the start method.  Run by ``test_cpython_suite`` in an environment where
memsection's classes stand in the place of the originals.
"""

from __future__ import annotations

import importlib
import json
import multiprocessing
import sys
import unittest
from typing import Any

from outcome import Result

suite: Any = importlib.import_module(sys.argv[1])


class WithProcessesTestSharedMemory(suite._TestSharedMemory, unittest.TestCase):
    """The tests, for processes."""

    TYPE = "processes"
    Process = staticmethod(multiprocessing.Process)


def main() -> None:
    multiprocessing.set_start_method(sys.argv[2], force=True)
    result = Result()
    unittest.defaultTestLoader.loadTestsFromTestCase(WithProcessesTestSharedMemory).run(result)
    from multiprocessing import shared_memory

    print(
        json.dumps(
            {
                "module": shared_memory.__name__,
                "suite": suite.__name__,
                "version": sys.version.split()[0],
                "outcome": result.outcome,
            }
        )
    )


if __name__ == "__main__":
    main()
