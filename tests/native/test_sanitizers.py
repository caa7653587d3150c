# SPDX-License-Identifier: MIT
"""The C of the core, compiled alone, under the address, undefined-behaviour and thread sanitizers.

A program is a C file beside this one; ``PROGRAMS`` says which of the core's files it is about.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CORE = HERE.parents[1] / "src" / "memsection" / "_native"

PROTOCOL = [
    "protocol/ms_description.c",
    "protocol/ms_body.c",
    "protocol/ms_name.c",
    "protocol/ms_mapping.c",
]
CHANNEL = [
    "ms_futex.c",
    "ms_spin.c",
    *sorted(f"channel/{path.name}" for path in (CORE / "channel").glob("*.c")),
]
PROGRAMS: dict[str, list[str]] = {
    "test_ms_view.c": ["ms_view.c"],
    "test_ms_channel.c": CHANNEL,
    "test_ms_call.c": CHANNEL,
    "test_ms_topic.c": CHANNEL,
    "test_ms_ending.c": ["ms_ending.c"],
    "test_ms_guard.c": ["ms_guard.c"],
    "test_ms_ledger.c": ["ms_ledger.c"],
    "test_ms_number.c": ["ms_number.c"],
    "test_ms_protocol.c": PROTOCOL,
    "test_ms_protocol_faults.c": PROTOCOL,
    "test_ms_readers.c": ["ms_readers.c", "ms_futex.c"],
    "test_ms_seqlock.c": ["ms_seqlock.c"],
    "test_ms_spin.c": ["ms_spin.c", "ms_futex.c"],
    "test_ms_sync.c": [
        "ms_futex.c",
        "ms_spin.c",
        "sync/ms_state.c",
        "sync/ms_object.c",
        "sync/ms_slot.c",
        "sync/ms_mutex.c",
        "sync/ms_event.c",
        "sync/ms_take.c",
        "sync/ms_take_all.c",
        "sync/ms_wait.c",
    ],
}
SANITIZERS = {
    "address,undefined": ["-fno-sanitize-recover=all", "-fno-omit-frame-pointer"],
    # GCC says that the thread sanitizer does not understand fences; what they order is atomic in
    # that build.
    "thread": ["-Wno-tsan"],
}
ENVIRONMENT = {
    "ASAN_OPTIONS": "detect_stack_use_after_return=1:handle_segv=0:handle_sigbus=0:use_sigaltstack=0",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1:die_after_fork=0:handle_segv=0:handle_sigbus=0:report_signal_unsafe=1",
}
ADDR_NO_RANDOMIZE = 0x40000

compiler = os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang") or ""
pytestmark = pytest.mark.skipif(not compiler, reason="needs a C compiler with the sanitizers")


def _fixed_addresses() -> None:
    # The thread sanitizer's map of the address space has no room for as much randomness as newer
    # kernels use.
    ctypes.CDLL(None).personality(ADDR_NO_RANDOMIZE)


@pytest.mark.parametrize("sanitizer", SANITIZERS)
@pytest.mark.parametrize("program", PROGRAMS)
def test_the_core_is_clean_under(program: str, sanitizer: str, tmp_path: Path) -> None:
    binary = tmp_path / "program"
    subprocess.run(
        [
            compiler,
            "-std=gnu11",
            "-g",
            "-O1",
            "-Wall",
            "-Wextra",
            "-Wno-unused-parameter",
            "-Werror",
            "-DMS_TEST_CALLS",
            f"-fsanitize={sanitizer}",
            *SANITIZERS[sanitizer],
            "-I",
            str(CORE),
            "-I",
            str(CORE / "include"),
            "-I",
            str(HERE),
            str(HERE / program),
            *(str(CORE / file) for file in PROGRAMS[program]),
            "-pthread",
            "-o",
            str(binary),
        ],
        check=True,
    )
    done = subprocess.run(
        [str(binary)],
        env={**os.environ, **ENVIRONMENT},
        preexec_fn=_fixed_addresses,
        timeout=100,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr and "ERROR" not in done.stderr


def test_every_c_file_of_the_core_has_a_program() -> None:
    tested = {file for files in PROGRAMS.values() for file in files}
    assert {str(path.relative_to(CORE)) for path in CORE.rglob("ms_*.c")} == tested
