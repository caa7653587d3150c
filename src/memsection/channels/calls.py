# SPDX-License-Identifier: MIT
"""What clients and servers of a service share: opening one, what requests and answers are made of,
and failures as text.

What the other side wrote is data: a failure is a JSON text, bounded and checked, and nothing is
unpickled for it.
"""

from __future__ import annotations

import json
from errno import EPIPE

from memsection._native import ends
from memsection.channels import opening, overflow, results
from memsection.channels.base_codec import Codec
from memsection.channels.endpoint import Endpoint
from memsection.channels.object_codec import ObjectCodec
from memsection.channels.specs import codec, codec_in
from memsection.vocabulary.errors import CorruptError, EndOfChannelError, PeerDiedError, RemoteError
from memsection.vocabulary.text import about

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar, Generic, Self, TypeVar

    import numpy as np

    from memsection.api.section import Section
    from memsection.channels.base_codec import Facts, Spec

    Q = TypeVar("Q")
    A = TypeVar("A")
    # The types of values that specs name; those of others are Any.
    NamedQ = TypeVar("NamedQ", bytes, np.ndarray[Any, Any])
    NamedA = TypeVar("NamedA", bytes, np.ndarray[Any, Any])

    class Base(Endpoint[Any], Generic[Q, A]):
        """To type checkers."""

else:
    Q, A = "Q", "A"
    Base = Endpoint

FAILED = 1 << 30  #: of an answer's format: what was raised, as text
_LONGEST_FAILURE = 1 << 17
_TYPE, _TEXT, _TRACEBACK = 200, 4000, 16_000  # characters that are sent of each


class CallChannel(results.Channel):
    """What the parts of one end of a service share."""

    def problem(  # type: ignore[override]
        self, result: int, sending: bool = False, what: str | None = None
    ) -> Exception:
        """The exception for a negative errno of the core."""
        if what or not sending:
            return super().problem(result, what=what)
        head = about("call", self.name)
        if result == ends.GONE:
            return PeerDiedError(f"{head}: all who served it have closed it or ended")
        if result == -EPIPE:
            return EndOfChannelError(f"{head}: the service was shut down")
        failure = super().problem(result, True)
        return type(failure)(
            str(failure.strerror).replace("send to" if self.name else "send", "call", 1),
            ntstatus=failure.ntstatus,
        )


class Sides:
    """What the core asks about requests and answers, at either end.

    Attributes:
        plain: Whether a request is bytes as they are.
        pickles: Not for calls: the core makes none of their pickles.
        answers_plain: Whether an answer is.
    """

    pickles = False

    def __init__(self, request: Codec, reply: Codec) -> None:
        self.request, self.reply_codec = request, reply
        self.channel = request.channel = reply.channel = CallChannel()
        self.plain, self.answers_plain = request.plain, reply.plain
        self.word = f"{request.word} to {reply.word}"
        self.spec = request.spec, reply.spec
        self.problem = self.channel.problem

    @staticmethod
    def value_of(codec: Codec, payload: Any, kind: int, copied: bool) -> Any:
        """The value of a request or an answer: bytes of its own, or a place in hand.

        Raises:
            MessageLostError: It was in memory of its own, which went with its owner.
            CorruptError: It makes no sense.
        """
        if kind & overflow.FLAG:
            large = overflow.receive(codec.channel, bytes(payload))
            return codec.value(codec.split(large.memory, large.format, copied), copied)
        if isinstance(payload, bytes):
            return codec.short(payload, kind, copied)
        return codec.receive(payload, copied)


def failure_text(failure: BaseException) -> bytes:
    """An exception as it travels."""
    import traceback

    kind = type(failure)
    name = (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )
    try:
        text = str(failure)
    except Exception as second:
        text = f"(its text cannot be had: {type(second).__name__})"
    try:
        lines = "".join(traceback.format_exception(failure))
    except Exception:
        lines = ""
    return json.dumps(
        {"type": name[:_TYPE], "text": text[:_TEXT], "traceback": lines[-_TRACEBACK:]}
    ).encode()


def failure_in(channel: results.Channel, payload: Any) -> RemoteError:
    """The exception that an answer tells of.

    Raises:
        CorruptError: It tells of none.
    """
    try:
        found = json.loads(bytes(payload)) if len(payload) <= _LONGEST_FAILURE else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or any(
        not isinstance(found.get(key), str) for key in ("type", "text", "traceback")
    ):
        raise CorruptError(f"{about('call', channel.name)}: a failure that makes no sense")
    return RemoteError(found["text"], type=found["type"], traceback=found["traceback"])


class ServiceEnd(Base[Q, A]):
    """An end of a service whose requests are of type Q, and whose answers are of type A."""

    _kind = "service"
    _as: ClassVar[str] = ""  # the role of the core that such an end has
    _sides: ClassVar[type[Sides]] = Sides
    _reads_answers: ClassVar[bool] = False  # rather than requests
    _codec: Any

    retry: int

    @classmethod
    def _over(
        cls, section: Section, view: Any, sides: Sides, facts: Facts, shape: opening.Shape
    ) -> Self:
        self = cls._build(section, view, sides, facts, shape, cls._as)  # type: ignore[arg-type]
        self.retry = facts["retry"]
        return self

    @classmethod
    def _attach(
        cls,
        section: Section,
        request: Spec | None,
        reply: Spec | None,
        version: int | None,
        retry: int | None = None,
        **others: Any,
    ) -> Self:
        """The end of the service in a section, which is closed if that is not what was asked
        for.
        """
        from memsection.content import schema

        try:
            asked = None if request is None else codec(request)
            answers = None if reply is None else codec(reply)
            view, found, facts, shape = opening.look(section, cls._kind, asked, version, others)
            if not isinstance(facts.get("reply"), dict):
                raise CorruptError(
                    f"{about('open', section.name)}: the description does not say what answers are"
                )
            found_answers = codec_in(facts["reply"])
            opening.number(section, facts, "retry", 0)
            schema.compare(
                section,
                {"reply": None if answers is None else answers.shown(), "retry": retry},
                {"reply": found_answers.shown(), "retry": facts["retry"]},
            )
            sides = cls._sides(found, answers or found_answers)
            # What strangers write and this end reads, and what its user said of it.
            read, given = (
                (sides.reply_codec, reply) if cls._reads_answers else (sides.request, request)
            )
            if isinstance(read, ObjectCodec):
                opening.require_own(section, given)
            return cls._over(section, view, sides, facts, shape)
        except BaseException:
            section.close()
            raise

    @classmethod
    def open(
        cls,
        name: str,
        request: Spec | None = None,
        reply: Spec | None = None,
        *,
        version: int | None = None,
        timeout: float | None = 0,
    ) -> Self:
        """Open a service by its name: a client to call it, a server to serve it too.

        Args:
            name: As given to ``Service.create``.
            request: What it should be asked; what it is when omitted.
            reply: What it should answer; what it does when omitted.
            version: What it should be; not looked at when omitted.
            timeout: Seconds to wait until something has the name; not at all when omitted, for ever
                when None.

        Rights:
            As for ``Section.open`` with access ``"rw"``.

        Raises:
            NotFoundError: Nothing has this name (FileNotFoundError).
            NameTimeoutError: Nothing had it within the time; a ``NotFoundError`` and a
                ``WaitTimeoutError``.
            AccessError: It does not grant the access; or what this end reads, a client the answers
                and a server the requests, are objects and other users may write to it, and
                ``reply`` or ``request`` does not say ``object`` (PermissionError).
            ArgumentError: It is not as it should be, and the error shows both; or it is no service
                (ValueError).
            CorruptError: The description makes no sense, or the layout is another version's.
        """
        section = opening.open_section(name, "rw", timeout)
        return cls._attach(section, request, reply, version)

    @classmethod
    def from_section(
        cls,
        section: Section,
        request: Spec | None = None,
        reply: Spec | None = None,
        *,
        version: int | None = None,
    ) -> Self:
        """The service in a section that came by any other way; closing it closes the section.

        Args:
            section: Closed at once if this fails.
            request: As for ``open``.
            reply: As for ``open``.
            version: As for ``open``.

        Rights:
            ``SECTION_QUERY``, ``SECTION_MAP_READ`` and ``SECTION_MAP_WRITE``.

        Raises:
            AccessError: The handle does not grant them (PermissionError).
            ArgumentError: It is not as it should be, and the error shows both; or it is no service
                (ValueError).
            CorruptError: The description makes no sense, or the layout is another version's.
        """
        return cls._attach(section, request, reply, version)

    @property
    def servers(self) -> int:
        """How many servers live.

        Rights:
            None.

        Raises:
            ArgumentError: This end was closed (ValueError).
        """
        return int(self._core.count(ends.RECEIVE, "servers of"))

    @property
    def clients(self) -> int:
        """How many clients live.

        Rights:
            None.

        Raises:
            ArgumentError: This end was closed (ValueError).
        """
        return int(self._core.count(ends.SEND, "clients of"))

    def _given(self) -> dict[str, Any]:
        request, reply = self._codec.spec
        return {"request": request, "reply": reply}
