# SPDX-License-Identifier: MIT
"""Objects that own a handle, as ``_native.ledger`` has them on Linux.

Here a signal handler that raises between two bytecodes of the library can leave a handle open until
the process ends: nothing of it outlives the process, and no name does.
"""

from __future__ import annotations

from functools import wraps

from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    F = TypeVar("F", bound=Callable[..., Any])
    R = TypeVar("R")

_close: Callable[[int], None] | None = None
_warn: Callable[[Any], object] | None = None


def connect_close(close: Callable[[int], None]) -> None:
    """The service that closes handles."""
    global _close
    _close = close


def whole(function: F) -> F:
    """The function as it is."""
    return function


settled = whole


def surely(function: Callable[..., R]) -> Callable[..., R]:
    """The function, with a dictionary as its argument after the object."""

    @wraps(function)
    def run(owner: Any, *arguments: Any) -> R:
        return function(owner, {}, *arguments)

    return run


def finish(function: Callable[..., R], *arguments: Any) -> R:
    """Call the function."""
    return function(*arguments)


def outside(function: Callable[..., R], *arguments: Any) -> R:
    """Call a function of the user's in the middle of an operation."""
    return function(*arguments)


def unless_locked(lock: Any, function: Callable[[], object]) -> bool:
    """Call a function with a lock taken, unless the lock is held; whether it was called."""
    if not lock.acquire(blocking=False):
        return False
    try:
        function()
    finally:
        lock.release()
    return True


def undo_here(service: Callable[..., object], *arguments: Any) -> None:
    """Undo a part of an operation that failed: nothing else does."""
    service(*arguments)


def done(
    undo: Callable[[tuple[Any, ...], Any], object],
    service: Callable[..., R],
    *arguments: Any,
    **options: Any,
) -> R:
    """Call the service."""
    return service(*arguments, **options)


def own(owner: Any, handle: int) -> None:
    """Make an object the owner of a handle."""
    owner._handle = handle


def disown(owner: Any) -> int:
    """The handle that an object owned until now, 0 for none."""
    handle: int = owner._handle
    owner._handle = 0
    return handle


def close_owned(owner: Any) -> bool:
    """Close the handle that an object owns, if it has one; True then.  It stays the owner of one
    that stays open."""
    handle = disown(owner)
    if not handle:
        return False
    assert _close is not None
    try:
        _close(handle)
    except NtError as failure:
        if failure.status == st.HANDLE_NOT_CLOSABLE:
            owner._handle = handle
        raise
    return True


def connect_warning(warn: Callable[[Any], object]) -> None:
    """Who tells that an object was left to the collector with its handle open."""
    global _warn
    _warn = warn


def drop(owner: Any) -> bool:
    """An object is left to the collector: the handle that it owns, if it has one, is closed, and
    that is told."""
    if not drop_quietly(owner):
        return False
    assert _warn is not None
    _warn(owner)
    return True


def drop_quietly(owner: Any) -> bool:
    """The same without a word; whether there was one."""
    if not getattr(owner, "_handle", 0):
        return False
    try:
        close_owned(owner)
    except NtError:
        pass  # nobody is there to be told
    owner._handle = 0
    return True


def drop_held(holder: Any) -> None:
    """What a ``__del__`` does with the section that an object keeps open: it is closed, and then
    ``closed`` is called."""
    if drop_quietly(getattr(holder, "section", None)):
        holder.closed()
