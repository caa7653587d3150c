# SPDX-License-Identifier: MIT
"""Page protections, section attributes, memory states: the numbers, and which combinations are
legal.

Values are those of winnt.h.  What a protection means for a mapping on Linux is in
``nt.linux.system.addresses``.
"""

from __future__ import annotations

from memsection.vocabulary import access as a

PAGE_SIZE = 4096
ALLOCATION_GRANULARITY = 65536

PAGE_NOACCESS = 0x01
PAGE_READONLY = 0x02
PAGE_READWRITE = 0x04
PAGE_WRITECOPY = 0x08
PAGE_EXECUTE = 0x10
PAGE_EXECUTE_READ = 0x20
PAGE_EXECUTE_READWRITE = 0x40
PAGE_EXECUTE_WRITECOPY = 0x80
PAGE_GUARD = 0x100
PAGE_NOCACHE = 0x200
PAGE_WRITECOMBINE = 0x400
PAGE_BASE_MASK = 0xFF

SEC_FILE = 0x00800000
SEC_IMAGE = 0x01000000
SEC_RESERVE = 0x04000000
SEC_COMMIT = 0x08000000
SEC_NOCACHE = 0x10000000
SEC_WRITECOMBINE = 0x40000000
SEC_LARGE_PAGES = 0x80000000
SEC_MASK = (
    SEC_FILE
    | SEC_IMAGE
    | SEC_RESERVE
    | SEC_COMMIT
    | SEC_NOCACHE
    | SEC_WRITECOMBINE
    | SEC_LARGE_PAGES
)

MEM_COMMIT = 0x1000
MEM_RESERVE = 0x2000
MEM_DECOMMIT = 0x4000
MEM_RELEASE = 0x8000
MEM_FREE = 0x10000
MEM_PRIVATE = 0x20000
MEM_MAPPED = 0x40000
MEM_RESET = 0x80000
MEM_TOP_DOWN = 0x100000
MEM_RESET_UNDO = 0x1000000
MEM_LARGE_PAGES = 0x20000000
MEM_IMAGE = 0x1000000

VIEW_SHARE = 1  #: SECTION_INHERIT ViewShare
VIEW_UNMAP = 2  #: SECTION_INHERIT ViewUnmap

#: The protections that a section, and a view of one, can have.
SECTION_PROTECTIONS = (
    PAGE_READONLY,
    PAGE_READWRITE,
    PAGE_WRITECOPY,
    PAGE_EXECUTE,
    PAGE_EXECUTE_READ,
    PAGE_EXECUTE_READWRITE,
    PAGE_EXECUTE_WRITECOPY,
)
PAGE_PROTECTIONS = (PAGE_NOACCESS, *SECTION_PROTECTIONS)

_READ = {
    PAGE_READONLY,
    PAGE_READWRITE,
    PAGE_WRITECOPY,
    PAGE_EXECUTE_READ,
    PAGE_EXECUTE_READWRITE,
    PAGE_EXECUTE_WRITECOPY,
}
_WRITE = {PAGE_READWRITE, PAGE_EXECUTE_READWRITE}
_COPY = {PAGE_WRITECOPY, PAGE_EXECUTE_WRITECOPY}
_EXECUTE = {PAGE_EXECUTE, PAGE_EXECUTE_READ, PAGE_EXECUTE_READWRITE, PAGE_EXECUTE_WRITECOPY}


def readable(protect: int) -> bool:
    """Whether pages of this protection can be read."""
    return protect & PAGE_BASE_MASK in _READ


def writable(protect: int) -> bool:
    """Whether writes to pages of this protection reach the section."""
    return protect & PAGE_BASE_MASK in _WRITE


def copies(protect: int) -> bool:
    """Whether writes to pages of this protection stay private."""
    return protect & PAGE_BASE_MASK in _COPY


def executable(protect: int) -> bool:
    """Whether pages of this protection can be executed."""
    return protect & PAGE_BASE_MASK in _EXECUTE


def allows(section: int, view: int) -> bool:
    """Whether a view may have this protection in a section of that one (STATUS_SECTION_PROTECTION
    if not)."""
    if section == PAGE_EXECUTE:  # it can be executed and nothing else
        return view in (PAGE_NOACCESS, PAGE_EXECUTE)
    return (not writable(view) or writable(section)) and (
        not executable(view) or executable(section)
    )


def needed_access(view: int) -> int:
    """The rights that a section handle must grant for a view of this protection
    (ZwMapViewOfSection)."""
    base = view & PAGE_BASE_MASK
    needed = 0
    if base in (
        PAGE_NOACCESS,
        PAGE_READONLY,
        PAGE_WRITECOPY,
        PAGE_EXECUTE_READ,
        PAGE_EXECUTE_WRITECOPY,
    ):
        needed |= a.SECTION_MAP_READ
    if base in (PAGE_READWRITE, PAGE_EXECUTE_READWRITE):
        needed |= a.SECTION_MAP_WRITE
    if base in _EXECUTE:
        needed |= a.SECTION_MAP_EXECUTE
    return needed


def words(protect: int) -> str:
    """A protection in words, for messages."""
    return a.names(
        protect,
        {
            name: value
            for name, value in globals().items()
            if name.startswith("PAGE_")
            and name not in ("PAGE_SIZE", "PAGE_BASE_MASK", "PAGE_PROTECTIONS")
        },
    )


def page_up(size: int) -> int:
    """The size rounded up to whole pages."""
    return -(-size // PAGE_SIZE) * PAGE_SIZE
