# SPDX-License-Identifier: MIT
"""The fast path in native code and the Python modules: the same histories come out the same,
whichever is taken."""

from __future__ import annotations

import ast
import errno
import inspect
import os
import random
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.objects import descriptors, leaves_nothing, unique_name
from support.workers import fork, reap, worker

from memsection import Event, Section, Security, View
from memsection.nt import kernel
from memsection.nt.linux import _fast, services
from memsection.nt.linux.bodies import control_page
from memsection.nt.linux.handles import create_open, last_handle
from memsection.nt.linux.names import find, namespace, sweep, unlink
from memsection.nt.linux.services import quick
from memsection.nt.linux.views import mapping, regions
from memsection.vocabulary import protection as p
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import NtError

_left = pytest.fixture(autouse=True)(leaves_nothing)

BOTH = pytest.mark.parametrize("fast", [True, False], ids=["short", "python"], indirect=True)


@pytest.fixture
def fast(request: pytest.FixtureRequest) -> Iterator[bool]:
    before = quick.switch(request.param)
    yield request.param
    quick.switch(before)


# ---------------------------------------------------------------------- histories


class History:
    """Random operations on a few names; ``lines`` is what came of each, without addresses, handle
    values and times."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.handles: list[Any] = []
        self.views: list[View] = []
        self.lines: list[str] = []

    def run(self, steps: int) -> list[str]:
        making = [self.create, self.create, self.open, self.open, self.open, self.event]
        using = [
            self.map,
            self.map,
            self.map,
            self.map_by_number,
            self.look,
            self.close,
            self.close,
            self.close,
            self.duplicate,
            self.change_security,
            self.protect,
        ]
        for _ in range(steps):
            reading = [self.write, self.unmap] * bool(self.views)
            operation = self.random.choice(making + using * bool(self.handles) + reading)
            try:
                outcome = repr(operation())
            except Exception as problem:
                outcome = f"{type(problem).__name__}: {problem}"
            self.lines.append(
                f"{operation.__name__}: "
                + re.sub(r"0x[0-9a-f]{9,}|handle 0x[0-9a-f]+", "N", outcome)
            )
        for view in self.views:
            view.close()
        for handle in self.handles:
            if not handle.closed and handle.protect_from_close:
                handle.protect_from_close = False
            handle.close()
        return self.lines

    def name(self) -> str | None:
        usual = ["one", "two", "Global\\three", None, "Local\\one", "ü"]
        return self.random.choice(usual * 3 + ["a\\b", "", "Global\\", "x" * 300])

    def some(self) -> Any:
        alive = [handle for handle in self.handles if not handle.closed]
        return self.random.choice(alive if alive and self.random.random() < 0.95 else self.handles)

    def create(self) -> object:
        made = Section.create(
            self.name(),
            self.random.choice([1, 4096, 70000, 1 << 20, 5 << 20, 0]),
            access=self.random.choice(["rw", "rw", "r", "c", "rwx"]),
            exist_ok=self.random.choice([False, True]),
            inheritable=self.random.choice([False, True]),
            security=self.random.choice([None, None, Security(everyone="r"), "D:(A;;0x5;;;WD)"]),
        )
        self.handles.append(made)
        return (
            made.created,
            made.size,
            made.access,
            hex(made.granted_access),
            made.name,
            made.inheritable,
        )

    def open(self) -> object:
        usual = ["one", "two", "Global\\three", "Local\\one", "ü"]
        name = self.random.choice(usual * 3 + ["nothing", "a\\b", "", "x" * 300])
        opened = Section.open(
            name,
            access=self.random.choice(
                ["rw", "rw", "r", "c", "rx", 0xF001F, 1 << 25, 0, 1 << 31, 6]
            ),
        )
        self.handles.append(opened)
        return opened.name, hex(opened.granted_access), opened.access

    def map(self) -> object:
        view = self.some().map(
            self.random.choice([0, 0, 0, 0, 65536, 4096, 1 << 30]),
            self.random.choice([None, None, 1, 4096, 70000]),
            access=self.random.choice([None, None, "r", "rw", "c", "rx"]),
        )
        self.views.append(view)
        info = kernel.query_virtual_memory(s.CURRENT_PROCESS, view.address)
        return (
            len(view),
            view.readonly,
            info.RegionSize,
            info.Protect,
            info.AllocationProtect,
            info.State,
            info.Type,
            info.AllocationBase == view.address,
            view.address % p.ALLOCATION_GRANULARITY,
        )

    def write(self) -> object:
        view = self.random.choice(self.views)
        view[0] = self.random.randrange(256)
        return None

    def look(self) -> object:
        return [
            (len(view), view[0], view[len(view) - 1]) if not view.closed else None
            for view in self.views
        ], [handle.name for handle in self.handles if not handle.closed]

    def close(self) -> object:
        return self.some().close()

    def unmap(self) -> object:
        return self.random.choice(self.views).close()

    def map_by_number(self) -> object:
        status, address, size = kernel.map_view(
            self.some().handle,
            s.CURRENT_PROCESS,
            self.random.choice([0, 0, 0, 5]),
            0,
            0,
            self.random.choice([0, 65536, 1]),
            self.random.choice([0, 4096, 1 << 40]),
            self.random.choice([1, 2, 3]),
            0,
            self.random.choice([1, 2, 4, 8, 0x20, 3]),
        )
        kernel.unmap_view(s.CURRENT_PROCESS, address + self.random.choice([0, 0, 100]))
        return status, size

    def duplicate(self) -> object:
        copy = self.some().duplicate(self.random.choice([None, "r", "rw"]))
        self.handles.append(copy)
        return hex(copy.granted_access)

    def change_security(self) -> object:
        handle = self.some()
        handle.security = self.random.choice(["D:(A;;GA;;;WD)", "D:(A;;0x5;;;WD)"])
        return handle.security.sddl

    def protect(self) -> object:
        self.some().protect_from_close = self.random.random() < 0.3
        return None

    def event(self) -> object:
        made = Event.create(self.random.choice(["one", "two"]), exist_ok=True)
        self.handles.append(made)
        made.set()
        return made.is_set(), hex(made.granted_access)


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(
        dir="/dev/shm", prefix=f"memsection-test-{os.getpid()}-"
    ) as path:
        os.chmod(path, 0o1777)
        monkeypatch.setenv(namespace.ROOT_VARIABLE, path)
        namespace.reset()
        yield Path(path)
        monkeypatch.undo()
        namespace.reset()


@pytest.mark.parametrize("seed", range(30))
def test_a_random_history_comes_out_the_same_both_ways(seed: int, root: Path) -> None:
    outcomes = []
    for way in (True, False):
        before = quick.switch(way)
        try:
            kernel.list_directory()
            open_before = descriptors()
            outcomes.append(History(seed).run(120))
            assert descriptors() == open_before
            assert [path for path in root.rglob("*") if path.is_file()] == []
        finally:
            quick.switch(before)
    assert outcomes[0] == outcomes[1]


# ---------------------------------------------------------------------- what is written is the same


def page_and_locator(name: str, protection: str) -> tuple[bytes, bytes, int, int]:
    with Section.create(name, 12288, access=protection) as made:
        fd = made.fileno()
        found = os.fstat(fd)
        page = os.pread(fd, 4096, found.st_size - 4096)
        locator = Path(namespace.path_of("local"), name).read_bytes()
    return (
        page[:28] + page[32:40] + page[48:],
        locator[:16] + locator[32:64] + locator[72:],
        found.st_mode,
        found.st_size,
    )


@pytest.mark.parametrize("protection", ["rw", "rwx"])
def test_body_and_locator_are_the_same_both_ways(protection: str) -> None:
    name = unique_name()
    before = quick.switch(True)
    try:
        short = page_and_locator(name, protection)
        quick.switch(False)
        assert page_and_locator(name, protection) == short
    finally:
        quick.switch(before)


def refuse(monkeypatch: pytest.MonkeyPatch, *functions: tuple[Any, str]) -> None:
    for module, function in functions:

        def refused(*_: object, function: str = function, **__: object) -> None:
            pytest.fail(f"{function} was called: the fast path was not taken")

        monkeypatch.setattr(module, function, refused)


REFERENCE = (
    (create_open, "create"),
    (create_open, "_open_named"),
    (last_handle, "close_handle"),
    (mapping, "map_view"),
    (mapping, "unmap"),
    (regions, "remove"),
    (find, "find"),
    (control_page.Draft, "write"),
)


def cycle(name: str | None) -> None:
    with Section.create(name, 8192) as made, made.map() as view:
        view[:3] = b"abc"
        if name:
            with Section.open(name, access="r") as again, again.map(access="c") as copy:
                assert bytes(copy[:3]) == b"abc"


def test_the_short_way_is_taken_for_what_is_simple(monkeypatch: pytest.MonkeyPatch) -> None:
    name = unique_name()
    cycle(name)  # what is done at first use only
    with monkeypatch.context() as patch:
        refuse(patch, *REFERENCE)
        cycle(name)
        cycle(unique_name())
        cycle(None)


def test_the_short_way_is_taken_for_another_process_s_object() -> None:
    name = unique_name()
    with Section.create(name, 8192) as made, made.map() as view, worker() as child:
        view[:3] = b"abc"
        child.run(f"""
from memsection import Section
from memsection.nt.linux.handles import create_open, last_handle
from memsection.nt.linux.names import find
from memsection.nt.linux.views import mapping, regions
def use():
    with Section.open({name!r}) as found, found.map() as view:
        view[3] += 1
        return bytes(view[:4])
use()
def refused(*_, **__):
    raise AssertionError("the fast path was not taken")
for module, function in ((create_open, "_open_named"), (last_handle, "close_handle"), (find, "find"),
                         (mapping, "map_view"), (regions, "remove")):
    setattr(module, function, refused)
first, second = use(), use()
""")
        assert child.value("(first, second)") == (b"abc\2", b"abc\3")


def test_a_system_call_that_fails_on_the_short_way_is_a_status_as_everywhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = Section.create("Global\\" + unique_name(), 8192)
    value = made.detach()

    def fails(*_: object) -> None:
        raise OSError(errno.EIO, "made up")

    with monkeypatch.context() as patch:
        patch.setattr(unlink, "remove_name_if_last", fails)
        try:
            before = descriptors()
            services.LinuxKernel()  # connects the fast path to what is there now
            with pytest.raises(NtError, match="made up") as caught:
                kernel.close(value)
            assert (caught.value.operation, caught.value.status) == (
                "close",
                st.from_errno(errno.EIO),
            )
            assert descriptors() < before
        finally:
            patch.undo()
            services.LinuxKernel()
    sweep.remove_dead("global")


@pytest.mark.parametrize("ways", ["01", "10"])
def test_both_ways_understand_each_other(ways: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = unique_name()
    before = quick.switch(ways[0] == "1")
    monkeypatch.setenv(quick.VARIABLE, ways[1])
    try:
        made = Section.create(name, 8192)
        with made.map() as view, worker() as child:
            view[:3] = b"abc"
            child.run(
                f"from memsection import Section\nmine = Section.open({name!r})\nview = mine.map()"
            )
            assert child.value("bytes(view[:3])") == b"abc"
            made.close()
            Section.open(name).close()
            child.run("mine.close()")
            with pytest.raises(FileNotFoundError):
                Section.open(name)
            child.run("view.close()")
    finally:
        made.close()
        quick.switch(before)


# ---------------------------------------------------------------------- what is remembered is
# looked at again


@pytest.mark.invariant("R1")
@BOTH
def test_a_changed_descriptor_counts_at_the_next_open(fast: bool) -> None:
    name = unique_name()
    with Section.create(name, 4096, security="D:(A;;GA;;;WD)") as made:
        Section.open(name).close()
        made.security = "D:(A;;0x5;;;WD)"
        with pytest.raises(PermissionError):
            Section.open(name)
        Section.open(name, access="r").close()
        made.security = "D:(A;;GA;;;WD)"
        Section.open(name).close()


@pytest.mark.invariant("H2")
@BOTH
def test_a_handle_that_was_taken_away_opens_nothing(fast: bool) -> None:
    name = unique_name()
    made = Section.create(name, 4096)
    with worker() as child:
        child.run(
            f"from memsection import win32\n"
            f"p = win32.OpenProcess(0x40, False, {os.getpid()})\n"
            f"mine = win32.DuplicateHandle(p, {made.handle}, -1, 0, False, 3)\n"
            f"win32.CloseHandle(mine)"
        )
        with pytest.raises(FileNotFoundError):
            Section.open(name)
    made.detach()


@BOTH
def test_a_forked_child_goes_on_and_leaves_the_parents_names_alone(fast: bool) -> None:
    name = unique_name()
    made = Section.create(name, 4096)
    view = made.map()

    def body() -> None:
        with Section.open(name) as again, again.map() as mine:
            mine[:5] = b"child"
        made.close()
        view.close()

    assert reap(fork(body)) == 0
    assert bytes(view[:5]) == b"child"
    Section.open(name).close()
    view.close()
    made.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.invariant("R1")
@BOTH
def test_another_user_does_not_get_what_was_remembered_for_the_first(fast: bool) -> None:
    local, shared = unique_name(), unique_name("Global\\")

    def body() -> None:
        os.setegid(12345)
        os.seteuid(12345)
        for name, error in ((local, FileNotFoundError), (shared, PermissionError)):
            try:
                Section.open(name)
            except error:
                continue
            raise AssertionError(f"{name} was opened")

    with Section.create(local, 4096), Section.create(shared, 4096, security=Security(owner="rw")):
        Section.open(local).close()
        Section.open(shared).close()
        assert reap(fork(body)) == 0


def test_threads_that_open_map_and_close_the_same_name_do_not_disturb_each_other() -> None:
    from threading import Thread

    name = unique_name()
    problems: list[BaseException] = []

    def use(number: int) -> None:
        try:
            for _ in range(300):
                with Section.create(name, 4096, exist_ok=True) as made, made.map() as view:
                    view[number] = number
                    assert view[number] == number
        except BaseException as problem:
            problems.append(problem)

    threads = [Thread(target=use, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []


def test_a_fresh_view_is_there_before_it_is_touched() -> None:
    with Section.create(size=1 << 20) as made, made.map() as view:
        assert kernel.resident_pages(view.address, len(view)) == b"\1" * 256
        assert bytes(view) == bytes(len(view))


def test_the_stub_says_what_is_there() -> None:
    stub = ast.parse(Path(_fast.__file__).with_name("_fast.pyi").read_text())
    declared = {
        node.name: node for node in stub.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))
    }
    there = {
        name
        for name, value in vars(_fast).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == _fast.__name__
    }
    assert there == set(declared)
    for name, node in declared.items():
        if isinstance(node, ast.ClassDef):
            fields = {
                line.target.id
                for line in node.body
                if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)
            }
            methods = {
                line.name
                for line in node.body
                if isinstance(line, ast.FunctionDef) and not line.name.startswith("_")
            }
            assert fields | methods == {
                field for field in vars(getattr(_fast, name)) if not field.startswith("_")
            }, name
        else:
            arguments = [one.arg for one in node.args.args + node.args.kwonlyargs]
            assert arguments == list(inspect.signature(getattr(_fast, name)).parameters), name
