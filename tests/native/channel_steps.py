# SPDX-License-Identifier: MIT
"""The channel core with its named steps, called through ctypes, and processes that are killed at
the n-th of them."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from native.compiling import CHANNEL, LIBRARY, build

SEND, RECEIVE, BOTH = 1, 2, 3
HOOK = ctypes.CFUNCTYPE(None, ctypes.c_char_p)
PATIENCE_MS = 60_000  #: until something that does not happen counts as never


def compile_core(target: Path) -> Path:
    """The core with its steps, as a library."""
    return build(target / "channel.so", LIBRARY, ["channel_steps.c", "call_steps.c"], CHANNEL)


class Shape(ctypes.Structure):
    """ms_shape."""

    _fields_ = [
        ("capacity", ctypes.c_uint32),
        ("redeliver", ctypes.c_uint32),
        ("small", ctypes.c_uint64),
        ("large", ctypes.c_uint64),
        ("large_unit", ctypes.c_uint64),
        ("flags", ctypes.c_uint32),
        ("history", ctypes.c_uint32),
        ("calls", ctypes.c_uint32),
    ]


class Channel:
    """A channel in a memfd, with as many ends in this process as are opened."""

    def __init__(
        self,
        library: Path,
        *,
        capacity: int = 4,
        redeliver: int = 0,
        small: int = 30,
        flags: int = 0,
        history: int = 0,
        calls: int = 0,
    ) -> None:
        self.core = ctypes.CDLL(str(library))
        self.core.channel_open.restype = ctypes.c_void_p
        self.core.ms_channel_size.restype = ctypes.c_uint64
        for name in (
            "send",
            "receive",
            "done",
            "back",
            "close",
            "shutdown",
            "recover",
            "recover_all",
            "busy",
            "ask",
            "answer",
            "cancel",
            "take",
            "reply",
            "drop",
            "cells",
            "rewind",
            "missed",
            "unsettled",
        ):
            getattr(self.core, "channel_" + name).restype = ctypes.c_int64
        self.shape = Shape(capacity, redeliver, small, 0, 0, flags, history, calls)
        self.fd = os.memfd_create("channel")
        os.ftruncate(self.fd, self.core.ms_channel_size(ctypes.byref(self.shape)))
        self.fresh = True
        self.ends: list[End] = []

    def open(self, role: int = BOTH) -> End:
        """One more end."""
        result = ctypes.c_int()
        actor = self.core.channel_open(
            self.fd, ctypes.byref(self.shape), role, self.fresh, ctypes.byref(result)
        )
        self.fresh = False
        assert result.value == 0, os.strerror(-result.value)
        self.ends.append(End(self.core, actor))
        return self.ends[-1]

    def dies_at(self, number: int | str, body: Callable[[], object]) -> str:
        """Run a body in a forked child that is killed at its n-th step, or at one of this name; the
        name, "" if it ended."""
        reader, writer = os.pipe()
        pid = os.fork()
        if not pid:
            try:
                count = 0

                def step(name: bytes) -> None:
                    nonlocal count
                    count += 1
                    if number in (count, name.decode()):
                        os.write(writer, name)
                        os.kill(os.getpid(), signal.SIGKILL)

                hook = HOOK(step)
                ctypes.c_void_p.in_dll(self.core, "ms_step_hook").value = ctypes.cast(
                    hook, ctypes.c_void_p
                ).value
                body()
                os._exit(0)
            except BaseException as problem:
                os.write(2, f"child: {problem!r}\n".encode())
            finally:
                os._exit(1)
        os.close(writer)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        with os.fdopen(reader) as pipe:
            name = pipe.read()
        assert status == (-signal.SIGKILL if name else 0), (status, name)
        return name

    @contextmanager
    def stopped_at(self, name: str, body: Callable[[End], object]) -> Iterator[Callable[[], None]]:
        """A forked child with an end of its own.  What this gives has it run the body with it, until
        it stops at its first step of this name; it goes on, and ends, when the block does."""
        told, tell = os.pipe()
        hear, say = os.pipe()
        pid = os.fork()
        if not pid:
            try:
                os.close(tell)
                os.close(hear)
                end, names = self.open(BOTH), []

                def step(at: bytes) -> None:
                    names.append(at.decode())
                    if names.count(name) == 1 and names[-1] == name:
                        os.write(say, b"s")
                        os.read(told, 1)

                hook = HOOK(step)
                os.write(say, b"o")
                os.read(told, 1)
                ctypes.c_void_p.in_dll(self.core, "ms_step_hook").value = ctypes.cast(
                    hook, ctypes.c_void_p
                ).value
                body(end)
                os._exit(0 if name in names else 2)
            finally:
                os._exit(1)
        os.close(told)
        os.close(say)
        assert os.read(hear, 1) == b"o"

        def go() -> None:
            os.write(tell, b"g")
            assert os.read(hear, 1) == b"s"

        try:
            yield go
        finally:
            os.close(tell)
            os.close(hear)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0

    def meanwhile(
        self, number: int, action: Callable[[], object], body: Callable[[], object]
    ) -> str:
        """Run a body here, and an action at its n-th step; the name of the step, "" if there were
        fewer."""
        names: list[str] = []

        def step(name: bytes) -> None:
            names.append(name.decode())
            if len(names) == number:
                # the action's steps are its own
                ctypes.c_void_p.in_dll(self.core, "ms_step_hook").value = None
                action()

        hook = HOOK(step)
        place = ctypes.c_void_p.in_dll(self.core, "ms_step_hook")
        place.value = ctypes.cast(hook, ctypes.c_void_p).value
        try:
            body()
        finally:
            place.value = None
        return names[number - 1] if len(names) >= number else ""

    def close(self) -> None:
        """Close every end here, and let go of the memory."""
        for end in self.ends:
            end.close()
        os.close(self.fd)


class End:
    """One end, called directly."""

    def __init__(self, core: ctypes.CDLL, actor: int) -> None:
        self._core, self._actor = core, ctypes.c_void_p(actor)

    def send(self, seed: int, length: int = 64, timeout_ms: int = PATIENCE_MS) -> int:
        return int(
            self._core.channel_send(
                self._actor,
                ctypes.c_uint64(length),
                ctypes.c_uint32(seed),
                ctypes.c_int64(timeout_ms),
            )
        )

    def receive(self, timeout_ms: int = PATIENCE_MS, *, keep: bool = False) -> int:
        return int(self._core.channel_receive(self._actor, ctypes.c_int64(timeout_ms), keep))

    def done(self, again: bool = False) -> int:
        return int(self._core.channel_done(self._actor, again))

    def back(self) -> int:
        return int(self._core.channel_back(self._actor))

    def close(self) -> None:
        self._core.channel_close(self._actor)

    def shutdown(self) -> None:
        self._core.channel_shutdown(self._actor)

    def recover(self) -> int:
        return int(self._core.channel_recover(self._actor))

    def recover_all(self) -> int:
        """The look before the end is said."""
        return int(self._core.channel_recover_all(self._actor))

    def busy(self) -> tuple[int, int]:
        """(places in use, positions in use)."""
        both = int(self._core.channel_busy(self._actor))
        return both & 0xFFFFFFFF, both >> 32

    def ask(self, seed: int, length: int = 64, timeout_ms: int = PATIENCE_MS) -> int:
        """Begin a call."""
        return int(
            self._core.channel_ask(
                self._actor,
                ctypes.c_uint64(length),
                ctypes.c_uint32(seed),
                ctypes.c_int64(timeout_ms),
            )
        )

    def answer(self, timeout_ms: int = PATIENCE_MS) -> int:
        """The seed of the answer to the call that was begun."""
        return int(self._core.channel_answer(self._actor, ctypes.c_int64(timeout_ms)))

    def cancel(self) -> int:
        return int(self._core.channel_cancel(self._actor))

    def take(self, timeout_ms: int = PATIENCE_MS) -> int:
        """The seed of the next call, which is in hand then."""
        return int(self._core.channel_take(self._actor, ctypes.c_int64(timeout_ms)))

    def reply(self, length: int = 64) -> int:
        """Answer the call in hand with its seed."""
        return int(self._core.channel_reply(self._actor, ctypes.c_uint64(length)))

    def drop(self, again: bool = False) -> int:
        return int(self._core.channel_drop(self._actor, again))

    def cells(self) -> int:
        """How many cells of calls are in use."""
        return int(self._core.channel_cells(self._actor))

    def rewind(self, messages: int) -> None:
        self._core.channel_rewind(self._actor, ctypes.c_uint64(messages))

    def missed(self) -> int:
        return int(self._core.channel_missed(self._actor))

    def unsettled(self) -> int:
        """Places of a topic that are neither free nor in the ring, and places in hand."""
        return int(self._core.channel_unsettled(self._actor))
