# SPDX-License-Identifier: MIT
"""Taking security descriptors, access lists and SIDs apart; accounts, privileges, and the texts of
errors."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from memsection import win32
from memsection.vocabulary import status
from memsection.vocabulary.sid import Sid

TEXT = "O:BAG:SYD:P(D;OICI;0xffffffff;;;AN)(A;NP;GAGXGWGR;;;SU)S:(AU;NPSA;CCDC;;;WD)"
BYTES = win32.ConvertStringSecurityDescriptorToSecurityDescriptor(TEXT)


def refused(code: int, call: Callable[[], object]) -> None:
    win32.SetLastError(0xBEEF)
    with pytest.raises(OSError) as caught:
        call()
    assert caught.value.winerror == code == win32.GetLastError()


def test_each_part_of_a_descriptor_can_be_read() -> None:
    assert win32.GetSecurityDescriptorOwner(BYTES) == (win32.ConvertStringSidToSid("BA"), False)
    assert win32.GetSecurityDescriptorGroup(BYTES) == (win32.ConvertStringSidToSid("SY"), False)
    present, dacl, defaulted = win32.GetSecurityDescriptorDacl(BYTES)
    assert present and dacl is not None and not defaulted
    assert win32.GetAclInformation(dacl, win32.AclSizeInformation)[0] == 2
    denied, allowed = win32.GetAce(dacl, 0), win32.GetAce(dacl, 1)
    assert (denied.type, denied.flags, denied.mask) == (win32.ACCESS_DENIED_ACE_TYPE, 3, 0xFFFFFFFF)
    assert (allowed.type, allowed.mask) == (win32.ACCESS_ALLOWED_ACE_TYPE, 0xF0000000)
    assert win32.EqualSid(allowed.sid, "SU") and not win32.EqualSid(allowed.sid, "WD")
    present, sacl, _ = win32.GetSecurityDescriptorSacl(BYTES)
    assert present and sacl is not None
    assert (
        win32.GetAce(sacl, 0).flags
        == win32.NO_PROPAGATE_INHERIT_ACE | win32.SUCCESSFUL_ACCESS_ACE_FLAG
    )
    assert win32.GetSecurityDescriptorControl(BYTES) == (0x9014, 1)
    assert win32.GetSecurityDescriptorLength(BYTES) == len(BYTES)


def test_what_is_not_there_is_told() -> None:
    empty = win32.SECURITY_DESCRIPTOR()
    win32.InitializeSecurityDescriptor(empty)
    assert (
        win32.GetSecurityDescriptorOwner(empty)
        == win32.GetSecurityDescriptorGroup(empty)
        == (None, False)
    )
    assert (
        win32.GetSecurityDescriptorDacl(empty)
        == win32.GetSecurityDescriptorSacl(empty)
        == (False, None, False)
    )
    assert win32.GetSecurityDescriptorControl(empty) == (0, 1)
    win32.SetSecurityDescriptorDacl(empty, True, None, True)
    assert win32.GetSecurityDescriptorDacl(empty) == (True, None, True)
    win32.SetSecurityDescriptorSacl(empty, True, win32.ACL())
    assert win32.ConvertSecurityDescriptorToStringSecurityDescriptor(empty).endswith("S:")
    win32.SetSecurityDescriptorSacl(empty, False)
    assert win32.GetSecurityDescriptorSacl(empty) == (False, None, False)


def test_both_forms_of_a_descriptor_become_each_other() -> None:
    absolute = win32.MakeAbsoluteSD(BYTES)
    assert win32.GetSecurityDescriptorControl(absolute)[0] == 0x1014
    assert win32.MakeSelfRelativeSD(absolute) == BYTES
    assert win32.GetSecurityDescriptorLength(absolute) == len(BYTES) + 20
    wrong: Any = BYTES
    refused(win32.ERROR_BAD_DESCRIPTOR_FORMAT, lambda: win32.MakeSelfRelativeSD(wrong))
    refused(win32.ERROR_BAD_DESCRIPTOR_FORMAT, lambda: win32.MakeAbsoluteSD(wrong and absolute))


def test_only_the_control_bits_of_inheritance_can_be_set() -> None:
    descriptor = win32.MakeAbsoluteSD(BYTES)
    for number in range(16):
        bit = 1 << number
        if bit & 0x3FC0:
            win32.SetSecurityDescriptorControl(descriptor, bit, bit)
            assert win32.GetSecurityDescriptorControl(descriptor)[0] & bit
            win32.SetSecurityDescriptorControl(descriptor, bit, 0)
            assert not win32.GetSecurityDescriptorControl(descriptor)[0] & bit
        else:
            refused(87, lambda bit=bit: win32.SetSecurityDescriptorControl(descriptor, bit, 0))  # type: ignore[misc]
            refused(87, lambda bit=bit: win32.SetSecurityDescriptorControl(descriptor, 0, bit))  # type: ignore[misc]


def test_validity_is_an_answer_and_not_an_exception() -> None:
    for number, call in (
        (1338, lambda: win32.IsValidSecurityDescriptor(BYTES[:-1])),
        (1336, lambda: win32.IsValidAcl(b"\2\0\x20\0\1\0\0\0")),
        (1337, lambda: win32.IsValidSid(b"\2\1" + bytes(10))),
    ):
        win32.SetLastError(0)
        assert call() is False and win32.GetLastError() == number
    assert (
        win32.IsValidSecurityDescriptor(BYTES)
        and win32.IsValidAcl(win32.ACL())
        and win32.IsValidSid("WD")
    )
    assert win32.IsValidAcl(bytes(win32.ACL())) and win32.GetLastError() == 0


def test_a_list_has_the_room_that_it_was_given() -> None:
    acl = win32.ACL()
    refused(122, lambda: win32.InitializeAcl(acl, 7))
    refused(87, lambda: win32.InitializeAcl(acl, 0xFFFFFFFF))
    for revision in (0, 1, 5, 0xFFFFFFFF):
        refused(87, lambda revision=revision: win32.InitializeAcl(acl, 256, revision))  # type: ignore[misc]
    win32.InitializeAcl(acl, 8 + 20)
    win32.AddAccessAllowedAce(acl, win32.ACL_REVISION, 1, "WD")
    assert win32.GetAclInformation(acl) == (1, 28, 0)
    assert win32.GetAclInformation(acl, win32.AclRevisionInformation) == (2,)
    refused(1344, lambda: win32.AddAccessDeniedAce(acl, win32.ACL_REVISION, 1, "AN"))
    assert len(acl.aces) == 1
    refused(87, lambda: win32.GetAce(acl, 1))
    refused(87, lambda: win32.GetAclInformation(acl, 3))
    refused(1306, lambda: win32.AddAccessAllowedAce(acl, 5, 1, "WD"))
    refused(87, lambda: win32.AddAccessAllowedAceEx(acl, 2, 0x40, 1, "WD"))


def test_entries_with_flags_are_written_as_windows_writes_them() -> None:
    acl, descriptor = win32.ACL(), win32.SECURITY_DESCRIPTOR()
    win32.InitializeSecurityDescriptor(descriptor)
    win32.InitializeAcl(acl)
    win32.AddAccessAllowedAceEx(acl, 2, win32.INHERIT_ONLY_ACE | win32.INHERITED_ACE, 3, "S-1-5-6")
    win32.AddAccessDeniedAceEx(
        acl, 2, win32.OBJECT_INHERIT_ACE | win32.CONTAINER_INHERIT_ACE, 0xFFFFFFFF, "AN"
    )
    win32.SetSecurityDescriptorDacl(descriptor, True, acl)
    audit = win32.ACL()
    win32.AddAuditAccessAceEx(audit, 2, win32.VALID_INHERIT_FLAGS, 0x2001F, "SU", True, True)
    win32.AddAuditAccessAceEx(audit, 2, win32.NO_PROPAGATE_INHERIT_ACE, 0x12019F, "SU", True, False)
    win32.SetSecurityDescriptorSacl(descriptor, True, audit)
    assert win32.ConvertSecurityDescriptorToStringSecurityDescriptor(descriptor) == (
        "D:(A;IOID;CCDC;;;SU)(D;OICI;0xffffffff;;;AN)"
        "S:(AU;OICINPIOIDSAFA;CCDCLCSWRPRC;;;SU)(AU;NPSA;0x12019f;;;SU)"
    )


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "S-1-0-0"),
        (1, "S-1-1-0"),
        (12, "S-1-5-6"),
        (13, "S-1-5-7"),
        (17, "S-1-5-11"),
        (19, "S-1-5-13"),
        (22, "S-1-5-18"),
        (24, "S-1-5-20"),
        (26, "S-1-5-32-544"),
        (34, "S-1-5-32-552"),
        (35, "S-1-5-32-554"),
        (37, "S-1-5-32-556"),
        (53, "S-1-5-64-14"),
        (56, "S-1-5-32-557"),
        (61, "S-1-5-32-562"),
        (62, "S-1-5-32-568"),
        (64, "S-1-5-32-569"),
        (66, "S-1-16-4096"),
        (69, "S-1-16-16384"),
        (71, "S-1-3-4"),
    ],
)
def test_well_known_sids_have_their_numbers(number: int, text: str) -> None:
    assert win32.ConvertSidToStringSid(win32.CreateWellKnownSid(number)) == text
    assert win32.IsWellKnownSid(text, number) and not win32.IsWellKnownSid("S-1-5-99", number)


def test_accounts_of_a_domain_need_the_domain() -> None:
    domain = "S-1-5-21-1-2-3"
    assert str(win32.CreateWellKnownSid(42, domain)) == domain + "-513"
    assert win32.IsWellKnownSid(domain + "-513", 42)
    refused(87, lambda: win32.CreateWellKnownSid(42))
    refused(87, lambda: win32.CreateWellKnownSid(1000))


def test_sids_come_apart() -> None:
    sid = win32.AllocateAndInitializeSid(bytes((0, 0, 0, 0, 0, 5)), 4, 21, 93476, 23408, 4576)
    assert str(sid) == "S-1-5-21-93476-23408-4576"
    assert win32.GetSidSubAuthorityCount(sid) == 4 and win32.GetSidSubAuthority(sid, 1) == 93476
    assert (
        win32.GetSidIdentifierAuthority(sid) == bytes((0, 0, 0, 0, 0, 5))
        and win32.GetLengthSid(sid) == 24
    )
    refused(87, lambda: win32.GetSidSubAuthority(sid, 4))
    refused(87, lambda: win32.AllocateAndInitializeSid(1 << 48, 0))
    refused(1337, lambda: win32.AllocateAndInitializeSid(5, 9))
    nothing: Any = None
    refused(87, lambda: win32.ConvertStringSidToSid(nothing))
    refused(1337, lambda: win32.ConvertStringSidToSid("S-1-5"))


# -------------------------------------------------------------- lists made of entries for accounts


def entry(mode: int, mask: int, sid: str, inheritance: int = 0) -> win32.EXPLICIT_ACCESS:
    return win32.EXPLICIT_ACCESS(mask, mode, inheritance, win32.TRUSTEE(sid))


def text(acl: win32.ACL) -> str:
    descriptor = win32.SECURITY_DESCRIPTOR()
    win32.InitializeSecurityDescriptor(descriptor)
    win32.SetSecurityDescriptorDacl(descriptor, True, acl)
    return win32.ConvertSecurityDescriptorToStringSecurityDescriptor(descriptor)[2:]


@pytest.mark.parametrize(
    ("old", "mode", "mask", "sid", "new"),
    [
        ("", win32.GRANT_ACCESS, 1, "WD", "(A;;CC;;;WD)"),
        ("(A;;CC;;;WD)", win32.GRANT_ACCESS, 2, "WD", "(A;;CCDC;;;WD)"),
        ("(D;;CCDC;;;WD)", win32.GRANT_ACCESS, 2, "WD", "(D;;CC;;;WD)(A;;DC;;;WD)"),
        ("(A;;CC;;;WD)(A;;CC;;;AN)", win32.SET_ACCESS, 4, "WD", "(A;;CC;;;AN)(A;;LC;;;WD)"),
        ("(A;;CC;;;WD)", win32.DENY_ACCESS, 2, "AN", "(D;;DC;;;AN)(A;;CC;;;WD)"),
        ("(A;;CC;;;WD)(D;;DC;;;WD)", win32.REVOKE_ACCESS, 0, "WD", "(D;;DC;;;WD)"),
        ("(A;ID;CC;;;WD)", win32.DENY_ACCESS, 1, "WD", "(D;;CC;;;WD)(A;ID;CC;;;WD)"),
    ],
)
def test_entries_are_merged_into_a_list_in_canonical_order(
    old: str, mode: int, mask: int, sid: str, new: str
) -> None:
    before = win32.GetSecurityDescriptorDacl(
        win32.ConvertStringSecurityDescriptorToSecurityDescriptor("D:" + old)
    )[1]
    assert text(win32.SetEntriesInAcl([entry(mode, mask, sid)], before)) == new
    assert before is not None and text(before) == old


def test_an_entry_can_name_its_account() -> None:
    named = win32.EXPLICIT_ACCESS(
        1, win32.GRANT_ACCESS, 0, win32.TRUSTEE("Everyone", win32.TRUSTEE_IS_NAME)
    )
    assert text(win32.SetEntriesInAcl([named])) == "(A;;CC;;;WD)"
    refused(87, lambda: win32.SetEntriesInAcl([entry(9, 1, "WD")]))
    refused(
        87, lambda: win32.SetEntriesInAcl([win32.EXPLICIT_ACCESS(1, 1, 0, win32.TRUSTEE("WD", 4))])
    )


@pytest.mark.linux_only("Wine 8 gives no owner of a named object")
def test_the_security_of_a_named_object_is_read_and_set_by_its_name() -> None:
    makers: list[Callable[[str], int]] = [
        lambda name: win32.CreateEvent(None, False, False, name),
        lambda name: win32.CreateMutex(None, False, name),
        lambda name: win32.CreateSemaphore(None, 0, 1, name),
        lambda name: win32.CreateFileMapping(-1, None, win32.PAGE_READWRITE, 0, 4096, name),
    ]
    for make in makers:
        name = f"security-{uuid.uuid4().hex}"
        handle = make(name)
        try:
            mine = win32.GetSecurityDescriptorOwner(
                win32.GetNamedSecurityInfo(name, win32.SE_KERNEL_OBJECT, 1)
            )[0]
            assert mine is not None
            acl = win32.SetEntriesInAcl(
                [
                    win32.EXPLICIT_ACCESS(
                        win32.GENERIC_ALL, win32.GRANT_ACCESS, 0, win32.TRUSTEE(mine)
                    )
                ]
            )
            win32.SetNamedSecurityInfo(
                name, win32.SE_KERNEL_OBJECT, win32.DACL_SECURITY_INFORMATION, None, None, acl
            )
            found = win32.GetSecurityDescriptorDacl(
                win32.GetNamedSecurityInfo(
                    name, win32.SE_KERNEL_OBJECT, win32.DACL_SECURITY_INFORMATION
                )
            )[1]
            assert found is not None and [ace.sid for ace in found.aces] == [mine]
        finally:
            win32.CloseHandle(handle)
    refused(2, lambda: win32.GetNamedSecurityInfo(name, win32.SE_KERNEL_OBJECT, 1))
    refused(87, lambda: win32.GetNamedSecurityInfo("", win32.SE_KERNEL_OBJECT, 1))
    refused(87, lambda: win32.GetNamedSecurityInfo(name, 4, 1))


# ------------------------------------------------------------------ accounts, privileges, texts


def test_well_known_accounts_have_their_names() -> None:
    assert win32.LookupAccountSid(None, "WD") == ("Everyone", "", win32.SidTypeWellKnownGroup)
    assert win32.LookupAccountSid(None, "SY") == (
        "SYSTEM",
        "NT AUTHORITY",
        win32.SidTypeWellKnownGroup,
    )
    assert win32.LookupAccountName(None, "builtin\\administrators") == (
        win32.ConvertStringSidToSid("BA"),
        "BUILTIN",
        win32.SidTypeAlias,
    )
    refused(1332, lambda: win32.LookupAccountName(None, "no such account here"))
    refused(1332, lambda: win32.LookupAccountSid(None, "S-1-5-21-1-2-3-4"))
    refused(50, lambda: win32.LookupAccountName("elsewhere", "Everyone"))
    refused(87, lambda: win32.LookupAccountName(None, ""))


@pytest.mark.linux_only("Unix accounts")
def test_unix_accounts_are_found_by_name_and_sid() -> None:
    root = Sid.unix_user(0)
    assert win32.LookupAccountName(None, "root") == (root, "Unix User", win32.SidTypeUser)
    assert win32.LookupAccountName(None, "Unix Group\\root")[0] == Sid.unix_group(0)
    assert win32.LookupAccountSid(None, root) == ("root", "Unix User", win32.SidTypeUser)
    assert win32.LookupAccountSid(None, Sid.unix_group(0)) == (
        "root",
        "Unix Group",
        win32.SidTypeGroup,
    )
    refused(1332, lambda: win32.LookupAccountSid(None, Sid.unix_user(4_000_000_000)))


def test_every_privilege_of_windows_has_its_number() -> None:
    for name, number in (
        ("SeCreateTokenPrivilege", 2),
        ("SeTcbPrivilege", 7),
        ("SeDebugPrivilege", 20),
        ("SeChangeNotifyPrivilege", 23),
        ("SeCreateGlobalPrivilege", 30),
        ("SeDelegateSessionUserImpersonatePrivilege", 36),
    ):
        assert win32.LookupPrivilegeValue(None, name.upper()) == number
        assert win32.LookupPrivilegeName(None, number) == name
    refused(1313, lambda: win32.LookupPrivilegeValue(None, "SeNoSuchPrivilege"))
    refused(1313, lambda: win32.LookupPrivilegeName(None, 1))


def test_every_code_that_this_library_gives_has_a_text() -> None:
    for row in status.rows_by_status().values():
        assert win32.FormatMessage(
            win32.FORMAT_MESSAGE_FROM_SYSTEM | win32.FORMAT_MESSAGE_IGNORE_INSERTS,
            None,
            row.winerror,
        ).endswith(".\r\n")


def test_texts_are_formatted_as_asked() -> None:
    system, string = win32.FORMAT_MESSAGE_FROM_SYSTEM, win32.FORMAT_MESSAGE_FROM_STRING
    assert win32.FormatMessage(system, None, 5) == "Access is denied.\r\n"
    assert win32.FormatMessage(system | 0xFF, None, 5) == "Access is denied. "
    assert (
        win32.FormatMessage(system, None, 193, 0, ["x.exe"])
        == "x.exe is not a valid Win32 application.\r\n"
    )
    assert win32.FormatMessage(string, "%2, %1%% of%n", Arguments=[5, "six"]) == "six, 5% of\r\n"
    refused(87, lambda: win32.FormatMessage(string, "%1"))
    refused(87, lambda: win32.FormatMessage(string, None))
    refused(87, lambda: win32.FormatMessage(0, None, 5))
    refused(317, lambda: win32.FormatMessage(system, None, 99_999))
    refused(1815, lambda: win32.FormatMessage(system, None, 5, 0x407))
