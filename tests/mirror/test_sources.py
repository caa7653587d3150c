# SPDX-License-Identifier: MIT
"""What a publisher reads, and when it looks: no network here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from memsection import ArgumentError, Section, View, arrays, latest
from memsection.mirror import cadence, sources
from memsection.mirror.cadence import Cadence
from memsection.mirror.sources import Latest, OvertakenError, Snapshot, section_of, source_of
from memsection.mirror.streams import pieces_of
from memsection.mirror.wire import CHUNK, FRAME, messages

SIZE = 2 * CHUNK + 10


@pytest.fixture
def source() -> Iterator[tuple[latest.Writer, Latest]]:
    """The two ends of a large value."""
    with latest.create("frame", SIZE) as writer:
        found = Latest(writer.section.duplicate("r"))
        try:
            yield writer, found
        finally:
            found.close()


def sent(snapshot: Snapshot) -> bytes:
    """All parts, each copied before the next one is asked for."""
    return b"".join(map(bytes, snapshot.pieces()))


@pytest.mark.parametrize("later", [1, 2, 3])
def test_a_large_value_that_is_being_sent_stays_as_it_was(
    later: int, source: tuple[latest.Writer, Latest]
) -> None:
    writer, reader = source
    assert reader.take() is None
    writer.write(b"a" * (SIZE - 5) + b"12345")
    first = reader.take()
    assert first is not None
    pieces = iter(first.pieces())
    found = [bytes(next(pieces))]
    for _ in range(later):
        writer.write(b"b" * (SIZE - 1))
    second = reader.take()
    assert second is not None
    found.append(bytes(next(pieces)))
    for _ in range(9 * (later > 1)):  # it was copied when two more had been written
        writer.write(b"c")
    found += map(bytes, pieces)
    assert b"".join(found) == b"a" * (SIZE - 5) + b"12345"
    assert [len(piece) for piece in found] == [CHUNK, CHUNK, 10]
    assert (first.sequence, second.sequence, second.size) == (1, 1 + later, SIZE - 1)
    if later == 1:
        assert sent(second) == b"b" * (SIZE - 1)


def test_of_a_value_that_was_overtaken_no_part_is_sent_and_then_all_are_copied_first(
    source: tuple[latest.Writer, Latest],
) -> None:
    writer, reader = source
    writer.write(b"a" * SIZE)
    first = reader.take()
    assert first is not None
    pieces = iter(first.pieces())
    assert bytes(next(pieces)) == b"a" * CHUNK
    for _ in range(9):
        writer.write(b"b" * SIZE)
    with pytest.raises(OvertakenError):
        next(pieces)
    second = reader.take()
    assert second is not None
    for _ in range(9):
        writer.write(b"c" * SIZE)
    assert sent(second) == b"b" * SIZE


def test_several_pulls_of_a_value_have_one_copy_of_it(source: tuple[latest.Writer, Latest]) -> None:
    writer, reader = source
    writer.write(b"a" * SIZE)
    first = reader.take()
    assert first is not None
    pulls = [iter(first.pieces()) for _ in range(3)]
    found = [bytes(next(one)) for one in pulls]
    for _ in range(2):
        writer.write(b"b" * SIZE)
    found = [part + bytes(next(one)) for part, one in zip(found, pulls, strict=True)]
    for _ in range(9):
        writer.write(b"b" * SIZE)
    assert {part + bytes(next(one)) for part, one in zip(found, pulls, strict=True)} == {
        b"a" * SIZE
    }


def test_the_memory_of_a_large_value_that_was_sent_serves_the_next_one() -> None:
    # In two slots every write comes near: each value is copied.
    with latest.create("frame", SIZE, slots=2) as writer:
        source = Latest(writer.section.duplicate("r"))
        try:
            places = set()
            for number in range(20):
                writer.write(bytes([number]) * SIZE)
                found = source.take()
                assert found is not None
                assert sent(found) == bytes([number]) * SIZE
                places.add(id(found._memory))  # type: ignore[attr-defined]
                del found
            assert len(places) == 1
            held = [source.take() for _ in range(3)]
            assert len({id(one._memory) for one in held}) == 3  # type: ignore[union-attr]
        finally:
            source.close()


def test_an_array_that_grows_is_refused_rather_than_left_short() -> None:
    with section_of(arrays.create(None, 3, maximum=10)) as section:
        with pytest.raises(ArgumentError, match="an array that grows"):
            source_of(section, "rows")
    source, facts = source_of(section_of(arrays.create(None, 3)), "row")
    assert facts["shape"] == [3]
    source.close()


def test_looks_are_close_when_news_is_due_and_rare_when_there_was_none() -> None:
    looks = Cadence()
    assert looks.pause(5.0) == cadence.IDLE
    looks.news(10.0)
    assert looks.pause(10.0) == cadence.BUSY  # no rhythm yet
    looks.news(10.010)
    assert looks.pause(10.011) == cadence.BUSY
    assert looks.pause(10.01990) == pytest.approx(0.00005)
    assert looks.pause(10.02) == cadence.CLOSEST
    assert looks.pause(10.0203) == cadence.CLOSEST  # late, but not much
    assert looks.pause(10.021) == cadence.BUSY  # the rhythm has ended
    looks.news(10.043)
    assert looks.pause(10.050) == pytest.approx(0.00033)  # a hundredth of the rhythm
    assert looks.pause(10.0758) == pytest.approx(0.0001)
    looks.news(10.010)
    assert looks.is_lively(10.4)
    assert not looks.is_lively(10.6)
    assert looks.pause(10.6) == cadence.IDLE


def test_looks_that_are_planned_end_before_news_is_due_and_soon_after_that() -> None:
    for interval in (0.00001, 0.0007, 0.02, 0.4):
        looks, now = Cadence(), 3.0
        assert looks.plan(now) == (cadence.IDLE, 4)
        looks.news(now)
        looks.news(now := now + interval)
        due = now + interval
        while now < due:
            pause, times = looks.plan(now)
            assert times == 1 or now + pause * times <= due
            now += pause * times
        pause, times = looks.plan(due + 0.001)
        assert pause == looks.pause(due + 0.001) and pause * times <= 0.01
    assert looks.plan(now + 9) == (cadence.IDLE, 4)


def test_the_next_look_comes_in_time_whatever_the_rhythm_is() -> None:
    for interval in (0.00001, 0.0007, 0.02, 0.4):
        looks, now = Cadence(), 3.0
        looks.news(now)
        looks.news(now := now + interval)
        due = now + interval
        while now < due:
            pause = looks.pause(now)
            assert cadence.CLOSEST <= pause <= max(cadence.BUSY, min(interval / 99, cadence.IDLE))
            now += pause
        assert now - due <= max(cadence.CLOSEST, interval / 499)


def test_messages_of_any_length_travel_in_parts_of_at_most_a_chunk() -> None:
    for lengths in (
        (0,),
        (CHUNK - FRAME,),
        (CHUNK - FRAME - 1, 5),
        (CHUNK - FRAME - FRAME, 0, 7),
        (3, 2 * CHUNK, 0, CHUNK),
    ):
        entries = [(2 + n, n, bytes([n]) * length) for n, length in enumerate(lengths)]
        pieces = list(pieces_of(entries))
        assert all(0 < len(piece) <= CHUNK for piece in pieces)
        found = messages(memoryview(b"".join(pieces)), 1 + len(entries))
        assert [(sequence, kind, bytes(message)) for sequence, kind, message in found] == entries


@pytest.fixture
def block() -> Iterator[tuple[View, sources.Block]]:
    """A plain section of three parts and a bit, and the source in it."""
    with Section.create(size=3 * CHUNK + 5) as section, section.map() as view:
        source = sources.Block(section.duplicate("r"), 3 * CHUNK + 5)
        yield view, source
        source.close()


def _content(source: sources.Block) -> bytes:
    found = source.take()
    assert found is not None
    return b"".join(bytes(part or b"") for part in found.pieces())


def test_who_was_stopped_in_the_middle_of_writing_makes_no_snapshot(
    block: tuple[View, sources.Block], monkeypatch: pytest.MonkeyPatch
) -> None:
    view, source = block
    half = 2 * CHUNK
    view[:half] = b"n" * half  # and here the system stops it

    def go_on(_: float) -> None:
        view[half : source._size] = b"n" * (source._size - half)

    monkeypatch.setattr(sources.time, "sleep", go_on)
    assert source.look()
    assert _content(source) == b"n" * source._size


def test_who_writes_a_little_without_a_rest_is_sent_all_the_same(
    block: tuple[View, sources.Block], monkeypatch: pytest.MonkeyPatch
) -> None:
    view, source = block
    times: list[float] = []

    def count(seconds: float) -> None:
        times.append(seconds)
        view[0] = len(times) % 256

    monkeypatch.setattr(sources, "LOOK", 60.0)
    monkeypatch.setattr(sources.time, "sleep", count)
    assert source.look()
    assert set(times) == {sources.REST} and _content(source)[0] == len(times)


def test_who_writes_during_a_copy_has_to_rest_before_a_commit_counts(
    block: tuple[View, sources.Block], monkeypatch: pytest.MonkeyPatch
) -> None:
    view, source = block
    whole, times = sources.Block._parts, [0]

    def disturbed(self: sources.Block) -> list[bytes]:
        parts = whole(self)
        times[0] += 1
        if times[0] == 1:
            view[CHUNK] = 1
        return parts

    monkeypatch.setattr(sources.Block, "_parts", disturbed)
    slept: list[float] = []
    monkeypatch.setattr(sources.time, "sleep", slept.append)
    assert source.commit() == 1
    assert slept == [0.001, sources.REST]
    assert source.commit() == 2 and slept[2:] == [sources.REST]


def test_an_undisturbed_commit_waits_for_nothing(
    block: tuple[View, sources.Block], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, source = block
    slept: list[float] = []
    monkeypatch.setattr(sources.time, "sleep", slept.append)
    assert source.commit() == 1 and not slept
