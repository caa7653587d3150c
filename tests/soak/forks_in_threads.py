# SPDX-License-Identifier: MIT
"""Forks in a program whose other threads create, open, map, duplicate and close at that moment.

What must hold: every child can use the library and ends; no child has a descriptor of an object
that it cannot close with its handles and views; when the threads are at rest no name is left.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

sys.path[:0] = [
    str(Path(__file__).resolve().parent.parent),
    str(Path(__file__).resolve().parents[2] / "src"),
]

from support.storms import Storm, main, memory_descriptors  # noqa: E402  (after the path)

THREADS = 3
PATIENCE = 20.0  #: seconds for a child
GOOD, RAW, EXTRA = 0, 1, 4


def run(storm: Storm) -> None:
    from memsection import Event, Mutex, Section

    Section.create(size=4096).close()
    stop = threading.Event()
    problems: list[str] = []

    def work(number: int) -> None:
        names = [f"thread-{number}-", f"Global\\thread-{number}-", None]
        while not stop.is_set():
            for name in names:
                try:
                    with Section.create(name, 8192) as section, section.map() as view:
                        view[:4] = b"here"
                        section.duplicate("r").close()
                    with closing(Mutex.create(name and f"{name}mutex")) as lock, lock:
                        pass
                    with closing(Event.create(name and f"{name}event")) as bell:
                        bell.set()
                except FileExistsError:
                    pass  # a child holds it until it has closed what it inherited
                except Exception as failure:
                    problems.append(f"{type(failure).__name__}: {failure}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    try:
        while storm.goes_on():
            pid = os.fork()
            if not pid:
                child()
            storm.count("forks")
            wait(storm, pid)
    finally:
        stop.set()
        for thread in threads:
            thread.join(PATIENCE)
            storm.count("stuck", thread.is_alive(), "a thread")
    storm.count("raw", len(problems), ", ".join(problems[:2]))


def child() -> None:
    """Use the library in the child of a fork, close what came along, and look whether anything of
    it stays."""
    status = RAW
    try:
        from memsection import Mutex, Section
        from memsection.nt import kernel
        from memsection.nt.linux.views import regions
        from memsection.vocabulary.structs import CURRENT_PROCESS

        with Section.create(size=4096) as section, section.map() as view:
            view[0] = 1
        with closing(Mutex.create(None)) as lock, lock:
            pass
        for entry in kernel.process_handles(os.getpid()):
            kernel.close(entry.handle)
        # views of threads that are not here: fork(2) copies them, as any mapping
        for address in list(regions.regions_by_base):
            kernel.unmap_view(CURRENT_PROCESS, address)
        more = [entry for entry in memory_descriptors() if "memsection" in entry]
        status = EXTRA if more else GOOD
    except BaseException as failure:
        os.write(2, f"child: {type(failure).__name__}: {failure}\n".encode(errors="replace"))
    finally:
        os._exit(status)


def wait(storm: Storm, pid: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while (found := os.waitpid(pid, os.WNOHANG)) == (0, 0):
        if time.monotonic() > deadline:
            storm.count("stuck", example="a child")
            os.kill(pid, 9)
            found = os.waitpid(pid, 0)
            return
        time.sleep(0.0005)
    status = os.waitstatus_to_exitcode(found[1])
    storm.count(
        "leaked", status == EXTRA, "a child has descriptors that no handle and no view explains"
    )
    storm.count("raw", status not in (GOOD, EXTRA), f"a child ended with status {status}")


if __name__ == "__main__":
    main(run)
