# SPDX-License-Identifier: MIT
"""Sections: what they are made of (memory, a file, huge pages), extending them, sealing them.

Names and handles are of ``handles.create_open``, views of ``views.mapping``.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import errno

from memsection._native import system
from memsection.nt.linux.bodies import commit, control_page, reserve, seals
from memsection.nt.linux.bodies.set_permissions import apply as apply_permissions
from memsection.nt.linux.handles import create_open, table
from memsection.nt.linux.handles.record import Handle
from memsection.nt.linux.handles.rights import NewSecurity
from memsection.nt.linux.names import namespace
from memsection.nt.linux.system import addresses, descriptions
from memsection.nt.linux.system import syscalls as sys_
from memsection.nt.linux.types import new_body
from memsection.vocabulary import access as a
from memsection.vocabulary import object_types
from memsection.vocabulary import protection as p
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.object_types import SECTION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


_KINDS = p.SEC_COMMIT | p.SEC_RESERVE | p.SEC_IMAGE
_LARGEST = 1 << 47


def create(
    access: int,
    attributes: Any,
    maximum_size: int | None,
    protection: int,
    kind: int,
    file: int,
    numa_node: int | None,
) -> tuple[int, Handle]:
    """NtCreateSection."""
    body: create_open.NewBody | None = None
    if not file and numa_node is None:
        body = _checked.get((maximum_size, protection, kind))
    if body is None:
        body = _new_body(access, maximum_size, protection, kind, file, numa_node)
    return create_open.create(SECTION, access, attributes, body)


#: Bodies of memory, by the size, the protection and the kind that were found right for each.
_checked: dict[tuple[int | None, int, int], _MemoryBody] = {}
_MOST_REMEMBERED = 64


def _new_body(
    access: int,
    maximum_size: int | None,
    protection: int,
    kind: int,
    file: int,
    numa_node: int | None,
) -> create_open.NewBody:
    """What a section will be, once it is clear that there can be such a one."""
    if protection not in p.SECTION_PROTECTIONS:
        raise NtError(
            st.INVALID_PAGE_PROTECTION,
            detail=f"{p.words(protection)} is no protection of a section",
        )
    size = maximum_size or 0
    if not 0 <= size <= (_LARGEST_FILE if file else addresses.HIGHEST):
        raise NtError(
            st.SECTION_TOO_BIG,  # below 0 too: Windows takes it for an unsigned number
            detail=f"a size of {size} bytes",
        )
    if kind != p.SEC_COMMIT:
        _check_kind(kind, bool(file))
    if file:
        source = table.lookup(file, object_types.FILE)
        from memsection.nt.linux.types.file_section import new_body_of_file

        return new_body_of_file(source, access, size, protection, kind)
    if kind & p.SEC_IMAGE:
        raise NtError(st.INVALID_FILE_FOR_SECTION, detail="an image section needs a file")
    if not size:
        raise NtError(
            st.INVALID_PARAMETER_4,
            detail="a section without a file needs a size of at least one byte",
        )
    if kind & p.SEC_LARGE_PAGES:
        return _LargeBody(size, protection, kind, numa_node)
    body = _MemoryBody(p.page_up(size), protection, kind, numa_node)
    if numa_node is None:
        if len(_checked) >= _MOST_REMEMBERED:
            _checked.clear()
        _checked[maximum_size, protection, kind] = body
    return body


def _check_kind(kind: int, has_file: bool) -> None:
    chosen = kind & _KINDS
    wrong = None
    if kind & ~(p.SEC_MASK & ~p.SEC_FILE):
        wrong = "flags that no section has"
    elif chosen not in (p.SEC_COMMIT, p.SEC_RESERVE, p.SEC_IMAGE):
        wrong = "exactly one of SEC_COMMIT, SEC_RESERVE and SEC_IMAGE is needed"
    elif chosen == p.SEC_IMAGE and kind != p.SEC_IMAGE:
        wrong = "SEC_IMAGE goes with no other flag"
    elif kind & p.SEC_LARGE_PAGES and (chosen != p.SEC_COMMIT or has_file):
        wrong = "SEC_LARGE_PAGES goes with SEC_COMMIT, and without a file"
    if wrong:
        raise NtError(st.INVALID_PARAMETER_6, detail=f"section attributes {kind:#x}: {wrong}")


def _where(place: namespace.Place) -> str:
    return namespace.path_of("global") if place.is_global else commit.MEMORY


_LARGEST_FILE = (1 << 63) - 1  # lseek(2)


class _MemoryBody:
    """Memory of its own, reserved now or (SEC_RESERVE) when it is committed."""

    __slots__ = ("form", "is_reserved", "is_small", "numa_node", "size")

    def __init__(self, size: int, protection: int, attributes: int, numa_node: int | None) -> None:
        self.size, self.numa_node = size, numa_node
        self.is_small = numa_node is None and size < commit.SMALL
        self.is_reserved = bool(attributes & p.SEC_RESERVE)
        bits = -(-size // p.PAGE_SIZE // (8 * p.PAGE_SIZE)) if self.is_reserved else 0
        self.form = SECTION.number, protection, attributes, size, bits, b""

    def make(
        self, place: namespace.Place | None, new_security: NewSecurity, *, read_only: bool
    ) -> create_open.Made:
        size, is_reserved = self.size, self.is_reserved
        plan = new_body.plan(place, new_security, self.form)
        where = commit.MEMORY if place is None else _where(place)
        if is_reserved and self.numa_node is None:
            return plan.create(place, 0, where, read_only=read_only)
        if self.is_small:
            commit.check(size, where)
            return plan.create(place, plan.total, where, read_only=read_only)
        fd = plan.make_empty(place)
        try:
            if self.numa_node is not None:
                _bind(fd, size, self.numa_node)
            if not is_reserved:
                reserve.reserve(fd, 0, size, where, whole=self.numa_node is None)
        except BaseException:
            sys_.close(fd)
            raise
        return plan.finish(fd, place, read_only=read_only)


def _bind(fd: int, size: int, node: int) -> None:
    """Give the pages of a body to a NUMA node: a shared file keeps the policy of the range
    (mbind(2))."""
    address = sys_.mmap(0, size, system.PROT_READ | system.PROT_WRITE, system.MAP_SHARED, fd, 0)
    try:
        sys_.mbind(address, size, node)
    except OSError as error:
        raise NtError(st.INVALID_PARAMETER, detail=f"NUMA node {node}: {error.strerror}") from None
    finally:
        sys_.munmap(address, size)


class _LargeBody:
    """Huge pages, which are a file of their own beside the body."""

    __slots__ = ("attributes", "numa_node", "protection", "size")

    is_small = False

    def __init__(self, size: int, protection: int, attributes: int, numa_node: int | None) -> None:
        self.size, self.protection = size, protection
        self.attributes, self.numa_node = attributes, numa_node

    def make(
        self, place: namespace.Place | None, new_security: NewSecurity, *, read_only: bool
    ) -> create_open.Made:
        if place is not None and place.is_global:
            raise NtError(
                st.NOT_ON_THIS_SYSTEM,
                detail="large pages are for unnamed and Local objects on this system",
            )
        page = addresses.large_page_size()
        if self.size % page:
            raise NtError(
                st.INVALID_PARAMETER_4,
                detail=f"{self.size} bytes are not a multiple of the large page, {page}",
            )
        data = sys_.memfd_create(
            "memsection-large", sys_.MFD_CLOEXEC | sys_.MFD_ALLOW_SEALING | sys_.MFD_HUGETLB
        )
        try:
            sys_.ftruncate(data, self.size)
            if self.numa_node is not None:
                _bind(data, self.size, self.numa_node)
            try:
                sys_.fallocate(data, 0, self.size)
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.ENOMEM):
                    raise
                raise NtError(
                    st.INSUFFICIENT_RESOURCES,
                    detail=f"asked for {commit.amount(self.size)} in large pages, which are not "
                    "free; the administrator "
                    "reserves them (sysctl vm.nr_hugepages=N)",
                ) from None
            apply_permissions(data, new_security.permissions, fresh=True)
            sys_.fcntl(data, sys_.F_ADD_SEALS, seals.SEALS)
            from memsection.nt.linux.types.file_section import body_beside

            return body_beside(
                data, place, new_security, self.protection, self.attributes, self.size, ""
            )
        except BaseException:
            sys_.close(data)
            raise


def query(section: int) -> s.SectionBasicInformation:
    """NtQuerySection."""
    handle = table.lookup(section, SECTION, a.SECTION_QUERY)
    facts = handle.obj.facts
    assert facts is not None
    if facts.file_identity is not None:
        facts = handle.obj.facts = control_page.current(handle.fd, facts)
    return s.SectionBasicInformation(0, facts.attributes, facts.size)


def extend(section: int, size: int) -> int:
    """NtExtendSection."""
    handle = table.lookup(section, SECTION, a.SECTION_EXTEND_SIZE)
    facts = handle.obj.facts
    assert facts is not None
    if facts.file_identity is None or handle.data_fd < 0 or facts.attributes & p.SEC_LARGE_PAGES:
        raise NtError(
            st.SECTION_NOT_EXTENDED,
            name=handle.obj.display_name(),
            detail="only sections of files can be extended",
        )
    facts = control_page.read(handle.fd, facts.body_size)
    if size <= facts.size:
        return facts.size
    if size > _LARGEST:
        raise NtError(st.SECTION_TOO_BIG, name=handle.obj.display_name())
    if not p.writable(facts.protection):
        raise NtError(
            st.SECTION_NOT_EXTENDED,
            name=handle.obj.display_name(),
            detail="a section that may not write its file cannot extend it",
        )
    have = sys_.fstat(handle.data_fd).st_size
    data = descriptions.reopen(handle.data_fd, sys_.O_RDWR)
    try:
        if size > have:
            from memsection.nt.linux.types.file_section import extend_file

            extend_file(data, have, size)
    finally:
        sys_.close(data)
    body = descriptions.reopen(handle.fd, sys_.O_RDWR)
    try:
        control_page.write_size(body, facts, size)
    finally:
        sys_.close(body)
    handle.obj.facts = control_page.read(handle.fd, facts.body_size)
    return size


def seal(section: int) -> None:
    """After it nobody gets a new writable view, whatever handle they hold (F_SEAL_FUTURE_WRITE,
    fcntl(2))."""
    handle = table.lookup(section, SECTION, a.SECTION_MAP_WRITE)
    facts = handle.obj.facts
    assert facts is not None
    if (
        facts.file_identity is not None
        and not facts.attributes & p.SEC_LARGE_PAGES
        or handle.obj.directory == "global"
    ):
        raise NtError(
            st.NOT_ON_THIS_SYSTEM,
            name=handle.obj.display_name(),
            detail="only sections in memory, unnamed or with a Local name, can be sealed",
        )
    fd = sys_.view_descriptor(handle, True)
    sys_.fcntl(fd, sys_.F_ADD_SEALS, sys_.F_SEAL_FUTURE_WRITE)
