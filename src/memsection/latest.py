# SPDX-License-Identifier: MIT
"""The latest value: one process writes, any number read, nobody waits for anybody and no value is
ever torn.

For what is only interesting while it is new: telemetry, a camera's frame.  A writer that dies
leaves its last complete value.  Who writes is not arranged here: there should be one writer at a
time (a ``Mutex`` can see to that).  How the memory is used is ``_native.seqlock``'s business, and
what the bytes of a record mean is ``layouts``'.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from memsection._native import seqlock
from memsection.api.operations import whole
from memsection.api.section import Section
from memsection.api.security import Security
from memsection.api.wait import Changing
from memsection.content import schema
from memsection.content.endpoint import (
    Endpoint,
    Held,
    closed_on_failure,
    open_section,
    open_section_async,
)
from memsection.content.layouts import Layout, LayoutText, layout, layout_in
from memsection.vocabulary.arguments import object_name, whole_number
from memsection.vocabulary.errors import ArgumentError, CorruptError, Error, WaitTimeoutError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memsection.api.view import View
    from memsection.content.layouts import Spec


__all__ = ["Reader", "Writer", "create", "from_section", "open", "open_async"]


def _public(failure: ValueError | TimeoutError) -> Error:
    """The library's own exception for what the core raised."""
    return (WaitTimeoutError if isinstance(failure, TimeoutError) else ArgumentError)(str(failure))


class _Endpoint(Endpoint, Changing):
    """What both ends have.  ``wait_any`` takes them beside mutexes, events, semaphores and
    processes."""

    def __init__(
        self, section: Section, view: View, lock: seqlock.Latest, kind: Layout | None
    ) -> None:
        super().__init__(section, view)
        self.layout = kind  #: of the value; None for bytes
        self._lock = lock
        self._seen = 0  # the number of the value that this end read last

    @property
    def capacity(self) -> int:
        """Bytes that a value may have."""
        return self._lock.capacity

    @property
    def sequence(self) -> int:
        """The number of the newest complete value, from 1; 0 while there is none.

        Rights:
            None.

        Raises:
            ArgumentError: It is closed (ValueError).
        """
        try:
            return self._lock.sequence
        except ValueError as failure:
            raise _public(failure) from None

    def read(self, timeout: float = 1.0) -> Any:
        """The newest complete value, None when none was written yet: a record, or bytes when there
        is no layout.

        It does not wait for the writer; the timeout is for a writer that overtakes every attempt to
        copy.

        Rights:
            None.

        Raises:
            WaitTimeoutError: The writer was always faster, or somebody else scribbled on the memory
                (TimeoutError).
            ArgumentError: It is closed (ValueError).
        """
        try:
            found = self._lock.read(timeout)
        except (ValueError, TimeoutError) as failure:
            raise _public(failure) from None
        if found is None:
            return None
        self._seen = found[0]
        return found[1] if self.layout is None else self._unpacked(found[1])

    def read_numbered(self, timeout: float = 1.0) -> tuple[int, Any] | None:
        """As ``read``, with the value's number: a reader sees whether it is new, and how many it
        missed.

        Rights:
            None.

        Raises:
            WaitTimeoutError: As ``read``.
            ArgumentError: As ``read``.
        """
        try:
            found = self._lock.read(timeout)
        except (ValueError, TimeoutError) as failure:
            raise _public(failure) from None
        if found is None:
            return None
        self._seen = found[0]
        return found if self.layout is None else (found[0], self._unpacked(found[1]))

    def _unpacked(self, raw: bytes) -> Any:
        assert self.layout is not None
        if len(raw) != self.layout.size:
            raise CorruptError(f"latest value: {len(raw)} bytes, a record has {self.layout.size}")
        return self.layout.unpack_from(raw)

    def read_into(self, target: Any, timeout: float = 1.0) -> tuple[int, int] | None:
        """As ``read``, as bytes into a buffer of the caller's: the value's number and length.

        Rights:
            None.

        Raises:
            WaitTimeoutError: As ``read``.
            ArgumentError: As ``read``; or the value is longer than the buffer.
        """
        try:
            found = self._lock.read_into(target, timeout)
        except (ValueError, TimeoutError) as failure:
            raise _public(failure) from None
        if found is not None:
            self._seen = found[0]
        return found

    def wait(self, after: int | None = None, timeout: float | None = None) -> bool:
        """Wait until there is a value newer than the one this end read last.

        Args:
            after: The number of a value; newer than that one.  0 for any value.
            timeout: Seconds; for ever when omitted, only a look when 0.

        Returns:
            Whether there is one; False when the time was up.  A writer that ends wakes nobody: see
            ``writer_alive``.

        Rights:
            None.

        Raises:
            ArgumentError: It is closed (ValueError).
            TypeError: A number that is no int, or a timeout that is no number.

        Platforms:
            Windows: looks again every few milliseconds, because sections cannot be waited for.
        """
        return self._wait(after, timeout)

    async def wait_async(self, after: int | None = None, timeout: float | None = None) -> bool:
        """As ``wait``, without blocking the event loop, and without a thread for this wait.

        Rights:
            None.

        Raises:
            ArgumentError: It is closed (ValueError).
            TypeError: As ``wait``.
        """
        return await self._wait_async(after, timeout)

    def _awaited(self, after: int | None) -> tuple[memoryview, int]:
        self.sequence  # noqa: B018  # a closed end is an error here
        at = seqlock.NUMBER_AT
        return memoryview(self._view)[at : at + 8], self._seen if after is None else max(
            0, whole_number(after, "after")
        )

    def _has_risen(self, above: int) -> bool:
        return self.sequence > above

    @property
    def writer_alive(self) -> bool:
        """Whether some process, this one included, has an end that writes.

        It says nothing of whether that process gets on; and who may open the value to read can
        pretend to write.

        Rights:
            None.

        Raises:
            HandleError: It is closed.
            Error: A system other than Linux.

        Platforms:
            Windows: does not tell.
        """
        return self.section._has_writer()

    def __reduce__(self) -> tuple[Any, ...]:
        """The same end in whatever process takes it, through any pickler; the handle travels as a
        section's does."""
        return _rebuild, (
            self.section,
            None if self.layout is None else self.layout._spec,
            isinstance(self, Writer),
        )

    def close(self) -> None:
        self._lock.close()
        super().close()

    close.__doc__ = Endpoint.close.__doc__


class Reader(_Endpoint):
    """One of many ends that read; made by ``open``."""


class Writer(_Endpoint):
    """The end that writes, and can read too; made by ``create``, or by ``open`` for one that takes
    over."""

    def __init__(
        self, section: Section, view: View, lock: seqlock.Latest, kind: Layout | None
    ) -> None:
        super().__init__(section, view, lock, kind)
        self._announcement = section._announce_writer()

    def close(self) -> None:
        super().close()
        if self._announcement is not None:
            self._announcement.close()

    close.__doc__ = _Endpoint.close.__doc__

    def write(self, value: Any) -> None:
        """Publish a value: a record, or bytes when there is no layout.  Never waits for readers.

        Rights:
            None: what the handle permitted when it was opened.

        Raises:
            ArgumentError: It does not fit, or this end is closed (ValueError).
        """
        if self.layout is not None:
            raw = bytearray(self.layout.size)
            self.layout.pack_into(raw, 0, value)
            value = raw
        try:
            self._lock.write(value)
        except ValueError as failure:
            raise _public(failure) from None

    @contextmanager
    def writing(self, length: int | None = None) -> Iterator[memoryview]:
        """Make the next value in place:
        ``with latest.writing() as memory: camera.readinto(memory)``.

        It is published at the end of the block, and not at all if the block ends with an exception.

        Args:
            length: Bytes of the value; the whole capacity when omitted.

        Rights:
            None: what the handle permitted when it was opened.

        Raises:
            ArgumentError: It is longer than the capacity, or this end is closed (ValueError).
        """
        size = self.capacity if length is None else whole_number(length, "length")
        if not 0 <= size <= self.capacity:
            raise ArgumentError(
                f"latest value: asked for {size} bytes, at most {self.capacity} fit"
            )
        try:
            at = self._lock.begin()
        except ValueError as failure:
            raise _public(failure) from None
        with memoryview(self._view) as whole, whole[at : at + size] as part:
            yield part
        try:
            self._lock.commit(size)
        except ValueError as failure:
            raise _public(failure) from None


def _spec(spec: Spec | int) -> tuple[Layout | None, int]:
    if isinstance(spec, int):
        if spec < 1:
            raise ArgumentError(f"latest value: asked for {spec} bytes, it has at least one")
        return None, spec
    kind = layout(spec)
    return kind, kind.size


@whole
def create(
    name: str | None,
    spec: Spec | int,
    *,
    slots: int = seqlock.SLOTS,
    version: int = 0,
    exist_ok: bool = False,
    inheritable: bool = False,
    security: Security | str | bytes | None = None,
) -> Writer:
    """Make a latest value, of which there is none yet; the caller is its writer.

    Args:
        name: What readers open it by; None for one that is only passed on. spec: Its layout (see
        ``records.layout``), or how many bytes it has at most. slots: How many values the writer
        goes round over.  A reader has the time of ``slots - 1`` writes for one copy. version: A
        number of the program's own. exist_ok: Whether a latest value that has the name already,
        because readers wait there, is gone on with, if it is
            as asked for but for the slots.
        inheritable: Whether child processes get the handle.
        security: Who may open it by name; this user alone when omitted.

    Rights:
        As for ``Section.create``.

    Raises:
        ExistsError: The name is taken (FileExistsError).
        ArgumentError: No such layout or number of slots can be; or what exists differs, and the
            error shows both (ValueError).
        CommitError: More memory than there is (MemoryError).
    """
    object_name(name)
    (kind, capacity), slots = _spec(spec), whole_number(slots, "slots")
    facts: schema.Facts = {
        "kind": "latest",
        "capacity": capacity,
        "slots": slots,
        "version": version,
    }
    if kind is not None:
        facts |= {
            "name": kind.name,
            "type": schema.to_json(kind.struct),
            "fingerprint": kind.fingerprint,
        }
    return _make(name, kind, facts, exist_ok=exist_ok, inheritable=inheritable, security=security)


def _make(
    name: str | None,
    kind: Layout | None,
    facts: schema.Facts,
    *,
    exist_ok: bool = False,
    inheritable: bool = False,
    security: Security | str | bytes | None = None,
) -> Writer:
    """``create``, of what a description says that is ready to be written; for other modules of this
    package."""
    capacity, slots = facts["capacity"], facts["slots"]
    try:
        size = seqlock.size(capacity, slots)
    except (ValueError, OverflowError) as failure:
        raise ArgumentError(str(failure)) from None

    def fill(unwritten: schema.UnwrittenSection) -> None:
        seqlock.Latest(unwritten.memory, writable=True, capacity=capacity, slots=slots).close()

    section, view = schema.make(
        name, size, facts, exist_ok=exist_ok, inheritable=inheritable, security=security, fill=fill
    )
    if not section.created:
        view.close()
        return from_section(section, kind or capacity, write=True, version=facts["version"])  # type: ignore[no-any-return]
    with closed_on_failure(section):
        return Writer(section, view, seqlock.Latest(view, writable=True), kind)


@whole
def open(
    name: str,
    spec: Spec | int | None = None,
    *,
    write: bool = False,
    version: int | None = None,
    timeout: float | None = 0,
) -> Any:
    """Open a latest value by its name.

    Args:
        name: As given to ``create``. spec: The layout or the capacity that it should have; what it
        has when omitted. write: Whether to be the writer from now on, after the one before has
        ended. version: What it should be. timeout: Seconds to wait until something has the name;
        not at all when omitted, for ever when None.

    Returns:
        A ``Reader``, or a ``Writer``.

    Rights:
        As for ``Section.open`` with access ``"r"``, or ``"rw"`` to write.

    Raises:
        NotFoundError: Nothing has this name (FileNotFoundError).
        NameTimeoutError: Nothing had it within the time; a ``NotFoundError`` and a
            ``WaitTimeoutError``.
        AccessError: It does not grant the access (PermissionError).
        ArgumentError: It is not as it should be, and the error shows both; or it is no latest value
            (ValueError).
        CorruptError: The description makes no sense.
    """
    section = open_section(name, "rw" if write else "r", timeout)
    return from_section(section, spec, write=write, version=version)


async def open_async(
    name: str,
    spec: Spec | int | None = None,
    *,
    write: bool = False,
    version: int | None = None,
    timeout: float | None = None,
) -> Any:
    """As ``open``, waiting for the name without blocking the event loop, for ever when ``timeout``
    is omitted.

    Rights:
        As for ``open``.

    Raises:
        NameTimeoutError: Nothing had the name within the time.
        Error: As ``open`` otherwise.
    """
    section = await open_section_async(name, "rw" if write else "r", timeout)
    return from_section(section, spec, write=write, version=version)


@whole
def from_section(
    section: Section,
    spec: Spec | int | None = None,
    *,
    write: bool = False,
    version: int | None = None,
) -> Any:
    """The latest value in a section that came by any other way; closing it closes the section.

    Args:
        section: Closed at once if this fails.
        spec: The layout or the capacity that it should have; what it has when omitted.
        write: Whether to be the writer from now on.
        version: What it should be.

    Rights:
        ``SECTION_QUERY`` and ``SECTION_MAP_READ``, and ``SECTION_MAP_WRITE`` to write.

    Raises:
        ArgumentError: It is not as it should be, and the error shows both; or it is no latest value
            (ValueError).
        CorruptError: The description makes no sense.
    """
    with closed_on_failure(section):
        view, facts, _ = schema.attach(section, "latest", access="rw" if write else "r")
        found = layout_in(facts) if "type" in facts else None
        asked, capacity = (None, None) if spec is None else _spec(spec)
        try:
            lock = seqlock.Latest(view, writable=write)
        except ValueError as failure:
            raise CorruptError(f"open {section.name!r}: {failure}") from None
        if found is not None and found.size > lock.capacity:
            raise CorruptError(
                f"open {section.name!r}: records of {found.size} bytes, {lock.capacity} fit"
            )
        schema.compare(
            section,
            {
                "layout": None if asked is None else LayoutText(asked),
                "capacity": capacity,
                "version": version,
            },
            {
                "layout": "none" if found is None else LayoutText(found),
                "capacity": lock.capacity,
                "version": facts.get("version"),
            },
        )
        return (Writer if write else Reader)(section, view, lock, asked or found)


@whole
def _rebuild(section: Section, spec: Spec | None, write: bool) -> Any:
    """Unpickle; an argument that a worker got is closed when the worker forgets it."""
    again = from_section(section, spec, write=write)
    again._held = Held(section)
    return again
