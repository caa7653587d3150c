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

suite: Any = importlib.import_module(sys.argv[1])


class WithProcessesTestSharedMemory(suite._TestSharedMemory, unittest.TestCase):
    """The tests, for processes."""

    TYPE = "processes"
    Process = staticmethod(multiprocessing.Process)


class Result(unittest.TestResult):
    """Keeps what happened to each test."""

    def __init__(self) -> None:
        super().__init__()
        self.outcome: dict[str, str] = {}

    def _note(self, test: Any, text: str) -> None:
        name = getattr(getattr(test, "test_case", test), "_testMethodName", str(test))
        self.outcome[name] = self.outcome.get(name, "") + text

    def startTest(self, test: Any) -> None:
        super().startTest(test)
        self._note(test, "")

    def addError(self, test: Any, err: Any) -> None:
        self._note(test, self._exc_info_to_string(err, test))

    addFailure = addError  # noqa: N815

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:
        if err is not None:
            self._note(test, self._exc_info_to_string(err, test))

    def addSkip(self, test: Any, reason: str) -> None:
        self._note(test, f"skipped: {reason}")


def main() -> None:
    multiprocessing.set_start_method(sys.argv[2], force=True)
    result = Result()
    unittest.defaultTestLoader.loadTestsFromTestCase(WithProcessesTestSharedMemory).run(result)
    from multiprocessing import shared_memory

    print(json.dumps({"module": shared_memory.__name__, "suite": suite.__name__, "version": sys.version.split()[0],
                      "outcome": result.outcome}))


if __name__ == "__main__":
    main()
