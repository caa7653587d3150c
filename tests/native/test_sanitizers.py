# SPDX-License-Identifier: MIT
"""The C of the core, compiled alone, under the address, undefined-behaviour and thread sanitizers.

A program is a C file beside this one; ``PROGRAMS`` says which of the core's files it is about.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from pathlib import Path

import pytest
from native.compiling import CHANNEL, CORE, SYNC, build, needs_compiler

PROTOCOL = [
    "protocol/ms_description.c",
    "protocol/ms_body.c",
    "protocol/ms_name.c",
    "protocol/ms_mapping.c",
]
PROGRAMS: dict[str, list[str]] = {
    "test_observer_looks.c": [file for file in CHANNEL if file != "channel/ms_observer.c"],
    "test_ms_view.c": ["ms_view.c"],
    "test_ms_channel.c": CHANNEL,
    "test_ms_call.c": CHANNEL,
    "test_ms_topic.c": CHANNEL,
    "test_ms_ending.c": ["ms_ending.c"],
    "test_ms_guard.c": ["ms_guard.c", "ms_guard_handler.c"],
    "test_ms_ledger.c": ["ms_ledger.c"],
    "test_ms_number.c": ["ms_number.c", "ms_futex.c", "ms_seqlock.c"],
    "test_ms_protocol.c": PROTOCOL,
    "test_ms_protocol_faults.c": PROTOCOL,
    "test_ms_readers.c": ["ms_readers.c", "ms_lives.c", "ms_futex.c"],
    "test_ms_seqlock.c": ["ms_seqlock.c"],
    "test_ms_spin.c": ["ms_spin.c", "ms_futex.c"],
    "test_ms_sync.c": SYNC,
    "test_ms_timer.c": SYNC,
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

pytestmark = needs_compiler


def _fixed_addresses() -> None:
    # The thread sanitizer's map of the address space has no room for as much randomness as newer
    # kernels use.
    ctypes.CDLL(None).personality(ADDR_NO_RANDOMIZE)


@pytest.mark.parametrize("sanitizer", SANITIZERS)
@pytest.mark.parametrize("program", PROGRAMS)
def test_the_core_is_clean_under(program: str, sanitizer: str, tmp_path: Path) -> None:
    options = ["-Wno-unused-parameter", "-DMS_TEST_CALLS", f"-fsanitize={sanitizer}"]
    options += SANITIZERS[sanitizer]
    binary = build(tmp_path / "program", options, [program], PROGRAMS[program])
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
