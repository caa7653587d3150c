# SPDX-License-Identifier: MIT
"""Random histories of names, handles, rights and views over several real processes, against a small
model.

The model knows what a Windows user would expect: a name leads to one object as long as any process
has a handle to it; bytes live as long as a handle or a view does; a handle does what it was
granted.  That holds whichever thread operates, with others at work, in a process that forks, and
when a signal handler raises in the middle of an operation.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support.histories import how, options
from support.users import Program, Refused
from support.workers import worker

from memsection.nt.linux.names import locators, namespace
from memsection.nt.linux.system import proc

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
    """Create, open, duplicate, map, write, read, close, fork and kill."""

    stack: ExitStack
    programs: list[Program]

    @initialize()
    def begin(self) -> None:
        self.stack = ExitStack()
        self.run = f"test-{os.getpid()}-s{next(_runs)}-"
        self.programs = [self._program() for _ in range(PROCESSES)]
        self.model = Model()
        self.counter = 0

    def teardown(self) -> None:
        if not hasattr(self, "stack"):
            return
        try:
            for program in self.programs:
                program.run("company.leave()")
        finally:
            self.stack.close()
        self._remove_names_of_the_killed()

    def _remove_names_of_the_killed(self) -> None:
        for directory in ("local", "global"):
            path = namespace.path_of(directory)
            for file in os.listdir(path):
                # killed at the end: what is left must be what sweeping removes
                if self.run in file:
                    assert directory == "global" or not list(
                        proc.search(self._identity(path, file))
                    )
                    os.unlink(f"{path}/{file}")

    @staticmethod
    def _identity(path: str, file: str) -> tuple[int, ...]:
        with open(f"{path}/{file}", "rb") as stream:
            locator = locators.read_locator(stream.fileno(), os.fstat(stream.fileno()).st_size)
        assert locator is not None
        return locator.identity

    def _program(self) -> Program:
        program = self.stack.enter_context(worker())
        program.run(
            "from support.histories import Company, child_says, in_thread, interrupted; company = "
            "Company()"
        )
        return program

    def _do(self, process: int, way: Any, code: str, done: str) -> None:
        """Run statements.  Interrupted, they are done (an expression says so), or have done nothing
        and are run again."""
        program = self.programs[process]
        if way is None:
            program.run(code)
        elif way == "thread":
            program.run(f"in_thread(lambda: exec({code!r}, globals()))")
        else:
            program.run(f"interrupted(lambda: exec({code!r}, globals()), {way})")
            if not program.value(done):
                self._audit()
                program.run(code)

    def _refusal(self, process: int, way: Any, code: str) -> Refused:
        """What statements raise, also after they were interrupted."""
        program = self.programs[process]
        if way == "thread":
            return program.refusal(f"in_thread(lambda: exec({code!r}, globals()))")
        if way is not None:
            try:
                assert program.value(f"interrupted(lambda: exec({code!r}, globals()), {way})"), (
                    f"not refused: {code}"
                )
            except Refused as refused:
                return refused
            self._audit()
        return program.refusal(code)

    def _audit(self) -> None:
        self.views_show_the_bytes_of_their_section()
        self.names_are_there_exactly_as_long_as_handles()
        self.handles_are_counted()

    def _variable(self) -> str:
        self.counter += 1
        return f"v{self.counter}"

    def _full(self, name: str) -> str:
        prefix, _, leaf = name.rpartition("\\")
        return (prefix + "\\" if prefix else "") + self.run + leaf

    def _handles(self, **wanted: Any) -> list[Held]:
        return [
            held
            for held in self.model.held
            if all(getattr(held, key) == value for key, value in wanted.items())
        ]

    processes = st.integers(0, PROCESSES - 1)

    @rule(
        process=processes,
        name=st.sampled_from((*NAMES, None)),
        kind=st.sampled_from(KINDS),
        way=how(),
    )
    def create(self, process: int, name: str | None, kind: str, way: Any) -> None:
        variable = self._variable()
        full = None if name is None else self._full(name)
        size = ", size=8192" if kind == "Section" else ""
        code = f"{variable} = {kind}.create({full!r}{size}, exist_ok=True)"
        existing = self.model.names.get(name) if name is not None else None
        if existing is not None and existing.kind != kind:
            assert self._refusal(process, way, code).winerror == 6
            return
        self._do(process, way, code, f"{variable!r} in globals()")
        made = self.programs[process].value(f"{variable}.created")
        assert made == (existing is None), f"created is {made}, the name existed: {existing}"
        found = existing or Object(kind, name)
        if name is not None:
            self.model.names[name] = found
        self.model.add(Held(process, variable, found))

    @rule(
        process=processes,
        name=st.sampled_from(NAMES),
        kind=st.sampled_from(KINDS),
        access=st.sampled_from(("r", "rw")),
        way=how(),
    )
    def open(self, process: int, name: str, kind: str, access: str, way: Any) -> None:
        variable = self._variable()
        asked = f", access={access!r}" if kind == "Section" else ""
        code = f"{variable} = {kind}.open({self._full(name)!r}{asked})"
        existing = self.model.names.get(name)
        if existing is None or existing.kind != kind:
            assert self._refusal(process, way, code).winerror == (2 if existing is None else 6)
            return
        self._do(process, way, code, f"{variable!r} in globals()")
        self.model.add(Held(process, variable, existing, access if kind == "Section" else "rw"))

    @precondition(lambda self: self._handles(kind="handle"))
    @rule(process=processes, data=st.data(), way=how())
    def duplicate(self, process: int, data: st.DataObject, way: Any) -> None:
        source = data.draw(st.sampled_from(self._handles(kind="handle")))
        value = self.programs[source.process].value(f"{source.variable}.handle")
        variable = self._variable()
        self._do(
            process,
            way,
            f"{variable} = {source.object.kind}.from_process({self.programs[source.process].pid}, "
            f"{value})",
            f"{variable!r} in globals()",
        )
        self.model.add(Held(process, variable, source.object, source.access))

    @precondition(
        lambda self: [
            held for held in self._handles(kind="handle") if held.object.kind == "Section"
        ]
    )
    @rule(data=st.data(), access=st.sampled_from(("r", "rw")), way=how())
    def map(self, data: st.DataObject, access: str, way: Any) -> None:
        held = data.draw(
            st.sampled_from(
                [held for held in self._handles(kind="handle") if held.object.kind == "Section"]
            )
        )
        variable = self._variable()
        code = f"{variable} = {held.variable}.map(access={access!r})"
        if access == "rw" and held.access == "r":
            assert self._refusal(held.process, way, code).kind == "AccessError"
            return
        self._do(held.process, way, code, f"{variable!r} in globals()")
        self.model.add(Held(held.process, variable, held.object, access, "view"))

    @precondition(lambda self: self._handles(kind="view", access="rw"))
    @rule(data=st.data(), byte=st.integers(1, 255))
    def write(self, data: st.DataObject, byte: int) -> None:
        view = data.draw(st.sampled_from(self._handles(kind="view", access="rw")))
        self.programs[view.process].run(f"{view.variable}[0] = {byte}")
        view.object.byte = byte

    @precondition(lambda self: self.model.held)
    @rule(data=st.data(), way=how())
    def close(self, data: st.DataObject, way: Any) -> None:
        held = data.draw(st.sampled_from(self.model.held))
        self._do(held.process, way, f"{held.variable}.close()", f"{held.variable}.closed")
        self.model.drop(held)

    @rule(process=processes, come=st.booleans())
    def other_threads(self, process: int, come: bool) -> None:
        self.programs[process].run(f"company.come({self.run!r})" if come else "company.leave()")

    @rule(process=processes, data=st.data())
    def fork(self, process: int, data: st.DataObject) -> None:
        code = [
            f"assert {held.variable}[0] == {held.object.byte}"
            for held in self._handles(process=process, kind="view")
        ]
        code += [
            f"{found.kind}.open({self._full(name)!r}).close()"
            for name, found in self.model.names.items()
        ]
        mine = self._handles(process=process)
        code.append(
            data.draw(
                st.sampled_from(
                    [
                        f"Section.create({self.run + 'child'!r}, 4096).close()",
                        "Mutex.create().close()",
                        *(f"{held.variable}.close()" for held in mine),
                        *(
                            f"{held.variable}.map(access='r')"
                            for held in mine
                            if held.object.kind == "Section" and held.kind == "handle"
                        ),
                    ]
                )
            )
        )
        text = "\n".join(code)
        assert self.programs[process].value(f"child_says(lambda: exec({text!r}, globals()))") == ""

    @rule(process=processes)
    def kill(self, process: int) -> None:
        self.programs[process].kill()
        for held in self._handles(process=process):
            self.model.drop(held)
        self.programs[process] = self._program()

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
                self.programs[0].run(
                    f"probe = Section.open({self._full(name)!r}, access='r'); probe.close()"
                )
                found = 0
            except Refused as refused:
                found = refused.winerror or -1
            assert found == (2 if existing is None else 0 if existing.kind == "Section" else 6), (
                name
            )

    @invariant()
    def handles_are_counted(self) -> None:
        for held in self._handles(kind="handle") if hasattr(self, "model") else []:
            code = f"nt.kernel.query_object({held.variable}.handle).HandleCount"
            assert self.programs[held.process].value(code) == held.object.handles


TestHistories = pytest.mark.timeout(600)(Histories.TestCase)
TestHistories.settings = options(examples=4, steps=25)
