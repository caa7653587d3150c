#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes docs/reference/functions.md: the functions of ``memsection.win32`` by header, and those
that are not there and why.

tools/functions_page.py            # write it
tools/functions_page.py --check    # exit status 1 if it is not what would be written
"""

from __future__ import annotations

import importlib
import inspect
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reference" / "functions.md"

HEAD = """\
# Functions by header

What `memsection.win32` has, each with a link to its reference, and what a program for sections, handles and
synchronisation may look for and not find here, with the reason. Names are without A or W. The services of `ntdll` are in
[`memsection.nt`](nt.md). "Not yet" means that Linux has what it takes, and nobody has written it.
"""

#: The header that a module of ``memsection.win32`` belongs to, where its name does not begin with it.
HEADERS = {"accounts": "winbase.h"}
#: The modules that have functions; the others have what a header declares besides.
MODULES = sorted(
    path.stem
    for path in (ROOT / "src" / "memsection" / "win32").glob("*.py")
    if not path.stem.startswith(("_", "win", "minwinbase"))
)

_FOREIGN = (
    "Linux stops and ends processes, not single threads: have the thread itself wait or return"
)
_ASYNC = "not yet: transfers are done when the call returns ([OVERLAPPED](deviations.md))"
_IN_USE = (
    "not yet; setrlimit(2) and the memory controller of cgroups limit what a process has in memory"
)
_SESSION = (
    "not yet: names are per user and per machine; give names a prefix, and objects a descriptor"
)
_IDS = "the ids of a process are changed by setresuid(2), for all its threads: start a process as the other user"
_ALERTS = "there are no alerts and no completion routines: waits end by an object, by time, or by a Python signal handler"
ABSENT: dict[str, dict[str, str]] = {
    "fileapi.h": {
        "ReadFileEx": _ASYNC,
        "WriteFileEx": _ASYNC,
        "SetFileTime": "use os.utime",
        "GetFileAttributes": "use os.stat, or GetFileInformationByHandle",
        "SetFileAttributes": "use os.chmod",
        "FindFirstFile": "use os.scandir",
        "CreateDirectory": "use os.mkdir",
        "RemoveDirectory": "use os.rmdir",
        "GetTempFileName": "use tempfile",
    },
    "handleapi.h": {},
    "ioapiset.h": {
        "CancelIo": _ASYNC,
        "GetOverlappedResult": _ASYNC,
        "DeviceIoControl": "for devices, not for sections",
        "CreateIoCompletionPort": _ASYNC,
    },
    "memoryapi.h": {
        "AllocateUserPhysicalPages": "no counterpart in Linux",
        "MapUserPhysicalPages": "no counterpart in Linux",
        "GetWriteWatch": "not yet; Linux tells written pages from /proc/PID/pagemap",
        "ResetWriteWatch": "as GetWriteWatch",
        "SetProcessWorkingSetSize": _IN_USE,
    },
    "processthreadsapi.h": {
        "CreateThread": "use threading",
        "OpenThreadToken": _IDS,
        "ResumeThread": _FOREIGN,
        "SuspendThread": _FOREIGN,
        "TerminateThread": _FOREIGN,
    },
    "namespaceapi.h": {
        "CreatePrivateNamespace": _SESSION,
        "OpenPrivateNamespace": _SESSION,
        "ClosePrivateNamespace": _SESSION,
    },
    "securitybaseapi.h": {
        "ImpersonateLoggedOnUser": _IDS,
        "RevertToSelf": _IDS,
        "SetTokenInformation": _IDS,
    },
    "synchapi.h": {
        "InitializeCriticalSection": "for the threads of one process: use threading.Lock",
        "InitializeSRWLock": "for the threads of one process: use threading.Lock; RWLock between "
        "processes",
        "WaitOnAddress": "use an event, or `memsection.latest`",
    },
    "threadpoolapiset.h": {"CreateThreadpoolWait": "use asyncio with `wait_async`"},
    "winbase.h": {"QueueUserAPC": _ALERTS},
}


def present() -> dict[str, dict[str, str]]:
    """Header to function to the module that has it."""
    found: dict[str, dict[str, str]] = {}
    for name in MODULES:
        module = importlib.import_module(f"memsection.win32.{name}")
        functions = [one for one in module.__all__ if inspect.isfunction(getattr(module, one))]
        found.setdefault(HEADERS.get(name, name.partition("_")[0] + ".h"), {}).update(
            dict.fromkeys(functions, name)
        )
    return found


def page() -> str:
    """The whole page."""
    here, parts = present(), [HEAD]
    for header in sorted(here.keys() | ABSENT.keys()):
        parts.append(f"\n## {header}\n")
        if functions := here.get(header):
            links = [
                f"[`{name}`](win32.md#memsection.win32.{functions[name]}.{name})"
                for name in sorted(functions)
            ]
            parts.append("\n" + ",\n".join(links) + "\n")
        if missing := ABSENT.get(header):
            parts.append("\n| Not here | Why, and what to do |\n|---|---|\n")
            parts += [f"| `{name}` | {missing[name]} |\n" for name in sorted(missing)]
    return "".join(parts)


def main() -> int:
    if "--check" in sys.argv[1:]:
        return 0 if PAGE.exists() and PAGE.read_text(encoding="utf-8") == page() else 1
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
