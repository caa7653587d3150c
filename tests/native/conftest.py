# SPDX-License-Identifier: MIT
"""What the tests of the core's steps share: the compiled core, its objects, and the processes that
use them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from native.channel_steps import Channel
    from native.steps import Actor


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The synchronising core with its steps."""
    from native import steps

    return steps.compile_core(tmp_path_factory.mktemp("steps"))


@pytest.fixture
def kinds() -> dict[int, int]:
    """Descriptor to kind, of every object that the test made."""
    return {}


@pytest.fixture
def make(library: Path, kinds: dict[int, int]) -> Iterator[Callable[..., int]]:
    """Makes objects of a kind; they are gone after the test."""
    from native import steps

    def one(kind: int, **options: object) -> int:
        fd = steps.body(library, kind, **options)  # type: ignore[arg-type]
        kinds[fd] = kind
        return fd

    yield one
    for fd in kinds:
        os.close(fd)


@pytest.fixture
def enter(library: Path, kinds: dict[int, int]) -> Iterator[Callable[..., Actor]]:
    """Brings on actors that know some of the objects made; they are killed after the test."""
    from native.steps import Actor

    actors: list[Actor] = []

    def one(*fds: int, first_slot: int = 0) -> Actor:
        known = {fd: kinds[fd] for fd in fds}
        actors.append(Actor(library, known, first_slot=first_slot))
        return actors[-1]

    yield one
    for actor in actors:
        actor.kill()


@pytest.fixture(scope="session")
def channel_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The core of channels with its steps."""
    from native import channel_steps

    return channel_steps.compile_core(tmp_path_factory.mktemp("channel_steps"))


@pytest.fixture
def make_channel(channel_library: Path) -> Iterator[Callable[..., Channel]]:
    """Makes channels; they are gone after the test."""
    from native.channel_steps import Channel

    made: list[Channel] = []

    def one(**options: int) -> Channel:
        made.append(Channel(channel_library, **options))  # type: ignore[arg-type]
        return made[-1]

    yield one
    for channel in made:
        channel.close()
