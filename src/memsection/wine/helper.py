# SPDX-License-Identifier: MIT
"""A helper inside a prefix, and the conversation with it: a command goes there, an answer comes
back, in bounded time.

The helper (``helpers/helper.c``) is a program of some kilobytes that turns names into handles.  It
ends when its input does, so it never outlives this process.
"""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import contextlib
import os
import re
import secrets
import select
import shutil
import subprocess
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from memsection.api.descriptors import ensure_descriptors
from memsection.api.operations import beside, done, finish, unless_locked, whole
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import (
    ArgumentError,
    CorruptError,
    Error,
    NtError,
    WaitTimeoutError,
    public_error,
    with_hint,
)
from memsection.vocabulary.forks import run_in_child
from memsection.vocabulary.text import shown
from memsection.wine import processes
from memsection.wine.starting import addresses_not_randomised, bits_of

T = TypeVar("T")
_HERE = Path(__file__).resolve().parent
PATIENCE = 20.0  #: seconds for the answer to a command; starting a helper may take as long
_LONGEST = 1 << 20  #: bytes of a line of an answer
_MOST = 1 << 16  #: lines of an answer: as many objects may be listed
_LARGEST = 1 << 24  #: bytes of an answer, which this process keeps
_RESULTS = (0, 0x80, 0x102)  #: of a wait: WAIT_OBJECT_0, WAIT_ABANDONED, WAIT_TIMEOUT
_DESCRIPTORS = 16  #: that are free before a helper is started, and its processes are looked into
_NUMBER = re.compile("[0-9a-fA-F]{1,16}")
_WIN32 = 0xC0070000  #: FACILITY_NTWIN32: a Win32 error code as a status
#: What can be done about an answer, in the place of what is said of objects here.
_HINTS = {
    st.OBJECT_NAME_NOT_FOUND: processes.SEE_PREFIXES,
    st.OBJECT_NAME_COLLISION: "'memsection wine ls' shows the names; choose another one.",
}


class Helper:
    """One helper process in a running prefix.

    Raises:
        NotFoundError: The prefix does not run: a helper never starts one.
        Error: The helper does not start there.
    """

    process: subprocess.Popen[bytes]

    @whole
    def __init__(self, prefix: processes.Prefix, *, keep: int = -1) -> None:
        self.prefix = prefix
        self._token = secrets.token_hex(8)
        self._copy: str | None = None
        self._pid = os.getpid()
        self._using = threading.Lock()  #: a conversation is one thread's at a time
        # Both grow in native calls: whatever a signal handler raises, what went and came is known.
        self._sent: list[int | None] = []  #: one for the command whose answer is still to come
        self._came: list[bytes] = []  #: of answers, and not read yet
        done(self._undo, _open.add, self)
        ensure_descriptors(_DESCRIPTORS)
        bits = bits_of(f"/proc/{prefix.pid}/root{prefix.path}")
        beside(lambda: self._become(self._start(bits, keep)), self._undo)
        self.ask("hello")
        self._drop_copy()  # it is loaded: nothing stays behind when this process is killed

    def _become(self, process: subprocess.Popen[bytes]) -> None:
        # Left to the collector, a Popen that runs is kept with its streams, and so runs for ever.
        self._streams = process.stdin, process.stdout
        process.stdin = process.stdout = None
        self.process = process

    def _undo(self, *_: object) -> None:
        if "process" in self.__dict__:
            self.close()
        self._drop_copy()

    def _start(self, bits: int, keep: int) -> subprocess.Popen[bytes]:
        pid = self.prefix.pid
        try:
            variables, program = processes.environment(pid), processes.loader(pid)
            executable = self._visible(_HERE / "helpers" / f"memsection-helper{bits}.exe")
        except OSError as problem:
            raise Error(
                f"wine '{self.prefix.path}': its process {pid} cannot be looked into: "
                f"{problem.strerror}"
            ) from None
        entering = (
            [sys.executable, "-I", "-S", str(_HERE / "enter.py"), str(pid)]
            if self.prefix.contained
            else []
        )
        # The token finds the helper again from outside, whatever its process id is there.
        try:
            with addresses_not_randomised():
                return subprocess.Popen(
                    [*entering, program, executable, self._token],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    env=variables,
                    cwd="/",
                    pass_fds=(keep,) if keep >= 0 else (),
                    bufsize=0,
                )
        except OSError as problem:
            if problem.errno is None:
                raise
            raise Error(
                f"wine '{self.prefix.path}': no helper can be started there: {problem.strerror}"
            ) from None

    def _visible(self, file: Path) -> str:
        """The helper's file under a name that the prefix's processes can open: a copy in the prefix
        if need be."""
        root = f"/proc/{self.prefix.pid}/root"
        with contextlib.suppress(OSError):
            if not self.prefix.contained or os.path.samefile(file, f"{root}{file}"):
                return str(file)
        inside = f"{self.prefix.path}/memsection-{self._token}.exe"
        self._copy = f"{root}{inside}"
        shutil.copyfile(file, self._copy)
        return inside

    # ------------------------------------------------------------------ the conversation

    def ask(self, command: str, patience: float = PATIENCE) -> list[str]:
        """The words of the answer to a command.

        Raises:
            Error: The helper refuses, as the exception of its status; it has ended.
            WaitTimeoutError: No answer came.
        """
        return self.ask_lines(command, patience)[-1][1:]

    def ask_lines(self, command: str, patience: float = PATIENCE) -> list[list[str]]:
        """All lines of an answer, in words.

        Raises:
            Error: The helper refuses, as the exception of its status; it has ended.
            WaitTimeoutError: No answer came.
        """
        if "\n" in command or "\r" in command or "\0" in command or len(command.encode()) > 3000:
            raise ArgumentError("wine: a name that no object can have")

        def exchange() -> list[list[str]]:
            try:
                if not self._sent:  # else somebody was interrupted, and what comes is for him
                    self._send(command)
                    return self._answer(command, patience)
                raise self._ended_error()
            except BaseException:
                if self._sent:
                    self.close()  # its answer to this would be taken for the answer to the next
                raise

        return self._alone(exchange)

    def wait(self, handle: str, milliseconds: int) -> int:
        """The result of a wait, which takes no longer than it says.

        A wait that was interrupted (by Ctrl-C) goes on over there, and the next one takes its
        result: nothing is lost.

        Raises:
            Error: The helper has ended; or another thread waits through it.
        """
        command = f"wait {handle} {milliseconds:x}"

        def exchange() -> list[list[str]]:
            try:
                if not self._sent:
                    self._send(command)
                return self._answer(command, PATIENCE + milliseconds / 1000)
            except Error:
                if self._sent:
                    self.close()
                raise

        answer = self._alone(exchange)
        result = hexadecimal(answer[-1], 1)
        if result not in _RESULTS:
            raise nonsense(answer[-1])
        return result

    def read_interrupted_wait(self) -> int | None:
        """The result of a wait that was interrupted, once it is there; None when there was none."""
        return self.wait("0", 0) if self._sent else None

    def _alone(self, exchange: Callable[[], T]) -> T:
        """What an exchange gives, while no other is under way."""
        if self._pid != os.getpid():
            raise Error(
                f"wine '{self.prefix.path}': the helper is that of process {self._pid}, which this "
                "one was forked from: open the object anew"
            )
        found: list[T] = []
        if not unless_locked(self._using, lambda: found.append(exchange())):
            raise Error(
                f"wine '{self.prefix.path}': another thread, or what a signal has interrupted, "
                "uses this just now: open the object once more, for each of them"
            )
        return found[0]

    def _send(self, command: str) -> None:
        stream = self._streams[0]
        assert stream is not None
        if stream.closed:
            raise self._ended_error()
        try:
            self._sent.extend(map(stream.write, (command.encode() + b"\n",)))
        except OSError as problem:
            if problem.errno is None:
                raise  # a signal handler's TimeoutError
            raise self._ended_error() from None

    def _answer(self, command: str, patience: float) -> list[list[str]]:
        """The lines of the answer that is to come next, in words.

        Until its last line is there nothing of it is taken: it can be interrupted, and read anew.
        """
        deadline = time.monotonic() + patience
        lines: list[list[str]] = []
        whole: list[bytes] = []
        rest, line, size, at = b"", b"", 0, 0
        while not lines or lines[-1][0] == "entry":
            if at == len(self._came):
                self._read(deadline, command)
            size += len(self._came[at])
            *whole, rest = (rest + self._came[at]).split(b"\n")
            at += 1
            for line in whole:
                lines.append(_words(line, command))
                if lines[-1][0] != "entry":
                    break
            if len(rest) > _LONGEST:
                raise self._silence(command)
            if len(lines) > _MOST or size > _LARGEST:
                raise nonsense(lines[-1] if lines else [])
        if rest or line is not whole[-1] or lines[-1][0] not in ("ok", "error"):
            raise nonsense(lines[-1])
        self._sent, self._came = [], []
        if lines[-1][0] == "error":
            raise _refusal(command, hexadecimal(lines[-1], 1))
        return lines

    def _read(self, deadline: float, command: str) -> None:
        """What comes next, in time."""
        stream = self._streams[1]
        assert stream is not None
        if stream.closed:
            raise self._ended_error()
        waiting = select.poll()  # select(2) knows no descriptor above 1023
        waiting.register(stream.fileno(), select.POLLIN)
        left = deadline - time.monotonic()
        if left <= 0 or not waiting.poll(left * 1000):
            raise self._silence(command)
        try:
            self._came.extend(map(os.read, (stream.fileno(),), (65536,)))
        except OSError as problem:
            if problem.errno is None:
                raise
            raise self._ended_error() from None
        if not self._came[-1]:
            raise self._ended_error()

    def _silence(self, command: str) -> WaitTimeoutError:
        return WaitTimeoutError(
            f"wine '{self.prefix.path}': the helper does not answer '{shown(command, 60)}'"
        )

    def _ended_error(self) -> Error:
        return Error(
            f"wine '{self.prefix.path}': the helper has ended, with the prefix or by somebody's "
            f"hand",
            ntstatus=st.PROCESS_IS_TERMINATING,
        )

    @property
    def alive(self) -> bool:
        """Whether the helper runs."""
        try:
            return self.process.returncode is None and not os.waitid(
                os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT
            )
        except ChildProcessError:
            return False

    def pid(self) -> int:
        """Its process id as it is known here.

        Raises:
            Error: It has ended.
        """
        token = self._token.encode()
        for pid in (self.process.pid, *processes.own_processes()):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    words = file.read().split(b"\0")
                if token in words and not os.path.basename(
                    os.readlink(f"/proc/{pid}/exe")
                ).startswith("python"):
                    return pid
            except OSError:
                continue
        raise self._ended_error()

    def inner_pid(self) -> int:
        """Its process id as it is known in its prefix's namespace.

        Raises:
            Error: It has ended.
        """
        try:
            with open(f"/proc/{self.pid()}/status") as file:
                return int(next(line for line in file if line.startswith("NSpid:")).split()[-1])
        except (OSError, StopIteration):
            raise self._ended_error() from None

    def close(self) -> None:
        """End it; what it held is let go of."""
        finish(self._close)

    def _close(self) -> None:
        for stream in self._streams:
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        if self._pid != os.getpid():
            return  # it goes on for the process that this one was forked from
        if not self._ends_in(2):
            with contextlib.suppress(Error):
                os.kill(self.pid(), 9)
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, 9)
            self._ends_in(PATIENCE)
        self._drop_copy()

    def _ends_in(self, seconds: float) -> bool:
        """Whether it has ended by then, and is collected."""
        # Popen.wait, interrupted where it has just taken its lock, keeps that for ever.
        deadline, pause = time.monotonic() + seconds, 0.0005
        while self.process.returncode is None:
            try:
                pid, status = os.waitpid(self.process.pid, os.WNOHANG)
            except ChildProcessError:  # collected by a step that was interrupted
                pid, status = self.process.pid, 0
            if pid:
                self.process.returncode = os.waitstatus_to_exitcode(status)
            elif time.monotonic() >= deadline:
                return False
            else:
                time.sleep(pause := min(2 * pause, 0.05))
        return True

    def _drop_copy(self) -> None:
        if self._copy is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._copy)
            self._copy = None

    def __enter__(self) -> Helper:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_open: weakref.WeakSet[Helper] = weakref.WeakSet()


@run_in_child
def _let_go_in_child() -> None:
    """A forked child keeps no helper alive: its end is that of the process that started it."""
    for one in list(_open):
        if "process" in one.__dict__:
            one.close()


def hexadecimal(words: list[str], at: int) -> int:
    """A number in an answer.

    Raises:
        CorruptError: There is none.
    """
    if not _NUMBER.fullmatch("".join(words[at : at + 1])):
        raise nonsense(words)
    return int(words[at], 16)


def _words(line: bytes, command: str) -> list[str]:
    """The words of a line of an answer; the last one may be a name with spaces."""
    text = line.decode("utf-8", "replace").rstrip("\r")
    return text.split(" ", 5 if command.startswith("section") else 3)


def _refusal(command: str, said: int) -> Error:
    """The exception of a status that the helper tells."""
    status = _status(said)
    failure = NtError(
        status,
        f"wine: {command.partition(' ')[0]}",
        command.rpartition(" ")[2],
        st.row(status).text,
    )
    return with_hint(public_error(failure), _HINTS.get(failure.status, ""))


def nonsense(words: list[str]) -> CorruptError:
    """For an answer that no helper of ours gives."""
    return CorruptError(f"wine: the helper's answer makes no sense: '{shown(' '.join(words), 60)}'")


def _status(value: int) -> int:
    """A helper's status: a Win32 error code in it as the NT status that means it."""
    if value & 0xFFFF0000 != _WIN32:
        return value
    code = value & 0xFFFF
    return next(
        (
            status
            for status, row in st.rows_by_status().items()
            if row.winerror == code and status & 0x80000000
        ),
        st.UNSUCCESSFUL,
    )
