# SPDX-License-Identifier: MIT
"""Arrays, records and their kin: names of their own, nothing left behind, and a second process."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator

import pytest
from support import objects

from memsection.api import transit

Other = Callable[..., str]


@pytest.fixture(scope="module")
def helpers() -> None:
    """What the library and multiprocessing keep for themselves is there before anything is
    counted."""
    transit._own.make_notes()
    for method in multiprocessing.get_all_start_methods():
        multiprocessing.get_context(method).Process(target=int).start()


@pytest.fixture(autouse=True)
def leaves_nothing() -> Iterator[None]:
    yield from objects.leaves_nothing()


@pytest.fixture
def name() -> str:
    return objects.unique_name()


@pytest.fixture
def other() -> Other:
    """Runs code in another process, with arguments as ``argv[1:]``; what it printed.  Warnings are
    errors there."""

    def run(code: str, *arguments: str, stdin: bytes | None = None) -> str:
        done = subprocess.run(
            [
                sys.executable,
                "-W",
                "error",
                "-c",
                "from sys import argv\n" + textwrap.dedent(code),
                *arguments,
            ],
            capture_output=True,
            input=stdin,
            timeout=60,
        )
        assert done.returncode == 0 and not done.stderr, done.stderr.decode(errors="replace")
        return done.stdout.decode().replace("\r\n", "\n")

    return run
