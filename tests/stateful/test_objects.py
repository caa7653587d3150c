# SPDX-License-Identifier: MIT
"""Random histories of names, handles, rights and views over several real processes, against a small model.

The model knows what a Windows user would expect: a name leads to one object as long as any process has a handle to
it; bytes live as long as a handle or a view does; a handle does what it was granted.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support.users import Program, Refused
from support.workers import worker

from memsection.nt.linux import lifetime, namespace

PROCESSES = 3
NAMES = ("one", "Global\\two", "three")
KINDS = ("Section", "Mutex", "Event")
_runs = iter(range(1 << 30))


@dataclass
class Object:
    """One object of the model."""

    kind: str
    name: str | None
    byte: int = 0  #: what the first byte of a section holds
    handles: int = 0


@dataclass
class Held:
    """A handle or a view in a process: the name of its variable there, and what it is of."""

    process: int
    variable: str
    object: Object
    access: str = "rw"
    kind: str = "handle"


@dataclass
class Model:
    """Everything that is known."""

    names: dict[str, Object] = field(default_factory=dict)
    held: list[Held] = field(default_factory=list)

    def add(self, held: Held) -> None:
        self.held.append(held)
        if held.kind == "handle":
            held.object.handles += 1

    def drop(self, held: Held) -> None:
        self.held.remove(held)
        if held.kind == "handle":
            held.object.handles -= 1
            if not held.object.handles and held.object.name is not None:
                del self.names[held.object.name]


class Histories(RuleBasedStateMachine):
    """Create, open, duplicate, map, write, read, close and kill."""

    stack: ExitStack
    programs: list[Program]

    @initialize()
    def begin(self) -> None:
        self.stack = ExitStack()
        self.run = f"test-{os.getpid()}-s{next(_runs)}-"
        self.programs = [self.stack.enter_context(worker()) for _ in range(PROCESSES)]
        self.model = Model()
        self.counter = 0

    def teardown(self) -> None:
        if not hasattr(self, "stack"):
            return
        self.stack.close()
        for directory in ("local", "global"):
            path = namespace.path_of(directory)
            for file in os.listdir(path):
                if self.run in file:  # killed at the end: what is left must be what sweeping removes
                    assert directory == "global" or not list(lifetime.search(self._identity(path, file)))
                    os.unlink(f"{path}/{file}")

    @staticmethod
    def _identity(path: str, file: str) -> tuple[int, ...]:
        with open(f"{path}/{file}", "rb") as stream:
            locator = namespace.read_locator(stream.fileno(), os.fstat(stream.fileno()).st_size)
        assert locator is not None
        return locator.identity

    def _variable(self) -> str:
        self.counter += 1
        return f"v{self.counter}"

    def _full(self, name: str) -> str:
        prefix, _, leaf = name.rpartition("\\")
        return (prefix + "\\" if prefix else "") + self.run + leaf

    def _handles(self, **wanted: Any) -> list[Held]:
        return [held for held in self.model.held
                if all(getattr(held, key) == value for key, value in wanted.items())]

    processes = st.integers(0, PROCESSES - 1)

    @rule(process=processes, name=st.sampled_from((*NAMES, None)), kind=st.sampled_from(KINDS))
    def create(self, process: int, name: str | None, kind: str) -> None:
        variable = self._variable()
        full = None if name is None else self._full(name)
        size = ", size=8192" if kind == "Section" else ""
        code = f"{variable} = {kind}.create({full!r}{size}, exist_ok=True)"
        existing = self.model.names.get(name) if name is not None else None
        if existing is not None and existing.kind != kind:
            assert self.programs[process].refusal(code).winerror == 6
            return
        self.programs[process].run(code)
        made = self.programs[process].value(f"{variable}.created")
        assert made == (existing is None), f"created is {made}, the name existed: {existing}"
        found = existing or Object(kind, name)
        if name is not None:
            self.model.names[name] = found
        self.model.add(Held(process, variable, found))

    @rule(process=processes, name=st.sampled_from(NAMES), kind=st.sampled_from(KINDS), access=st.sampled_from(("r", "rw")))
    def open(self, process: int, name: str, kind: str, access: str) -> None:
        variable = self._variable()
        asked = f", access={access!r}" if kind == "Section" else ""
        code = f"{variable} = {kind}.open({self._full(name)!r}{asked})"
        existing = self.model.names.get(name)
        if existing is None or existing.kind != kind:
            assert self.programs[process].refusal(code).winerror == (2 if existing is None else 6)
            return
        self.programs[process].run(code)
        self.model.add(Held(process, variable, existing, access if kind == "Section" else "rw"))

    @precondition(lambda self: self._handles(kind="handle"))
    @rule(process=processes, data=st.data())
    def duplicate(self, process: int, data: st.DataObject) -> None:
        source = data.draw(st.sampled_from(self._handles(kind="handle")))
        value = self.programs[source.process].value(f"{source.variable}.handle")
        variable = self._variable()
        self.programs[process].run(f"{variable} = {source.object.kind}.from_process({self.programs[source.process].pid}, "
                                   f"{value})")
        self.model.add(Held(process, variable, source.object, source.access))

    @precondition(lambda self: [held for held in self._handles(kind="handle") if held.object.kind == "Section"])
    @rule(data=st.data(), access=st.sampled_from(("r", "rw")))
    def map(self, data: st.DataObject, access: str) -> None:
        held = data.draw(st.sampled_from([held for held in self._handles(kind="handle")
                                          if held.object.kind == "Section"]))
        variable = self._variable()
        code = f"{variable} = {held.variable}.map(access={access!r})"
        if access == "rw" and held.access == "r":
            assert self.programs[held.process].refusal(code).kind == "AccessError"
            return
        self.programs[held.process].run(code)
        self.model.add(Held(held.process, variable, held.object, access, "view"))

    @precondition(lambda self: self._handles(kind="view", access="rw"))
    @rule(data=st.data(), byte=st.integers(1, 255))
    def write(self, data: st.DataObject, byte: int) -> None:
        view = data.draw(st.sampled_from(self._handles(kind="view", access="rw")))
        self.programs[view.process].run(f"{view.variable}[0] = {byte}")
        view.object.byte = byte

    @precondition(lambda self: self.model.held)
    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        held = data.draw(st.sampled_from(self.model.held))
        self.programs[held.process].run(f"{held.variable}.close()")
        self.model.drop(held)

    @rule(process=processes)
    def kill(self, process: int) -> None:
        self.programs[process].kill()
        for held in self._handles(process=process):
            self.model.drop(held)
        self.programs[process] = self.stack.enter_context(worker())

    @invariant()
    def views_show_the_bytes_of_their_section(self) -> None:
        for view in self._handles(kind="view") if hasattr(self, "model") else []:
            assert self.programs[view.process].value(f"{view.variable}[0]") == view.object.byte

    @invariant()
    def names_are_there_exactly_as_long_as_handles(self) -> None:
        if not hasattr(self, "model"):
            return
        for name in NAMES:
            existing = self.model.names.get(name)
            try:
                self.programs[0].run(f"probe = Section.open({self._full(name)!r}, access='r'); probe.close()")
                found = 0
            except Refused as refused:
                found = refused.winerror or -1
            assert found == (2 if existing is None else 0 if existing.kind == "Section" else 6), name

    @invariant()
    def handles_are_counted(self) -> None:
        for held in self._handles(kind="handle") if hasattr(self, "model") else []:
            code = f"nt.kernel.query_object({held.variable}.handle).HandleCount"
            assert self.programs[held.process].value(code) == held.object.handles


TestHistories = pytest.mark.timeout(600)(Histories.TestCase)
TestHistories.settings = settings(max_examples=int(os.environ.get("MEMSECTION_HISTORIES", "12")), stateful_step_count=25,
                                  deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
