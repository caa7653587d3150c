# SPDX-License-Identifier: MIT
"""What the ends of every kind of channel have: making, opening, passing on, counting, closing."""

from __future__ import annotations

import os
import types
from functools import partial
from weakref import WeakSet, ref

from memsection._native import ends
from memsection.channels import opening, overflow
from memsection.channels.specs import Codec, ObjectCodec, codec
from memsection.vocabulary.errors import ArgumentError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Generic, Self, TypeVar

    from memsection.api.section import Section
    from memsection.api.view import View
    from memsection.channels.specs import Spec

    T = TypeVar("T")

    class Base(Generic[T]):
        """To type checkers."""
else:
    T = "T"

    class Base:
        __class_getitem__ = classmethod(types.GenericAlias)


#: The ends of this process.
_open: WeakSet[Any] = WeakSet()

ROLES = {"send": ends.SEND, "receive": ends.RECEIVE, "both": ends.BOTH}


def set_spin(value: str | None) -> None:
    """Have waits spin as the environment says; what is no number there leaves them as they are."""
    if value is not None and value.isascii() and value.isdigit():
        ends.set_spin(min(int(value), 1000) * 1000)


set_spin(os.environ.get("MEMSECTION_SPIN_US"))


class Endpoint(Base[T]):
    """One end of a channel."""

    _kind = ""  #: in the description
    _end: Any = ends.End
    _shadowed: tuple[str, ...] = ()  #: methods that the core has, for channels of bytes

    section: Section
    role: str
    capacity: int
    largest: int
    _core: ends.End
    _codec: Codec
    _view: View
    _pid: int  # of the process that made this object

    def __init__(self) -> None:
        name = type(self).__name__
        raise TypeError(f"{name}() makes nothing: use {name}.create(...) or {name}.open(name)")

    @classmethod
    def _role(cls, role: str) -> int:
        try:
            return int(ROLES[role])
        except (KeyError, TypeError):
            raise ArgumentError(
                f"role {role!r}: not one of {', '.join(map(repr, ROLES))}"
            ) from None

    @classmethod
    def _writes(cls, role: str) -> bool:
        """Whether an end with this role writes to the channel."""
        return True

    @classmethod
    def _made(
        cls,
        section: Section,
        view: View,
        kind: Codec,
        facts: dict[str, Any],
        shape: opening.Shape,
        role: str,
    ) -> Self:
        """The end over a section that was just made or checked; the section is its from now on."""
        self = object.__new__(cls)
        channel = kind.channel
        channel.name, channel.largest, channel.overflow = (
            section.name,
            facts["largest"],
            facts["overflow"],
        )
        channel.prefix = opening.overflow_names(section)
        channel.security = partial(opening.overflow_security, section)
        core = cls._end(view, shape, section.fileno(), cls._role(role), kind, channel.largest)
        channel.end = ref(core)
        self.section, self.role, self.capacity, self.largest = (
            section,
            role,
            shape[0],
            channel.largest,
        )
        self._core, self._codec, self._view = core, kind, view
        self._pid = os.getpid()
        _open.add(self)
        for name in cls._shadowed:
            # what users call, without a Python frame in between
            self.__dict__[name] = getattr(core, name)
        return self

    @classmethod
    def _opened(
        cls, section: Section, spec: Spec | None, role: str, version: int | None, **others: Any
    ) -> Self:
        """The end of what is in a section, which is closed if that is not what was asked for."""
        try:
            cls._role(role)
            asked = None if spec is None else codec(spec)
            view, kind, facts, shape = opening.look(
                section, cls._kind, asked, version, others, writes=cls._writes(role)
            )
            if isinstance(kind, ObjectCodec):
                opening.require_own(section, spec)
            return cls._made(section, view, kind, facts, shape, role)
        except BaseException:
            section.close()
            raise

    # ------------------------------------------------------------------ what it is

    @property
    def name(self) -> str | None:
        """The channel's name; None without one."""
        return self._codec.channel.name

    @property
    def closed(self) -> bool:
        """Whether this end was closed."""
        return bool(self._core.closed)

    @property
    def senders(self) -> int:
        """How many ends live that may send, "both" counting as one.

        Rights:
            None.

        Raises:
            ArgumentError: This end was closed (ValueError).
        """
        return int(self._core.count(ends.SEND))

    @property
    def receivers(self) -> int:
        """How many ends live that may receive, "both" counting as one.

        Rights:
            None.

        Raises:
            ArgumentError: This end was closed (ValueError).
        """
        return int(self._core.count(ends.RECEIVE))

    @property
    def repaired(self) -> int:
        """How many places the dead had in hand that this end took back."""
        return int(self._core.repaired)

    # ------------------------------------------------------------------ ending

    def shutdown(self, immediate: bool = False) -> None:
        """Have no more sent, by anybody: receivers get what waits, and then ``EndOfChannelError``.

        Args:
            immediate: Whether they get nothing any more.

        Rights:
            None: what the handle permitted when it was opened.

        Raises:
            ArgumentError: This end was closed (ValueError).
        """
        self._core.shutdown(immediate)

    def close(self) -> None:
        """Close this end alone; again is harmless.

        A message in hand stays valid until it is let go.  If a message was sent that has memory of
        its own (``overflow``) and was not taken yet, this waits as long as a receiver lives.

        Rights:
            None.

        Raises:
            AccessError: The section's handle is protected from close; it stays open.
        """
        if not self._core.closed and self._codec.channel.sent and not self._handed_over():
            overflow.wait_until_taken(self._codec.channel, self._core, ends.RECEIVE)
        self._core.close()
        self._view.close()
        self.section.close()

    def _waiting(self) -> Any:
        """For ``wait_any`` and ``wait_all``."""
        from memsection.channels.waiting import Waiting

        return Waiting(self._core, self.name).other

    def _handed_over(self) -> bool:
        """Have another end of this process keep the memory of what was sent and not taken yet, if
        there is one."""
        for other in list(_open):
            # Of those that a forked child was born with nobody may ever make use.
            if (
                other is not self
                and other._pid == os.getpid()
                and not other.closed
                and other.section.same_object(self.section)
            ):
                other._codec.channel.sent += self._codec.channel.sent
                self._codec.channel.sent = []
                return True
        return False

    def __enter__(self) -> Self:
        if self.closed:
            raise ArgumentError(f"{type(self).__name__} {self.name!r}: this end was closed")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        if self.closed:
            raise ArgumentError(f"pickle {type(self).__name__} {self.name!r}: this end was closed")
        return _rebuilt, (type(self), self.section, self._codec.spec, self.role)

    def __repr__(self) -> str:
        kind = type(self).__name__
        if self.closed:
            return f"<memsection.channels.{kind} {self.name!r} closed>"
        return (
            f"<memsection.channels.{kind} {'unnamed' if self.name is None else repr(self.name)} of "
            f"{self._codec.word},"
            f" {self.role}>"
        )


def _rebuilt(kind: type[Any], section: Section, spec: Spec, role: str) -> Any:
    """Unpickle: an end of its own for the process that received it."""
    return kind.from_section(section, spec, role=role)
