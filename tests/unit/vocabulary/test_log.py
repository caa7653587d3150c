# SPDX-License-Identifier: MIT
"""The logger "memsection" tells what the library did of its own accord."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from memsection import Mutex, NotFoundError, Section
from memsection.content import schema
from memsection.nt import kernel

pytestmark = pytest.mark.linux_only("on Windows the kernel does all that")


def _die_with(program: str) -> None:
    subprocess.run(
        [
            sys.executable,
            "-c",
            f"import os, signal\n{program}\nos.kill(os.getpid(), signal.SIGKILL)",
        ],
        timeout=60,
    )


@pytest.mark.parametrize("scope", ["", "Global\\"])
def test_a_name_that_a_killed_process_left_is_told_of(
    scope: str, caplog: pytest.LogCaptureFixture
) -> None:
    name = f"test-log-{os.getpid()}"
    _die_with(f"from memsection import Section; s = Section.create({scope + name!r}, 4096)")
    with caplog.at_level(logging.DEBUG, "memsection"):
        with pytest.raises(NotFoundError):
            Section.open(scope + name)
    if scope == "":  # a Global one may have been removed before, without a word that reaches here
        assert {(record.name, record.levelname) for record in caplog.records} == {
            ("memsection", "INFO")
        }
        assert name in caplog.text


def test_a_repaired_mutex_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    name = f"test-log-mutex-{os.getpid()}"
    mutex = Mutex.create(name, repair=lambda error: None)
    _die_with(f"from memsection import Mutex; m = Mutex.open({name!r}); m.acquire()")
    with caplog.at_level(logging.INFO, "memsection"):
        assert mutex.acquire(timeout=60)
    mutex.release()
    mutex.close()
    assert "repaired" in caplog.text and name in caplog.text


def test_nothing_imports_logging_and_nothing_is_said_without_it() -> None:
    program = "import sys; from memsection import Section; Section.create('x', 1).close(); print('logging' in sys.modules)"
    done = subprocess.check_output(
        [sys.executable, "-S", "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done == b"False\n"


def test_a_damaged_description_that_is_passed_over_is_told_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    section, view = schema.make(None, 64, {"kind": "array"})
    with section, view, caplog.at_level(logging.INFO, "memsection"):
        assert schema.describe(section) is not None and not caplog.records
        text = bytes(view).index(b'{"kind"')
        view[text] = 0
        assert schema.describe(section) is None
        assert "its text is damaged" in caplog.text
        caplog.clear()
        view[len(view) - schema.FOOTER.size] = 1  # now it is none, which is nothing to tell of
        assert schema.describe(section) is None and not caplog.records


def test_a_damaged_object_that_is_passed_over_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    with Section.create(size=4096) as section, caplog.at_level(logging.INFO, "memsection"):
        magic = os.pread(section.fileno(), 8, 4096)
        os.pwrite(section.fileno(), bytes(8), 4096)
        try:
            kernel.process_handles(os.getpid())
        finally:
            os.pwrite(section.fileno(), magic, 4096)
        assert f"of process {os.getpid()}: the object's control page is damaged" in caplog.text


def test_a_damaged_locator_file_that_is_removed_is_told_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    name = f"test-log-damaged-{os.getpid()}"
    _die_with(f"from memsection import Section; s = Section.create({name!r}, 4096)")
    file = Path(os.environ.get("MEMSECTION_ROOT", "/dev/shm")) / f"memsection-{os.geteuid()}" / name
    file.write_bytes(b"no locator")
    with caplog.at_level(logging.DEBUG, "memsection"):
        assert any(found.name == name and found.problem for found in kernel.list_directory())
        assert f"the locator file {name!r} is damaged" in caplog.text
        with pytest.raises(NotFoundError):
            Section.open(name)
    assert f"the locator file of {name!r} is damaged" in caplog.text and not file.exists()
