# SPDX-License-Identifier: MIT
"""The terminal interface, driven by keys."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator

import pytest
from support import objects
from textual.pilot import Pilot
from textual.widgets import DataTable, Input, Static

from memsection import Event, Mutex, Section
from memsection.cli.top_screen import Inside, Top
from memsection.mirror.status import GONE, Shared


@pytest.fixture
def prefix() -> Iterator[str]:
    """Three objects whose names begin so."""
    prefix = objects.unique_name()
    lock = Mutex.create(f"{prefix}.lock")
    with (
        Section.create(f"{prefix}.small", 4096) as section,
        Section.create(f"{prefix}.large", 1 << 20),
        Event.create(f"{prefix}.event"),
        section.map() as view,
    ):
        view[:5] = b"hello"
        yield prefix
    lock.close()


def drive(steps: Callable[[Top, Pilot[None]], Awaitable[None]]) -> None:
    async def whole() -> None:
        app = Top(0.1, False)
        async with app.run_test(size=(160, 40)) as pilot:
            await steps(app, pilot)

    asyncio.run(whole())


def names(app: Top) -> list[str]:
    table = app.query_one(DataTable)
    return [str(table.get_row_at(row)[0]) for row in range(table.row_count)]


async def type_filter(pilot: Pilot[None], text: str) -> None:
    await pilot.press("slash")
    await pilot.press(*text.replace("-", " ").split(" ")[0])
    pilot.app.query_one("#filter", Input).value = text
    await pilot.pause()


def test_top_shows_sorts_and_filters(prefix: str) -> None:
    async def steps(app: Top, pilot: Pilot[None]) -> None:
        await type_filter(pilot, prefix)
        assert names(app) == [f"{prefix}.{end}" for end in ("event", "large", "lock", "small")]
        await pilot.press("enter")
        await pilot.press("s")
        assert "sorted by size" in app.sub_title
        assert names(app)[:2] == [f"{prefix}.large", f"{prefix}.small"]
        await pilot.press("escape")
        assert app.wanted == ""

    drive(steps)


def test_top_shows_what_a_section_is_a_replica_of(prefix: str) -> None:
    name = f"{prefix}.small"
    shared = Shared(name, "robot/camera")
    try:
        shared.write(sequence=1, heard_ns=time.monotonic_ns() + 60 * 10**9)

        async def steps(app: Top, pilot: Pilot[None]) -> None:
            await type_filter(pilot, "robot/camera")
            assert names(app) == [name]
            assert "replica of robot/camera (live)" in str(app.query_one(DataTable).get_row_at(0))
            shared.write(flags=GONE)
            app.look()
            assert "replica of robot/camera (gone)" in str(app.query_one(DataTable).get_row_at(0))

        drive(steps)
    finally:
        shared.close()


def test_top_looks_inside(prefix: str) -> None:
    async def steps(app: Top, pilot: Pilot[None]) -> None:
        await type_filter(pilot, f"{prefix}.small")
        await pilot.press("enter", "enter")
        assert isinstance(app.screen, Inside)
        await pilot.pause()
        assert "hello" in str(app.screen.query_one("#bytes", Static).render())
        await pilot.press("escape")
        assert not isinstance(app.screen, Inside)

    drive(steps)


def test_top_ends_well_when_it_looks_while_its_screen_is_taken_down(prefix: str) -> None:
    async def steps(app: Top, pilot: Pilot[None]) -> None:
        await app.query_one(DataTable).remove()
        app.look()

    drive(steps)


def test_top_goes_on_when_objects_come_and_go(prefix: str) -> None:
    async def steps(app: Top, pilot: Pilot[None]) -> None:
        await type_filter(pilot, f"{prefix}.late")
        assert names(app) == []
        with Section.create(f"{prefix}.late", 1):
            app.look()
            assert names(app) == [f"{prefix}.late"]
        app.look()
        assert names(app) == []

    drive(steps)


def test_top_shows_what_has_no_name(prefix: str) -> None:
    async def steps(app: Top, pilot: Pilot[None]) -> None:
        with Section.create(size=77 << 12):
            await type_filter(pilot, "308 kib")
            assert names(app) == []
            await pilot.press("enter", "u")
            assert names(app) == ["-"]
            await pilot.press("enter")
            await pilot.pause()
            assert isinstance(app.screen, Inside)

    drive(steps)
