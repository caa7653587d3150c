# SPDX-License-Identifier: MIT
"""The services for mutants, events, semaphores and waiting, a part of the kernel interface
(``nt.interface``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import NtError

Attributes = Any  #: ObjectAttributes or any object with its fields


class Watch(Protocol):
    """A wait for one object that is tried when that is worth it."""

    def attempt(self, *, accept_abandoned: bool) -> int:
        """As ``wait_for_single_object`` with timeout 0.  Events pulsed since the watch was made
        count."""
        ...

    def put_back(self) -> None:
        """Undo an attempt that took the object: who made it was interrupted, and does not know."""
        ...

    def arm(self) -> None:
        """Have ``ready`` called once, from another thread, as soon as an attempt may succeed."""
        ...

    def end(self) -> None:
        """No more calls.  Once, whatever came of it."""
        ...


class NameWatch(Protocol):
    """The directory of one name, watched: what is made there after it began is not missed."""

    def wait(self, seconds: float | None, /) -> None:
        """Come back when the name may be there, or when the time is up; earlier without a reason is
        possible."""
        ...

    def is_worth_a_try(self) -> bool:
        """Whether the name may have appeared since the last time."""
        ...

    def fileno(self) -> int:
        """A descriptor that is readable when ``is_worth_a_try`` should be asked; also once a second
        besides."""
        ...

    def close(self) -> None:
        """Watch no longer."""
        ...


class SynchronisationKernel(Protocol):
    """Objects that can be waited for, and waiting."""

    def create_mutant(
        self, access: int, attributes: Attributes, initial_owner: bool
    ) -> tuple[int, int]:
        """NtCreateMutant; (SUCCESS or OBJECT_NAME_EXISTS, handle)."""
        ...

    def open_mutant(self, access: int, attributes: Attributes) -> int:
        """NtOpenMutant."""
        ...

    def release_mutant(self, handle: int, /) -> int:
        """NtReleaseMutant; the count before.  Needs ownership, not a right.  MUTANT_NOT_OWNED."""
        ...

    def abandon_mutant(self, handle: int, /) -> None:
        """Give a mutant back as if its owner had ended: whoever takes it next is told.
        MUTANT_NOT_OWNED.

        Not a service of Windows, where a thread that takes it and ends does the same.
        """
        ...

    def query_mutant(self, handle: int, /) -> s.MutantBasicInformation:
        """NtQueryMutant.  Rights: MUTANT_QUERY_STATE."""
        ...

    def create_event(
        self, access: int, attributes: Attributes, event_type: int, initial: bool
    ) -> tuple[int, int]:
        """NtCreateEvent."""
        ...

    def open_event(self, access: int, attributes: Attributes) -> int:
        """NtOpenEvent."""
        ...

    def set_event(self, handle: int, /) -> int:
        """NtSetEvent; the state before.  Rights: EVENT_MODIFY_STATE."""
        ...

    def reset_event(self, handle: int, /) -> int:
        """NtResetEvent; the state before.  Rights: EVENT_MODIFY_STATE."""
        ...

    def pulse_event(self, handle: int, /) -> int:
        """NtPulseEvent; the state before.  Rights: EVENT_MODIFY_STATE."""
        ...

    def query_event(self, handle: int, /) -> s.EventBasicInformation:
        """NtQueryEvent.  Rights: EVENT_QUERY_STATE."""
        ...

    def create_semaphore(
        self, access: int, attributes: Attributes, initial: int, maximum: int
    ) -> tuple[int, int]:
        """NtCreateSemaphore.  INVALID_PARAMETER unless 0 <= initial <= maximum and maximum > 0."""
        ...

    def open_semaphore(self, access: int, attributes: Attributes) -> int:
        """NtOpenSemaphore."""
        ...

    def release_semaphore(self, handle: int, count: int, /) -> int:
        """NtReleaseSemaphore; the count before.  Rights: SEMAPHORE_MODIFY_STATE.
        SEMAPHORE_LIMIT_EXCEEDED."""
        ...

    def query_semaphore(self, handle: int, /) -> s.SemaphoreBasicInformation:
        """NtQuerySemaphore.  Rights: SEMAPHORE_QUERY_STATE."""
        ...

    def wait_for_single_object(
        self, handle: int, timeout: int | None, /, *, accept_abandoned: bool = True
    ) -> int:
        """NtWaitForSingleObject: WAIT_0, ABANDONED_WAIT_0 or TIMEOUT.  Rights: SYNCHRONIZE.  Ctrl-C
        raises as usual.

        Without ``accept_abandoned`` an abandoned mutant is not taken and stays abandoned;
        AbandonedNtError tells of it.
        """
        ...

    def wait_for_multiple_objects(
        self,
        handles: Sequence[Any],
        wait_type: int,
        timeout: int | None,
        *,
        accept_abandoned: bool = True,
    ) -> int:
        """NtWaitForMultipleObjects with 1 to 64 handles: WAIT_0 + i, ABANDONED_WAIT_0 + i, or
        TIMEOUT.

        Without ``accept_abandoned``: as above, and nothing else is taken either.
        """
        ...

    def signal_and_wait(self, signal: int, waited: int, timeout: int | None) -> int:
        """NtSignalAndWaitForSingleObject."""
        ...

    def connect_waitable(self, door: Any, handle: int, failed: Callable[[NtError], Any], /) -> None:
        """Have the native methods (``nt.native``) of ``door``, an ``nt.WaitableBase``, work on a
        handle's object.

        ``failed`` is called for everything but success and the end of the time, and what it raises
        or gives is the outcome.  Nothing happens where there are no such methods, or where the
        handle does not grant all that they do: then the methods in Python, and the services above,
        serve.
        """
        ...

    def awaited_number(self, buffer: memoryview, above: int, /) -> Any:
        """What stands in the place of a handle in ``wait_for_multiple_objects`` (WAIT_ANY) and
        ``watch`` for a number of eight bytes in mapped memory, perhaps read-only: available while
        it is more than ``above``.  Whoever changes it wakes those who sleep (``_native.seqlock``).
        None where the system cannot: then the caller looks now and then."""
        ...

    def announce_writer(self, handle: int, /) -> Any:
        """Say of a section that a process writes into it, as long as that process lives and until
        ``close`` of what this gives; None on a system without."""
        ...

    def has_writer(self, handle: int, /) -> bool:
        """Whether some process says so.  NOT_ON_THIS_SYSTEM."""
        ...

    def forget_directories(self) -> None:
        """Look for the directories of names again when one is needed: MEMSECTION_ROOT has changed.
        For tests."""
        ...

    def watch_name(self, name: str, /) -> NameWatch | None:
        """Watch for a name, which need not exist; None where the system tells nothing: then the
        caller looks now and then."""
        ...

    def watch(self, handle: Any, ready: Callable[[], None], /) -> Watch | None:
        """A wait that nobody sleeps in, for event loops; None on a system without: then the caller
        looks now and then.

        Rights: SYNCHRONIZE.
        """
        ...
