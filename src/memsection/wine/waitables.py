# SPDX-License-Identifier: MIT
"""Events and mutexes of programs in Wine, through a helper that stays while they are open."""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import math
import os
import time
from typing import Self

from memsection.api.operations import whole
from memsection.vocabulary.errors import AbandonedMutexError, HandleError
from memsection.wine import processes
from memsection.wine.helper import Helper, hexadecimal
from memsection.wine.objects import Resident, check_seconds, patiently

_CHUNK = 100  #: milliseconds of a wait in the helper, after which this process looks for signals
_TIMEOUT, _ABANDONED = 0x102, 0x80


class _Waitable(Resident):
    """An object in a prefix that is waited for through a resident helper."""

    _verb = ""
    _is_closed = False

    @whole
    def __init__(
        self, name: str, prefix: str | os.PathLike[str] | None = None, wait: float | None = None
    ) -> None:
        self.name = name
        self._helper, answer = patiently(lambda: self._open_in_prefix(name, prefix), wait)
        self._handle = answer[0]
        self.manual_reset = len(answer) > 1 and answer[1] == "1"

    @whole
    def _open_in_prefix(
        self, name: str, prefix: str | os.PathLike[str] | None
    ) -> tuple[Helper, list[str]]:
        helper = Helper(processes.choose(prefix))
        answer = helper.ask(f"{self._verb} {name}")
        return helper, [f"{hexadecimal(answer, 0):x}", *answer[1:]]

    def close(self) -> None:
        self._is_closed = True
        super().close()

    close.__doc__ = Resident.close.__doc__

    def _check_open(self) -> None:
        if self._is_closed:
            raise HandleError(f"wine '{self.name}': it is closed here; open it again")

    def _wait(self, timeout: float | None) -> int:
        """The result of a wait: 0, WAIT_ABANDONED or WAIT_TIMEOUT."""
        self._check_open()
        deadline = None if timeout is None else time.monotonic() + check_seconds(timeout)
        found = self._helper.read_interrupted_wait()  # of a wait that was interrupted
        while found is None or found == _TIMEOUT:
            left = (
                _CHUNK
                if deadline is None
                else max(0, min(_CHUNK, math.ceil((deadline - time.monotonic()) * 1000)))
            )
            found = self._helper.wait(self._handle, left)
            if found == _TIMEOUT and deadline is not None and time.monotonic() >= deadline:
                break
        return found

    def _ask(self, verb: str) -> list[str]:
        """The helper's answer to a command about this object."""
        self._check_open()
        # the result of a wait that was interrupted comes first
        self._helper.read_interrupted_wait()
        return self._helper.ask(f"{verb} {self._handle}")

    def is_alone(self) -> bool:
        """Whether nobody else in the prefix has the object: then it lives only because it is open
        here.

        Rights:
            None.

        Raises:
            Error: The prefix, or the helper, has ended.
            HandleError: It is closed.
        """
        return hexadecimal(self._ask("count"), 0) <= 1

    def __repr__(self) -> str:
        return (
            f"<memsection.wine.{type(self).__name__} {self.name!r} in '{self._helper.prefix.path}'>"
        )


class Event(_Waitable):
    """An event of a program in Wine; made by ``open_event``."""

    _verb = "event"

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is signaled: whether it was.

        Args:
            timeout: Seconds at most; None for ever.

        Rights:
            ``SYNCHRONIZE``, which it was opened with.

        Raises:
            Error: The prefix, or the helper, has ended.
            HandleError: It is closed.
        """
        return self._wait(timeout) == 0

    def set(self) -> None:
        """Signal it.

        Rights:
            ``EVENT_MODIFY_STATE``, which it was opened with.

        Raises:
            Error: The prefix, or the helper, has ended.
            HandleError: It is closed.
        """
        self._ask("set")

    def reset(self) -> None:
        """Make it not signaled.

        Rights:
            ``EVENT_MODIFY_STATE``, which it was opened with.

        Raises:
            Error: The prefix, or the helper, has ended.
            HandleError: It is closed.
        """
        self._ask("reset")


class Mutex(_Waitable):
    """A mutex of a program in Wine; made by ``open_mutex``.  The helper owns it, and gives it up
    when it ends."""

    _verb = "mutex"

    def acquire(self, timeout: float | None = None) -> bool:
        """Take it: whether it was had in time.

        Args:
            timeout: Seconds at most; None for ever.

        Rights:
            ``SYNCHRONIZE``, which it was opened with.

        Raises:
            AbandonedMutexError: Its owner ended while holding it.  It is owned here now, and is to
                be released.
            Error: The prefix, or the helper, has ended.
            HandleError: It is closed.
        """
        found = self._wait(timeout)
        if found == _ABANDONED:
            raise AbandonedMutexError(
                f"wine '{self.name}': its owner ended while it held the mutex; it is owned here now"
            )
        return found == 0

    def release(self) -> None:
        """Give it back.

        Rights:
            None; it must be owned here.

        Raises:
            AccessError: It is not owned here.
            Error: The prefix, or the helper, has ended.
            HandleError: It is closed.
        """
        self._ask("release")

    def __enter__(self) -> Self:
        try:
            self.acquire()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.release()
        finally:
            self.close()


def open_event(
    name: str, prefix: str | os.PathLike[str] | None = None, wait: float | None = None
) -> Event:
    """An event of a program in Wine, by its name; a helper stays in the prefix as long as it is
    open.

    Args:
        name: ``Local\\name``, ``Global\\name``, or ``name``.
        prefix: The prefix's directory; the only one that runs when omitted.
        wait: Seconds to wait for the prefix and the name; not at all when omitted.

    Rights:
        In the prefix, ``EVENT_ALL_ACCESS``.

    Raises:
        NotFoundError: The prefix does not run; nothing has this name.
        AccessError: The event does not grant the access.
        HandleError: The name is that of something else.
        ArgumentError: Several prefixes run; the name cannot be one.
    """
    return Event(name, prefix, wait)


def open_mutex(
    name: str, prefix: str | os.PathLike[str] | None = None, wait: float | None = None
) -> Mutex:
    """A mutex of a program in Wine, by its name; a helper stays in the prefix as long as it is
    open.

    Args:
        name: ``Local\\name``, ``Global\\name``, or ``name``.
        prefix: The prefix's directory; the only one that runs when omitted.
        wait: Seconds to wait for the prefix and the name; not at all when omitted.

    Rights:
        In the prefix, ``MUTEX_ALL_ACCESS``.

    Raises:
        NotFoundError: The prefix does not run; nothing has this name.
        AccessError: The mutex does not grant the access.
        HandleError: The name is that of something else.
        ArgumentError: Several prefixes run; the name cannot be one.
    """
    return Mutex(name, prefix, wait)
