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
import ctypes
import os
import re
import secrets
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

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
from memsection.vocabulary.text import shown
from memsection.wine import processes

_HERE = Path(__file__).resolve().parent
PATIENCE = 20.0  #: seconds for the answer to a command; starting a helper may take as long
_LONGEST = 1 << 20  #: bytes of a line of an answer
_MOST = 1 << 16  #: lines of an answer: as many objects may be listed
_RESULTS = (0, 0x80, 0x102)  #: of a wait: WAIT_OBJECT_0, WAIT_ABANDONED, WAIT_TIMEOUT
_NUMBER = re.compile("[0-9a-fA-F]{1,16}")
_WIN32 = 0xC0070000  #: FACILITY_NTWIN32: a Win32 error code as a status
#: What can be done about an answer, in the place of what is said of objects here.
_HINTS = {
    st.OBJECT_NAME_NOT_FOUND: processes.SEE_PREFIXES,
    st.OBJECT_NAME_COLLISION: "'memsection wine ls' shows the names; choose another one.",
}
_ADDR_NO_RANDOMIZE = 0x0040000  #: personality(2)


class Helper:
    """One helper process in a running prefix.

    Raises:
        NotFoundError: The prefix does not run: a helper never starts one.
        Error: The helper does not start there.
    """

    def __init__(self, prefix: processes.Prefix, *, keep: int = -1) -> None:
        self.prefix = prefix
        self._token = secrets.token_hex(8)
        self._copy: str | None = None
        self._rest = b""
        self._owed = False
        try:
            self.process = self._start(bits_of(f"/proc/{prefix.pid}/root{prefix.path}"), keep)
            self.ask("hello")
            self._drop_copy()  # it is loaded: nothing stays behind when this process is killed
        except BaseException:
            if "process" in self.__dict__:
                self.close()
            self._drop_copy()
            raise

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
        lines = self.ask_lines(command, patience)
        return lines[-1][1:]

    def ask_lines(self, command: str, patience: float = PATIENCE) -> list[list[str]]:
        """All lines of an answer, in words.

        Raises:
            Error: The helper refuses, as the exception of its status; it has ended.
            WaitTimeoutError: No answer came.
        """
        if "\n" in command or "\r" in command or "\0" in command or len(command.encode()) > 3000:
            raise ArgumentError("wine: a name that no object can have")
        self._send(command)
        return self._answer(command, patience)

    def wait(self, handle: str, milliseconds: int) -> int:
        """The result of a wait, which takes no longer than it says.

        A wait that was interrupted (by Ctrl-C) goes on over there, and the next one takes its
        result: nothing is lost.

        Raises:
            Error: The helper has ended.
        """
        command = f"wait {handle} {milliseconds:x}"
        if not self._owed:
            self._send(command)
        self._owed = True
        answer = self._answer(command, PATIENCE + milliseconds / 1000)
        self._owed = False
        result = hexadecimal(answer[-1], 1)
        if result not in _RESULTS:
            raise nonsense(answer[-1])
        return result

    def read_interrupted_wait(self) -> int | None:
        """The result of a wait that was interrupted, once it is there; None when there was none."""
        return self.wait("0", 0) if self._owed else None

    def _send(self, command: str) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(command.encode() + b"\n")
        except (OSError, ValueError):
            raise self._ended() from None

    def _answer(self, command: str, patience: float) -> list[list[str]]:
        deadline = time.monotonic() + patience
        lines = []
        while True:
            try:
                words = self._line(deadline, command).split(
                    " ", 5 if command.startswith("section") else 3
                )
            except BaseException:
                if not self._owed:
                    self.close()  # its answer to this would be taken for the answer to the next
                raise
            lines.append(words)
            if words[0] not in ("ok", "entry", "error") or len(lines) > _MOST:
                self.close()
                raise nonsense(words)
            if words[0] == "error":
                status = hexadecimal(words, 1)
                failure = NtError(
                    _status(status),
                    f"wine: {command.partition(' ')[0]}",
                    command.rpartition(" ")[2],
                    st.row(_status(status)).text,
                )
                raise with_hint(public_error(failure), _HINTS.get(failure.status, ""))
            if words[0] == "ok":
                return lines

    def _line(self, deadline: float, command: str) -> str:
        assert self.process.stdout is not None
        while b"\n" not in self._rest:
            left = deadline - time.monotonic()
            if left <= 0 or len(self._rest) > _LONGEST:
                self.close()
                raise WaitTimeoutError(
                    f"wine '{self.prefix.path}': the helper does not answer '{command[:60]}'"
                )
            if select.select([self.process.stdout], [], [], min(left, 1.0))[0]:
                found = os.read(self.process.stdout.fileno(), 65536)
                if not found:
                    raise self._ended()
                self._rest += found
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode("utf-8", "replace").rstrip("\r")

    def _ended(self) -> Error:
        return Error(
            f"wine '{self.prefix.path}': the helper has ended, with the prefix or by somebody's "
            f"hand",
            ntstatus=st.PROCESS_IS_TERMINATING,
        )

    @property
    def alive(self) -> bool:
        """Whether the helper runs."""
        return self.process.poll() is None

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
        raise self._ended()

    def inner_pid(self) -> int:
        """Its process id as it is known in its prefix's namespace.

        Raises:
            Error: It has ended.
        """
        try:
            with open(f"/proc/{self.pid()}/status") as file:
                return int(next(line for line in file if line.startswith("NSpid:")).split()[-1])
        except OSError:
            raise self._ended() from None

    def close(self) -> None:
        """End it; what it held is let go of."""
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        try:
            self.process.wait(2)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(Error):
                os.kill(self.pid(), 9)
            self.process.kill()
            self.process.wait()
        self._drop_copy()

    def _drop_copy(self) -> None:
        if self._copy is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._copy)
            self._copy = None

    def __enter__(self) -> Helper:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextlib.contextmanager
def addresses_not_randomised() -> Iterator[None]:
    """What this thread starts meanwhile has its heap where it always is.

    A process of Wine's needs the page at 0x7ffe0000.  Where the kernel puts a program's heap
    anywhere within a gigabyte, the heap of Wine's loader covers that page once in some ten thousand
    starts, and the program ends before its first instruction.

    The setting is the thread's own, and a child has it through execve (personality(2)).  A
    container may forbid it: then the program starts as any other does.
    """
    libc = ctypes.CDLL(None)
    before = libc.personality(ctypes.c_ulong(0xFFFFFFFF))  # changes nothing
    try:
        if before != -1:
            libc.personality(ctypes.c_ulong(before | _ADDR_NO_RANDOMIZE))
        yield
    finally:
        if before != -1:
            libc.personality(ctypes.c_ulong(before))


def hexadecimal(words: list[str], at: int) -> int:
    """A number in an answer.

    Raises:
        CorruptError: There is none.
    """
    if not _NUMBER.fullmatch("".join(words[at : at + 1])):
        raise nonsense(words)
    return int(words[at], 16)


def nonsense(words: list[str]) -> CorruptError:
    """For an answer that no helper of ours gives."""
    return CorruptError(f"wine: the helper's answer makes no sense: '{shown(' '.join(words), 60)}'")


def bits_of(prefix: str) -> int:
    """Which helper a prefix takes: one of 32 bits has no directory for the other 32-bit
    programs."""
    return 64 if os.path.isdir(os.path.join(prefix, "drive_c", "windows", "syswow64")) else 32


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
