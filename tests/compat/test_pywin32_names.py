# SPDX-License-Identifier: MIT
"""The modules of pywin32 that a script finds which sees Windows: each fact is asserted inside such
a script."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.linux_only("on Windows pywin32 itself does this")

HEAD = """
import os, pywintypes, win32api, win32con, win32event, win32file, win32security, winerror
def code_of(function, *arguments):
    try:
        function(*arguments)
    except pywintypes.error as problem:
        return problem.winerror, problem.funcname
    return 0
"""


@pytest.fixture
def holds(tmp_path: Path):  # type: ignore[no-untyped-def]
    """Run a script that sees Windows, whose assertions have to hold."""

    def run(text: str) -> None:
        (tmp_path / "script.py").write_text(HEAD + text)
        done = subprocess.run(
            [sys.executable, "-W", "error", "-m", "memsection.compat.windows", "script.py"],
            capture_output=True,
            text=True,
            timeout=100,
            cwd=tmp_path,
        )
        assert not done.returncode, done.stderr

    return run


def test_a_sid_is_memory_a_key_and_made_of_parts(holds) -> None:  # type: ignore[no-untyped-def]
    holds("""
everyone = win32security.CreateWellKnownSid(win32security.WinWorldSid)
assert bytes(memoryview(everyone)) == bytes([1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0])
assert {everyone: 5}[win32security.ConvertStringSidToSid("S-1-1-0")] == 5
assert everyone != None and not everyone == "S-1-1-0" and str(everyone) == "PySID:S-1-1-0"
made = win32security.SID()
assert not made.IsValid()
made.Initialize(win32security.SECURITY_NT_AUTHORITY, 2)
made.SetSubAuthority(0, win32security.SECURITY_BUILTIN_DOMAIN_RID)
made.SetSubAuthority(1, win32security.DOMAIN_ALIAS_RID_POWER_USERS)
assert made == win32security.LookupAccountName("", "Power Users")[0]
assert made.GetSubAuthorityCount() == 2 and made.GetSubAuthority(1) == 547
assert made.GetSidIdentifierAuthority() == (0, 0, 0, 0, 0, 5)
for wrong in (2, -1):
    try:
        made.GetSubAuthority(wrong)
    except ValueError:
        continue
    raise AssertionError(wrong)
""")


def test_entries_change_an_access_list(holds) -> None:  # type: ignore[no-untyped-def]
    holds("""
import ntsecuritycon, winnt
me = win32security.GetTokenInformation(
    win32security.OpenProcessToken(win32api.GetCurrentProcess(), ntsecuritycon.TOKEN_QUERY),
    ntsecuritycon.TokenUser)[0]
def entry(who, form, mode, rights):
    return {"Trustee": {"MultipleTrustee": None, "MultipleTrusteeOperation": 0,
            "TrusteeForm": form, "TrusteeType": winnt.TRUSTEE_IS_USER, "Identifier": who},
            "Inheritance": winnt.NO_INHERITANCE, "AccessMode": mode, "AccessPermissions": rights}
acl = win32security.ACL()
acl.SetEntriesInAcl([
    entry(me, winnt.TRUSTEE_IS_SID, winnt.GRANT_ACCESS, win32con.GENERIC_ALL),
    entry("Power Users", winnt.TRUSTEE_IS_NAME, winnt.DENY_ACCESS, win32con.DELETE)])
power = win32security.LookupAccountName("", "Power Users")[0]
assert [acl.GetAce(n)[1:] for n in (0, 1)] == [(0x10000, power), (0x10000000, me)]
found = acl.GetExplicitEntriesFromAcl()
assert [one["AccessMode"] for one in found] == [winnt.DENY_ACCESS, winnt.GRANT_ACCESS]
again = win32security.ACL()
again.SetEntriesInAcl(found)
assert again.GetAceCount() == 2 and again.GetAclRevision() == win32security.ACL_REVISION
attributes = pywintypes.SECURITY_ATTRIBUTES()
attributes.SetSecurityDescriptorOwner(me, 0)
attributes.SetSecurityDescriptorDacl(1, acl, 0)
event = win32event.CreateEvent(attributes, 0, 0, None)
sd = win32security.GetKernelObjectSecurity(event, win32security.DACL_SECURITY_INFORMATION)
assert sd.GetSecurityDescriptorDacl().GetAceCount() == 2
sd.SetSecurityDescriptorControl(winnt.SE_DACL_PROTECTED, winnt.SE_DACL_PROTECTED)
assert sd.GetSecurityDescriptorControl()[0] & winnt.SE_DACL_PROTECTED
""")


def test_privileges_and_tokens_have_their_names(holds) -> None:  # type: ignore[no-untyped-def]
    holds("""
token = win32security.OpenProcessToken(win32api.GetCurrentProcess(), win32security.TOKEN_QUERY)
for name in ("SE_SECURITY_NAME", "SE_TCB_NAME", "SE_PROF_SINGLE_PROCESS_NAME", "SE_DEBUG_NAME"):
    luid = win32security.LookupPrivilegeValue("", getattr(win32security, name))
    assert win32security.LookupPrivilegeName("", luid) == getattr(win32security, name)
held = win32security.GetTokenInformation(token, win32security.TokenPrivileges)
assert all(len(one) == 2 for one in held)
groups = win32security.GetTokenInformation(token, win32security.TokenGroups)
assert all(sid.IsValid() for sid, _ in groups)
assert win32security.GetTokenInformation(token, win32security.TokenPrimaryGroup).IsValid()
assert win32security.GetTokenInformation(token, win32security.TokenStatistics)["TokenId"]
assert code_of(win32security.DsBind) == (winerror.ERROR_NO_SUCH_DOMAIN, "DsBind")
name = win32api.GetUserNameEx(win32api.NameSamCompatible)
assert name == f"{win32api.GetDomainName()}\\\\{win32api.GetUserName()}"
assert win32security.LookupAccountName("", name)[1] == win32api.GetDomainName()
""")


def test_an_operation_at_a_place_sets_its_event_and_ends_with_an_error(holds) -> None:  # type: ignore[no-untyped-def]
    holds("""
def opened(access, how): return win32file.CreateFile("data", access, 0, None, how, 0, 0)
place = pywintypes.OVERLAPPED()
assert place == pywintypes.OVERLAPPED() and {place: 1}[place] == 1
place.hEvent = win32event.CreateEvent(None, 0, 0, None)
assert place != pywintypes.OVERLAPPED()
with opened(win32file.GENERIC_WRITE, win32file.CREATE_ALWAYS) as file:
    win32file.WriteFile(file, b"z" * 100, place)
    assert win32event.WaitForSingleObject(place.hEvent, 0) == win32event.WAIT_OBJECT_0
buffer = win32file.AllocateReadBuffer(200)
with opened(win32file.GENERIC_READ, win32file.OPEN_EXISTING) as file:
    assert win32file.ReadFile(file, buffer, place)[1] is buffer
    assert win32event.WaitForSingleObject(place.hEvent, 0) == win32event.WAIT_OBJECT_0
    assert win32file.GetOverlappedResult(file, place, True) == 100
    place.Offset = 100
    assert code_of(win32file.ReadFile, file, buffer, place) == (38, "ReadFile")
    assert win32event.WaitForSingleObject(place.hEvent, 0) == win32event.WAIT_TIMEOUT
""")


def test_what_a_file_is_by_its_handle_and_by_its_path(holds) -> None:  # type: ignore[no-untyped-def]
    holds("""
import win32timezone
with open("data", "wb") as file: file.write(b"12345")
os.utime("data", (1, 86400))
file = win32file.CreateFile("data", win32file.GENERIC_READ, 7, None, win32con.OPEN_EXISTING, 0, 0)
written = win32file.GetFileTime(file)[2]
assert written.timestamp() == 86400 and written.tzinfo == win32timezone.TimeZoneInfo.utc()
basic = win32file.GetFileInformationByHandleEx(file, win32file.FileBasicInfo)
assert basic["LastWriteTime"] == written
assert basic["FileAttributes"] == win32file.GetFileAttributes("data")
assert win32file.GetFileAttributesEx("data")[3:] == (written, 5)
local = written.astimezone(win32timezone.TimeZoneInfo.local())
assert local == written and local.utcoffset() == written.astimezone().utcoffset()
assert code_of(win32file.GetFileAttributes, "none") == (2, "GetFileAttributes")
""")


def test_directories_and_names_of_files(holds) -> None:  # type: ignore[no-untyped-def]
    holds("""
long = "\\\\\\\\?\\\\" + os.path.abspath("a" * 250)
win32file.CreateDirectoryW(long, None)
assert code_of(win32file.CreateDirectoryW, long, None)[0] == winerror.ERROR_ALREADY_EXISTS
assert win32api.GetFileAttributes(long) & win32con.FILE_ATTRIBUTE_DIRECTORY
assert win32api.GetLongPathNameW(long) == long
win32file.RemoveDirectory(long)
assert not os.path.exists("a" * 250)
first, second = (win32api.GetTempFileName(".", "tmp") for _ in range(2))
assert first[0] != second[0] and os.path.isfile(second[0])
win32api.DeleteFile(first[0])
assert not os.path.exists(first[0])
assert win32api.GetFullPathName("\\\\x\\\\y") == "\\\\x\\\\y"
assert win32api.GetFullPathName("x") == os.path.abspath("x")
assert code_of(win32api.GetTempFileName, "nowhere", "tmp") == (267, "GetTempFileName")
assert win32api.GetModuleFileName(0) == __import__("sys").executable
assert code_of(win32api.GetModuleFileName, 5)[0] == 126
win32api.SetLastError(-1)
assert win32api.GetLastError() == -1
""")


def test_a_pipe_without_a_name_ends_with_its_writer(holds) -> None:  # type: ignore[no-untyped-def]
    holds("""
import win32pipe
reads, writes = win32pipe.CreatePipe(None, 0)
win32file.WriteFile(writes, b"hello")
assert win32file.ReadFile(reads, 100) == (0, b"hello")
writes.Close()
assert code_of(win32file.ReadFile, reads, 100)[0] == 109
assert code_of(win32pipe.ConnectNamedPipe, None)[0] == 50
""")


def test_a_handle_of_a_file_becomes_a_descriptor(holds) -> None:  # type: ignore[no-untyped-def]
    holds("""
import msvcrt, win32pipe
made = win32file.CreateFile("x", win32con.GENERIC_READ | win32con.GENERIC_WRITE, 0, None,
                            win32con.CREATE_ALWAYS, 0, None)
win32file.WriteFile(made, b"hello")
handle = made.Detach()
with os.fdopen(msvcrt.open_osfhandle(handle, os.O_RDWR), "r+b") as file:
    assert file.tell() == 5 and file.seek(0) == 0 and file.read() == b"hello"
assert code_of(win32file.GetFileSize, handle)[0] == 6
reads, writes = win32pipe.CreatePipe(None, 0)
os.write(msvcrt.open_osfhandle(writes.Detach(), 0), b"there")
assert os.read(msvcrt.open_osfhandle(reads.Detach(), 0), 9) == b"there"
event = win32event.CreateEvent(None, 0, 0, None)
for other in (int(event), 0x1234568, 0, -1):
    try:
        msvcrt.open_osfhandle(other, 0)
    except OSError as problem:
        assert problem.errno == 9
    else:
        raise AssertionError(other)
win32event.SetEvent(event)
""")


def test_a_thread_acts_for_nobody_else(holds) -> None:  # type: ignore[no-untyped-def]
    holds("""
import ntsecuritycon
thread, name = win32api.GetCurrentThread(), "OpenThreadToken"
assert code_of(win32security.OpenThreadToken, thread, ntsecuritycon.TOKEN_QUERY, 1) == (1008, name)
assert code_of(win32security.OpenThreadToken, 0x123450, ntsecuritycon.TOKEN_QUERY, 1)[0] == 6
""")


def test_numbers_for_tables_of_names_are_there(holds) -> None:  # type: ignore[no-untyped-def]
    holds("""
import ntsecuritycon, winnt
assert ntsecuritycon.FILE_GENERIC_READ == 0x120089 and winnt.FILE_LIST_DIRECTORY == 1
assert ntsecuritycon.FILE_DELETE_CHILD == 64 and win32security.POLICY_ALL_ACCESS == 0xF0FFF
assert winnt.ACCESS_MAX_MS_V5_ACE_TYPE == 19 and win32security.TRUSTEE_IS_OBJECTS_AND_NAME == 4
assert win32api.STD_INPUT_HANDLE == -10
""")


def test_a_function_of_python_has_an_address(holds) -> None:  # type: ignore[no-untyped-def]
    holds("""
import sys
assert win32api.GetProcAddress(sys.dllhandle, "Py_IncRef")
assert code_of(win32api.GetProcAddress, sys.dllhandle, 1)[0] == 127
assert code_of(win32api.GetProcAddress, sys.dllhandle, "none")[0] == 127
assert code_of(win32api.GetProcAddress, 5, "Py_IncRef")[0] == 126
""")


def test_the_security_of_a_file_says_who_owns_it(holds, tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "file").write_text("")
    holds(f"""
import win32security as s
path = {str(tmp_path / "file")!r}
owner = s.GetFileSecurity(path, s.OWNER_SECURITY_INFORMATION).GetSecurityDescriptorOwner()
assert owner == s.GetNamedSecurityInfo(path, s.SE_FILE_OBJECT, 1).GetSecurityDescriptorOwner()
assert code_of(s.SetFileSecurity, path, s.OWNER_SECURITY_INFORMATION,
               s.GetFileSecurity(path, s.OWNER_SECURITY_INFORMATION))[0] == 50
""")
