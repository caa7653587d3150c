# SPDX-License-Identifier: MIT
"""The forms of a descriptor: bytes and text, both ways, and what is neither."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as some

from memsection.vocabulary import descriptor as d
from memsection.vocabulary import sddl, sid
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.sid import Sid

SIDS = some.builds(
    Sid,
    some.integers(0, (1 << 48) - 1),
    some.lists(some.integers(0, (1 << 32) - 1), min_size=1, max_size=15).map(tuple),
) | some.sampled_from(list(sid.ALIASES.values()))
MASKS = some.integers(0, (1 << 32) - 1) | some.sampled_from(
    [0x80000000, 0x60005, 0x1F01FF, 0xF0007]
)
FLAGS = some.sampled_from([0, 0x3, 0xB, 0x10, 0x1F])
DACLS = some.none() | some.builds(
    d.Acl,
    some.lists(some.builds(d.Ace, some.sampled_from([0, 1]), FLAGS, MASKS, SIDS), max_size=5).map(
        tuple
    ),
)
SACLS = some.builds(
    d.Acl,
    some.lists(
        some.builds(
            d.Ace, some.just(d.SYSTEM_AUDIT), some.sampled_from([0x40, 0x80, 0xC0]), MASKS, SIDS
        ),
        max_size=3,
    ).map(tuple),
)


@some.composite
def descriptors(draw: some.DrawFn) -> d.SecurityDescriptor:
    result = d.SecurityDescriptor(draw(some.none() | SIDS), draw(some.none() | SIDS))
    if draw(some.booleans()):
        result = result.with_dacl(draw(DACLS), draw(some.sampled_from([0, 0x1000, 0x500, 0x1500])))
    if draw(some.booleans()):
        result = result.with_sacl(
            draw(SACLS), d.SE_SACL_PRESENT | draw(some.sampled_from([0, 0x2000, 0xA00]))
        )
    return result


@given(descriptors())
def test_bytes_and_text_give_the_same_descriptor_back(descriptor: d.SecurityDescriptor) -> None:
    assert d.SecurityDescriptor.from_bytes(descriptor.to_bytes()) == descriptor
    assert sddl.parse(sddl.text(descriptor)) == descriptor


@given(SIDS)
def test_a_sid_survives_its_text_and_its_bytes(account: Sid) -> None:
    assert Sid.parse(str(account)) == Sid.parse(account.alias) == account
    assert Sid.from_bytes(account.to_bytes()) == account


def test_unix_accounts_are_sids_by_the_convention_of_samba() -> None:
    assert str(Sid.unix_user(1000)) == "S-1-22-1-1000" and Sid.unix_user(1000).uid == 1000
    assert str(Sid.unix_group(50)) == "S-1-22-2-50" and Sid.unix_group(50).gid == 50
    assert Sid.unix_user(1000).gid is None and Sid.unix_user(0xFFFFFFFF).uid is None
    assert Sid(5, (22, 1)).uid is None and Sid(22, (1, 2, 3)).uid is None


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("D:(A;;GR;;;WD)", "D:(A;;GR;;;WD)"),
        ("d:(a;;gr;;;wd)", "D:(A;;GR;;;WD)"),
        (" D: (A;;GRGW;;;S-1-1-0) ", "D:(A;;GWGR;;;WD)"),
        ("D:( D; OICI; GA; ; ; WD )", "D:(D;OICI;GA;;;WD)"),
        ("D:(A;;0xf0000000;;;SU)", "D:(A;;GAGXGWGR;;;SU)"),
        ("O:S-1-0x5-0x20-0x220", "O:BA"),
        ("D:NO_ACCESS_CONTROL", "D:NO_ACCESS_CONTROL"),
        ("D:PNO_ACCESS_CONTROL", "D:PNO_ACCESS_CONTROL"),
        ("D:", "D:"),
        ("", ""),
        ("O:BAG:SYD:PAI(D;OICIIO;0x100002;;;BG)", "O:BAG:SYD:PAI(D;OICIIO;0x100002;;;BG)"),
        ("D:(A;;1;;;AN)(A;;010;;;AN)", "D:(A;;CC;;;AN)(A;;SW;;;AN)"),
        ("D:(A;;FA;;;CO)", "D:(A;;FA;;;CO)"),
        ("D:(A;;RCSDWDWO;;;OW)", "D:(A;;SDRCWDWO;;;OW)"),
        ("D:(A;;;;;WD)", "D:(A;;0x0;;;WD)"),
        ("S:(ML;;NWNX;;;LW)D:", "D:S:(ML;;NWNX;;;LW)"),
        ("O:S-1-0x100000000001-7", "O:S-1-0x100000000001-7"),
        ("D:S:(AU;SAFA;GA;;;WD)", "D:S:(AU;SAFA;GA;;;WD)"),
        # letters and numbers together, as Wine's test (advapi32/tests/security.c) records it of Windows
        ("S:(AU;;GR0xFFFFFFFF;;;WD)", "S:(AU;;0xffffffff;;;WD)"),
        ("S:(AU;;0xFFFFFFFFGR;;;WD)", "S:(AU;;0xffffffff;;;WD)"),
        ("S:(AU;;0xFFFFFGR;;;WD)", "S:(AU;;0x800fffff;;;WD)"),
        ("D:(A;;020000000000;;;WD)", "D:(A;;GR;;;WD)"),
        ("O:S-0x1-0X5-0x12", "O:SY"),
    ],
)
def test_text(text: str, canonical: str) -> None:
    assert sddl.text(sddl.parse(text)) == canonical


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("rubbish", st.INVALID_PARAMETER),
        ("D:(A;;GR;;;WD", st.INVALID_PARAMETER),
        ("D:(A;;GR;;;WD)x", st.INVALID_PARAMETER),
        ("D:D:", st.INVALID_PARAMETER),
        ("D:(A;;GR;;;WD;(x))", st.INVALID_PARAMETER),  # conditional entries
        ("O:", st.INVALID_PARAMETER),
        ("ERROR:(D;;GA;;;WD)", st.INVALID_PARAMETER),
        (
            "D:(D ;;GA;;;WD)",
            st.INVALID_ACL,
        ),  # blanks may stand before a field, and behind the last one
        ("D:(D;;GA ;;;WD)", st.INVALID_ACL),
        ("D:(A;;ROB;;;WD)", st.INVALID_ACL),
        ("D:(A;;GR;;WD)", st.INVALID_ACL),
        ("D:(Z;;GR;;;WD)", st.INVALID_ACL),
        ("D:(AU;;GR;;;WD)", st.INVALID_ACL),
        ("S:(A;;GR;;;WD)", st.INVALID_ACL),
        ("D:(A;;XX;;;WD)", st.INVALID_ACL),
        ("D:(A;;G;;;WD)", st.INVALID_ACL),
        ("D:(A;;0xfffffffff;;;WD)", st.INVALID_ACL),
        ("D:(A;;09;;;WD)", st.INVALID_ACL),
        ("D:(A;XX;GR;;;WD)", st.INVALID_ACL),
        ("D:Q(A;;GR;;;WD)", st.INVALID_ACL),
        ("D:NO_ACCESS_CONTROL(A;;GR;;;WD)", st.INVALID_ACL),
        ("D:(OA;;GR;bf967aba-0de6-11d0-a285-00aa003049e2;;WD)", st.INVALID_ACL),
        ("D:(A;;GR;;;XX)", st.INVALID_ACL),
        ("D:(A;;GR;;;DA)", st.INVALID_ACL),  # an account of a domain
        ("D:(A;;GR;;;S-1-5-4294967296)", st.INVALID_ACL),
        ("D:(A;;GR;;;S-1-5" + "-1" * 16 + ")", st.INVALID_ACL),
        ("D:(A;;GR;;;S-2-5-1)", st.INVALID_ACL),
        ("D:(A;;GR;;;S-1-5)", st.INVALID_ACL),  # not one sub-authority
        ("D:(A;;GR;;;S-1-5-0x1ffffffff)", st.INVALID_ACL),
        # what Wine's test (advapi32/tests/security.c) records of Windows
        ("D:(D;;GA;;;WDANDSUCH)", st.INVALID_ACL),
        ("D:(D;;GA;;;Nonexistent account)", st.INVALID_ACL),
        ("O:XX", st.INVALID_SID),
        ("O:DA", st.INVALID_SID),
        ("O:S-1-5-4294967296", st.INVALID_SID),
    ],
)
def test_what_is_no_descriptor_is_refused(text: str, status: int) -> None:
    with pytest.raises(NtError) as caught:
        sddl.parse(text)
    assert caught.value.status == status


WHOLE = sddl.parse("O:BAG:SYD:(A;;GR;;;WD)(D;;GA;;;S-1-5-21-1-2-3-4)S:(AU;SA;GA;;;WD)").to_bytes()


@given(some.data())
def test_damaged_bytes_are_an_error_or_another_descriptor_and_never_anything_else(
    data: some.DataObject,
) -> None:
    damaged = bytearray(WHOLE)
    for _ in range(data.draw(some.integers(1, 6))):
        damaged[data.draw(some.integers(0, len(damaged) - 1))] = data.draw(some.integers(0, 255))
    _parses_or_is_refused(bytes(damaged[: data.draw(some.integers(0, len(damaged)))]))
    _parses_or_is_refused(bytes(damaged))


@given(some.binary(max_size=200))
def test_arbitrary_bytes_are_an_error_or_a_descriptor(data: bytes) -> None:
    _parses_or_is_refused(data)
    _parses_or_is_refused(struct.pack("<BBHIIII", 1, 0, 0x8014, 20, 20, 20, 20) + data)


def _parses_or_is_refused(data: bytes) -> None:
    try:
        parsed = d.SecurityDescriptor.from_bytes(data)
    except NtError as failure:
        assert (
            failure.status in (st.INVALID_SECURITY_DESCR, st.INVALID_ACL, st.INVALID_SID)
            and failure.detail
        )
    else:
        assert d.SecurityDescriptor.from_bytes(parsed.to_bytes()) == parsed


HEADER = struct.Struct("<BBHIIII")


def _acl(
    *, revision: int = 2, size: int | None = None, count: int = 1, ace: bytes | None = None
) -> bytes:
    entry = struct.pack("<BBHI", 0, 0, 20, 4) + sid.EVERYONE.to_bytes() if ace is None else ace
    return (
        struct.pack("<BBHHH", revision, 0, 8 + len(entry) if size is None else size, count, 0)
        + entry
    )


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", st.INVALID_SECURITY_DESCR),
        (HEADER.pack(2, 0, 0x8000, 0, 0, 0, 0), st.INVALID_SECURITY_DESCR),
        (
            HEADER.pack(1, 0, 0x0004, 0, 0, 0, 0),
            st.INVALID_SECURITY_DESCR,
        ),  # absolute form: pointers
        (HEADER.pack(1, 0, 0x8004, 0, 0, 0, 21) + _acl(), st.INVALID_SECURITY_DESCR),
        (
            HEADER.pack(1, 0, 0x8004, 0, 0, 0, 4) + _acl(),
            st.INVALID_SECURITY_DESCR,
        ),  # into the header
        (HEADER.pack(1, 0, 0x8004, 0, 0, 0, 0xFFFFFFFC) + _acl(), st.INVALID_SECURITY_DESCR),
        # fifteen parts, no room
        (HEADER.pack(1, 0, 0x8004, 20, 0, 0, 0) + b"\1\x0f" + bytes(6), st.INVALID_SID),
        (HEADER.pack(1, 0, 0x8004, 20, 0, 0, 0) + b"\1\xff" + bytes(1100), st.INVALID_SID),
        (HEADER.pack(1, 0, 0x8004, 0, 0, 0, 20) + b"\2\0", st.INVALID_ACL),
        (HEADER.pack(1, 0, 0x8004, 0, 0, 0, 20) + _acl(revision=9), st.INVALID_ACL),
        (HEADER.pack(1, 0, 0x8004, 0, 0, 0, 20) + _acl(size=4), st.INVALID_ACL),
        (HEADER.pack(1, 0, 0x8004, 0, 0, 0, 20) + _acl(size=0xFFFF), st.INVALID_ACL),
        (HEADER.pack(1, 0, 0x8004, 0, 0, 0, 20) + _acl(count=2), st.INVALID_ACL),
        (
            HEADER.pack(1, 0, 0x8004, 0, 0, 0, 20)
            + _acl(ace=struct.pack("<BBHI", 0, 0, 0, 4) + bytes(12)),
            st.INVALID_ACL,
        ),
        (
            HEADER.pack(1, 0, 0x8004, 0, 0, 0, 20)
            + _acl(ace=struct.pack("<BBHI", 5, 0, 20, 4) + bytes(12)),
            st.INVALID_ACL,
        ),
        (
            HEADER.pack(1, 0, 0x8004, 0, 0, 0, 20)
            + _acl(ace=struct.pack("<BBHI", 0, 0, 16, 4) + b"\1\1" + bytes(6)),
            st.INVALID_SID,
        ),  # the SID would reach beyond its entry
    ],
)
def test_every_length_and_offset_is_checked(data: bytes, status: int) -> None:
    with pytest.raises(NtError) as caught:
        d.SecurityDescriptor.from_bytes(data)
    assert caught.value.status == status


def test_more_entries_than_the_format_holds_are_refused() -> None:
    ace = d.Ace(0, 0, 1, sid.EVERYONE)
    with pytest.raises(NtError) as caught:
        d.Acl((ace,) * 4000).to_bytes()
    assert caught.value.status == st.INVALID_ACL
