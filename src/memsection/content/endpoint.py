# SPDX-License-Identifier: MIT
"""Objects over a section with a description: how the section is opened, who closes it, and
``with``.

``records``, ``latest`` and ``arrow`` derive their classes from ``Endpoint``; ``arrays`` and
``pickling``, whose objects belong to other libraries, use the functions only.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from memsection.api.handle import Handle, after_close
from memsection.api.operations import drop_held
from memsection.api.section import Section
from memsection.content import schema
from memsection.vocabulary.errors import AccessError

if TYPE_CHECKING:
    from typing import Self

    from memsection.api.view import View
    from memsection.vocabulary.access_words import SectionAccess


class Held:
    """Keeps a section, or another object, open, and closes it with itself, natively: a signal
    handler can raise in a Python finalizer."""

    __slots__ = ("section",)
    __del__ = drop_held

    def __init__(self, section: Handle) -> None:
        self.section = section

    def look_after_close(self) -> None:
        """As every close, an occasion for others."""
        for look in tuple(after_close):
            look()


class _Reference(weakref.ref[Any]):
    """To an object that may have several, each with something of its own to keep."""

    __slots__ = ()
    __eq__, __hash__ = object.__eq__, object.__hash__


_kept: dict[_Reference, object] = {}


def keep_with(owner: object, what: object) -> None:
    """Keep something until an object is gone, of which only this knows then, whatever the
    collector's order.

    As ``weakref.finalize``, but natively: that one is lost, and keeps its arguments for ever, where
    a signal handler raises before its first step.
    """
    _kept[_Reference(owner, _kept.pop)] = what


def close_with(view: View, section: Section) -> None:
    """Have a section closed when the memory of a view is not used any more."""
    view._held = Held(section)


def section_over(view: View) -> Section | None:
    """The section that is closed with the memory of a view."""
    held = getattr(view, "_held", None)
    return held.section if isinstance(held, Held) and isinstance(held.section, Section) else None


class Endpoint:
    """One process's object over a described section: it owns a handle and a view."""

    _held: object = None  #: what goes with the object, and not only when it is closed

    def __init__(self, section: Section, view: View) -> None:
        self.section = section  #: whose name and rights it has
        self._view = view

    def close(self) -> None:
        """Close the handle and the view; again is harmless.

        What was made over the memory, such as an array or a table, stays valid.

        Rights:
            None.

        Raises:
            AccessError: The handle is protected from close; it stays open.
        """
        self._view.close()
        self.section.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_section(name: str, access: SectionAccess, timeout: float | None) -> Section:
    """Open a section that should have a description.

    Raises:
        AccessError: The access is not granted; of a replica the error says why, and what to do
            instead.
        Error: As ``Section.open`` otherwise.
    """
    try:
        return Section.open(name, access=access, timeout=timeout)
    except AccessError as failure:
        schema.explain(failure, name, access)
        raise


async def open_section_async(name: str, access: SectionAccess, timeout: float | None) -> Section:
    """As ``open_section``, without blocking the event loop."""
    try:
        return await Section.open_async(name, access=access, timeout=timeout)
    except AccessError as failure:
        schema.explain(failure, name, access)
        raise


class closed_on_failure:  # noqa: N801  # used as a function is; a generator would take longer
    """Close the section if the block fails: until an object owns it, nobody else would."""

    __slots__ = ("_section",)

    def __init__(self, section: Section) -> None:
        self._section = section

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._section.close()
