# SPDX-License-Identifier: MIT
"""A helper is started where Wine's loader has its place: without randomised addresses, and what the
program starts itself has them as before."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from memsection.wine import processes
from memsection.wine.helper import Helper, addresses_not_randomised

RANDOM = Path("/proc/thread-self/personality")
NOT_RANDOM = 0x0040000  # ADDR_NO_RANDOMIZE


def is_random(place: Path = RANDOM) -> bool:
    """Whether a process has its addresses anywhere."""
    return not int(place.read_text(), 16) & NOT_RANDOM


def test_a_helper_has_its_heap_where_wine_does_not_need_the_page(game: object) -> None:
    before = is_random()
    with Helper(processes.choose(game.prefix)) as helper:
        assert not is_random(Path(f"/proc/{helper.pid()}/personality"))
    assert is_random() == before


def test_what_a_thread_starts_alone_is_not_randomised() -> None:
    look = [sys.executable, "-c", f"print(open({str(RANDOM)!r}).read())"]
    with ThreadPoolExecutor(1) as other:
        before = other.submit(is_random).result()
        with pytest.raises(ZeroDivisionError), addresses_not_randomised():
            with addresses_not_randomised():
                child = int(subprocess.run(look, capture_output=True, check=True).stdout, 16)
            assert child & NOT_RANDOM and not is_random()
            assert other.submit(is_random).result() == before
            raise ZeroDivisionError
    assert is_random() == before
