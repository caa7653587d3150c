# SPDX-License-Identifier: MIT
"""Arrays as PNG files, without another library: RFC 2083, one image, no filters."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  #: channels: grey, grey and alpha, RGB, RGBA


def png_bytes(image: np.ndarray[Any, Any]) -> bytes:
    """A file of an image of shape (height, width) or (height, width, channels), of uint8 or
    uint16."""
    height, width = image.shape[:2]
    channels = image.shape[2] if image.ndim == 3 else 1
    depth = 8 * image.dtype.itemsize
    # Every row begins with the number of its filter, 0 for none; numbers have their high byte
    # first.
    rows = image.astype(f">u{image.dtype.itemsize}").reshape(height, -1)
    packed = zlib.compressobj(6)
    data = b"".join(packed.compress(b"\0" + row.tobytes()) for row in rows) + packed.flush()
    head = struct.pack(">IIBBBBB", width, height, depth, _COLOUR_TYPES[channels], 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
