# SPDX-License-Identifier: MIT
"""From a view in a helper to a descriptor of its memory.

A section of Wine's page file is a file that was deleted, or a memfd; every process that holds a
handle to it may have its descriptor open, and a process of the same user may open that descriptor
anew through ``/proc``.
"""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import os
import stat
from collections.abc import Iterator

from memsection.api.operations import close_fd, open_fd, whole
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import AccessError, Error
from memsection.wine import processes


def identity(pid: int, address: int) -> tuple[int, int]:
    """Device and inode of what a process has mapped at an address.

    Raises:
        Error: It maps no file there.
    """
    try:
        with open(f"/proc/{pid}/maps") as file:
            lines = file.readlines()
    except OSError as problem:
        raise Error(
            f"wine: process {pid} cannot be looked into, or has ended: {problem.strerror}",
            ntstatus=st.PROCESS_IS_TERMINATING,
        ) from None
    for line in lines:
        words = line.split(None, 5)
        first, last = (int(word, 16) for word in words[0].split("-"))
        if first <= address < last:
            major, minor = (int(word, 16) for word in words[3].split(":"))
            if int(words[4]):
                return os.makedev(major, minor), int(words[4])
            break
    raise Error(
        f"wine: process {pid} maps no shared memory at {address:#x}", ntstatus=st.NOT_MAPPED_VIEW
    )


@whole
def descriptor(wanted: tuple[int, int], first: int, *, writable: bool) -> int:
    """A descriptor of the file with this device and inode, from a process that has it open.

    Raises:
        AccessError: No process that may be looked into has it open.
    """
    for path in _places(wanted, first):
        try:
            found = open_fd(
                path, (os.O_RDWR if writable else os.O_RDONLY) | os.O_NONBLOCK | os.O_NOCTTY
            )
        except OSError:
            continue
        facts = os.fstat(found)
        if (facts.st_dev, facts.st_ino) == wanted and stat.S_ISREG(facts.st_mode):
            return found
        close_fd(found)  # another one by now
    raise AccessError(
        "wine: nobody whom this process may look into has the section's memory open",
        ntstatus=st.HOLDER_OUT_OF_REACH,
    )


def _places(wanted: tuple[int, int], first: int) -> Iterator[str]:
    for pid in (first, *(pid for pid in processes.own_processes() if pid != first)):
        try:
            numbers = os.listdir(f"/proc/{pid}/fd")
        except OSError:
            continue
        for number in numbers:
            path = f"/proc/{pid}/fd/{number}"
            try:
                facts = os.stat(path)
            except OSError:
                continue
            if (facts.st_dev, facts.st_ino) == wanted and stat.S_ISREG(facts.st_mode):
                yield path


def holders(wanted: tuple[int, int]) -> list[int]:
    """The processes of this user that have this memory mapped."""
    found = []
    for pid in processes.own_processes():
        try:
            with open(f"/proc/{pid}/maps") as file:
                for line in file:
                    words = line.split(None, 5)
                    if (
                        words[4] == str(wanted[1])
                        and os.makedev(*(int(word, 16) for word in words[3].split(":")))
                        == wanted[0]
                    ):
                        found.append(pid)
                        break
        except OSError:
            continue
    return found
