# SPDX-License-Identifier: MIT
"""What /proc tells of processes: which there are, their descriptors, their locks, when they started
(proc(5))."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import os

from memsection.nt.linux.system import syscalls as sys_
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def processes() -> list[int]:
    """The ids of all processes that can be seen."""
    return [int(entry) for entry in sys_.listdir("/proc") if entry.isdigit()]


def descriptors(pid: int) -> list[int]:
    """The descriptors of a process; [] where there is none or they may not be looked into."""
    try:
        return list_descriptors(pid)
    except (PermissionError, FileNotFoundError, ProcessLookupError, NotADirectoryError):
        return []


def list_descriptors(pid: int) -> list[int]:
    """The descriptors of a process, in order; OSError where they may not be looked into.

    The debug privilege opens fdinfo (proc(5), since Linux 5.14), not the directory fd, which is its
    owner's alone.
    """
    try:
        entries = sys_.listdir(f"/proc/{pid}/fd")
    except PermissionError:
        entries = sys_.listdir(f"/proc/{pid}/fdinfo")
        if entries:
            sys_.close(
                sys_.open(f"/proc/{pid}/fdinfo/{entries[0]}", sys_.O_RDONLY | sys_.O_CLOEXEC)
            )
    return sorted(int(entry) for entry in entries)


def borrow(pid: int, fd: int) -> int:
    """A descriptor that shares another process's description (pidfd_getfd(2); needs the right to
    trace it).

    Raises:
        OSError: PermissionError without that right.
    """
    pidfd = sys_.pidfd_open(pid)
    try:
        return sys_.pidfd_getfd(pidfd, fd)
    finally:
        sys_.close(pidfd)


def search(identity: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """Every descriptor that means this file, in every process that may be looked into."""
    own = os.getpid()
    pids = processes()
    pids.sort(key=lambda pid: pid != own)
    for pid in pids:
        for fd in descriptors(pid):
            try:
                status = sys_.stat(f"/proc/{pid}/fd/{fd}")
            except OSError:
                continue
            if (status.st_dev, status.st_ino) == identity:
                yield pid, fd


def read_start(path: str, count: int) -> bytes:
    """The first bytes of a file of /proc, as one read(2) gives them; OSError where it fails."""
    fd = sys_.open(path, sys_.O_RDONLY | sys_.O_CLOEXEC)
    try:
        return sys_.read(fd, count)
    finally:
        sys_.close(fd)


def descriptor_info(pid: int, fd: int) -> tuple[int, int] | None:
    """(file position, open flags) of a descriptor of any process, from /proc/PID/fdinfo (proc(5));
    None if it is none."""
    try:
        text = read_start(f"/proc/{pid}/fdinfo/{fd}", 256)
    except (FileNotFoundError, ProcessLookupError):
        return None
    return parse_descriptor_info(text)


def parse_descriptor_info(text: bytes) -> tuple[int, int] | None:
    """(file position, open flags) of what stands in a file of /proc/PID/fdinfo."""
    # "pos:", its value, "flags:", theirs: the first two lines of every descriptor
    words = text.split(None, 4)
    if len(words) < 4 or words[0] != b"pos:" or words[2] != b"flags:":
        return None
    try:
        return int(words[1]), int(words[3], 8)
    except ValueError:
        return None


def start_time(pid: int) -> int:
    """When a process started, in clock ticks: with the id it names the process for ever
    (proc_pid_stat(5)).

    Raises:
        NtError: INVALID_CID.
    """
    try:
        return start_time_in(f"/proc/{pid}")
    except (FileNotFoundError, ProcessLookupError, ValueError):
        raise NtError(
            st.INVALID_CID, name=f"process {pid}", detail="there is no such process"
        ) from None


def start_time_in(directory: str) -> int:
    """When the process started that a directory of /proc is of; OSError or ValueError where it does
    not say so."""
    text = read_start(f"{directory}/stat", 1024)
    try:
        return int(text[text.rindex(b")") + 2 :].split()[19])
    except IndexError:
        raise ValueError("no start time") from None


def process_of_thread(tid: int) -> int:
    """The id of the process that a thread is of (proc_pid_status(5), Tgid).

    Raises:
        NtError: INVALID_CID.
    """
    try:
        text = read_start(f"/proc/{tid}/status", 1024)
        return int(text[text.index(b"\nTgid:") + 6 :].split(None, 1)[0])
    except (FileNotFoundError, ProcessLookupError, ValueError, IndexError):
        raise NtError(
            st.INVALID_CID, name=f"thread {tid}", detail="there is no such thread"
        ) from None


NO_PROC = (
    "it needs /proc, which is not mounted here: mount it (proc(5)); "
    "'memsection doctor' tells what else is missing"
)


def proc_is_mounted() -> bool:
    """Whether this process can see itself in /proc."""
    try:
        sys_.readlink("/proc/self")
    except OSError:
        return False
    return True


def pid_of(pidfd: int) -> int:
    """The process id behind a pidfd, -1 when the process has gone (proc(5), fdinfo)."""
    text = read_start(f"/proc/self/fdinfo/{pidfd}", 1024)
    for line in text.splitlines():
        if line.startswith(b"Pid:"):
            return int(line[4:])
    raise NtError(st.INVALID_HANDLE, detail="no process descriptor")


def lockers() -> dict[tuple[int, int], set[int]] | None:
    """By (device, inode) the processes that took locks which /proc/locks shows (proc(5)); None
    where it is not there.

    In a PID namespace of its own this leaves out the locks of processes outside, and of those whose
    locker has ended.
    """
    try:
        fd = sys_.open("/proc/locks", sys_.O_RDONLY | sys_.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        text = b"".join(iter(lambda: sys_.read(fd, 65536), b""))
    finally:
        sys_.close(fd)
    found: dict[tuple[int, int], set[int]] = {}
    for line in text.splitlines():
        # number:, kind, ADVISORY, READ or WRITE, pid, major:minor:inode, start, end
        fields = line.split()
        if len(fields) >= 6 and fields[1] == b"FLOCK":
            major, minor, inode = fields[5].split(b":")
            found.setdefault((os.makedev(int(major, 16), int(minor, 16)), int(inode)), set()).add(
                int(fields[4])
            )
    return found
