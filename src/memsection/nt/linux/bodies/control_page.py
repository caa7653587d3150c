# SPDX-License-Identifier: MIT
"""The control area at the end of every body: layout, version, reading with every field checked,
writing.

A body is data pages, then the control area: optional pages for what does not fit (a bitmap of
committed pages, a long name), then the control page, always the last.  A peer with write access can
scribble on it, so nothing read here is believed before it was compared with the body's true size
(invariant M1).

    control page    0   header (HEADER)            1536   name, path
                  256   security descriptor        3072   state words of synchronisation objects
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import struct
import time
import zlib

from memsection.nt.linux.system import syscalls as sys_
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.protection import PAGE_SIZE

MAGIC = b"MEMSECT\0"
VERSION = 1
STATE_OFFSET = 3072  #: of the state words within the control page
_DESCRIPTOR_AT, _TEXT_AT = 256, 1536
_DESCRIPTOR_ROOM, TEXT_ROOM = _TEXT_AT - _DESCRIPTOR_AT, STATE_OFFSET - _TEXT_AT
PERMANENT = 0x1  #: flag: lives without handles (NtMakePermanentObject)
#: flag: its name may have gone to another section: look it up, also with a handle to this one
SUPERSEDED = 0x2

# magic, version, type, flags, protection, attributes, creator pid, size, created (ns), file device,
# file inode, creator uid, pages of the control area, pages of the bitmap, then (offset, length) of
# the descriptor with its room and checksum, of the name and of the path; offsets count from the
# beginning of the control area's text pages.
HEADER = struct.Struct("<8s6I4Q3I4I4I")
_HEAD_READ = _TEXT_AT
_FLAGS_AT = 8 + 2 * 4
FLAGS_BEFORE_END = PAGE_SIZE - _FLAGS_AT  #: of the body, whose last page this is
_SIZE_AT = 8 + 6 * 4
LAYOUT = _DESCRIPTOR_AT, _TEXT_AT, PAGE_SIZE
_DESCRIPTOR_FIELDS = struct.Struct("<4I")
_DESCRIPTOR_FIELDS_AT = 8 + 6 * 4 + 4 * 8 + 3 * 4
_NAME_FIELDS = struct.Struct("<2I")
_NAME_FIELDS_AT = _DESCRIPTOR_FIELDS_AT + _DESCRIPTOR_FIELDS.size

#: What a body is: the number of its type, protection, attributes, bytes of data.
Meaning = tuple[int, int, int, int]


class Facts:
    """What a control page says of its object, checked.

    ``page`` is what its beginning, with the descriptor, was when it was read; None where the
    descriptor is elsewhere.
    """

    __slots__ = (
        "area_pages",
        "attributes",
        "bitmap_pages",
        "body_size",
        "created_ns",
        "creator_pid",
        "creator_uid",
        "descriptor",
        "file_identity",
        "flags",
        "name_at",
        "page",
        "path_at",
        "protection",
        "size",
        "type",
    )

    type: int
    flags: int
    protection: int
    attributes: int
    creator_pid: int
    creator_uid: int
    area_pages: int
    bitmap_pages: int
    size: int
    created_ns: int
    body_size: int
    file_identity: tuple[int, int] | None
    name_at: tuple[int, int]
    path_at: tuple[int, int]
    descriptor: bytes
    page: bytes | None

    @property
    def data_size(self) -> int:
        """Bytes of the body before the control area."""
        return self.body_size - self.area_pages * PAGE_SIZE

    @property
    def bitmap_offset(self) -> int:
        """Where in the body the bitmap of committed pages begins (when there is one)."""
        return self.data_size


class Draft:
    """A control area about to be written, with its size known before the body is made."""

    __slots__ = ("area_pages", "bitmap_pages", "descriptor", "name", "path", "room", "spill_pages")

    def __init__(self, name: str, path: str, descriptor: bytes, bitmap_pages: int = 0) -> None:
        self.name = name.encode("utf-8", "surrogatepass")
        self.path = path.encode("utf-8", "surrogateescape")
        self.descriptor = descriptor
        self.bitmap_pages = bitmap_pages
        text = len(self.name) + len(self.path)
        if len(descriptor) <= _DESCRIPTOR_ROOM and text <= TEXT_ROOM:
            self.room = _DESCRIPTOR_ROOM
            self.spill_pages = 0
        else:
            self.room = max(2048, 2 * len(descriptor))  # and as much again, see write_descriptor
            self.spill_pages = -(-(text + 2 * self.room) // PAGE_SIZE)
        self.area_pages = bitmap_pages + self.spill_pages + 1

    def area(
        self,
        meaning: Meaning,
        file_identity: tuple[int, int] = (0, 0),
        creator: tuple[int, int] = (0, 0),
    ) -> tuple[bytes, int]:
        """The area, and where in it the control page begins.

        Where no ``creator`` (process, user) is given, who made it and when is for the step that
        writes it to say.
        """
        if self.spill_pages:
            at = (0, 2 * self.room, 2 * self.room + len(self.name))
            text = self.descriptor.ljust(2 * self.room, b"\0") + self.name + self.path
            begin = text.ljust(self.spill_pages * PAGE_SIZE, b"\0")
        else:
            at = (_DESCRIPTOR_AT, _TEXT_AT, _TEXT_AT + len(self.name))
            begin = b""
        page = self._header(meaning, file_identity, creator, at)
        if not self.spill_pages:
            page = page.ljust(_DESCRIPTOR_AT, b"\0") + self.descriptor
            if self.name or self.path:
                page = page.ljust(_TEXT_AT, b"\0") + self.name + self.path
        return begin + page, len(begin)

    def write(
        self,
        fd: int,
        data_size: int,
        meaning: Meaning,
        file_identity: tuple[int, int],
        creator: tuple[int, int],
    ) -> None:
        """Write the area to a body that has just been made."""
        area, _ = self.area(meaning, file_identity, creator)
        sys_.pwrite(fd, area, data_size + self.bitmap_pages * PAGE_SIZE)

    def _header(
        self,
        meaning: Meaning,
        file_identity: tuple[int, int],
        creator: tuple[int, int],
        at: tuple[int, int, int],
    ) -> bytes:
        kind, protection, attributes, size = meaning
        return HEADER.pack(
            MAGIC,
            VERSION,
            kind,
            0,
            protection,
            attributes,
            creator[0],
            size,
            time.time_ns(),
            *file_identity,
            creator[1],
            self.area_pages,
            self.bitmap_pages,
            at[0],
            len(self.descriptor),
            self.room,
            zlib.crc32(self.descriptor),
            at[1],
            len(self.name),
            at[2],
            len(self.path),
        )


class Template:
    """What the control areas of new objects have in common that differ in their makers, and in
    their names where these fit into the control page; else it has the name."""

    __slots__ = ("_length", "_model", "area", "area_pages", "is_plain", "page_at")

    def __init__(
        self,
        name: str,
        descriptor: bytes,
        kind: int,
        protection: int,
        attributes: int,
        size: int,
        bitmap_pages: int,
    ) -> None:
        draft = Draft(name, "", descriptor, bitmap_pages)
        #: else the descriptor, and with it the name, is in pages of its own
        self.is_plain = not draft.spill_pages
        self.area_pages = draft.area_pages
        self.area, self.page_at = draft.area((kind, protection, attributes, size))
        self._length = _DESCRIPTOR_AT + len(descriptor)
        body_size = size + draft.area_pages * PAGE_SIZE
        pages = draft.area_pages, bitmap_pages
        self._model = kind, 0, protection, attributes, *pages, size, body_size, None, descriptor

    def facts(
        self, creator_pid: int, creator_uid: int, created_ns: int, name_length: int, page: bytes
    ) -> Facts:
        """What the control page says of an object that was just made, by this process and user."""
        facts = Facts()
        (
            facts.type,
            facts.flags,
            facts.protection,
            facts.attributes,
            facts.area_pages,
            facts.bitmap_pages,
            facts.size,
            facts.body_size,
            facts.file_identity,
            facts.descriptor,
        ) = self._model
        facts.creator_pid, facts.creator_uid = creator_pid, creator_uid
        facts.created_ns, facts.page = created_ns, page[: self._length]
        facts.name_at, facts.path_at = (_TEXT_AT, name_length), (_TEXT_AT + name_length, 0)
        return facts


def corrupt(what: str) -> NtError:
    """The failure for a control page that does not make sense."""
    return NtError(st.FILE_CORRUPT_ERROR, detail=f"the object's control page is damaged: {what}")


def read(fd: int, body_size: int, written: bytes = b"") -> Facts:
    """The facts of a body of this size, whose control page was just ``written`` or is read.

    Raises:
        NtError: FILE_CORRUPT_ERROR with what is wrong; OSError goes through.
    """
    for attempt in range(4):
        page = written or sys_.pread(fd, _HEAD_READ, max(0, body_size - PAGE_SIZE))
        facts, at, length, checksum = _header(page, body_size)
        spill = facts.area_pages - facts.bitmap_pages - 1
        facts.descriptor = (
            page[at : at + length]
            if not spill and at + length <= len(page)
            else _text(fd, facts, at, length)
        )
        if zlib.crc32(facts.descriptor) == checksum:
            facts.page = page[: at + length] if at == _DESCRIPTOR_AT and not spill else None
            return facts
        if attempt:
            time.sleep(0.001)  # somebody is just replacing it
    raise corrupt("the security descriptor does not match its checksum")


def facts_and_name(page: bytes, body_size: int) -> tuple[Facts, str] | None:
    """The facts, without the descriptor, and the full name, by the beginning of the control page
    alone; None where the name does not stand there.

    Raises:
        NtError: FILE_CORRUPT_ERROR with what is wrong.
    """
    facts, _, _, _ = _header(page, body_size)
    at, length = facts.name_at
    if length and (facts.area_pages - facts.bitmap_pages > 1 or at + length > len(page)):
        return None
    return facts, _name(page[at : at + length])


def _header(page: bytes, body_size: int) -> tuple[Facts, int, int, int]:
    """The facts but for the descriptor; then where that is, its length and its checksum."""
    if body_size < PAGE_SIZE or body_size % PAGE_SIZE:
        raise NtError(
            st.OBJECT_TYPE_MISMATCH,
            detail=f"it has {body_size} bytes, which no object of this library has",
        )
    if len(page) < HEADER.size or page[:8] != MAGIC:
        raise corrupt("it does not begin with the magic number")
    facts = Facts()
    words = HEADER.unpack_from(page)
    version, facts.type, facts.flags, facts.protection, facts.attributes = words[1:6]
    facts.creator_pid, facts.size, facts.created_ns, device, inode, facts.creator_uid = words[6:12]
    facts.area_pages, facts.bitmap_pages, at, length, room, checksum = words[12:18]
    if version != VERSION:
        raise corrupt(f"version {version}, this library knows {VERSION}")
    facts.body_size = body_size
    facts.file_identity = (device, inode) if inode else None
    facts.name_at, facts.path_at = words[18:20], words[20:22]
    _check_sizes(facts)
    spill = facts.area_pages - facts.bitmap_pages - 1
    limit = spill * PAGE_SIZE if spill else STATE_OFFSET
    if (
        at > limit
        or length > min(room, limit - at)
        or room > limit - at
        or sum(facts.name_at) > limit
        or sum(facts.path_at) > limit
    ):
        raise corrupt("a text reaches beyond its pages")
    return facts, at, length, checksum


def _check_sizes(facts: Facts) -> None:
    """The sizes that a control page says, against the body's true one (M1)."""
    body_size, area = facts.body_size, facts.area_pages * PAGE_SIZE
    if not 0 < area <= body_size or facts.bitmap_pages >= facts.area_pages:
        raise corrupt(f"a control area of {facts.area_pages} pages in a body of {body_size} bytes")
    if (
        facts.file_identity is None
        and facts.type == 1
        and (
            facts.size != body_size - area
            or not facts.size
            or 8 * facts.bitmap_pages * PAGE_SIZE * PAGE_SIZE
            < facts.size * bool(facts.bitmap_pages)
        )
    ):
        raise corrupt(f"a section of {facts.size} bytes in a body of {body_size}")
    if facts.size > 1 << 62:
        raise corrupt(f"a size of {facts.size} bytes")


def current(fd: int, known: Facts) -> Facts:
    """What the control page says now: what is known, while it still begins so; else as ``read``."""
    if known.page is not None and sys_.same_page(fd, known.body_size, known.page):
        return known
    return read(fd, known.body_size)


def _text(fd: int, facts: Facts, at: int, length: int) -> bytes:
    spill = facts.area_pages - facts.bitmap_pages - 1
    base = facts.body_size - PAGE_SIZE - spill * PAGE_SIZE
    data = sys_.pread(fd, length, base + at)
    if len(data) != length:
        raise corrupt("a text is cut short")
    return data


def name(fd: int, facts: Facts) -> str:
    """The object's full name, "" when it has none."""
    return _name(_text(fd, facts, *facts.name_at)) if facts.name_at[1] else ""


def _name(text: bytes) -> str:
    try:
        return text.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        raise corrupt("the name is no text") from None


def path(fd: int, facts: Facts) -> str:
    """The path of the file behind a section, as it was when the section was made."""
    return (
        _text(fd, facts, *facts.path_at).decode("utf-8", "surrogateescape")
        if facts.path_at[1]
        else ""
    )


def write_descriptor(fd: int, facts: Facts, descriptor: bytes) -> None:
    """Replace the security descriptor, so that death at any moment leaves the old one or the new
    one, whole.

    In the control page itself one write does it; in pages of its own the other half is written
    first, and then led to.
    """
    last = facts.body_size - PAGE_SIZE
    spill = facts.area_pages - facts.bitmap_pages - 1
    head = sys_.pread(fd, _DESCRIPTOR_AT - _DESCRIPTOR_FIELDS_AT, last + _DESCRIPTOR_FIELDS_AT)
    at, _, room, _ = _DESCRIPTOR_FIELDS.unpack_from(head)
    if spill:
        at = 0 if at else room
    if len(descriptor) > room or at + room > (spill * PAGE_SIZE if spill else STATE_OFFSET):
        raise NtError(
            st.BUFFER_TOO_SMALL,
            detail=f"the descriptor has {len(descriptor)} bytes, the object keeps {room}",
        )
    fields = _DESCRIPTOR_FIELDS.pack(at, len(descriptor), room, zlib.crc32(descriptor))
    if spill:
        sys_.pwrite(fd, descriptor, last - spill * PAGE_SIZE + at)
        sys_.pwrite(fd, fields, last + _DESCRIPTOR_FIELDS_AT)
    elif at != _DESCRIPTOR_AT:
        raise corrupt(f"its descriptor is at {at}")
    else:
        sys_.pwrite(fd, fields + head[len(fields) :] + descriptor, last + _DESCRIPTOR_FIELDS_AT)


def write_flags(fd: int, facts: Facts, flags: int) -> None:
    """Replace the flags word."""
    sys_.pwrite(fd, flags.to_bytes(4, "little"), facts.body_size - PAGE_SIZE + _FLAGS_AT)


def write_name(fd: int, facts: Facts, full: str) -> None:
    """Give an unnamed body a name, or take it back with ""; OBJECT_NAME_INVALID where there is no
    room for it."""
    name = full.encode("utf-8", "surrogatepass")
    last = facts.body_size - PAGE_SIZE
    if facts.area_pages - facts.bitmap_pages > 1 or facts.path_at[1] or len(name) > TEXT_ROOM:
        raise NtError(
            st.OBJECT_NAME_INVALID,
            detail=f"{len(name)} bytes of name, the section keeps {TEXT_ROOM}",
        )
    sys_.pwrite(fd, name, last + _TEXT_AT)
    sys_.pwrite(fd, _NAME_FIELDS.pack(_TEXT_AT, len(name)), last + _NAME_FIELDS_AT)


def write_size(fd: int, facts: Facts, size: int) -> None:
    """Replace the size of a section of a file (NtExtendSection)."""
    sys_.pwrite(fd, size.to_bytes(8, "little"), facts.body_size - PAGE_SIZE + _SIZE_AT)
