# SPDX-License-Identifier: MIT
"""Events: something has happened; threads of any processes wait for it.

Everything about the handle itself is in ``handle``, waiting for several objects in ``wait``.
"""

from __future__ import annotations

from memsection.api.waitable import Waitable
from memsection.nt import kernel, native
from memsection.vocabulary import access as a
from memsection.vocabulary import object_types
from memsection.vocabulary import structs as s
from memsection.vocabulary.arguments import object_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from memsection.api.security import Security

_LOOK = a.EVENT_QUERY_STATE | a.SYNCHRONIZE


class Event(Waitable):
    """A flag to wait for.  A manual-reset event lets everybody through until it is cleared; an
    auto-reset event one."""

    _type = object_types.EVENT
    _words = {"r": _LOOK, "w": a.EVENT_MODIFY_STATE, "rw": _LOOK | a.EVENT_MODIFY_STATE}

    @staticmethod
    def _open_named(access: int, attributes: s.ObjectAttributes | None) -> int:
        return kernel.open_event(access, attributes)

    @classmethod
    def create(
        cls,
        name: str | None = None,
        *,
        manual_reset: bool = True,
        initial: bool = False,
        exist_ok: bool = False,
        inheritable: bool = False,
        security: Security | str | bytes | None = None,
    ) -> Self:
        r"""Make an event, with a name or without one.

        Args:
            name: What other processes open it by; ``Global\name`` for other users and containers.
            manual_reset: Whether it stays set until ``clear``, or lets one wait through and is
                cleared by that.
            initial: Whether it is set from the beginning.
            exist_ok: Whether an event that has the name already is opened instead, as it is; see
                ``created``.
            inheritable: Whether child processes get the handle.
            security: Who may open it by name; this user alone when omitted.

        Rights:
            None for a new object.  An existing one must grant ``SYNCHRONIZE``,
            ``EVENT_QUERY_STATE`` and ``EVENT_MODIFY_STATE``.

        Raises:
            ExistsError: The name is taken (FileExistsError).
            HandleError: With ``exist_ok``: the name is that of a section, a mutex or a semaphore.
            ArgumentError: The name or the security makes no sense.
            AccessError: An existing event does not grant the access.
            TypeError: The name is no str.

        Example:
            >>> from memsection import Event
            >>> with Event.create(manual_reset=False) as event:
            ...     event.set()
            ...     event.wait(timeout=0), event.wait(timeout=0)
            (True, False)
        """
        object_name(name, "initial", "manual_reset")
        kind = s.NOTIFICATION_EVENT if manual_reset else s.SYNCHRONIZATION_EVENT
        return cls._make(
            lambda access, attributes: kernel.create_event(access, attributes, kind, initial),
            name,
            exist_ok,
            inheritable,
            security,
        )

    @native("event_set")
    def set(self) -> None:
        """Let waits through: all of them if it is a manual-reset event, one if not.

        Rights:
            ``EVENT_MODIFY_STATE``.

        Raises:
            AccessError: The handle does not permit it.
            CorruptError: Somebody spoiled the object.
            HandleError: The handle is closed.
        """
        self._ask(kernel.set_event)

    @native("event_clear")
    def clear(self) -> None:
        """Let nobody through until it is set again.

        Rights:
            ``EVENT_MODIFY_STATE``.

        Raises:
            AccessError: The handle does not permit it.
            CorruptError: Somebody spoiled the object.
            HandleError: The handle is closed.
        """
        self._ask(kernel.reset_event)

    def pulse(self) -> None:
        """Let those through who wait at this moment (one of them if it is an auto-reset event), and
        clear it.

        Rights:
            ``EVENT_MODIFY_STATE``.

        Raises:
            AccessError: The handle does not permit it.
            CorruptError: Somebody spoiled the object.
            HandleError: The handle is closed.
        """
        self._ask(kernel.pulse_event)

    @native("event_is_set")
    def is_set(self) -> bool:
        """Whether a wait would be let through now; changes nothing.

        Rights:
            ``EVENT_QUERY_STATE``.

        Raises:
            AccessError: The handle does not permit it.
            HandleError: The handle is closed.
        """
        return bool(self._ask(kernel.query_event).EventState)

    @native("event_wait")
    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set; an auto-reset event is cleared by that.

        Args:
            timeout: Seconds; for ever when omitted, only a look when 0.

        Returns:
            Whether it let this wait through; False when the time was up.

        Rights:
            ``SYNCHRONIZE``.

        Raises:
            AccessError: The handle does not permit waiting.
            CorruptError: Somebody spoiled the object.
            HandleError: The handle is closed.
        """
        return self._take(timeout)
