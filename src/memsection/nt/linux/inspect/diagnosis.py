# SPDX-License-Identifier: MIT
"""What this machine allows: one check for each thing that a section, a name or a wait depends on,
with its remedy.

Everything is tried or read at the moment of asking; nothing is changed, but the directory of names
is made.  How it is shown is the command line's.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import os
import resource
from collections.abc import Callable, Iterator

from memsection.nt.linux.bodies import commit, permissions, set_permissions
from memsection.nt.linux.inspect import diagnosis_calls as calls
from memsection.nt.linux.names import namespace
from memsection.nt.linux.system import syscalls as sys_
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.structs import Check

_CAP_SYS_PTRACE = 1 << 19
_PLENTY_OF_DESCRIPTORS = 4096
_PLENTY_OF_MAPPINGS = 4096


def diagnose() -> list[Check]:
    """Every check, in the order in which a program would meet them."""
    return [
        check
        for part in (
            _kernel,
            calls.memfd,
            calls.calls,
            _local,
            _global,
            _memory,
            _access_lists,
            _other_processes,
            _user_namespace,
            _logout,
            _large_pages,
            _descriptors,
            _mappings,
            _privilege,
        )
        for check in _run_part(part)
    ]


def _run_part(part: Callable[[], Iterator[Check]]) -> list[Check]:
    try:
        return list(part())
    except OSError as failure:
        return [
            Check(
                part.__name__.strip("_").replace("_", " "),
                "problem",
                f"could not be looked at: {failure}",
            )
        ]


def _kernel() -> Iterator[Check]:
    release = os.uname().release
    numbers = tuple(int(part) for part in release.split("-")[0].split(".")[:2] if part.isdigit())
    if numbers < (5, 6):
        yield Check(
            "kernel",
            "problem",
            f"Linux {release}",
            "use Linux 5.6 or newer: duplicating handles needs pidfds",
        )
    elif numbers < (5, 16):
        yield Check(
            "kernel",
            "note",
            f"Linux {release}: no futex_waitv, waits on several objects look at short intervals",
            "use Linux 5.16 or newer",
        )
    else:
        yield Check("kernel", "ok", f"Linux {release}")


def _local() -> Iterator[Check]:
    try:
        namespace.local_directory()
    except NtError as refused:
        yield Check(
            "Local\\ names",
            "problem",
            refused.detail,
            "remove what is there, or set MEMSECTION_ROOT",
        )
    else:
        yield Check("Local\\ names", "ok", f"in {namespace.path_of('local')}")


def _global() -> Iterator[Check]:
    try:
        namespace.global_directory()
    except NtError as refused:
        yield Check(
            "Global\\ names",
            "problem",
            refused.detail,
            "give root's sticky directory (mode 1777) to it: mount a tmpfs on /dev/shm, or set "
            "MEMSECTION_ROOT",
        )
        return
    path = namespace.path_of("global")
    yield Check("Global\\ names", "ok", f"in {path}")
    yield from _remains()
    for limit in commit.mount_limit(path):
        scarce = limit.available < 256 << 20
        yield Check(
            f"room in {path}",
            "note" if scarce else "ok",
            f"{commit.amount(limit.available)} of {commit.amount(limit.total)} free; Local\\ and "
            f"unnamed "
            "objects do not need it",
            limit.remedy if scarce else "",
        )


def _remains() -> Iterator[Check]:
    from memsection.nt.linux.inspect import search

    left = search.remains()
    if not left:
        yield Check("left by the killed", "ok", "no Global\\ object, as far as this user can tell")
        return
    owners = ", ".join(sorted({found.owner for found in left}))
    size = commit.amount(sum(found.size for found in left))
    yield Check(
        "left by the killed",
        "note",
        f"{len(left)} Global\\ objects with {size}, of {owners}",
        "they go when their owner next uses a Global\\ name, or with 'memsection rm NAME'",
    )


def _memory() -> Iterator[Check]:
    for limit in commit.limits():
        scarce = limit.available < limit.total // 10
        yield Check(
            "memory",
            "note" if scarce else "ok",
            f"{limit.what}: {commit.amount(max(0, limit.available))} of "
            f"{commit.amount(limit.total)} "
            "can be had",
            limit.remedy if scarce else "",
        )


def _access_lists() -> Iterator[Check]:
    named = permissions.PosixPermissions(
        sys_.geteuid(),
        sys_.getegid(),
        0o640,
        (
            (1, 6, 0xFFFFFFFF),
            (2, 4, sys_.geteuid()),
            (4, 0, 0xFFFFFFFF),
            (0x10, 4, 0xFFFFFFFF),
            (0x20, 0, 0xFFFFFFFF),
        ),
    )
    for what in ("memory", "Global\\"):
        try:
            if what == "memory":
                fd = sys_.memfd_create("memsection doctor", sys_.MFD_CLOEXEC)
            else:
                fd = sys_.open(
                    namespace.path_of("global"),
                    sys_.O_TMPFILE | sys_.O_RDWR | sys_.O_CLOEXEC,
                    0o600,
                )
        except (OSError, NtError) as failure:
            yield Check(
                f"access lists, {what}",
                "problem",
                f"no file could be made: {failure}",
                "see what is said of the directory",
            )
            continue
        try:
            set_permissions.apply(fd, named)
            yield Check(f"access lists, {what}", "ok", "kept by the kernel")
        except NtError as refused:
            yield Check(
                f"access lists, {what}",
                "note",
                refused.detail,
                "use a kernel with CONFIG_TMPFS_POSIX_ACL, or descriptors without named users and "
                "groups",
            )
        finally:
            sys_.close(fd)


def _other_processes() -> Iterator[Check]:
    scope = (commit.read("/proc/sys/kernel/yama/ptrace_scope") or "0").strip()
    if scope in ("2", "3"):
        yield Check(
            "ptrace scope",
            "note",
            f"kernel.yama.ptrace_scope is {scope}: what /proc/PID/fd cannot give "
            "(a handle whose file may not be opened again) cannot be duplicated from another "
            "process",
            "set it to 1 or 0, or pass handles by inheritance or through a socket",
        )
    else:
        yield Check(
            "ptrace scope",
            "ok",
            f"kernel.yama.ptrace_scope is {scope}: handles of this user's processes are found",
        )
    hidden = [
        line
        for line in (commit.read("/proc/self/mountinfo") or "").splitlines()
        if " - proc " in line
        and "hidepid=" in line
        and "hidepid=0" not in line
        and "hidepid=off" not in line
    ]
    if hidden:
        yield Check(
            "/proc",
            "note",
            "mounted with hidepid: processes of others are not seen at all",
            "'ls' and 'top' show what this user may see; add gid= to the mount for a group that "
            "sees all",
        )


def _user_namespace() -> Iterator[Check]:
    fields = (commit.read("/proc/self/uid_map") or "").split()
    if fields[:3] == ["0", "0", "4294967295"] or not fields:
        yield Check(
            "user namespace",
            "ok",
            "the machine's own: user numbers mean the same to everybody here",
        )
        return
    yield Check(
        "user namespace",
        "note",
        "one of its own: user numbers in security descriptors mean the users of this "
        "namespace, and others read them otherwise",
        "share between namespaces by everyone=, or use one namespace",
    )


def _logout() -> Iterator[Check]:
    value = _remove_ipc()
    if not os.path.isdir("/run/systemd/system") or value is None:
        yield Check("logout clean-up", "ok", "no service here removes /dev/shm at logout")
    elif sys_.geteuid() < 1000 or value in ("no", "false", "off", "0"):
        yield Check(
            "logout clean-up",
            "ok",
            f"RemoveIPC={value}, and this is user {sys_.geteuid()}: nothing is removed",
        )
    else:
        yield Check(
            "logout clean-up",
            "note",
            f"RemoveIPC={value}: at this user's last logout systemd-logind removes "
            "the user's files in /dev/shm; names of processes that go on then are gone, their "
            "memory is not",
            "loginctl enable-linger, RemoveIPC=no in /etc/systemd/logind.conf, or MEMSECTION_ROOT "
            "elsewhere",
        )


def _remove_ipc() -> str | None:
    """What logind was told; "yes" is what it does untold (logind.conf(5)); None where there is no
    logind."""
    found = None
    for path in ("/usr/lib/systemd/systemd-logind", "/lib/systemd/systemd-logind"):
        if os.path.exists(path):
            found = "yes"
    files = ["/etc/systemd/logind.conf"]
    for directory in (
        "/usr/lib/systemd/logind.conf.d",
        "/run/systemd/logind.conf.d",
        "/etc/systemd/logind.conf.d",
    ):
        if os.path.isdir(directory):
            files += sorted(
                f"{directory}/{name}" for name in sys_.listdir(directory) if name.endswith(".conf")
            )
    for file in files:
        for line in (commit.read(file) or "").splitlines():
            key, _, value = line.partition("=")
            if key.strip() == "RemoveIPC" and found is not None:
                found = value.strip().lower()
    return found


def _large_pages() -> Iterator[Check]:
    base = "/sys/kernel/mm/hugepages/hugepages-2048kB"
    total, free = (
        int((commit.read(f"{base}/{name}") or "0").strip() or 0)
        for name in ("nr_hugepages", "free_hugepages")
    )
    if total:
        yield Check("large pages", "ok", f"{free} of {total} pages of 2 MiB are free")
    else:
        yield Check(
            "large pages",
            "note",
            "none are reserved: large_pages=True (SEC_LARGE_PAGES) fails with error 1450",
            "sysctl vm.nr_hugepages=N",
        )


def _descriptors() -> Iterator[Check]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    few = hard != resource.RLIM_INFINITY and hard < _PLENTY_OF_DESCRIPTORS
    most = "no limit" if hard == resource.RLIM_INFINITY else str(hard)
    yield Check(
        "file descriptors",
        "note" if few else "ok",
        f"{soft} (soft), {most} (hard); a handle needs one, and the soft limit is raised when it "
        f"is met",
        "raise the hard limit (ulimit -Hn, LimitNOFILE=)" if few else "",
    )


def _mappings() -> Iterator[Check]:
    most = int((commit.read("/proc/sys/vm/max_map_count") or "65530").strip())
    few = most < _PLENTY_OF_MAPPINGS
    yield Check(
        "mappings",
        "note" if few else "ok",
        f"vm.max_map_count is {most}; a view needs one",
        "sysctl vm.max_map_count=65530" if few else "",
    )


def _privilege() -> Iterator[Check]:
    if sys_.capabilities()[1] & _CAP_SYS_PTRACE:
        yield Check("debug privilege", "ok", "can be enabled (CAP_SYS_PTRACE is permitted)")
    else:
        yield Check(
            "debug privilege",
            "note",
            "cannot be enabled: processes of other users cannot be looked into",
            "setcap cap_sys_ptrace+p on the interpreter, or run as root, where that is wanted",
        )
