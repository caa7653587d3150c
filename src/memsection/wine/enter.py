# SPDX-License-Identifier: MIT
"""A program of its own: run a command in the namespaces of another process of this user, without
any rights.

``enter.py PID COMMAND...``: the user namespace that owns the mount namespace comes first
(setns(2)), because in it this process may enter the others; then process ids and mounts.  It
imports nothing of this package, whose files may be out of sight by then.
"""

import sys

assert sys.platform != "win32"

import ctypes
import fcntl
import os

_NS_GET_USERNS = 0xB701  # ioctl_ns(2)
_KINDS = {"user": 0x10000000, "pid": 0x20000000, "mnt": 0x00020000}


def _same(descriptor: int, name: str) -> bool:
    return os.path.samestat(os.fstat(descriptor), os.stat(f"/proc/self/ns/{name}"))


def _enter(pid: str) -> bool:
    """Enter the namespaces that differ; whether there is another of process ids among them."""
    libc = ctypes.CDLL(None, use_errno=True)

    def setns(descriptor: int, name: str) -> None:
        if libc.setns(descriptor, _KINDS[name]):
            raise OSError(ctypes.get_errno(), f"setns {name}: {os.strerror(ctypes.get_errno())}")

    places = {
        name: os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC) for name in _KINDS
    }
    others = {name for name, place in places.items() if not _same(place, name)}
    if "mnt" in others:
        owner = fcntl.ioctl(places["mnt"], _NS_GET_USERNS)
        if not _same(owner, "user"):
            setns(owner, "user")
    elif "user" in others:
        setns(places["user"], "user")
    for name in ("pid", "mnt"):
        if name in others:
            setns(places[name], name)
    return "pid" in others


def main() -> None:
    """Enter, and become the command."""
    pid, *command = sys.argv[1:]
    if _enter(pid):
        child = os.fork()  # a namespace of process ids is for children (pid_namespaces(7))
        if child:
            for descriptor in (0, 1):
                os.close(descriptor)
            sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    os.execv(command[0], command)


main()
