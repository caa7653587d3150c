# SPDX-License-Identifier: MIT
"""The commit check: whether the memory of a new section can be had, before any of it is asked for.

A memfd has no size limit of its own: without this check the answer to too much is the OOM killer,
later and to somebody else.  Limits, usage and the caller's cgroup change, so every size of weight
is checked anew; small ones are not looked at one by one as long as together they are a small part
of what the last look found to be free.  Reserving the pages afterwards (``fallocate``) is the
caller's; so is an error of that call, when somebody else was faster.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

from memsection.nt.linux.system import syscalls as sys_
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.protection import PAGE_SIZE
from memsection.vocabulary.records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


#: from here on each size is checked; below it the check costs more than reserving the memory
SMALL = 4 << 20
TOGETHER = 32 << 20  #: so much in small sizes is checked again, and less where less is free
_SHARE = 16  # of what was free, small sizes may take this part before the next look
_MARGIN = 1 << 20  # page tables and the kernel's own records of the pages come on top of a size
_unchecked = _allowance = 0
MEMORY = "memory"
# version 1 of cgroups writes "no limit" as the largest multiple of the page size
_UNLIMITED = 1 << 60


@record(frozen=True, slots=True)
class Limit:
    """One thing that bounds how much memory can be had."""

    what: str
    total: int
    available: int
    remedy: str
    exact: bool = (
        False  #: counts whole pages of files, and nothing of what the kernel notes of them
    )

    def cost_of(self, size: int) -> int:
        """What a body of this size takes of it."""
        if self.exact:
            return (-(-size // PAGE_SIZE) + 1) * PAGE_SIZE  # the control page
        return size + size // 128 + _MARGIN


def check(size: int, where: str = MEMORY) -> None:
    """Whether ``size`` bytes can be had.

    Args:
        size: Bytes to be committed.
        where: ``"memory"`` for a body in memory alone, or a directory of the mount that the body is
            to be on, whose free space counts besides.

    Raises:
        NtError: COMMITMENT_LIMIT, with what was asked, which limit stands against it, and the
            remedy.
    """
    global _unchecked, _allowance
    if size < SMALL and _unchecked + size <= _allowance:
        _unchecked += size
        return
    _allowance = min(TOGETHER, require(size, where) // _SHARE)
    _unchecked = 0


def require(size: int, where: str = MEMORY) -> int:
    """The check itself, for any size; what is free besides."""
    left = _UNLIMITED
    for limit in limits(where):
        needed = limit.cost_of(size)
        left = min(left, limit.available - needed)
        if needed > limit.available:
            records = f", and up to {amount(needed - size)} for the kernel's records of it"
            raise NtError(
                st.COMMITMENT_LIMIT,
                "commit",
                None,
                (
                    f"asked for {amount(size)}{'' if limit.exact else records}; "
                    f"{limit.what} allows {amount(limit.total)}, of "
                    f"which "
                    f"{amount(max(limit.available, 0))} can be had now; {limit.remedy}"
                ),
            )
    return left


def limits(where: str = MEMORY) -> Iterator[Limit]:
    """Every limit that stands for a body at this place, nearest first."""
    if where != MEMORY:
        yield from mount_limit(where)
    yield from _file_size_limit()
    meminfo = _meminfo()
    yield from cgroup_limits(meminfo.get("SwapFree", 0))
    yield from _machine_limits(meminfo)


def amount(size: int) -> str:
    """Bytes for a person and for a program."""
    for unit, bits in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if size >= 1 << bits:
            return f"{size / (1 << bits):.1f} {unit} ({size} bytes)"
    return f"{size} bytes"


def mount_limit(directory: str) -> Iterator[Limit]:
    """The free space of a mount; nothing for one without a size (tmpfs with size=0)."""
    found = sys_.statvfs(directory)
    if found.f_blocks:
        yield Limit(
            f"the file system of {directory}",
            found.f_blocks * found.f_frsize,
            found.f_bavail * found.f_frsize,
            f"enlarge it (mount -o remount,size=... {directory}; docker run --shm-size=...), or "
            f"use a name "
            "without Global\\, which needs no room there",
            exact=True,
        )


def require_inode(directory: str) -> None:
    """DISK_FULL where the mount has no inode left, which every file needs whatever its size."""
    found = sys_.statvfs(directory)
    if found.f_files and not found.f_ffree:
        raise NtError(
            st.DISK_FULL,
            detail=f"no inode is left in {directory}, which has room for {found.f_files} "
            f"('df -i {directory}'): remove what fills it, or allow more "
            f"(mount -o remount,nr_inodes=... {directory})",
        )


def _file_size_limit() -> Iterator[Limit]:
    import resource

    soft = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    if soft != resource.RLIM_INFINITY:
        yield Limit("RLIMIT_FSIZE", soft, soft, "raise the limit (ulimit -f)")


def _meminfo() -> dict[str, int]:
    """/proc/meminfo in bytes (proc_meminfo(5))."""
    values = {}
    for line in (read("/proc/meminfo") or "").splitlines():
        name, _, rest = line.partition(":")
        number = rest.split()
        if number:
            values[name] = int(number[0]) * 1024
    return values


def _machine_limits(meminfo: dict[str, int]) -> Iterator[Limit]:
    if "MemAvailable" in meminfo:
        yield Limit(
            "this machine's memory and swap",
            meminfo["MemTotal"] + meminfo.get("SwapTotal", 0),
            meminfo["MemAvailable"] + meminfo.get("SwapFree", 0),
            "end what uses memory, add swap, or create the section with commit=False (SEC_RESERVE)",
        )
    if (read("/proc/sys/vm/overcommit_memory") or "").strip() == "2" and "CommitLimit" in meminfo:
        yield Limit(
            "strict accounting (vm.overcommit_memory=2)",
            meminfo["CommitLimit"],
            meminfo["CommitLimit"] - meminfo["Committed_AS"],
            "raise vm.overcommit_ratio, or add swap",
        )


def cgroup_limits(swap_free: int = 0) -> Iterator[Limit]:
    """The limits of the caller's cgroups and of all that they are in, versions 1 and 2
    (cgroups(7))."""
    for version, directories in _cgroup_directories():
        names = _V2 if version == 2 else _V1
        for directory in directories:
            limit = _number(f"{directory}/{names.limit}")
            if limit is None or limit >= _UNLIMITED:
                continue
            used = _number(f"{directory}/{names.usage}") or 0
            # Pages of files that are only cached are given up before anybody is killed.
            cached = _field(read(f"{directory}/memory.stat"), names.cache)
            available = (
                limit - used + cached + min(swap_free, _swap_room(directory, version, limit, used))
            )
            yield Limit(
                f"the memory limit of cgroup {directory}",
                limit,
                available,
                f"raise {names.limit} there (docker run --memory=..., systemd MemoryMax=), or "
                f"create the "
                "section with commit=False (SEC_RESERVE)",
            )


@record(frozen=True, slots=True)
class _Names:
    limit: str
    usage: str
    cache: str


_V1 = _Names("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
_V2 = _Names("memory.max", "memory.current", "inactive_file")


def _swap_room(directory: str, version: int, limit: int, used: int) -> int:
    if version == 2:
        most = _number(f"{directory}/memory.swap.max")
        return (
            _UNLIMITED
            if most is None
            else most - (_number(f"{directory}/memory.swap.current") or 0)
        )
    both = _number(f"{directory}/memory.memsw.limit_in_bytes")
    if both is None:
        return 0  # accounting of swap is off: what would happen cannot be told
    return max(
        0, both - limit - ((_number(f"{directory}/memory.memsw.usage_in_bytes") or used) - used)
    )


def _cgroup_directories() -> Iterator[tuple[int, list[str]]]:
    """(version, the caller's directory and those above it) for each hierarchy that can limit
    memory."""
    mounts = _cgroup_mounts()
    for line in (read("/proc/self/cgroup") or "").splitlines():
        _, controllers, path = line.split(":", 2)
        version = 2 if not controllers else 1 if "memory" in controllers.split(",") else 0
        if version not in mounts:
            continue
        root, point = mounts[version]
        # In a container without a cgroup namespace the mount shows a part of the tree: the path
        # counts from there.
        if root != "/":
            path = path[len(root) :] if path == root or path.startswith(root + "/") else "/"
        parts = [part for part in path.split("/") if part and part != ".."]
        yield version, ["/".join([point, *parts[:count]]) for count in range(len(parts), -1, -1)]


def _cgroup_mounts() -> dict[int, tuple[str, str]]:
    """version: (root of the mount within the hierarchy, mount point), from mountinfo
    (proc_pid_mountinfo(5))."""
    mounts = {}
    for line in (read("/proc/self/mountinfo") or "").splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        fields = before.split(" ")
        if kind == "cgroup2":
            mounts[2] = (fields[3], fields[4])
        elif kind == "cgroup" and "memory" in options.replace(" ", ",").split(","):
            mounts[1] = (fields[3], fields[4])
    return mounts


def _number(path: str) -> int | None:
    """A file that holds one number; None for no such file and for "max"."""
    text = (read(path) or "").strip()
    return int(text) if text.isdigit() else None


def _field(text: str | None, name: str) -> int:
    for line in (text or "").splitlines():
        key, _, value = line.partition(" ")
        if key == name and value.isdigit():
            return int(value)
    return 0


def read(path: str) -> str | None:
    """A small file of the kernel's; None where there is none."""
    try:
        fd = sys_.open(path, sys_.O_RDONLY | sys_.O_CLOEXEC)
    except OSError:
        return None
    try:
        parts = []
        while part := sys_.read(fd, 65536):
            parts.append(part)
        return b"".join(parts).decode("ascii", "replace")
    except OSError:
        return None
    finally:
        sys_.close(fd)
