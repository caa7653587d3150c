# SPDX-License-Identifier: MIT
"""What tokens say, through the Win32-named and the Nt-named face."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from memsection import nt, win32
from memsection.vocabulary import status
from memsection.vocabulary.sid import Sid


@pytest.fixture
def token() -> Iterator[int]:
    """The token of this process, for queries."""
    handle = win32.OpenProcessToken(win32.GetCurrentProcess(), win32.TOKEN_QUERY)
    yield handle
    win32.CloseHandle(handle)


def refused(code: int, call: Callable[[], object]) -> None:
    with pytest.raises(OSError) as caught:
        call()
    assert caught.value.winerror == code == win32.GetLastError()


@pytest.mark.linux_only("Wine 8 tells no owner of an object without a descriptor")
def test_the_user_of_a_token_owns_what_it_creates(token: int) -> None:
    user = win32.GetTokenInformation(token, win32.TokenUser)
    assert user.Attributes == 0
    assert user.Sid == nt.kernel.current_user()
    event = win32.CreateEvent(None, True, False, None)
    descriptor = win32.GetKernelObjectSecurity(event, win32.OWNER_SECURITY_INFORMATION)
    assert win32.GetSecurityDescriptorOwner(descriptor)[0] == win32.GetTokenInformation(
        token, win32.TokenOwner
    )
    win32.CloseHandle(event)


def test_everybody_is_in_the_groups_of_a_token_and_they_are_in_force(token: int) -> None:
    groups = {
        one.Sid: one.Attributes for one in win32.GetTokenInformation(token, win32.TokenGroups)
    }
    world = groups[win32.ConvertStringSidToSid("WD")]
    assert world & win32.SE_GROUP_ENABLED and world & win32.SE_GROUP_MANDATORY
    assert win32.GetTokenInformation(token, win32.TokenPrimaryGroup) is not None


@pytest.mark.linux_only("user and group ids are those of Unix")
def test_a_token_of_linux_has_the_ids_of_its_process(token: int) -> None:
    groups = {one.Sid for one in win32.GetTokenInformation(token, win32.TokenGroups)}
    assert {Sid.unix_group(number) for number in (os.getegid(), *os.getgroups())} <= groups
    assert win32.GetTokenInformation(token, win32.TokenUser).Sid == Sid.unix_user(os.geteuid())
    assert win32.GetTokenInformation(token, win32.TokenPrimaryGroup) == Sid.unix_group(os.getegid())
    assert win32.GetTokenInformation(token, win32.TokenElevation) == (os.geteuid() == 0)


@pytest.mark.linux_only("the token of another process is told from /proc on Linux alone")
def test_the_token_of_another_process_says_the_same_as_its_own(token: int) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    process = win32.OpenProcess(win32.PROCESS_QUERY_LIMITED_INFORMATION, False, child.pid)
    other = win32.OpenProcessToken(process, win32.TOKEN_QUERY)
    for information in (
        win32.TokenUser,
        win32.TokenGroups,
        win32.TokenOwner,
        win32.TokenPrimaryGroup,
        win32.TokenType,
        win32.TokenElevation,
    ):
        assert win32.GetTokenInformation(other, information) == win32.GetTokenInformation(
            token, information
        )
    mine, its = (win32.GetTokenInformation(one, win32.TokenPrivileges) for one in (token, other))
    assert [one.Luid for one in its.Privileges] == [one.Luid for one in mine.Privileges]
    child.communicate(b"")
    win32.CloseHandle(other)
    win32.CloseHandle(process)


def test_a_privilege_that_is_switched_off_is_told_as_off() -> None:
    handle = win32.OpenProcessToken(
        win32.GetCurrentProcess(), win32.TOKEN_QUERY | win32.TOKEN_ADJUST_PRIVILEGES
    )
    held = win32.GetTokenInformation(handle, win32.TokenPrivileges)
    assert held.PrivilegeCount == len(held.Privileges)
    for one in [one for one in held.Privileges if one.Attributes & win32.SE_PRIVILEGE_ENABLED][:1]:
        off = win32.TOKEN_PRIVILEGES(1, [win32.LUID_AND_ATTRIBUTES(one.Luid, 0)])
        before = win32.AdjustTokenPrivileges(handle, False, off)
        now = {
            each.Luid: each.Attributes
            for each in win32.GetTokenInformation(handle, win32.TokenPrivileges).Privileges
        }
        win32.AdjustTokenPrivileges(handle, False, before)
        assert not now[one.Luid] & win32.SE_PRIVILEGE_ENABLED
    win32.CloseHandle(handle)


def test_a_token_of_a_process_is_a_primary_one(token: int) -> None:
    assert win32.GetTokenInformation(token, win32.TokenType) == win32.TokenPrimary
    assert nt.NtQueryInformationToken(token, win32.TokenType) == (
        status.SUCCESS,
        win32.TokenPrimary,
    )


def test_statistics_tell_tokens_apart_and_count(token: int) -> None:
    first = win32.GetTokenInformation(token, win32.TokenStatistics)
    assert isinstance(first, win32.TOKEN_STATISTICS)
    assert first.TokenId and first.TokenType == win32.TokenPrimary
    assert first.GroupCount == len(win32.GetTokenInformation(token, win32.TokenGroups))
    assert (
        first.PrivilegeCount
        == win32.GetTokenInformation(token, win32.TokenPrivileges).PrivilegeCount
    )
    assert win32.GetTokenInformation(token, win32.TokenStatistics).TokenId == first.TokenId


@pytest.mark.linux_only("the token of another process is told from /proc on Linux alone")
def test_statistics_of_another_process_are_its_own(token: int) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    process = win32.OpenProcess(win32.PROCESS_QUERY_LIMITED_INFORMATION, False, child.pid)
    other = win32.OpenProcessToken(process, win32.TOKEN_QUERY)
    mine, its = (win32.GetTokenInformation(one, win32.TokenStatistics) for one in (token, other))
    assert mine.TokenId != its.TokenId
    assert mine.AuthenticationId
    assert (mine.AuthenticationId, mine.GroupCount, mine.PrivilegeCount) == (
        its.AuthenticationId,
        its.GroupCount,
        its.PrivilegeCount,
    )
    child.communicate(b"")
    win32.CloseHandle(other)
    win32.CloseHandle(process)


def test_a_changed_privilege_changes_the_modification_id() -> None:
    handle = win32.OpenProcessToken(
        win32.GetCurrentProcess(), win32.TOKEN_QUERY | win32.TOKEN_ADJUST_PRIVILEGES
    )
    held = win32.GetTokenInformation(handle, win32.TokenPrivileges)
    for one in [one for one in held.Privileges if one.Attributes & win32.SE_PRIVILEGE_ENABLED][:1]:
        before = win32.GetTokenInformation(handle, win32.TokenStatistics).ModifiedId
        off = win32.TOKEN_PRIVILEGES(1, [win32.LUID_AND_ATTRIBUTES(one.Luid, 0)])
        changed = win32.AdjustTokenPrivileges(handle, False, off)
        after = win32.GetTokenInformation(handle, win32.TokenStatistics).ModifiedId
        win32.AdjustTokenPrivileges(handle, False, changed)
        assert after != before
    win32.CloseHandle(handle)


def test_a_class_that_is_none_is_told_before_the_handle_is_looked_at() -> None:
    refused(
        win32.ERROR_INVALID_PARAMETER, lambda: win32.GetTokenInformation(0x7FFFFFF0, 0xDEADBEEF)
    )
    refused(win32.ERROR_NOT_SUPPORTED, lambda: win32.GetTokenInformation(0x7FFFFFF0, 7))


def test_a_token_is_asked_with_the_right_to_it_and_for_what_there_is(token: int) -> None:
    blind = win32.OpenProcessToken(win32.GetCurrentProcess(), win32.TOKEN_ADJUST_PRIVILEGES)
    refused(win32.ERROR_ACCESS_DENIED, lambda: win32.GetTokenInformation(blind, win32.TokenUser))
    win32.CloseHandle(blind)
    refused(
        win32.ERROR_INVALID_HANDLE, lambda: win32.GetTokenInformation(0x7FFFFFF0, win32.TokenUser)
    )
    event = win32.CreateEvent(None, True, False, None)
    refused(win32.ERROR_INVALID_HANDLE, lambda: win32.GetTokenInformation(event, win32.TokenUser))
    win32.CloseHandle(event)
    refused(win32.ERROR_INVALID_PARAMETER, lambda: win32.GetTokenInformation(token, 0))
    refused(win32.ERROR_INVALID_PARAMETER, lambda: win32.GetTokenInformation(token, 0xDEADBEEF))
    assert nt.NtQueryInformationToken(token, 0xDEADBEEF)[0] == status.INVALID_INFO_CLASS
