# SPDX-License-Identifier: MIT
"""Processes that run the synchronising core and stop at its named steps, for tests that force an
interleaving.

The core is compiled with ``-DMS_TEST_STEPS`` and called through ctypes; there is no Python of the
library in it.  An ``Actor`` is a forked process that does what it is told, stops where it is told,
and can be killed there.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import select
import signal
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from native.compiling import LIBRARY, SYNC, build

MUTEX, EVENT, SEMAPHORE, TIMER = 1, 2, 3, 4
MANUAL = 1
SET, RESET, PULSE = 0, 1, 2
WAS_ABANDONED = 1
STATE_AT = 3072
PATIENCE = 60.0  #: seconds until something that does not happen counts as never
HOOK = ctypes.CFUNCTYPE(None, ctypes.c_char_p)


def compile_core(target: Path) -> Path:
    """The core with its steps, as a library."""
    return build(target / "steps.so", LIBRARY, ["steps.c"], SYNC)


def body(
    library: Path,
    kind: int,
    *,
    flags: int = 0,
    maximum: int = 0,
    units: int = 0,
    signaled: bool = False,
) -> int:
    """A new object: the descriptor of a memfd whose only page is its control page."""
    fd = os.memfd_create("steps")
    os.ftruncate(fd, 4096)
    state = ctypes.create_string_buffer(128)
    ctypes.CDLL(str(library)).steps_state(state, kind, flags, maximum, units)
    os.pwrite(fd, state.raw, STATE_AT)
    if signaled:
        scribble(fd, word(fd) | 1 << 19)
    return fd


def word(fd: int) -> int:
    """The object's state word as everybody sees it."""
    return int.from_bytes(os.pread(fd, 8, STATE_AT + 64), "little")


def scribble(fd: int, value: int) -> None:
    """Write over the state word, as a stranger would."""
    os.pwrite(fd, value.to_bytes(8, "little"), STATE_AT + 64)


class Actor:
    """A process of its own with its own records of the objects."""

    def __init__(self, library: Path, kinds: dict[int, int], *, first_slot: int = 0) -> None:
        """``kinds`` are the objects it will know: descriptor to kind."""
        self._socket, theirs = socket.socketpair()
        self.pid = os.fork()
        if not self.pid:
            try:
                self._socket.close()
                _Child(library, kinds, theirs, first_slot).serve()
            finally:
                os._exit(1)
        theirs.close()
        self.at = ""

    def start(self, operation: str, *arguments: Any, stops: Sequence[str] = ()) -> Actor:
        """Begin an operation, which will stop at each of these steps."""
        self._send(("do", operation, arguments, tuple(stops)))
        return self

    def reaches(self, step: str) -> Actor:
        """Wait until it stands at this step."""
        kind, value = self._receive()
        assert (kind, value) == ("at", step), f"expected to stop at {step!r}, got {kind} {value!r}"
        return self

    def go(self, *, stops: Sequence[str] | None = None) -> Actor:
        """Go on from the step it stands at; with ``stops`` others from now on."""
        self._send(("go", None if stops is None else tuple(stops)))
        return self

    def result(self) -> Any:
        """What the operation gave."""
        kind, value = self._receive()
        assert kind == "done", f"expected it to end, it stands at {value!r}"
        return value

    def ends_before(self, other: Actor) -> bool:
        """Wait until one of the two has something to say: whether it is this one."""
        ready = select.select([self._socket, other._socket], [], [], PATIENCE)[0]
        assert ready, "neither of them ended"
        return self._socket in ready

    def do(self, operation: str, *arguments: Any) -> Any:
        """A whole operation."""
        return self.start(operation, *arguments).result()

    def sleeps(self) -> None:
        """Wait until it sleeps in the kernel on a futex."""
        for _ in range(int(PATIENCE * 1000)):
            try:
                if "futex" in Path(f"/proc/{self.pid}/wchan").read_text():
                    return
            except OSError:
                pass
            select.select([], [], [], 0.001)
        raise AssertionError("it never slept")

    def kill(self) -> None:
        """kill -9, and the end of it."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = 0
            self._socket.close()

    def _send(self, message: Any) -> None:
        data = pickle.dumps(message)
        self._socket.sendall(len(data).to_bytes(4, "little") + data)

    def _receive(self) -> tuple[str, Any]:
        assert select.select([self._socket], [], [], PATIENCE)[0], "it neither stopped nor ended"
        assert self._socket.recv(1, socket.MSG_PEEK), "it died"
        return _receive(self._socket)  # type: ignore[no-any-return]


def _receive(source: socket.socket) -> Any:
    size = int.from_bytes(source.recv(4, socket.MSG_WAITALL), "little")
    if not size:
        os._exit(0)
    return pickle.loads(source.recv(size, socket.MSG_WAITALL))


class _Child:
    def __init__(
        self, library: Path, kinds: dict[int, int], control: socket.socket, first_slot: int
    ) -> None:
        self.core = ctypes.CDLL(str(library))
        self.control = control
        self.stops: tuple[str, ...] = ()
        ctypes.c_uint32.in_dll(self.core, "ms_step_first_slot").value = first_slot
        self.objects: dict[int, Any] = {}
        for fd, kind in kinds.items():
            found = ctypes.c_void_p()
            result = self.core.ms_object_get(fd, ctypes.c_int64(0), kind, ctypes.byref(found))
            assert result == 0, result
            self.objects[fd] = found
        self.hook = HOOK(self.step)
        ctypes.c_void_p.in_dll(self.core, "ms_step_hook").value = ctypes.cast(
            self.hook, ctypes.c_void_p
        ).value

    def send(self, message: Any) -> None:
        data = pickle.dumps(message)
        self.control.sendall(len(data).to_bytes(4, "little") + data)

    def step(self, name: bytes) -> None:
        if name.decode() in self.stops:
            self.send(("at", name.decode()))
            _, stops = _receive(self.control)
            if stops is not None:
                self.stops = stops

    def serve(self) -> None:
        while True:
            _, operation, arguments, self.stops = _receive(self.control)
            result = getattr(self, operation)(*arguments)
            self.stops = ()
            self.send(("done", result))

    # what it can be told to do: descriptors in, results of the core out

    def open(self, fd: int, kind: int) -> int:
        """Begin to use an object that it was not made with."""
        found = ctypes.c_void_p()
        return int(self.core.ms_object_get(fd, ctypes.c_int64(0), kind, ctypes.byref(found)))

    def wait(
        self, fds: list[int], timeout_ms: int = -1, accept_abandoned: bool = True, all: bool = False
    ) -> tuple[int, int, int]:
        objects = (ctypes.c_void_p * len(fds))(*(self.objects[fd].value for fd in fds))
        index, dead = ctypes.c_uint32(), ctypes.c_uint32()
        result = self.core.steps_wait(
            objects,
            (ctypes.c_int * len(fds))(*fds),
            len(fds),
            all,
            accept_abandoned,
            ctypes.c_int64(timeout_ms),
            ctypes.byref(index),
            ctypes.byref(dead),
        )
        return result, index.value, dead.value

    def take(self, fd: int, timeout_ms: int = -1, accept_abandoned: bool = True) -> int:
        return self.wait([fd], timeout_ms, accept_abandoned)[0]

    def release(self, fd: int) -> int:
        return int(self.core.ms_mutex_release(self.objects[fd], ctypes.byref(ctypes.c_uint32())))

    def thread_takes(self, fd: int) -> int:
        return int(self.core.steps_thread_takes(self.objects[fd], fd))

    def change(self, fd: int, what: int) -> int:
        return int(
            self.core.ms_event_change(self.objects[fd], fd, what, ctypes.byref(ctypes.c_uint32()))
        )

    def give(self, fd: int, units: int = 1) -> int:
        return int(
            self.core.ms_semaphore_release(
                self.objects[fd], fd, units, ctypes.byref(ctypes.c_uint32())
            )
        )

    def set_timer(self, fd: int, ms: int, period: int = 0) -> int:
        return int(self.core.steps_set_timer(self.objects[fd], fd, ms, period))

    def cancel_timer(self, fd: int) -> int:
        return int(self.core.steps_cancel_timer(self.objects[fd], fd))

    def look_timer(self, fd: int) -> int:
        return int(self.core.steps_look_timer(self.objects[fd]))

    def sleep_on(self) -> None:
        """From now on only a wake-up ends a sleep: it no longer looks at intervals."""
        for name in ("ms_step_slice", "ms_step_first_slice"):
            ctypes.c_int64.in_dll(self.core, name).value = 10**15

    def patience(self, ns: int) -> None:
        ctypes.c_int64.in_dll(self.core, "ms_step_patience").value = ns

    def without_waitv(self) -> None:
        self.core.ms_futex_without_waitv(1)

    def spin(self, ns: int) -> None:
        self.core.ms_spin_set(ctypes.c_int64(ns))
