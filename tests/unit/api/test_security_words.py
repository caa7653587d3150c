# SPDX-License-Identifier: MIT
"""``Security``: what its words mean as descriptors, on every system."""

from __future__ import annotations

import pickle

import pytest

from memsection import Event, Section, Security
from memsection.nt import kernel
from memsection.vocabulary import access as a
from memsection.vocabulary import object_types as types
from memsection.vocabulary import security
from memsection.vocabulary.descriptor import SecurityDescriptor
from memsection.vocabulary.errors import ArgumentError
from memsection.vocabulary.sid import Sid

ME = kernel.current_user()
ALICE, BOB, VIDEO = (
    Sid(5, (21, 1, 2, 3, 1001)),
    Sid(5, (21, 1, 2, 3, 1002)),
    Sid(5, (21, 1, 2, 3, 2001)),
)
READ, WRITE, EXECUTE = a.SECTION_MAP_READ, a.SECTION_MAP_WRITE, a.SECTION_MAP_EXECUTE


def rights(words: Security, *sids: Sid, kind: types.ObjectType = types.SECTION) -> int:
    """What somebody with these SIDs is given, of what the words are about."""
    descriptor = SecurityDescriptor.from_bytes(words.descriptor(kind)).with_owner(ME)
    found = security.maximum_access(descriptor, security.EVERYBODY | set(sids), kind)
    return found & (READ | WRITE | EXECUTE if kind is types.SECTION else a.SYNCHRONIZE | 0x3)


@pytest.mark.parametrize(
    ("words", "who", "expected"),
    [
        (Security(), (ME,), READ | WRITE | EXECUTE),
        (Security(), (ALICE,), 0),
        (Security(owner="r"), (ME,), READ),
        (Security(owner=""), (ME,), 0),
        (Security(everyone="r"), (ALICE,), READ),
        (Security(everyone="rx"), (ALICE,), READ | EXECUTE),
        (Security(users={ALICE: "r"}), (ALICE,), READ),
        (Security(users={ALICE: "r"}), (BOB,), 0),
        # the nearer word holds
        (Security(users={ALICE: "r"}, groups={VIDEO: "rw"}), (ALICE, VIDEO), READ),
        (Security(users={ALICE: "r"}, groups={VIDEO: "rw"}), (BOB, VIDEO), READ | WRITE),
        (Security(users={ALICE: ""}, everyone="rw"), (ALICE,), 0),
        (Security(users={ALICE: "r"}, everyone="rw"), (ALICE,), READ),
        (Security(groups={VIDEO: "r"}, everyone="rw"), (BOB, VIDEO), READ),
        (Security(groups={VIDEO: "r"}, everyone="rw"), (BOB,), READ | WRITE),
        (Security(owner="r", everyone="rw"), (ME,), READ),
    ],
)
def test_the_words_mean(words: Security, who: tuple[Sid, ...], expected: int) -> None:
    assert rights(words, *who) == expected


def test_looking_includes_waiting_where_one_can_wait() -> None:
    assert (
        rights(Security(everyone="r"), ALICE, kind=types.EVENT)
        == a.SYNCHRONIZE | a.EVENT_QUERY_STATE
    )
    assert rights(Security(everyone="rw"), ALICE, kind=types.EVENT) == a.SYNCHRONIZE | 0x3


@pytest.mark.parametrize("access", ["q", "rq", "R", "read", 4, None])
def test_an_access_of_other_letters_is_refused(access: object) -> None:
    with pytest.raises(ArgumentError, match="not of the letters r, w and x"):
        Security(everyone=access)  # type: ignore[arg-type]


def test_accounts_are_a_mapping() -> None:
    with pytest.raises(TypeError, match="users: a mapping of accounts .* not str"):
        Security(users="root")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="groups: .* not list"):
        Security(groups=[("root", "r")])  # type: ignore[arg-type]


def test_an_unknown_account_is_refused_by_its_name() -> None:
    with pytest.raises(ArgumentError, match="nobody is called so") as caught:
        Security(users={"nobody is called so": "r"})
    assert isinstance(caught.value, ValueError) and caught.value.winerror == 1332


@pytest.mark.parametrize(
    "text", ["D:(A;;GR;;;WD)", "O:BAD:(D;;GW;;;AN)(A;;GA;;;WD)", "D:NO_ACCESS_CONTROL", "D:"]
)
def test_sddl_goes_both_ways(text: str) -> None:
    words = Security.from_sddl(text)
    assert words.sddl == text and str(words) == text
    assert Security.from_descriptor(words.descriptor()) == words
    assert repr(words) == f"Security.from_sddl({text!r})"


def test_what_is_no_sddl_is_refused() -> None:
    with pytest.raises(ArgumentError, match="is not a security descriptor"):
        Security.from_sddl("everybody may read")


def test_words_are_compared_by_what_they_mean() -> None:
    assert Security(everyone="r") == Security(everyone="r") != Security(everyone="rw")
    assert len({Security(everyone="r"), Security(everyone="r"), Security()}) == 2
    assert Security.from_sddl("D:(A;;GR;;;WD)") == Security.from_sddl("D:(A;;0x20005;;;WD)")
    assert Security() != "D:"


def test_words_are_shown_as_they_were_written_and_survive_pickling() -> None:
    words = Security(owner="r", everyone="r")
    assert repr(words) == "Security(owner='r', everyone='r')"
    again = pickle.loads(pickle.dumps(words))
    assert again == words and again.descriptor(types.EVENT) == words.descriptor(types.EVENT)


@pytest.mark.linux_only(
    "Wine keeps generic rights in a descriptor, which Windows maps to the type's own"
)
def test_an_object_says_what_it_was_given() -> None:
    with Section.create(size=4096, security=Security(everyone="r")) as section:
        assert section.security.sddl.endswith("(A;;CCLCRC;;;WD)")
        assert list(section.security.entries())[-1][0] is True
        section.security = "D:(A;;GR;;;AU)"
        assert section.security.sddl.endswith("D:(A;;CCLCRC;;;AU)")
    with Event.create(security="D:(A;;GR;;;WD)") as event:
        assert event.security.sddl.endswith("(A;;CCRC;;;WD)")


@pytest.mark.linux_only(
    "Wine gives objects no descriptor of their own where Windows gives the default"
)
def test_who_says_nothing_owns_alone() -> None:
    with Section.create(size=4096) as section:
        assert section.security.owner == kernel.account_name(ME)
        assert [sid for _, sid, _ in section.security.entries()] == [kernel.account_name(ME)]
