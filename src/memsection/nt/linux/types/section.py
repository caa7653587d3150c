# SPDX-License-Identifier: MIT
"""Sections: what they are made of (memory, a file, huge pages), extending them, sealing them.

Names and handles are of ``handles.create_open``, views of ``views.mapping``.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import errno
import os
import stat as stat_

from memsection._native import system
from memsection.nt.linux.bodies import commit, control_page, file_locks, permissions, reserve, seals
from memsection.nt.linux.handles import create_open, table
from memsection.nt.linux.handles.record import Handle
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
    if protection not in p.SECTION_PROTECTIONS:
        raise NtError(
            st.INVALID_PAGE_PROTECTION,
            detail=f"{p.words(protection)} is no protection of a section",
        )
    size = maximum_size or 0
    if size < 0 or size > addresses.HIGHEST and not file:
        raise NtError(
            st.SECTION_TOO_BIG if size > 0 else st.INVALID_PARAMETER_4,
            detail=f"a size of {size} bytes",
        )
    _check_kind(kind, bool(file))
    if file:
        source = table.lookup(file, object_types.FILE)
        build = _file_builder(source, access, size, protection, kind)
    elif kind & p.SEC_IMAGE:
        raise NtError(st.INVALID_FILE_FOR_SECTION, detail="an image section needs a file")
    elif not size:
        raise NtError(
            st.INVALID_PARAMETER_4,
            detail="a section without a file needs a size of at least one byte",
        )
    elif kind & p.SEC_LARGE_PAGES:
        build = _large_builder(size, protection, kind, numa_node)
    else:
        build = _memory_builder(p.page_up(size), protection, kind, numa_node)
    return create_open.create(SECTION, access, attributes, build)


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


def _full(place: namespace.Place | None) -> str:
    return place.full if place is not None else ""


def _where(place: namespace.Place | None) -> str:
    return (
        namespace.path_of("global")
        if place is not None and place.directory == "global"
        else commit.MEMORY
    )


def _memory_builder(
    size: int, protection: int, kind: int, numa_node: int | None
) -> create_open.Build:
    def build(
        place: namespace.Place | None,
        file_permissions: permissions.PosixPermissions,
        descriptor: bytes,
        read_only: bool,
    ) -> create_open.Built:
        is_reserved = bool(kind & p.SEC_RESERVE)
        bitmap_pages = -(-size // p.PAGE_SIZE // (8 * p.PAGE_SIZE)) if is_reserved else 0
        draft = control_page.Draft(_full(place), "", descriptor, bitmap_pages)
        area = draft.area(SECTION.number, protection, kind, size)
        if numa_node is None and (is_reserved or size < commit.SMALL):
            reserved = 0
            if not is_reserved:
                commit.check(size, _where(place))
                reserved = size + draft.area_pages * p.PAGE_SIZE
            fd, facts, identity = new_body.create_body(
                place,
                size,
                reserved,
                draft,
                area,
                file_permissions,
                _where(place),
                read_only=read_only,
            )
            return fd, facts, -1, identity
        fd = new_body.make_body(place, size, draft)
        try:
            if numa_node is not None:
                _bind(fd, size, numa_node)
            if not is_reserved:
                reserve.reserve(fd, 0, size, _where(place), whole=numa_node is None)
        except BaseException:
            sys_.close(fd)
            raise
        fd, facts, identity = new_body.finish_new_body(
            fd, place, size, draft, area, file_permissions, read_only=read_only
        )
        return fd, facts, -1, identity

    return build


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


def _large_builder(
    size: int, protection: int, kind: int, numa_node: int | None
) -> create_open.Build:
    def build(
        place: namespace.Place | None,
        file_permissions: permissions.PosixPermissions,
        descriptor: bytes,
        read_only: bool,
    ) -> create_open.Built:
        if place is not None and place.directory == "global":
            raise NtError(
                st.NOT_ON_THIS_SYSTEM,
                detail="large pages are for unnamed and Local objects on this system",
            )
        page = large_page_size()
        if size % page:
            raise NtError(
                st.INVALID_PARAMETER_4,
                detail=f"{size} bytes are not a multiple of the large page, {page}",
            )
        data = sys_.memfd_create(
            "memsection-large", sys_.MFD_CLOEXEC | sys_.MFD_ALLOW_SEALING | sys_.MFD_HUGETLB
        )
        try:
            sys_.ftruncate(data, size)
            if numa_node is not None:
                _bind(data, size, numa_node)
            try:
                sys_.fallocate(data, 0, size)
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.ENOMEM):
                    raise
                raise NtError(
                    st.INSUFFICIENT_RESOURCES,
                    detail=f"asked for {commit.amount(size)} in large pages, which are not free; "
                    f"the administrator "
                    "reserves them (sysctl vm.nr_hugepages=N)",
                ) from None
            permissions.apply(data, file_permissions, fresh=True)
            sys_.fcntl(data, sys_.F_ADD_SEALS, seals.SEALS)
            return _body_beside(
                data, place, file_permissions, descriptor, protection, kind, size, ""
            )
        except BaseException:
            sys_.close(data)
            raise

    return build


def large_page_size() -> int:
    """Bytes of a large page (GetLargePageMinimum): the default huge page, 0 where the kernel has
    none."""
    fd = sys_.open("/proc/meminfo", sys_.O_RDONLY | sys_.O_CLOEXEC)
    try:
        for line in sys_.read(fd, 16384).splitlines():
            if line.startswith(b"Hugepagesize:"):
                return int(line.split()[1]) * 1024
    finally:
        sys_.close(fd)
    raise NtError(st.NOT_SUPPORTED, detail="this kernel has no large pages")


def _body_beside(
    data: int,
    place: namespace.Place | None,
    file_permissions: permissions.PosixPermissions,
    descriptor: bytes,
    protection: int,
    kind: int,
    size: int,
    path: str,
) -> create_open.Built:
    """A body that is only a control area, for a section whose bytes are another file."""
    found = sys_.fstat(data)
    draft = control_page.Draft(_full(place), path, descriptor)
    fd = new_body.make_body(place, 0, draft)
    try:
        draft.write(
            fd,
            0,
            SECTION.number,
            0,
            protection,
            kind,
            size,
            (found.st_dev, found.st_ino),
            (os.getpid(), os.geteuid()),
            b"",
        )
        new_body.finish_body(fd, place, permissions.owner_writes_only(file_permissions))
        facts = new_body.facts_of(fd)
    except BaseException:
        sys_.close(fd)
        raise
    # Who may write the data must not be able to write another file's name into the record (S2).
    fd, identity = new_body.locked_handle(fd, read_only=True)
    return fd, facts, data, identity


def _file_builder(
    source: Handle, access: int, size: int, protection: int, kind: int
) -> create_open.Build:
    needed = a.FILE_READ_DATA
    if p.writable(protection):
        needed |= a.FILE_WRITE_DATA
    if p.executable(protection):
        needed |= a.FILE_EXECUTE
    found = sys_.fstat(source.fd)
    if not stat_.S_ISREG(found.st_mode):
        raise NtError(
            st.INVALID_FILE_FOR_SECTION,
            name=source.obj.name,
            detail="only regular files can be mapped",
        )
    source.require(needed, f"a {p.words(protection)} section of the file ")
    if kind & p.SEC_IMAGE:
        raise _image_refused(source)
    if not size:
        if not found.st_size:
            raise NtError(st.MAPPED_FILE_SIZE_ZERO, name=source.obj.name)
        size = found.st_size
    elif size > found.st_size and not p.writable(protection):
        raise NtError(
            st.SECTION_TOO_BIG,
            name=source.obj.name,
            detail=f"asked for {size} bytes, the file has {found.st_size} and a "
            f"{p.words(protection)} section "
            "may not extend it",
        )
    # As on Windows SEC_RESERVE means nothing for a file, whose pages are all there
    # (section_flags.sections_of_a_file).
    attributes = kind & ~_KINDS | p.SEC_FILE
    writable = p.writable(protection) and bool(
        SECTION.specific(access) & (a.SECTION_MAP_WRITE | a.SECTION_EXTEND_SIZE | a.MAXIMUM_ALLOWED)
    )

    def build(
        place: namespace.Place | None,
        file_permissions: permissions.PosixPermissions,
        descriptor: bytes,
        read_only: bool,
    ) -> create_open.Built:
        data = _data_description(source, writable=writable)
        try:
            file_locks.hold_section(data)
            if size > found.st_size:
                extend_file(source.fd, found.st_size, size)
            path = sys_.readlink(f"/proc/self/fd/{source.fd}")
            return _body_beside(
                data, place, file_permissions, descriptor, protection, attributes, size, path
            )
        except BaseException:
            sys_.close(data)
            raise

    return build


def _data_description(source: Handle, *, writable: bool) -> int:
    """An own description of the file; the handle's where the file may not be opened again (its mode
    has changed)."""
    try:
        return sys_.open(
            f"/proc/self/fd/{source.fd}",
            (sys_.O_RDWR if writable else sys_.O_RDONLY) | sys_.O_CLOEXEC,
        )
    except PermissionError:
        return sys_.duplicate_from(source.fd, 3)  # the handle was granted what is needed


def extend_file(fd: int, old: int, new: int) -> None:
    """Make a file larger, with its blocks: a full disk is an error now, and the file as it was
    (F1)."""
    try:
        sys_.fallocate(fd, old, new - old)
    except OSError as error:
        if sys_.fstat(fd).st_size > old:
            sys_.ftruncate(fd, old)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NtError(
                st.DISK_FULL,
                detail=f"the file cannot grow from {old} to {new} bytes: the disk is full",
            ) from None
        if error.errno == errno.EFBIG:
            raise NtError(
                st.DISK_FULL,
                detail=f"the file cannot grow from {old} to {new} bytes: too large for the file "
                "system or for RLIMIT_FSIZE",
            ) from None
        raise


def _image_refused(source: Handle) -> NtError:
    head = sys_.pread(source.fd, 2, 0)
    if not head:
        return NtError(
            st.INVALID_FILE_FOR_SECTION, name=source.obj.name, detail="an empty file is no image"
        )
    if head != b"MZ":
        return NtError(st.INVALID_IMAGE_NOT_MZ, name=source.obj.name)
    return NtError(
        st.INVALID_IMAGE_FORMAT,
        name=source.obj.name,
        detail="images are not mapped by this library",
    )


def query(section: int) -> s.SectionBasicInformation:
    """NtQuerySection."""
    handle = table.lookup(section, SECTION, a.SECTION_QUERY)
    facts = handle.obj.facts
    assert facts is not None
    if facts.file_identity is not None:
        facts = handle.obj.facts = control_page.read(handle.fd, facts.body_size)
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
    fd = handle.data_fd if handle.data_fd >= 0 else table.view_descriptor(handle, writable=True)
    sys_.fcntl(fd, sys_.F_ADD_SEALS, sys_.F_SEAL_FUTURE_WRITE)
