# SPDX-License-Identifier: MIT
"""Processes through the Win32-named face: command lines, standard handles, environments,
inheritance, privileges."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as given_

from memsection import win32

BOTH = win32.GENERIC_READ | win32.GENERIC_WRITE
ALL_SHARE = win32.FILE_SHARE_READ | win32.FILE_SHARE_WRITE | win32.FILE_SHARE_DELETE


# As the tests of Wine and ReactOS record it of shell32 (dlls/shell32/tests/shlexec.c).
@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        ("", [sys.executable]),
        ("program", ["program"]),
        ("program one  two\tthree ", ["program", "one", "two", "three"]),
        ("program one\rtwo\nthree", ["program", "one\rtwo\nthree"]),
        ('"C:\\Program Files\\x.exe" a', ["C:\\Program Files\\x.exe", "a"]),
        (
            'C:\\x\\"y z" a',
            ['C:\\x\\"y', "z a"],
        ),  # only a leading quote protects the program's blanks
        ('"ends\\"here too', ["ends\\", "here", "too"]),
        ('"two"" a ', ["two", " a "]),
        ('"three""" a', ["three", "", "a"]),
        ('"four""""a', ["four", '"a']),
        (' "a"b c', ["", "ab", "c"]),
        ('p "a b" c', ["p", "a b", "c"]),
        ('p a"b c"d', ["p", "ab cd"]),
        ('p ""', ["p", ""]),
        ('p "', ["p", ""]),
        ("p a\\\\b c:\\d\\", ["p", "a\\\\b", "c:\\d\\"]),
        ('p \\"a\\" b', ["p", '"a"', "b"]),
        ('p "a\\\\" b', ["p", "a\\", "b"]),
        ('p "a\\\\\\" b"', ["p", 'a\\" b']),
        ('p two""q r', ["p", "twoq", "r"]),
        ('p three"""q r', ["p", 'three"q', "r"]),
        ('p four"""" q" r', ["p", 'four" q', "r"]),
        ('p six""""""q r', ["p", 'six""q', "r"]),
        ('p "two""q r', ["p", 'two"q', "r"]),
        ('p "two"" r', ["p", 'two"', "r"]),
        ('p "three""" q" r', ["p", 'three" q', "r"]),
        ('p "five"""""q r', ["p", 'five""q', "r"]),
        ('p "a \\\\"""\\\\" q', ["p", 'a \\"\\', "q"]),
        ('p "unfinished one', ["p", "unfinished one"]),
    ],
)
def test_a_command_line_comes_apart_as_shell32_takes_it(line: str, arguments: list[str]) -> None:
    assert win32.CommandLineToArgv(line) == arguments


# slow machines, slower under Wine
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    given_.lists(
        given_.text(
            given_.characters(blacklist_characters="\0\n\r", blacklist_categories=("Cs",)),
            max_size=12,
        ),
        max_size=6,
    )
)
def test_what_subprocess_quotes_comes_apart_again(arguments: list[str]) -> None:
    assert win32.CommandLineToArgv(subprocess.list2cmdline(["program", *arguments])) == [
        "program",
        *arguments,
    ]


def test_no_command_line_is_an_error() -> None:
    with pytest.raises(ValueError, match="command line"):
        win32.CommandLineToArgv(None)
    with pytest.raises(ValueError, match="neither"):
        win32.CreateProcess()


def _run(code: str, *words: str, output: Path, **options: Any) -> int:
    """Run Python code as a process of its own; its exit code.  Its output goes into a file."""
    sa = win32.SECURITY_ATTRIBUTES(bInheritHandle=True)
    target = win32.CreateFile(output, win32.GENERIC_WRITE, ALL_SHARE, sa, win32.CREATE_ALWAYS)
    nothing = win32.CreateFile(
        "NUL" if sys.platform == "win32" else "/dev/null", win32.GENERIC_READ, ALL_SHARE, sa
    )
    startup = win32.STARTUPINFO(
        dwFlags=win32.STARTF_USESTDHANDLES, hStdInput=nothing, hStdOutput=target, hStdError=target
    )
    made = win32.CreateProcess(
        sys.executable,
        subprocess.list2cmdline([sys.executable, "-c", code, *words]),
        bInheritHandles=True,
        lpStartupInfo=startup,
        **options,
    )
    assert win32.GetProcessId(made.hProcess) == made.dwProcessId
    assert win32.WaitForSingleObject(made.hProcess, 60_000) == win32.WAIT_OBJECT_0
    code_ = win32.GetExitCodeProcess(made.hProcess)
    for handle in (made.hProcess, made.hThread, target, nothing):
        win32.CloseHandle(handle)
    return code_


def test_a_process_gets_its_arguments_environment_directory_and_output(tmp_path: Path) -> None:
    output = tmp_path / "output"
    program = (
        "import json, os, sys\n"
        "os.write(1, json.dumps([sys.argv[1:], os.environ.get('GREETING'), "
        "os.getcwd()]).encode())\n"
        "sys.exit(7)"
    )
    environment = {**os.environ, "GREETING": "为人民服务"}
    words = ["two words", 'a "quote"', "back\\slash\\", ""]
    assert (
        _run(
            program,
            *words,
            output=output,
            lpEnvironment=environment,
            lpCurrentDirectory=str(tmp_path),
        )
        == 7
    )
    arguments, greeting, directory = json.loads(output.read_text(encoding="utf-8"))
    assert arguments == words
    assert greeting == "为人民服务"
    assert Path(directory).resolve() == tmp_path.resolve()


def test_an_environment_can_be_a_block_of_text(tmp_path: Path) -> None:
    block = (
        "".join(f"{name}={value}\0" for name, value in {**os.environ, "ONE": "1=1"}.items()) + "\0"
    )
    output = tmp_path / "output"
    assert (
        _run(
            "import os; os.write(1, os.environ['ONE'].encode())", output=output, lpEnvironment=block
        )
        == 0
    )
    assert output.read_bytes() == b"1=1"


def test_a_running_process_is_still_active_and_can_be_ended() -> None:
    event = win32.CreateEvent(win32.SECURITY_ATTRIBUTES(bInheritHandle=True), True, False, None)
    code = f"from memsection import win32; win32.WaitForSingleObject({event}, 60000)"
    made = win32.CreateProcess(
        None, subprocess.list2cmdline([sys.executable, "-c", code]), bInheritHandles=True
    )
    assert win32.GetExitCodeProcess(made.hProcess) == win32.STILL_ACTIVE
    assert win32.WaitForSingleObject(made.hProcess, 0) == win32.WAIT_TIMEOUT
    win32.TerminateProcess(made.hProcess, 42)
    assert win32.WaitForSingleObject(made.hProcess, 60_000) == win32.WAIT_OBJECT_0
    assert win32.GetExitCodeProcess(made.hProcess) == 42
    for handle in (made.hProcess, made.hThread, event):
        win32.CloseHandle(handle)


CHILD = """\
import sys
from memsection import win32
try:
    view = win32.MapViewOfFile(int(sys.argv[1]), win32.FILE_MAP_WRITE)
except OSError as error:
    sys.exit(error.winerror)
win32.WriteProcessMemory(win32.GetCurrentProcess(), view, b"child")
"""


@pytest.mark.parametrize("of_the_handle", [False, True])
@pytest.mark.parametrize("of_the_process", [False, True])
def test_a_handle_is_inherited_when_both_switches_are_on(
    of_the_handle: bool, of_the_process: bool
) -> None:
    # so that the child has no handle of that value by accident
    taken = [win32.CreateEvent() for _ in range(200)]
    section = win32.CreateFileMapping(
        win32.INVALID_HANDLE_VALUE,
        win32.SECURITY_ATTRIBUTES(bInheritHandle=of_the_handle),
        win32.PAGE_READWRITE,
        0,
        0x1000,
        None,
    )
    made = win32.CreateProcess(
        sys.executable,
        subprocess.list2cmdline([sys.executable, "-c", CHILD, str(section)]),
        bInheritHandles=of_the_process,
    )
    assert win32.WaitForSingleObject(made.hProcess, 60_000) == win32.WAIT_OBJECT_0
    both = of_the_handle and of_the_process
    assert win32.GetExitCodeProcess(made.hProcess) == (0 if both else win32.ERROR_INVALID_HANDLE)
    view = win32.MapViewOfFile(section, win32.FILE_MAP_READ)
    assert win32.ReadProcessMemory(win32.GetCurrentProcess(), view, 5) == (
        b"child" if both else bytes(5)
    )
    win32.UnmapViewOfFile(view)
    for handle in (made.hProcess, made.hThread, section, *taken):
        win32.CloseHandle(handle)


def test_a_program_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        win32.CreateProcess(str(tmp_path / "no such program"), None)
    with pytest.raises(FileNotFoundError):
        win32.CreateProcess(None, f'"{tmp_path / "no such program"}" with arguments')


def test_a_process_cannot_begin_where_there_is_no_directory(tmp_path: Path) -> None:
    with pytest.raises(OSError) as caught:
        win32.CreateProcess(sys.executable, None, lpCurrentDirectory=str(tmp_path / "nowhere"))
    assert caught.value.winerror == win32.ERROR_DIRECTORY


def _ended() -> win32.PROCESS_INFORMATION:
    made = win32.CreateProcess(
        sys.executable, subprocess.list2cmdline([sys.executable, "-c", "pass"])
    )
    assert (
        win32.WaitForMultipleObjects([made.hProcess, made.hThread], True, 60_000)
        == win32.WAIT_OBJECT_0
    )
    return made


def test_a_process_and_its_thread_are_two_objects_and_end_together() -> None:
    made = _ended()
    assert not win32.CompareObjectHandles(made.hProcess, made.hThread)
    assert win32.GetExitCodeProcess(made.hProcess) == 0
    win32.CloseHandle(made.hProcess)
    assert win32.WaitForSingleObject(made.hThread, 0) == win32.WAIT_OBJECT_0
    win32.CloseHandle(made.hThread)


@pytest.mark.linux_only("Wine ends what has ended")
def test_a_process_that_has_ended_cannot_be_ended_again() -> None:
    made = _ended()
    with pytest.raises(OSError) as caught:
        win32.TerminateProcess(made.hProcess, 1)
    assert caught.value.winerror == win32.ERROR_ACCESS_DENIED
    assert win32.GetExitCodeProcess(made.hProcess) == 0
    win32.CloseHandle(made.hProcess)
    win32.CloseHandle(made.hThread)


def test_standard_handles_are_made_once_and_can_be_replaced() -> None:
    with pytest.raises(OSError) as caught:
        win32.GetStdHandle(0)
    assert caught.value.winerror == win32.ERROR_INVALID_HANDLE
    first = win32.GetStdHandle(win32.STD_ERROR_HANDLE)
    assert first == win32.GetStdHandle(-12)  # (DWORD)-12
    assert first > 0
    assert win32.GetHandleInformation(first) == win32.HANDLE_FLAG_INHERIT
    event = win32.CreateEvent()
    win32.SetStdHandle(win32.STD_ERROR_HANDLE, event)
    try:
        assert win32.GetStdHandle(win32.STD_ERROR_HANDLE) == event
    finally:
        win32.SetStdHandle(win32.STD_ERROR_HANDLE, first)
    win32.CloseHandle(event)


def test_a_standard_handle_is_closed_by_its_number(capfd: pytest.CaptureFixture[str]) -> None:
    first = win32.GetStdHandle(win32.STD_ERROR_HANDLE)
    event = win32.CreateEvent()
    win32.SetStdHandle(win32.STD_ERROR_HANDLE, event)
    try:
        win32.CloseHandle(win32.STD_ERROR_HANDLE)
        assert win32.GetStdHandle(win32.STD_ERROR_HANDLE) == 0
        for gone in (event, win32.STD_ERROR_HANDLE):
            with pytest.raises(OSError) as caught:
                win32.CloseHandle(gone)
            assert caught.value.winerror == win32.ERROR_INVALID_HANDLE
    finally:
        win32.SetStdHandle(win32.STD_ERROR_HANDLE, first)
    os.write(2, b"still there")
    assert capfd.readouterr().err == "still there"


WAITING = """\
import sys
from memsection import win32
print("ready", flush=True)
for line in sys.stdin:
    value = int(line)
    view = win32.MapViewOfFile(value, win32.FILE_MAP_READ)
    print(win32.ReadProcessMemory(win32.GetCurrentProcess(), view, 5), flush=True)
"""


@pytest.mark.parametrize("fetched", [False, True])
def test_a_handle_that_was_given_can_be_passed_on_and_taken_back(fetched: bool) -> None:
    me = win32.GetCurrentProcess()
    section = win32.CreateFileMapping(
        win32.INVALID_HANDLE_VALUE, None, win32.PAGE_READWRITE, 0, 0x1000, None
    )
    view = win32.MapViewOfFile(section, win32.FILE_MAP_WRITE)
    win32.WriteProcessMemory(me, view, b"given")
    with subprocess.Popen(
        [sys.executable, "-c", WAITING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin is not None and child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        process = win32.OpenProcess(win32.PROCESS_DUP_HANDLE, False, child.pid)
        given = win32.DuplicateHandle(me, section, process)
        win32.CloseHandle(section)
        if fetched:
            child.stdin.write(f"{given}\n")
            child.stdin.flush()
            assert child.stdout.readline() == "b'given'\n"
        back = win32.DuplicateHandle(process, given, me)
        again = win32.DuplicateHandle(
            process, given, me, 0, False, win32.DUPLICATE_SAME_ACCESS | win32.DUPLICATE_CLOSE_SOURCE
        )
        assert win32.CompareObjectHandles(back, again)
        with pytest.raises(OSError) as caught:
            win32.DuplicateHandle(process, given, me)
        assert caught.value.winerror == win32.ERROR_INVALID_HANDLE
        own = win32.MapViewOfFile(back, win32.FILE_MAP_READ)
        assert win32.ReadProcessMemory(me, own, 5) == b"given"
        for address in (own, view):
            win32.UnmapViewOfFile(address)
        for handle in (back, again, process):
            win32.CloseHandle(handle)


def test_a_handle_given_to_a_process_keeps_the_name_until_that_process_ends() -> None:
    name = f"given {uuid.uuid4()}"
    section = win32.CreateFileMapping(
        win32.INVALID_HANDLE_VALUE, None, win32.PAGE_READWRITE, 0, 0x1000, name
    )
    with subprocess.Popen(
        [sys.executable, "-c", WAITING], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        process = win32.OpenProcess(win32.PROCESS_DUP_HANDLE | win32.SYNCHRONIZE, False, child.pid)
        win32.DuplicateHandle(win32.GetCurrentProcess(), section, process)
        win32.CloseHandle(section)
        win32.CloseHandle(win32.OpenFileMapping(win32.FILE_MAP_READ, False, name))
        child.kill()
        win32.WaitForSingleObject(process, win32.INFINITE)
        with pytest.raises(FileNotFoundError):
            win32.OpenFileMapping(win32.FILE_MAP_READ, False, name)
        win32.CloseHandle(process)


def _token(access: int) -> int:
    return win32.OpenProcessToken(win32.GetCurrentProcess(), access)


def test_the_debug_privilege_is_switched_on_and_off_again() -> None:
    token = _token(win32.TOKEN_ADJUST_PRIVILEGES | win32.TOKEN_QUERY)
    wanted = win32.TOKEN_PRIVILEGES()
    wanted.Privileges[0].Luid = win32.LookupPrivilegeValue(None, win32.SE_DEBUG_NAME)
    wanted.Privileges[0].Attributes = win32.SE_PRIVILEGE_ENABLED
    before = win32.AdjustTokenPrivileges(token, False, wanted)
    if win32.GetLastError() == win32.ERROR_NOT_ALL_ASSIGNED:
        assert before.PrivilegeCount == 0  # an ordinary user does not have it, and nothing changed
    else:
        assert win32.GetLastError() == 0
        win32.AdjustTokenPrivileges(token, False, before)
        again = win32.AdjustTokenPrivileges(token, False, before)
        assert all(one in before.Privileges for one in again.Privileges)  # it is as it was
    win32.CloseHandle(token)


def test_privileges_that_do_not_exist_have_no_number() -> None:
    with pytest.raises(OSError) as caught:
        win32.LookupPrivilegeValue(None, "SeNoSuchPrivilege")
    assert caught.value.winerror == win32.ERROR_NO_SUCH_PRIVILEGE
    with pytest.raises(OSError) as caught:
        win32.LookupPrivilegeValue("another machine", win32.SE_DEBUG_NAME)
    assert caught.value.winerror == win32.ERROR_NOT_SUPPORTED


def test_a_token_opened_for_asking_cannot_be_adjusted() -> None:
    token = _token(win32.TOKEN_QUERY)
    with pytest.raises(PermissionError):
        win32.AdjustTokenPrivileges(token, False, win32.TOKEN_PRIVILEGES())
    with pytest.raises(ValueError, match="state"):
        win32.AdjustTokenPrivileges(token)
    win32.CloseHandle(token)


def test_who_may_ask_everything_of_a_process_may_ask_the_little() -> None:
    process = win32.OpenProcess(win32.PROCESS_QUERY_INFORMATION, False, os.getpid())
    assert win32.GetProcessId(process) == os.getpid()
    assert win32.GetExitCodeProcess(process) == win32.STILL_ACTIVE
    win32.CloseHandle(win32.OpenProcessToken(process, win32.TOKEN_QUERY))
    win32.CloseHandle(process)


@pytest.mark.linux_only("Wine 8 grants it")
def test_no_right_at_all_is_not_granted() -> None:
    for call in (
        lambda: win32.OpenProcess(0, False, os.getpid()),
        lambda: win32.OpenProcessToken(win32.GetCurrentProcess(), 0),
    ):
        with pytest.raises(OSError) as caught:
            call()
        assert caught.value.winerror == win32.ERROR_ACCESS_DENIED


@pytest.mark.parametrize("pseudo", [-1, -2, -3, -4, -5, -6])
def test_closing_a_pseudo_handle_does_nothing_and_is_no_error(pseudo: int) -> None:
    win32.CloseHandle(pseudo)
    assert win32.GetProcessId(win32.GetCurrentProcess()) == os.getpid()


def test_a_process_has_security() -> None:
    process = win32.OpenProcess(win32.READ_CONTROL, False, os.getpid())
    for handle in (process, win32.GetCurrentProcess()):
        descriptor = win32.GetKernelObjectSecurity(handle, 0x7)
        assert win32.GetSecurityDescriptorOwner(descriptor)[0] is not None
        present, acl, _ = win32.GetSecurityDescriptorDacl(descriptor)
        assert present and acl is not None and win32.GetAclInformation(acl)[0]
    win32.CloseHandle(process)
