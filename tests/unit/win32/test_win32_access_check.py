# SPDX-License-Identifier: MIT
"""Copies of tokens, and what descriptors grant to who they are."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from memsection import nt, win32
from memsection.vocabulary import status

MAPPING = win32.GENERIC_MAPPING(0x20001, 0x20002, 0x20004, 0x1F0007)
OTHER = "S-1-5-21-1-2-3-4711"


@pytest.fixture
def own() -> Iterator[int]:
    """The token of this process."""
    handle = win32.OpenProcessToken(
        win32.GetCurrentProcess(),
        win32.TOKEN_QUERY | win32.TOKEN_DUPLICATE | win32.TOKEN_ADJUST_PRIVILEGES,
    )
    yield handle
    win32.CloseHandle(handle)


@pytest.fixture
def client(own: int) -> Iterator[int]:
    """A copy of it that descriptors are judged for."""
    handle = win32.DuplicateToken(own, win32.SecurityImpersonation)
    yield handle
    win32.CloseHandle(handle)


def refused(code: int, call: Callable[[], object]) -> None:
    with pytest.raises(OSError) as caught:
        call()
    assert caught.value.winerror == code == win32.GetLastError()


def check(client: int, aces: str | None, desired: int, owner: str = OTHER) -> int | str:
    """The granted rights, or the code that tells why there are none."""
    text = f"O:{owner}G:{OTHER}" + ("" if aces is None else f"D:{aces}")
    descriptor = win32.ConvertStringSecurityDescriptorToSecurityDescriptor(text)
    granted, allowed = win32.AccessCheck(descriptor, client, desired, MAPPING)
    assert allowed or not granted
    return granted if allowed else f"error {win32.GetLastError()}"


def test_a_right_belongs_to_the_first_entry_that_mentions_it(client: int) -> None:
    assert check(client, "(A;;0x1;;;WD)", 1) == 1
    assert check(client, "(A;;0x1;;;WD)", 3) == "error 5"
    assert check(client, "(D;;0x1;;;WD)(A;;0x3;;;WD)", 1) == "error 5"
    assert check(client, "(A;;0x3;;;WD)(D;;0x1;;;WD)", 1) == 1
    assert check(client, f"(A;;0x7;;;{OTHER})", 1) == "error 5"
    assert check(client, "", 1) == "error 5"


def test_generic_rights_in_a_descriptor_mean_what_the_mapping_says(client: int) -> None:
    assert check(client, "(A;;GR;;;WD)", 0x20001) == 0x20001
    assert check(client, "(A;;GW;;;WD)", 1) == "error 5"
    assert check(client, "(A;;GA;;;WD)", 0x1F0007) == 0x1F0007
    refused(
        win32.ERROR_GENERIC_NOT_MAPPED, lambda: check(client, "(A;;GA;;;WD)", win32.GENERIC_READ)
    )
    assert win32.MapGenericMask(win32.GENERIC_READ | win32.GENERIC_WRITE | 4, MAPPING) == 0x20007
    assert win32.MapGenericMask(win32.GENERIC_ALL, MAPPING) == 0x1F0007


def test_all_that_is_allowed_is_granted_to_who_asks_for_the_most(client: int) -> None:
    assert check(client, "(A;;0x5;;;WD)", win32.MAXIMUM_ALLOWED) == 5
    assert check(client, "(D;;0x1;;;WD)(A;;0x7;;;WD)", win32.MAXIMUM_ALLOWED) == 6
    assert check(client, None, win32.MAXIMUM_ALLOWED) == 0x1F0007
    assert check(client, "", win32.MAXIMUM_ALLOWED) == "error 5"


def test_the_owner_reads_and_changes_the_descriptor(own: int, client: int) -> None:
    me = win32.ConvertSidToStringSid(win32.GetTokenInformation(own, win32.TokenUser).Sid)
    assert (
        check(client, "", win32.READ_CONTROL | win32.WRITE_DAC, me)
        == win32.READ_CONTROL | win32.WRITE_DAC
    )
    assert check(client, "", win32.READ_CONTROL) == "error 5"


def test_a_check_needs_a_token_to_impersonate_and_a_whole_descriptor(own: int, client: int) -> None:
    whole = win32.ConvertStringSecurityDescriptorToSecurityDescriptor(
        f"O:{OTHER}G:{OTHER}D:(A;;GA;;;WD)"
    )
    refused(win32.ERROR_NO_IMPERSONATION_TOKEN, lambda: win32.AccessCheck(whole, own, 1, MAPPING))
    refused(win32.ERROR_INVALID_HANDLE, lambda: win32.AccessCheck(whole, 0x7FFFFFF0, 1, MAPPING))
    for text in ("D:(A;;GA;;;WD)", f"O:{OTHER}D:(A;;GA;;;WD)", f"G:{OTHER}D:(A;;GA;;;WD)"):
        part = win32.ConvertStringSecurityDescriptorToSecurityDescriptor(text)
        refused(
            win32.ERROR_INVALID_SECURITY_DESCR,
            lambda part=part: win32.AccessCheck(part, client, 1, MAPPING),
        )


@pytest.mark.linux_only("Wine 8 checks no level, and needs no right to a token")
def test_a_token_that_may_not_be_identified_is_not_judged(own: int) -> None:
    anonymous = win32.DuplicateToken(own, win32.SecurityAnonymous)
    refused(win32.ERROR_BAD_IMPERSONATION_LEVEL, lambda: check(anonymous, "(A;;GA;;;WD)", 1))
    win32.CloseHandle(anonymous)
    blind = win32.DuplicateTokenEx(
        own, win32.TOKEN_DUPLICATE, None, win32.SecurityImpersonation, win32.TokenImpersonation
    )
    refused(win32.ERROR_ACCESS_DENIED, lambda: check(blind, "(A;;GA;;;WD)", 1))
    win32.CloseHandle(blind)


def test_a_copy_says_what_the_token_said(own: int, client: int) -> None:
    for information in (
        win32.TokenUser,
        win32.TokenGroups,
        win32.TokenOwner,
        win32.TokenPrimaryGroup,
    ):
        assert win32.GetTokenInformation(client, information) == win32.GetTokenInformation(
            own, information
        )
    assert win32.GetTokenInformation(client, win32.TokenType) == win32.TokenImpersonation
    assert (
        win32.GetTokenInformation(client, win32.TokenImpersonationLevel)
        == win32.SecurityImpersonation
    )
    refused(
        win32.ERROR_INVALID_PARAMETER,
        lambda: win32.GetTokenInformation(own, win32.TokenImpersonationLevel),
    )
    first, second = (win32.GetTokenInformation(one, win32.TokenStatistics) for one in (own, client))
    assert first.TokenId != second.TokenId and second.TokenType == win32.TokenImpersonation
    assert second.ImpersonationLevel == win32.SecurityImpersonation


def test_the_rights_of_a_copy_are_those_that_were_asked_for(own: int) -> None:
    me = win32.GetCurrentProcess()
    for asked, expected in (
        (win32.TOKEN_QUERY, win32.TOKEN_QUERY),
        (win32.TOKEN_ALL_ACCESS, win32.TOKEN_ALL_ACCESS),
        (0, win32.TOKEN_QUERY | win32.TOKEN_DUPLICATE | win32.TOKEN_ADJUST_PRIVILEGES),
    ):
        copy = win32.DuplicateTokenEx(
            own, asked, None, win32.SecurityImpersonation, win32.TokenPrimary
        )
        assert win32.GetTokenInformation(copy, win32.TokenType) == win32.TokenPrimary
        _, found = nt.NtQueryObject(copy, nt.ObjectBasicInformation)
        assert found.GrantedAccess == expected
        win32.CloseHandle(copy)
    asking = win32.OpenProcessToken(me, win32.TOKEN_QUERY)
    refused(
        win32.ERROR_ACCESS_DENIED, lambda: win32.DuplicateToken(asking, win32.SecurityImpersonation)
    )
    win32.CloseHandle(asking)


def test_privileges_are_adjusted_in_the_copy_alone(own: int) -> None:
    copy = win32.DuplicateTokenEx(
        own, win32.TOKEN_ALL_ACCESS, None, win32.SecurityImpersonation, win32.TokenPrimary
    )
    before = repr(win32.GetTokenInformation(own, win32.TokenPrivileges))
    win32.AdjustTokenPrivileges(copy, True)
    after = win32.GetTokenInformation(copy, win32.TokenPrivileges)
    assert not any(one.Attributes & win32.SE_PRIVILEGE_ENABLED for one in after.Privileges)
    assert repr(win32.GetTokenInformation(own, win32.TokenPrivileges)) == before
    win32.CloseHandle(copy)


@pytest.mark.linux_only("Wine 8 lets the level of a copy rise")
def test_the_level_of_a_copy_of_a_copy_does_not_rise(own: int) -> None:
    low = win32.DuplicateTokenEx(
        own, win32.TOKEN_ALL_ACCESS, None, win32.SecurityIdentification, win32.TokenImpersonation
    )
    bad = win32.ERROR_BAD_IMPERSONATION_LEVEL
    refused(bad, lambda: win32.DuplicateToken(low, win32.SecurityImpersonation))
    refused(
        bad,
        lambda: win32.DuplicateTokenEx(
            low, 0, None, win32.SecurityIdentification, win32.TokenPrimary
        ),
    )
    refused(bad, lambda: win32.DuplicateToken(own, 4))
    win32.CloseHandle(win32.DuplicateToken(low, win32.SecurityAnonymous))
    win32.CloseHandle(low)
    refused(
        win32.ERROR_INVALID_PARAMETER,
        lambda: win32.DuplicateTokenEx(own, 0, None, win32.SecurityImpersonation, 3),
    )


@pytest.mark.linux_only("the token of another process is told from /proc on Linux alone")
def test_a_copy_outlives_the_process() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    process = win32.OpenProcess(win32.PROCESS_QUERY_LIMITED_INFORMATION, False, child.pid)
    token = win32.OpenProcessToken(process, win32.TOKEN_QUERY | win32.TOKEN_DUPLICATE)
    copy = win32.DuplicateToken(token, win32.SecurityIdentification)
    child.communicate(b"")
    assert win32.GetTokenInformation(copy, win32.TokenUser).Sid == nt.kernel.current_user()
    assert check(copy, "(A;;0x1;;;WD)", 1) == 1
    refused(
        win32.ERROR_ACCESS_DENIED, lambda: win32.DuplicateToken(token, win32.SecurityIdentification)
    )
    for handle in (copy, token, process):
        win32.CloseHandle(handle)


def test_a_member_is_who_is_in_a_group_that_is_in_force(own: int, client: int) -> None:
    world, user = (
        win32.ConvertStringSidToSid("WD"),
        win32.GetTokenInformation(own, win32.TokenUser).Sid,
    )
    for token in (0, client):
        assert win32.CheckTokenMembership(token, world) and win32.CheckTokenMembership(token, user)
        assert not win32.CheckTokenMembership(token, OTHER)
    refused(win32.ERROR_NO_IMPERSONATION_TOKEN, lambda: win32.CheckTokenMembership(own, world))


def test_the_native_services_tell_statuses(own: int) -> None:
    made, copy = nt.NtDuplicateToken(
        own, nt.TOKEN_QUERY, None, win32.SecurityImpersonation, win32.TokenImpersonation
    )
    assert made == status.SUCCESS
    whole = win32.ConvertStringSecurityDescriptorToSecurityDescriptor(
        f"O:{OTHER}G:{OTHER}D:(A;;0x1;;;WD)"
    )
    mapping = (0x20001, 0x20002, 0x20004, 0x1F0007)
    assert nt.NtAccessCheck(whole, copy, 1, mapping) == (status.SUCCESS, 1, status.SUCCESS)
    assert nt.NtAccessCheck(whole, copy, 2, mapping) == (status.SUCCESS, 0, status.ACCESS_DENIED)
    assert nt.NtAccessCheck(whole, own, 1, mapping)[0] == status.NO_IMPERSONATION_TOKEN
    assert nt.NtClose(copy) == status.SUCCESS
    assert os.getpid() and nt.NtDuplicateToken(copy, 0, None, 2, 2)[0] == status.INVALID_HANDLE
