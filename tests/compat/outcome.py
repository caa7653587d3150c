# SPDX-License-Identifier: MIT
"""What became of each test of a suite that is run by a program."""

from __future__ import annotations

import unittest
from typing import Any


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
