# SPDX-License-Identifier: MIT
"""Semaphores: a number of units that threads of any processes take and give back.

Everything about the handle itself is in ``handle``, waiting for several objects in ``wait``.
"""

from __future__ import annotations

from memsection.api.waitable import Waitable
from memsection.nt import kernel, native
from memsection.vocabulary import access as a
from memsection.vocabulary import object_types
from memsection.vocabulary.arguments import object_name, waiting_time, whole_number
from memsection.vocabulary.errors import ArgumentError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from memsection.api.security import Security
    from memsection.vocabulary import structs as s

_TAKE = a.SEMAPHORE_QUERY_STATE | a.SYNCHRONIZE
_MOST = 0x7FFFFFFF


class Semaphore(Waitable):
    """A count that waits lower and releases raise.  Units that a killed process had taken stay
    taken.

    ``with semaphore:`` takes a unit and gives it back; the handle stays open until ``close``.
    """

    _type = object_types.SEMAPHORE
    _words = {"r": _TAKE, "w": a.SEMAPHORE_MODIFY_STATE, "rw": _TAKE | a.SEMAPHORE_MODIFY_STATE}

    @staticmethod
    def _open_named(access: int, attributes: s.ObjectAttributes | None) -> int:
        return kernel.open_semaphore(access, attributes)

    @classmethod
    def create(
        cls,
        name: str | None = None,
        initial: int = 1,
        maximum: int = _MOST,
        *,
        exist_ok: bool = False,
        inheritable: bool = False,
        security: Security | str | bytes | None = None,
    ) -> Self:
        r"""Make a semaphore, with a name or without one.

        Args:
            name: What other processes open it by; ``Global\name`` for other users and containers.
            initial: How many units there are at the beginning.
            maximum: How many there can ever be.
            exist_ok: Whether a semaphore that has the name already is opened instead, as it is; see
                ``created``.
            inheritable: Whether child processes get the handle.
            security: Who may open it by name; this user alone when omitted.

        Rights:
            None for a new object.  An existing one must grant ``SYNCHRONIZE``,
            ``SEMAPHORE_QUERY_STATE`` and ``SEMAPHORE_MODIFY_STATE``.

        Raises:
            ArgumentError: Not 0 <= initial <= maximum with a maximum of 1 to 2147483647; or the
                name or the security makes no sense.
            ExistsError: The name is taken (FileExistsError).
            HandleError: With ``exist_ok``: the name is that of a section, a mutex or an event.
            AccessError: An existing semaphore does not grant the access.
            TypeError: The name is no str, or a number of units no int.

        Example:
            >>> from memsection import Semaphore
            >>> slots = Semaphore.create(initial=1, maximum=2)
            >>> slots.acquire(timeout=0), slots.acquire(timeout=0)
            (True, False)
            >>> slots.release(2)
            0
            >>> slots.close()
        """
        object_name(name, "initial")
        units, most = whole_number(initial, "initial"), whole_number(maximum, "maximum")
        return cls._make(
            lambda access, attributes: kernel.create_semaphore(access, attributes, units, most),
            name,
            exist_ok,
            inheritable,
            security,
        )

    @native("semaphore_acquire")
    def acquire(self, blocking: bool | float | None = True, timeout: float | None = -1) -> bool:
        """Take a unit as soon as there is one.

        Args:
            blocking: Whether to wait; a number that is no bool is the timeout.
            timeout: Seconds to wait; for ever when omitted, -1 or None, not at all when 0.

        Returns:
            Whether one was taken; False when the time was up.

        Rights:
            ``SYNCHRONIZE``.

        Raises:
            AccessError: The handle does not permit waiting.
            ArgumentError: A timeout that is negative and not -1, or one for a call that does not
                wait (ValueError).
            TypeError: A timeout that is no number.
            CorruptError: Somebody spoiled the object.
            HandleError: The handle is closed.
        """
        return self._take(waiting_time(blocking, timeout))

    @native("semaphore_release")
    def release(self, n: int = 1) -> int:
        """Give units back, or add new ones.

        Args:
            n: How many.

        Returns:
            How many there were before.

        Rights:
            ``SEMAPHORE_MODIFY_STATE``.

        Raises:
            ArgumentError: Fewer than one, or more than up to the maximum: none is added
                (ValueError).
            AccessError: The handle does not permit it.
            CorruptError: Somebody spoiled the object.
            HandleError: The handle is closed.
        """
        units = whole_number(n, "n")
        if units < 1:
            raise ArgumentError(f"release: n is {units}, it takes 1 or more")
        return int(self._ask(kernel.release_semaphore, units))

    def locked(self) -> bool:
        """Whether there is no unit at this moment.

        Rights:
            ``SEMAPHORE_QUERY_STATE``.

        Raises:
            AccessError: The handle does not permit it.
            HandleError: The handle is closed.
        """
        return self.value == 0

    @property
    def value(self) -> int:
        """How many units there are.

        Rights:
            ``SEMAPHORE_QUERY_STATE``.

        Raises:
            AccessError: The handle does not permit it.
            HandleError: The handle is closed.
        """
        return int(self._ask(kernel.query_semaphore).CurrentCount)

    @property
    def maximum(self) -> int:
        """How many there can ever be.

        Rights:
            ``SEMAPHORE_QUERY_STATE``.

        Raises:
            AccessError: The handle does not permit it.
            HandleError: The handle is closed.
        """
        return int(self._ask(kernel.query_semaphore).MaximumCount)

    @native("semaphore_enter")
    def __enter__(self) -> Self:
        self.acquire()
        return self

    @native("release_on_exit")
    def __exit__(self, *_: object) -> None:
        self.release()
