# SPDX-License-Identifier: MIT
"""Pickle protocol 5 with large buffers in sections: arrays travel between processes without a copy
in the pickle.

``dump`` and ``load`` go by a name; ``dumps`` and ``loads`` give bytes to be sent to one other
process of this machine, with an unnamed section beside them.  What is loaded lies over the
section's memory: by default each loader's own (copy-on-write), on request the same memory for all.
The format is pickle's: load only what you trust.
"""

from __future__ import annotations

import pickle
import struct
from typing import Any

from memsection.api.operations import outside, whole
from memsection.api.section import Section
from memsection.api.security import Security
from memsection.api.view import View
from memsection.content import schema
from memsection.content.endpoint import close_with, closed_on_failure
from memsection.vocabulary.errors import ArgumentError, CorruptError
from memsection.vocabulary.text import about

__all__ = ["THRESHOLD", "dump", "dumps", "load", "loads"]

THRESHOLD = 1 << 14  #: bytes from which on a buffer goes into the section
_ALIGN = 64
_PART = struct.Struct("<QQ?7x")  #: offset, length, whether it was read-only
#: the start of what ``dumps`` gives: alone, or with a section beside it
_PLAIN, _BESIDE = b"MSpickl0", b"MSpickl1"


class _Parts:
    """A pickle and its buffers, and where each lies in the section."""

    def __init__(self, value: Any, threshold: int) -> None:
        self.buffers: list[memoryview] = []

        def keep(buffer: pickle.PickleBuffer) -> bool:
            try:
                raw = buffer.raw()
            except BufferError:
                return True  # it has gaps: in the pickle
            if raw.nbytes < threshold:
                return True
            self.buffers.append(raw)
            return False

        self.pickle = pickle.dumps(value, protocol=5, buffer_callback=keep)

    def make(self, name: str | None, *, with_pickle: bool, **options: Any) -> tuple[Section, View]:
        """The section: the pickle where wanted, the table of buffers, the buffers."""
        body = self.pickle if with_pickle else b""
        at = _up(len(body) + _PART.size * len(self.buffers))
        table, content = bytearray(), []
        for raw in self.buffers:
            table += _PART.pack(at, raw.nbytes, raw.readonly)
            content.append((at, raw))
            at = _up(at + raw.nbytes)
        facts: schema.Facts = {"kind": "pickle", "length": len(body), "buffers": len(self.buffers)}
        return schema.make(
            schema.section_attributes(name, **options),
            at,
            facts,
            content=[(0, memoryview(body + table)), *content],
        )


def _up(at: int) -> int:
    return -(-at // _ALIGN) * _ALIGN


@whole
def _load(section: Section, data: bytes | None, shared: bool) -> Any:
    """Unpickle over a view; the view lives as long as a buffer of it, the handle as long as the
    view."""
    with closed_on_failure(section):
        view, facts, size = schema.attach(section, "pickle", access=None if shared else "c")
        length, count = facts.get("length"), facts.get("buffers")
        if (
            type(length) is not int
            or type(count) is not int
            or length < 0
            or count < 0
            or length + _PART.size * count > size
        ):
            raise CorruptError(
                f"{about('load', section.name)}: {str(length)[:20]} bytes, {str(count)[:20]} "
                f"buffers, in {size}"
            )
        memory = memoryview(view)
        buffers: list[Any] = []
        for number in range(count):
            at, nbytes, readonly = _PART.unpack_from(memory, length + _PART.size * number)
            if at + nbytes > size:
                raise CorruptError(
                    f"{about('load', section.name)}: {nbytes} bytes at {at} in {size}"
                )
            part = memory[at : at + nbytes]
            buffers.append(part.toreadonly() if readonly else part)
        value = outside(_loads, bytes(memory[:length]) if data is None else data, buffers)
    close_with(view, section)
    return value


def _loads(data: bytes, buffers: list[Any]) -> Any:
    return pickle.loads(data, buffers=buffers)


def dump(
    name: str | None,
    value: Any,
    *,
    threshold: int = THRESHOLD,
    inheritable: bool = False,
    security: Security | str | bytes | None = None,
) -> Section:
    """Put any picklable value into a section.

    Args:
        name: What other processes load it by.
        value: Anything that pickle takes.
        threshold: Bytes from which on a buffer (of an array, of ``pickle.PickleBuffer``) is kept
            out of the pickle.
        inheritable: Whether child processes get the handle.
        security: Who may open it by name; this user alone when omitted.

    Returns:
        The section: the name lives as long as it, or another handle, is open.

    Rights:
        As for ``Section.create``.

    Raises:
        ExistsError: The name is taken (FileExistsError).
        CommitError: More memory than there is (MemoryError).
    """
    return _dump(_Parts(value, threshold), name, inheritable=inheritable, security=security)


@whole
def _dump(parts: _Parts, name: str | None, **options: Any) -> Section:
    section, view = parts.make(name, with_pickle=True, **options)
    view.close()
    return section


def load(source: str | Section, *, shared: bool = False) -> Any:
    """Load what ``dump`` put into a section.

    Args:
        source: The name, or a section, which becomes the value's.
        shared: Whether buffers are the section's own memory, the same for everybody, read-only
            where the handle is; otherwise what is written to them stays in this process.

    Rights:
        ``SECTION_QUERY`` and ``SECTION_MAP_READ``; ``SECTION_MAP_WRITE`` for shared buffers that
        can be written.

    Raises:
        NotFoundError: Nothing has this name (FileNotFoundError).
        AccessError: It does not grant the access (PermissionError).
        ArgumentError: It is no section with a pickle (ValueError).
        CorruptError: Its description makes no sense.
    """
    section = (
        source
        if isinstance(source, Section)
        else Section.open(source, access="rw" if shared else "r")
    )
    return _load(section, None, shared)


def dumps(value: Any, *, threshold: int = THRESHOLD) -> bytes:
    """A pickle whose large buffers wait in an unnamed section for the one process that loads it.

    Args:
        value: Anything that pickle takes.
        threshold: Bytes from which on a buffer is kept out of the pickle.

    Rights:
        None.

    Raises:
        CommitError: More memory than there is (MemoryError).
    """
    parts = _Parts(value, threshold)
    if not parts.buffers:
        return _PLAIN + parts.pickle
    return _beside(parts)


@whole
def _beside(parts: _Parts) -> bytes:
    section, view = parts.make(None, with_pickle=False)
    with section:
        view.close()
        return _BESIDE + pickle.dumps((section, parts.pickle), protocol=5)


def loads(data: bytes | bytearray | memoryview, *, shared: bool = False) -> Any:
    """Load what ``dumps`` gave, once, in any process of this machine while the sender lives.

    Args:
        data: The bytes.
        shared: Whether buffers are the section's own memory; otherwise what is written to them
            stays here.

    Rights:
        None: the handle arrives with the rights it needs.

    Raises:
        HandleError: The sender has ended, or this was loaded before (ValueError).
        ArgumentError: These are not bytes of ``dumps`` (ValueError).
    """
    memory = memoryview(data)
    kind, rest = bytes(memory[: len(_PLAIN)]), memory[len(_PLAIN) :]
    if kind not in (_PLAIN, _BESIDE):
        raise ArgumentError("loads: these bytes are not what dumps gave")
    value = pickle.loads(rest)
    if kind == _PLAIN:
        return value
    section, beside = value
    return _load(section, beside, shared)
