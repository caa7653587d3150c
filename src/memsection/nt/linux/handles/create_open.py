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
from collections.abc import Callable

from memsection._native import ledger, records
from memsection.nt.linux import _fast
from memsection.nt.linux.bodies import control_page, permissions
from memsection.nt.linux.bodies.position import position
from memsection.nt.linux.handles import at_exit, object_attributes, rights, state, table
from memsection.nt.linux.handles.record import Handle, LocalObject
from memsection.nt.linux.names import (
    closing,
    file_data,
    find,
    locators,
    namespace,
    sweep,
    unlink,
    verify,
)
from memsection.nt.linux.system import accounts, descriptions
from memsection.nt.linux.system import syscalls as sys_
from memsection.nt.linux.system.tables_lock import lock
from memsection.vocabulary import access as a
from memsection.vocabulary import names, object_types, security
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.object_types import ObjectType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


#: how long an open waits for somebody who is just closing or sweeping
NAME_BUSY_TIMEOUT_SECONDS = 2.0
before_open: list[Callable[[], None]] = []  #: what the floors above do before a name is looked up


#: The body as a handle's descriptor, its facts, the data descriptor or -1, the body's identity.
Built = tuple[int, control_page.Facts, int, tuple[int, int]]
Build = Callable[[namespace.Place | None, permissions.PosixPermissions, bytes, bool], Built]


def create(kind: ObjectType, access: int, attributes: Any, build: Build) -> tuple[int, Handle]:
    """Create an object, or open the existing one when OBJ_OPENIF says so (NtCreate*).

    ``build`` makes the body: it gets the place, the permissions, the security descriptor and
    whether the handle may only read, and gives the body complete and locked, without a name.

    Returns:
        (SUCCESS or OBJECT_NAME_EXISTS, handle).
    """
    place = object_attributes.place_of(attributes) if attributes is not None else None
    flags = attributes.Attributes if attributes is not None else 0
    given = attributes.SecurityDescriptor if attributes is not None else None
    if flags & (s.OBJ_PERMANENT | s.OBJ_EXCLUSIVE):
        _refuse_what_cannot_be_kept(place, flags)
    if place is None:
        return st.SUCCESS, _make(kind, access, None, flags, given, build)
    closing.recheck_doubtful()
    sweep.sweep_if_due(place.directory)
    try:
        deadline = 0.0
        while True:
            if flags & s.OBJ_OPENIF or object_attributes.has_file(place):
                try:
                    existing = _open_named(
                        kind, access if flags & s.OBJ_OPENIF else None, place, flags
                    )
                except NtError as failure:
                    if failure.status != st.OBJECT_NAME_NOT_FOUND:
                        raise
                else:
                    if existing is None:
                        raise NtError(st.OBJECT_NAME_COLLISION)
                    return st.OBJECT_NAME_EXISTS, existing
            try:
                return st.SUCCESS, _make(kind, access, place, flags, given, build)
            except FileExistsError:
                pass  # somebody was faster: open theirs
            except (FileNotFoundError, PermissionError):
                # ext4 says EPERM in a directory that was removed
                if not namespace.directory_is_gone(place):
                    raise
            if place.gone:
                place = namespace.Place(place.directory, place.leaf)
            deadline = _back_off(deadline, place)
    except NtError as failure:
        failure.name = failure.name or names.win32_name(place.full)
        raise


def open_(kind: ObjectType, access: int, attributes: Any) -> Handle:
    """Open an existing object by name (NtOpen*)."""
    try:
        return _open(kind, access, attributes)
    except namespace.NoGlobalObjectsError as failure:
        raise NtError(
            st.OBJECT_NAME_NOT_FOUND,
            name=attributes.ObjectName,
            detail=f"no object of that name, and there can be none: {failure.detail}",
        ) from None


def _open(kind: ObjectType, access: int, attributes: Any) -> Handle:
    simple = _fast.open_(kind, access, attributes)
    if simple is not None:
        return simple
    if attributes is None:
        raise NtError(st.INVALID_PARAMETER, detail="opening needs a name")
    if not attributes.ObjectName and not attributes.RootDirectory:
        raise NtError(st.OBJECT_PATH_SYNTAX_BAD, detail="opening needs a name")
    place = object_attributes.place_of(attributes)
    if place is None:
        raise NtError(st.OBJECT_TYPE_MISMATCH, detail="an empty name leads to the directory itself")
    closing.recheck_doubtful()
    if place.directory == "global":
        sweep.sweep_if_due("global")
    try:
        handle = _open_named(kind, access, place, attributes.Attributes)
    except NtError as failure:
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
    # asks itself. Pauses that grow, and that no two of them have alike, bring them apart.
    waited = NAME_BUSY_TIMEOUT_SECONDS - (deadline - now)
    share = (time.monotonic_ns() ^ os.getpid() * 40503) % 1024 / 1024
    time.sleep(min(max(0.0002, waited / 4), 0.01) * (0.25 + share))
    return deadline


@ledger.whole
def _make(
    kind: ObjectType,
    access: int,
    place: namespace.Place | None,
    flags: int,
    given: bytes | None,
    build: Build,
) -> Handle:
    """A new object under a free name, complete before anybody can see it.  FileExistsError if the
    name is taken."""
    token = accounts.current_token()
    descriptor = security.creation_descriptor(given, token, kind)
    file_permissions = permissions.permissions_for(descriptor, kind)
    access = kind.specific(access)
    if access & a.MAXIMUM_ALLOWED:
        access = access & ~a.MAXIMUM_ALLOWED | kind.generic_all
    if access & ~kind.valid:
        raise NtError(
            st.ACCESS_DENIED, detail=f"no {kind.noun} has the rights {access & ~kind.valid:#x}"
        )
    # the creator's rights are the kernel's business too (R2)
    read_only = not rights.needs_write(kind, access)
    try:
        fd, facts, data_fd, identity = build(place, file_permissions, descriptor, read_only)
    except (NtError, OSError) as failure:
        if not _is_shortage(failure) or not sweep.remove_all_dead():
            raise
        # With the memory that the dead had:
        fd, facts, data_fd, identity = build(place, file_permissions, descriptor, read_only)
    sys_.lseek(fd, position(access, data_fd), 0)
    if place is not None:
        at_exit.arrange_exit_cleanup()
    with lock:
        obj = LocalObject(kind, identity, facts)
        if place is not None:
            obj.name, obj.directory, obj.place = place.full, place.directory, place
        # It is in the table before it has its name: whoever is interrupted then closes it, and with
        # it the name goes.
        handle = table.register(
            fd, kind, access, obj, data_fd=data_fd, inherit=bool(flags & s.OBJ_INHERIT), tag=False
        )
        if flags & s.OBJ_PERMANENT:
            _make_permanent(fd, facts)
        if place is not None:
            _publish(fd, obj, place)
            obj.place_key = place.key
            state.objects_by_place[place.key] = obj
            if at_exit.is_ending:
                at_exit.note_for_the_end(handle)
        return handle


def _refuse_what_cannot_be_kept(place: namespace.Place | None, flags: int) -> None:
    """Attributes that an object here cannot have are no success: the creator would rely on them."""
    if flags & s.OBJ_EXCLUSIVE:
        raise NtError(
            st.NOT_ON_THIS_SYSTEM,
            detail="who has the right to open an object cannot be kept from it",
        )
    if place is None or place.directory != "global":
        raise NtError(
            st.NOT_ON_THIS_SYSTEM,
            name=names.win32_name(place.full) if place else None,
            detail="only an object with a Global name can outlive its handles on this system",
        )


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
    if place.directory == "global":
        sys_.link_body(fd, place.dirfd, place.path)
        return
    obj.locator_fd = sys_.publish(
        place.dirfd,
        place.path,
        obj.kind.number,
        obj.identity[0],
        obj.identity[1],
        locators.pid_namespace(),
        place.name,
        place.checksum,
        os.getpid(),
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
        with lock:
            mine = _own_handle(place)
            if mine is not None:  # a handle of our own keeps the name and the object alive (L1)
                return _open_body(kind, access, mine.obj, find.Found(mine.fd), flags)
        found = find.find(
            place, writable=access is not None and rights.needs_write(kind, kind.specific(access))
        )
        if found is not None:
            try:
                with lock:
                    return _open_body(kind, access, None, found, flags, place)
            finally:
                found.release()
        if place.gone:
            place = namespace.Place(place.directory, place.leaf)
        deadline = _back_off(deadline, place)


def _own_handle(place: namespace.Place) -> Handle | None:
    """A handle of this process to what has the name; one that another process took away keeps
    nothing alive (H2)."""
    obj = state.objects_by_place.get(place.key)
    while obj is not None and obj.handles:
        handle = next(iter(obj.handles))
        if table.revalidate(handle):
            if not _is_superseded(handle):
                return handle
            state.forget_place(obj)
        obj = state.objects_by_place.get(place.key)
    return None


def _is_superseded(handle: Handle) -> bool:
    """Whether the name of a section that this process has may have gone to another one
    (``succession``)."""
    facts = handle.obj.facts
    if facts is None or handle.kind is not object_types.SECTION:
        return False
    return bool(control_page.read(handle.fd, facts.body_size).flags & control_page.SUPERSEDED)


@ledger.whole
def _open_body(
    kind: ObjectType,
    access: int | None,
    obj: LocalObject | None,
    found: find.Found,
    flags: int,
    place: namespace.Place | None = None,
) -> Handle | None:
    """A handle to a living body, which ``found`` (or a handle of ours) keeps alive meanwhile."""
    body = sys_.fstat(found.fd)
    facts = verify.read_body(found.fd, body, place)
    if access is None:  # whatever it is: the name is taken
        return None
    actual = object_types.BY_NUMBER[facts.type]
    if actual is not kind:
        raise NtError(
            st.OBJECT_TYPE_MISMATCH,
            detail=f"asked for {kind.a_noun}, the name means {actual.a_noun}",
        )
    if access == 0:
        raise NtError(
            st.ACCESS_DENIED, detail="an existing object cannot be opened with no access at all"
        )
    granted = rights.grant(facts.descriptor, access, kind)
    if obj is not None:
        obj.facts = facts
    writable = rights.needs_write(kind, granted)
    data_fd = (
        file_data.open_data(found, facts, writable=writable)
        if facts.file_identity is not None
        else -1
    )
    fd = -1
    try:
        fd = found.handle_descriptor(writable=rights.needs_write(kind, granted, facts))
        return _attach(
            fd, kind, granted, data_fd, flags, obj, found, facts, place, (body.st_dev, body.st_ino)
        )
    except BaseException:
        if fd >= 0 and not records.is_open(fd * 4):
            unlink.close_unused(fd, place)
        raise


def _attach(
    fd: int,
    kind: ObjectType,
    granted: int,
    data_fd: int,
    flags: int,
    obj: LocalObject | None,
    found: find.Found,
    facts: control_page.Facts,
    place: namespace.Place | None,
    identity: tuple[int, int],
) -> Handle:
    if obj is None:
        obj = state.objects_by_identity.get(identity)
        if obj is None:
            obj = LocalObject(kind, identity, facts)
        if place is not None:
            at_exit.arrange_exit_cleanup()
            obj.name, obj.directory = place.full, place.directory
            obj.place, obj.place_key = place, place.key
            if obj.locator_fd < 0:
                obj.locator_fd = found.keep_locator()
            hint = os.getpid(), fd
            if obj.locator_fd >= 0 and hint not in found.hints:
                locators.write_hint(obj.locator_fd, locators.hint_slot(hint[0]), hint)
    handle = table.register(
        fd, kind, granted, obj, data_fd=data_fd, inherit=bool(flags & s.OBJ_INHERIT)
    )
    if obj.place_key is not None:
        state.objects_by_place[obj.place_key] = obj
    return handle
