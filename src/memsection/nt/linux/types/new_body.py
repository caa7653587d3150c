# SPDX-License-Identifier: MIT
"""Making the body of an object: an empty one, and its mode, access list and seals when it is
written."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import errno
import os

from memsection._native import protocol
from memsection.nt.linux.bodies import (
    commit,
    control_page,
    permissions,
    reserve,
    seals,
    set_permissions,
)
from memsection.nt.linux.handles.rights import NewSecurity
from memsection.nt.linux.names import namespace
from memsection.nt.linux.system import descriptions
from memsection.nt.linux.system import syscalls as sys_
from memsection.vocabulary import protection as p

TYPE_CHECKING = False
if TYPE_CHECKING:
    from memsection.nt.linux.handles.create_open import Made


_MEMFD = sys_.MFD_CLOEXEC | sys_.MFD_ALLOW_SEALING
_MOST_REMEMBERED = 64

#: What a new body is, whoever makes it and whatever its name is: the number of its type,
#: protection, attributes, bytes of data in whole pages, pages of its bitmap, state words.
Form = tuple[int, int, int, int, int, bytes]


class Plan:
    """Bodies that are going to be: of one form, with one security, and where the name does not fit
    into the control page, with one name."""

    __slots__ = (
        "_permissions",
        "_template",
        "area",
        "at",
        "creator",
        "is_plain",
        "mode",
        "page_at",
        "size",
        "total",
    )

    def __init__(self, form: Form, security: NewSecurity, name: str) -> None:
        kind, protection, attributes, size, bitmap_pages, state = form
        self._template = template = control_page.Template(
            name, security.descriptor, kind, protection, attributes, size, bitmap_pages
        )
        self.is_plain = template.is_plain
        wanted = self._permissions = security.permissions
        self.mode = wanted.mode if wanted.acl_entries is None else -1
        self.creator, self.size = security.creator, size
        self.at = size + bitmap_pages * p.PAGE_SIZE
        self.total = size + template.area_pages * p.PAGE_SIZE
        self.area, self.page_at = template.area, template.page_at
        if state:
            page_size = self.page_at + control_page.STATE_OFFSET
            self.area = self.area.ljust(page_size, b"\0") + state

    def make_empty(self, place: namespace.Place | None) -> int:
        """An empty file of the body's size: a memfd, or for a Global name a file in its directory,
        not linked yet (O_TMPFILE)."""
        return make_empty(place, self.total)

    def create(
        self,
        place: namespace.Place | None,
        reserved: int,
        where: str | None,
        *,
        read_only: bool,
        is_locked: bool = True,
    ) -> Made:
        """The body in one step: its pages, control area, mode, seals and lock.

        ``where`` its memory comes from is told when there is none left.
        """
        pid = os.getpid()
        directory, is_global, name = -1, False, b""
        if place is not None:
            is_global = place.is_global
            if is_global:
                directory = place.dirfd
            if self.is_plain:  # it fits beside the area
                name = place.name
        try:
            made = sys_.create_body(
                directory,
                self.size,
                self.total,
                reserved,
                self.area,
                self.page_at,
                self.at,
                name,
                pid,
                self.creator,
                self.mode,
                _FLAGS[is_global, read_only, is_locked],
            )
        except OSError as error:
            if where is not None:
                reserve.tell_shortage(error, self.total, where)
            raise
        return self._complete(made, pid, name)

    def finish(self, fd: int, place: namespace.Place | None, *, read_only: bool) -> Made:
        """The same for an empty file that has its pages, which is closed if this fails."""
        pid = os.getpid()
        is_global = place is not None and place.is_global
        name = place.name if place is not None and self.is_plain else b""
        try:
            made = sys_.finish_body(
                fd,
                self.size,
                self.area,
                self.page_at,
                self.at,
                name,
                pid,
                self.creator,
                self.mode,
                _FLAGS[is_global, read_only, True],
            )
        except BaseException:
            sys_.close(fd)
            raise
        return self._complete(made, pid, name)

    def _complete(self, made: protocol.Made, pid: int, name: bytes) -> Made:
        """What was made, with its facts; ``name`` was written beside the area."""
        fd, device, inode, uid, gid, created_ns, page = made
        wanted = self._permissions
        try:
            # Nobody else can have opened it yet (N2), so that its permissions may come after the
            # lock.
            if self.mode < 0 or uid != wanted.uid or gid != wanted.gid:
                set_permissions.apply(fd, wanted, fresh=True)
            if self.is_plain:
                facts = self._template.facts(pid, self.creator, created_ns, len(name), page)
            else:
                facts = control_page.read(fd, self.total, page)
        except BaseException:
            sys_.close(fd)
            raise
        return fd, facts, -1, (device, inode)


_plans: dict[tuple[Form, NewSecurity], Plan] = {}


def plan(place: namespace.Place | None, security: NewSecurity, form: Form) -> Plan:
    """The plan for a body of this form that is to have its name here: the same for all names that
    fit into the control page."""
    key = form, security
    known = _plans.get(key)
    if known is None:
        known = Plan(form, security, "")
        if known.is_plain:
            if len(_plans) >= _MOST_REMEMBERED:
                _plans.clear()
            _plans[key] = known
    if place is None or known.is_plain and len(place.name) <= control_page.TEXT_ROOM:
        return known
    return Plan(form, security, place.full)


#: How a body is made that is Global, read-only, locked.  A file cannot be sealed: views of a Global
#: body are guarded instead.
_FLAGS = {
    (is_global, read_only, is_locked): (0 if is_global else protocol.SEAL)
    | (protocol.READ_ONLY if read_only else 0)
    | (0 if is_locked else protocol.UNLOCKED)
    for is_global in (False, True)
    for read_only in (False, True)
    for is_locked in (False, True)
}


def make_empty(place: namespace.Place | None, total: int) -> int:
    """An empty file of this size: a memfd, or for a Global name a file in its directory, not linked
    yet (O_TMPFILE)."""
    if place is not None and place.is_global:
        fd = sys_.open(".", sys_.O_TMPFILE | sys_.O_RDWR | sys_.O_CLOEXEC, 0, dir_fd=place.dirfd)
    else:
        fd = sys_.memfd_create("memsection", _MEMFD)
    try:
        sys_.ftruncate(fd, total)
    except BaseException as problem:
        sys_.close(fd)
        if isinstance(problem, OSError) and problem.errno == errno.EFBIG:
            commit.require(total)  # which limit that was (RLIMIT_FSIZE), and what to do
        raise
    return fd


def make_body(place: namespace.Place | None, size: int, draft: control_page.Draft) -> int:
    """An empty file for data of this size and a control area."""
    return make_empty(place, size + draft.area_pages * p.PAGE_SIZE)


def finish_body(
    fd: int, place: namespace.Place | None, file_permissions: permissions.PosixPermissions
) -> None:
    """Its true mode and access list, and the seals (a file cannot be sealed: its views are guarded
    instead)."""
    set_permissions.apply(fd, file_permissions, fresh=True)
    if place is None or not place.is_global:
        sys_.fcntl(fd, sys_.F_ADD_SEALS, seals.SEALS)


def lock_handle(fd: int, *, read_only: bool) -> tuple[int, tuple[int, int]]:
    """The descriptor of a new body's handle, locked; another one where it may only read (R2)."""
    descriptions.hold(fd)
    if read_only:
        fd, stronger = descriptions.reopen(fd, sys_.O_RDONLY), fd
        sys_.close(stronger)
        descriptions.hold(fd)
    found = sys_.fstat(fd)
    return fd, (found.st_dev, found.st_ino)


def facts_of(fd: int) -> control_page.Facts:
    """What a body that was just written says of itself."""
    return control_page.read(fd, sys_.fstat(fd).st_size)
