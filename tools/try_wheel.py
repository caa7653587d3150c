# SPDX-License-Identifier: MIT
"""Tries an installed memsection, for tools/wheels.sh and tools/windows_wheel.py: what is native
works, in two processes, and everything is installed.  Its argument is the directory that memsection
must have been installed in."""

from __future__ import annotations

import os
import subprocess
import sys

import memsection
from memsection import AbandonedMutexError, Event, Mutex, NotFoundError, Section, compat, records

assert memsection.__file__.startswith(sys.argv[1]), (
    f"{memsection.__file__} is not the installed one"
)
CHILD = """if True:
    import os
    from memsection import Event, Mutex, Section
    section, mutex, event = Section.open("try"), Mutex.open("try.lock"), Event.open("try.event")
    mutex.acquire()
    section.map()[:5] = b"hello"
    event.set()
    os.kill(os.getpid(), 9)  # TerminateProcess, on Windows
"""
mutex = Mutex.create("try.lock")
with (
    Section.create("try", 1 << 16) as section,
    section.map() as view,
    Event.create("try.event") as event,
):
    child = subprocess.Popen([sys.executable, "-c", CHILD])
    assert event.wait(30) and child.wait(30) != 0
    assert view[:5] == b"hello"
    try:
        mutex.acquire(timeout=30)
        raise SystemExit("the death of the mutex's owner was not told")
    except AbandonedMutexError:
        assert mutex.acquire(accept_abandoned=True)
    mutex.release()
mutex.close()
try:
    Section.open("try")
    raise SystemExit("the name outlived its last handle")
except NotFoundError:
    pass
block = compat.SharedMemory(create=True, size=64)
block.close()
block.unlink()
assert records  # pure Python modules are there too
assert os.path.exists(os.path.join(os.path.dirname(memsection.__file__), "py.typed"))
if os.name == "posix":
    # what is no Python of it: a process that the launcher starts, and programs for Wine
    import tempfile

    SCRIPT = """if True:
        import multiprocessing, os, sys
        def child():
            sys.exit(7 if (sys.platform, os.name) == ("win32", "nt") else 1)
        if __name__ == "__main__":
            process = multiprocessing.get_context("spawn").Process(target=child)
            process.start()
            process.join()
            sys.exit(process.exitcode)
    """
    with tempfile.TemporaryDirectory() as folder:
        script = os.path.join(folder, "script.py")
        with open(script, "w") as file:
            file.write(SCRIPT)
        for option in ((), ("--children",)):
            words = [sys.executable, "-m", "memsection.compat.windows", *option, script]
            assert subprocess.run(words, check=False, timeout=60).returncode == 7, option
    from memsection import wine

    helpers = os.path.join(os.path.dirname(wine.__file__), "helpers")
    assert {"memsection-helper32.exe", "memsection-helper64.exe"} <= {*os.listdir(helpers)}
