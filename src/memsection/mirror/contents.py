# SPDX-License-Identifier: MIT
"""What a published section holds, as its description says: which kinds travel, and what another
host may say of them.

A description that arrives is data of a stranger: it is rebuilt here from the facts that are known
and checked, never passed on as it came.
"""

from __future__ import annotations

import hashlib
import json
from math import prod
from typing import Any

from memsection.content import schema
from memsection.content.layouts import Layout, layout_in
from memsection.mirror.wire import LONGEST_DESCRIPTION
from memsection.vocabulary.errors import ArgumentError, CorruptError

RAW, LATEST, TOPIC = "bytes", "latest", "topic"
KINDS = (RAW, LATEST, "array", "arrow", "record", TOPIC)
MOST_SLOTS = 8  #: of a replica of a latest value
_KEYS = {
    RAW: (),
    LATEST: ("capacity", "slots", "version", "name", "type", "fingerprint"),
    "array": ("dtype", "shape", "order", "version"),
    "arrow": ("rows", "columns", "version"),
    "record": ("name", "type", "count", "version", "fingerprint"),
    TOPIC: (
        *("spec", "name", "type", "fingerprint", "layout", "shape", "capacity", "largest"),
        *("overflow", "slow", "history", "observers", "version"),
    ),
}


def facts_of(name: str, described: schema.Facts | None) -> schema.Facts:
    """The facts to publish of a section, whose own description this is.

    Raises:
        ArgumentError: Its kind does not travel.
    """
    kind = RAW if described is None else described.get("kind")
    if kind not in KINDS:
        raise ArgumentError(
            f"publish {name!r}: it holds {str(kind)[:40]}, which is not for other hosts: "
            "publish a latest value, an array, a table, records or a topic"
        )
    source = described or {}
    if kind == "array" and source.get("maximum") is not None:
        raise ArgumentError(
            f"publish {name!r}: it is an array that grows, and its replica would not: publish an "
            "array of a fixed length, or send the rows that come through a topic"
        )
    return {"kind": kind} | {key: source[key] for key in _KEYS[kind] if key in source}


def pack(facts: schema.Facts) -> bytes:
    """A description as it is sent.

    Raises:
        ArgumentError: It is too long for that.
    """
    text = schema.text_of(facts)
    if len(text) > LONGEST_DESCRIPTION:
        raise ArgumentError(
            f"publish: a description of {len(text)} bytes, at most {LONGEST_DESCRIPTION} can be "
            f"sent"
        )
    return text


def digest(text: bytes) -> bytes:
    """Eight bytes that tell descriptions apart."""
    return hashlib.blake2b(text, digest_size=8).digest()


def unpack(text: bytes, max_size: int) -> schema.Facts:
    """The description that another host sent, rebuilt from what is known.

    Raises:
        CorruptError: It makes no sense, or tells of more than ``max_size`` bytes.
    """
    if len(text) > LONGEST_DESCRIPTION:
        raise CorruptError(f"mirror: a description of {len(text)} bytes")
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict) or said.get("kind") not in KINDS:
        raise CorruptError("mirror: a description that is none")
    facts = {"kind": said["kind"]} | {key: said[key] for key in _KEYS[said["kind"]] if key in said}
    if said["kind"] != RAW and type(facts.get("version")) is not int:
        raise CorruptError("mirror: a description without a version")
    {
        RAW: _nothing,
        LATEST: _latest,
        "array": _array,
        "arrow": _arrow,
        "record": _record,
        TOPIC: _topic,
    }[said["kind"]](facts, max_size)
    return facts


def check_size(facts: schema.Facts, size: int, max_size: int) -> None:
    """CorruptError unless a content of so many bytes can be what the description says."""
    if size > max_size:
        raise CorruptError(
            f"mirror: a content of {size} bytes, at most {max_size} are accepted (max_size)"
        )
    kind = facts["kind"]
    exact = None
    if kind == "array":
        exact = prod(facts["shape"]) * schema.from_json(facts["dtype"]).size
    elif kind == "record":
        exact = facts["count"] * layout_in(facts).size
    elif kind == LATEST and "type" in facts:
        exact = layout_in(facts).size
    if (
        exact is not None
        and size != exact
        or kind == LATEST
        and size > facts["capacity"]
        or kind == RAW
        and not size
    ):
        raise CorruptError(
            f"mirror: a content of {size} bytes, its description tells of another size"
        )


def layout_of(facts: schema.Facts) -> Layout | None:
    """The layout of a latest value, None for bytes."""
    return layout_in(facts) if "type" in facts else None


def _nothing(facts: schema.Facts, max_size: int) -> None:
    pass


def _latest(facts: schema.Facts, max_size: int) -> None:
    capacity, slots = facts.get("capacity"), facts.get("slots")
    if not _is_between(capacity, 1, max_size):
        raise CorruptError(
            f"mirror: a latest value of {str(capacity)[:20]} bytes, 1 to {max_size} are "
            f"accepted (max_size)"
        )
    if not _is_between(slots, 2, 64):
        raise CorruptError(f"mirror: a latest value in {str(slots)[:20]} slots")
    # Every slot is memory of this host, which the other one only has to promise: together they
    # have what a content may have, and two slots are the fewest that there can be.
    facts["slots"] = max(2, min(facts["slots"], MOST_SLOTS, max_size // facts["capacity"]))
    layout = layout_of(facts)
    if layout is not None:
        if layout.size > facts["capacity"]:
            raise CorruptError(f"mirror: records of {layout.size} bytes where {capacity} fit")
        facts |= {"name": layout.name, "fingerprint": layout.fingerprint}


def _array(facts: schema.Facts, max_size: int) -> None:
    if not schema.is_shape(facts.get("shape")) or facts.get("order") not in ("C", "F"):
        raise CorruptError("mirror: an array without a shape")
    if schema.from_json(facts.get("dtype")).size == 0:
        raise CorruptError("mirror: an array of nothing")


def _arrow(facts: schema.Facts, max_size: int) -> None:
    columns = facts.get("columns")
    if (
        not _is_between(facts.get("rows"), 0, 1 << 62)
        or not isinstance(columns, list)
        or not all(
            isinstance(one, list) and len(one) == 2 and all(isinstance(word, str) for word in one)
            for one in columns
        )
    ):
        raise CorruptError("mirror: a table without columns")


def _record(facts: schema.Facts, max_size: int) -> None:
    layout = layout_in(facts)
    if not _is_between(facts.get("count"), 1, 1 << 62):
        raise CorruptError("mirror: records without a number")
    facts |= {"name": layout.name, "fingerprint": layout.fingerprint}


def _topic(facts: schema.Facts, max_size: int) -> None:
    from memsection.channels import relay  # which not every system has

    try:
        facts |= relay.check(facts, max_size)
    except CorruptError as failure:
        raise CorruptError(f"mirror: {failure.strerror}") from None
    if facts["spec"] == "record":
        layout = layout_in(facts)
        facts |= {"name": layout.name, "fingerprint": layout.fingerprint}


def _is_between(value: Any, low: int, high: int) -> bool:
    return type(value) is int and low <= value <= high
