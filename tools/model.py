# SPDX-License-Identifier: MIT
"""Exploring every state of a small model: what ``lock_model`` and ``channel_model`` have in common.

A model has a ``start``, gives the states that follow one, says which states are an end, and checks
each.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import Generic, TypeVar

DEAD, DONE = "dead", "done"  #: where a process is that takes no more steps

S = TypeVar("S", bound=Hashable)


class Violation(Exception):
    """An invariant does not hold."""


class Explored(Generic[S]):
    """A model whose states can all be visited."""

    start: S

    def next(self, state: S) -> Iterator[S]:
        """Every state that one step leads to."""
        raise NotImplementedError

    def check(self, state: S) -> None:
        """Raise Violation if this state must not be."""
        raise NotImplementedError

    def is_finished(self, state: S) -> bool:
        """Whether everybody has come to an end; Violation if it is the wrong one."""
        raise NotImplementedError

    def explore(self) -> int:
        """Visit every state; how many there are.  Violation when one must not be, or leads
        nowhere."""
        before: dict[S, list[S]] = {self.start: []}
        todo, ends = [self.start], []
        while todo:
            state = todo.pop()
            self.check(state)
            if self.is_finished(state):
                ends.append(state)
                continue
            following = list(self.next(state))
            if not following:
                raise Violation("somebody waits for ever")
            for other in following:
                if other not in before:
                    before[other] = []
                    todo.append(other)
                before[other].append(state)
        finishing = set(ends)
        while ends:
            for state in before[ends.pop()]:
                if state not in finishing:
                    finishing.add(state)
                    ends.append(state)
        if len(finishing) < len(before):
            raise Violation("somebody can no longer come to an end")
        return len(before)


def report(
    configurations: Mapping[str, Explored[S]],
    faulty: Mapping[str, Explored[S]],
    faults: Mapping[str, str],
) -> int:
    """Explore all and print what came of it; 1 if a fault was not found out."""
    for name, model in configurations.items():
        print(f"{name}: {model.explore()} states, all as they must be", flush=True)
    missed = 0
    for name, model in faulty.items():
        try:
            model.explore()
        except Violation as violation:
            print(f"without its rule ({faults[name]}): {violation}", flush=True)
        else:
            missed += 1
            print(f"NOT FOUND OUT: {name}", flush=True)
    return 1 if missed else 0
