# SPDX-License-Identifier: MIT
"""A directory of names for each worker of pytest-xdist: what a test finds there, lists or sweeps
is of the tests that ran before it in its own worker, and never changes beside it.

A run without workers has the directory that every program has.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile

import pytest

VARIABLE = "MEMSECTION_ROOT"
_mine = pytest.StashKey[str]()


def begin(config: pytest.Config) -> None:
    """Make the worker's directory like /dev/shm (memory, sticky, for all users), and have this
    process and those that it starts use it."""
    if sys.platform != "linux" or not hasattr(config, "workerinput"):
        return
    path = tempfile.mkdtemp(prefix=f"memsection-worker-{os.getpid()}-", dir="/dev/shm")
    os.chmod(path, 0o1777)
    os.environ[VARIABLE] = config.stash[_mine] = path


def is_mine(config: pytest.Config, path: str) -> bool:
    """Whether a path is the worker's directory itself."""
    return config.stash.get(_mine, None) == path


def end(config: pytest.Config) -> None:
    """Remove the directory."""
    if path := config.stash.get(_mine, None):
        shutil.rmtree(path, ignore_errors=True)
