# SPDX-License-Identifier: MIT
"""Creating and opening objects: the protocol of DESIGN "the kernel is the broker".

Create is atomic, and open never shows a dying object.  What an object of a type contains is its own
module's.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import errno
import os
import time

from memsection._native import ledger, records
from memsection.nt.linux.bodies import control_page
from memsection.nt.linux.handles import at_exit, object_attributes, rights, state, table
from memsection.nt.linux.handles.record import Handle, LocalObject
from memsection.nt.linux.handles.rights import NewSecurity
from memsection.nt.linux.names import closing, find, locators, namespace, sweep, unlink, verify
from memsection.nt.linux.system import descriptions
from memsection.nt.linux.system import syscalls as sys_
from memsection.nt.linux.system.tables_lock import lock
from memsection.vocabulary import access as a
from memsection.vocabulary import names, object_types
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.object_types import ObjectType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    class NewBody(Protocol):
        """How the body of a new object is made; each type has its own."""

        #: whether it is made as quickly as somebody looks whether its name is free
        is_small: bool

        def make(
            self, place: namespace.Place | None, new_security: NewSecurity, *, read_only: bool
        ) -> Made:
            """The body complete and locked, without a name, and its handle's descriptor."""
            ...


_KEPT = s.OBJ_PERMANENT | s.OBJ_EXCLUSIVE
_PERMANENT, _OPENIF, _INHERIT = s.OBJ_PERMANENT, s.OBJ_OPENIF, s.OBJ_INHERIT
#: how long an open waits for somebody who is just closing or sweeping
NAME_BUSY_TIMEOUT_SECONDS = 2.0
before_open: list[Callable[[], None]] = []  #: what the floors above do before a name is looked up


#: The body as a handle's descriptor, its facts, the data descriptor or -1, the body's identity.
Made = tuple[int, control_page.Facts, int, tuple[int, int]]


def create(kind: ObjectType, access: int, attributes: Any, body: NewBody) -> tuple[int, Handle]:
    """Create an object, or open the existing one when OBJ_OPENIF says so (NtCreate*).

    Returns:
        (SUCCESS or OBJECT_NAME_EXISTS, handle).
    """
    if attributes is None:
        return st.SUCCESS, _make(kind, access, None, 0, None, body)
    # With an empty name not even the directory is looked at (Wine, ntdll/tests/om.c).
    place = object_attributes.place_of(attributes) if attributes.ObjectName != "" else None
    flags, given = attributes.Attributes, attributes.SecurityDescriptor
    if flags & _KEPT:
        _refuse_what_cannot_be_kept(place, flags)
    if place is None:
        return st.SUCCESS, _make(kind, access, None, flags, given, body)
    if closing.doubtful or closing.later:
        closing.recheck_doubtful()
    sweep.sweep_if_due(place.directory)
    try:
        return _create_named(kind, access, place, flags, given, body)
    except NtError as failure:
        failure.name = failure.name or names.win32_name(place.full)
        raise


def _create_named(
    kind: ObjectType,
    access: int,
    place: namespace.Place,
    flags: int,
    given: bytes | None,
    body: NewBody,
) -> tuple[int, Handle]:
    opens = flags & _OPENIF != 0
    # Where making it costs no more than looking, a name that is taken shows when it is given.
    looks = opens or not body.is_small
    deadline = 0.0
    while True:
        if looks and (
            opens and place.key in state.objects_by_place or object_attributes.has_file(place)
        ):
            existing = _open_existing(kind, access if opens else None, place, flags)
            if existing is not None:
                return st.OBJECT_NAME_EXISTS, existing
        try:
            return st.SUCCESS, _make(kind, access, place, flags, given, body)
        except FileExistsError:
            looks = True  # somebody was faster: open theirs
        except (NtError, OSError) as failure:
            # ext4 says EPERM in a directory that was removed
            is_gone = isinstance(
                failure, FileNotFoundError | PermissionError
            ) and namespace.directory_is_gone(place)
            if not is_gone:
                if looks or not object_attributes.has_file(place):
                    raise
                looks = True  # of two things that are wrong, the name that is taken is told
                continue
        if place.gone:
            place = namespace.Place(place.directory, place.leaf)
        deadline = _back_off(deadline, place)


def _open_existing(
    kind: ObjectType, access: int | None, place: namespace.Place, flags: int
) -> Handle | None:
    """What has the name already, None if it went meanwhile; OBJECT_NAME_COLLISION with access
    None."""
    try:
        existing = _open_named(kind, access, place, flags)
    except NtError as failure:
        if failure.status != st.OBJECT_NAME_NOT_FOUND:
            raise
        return None
    if existing is None:
        raise NtError(st.OBJECT_NAME_COLLISION)
    return existing


def open_(kind: ObjectType, access: int, attributes: Any) -> Handle:
    """Open an existing object by name (NtOpen*)."""
    if attributes is None:
        raise NtError(st.INVALID_PARAMETER, detail="opening needs a name")
    if not attributes.ObjectName and not attributes.RootDirectory:
        raise NtError(st.OBJECT_PATH_SYNTAX_BAD, detail="opening needs a name")
    place = None
    try:
        place = object_attributes.place_of(attributes)
        if place is None:
            raise NtError(
                st.OBJECT_TYPE_MISMATCH, detail="an empty name leads to the directory itself"
            )
        if closing.doubtful or closing.later:
            closing.recheck_doubtful()
        if place.is_global:
            sweep.sweep_if_due("global")
        handle = _open_named(kind, access, place, attributes.Attributes)
    except namespace.NoGlobalObjectsError as failure:
        raise NtError(
            st.OBJECT_NAME_NOT_FOUND,
            name=attributes.ObjectName,
            detail=f"no object of that name, and there can be none: {failure.detail}",
        ) from None
    except NtError as failure:
        if place is not None:
            failure.name = failure.name or names.win32_name(place.full)
        raise
    assert handle is not None
    return handle


def _back_off(deadline: float, place: namespace.Place) -> float:
    """Wait a moment for somebody who is just closing or sweeping; give up after
    NAME_BUSY_TIMEOUT_SECONDS."""
    now = time.monotonic()
    if not deadline:
        time.sleep(0)
        return now + NAME_BUSY_TIMEOUT_SECONDS
    if now > deadline:
        raise NtError(
            st.HOLDER_OUT_OF_REACH,
            name=names.win32_name(place.full),
            detail=f"for {NAME_BUSY_TIMEOUT_SECONDS:g} s its name was held by a process whose "
            f"descriptors "
            "this one may not look into (another PID namespace?), or that was closing it; or it is "
            "what a "
            "crashed process of another user left, which that user or root can remove",
        )
    # Several that meet one name keep each other from asking "was I last?", each for as long as it
    # asks itself: up to a search of all processes.  Pauses that grow beyond that, and that no two
    # of them have alike, bring them apart.
    waited = NAME_BUSY_TIMEOUT_SECONDS - (deadline - now)
    share = (time.monotonic_ns() ^ os.getpid() * 40503) % 1024 / 1024
    time.sleep(min(max(0.0002, waited / 4), 0.1) * (0.25 + share))
    return deadline


@ledger.whole
def _make(
    kind: ObjectType,
    access: int,
    place: namespace.Place | None,
    flags: int,
    given: bytes | None,
    body: NewBody,
) -> Handle:
    """A new object under a free name, complete before anybody can see it.  FileExistsError if the
    name is taken."""
    new_security = rights.security_of_new(given, kind)
    if access & ~kind.valid:
        access = _specific(kind, access)
    # the creator's rights are the kernel's business too (R2)
    read_only = not rights.needs_write(kind, access)
    try:
        fd, facts, data_fd, identity = body.make(place, new_security, read_only=read_only)
    except (NtError, OSError) as failure:
        if not _is_shortage(failure) or not sweep.remove_all_dead():
            raise
        # With the memory that the dead had:
        fd, facts, data_fd, identity = body.make(place, new_security, read_only=read_only)
    obj = LocalObject(kind, identity, facts, place, body.is_small and data_fd < 0)
    if place is not None:
        at_exit.arrange_exit_cleanup(facts.creator_pid)
    with lock:
        # It is in the table before it has its name: whoever is interrupted then closes it, and with
        # it the name goes.
        handle = table.register(
            fd, kind, access, obj, data_fd=data_fd, inherit=flags & _INHERIT != 0
        )
        if flags & _PERMANENT:
            _make_permanent(fd, facts)
        if place is not None:
            _publish(fd, obj, place)
            obj.place_key = place.key
            state.objects_by_place[place.key] = obj
            if at_exit.is_ending:
                at_exit.note_for_the_end(handle)
    return handle


def _specific(kind: ObjectType, access: int) -> int:
    """The rights of this type that a creator asks for; "the most" leaves away what is not there."""
    access = kind.specific(access)
    if access & a.MAXIMUM_ALLOWED:
        access = access & (kind.valid | ~0xFFFF) & ~a.MAXIMUM_ALLOWED | kind.generic_all
    if access & ~kind.valid:
        raise NtError(
            st.ACCESS_DENIED, detail=f"no {kind.noun} has the rights {access & ~kind.valid:#x}"
        )
    return access


def _refuse_what_cannot_be_kept(place: namespace.Place | None, flags: int) -> None:
    """Attributes that an object here cannot have are no success: the creator would rely on them."""
    if flags & s.OBJ_EXCLUSIVE:
        raise NtError(
            st.NOT_ON_THIS_SYSTEM,
            detail="who has the right to open an object cannot be kept from it",
        )
    if place is None or not place.is_global:
        raise unlink.cannot_be_permanent(names.win32_name(place.full) if place else None)


def _make_permanent(fd: int, facts: control_page.Facts) -> None:
    """Before the body has its name: nobody sees it without the flag."""
    body = descriptions.reopen(fd, sys_.O_RDWR)
    try:
        control_page.write_flags(body, facts, facts.flags | control_page.PERMANENT)
    finally:
        sys_.close(body)


def _is_shortage(failure: NtError | OSError) -> bool:
    """Whether there was no memory, or no room on the mount."""
    if isinstance(failure, NtError):
        return failure.status in (st.COMMITMENT_LIMIT, st.DISK_FULL, st.NO_MEMORY)
    return failure.errno in (errno.ENOSPC, errno.ENOMEM, errno.EDQUOT)


def _publish(fd: int, obj: LocalObject, place: namespace.Place) -> None:
    """Give a complete body its name (N2): by a locator, or where the body itself is linked without
    one."""
    if place.is_global:
        sys_.link_body(fd, place.dirfd, place.path)
        return
    assert obj.facts is not None
    obj.locator_fd = sys_.publish(
        place.dirfd,
        place.path,
        obj.kind.number,
        obj.identity[0],
        obj.identity[1],
        locators.pid_namespace(),
        place.name,
        place.checksum,
        obj.facts.creator_pid,
        fd,
    )


def _open_named(
    kind: ObjectType, access: int | None, place: namespace.Place, flags: int
) -> Handle | None:
    """Open what the name leads to; with access None only find out that it lives, and give None."""
    deadline = 0.0
    for hook in before_open:
        hook()
    while True:
        if place.key in state.objects_by_place:
            with lock:
                mine = _own_handle(place)
                if mine is not None:  # it keeps the name and the object alive (L1)
                    return None if access is None else _open_own(kind, access, mine, flags)
        writable = access is not None and rights.needs_write(kind, kind.specific(access))
        found = find.find(place, writable=writable, again=bool(deadline))
        if found is not None:
            try:
                with lock:
                    return _open_found(kind, access, found, flags, place)
            finally:
                found.release()
        if place.gone:
            place = namespace.Place(place.directory, place.leaf)
        deadline = _back_off(deadline, place)


def is_taken(kind: ObjectType, place: namespace.Place) -> bool:
    """Whether a living object has the name, also one that this user may not open."""
    try:
        _open_named(kind, None, place, 0)
    except NtError as failure:
        return failure.status != st.OBJECT_NAME_NOT_FOUND
    return True


def _own_handle(place: namespace.Place) -> Handle | None:
    """A handle of this process to what has the name, with facts as they are now; one that another
    process took away keeps nothing alive (H2)."""
    obj = state.objects_by_place.get(place.key)
    while obj is not None and obj.handles:
        handle: Handle = next(iter(obj.handles))
        if table.revalidate(handle):
            obj.facts = verify.current_facts(handle.fd, obj.facts, is_sealed=not place.is_global)
            # The name of a section may have gone to another one (``succession``).
            if not obj.facts.flags & control_page.SUPERSEDED:
                return handle
            state.forget_place(obj)
        obj = state.objects_by_place.get(place.key)
    return None


def _grant(kind: ObjectType, access: int, facts: control_page.Facts) -> int:
    """The access that the caller gets to a living object, if it is of this type."""
    if facts.type != kind.number:
        actual = object_types.BY_NUMBER[facts.type]
        raise NtError(
            st.OBJECT_TYPE_MISMATCH,
            detail=f"asked for {kind.a_noun}, the name means {actual.a_noun}",
        )
    if access == 0:
        raise NtError(
            st.ACCESS_DENIED, detail="an existing object cannot be opened with no access at all"
        )
    return rights.grant(facts.descriptor, access, kind)


def _open_own(kind: ObjectType, access: int, mine: Handle, flags: int) -> Handle:
    """Another handle to an object that a handle of this process keeps alive; if it fails, the
    service that it is a part of undoes it."""
    obj = mine.obj
    facts = obj.facts
    assert facts is not None
    granted = _grant(kind, access, facts)
    writable = rights.needs_write(kind, granted, facts)
    data_fd = -1
    if facts.file_identity is not None:
        data_fd = _open_data(kind, granted, find.Found(mine.fd), facts)
    handle = table.copy(
        mine, granted, writable=writable, data_fd=data_fd, inherit=flags & _INHERIT != 0
    )
    if obj.place_key is not None:
        state.objects_by_place[obj.place_key] = obj
    return handle


def _open_data(kind: ObjectType, granted: int, found: find.Found, facts: control_page.Facts) -> int:
    """A descriptor of the file behind a section."""
    from memsection.nt.linux.names import file_data

    return file_data.open_data(found, facts, writable=rights.needs_write(kind, granted))


@ledger.whole
def _open_found(
    kind: ObjectType, access: int | None, found: find.Found, flags: int, place: namespace.Place
) -> Handle | None:
    """A handle to a living body, which ``found`` keeps alive meanwhile."""
    facts = verify.facts_of_found(found.fd, found.identity, found.size, place)
    if access is None:  # whatever it is: the name is taken
        return None
    granted = _grant(kind, access, facts)
    data_fd = -1 if facts.file_identity is None else _open_data(kind, granted, found, facts)
    fd = -1
    try:
        fd = found.handle_descriptor(writable=rights.needs_write(kind, granted, facts))
        obj = state.objects_by_identity.get(found.identity)
        if obj is None:
            obj = LocalObject(kind, found.identity)
        obj.facts = facts
        _name_object(obj, place, found, fd)
        handle = table.register(
            fd, kind, granted, obj, data_fd=data_fd, inherit=flags & _INHERIT != 0
        )
        state.objects_by_place[place.key] = obj
        return handle
    except BaseException:
        if fd >= 0 and not records.is_open(fd * 4):
            unlink.close_unused(fd, place)
        raise


def _name_object(obj: LocalObject, place: namespace.Place, found: find.Found, fd: int) -> None:
    """What this process knows of an object that it found by its name, and says in its locator."""
    pid = os.getpid()
    at_exit.arrange_exit_cleanup(pid)
    obj.name, obj.directory = place.full, place.directory
    obj.place, obj.place_key = place, place.key
    if obj.locator_fd < 0:
        obj.locator_fd = found.keep_locator()
    if obj.locator_fd >= 0:
        sys_.leave_hint(obj.locator_fd, found.hints, locators.hint_slot(pid), pid, fd)
