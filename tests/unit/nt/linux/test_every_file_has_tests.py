# SPDX-License-Identifier: MIT
"""Each file of the Linux object manager has a file of tests in the same floor, or this says where
its tests are."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent
TESTS = HERE.parents[2]
SOURCE = TESTS.parent / "src" / "memsection" / "nt" / "linux"

#: What a type or a service does is tested by the faces that users see it through.
ELSEWHERE = {
    "bodies/set_permissions": "unit/nt/linux/bodies/test_permissions.py",
    "handles/create_open": "unit/nt/linux/services/test_operations.py",
    "handles/last_handle": "unit/nt/linux/names/test_find.py",
    "handles/state": "unit/nt/linux/handles/test_record.py",
    "inspect/diagnosis": "unit/cli/test_doctor.py",
    "inspect/diagnosis_calls": "unit/cli/test_doctor.py",
    "names/closing": "crash/test_close_while_starting_programs.py",
    "services/directories": "unit/nt/test_directories.py",
    "services/files": "unit/win32/test_win32_files.py",
    "services/memory": "unit/win32/test_win32_memory.py",
    "services/objects": "unit/nt/linux/services/test_operations.py",
    "services/processes": "unit/win32/test_win32_processes.py",
    "services/synchronisation": "unit/api/test_wait.py",
    "services/timers": "unit/win32/test_win32_timers.py",
    "services/wrapping": "unit/nt/linux/services/test_lacking.py",
    "system/beside": "crash/test_interrupted_starts.py",
    "system/syscalls": "crash/test_syscall_sweep.py",
    "system/tables_lock": "crash/test_fork_in_threads.py",
    "transfer/adopt": "unit/nt/linux/handles/test_table.py",
    "transfer/copies": "unit/nt/linux/transfer/test_take.py",
    "transfer/duplicate": "unit/nt/linux/names/test_find.py",
    "transfer/passing": "security/test_received_descriptors.py",
    "transfer/transferred_values": "unit/nt/linux/transfer/test_give.py",
    "types/directory": "unit/nt/test_directories.py",
    "types/event": "unit/api/test_event_semaphore.py",
    "types/file": "unit/win32/test_win32_files.py",
    "types/file_section": "unit/api/test_section.py",
    "types/file_facts": "unit/win32/test_win32_file_facts.py",
    "types/mutex": "unit/api/test_mutex.py",
    "types/new_body": "crash/test_exhaustion.py",
    "types/new_process": "unit/win32/test_win32_processes.py",
    "types/process": "unit/nt/linux/types/test_process_end.py",
    "types/section": "unit/api/test_section.py",
    "types/semaphore": "unit/api/test_event_semaphore.py",
    "types/succession": "unit/api/test_take_name.py",
    "types/timer": "unit/api/test_timer.py",
    "types/token": "unit/win32/test_win32_tokens.py",
    "types/token_copies": "unit/win32/test_win32_access_check.py",
    "types/token_facts": "unit/win32/test_win32_tokens.py",
    "views/allocate": "unit/win32/test_win32_memory.py",
    "views/mapping": "unit/api/test_view.py",
    "views/protect": "unit/win32/test_win32_memory.py",
    "waiting/appearance": "unit/api/test_open_in_time.py",
    "waiting/wait": "unit/api/test_wait.py",
}

FILES = sorted(
    path.relative_to(SOURCE).with_suffix("").as_posix()
    for path in SOURCE.glob("*/*.py")
    if path.stem != "__init__"
)


def own_tests(file: str) -> Path:
    floor, _, stem = file.partition("/")
    return HERE / floor / f"test_{stem}.py"


@pytest.mark.parametrize("file", FILES)
def test_a_file_has_tests_of_its_own_or_it_is_said_where_they_are(file: str) -> None:
    tests = TESTS / ELSEWHERE[file] if file in ELSEWHERE else own_tests(file)
    assert tests.is_file(), f"{file}: write {own_tests(file)}, or say where its tests are"
    assert "\ndef test_" in tests.read_text(encoding="utf-8")


def test_what_is_said_is_needed() -> None:
    assert ELSEWHERE.keys() <= set(FILES), "files that are gone"
    assert not [file for file in ELSEWHERE if own_tests(file).exists()]
