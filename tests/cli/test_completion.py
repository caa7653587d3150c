# SPDX-License-Identifier: MIT
"""What shells complete: subcommands, and the names of objects as each shell wants them typed."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

GLOBAL_NAMES = (
    "import sys\nfrom memsection import Section\n"
    "made = [Section.create(name, 1) for name in "
    r"('Global\\weather', 'Global\\weights', 'Global\\a b', 'Global\\$(x)', 'plain')]"
    "\nprint(1, flush=True)\nsys.stdin.read()"
)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_there_for_the_usual_shells(cli, shell: str) -> None:  # type: ignore[no-untyped-def]
    environment = {**cli.environment, "_MEMSECTION_COMPLETE": f"source_{shell}"}
    done = subprocess.run(
        [sys.executable, "-m", "memsection"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0 and "_MEMSECTION_COMPLETE" in done.stdout


@pytest.mark.linux_only("bash")
@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("Glo", [r"Global\\weather", r"Global\\weights"]),
        ("Global\\", [r"Global\\weather", r"Global\\weights"]),
        (r"Global\\weat", [r"Global\\weather"]),
        (r"'Global\weat", [r"Global\weather"]),
        (r"Global\\x", []),
        ("pl", ["plain"]),
    ],
)
def test_bash_completes_global_names_as_they_have_to_be_typed(  # type: ignore[no-untyped-def]
    cli, typed: str, completed: list[str]
) -> None:
    cli.python(GLOBAL_NAMES)
    cli.environment |= {
        "COMP_WORDS": f"memsection\nshow\n{typed}",
        "COMP_CWORD": "2",
        "_MEMSECTION_COMPLETE": "complete_bash",
    }
    assert cli.run().stdout.decode().split() == completed


@pytest.mark.linux_only("names in a directory of their own")
@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("Glo", [r"Global\\\\weather", r"Global\\\\weights"]),
        (r"Global\\weat", [r"Global\\\\weather"]),
        (r"'Global\weat", [r"Global\\\\weather"]),
        (r"Global\\x", []),
        ("pl", ["plain"]),
    ],
)
def test_the_text_for_zsh_has_each_backslash_four_times(  # type: ignore[no-untyped-def]
    cli, typed: str, completed: list[str]
) -> None:
    cli.python(GLOBAL_NAMES)
    cli.environment |= {
        "_TYPER_COMPLETE_ARGS": f"memsection show {typed}",
        "_MEMSECTION_COMPLETE": "complete_zsh",
    }
    assert re.findall('"([^"]*)"', cli.run().stdout.decode()) == completed


@pytest.mark.linux_only("names in a directory of their own")
@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("Glo", ["Global\\weather", "Global\\weights"]),
        (r"Global\\weat", ["Global\\weather"]),
        (r"'Global\weat", ["Global\\weather"]),
        (r'"Global\\weat', ["Global\\weather"]),
        ("pl", ["plain"]),
    ],
)
def test_the_text_for_fish_is_the_names(  # type: ignore[no-untyped-def]
    cli, typed: str, completed: list[str]
) -> None:
    cli.python(GLOBAL_NAMES)
    cli.environment |= {
        "_TYPER_COMPLETE_ARGS": f"memsection show {typed}",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "_MEMSECTION_COMPLETE": "complete_fish",
    }
    assert cli.run().stdout.decode().split() == completed
