# SPDX-License-Identifier: MIT
"""``SharedMemoryManager``: blocks that live as long as a manager does.

The manager's server process is the standard library's own, with one difference: it attaches to
every block that is registered with it, so a block stays when the process that made it ends, and
goes with the server even if that is killed.  No resource tracker is started.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from multiprocessing import managers
from typing import Any

from memsection.compat import shared_memory

__all__ = ["SharedMemoryManager", "SharedMemoryServer"]


class _Blocks:
    """The blocks of one manager, each held by an attachment."""

    def __init__(self) -> None:
        self._held: dict[str, shared_memory.SharedMemory] = {}

    @property
    def segment_names(self) -> list[str]:
        """The names, oldest first."""
        return list(self._held)

    def register_segment(self, name: str) -> None:
        """Hold a block from now on."""
        self._held[name] = shared_memory.SharedMemory(name)

    def destroy_segment(self, name: str) -> None:
        """Unlink a block; one that somebody else has unlinked is fine too."""
        block = self._held.pop(name)
        with contextlib.suppress(FileNotFoundError):
            block.unlink()
        block.close()

    def unlink(self) -> None:
        """Unlink all of them."""
        for name in self.segment_names:
            self.destroy_segment(name)


class SharedMemoryServer(managers.SharedMemoryServer):
    """The process behind a manager."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        managers.Server.__init__(self, *args, **kwargs)
        self.shared_memory_context: Any = _Blocks()


class SharedMemoryManager(managers.SharedMemoryManager):
    """A manager of shared memory blocks: all of them are unlinked when it is shut down.

    The interface is that of ``multiprocessing.managers.SharedMemoryManager``.
    """

    _Server = SharedMemoryServer

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # not the next class's: it starts a resource tracker
        managers.BaseManager.__init__(self, *args, **kwargs)

    def SharedMemory(self, size: int) -> shared_memory.SharedMemory:  # type: ignore[override]
        """A new block of this size, which the manager holds."""
        block = shared_memory.SharedMemory(create=True, size=size)
        self._hand_over(block)
        return block

    def ShareableList(self, sequence: Iterable[Any] | None) -> shared_memory.ShareableList:  # type: ignore[override]
        """A new list of these values, which the manager holds."""
        values = shared_memory.ShareableList(sequence)
        self._hand_over(values.shm)
        return values

    def _hand_over(self, block: shared_memory.SharedMemory) -> None:
        try:
            with self._Client(self._address, authkey=self._authkey) as connection:  # type: ignore[attr-defined]
                managers.dispatch(connection, None, "track_segment", (block.name,))  # type: ignore[attr-defined]
        except BaseException:
            block.unlink()
            block.close()
            raise
