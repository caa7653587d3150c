# SPDX-License-Identifier: MIT
"""Objects of programs in Wine: their sections as sections of this library, their events and mutexes through a helper."""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import math
import os
import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from memsection import PAGE_SIZE, Section
from memsection.api.operations import close_fd, duplicate_fd, whole
from memsection.vocabulary.access_words import ReadOrWrite
from memsection.vocabulary.errors import AbandonedMutexError, ArgumentError, NotFoundError
from memsection.vocabulary.records import record
from memsection.wine import memory, processes
from memsection.wine.helper import Helper, hexadecimal, nonsense

T = TypeVar("T")
_QUERY, _WRITE, _READ = 1, 2, 4  # SECTION_*
_AGAIN = 0.1  #: seconds until a name is looked for once more
_CHUNK = 100  #: milliseconds of a wait in the helper, after which this process looks for signals
_TIMEOUT, _ABANDONED = 0x102, 0x80


@record(frozen=True, slots=True)
class NamedObject:
    """A named object in a prefix.

    Attributes:
        name: What ``open`` takes.
        type: "Section", "Event", "Mutant", "Semaphore" ...
        size: Bytes of a section, else 0.
    """

    name: str
    type: str
    size: int


def ls(prefix: str | os.PathLike[str] | None = None) -> list[NamedObject]:
    """The named objects of a running prefix, its own session's and the global ones.

    Args:
        prefix: The prefix's directory; the only one that runs when omitted.

    Rights:
        None; the prefix must be this user's.

    Raises:
        NotFoundError: The prefix does not run; it is not started.
        ArgumentError: No prefix was given, and several run.
        Error: The helper does not start there.
    """
    with Helper(processes.choose(prefix)) as helper:
        return listing(helper)


def listing(helper: Helper) -> list[NamedObject]:
    """What a helper lists, but for what is Wine's own."""
    found = []
    for words in helper.ask_lines("ls")[:-1]:
        size = hexadecimal(words, 2)
        if len(words) != 4:
            raise nonsense(words)
        found.append(NamedObject(words[3], words[1], size))
    return sorted((one for one in found if one.type not in ("SymbolicLink", "Directory")
                   and not one.name.removeprefix("Global\\").removeprefix("Local\\").startswith("__wine")),
                  key=lambda one: (one.type, one.name))


def open_section(name: str, access: ReadOrWrite = "r", prefix: str | os.PathLike[str] | None = None,
                 wait: float | None = None) -> Section:
    """A section of a program in Wine, by its name: the same memory, without copying.

    The helper that finds it ends before this returns, so that the name stays the program's alone.  The section, and views
    of it, keep the memory when the program ends, and then nobody writes it any more; ``is_stale`` tells.

    Args:
        name: ``Local\\name``, ``Global\\name``, or ``name``.
        access: ``"r"``, or ``"rw"`` to write.  The object must grant it; that a program made the section with
            ``PAGE_READONLY`` does not hold for this process.
        prefix: The prefix's directory; the only one that runs when omitted.
        wait: Seconds to wait for the prefix and the name; not at all when omitted.

    Rights:
        In the prefix, ``SECTION_MAP_READ``, and ``SECTION_MAP_WRITE`` to write; here, to look into a process that has it.

    Raises:
        NotFoundError: The prefix does not run; nothing has this name.
        AccessError: The section does not grant the access; nobody who has it open may be looked into.
        HandleError: The name is that of an event or a mutex.
        ArgumentError: No such access; several prefixes run; the name cannot be one.
        WaitTimeoutError: The helper does not answer.
    """
    if access not in ("r", "rw"):
        raise ArgumentError(f"wine: access {access!r}: it is 'r' or 'rw'")
    return _patiently(lambda: _open(name, access, prefix), wait)


@whole
def _open(name: str, access: ReadOrWrite, prefix: str | os.PathLike[str] | None) -> Section:
    with Helper(processes.choose(prefix)) as helper:
        found = locate(helper, name, writable=access == "rw")
        try:
            return Section.from_fd(found.descriptor, size=found.size, access=access)
        finally:
            close_fd(found.descriptor)


class Located(NamedTuple):
    """A section's memory: a descriptor of its own, device and inode, and how much of it is the section's."""

    descriptor: int
    identity: tuple[int, int]
    size: int


@whole
def locate(helper: Helper, name: str, *, writable: bool) -> Located:
    """The memory of a section there."""
    words = helper.ask(f"section {_QUERY | _READ | (_WRITE if writable else 0):x} {name}")
    handle, address, size = (hexadecimal(words, at) for at in range(3))
    try:
        pid = helper.pid()
        wanted = memory.identity(pid, address)
        found = memory.descriptor(wanted, pid, writable=writable)
        there = os.fstat(found).st_size  # what is said there may be wrong; nothing is made to grow
        pages = -(-size // PAGE_SIZE) * PAGE_SIZE
        return Located(found, wanted, min(pages, there) or there)
    finally:
        if helper.alive:
            helper.ask(f"close {handle:x} {address:x}")


@whole
def is_stale(section: Section, name: str, prefix: str | os.PathLike[str] | None = None) -> bool:
    """Whether a section that was opened by a name is not what has the name now: its program or the prefix ended.

    Args:
        section: What ``open`` gave.
        name: The name it was opened by.
        prefix: The prefix's directory; the only one that runs when omitted.

    Rights:
        As ``open``.

    Raises:
        HandleError: The section is closed.
        Error: The helper does not start, or does not answer.
    """
    facts = os.fstat(section.fileno())
    try:
        with Helper(processes.choose(prefix)) as helper:
            found = locate(helper, name, writable=False)
    except NotFoundError:
        return True
    close_fd(found.descriptor)
    return found.identity != (facts.st_dev, facts.st_ino)


def _patiently(attempt: Callable[[], T], seconds: float | None) -> T:
    """What an attempt gives, made again until the time is up while there is no such prefix or name."""
    deadline = time.monotonic() + (0 if seconds is None else _checked(seconds))
    while True:
        try:
            return attempt()
        except NotFoundError:
            left = deadline - time.monotonic()
            if left <= 0:
                raise
            time.sleep(min(_AGAIN, left))


def _checked(seconds: float) -> float:
    if math.isnan(seconds) or seconds < 0:
        raise ArgumentError(f"wine: {seconds} seconds cannot be waited")
    return seconds


# ------------------------------------------------------------------ events and mutexes


class _Waitable:
    """An object in a prefix that is waited for through a resident helper."""

    _verb = ""

    def __init__(self, name: str, prefix: str | os.PathLike[str] | None = None, wait: float | None = None) -> None:
        self.name = name
        self._helper, answer = _patiently(lambda: self._opened(name, prefix), wait)
        self._handle = f"{hexadecimal(answer, 0):x}"
        self.manual_reset = len(answer) > 1 and answer[1] == "1"

    def _opened(self, name: str, prefix: str | os.PathLike[str] | None) -> tuple[Helper, list[str]]:
        helper = Helper(processes.choose(prefix))
        try:
            return helper, helper.ask(f"{self._verb} {name}")
        except BaseException:
            helper.close()
            raise

    def _wait(self, timeout: float | None) -> int:
        """The result of a wait: 0, WAIT_ABANDONED or WAIT_TIMEOUT."""
        deadline = None if timeout is None else time.monotonic() + _checked(timeout)
        found = self._helper.settle()  # of a wait that was interrupted
        while found is None or found == _TIMEOUT:
            left = _CHUNK if deadline is None else max(0, min(_CHUNK, math.ceil((deadline - time.monotonic()) * 1000)))
            found = self._helper.wait(self._handle, left)
            if found == _TIMEOUT and deadline is not None and time.monotonic() >= deadline:
                break
        return found

    def _ask(self, verb: str) -> list[str]:
        """The helper's answer to a command about this object."""
        self._helper.settle()  # the result of a wait that was interrupted comes first
        return self._helper.ask(f"{verb} {self._handle}")

    def is_alone(self) -> bool:
        """Whether nobody else in the prefix has the object: then it lives only because it is open here.

        Rights:
            None.

        Raises:
            Error: The prefix, or the helper, has ended.
        """
        return hexadecimal(self._ask("count"), 0) <= 1

    def close(self) -> None:
        """Let go of the object.  Closing again does nothing.

        Rights:
            None.

        Raises:
            Nothing.
        """
        self._helper.close()

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<memsection.wine.{type(self).__name__} {self.name!r} in '{self._helper.prefix.path}'>"


class Event(_Waitable):
    """An event of a program in Wine; made by ``open_event``."""

    _verb = "event"

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is signaled: whether it was.

        Args:
            timeout: Seconds at most; None for ever.

        Rights:
            ``SYNCHRONIZE``, which it was opened with.

        Raises:
            Error: The prefix, or the helper, has ended.
        """
        return self._wait(timeout) == 0

    def set(self) -> None:
        """Signal it.

        Rights:
            ``EVENT_MODIFY_STATE``, which it was opened with.

        Raises:
            Error: The prefix, or the helper, has ended.
        """
        self._ask("set")

    def reset(self) -> None:
        """Make it not signaled.

        Rights:
            ``EVENT_MODIFY_STATE``, which it was opened with.

        Raises:
            Error: The prefix, or the helper, has ended.
        """
        self._ask("reset")

    def __enter__(self) -> Event:
        return self


class Mutex(_Waitable):
    """A mutex of a program in Wine; made by ``open_mutex``.  The helper owns it, and gives it up when it ends."""

    _verb = "mutex"

    def acquire(self, timeout: float | None = None) -> bool:
        """Take it: whether it was had in time.

        Args:
            timeout: Seconds at most; None for ever.

        Rights:
            ``SYNCHRONIZE``, which it was opened with.

        Raises:
            AbandonedMutexError: Its owner ended while holding it.  It is owned here now, and is to be released.
            Error: The prefix, or the helper, has ended.
        """
        found = self._wait(timeout)
        if found == _ABANDONED:
            raise AbandonedMutexError(f"wine '{self.name}': its owner ended while it held the mutex; it is owned here now")
        return found == 0

    def release(self) -> None:
        """Give it back.

        Rights:
            None; it must be owned here.

        Raises:
            AccessError: It is not owned here.
            Error: The prefix, or the helper, has ended.
        """
        self._ask("release")

    def __enter__(self) -> Mutex:
        try:
            self.acquire()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.release()
        finally:
            self.close()


def open_event(name: str, prefix: str | os.PathLike[str] | None = None, wait: float | None = None) -> Event:
    """An event of a program in Wine, by its name; a helper stays in the prefix as long as it is open.

    Args:
        name: ``Local\\name``, ``Global\\name``, or ``name``.
        prefix: The prefix's directory; the only one that runs when omitted.
        wait: Seconds to wait for the prefix and the name; not at all when omitted.

    Rights:
        In the prefix, ``EVENT_ALL_ACCESS``.

    Raises:
        NotFoundError: The prefix does not run; nothing has this name.
        AccessError: The event does not grant the access.
        HandleError: The name is that of something else.
        ArgumentError: Several prefixes run; the name cannot be one.
    """
    return Event(name, prefix, wait)


def open_mutex(name: str, prefix: str | os.PathLike[str] | None = None, wait: float | None = None) -> Mutex:
    """A mutex of a program in Wine, by its name; a helper stays in the prefix as long as it is open.

    Args:
        name: ``Local\\name``, ``Global\\name``, or ``name``.
        prefix: The prefix's directory; the only one that runs when omitted.
        wait: Seconds to wait for the prefix and the name; not at all when omitted.

    Rights:
        In the prefix, ``MUTEX_ALL_ACCESS``.

    Raises:
        NotFoundError: The prefix does not run; nothing has this name.
        AccessError: The mutex does not grant the access.
        HandleError: The name is that of something else.
        ArgumentError: Several prefixes run; the name cannot be one.
    """
    return Mutex(name, prefix, wait)


# ------------------------------------------------------------------ the other direction


class Published:
    """A section of this process under a name in a prefix, for as long as this is open; made by ``publish``."""

    def __init__(self, helper: Helper, name: str) -> None:
        self.name = name
        self._helper = helper

    @property
    def alive(self) -> bool:
        """Whether the prefix still has it: the name goes with the helper, and with the prefix.

        Rights:
            None.

        Raises:
            Nothing.
        """
        return self._helper.alive

    def close(self) -> None:
        """Take the name away; programs that have opened it keep the memory.

        Rights:
            None.

        Raises:
            Nothing.
        """
        self._helper.close()

    def __enter__(self) -> Published:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@whole
def publish(section: Section, name: str, prefix: str | os.PathLike[str] | None = None) -> Published:
    """Give programs in a prefix a section of this process, under a name that they open.

    Args:
        section: The section; programs may do with it what its handle permits.
        name: ``Local\\name``, ``Global\\name``, or ``name``.
        prefix: The prefix's directory; the only one that runs when omitted.

    Returns:
        What keeps the name: it goes when that is closed.

    Rights:
        Those of the section's handle.

    Raises:
        ExistsError: A program in the prefix has the name already.
        NotFoundError: The prefix does not run.
        ArgumentError: Several prefixes run; the name cannot be one.
        Error: The prefix's server may not open this process's descriptor.
    """
    writable = "w" in section.access
    descriptor = duplicate_fd(section.fileno())
    try:
        helper = Helper(processes.choose(prefix), keep=descriptor)
        try:
            path = f"Z:\\proc\\{helper.inner_pid()}\\fd\\{descriptor}"
            helper.ask(f"share {_QUERY | _READ | (_WRITE if writable else 0):x} {section.size:x} {path} {name}")
        except BaseException:
            helper.close()
            raise
        return Published(helper, name)
    finally:
        close_fd(descriptor)


