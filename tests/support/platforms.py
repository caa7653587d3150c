# SPDX-License-Identifier: MIT
"""Which tests are for one system alone, and why: the one place where the Windows leg leaves
something out.

A whole file or directory stands in the table; a single test carries
``@pytest.mark.linux_only("reason")``.  On the other system neither is collected, so nothing is
counted as run that did not run.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent.parent

#: Path below tests/ (a directory ends with a slash): why it cannot run on Windows.
LINUX_ONLY = {
    "cli/test_share_and_cat.py": "stops what it started by signals; unit/nt/windows has a round of "
    "share and cat",
    "cli/test_top.py": "a terminal, driven by signals",
    "compat/test_cpython_suite.py": "runs CPython's own tests, which Windows distributions of "
    "Python leave out",
    "compat/test_interrupted_tasks.py": "interrupts by signals and forks",
    "compat/test_queues_suite.py": "runs CPython's own tests, with fork and forkserver",
    "crash/": "kills a process before and after each Linux system call, through the table of "
    "nt.linux.system.syscalls",
    "interop/": "drives a Windows program in Wine from a Linux process",
    "mirror/": "its programs are driven through pipes with select(2), and some of its hosts are "
    "network namespaces",
    "native/": "compiles and runs the C of the futex, mutex and fault guard cores, which exist on "
    "Linux only",
    "security/": "changes user ids, POSIX ACLs and capabilities",
    "stateful/": "audits the Linux namespace directory after each step",
    "cli/test_keep.py": "ends programs by signals, and keeps a readers-writer lock",
    "cli/test_pictures.py": "looks at what a pseudo-terminal gets",
    "unit/api/test_rwlock_forks.py": "Windows has no fork",
    "unit/data/test_arrow_replace.py": "Windows names a section when it is made, and never later",
    "unit/channels/test_exit.py": "its programs end by signals",
    "unit/channels/test_keeping_and_leaving.py": "its other processes are forked",
    "unit/channels/test_no_system_calls.py": "counts the system calls of Linux, by ptrace(2)",
    "unit/channels/test_queue_processes.py": "its other processes are forked, stopped and killed by "
    "signals; test_queue_and_programs.py has programs of both systems",
    "unit/channels/test_service_processes.py": "its other processes are forked",
    "unit/channels/test_settings_and_limits.py": "locks bytes of the section's file",
    "unit/channels/test_topic_processes.py": "its other processes are forked",
    "unit/cli/test_doctor.py": "puts Linux machines into the states that the checks are about",
    "unit/native/test_handle_records.py": "the handle table of the Linux object manager",
    "unit/native/test_protocol.py": "the steps of the Linux object manager",
    "unit/nt/linux/": "the parts of the Linux object manager",
    "wine/": "looks into Wine from outside",
}

#: A test that uses one of these helpers is for Linux as well.
LINUX_HELPERS = {
    "worker": "its other process (support.workers) is driven through pipes with select(2)",
    "fork": "Windows has no fork",
}

#: The same for Linux.
WINDOWS_ONLY = {"unit/nt/windows/": "the services over ntdll"}


def excluded(path: Path) -> bool:
    """Whether a file or directory of the tests is not for the system that runs them."""
    table = LINUX_ONLY if sys.platform == "win32" else WINDOWS_ONLY
    try:
        relative = path.resolve().relative_to(TESTS).as_posix()
    except ValueError:
        return False
    return any(
        f"{relative}/".startswith(entry) if entry.endswith("/") else relative == entry
        for entry in table
    )


def leave_out(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what is not for this system: on Windows also the single tests marked as Linux's."""
    for item in items:
        for mark in item.iter_markers("linux_only"):
            if len(mark.args) != 1 or not isinstance(mark.args[0], str):
                raise pytest.UsageError(
                    f"{item.nodeid}: linux_only takes its reason, and nothing else"
                )
    # a file that is named on the command line is collected whatever pytest_ignore_collect says
    out = [item for item in items if excluded(item.path)]
    if sys.platform == "win32":
        out += [
            item
            for item in items
            if item.get_closest_marker("linux_only") or _uses_linux_helpers(item)
        ]
    if out:
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if item not in out]


def _uses_linux_helpers(item: pytest.Item) -> bool:
    """Whether a test function calls one of the helpers that only Linux has."""
    waiting = [item.function.__code__] if isinstance(item, pytest.Function) else []
    while waiting:
        code = waiting.pop()
        if not LINUX_HELPERS.keys().isdisjoint(code.co_names):
            return True
        waiting += [constant for constant in code.co_consts if isinstance(constant, type(code))]
    return False
