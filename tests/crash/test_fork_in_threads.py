# SPDX-License-Identifier: MIT
"""Children that are forked while other threads make and close objects have what their tables know,
and get on."""

from __future__ import annotations

import ast
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from support.forks import busy, child, use_everything
from support.objects import leaves_nothing, unique_name

import memsection
from memsection import errors
from memsection.nt import forks, kernel
from memsection.nt.linux.names import sweep
from memsection.nt.linux.system import tables_lock
from memsection.vocabulary.structs import CURRENT_PROCESS

_left = pytest.fixture(autouse=True)(leaves_nothing)
LIBRARY = Path(memsection.__file__).parent
#: Modules of the library that a child imports itself, or whose operations are a command line's.
ELSEWHERE = ("cli", "mirror", "compat", "channels", "nt/windows", "testing.py", "__init__.py")


@pytest.mark.invariant("O2")
def test_children_have_nothing_of_what_other_threads_had_begun() -> None:
    name = unique_name()
    with busy(name) as problems:
        said = [child(lambda: use_everything(name)) for _ in range(25)]
    sweep.remove_all_dead()  # children end at once: what a thread closed while one had it stays
    assert [each for each in said if each] + problems == []


@pytest.mark.invariant("O2")
def test_what_operations_import_is_imported_before_a_fork() -> None:
    known = {needed for names in forks.NEEDED.values() for needed in names}
    missing = []
    for path in sorted(LIBRARY.rglob("*.py")):
        if any(str(path.relative_to(LIBRARY)).startswith(each) for each in ELSEWHERE):
            continue
        for function in ast.walk(ast.parse(path.read_text())):
            if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            for node in ast.walk(function):
                names = (
                    {alias.name for alias in node.names} if isinstance(node, ast.Import) else set()
                )
                if isinstance(node, ast.ImportFrom):
                    names = {f"{node.module}.{alias.name}" for alias in node.names} | {
                        str(node.module)
                    }
                    names = set() if names & known else {str(node.module)}
                missing += [
                    f"{path.name}: {each}"
                    for each in names - known
                    if each.split(".")[0] not in THIRD_PARTY
                ]
    assert missing == []


THIRD_PARTY = ("numpy", "pyarrow", "typing", "types", "importlib", "collections")


def test_a_fork_beside_a_thread_that_imports_what_logs_comes_back() -> None:
    """Logging takes its lock before a fork; a thread that is in the middle of an import that the
    fork waits for needs it."""
    program = """
import importlib.abc, os, signal, sys, threading
from memsection import Section
Section.create(size=4096).close()
import logging
from memsection.nt import forks
forks.NEEDED["memsection.api.handle"] += ("slow_to_import",)
inside, forking = threading.Event(), threading.Event()
class Slow(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path, target=None):
        from importlib.machinery import ModuleSpec
        return ModuleSpec(name, self) if name == "slow_to_import" else None
    def exec_module(self, module):
        inside.set()
        forking.wait(60)
        logging.getLogger("slow")
sys.meta_path.insert(0, Slow())
os.register_at_fork(before=forking.set)  # the last one is called first
signal.alarm(60)
thread = threading.Thread(target=__import__, args=("slow_to_import",))
thread.start()
inside.wait(60)
pid = os.fork()
if not pid:
    logging.getLogger("child")
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
thread.join()
logging.getLogger("after")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "7\n", "")


_HANDLER_AT_A_FORK = """
import ctypes, os, signal, threading
from functools import partial

parent = os.getpid()

class Raised(Exception):
    pass

def handler(*_):
    raise Raised

# Native calls: the handler runs at the next bytecode, which is the next callback's if that has any.
# What a callback raises is only told, on stderr.
pending = partial(ctypes.CDLL(None)["raise"], signal.SIGUSR1)
os.register_at_fork(after_in_parent=pending, after_in_child=pending)

from memsection import Section

with Section.create(size=4096) as section:
    section.map().close()
    signal.signal(signal.SIGUSR1, handler)
    child = None
    try:
        child = os.fork()
    except Raised:
        os.write(1, b"raised ")
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    done = threading.Event()

    def work():
        Section.create(size=4096).close()
        done.set()

    threading.Thread(target=work, daemon=True).start()
    finished = done.wait(60)
    os.write(1, b"done " if finished else b"stuck ")
    if os.getpid() != parent:
        os._exit(0)
    os.waitpid(-1, 0)
    if not finished:
        os._exit(1)
"""


def test_a_handler_that_raises_at_a_fork_leaves_no_lock_behind() -> None:
    """What another thread does afterwards comes to its end, in the parent and in the child."""
    done = subprocess.run(
        [sys.executable, "-c", _HANDLER_AT_A_FORK], capture_output=True, text=True, timeout=110
    )
    assert sorted(done.stdout.split()) == ["done", "done", "raised", "raised"], done.stderr
    assert done.stderr == ""


@pytest.mark.invariant("M2", "O2")
def test_a_view_that_another_thread_was_closing_at_a_fork_is_unmapped_by_its_address() -> None:
    """That thread has closed it, and waits for the tables in order to unmap it."""
    with memsection.Section.create(size=4096) as section:
        view = section.map()
        address = view.address
        closer = threading.Thread(target=view.close)
        with tables_lock.lock:
            closer.start()
            while not view.closed:
                time.sleep(0.001)
            said = child(lambda: unmap_twice(address))
        closer.join(60)
    assert said == ""


def unmap_twice(address: int) -> str:
    kernel.unmap_view(CURRENT_PROCESS, address)
    with pytest.raises(errors.NtError, match="there is no view at"):
        kernel.unmap_view(CURRENT_PROCESS, address)
    return ""
