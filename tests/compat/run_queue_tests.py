# SPDX-License-Identifier: MIT
"""Runs CPython's own tests of queues with one start method, and prints what came out as JSON.

Takes the module of the tests and the start method.  Run by ``test_queues_suite`` in an environment
where memsection's queues stand in the place of the originals.
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


class WithProcessesTestQueue(suite._TestQueue, unittest.TestCase):
    """The tests, for processes."""

    TYPE = "processes"
    Process = staticmethod(multiprocessing.Process)
    Event = staticmethod(multiprocessing.Event)
    Queue = staticmethod(multiprocessing.Queue)
    JoinableQueue = staticmethod(multiprocessing.JoinableQueue)


class SimpleQueueTest(suite.TestSimpleQueue):
    """Under a name that pickles from this program."""


def main() -> None:
    multiprocessing.set_start_method(sys.argv[2], force=True)
    result = Result()
    for case in (WithProcessesTestQueue, SimpleQueueTest):
        unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    print(
        json.dumps(
            {
                "module": type(multiprocessing.Queue()).__module__,
                "suite": suite.__name__,
                "outcome": result.outcome,
            }
        )
    )


if __name__ == "__main__":
    main()
