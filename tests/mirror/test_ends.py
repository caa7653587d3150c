# SPDX-License-Identifier: MIT
"""How programs with open publications and replicas end: at once, in silence, with the status they
chose, leaving nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

import pytest
from support.users import SOURCE

BEGIN = """
import os, signal, sys, threading, time, warnings
from memsection import latest, mirror
warnings.filterwarnings("ignore", ".*multi-threaded", DeprecationWarning)  # of Python's fork itself
robot = mirror.Network("robot", listen=["tcp/127.0.0.1:PORT"])
base = mirror.Network("base", connect=["tcp/127.0.0.1:PORT"])
camera = latest.create("camera", SIZE)
camera.write(bytes(SIZE))
publication = mirror.publish(camera, network=robot)
replica = mirror.subscribe("robot/camera", network=base, name="copy")
assert replica.wait(timeout=60)
"""

ENDS = {
    "at the last line": ("camera.close()", 0, ""),
    "by sys.exit": ("camera.close(); sys.exit(3)", 3, ""),
    "while a writer is busy": (
        "def write():\n    while True: camera.write(bytes(SIZE))\n"
        "threading.Thread(target=write, daemon=True).start(); time.sleep(0.2)",
        0,
        "",
    ),
    "after a fork": (
        "pid = os.fork()\nif not pid: sys.exit(5)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])); camera.close()",
        0,
        "5\n",
    ),
    "after a child of multiprocessing": (
        "import multiprocessing\nmp = multiprocessing.get_context('fork')\n"
        "child = mp.Process(target=print, args=('child',)); child.start(); child.join()\n"
        "print(child.exitcode); camera.close()",
        0,
        "child\n0\n",
    ),
    "by Ctrl-C": (
        "threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()\n"
        "try: publication.wait_closed(60)\nexcept KeyboardInterrupt: "
        "print('interrupted')\ncamera.close()",
        0,
        "interrupted\n",
    ),
}


@pytest.mark.parametrize("how", ENDS)
def test_a_program_ends_in_silence(how: str, port: int) -> None:
    body, status, said = ENDS[how]
    program = (BEGIN + body).replace("PORT", str(port)).replace("SIZE", str(1 << 21))
    with tempfile.TemporaryDirectory(prefix="memsection-ends-", dir="/dev/shm") as root:
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, "PYTHONPATH": str(SOURCE), "MEMSECTION_ROOT": root},
        )
        assert (done.returncode, done.stdout, done.stderr) == (status, said, "")
        assert not [file for _, _, files in os.walk(root) for file in files]
