# SPDX-License-Identifier: MIT
"""Topics: a message goes to every subscriber; any number of processes publish, and any number
subscribe.

A publisher waits for nobody, or for the slowest subscriber that lives: ``slow`` says which.  Who
may only read observes: it copies what there is, and nobody learns of it.
"""

from __future__ import annotations

from memsection._native import ends
from memsection.api.attributes import section_attributes
from memsection.channels import opening
from memsection.channels.exchange import Exchange
from memsection.channels.limits import limits_of_topic, require_number, require_numbers
from memsection.channels.specs import codec
from memsection.vocabulary.errors import AccessError, ArgumentError
from memsection.vocabulary.text import about, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal, NoReturn, Self, TypeVar, overload

    import numpy as np

    from memsection.api.section import Section
    from memsection.api.security import Security
    from memsection.api.view import View
    from memsection.channels.base_codec import Codec, Spec
    from memsection.vocabulary.access_words import SectionAccess

    T = TypeVar("T")
    Role = Literal["send", "receive", "both", "observe"]
    Slow = Literal["drop", "wait"]
else:
    from memsection.channels.endpoint import overload

    T = "T"


_PATIENCE = 1.0  # seconds that close waits for subscribers which are not waited for otherwise


class Topic(Exchange[T]):
    """One end of a topic; made by ``create``, ``open`` or ``from_section``.

    Attributes:
        section: The section that the topic lies in, with its name, its security and its handle.
        role: ``"send"``, ``"receive"``, ``"both"`` or ``"observe"``.
        capacity: Messages that a subscriber may be behind.
        largest: Bytes of the largest message that lies in the topic's own memory.
        slow: ``"drop"`` or ``"wait"``: what becomes of subscribers that are further behind.
        history: Messages before it was opened that a subscriber may have at most.
        observers: Whether senders wake those who observe.
    """

    _kind = "topic"

    slow: str
    history: int
    observers: bool

    # ------------------------------------------------------------------ making and opening

    @overload
    @classmethod
    def create(
        cls,
        name: str | None,
        spec: type[bytes],
        *,
        role: Role = ...,
        capacity: int = ...,
        largest: int | None = ...,
        memory: int | None = ...,
        overflow: bool = ...,
        slow: Slow = ...,
        history: int = ...,
        observers: bool = ...,
        version: int = ...,
        exist_ok: bool = ...,
        inheritable: bool = ...,
        security: Security | str | bytes | None = ...,
    ) -> Topic[bytes]: ...
    @overload
    @classmethod
    def create(
        cls,
        name: str | None,
        spec: type[np.ndarray[Any, Any]],
        *,
        role: Role = ...,
        capacity: int = ...,
        largest: int | None = ...,
        memory: int | None = ...,
        overflow: bool = ...,
        slow: Slow = ...,
        history: int = ...,
        observers: bool = ...,
        version: int = ...,
        exist_ok: bool = ...,
        inheritable: bool = ...,
        security: Security | str | bytes | None = ...,
    ) -> Topic[np.ndarray[Any, Any]]: ...
    @overload
    @classmethod
    def create(
        cls,
        name: str | None,
        spec: Spec = ...,
        *,
        role: Role = ...,
        capacity: int = ...,
        largest: int | None = ...,
        memory: int | None = ...,
        overflow: bool = ...,
        slow: Slow = ...,
        history: int = ...,
        observers: bool = ...,
        version: int = ...,
        exist_ok: bool = ...,
        inheritable: bool = ...,
        security: Security | str | bytes | None = ...,
    ) -> Topic[Any]: ...
    @classmethod
    def create(
        cls,
        name: str | None,
        spec: Spec = object,
        *,
        role: Role = "both",
        capacity: int = 64,
        largest: int | None = None,
        memory: int | None = None,
        overflow: bool = True,
        slow: Slow = "drop",
        history: int = 0,
        observers: bool = False,
        version: int = 0,
        exist_ok: bool = False,
        inheritable: bool = False,
        security: Security | str | bytes | None = None,
    ) -> Topic[Any]:
        r"""Make a topic.

        Args:
            name: What other processes open it by; None for one that is only passed on.
            spec: What a message is: ``object``, ``bytes``, ``numpy.ndarray``, ``"arrow"``, or what
                ``records.layout`` takes.
            role: ``"send"``, ``"receive"`` or ``"both"``.  A sender that is also open to receive
                counts as a subscriber in other processes.
            capacity: Messages that a subscriber may be behind; 1 or more, exact.
            largest: Bytes of the largest message that lies in the topic's own memory; 64 KiB when
                neither this nor ``memory`` is given, a record's size where the spec has one.
            memory: Bytes for places, committed now.  At least twice ``largest`` when omitted, and
                enough for ``capacity`` messages of 4 KiB.  Where it is less than ``capacity``
                messages need, the oldest ones go earlier, and with ``slow="wait"`` senders wait
                earlier.  They wait for a place, in both modes, while all are in the hands of
                subscribers or of senders that make their messages.
            overflow: Whether a message above ``largest`` is sent all the same, in memory made for
                it (slower).
            slow: With ``"drop"`` senders never wait for subscribers: one that is further behind
                than ``capacity`` goes on with the oldest message there is.  With ``"wait"`` senders
                wait for the slowest subscriber that lives.
            history: How many messages before it was opened a subscriber may get; at most
                ``capacity``.
            observers: Whether senders wake those who observe; each send then costs a system call.
            version: A number of the program's own.
            exist_ok: Whether a topic that has the name already is opened instead, if it is as asked
                for.
            inheritable: Whether child processes get the section's handle.
            security: Who may open it by name; this user alone when omitted.

        Rights:
            As for ``Section.create``.

        Raises:
            ExistsError: The name is taken (FileExistsError).
            ArgumentError: No such topic can be; or what exists differs, and the error shows both
                (ValueError).
            CommitError: More memory than there is (MemoryError).

        Example:
            >>> from memsection.channels import Topic
            >>> with Topic.create(None, bytes) as prices:
            ...     prices.send(b"12.50")
            ...     prices.receive()
            b'12.50'
        """
        cls._role(role)
        if role == "observe":
            raise ArgumentError(
                f"{about('create', name)}: who makes a topic writes to it, and cannot have the "
                "role 'observe'"
            )
        if slow not in ("drop", "wait"):
            raise ArgumentError(f"{about('create', name)}: slow is 'drop' or 'wait', not {slow!r}")
        kind = codec(spec)
        facts: dict[str, Any] = {
            "capacity": capacity,
            "largest": largest,
            "overflow": bool(overflow),
            "slow": slow,
            "history": history,
            "observers": bool(observers),
            "version": version,
        }
        memory = require_numbers(name, facts, memory)
        facts["largest"], shape = limits_of_topic(name, kind, facts, memory)
        attributes = section_attributes(
            name, inheritable=inheritable, exist_ok=exist_ok, security=security
        )
        end = cls._create(attributes, kind, facts, shape, role, largest is None)
        return end if end.section.created else end._since(None)

    @overload
    @classmethod
    def open(
        cls,
        name: str,
        spec: type[bytes],
        *,
        role: Role = ...,
        history: int | None = ...,
        version: int | None = ...,
        timeout: float | None = ...,
    ) -> Topic[bytes]: ...
    @overload
    @classmethod
    def open(
        cls,
        name: str,
        spec: type[np.ndarray[Any, Any]],
        *,
        role: Role = ...,
        history: int | None = ...,
        version: int | None = ...,
        timeout: float | None = ...,
    ) -> Topic[np.ndarray[Any, Any]]: ...
    @overload
    @classmethod
    def open(
        cls,
        name: str,
        spec: Spec | None = None,
        *,
        role: Role = ...,
        history: int | None = ...,
        version: int | None = ...,
        timeout: float | None = ...,
    ) -> Topic[Any]: ...
    @classmethod
    def open(
        cls,
        name: str,
        spec: Spec | None = None,
        *,
        role: Role = "both",
        history: int | None = None,
        version: int | None = None,
        timeout: float | None = 0,
    ) -> Topic[Any]:
        """Open a topic by its name.

        Args:
            name: As given to ``create``.
            spec: What its messages should be; what they are when omitted.
            role: ``"send"``, ``"receive"``, ``"both"`` or ``"observe"``.  An observer opens it for
                reading only.  A replica of another host's topic (``memsection.mirror``) is only
                received from: "both" is "receive" there.
            history: How many of the last messages before this to receive first; as many as the
                topic keeps when omitted.
            version: What it should be; not looked at when omitted.
            timeout: Seconds to wait until something has the name; not at all when omitted, for ever
                when None.

        Rights:
            As for ``Section.open`` with access ``"rw"``; with ``"r"`` for an observer.

        Raises:
            NotFoundError: Nothing has this name (FileNotFoundError).
            NameTimeoutError: Nothing had it within the time (FileNotFoundError, TimeoutError).
            AccessError: It does not grant the access; it is a replica, and the role is "send"; or
                it carries objects and belongs to another user, and the spec does not say ``object``
                (PermissionError).
            ArgumentError: It is not as it should be, and the error shows both; or it is no topic
                (ValueError).
            CorruptError: The description makes no sense, or the layout is another version's.
        """
        cls._role(role)
        access: SectionAccess = "r" if role == "observe" else "rw"
        section = opening.open_section(name, access, timeout)
        return cls._open_end(section, spec, role, version)._since(history)

    @classmethod
    def from_section(
        cls,
        section: Section,
        spec: Spec | None = None,
        *,
        role: Role = "both",
        history: int | None = None,
        version: int | None = None,
    ) -> Self:
        """The topic in a section that came by any other way; closing it closes the section.

        Args:
            section: Closed at once if this fails.
            spec: What its messages should be; what they are when omitted.
            role: ``"send"``, ``"receive"``, ``"both"`` or ``"observe"``.
            history: As for ``open``.
            version: What it should be; not looked at when omitted.

        Rights:
            ``SECTION_QUERY``, ``SECTION_MAP_READ`` and ``SECTION_MAP_WRITE``; an observer needs no
            ``SECTION_MAP_WRITE``.

        Raises:
            AccessError: The handle does not grant them (PermissionError).
            ArgumentError: It is not as it should be, and the error shows both; or it is no topic
                (ValueError).
            CorruptError: The description makes no sense, or the layout is another version's.
        """
        return cls._open_end(section, spec, role, version)._since(history)

    @classmethod
    def _role(cls, role: str) -> int:
        if role == "observe":
            return 0
        try:
            return super()._role(role)
        except ArgumentError:
            raise ArgumentError(
                f"role {role!r}: not one of 'send', 'receive', 'both', 'observe'"
            ) from None

    @classmethod
    def _writes(cls, role: str) -> bool:
        return role != "observe"

    @staticmethod
    def _end(
        memory: Any, shape: opening.Shape, fd: int, role: int, codec: Codec, largest: int
    ) -> Any:
        if role:
            return ends.End(memory, shape, fd, role, codec, largest)
        from memsection.channels.observer import ObserverEnd

        return ObserverEnd(memory, shape, fd, codec)

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
        replica = "replica" in facts
        if replica and role == "send":
            raise cls._only_received(section.name, facts["replica"])
        role = "receive" if replica and role == "both" else role
        end = super()._build(section, view, kind, facts, shape, role)
        end.slow, end.history, end.observers = facts["slow"], facts["history"], facts["observers"]
        if replica:

            def refuse(*arguments: object, **options: object) -> NoReturn:
                raise cls._only_received(section.name, facts["replica"])

            end.__dict__.update(
                dict.fromkeys(("send", "send_many", "sending", "send_async", "shutdown"), refuse)
            )
        return end

    @staticmethod
    def _only_received(name: str | None, origin: object) -> AccessError:
        return AccessError(
            f"{about('topic', name)}: it is a replica of {shown(origin, 80)}, to which only that "
            "host sends: receive"
            " from it; what this host has to say it publishes itself (memsection.mirror)"
        )

    def _since(self, history: int | None) -> Self:
        """Begin with so many messages before this end was opened."""
        wanted = self.history if history is None else history
        try:
            wanted = require_number(self.name, "history", wanted, "open")
            if wanted > self.history:
                raise ArgumentError(
                    f"{about('open', self.name)}: asked for the last {wanted} messages, the topic "
                    f"keeps {self.history}"
                )
        except BaseException:
            self.close()
            raise
        if wanted:
            self._core.rewind(wanted)
        return self

    # ------------------------------------------------------------------ receiving

    def receive_newest(self, timeout: float | None = None, *, copy: bool = True) -> T:
        """Take the newest message, waiting while there is none; those before it are skipped, and
        ``missed`` only where they are no longer there.

        Args:
            timeout: Seconds; for ever when omitted, 0 looks once.
            copy: As for ``receive``.

        Rights:
            None: what the handle permitted when it was opened.

        Raises:
            WaitTimeoutError: As ``receive``; so the others.
        """
        return self._core.receive_newest(timeout, copy=copy)  # type: ignore[no-any-return]

    @property
    def missed(self) -> int:
        """How many messages sent since it was opened this end did not get, because it was too
        slow."""
        return int(self._core.missed)

    # ------------------------------------------------------------------ ending

    def close(self) -> None:
        """Close this end alone; again is harmless.

        A message in hand stays valid until it is let go.  If a message was sent that has memory of
        its own (``overflow``), this waits until every subscriber that lives has had it; for a
        second at most where senders wait for nobody.

        Rights:
            None.

        Raises:
            AccessError: The section's handle is protected from close; it stays open.
        """
        from memsection.channels import overflow

        if not self._core.closed and self._codec.channel.sent and not self._hand_over():
            overflow.wait_until_read(
                self._codec.channel, self._core, None if self.slow == "wait" else _PATIENCE
            )
        super().close()
