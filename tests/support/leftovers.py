# SPDX-License-Identifier: MIT
"""What a whole test run may not leave behind: processes, names, shared memory, descriptors of it.

The run has a mark in its environment, by which its processes are known, and every name that a test
makes has its process in it (``objects.unique_name``, ``namespaces.place``), so that runs and
workers beside each other share nothing and what others do on the machine is not looked at.
"""

from __future__ import annotations

import contextlib
import gc
import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from multiprocessing import forkserver, resource_tracker

import pytest

from support import worker_names

MARK = "MEMSECTION_TEST_RUN"
SECONDS = 10.0  #: how long what is just ending may take


def begin(config: pytest.Config) -> None:
    """Mark the run, and see what is there before it."""
    if sys.platform != "linux":
        return
    os.environ.setdefault(MARK, f"run-{os.getpid()}-{time.time_ns()}")
    config.stash[_before] = set(_memory())


_before = pytest.StashKey[set[str]]()


def left(config: pytest.Config) -> list[str]:
    """What stayed, each in words."""
    if _before not in config.stash:
        return []
    if "memsection.api.transit" in sys.modules:  # the library's own, until the end of the process
        sys.modules["memsection.api.transit"]._own.forget()
    gc.collect()
    # multiprocessing's own helpers end when nobody has their pipes: they are stopped after all
    # others have ended.
    tracker, server = resource_tracker._resource_tracker, forkserver._forkserver  # type: ignore[attr-defined]
    words = [
        f"process {pid}: {command}"
        for pid, command in _killed({tracker._pid, server._forkserver_pid})
    ]
    tracker._stop()
    server._stop()
    words += [f"process {pid}: {command}" for pid, command in _killed(set())]
    words += [f"descriptor {entry}" for entry in sorted(set(_memory()) - config.stash[_before])]
    return words + [f"file {path}" for path in _files() if not worker_names.is_mine(config, path)]


def _killed(kept: set[int | None]) -> list[tuple[int, str]]:
    """Kill the processes that do not end by themselves, so that nothing waits for them."""
    deadline = time.monotonic() + SECONDS
    while (
        found := [(pid, command) for pid, command in _processes() if pid not in kept]
    ) and time.monotonic() < deadline:
        time.sleep(0.05)
    for pid, _ in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return found


def _processes() -> Iterator[tuple[int, str]]:
    """Children of this process, and what else carries the run's mark and has lost its parent."""
    me = os.getpid()
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == me:
            continue
        with contextlib.suppress(OSError):
            with open(f"/proc/{name}/stat", "rb") as stream:
                state, parent, *_ = stream.read().rpartition(b")")[2].split()
            if state in (b"Z", b"X"):
                continue
            with open(f"/proc/{name}/environ", "rb") as stream:
                marked = f"{MARK}={os.environ[MARK]}".encode() in stream.read().split(b"\0")
            if int(parent) == me and not _is_worker(name) or marked and int(parent) == 1:
                with open(f"/proc/{name}/cmdline", "rb") as stream:
                    yield int(name), ascii(stream.read().replace(b"\0", b" ")[:200])


def _is_worker(pid: str) -> bool:
    """Whether a child of this process is a worker of pytest-xdist."""
    with open(f"/proc/{pid}/cmdline", "rb") as stream:
        return b"execnet" in stream.read()


def _memory() -> Iterator[str]:
    """The memfds and files of shared memory that this process has open, apart from directories."""
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            target = os.readlink(f"/proc/self/fd/{name}")
            if target.startswith(("/memfd:", "/dev/shm/")) and not os.path.isdir(
                f"/proc/self/fd/{name}"
            ):
                yield f"{name} -> {target}"


def _files() -> Iterator[str]:
    """Files of shared memory, and directories right in it, with this process in their names."""
    mine = re.compile(rf"(^|[-_.]){os.getpid()}-")
    for directory, folders, files in os.walk("/dev/shm"):
        found = files + (folders if directory == "/dev/shm" else [])
        yield from (f"{directory}/{name}" for name in found if mine.search(name))
