# SPDX-License-Identifier: MIT
"""Stand-ins for classes of other libraries, built on sections.

``SharedMemory``, ``ShareableList`` and ``SharedMemoryManager`` have the signatures, properties and
exceptions of their namesakes in ``multiprocessing``; ``shared_memory`` is a module in the place of
``multiprocessing.shared_memory``. How their lifetime differs, and why, is said in
``memsection.compat.blocks``.  ``mmap`` is a module in the place of the standard library's, with
Windows's parameters on Linux and Linux's on Windows; ``queues`` is one in the place of
``multiprocessing.queues``.  Each is imported when it is first used.
"""

from __future__ import annotations

from memsection import _import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from memsection.compat import mmap as mmap
    from memsection.compat import queues as queues
    from memsection.compat import shared_memory as shared_memory
    from memsection.compat.managers import SharedMemoryManager as SharedMemoryManager
    from memsection.compat.shareable_list import ShareableList as ShareableList
    from memsection.compat.shared_memory import SharedMemory as SharedMemory

__all__ = [
    "ShareableList",
    "SharedMemory",
    "SharedMemoryManager",
    "mmap",
    "queues",
    "shared_memory",
]
_MODULES = ("mmap", "queues", "shared_memory")


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in _MODULES:
        value: object = _import_module(f"{__name__}.{name}")
    else:
        home = "managers" if name == "SharedMemoryManager" else "shared_memory"
        value = getattr(_import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
