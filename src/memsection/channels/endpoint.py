# SPDX-License-Identifier: MIT
"""What the ends of every kind of channel have: making, opening, passing on, counting, closing."""

from __future__ import annotations

import os
import types
from functools import partial
from weakref import ref

from memsection._native import ends
from memsection.channels import opening, overflow
from memsection.channels.base_codec import Codec
from memsection.channels.object_codec import ObjectCodec
from memsection.channels.specs import codec
from memsection.vocabulary.errors import ArgumentError
from memsection.vocabulary.text import about

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Generic, Self, TypeVar

    from memsection.api.event import Event
    from memsection.api.section import Section
    from memsection.api.view import View
    from memsection.channels import starting
    from memsection.channels.base_codec import Spec
    from memsection.vocabulary.structs import ObjectAttributes

    T = TypeVar("T")

    class Base(Generic[T]):
        """To type checkers."""
else:
    T = "T"

    def overload(function):
        """As ``typing.overload``, which is not imported when the library runs."""
        return function

    class Base:
        __class_getitem__ = classmethod(types.GenericAlias)


#: The ends of this process, each by a weak reference that takes itself away: a WeakSet would run
#: three functions for each end.
_open: set[ref[Any]] = set()

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
    _short_ways: tuple[str, ...] = ()  #: those of them that the class has as they were

    section: Section
    role: str
    capacity: int
    largest: int
    _core: ends.End
    _codec: Codec
    _view: View
    _pid: int  # of the process that made this object
    _passing: list[starting.Passing]  # to processes that are being started

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
    def _build(
        cls,
        section: Section,
        view: View,
        kind: Codec,
        facts: dict[str, Any],
        shape: opening.Shape,
        role: str,
    ) -> Self:
        """The end over a section that was just made or checked; the section is its from now on."""
        self = cls.__new__(cls)
        largest = facts["largest"]
        core = opening.connect(
            kind.channel,
            section,
            facts,
            lambda: cls._end(
                view, shape, opening.descriptor(section), cls._role(role), kind, largest
            ),
        )
        self.section, self.role, self.capacity, self.largest = section, role, shape[0], largest
        self._core, self._codec, self._view = core, kind, view
        self._pid, self._passing = os.getpid(), []
        _open.add(ref(self, _open.discard))
        own = self.__dict__
        for name in cls._short_ways:
            own[name] = getattr(core, name)
        return self

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        home = next(base for base in cls.__mro__ if "_shadowed" in base.__dict__)
        # what users call, without a Python frame in between, unless a subclass has its own
        cls._short_ways = tuple(
            name for name in cls._shadowed if getattr(cls, name) is getattr(home, name)
        )

    @classmethod
    def _create(
        cls,
        attributes: ObjectAttributes | None,
        kind: Codec,
        facts: dict[str, Any],
        shape: opening.Shape,
        role: str,
        any_largest: bool,
    ) -> Self:
        """The end of a channel that is made, or of one that has the name already and is as these
        facts say; ``any_largest`` says that the user did not give ``largest``."""
        section, view = opening.make(cls._kind, attributes, kind, facts, shape)
        if not section.created:
            others = {key: value for key, value in facts.items() if key != "version"}
            if any_largest:
                others["largest"] = None
            return cls._open_end(section, kind.spec, role, facts["version"], **others)
        try:
            return cls._build(section, view, kind, facts, shape, role)
        except BaseException:
            section.close()
            raise

    @classmethod
    def _open_end(
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
            return cls._build(section, view, kind, facts, shape, role)
        except BaseException:
            section.close()
            raise

    @classmethod
    async def open_async(
        cls, name: str, *specs: Spec | None, timeout: float | None = None, **options: Any
    ) -> Self:
        """As ``open``, waiting for the name without blocking the event loop.

        Args:
            name: As given to ``create``.
            specs: As for ``open``.
            timeout: Seconds; for ever when omitted.
            options: As for ``open``.

        Rights:
            As for ``open``.

        Raises:
            NameTimeoutError: Nothing had the name within the time.
            Error: As ``open`` otherwise.
        """
        from memsection.api.appearing import open_in_time_async

        opening: Callable[[], Self] = partial(
            cls.open,  # type: ignore[attr-defined]
            name,
            *specs,
            **options,
        )
        return await open_in_time_async(opening, name, timeout)

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
        return int(self._core.count(ends.SEND, "senders of"))

    @property
    def receivers(self) -> int:
        """How many ends live that may receive, "both" counting as one.

        Observers of a topic are none of them: they only read, so nobody can know of them.

        Rights:
            None.

        Raises:
            ArgumentError: This end was closed (ValueError).
        """
        return int(self._core.count(ends.RECEIVE, "receivers of"))

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
        its own (``overflow``) and was not taken yet, this waits as long as a receiver lives.  If it
        was passed to a process that multiprocessing is just starting, this waits until that one
        counts, for ten seconds at most.

        Rights:
            None.

        Raises:
            AccessError: The section's handle is protected from close; it stays open.
        """
        if self._passing:
            from memsection.channels.starting import wait_until_taken

            wait_until_taken(self._passing)
        if not self._core.closed and self._codec.channel.sent and not self._hand_over():
            overflow.wait_until_taken(self._codec.channel, self._core, ends.RECEIVE)
        self._core.close()
        self._view.close()
        self.section.close()

    def _waiting(self) -> Any:
        """For ``wait_any`` and ``wait_all``."""
        from memsection.channels.waiting import Waiting

        return Waiting(self._core, self.name).other

    def _is_ready(self) -> bool:
        """For the same, where the system waits for its own objects only."""
        return bool(self._core.watched().look())

    def _hand_over(self) -> bool:
        """Have another end of this process keep the memory of what was sent and not taken yet, if
        there is one."""
        for one in _open.copy():
            other = one()
            # Of those that a forked child was born with nobody may ever make use.
            if (
                other is not None
                and other is not self
                and other._pid == os.getpid()
                and not other.closed
                and other.section.same_object(self.section)
            ):
                other._codec.channel.sent += self._codec.channel.sent
                self._codec.channel.sent = []
                return True
        return False

    def _require_open(self, what: str) -> None:
        if self.closed:
            raise ArgumentError(f"{about(what, self.name)}: this end was closed")

    def __enter__(self) -> Self:
        self._require_open("enter")
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        self._require_open(f"pickle {type(self).__name__}")
        from memsection.channels.starting import begin

        return _rebuild, (type(self), self.section, self._given(), begin(self._passing))

    def _given(self) -> dict[str, Any]:
        """What ``from_section`` was given to open this end."""
        return {"spec": self._codec.spec, "role": self.role}

    def __repr__(self) -> str:
        kind = type(self).__name__
        if self.closed:
            return f"<memsection.channels.{about(kind, self.name)} closed>"
        return (
            f"<memsection.channels.{kind} {'unnamed' if self.name is None else repr(self.name)} of "
            f"{self._codec.word},"
            f" {self.role}>"
        )


def _rebuild(kind: type[Any], section: Section, given: dict[str, Any], taken: Event | None) -> Any:
    """Unpickle: an end of its own for the process that received it."""
    end = kind.from_section(section, **given)
    if taken is not None:
        from memsection.channels.starting import arrived

        arrived(taken)
    return end
