# SPDX-License-Identifier: MIT
"""A game in Wine: a Windows program that nobody prepared, in the prefix of tools/wine.py."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
_spec = importlib.util.spec_from_file_location("wine_tool", HERE.parents[1] / "tools" / "wine.py")
assert _spec is not None and _spec.loader is not None
tool = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tool)


class Game:
    """The running game: a request goes there, an answer comes back."""

    def __init__(
        self, executable: Path, prefix: Path, suffix: str = "", wrap: tuple[str, ...] = ()
    ) -> None:
        self.prefix = str(prefix)
        self.process = subprocess.Popen(
            [*wrap, *tool.loader(), str(executable), *filter(None, [suffix])],
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**tool.environment(), "WINEPREFIX": self.prefix},
        )
        assert self.line() == "ready"

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def ask(self, request: str) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write(request + "\n")
        self.process.stdin.flush()
        return self.line()

    def end(self) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture(scope="session")
def executable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("wine") is None or shutil.which(tool.COMPILER) is None:
        reason = f"needs wine and {tool.COMPILER}; tools/wine.py programs installs them"
        if "windows" in os.environ.get("MEMSECTION_REQUIRE", ""):
            pytest.fail(reason)
        pytest.skip(reason)
    tool.CACHE.mkdir(parents=True, exist_ok=True)
    output = tmp_path_factory.mktemp("game") / "game.exe"
    subprocess.run(
        [
            tool.COMPILER,
            "-std=gnu11",
            "-O2",
            "-Wall",
            "-Wextra",
            str(HERE / "game.c"),
            "-o",
            str(output),
        ],
        check=True,
    )
    return output


@pytest.fixture
def second_prefix() -> Path:
    """A prefix for the game in a container, where the first one's server is out of sight."""
    return Path(tool.CACHE) / "wine-prefix-in-a-container"


@pytest.fixture
def start(executable: Path) -> Iterator[Callable[..., Game]]:
    """Starts games, which end with the test; a suffix keeps their names apart."""
    running: list[Game] = []

    def one(suffix: str, prefix: Path | None = None, wrap: tuple[str, ...] = ()) -> Game:
        running.append(
            Game(executable, prefix or Path(tool.environment()["WINEPREFIX"]), suffix, wrap)
        )
        return running[-1]

    yield one
    for game in running:
        if game.process.poll() is None:
            game.end()
        elif game.process.stdout is not None:
            game.process.stdout.close()


@pytest.fixture(scope="module")
def game(executable: Path) -> Iterator[Game]:
    """One game for tests that leave it as it was."""
    one = Game(executable, Path(tool.environment()["WINEPREFIX"]))
    yield one
    one.end()
