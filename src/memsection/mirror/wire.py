# SPDX-License-Identifier: MIT
"""What goes over the network: keys, and the records of fixed layout that stand in front of
contents.

    memsection/HOST/NAME/news          put by the publisher: an Announcement, with the content of a
    small value memsection/HOST/NAME/head          asked: the newest Announcement, with the
    description memsection/HOST/NAME/pull          asked with (epoch, sequence) that one has: an
    Announcement, chunks, a commit memsection/HOST/NAME/alive/EPOCH   a liveliness token, there as
    long as the publication is

A record stands in the attachment of a message, content in its payload.  Everything that is read
here was written by another host, and is checked before anybody believes it.
"""

from __future__ import annotations

import re
import struct
from typing import NamedTuple
from urllib.parse import quote, unquote

from memsection.vocabulary.errors import ArgumentError, CorruptError

ROOT = "memsection"
INLINE = 32 * 1024  #: bytes up to which a content travels with its announcement
CHUNK = 1 << 20  #: bytes of content in one message of a pull
LONGEST_DESCRIPTION = 1 << 16
#: The name of routers' certificates: they forward what all hosts publish, so no host may have it.
ROUTER = "router"

_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}\Z")
_ANNOUNCEMENT = struct.Struct(
    "<4sB3xQQQ8s"
)  # magic, kind of record, epoch, sequence, size, digest of the description
_CHUNK = struct.Struct("<4sB3xQQQ")  # magic, kind of record, epoch, sequence, offset
_WANTED = struct.Struct(
    "<4sB3xQQQ"
)  # magic, kind of record, epoch, sequence, bytes that are accepted
_FRAME = struct.Struct("<QQI4x")  # sequence, length and format of a message of a topic
_MAGIC = b"MSm1"
_NEWS, _CHUNK_OF, _COMMIT, _PULL = 1, 2, 3, 4


def host_name(text: object) -> str:
    """The name of a host, checked; it is a part of keys and the common name of a certificate."""
    if not isinstance(text, str) or not _HOST.match(text):
        raise ArgumentError(
            f"host {text!r}: a name has letters, digits, '.', '_' and '-', at most 63 of them"
        )
    return text


def prefix(host: str, name: str) -> str:
    """What all keys of one publication begin with."""
    local = name.removeprefix("Local\\")
    try:
        part = quote(local, safe="")
    except UnicodeEncodeError:  # half a surrogate pair
        part = ""
    if not part or len(local) > 260 or "\0" in local:
        raise ArgumentError(f"name {name!r}: a published object has a name of 1 to 260 characters")
    return f"{ROOT}/{host}/{part}"


def split(path: object) -> tuple[str, str]:
    """Host and name of ``HOST/NAME`` as a person writes it."""
    if not isinstance(path, str):
        raise TypeError(f"HOST/NAME: a str is needed, not {type(path).__name__}")
    host, slash, name = path.partition("/")
    if not slash or not name:
        raise ArgumentError(f"{path!r}: a publication is named HOST/NAME, as in 'robot/camera'")
    return host_name(host), name


def path_of(key: str) -> str | None:
    """``HOST/NAME`` of a key, None for a key of something else."""
    parts = key.split("/")
    if len(parts) < 4 or parts[0] != ROOT or not _HOST.match(parts[1]):
        return None
    return f"{parts[1]}/{unquote(parts[2])}"


def epoch_of(key: str) -> int | None:
    """The epoch in the key of a token."""
    last = key.rsplit("/", 1)[-1]
    return int(last, 16) if re.fullmatch(r"[0-9a-f]{16}", last) else None


class Announcement(NamedTuple):
    """A snapshot that can be had: which, how large, and what kind of thing it is a snapshot of.

    A tuple, because one is made for every snapshot.
    """

    epoch: int
    sequence: int  #: 0 while there is none yet
    size: int
    digest: bytes  #: of the description

    def pack(self) -> bytes:
        """As it is sent."""
        return _ANNOUNCEMENT.pack(_MAGIC, _NEWS, self.epoch, self.sequence, self.size, self.digest)


def announcement(raw: bytes | None) -> Announcement:
    """The announcement that arrived.

    Raises:
        CorruptError: It is none.
    """
    if raw is None or len(raw) != _ANNOUNCEMENT.size:
        raise CorruptError("mirror: a record that is no announcement")
    magic, kind, epoch, sequence, size, digest = _ANNOUNCEMENT.unpack(raw)
    if magic != _MAGIC or kind != _NEWS or not epoch or size >= 1 << 62:
        raise CorruptError("mirror: a record that is no announcement")
    return Announcement(epoch, sequence, size, digest)


def chunk(epoch: int, sequence: int, offset: int) -> bytes:
    """The record before a part of a content."""
    return _CHUNK.pack(_MAGIC, _CHUNK_OF, epoch, sequence, offset)


def commit(epoch: int, sequence: int, size: int) -> bytes:
    """The record after the last part: the publisher vouches that all of them are one snapshot."""
    return _CHUNK.pack(_MAGIC, _COMMIT, epoch, sequence, size)


def is_commit(raw: bytes, expected: Announcement) -> bool:
    """Whether this is the commit record of that snapshot."""
    return raw == commit(expected.epoch, expected.sequence, expected.size)


def offset_of(raw: bytes, expected: Announcement) -> int:
    """Where in the content a part belongs.

    Raises:
        CorruptError: It is no part of that snapshot.
    """
    if len(raw) == _CHUNK.size:
        magic, kind, epoch, sequence, offset = _CHUNK.unpack(raw)
        if (magic, kind, epoch, sequence) == (_MAGIC, _CHUNK_OF, expected.epoch, expected.sequence):
            return int(offset)
    raise CorruptError("mirror: a part of another snapshot")


def pack_wanted(epoch: int, sequence: int, most: int) -> bytes:
    """What a subscriber has already when it pulls, and how many bytes it accepts."""
    return _WANTED.pack(_MAGIC, _PULL, epoch, sequence, most)


def wants(raw: bytes | None) -> tuple[int, int, int]:
    """The (epoch, sequence) that a subscriber has, and how many bytes it accepts.

    Raises:
        CorruptError: That is no request.
    """
    if raw is None or len(raw) != _WANTED.size:
        raise CorruptError("mirror: a request that is none")
    magic, kind, epoch, sequence, most = _WANTED.unpack(raw)
    if magic != _MAGIC or kind != _PULL:
        raise CorruptError("mirror: a request that is none")
    return epoch, sequence, most


FRAME = _FRAME.size  #: bytes before a message of a topic


def frame(sequence: int, length: int, kind: int) -> bytes:
    """What stands before a message of a topic: a content is some of them, in order."""
    return _FRAME.pack(sequence, length, kind)


def messages(content: memoryview, last: int) -> list[tuple[int, int, memoryview]]:
    """(sequence, format, bytes) of each message in a content, of which ``last`` is the newest.

    Raises:
        CorruptError: It is none.
    """
    found: list[tuple[int, int, memoryview]] = []
    at, before = 0, 0
    while at < len(content):
        if len(content) - at < FRAME:
            raise CorruptError("mirror: half a message of a topic")
        sequence, length, kind = _FRAME.unpack_from(content, at)
        at += FRAME
        if not before < sequence <= last or length > len(content) - at or kind >= 1 << 31:
            raise CorruptError("mirror: a message of a topic that makes no sense")
        found.append((sequence, kind, content[at : at + length]))
        at, before = at + length, sequence
    return found


def follows(content: bytes, sequence: int, last: int) -> bool:
    """Whether the first message in a content is the next one after a sequence, or one before
    that."""
    return messages(memoryview(content), last)[0][0] <= sequence + 1
