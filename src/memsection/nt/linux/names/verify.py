# SPDX-License-Identifier: MIT
"""What a file must be to be believed as the body of an object, whoever it came from, and under the
name it was found.

What stands in the control page is ``control_page``'s; whether the object lives is asked by
``find``.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import os
import stat as stat_

from memsection.nt.linux.bodies import control_page, seals
from memsection.nt.linux.bodies.seals import SEALS
from memsection.nt.linux.names import namespace
from memsection.nt.linux.system import syscalls as sys_
from memsection.vocabulary import names, object_types
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError

_MOST_REMEMBERED = 256
# Of bodies that were found or received, by identity; each is compared with the control page at
# every use (R1).
_remembered: dict[tuple[int, int], control_page.Facts] = {}


def facts_of_found(
    fd: int, identity: tuple[int, int], size: int, place: namespace.Place | None
) -> control_page.Facts:
    """The facts of a body that was found by its name, or came from another process; as
    ``read_body``."""
    facts = _remembered.get(identity)
    if facts is not None and facts.body_size == size:
        assert facts.page is not None
        if sys_.is_unchanged(fd, size, facts.page):
            return facts
    facts = read_body(fd, None, place)
    # only what is sealed stays as it is
    if facts.page is not None and (place is None or not place.is_global):
        if len(_remembered) >= _MOST_REMEMBERED:
            _remembered.clear()
        _remembered[identity] = facts
    return facts


def current_facts(
    fd: int, known: control_page.Facts | None, *, is_sealed: bool
) -> control_page.Facts:
    """What the body of a handle of this process says now, of which something is ``known``."""
    if (
        is_sealed
        and known is not None
        and known.page is not None
        and sys_.is_unchanged(fd, known.body_size, known.page)
    ):
        return known
    return read_body(fd)


def read_body(
    fd: int, found: os.stat_result | None = None, place: namespace.Place | None = None
) -> control_page.Facts:
    """The facts of a body, once it is clear that it is one (M1, M3, N3).

    Args:
        fd: The body.
        found: Its status, where that is known.
        place: The name that it was found under, where that was the way to it.

    Raises:
        NtError: FILE_CORRUPT_ERROR or OBJECT_TYPE_MISMATCH with what is wrong; NAMESPACE_REFUSED
            for a Global body under a name that is not its own.
    """
    has = seals.seals(fd)
    if has < 0:
        raise control_page.corrupt("it is no file in memory")
    found = found or sys_.fstat(fd)
    if not stat_.S_ISREG(found.st_mode):
        raise control_page.corrupt("it is no regular file")
    sealed = has & SEALS == SEALS
    if not sealed and found.st_dev == seals.memory_device():
        raise control_page.corrupt(
            "its memory is not sealed against being cut, as every object's is"
        )
    facts = control_page.read(fd, found.st_size)
    kind = object_types.BY_NUMBER.get(facts.type)
    if kind is None or not kind.has_body:
        raise control_page.corrupt(f"object type {facts.type}")
    if not sealed and (
        place is not None
        and not place.is_global
        or not control_page.name(fd, facts).startswith(names.GLOBAL_DIRECTORY + "\\")
    ):
        raise control_page.corrupt(
            "it is not sealed against being cut, as every object without a Global name is"
        )
    if place is not None and place.is_global:
        require_own_name(place, fd, facts, found)
    return facts


def require_own_name(
    place: namespace.Place, fd: int, facts: control_page.Facts, found: os.stat_result
) -> None:
    """Refuse a Global body under another name than the one it was made with: a hard link that
    somebody made (N3)."""
    own = control_page.name(fd, facts)
    if own != place.full:
        raise planted_error(
            place,
            f"is the object {names.win32_name(own)!r} of user {found.st_uid} under a name that it "
            f"was not "
            "made with: a hard link",
        )
    if found.st_nlink > 1:
        raise planted_error(
            place,
            f"has {found.st_nlink} hard links, and so other names than the one that it was made "
            f"with",
        )


def planted_error(place: namespace.Place, found: str) -> NtError:
    """The failure for what somebody put under a name."""
    return NtError(
        st.NAMESPACE_REFUSED,
        name=names.win32_name(place.full),
        detail=f"the file of this name, {namespace.path_of(place.directory)}/{place.file}, "
        f"{found}; "
        "somebody put it there, and it is left alone until its owner or root removes it",
    )
