# SPDX-License-Identifier: MIT
"""Processes of multiprocessing that a script starts which sees Windows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.linux_only("on Windows every process sees Windows")


@pytest.fixture
def script(tmp_path: Path) -> Path:
    (tmp_path / "chosen.py").write_text("import sys; name = sys.platform")
    return tmp_path / "script.py"


def run(script: Path, *words: str, options: tuple[str, ...] = ("--children",)) -> str:
    """What a script prints that sees Windows, as its children and ``chosen`` do."""
    command = [sys.executable, "-W", "error", "-m", "memsection.compat.windows", *options]
    done = subprocess.run(
        [*command, "--as-windows", "chosen", script.name, *words],
        capture_output=True,
        text=True,
        timeout=200,
        cwd=script.parent,
    )
    assert not done.returncode and not done.stderr, done.stderr
    return done.stdout


PROCESSES = r"""
import ctypes, mmap, multiprocessing as mp, os, sys
from ctypes import wintypes
import chosen
handle = ctypes.windll.kernel32.CreateEventW  # nothing of this is there for who does not see Windows
class Text(ctypes.Structure):
    _fields_ = [("number", wintypes.DWORD), ("text", ctypes.c_wchar * 4)]
def look(number):
    view = mmap.mmap(-1, 4096, tagname="Local\\of_processes")
    view[number] = 48 + number
    return (sys.platform, os.name, ctypes.sizeof(Text), chosen.name, number)
def child(queue):
    queue.put((*look(5), __name__, sys.argv[1:]))
if __name__ == "__main__":
    view = mmap.mmap(-1, 4096, tagname="Local\\of_processes")
    context = mp.get_context(sys.argv[1])
    queue = context.Queue()
    process = context.Process(target=child, args=(queue,))
    process.start()
    print(queue.get(timeout=60))
    process.join()
    with context.Pool(2) as pool:
        print(pool.map(look, range(2)))
    print(view[0:6], process.exitcode)
"""


@pytest.mark.parametrize("options", [(), ("--children",)], ids=["alone", "all"])
@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_processes_of_multiprocessing_see_windows_as_the_script(
    script: Path, method: str, options: tuple[str, ...]
) -> None:
    script.write_text(PROCESSES)
    again = "__main__" if method == "fork" else "__mp_main__"
    assert run(script, method, options=options).splitlines() == [
        f"('win32', 'nt', 12, 'win32', 5, '{again}', ['{method}'])",
        "[('win32', 'nt', 12, 'win32', 0), ('win32', 'nt', 12, 'win32', 1)]",
        r"b'01\x00\x00\x005' 0",
    ]


def test_a_module_is_run_again_in_processes_of_multiprocessing(script: Path) -> None:
    (script.parent / "started.py").write_text(PROCESSES)
    script.write_text(
        "import subprocess, sys\n"
        "done = subprocess.run([sys.executable, '-m', 'started', 'spawn'], capture_output=True, "
        "text=True)\n"
        "print(done.stdout.splitlines()[0], done.stderr)"
    )
    assert run(script).strip() == "('win32', 'nt', 12, 'win32', 5, '__mp_main__', ['spawn'])"


def test_what_such_a_process_starts_sees_the_system_where_nothing_is_asked_for(
    script: Path,
) -> None:
    script.write_text(
        "import multiprocessing as mp, subprocess, sys\n"
        "def child():\n"
        "    look = [sys.executable, '-c', 'import sys; print(sys.platform)']\n"
        "    done = subprocess.run(look, capture_output=True, text=True)\n"
        "    print(sys.platform, done.stdout.strip(), flush=True)\n"
        "if __name__ == '__main__':\n"
        "    process = mp.get_context('spawn').Process(target=child)\n"
        "    process.start()\n"
        "    process.join()\n"
    )
    assert run(script, options=()) == "win32 linux\n"
    assert run(script) == "win32 win32\n"


def test_a_launcher_that_cannot_be_executed_is_told_before_a_process_sees_linux(
    script: Path,
) -> None:
    script.write_text(
        "import multiprocessing as mp\n"
        "for method in ('spawn', 'forkserver'):\n"
        "    try: mp.get_context(method).Process(target=print).start()\n"
        "    except PermissionError as e: print(e)\n"
    )
    code = (
        "import pathlib, sys; from memsection.compat.windows import __main__, children\n"
        "children.LAUNCHER = pathlib.Path('gone')\n"
        "__main__.main()"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run([*command, str(script)], capture_output=True, text=True, timeout=60)
    told = "[Errno 13] the launcher for children cannot be executed: 'gone'\n"
    assert (done.stdout, done.stderr) == (2 * told, "")
    done = subprocess.run(
        [*command, "--children", str(script)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2 and told in done.stderr
