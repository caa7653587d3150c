# SPDX-License-Identifier: MIT
"""What of the services over ntdll is Windows's own: searching, waiting with Ctrl-C, accounts, and
the declared gaps."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from memsection.nt import kernel
from memsection.vocabulary import access as a
from memsection.vocabulary import protection as p
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import AbandonedNtError, NtError

_numbers = iter(range(1 << 30))


@pytest.fixture
def attributes() -> s.ObjectAttributes:
    name = f"test-windows-{os.getpid()}-{next(_numbers)}"
    return s.ObjectAttributes(name, kernel.named_objects_directory(), s.OBJ_OPENIF)


@pytest.fixture
def opened() -> Iterator[list[int]]:
    handles: list[int] = []
    yield handles
    for handle in handles:
        kernel.close(handle)


def refused(status: int, service: Callable[..., Any], *arguments: Any) -> str:
    with pytest.raises(NtError) as caught:
        service(*arguments)
    assert caught.value.status == status
    return str(caught.value)


def section(opened: list[int], attributes: Any = None, size: int = 8192) -> int:
    _, handle = kernel.create_section(
        a.SECTION_ALL_ACCESS, attributes, size, p.PAGE_READWRITE, p.SEC_COMMIT, 0
    )
    opened.append(handle)
    return handle


def event(opened: list[int]) -> int:
    _, handle = kernel.create_event(a.EVENT_ALL_ACCESS, None, s.NOTIFICATION_EVENT, False)
    opened.append(handle)
    return handle


def mutant(opened: list[int], *, owned: bool = False) -> int:
    _, handle = kernel.create_mutant(a.MUTANT_ALL_ACCESS, None, owned)
    opened.append(handle)
    return handle


def abandoned(opened: list[int]) -> int:
    handle = mutant(opened)
    owner = threading.Thread(target=kernel.wait_for_single_object, args=(handle, None))
    owner.start()
    owner.join()
    deadline = time.monotonic() + 20
    while not kernel.query_mutant(handle).AbandonedState:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    return handle


def test_the_search_finds_a_section_with_its_name_size_and_flags(
    opened: list[int], attributes: Any
) -> None:
    handle = section(opened, attributes)
    kernel.set_handle_flags(handle, inherit=True)
    (found,) = [entry for entry in kernel.process_handles(os.getpid()) if entry.handle == handle]
    assert (found.type_name, found.size, found.attributes) == ("Section", 8192, s.OBJ_INHERIT)
    assert found.name.endswith("\\" + attributes.ObjectName)
    assert found.granted_access == a.SECTION_ALL_ACCESS


def test_an_unnamed_section_of_another_process_is_found_and_taken(opened: list[int]) -> None:
    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from memsection import Section; s = Section.create(size=77777)\n"
            "v = s.map(); v[:5] = b'found'; print(flush=True); input()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert child.stdout is not None and child.stdout.readline()
        (found,) = [
            entry
            for entry in kernel.process_handles(child.pid)
            if entry.type_name == "Section" and entry.size == p.page_up(77777)
        ]
        process = kernel.open_process(a.PROCESS_DUP_HANDLE, 0, child.pid)
        opened.append(process)
        mine = kernel.duplicate_object(
            process, found.handle, s.CURRENT_PROCESS, 0, 0, s.DUPLICATE_SAME_ACCESS
        )
        opened.append(mine)
        _, address, _ = kernel.map_view(
            mine, s.CURRENT_PROCESS, 0, 0, 0, 0, 0, p.VIEW_SHARE, 0, p.PAGE_READWRITE
        )
        assert kernel.read_virtual_memory(s.CURRENT_PROCESS, address, 5) == b"found"
        kernel.unmap_view(s.CURRENT_PROCESS, address)
    finally:
        child.communicate(b"\n")


def test_the_directory_lists_the_object_with_its_holder(opened: list[int], attributes: Any) -> None:
    handle = section(opened, attributes)
    (found,) = [one for one in kernel.list_directory() if one.name == attributes.ObjectName]
    assert (found.type_name, found.size) == ("Section", 8192)
    assert [(holder.pid, holder.handle) for holder in found.holders] == [(os.getpid(), handle)]


def test_processes_that_are_not_there_are_said_to_be_none() -> None:
    refused(st.INVALID_CID, kernel.process_handles, 0x7FFFFFF0)


def test_both_flags_of_a_handle_are_told_and_kept_apart(opened: list[int]) -> None:
    handle = section(opened)
    kernel.set_handle_flags(handle, inherit=True, protect=True)
    assert kernel.query_object(handle).Attributes == s.OBJ_INHERIT | s.OBJ_PROTECT_CLOSE
    refused(st.HANDLE_NOT_CLOSABLE, kernel.close, handle)
    kernel.set_handle_flags(handle, protect=False)
    assert kernel.query_handle(handle) == (s.OBJ_INHERIT, a.SECTION_ALL_ACCESS)


@pytest.mark.parametrize(
    "wait",
    [
        lambda one, two: kernel.wait_for_single_object(one, None),
        lambda one, two: kernel.wait_for_multiple_objects([one, two], s.WAIT_ANY, None),
        lambda one, two: kernel.wait_for_multiple_objects([one, two], s.WAIT_ALL, None),
        lambda one, two: kernel.signal_and_wait(one, two, None),
    ],
    ids=["single", "any", "all", "signal and wait"],
)
def test_an_interrupt_ends_every_wait(opened: list[int], wait: Callable[[int, int], int]) -> None:
    one, two = event(opened), event(opened)
    started = threading.Event()

    def interrupt() -> None:
        started.wait()
        time.sleep(0.1)
        signal.raise_signal(signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        started.set()
        wait(one, two)
    thread.join()


def test_timeouts_of_all_kinds_run_out(opened: list[int]) -> None:
    one, two = event(opened), event(opened)
    for wait in (
        lambda: kernel.wait_for_single_object(one, -600_000),
        lambda: kernel.wait_for_multiple_objects([one, two], s.WAIT_ANY, -600_000),
        lambda: kernel.wait_for_multiple_objects([one, two], s.WAIT_ALL, -600_000),
        lambda: kernel.signal_and_wait(two, one, -600_000),
    ):
        kernel.reset_event(two)
        before = time.monotonic()
        assert wait() == st.TIMEOUT
        assert time.monotonic() - before >= 0.05


def test_a_wait_that_does_not_accept_an_abandoned_mutex_leaves_it_abandoned(
    opened: list[int],
) -> None:
    handle, other = abandoned(opened), event(opened)
    for wait in (
        lambda: kernel.wait_for_single_object(handle, 0, accept_abandoned=False),
        lambda: kernel.wait_for_multiple_objects(
            [other, handle], s.WAIT_ANY, 0, accept_abandoned=False
        ),
        lambda: kernel.wait_for_multiple_objects(
            [other, handle], s.WAIT_ALL, 0, accept_abandoned=False
        ),
    ):
        with pytest.raises(AbandonedNtError):
            wait()
    assert kernel.wait_for_single_object(handle, 0) == st.ABANDONED_WAIT_0
    kernel.release_mutant(handle)


def test_a_wait_for_any_takes_what_comes_before_the_abandoned_one(opened: list[int]) -> None:
    handle, other = abandoned(opened), event(opened)
    kernel.set_event(other)
    assert (
        kernel.wait_for_multiple_objects([other, handle], s.WAIT_ANY, 0, accept_abandoned=False)
        == st.WAIT_0
    )
    assert kernel.query_mutant(handle).AbandonedState


def test_an_owner_can_give_a_mutex_back_as_abandoned(opened: list[int]) -> None:
    handle = mutant(opened, owned=True)
    kernel.wait_for_single_object(handle, 0)
    kernel.abandon_mutant(handle)
    assert kernel.query_mutant(handle).AbandonedState
    assert kernel.wait_for_single_object(handle, 0) == st.ABANDONED_WAIT_0
    kernel.release_mutant(handle)
    refused(st.MUTANT_NOT_OWNED, kernel.abandon_mutant, handle)


def owner_for_a_moment(handle: int) -> threading.Thread:
    """A thread that owns a mutex already, and ends soon without giving it back."""
    taken = threading.Event()

    def own_for_a_moment() -> None:
        kernel.wait_for_single_object(handle, None)
        taken.set()
        time.sleep(0.1)

    owner = threading.Thread(target=own_for_a_moment)
    owner.start()
    taken.wait()
    return owner


def test_a_mutex_abandoned_during_a_wait_that_does_not_accept_it_is_given_back(
    opened: list[int],
) -> None:
    handle = mutant(opened)
    owner = owner_for_a_moment(handle)
    with pytest.raises(AbandonedNtError):
        kernel.wait_for_single_object(handle, -200_000_000, accept_abandoned=False)
    owner.join()
    assert kernel.query_mutant(handle).AbandonedState


@pytest.mark.parametrize("period", [0, 50])
def test_a_firing_that_a_wait_for_all_took_comes_again(opened: list[int], period: int) -> None:
    handle = mutant(opened)
    _, timer = kernel.create_timer(a.TIMER_ALL_ACCESS, None, s.SYNCHRONIZATION_TIMER)
    opened.append(timer)
    kernel.set_timer(timer, 0, period, False)
    owner = owner_for_a_moment(handle)
    with pytest.raises(AbandonedNtError):
        kernel.wait_for_multiple_objects(
            [timer, handle], s.WAIT_ALL, -200_000_000, accept_abandoned=False
        )
    owner.join()
    assert kernel.query_mutant(handle).AbandonedState
    assert kernel.wait_for_single_object(timer, -200_000_000) == st.WAIT_0
    if not period:
        assert kernel.wait_for_single_object(timer, 0) == st.TIMEOUT


def test_accounts_have_names_both_ways() -> None:
    user = kernel.current_user()
    name = kernel.account_name(user)
    assert name and kernel.account_sid(name.rpartition("\\")[2]) == user
    assert "nobody at all" in refused(st.NONE_MAPPED, kernel.account_sid, "nobody at all")


def test_the_debug_privilege_is_known_and_its_state_is_told() -> None:
    luid = kernel.lookup_privilege("SeDebugPrivilege")
    assert luid & 0xFFFFFFFF == s.SE_DEBUG_PRIVILEGE
    refused(st.NO_SUCH_PRIVILEGE, kernel.lookup_privilege, "SeNoSuchPrivilege")
    token = kernel.open_process_token(s.CURRENT_PROCESS, a.TOKEN_ADJUST_PRIVILEGES | a.TOKEN_QUERY)
    try:
        status, _ = kernel.adjust_privileges(token, [(9999, s.SE_PRIVILEGE_ENABLED)])
        assert status == st.NOT_ALL_ASSIGNED
        status, before = kernel.adjust_privileges(token, [(luid, s.SE_PRIVILEGE_ENABLED)])
        if status == st.SUCCESS:
            assert kernel.adjust_privileges(token, [(luid, s.SE_PRIVILEGE_ENABLED)]) == (
                st.SUCCESS,
                [],
            )
            kernel.adjust_privileges(token, before)
    finally:
        kernel.close(token)


def test_a_process_is_started_with_its_environment_directory_and_exit_status(
    opened: list[int],
) -> None:
    program = "import os, sys; sys.exit(7 if os.environ['MARK'] == 'set' and os.getcwd() == 'C:\\\\' else 8)"
    made = kernel.create_process(
        s.ProcessStart(
            sys.executable,
            subprocess.list2cmdline(["python", "-c", program]),
            environment={**os.environ, "MARK": "set"},
            directory="C:\\",
        )
    )
    opened += [made.hProcess, made.hThread]
    assert kernel.wait_for_single_object(made.hProcess, None) == st.WAIT_0
    found = kernel.query_process(made.hProcess)
    assert (found.ExitStatus, found.UniqueProcessId) == (7, made.dwProcessId)
    assert "no-such-program" in refused(
        st.OBJECT_NAME_NOT_FOUND, kernel.create_process, s.ProcessStart("no-such-program.exe", None)
    )


def test_a_file_handle_comes_from_a_descriptor_that_stays_the_callers(
    opened: list[int], tmp_path: Path
) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(b"content")
    with path.open("rb") as file:
        opened.append(kernel.file_from_fd(file.fileno(), a.GENERIC_READ))
        assert kernel.read_file(opened[0], 7) == b"content"
        assert "FILE_WRITE_DATA" in refused(
            st.ACCESS_DENIED, kernel.file_from_fd, file.fileno(), a.GENERIC_READ | a.GENERIC_WRITE
        )
        number = file.fileno()
    refused(st.INVALID_HANDLE, kernel.file_from_fd, number, a.GENERIC_READ)


def test_a_refusal_says_what_was_asked_for_and_what_the_handle_grants(
    opened: list[int], attributes: Any
) -> None:
    section(opened, attributes)
    reader = kernel.open_section(a.SECTION_MAP_READ, attributes)
    opened.append(reader)
    message = refused(
        st.ACCESS_DENIED,
        kernel.map_view,
        reader,
        s.CURRENT_PROCESS,
        0,
        0,
        0,
        0,
        0,
        p.VIEW_SHARE,
        0,
        p.PAGE_READWRITE,
    )
    assert attributes.ObjectName in message
    assert "SECTION_MAP_WRITE" in message and "grants SECTION_MAP_READ" in message
    assert "SECTION_QUERY" in refused(st.ACCESS_DENIED, kernel.query_section, reader)


def test_a_preferred_node_and_advice_are_accepted(opened: list[int]) -> None:
    _, handle = kernel.create_section(
        a.SECTION_ALL_ACCESS, None, 8192, p.PAGE_READWRITE, p.SEC_COMMIT, 0, numa_node=0
    )
    opened.append(handle)
    _, address, size = kernel.map_view(
        handle, s.CURRENT_PROCESS, 0, 0, 0, 0, 0, p.VIEW_SHARE, 0, p.PAGE_READWRITE
    )
    kernel.prefetch_virtual_memory(s.CURRENT_PROCESS, [(address, size)])
    kernel.flush_virtual_memory(s.CURRENT_PROCESS, address, 0)
    kernel.unmap_view(s.CURRENT_PROCESS, address)


def test_what_windows_cannot_do_has_its_own_status(opened: list[int]) -> None:
    handle = section(opened)
    for service, arguments in (
        (kernel.seal_section, (handle,)),
        (kernel.file_descriptor, (handle,)),
        (kernel.handle_descriptors, (handle,)),
        (kernel.handle_from_descriptors, ([3],)),
        (kernel.resident_pages, (0x10000, 4096)),
        (kernel.process_views, (os.getpid(), (1,))),
        (kernel.waiting_threads, (os.getpid(), (1,))),
    ):
        refused(st.NOT_ON_THIS_SYSTEM, service, *arguments)


def test_the_machine_is_looked_at_without_changing_it() -> None:
    checks = {check.name: check for check in kernel.diagnose()}
    assert checks["Local\\ names"].state == checks["Global\\ names"].state == "ok"
    assert "SeDebugPrivilege" in checks


def test_a_file_goes_through_share_and_cat(tmp_path: Path) -> None:
    path, name = tmp_path / "shared.bin", f"test-windows-{os.getpid()}-shared"
    path.write_bytes(bytes(range(256)) * 17)
    share = subprocess.Popen(
        [sys.executable, "-m", "memsection", "share", str(path), name],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        assert share.stderr is not None and name.encode() in share.stderr.readline()
        done = subprocess.run(
            [sys.executable, "-m", "memsection", "cat", name],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, path.read_bytes(), b"")
    finally:
        share.kill()
        share.communicate()
