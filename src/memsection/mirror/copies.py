# SPDX-License-Identifier: MIT
"""The local section of a replica: how a snapshot that arrives in parts becomes visible as a whole.

A latest value keeps its section, and each snapshot becomes its next value; a topic keeps it too,
and messages are sent there.  Of everything else each snapshot is a new section, which takes the
name from the one before when it is complete (L7): who has an old one keeps it as it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from memsection import latest
from memsection.api.section import Section
from memsection.api.view import View
from memsection.content import schema
from memsection.content.latest_value import make_latest
from memsection.mirror import contents
from memsection.vocabulary import access as a
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import CommitError, Error, ExistsError, NotFoundError

if TYPE_CHECKING:
    from memsection.channels.relay import Sink
    from memsection.mirror.streams import Arriving
    from memsection.vocabulary.structs import ObjectAttributes

#: Others of this user, and this user in other programs, may read; who carries the replica next may
#: take its name.
_RIGHTS = a.SECTION_QUERY | a.SECTION_MAP_READ | a.DELETE | a.READ_CONTROL | a.WRITE_DAC
_READERS, _WRITERS = f"D:(A;;{_RIGHTS:#x};;;OW)", "D:(A;;GA;;;OW)"


def explain(failure: Exception) -> Error:
    """The error that a program is told of what came up; CommitError where no room is left, for
    memory or for a name."""
    if isinstance(failure, MemoryError) and not isinstance(failure, Error):
        return CommitError("replica: no memory is left in this process")
    if not isinstance(failure, Error):
        return Error(f"mirror: {failure}")
    if failure.ntstatus == st.DISK_FULL:
        return CommitError(str(failure.strerror))
    return failure


class Copy:
    """The section of one replica, for the process that carries it."""

    def __init__(self, name: str, key: str) -> None:
        self._name, self._key = name, key
        self._facts: schema.Facts = {}
        self._said: schema.Facts | None = None  #: the facts that became these
        self._section: Section | None = None  #: the one that has the name
        self._writer: latest.Writer | None = None
        self._sink: Sink | None = None
        self._spare: list[bytearray] = []  #: for messages that arrive next
        self._adopt()

    def _adopt(self) -> None:
        """Go on with the section that a process before this one has left to its readers and to
        us."""
        try:
            self._section = Section.open(self._name, access=_RIGHTS)
        except NotFoundError:
            return
        self._facts = {
            key: value
            for key, value in (schema.describe(self._section) or {}).items()
            if key != "size"
        }
        if self._facts.get("kind") == contents.LATEST:
            self._section.security = _WRITERS
            try:
                whole = Section.open(self._name, access="rw")
            finally:
                self._section.security = _READERS
            self._writer = latest.from_section(whole, write=True)
        elif self._facts.get("kind") == contents.TOPIC:
            opened, _ = open_as(self._name, self._key)
            self._sink = None if isinstance(opened, Section) else opened

    def begin(
        self, facts: schema.Facts, size: int, after: int, last: int
    ) -> _Value | _Fresh | Arriving:
        """A place for a content of so many bytes; of a topic, of messages up to ``last``, where
        those up to ``after`` are here.

        Raises:
            CommitError: There is no memory for it.
        """
        if facts["kind"] == contents.TOPIC:
            from memsection.mirror.streams import Arriving  # channels, which not every system has

            return Arriving(self._topic(facts), facts, size, after, last, self._spare)
        return (
            _Value(self._latest(facts), size)
            if facts["kind"] == contents.LATEST
            else _Fresh(self, facts, size)
        )

    def put(self, facts: schema.Facts, content: bytes, after: int, last: int) -> int:
        """Publish a content that is here whole; how many snapshots or messages it is."""
        if facts["kind"] == contents.LATEST:
            self._latest(facts)._lock.write(content)
            return 1
        place = self.begin(facts, len(content), after, last)
        try:
            place.memory[:] = content
            return place.publish()
        finally:
            place.close()

    def _is_same(self, facts: schema.Facts) -> bool:
        if facts is not self._said:
            if self._facts != self._with_key(facts):
                return False
            self._said = facts
        return True

    def _with_key(self, facts: schema.Facts) -> schema.Facts:
        return {**facts, "replica": self._key}

    def _latest(self, facts: schema.Facts) -> latest.Writer:
        if self._writer is None or not self._is_same(facts):
            fresh = make_latest(_for_readers(), contents.layout_of(facts), self._with_key(facts))
            self._follow(fresh, facts)
            self._writer = fresh
        return self._writer

    def _topic(self, facts: schema.Facts) -> Sink:
        if self._sink is None or not self._is_same(facts):
            from memsection.channels.relay import Sink

            fresh = Sink.make(self._with_key(facts))
            self._follow(fresh, facts)
            self._sink = fresh
        return self._sink

    def _follow(self, fresh: latest.Writer | Sink, facts: schema.Facts) -> None:
        """Have it take the name of what was there."""
        try:
            self._take_name(fresh.section)
        except BaseException:
            fresh.close()
            raise
        self._leave()
        self._section, self._facts, self._said = fresh.section, self._with_key(facts), facts

    def _leave(self) -> None:
        """Close what something else has taken the place of; who receives from a topic is told."""
        writer, self._writer, sink, self._sink = self._writer, None, self._sink, None
        if writer is not None:
            writer.close()
        if sink is not None:
            sink.end()

    def _take_name(self, section: Section) -> None:
        try:
            section.take_name(self._name, predecessor=self._section)
        except ExistsError:
            raise ExistsError(
                f"subscribe {self._key!r} as {self._name!r}: something else has this name; "
                f"choose another "
                "(name=..., --as)"
            ) from None
        owner = self._writer if self._writer is not None else self._sink
        if self._section is not None and (owner is None or self._section is not owner.section):
            self._section.close()

    def _publish(self, section: Section, facts: schema.Facts) -> None:
        self._take_name(section)
        self._leave()
        self._section, self._facts, self._said = section, facts, None

    def close(self) -> None:
        """Let go; the name goes with the last reader."""
        if self._writer is not None:
            self._writer.close()
        if self._sink is not None:
            self._sink.close()
        if self._section is not None:
            self._section.close()


def open_as(name: str, key: str) -> tuple[Sink | Section | None, bool]:
    """What keeps the replica of a key as it is while somebody else carries it, None where the name
    is something else's; and whether all snapshots of an epoch are in it.

    Of a topic it is an end: as long as one is there the subscribers' messages have not come to
    their end, whoever carries the replica.  Of everything else it is a handle.
    """
    found = Section.open(name, access=_RIGHTS)
    try:
        facts = schema.describe(found) or {}
        if facts.get("kind") == contents.TOPIC and facts.get("replica") == key:
            from memsection.channels.relay import Sink

            found.close()
            return Sink.of(Section.open(name, access="rw")), True
    except BaseException:
        found.close()
        raise
    if facts and facts.get("replica") != key:
        found.close()
        return None, False
    return found, facts.get("kind") == contents.LATEST


class _Value:
    """The place of the next value of a latest value."""

    def __init__(self, writer: latest.Writer, size: int) -> None:
        self._lock, self._size = writer._lock, size
        at = self._lock.begin()
        self._view = memoryview(writer._view)
        self.memory = self._view[at : at + size]

    def publish(self) -> int:
        """Make it the newest value."""
        self._lock.commit(self._size)
        return 1

    def close(self) -> None:
        """Let go of the memory; what was not published never was there."""
        self.memory.release()
        self._view.release()


def _for_readers() -> ObjectAttributes | None:
    """Of a section without a name, which others may read."""
    return schema.section_attributes(None, security=_READERS)


class _Fresh:
    """A new section that becomes the replica when it is published."""

    def __init__(self, copy: Copy, facts: schema.Facts, size: int) -> None:
        self._copy, self._published = copy, False
        if facts["kind"] == contents.RAW:
            self._facts: schema.Facts = {}
            self._section = Section.create(None, size, security=_READERS)
            self._view: View = self._section.map()
        else:
            self._facts = copy._with_key(facts)
            self._section, self._view = schema.make(_for_readers(), size, self._facts)
        self._whole = memoryview(self._view)
        self.memory = self._whole[:size]

    def publish(self) -> int:
        """Give it the name."""
        self._copy._publish(self._section, self._facts)
        self._published = True
        return 1

    def close(self) -> None:
        """Let go of the memory, and of the section if it was not published."""
        self.memory.release()
        self._whole.release()
        self._view.close()
        if not self._published:
            self._section.close()


def free(name: str, key: str) -> None:
    """ExistsError where something that is no replica of the key has the name.

    A replica that its readers keep has outlived who carried it, and is gone on with.  Of plain
    bytes nothing says what they are a replica of.

    Raises:
        ExistsError: It is taken.
    """
    try:
        with Section.open(name, access=_RIGHTS) as found:
            if (schema.describe(found) or {}).get("replica") == key:
                return
    except NotFoundError:
        return
    except Error:
        pass
    raise ExistsError(
        f"subscribe: {name!r} is the name of something else here; choose another (name=..., --as)"
    )
