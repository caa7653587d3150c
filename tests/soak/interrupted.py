# SPDX-License-Identifier: MIT
"""A signal handler that raises at any point of an operation, as Ctrl-C does.

What must hold: the operation has completed or left nothing: no handle, no descriptor, no name.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import warnings
from pathlib import Path

sys.path[:0] = [
    str(Path(__file__).resolve().parent.parent),
    str(Path(__file__).resolve().parents[2] / "src"),
]

from support.storms import Storm, main, memory_descriptors  # noqa: E402  (after the path)

LONGEST = 400e-6  #: seconds until the signal: about as long as the longest operation


class Interrupted(BaseException):
    """What the handler raises."""


def run(storm: Storm) -> None:
    from memsection import Event, Mutex, Section, Security, Semaphore

    def raise_(*_: object) -> None:
        raise Interrupted

    unraisable: list[str] = []
    sys.unraisablehook = lambda event: unraisable.append(f"{event.exc_value!r} in {event.object!r}")
    operations = {
        "create": lambda: Section.create("one", 4096),
        "create global": lambda: Section.create("Global\\one", 4096),
        "create unnamed": lambda: Section.create(size=4096),
        "open": lambda: Section.open("kept", access="r"),
        "for others": lambda: Section.create("Global\\one", 4096, security=Security(everyone="r")),
        "duplicate": lambda: kept.duplicate("r"),
        "map": lambda: kept.map(),
        "mutex": lambda: Mutex.create("one"),
        "event": lambda: Event.create("Global\\one"),
        "semaphore": lambda: Semaphore.create("one", 1),
        "open mutex": lambda: Mutex.open("lock"),
    }
    kept, lock = Section.create("kept", 4096), Mutex.create("lock")
    for operation in operations.values():
        operation().close()
    gc.disable()
    before = len(memory_descriptors())
    signal.signal(signal.SIGALRM, raise_)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        while storm.goes_on():
            word = storm.random.choice(list(operations))
            hit(storm, word, operations[word])
            if not storm.random.randrange(20):
                gc.collect()
            storm.count(
                "leaked",
                (more := len(memory_descriptors()) - before),
                f"{word}: {more} descriptors",
            )
            if more:
                before = len(memory_descriptors())
            for name in ("one", "Global\\one"):
                try:
                    Section.open(name, access="r").close()
                    storm.count("leaked", example=f"{word}: the name {name}")
                except FileNotFoundError:
                    pass
                except ValueError:
                    storm.count("leaked", example=f"{word}: the name {name}, of another type")
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    lock.close()
    kept.close()
    # An exception in a finalizer goes nowhere by itself; the handler's own is Python's, everything
    # else is ours.
    bad = [text for text in unraisable if "Interrupted" not in text]
    storm.count("raw", len(bad), ", ".join(bad[:2]))


def hit(storm: Storm, word: str, operation: object) -> None:
    """One operation with a signal at a random moment; what it made is closed."""
    made = None
    try:
        signal.setitimer(signal.ITIMER_REAL, max(1e-6, storm.random.random() * LONGEST))
        try:
            made = operation()  # type: ignore[operator]
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        storm.count("completed")
    except Interrupted:
        storm.count("interrupted")
    except Exception as failure:
        storm.count("raw", example=f"{word}: {type(failure).__name__}: {failure}")
    finally:
        if made is not None:
            made.close()
    assert os.getpid() == storm.pid


if __name__ == "__main__":
    main(run)
