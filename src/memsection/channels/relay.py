# SPDX-License-Identifier: MIT
"""Topics on their way to other hosts: messages taken as they are from one topic, and put as they
are into another.

What a message means is not looked at: whoever receives it in the end checks it, as it would a
message of any sender.  For ``memsection.mirror`` alone; users have ``Topic``.
"""

from __future__ import annotations

from memsection._native import ends
from memsection.channels import opening, overflow, results
from memsection.channels.base_codec import Codec
from memsection.channels.observer import ObserverEnd
from memsection.vocabulary.errors import ArgumentError, CorruptError, WaitTimeoutError
from memsection.vocabulary.text import about

TYPE_CHECKING = False
if TYPE_CHECKING:
    from memsection.api.section import Section

_PATIENCE = 0.1  # seconds for which a message waits when subscribers keep all places in hand
_SPECS = ("bytes", "array", "arrow", "record")


class Source:
    """Takes the messages of a topic as an observer does, who delays nobody; the section is its own
    from now on.

    Raises:
        ArgumentError: The topic carries objects; or it is no topic.
        CorruptError: Its description makes no sense.
    """

    def __init__(self, section: Section, facts: opening.Facts) -> None:
        if facts.get("spec") == "object":
            raise ArgumentError(
                f"{about('publish', section.name)}: its messages are objects, and who unpickles "
                "what another host sent"
                ' runs that host\'s code: use bytes, numpy.ndarray, "arrow" or records as the spec'
            )
        self._section = section
        self._view, codec, facts, shape = opening.look(
            section, "topic", None, None, {}, writes=False
        )
        self._channel = codec.channel
        #: whether a wait ends with the message, and not at the next look
        self.wakes = bool(shape[5] & ends.OBSERVED)
        #: messages that a subscriber may have that were sent before it came
        self.history = shape[6]
        self._core: ObserverEnd = opening.connect(
            self._channel,
            section,
            facts,
            lambda: ObserverEnd(self._view, shape, opening.descriptor(section), codec),
        )
        self._core.rewind(self.history)

    @property
    def missed(self) -> int:
        """How many messages it was too slow for."""
        return int(self._core.missed)

    def take(self, timeout: float) -> tuple[bytes, int] | None:
        """The next message, and its format; None if there is none in time.

        Raises:
            EndOfChannelError: There is none, and nobody who sends, or there will be none.
            CorruptError: Somebody spoiled it.
        """
        if not timeout and not self._core.ready():
            return None
        try:
            raw, kind, _ = self._core.take(timeout)
        except WaitTimeoutError:
            return None
        if not kind & overflow.FLAG:
            return raw, kind
        try:
            large = overflow.receive(self._channel, raw)
        except overflow.MessageLostError:
            self._core.miss()
            return None
        return bytes(large.memory), large.format

    def close(self) -> None:
        """Close the section."""
        self._core.close()
        self._view.close()
        self._section.close()


def check(facts: opening.Facts, most: int) -> opening.Facts:
    """The facts of a topic for the messages of another one, whose facts somebody sent us.

    Raises:
        CorruptError: They make no sense, or its memory would be larger than ``most`` bytes.
    """
    if facts.get("spec") not in _SPECS or facts.get("layout") != results.LAYOUT:
        raise CorruptError(
            f"a topic of {str(facts.get('spec'))[:20]}, with layout {str(facts.get('layout'))[:20]}"
        )
    for key in ("capacity", "largest", "history", "version"):
        if type(facts.get(key)) is not int or not 0 <= facts[key] < 1 << 62:
            raise CorruptError(f"a topic with {key} {str(facts.get(key))[:20]}")
    for key in ("overflow", "observers"):
        if type(facts.get(key)) is not bool:
            raise CorruptError(f"a topic with {key} {str(facts.get(key))[:20]}")
    shape = facts.get("shape")
    if (
        not isinstance(shape, list)
        or len(shape) != opening.NUMBERS["topic"]
        or any(type(one) is not int or not 0 <= one < 1 << 31 for one in shape)
    ):
        raise CorruptError("a topic without a shape")
    # Nobody here waits for the slowest: then one subscriber could hold up what comes for all.
    flags = ends.TOPIC | ends.OBSERVED * facts["observers"]
    made = [facts["capacity"], 0, *shape[2:5], flags, facts["history"]]
    if (
        made[0] != shape[0]
        or not facts["capacity"]
        or not facts["largest"]
        or facts["history"] > facts["capacity"]
    ):
        raise CorruptError("a topic whose shape is another one's")
    size = ends.size(tuple(made))
    if not 0 < size <= most or facts["largest"] > most:
        raise CorruptError(f"a topic of {size} bytes, at most {most} are accepted (max_size)")
    return {**facts, "shape": made, "slow": "drop"}


class Sink:
    """Puts messages into a topic that others receive from; the section is its own from now on."""

    def __init__(self, section: Section, facts: opening.Facts) -> None:
        self.section = section
        self._view = section.map()
        self._codec = codec = Codec()
        shape, largest = tuple(facts["shape"]), facts["largest"]
        self._core: ends.End = opening.connect(
            codec.channel,
            section,
            facts,
            lambda: ends.End(
                self._view, shape, opening.descriptor(section), ends.SEND, codec, largest
            ),
        )

    @classmethod
    def make(cls, facts: opening.Facts) -> Sink:
        """A topic of its own, without a name.

        Raises:
            CommitError: There is no memory for it.
        """
        from memsection.content import schema

        shape = tuple(facts["shape"])
        section, view = schema.make(
            None,
            ends.size(shape),
            facts,
            fill=lambda unwritten: ends.format(unwritten.memory, shape),
        )
        try:
            with view:
                return cls(section, facts)
        except BaseException:
            section.close()
            raise

    @classmethod
    def of(cls, section: Section) -> Sink:
        """The topic in a section, of which this is a replica that somebody else put messages into
        before.

        Raises:
            ArgumentError: It is no topic.
            CorruptError: Its description makes no sense.
        """
        from memsection.content import schema

        facts = schema.describe(section) or {}
        view, _, _, shape = opening.look(
            section, "topic", Codec() if facts.get("spec") == "bytes" else None, None, {}
        )
        view.close()
        return cls(section, {**facts, "shape": shape})

    def put(self, message: bytes | memoryview, kind: int, *, patiently: bool = True) -> bool:
        """Send a message; whether there was a place for it, if necessary after a short wait.

        Raises:
            EndOfChannelError: Somebody has shut the topic down.
            CorruptError: It is longer than the topic's messages can be.
        """
        timeout = _PATIENCE if patiently else 0
        if len(message) > self._core.largest:
            if not self._codec.channel.overflow:
                raise CorruptError(
                    f"a message of {len(message)} bytes, the topic's have at most "
                    f"{self._codec.channel.largest}"
                )
            try:
                overflow.send(
                    self._codec.channel, self._core, [(0, message)], len(message), kind, timeout
                )
            except WaitTimeoutError:
                return False
            return True
        result = self._core.send_parts([(0, message)], len(message), kind, timeout)
        if result == -results.ETIMEDOUT:
            return False
        if result:
            raise self._codec.problem(result, True)
        return True

    def end(self) -> None:
        """Tell the subscribers that no more comes: another topic has the name from now on."""
        self._core.shutdown(False)
        self.close()

    def close(self) -> None:
        """Close this end, and what it had sent in memory of its own with it."""
        for sent in self._codec.channel.sent:
            sent.section.close()
        self._codec.channel.sent = []
        self._core.close()
        self._view.close()
        self.section.close()


__all__ = ["Sink", "Source", "check"]
