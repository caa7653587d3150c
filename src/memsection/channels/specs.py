# SPDX-License-Identifier: MIT
"""Specs: what a message of a channel is, as users say it and as descriptions do, and which codec
that means.

The codecs that need NumPy, Arrow or layouts are imported when one is asked for.
"""

from __future__ import annotations

from memsection.api.operations import settled
from memsection.channels.base_codec import Codec
from memsection.channels.object_codec import ObjectCodec
from memsection.vocabulary.errors import ArgumentError, CorruptError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from memsection.channels.base_codec import Facts, Spec


@settled
def codec(spec: Spec) -> Codec:
    """The codec for a spec as users give it.

    Raises:
        ArgumentError: It is none (ValueError).
    """
    if spec is object:
        return ObjectCodec(object)
    if spec is bytes:
        return Codec()
    if isinstance(spec, str):
        if spec == "arrow":
            from memsection.channels.arrow_codec import ArrowCodec

            return ArrowCodec("arrow")
        raise ArgumentError(f'spec {spec!r}: not "arrow", which is the only one that is a text')
    if (
        getattr(spec, "__module__", None) == "numpy"
        and getattr(spec, "__name__", None) == "ndarray"
    ):
        from memsection.channels.array_codec import ArrayCodec

        return ArrayCodec(spec)
    from memsection.channels.record_codec import RecordCodec
    from memsection.content.layouts import layout

    return RecordCodec(layout(spec))


def codec_in(facts: Facts) -> Codec:
    """The codec that a description means.

    Raises:
        CorruptError: None.
    """
    word = facts.get("spec")
    if word == "array":
        import numpy

        return codec(numpy.ndarray)
    if word == "record":
        from memsection.channels.record_codec import RecordCodec
        from memsection.content.layouts import layout_in

        return RecordCodec(layout_in(facts))
    for spec in (object, bytes, "arrow"):
        if word == (spec if isinstance(spec, str) else spec.__name__):
            return codec(spec)
    raise CorruptError(f"description: {str(word)[:40]!r} is no spec of a channel")
