# SPDX-License-Identifier: MIT
"""What importing channels brings with it."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import memsection.channels", ["memsection.nt", "memsection._native.ends"]),
        (
            "from memsection.channels import Queue",
            [f"memsection.channels.{module}" for module in ("service", "client", "topic")],
        ),
        (
            "from memsection.channels import Call, Client, Message, Queue, Service, Topic",
            ["numpy", "pyarrow", "asyncio"],
        ),
    ],
)
def test_an_import_of_channels_brings_no_more_than_it_names(
    statement: str, absent: list[str]
) -> None:
    code = f"import sys; {statement}; print([name for name in {absent} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_channels_have_the_names_that_they_say_and_no_others() -> None:
    from memsection import channels

    assert {*channels.__all__} <= {*dir(channels)}
    assert all(getattr(channels, name).__name__ == name for name in channels.__all__)
    with pytest.raises(AttributeError, match=r"'memsection\.channels' has no attribute 'Quueue'"):
        channels.Quueue  # type: ignore[attr-defined]  # noqa: B018
