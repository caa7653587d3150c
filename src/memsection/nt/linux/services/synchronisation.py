# SPDX-License-Identifier: MIT
"""Services for mutexes, events, semaphores, and for waiting."""

from __future__ import annotations

import sys

assert sys.platform == "linux"


from memsection.nt.linux.handles import table
from memsection.nt.linux.names import namespace
from memsection.nt.linux.services.wrapping import service
from memsection.nt.linux.types import event, mutex, semaphore
from memsection.nt.linux.waiting import wait
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import NtError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any


class SynchronisationServices:
    """Services for mutexes, events, semaphores, and for waiting."""

    @service("create mutex")
    def create_mutant(self, access: int, attributes: Any, initial_owner: bool) -> tuple[int, int]:
        """NtCreateMutant."""
        status, handle = mutex.create(access, attributes, initial_owner)
        return status, handle.value

    @service("open mutex")
    def open_mutant(self, access: int, attributes: Any) -> int:
        """NtOpenMutant."""
        return mutex.open_(access, attributes).value

    @service("release mutex")
    def release_mutant(self, handle: int) -> int:
        """NtReleaseMutant."""
        return mutex.release(handle)

    @service("abandon mutex")
    def abandon_mutant(self, handle: int) -> None:
        """Give a mutex back as if its owner had ended."""
        mutex.abandon(handle)

    @service("query mutex")
    def query_mutant(self, handle: int) -> s.MutantBasicInformation:
        """NtQueryMutant."""
        return mutex.query(handle)

    @service("create event")
    def create_event(
        self, access: int, attributes: Any, event_type: int, initial: bool
    ) -> tuple[int, int]:
        """NtCreateEvent."""
        status, handle = event.create(access, attributes, event_type, initial)
        return status, handle.value

    @service("open event")
    def open_event(self, access: int, attributes: Any) -> int:
        """NtOpenEvent."""
        return event.open_(access, attributes).value

    @service("set event")
    def set_event(self, handle: int) -> int:
        """NtSetEvent."""
        return event.set_(handle)

    @service("reset event")
    def reset_event(self, handle: int) -> int:
        """NtResetEvent."""
        return event.reset(handle)

    @service("pulse event")
    def pulse_event(self, handle: int) -> int:
        """NtPulseEvent."""
        return event.pulse(handle)

    @service("query event")
    def query_event(self, handle: int) -> s.EventBasicInformation:
        """NtQueryEvent."""
        return event.query(handle)

    @service("create semaphore")
    def create_semaphore(
        self, access: int, attributes: Any, initial: int, maximum: int
    ) -> tuple[int, int]:
        """NtCreateSemaphore."""
        status, handle = semaphore.create(access, attributes, initial, maximum)
        return status, handle.value

    @service("open semaphore")
    def open_semaphore(self, access: int, attributes: Any) -> int:
        """NtOpenSemaphore."""
        return semaphore.open_(access, attributes).value

    @service("release semaphore")
    def release_semaphore(self, handle: int, count: int) -> int:
        """NtReleaseSemaphore."""
        return semaphore.release(handle, count)

    @service("query semaphore")
    def query_semaphore(self, handle: int) -> s.SemaphoreBasicInformation:
        """NtQuerySemaphore."""
        return semaphore.query(handle)

    @service("wait")
    def wait_for_single_object(
        self, handle: int, timeout: int | None, *, accept_abandoned: bool = True
    ) -> int:
        """NtWaitForSingleObject."""
        return wait.single(handle, timeout, accept_abandoned=accept_abandoned)

    @service("wait")
    def wait_for_multiple_objects(
        self,
        handles: Sequence[Any],
        wait_type: int,
        timeout: int | None,
        *,
        accept_abandoned: bool = True,
    ) -> int:
        """NtWaitForMultipleObjects."""
        return wait.multiple(handles, wait_type, timeout, accept_abandoned=accept_abandoned)

    @service("signal and wait")
    def signal_and_wait(self, signal: int, waited: int, timeout: int | None) -> int:
        """NtSignalAndWaitForSingleObject."""
        return wait.signal_and(signal, waited, timeout)

    @service("wait")
    def awaited_number(self, buffer: memoryview, above: int) -> Any:
        """A number in mapped memory to wait for."""
        return wait.number(buffer, above)

    @service("latest value")
    def announce_writer(self, handle: int) -> Any:
        """Say that there is a writer, as long as what this gives is not closed."""
        from memsection.nt.linux.bodies import announcement

        return announcement.Announcement(table.lookup(handle).fd)

    @service("latest value")
    def has_writer(self, handle: int) -> bool:
        """Whether some process says so."""
        from memsection.nt.linux.bodies import announcement

        return announcement.is_made(table.lookup(handle).fd)

    def forget_directories(self) -> None:
        """The next name looks for its directory again."""
        namespace.reset()

    @service("open")
    def watch_name(self, name: str) -> Any:
        """Watch for a name that does not exist yet."""
        from memsection.nt.linux.waiting import appearance

        return appearance.watch(name)

    @service("open")
    def connect_waitable(self, door: Any, handle: int, failed: Callable[[NtError], Any]) -> None:
        """Native methods for one handle."""
        wait.connect(door, handle, failed)

    @service("wait")
    def watch(self, handle: Any, ready: Callable[[], None]) -> Any:
        """A wait that nobody sleeps in."""
        from memsection.nt.linux.services import watching

        return watching.Watch(handle, ready)
