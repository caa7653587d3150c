# SPDX-License-Identifier: MIT
"""Calls that a server has in hand, and how they are answered.

No answer waits for a client: what does not fit the service's own memory gets memory of its own,
which lives until its client has taken it or the server is closed.
"""

from __future__ import annotations

import types

from memsection._native import ends
from memsection.channels import overflow
from memsection.channels.calls import FAILED, A, Q, Sides, failure_text
from memsection.vocabulary.errors import ArgumentError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Generic

    from memsection.api.section import Section
    from memsection.channels.base_codec import Codec

    class _Held(ends.Held, Generic[Q, A]):
        """To type checkers."""

else:

    class _Held(ends.Held):
        __class_getitem__ = classmethod(types.GenericAlias)


class Call(_Held[Q, A]):
    """A call that a server has in hand; ``receive`` gives it.

    One that is collected without an answer is given up: its caller gets ``PeerDiedError``, or
    another server the call when ``retry`` allows.

    Attributes:
        value: What was asked.
    """

    value: Q

    def reply(self, value: A) -> None:
        """Answer it.  Whoever no longer waits for the answer does not get it; nobody is waited for.

        Args:
            value: What the service's ``reply`` spec says.

        Rights:
            None: what the handle permitted when the service was opened.

        Raises:
            ArgumentError: It was answered already, or is in the hands of the process that this one
                was forked from; or the value is not what the spec says (ValueError).
            TypeError: The value is of another type; the call is still in hand.
        """
        self.reply_with(value)

    async def reply_async(self, value: A) -> None:
        """Answer it without blocking the event loop: values of 1 MiB and more are copied by another
        thread.  Cancelled, it may still be in hand (see ``done``), and can be answered.

        Args:
            value: As for ``reply``; not to be changed before this has ended.

        Rights:
            None: what the handle permitted when the service was opened.

        Raises:
            ArgumentError: As ``reply``; so the others.
        """
        await self.reply_beside(value)

    def fail(self, exception: BaseException) -> None:
        """Answer it with an exception: its caller gets ``RemoteError`` with its name, its text and
        its traceback.

        Args:
            exception: What went wrong.

        Rights:
            None: what the handle permitted when the service was opened.

        Raises:
            ArgumentError: It was answered already (ValueError).
            TypeError: It is no exception.
        """
        if not isinstance(exception, BaseException):
            raise TypeError(f"fail: it takes an exception, not {type(exception).__name__}")
        self.reply_text(failure_text(exception))

    def __repr__(self) -> str:
        return f"<memsection.channels.Call {'answered' if self.done else 'in hand'}>"


class _DirectCall(Call[Q, A]):
    """A call whose ``reply`` is the core's, without a Python frame in between."""

    if not TYPE_CHECKING:
        reply = ends.Held.reply_with


class ServerSides(Sides):
    """What a server's core asks for."""

    call_type = _DirectCall

    def __init__(self, request: Codec, reply: Codec) -> None:
        super().__init__(request, reply)
        #: answers with memory of their own, perhaps not taken yet
        self.large: list[tuple[Section, ends.SentAnswer]] = []

    def give_value(self, call: Call[Any, Any], payload: Any, kind: int, copied: bool) -> bool:
        """Give a call its value; False when that cannot be, which its client was told."""
        try:
            call.value = self.value_of(self.request, payload, kind, copied)
        except Exception as failure:
            self.give_up(call, failure)
            return False
        return True

    def give_up(self, call: Call[Any, Any], failure: Exception) -> None:
        """End a call whose value could not be made."""
        if isinstance(failure, overflow.MessageLostError):
            call.drop()  # its client has gone
        else:
            self.reply_text(call, failure_text(failure))

    def reply(self, call: Call[Any, Any], value: Any) -> None:
        """Answer with a value."""
        parts, length, _, kind = self.reply_codec.parts(value)
        self.send(call, parts, length, kind)

    async def reply_beside(self, core: Any, call: Call[Any, Any], value: Any) -> None:
        """Answer with a value, not holding up the event loop."""
        from memsection.channels.calls_async import reply

        await reply(core, self, call, value)

    def reply_text(self, call: Call[Any, Any], text: bytes) -> None:
        """Answer with a failure."""
        self.send(call, [(0, text)], len(text), FAILED)

    def send(
        self, call: Call[Any, Any], parts: list[tuple[int, Any]], length: int, kind: int
    ) -> None:
        """Answer with what a value consists of."""
        if call.reply_parts(parts, length, kind):
            return
        self.send_elsewhere(call, *overflow.put(self.channel, parts, length, kind), kind)

    def send_elsewhere(
        self, call: Call[Any, Any], section: Section, descriptor: bytes, kind: int
    ) -> None:
        """Answer with what has memory of its own, which is this end's from now on."""
        try:
            self.release_taken()
            call.reply_parts([(0, descriptor)], len(descriptor), kind | overflow.FLAG)
        except BaseException:
            section.close()
            raise
        self.large.append((section, call.given()))

    def release_taken(self) -> bool:
        """Let go of the memory of answers that were taken: whether none is left."""
        left = []
        for section, answer in self.large:
            if answer.is_there:
                left.append((section, answer))
            else:
                section.close()
        self.large = left
        return not left

    @staticmethod
    def late_answer_error(forked: bool) -> ArgumentError:
        """The exception for an answer that cannot be given."""
        return ArgumentError(
            "reply: the call is in the hands of the process that this one was forked from"
            if forked
            else "reply: the call was answered already"
        )
