# SPDX-License-Identifier: MIT
"""The services for mutants, events, semaphores and waiting.

Ctrl-C interrupts every wait.  It is the main thread that Python tells of it, through an event of
the interpreter's: a wait of that thread for any of several objects has the event as one more
object, so it stays one wait of the kernel. Where there is no room for it (64 handles, all of
several, a pseudo handle, signal-and-wait's second half) the wait is made in slices.  Waits of other
threads are the kernel's own, untouched.

The kernel has no wait that leaves an abandoned mutant abandoned: it gives it to whoever waits,
once.  So a wait without ``accept_abandoned`` looks first, and a mutant abandoned while it waits is
given back by ``abandon_mutant``, to a thread that takes it and ends.  Between these two another
waiter can get it without being told.
"""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import contextlib
import ctypes
import threading
import time
from collections.abc import Callable, Sequence
from ctypes import wintypes as w
from typing import Any, TypeVar

from memsection._native import handles as _native
from memsection.nt.interface_synchronisation import NameWatch, Watch
from memsection.nt.windows import arguments, named, ntdll, objects
from memsection.nt.windows import structs as n
from memsection.nt.windows.timers import Timers
from memsection.nt.windows.waits import (
    MOST_HANDLES,
    SLICE,
    abandoned_error,
    check_wait,
    deadline_of,
    interrupt_event,
    is_abandoned,
    is_interruptible,
    remaining,
    wait_any,
    wait_in_slices,
)
from memsection.vocabulary import access as a
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import NtError

_Method = TypeVar("_Method", bound=Callable[..., Any])


class WaitableBase:
    """The base of what can be waited for: nothing, because no object has native state on
    Windows."""

    __slots__ = ()

    def _disconnect(self) -> None:
        """The handle is closed."""

    def _take_in_python(self) -> None:
        """A mutex is taken by the method in Python alone."""


_TICK = 0.016  #: seconds between two ticks of the system's clock, at most
_LOOKS = 9  #: at a timer whose time is up, over two ticks

#: the methods in Python that only release, once
_releases: list[object] = []


def native(name: str) -> Callable[[_Method], _Method]:
    """A decorator for a method that is native elsewhere: here the one in Python serves, made whole
    if it may take something; the end of a block is native, so that nothing comes before it (O1)."""
    if name == "release_on_exit":
        return lambda method: _native.on_exit(method, _releases)
    if name in ("mutex_release", "semaphore_release"):

        def remember(method: _Method) -> _Method:
            _releases.append(method)
            return method

        return remember
    return _native.whole


def _signal_again(handle: int) -> None:
    """Have an event or a timer signaled that a wait has reset; again is harmless."""
    with contextlib.suppress(NtError):
        kind = objects.text_of(handle, objects.TYPE)
        if kind == "Event":
            right = a.EVENT_QUERY_STATE | a.EVENT_MODIFY_STATE
        elif kind == "Timer":
            right = a.TIMER_QUERY_STATE | a.TIMER_MODIFY_STATE
        else:
            return
        kernel = Synchronisation()
        # who may wait need not be allowed to change it by this handle
        other = objects.duplicate(s.CURRENT_PROCESS, handle, s.CURRENT_PROCESS, right, 0, 0)
        try:
            if kind == "Timer":
                kernel._give_firing_back(other)
            elif kernel.query_event(other).EventType == s.SYNCHRONIZATION_EVENT:
                kernel.set_event(other)
        finally:
            objects.close(other)


class Synchronisation(Timers):
    """The part of the kernel that is about synchronisation objects."""

    def create_mutant(self, access: int, attributes: Any, initial_owner: bool) -> tuple[int, int]:
        return named.create("NtCreateMutant", access, attributes, bool(initial_owner))

    def open_mutant(self, access: int, attributes: Any) -> int:
        return named.open_("NtOpenMutant", access, attributes)

    def release_mutant(self, handle: int) -> int:
        return self._change("NtReleaseMutant", handle)

    def abandon_mutant(self, handle: int) -> None:
        owned = self.query_mutant(handle)
        if not owned.OwnedByCaller:
            raise NtError(st.MUTANT_NOT_OWNED, "abandon")
        ready = threading.Event()

        def take_and_end() -> None:
            ready.set()
            ntdll.status_of("NtWaitForSingleObject", handle, False, None)

        taker = threading.Thread(target=take_and_end, daemon=True)
        taker.start()
        ready.wait()
        # waiters are served in turn: the sooner it waits, the fewer are before it
        time.sleep(0.002)
        for _ in range(1 - owned.CurrentCount):
            self.release_mutant(handle)
        taker.join()
        while not (state := self.query_mutant(handle)).AbandonedState and state.CurrentCount < 1:
            # Python has seen the thread's end, the system not yet; or somebody was faster
            time.sleep(0.001)

    def query_mutant(self, handle: int) -> s.MutantBasicInformation:
        info = n.MutantBasicInformation()
        ntdll.call("NtQueryMutant", handle, 0, ctypes.byref(info), ctypes.sizeof(info), None)
        owner = n.ClientId()
        if ntdll.status_of(
            "NtQueryMutant", handle, 1, ctypes.byref(owner), ctypes.sizeof(owner), None
        ):
            owner = n.ClientId()  # MutantOwnerInformation: not on every Windows, and none in Wine
        return s.MutantBasicInformation(
            info.CurrentCount,
            bool(info.OwnedByCaller),
            bool(info.AbandonedState),
            owner.UniqueProcess,
            owner.UniqueThread,
        )

    def create_event(
        self, access: int, attributes: Any, event_type: int, initial: bool
    ) -> tuple[int, int]:
        return named.create("NtCreateEvent", access, attributes, event_type, bool(initial))

    def open_event(self, access: int, attributes: Any) -> int:
        return named.open_("NtOpenEvent", access, attributes)

    def set_event(self, handle: int) -> int:
        return self._change("NtSetEvent", handle)

    def reset_event(self, handle: int) -> int:
        return self._change("NtResetEvent", handle)

    def pulse_event(self, handle: int) -> int:
        return self._change("NtPulseEvent", handle)

    def query_event(self, handle: int) -> s.EventBasicInformation:
        info = n.EventBasicInformation()
        ntdll.call("NtQueryEvent", handle, 0, ctypes.byref(info), ctypes.sizeof(info), None)
        return s.EventBasicInformation(info.EventType, info.EventState)

    def create_semaphore(
        self, access: int, attributes: Any, initial: int, maximum: int
    ) -> tuple[int, int]:
        return named.create("NtCreateSemaphore", access, attributes, initial, maximum)

    def open_semaphore(self, access: int, attributes: Any) -> int:
        return named.open_("NtOpenSemaphore", access, attributes)

    def release_semaphore(self, handle: int, count: int) -> int:
        # said here, because Wine takes 0, and no LONG holds more than the largest maximum
        if count < 1:
            raise NtError(
                st.INVALID_PARAMETER, "release semaphore", None, f"{count} units cannot be released"
            )
        if count >= 1 << 31:
            raise NtError(st.SEMAPHORE_LIMIT_EXCEEDED, "release semaphore")
        before = w.ULONG()
        ntdll.call(
            "NtReleaseSemaphore",
            handle,
            count,
            ctypes.byref(before),
            detail=f"asked for {count} more",
        )
        return before.value

    def query_semaphore(self, handle: int) -> s.SemaphoreBasicInformation:
        info = n.SemaphoreBasicInformation()
        ntdll.call("NtQuerySemaphore", handle, 0, ctypes.byref(info), ctypes.sizeof(info), None)
        return s.SemaphoreBasicInformation(info.CurrentCount, info.MaximumCount)

    def wait_for_single_object(
        self, handle: int, timeout: int | None, *, accept_abandoned: bool = True
    ) -> int:
        def wait(time_left: Any) -> int:
            return check_wait(
                ntdll.status_of("NtWaitForSingleObject", handle, False, time_left), [handle]
            )

        if not accept_abandoned and is_abandoned(handle):
            raise abandoned_error(handle)
        event = interrupt_event()
        if not is_interruptible(timeout):
            status = wait(arguments.large(timeout))
        elif event and handle >= 0:
            status = wait_any([handle], timeout, event)
        else:
            status = wait_in_slices(wait, timeout)
        if not accept_abandoned and status == st.ABANDONED_WAIT_0:
            self.abandon_mutant(handle)
            raise abandoned_error(handle)
        return status

    def wait_for_multiple_objects(
        self,
        handles: Sequence[int],
        wait_type: int,
        timeout: int | None,
        *,
        accept_abandoned: bool = True,
    ) -> int:
        if not accept_abandoned:
            return self._wait_without_abandoned(handles, wait_type, timeout)

        def wait(time_left: Any) -> int:
            array = (n.HANDLE * len(handles))(*handles)
            return check_wait(
                ntdll.status_of(
                    "NtWaitForMultipleObjects", len(array), array, wait_type, False, time_left
                ),
                handles,
            )

        if not is_interruptible(timeout):
            return wait(arguments.large(timeout))
        event = interrupt_event()
        if event and wait_type == s.WAIT_ANY and 0 < len(handles) < MOST_HANDLES:
            return wait_any(handles, timeout, event)
        return wait_in_slices(wait, timeout)

    def _wait_without_abandoned(
        self, handles: Sequence[int], wait_type: int, timeout: int | None
    ) -> int:
        marked = [index for index, handle in enumerate(handles) if is_abandoned(handle)]
        if marked and wait_type == s.WAIT_ALL:
            raise abandoned_error(handles[marked[0]], marked[0])
        if marked:
            before = list(handles[: marked[0]])
            status = self.wait_for_multiple_objects(before, wait_type, 0) if before else st.TIMEOUT
            if status == st.TIMEOUT:
                raise abandoned_error(handles[marked[0]], marked[0])
            return status
        status = self.wait_for_multiple_objects(handles, wait_type, timeout)
        if not st.ABANDONED_WAIT_0 <= status < st.ABANDONED_WAIT_0 + MOST_HANDLES:
            return status
        index = status - st.ABANDONED_WAIT_0
        if wait_type == s.WAIT_ALL:
            index = self._give_all_back(handles)
        else:
            self.abandon_mutant(handles[index])
        raise abandoned_error(handles[index], index)

    def _give_all_back(self, handles: Sequence[int]) -> int:
        """Undo a wait for all; the index of the abandoned mutant, which the kernel does not tell:
        the first of them."""
        first = -1
        for index, handle in enumerate(handles):
            kind = objects.text_of(handle, objects.TYPE)
            if kind == "Mutant" and first < 0:
                first = index
                self.abandon_mutant(handle)
            elif kind == "Mutant":
                self.release_mutant(handle)
            elif kind == "Semaphore":
                self.release_semaphore(handle, 1)
            elif kind == "Event" and self.query_event(handle).EventType == s.SYNCHRONIZATION_EVENT:
                self.set_event(handle)
            elif kind == "Timer":
                self._give_firing_back(handle)
        return first

    def _give_firing_back(self, handle: int) -> None:
        """Have a timer that a wait went through be due again.

        One with a period is due again by itself; the kernel does not tell the period, so what was
        taken of it is lost (decision 0145).  While its time is up and it is not yet due, it looks
        like one without: that lasts a tick of the clock, and setting it would end the period.
        """
        with contextlib.suppress(NtError):  # who may wait for it need not be allowed to set it
            for _ in range(_LOOKS):
                found = self.query_timer(handle)
                if found.TimerState or found.RemainingTime > 0:
                    return
                time.sleep(_TICK / 4)
            self.set_timer(handle, 0, 0, False)

    def connect_waitable(
        self, door: WaitableBase, handle: int, failed: Callable[[NtError], Any]
    ) -> None:
        """Nothing: every operation is a system call on Windows, and its cost is not Python's."""

    def awaited_number(self, buffer: memoryview, above: int) -> Any:
        """None: WaitOnAddress is for the threads of one process."""
        return None

    def announce_writer(self, handle: int) -> Any:
        """None: sections have no locks."""
        return None

    def has_writer(self, handle: int) -> bool:
        raise NtError(
            st.NOT_ON_THIS_SYSTEM,
            "latest value",
            detail="this system does not tell whether a writer lives",
        )

    def forget_directories(self) -> None:
        """Nothing: names are the session's."""

    def watch_name(self, name: str) -> NameWatch | None:
        """None: the kernel tells nobody of new names."""
        return None

    def watch(self, handle: int, ready: Callable[[], None]) -> Watch | None:
        """None: event loops look now and then."""
        return None

    def signal_and_wait(self, signal: int, waited: int, timeout: int | None) -> int:
        if not is_interruptible(timeout):
            return ntdll.call(
                "NtSignalAndWaitForSingleObject", signal, waited, False, arguments.large(timeout)
            )
        deadline = deadline_of(timeout)
        left = remaining(deadline)
        last = left is not None and left > -SLICE
        status = ntdll.call(
            "NtSignalAndWaitForSingleObject",
            signal,
            waited,
            False,
            arguments.large(left if last else -SLICE),
        )
        if status != st.TIMEOUT or last:
            return status
        # Signalled; what is left is an ordinary wait.
        return self.wait_for_single_object(waited, remaining(deadline))

    @staticmethod
    def _change(function: str, handle: int) -> int:
        before = w.LONG()
        status = ntdll.status_of(function, handle, ctypes.byref(before))
        if status & 0x80000000:
            raise objects.failure(status, function, handle, a.EVENT_MODIFY_STATE)
        return before.value


_native.connect_waits(Synchronisation().abandon_mutant, _signal_again)
