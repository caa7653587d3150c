# SPDX-License-Identifier: MIT
"""Arrow tables as messages.  Beside ``memsection.arrow`` the one file of this package that needs
PyArrow."""

from __future__ import annotations

import pyarrow as pa

from memsection import arrow
from memsection.channels.base_codec import Codec
from memsection.vocabulary.errors import CorruptError
from memsection.vocabulary.text import about

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class ArrowCodec(Codec):
    """Arrow tables, as IPC streams."""

    word = "arrow"
    plain = False

    def parts(self, value: Any) -> tuple[list[tuple[int, Any]], int, int, int]:
        table = arrow._table(value)
        sink = pa.BufferOutputStream()
        arrow._write(sink, table)
        raw = memoryview(sink.getvalue())
        return [(0, raw)], raw.nbytes, raw.nbytes, 0

    def value(self, found: Any, copied: bool) -> Any:
        try:
            # Whoever sends may be anybody: values lie where they are, what leads to them is a
            # checked copy.
            table = arrow._foreign_table_in(pa.py_buffer(found))
        except arrow._FAILURES as failure:
            raise CorruptError(
                f"{about('receive from', self.channel.name)}: no Arrow table: {failure}"
            ) from None
        return table

    def room(self, shape: tuple[Any, ...]) -> tuple[int, int, bytes, Any]:
        raise TypeError(
            "sending: a table is written by Arrow, and not in place; use bytes or numpy.ndarray as "
            "the spec"
        )
