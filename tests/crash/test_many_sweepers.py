# SPDX-License-Identifier: MIT
"""Many processes meet the same remains of a crash at once: they do not keep each other from
sweeping them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from support.users import SOURCE

LOOKERS, ROUNDS = 8, 12
DIES = "import os; from memsection import Section; s = Section.create('left'); os.kill(os.getpid(), 9)".replace(
    "'left'", "'left', 4096"
)
LOOKS = """
import sys
from memsection import Section
print('ready', flush=True)
for _ in range(ROUNDS):
    sys.stdin.readline()
    section = Section.create('left', 4096, exist_ok=True)
    print('had', flush=True)
    sys.stdin.readline()
    section.close()
    print('closed', flush=True)
""".replace("ROUNDS", str(ROUNDS))


@pytest.mark.invariant("L1")
def test_many_that_meet_the_same_remains_do_not_hinder_each_other(root: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "MEMSECTION_ROOT": root}
    lookers = [
        subprocess.Popen(
            [sys.executable, "-c", LOOKS],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(LOOKERS)
    ]

    def all_say(word: str) -> None:
        for looker in lookers:
            assert looker.stdout is not None
            assert looker.stdout.readline() == word + "\n"

    def tell_all() -> None:
        for looker in lookers:
            assert looker.stdin is not None
            looker.stdin.write("\n")
            looker.stdin.flush()

    try:
        all_say("ready")
        for _ in range(ROUNDS):
            assert subprocess.run([sys.executable, "-c", DIES], env=environment).returncode == -9
            assert os.listdir(f"{root}/memsection-{os.geteuid()}") == ["left"]
            tell_all()
            all_say("had")
            tell_all()
            all_say("closed")
    finally:
        for looker in lookers:
            looker.communicate()
