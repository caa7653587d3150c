# SPDX-License-Identifier: MIT
"""The services for mutants, events, semaphores and waiting.

Ctrl-C interrupts every wait.  It is the main thread that Python tells of it, through an event of
the interpreter's: a wait of that thread for any of several objects has the event as one more
object, so it stays one wait of the kernel. Where there is no room for it (64 handles, all of
several, a pseudo handle, signal-and-wait's second half) the wait is made in slices.  Waits of other
threads are the kernel's own, untouched.

The kernel has no careful wait: it gives an abandoned mutant to whoever waits, once.  So a careful
wait looks first, and a mutant abandoned while it waits is given back by ``abandon_mutant``, to a
thread that takes it and ends.  Between these two another waiter can get it without being told.
"""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import ctypes
import threading
import time
from collections.abc import Callable, Sequence
from ctypes import wintypes as w
from typing import Any, TypeVar

from memsection.nt.interface import NameWatch, Watch
from memsection.nt.windows import arguments, ntdll, objects
from memsection.nt.windows import structs as n
from memsection.vocabulary import access as a
from memsection.vocabulary import names
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import AbandonedNtError, NtError

_SLICE = 500_000  #: 50 ms in units of 100 ns
_MOST = 64  #: MAXIMUM_WAIT_OBJECTS


def _interrupt_event() -> int:
    """The event that the interpreter sets at Ctrl-C, 0 where it does not show it."""
    try:
        function = ctypes.pythonapi._PyOS_SigintEvent
    except AttributeError:
        return 0
    function.restype = n.HANDLE
    function.argtypes = ()
    return int(function() or 0)


def _deadline(timeout: int | None) -> int | None:
    """When a timeout is over, in 100 ns units of the one clock that does not tick in steps of 16 ms
    here; an absolute time becomes a span first."""
    if timeout is None:
        return None
    if timeout > 0:  # 100 ns units since 1601
        timeout = min(0, int((time.time() + 11_644_473_600) * 10_000_000) - timeout)
    return time.perf_counter_ns() // 100 - timeout


def _remaining(deadline: int | None) -> int | None:
    """What is left of it, as a timeout."""
    return None if deadline is None else min(0, time.perf_counter_ns() // 100 - deadline)


def _succeeded(status: int, handles: Sequence[int]) -> int:
    """The status of a wait, unless it failed; the message names the first handle that does not
    permit it."""
    if status & 0x80000000:
        for handle in handles:
            problem = objects.failure(status, "NtWaitForSingleObject", handle, a.SYNCHRONIZE)
            if problem.detail:
                raise problem
        raise NtError(status, "wait")
    return status


def _sliced(wait: Any, timeout: int | None) -> int:
    """A wait in slices short enough for Ctrl-C, which Python sees between them."""
    deadline = _deadline(timeout)
    while True:
        left = _remaining(deadline)
        last = left is not None and left > -_SLICE
        status: int = wait(arguments.large(left if last else -_SLICE))
        if status != st.TIMEOUT or last:
            return status


def _wait_any(handles: Sequence[int], timeout: int | None, event: int) -> int:
    """A wait for any of fewer than 64 objects, or for Ctrl-C."""
    array = (n.HANDLE * (len(handles) + 1))(*handles, event)
    deadline = _deadline(timeout)
    while True:
        ntdll.call("NtResetEvent", event, None)
        status = _succeeded(
            ntdll.status_of(
                "NtWaitForMultipleObjects",
                len(array),
                array,
                s.WAIT_ANY,
                False,
                arguments.large(_remaining(deadline)),
            ),
            handles,
        )
        if status != st.WAIT_0 + len(handles):
            return status
        # Python raises KeyboardInterrupt somewhere below; the event can come a moment before its
        # flag.
        time.sleep(0.001)


def _abandoned(handle: int) -> bool:
    """Whether a handle is that of a mutant whose owner ended; False too where it may not be
    asked."""
    info = n.MutantBasicInformation()
    status = ntdll.status_of(
        "NtQueryMutant", handle, 0, ctypes.byref(info), ctypes.sizeof(info), None
    )
    return status == st.SUCCESS and bool(info.AbandonedState)


def _told(handle: int, index: int = 0) -> AbandonedNtError:
    name = names.win32_name(objects.object_name(handle)) or None
    return AbandonedNtError(name, owner_pid=0, index=index)  # Windows does not say who it was


def _interruptible(timeout: int | None) -> bool:
    """Whether this wait can be long, and Python would have to be told of Ctrl-C meanwhile."""
    return timeout != 0 and threading.current_thread() is threading.main_thread()


_Method = TypeVar("_Method", bound=Callable[..., Any])


class WaitableBase:
    """The base of what can be waited for: nothing, because no method of it is native on Windows."""

    __slots__ = ()

    def _disconnect(self) -> None:
        """The handle is closed."""

    def _take_carefully(self) -> None:
        """A mutex is taken by the method in Python alone."""


def native(name: str) -> Callable[[_Method], _Method]:
    """A decorator for a method that is native elsewhere: here the one in Python serves."""
    return lambda method: method


class Synchronisation:
    """The part of the kernel that is about synchronisation objects."""

    def create_mutant(self, access: int, attributes: Any, initial_owner: bool) -> tuple[int, int]:
        return self._create("NtCreateMutant", access, attributes, bool(initial_owner))

    def open_mutant(self, access: int, attributes: Any) -> int:
        return self._open("NtOpenMutant", access, attributes)

    def release_mutant(self, handle: int) -> int:
        return self._changed("NtReleaseMutant", handle)

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
        return self._create("NtCreateEvent", access, attributes, event_type, bool(initial))

    def open_event(self, access: int, attributes: Any) -> int:
        return self._open("NtOpenEvent", access, attributes)

    def set_event(self, handle: int) -> int:
        return self._changed("NtSetEvent", handle)

    def reset_event(self, handle: int) -> int:
        return self._changed("NtResetEvent", handle)

    def pulse_event(self, handle: int) -> int:
        return self._changed("NtPulseEvent", handle)

    def query_event(self, handle: int) -> s.EventBasicInformation:
        info = n.EventBasicInformation()
        ntdll.call("NtQueryEvent", handle, 0, ctypes.byref(info), ctypes.sizeof(info), None)
        return s.EventBasicInformation(info.EventType, info.EventState)

    def create_semaphore(
        self, access: int, attributes: Any, initial: int, maximum: int
    ) -> tuple[int, int]:
        return self._create("NtCreateSemaphore", access, attributes, initial, maximum)

    def open_semaphore(self, access: int, attributes: Any) -> int:
        return self._open("NtOpenSemaphore", access, attributes)

    def release_semaphore(self, handle: int, count: int) -> int:
        # said here, because a LONG would be another number, and Wine takes 0
        if not 0 < count < 1 << 31:
            raise NtError(
                st.INVALID_PARAMETER, "release semaphore", None, f"{count} units cannot be released"
            )
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
        self, handle: int, timeout: int | None, *, careful: bool = False
    ) -> int:
        def wait(time_left: Any) -> int:
            return _succeeded(
                ntdll.status_of("NtWaitForSingleObject", handle, False, time_left), [handle]
            )

        if careful and _abandoned(handle):
            raise _told(handle)
        event = _interrupt_event()
        if not _interruptible(timeout):
            status = wait(arguments.large(timeout))
        elif event and handle >= 0:
            status = _wait_any([handle], timeout, event)
        else:
            status = _sliced(wait, timeout)
        if careful and status == st.ABANDONED_WAIT_0:
            self.abandon_mutant(handle)
            raise _told(handle)
        return status

    def wait_for_multiple_objects(
        self, handles: Sequence[int], wait_type: int, timeout: int | None, *, careful: bool = False
    ) -> int:
        if careful:
            return self._wait_carefully(handles, wait_type, timeout)

        def wait(time_left: Any) -> int:
            array = (n.HANDLE * len(handles))(*handles)
            return _succeeded(
                ntdll.status_of(
                    "NtWaitForMultipleObjects", len(array), array, wait_type, False, time_left
                ),
                handles,
            )

        if not _interruptible(timeout):
            return wait(arguments.large(timeout))
        event = _interrupt_event()
        if event and wait_type == s.WAIT_ANY and 0 < len(handles) < _MOST:
            return _wait_any(handles, timeout, event)
        return _sliced(wait, timeout)

    def _wait_carefully(self, handles: Sequence[int], wait_type: int, timeout: int | None) -> int:
        marked = [index for index, handle in enumerate(handles) if _abandoned(handle)]
        if marked and wait_type == s.WAIT_ALL:
            raise _told(handles[marked[0]], marked[0])
        if marked:
            before = list(handles[: marked[0]])
            status = self.wait_for_multiple_objects(before, wait_type, 0) if before else st.TIMEOUT
            if status == st.TIMEOUT:
                raise _told(handles[marked[0]], marked[0])
            return status
        status = self.wait_for_multiple_objects(handles, wait_type, timeout)
        if not st.ABANDONED_WAIT_0 <= status < st.ABANDONED_WAIT_0 + _MOST:
            return status
        index = status - st.ABANDONED_WAIT_0
        if wait_type == s.WAIT_ALL:
            index = self._give_all_back(handles)
        else:
            self.abandon_mutant(handles[index])
        raise _told(handles[index], index)

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
        return first

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
        if not _interruptible(timeout):
            return ntdll.call(
                "NtSignalAndWaitForSingleObject", signal, waited, False, arguments.large(timeout)
            )
        deadline = _deadline(timeout)
        left = _remaining(deadline)
        last = left is not None and left > -_SLICE
        status = ntdll.call(
            "NtSignalAndWaitForSingleObject",
            signal,
            waited,
            False,
            arguments.large(left if last else -_SLICE),
        )
        if status != st.TIMEOUT or last:
            return status
        # Signalled; what is left is an ordinary wait.
        return self.wait_for_single_object(waited, _remaining(deadline))

    @staticmethod
    def _create(function: str, access: int, attributes: Any, *rest: Any) -> tuple[int, int]:
        handle = n.HANDLE()
        status = ntdll.call(
            function,
            ctypes.byref(handle),
            access,
            arguments.object_attributes(attributes),
            *rest,
            name=arguments.name_of(attributes),
        )
        return status, handle.value

    @staticmethod
    def _open(function: str, access: int, attributes: Any) -> int:
        handle = n.HANDLE()
        ntdll.call(
            function,
            ctypes.byref(handle),
            access,
            arguments.object_attributes(attributes),
            name=arguments.name_of(attributes),
            detail=f"asked for access {access:#x}",
        )
        return handle.value

    @staticmethod
    def _changed(function: str, handle: int) -> int:
        before = w.LONG()
        status = ntdll.status_of(function, handle, ctypes.byref(before))
        if status & 0x80000000:
            raise objects.failure(status, function, handle, a.EVENT_MODIFY_STATE)
        return before.value
