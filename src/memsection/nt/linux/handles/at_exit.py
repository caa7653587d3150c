# SPDX-License-Identifier: MIT
"""The end of this process: the names of its objects go with it, as they do on Windows."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

from memsection._native import ending, ledger
from memsection.nt.linux.bodies import control_page
from memsection.nt.linux.handles import last_handle, state
from memsection.nt.linux.handles.record import Handle
from memsection.nt.linux.names import closing, namespace
from memsection.nt.linux.system.tables_lock import lock
from memsection.vocabulary.errors import NtError

_cleans_up = 0  #: the process whose end is seen to
is_ending = False  #: whether that end has begun
#: handles that were closed because this process is about to leave without any further ado
ended: set[int] = set()


def arrange_exit_cleanup(pid: int) -> None:
    """With the first named object of this process, which is ``pid``: names go at its ordinary end
    too, as they do on Windows."""
    global _cleans_up
    if _cleans_up != pid:
        if not _cleans_up:  # a forked child has its parent's handlers
            import atexit

            atexit.register(_at_exit)
        _cleans_up = pid
        if _leaves_at_once():
            from multiprocessing.util import Finalize

            # after everybody who may still want them
            Finalize(None, _close_named_handles, exitpriority=-50)


def _at_exit() -> None:
    """See to it that this process's names go with it.

    Other handlers and finalizers, called before or after this one, may use every object: the names
    go when the interpreter has ended.
    """
    global is_ending
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        # Its children, which may still want the names, are joined first, and its queues, which may
        # still pickle a handle, flushed.  It does so only once, and in a child of Python 3.13 after
        # this otherwise.
        util._exit_function()
    if _leaves_at_once():
        _close_named_handles()
        return
    is_ending = True
    for handle in state.all_handles():
        note_for_the_end(handle)


def _leaves_at_once() -> bool:
    """Whether this is a forked child of multiprocessing, which calls that one's finalizers and then
    _exit(2)."""
    process = sys.modules.get("multiprocessing.process")
    return (
        process is not None
        and process.parent_process() is not None
        and "--multiprocessing-fork" not in sys.orig_argv
    )


def _close_named_handles() -> None:
    for handle in state.all_handles():
        if handle.obj.name and handle.kind.has_body:
            try:
                with lock:
                    ended.add(handle.value)
                    ledger.finish(last_handle.close_handle, handle)
            except (OSError, NtError):
                continue  # it is gone already; the kernel closes what is left
    closing.decide_doubtful()


def note_for_the_end(handle: Handle) -> None:
    obj = handle.obj
    place = namespace.place_of_name(obj.name) if obj.name and handle.kind.has_body else None
    if place is not None:
        ending.add(
            handle.fd,
            place.dirfd,
            place.path,
            place.is_global,
            control_page.FLAGS_BEFORE_END,
            control_page.PERMANENT,
        )
