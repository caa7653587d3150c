# SPDX-License-Identifier: MIT
"""Runs CPython's own tests of mmap over ``memsection.compat.mmap``, and prints what came out as
JSON.

Takes the module of the tests.  Its tests that are for Windows alone run too, on every system.
"""

from __future__ import annotations

import importlib.util
import json
import re
import sys
import types
import unittest
from pathlib import Path

from outcome import Result

HERE = Path(__file__).resolve().parent
ONLY_WINDOWS = re.compile(r"@unittest\.skipUnless\(os\.name == 'nt', 'requires Windows'\)")


def load(name: str) -> types.ModuleType:
    """The tests, none of which is for Windows alone."""
    spec = importlib.util.find_spec(name)
    assert spec is not None and spec.origin is not None
    source, forced = ONLY_WINDOWS.subn(
        "@lambda test: setattr(test, 'for_windows', True) or test",
        Path(spec.origin).read_text("utf-8"),
    )
    assert forced >= 8, forced
    module = types.ModuleType("forced_mmap_tests")
    module.__file__ = spec.origin
    sys.modules[module.__name__] = module
    exec(compile(source, spec.origin, "exec"), module.__dict__)
    return module


def main() -> None:
    from memsection.compat import mmap

    sys.modules["mmap"] = mmap
    suite = load(sys.argv[1])
    result, forced = Result(), []
    for case in (suite.MmapTests, suite.LargeMmapTests):
        for test in unittest.defaultTestLoader.loadTestsFromTestCase(case):
            assert isinstance(test, unittest.TestCase)
            if hasattr(getattr(test, test._testMethodName), "for_windows"):
                forced.append(test._testMethodName)
            test.run(result)
    print(
        json.dumps(
            {"type": suite.mmap.mmap.__module__, "outcome": result.outcome, "forced": forced}
        )
    )


if __name__ == "__main__":
    main()
