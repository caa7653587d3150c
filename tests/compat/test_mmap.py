# SPDX-License-Identifier: MIT
"""memsection.compat.mmap: CPython's own tests of mmap pass with it, those for Windows alone too,
and what they do not say."""

from __future__ import annotations

import gc
import json
import mmap as genuine
import os
import subprocess
import sys
import tempfile
import time
import warnings
from importlib.util import find_spec
from pathlib import Path

import pytest

from memsection import ALLOCATION_GRANULARITY, Error, Mutex, NotFoundError, Section
from memsection.compat import mmap

HERE = Path(__file__).resolve().parent
OWN = find_spec("test") and find_spec("test.test_mmap")
SUITES = ["cpython_mmap_3_11", *(["test.test_mmap"] if OWN else [])]


@pytest.fixture
def name() -> str:
    return f"mmap-{os.getpid()}-{time.monotonic_ns()}"


def python(code: str, *arguments: str) -> str:
    """What another process prints."""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


@pytest.mark.parametrize("suite", SUITES)
def test_cpythons_own_tests_pass(suite: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(HERE / "run_mmap_tests.py"), suite],
        capture_output=True,
        text=True,
        timeout=110,
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["type"].startswith("memsection.compat.mmap_")
    assert len(report["outcome"]) >= 46 and len(report["forced"]) >= 8
    large = {"test_around_2GB", "test_around_4GB", "test_large_filesize", "test_large_offset"}
    assert {
        test: text
        for test, text in report["outcome"].items()
        if text
        and not (sys.platform == "win32" and test in large)
        and "debug build" not in text
        and "only fails on Windows" not in text
    } == {}


# ---------------------------------------------------------------------- by name


@pytest.mark.parametrize("prefix", ["", "Local\\", "Global\\"])
def test_a_tag_name_is_the_name_of_a_section(name: str, prefix: str) -> None:
    with (
        mmap.mmap(-1, 1000, prefix + name) as one,
        mmap.mmap(0, 1000, tagname=prefix + name) as two,
    ):
        one[:5] = b"hello"
        assert two[:5] == b"hello"
        with Section.open(prefix + name) as section, section.map() as view:
            assert bytes(view[:5]) == b"hello"
            view[:5] = b"again"
        assert one[:5] == b"again"
        assert (len(one), one.size(), two.size()) == (1000, 1000, 1000)
        assert (
            python(
                "import sys; from memsection.compat import mmap\n"
                "m = mmap.mmap(-1, 1000, sys.argv[1]); print(m[:5]); m[:5] = b'child'; m.close()",
                prefix + name,
            )
            == "b'again'"
        )
        assert two[:5] == b"child"
    with pytest.raises(NotFoundError):
        Section.open(prefix + name)


def test_the_genuine_functions_take_it(name: str) -> None:
    with mmap.mmap(-1, 4096, name) as one:
        assert isinstance(one, genuine.mmap)
        one.write(b"line\nnext")
        one.seek(0)
        assert (one.readline(), one.read(4), one.find(b"next", 0), one.rfind(b"n", 0)) == (
            b"line\n",
            b"next",
            5,
            5,
        )
        with memoryview(one) as content:
            assert bytes(content[:4]) == b"line"
            with pytest.raises(BufferError):
                one.close()
        assert repr(one).startswith("<mmap.mmap closed=False")
    assert "closed=True" in repr(one)
    one.close()


def test_a_map_larger_than_the_section_is_refused(name: str) -> None:
    with mmap.mmap(-1, 4096, name), pytest.raises(PermissionError) as caught:
        mmap.mmap(-1, 4097, name)
    assert getattr(caught.value, "winerror", None) == 5


def test_an_offset_goes_by_the_allocation_granularity(name: str) -> None:
    assert mmap.ALLOCATIONGRANULARITY == ALLOCATION_GRANULARITY
    with mmap.mmap(-1, 3 * ALLOCATION_GRANULARITY, name) as whole:
        whole[ALLOCATION_GRANULARITY] = 7
        with mmap.mmap(-1, 100, name, offset=ALLOCATION_GRANULARITY) as part:
            assert part[0] == 7
            part[1] = 8
        assert whole[ALLOCATION_GRANULARITY + 1] == 8
        with pytest.raises(OSError) as caught:
            mmap.mmap(-1, 100, name, offset=4096)
        assert getattr(caught.value, "winerror", None) == 1132


def test_access_means_what_it_means_on_windows(name: str) -> None:
    with mmap.mmap(-1, 100, name) as whole:
        whole[:2] = b"ab"
        with mmap.mmap(-1, 100, name, mmap.ACCESS_READ) as reader:
            assert reader[:2] == b"ab"
            with pytest.raises(TypeError):
                reader[0] = 1
            with pytest.raises(TypeError):
                reader.resize(200)
        with mmap.mmap(-1, 100, name, access=mmap.ACCESS_COPY) as copy:
            copy[0] = 1
            assert whole[:2] == b"ab"
        with mmap.mmap(-1, 100, tagname=name, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ) as reader:
            with pytest.raises(TypeError):
                reader[0] = 1


@pytest.mark.linux_only("on Windows the map is the system's own")
@pytest.mark.parametrize("access", [mmap.ACCESS_DEFAULT, mmap.ACCESS_WRITE])
def test_the_protection_of_a_section_is_kept(name: str, access: int) -> None:
    """Its creator may open it for writing, and yet nobody has a writable view of it."""
    with Section.create(name, 4096, access="r") as section:
        with Section.open(name, access="rw") as opened, pytest.raises(Error) as refused:
            opened.map(access="rw")
        with pytest.raises(Error) as caught:
            mmap.mmap(-1, 100, name, access)
        assert caught.value.winerror == refused.value.winerror
        with mmap.mmap(-1, 100, name, mmap.ACCESS_READ) as reader:
            assert reader[:2] == b"\0\0"
        with mmap.mmap(-1, 100, name, mmap.ACCESS_COPY) as copy:
            copy[0] = 1
        assert bytes(section.map(access="r")[:1]) == b"\0"


@pytest.mark.parametrize(
    ("arguments", "words", "kind", "text"),
    [
        ((-1, 8, b"bytes"), {}, TypeError, "tagname"),
        ((-1, 8), {"tagname": 5}, TypeError, "tagname"),
        ((-1, 8, "a\0b"), {}, ValueError, "null"),
        ((-1, 8, None, 9), {}, ValueError, "access"),
        ((-1, 8, "name"), {"tagname": "name"}, TypeError, "position"),
        ((-1, 8), {"tagname": "name", "colour": 1}, TypeError, "colour"),
        ((-1, 8, "name", mmap.ACCESS_READ), {"prot": 3}, ValueError, "both"),
        ((-1, 8, "name"), {"prot": 4}, ValueError, "prot=0x4"),
        ((-1, -8, "name"), {}, OverflowError, "positive"),
        ((-1, 8, "name", 0, -1), {}, OverflowError, "positive"),
        ((-1, 0, "name"), {}, OSError, "87"),
        ((-1, 8, "name", 0, 0, 0), {}, TypeError, "at most"),
    ],
)
def test_what_cannot_be_is_an_error(
    arguments: tuple[object, ...], words: dict[str, object], kind: type[Exception], text: str
) -> None:
    with pytest.raises(kind, match=text):
        mmap.mmap(*arguments, **words)  # type: ignore[arg-type]


def test_a_name_of_another_type_is_an_error(name: str) -> None:
    mutex = Mutex.create(name)
    with pytest.raises(OSError) as caught:
        mmap.mmap(-1, 100, name)
    mutex.close()
    assert getattr(caught.value, "winerror", None) == 6


def test_a_map_left_to_the_collector_lets_go_of_the_name(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        one = mmap.mmap(-1, 100, name)
        del one
        gc.collect()
    with pytest.raises(NotFoundError):
        Section.open(name)


def test_a_subclass_can_be_made(name: str) -> None:
    class Mine(mmap.mmap):
        def __new__(cls, *arguments: object, **words: object) -> Mine:
            return super().__new__(cls, -1, *arguments, **words)  # type: ignore[arg-type]

    with Mine(100, name) as one, Mine(100) as two:
        assert (type(one), type(two), len(two)) == (Mine, Mine, 100)


# ----------------------------------------------------------------- files and memory without a name


@pytest.mark.parametrize("tagged", [False, True])
def test_a_file_is_mapped(name: str, tmp_path: Path, tagged: bool) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100)
    with path.open("r+b") as file:
        one = mmap.mmap(file.fileno(), 0, name if tagged else None)
        assert (len(one), one.size()) == (100, 100)
        one[:1] = b"y"
        one.flush()
        one.close()
    assert path.read_bytes()[:2] == b"yx"


def test_a_map_in_windows_form_makes_a_file_grow(name: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 10)
    with path.open("r+b") as file:
        with mmap.mmap(file.fileno(), 5000, None) as one:
            assert (one[:11], path.stat().st_size) == (b"x" * 10 + b"\0", 5000)
        with mmap.mmap(file.fileno(), 6000, name) as one:
            assert (len(one), path.stat().st_size) == (6000, 6000)
    with path.open("rb") as file:
        for access in (mmap.ACCESS_READ, mmap.ACCESS_COPY, mmap.ACCESS_WRITE):
            with pytest.raises(OSError):
                mmap.mmap(file.fileno(), 7000, None, access)
        assert path.stat().st_size == 6000


@pytest.mark.linux_only("elsewhere a map in either form makes its file grow")
def test_a_map_in_linux_form_does_not(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 10)
    with path.open("r+b") as file, pytest.raises(ValueError):
        mmap.mmap(file.fileno(), 5000)
    assert path.stat().st_size == 10


def test_linux_form_is_understood_on_both(tmp_path: Path) -> None:
    with mmap.mmap(
        -1, 100, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, mmap.PROT_READ | mmap.PROT_WRITE
    ) as one:
        one[:2] = b"ab"
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100)
    with path.open("r+b") as file:
        with mmap.mmap(file.fileno(), 100, prot=mmap.PROT_READ) as reader, pytest.raises(TypeError):
            reader[0] = 1
        with mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE) as copy:
            copy[0] = 1
        with pytest.raises(ValueError):
            mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE, access=mmap.ACCESS_READ)
    assert path.read_bytes() == b"x" * 100


# ---------------------------------------------------------------------- resize


@pytest.mark.parametrize("size", [100, 50_000, 200_000])
def test_a_section_of_which_nobody_else_has_a_handle_changes_its_size(name: str, size: int) -> None:
    with mmap.mmap(-1, 50_000, name) as one:
        one[:] = content = os.urandom(50_000)
        one.resize(size)
        assert (len(one), one.size()) == (size, size)
        assert one[:] == content[:size].ljust(size, b"\0")
        with mmap.mmap(-1, size, name) as two:
            two[-1] = 77
            assert one[-1] == 77
            one[0] = 78
            assert two[0] == 78
    with pytest.raises(NotFoundError):
        Section.open(name)


def test_one_that_somebody_else_has_does_not(name: str) -> None:
    with mmap.mmap(-1, 50_000, name) as one:
        one[:3] = b"abc"
        with Section.open(name), pytest.raises(OSError) as caught:
            one.resize(100_000)
        assert getattr(caught.value, "winerror", None) == 1224
        assert (len(one), one[:3]) == (50_000, b"abc")
        with mmap.mmap(-1, 50_000, name) as two:
            assert two[:3] == b"abc"


def test_a_map_in_use_does_not(name: str) -> None:
    with mmap.mmap(-1, 5000, name) as one, memoryview(one) as used:
        with pytest.raises(BufferError):
            one.resize(10_000)
        used[0] = 9
        with mmap.mmap(-1, 5000, name) as two:
            assert two[0] == 9


@pytest.mark.linux_only("the genuine one closes its map when the new size cannot be had")
def test_a_size_that_cannot_be_had_loses_nothing(name: str) -> None:
    with mmap.mmap(-1, 5000, name) as one:
        one[:3] = b"abc"
        with pytest.raises(OSError):
            one.resize(1 << 50)
        assert (len(one), one[:3]) == (5000, b"abc")
        with mmap.mmap(-1, 5000, name) as two:
            assert two[:3] == b"abc"


@pytest.mark.parametrize("kind", ["file", "tagged file", "memory", "section"])
def test_resizing_to_nothing_is_refused_and_cuts_no_file(name: str, kind: str) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"x" * 100)
        file.flush()
        one = mmap.mmap(
            file.fileno() if "file" in kind else -1,
            100,
            name if kind in ("tagged file", "section") else None,
        )
        one[:1] = b"y"
        with pytest.raises(OSError) as caught:
            one.resize(0)
        assert getattr(caught.value, "winerror", None) == 87
        assert (one[:1], os.fstat(file.fileno()).st_size) == (b"y", 100)
        one.close()
        with pytest.raises(ValueError):
            one.resize(0)


def test_memory_without_a_name_grows() -> None:
    with mmap.mmap(-1, 100) as one:
        one[:3] = b"abc"
        one.resize(100_000)
        assert (len(one), one.size(), one[:4], one[-1]) == (100_000, 100_000, b"abc\0", 0)


@pytest.mark.linux_only("signals")
def test_the_name_of_a_killed_process_is_free(name: str) -> None:
    with subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time; from memsection.compat import mmap\n"
            "m = mmap.mmap(-1, 100, sys.argv[1]); print(1, flush=True); time.sleep(60)",
            name,
        ],
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        Section.open(name).close()
        child.kill()
    with pytest.raises(NotFoundError):
        Section.open(name)


@pytest.mark.linux_only("elsewhere nobody can cut what is mapped")
@pytest.mark.sentence(15)
@pytest.mark.parametrize("access", ["ACCESS_WRITE", "ACCESS_READ"])
@pytest.mark.parametrize("file", [False, True], ids=["memory", "file"])
def test_whoever_cuts_a_section_does_not_end_those_who_map_it(
    name: str, access: str, file: bool, tmp_path: Path
) -> None:
    path = tmp_path / "data"
    path.write_bytes(b"x" * 16384)
    code = """
import os, sys
from memsection import InPageError
from memsection.compat import mmap
tag, path = sys.argv[1:3]
file = os.open(path, os.O_RDWR) if path else -1
keeper = mmap.mmap(file, 16384, tagname=tag)
keeper[:] = b"y" * 16384
m = mmap.mmap(file, 16384, tagname=tag, access=mmap.ACCESS)
sys.stdout.reconfigure(line_buffering=True)
before = len(os.listdir("/proc/self/fd"))
held = memoryview(m)
try:
    m.close()
except BufferError:
    print("lent")
held.release()
child = os.fork()
if child:
    print(os.waitpid(child, 0)[1])
else:
    os.ftruncate(keeper._section.fileno() if file < 0 else file, 4096)
print(m[0], m[8000], m[-1])
for end in (m, keeper):
    try:
        end.flush()
    except InPageError:
        print("told")
    end.close()
if not child:
    sys.stdout.flush()
    os._exit(0)
""".replace("ACCESS)", f"{access})")
    said = python(code, f"Global\\{name}", str(path) if file else "").splitlines()
    assert sorted(said) == sorted(["lent", "0", *2 * ["121 0 0", "told", "told"]])
