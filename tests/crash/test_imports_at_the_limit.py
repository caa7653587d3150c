# SPDX-License-Identifier: MIT
"""No descriptor left, and modules that are imported with their first use: errors of this library.

Each operation runs in a forked child, in which nothing but a section was used before.
"""

from __future__ import annotations

import errno
import functools
import json
import subprocess
import sys

import pytest

#: What is done before the last descriptor is taken, and what is tried then.
_OPERATIONS: dict[str, tuple[str, str]] = {
    "make a section": ("", "memsection.Section.create(size=4096)"),
    "open a section": ("", "memsection.Section.open('nobody has this')"),
    "wait for a name": ("", "memsection.Section.open('nobody has this', timeout=0.01)"),
    "map reserved pages": (
        "reserved = memsection.Section.create(size=65536, commit=False)",
        "reserved.map().commit()",
    ),
    "a section of a file": ("", "memsection.Section.from_file('/proc/self/exe')"),
    "a mutex": ("", "memsection.Mutex.create()"),
    "an event": ("", "memsection.Event.create()"),
    "a semaphore": ("", "memsection.Semaphore.create(maximum=2)"),
    "a timer": ("", "memsection.Timer.create()"),
    "a lock": ("", "memsection.RWLock.create()"),
    "use a lock": ("lock = memsection.RWLock.create()", "lock.read().__enter__()"),
    "use a timer": ("timer = memsection.Timer.create()", "timer.set(0.01); timer.wait(60)"),
    "set an event": ("event = memsection.Event.create()", "event.set(); event.wait(0)"),
    "release a semaphore": (
        "semaphore = memsection.Semaphore.create(maximum=2)",
        "semaphore.release(); semaphore.acquire()",
    ),
    "own a mutex": ("mutex = memsection.Mutex.create()", "mutex.acquire(); mutex.release()"),
    "an access list in words": ("", "memsection.Section.create(size=1, security='everybody:r')"),
    "an access list": ("", "memsection.Section.create(size=1, security='D:(A;;GA;;;WD)')"),
    "a process": ("", "memsection.Process(os.getppid())"),
    "wait for any": (
        "event = memsection.Event.create()",
        "memsection.wait_any([event, section], timeout=0)",
    ),
    "look at the security": ("", "section.security"),
    "change the security": ("", "section.security = 'D:(A;;GA;;;WD)'"),
    "security of its own": ("", "memsection.Security.from_sddl('D:(A;;GA;;;WD)')"),
    "duplicate": ("", "section.duplicate()"),
    "seal": ("", "section.seal()"),
    "take a name": ("", "section.take_name('at-the-limit')"),
    "pickle a section": ("import pickle", "pickle.dumps(section)"),
    "send a section": ("ours, theirs = socket.socketpair()", "section.send(ours)"),
    "receive": (
        "ours, theirs = socket.socketpair(); section.send(ours)",
        "memsection.Section.recv(theirs)",
    ),
    "start a program": ("", "memsection.popen_arguments(section)"),
    "arrays": ("", "memsection.arrays.create(None, 4)"),
    "arrays, with NumPy": ("import numpy", "memsection.arrays.put(None, numpy.zeros(4))"),
    "records": ("", "memsection.records.create(None, '<i4', 4)"),
    "latest": (
        "from dataclasses import make_dataclass; Pose = make_dataclass('Pose', [('x', float)])",
        "memsection.latest.create(None, Pose)",
    ),
    "arrow": ("", "memsection.arrow.put('at-the-limit', None)"),
    "arrow, with pyarrow": (
        "import pyarrow; table = pyarrow.table({'x': [1]})",
        "memsection.arrow.put('at-the-limit', table)",
    ),
    "arrow, loaded": (
        "import pyarrow; table = pyarrow.table({'x': [1]}); memsection.arrow",
        "memsection.arrow.put('at-the-limit', table)",
    ),
    "a frame": (
        "import pyarrow; table = memsection.arrow.put(None, pyarrow.table({'x': [1]}))",
        "memsection.arrow.frame(table)",
    ),
    "pickling": ("", "memsection.pickling.dumps([1])"),
    "a queue": ("from memsection.channels import Queue", "Queue.create(None)"),
    "a topic": ("from memsection.channels import Topic", "Topic.create(None, bytes)"),
    "a service": ("from memsection.channels import Service", "Service.create(None)"),
    "send objects": (
        "from memsection.channels import Queue; queue = Queue.create(None)",
        "queue.send({'a': 1}); queue.receive()",
    ),
    "receive objects": (
        "from memsection.channels import Queue; queue = Queue.create(None)",
        "queue.receive(timeout=0)",
    ),
    "send arrays": (
        "from memsection.channels import Queue; import numpy; "
        "queue = Queue.create(None, numpy.ndarray)",
        "queue.send(numpy.zeros(4)); queue.receive(); queue.send(numpy.zeros(1 << 22))",
    ),
    "send much": (
        "from memsection.channels import Queue; queue = Queue.create(None, bytes)",
        "queue.send(bytes(1 << 24))",
    ),
    "SharedMemory": ("", "memsection.compat.SharedMemory(create=True, size=10)"),
    "SharedMemory, loaded": (
        "from memsection.compat.shared_memory import SharedMemory",
        "SharedMemory(create=True, size=10)",
    ),
    "ShareableList": (
        "from memsection.compat.shareable_list import ShareableList",
        "ShareableList([1, 2])",
    ),
    "mmap": ("from memsection.compat import mmap", "mmap.mmap(-1, 100, tagname='at-the-limit')"),
    "queues": ("from memsection.compat import queues", "queues.Queue()"),
    "win32": ("", "memsection.win32.CreateEvent(None, True, False, None)"),
    "nt": ("", "memsection.nt.NtCreateEvent"),
}
_PROGRAM = """
import json, os, resource, socket, sys
import memsection
section = memsection.Section.create(size=4096)
memsection.Error


def attempt(prepare, operation, soft, hard):
    space = {**globals()}
    exec(prepare, space)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    taken = []
    try:
        while True:
            taken.append(os.dup(0))
    except OSError:
        pass
    try:
        exec(operation, space)
    except memsection.Error as problem:
        said = f"{problem.winerror} {problem}"
    except AttributeError as problem:
        said = f"wrong test: {problem}"
    except (TypeError, ValueError):
        said = "refused"
    except BaseException as problem:
        said = f"raw {type(problem).__module__}.{type(problem).__name__}: {problem}"
    else:
        said = "done"
    for fd in taken:
        os.close(fd)
    return said


answers = {}
for name, arguments in json.load(sys.stdin).items():
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(writer, attempt(*arguments).encode())
        except BaseException as problem:
            os.write(writer, f"wrong test: {problem!r}".encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader) as pipe:
        answers[name] = pipe.read()
    os.waitpid(child, 0)
section.close()
print(json.dumps(answers))
"""
_FRESH = """
import json, os, resource, sys
import memsection, memsection.compat
loaded, soft, hard = sys.argv[1] == "loaded", int(sys.argv[2]), int(sys.argv[3])
if loaded:
    memsection.Error
answers = {}
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
if sys.argv[4] == "without":
    del sys.modules["resource"]  # as where nobody has imported it
places = [(memsection, name) for name in [*memsection.__all__, *memsection._MODULES]]
places += [(memsection.compat, name) for name in memsection.compat.__all__]
for place, name in places:
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        said = "nothing"
        try:
            try:
                while True:
                    os.dup(0)
            except OSError:
                pass
            try:
                getattr(place, name)
                said = "done"
            except OSError as problem:
                kind = type(problem)
                said = f"{kind.__module__}.{kind.__name__} {problem.errno} {problem.strerror}"
            except BaseException as problem:
                said = f"raw {problem!r}"
            os.write(writer, said.encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader) as pipe:
        answers[f"{place.__name__}.{name}"] = pipe.read()
    os.waitpid(child, 0)
print(json.dumps(answers))
"""
_TOO_MANY_OPEN_FILES = 4
_IMPORTING = ("arrays", "latest", "send objects", "SharedMemory", "pickling")


@functools.cache
def _answers(soft: int, hard: int) -> dict[str, str]:
    """What each operation said: done in a forked child, which has imported what is used here only."""
    asked = {name: [*operation, soft, hard] for name, operation in _OPERATIONS.items()}
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    answers: dict[str, str] = json.loads(done.stdout)
    return answers


@pytest.mark.parametrize("name", _OPERATIONS)
def test_at_the_limit_there_are_errors_of_this_library_only(name: str) -> None:
    said = _answers(64, 64)[name]
    assert said, "the process ended"
    assert not said.startswith(("raw ", "wrong test")), said
    if said.startswith(f"{_TOO_MANY_OPEN_FILES} "):
        assert "as many files open as it may, 64: close some objects" in said


@pytest.mark.parametrize("name", _IMPORTING)
def test_an_import_has_the_descriptors_that_the_hard_limit_allows(name: str) -> None:
    assert _answers(64, 256)[name] in ("done", "refused")
    said = _answers(64, 64)[name]
    assert said.startswith(f"{_TOO_MANY_OPEN_FILES} ") and "import '" in said


def _fresh(*arguments: str) -> dict[str, str]:
    done = subprocess.run(
        [sys.executable, "-c", _FRESH, *arguments], capture_output=True, text=True, timeout=110
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    answers: dict[str, str] = json.loads(done.stdout)
    assert len(answers) > 40
    return answers


@pytest.mark.parametrize("loaded", ["loaded", "fresh"])
def test_the_first_name_that_is_used_tells_the_limit_and_the_remedy(loaded: str) -> None:
    for name, said in _fresh(loaded, "64", "64", "without").items():
        if said == "done":
            assert loaded == "loaded" or name == "memsection.compat"  # it is there already
            continue
        kind = "memsection.Error" if loaded == "loaded" else "builtins.OSError"
        assert said.startswith(f"{kind} {errno.EMFILE} import 'memsection."), (name, said)
        assert "as many files open as it may, 64: close some files" in said, (name, said)
        assert "(ulimit -n, LimitNOFILE=)" in said, (name, said)


def test_the_first_name_has_the_descriptors_that_the_hard_limit_allows() -> None:
    assert set(_fresh("fresh", "64", "256", "with").values()) == {"done"}
