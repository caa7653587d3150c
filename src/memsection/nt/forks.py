# SPDX-License-Identifier: MIT
"""What has to be imported before this process is copied by fork(2).

The library imports what few programs need when it is first needed.  In the child of a program with
threads that may be too late: another thread may have been importing it when the process was copied,
and its lock is then held for ever.  So all of it is imported in the parent, once, before the first
fork; there somebody goes on who ends such an import.
"""

from __future__ import annotations

import sys

from memsection.vocabulary.forks import run_before

#: What a loaded module may import later, in the operations of a child.
NEEDED: dict[str, tuple[str, ...]] = {
    "memsection.nt.linux.services": (
        "atexit",
        "faulthandler",
        "fcntl",
        "grp",
        "hashlib",
        "pwd",
        "re",
        "resource",
        "signal",
        "subprocess",
        "time",
        "zlib",
        "memsection._native.guard",
        "memsection._native.view",
        "memsection.vocabulary.descriptor",
        "memsection.vocabulary.errors",
        "memsection.vocabulary.names",
        "memsection.vocabulary.sddl",
        "memsection.vocabulary.status",
        *(
            f"memsection.nt.linux.{name}"
            for name in (
                "bodies.announcement",
                "inspect.diagnosis",
                "inspect.mappings",
                "inspect.search",
                "names.file_data",
                "services.files",
                "services.processes",
                "services.synchronisation",
                "services.timers",
                "services.watching",
                "transfer.duplicate",
                "transfer.give",
                "transfer.passing",
                "types.byte_ranges",
                "types.file",
                "types.file_facts",
                "types.file_section",
                "types.new_process",
                "types.process",
                "types.succession",
                "types.thread",
                "types.token",
                "types.token_copies",
                "types.token_facts",
                "views.allocate",
                "views.commit_pages",
                "views.flush",
                "views.mapped_file",
                "views.peers",
                "views.protect",
                "views.query",
                "waiting.appearance",
                "waiting.watch",
            )
        ),
    ),
    "memsection.api.handle": (
        "socket",
        "subprocess",
        "warnings",
        *(
            f"memsection.api.{name}"
            for name in (
                "event",
                "mutex",
                "passing",
                "process",
                "section",
                "security",
                "semaphore",
                "staged",
                "timer",
                "transit",
                "view",
                "wait",
                "waitable",
            )
        ),
    ),
    "memsection.content.layouts": ("memsection.arrays",),
    "memsection.records": ("numpy",),
    "memsection.compat.shareable_list": ("memsection.compat.shared_memory",),
    # Begun by the program itself: what it imports is imported whole.
    "asyncio": ("asyncio",),
    "multiprocessing": (
        "multiprocessing.connection",
        "multiprocessing.reduction",
        "multiprocessing.util",
    ),
    "numpy": ("numpy",),
}


@run_before
def import_what_a_child_needs() -> None:
    """Before a fork: import what the modules that are loaded may import later."""
    # logging takes its lock before a fork, and earlier than this where it was imported later.  An
    # import waits for another thread's import of the same module, which may wait for that lock.
    lock = getattr(sys.modules.get("logging"), "_lock", None)
    if lock is None or not lock._is_owned():
        _import_needed()
        return
    held = lock._release_save()
    try:
        _import_needed()
    finally:
        lock._acquire_restore(held)


def _import_needed() -> None:
    from importlib import import_module

    done: set[str] = set()
    while due := [name for name in NEEDED if name in sys.modules and name not in done]:
        for name in due:
            done.add(name)
            for needed in NEEDED[name]:
                try:
                    import_module(needed)
                except ImportError:
                    # an extra that is not installed: then nothing that needs it is used either
                    pass
