# SPDX-License-Identifier: MIT
"""The command line as a user meets it: started as a process, in a namespace of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 60


class CommandLine:
    """Runs ``memsection``, and stops what is still running in the end."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environment = {
            **os.environ,
            "MEMSECTION_ROOT": str(root),
            "COLUMNS": "160",
            "PYTHONIOENCODING": "utf-8",
            "PYTHONPATH": os.pathsep.join(
                filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")])
            ),
        }
        self.started: list[subprocess.Popen[bytes]] = []

    def run(self, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run to the end."""
        return subprocess.run(
            [sys.executable, "-m", "memsection", *words],
            env=self.environment,
            input=stdin,
            capture_output=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )

    def output(self, *words: str) -> str:
        """What it prints, where it has to succeed and complain of nothing."""
        done = self.run(*words)
        assert (done.returncode, done.stderr) == (0, b""), done.stderr.decode()
        return done.stdout.decode().replace("\r\n", "\n")

    def fails(self, *words: str, status: int = 1) -> str:
        """What it complains of, where it has to fail."""
        done = self.run(*words)
        assert done.returncode == status, done.stdout + done.stderr
        assert b"Traceback" not in done.stderr
        return done.stderr.decode()

    def json(self, *words: str) -> Any:
        return json.loads(self.output(*words, "--json"))

    def start(
        self, *words: str, stdin: int | IO[bytes] = subprocess.DEVNULL
    ) -> subprocess.Popen[bytes]:
        """Start it, and do not wait."""
        self.started.append(
            subprocess.Popen(
                [sys.executable, "-m", "memsection", *words],
                env=self.environment,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        )
        return self.started[-1]

    def python(self, program: str, *words: str) -> subprocess.Popen[bytes]:
        """A program that prints a line when it is ready, and runs until its input ends."""
        self.started.append(
            subprocess.Popen(
                [sys.executable, "-c", program, *words],
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        )
        assert self.started[-1].stdout is not None
        assert self.started[-1].stdout.readline()
        return self.started[-1]

    def share(self, file: Path, name: str, *words: str) -> subprocess.Popen[bytes]:
        """Share a file, and wait until it is there."""
        process = self.start("share", str(file), name, *words)
        assert process.stderr is not None
        line = process.stderr.readline().decode()
        assert re.match(rf"'{re.escape(name)}': \d+ bytes", line), line
        return process

    def stop(self) -> None:
        for process in self.started:
            if process.poll() is None and process.stdin is None:
                process.send_signal(signal.SIGTERM)
            process.communicate(timeout=PATIENCE_SECONDS)  # a program of ours ends with its input


@pytest.fixture
def cli() -> Iterator[CommandLine]:
    # Global\ names need a memory file system
    place = "/dev/shm" if os.path.isdir("/dev/shm") else None
    root = Path(tempfile.mkdtemp(prefix=f"memsection-cli-{os.getpid()}-", dir=place))
    line = CommandLine(root)
    try:
        yield line
    finally:
        line.stop()
        left = [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()]
        shutil.rmtree(root)
    assert not left, f"names are left behind: {left}"
