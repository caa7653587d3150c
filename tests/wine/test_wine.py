# SPDX-License-Identifier: MIT
"""Sections, events and mutexes of a program in Wine: opened, bridged and published, inside a
container too."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import ModuleType

import psutil
import pytest
from support import users
from support.alarms import ended_by_a_handler
from support.workers import until

from memsection import (
    AccessError,
    ArgumentError,
    Error,
    Event,
    ExistsError,
    HandleError,
    NotFoundError,
    Section,
    wine,
)
from memsection.wine import memory, processes
from memsection.wine.helper import Helper, bits_of

HERE = Path(__file__).resolve().parent
TOOLS = HERE.parents[1] / "tools"


def number(view: object, offset: int = 0) -> int:
    return int.from_bytes(bytes(view[offset : offset + 4]), "little")  # type: ignore[index]


def is_counting(view: object) -> None:
    before = number(view)
    until(lambda: number(view) != before, "the game counts")


# ---------------------------------------------------------------------- sections


def test_a_section_is_the_games_own_memory(game: object) -> None:
    with wine.open("Local\\acpmf_physics", "rw", game.prefix) as section, section.map() as view:
        assert (section.size, section.access) == (4096, "rw")
        is_counting(view)
        view[100:104] = (4242).to_bytes(4, "little")
        assert game.ask("get 0 100") == "4242"
        game.ask("set 0 104 77")
        assert number(view, 104) == 77


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("Global\\flightsim", 64 * 1024),
        ("plain_name", 4096),
        ("local\\ACPMF_physics", 4096),
        ("Local\\readonly", 8192),
        ("Local\\reserved", 16 << 20),
    ],
)
def test_every_kind_of_section_is_found(game: object, name: str, size: int) -> None:
    with wine.open(name, prefix=game.prefix) as section, section.map() as view:
        assert (section.size, len(view), section.access, view.readonly) == (size, size, "r", True)
        if "reserved" in name:
            assert view[0x100000] == 0x42


@pytest.mark.sentence(39)
def test_it_is_read_only_unless_asked_and_in_the_kernel_too(game: object) -> None:
    with wine.open("Local\\acpmf_physics", prefix=game.prefix) as section:
        with pytest.raises(AccessError):
            section.map(access="rw")
        with pytest.raises(OSError):
            os.write(section.fileno(), b"x")


def test_what_is_not_there_is_an_error(game: object, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no object of that name"):
        wine.open("Local\\none", prefix=game.prefix)
    with pytest.raises(HandleError):
        wine.open("Local\\tick", prefix=game.prefix)
    with pytest.raises(NotFoundError, match="does not run"):
        wine.open("Local\\acpmf_physics", prefix=tmp_path)
    for name in ("a\nb", "a\0b", "x" * 4000):
        with pytest.raises(ArgumentError):
            wine.open(name, prefix=game.prefix)
    with pytest.raises(ArgumentError):
        wine.open("Local\\acpmf_physics", "rwx", game.prefix)
    with pytest.raises(ArgumentError):
        wine.open("Local\\acpmf_physics", prefix=game.prefix, wait=-1)


def test_the_name_is_left_to_the_game(start: Callable[..., object]) -> None:
    game = start("-left")
    with (
        wine.open("Local\\acpmf_physics-left", prefix=game.prefix) as section,
        section.map() as view,
    ):
        game.ask("close")
        with pytest.raises(NotFoundError):
            wine.open("Local\\acpmf_physics-left", prefix=game.prefix)
        is_counting(view)


def test_the_listing_says_what_there_is(game: object) -> None:
    found = {one.name: (one.type, one.size) for one in wine.ls(game.prefix)}
    assert found["Local\\acpmf_physics"] == ("Section", 4096)
    assert found["Global\\flightsim"] == ("Section", 65536)
    assert found["Local\\tick"] == ("Event", 0) and found["Local\\lock"] == ("Mutant", 0)
    assert game.prefix in [one.path for one in wine.prefixes()]


def test_what_ends_leaves_the_view_and_is_told(start: Callable[..., object]) -> None:
    name = "Local\\acpmf_physics-ended"
    game = start("-ended")
    section = wine.open(name, "rw", game.prefix)
    view = section.map()
    view[100:104] = b"last"
    assert not wine.is_stale(section, name, game.prefix)
    game.kill()
    until(lambda: wine.is_stale(section, name, game.prefix), "it is stale")
    assert bytes(view[100:104]) == b"last"
    again = start("-ended")
    assert wine.is_stale(section, name, again.prefix)
    view.close()
    section.close()


def test_waiting_finds_a_name_that_comes_later(game: object) -> None:
    with subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from memsection import wine\n"
            "print('looking', flush=True); print(wine.open('Local\\\\later', prefix=sys.argv[1], "
            "wait=60).size)",
            game.prefix,
        ],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "looking\n"
        with (
            Section.create(size=5000) as section,
            wine.publish(section, "Local\\later", game.prefix),
        ):
            assert process.stdout.readline() == "8192\n"


@pytest.mark.sentence(38)
def test_a_prefix_that_does_not_run_is_never_started(tmp_path: Path) -> None:
    for attempt in (
        wine.ls,
        lambda path: wine.open("x", prefix=path),
        lambda path: wine.open_event("x", path),
    ):
        with pytest.raises(NotFoundError):
            attempt(tmp_path)
    with wine.bridge(["x"], tmp_path) as bridge:
        assert [one.state for one in bridge.status()] == ["waiting"]
    assert list(tmp_path.iterdir()) == []


def test_a_full_file_system_is_an_error_of_the_view(tmp_path: Path) -> None:
    """Wine's memory is a file with holes in /tmp: a hole that cannot be filled is no fatal
    signal."""
    code = (
        "import ctypes, os, sys; from memsection import Section, InPageError\n"
        "libc = ctypes.CDLL(None, use_errno=True); libc.unshare(0x20000); libc.mount(b'none', "
        "b'/', None, 0x44000, None)\n"
        "if libc.mount(b'tmpfs', sys.argv[1].encode(), b'tmpfs', 0, b'size=64k'): sys.exit(77)\n"
        "os.chdir(sys.argv[1]); file = open('memory', 'w+b'); file.truncate(1 << 20)\n"
        "open('fill', 'wb').write(bytes(60000))\n"
        "view = Section.from_fd(file.fileno(), access='r').map()\n"
        "try:\n    [bytes(view[at:at + 1]) for at in range(0, 1 << 20, 4096)]; view.check()\n"
        "except InPageError: print('told')\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    if done.returncode == 77:
        pytest.skip("needs the right to mount a file system")
    assert done.stdout == "told\n", done.stderr


# ---------------------------------------------------------------------- events and mutexes


def test_events_go_both_ways(game: object) -> None:
    with wine.open_event("Local\\tick", game.prefix) as tick:
        assert [tick.wait(60) for _ in range(5)] == [True] * 5
        assert not tick.manual_reset and not tick.is_alone()
    with wine.open_event("Local\\manual", game.prefix) as manual:
        assert manual.manual_reset
        assert (manual.wait(0), game.ask("pulse"), manual.wait(60), manual.wait(0)) == (
            False,
            "1",
            True,
            True,
        )
        manual.reset()
        assert (manual.wait(0), game.ask("manual")) == (False, "258")
        manual.set()
        assert game.ask("manual") == "0"
        manual.reset()
    with pytest.raises(HandleError):
        wine.open_event("Local\\lock", game.prefix)


def test_a_mutex_keeps_the_game_out_and_is_given_up(game: object) -> None:
    with wine.open_mutex("Local\\lock", game.prefix) as lock:
        assert game.ask("lock") == "258"
        assert lock.acquire(0)
        lock.release()
    assert (game.ask("lock"), game.ask("unlock")) == ("0", "1")
    lock = wine.open_mutex("Local\\lock", game.prefix)
    assert lock.acquire(60)
    lock.close()  # its helper ends while owning it
    assert (game.ask("lock"), game.ask("unlock")) == ("128", "1")
    lock = wine.open_mutex("Local\\lock", game.prefix)
    with pytest.raises(Error):
        lock.release()
    lock.close()


def test_what_is_closed_says_that_it_is(game: object) -> None:
    event = wine.open_event("Local\\manual", game.prefix)
    lock = wine.open_mutex("Local\\lock", game.prefix)
    for close in (event.close, event.close, lock.close, lock.close):
        close()
    for use in (event.wait, event.set, event.reset, event.is_alone, lock.acquire, lock.release):
        with pytest.raises(HandleError, match="closed here"):
            use()


def test_ctrl_c_ends_a_wait_and_loses_nothing(game: object) -> None:
    with wine.open_event("Local\\manual", game.prefix) as manual:
        ended_by_a_handler(lambda: manual.wait(60), KeyboardInterrupt, 0.2)
        game.ask("pulse")
        assert manual.wait(60)


def test_a_server_that_is_killed_is_told_and_the_next_one_found(
    start: Callable[..., object], second_prefix: Path
) -> None:
    name, prefix = "Local\\acpmf_physics", str(second_prefix)
    _wait_for_the_end_of_servers(second_prefix)
    game = start("", second_prefix)
    with (
        wine.open(name, prefix=prefix) as section,
        section.map() as view,
        wine.open_event("Local\\tick", prefix) as tick,
        closing(wine.open_mutex("Local\\lock", prefix)) as lock,
        wine.bridge([name], prefix) as bridge,
    ):
        is_counting(view)
        os.kill(processes.choose(prefix).server, signal.SIGKILL)
        for attempt in (lambda: tick.wait(60), lambda: lock.acquire(60)):
            with pytest.raises(Error):
                attempt()
        until(lambda: [one.state for one in bridge.status()] == ["waiting"], "the name is gone")
        assert wine.is_stale(section, name, prefix) and len(bytes(view)) == 4096
        with pytest.raises(NotFoundError):
            wine.open(name, prefix=prefix)
        game.kill()
        for process in _of_prefix(second_prefix):
            process.kill()  # services that have lost their server
        again = start("", second_prefix)
        until(lambda: [one.state for one in bridge.status()] == ["open"], "the name is back")
        assert wine.is_stale(section, name, prefix)
    again.end()


@pytest.mark.sentence(40)
def test_a_helper_that_is_killed_is_an_error_and_no_wait(game: object) -> None:
    event = wine.open_event("Local\\manual", game.prefix)
    os.kill(event._helper.pid(), signal.SIGKILL)
    with pytest.raises(Error):
        event.wait(60)
    event.close()
    helper = Helper(processes.choose(game.prefix))
    os.kill(helper.pid(), signal.SIGSTOP)
    with pytest.raises(TimeoutError):
        helper.ask("hello", 0.5)
    assert not helper.alive


# ---------------------------------------------------------------------- the other direction


def test_a_section_of_ours_has_a_name_there(game: object) -> None:
    with Section.create(size=10_000) as section, section.map() as view:
        view[:6] = b"hello\0"
        with wine.publish(section, "Local\\ours", game.prefix) as published:
            assert (game.ask("read Local\\ours"), game.ask("write Local\\ours")) == (
                "hello",
                "ok 0",
            )
            assert bytes(view[:13]) == b"from the game" and published.alive
            with pytest.raises(ExistsError):
                wine.publish(section, "Local\\ours", game.prefix)
            assert section.size == 12288  # nobody made it grow
        assert game.ask("read Local\\ours") == "none"
        with section.duplicate("r") as reader, wine.publish(reader, "Local\\ours", game.prefix):
            assert game.ask("read Local\\ours") == "from the game"
            assert game.ask("write Local\\ours").startswith("none")
        with pytest.raises(ExistsError):
            wine.publish(section, "Local\\acpmf_physics", game.prefix)


def test_a_bridge_follows_the_game(start: Callable[..., object]) -> None:
    game = start("-b")
    with wine.bridge(["Local\\acpmf_*-b", "Local\\tick-b", "Local\\none"], game.prefix) as bridge:
        assert {one.name: one.state for one in bridge.status()} == {
            "Local\\acpmf_physics-b": "open",
            "Local\\tick-b": "open",
            "Local\\none": "waiting",
        }
        with Section.open("Local\\acpmf_physics-b", access="r") as section, section.map() as view:
            is_counting(view)
            with Section.open("Local\\acpmf_physics-b") as writer, pytest.raises(AccessError):
                writer.map()
        with Event.open("Local\\tick-b") as tick:
            assert [tick.wait(60) for _ in range(3)] == [True] * 3
        game.kill()
        until(lambda: {one.state for one in bridge.status()} == {"waiting"}, "the names are gone")
        with pytest.raises(NotFoundError):
            Section.open("Local\\acpmf_physics-b", access="r")
        start("-b")
        until(lambda: "open" in {one.state for one in bridge.status()}, "the names are back")
        with Section.open("Local\\acpmf_physics-b", access="r") as section, section.map() as view:
            is_counting(view)
        assert next(one for one in bridge.status() if one.name.endswith("physics-b")).restarts == 1
    with pytest.raises(NotFoundError):
        Section.open("Local\\acpmf_physics-b", access="r")


def test_a_windows_client_on_linux_reads_a_game_in_wine(game: object, tmp_path: Path) -> None:
    script = tmp_path / "client.py"
    script.write_text(
        "import mmap, sys, time\nassert sys.platform == 'win32'\n"
        "memory = mmap.mmap(-1, 800, tagname='Local\\\\acpmf_physics', access=mmap.ACCESS_READ)\n"
        "before = memory[:4]; deadline = time.monotonic() + 60\n"
        "while memory[:4] == before and time.monotonic() < deadline: time.sleep(.01)\n"
        "print(memory[:4] != before)\n"
    )
    with wine.bridge(["Local\\acpmf_physics"], game.prefix):
        done = subprocess.run(
            [sys.executable, "-m", "memsection", "run", "--windows", str(script)],
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_a_bridge_needs_names() -> None:
    for names, access in (([], "r"), ("name", "r"), (["name"], "x")):
        with pytest.raises(ArgumentError):
            wine.bridge(names, access=access)


# ---------------------------------------------------------------------- containers


def _of_prefix(prefix: Path, name: str = "") -> list[psutil.Process]:
    """The processes of a prefix, or those of a name."""
    return [
        process
        for process in psutil.process_iter(["name", "environ"])
        if (process.info["name"] or "").startswith(name)
        and (process.info["environ"] or {}).get("WINEPREFIX") == str(prefix)
        and process.pid != os.getpid()
    ]


@pytest.mark.timeout(200)
def _wait_for_the_end_of_servers(prefix: Path) -> None:
    """A wineserver stays for a moment after its last program, and a game in other namespaces would
    have one of its own."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        servers = _of_prefix(prefix, "wineserver")
        if not servers:
            return
        psutil.wait_procs(servers, timeout=1)
    pytest.fail(f"a wineserver of {prefix} does not end")


@pytest.mark.parametrize("namespaces", [("--unshare-user",), ("--unshare-user", "--unshare-pid")])
def test_a_game_in_a_container(
    start: Callable[..., object], executable: Path, second_prefix: Path, namespaces: tuple[str, ...]
) -> None:
    if shutil.which("bwrap") is None:
        pytest.skip("needs bubblewrap")
    prefix = second_prefix
    _wait_for_the_end_of_servers(prefix)
    wrap = (
        "bwrap",
        *namespaces,
        "--bind",
        "/",
        "/",
        "--tmpfs",
        "/tmp",
        "--ro-bind",
        str(executable.parent),
        str(executable.parent),
        "--tmpfs",
        str(Path(wine.__file__).parent),
        "--dev",
        "/dev",
        "--proc",
        "/proc",
    )
    game = start("", prefix, wrap)
    assert [one.contained for one in wine.prefixes() if one.path == str(prefix)] == [True]
    with wine.open("Local\\acpmf_physics", "rw", prefix) as section, section.map() as view:
        is_counting(view)
        view[100:104] = (7).to_bytes(4, "little")
        assert game.ask("get 0 100") == "7"
    with wine.open_event("Local\\tick", prefix) as tick:
        assert tick.wait(60)
    with (
        Section.create(size=4096) as ours,
        ours.map() as view,
        wine.publish(ours, "Local\\ours", prefix),
    ):
        view[:6] = b"hello\0"
        assert game.ask("read Local\\ours") == "hello"
    assert not list(prefix.glob("memsection-*"))
    game.process.stdin.close()
    assert game.process.wait(60) == 0


# ---------------------------------------------------------------------- what is believed


@pytest.mark.sentence(41)
def test_only_the_memory_that_was_meant_is_opened(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * 4096)
    with file.open("rb"):
        facts = file.stat()
        found = memory.descriptor((facts.st_dev, facts.st_ino), os.getpid(), writable=False)
        assert os.fstat(found).st_ino == facts.st_ino
        os.close(found)
    with pytest.raises(AccessError):
        # nobody has it open any more
        memory.descriptor((facts.st_dev, facts.st_ino), os.getpid(), writable=False)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    descriptor = os.open(fifo, os.O_RDWR)
    facts = os.fstat(descriptor)
    with pytest.raises(AccessError):
        memory.descriptor((facts.st_dev, facts.st_ino), os.getpid(), writable=False)  # no memory
    os.close(descriptor)
    with pytest.raises(Error):
        memory.identity(os.getpid(), 0)


# ---------------------------------------------------------------- the helpers and the command line


def _tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("wine_helpers", TOOLS / "wine_helpers.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_helpers_are_what_their_source_makes() -> None:
    helpers = _tool()
    if any(shutil.which(compiler) is None for compiler, _ in helpers.COMPILERS.values()):
        if "windows" in os.environ.get("MEMSECTION_REQUIRE", ""):
            pytest.fail("the compilers are missing; tools/wine.py programs installs them")
        pytest.skip("needs both compilers of mingw-w64")
    assert helpers.differing() == []
    assert all(
        (helpers.HELPERS / helpers.name(bits)).stat().st_size < 10_000 for bits in helpers.COMPILERS
    )


def test_a_prefix_of_32_bits_gets_that_helper(game: object, tmp_path: Path) -> None:
    assert bits_of(game.prefix) == 64
    (tmp_path / "drive_c" / "windows" / "system32").mkdir(parents=True)
    assert bits_of(str(tmp_path)) == 32


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "memsection", "wine", *words],
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_command_line_shows_what_there_is(game: object) -> None:
    listed = json.loads(command("ls", "--json").stdout)
    objects = next(one["objects"] for one in listed if one["prefix"] == game.prefix)
    assert {"name": "Local\\acpmf_physics", "type": "Section", "size": 4096} in objects
    shown = json.loads(command("show", "Local\\acpmf_physics", "-p", game.prefix, "--json").stdout)
    assert shown["size"] == 4096 and shown["holders"]
    game.ask("set 0 200 1819043176")
    assert "hell" in command("peek", "Local\\acpmf_physics", "-p", game.prefix).stdout
    done = command("peek", "Local\\none", "-p", game.prefix)
    assert done.returncode == 1 and "no object" in done.stderr
    assert "'memsection wine ls' shows" in done.stderr and "'memsection ls'" not in done.stderr


def test_the_command_line_bridges_and_publishes_until_ctrl_c(game: object) -> None:
    with subprocess.Popen(
        [
            sys.executable,
            "-m",
            "memsection",
            "wine",
            "bridge",
            "Local\\acpmf_physics",
            "-p",
            game.prefix,
            "--json",
        ],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert (
            process.stdout is not None and json.loads(process.stdout.readline())["state"] == "open"
        )
        peeked = subprocess.run(
            [sys.executable, "-m", "memsection", "peek", "Local\\acpmf_physics"],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert peeked.returncode == 0 and "00000000" in peeked.stdout
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    with Section.create("for-the-game", 4096) as section, section.map() as view:
        view[:6] = b"hello\0"
        with subprocess.Popen(
            [
                sys.executable,
                "-m",
                "memsection",
                "wine",
                "publish",
                "for-the-game",
                "Local\\there",
                "-p",
                game.prefix,
            ],
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stderr is not None and "Local\\there" in process.stderr.readline()
            assert game.ask("read Local\\there") == "hello"
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0


def test_a_prefix_of_another_user_is_not_there_and_no_helper_starts_in_it(game: object) -> None:
    modules = "bridging, helper, memory, objects, processes, waitables"
    with users.programs() as begin:
        other = begin(
            12345, before=f"from memsection import wine; from memsection.wine import {modules}"
        )
        other.run("from memsection import Section, wine")
        assert other.value("wine.prefixes()") == []
        other.run("section = Section.create(size=4096)")
        for call in (
            "wine.open('Local\\\\acpmf_physics', prefix=prefix)",
            "wine.open('Local\\\\acpmf_physics')",
            "wine.ls(prefix)",
            "wine.open_event('Local\\\\tick', prefix=prefix)",
            "wine.publish(section, 'Local\\\\theirs', prefix=prefix)",
        ):
            assert other.refusal(call, prefix=game.prefix).kind == "NotFoundError", call
        other.run("section.close()")
    assert "Local\\theirs" not in [one.name for one in wine.ls(game.prefix)]
