# SPDX-License-Identifier: MIT
"""The logger "memsection" tells what the library did of its own accord."""

from __future__ import annotations

import logging
import os
import subprocess
import sys

import pytest

from memsection import Mutex, NotFoundError, Section

pytestmark = pytest.mark.linux_only("on Windows the kernel does all that")


def _die_with(program: str) -> None:
    subprocess.run([sys.executable, "-c", f"import os, signal\n{program}\nos.kill(os.getpid(), signal.SIGKILL)"], timeout=60)


@pytest.mark.parametrize("scope", ["", "Global\\"])
def test_a_name_that_a_killed_process_left_is_told_of(scope: str, caplog: pytest.LogCaptureFixture) -> None:
    name = f"test-log-{os.getpid()}"
    _die_with(f"from memsection import Section; s = Section.create({scope + name!r}, 4096)")
    with caplog.at_level(logging.DEBUG, "memsection"):
        with pytest.raises(NotFoundError):
            Section.open(scope + name)
    if scope == "":  # a Global one may have been removed before, without a word that reaches here
        assert {(record.name, record.levelname) for record in caplog.records} == {("memsection", "INFO")}
        assert name in caplog.text


def test_a_repaired_mutex_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    name = f"test-log-mutex-{os.getpid()}"
    mutex = Mutex.create(name, repair=lambda error: None)
    _die_with(f"from memsection import Mutex; m = Mutex.open({name!r}); m.acquire()")
    with caplog.at_level(logging.INFO, "memsection"):
        assert mutex.acquire(timeout=30)
    mutex.release()
    mutex.close()
    assert "repaired" in caplog.text and name in caplog.text


def test_nothing_imports_logging_and_nothing_is_said_without_it() -> None:
    program = "import sys; from memsection import Section; Section.create('x', 1).close(); print('logging' in sys.modules)"
    done = subprocess.check_output([sys.executable, "-S", "-c", program],
                                   env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    assert done == b"False\n"
