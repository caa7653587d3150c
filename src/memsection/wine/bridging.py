# SPDX-License-Identifier: MIT
"""Sections of a program in Wine under the same names here, for as long as the program has them."""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import fnmatch
import os
import threading
from collections.abc import Sequence

from memsection import Event, Section
from memsection.api.operations import close_fd, whole
from memsection.vocabulary.access_words import ReadOrWrite
from memsection.vocabulary.errors import ArgumentError, Error, NotFoundError
from memsection.vocabulary.records import record
from memsection.wine import objects, processes, waitables
from memsection.wine.helper import Helper

_INTERVAL = 0.5  #: seconds between two looks


@record(frozen=True, slots=True)
class Bridged:
    """One name of a bridge.

    Attributes:
        name: The name, there and here.
        state: "waiting" until somebody there has it, "open", or "refused".
        restarts: How often another memory has come under the name.
        problem: Why it was refused.
    """

    name: str
    state: str
    restarts: int
    problem: str


class _Entry:
    """What a bridge has of one name."""

    def __init__(self) -> None:
        self.section: Section | None = None
        self.relay: _Relay | None = None
        self.identity: tuple[int, int] | None = None
        self.seen = 0
        self.problem = ""

    def drop(self) -> None:
        if self.section is not None:
            self.section.close()
            self.section = None
        if self.relay is not None:
            self.relay.close()
            self.relay = None
        self.identity = None


class _Relay:
    """An event here that is set whenever one there is, by a thread that waits there."""

    def __init__(self, name: str, prefix: str) -> None:
        # Made by a bridge's thread, where no signal handler raises.
        self._there = waitables.open_event(name, prefix)
        try:
            self._here = Event.create(name, manual_reset=self._there.manual_reset)
        except BaseException:
            self._there.close()
            raise
        self._ended = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name=f"memsection bridge {name}", daemon=True
        )
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._ended.is_set():
                if self._there.wait(0.2):
                    self._here.set()
                    if self._there.manual_reset:
                        # it stays signaled: what follows is looked at a hundred times a second
                        self._ended.wait(0.01)
                else:
                    if self._there.manual_reset:
                        self._here.clear()
                    if self._there.is_alone():
                        # the program has closed it: the name is not to live because of the bridge
                        break
        except Error:
            pass  # the program or the prefix has ended; the bridge notices

    def is_running(self) -> bool:
        """Whether it still relays."""
        return self._thread.is_alive()

    def close(self) -> None:
        """End it."""
        self._ended.set()
        self._thread.join()
        self._there.close()
        self._here.close()


class Bridge:
    """A bridge that runs in a thread until it is closed; made by ``bridge``."""

    def __init__(
        self,
        names: Sequence[str],
        prefix: str | os.PathLike[str] | None,
        access: ReadOrWrite,
        interval: float = _INTERVAL,
    ) -> None:
        self._names, self._prefix, self._interval = tuple(names), prefix, interval
        self._access: ReadOrWrite = access
        self._entries: dict[str, _Entry] = {
            name: _Entry() for name in names if not _is_pattern(name)
        }
        self._helper: Helper | None = None
        self._pid = os.getpid()
        self._ended, self._looked = threading.Event(), threading.Event()
        self._lock = threading.Lock()
        # Signal handlers raise in the main thread: what a look opens, that thread does not.
        self._thread = threading.Thread(target=self._run, name="memsection bridge", daemon=True)
        try:
            self._thread.start()
            self._looked.wait()
        except BaseException:
            self.close()
            raise

    def status(self) -> list[Bridged]:
        """What became of each name.

        Rights:
            None.

        Raises:
            Error: This process was forked from the one whose bridge it is.
        """
        if self._pid != os.getpid():
            raise Error(
                f"wine: the bridge is that of process {self._pid}, which this one was forked from"
            )
        with self._lock:
            return [
                Bridged(
                    name,
                    "open"
                    if one.section is not None or one.relay is not None
                    else "refused"
                    if one.problem
                    else "waiting",
                    max(0, one.seen - 1),
                    one.problem,
                )
                for name, one in sorted(self._entries.items())
            ]

    def close(self) -> None:
        """Take the names away here.  Views that exist keep the memory.

        Rights:
            None.

        Raises:
            Nothing.
        """
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join()
        for one in self._entries.values():
            one.drop()
        self._end_helper()

    def __enter__(self) -> Bridge:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ------------------------------------------------------------------ the thread

    def _run(self) -> None:
        try:
            self._look()
        finally:
            self._looked.set()
        while not self._ended.wait(self._interval):
            self._look()

    def _look(self) -> None:
        """Compare what has the names there with what has them here."""
        kinds: dict[str, objects.NamedObject] = {}
        try:
            prefix = processes.choose(self._prefix)
            if processes.has_programs(prefix):
                if (
                    self._helper is None
                    or not self._helper.alive
                    or self._helper.prefix.server != prefix.server
                ):
                    self._end_helper()
                    self._helper = Helper(prefix)
                kinds = {one.name.lower(): one for one in objects.listing(self._helper)}
        except NotFoundError:
            pass  # the prefix does not run
        except (Error, OSError):
            self._end_helper()  # a helper that does not answer says nothing about the names
            return
        if not kinds:
            # so that the prefix can end: it would live as long as a program of ours does
            self._end_helper()
        with self._lock:
            for found in kinds.values():
                if any(
                    _is_pattern(name) and fnmatch.fnmatchcase(found.name.lower(), name.lower())
                    for name in self._names
                ):
                    self._entries.setdefault(found.name, _Entry())
            for name, entry in self._entries.items():
                self._update(name, entry, kinds)

    def _end_helper(self) -> None:
        if self._helper is not None:
            self._helper.close()
            self._helper = None

    def _update(self, name: str, entry: _Entry, kinds: dict[str, objects.NamedObject]) -> None:
        found = kinds.get(_listed_name(name))
        try:
            if found is None or self._helper is None:
                entry.drop()
                entry.problem = ""
            elif found.type == "Section":
                self._update_section(name, entry, self._helper)
            elif found.type == "Event":
                if entry.relay is not None and not entry.relay.is_running():
                    entry.drop()
                elif entry.relay is None:
                    entry.relay = _Relay(name, self._helper.prefix.path)
                    entry.seen += 1
            else:
                entry.problem = f"a {found.type} cannot be bridged"
        except NotFoundError:
            entry.drop()
        except (Error, OSError) as problem:
            entry.drop()
            entry.problem = str(problem)

    @whole
    def _update_section(self, name: str, entry: _Entry, helper: Helper) -> None:
        found = objects.locate(helper, name, writable=self._access == "rw")
        try:
            if entry.section is None or entry.identity != found.identity:
                entry.drop()
                entry.section = Section.from_fd(
                    found.descriptor, name=name, size=found.size, access=self._access
                )
                entry.identity, entry.problem = found.identity, ""
                entry.seen += 1
        finally:
            close_fd(found.descriptor)


def _is_pattern(name: str) -> bool:
    return "*" in name or "?" in name


def _listed_name(name: str) -> str:
    """A name as the listing has it."""
    lower = name.lower()
    return lower if lower.startswith(("local\\", "global\\")) else f"local\\{lower}"


def bridge(
    names: Sequence[str], prefix: str | os.PathLike[str] | None = None, *, access: ReadOrWrite = "r"
) -> Bridge:
    """Have sections and events of a program in Wine under the same names here, for as long as they
    exist there.

    When the program ends, the names end here too, and views keep the memory; when it starts again,
    the names mean its new memory.  The prefix need not run yet.  An event is set here whenever it
    is there, by a thread.

    Args:
        names: Names, or patterns of them with ``*`` and ``?``.
        prefix: The prefix's directory; the only one that runs when omitted.
        access: ``"r"``, or ``"rw"`` to let programs here write.

    Rights:
        As ``open``.

    Raises:
        ArgumentError: No name, or no such access.
    """
    if isinstance(names, str) or not names:
        raise ArgumentError("wine: a bridge needs a list of names")
    if access not in ("r", "rw"):
        raise ArgumentError(f"wine: access {access!r}: it is 'r' or 'rw'")
    return Bridge(names, prefix, access)
