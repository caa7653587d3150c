# SPDX-License-Identifier: MIT
"""The commands that look: ls, show, peek, handles, doctor; and run, rm and demo, which do
things."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import memsection
from memsection.cli import app, peek, show

OBJECTS = """
import sys
from memsection import *
s = Section.create("frames [1]", 5 * 4096); v = s.map(); v[:4096] = bytes(range(256)) * 16
r = Section.open("frames [1]", access="r"); r.inheritable = True
m = Mutex.create("lock"); m.acquire()
e = Event.create("ready"); e.set()
p = Semaphore.create("pool", 1, maximum=3)
u = Section.create(size=12345)
print(u.handle, flush=True)
sys.stdin.read()
"""


@pytest.mark.linux_only("Windows has names of its own in the same directories")
def test_ls_lists_what_exists_and_who_holds_it(cli) -> None:  # type: ignore[no-untyped-def]
    process = cli.python(OBJECTS)
    rows = {row["name"]: row for row in cli.json("ls")}
    assert {name: row["type"] for name, row in rows.items()} == {
        "frames [1]": "Section",
        "lock": "Mutex",
        "ready": "Event",
        "pool": "Semaphore",
    }
    section = rows["frames [1]"]
    assert section["size"] == 5 * 4096
    assert sorted(
        (holder["pid"], holder["access"], holder["flags"]) for holder in section["holders"]
    ) == [(process.pid, "r", "inherit"), (process.pid, "rw", "")]
    table = cli.output("ls")
    assert re.search(
        rf"frames \[1\] +Section +20 KiB .* {process.pid}:rw,r|{process.pid}:r,rw", table
    )
    assert any(row["name"] is None and row["size"] == 16384 for row in cli.json("ls", "--unnamed"))


@pytest.mark.linux_only("Windows has names of its own in the same directories")
def test_ls_of_nothing_says_what_to_do(cli) -> None:  # type: ignore[no-untyped-def]
    assert cli.json("ls") == []
    done = cli.run("ls")
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"memsection share" in done.stderr


@pytest.mark.linux_only("Windows tells neither which pages are in memory nor who has views")
def test_show_tells_all_about_a_section(cli) -> None:  # type: ignore[no-untyped-def]
    process = cli.python(OBJECTS)
    facts = cli.json("show", "frames [1]")
    assert (facts["size"], facts["pages"], facts["resident_pages"]) == (20480, 5, 1)
    assert facts["views"] == {str(process.pid): 1}
    assert facts["creator_pid"] == process.pid
    assert facts["sddl"].startswith("O:")
    assert facts["entries"][0]["allow"]
    text = cli.output("show", "frames [1]")
    assert "Section 'frames [1]'" in text and "1 of 5 resident" in text and "▕█    ▏" in text


def test_timers_are_listed_and_shown(cli) -> None:  # type: ignore[no-untyped-def]
    process = cli.python(
        "import sys; from memsection import *; t = Timer.create('tick'); t.set(3600, period=0.5);"
        "print(1, flush=True); sys.stdin.read()"
    )
    assert {"tick": "Timer"}.items() <= {
        entry["name"]: entry["type"] for entry in cli.json("ls")
    }.items()
    facts = cli.json("show", "tick")
    assert 3000 < facts["due_in"] <= 3600 and not facts["signaled"]
    text = cli.output("show", "tick")
    assert "Timer 'tick'" in text and "not signaled, due in 3" in text
    if sys.platform == "linux":
        assert "each 0.5 s, automatic reset" in text
        held = cli.json("handles", str(process.pid))
        assert [entry["access"] for entry in held] == ["all"]
    process.communicate(timeout=60)


@pytest.mark.linux_only("Windows tells who owns a mutex from version 10 on, Wine does not")
def test_show_tells_the_state_of_the_others(cli) -> None:  # type: ignore[no-untyped-def]
    process = cli.python(OBJECTS)
    assert cli.json("show", "lock")["owner_pid"] == process.pid
    assert f"held by process {process.pid}" in cli.output("show", "lock")
    assert "set, manual reset" in cli.output("show", "ready")
    assert "1 of 3 free" in cli.output("show", "pool")
    waiter = cli.python(
        "import sys; from memsection import *; m = Mutex.open('lock'); print(1, flush=True); "
        "m.acquire()"
    )
    deadline = time.monotonic() + 60
    while not (waiters := cli.json("show", "lock")["waiters"]):
        assert waiter.poll() is None and time.monotonic() < deadline
    assert waiters == {str(waiter.pid): [waiter.pid]}
    process.communicate(timeout=60)
    assert waiter.wait(60) == 1  # the mutex was abandoned


def test_peek_shows_bytes_as_numbers_and_text(cli) -> None:  # type: ignore[no-untyped-def]
    cli.python(OBJECTS)
    assert cli.output("peek", "frames [1]", "--offset", "60", "--length", "20").splitlines() == [
        "0000003c  3c 3d 3e 3f 40 41 42 43  44 45 46 47 48 49 4a 4b  │<=>?@ABCDEFGHIJK│",
        "0000004c  4c 4d 4e 4f                                       │LMNO│",
    ]
    assert "the section has 20480 bytes" in cli.fails("peek", "frames [1]", "--offset", "99999")


def test_peek_shows_text_as_text(cli) -> None:  # type: ignore[no-untyped-def]
    name = "written"
    cli.python(
        "import sys; from memsection import Section; s = Section.create('written', 4096); "
        "s.map()[:24] = '\\tone, \\u4e2d\\u6587\\r\\ntwo \\u00fc.\\n'.encode()[:24].ljust(24, b'\\0'); "
        "print(1, flush=True); sys.stdin.read()"
    )
    assert cli.output("peek", name).splitlines() == [
        "text, 22 bytes",
        "        one, 中文",
        "two ü.",
    ]
    assert cli.output("peek", name, "--length", "8").splitlines() == [
        "text, 6 bytes",
        "        one, ",
    ]
    assert cli.output("peek", name, "--hex", "--length", "4").startswith("00000000  09 6f 6e 65")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"hello\0\0", "hello"),
        (b"hello", "hello"),
        ("grün".encode()[:3] + b"..", None),
        ("gro\u00df".encode()[:4], "gro"),  # cut within a character
        ("gro\u00df".encode()[:4] + b"\0", None),
        (b"abc\0", None),  # may be a number
        (b"hello\0world", None),
        (b"\x1b[31mred", None),
        ("abcd\u202e".encode(), None),
        (bytes(64), None),
    ],
)
def test_bytes_are_text_or_not(data: bytes, text: str | None) -> None:
    assert peek.text_in(data) == text


def test_a_dump_leaves_out_what_repeats_and_marks_what_changed() -> None:
    same = peek.dump(bytes(160))
    assert same.plain.splitlines()[1] == "*"
    assert len(same.plain.splitlines()) == 3
    before, after = bytes(32), bytes(20) + b"X" + bytes(11)
    marked = peek.dump(after, 0, before)
    assert [
        marked.plain[span.start : span.end] for span in marked.spans if "yellow" in str(span.style)
    ] == ["58", "X"]


@pytest.mark.parametrize(
    ("pages", "picture"),
    [
        (bytes([1, 0, 1]), "█ █"),
        (bytes(64) + bytes([1]) * 64, " " * 32 + "█" * 32),
        (b"\1" + bytes(127), "▒" + " " * 63),
    ],
)
def test_the_picture_of_pages_has_a_character_for_as_many_as_fit(
    pages: bytes, picture: str
) -> None:
    assert show.picture(pages) == picture


@pytest.mark.linux_only("the interpreter itself has unnamed objects on Windows")
def test_handles_finds_what_has_no_name(cli) -> None:  # type: ignore[no-untyped-def]
    process = cli.python(OBJECTS)
    found = cli.json("handles", str(process.pid))
    assert {entry["type"] for entry in found} == {"Section", "Mutex", "Event", "Semaphore"}
    (unnamed,) = [entry for entry in found if entry["name"] is None]
    assert (unnamed["size"], unnamed["access"]) == (16384, "rw")
    assert re.search(
        rf"{unnamed['handle']:#x} +Section +16 KiB +rw", cli.output("handles", str(process.pid))
    )
    assert "no such process" in cli.fails("handles", "2147483000")


def test_names_that_nobody_has_are_refused_everywhere(cli) -> None:  # type: ignore[no-untyped-def]
    for command in ("show", "peek", "cat", "rm"):
        message = cli.fails(command, "none")
        assert "[WinError 2]" in message and "none" in message


def test_run_gives_a_command_a_section(cli, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    program = (
        "import os, sys; from memsection import Section; "
        "s = Section.from_handle(int(os.environ['MEMSECTION_HANDLE'])); "
        "print(s.access, s.size, s.name, sys.argv[1] == str(s.handle), s.map()[0])"
    )
    words = (sys.executable, "-c", program, "{handle}")
    assert cli.output("run", "--size", "8K", "--", *words) == "rw 8192 None True 0\n"
    assert (
        cli.output("run", "--name", "N", "--size", "4K", "--access", "r", "--", *words)
        == "r 4096 N True 0\n"
    )
    (tmp_path / "file").write_bytes(b"A")
    assert (
        cli.output("run", "--file", str(tmp_path / "file"), "--access", "r", "--", *words)
        == "r 1 None True 65\n"
    )
    cli.fails("run", "--", sys.executable, "-c", "raise SystemExit(7)", status=7)
    assert "no-such-program" in cli.fails("run", "--", "no-such-program")
    assert "WinError 2" in cli.fails("run", "--name", "none", "--", "true")


@pytest.mark.linux_only("a process ends itself at a signal on Linux only")
def test_rm_explains_what_it_cannot_do_and_does_what_it_is_told(cli, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "file").write_bytes(b"abc")
    process = cli.share(tmp_path / "file", "N")
    message = cli.fails("rm", "N")
    assert f"process {process.pid}" in message and "--stop" in message
    assert process.poll() is None
    done = cli.run("rm", "--stop", "N", stdin=b"n\n")
    assert done.returncode == 1 and process.poll() is None
    assert cli.run("rm", "--stop", "--yes", "N").returncode == 0
    assert process.wait(60) == 0


def test_doctor_looks_at_the_machine(cli) -> None:  # type: ignore[no-untyped-def]
    done = cli.run("doctor", "--json")
    assert done.returncode in (0, 1)
    assert b"Traceback" not in done.stderr


def test_the_demo_shows_both_pairs(cli) -> None:  # type: ignore[no-untyped-def]
    text = cli.output("demo")
    assert text.count("A reads: 为人民服务") == 4
    assert text.count("B reads: 我将无我，不负人民") == 4
    assert "OpenFileMapping: error 2" in text
    assert "Everything is as it should be" in text
    assert "anonymous_a.py" not in cli.output("demo", "named")


def test_the_demo_notices_what_is_wrong(cli, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    copy = tmp_path / "package"
    package = Path(memsection.__file__).parent
    copy.mkdir()
    (copy / "src").symlink_to(package.parent)
    examples = package.parents[1] / "examples"
    for program in examples.glob("*/*.py"):
        target = copy / "examples" / program.parent.name / program.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(
            program.read_text(encoding="utf-8").replace("为人民服务", "SOMETHING"), encoding="utf-8"
        )
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from pathlib import Path; from memsection.cli import app, demo;"
            f"demo._examples = lambda: Path({str(copy / 'examples')!r});"
            "sys.argv = ['memsection', 'demo', 'named']; sys.exit(app.run())",
        ],
        env=cli.environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 1
    assert "not as it should be: B did not say" in done.stdout


def test_without_its_libraries_it_says_how_to_get_them() -> None:
    program = (
        "import sys; sys.modules['typer'] = None; from memsection.cli import main; sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "-m pip install 'memsection[cli]'" in done.stderr and "typer" in done.stderr


def test_help_and_version(cli) -> None:  # type: ignore[no-untyped-def]
    assert cli.output("--version") == f"memsection {memsection.__version__}\n"
    text = cli.output("--help")
    for command in (
        "demo",
        "share",
        "cat",
        "ls",
        "show",
        "peek",
        "top",
        "handles",
        "rm",
        "doctor",
        "run",
    ):
        assert re.search(rf"[│|] {command} ", text)
    cli.fails("nonsense", status=2)


LOADED = """
import sys
from memsection.cli import app
sys.argv[0] = "memsection"
try:
    app.run()
finally:
    print(*(name.removeprefix("memsection.cli.") for name in sys.modules if ".cli." in name))
"""


@pytest.mark.parametrize("command", ["ls", "doctor", "bench"])
def test_a_subcommand_does_not_load_the_files_of_the_others(cli, command: str) -> None:  # type: ignore[no-untyped-def]
    done = subprocess.run(
        [sys.executable, "-c", LOADED, command, "--help"],
        env=cli.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    loaded = set(done.stdout.splitlines()[-1].split())
    assert loaded & {*app._COMMANDS, *app._GROUPS, "run_command"} == {command}


@pytest.mark.linux_only("the typer of the Windows Python here is too old to suggest a word")
def test_a_word_that_is_no_subcommand_is_measured_against_all_of_them(cli) -> None:  # type: ignore[no-untyped-def]
    assert re.search("No such command 'doctr'.*'doctor'", cli.fails("doctr", status=2), re.DOTALL)


def test_the_environment_of_a_test_is_its_own(cli) -> None:  # type: ignore[no-untyped-def]
    assert cli.environment["MEMSECTION_ROOT"] != os.environ.get("MEMSECTION_ROOT")


TYPED = """
import sys
from dataclasses import dataclass
import numpy as np
from memsection import arrays, latest, records
@dataclass
class Status:
    counter: records.int32
    voltage: records.float64
shared = records.create("status", Status, count=2); shared[1] = Status(7, 3.5)
array = arrays.put("numbers", np.arange(6, dtype=np.int16).reshape(2, 3))
value = latest.create("newest", Status); value.write(Status(1, 2.5))
print(1, flush=True)
sys.stdin.read()
"""


def test_peek_shows_values_where_the_section_tells_their_types(cli) -> None:  # type: ignore[no-untyped-def]
    cli.python(TYPED)
    records = cli.output("peek", "status").splitlines()
    assert records[0].startswith("record: name Status, count 2")
    assert records[1:] == [
        "[0] counter = 0",
        "[0] voltage = 0.0",
        "[1] counter = 7",
        "[1] voltage = 3.5",
    ]
    assert cli.output("peek", "numbers").splitlines()[1:] == ["[[0 1 2]", " [3 4 5]]"]
    assert cli.output("peek", "newest").splitlines()[1:] == [
        "number 1",
        "counter = 1",
        "voltage = 2.5",
    ]
    assert cli.output("peek", "numbers", "--hex", "--length", "4") == (
        "00000000  00 00 01 00" + " " * 39 + "│····│\n"
    )
    assert cli.run("cat", "numbers").stdout == b"".join(
        number.to_bytes(2, "little") for number in range(6)
    )
