# SPDX-License-Identifier: MIT
"""A name for a section that has none yet, also in the place of the section that has it: complete
content under a name that exists all the time.

Only for ``Local\\`` names: they are locators, which rename(2) replaces atomically; the file of a
``Global\\`` name is the body itself.  The predecessor lives on without a name, for as long as
somebody has it.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import os
import stat as stat_
import time
from typing import Any

from memsection.nt.linux.bodies import control_page
from memsection.nt.linux.handles import at_exit, create_open, object_attributes, state, table
from memsection.nt.linux.handles.record import Handle
from memsection.nt.linux.names import find, locators, namespace, sweep
from memsection.nt.linux.system import descriptions
from memsection.nt.linux.system import syscalls as sys_
from memsection.nt.linux.system.tables_lock import lock
from memsection.vocabulary import access as a
from memsection.vocabulary import names
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.object_types import SECTION

#: A locator on its way: no name begins with a dot (``namespace.escape``), and each name has only
#: one of these.
_BEING_MOVED = ".{}.next"


def take_name(section: int, attributes: Any, predecessor: int) -> None:
    """Give an unnamed section a name; that of its predecessor where that is not 0 (DELETE on
    it)."""
    heir = table.lookup(section, SECTION, a.SECTION_MAP_WRITE)
    place = object_attributes.place_of(attributes)
    if place is None:
        raise NtError(st.OBJECT_PATH_SYNTAX_BAD, detail="a section is given a name")
    old = table.lookup(predecessor, SECTION, a.DELETE) if predecessor else None
    sweep.sweep_if_due(place.directory)
    try:
        _refuse(heir, place, old)
        with lock:
            _write_name(heir, place)
            locator = _locator(heir, place)
            try:
                _publish(locator, place, old)
            except BaseException:
                sys_.close(locator)
                _write_name(heir, None)
                raise
            _enter(heir, place, locator, old)
    except NtError as failure:
        failure.name = failure.name or names.win32_name(place.full)
        raise


def _refuse(heir: Handle, place: namespace.Place, old: Handle | None) -> None:
    if place.directory != "local":
        raise NtError(
            st.NOT_ON_THIS_SYSTEM, detail="only a Local name can be given to a section that exists"
        )
    if heir.obj.name or heir.data_fd >= 0:
        raise NtError(
            st.INVALID_PARAMETER, detail="it has a name already, or is a section of a file"
        )
    if old is not None and (old.obj.name != place.full or old.data_fd >= 0):
        raise NtError(st.OBJECT_NAME_COLLISION, detail="the predecessor has another name")


def _write_name(heir: Handle, place: namespace.Place | None) -> None:
    body = descriptions.reopen(heir.fd, sys_.O_RDWR)
    try:
        facts = control_page.read(body, sys_.fstat(body).st_size)
        control_page.write_name(body, facts, place.full if place is not None else "")
        heir.obj.facts = control_page.read(body, facts.body_size)
    finally:
        sys_.close(body)


def _locator(heir: Handle, place: namespace.Place) -> int:
    """A locator that leads to the heir, locked and not linked yet."""
    at_exit.arrange_exit_cleanup(os.getpid())
    found = sys_.fstat(heir.fd)
    locator = sys_.open(
        ".", sys_.O_TMPFILE | sys_.O_RDWR | sys_.O_CLOEXEC, 0o600, dir_fd=place.dirfd
    )
    try:
        locators.write_locator(
            locator,
            SECTION.number,
            (found.st_dev, found.st_ino),
            place.full,
            (os.getpid(), heir.fd),
        )
        descriptions.hold(locator)
    except BaseException:
        sys_.close(locator)
        raise
    return locator


def _publish(locator: int, place: namespace.Place, old: Handle | None) -> None:
    if old is None:
        _publish_first(locator, place)
        return
    if not _has_name(old, place):
        raise NtError(
            st.OBJECT_NAME_COLLISION, detail="the predecessor does not have the name any more"
        )
    moved = _BEING_MOVED.format(place.file)
    try:
        sys_.unlink(
            moved, dir_fd=place.dirfd
        )  # what somebody left who died between the two calls below
    except FileNotFoundError:
        pass
    sys_.link(f"/proc/self/fd/{locator}", moved, dst_dir_fd=place.dirfd, follow_symlinks=True)
    # First the mark, then the name (L7): a process with a handle of its own to the predecessor
    # looks the name up anew because of the mark, and finds the predecessor again until the name
    # has moved.
    _mark(old, control_page.SUPERSEDED)
    try:
        sys_.rename(moved, place.file, src_dir_fd=place.dirfd, dst_dir_fd=place.dirfd)
    except BaseException:
        _mark(old, 0)
        raise


def _publish_first(locator: int, place: namespace.Place) -> None:
    deadline = time.monotonic() + create_open.NAME_BUSY_TIMEOUT_SECONDS
    while True:
        try:
            sys_.link(
                f"/proc/self/fd/{locator}", place.file, dst_dir_fd=place.dirfd, follow_symlinks=True
            )
            return
        except FileExistsError:
            pass
        found = find.find(place, writable=False)  # what the dead left is swept by this
        if found is not None:
            found.release()
        if found is not None or time.monotonic() > deadline:
            raise NtError(st.OBJECT_NAME_COLLISION)


def _has_name(old: Handle, place: namespace.Place) -> bool:
    """Whether the name leads to this body: its handle, which the caller has, keeps it so (L1,
    L6)."""
    try:
        fd = sys_.open(
            place.file,
            sys_.O_RDONLY | sys_.O_NOFOLLOW | sys_.O_NONBLOCK | sys_.O_CLOEXEC,
            dir_fd=place.dirfd,
        )
    except FileNotFoundError:
        return False
    try:
        status = sys_.fstat(fd)
        found = locators.read_locator(fd, status.st_size) if stat_.S_ISREG(status.st_mode) else None
    finally:
        sys_.close(fd)
    body = sys_.fstat(old.fd)
    return found is not None and found.identity == (body.st_dev, body.st_ino)


def _mark(old: Handle, flags: int) -> None:
    body = descriptions.reopen(old.fd, sys_.O_RDWR)
    try:
        facts = control_page.read(body, sys_.fstat(body).st_size)
        control_page.write_flags(body, facts, facts.flags & ~control_page.SUPERSEDED | flags)
    finally:
        sys_.close(body)


def _enter(heir: Handle, place: namespace.Place, locator: int, old: Handle | None) -> None:
    """What this process knows of both from now on."""
    if old is not None:
        state.forget_place(old.obj)
    obj = heir.obj
    obj.name, obj.directory, obj.locator_fd = place.full, place.directory, locator
    obj.place, obj.place_key = place, place.key
    state.remember_place(obj)
