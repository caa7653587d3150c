# SPDX-License-Identifier: MIT
"""The access check: one decision of Windows each, and the descriptors that objects get."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from memsection.vocabulary import access as a
from memsection.vocabulary import object_types as types
from memsection.vocabulary import sddl, security, sid
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.descriptor import SecurityDescriptor
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.sid import Sid

ME, OTHER = Sid.unix_user(1000), Sid.unix_user(1001)
STAFF = Sid.unix_group(50)
TOKEN = security.Token(ME, security.EVERYBODY | {STAFF}, Sid.unix_group(1000))
STRANGER = security.Token(OTHER)


def made(text: str, token: security.Token = TOKEN, kind: types.ObjectType = types.SECTION) -> bytes:
    return security.assign_descriptor(sddl.parse(text), token, kind).to_bytes()


def granted(
    text: str, desired: int, token: security.Token = TOKEN, kind: types.ObjectType = types.SECTION
) -> int | str:
    """The access granted, or the name of the status."""
    try:
        return security.access_check(made(text, TOKEN, kind), token, desired, kind)
    except NtError as failure:
        return st.row(failure.status).name


DENIED = "STATUS_ACCESS_DENIED"
READ, WRITE, QUERY = a.SECTION_MAP_READ, a.SECTION_MAP_WRITE, a.SECTION_QUERY
OWNER = a.READ_CONTROL | a.WRITE_DAC


@pytest.mark.parametrize(
    ("text", "desired", "expected"),
    [
        ("D:(A;;GR;;;WD)", READ, READ),
        ("D:(A;;GR;;;WD)", WRITE, DENIED),
        ("D:(A;;GR;;;WD)", READ | WRITE, DENIED),  # whole or refused
        ("D:(A;;GR;;;WD)", a.GENERIC_READ, QUERY | READ | a.READ_CONTROL),
        ("D:", READ, DENIED),
        ("D:", a.READ_CONTROL | a.WRITE_DAC, OWNER),
        ("D:", a.DELETE, DENIED),
        ("D:", a.WRITE_OWNER, DENIED),
        ("D:NO_ACCESS_CONTROL", a.SECTION_ALL_ACCESS, a.SECTION_ALL_ACCESS),
        ("D:NO_ACCESS_CONTROL", a.MAXIMUM_ALLOWED, a.SECTION_ALL_ACCESS),
        ("D:NO_ACCESS_CONTROL", a.SYNCHRONIZE, a.SYNCHRONIZE),
        ("D:NO_ACCESS_CONTROL", 0x400, DENIED),  # a right that no section has
        ("", a.SECTION_ALL_ACCESS, a.SECTION_ALL_ACCESS),
        ("D:(D;;0x2;;;WD)(A;;GA;;;WD)", READ, READ),
        ("D:(D;;0x2;;;WD)(A;;GA;;;WD)", WRITE, DENIED),
        ("D:(A;;GA;;;WD)(D;;0x2;;;WD)", WRITE, WRITE),
        ("D:(A;;0x4;;;WD)(D;;0x6;;;WD)(A;;0x2;;;WD)", WRITE, DENIED),
        ("D:(A;;0x4;;;WD)(A;;0x1;;;WD)", a.MAXIMUM_ALLOWED, OWNER | READ | QUERY),
        ("D:(A;;0x4;;;WD)", a.MAXIMUM_ALLOWED | WRITE, DENIED),
        ("D:(A;;0x4;;;WD)", a.MAXIMUM_ALLOWED | READ, OWNER | READ),
        ("D:(A;;GR;;;S-1-22-2-50)", READ, READ),
        ("D:(A;;GR;;;S-1-22-2-51)", READ, DENIED),
        ("D:(D;;GR;;;S-1-22-2-50)(A;;GR;;;WD)", READ, DENIED),
        ("D:(A;IO;GA;;;WD)", READ, DENIED),  # inherit-only entries are not for this object
        ("D:(D;IO;GA;;;WD)(A;;GR;;;WD)", READ, READ),
        ("D:(A;;GA;;;S-1-5-21-11-22-33-4444)", READ, DENIED),
        ("D:(A;;GA;;;CO)", READ, DENIED),  # only inheritance gives it a meaning
        ("D:(A;;GA;;;AN)", READ, DENIED),
        ("D:(A;;GA;;;AU)", READ, READ),
        ("D:(A;;GA;;;BU)", READ, READ),
        ("D:(A;;GA;;;SY)", READ, DENIED),
        ("D:(A;;GR;;;OW)", READ, READ),
        # entries for OWNER RIGHTS replace what an owner has anyway
        ("D:(A;;GR;;;OW)", a.WRITE_DAC, DENIED),
        ("D:(A;IO;GR;;;OW)", a.WRITE_DAC, a.WRITE_DAC),
        (
            "D:(D;;WD;;;WD)(A;;GA;;;WD)",
            a.WRITE_DAC,
            a.WRITE_DAC,
        ),  # an owner has it before any entry
        ("D:(A;;GA;;;WD)", 0, DENIED),
        ("D:(A;;GA;;;WD)", a.ACCESS_SYSTEM_SECURITY, "STATUS_PRIVILEGE_NOT_HELD"),
        ("D:(A;;GA;;;WD)", 0x20, DENIED),  # GENERIC_ALL does not have SECTION_MAP_EXECUTE_EXPLICIT
        ("D:(A;;0x20;;;WD)", 0x20, 0x20),
    ],
)
def test_the_owner_is_granted(text: str, desired: int, expected: int | str) -> None:
    assert granted(text, desired) == expected


@pytest.mark.parametrize(
    ("text", "desired", "expected"),
    [
        ("", READ, DENIED),
        ("D:", a.READ_CONTROL, DENIED),
        ("D:", a.MAXIMUM_ALLOWED, DENIED),  # nothing is not a grant
        ("D:(A;;GR;;;OW)", READ, DENIED),
        ("D:(A;;GR;;;S-1-22-1-1001)", READ, READ),
        ("D:(A;;GA;;;WD)(D;;GA;;;S-1-22-1-1001)", READ, READ),
        (
            "D:(D;;GW;;;S-1-22-1-1001)(A;;GA;;;WD)",
            a.MAXIMUM_ALLOWED,
            a.SECTION_ALL_ACCESS & ~(WRITE | a.READ_CONTROL),
        ),
        ("D:(A;;GA;;;BA)", READ, DENIED),
    ],
)
def test_a_stranger_is_granted(text: str, desired: int, expected: int | str) -> None:
    assert granted(text, desired, STRANGER) == expected


@pytest.mark.parametrize(
    ("kind", "text", "desired", "expected"),
    [
        (types.EVENT, "D:(A;;0x100000;;;WD)", a.SYNCHRONIZE, a.SYNCHRONIZE),
        (types.EVENT, "D:(A;;0x100000;;;WD)", a.EVENT_MODIFY_STATE, DENIED),
        (types.EVENT, "D:(A;;GX;;;WD)", a.SYNCHRONIZE, a.SYNCHRONIZE),
        (types.SEMAPHORE, "D:(A;;0x2;;;WD)", a.SEMAPHORE_MODIFY_STATE, a.SEMAPHORE_MODIFY_STATE),
        (types.SEMAPHORE, "D:(A;;0x2;;;WD)", a.SYNCHRONIZE, DENIED),
        (types.MUTANT, "D:(A;;GA;;;WD)", 0x2, DENIED),
        (types.MUTANT, "D:NO_ACCESS_CONTROL", 0x2, DENIED),
    ],
)
def test_generic_rights_mean_what_they_mean_for_the_type(
    kind: types.ObjectType, text: str, desired: int, expected: int | str
) -> None:
    assert granted(text, desired, TOKEN, kind) == expected


def test_an_administrator_is_checked_like_everybody() -> None:
    root = security.Token(Sid.unix_user(0), security.EVERYBODY | {sid.ADMINISTRATORS})
    assert granted("", READ, root) == DENIED
    assert granted("D:(A;;GR;;;BA)", READ, root) == READ


def test_a_privilege_opens_the_sacl() -> None:
    auditor = security.Token(ME, privileged=lambda name: name == security.SE_SECURITY_PRIVILEGE)
    assert (
        granted("D:(A;;GR;;;WD)", READ | a.ACCESS_SYSTEM_SECURITY, auditor)
        == READ | a.ACCESS_SYSTEM_SECURITY
    )


def test_a_refusal_says_what_was_asked_and_what_is_granted() -> None:
    with pytest.raises(
        NtError, match=r"asked for SECTION_MAP_WRITE, .* grants SECTION_QUERY\|SECTION_MAP_READ"
    ):
        security.access_check(made("D:(A;;GR;;;WD)"), TOKEN, WRITE, types.SECTION)


def test_bytes_that_are_no_descriptor_grant_nothing() -> None:
    with pytest.raises(NtError) as caught:
        security.access_check(b"\1" * 40, TOKEN, READ, types.SECTION)
    assert caught.value.status == st.INVALID_SECURITY_DESCR


RIGHTS = some.sampled_from(
    ["GA", "GR", "GW", "GX", "0x1", "0x2", "0x4", "0x6", "WD", "RC", "0x1f001f"]
)
ENTRIES = some.lists(
    some.tuples(
        some.sampled_from("AD"),
        RIGHTS,
        some.sampled_from(
            ["WD", "AU", "OW", "BA", "S-1-22-1-1000", "S-1-22-1-1001", "S-1-22-2-50"]
        ),
    ),
    max_size=6,
)


def _text(entries: list[tuple[str, str, str]]) -> str:
    return "D:" + "".join(f"({kind};;{rights};;;{account})" for kind, rights, account in entries)


@given(ENTRIES, some.integers(1, 0x3F))
def test_each_right_alone_is_granted_exactly_when_maximum_allowed_has_it(
    entries: list[tuple[str, str, str]], desired: int
) -> None:
    text = _text(entries)
    most = granted(text, a.MAXIMUM_ALLOWED)
    whole = isinstance(most, int) and most & desired == desired
    assert (granted(text, desired) == desired) == whole
    assert whole == all(
        granted(text, 1 << bit) == 1 << bit for bit in range(6) if desired >> bit & 1
    )


@given(ENTRIES)
def test_a_denial_in_front_never_adds_a_right(entries: list[tuple[str, str, str]]) -> None:
    before = granted(_text(entries), a.MAXIMUM_ALLOWED)
    after = granted(_text([("D", "0x6", "WD"), *entries]), a.MAXIMUM_ALLOWED)
    before, after = (mask if isinstance(mask, int) else 0 for mask in (before, after))
    assert after & ~before == 0 and after & 0x6 == 0


# ------------------------------------------------------------------ the descriptors of objects


def test_no_descriptor_is_private_to_the_creator() -> None:
    default = SecurityDescriptor.from_bytes(
        security.creation_descriptor(None, TOKEN, types.SECTION)
    )
    assert (
        sddl.text(default)
        == "O:S-1-22-1-1000G:S-1-22-2-1000D:(A;;CCDCLCSWRPSDRCWDWO;;;S-1-22-1-1000)"
    )


def test_a_new_object_stores_what_generic_rights_mean() -> None:
    assert (
        sddl.text(SecurityDescriptor.from_bytes(made("D:(A;;GR;;;WD)")))
        == "O:S-1-22-1-1000G:S-1-22-2-1000D:(A;;CCLCRC;;;WD)"
    )


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("O:S-1-22-1-1001", st.INVALID_OWNER),
        ("O:S-1-22-2-50", st.INVALID_OWNER),  # a group does not own
        ("O:BA", st.INVALID_OWNER),
        ("S:(AU;SAFA;GA;;;WD)", st.PRIVILEGE_NOT_HELD),
        ("S:(ML;;NW;;;HI)", st.PRIVILEGE_NOT_HELD),
    ],
)
def test_what_needs_a_privilege_is_refused_without_it(text: str, status: int) -> None:
    with pytest.raises(NtError) as caught:
        made(text)
    assert caught.value.status == status
    holder = security.Token(ME, privileged=lambda _: True)
    assert SecurityDescriptor.from_bytes(made(text, holder)).owner is not None


def test_a_low_label_needs_no_privilege_and_is_kept() -> None:
    kept = SecurityDescriptor.from_bytes(made("D:(A;;GA;;;WD)S:(ML;;NW;;;LW)"))
    assert kept.sacl is not None and len(kept.sacl.aces) == 1


def test_setting_replaces_the_named_parts_alone() -> None:
    current = security.assign_descriptor(
        sddl.parse("G:S-1-22-2-50D:(A;;GR;;;WD)"), TOKEN, types.SECTION
    )
    supplied = sddl.parse("G:S-1-22-2-51D:(A;;GA;;;OW)")
    only_dacl = security.merge_descriptors(
        current, supplied, s.DACL_SECURITY_INFORMATION, TOKEN, types.SECTION
    )
    assert sddl.text(only_dacl) == "O:S-1-22-1-1000G:S-1-22-2-50D:(A;;CCDCLCSWRPSDRCWDWO;;;OW)"
    only_group = security.merge_descriptors(
        current, supplied, s.GROUP_SECURITY_INFORMATION, TOKEN, types.SECTION
    )
    assert sddl.text(only_group) == "O:S-1-22-1-1000G:S-1-22-2-51D:(A;;CCLCRC;;;WD)"


@pytest.mark.parametrize(
    ("information", "text", "status"),
    [
        (s.OWNER_SECURITY_INFORMATION, "O:S-1-22-1-1001", st.INVALID_OWNER),
        (s.OWNER_SECURITY_INFORMATION, "", st.INVALID_OWNER),
        (s.GROUP_SECURITY_INFORMATION, "", st.INVALID_SECURITY_DESCR),
        (s.SACL_SECURITY_INFORMATION, "S:", st.PRIVILEGE_NOT_HELD),
    ],
)
def test_setting_refuses(information: int, text: str, status: int) -> None:
    current = security.default_descriptor(TOKEN, types.SECTION)
    with pytest.raises(NtError) as caught:
        security.merge_descriptors(current, sddl.parse(text), information, TOKEN, types.SECTION)
    assert caught.value.status == status


def test_a_query_gives_the_parts_that_were_asked_for() -> None:
    whole = security.assign_descriptor(sddl.parse("D:P(A;;GR;;;WD)"), TOKEN, types.SECTION)
    assert sddl.text(whole.select(s.DACL_SECURITY_INFORMATION)) == "D:P(A;;CCLCRC;;;WD)"
    assert sddl.text(whole.select(s.OWNER_SECURITY_INFORMATION)) == "O:S-1-22-1-1000"
    assert (
        sddl.text(whole.select(s.GROUP_SECURITY_INFORMATION | s.SACL_SECURITY_INFORMATION))
        == "G:S-1-22-2-1000"
    )
