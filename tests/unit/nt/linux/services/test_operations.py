# SPDX-License-Identifier: MIT
"""Creating, opening, mapping and closing: what is remembered between two operations changes nothing
of what comes of them, and each step is made once."""

from __future__ import annotations

import errno
import os
import random
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import remembering
from support import sweep as sweep_support
from support.objects import descriptors, leaves_nothing, unique_name
from support.workers import fork, reap, worker

from memsection import Event, HandleError, Section, Security, View
from memsection.nt import kernel
from memsection.nt.linux.bodies import control_page
from memsection.nt.linux.handles import state
from memsection.nt.linux.names import namespace, sweep
from memsection.nt.linux.system import syscalls
from memsection.vocabulary import protection as p
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import NtError

_left = pytest.fixture(autouse=True)(leaves_nothing)

BOTH = pytest.mark.parametrize(
    "remembers", [True, False], ids=["remembering", "forgetful"], indirect=True
)


@pytest.fixture
def remembers(request: pytest.FixtureRequest) -> Iterator[bool]:
    remember = (lambda: None) if request.param else remembering.forget_everything()
    yield request.param
    remember()


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
def test_a_random_history_comes_out_the_same_without_memory(seed: int, root: Path) -> None:
    def run() -> list[str]:
        kernel.list_directory()
        open_before = descriptors()
        lines = History(seed).run(120)
        assert descriptors() == open_before
        assert [path for path in root.rglob("*") if path.is_file()] == []
        return lines

    lines = run()
    remember = remembering.forget_everything()
    try:
        assert run() == lines
    finally:
        remember()


# ---------------------------------------------------------------------- what is written


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
def test_body_and_locator_are_the_same_without_memory(protection: str) -> None:
    name = unique_name()
    remembered = [page_and_locator(name, protection) for _ in range(2)]
    remember = remembering.forget_everything()
    try:
        assert remembered == [page_and_locator(name, protection)] * 2
    finally:
        remember()


@pytest.mark.parametrize("size", [1, 12288])
@pytest.mark.parametrize("commit", [True, False])
@pytest.mark.parametrize("name", ["named", "n" * 250, None])
def test_the_facts_of_a_new_body_are_what_its_page_says(
    name: str | None, commit: bool, size: int
) -> None:
    """They are not read back: nobody else has a descriptor of it yet (N2)."""
    full = unique_name() + name if name else None
    with Section.create(full, size, commit=commit) as made:
        known = state.handles[made.handle].obj.facts
        fd = made.fileno()
        read = control_page.read(fd, os.fstat(fd).st_size)
        fields = control_page.Facts.__slots__
        assert [getattr(known, each) for each in fields] == [getattr(read, each) for each in fields]
        assert control_page.name(fd, read).endswith(full or "")


def cycle(name: str | None) -> None:
    with Section.create(name, 8192) as made, made.map() as view:
        view[:3] = b"abc"
        if name:
            with Section.open(name, access="r") as again, again.map(access="c") as copy:
                assert bytes(copy[:3]) == b"abc"


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The system calls and steps that are made from here on, by their names in the table."""
    made: list[str] = []

    def counting(name: str, call: Any) -> Any:
        def counted(*arguments: Any, **options: Any) -> Any:
            made.append(name)
            return call(*arguments, **options)

        return counted

    for name in sweep_support.callables():
        monkeypatch.setattr(syscalls, name, counting(name, getattr(syscalls, name)))
    return made


def test_each_step_is_made_once(calls: list[str]) -> None:
    name = unique_name()
    cycle(name)  # what is done at first use only
    calls.clear()
    with Section.create(name, 8192) as made:
        assert calls == ["caller_ids", "create_body", "new_handle", "publish"]
        calls.clear()
        with made.map():
            assert calls == ["live_handle", "view_descriptor", "map_region"]
        calls.clear()
        with Section.open(name):
            assert calls == ["is_live", "is_unchanged", "caller_ids", "copy_handle"]
            calls.clear()
        assert calls == ["live_handle"]
        calls.clear()
    assert calls == ["live_handle", "close_last"]


def test_an_object_of_another_process_is_found_in_one_step() -> None:
    name = unique_name()
    with Section.create(name, 8192) as made, made.map() as view, worker() as child:
        view[:3] = b"abc"
        child.run(f"""
from memsection import Section
from memsection.nt.linux.system import syscalls
def use():
    with Section.open({name!r}) as found, found.map() as view:
        view[3] += 1
        return bytes(view[:4])
use()
made = []
for each in ("find", "is_unchanged", "fstat", "pread", "open", "stat", "flock", "open_locator", "open_body"):
    def counted(*arguments, each=each, call=getattr(syscalls, each)):
        made.append(each)
        return call(*arguments)
    setattr(syscalls, each, counted)
first, second = use(), use()
""")
        assert child.value("(first, second)") == (b"abc\2", b"abc\3")
        assert child.value("made") == ["find", "is_unchanged"] * 2


def test_a_system_call_that_fails_in_a_close_is_a_status_as_everywhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    value = Section.create("Global\\" + unique_name(), 8192).detach()

    def fails(*_: object) -> None:
        raise OSError(errno.EIO, "made up")

    with monkeypatch.context() as patch:
        patch.setattr(syscalls, "live_handle", lambda value: None)  # as its failing call is told
        patch.setattr(syscalls, "is_live", fails)
        before = descriptors()
        with pytest.raises(NtError) as caught:
            kernel.close(value)
        assert caught.value.operation == "close"
        assert caught.value.status == st.INVALID_HANDLE
        assert descriptors() == before
    os.close(value // 4)
    sweep.remove_dead("global")


@pytest.mark.invariant("L4")
def test_a_permanent_object_stays_when_an_open_of_it_fails() -> None:
    name = unique_name("Global\\")
    with Section.create(name, 4096) as made:
        kernel.make_permanent_object(made.handle)
    with pytest.raises(HandleError):
        Event.open(name)
    with pytest.raises(FileExistsError):
        Section.create(name, 4096)
    with Section.open(name, access=0x10000) as again:  # DELETE
        kernel.make_temporary_object(again.handle)
    with pytest.raises(FileNotFoundError):
        Section.open(name)


@pytest.mark.parametrize("order", ["remembering", "forgetful"])
def test_processes_with_and_without_memory_understand_each_other(order: str) -> None:
    name = unique_name()
    remember = remembering.forget_everything() if order == "forgetful" else lambda: None
    try:
        made = Section.create(name, 8192)
        with made.map() as view, worker() as child:
            view[:3] = b"abc"
            if order == "remembering":
                child.run("from support import remembering; remembering.forget_everything()")
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
        remember()


# ----------------------------------------------------------- what is remembered is looked at again


@pytest.mark.invariant("R1")
@BOTH
def test_a_changed_descriptor_counts_at_the_next_open(remembers: bool) -> None:
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
def test_a_handle_that_was_taken_away_opens_nothing(remembers: bool) -> None:
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
def test_a_forked_child_goes_on_and_leaves_the_parents_names_alone(remembers: bool) -> None:
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
def test_another_user_does_not_get_what_was_remembered_for_the_first(remembers: bool) -> None:
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
