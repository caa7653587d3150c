# SPDX-License-Identifier: MIT
"""Where this library differs from Windows and no conformance scenario can show it: each difference
is as documented."""

from __future__ import annotations

import subprocess
import sys
import threading
import uuid
from pathlib import Path

import pytest

from memsection import nt, win32
from memsection.vocabulary import status
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.sid import Sid
from memsection.vocabulary.structs import ObjectAttributes

ROOT = Path(__file__).resolve().parents[3]
BOTH = win32.GENERIC_READ | win32.GENERIC_WRITE


def _code(caught: pytest.ExceptionInfo[OSError]) -> int:
    return int(caught.value.winerror)


def test_file_templates_are_refused(tmp_path: Path) -> None:
    file = win32.CreateFile(tmp_path / "template", BOTH, 0, None, win32.CREATE_NEW)
    with pytest.raises(OSError) as caught:
        win32.CreateFile(tmp_path / "copy", BOTH, 0, None, win32.CREATE_NEW, 0, file)
    assert _code(caught) == win32.ERROR_NOT_SUPPORTED
    assert not (tmp_path / "copy").exists()
    win32.CloseHandle(file)


def test_overlapped_transfers_are_done_when_the_call_returns(tmp_path: Path) -> None:
    file = win32.CreateFile(
        tmp_path / "overlapped", BOTH, 0, None, win32.CREATE_NEW, win32.FILE_FLAG_OVERLAPPED
    )
    assert win32.WriteFile(file, b"0123456789", win32.OVERLAPPED(Offset=5)) == 10
    assert win32.ReadFile(file, 3, win32.OVERLAPPED(Offset=7)) == b"234"
    win32.CloseHandle(file)


@pytest.mark.linux_only("a token of Windows is an object of its own")
def test_a_token_tells_what_its_process_is_now() -> None:
    token = win32.OpenProcessToken(win32.GetCurrentProcess(), win32.TOKEN_QUERY)
    for unknown in (6, 7, 11, 12, 18, 25, 48):
        with pytest.raises(OSError) as caught:
            win32.GetTokenInformation(token, unknown)
        assert _code(caught) == win32.ERROR_NOT_SUPPORTED
    win32.CloseHandle(token)
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    process = win32.OpenProcess(win32.PROCESS_QUERY_LIMITED_INFORMATION, False, child.pid)
    token = win32.OpenProcessToken(process, win32.TOKEN_QUERY)
    child.communicate(b"")
    with pytest.raises(OSError) as caught:
        win32.GetTokenInformation(token, win32.TokenUser)
    assert _code(caught) == win32.ERROR_ACCESS_DENIED
    win32.CloseHandle(token)
    win32.CloseHandle(process)


@pytest.mark.linux_only("a token of Windows is an object of its own")
def test_a_copied_token_is_a_value_of_this_process() -> None:
    token = win32.OpenProcessToken(win32.GetCurrentProcess(), win32.TOKEN_DUPLICATE)
    child = win32.SECURITY_ATTRIBUTES(bInheritHandle=True)
    descriptor = win32.ConvertStringSecurityDescriptorToSecurityDescriptor("D:(A;;GA;;;WD)")
    for attributes in (child, win32.SECURITY_ATTRIBUTES(lpSecurityDescriptor=descriptor)):
        with pytest.raises(OSError) as caught:
            win32.DuplicateTokenEx(
                token, 0, attributes, win32.SecurityImpersonation, win32.TokenPrimary
            )
        assert _code(caught) == win32.ERROR_NOT_SUPPORTED
    win32.CloseHandle(token)


@pytest.mark.linux_only("Windows makes them")
def test_object_directories_are_those_that_are_there() -> None:
    new = f"\\BaseNamedObjects\\{uuid.uuid4()}"
    refused = nt.STATUS_MEMSECTION_NOT_ON_THIS_SYSTEM, 0
    for attributes in (
        None,
        ObjectAttributes(),
        ObjectAttributes(new),
        ObjectAttributes(new, 0, nt.OBJ_OPENIF),
    ):
        assert nt.NtCreateDirectoryObject(nt.DIRECTORY_QUERY, attributes) == refused
    assert (
        nt.NtOpenDirectoryObject(nt.DIRECTORY_QUERY, ObjectAttributes(new))[0]
        == nt.STATUS_OBJECT_NAME_NOT_FOUND
    )
    made, handle = nt.NtCreateDirectoryObject(
        nt.DIRECTORY_QUERY, ObjectAttributes("\\BaseNamedObjects", 0, nt.OBJ_OPENIF)
    )
    assert made == nt.STATUS_OBJECT_NAME_EXISTS
    assert nt.NtClose(handle) == nt.STATUS_SUCCESS


@pytest.mark.linux_only("links of Windows are objects")
def test_links_of_directories_are_followed_and_not_opened() -> None:
    def opened(name: str) -> int:
        status, handle = nt.NtOpenSymbolicLinkObject(nt.SYMBOLIC_LINK_QUERY, ObjectAttributes(name))
        assert not handle
        return status

    for link in ("Global", "Local", "Session"):
        assert opened(f"\\BaseNamedObjects\\{link}") == nt.STATUS_MEMSECTION_NOT_ON_THIS_SYSTEM
    assert opened("\\BaseNamedObjects") == opened("\\") == nt.STATUS_OBJECT_TYPE_MISMATCH
    assert opened("\\BaseNamedObjects\\none") == nt.STATUS_OBJECT_NAME_NOT_FOUND
    assert opened("\\none\\none") == nt.STATUS_OBJECT_PATH_NOT_FOUND
    assert opened("none") == nt.STATUS_OBJECT_PATH_SYNTAX_BAD


@pytest.mark.linux_only("Windows has a handle like any other")
def test_a_handle_to_a_directory_stays_in_its_process() -> None:
    refused = nt.STATUS_MEMSECTION_NOT_ON_THIS_SYSTEM
    whole = ObjectAttributes("\\BaseNamedObjects", 0, nt.OBJ_INHERIT)
    assert nt.NtOpenDirectoryObject(nt.DIRECTORY_QUERY, whole) == (refused, 0)
    status, handle = nt.NtOpenDirectoryObject(
        nt.DIRECTORY_QUERY, ObjectAttributes("\\BaseNamedObjects")
    )
    assert status == nt.STATUS_SUCCESS
    for value in (handle, nt.kernel.named_objects_directory()):
        assert nt.NtDuplicateObject(
            nt.CURRENT_PROCESS, value, nt.CURRENT_PROCESS, 0, 0, nt.DUPLICATE_SAME_ACCESS
        ) == (refused, 0)
        flags = nt.ObjectHandleFlagInformation
        assert nt.NtSetInformationObject(value, flags, (True, False)) == refused
        with pytest.raises(NtError) as caught:
            nt.kernel.handle_descriptors(value)
        assert caught.value.status == refused
    assert nt.NtQueryObject(handle, nt.ObjectHandleFlagInformation)[1] == (False, False)
    assert nt.NtClose(handle) == nt.STATUS_SUCCESS


@pytest.mark.linux_only("Windows has based sections")
def test_a_section_has_no_base_of_its_own() -> None:
    made = nt.NtCreateSection(
        nt.SECTION_ALL_ACCESS, None, 0x1000, nt.PAGE_READWRITE, nt.SEC_COMMIT | 0x200000
    )
    assert made == (status.INVALID_PARAMETER_6, 0)


@pytest.mark.linux_only("Windows reserves what follows the end of a file")
def test_views_of_files_end_with_the_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(4096))
    file = win32.CreateFile(tmp_path / "file", BOTH)
    _, section = nt.NtCreateSection(
        nt.SECTION_ALL_ACCESS, None, None, nt.PAGE_READWRITE, nt.SEC_COMMIT, file
    )
    assert (
        nt.NtMapViewOfSection(
            section, nt.CURRENT_PROCESS, ViewSize=0x10000, AllocationType=nt.MEM_RESERVE
        )[0]
        == status.INVALID_VIEW_SIZE
    )
    nt.NtClose(section)
    win32.CloseHandle(file)


@pytest.mark.linux_only("Windows tells a device")
def test_a_mapped_file_is_told_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mapped"
    path.write_bytes(b"content")
    file = win32.CreateFile(path, win32.GENERIC_READ)
    section = win32.CreateFileMapping(file, None, win32.PAGE_READONLY, 0, 0, None)
    view = win32.MapViewOfFile(section, win32.FILE_MAP_READ, 0, 0, 0)
    assert win32.GetMappedFileName(win32.GetCurrentProcess(), view) == str(path)
    win32.UnmapViewOfFile(view)
    win32.CloseHandle(section)
    win32.CloseHandle(file)


@pytest.mark.linux_only("Windows keeps locked ranges against everybody")
def test_locked_ranges_do_not_bind_other_programs(tmp_path: Path) -> None:
    path = tmp_path / "mine"
    path.write_bytes(b"0123456789")
    share = win32.FILE_SHARE_READ | win32.FILE_SHARE_WRITE
    file, reader = (
        win32.CreateFile(path, BOTH, share),
        win32.CreateFile(path, win32.GENERIC_READ, share),
    )
    with path.open("rb") as stream:
        other = nt.kernel.file_from_fd(stream.fileno(), win32.GENERIC_READ)
    for handle, length in ((file, 0), (reader, 5), (other, 5)):
        with pytest.raises(OSError) as caught:
            win32.LockFile(handle, 0, 0, length, 0)
        assert _code(caught) == win32.ERROR_NOT_SUPPORTED
    win32.LockFile(file, 0, 0, 10, 0)
    path.write_bytes(b"by open()!")
    assert win32.ReadFile(file, 10) == b"by open()!"
    for handle in (file, reader, other):
        win32.CloseHandle(handle)


@pytest.mark.linux_only("Windows tells when a file was created")
def test_linux_does_not_tell_when_a_file_was_created(tmp_path: Path) -> None:
    file = win32.CreateFile(tmp_path / "new", BOTH, 0, None, win32.CREATE_NEW)
    assert win32.GetFileInformationByHandle(file).ftCreationTime == 0
    win32.CloseHandle(file)


@pytest.mark.linux_only("Windows keeps share modes against everybody")
def test_share_modes_do_not_bind_other_programs(tmp_path: Path) -> None:
    path = tmp_path / "mine"
    file = win32.CreateFile(path, BOTH, 0, None, win32.CREATE_NEW)
    with pytest.raises(OSError) as caught:
        win32.CreateFile(path, win32.GENERIC_READ, win32.FILE_SHARE_READ | win32.FILE_SHARE_WRITE)
    assert _code(caught) == win32.ERROR_SHARING_VIOLATION
    path.write_bytes(b"by open()")
    assert win32.ReadFile(file, 9) == b"by open()"
    win32.CloseHandle(file)


@pytest.mark.linux_only("Windows starts a process without letting it run")
def test_a_process_cannot_be_started_suspended() -> None:
    with pytest.raises(OSError) as caught:
        win32.CreateProcess(sys.executable, None, dwCreationFlags=win32.CREATE_SUSPENDED)
    assert _code(caught) == win32.ERROR_NOT_SUPPORTED


@pytest.mark.linux_only("Windows maps into other processes")
def test_a_view_cannot_be_mapped_into_another_process() -> None:
    section = win32.CreateFileMapping(
        win32.INVALID_HANDLE_VALUE, None, win32.PAGE_READWRITE, 0, 0x1000, None
    )
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        process = win32.OpenProcess(win32.PROCESS_VM_OPERATION, False, child.pid)
        assert nt.NtMapViewOfSection(section, process)[0] == status.NOT_ON_THIS_SYSTEM
        assert nt.NtUnmapViewOfSection(process, 0x10000) == status.NOT_ON_THIS_SYSTEM
        win32.CloseHandle(process)
        assert child.stdin is not None
        child.stdin.write(b"\n")
    win32.CloseHandle(section)


@pytest.mark.linux_only("Windows puts any handle into another process")
def test_files_and_processes_cannot_be_given_to_another_process(tmp_path: Path) -> None:
    file = win32.CreateFile(tmp_path / "file", BOTH, 0, None, win32.CREATE_NEW)
    section = win32.CreateFileMapping(
        win32.INVALID_HANDLE_VALUE, None, win32.PAGE_READWRITE, 0, 0x1000, None
    )
    me = win32.GetCurrentProcess()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        process = win32.OpenProcess(win32.PROCESS_DUP_HANDLE, False, child.pid)
        assert win32.DuplicateHandle(me, section, process) > 0
        for handle in (file, me):
            with pytest.raises(OSError) as caught:
                win32.DuplicateHandle(me, handle, process)
            assert _code(caught) == win32.ERROR_NOT_SUPPORTED
        win32.CloseHandle(process)
        assert child.stdin is not None
        child.stdin.write(b"\n")
    win32.CloseHandle(section)
    win32.CloseHandle(file)


@pytest.mark.linux_only("Windows has permanent objects everywhere, for who may make them")
def test_an_object_of_a_user_cannot_be_made_permanent() -> None:
    for prefix, expected in (("", status.NOT_ON_THIS_SYSTEM), ("Global\\", status.SUCCESS)):
        name = f"{prefix}permanent {uuid.uuid4()}"
        made = win32.CreateFileMapping(
            win32.INVALID_HANDLE_VALUE, None, win32.PAGE_READWRITE, 0, 0x1000, name
        )
        section = win32.OpenFileMapping(win32.FILE_MAP_ALL_ACCESS, False, name)
        assert nt.NtMakePermanentObject(section) == expected
        win32.CloseHandle(section)
        win32.CloseHandle(made)
        if expected == status.SUCCESS:
            again = win32.OpenFileMapping(win32.FILE_MAP_ALL_ACCESS, False, name)
            assert nt.NtMakeTemporaryObject(again) == status.SUCCESS
            win32.CloseHandle(again)
        with pytest.raises(FileNotFoundError):
            win32.OpenFileMapping(win32.FILE_MAP_READ, False, name)


def _creations(name: str | None, flags: int) -> list[tuple[int, int]]:
    root = 0 if name is None else nt.kernel.named_objects_directory()
    places = [ObjectAttributes(name and f"{name} {number}", root, flags) for number in range(4)]
    return [
        nt.NtCreateSection(
            nt.SECTION_ALL_ACCESS, places[0], 0x1000, nt.PAGE_READWRITE, nt.SEC_COMMIT
        ),
        nt.NtCreateMutant(nt.MUTANT_ALL_ACCESS, places[1], False),
        nt.NtCreateEvent(nt.EVENT_ALL_ACCESS, places[2], nt.NOTIFICATION_EVENT, True),
        nt.NtCreateSemaphore(nt.SEMAPHORE_ALL_ACCESS, places[3], 1, 1),
    ]


@pytest.mark.linux_only("Windows keeps others from an exclusive object")
def test_an_object_cannot_be_created_exclusive() -> None:
    root = nt.kernel.named_objects_directory()
    for name in (None, f"alone {uuid.uuid4()}", f"Global\\alone {uuid.uuid4()}"):
        place = ObjectAttributes(name, root if name else 0, nt.OBJ_EXCLUSIVE)
        for made, _ in (
            nt.NtCreateSection(
                nt.SECTION_ALL_ACCESS, place, 0x1000, nt.PAGE_READWRITE, nt.SEC_COMMIT
            ),
            nt.NtCreateMutant(nt.MUTANT_ALL_ACCESS, place, False),
        ):
            assert made == status.NOT_ON_THIS_SYSTEM


@pytest.mark.linux_only("a machine with Windows is a domain of its own")
@pytest.mark.parametrize("letters", ["LA", "LG", "DA", "DU", "SA", "EA", "RS"])
def test_accounts_of_a_domain_have_no_letters_here(letters: str) -> None:
    with pytest.raises(OSError, match="domain") as caught:
        win32.ConvertStringSidToSid(letters)
    assert _code(caught) == win32.ERROR_INVALID_SID
    with pytest.raises(OSError, match="domain") as caught:
        win32.ConvertStringSecurityDescriptorToSecurityDescriptor(f"D:(A;;GA;;;{letters})")
    assert _code(caught) == win32.ERROR_INVALID_ACL


@pytest.mark.linux_only("names are counted strings in the kernel of Windows")
def test_a_native_name_cannot_contain_a_zero() -> None:
    name = ObjectAttributes("one\0two", nt.kernel.named_objects_directory())
    assert (
        nt.NtCreateSection(nt.SECTION_ALL_ACCESS, name, 0x1000, nt.PAGE_READWRITE, nt.SEC_COMMIT)[0]
        == nt.STATUS_OBJECT_NAME_INVALID
    )


@pytest.mark.linux_only("Windows has handles to all threads")
def test_an_older_kernel_has_no_handles_to_other_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    from memsection.nt.linux.system import syscalls

    genuine = syscalls.pidfd_open

    def before_linux_6_9(pid: int, flags: int = 0) -> int:
        if flags:
            raise OSError(22, "Invalid argument")
        return genuine(pid)

    monkeypatch.setattr(syscalls, "pidfd_open", before_linux_6_9)
    me, seen = nt.CURRENT_PROCESS, []

    def body() -> None:
        thread = win32.GetCurrentThread()
        seen.append(nt.NtDuplicateObject(me, thread, me, 0, 0, nt.DUPLICATE_SAME_ACCESS))
        try:
            seen.append(win32.OpenThread(win32.SYNCHRONIZE, False, win32.GetCurrentThreadId()))
        except OSError as error:
            seen.append(error.winerror)

    other = threading.Thread(target=body)
    other.start()
    other.join()
    assert seen == [(status.NOT_ON_THIS_SYSTEM, 0), win32.ERROR_NOT_SUPPORTED]


def test_nothing_calls_a_timers_routine() -> None:
    timer = win32.CreateWaitableTimer()
    for set_ in (win32.SetWaitableTimer, win32.SetWaitableTimerEx):
        with pytest.raises(OSError) as caught:
            set_(timer, 0, 0, print)
        assert _code(caught) == win32.ERROR_NOT_SUPPORTED
    assert nt.NtSetTimer(timer, 0, print)[0] == nt.STATUS_NOT_SUPPORTED
    assert win32.WaitForSingleObject(timer, 0) == win32.WAIT_TIMEOUT
    win32.CloseHandle(timer)


@pytest.mark.linux_only("Windows wakes a system that sleeps, where it can")
def test_a_timer_does_not_wake_a_system_that_sleeps() -> None:
    timer = win32.CreateWaitableTimer()
    win32.SetLastError(0)
    win32.SetWaitableTimer(timer, 0, 0, None, None, True)
    assert win32.GetLastError() == win32.ERROR_NOT_SUPPORTED
    assert win32.WaitForSingleObject(timer, 10_000) == win32.WAIT_OBJECT_0
    win32.CloseHandle(timer)


def test_timers_of_high_resolution_are_had_on_linux_alone() -> None:
    flag = win32.CREATE_WAITABLE_TIMER_HIGH_RESOLUTION
    if sys.platform != "linux":
        with pytest.raises(OSError) as refused:
            win32.CreateWaitableTimerEx(None, None, flag)
        assert refused.value.winerror == 50
        return
    handle = win32.CreateWaitableTimerEx(None, None, flag)
    win32.SetWaitableTimer(handle, -1000)
    assert win32.WaitForSingleObject(handle, 10_000) == win32.WAIT_OBJECT_0
    win32.CloseHandle(handle)


def test_the_page_of_deviations_is_what_the_tables_say() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "deviations.py"), "--check"], check=False
    )
    assert done.returncode == 0, "run tools/deviations.py"


@pytest.mark.linux_only("Windows keeps a descriptor of its own for each file")
@pytest.mark.parametrize(
    "mode, list_",
    [
        (0o644, "(A;;0x12019f;;;{0})(A;;FR;;;{1})(A;;FR;;;WD)"),
        (0o600, "(A;;0x12019f;;;{0})"),
        (0o751, "(A;;0x1201bf;;;{0})(A;;0x1200a9;;;{1})(A;;FX;;;WD)"),
        (0o046, "(D;;CCDCLC;;;{0})(D;;DCLC;;;{1})(A;;FR;;;{1})(A;;0x12019f;;;WD)"),
        (0o000, ""),
    ],
)
def test_the_descriptor_of_a_file_is_its_mode_and_is_not_set(
    tmp_path: Path, mode: int, list_: str
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"")
    file = win32.CreateFile(path, win32.READ_CONTROL | win32.WRITE_DAC)
    path.chmod(mode)
    found = path.stat()
    read = win32.GetKernelObjectSecurity(file, 7)
    owner = Sid.unix_user(found.st_uid)
    group = Sid.unix_group(found.st_gid)
    assert win32.GetSecurityDescriptorOwner(read)[0] == owner
    assert win32.GetSecurityDescriptorGroup(read)[0] == group
    text = win32.ConvertSecurityDescriptorToStringSecurityDescriptor(
        read, win32.SDDL_REVISION_1, win32.DACL_SECURITY_INFORMATION
    )
    assert text == "D:" + list_.format(owner, group)
    with pytest.raises(OSError) as caught:
        win32.SetKernelObjectSecurity(file, win32.DACL_SECURITY_INFORMATION, read)
    assert _code(caught) == 50
    win32.CloseHandle(file)


def test_every_deviation_names_a_test_that_shows_it() -> None:
    sys.path.insert(0, str(ROOT / "tests" / "conformance"))
    try:
        from deviations import OTHERS
    finally:
        sys.path.remove(str(ROOT / "tests" / "conformance"))
    shown = {name for name in globals() if name.startswith("test_")}
    assert set(OTHERS) <= shown
    assert shown - set(OTHERS) == {
        "test_the_page_of_deviations_is_what_the_tables_say",
        "test_every_deviation_names_a_test_that_shows_it",
    }
