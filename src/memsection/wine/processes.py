# SPDX-License-Identifier: MIT
"""Running Wine prefixes of this user: which they are, and what a program started beside theirs
needs.

A prefix runs if its server does: the process ``wineserver`` whose working directory is named after
the prefix's device and inode.  Nothing here starts anything.
"""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import os
from collections.abc import Iterator

from memsection.vocabulary.errors import ArgumentError, NotFoundError, with_hint
from memsection.vocabulary.records import record

SEE_PREFIXES = "'memsection wine ls' shows the prefixes that run, and their names."
#: What a process of Wine's has in its environment for itself alone.
_OWN = ("WINESERVERSOCKET", "WINELOADERNOEXEC", "WINEPRELOADRESERVE", "WINEDATADIR", "WINEBUILDDIR")
_NAMESPACES = ("user", "mnt", "pid")
#: Programs that Wine starts by itself, as their processes are called (proc_pid_comm(5): fifteen
#: characters); and ours.
_SERVICES = (
    "services.exe",
    "winedevice.exe",
    "plugplay.exe",
    "svchost.exe",
    "explorer.exe",
    "rpcss.exe",
    "conhost.exe",
    "tabtip.exe",
    "start.exe",
    "wineboot.exe",
    "memsection-help",
)


@record(frozen=True, slots=True)
class Prefix:
    """A prefix that runs.

    Attributes:
        path: Where it is, as its own processes see it.
        pid: One of its processes, other than the server.
        server: The process id of its server.
        processes: How many processes it has, the server aside.
        contained: Whether its processes are in other namespaces than this one.
    """

    path: str
    pid: int
    server: int
    processes: int
    contained: bool


def prefixes() -> list[Prefix]:
    """The Wine prefixes of this user that run, with those in containers that this process can see.

    Rights:
        None; prefixes of other users are left out.

    Raises:
        Nothing.
    """
    servers = _servers()
    found: dict[tuple[int, int], list[tuple[int, str]]] = {}
    for pid in own_processes():
        place = _prefix_of(pid)
        if place is not None and place[0] in servers:
            found.setdefault(place[0], []).append((pid, place[1]))
    return [
        Prefix(
            members[0][1], members[0][0], servers[key], len(members), _is_elsewhere(members[0][0])
        )
        for key, members in sorted(found.items(), key=lambda one: one[1][0][1])
    ]


def choose(path: str | os.PathLike[str] | None) -> Prefix:
    """The running prefix at a path, or the only one that runs.

    Raises:
        NotFoundError: It does not run; none runs.
        ArgumentError: No path was given, and several run.
    """
    running = prefixes()
    if path is None:
        if len(running) == 1:
            return running[0]
        if not running:
            raise with_hint(
                NotFoundError("wine: no prefix of this user runs; start the Windows program first"),
                SEE_PREFIXES,
            )
        raise ArgumentError(
            "wine: several prefixes run, say which: " + ", ".join(repr(one.path) for one in running)
        )
    wanted = os.path.realpath(path)
    for one in running:
        if one.path == os.fspath(path) or one.path == wanted or _is_same(one, wanted):
            return one
    raise with_hint(
        NotFoundError(
            f"wine: the prefix '{os.fspath(path)}' does not run; it is not started from here"
        ),
        SEE_PREFIXES,
    )


def has_programs(prefix: Prefix) -> bool:
    """Whether a program runs in a prefix, besides Wine's own services and helpers of ours."""
    for pid in own_processes():
        place = _prefix_of(pid)
        try:
            if place is None or place[1] != prefix.path:
                continue
            with open(f"/proc/{pid}/comm") as file:
                if file.read().strip() not in _SERVICES:
                    return True
        except OSError:
            continue
    return False


def environment(pid: int) -> dict[str, str]:
    """The environment of a process of Wine's, for one more program of its prefix."""
    with open(f"/proc/{pid}/environ", "rb") as file:
        words = [
            os.fsdecode(word).partition("=") for word in file.read().split(b"\0") if b"=" in word
        ]
    return {**{name: value for name, _, value in words if name not in _OWN}, "WINEDEBUG": "-all"}


def loader(pid: int) -> str:
    """The program that starts Windows programs, as a process of Wine's sees it."""
    return environment(pid).get("WINELOADER") or os.readlink(f"/proc/{pid}/exe").removesuffix(
        "-preloader"
    )


def own_processes() -> Iterator[int]:
    """The processes of this user."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.stat(f"/proc/{name}").st_uid == os.geteuid():
                yield int(name)
        except OSError:
            continue  # it ended


def is_alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except OSError:
        return False


def _servers() -> dict[tuple[int, int], int]:
    """The running servers, by device and inode of their prefix."""
    found = {}
    for pid in own_processes():
        try:
            if not os.path.basename(os.readlink(f"/proc/{pid}/exe")).startswith("wineserver"):
                continue
            # server-DEVICE-INODE
            words = os.path.basename(os.readlink(f"/proc/{pid}/cwd")).split("-")
            if len(words) == 3 and words[0] == "server" and is_alive(pid):
                found[int(words[1], 16), int(words[2], 16)] = pid
        except (OSError, ValueError):
            continue
    return found


def _prefix_of(pid: int) -> tuple[tuple[int, int], str] | None:
    """Device and inode of the prefix that a process is of, and its path there; None if it is no
    process of Wine's."""
    try:
        program = os.path.basename(os.readlink(f"/proc/{pid}/exe"))
        if not program.startswith("wine") or program.startswith("wineserver"):
            return None
        variables = environment(pid)
        path = variables.get("WINEPREFIX") or os.path.join(variables.get("HOME", "/"), ".wine")
        found = os.stat(f"/proc/{pid}/root{path}")
    except OSError:
        return None
    return (found.st_dev, found.st_ino), path


def _is_same(one: Prefix, path: str) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.stat(f"/proc/{one.pid}/root{one.path}"))
    except OSError:
        return False


def _is_elsewhere(pid: int) -> bool:
    try:
        return any(
            os.stat(f"/proc/{pid}/ns/{name}").st_ino != os.stat(f"/proc/self/ns/{name}").st_ino
            for name in _NAMESPACES
        )
    except OSError:
        return False
