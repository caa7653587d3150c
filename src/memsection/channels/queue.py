# SPDX-License-Identifier: MIT
"""Queues: a message goes to one receiver; any number of processes send, and any number receive.

Nobody waits for the dead (Q1).  A receiver of an empty queue whose senders have all gone gets
``EndOfChannelError``, a sender to a full one without receivers ``NoReceiverError``, and what the
dead had begun is set right by whoever meets it.
"""

from __future__ import annotations

from memsection.api.attributes import section_attributes
from memsection.channels import opening
from memsection.channels.exchange import Exchange
from memsection.channels.limits import limits, require_numbers
from memsection.channels.specs import codec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal, Self, TypeVar, overload

    import numpy as np

    from memsection.api.section import Section
    from memsection.api.security import Security
    from memsection.channels.base_codec import Spec

    T = TypeVar("T")
    Role = Literal["send", "receive", "both"]
else:
    from memsection.channels.endpoint import overload

    T = "T"


class Queue(Exchange[T]):
    """One end of a queue; made by ``create``, ``open`` or ``from_section``.

    Attributes:
        section: The section that the queue lies in, with its name, its security and its handle.
        role: ``"send"``, ``"receive"`` or ``"both"``: who is waited for.
        capacity: Messages that may wait.
        largest: Bytes of the largest message that lies in the queue's own memory.
    """

    _kind = "queue"

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
        redeliver: int = ...,
        version: int = ...,
        exist_ok: bool = ...,
        inheritable: bool = ...,
        security: Security | str | bytes | None = ...,
    ) -> Queue[bytes]: ...
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
        redeliver: int = ...,
        version: int = ...,
        exist_ok: bool = ...,
        inheritable: bool = ...,
        security: Security | str | bytes | None = ...,
    ) -> Queue[np.ndarray[Any, Any]]: ...
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
        redeliver: int = ...,
        version: int = ...,
        exist_ok: bool = ...,
        inheritable: bool = ...,
        security: Security | str | bytes | None = ...,
    ) -> Queue[Any]: ...
    @classmethod
    def create(
        cls,
        name: str | None,
        spec: Spec = object,
        *,
        role: Role = "both",
        capacity: int = 1024,
        largest: int | None = None,
        memory: int | None = None,
        overflow: bool = True,
        redeliver: int = 0,
        version: int = 0,
        exist_ok: bool = False,
        inheritable: bool = False,
        security: Security | str | bytes | None = None,
    ) -> Queue[Any]:
        r"""Make a queue.

        Args:
            name: What other processes open it by; None for one that is only passed on.
            spec: What a message is: ``object``, ``bytes``, ``numpy.ndarray``, ``"arrow"``, or what
                ``records.layout`` takes.
            role: ``"send"``, ``"receive"`` or ``"both"``.  Roles decide who is waited for; they are
                no rights.
            capacity: Messages that may wait; 1 or more, exact.
            largest: Bytes of the largest message that lies in the queue's own memory; 64 KiB when
                neither this nor ``memory`` is given, a record's size where the spec has one.
            memory: Bytes for places, committed now.  At least twice ``largest`` when omitted, and
                enough for ``capacity`` messages of 4 KiB.  While it is used up senders wait, with
                fewer messages than ``capacity`` too.
            overflow: Whether a message above ``largest`` is sent all the same, in memory made for
                it (slower).
            redeliver: How often a message is given to another receiver when the one that had it in
                hand died.
            version: A number of the program's own.
            exist_ok: Whether a queue that has the name already is opened instead, if it is as asked
                for.
            inheritable: Whether child processes get the section's handle.
            security: Who may open it by name; this user alone when omitted.

        Rights:
            As for ``Section.create``.

        Raises:
            ExistsError: The name is taken (FileExistsError).
            ArgumentError: No such queue can be; or what exists differs, and the error shows both
                (ValueError).
            CommitError: More memory than there is (MemoryError).

        Example:
            >>> from memsection.channels import Queue
            >>> with Queue.create(None, bytes) as queue:
            ...     queue.send(b"hello")
            ...     queue.receive()
            b'hello'
        """
        cls._role(role)
        kind = codec(spec)
        facts: dict[str, Any] = {
            "capacity": capacity,
            "largest": largest,
            "overflow": bool(overflow),
            "redeliver": redeliver,
            "version": version,
        }
        memory = require_numbers(name, facts, memory)
        facts["largest"], shape = limits(name, kind, facts, memory)
        attributes = section_attributes(
            name, inheritable=inheritable, exist_ok=exist_ok, security=security
        )
        return cls._create(attributes, kind, facts, shape, role, largest is None)

    @overload
    @classmethod
    def open(
        cls,
        name: str,
        spec: type[bytes],
        *,
        role: Role = ...,
        version: int | None = ...,
        timeout: float | None = ...,
    ) -> Queue[bytes]: ...
    @overload
    @classmethod
    def open(
        cls,
        name: str,
        spec: type[np.ndarray[Any, Any]],
        *,
        role: Role = ...,
        version: int | None = ...,
        timeout: float | None = ...,
    ) -> Queue[np.ndarray[Any, Any]]: ...
    @overload
    @classmethod
    def open(
        cls,
        name: str,
        spec: Spec | None = None,
        *,
        role: Role = ...,
        version: int | None = ...,
        timeout: float | None = ...,
    ) -> Queue[Any]: ...
    @classmethod
    def open(
        cls,
        name: str,
        spec: Spec | None = None,
        *,
        role: Role = "both",
        version: int | None = None,
        timeout: float | None = 0,
    ) -> Queue[Any]:
        """Open a queue by its name.

        Args:
            name: As given to ``create``.
            spec: What its messages should be; what they are when omitted.
            role: ``"send"``, ``"receive"`` or ``"both"``.
            version: What it should be; not looked at when omitted.
            timeout: Seconds to wait until something has the name; not at all when omitted, for ever
                when None.

        Rights:
            As for ``Section.open`` with access ``"rw"``.

        Raises:
            NotFoundError: Nothing has this name (FileNotFoundError).
            NameTimeoutError: Nothing had it within the time; a ``NotFoundError`` and a
                ``WaitTimeoutError``.
            AccessError: It does not grant the access; or it carries objects and belongs to another
                user, and the spec does not say ``object`` (PermissionError).
            ArgumentError: It is not as it should be, and the error shows both; or it is no queue
                (ValueError).
            CorruptError: The description makes no sense, or the layout is another version's.
        """
        section = opening.open_section(name, "rw", timeout)
        return cls._open_end(section, spec, role, version)

    @classmethod
    def from_section(
        cls,
        section: Section,
        spec: Spec | None = None,
        *,
        role: Role = "both",
        version: int | None = None,
    ) -> Self:
        """The queue in a section that came by any other way; closing it closes the section.

        Args:
            section: Closed at once if this fails.
            spec: What its messages should be; what they are when omitted.
            role: ``"send"``, ``"receive"`` or ``"both"``.
            version: What it should be; not looked at when omitted.

        Rights:
            ``SECTION_QUERY``, ``SECTION_MAP_READ`` and ``SECTION_MAP_WRITE``.

        Raises:
            AccessError: The handle does not grant them (PermissionError).
            ArgumentError: It is not as it should be, and the error shows both; or it is no queue
                (ValueError).
            CorruptError: The description makes no sense, or the layout is another version's.
        """
        return cls._open_end(section, spec, role, version)
