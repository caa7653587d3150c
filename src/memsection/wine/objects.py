# SPDX-License-Identifier: MIT
"""Objects of programs in Wine: what there is, their sections as sections of this library, and the
other way round."""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import os
import time
from collections.abc import Callable
from typing import NamedTuple, Self, TypeVar

from memsection import PAGE_SIZE, Section
from memsection.api.operations import close_fd, duplicate_fd, whole
from memsection.vocabulary.access_words import ReadOrWrite
from memsection.vocabulary.arguments import seconds
from memsection.vocabulary.errors import ArgumentError, NotFoundError
from memsection.vocabulary.records import record
from memsection.wine import memory, processes
from memsection.wine.helper import Helper, hexadecimal, nonsense

T = TypeVar("T")
_QUERY, _WRITE, _READ = 1, 2, 4  # SECTION_*
_AGAIN = 0.1  #: seconds until a name is looked for once more


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


@whole
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
    return sorted(
        (
            one
            for one in found
            if one.type not in ("SymbolicLink", "Directory")
            and not one.name.removeprefix("Global\\").removeprefix("Local\\").startswith("__wine")
        ),
        key=lambda one: (one.type, one.name),
    )


def open_section(
    name: str,
    access: ReadOrWrite = "r",
    prefix: str | os.PathLike[str] | None = None,
    wait: float | None = None,
) -> Section:
    """A section of a program in Wine, by its name: the same memory, without copying.

    The helper that finds it ends before this returns, so that the name stays the program's alone.
    The section, and views of it, keep the memory when the program ends, and then nobody writes it
    any more; ``is_stale`` tells.

    Args:
        name: ``Local\\name``, ``Global\\name``, or ``name``.
        access: ``"r"``, or ``"rw"`` to write.  The object must grant it; that a program made the
            section with ``PAGE_READONLY`` does not hold for this process.
        prefix: The prefix's directory; the only one that runs when omitted.
        wait: Seconds to wait for the prefix and the name; not at all when omitted.

    Rights:
        In the prefix, ``SECTION_MAP_READ``, and ``SECTION_MAP_WRITE`` to write; here, to look into
        a process that has it.

    Raises:
        NotFoundError: The prefix does not run; nothing has this name.
        AccessError: The section does not grant the access; nobody who has it open may be looked
            into.
        HandleError: The name is that of an event or a mutex.
        ArgumentError: No such access; several prefixes run; the name cannot be one.
        WaitTimeoutError: The helper does not answer.
    """
    if access not in ("r", "rw"):
        raise ArgumentError(f"wine: access {access!r}: it is 'r' or 'rw'")
    return patiently(lambda: _open(name, access, prefix), wait)


@whole
def _open(name: str, access: ReadOrWrite, prefix: str | os.PathLike[str] | None) -> Section:
    with Helper(processes.choose(prefix)) as helper:
        found = locate(helper, name, writable=access == "rw")
        try:
            return Section.from_fd(found.descriptor, size=found.size, access=access)
        finally:
            close_fd(found.descriptor)


class Located(NamedTuple):
    """A section's memory: a descriptor of its own, device and inode, and how much of it is the
    section's."""

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
    """Whether a section that was opened by a name is not what has the name now: its program or the
    prefix ended.

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


def patiently(attempt: Callable[[], T], wait: float | None) -> T:
    """What an attempt gives, made again until the time is up while there is no such prefix or
    name."""
    deadline = time.monotonic() + (0 if wait is None else check_seconds(wait, "wait"))
    while True:
        try:
            return attempt()
        except NotFoundError:
            left = deadline - time.monotonic()
            if left <= 0:
                raise
            time.sleep(min(_AGAIN, left))


def check_seconds(value: float, what: str = "timeout") -> float:
    number = seconds(value, what)
    if number < 0:
        raise ArgumentError(f"{what}: {number} seconds cannot be waited")
    return number


# ------------------------------------------------------------------ the other direction


class Resident:
    """What is in a prefix as long as it is open here: a helper stays there for it."""

    _helper: Helper

    def close(self) -> None:
        """Let go of it; a name that was given with it goes.  Programs that have opened it keep it.
        Again is harmless.

        Rights:
            None.

        Raises:
            Nothing.
        """
        self._helper.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Published(Resident):
    """A section of this process under a name in a prefix, for as long as this is open; made by
    ``publish``."""

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
            helper.ask(
                f"share {_QUERY | _READ | (_WRITE if writable else 0):x} {section.size:x} {path} "
                f"{name}"
            )
        except BaseException:
            helper.close()
            raise
        return Published(helper, name)
    finally:
        close_fd(descriptor)
