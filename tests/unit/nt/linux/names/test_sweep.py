# SPDX-License-Identifier: MIT
"""What killed processes left is removed by processes that go on, wherever a name is used; what
lives is left alone."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import remembering
from support.names import leaves_nothing_among_own_names
from support.objects import unique_name
from support.workers import fork, reap, worker

from memsection import Section
from memsection.cli import doctor
from memsection.nt import kernel
from memsection.nt.linux.inspect import search
from memsection.nt.linux.names import namespace, sweep
from memsection.nt.linux.system import syscalls

_left = pytest.fixture(autouse=True)(leaves_nothing_among_own_names)
GLOBAL = "Global\\"


@pytest.fixture(autouse=True, params=[True, False], ids=["remembering", "forgetful"])
def remembers(request: pytest.FixtureRequest) -> Iterator[bool]:
    remember = (lambda: None) if request.param else remembering.forget_everything()
    yield request.param
    remember()


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every use of a name looks."""
    monkeypatch.setattr(sweep, "_PARTS", {"local": 0, "global": 0})
    monkeypatch.setattr(sweep, "_PAUSES", {"local": 0.0, "global": 0.0})
    sweep._due.update(local=0.0, **{"global": 0.0})


def files(directory: str) -> list[str]:
    return [
        file for file in os.listdir(namespace.path_of(directory)) if f"test-{os.getpid()}-" in file
    ]


def killed(*names: str) -> None:
    """A forked child that makes sections of these names, looks for nobody's remains, and is
    killed."""

    def die() -> None:
        sweep._due.update(local=float("inf"), **{"global": float("inf")})
        kept = [Section.create(name, 4096) for name in names]
        os.kill(os.getpid(), signal.SIGKILL)
        del kept

    assert reap(fork(die)) == -signal.SIGKILL
    for name in names:
        assert any(
            file.endswith(name.removeprefix(GLOBAL)) for file in files("global") + files("local")
        )


def create(name: str) -> None:
    Section.create(name, 4096).close()


def open_missing(name: str) -> None:
    with pytest.raises(FileNotFoundError):
        Section.open(name)


# ---------------------------------------------------------------------- Global names


@pytest.mark.sentence(25)
@pytest.mark.invariant("L6")
@pytest.mark.parametrize("use", [create, open_missing])
def test_each_use_of_a_global_name_removes_what_was_left(
    use: Callable[[str], None], at_once: None
) -> None:
    use(unique_name(GLOBAL))
    for _ in range(3):
        killed(unique_name(GLOBAL))
        use(unique_name(GLOBAL))
        assert files("global") == []


def test_a_forked_child_removes_what_was_left() -> None:
    create(unique_name(GLOBAL))
    killed(unique_name(GLOBAL))
    assert reap(fork(lambda: create(unique_name(GLOBAL)))) == 0
    assert files("global") == []


def test_one_of_the_dead_leads_to_all_of_them(at_once: None) -> None:
    killed(*(unique_name(GLOBAL) for _ in range(3 * sweep.SLICE)))
    create(unique_name(GLOBAL))
    assert files("global") == []


def test_what_lives_is_left_alone(at_once: None) -> None:
    names = [unique_name(prefix) for prefix in ("", GLOBAL) for _ in range(2 * sweep.SLICE)]
    with worker() as other:
        other.run("kept = [Section.create(name, 4096) for name in names]", names=names)
        for _ in range(8):
            create(unique_name(GLOBAL))
            create(unique_name())
        assert sweep.remove_dead("global") == sweep.remove_dead("local") == 0
        for name in names:
            Section.open(name).close()
        other.run("for each in kept: each.close()")


def test_a_permanent_object_is_left_alone(at_once: None) -> None:
    name = unique_name(GLOBAL)
    with Section.create(name, 4096) as section:
        kernel.make_permanent_object(section.handle)
    create(unique_name(GLOBAL))
    with Section.open(name, access=0xF001F) as section:
        kernel.make_temporary_object(section.handle)


@pytest.mark.sentence(25)
def test_memory_that_the_dead_had_is_there_for_who_needs_it() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a small directory")
    small = (
        'mkdir -p /tmp/small && mount -t tmpfs -o mode=1777,size=8m tmpfs /tmp/small && exec "$@"'
    )
    with worker("unshare", "-m", "sh", "-c", small, "sh") as program:
        program.run("""
os.environ['MEMSECTION_ROOT'] = '/tmp/small'
from memsection.nt.linux.names import sweep
sweep.sweep_if_due = lambda directory: None
import support.workers as w
def die():
    kept = Section.create('Global\\\\large', 5_000_000); os.kill(os.getpid(), 9)
died = w.reap(w.fork(die))
was = os.listdir('/tmp/small')
with Section.create('Global\\\\another', 5_000_000): now = os.listdir('/tmp/small')""")
        assert program.value("died, was, now") == (-9, ["memsection.large"], ["memsection.another"])


def test_what_was_left_is_shown_until_it_is_gone(
    monkeypatch: pytest.MonkeyPatch, at_once: None
) -> None:
    name = unique_name(GLOBAL)
    killed(name)
    shown = next(found for found in kernel.list_directory() if found.name == name)
    assert (shown.problem, shown.size, shown.holders) == (search.LEFT_BEHIND, 4096, ())
    check = next(check for check in doctor.run() if check.name == "left by the killed")
    assert check.state == "note" and "1 Global\\ objects with 4.0 KiB" in check.found
    create(unique_name(GLOBAL))
    assert name not in [found.name for found in kernel.list_directory()]
    assert next(check for check in doctor.run() if check.name == "left by the killed").state == "ok"


# ---------------------------------------------------------------------- Local names


def named_at_once(name: str) -> Section:
    return Section.create(name, 4096)


def named_later(name: str) -> Section:
    section = Section.create(size=4096)
    section.take_name(name)
    return section


@pytest.mark.sentence(25)
@pytest.mark.invariant("L6")
@pytest.mark.parametrize("made", [named_at_once, named_later])
def test_locators_of_the_dead_stay_few(
    made: Callable[[str], Section],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    monkeypatch.setenv("MEMSECTION_ROOT", str(tmp_path))  # where no other test has names
    namespace.reset()
    request.addfinalizer(namespace.reset)

    def die() -> None:
        kept = (made(unique_name()), made(f"test-{os.getppid()}-{os.getpid()}-e"))
        os.kill(os.getpid(), signal.SIGKILL)
        del kept

    most = 0
    for _ in range(30):
        assert reap(fork(die)) == -signal.SIGKILL
        most = max(most, len(os.listdir(namespace.path_of("local"))))
    assert most <= 6
    sweep.remove_dead("local")


def test_one_dead_locator_leads_to_all_of_them(at_once: None) -> None:
    names = [unique_name() for _ in range(3 * sweep.SLICE)]
    killed(*names)
    kept = [Section.create(unique_name(), 4096) for _ in range(33)]
    assert len(files("local")) == len(kept)
    for section in kept:
        section.close()


@pytest.mark.invariant("L1")
def test_a_name_whose_object_is_held_by_somebody_who_did_not_open_it_stays(at_once: None) -> None:
    name = unique_name()
    with worker() as first, worker() as second:
        first.run("made = Section.create(name, 4096)", name=name)
        second.run(
            "taken = Section.from_process(pid, handle)",
            pid=first.pid,
            handle=first.value("made.handle"),
        )
        first.kill()
        assert sweep.remove_dead("local") == 0
        for _ in range(40):
            create(unique_name())
        Section.open(name).close()
        second.run("taken.close()")


def test_a_damaged_locator_that_nobody_holds_goes(at_once: None) -> None:
    create(unique_name())
    path = f"{namespace.path_of('local')}/test-{os.getpid()}-damaged"
    with open(path, "wb") as file:
        file.write(b"rubbish")
    assert sweep.remove_dead("local") == 1
    assert not os.path.exists(path)


def test_a_failure_of_looking_is_not_the_callers(
    at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> list[str]:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(syscalls, "listdir", fail)
    with Section.create(unique_name(), 4096), Section.create(unique_name(GLOBAL), 4096):
        pass
