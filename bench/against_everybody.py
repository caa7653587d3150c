# SPDX-License-Identifier: MIT
"""How does memsection compare with everybody else who shares memory, wakes and locks between
processes?

One adapter in ``peers`` for each of them; all run in turns within one run.  Writes a Markdown table
and a picture.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType

from measure import (
    Samples,
    heading,
    measure_in_turns,
    median,
    percentile,
    ratio,
    span,
    start_resource_tracker,
    table,
)
from peers import Conversation, available
from picture import dots

PAGE, MIB = 4096, 1 << 20
FRAME = 1920 * 1080 * 3
OURS = "memsection"
FLOOR = "C (floor)"
DOCS = Path(__file__).resolve().parent.parent / "docs" / "comparison"

Peers = dict[str, ModuleType]
Cases = dict[str, Callable[[], object]]


def _having(peers: Peers, what: str) -> Iterator[tuple[str, ModuleType]]:
    return ((module.NAME, module) for module in peers.values() if hasattr(module, what))


# ---------------------------------------------------------------------- blocks


def creating(peers: Peers, size: int, touch: bool) -> Cases:
    """Create, map, touch, unmap and remove a named block."""
    name = f"bench-create-{os.getpid()}"

    def once(module: ModuleType) -> None:
        block = module.create(name, size)
        if touch and block.buffer is not None:
            memory = memoryview(block.buffer)
            memory[::PAGE] = bytes(size // PAGE)
            memory.release()
        block.close()

    cases: Cases = {
        name_: partial(once, module)
        for name_, module in _having(peers, "create")
        if not touch or module.NAME != "py-easyshm"
    }
    cases.update(
        {
            name_: partial(module.create_whole, name, size, touch)
            for name_, module in _having(peers, "create_whole")
        }
    )
    return cases


@contextmanager
def attaching(peers: Peers, size: int) -> Iterator[Cases]:
    """Open, map, unmap and close a named block that another one keeps."""
    with ExitStack() as stack:
        cases: Cases = {}
        for number, (name, module) in enumerate(_having(peers, "attach")):
            block = f"bench-attach-{os.getpid()}-{number}"
            stack.callback(module.create(block, size).close)
            cases[name] = lambda module=module, block=block: module.attach(block, size).close()  # type: ignore[misc]
        for name, module in _having(peers, "attach_whole"):
            block = f"bench-attach-{os.getpid()}-floor"
            path = Path("/dev/shm", block)
            path.write_bytes(bytes(size))
            stack.callback(path.unlink)
            cases[name] = partial(module.attach_whole, block, size)
        yield cases


@contextmanager
def copying(peers: Peers, size: int) -> Iterator[Cases]:
    """Copy an array into a block whose pages are present, with NumPy."""
    import numpy as np

    source, private = np.ones(size // 8), np.ones(size // 8)
    with ExitStack() as stack:
        cases: Cases = {"private memory": partial(np.copyto, private, source)}
        for number, (name, module) in enumerate(_having(peers, "create")):
            if name == "py-easyshm":
                continue  # it gives a view for reading only
            block = module.create(f"bench-copy-{os.getpid()}-{number}", size)
            array = np.frombuffer(block.buffer, dtype=float)
            array[:] = 1.0
            cases[name] = partial(np.copyto, array, source)
            del array
            stack.callback(_close_quietly, block)
        yield cases
        cases.clear()


def _close_quietly(block: object) -> None:
    try:
        block.close()  # type: ignore[attr-defined]
    except BufferError:
        pass


# ---------------------------------------------------------------------- locks


LOCKS = 200  #: times that a lock is taken in one call


def locking(peers: Peers) -> tuple[Cases, list[object]]:
    """Lock and unlock, LOCKS times, while nobody else wants it."""
    cases: Cases = {}
    locks = []

    def many(acquire: Callable[[], object], release: Callable[[], object]) -> None:
        for _ in range(LOCKS):
            acquire()
            release()

    for name, module in _having(peers, "lock"):
        lock = module.lock()
        locks.append(lock)
        cases[name] = (
            partial(lock.many, LOCKS)
            if hasattr(lock, "many")
            else partial(many, lock.acquire, lock.release)
        )
    return cases, locks


# ---------------------------------------------------------------------- two processes


@contextmanager
def talking(conversations: dict[str, Conversation]) -> Iterator[Cases]:
    """Each conversation with a forked child of its own, which waits while the others have their
    turn."""
    children: list[int] = []
    cases: Cases = {}
    try:
        for name, conversation in conversations.items():
            ready, is_ready = os.pipe()
            sys.stdout.flush()
            pid = os.fork()
            if pid == 0:
                try:
                    os.close(ready)
                    conversation.child()
                    os.write(is_ready, b"x")
                    while True:
                        conversation.answer()
                except BaseException:
                    traceback.print_exc()
                finally:
                    os._exit(1)
            children.append(pid)
            os.close(is_ready)
            conversation.parent()
            if os.read(ready, 1) != b"x":
                raise RuntimeError(f"the other process of {name} did not start")
            os.close(ready)
            cases[name] = conversation.ask
        yield cases
    finally:
        for pid in children:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        for conversation in conversations.values():
            conversation.close()


def _conversations(peers: Peers, what: str, *arguments: object) -> dict[str, Conversation]:
    return {name: getattr(module, what)(*arguments) for name, module in _having(peers, what)}


# ---------------------------------------------------------------------- all of it


def measure(peers: Peers, scale: float) -> dict[str, Samples]:
    """Every row: what was done, and how long each peer took for it."""
    rounds = lambda count: max(5, int(count * scale))  # noqa: E731
    rows: dict[str, Samples] = {}

    def row(title: str, cases: Cases, count: int, batch: int, divisor: int = 1) -> None:
        print(f"{title} ...", file=sys.stderr, flush=True)
        samples = measure_in_turns(cases, rounds=rounds(count), batch=batch)
        rows[title] = {
            name: [value / divisor for value in values] for name, values in samples.items()
        }

    row("create + close, 4 KiB", creating(peers, PAGE, touch=False), 200, 10)
    row("create + write + close, 1 MiB", creating(peers, MIB, touch=True), 60, 2)
    with attaching(peers, PAGE) as cases:
        row("open + close, 4 KiB", cases, 200, 20)
    with copying(peers, 64 * MIB) as cases:
        row("copy 64 MiB into it", cases, 30, 1)
    cases, locks = locking(peers)
    row("lock + unlock", cases, 200, 2, LOCKS)
    del cases, locks
    with talking(_conversations(peers, "signals")) as cases:
        row("wake and be woken", cases, 200, 10)
    with talking(_conversations(peers, "frames", FRAME)) as cases:
        row("6.2 MB frame to another process", cases, 40, 2)
    with talking(_conversations(peers, "arrays", (1_000_000, 8))) as cases:
        row("64 MB array to another process", cases, 10, 1)
    _tables(peers, row)
    _latest(peers, row)
    return rows


def _tables(peers: Peers, row: Callable[..., None]) -> None:
    try:
        import numpy as np
        import pyarrow as pa
    except ImportError:
        return
    data = np.random.default_rng(1).random((8, 250_000))
    with talking(
        _conversations(peers, "tables", pa.table({f"c{i}": data[i] for i in range(8)}))
    ) as cases:
        row("16 MB Arrow table to another process", cases, 20, 1)


def _latest(peers: Peers, row: Callable[..., None]) -> None:
    values = {name: module.latest(64) for name, module in _having(peers, "latest")}
    try:
        row(
            "read a latest value of 64 bytes",
            {name: value.read for name, value in values.items()},
            200,
            100,
        )
    finally:
        for value in values.values():
            value.close()


def report(rows: dict[str, Samples], versions: str) -> str:
    """The Markdown page."""
    parts = [
        f"<!-- Written by bench/against_everybody.py -->\n\n# All figures\n\n{heading()}; "
        f"{versions}.\n",
        "Times for one operation: median (99th percentile), and how many times as long as "
        "memsection takes.\n",
    ]
    for title, samples in rows.items():
        lines = []
        for name, times in sorted(samples.items(), key=lambda item: median(item[1])):
            times_as_long = f"{ratio(samples, name, OURS):.2f}" if OURS in samples else ""
            lines.append(
                [
                    f"**{name}**" if name == OURS else name,
                    span(median(times)),
                    span(percentile(times, 0.99)),
                    times_as_long,
                ]
            )
        parts.append(
            f"## {title}\n\n{table(['', 'median', '99th percentile', 'times memsection'], lines)}\n"
        )
    return "\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--scale", type=float, default=1.0, help="so many times the usual number of rounds"
    )
    parser.add_argument(
        "--write", action="store_true", help=f"write the table and the picture to {DOCS}"
    )
    options = parser.parse_args()
    peers, missing = available()
    for name, why in missing.items():
        print(f"without {name}: {why}", file=sys.stderr)
    versions = ", ".join(f"{module.NAME} {module.version()}" for module in peers.values())
    start_resource_tracker()
    rows = measure(peers, options.scale)
    text = report(rows, versions)
    print(text)
    if options.write:
        DOCS.mkdir(parents=True, exist_ok=True)
        (DOCS / "measured.md").write_text(text)
        (DOCS / "measured.svg").write_text(dots(rows, OURS, FLOOR, heading()))


if __name__ == "__main__":
    main()
