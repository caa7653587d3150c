# SPDX-License-Identifier: MIT
"""Whatever runs at the end of a program, in any order, may use and close every object, and nothing
is printed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from support.objects import leaves_nothing, unique_name

from memsection.nt.linux.names import namespace

_left = pytest.fixture(autouse=True)(leaves_nothing)

MAKE = (
    "s = Section.create(name, size=4096); g = Section.create('Global\\\\' + name, size=4096); "
    "m = Mutex.create(name + '-m'); e = Event.create(name + '-e')\n"
)
USE = (
    "def use():\n    v = s.map(); v[0] = 1; v.close()\n    w = g.map(); w[0] = 1; w.close()\n"
    "    m.acquire(timeout=5); m.release(); e.set()\n    Section.open(name).close()\n"
    "    Section.create(name + '-late', size=4096)\n    t = Section.create(name + '-later', "
    "size=4096); t.close()\n"
    "def end():\n    use(); s.close(); g.close(); m.close(); e.close(); print('used', flush=True)\n"
)

CASES = {
    "a handler of before": "import atexit\natexit.register(lambda: end())\n" + MAKE + USE,
    "a handler of after": MAKE + USE + "import atexit\natexit.register(end)\n",
    "a finalizer of before": "import weakref\nclass A: pass\na = A()\nweakref.finalize(a, lambda: "
    "end())\n" + MAKE + USE,
    "a finalizer of after": MAKE
    + USE
    + "import weakref\nclass A: pass\na = A()\nweakref.finalize(a, end)\n",
    "a temporary directory, then an array": "import tempfile\nd = tempfile.TemporaryDirectory()\n"
    "from memsection import arrays\n"
    "x = arrays.create(name, 10, 'f8'); y = arrays.create(None, 10, 'f8'); x[:] = y[:] = 1\n"
    "print('used')\n",
    "a cycle that keeps a view": MAKE
    + "v = s.map(); c = [v, memoryview(v)]; c.append(c); print('used')\n",
    "a thread that goes on": MAKE
    + USE
    + "import threading\ndef go():\n    import time; time.sleep(0.1); end()\n"
    "threading.Thread(target=go).start()\n",
    "daemon threads": MAKE
    + USE
    + "import threading, time\nready = threading.Semaphore(0)\ndef work():\n"
    "    ready.release()\n    while True:\n        t = Section.open(name); v = t.map(); v.close(); "
    "t.close()\n"
    "def wait():\n    ready.release(); e2.wait()\n"
    "e2 = Event.create(name + '-never')\n"
    "for each in (work, work, wait):\n    threading.Thread(target=each, daemon=True).start()\n"
    "for _ in range(3): ready.acquire()\ntime.sleep(0.05); print('used', flush=True)\n",
    "a forked child that ends first": MAKE
    + USE
    + "import os\nif not os.fork():\n    raise SystemExit\nos.wait(); end()\n",
    "a forked child that ends last": MAKE
    + USE
    + "import os, time\nr, w = os.pipe()\nif os.fork():\n    os.close(r)\n"
    "    for each in (s, g, m, e): each.close()\n    os.write(w, b'x'); os.close(w); os.wait()\n"
    "else:\n    os.read(r, 1); use(); print('used', flush=True)\n",
    "queues and children of multiprocessing": MAKE + USE + "import multiprocessing as mp\n"
    "q = mp.get_context('fork').Queue(); p = mp.get_context('fork').Process(target=lambda: "
    "q.get(timeout=20).close())\n"
    "p.start(); q.put(s); print('used', flush=True)\n",
    "a child of multiprocessing that closes nothing": "import multiprocessing as mp\ndef work():\n"
    "    global k\n    k = Section.create(name, size=4096); k2 = Section.create(size=4096)\n"
    "p = mp.get_context('fork').Process(target=work)\np.start(); p.join(); print('used', "
    "p.exitcode == 0)\n",
    "nothing but objects": MAKE
    + "v = s.map(); w = Section.create(size=4096).map(); print('used')\n",
    "an error": MAKE + "print('used', flush=True)\nraise SystemExit\n",
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.invariant("L1")
def test_nothing_is_printed_at_the_end_and_no_name_stays(case: str) -> None:
    name = unique_name()
    program = f"from memsection import *\nname = {name!r}\n" + CASES[case]
    done = subprocess.run(
        [sys.executable, "-W", "ignore::ResourceWarning", "-c", program],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("used")
    for directory in ("local", "global"):
        left = {file for file in os.listdir(namespace.path_of(directory)) if name in file}
        assert left == set()
