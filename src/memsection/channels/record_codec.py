# SPDX-License-Identifier: MIT
"""Records as messages: the bytes of one layout, which the channel's description has."""

from __future__ import annotations

from memsection.channels.base_codec import Codec
from memsection.content import schema
from memsection.content.layouts import LayoutText
from memsection.vocabulary.errors import CorruptError
from memsection.vocabulary.text import about

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from memsection.channels.base_codec import Facts
    from memsection.content.layouts import Layout


class RecordCodec(Codec):
    """Records of one layout."""

    word = "record"
    plain = False

    def __init__(self, kind: Layout) -> None:
        super().__init__(kind._spec)
        self.layout = kind
        self.fixed = kind.size

    def facts(self) -> Facts:
        return {
            "spec": self.word,
            "name": self.layout.name,
            "type": schema.to_json(self.layout.struct),
            "fingerprint": self.layout.fingerprint,
        }

    def shown(self) -> object:
        return LayoutText(self.layout)

    def parts(self, value: Any) -> tuple[list[tuple[int, Any]], int, int, int]:
        raw = bytearray(self.layout.size)
        self.layout.pack_into(raw, 0, value)
        return [(0, raw)], len(raw), len(raw), 0

    def split(self, view: memoryview, kind: int, copied: bool) -> Any:
        if len(view) != self.layout.size:
            raise CorruptError(
                f"{about('receive from', self.channel.name)}: {len(view)} bytes, a record has "
                f"{self.layout.size}"
            )
        return bytes(view)

    def value(self, found: Any, copied: bool) -> Any:
        return self.layout.unpack_from(found)

    def room(self, shape: tuple[Any, ...]) -> tuple[int, int, bytes, Any]:
        if shape:
            raise TypeError(
                "sending: for records it takes nothing: their layout says how long they are"
            )
        return 0, self.layout.size, b"", None
