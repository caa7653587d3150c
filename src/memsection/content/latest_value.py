# SPDX-License-Identifier: MIT
"""The two ends of a latest value, and how they are made over a section: how they are opened by a
name is ``latest``'.

How the memory is used is ``_native.seqlock``'s business.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Generic

from memsection._native import seqlock
from memsection.api.operations import whole
from memsection.api.section import Section
from memsection.api.waitable import Changing
from memsection.content import schema
from memsection.content.endpoint import Endpoint, Held, closed_on_failure
from memsection.content.layouts import Layout, LayoutText, layout, layout_in
from memsection.vocabulary.arguments import whole_number
from memsection.vocabulary.errors import ArgumentError, CorruptError, Error, WaitTimeoutError
from memsection.vocabulary.text import about

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import TypeVar

    from memsection.api.view import View
    from memsection.content.layouts import Spec
    from memsection.vocabulary.structs import ObjectAttributes

    Value = TypeVar("Value", default=Any)
else:
    from typing import TypeVar

    Value = TypeVar("Value")

_LAST = (1 << 64) - 1  #: the highest number that a value can have


def _public(failure: ValueError | TimeoutError) -> Error:
    """The library's own exception for what the core raised."""
    return (WaitTimeoutError if isinstance(failure, TimeoutError) else ArgumentError)(str(failure))


class _Endpoint(Endpoint, Changing, Generic[Value]):
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

    def read(self, timeout: float = 1.0) -> Value | Any:
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
        return self._unpack(found[1])

    def read_numbered(self, timeout: float = 1.0) -> tuple[int, Value] | Any:
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
        return found[0], self._unpack(found[1])

    def _unpack(self, raw: bytes) -> Any:
        if self.layout is None:
            return raw
        if len(raw) != self.layout.size:
            raise CorruptError(f"latest value: {len(raw)} bytes, a record has {self.layout.size}")
        return self.layout.unpack_from(raw)

    def read_into(self, target: Any, timeout: float = 1.0) -> tuple[int, int] | Any:
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

    def _awaited_number(self, after: int | None) -> tuple[memoryview, int]:
        self.sequence  # noqa: B018  # a closed end is an error here
        at = seqlock.NUMBER_AT
        return memoryview(self._view)[at : at + 8], self._seen if after is None else min(
            max(0, whole_number(after, "after")), _LAST
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


class Reader(_Endpoint[Value]):
    """One of many ends that read; made by ``open``.

    For type checkers it is generic, as ``Writer`` is: ``open("pose", Pose)`` gives
    ``Reader[Pose]``.
    """


class Writer(_Endpoint[Value]):
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

    def write(self, value: Value) -> None:
        """Publish a value: a record, or bytes when there is no layout.  Never waits for readers.

        Rights:
            None: what the handle permitted when it was opened.

        Raises:
            ArgumentError: It does not fit, or this end is closed (ValueError).
        """
        raw: Any = value
        if self.layout is not None:
            raw = bytearray(self.layout.size)
            self.layout.pack_into(raw, 0, value)
        try:
            self._lock.write(raw)
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


def layout_and_capacity(spec: Spec | int) -> tuple[Layout | None, int]:
    if isinstance(spec, int):
        if spec < 1:
            raise ArgumentError(f"latest value: asked for {spec} bytes, it has at least one")
        return None, spec
    kind = layout(spec)
    return kind, kind.size


def make_latest(
    attributes: ObjectAttributes | None, kind: Layout | None, facts: schema.Facts
) -> Writer[Any]:
    """The writer of a new latest value with these facts, or of one that has the name already."""
    capacity, slots = facts["capacity"], facts["slots"]
    try:
        size = seqlock.size(capacity, slots)
    except (ValueError, OverflowError) as failure:
        raise ArgumentError(str(failure)) from None

    def fill(unwritten: schema.UnwrittenSection) -> None:
        seqlock.Latest(unwritten.memory, writable=True, capacity=capacity, slots=slots).close()

    section, view = schema.make(attributes, size, facts, fill=fill)
    if not section.created:
        view.close()
        found: Writer[Any] = latest_in(section, kind or capacity, True, facts["version"])
        return found
    with closed_on_failure(section):
        return Writer(section, view, seqlock.Latest(view, writable=True), kind)


@whole
def latest_in(
    section: Section, spec: Spec | int | None, write: bool, version: int | None = None
) -> Any:
    """An end over a section that should have a latest value, which is closed if it is not as asked
    for.

    Raises:
        ArgumentError: It is not; or there is no latest value (ValueError).
        CorruptError: The description makes no sense.
    """
    with closed_on_failure(section):
        view, facts, _ = schema.attach(section, "latest", access="rw" if write else "r")
        found = layout_in(facts) if "type" in facts else None
        asked, capacity = (None, None) if spec is None else layout_and_capacity(spec)
        try:
            lock = seqlock.Latest(view, writable=write)
        except ValueError as failure:
            raise CorruptError(f"{about('open', section.name)}: {failure}") from None
        if found is not None and found.size > lock.capacity:
            raise CorruptError(
                f"{about('open', section.name)}: records of {found.size} bytes, {lock.capacity} fit"
            )
        had = "none" if found is None else LayoutText(found)
        schema.compare(
            section,
            {"layout": asked and LayoutText(asked), "capacity": capacity, "version": version},
            {"layout": had, "capacity": lock.capacity, "version": facts.get("version")},
        )
        return (Writer if write else Reader)(section, view, lock, asked or found)


@whole
def _rebuild(section: Section, spec: Spec | None, write: bool) -> Any:
    """Unpickle; an argument that a worker got is closed when the worker forgets it."""
    again = latest_in(section, spec, write)
    again._held = Held(section)
    return again
