# SPDX-License-Identifier: MIT
"""Who asks: tokens of the caller's ids, and Unix accounts as SIDs."""

from __future__ import annotations

import os

import pytest

from memsection.nt.linux.system import accounts
from memsection.vocabulary import sid as wellknown
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.sid import Sid

NOBODY_HAS = 0xFFFFFFF0  #: an id without an account


def test_the_token_is_one_as_long_as_the_ids_are() -> None:
    token = accounts.current_token()
    assert token is accounts.current_token()
    assert token.user == Sid.unix_user(os.geteuid())
    assert token.primary_group == Sid.unix_group(os.getegid())
    assert {Sid.unix_group(number) for number in os.getgroups()} <= token.groups


@pytest.mark.invariant("R1")
def test_only_root_is_an_administrator() -> None:
    assert wellknown.ADMINISTRATORS in accounts.token_of(0, 0, ()).groups
    for uid in (1, 1000, 0xFFFFFFFE):
        token = accounts.token_of(uid, 0, (0, 5))
        assert wellknown.ADMINISTRATORS not in token.groups
        assert {Sid.unix_group(0), Sid.unix_group(5)} <= token.groups


@pytest.mark.parametrize("group", [False, True])
def test_a_number_is_an_account_whether_it_has_a_name_or_not(group: bool) -> None:
    sid = accounts.account_sid(str(NOBODY_HAS), group=group)
    assert (sid.gid if group else sid.uid) == NOBODY_HAS
    assert accounts.account_name(sid) == str(NOBODY_HAS)


def test_root_has_a_name_both_ways() -> None:
    assert accounts.account_sid("root") == Sid.unix_user(0)
    assert accounts.account_name(Sid.unix_user(0)) == "root"
    assert accounts.account_sid("root", group=True) == Sid.unix_group(0)


@pytest.mark.parametrize("name", ["", "no such user", "-1", "1.5", "\u0661", "\u00b2"])
@pytest.mark.parametrize("group", [False, True])
def test_what_is_no_account_is_refused_by_name(name: str, group: bool) -> None:
    with pytest.raises(NtError) as caught:
        accounts.account_sid(name, group=group)
    assert caught.value.status == st.NONE_MAPPED and caught.value.name == name


def test_a_sid_that_is_no_unix_account_is_its_text() -> None:
    assert accounts.account_name(wellknown.ADMINISTRATORS) == str(wellknown.ADMINISTRATORS)
