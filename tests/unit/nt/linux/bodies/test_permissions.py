# SPDX-License-Identifier: MIT
"""The kernel floor: compared with the descriptor for every kind of caller, by the rules of acl(5)
in a few lines."""

from __future__ import annotations

import os
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from memsection.nt.linux.bodies import permissions, set_permissions
from memsection.nt.linux.system import accounts
from memsection.vocabulary import access as a
from memsection.vocabulary import object_types as types
from memsection.vocabulary import sddl, security
from memsection.vocabulary import status as st
from memsection.vocabulary.descriptor import SecurityDescriptor
from memsection.vocabulary.errors import NtError

OWNER, ALICE, BOB = 1000, 1001, 1002
OWN_GROUP, VIDEO, STAFF = 100, 44, 50
CREATOR = accounts.token_of(OWNER, OWN_GROUP, ())
GROUP_SETS = [
    frozenset(some_)
    for count in range(4)
    for some_ in combinations((OWN_GROUP, VIDEO, STAFF), count)
]


def described(text: str, kind: types.ObjectType = types.SECTION) -> SecurityDescriptor:
    return security.assign_descriptor(sddl.parse(text), CREATOR, kind)


def posix(floor: permissions.PosixPermissions, uid: int, groups: frozenset[int]) -> int:
    """What acl(5) says a process gets, in its own order: owner, users, groups, others."""
    mask = next((bits for tag, bits, _ in floor.entries() if tag == 0x10), 7)
    own = {
        floor.gid if tag == 0x04 else number: bits
        for tag, bits, number in floor.entries()
        if tag in (0x04, 0x08)
    }
    if uid == floor.uid:
        return next(bits for tag, bits, _ in floor.entries() if tag == 0x01)
    named = [bits for tag, bits, number in floor.entries() if tag == 0x02 and number == uid]
    if named:
        return named[0] & mask
    matching = [bits & mask for number, bits in own.items() if number in groups]
    return (
        max(matching) if matching else next(bits for tag, bits, _ in floor.entries() if tag == 0x20)
    )


def by_descriptor(
    descriptor: SecurityDescriptor, kind: types.ObjectType, uid: int, groups: frozenset[int]
) -> int:
    """What the descriptor lets a process do to the bytes: 0, 4 to read, 6 to write."""
    found = security.maximum_access(
        descriptor, accounts.token_of(uid, next(iter(groups), 9999), tuple(groups)).sids, kind
    )
    if kind is types.SECTION:
        return (
            6
            if found & a.SECTION_MAP_WRITE
            else 4
            if found & (a.SECTION_MAP_READ | a.SECTION_MAP_EXECUTE)
            else 0
        )
    return (
        6
        if found & (a.SYNCHRONIZE | a.EVENT_MODIFY_STATE)
        else 4
        if found & a.EVENT_QUERY_STATE
        else 0
    )


ENTRY = some.tuples(
    some.sampled_from("AAD"),
    some.sampled_from(["GA", "GR", "GW", "GX", "0x1", "0x2", "0x100000", "RC"]),
    some.sampled_from(
        [
            "WD",
            "AU",
            "OW",
            "BA",
            "AN",
            f"S-1-22-1-{OWNER}",
            f"S-1-22-1-{ALICE}",
            f"S-1-22-2-{VIDEO}",
            f"S-1-22-2-{STAFF}",
            f"S-1-22-2-{OWN_GROUP}",
        ]
    ),
)


@pytest.mark.sentence(3)
@pytest.mark.invariant("S1")
@settings(max_examples=600)
@given(
    some.lists(ENTRY, max_size=5),
    some.sampled_from([types.SECTION, types.MUTANT, types.EVENT, types.SEMAPHORE]),
)
def test_the_floor_gives_everybody_what_the_descriptor_gives_or_is_refused(
    entries: list[tuple[str, str, str]], kind: types.ObjectType
) -> None:
    descriptor = described(
        "D:" + "".join(f"({ace};;{rights};;;{who})" for ace, rights, who in entries), kind
    )
    try:
        floor = permissions.permissions_for(descriptor, kind, OWN_GROUP)
    except NtError as failure:
        assert failure.status == st.NO_KERNEL_FLOOR and "group" in failure.detail
        return
    for groups in GROUP_SETS:
        for uid in (0, ALICE, BOB):
            assert posix(floor, uid, groups) == by_descriptor(descriptor, kind, uid, groups), (
                uid,
                groups,
            )
        # The owner's permissions are the strictest of whatever groups the owner is in: the owner
        # can change them.
        assert posix(floor, OWNER, groups) <= by_descriptor(descriptor, kind, OWNER, groups)


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("", 0o600),
        ("D:", 0o000),
        ("D:(A;;GR;;;WD)", 0o444),
        ("D:(A;;GA;;;OW)(A;;GR;;;WD)", 0o644),
        ("D:(A;;GW;;;WD)", 0o666),
        ("D:NO_ACCESS_CONTROL", 0o666),
        ("D:(D;;0x2;;;WD)(A;;GA;;;WD)", 0o444),
        ("D:(A;;0x1;;;WD)", 0o000),  # the facts of a section cannot be read without its data
        ("D:(A;;RC;;;WD)", 0o000),
        ("D:(A;;GA;;;BA)", 0o060),  # an entry for root, under the mask
    ],
)
def test_a_section_has_the_mode(text: str, mode: int) -> None:
    floor = permissions.permissions_for(described(text), types.SECTION, OWN_GROUP)
    assert floor.mode == mode and (floor.uid, floor.gid) == (OWNER, OWN_GROUP)


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("D:(A;;0x100000;;;WD)", 0o666),
        ("D:(A;;0x2;;;WD)", 0o666),
        ("D:(A;;0x1;;;WD)", 0o444),
        ("D:(A;;RC;;;WD)", 0),
    ],
)
def test_waiting_and_signalling_both_write_the_state(text: str, mode: int) -> None:
    assert (
        permissions.permissions_for(described(text, types.EVENT), types.EVENT, OWN_GROUP).mode
        == mode
    )


@pytest.mark.sentence(3)
@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            f"D:(D;;GA;;;S-1-22-2-{VIDEO})(A;;GR;;;S-1-22-2-{STAFF})",
            "a member of group 44 and 50 is denied",
        ),
        (
            f"D:(A;;GR;;;S-1-22-1-{ALICE})(A;;GA;;;S-1-22-2-{VIDEO})",
            "user 1001 may do depends on membership in group 44",
        ),
        (
            f"D:(D;;GA;;;S-1-22-2-{VIDEO})(A;;GR;;;S-1-22-1-{ALICE})",
            "user 1001 may do depends on membership in group 44",
        ),
        ("D:" + "".join(f"(D;;GR;;;S-1-22-2-{gid})" for gid in range(30)), "names 30 groups"),
    ],
)
def test_what_the_kernel_cannot_enforce_is_refused_with_its_reason(text: str, said: str) -> None:
    with pytest.raises(NtError, match=said) as caught:
        permissions.permissions_for(described(text), types.SECTION, OWN_GROUP)
    assert caught.value.status == st.NO_KERNEL_FLOOR


def test_an_owner_that_is_no_unix_account_is_refused() -> None:
    foreign = described("").with_owner(sddl.parse("O:SY").owner)
    with pytest.raises(NtError, match="no Unix account") as caught:
        permissions.permissions_for(foreign, types.SECTION, OWN_GROUP)
    assert caught.value.status == st.NO_KERNEL_FLOOR


def test_a_denied_group_owns_the_file_where_everybody_else_may() -> None:
    floor = permissions.permissions_for(
        described(f"D:(D;;GA;;;S-1-22-2-{VIDEO})(A;;GR;;;WD)"), types.SECTION, OWN_GROUP
    )
    assert (floor.gid, floor.mode) == (VIDEO, 0o004)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "D:",
        "D:(A;;GR;;;WD)",
        "D:NO_ACCESS_CONTROL",
        "D:(A;;GR;;;S-1-22-1-1001)",
        "D:(A;;GA;;;OW)(A;;GR;;;S-1-22-1-1001)(A;;GR;;;S-1-22-2-44)",
    ],
)
def test_what_is_applied_to_a_memfd_is_what_is_read_back(text: str) -> None:
    token = accounts.current_token()
    descriptor = security.assign_descriptor(sddl.parse(text), token, types.SECTION)
    fd = os.memfd_create("floor")
    try:
        wanted = permissions.permissions_for(descriptor, types.SECTION)
        set_permissions.apply(fd, wanted, fresh=True)
        assert set_permissions.read_back(fd) == wanted
        default = security.default_descriptor(token, types.SECTION)
        set_permissions.apply(fd, permissions.permissions_for(default, types.SECTION))
        no_entry_left = permissions.PosixPermissions(os.geteuid(), os.getegid(), 0o600)
        assert set_permissions.read_back(fd) == no_entry_left
    finally:
        os.close(fd)


def test_a_file_system_without_access_lists_is_no_floor_for_named_users() -> None:
    read, write = os.pipe()
    try:
        floor = permissions.permissions_for(
            described(f"D:(A;;GR;;;S-1-22-1-{ALICE})"), types.SECTION
        )
        with pytest.raises(NtError, match="keeps no access lists") as caught:
            set_permissions.apply(read, floor)
        assert caught.value.status == st.NO_KERNEL_FLOOR
    finally:
        os.close(read)
        os.close(write)


def test_the_token_has_the_ids_that_the_kernel_checks_files_with() -> None:
    token = accounts.current_token()
    assert token.user.uid == os.geteuid() and token is accounts.current_token()
    assert {os.getegid(), *os.getgroups()} == {
        account.gid for account in token.groups if account.gid is not None
    }


def test_accounts_have_names_and_numbers() -> None:
    assert (
        accounts.account_sid("root").uid == 0 and accounts.account_sid("root", group=True).gid == 0
    )
    assert accounts.account_sid("12345").uid == 12345
    assert accounts.account_name(accounts.account_sid("root")) == "root"
    assert accounts.account_name(accounts.account_sid("54321", group=True)) == "54321"
    assert accounts.account_name(sddl.parse("O:SY").owner or pytest.fail()) == "S-1-5-18"
    with pytest.raises(NtError, match="there is no user 'nobody knows'") as caught:
        accounts.account_sid("nobody knows")
    assert caught.value.status == st.NONE_MAPPED


def _body(floor: permissions.PosixPermissions) -> int:
    fd = os.memfd_create("changing")
    set_permissions.apply(fd, floor, fresh=True)
    return fd


TEXTS = some.lists(ENTRY, max_size=4).map(
    lambda entries: "D:" + "".join(f"({ace};;{rights};;;{who})" for ace, rights, who in entries)
)


@pytest.mark.invariant("S1")
@settings(max_examples=300)
@given(TEXTS, TEXTS)
def test_between_two_descriptors_nobody_has_more_than_either_gives(old: str, new: str) -> None:
    floors = []
    for text in (old, new):
        try:
            floors.append(permissions.permissions_for(described(text), types.SECTION, OWN_GROUP))
        except NtError:
            return
    between = set_permissions._common(*floors)
    for groups in GROUP_SETS:
        for uid in (0, ALICE, BOB, OWNER):
            assert posix(between, uid, groups) <= min(
                posix(floor, uid, groups) for floor in floors
            ), (uid, groups)


def test_a_descriptor_that_cannot_be_written_leaves_the_floor_as_it_was() -> None:
    readable = security.assign_descriptor(
        sddl.parse("D:(A;;GR;;;WD)"), accounts.current_token(), types.SECTION
    )
    before = permissions.permissions_for(readable, types.SECTION)
    fd = _body(before)

    def write() -> None:
        assert set_permissions.read_back(fd).mode == 0o400  # what both give
        raise NtError(st.DISK_FULL)

    try:
        with pytest.raises(NtError):
            set_permissions.change(
                fd, permissions.PosixPermissions(os.geteuid(), os.getegid(), 0o600), write
            )
        assert set_permissions.read_back(fd) == before
    finally:
        os.close(fd)
