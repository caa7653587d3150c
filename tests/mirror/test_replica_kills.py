# SPDX-License-Identifier: MIT
"""Death at every call into the system that the Python code of the program that carries a replica
makes (what compiled code calls, and waits for, is not among them: see ``test_native_waits``): who
reads has a whole copy, and the next one carries on."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.hosts import Host

SIZE = 100_000
#: What all of them know: one content for each number, and how a replica of it is carried.
COMMON = """
from support import sweep
from memsection import Section
from memsection.mirror import contents, copies, status
from memsection.vocabulary.errors import NotFoundError
def content_of(number): return bytes([number % 251]) * SIZE
def facts_of(kind):
    if kind == "bytes": return {"kind": "bytes"}
    with latest.create("of-this-kind", SIZE) as source:
        return contents.facts_of("x", schema.describe(source.section))
facts = facts_of(KIND)
def carry(number):
    # as a receiver does: half of it, the other half, and then it is said that it is there
    shared = status.Shared("copy", "robot/x")
    assert shared.carries()
    copy = copies.Copy("copy", "robot/x")
    place = copy.begin(facts, SIZE, 0, 1)
    place.memory[: SIZE // 2] = content_of(number)[: SIZE // 2]
    place.memory[SIZE // 2 :] = content_of(number)[SIZE // 2 :]
    place.publish()
    place.close()
    shared.write(epoch=1, sequence=number, arrived_ns=1, heard_ns=1, flags=0)
    return shared, copy
def let_go(shared, copy):
    copy.close()
    shared.carrier.release()
    shared.close()
def content_now():
    # what is under the name, None where nothing is
    try:
        if KIND == "latest":
            with latest.open("copy") as reader: return reader.read()
        with Section.open("copy", access="r") as section, section.map(access="r") as view:
            return bytes(view[:SIZE])
    except NotFoundError:
        return None
"""


@pytest.mark.parametrize("kind", ["latest", "bytes"])
def test_death_at_any_call_that_python_makes_leaves_whole_copies(
    kind: str, host: Callable[..., Host], pytestconfig: pytest.Config
) -> None:
    # Each call with --soak 10; in the short form every fourth one.
    step = 1 if pytestconfig.getoption("--soak") >= 10 else 4
    reader = host()
    carrier = host(reader)
    for one in (reader, carrier):
        one.run(f"SIZE, KIND = {SIZE}, {kind!r}\n{COMMON}")
    # another subscriber on this host, and somebody who reads whatever the replica is
    reader.run("shared = keep(status.Shared('copy', 'robot/x')); let_go(*carry(1)); last = 1")
    number, outcome = 0, ""
    while outcome != "ended":
        number += step
        reader.run(
            "held = carry(last); opened = latest.open('copy') if KIND == 'latest' else "
            "Section.open('copy', access='r'); let_go(*held)"
        )
        outcome = carrier.value(
            "sweep.attempt(globals(), '', run, number)",
            run=f"let_go(*carry({number + 1}))",
            number=number,
        )
        assert outcome in ("killed", "ended"), f"call {number}: {outcome}"
        # Content that is neither the one before nor the new one would be torn; of plain memory the
        # name may be gone with the dead, as long as nobody carries on.
        found = reader.value(
            f"(lambda now: now in (content_of(last), content_of({number + 1})) or "
            "(now is None and KIND != 'latest'))(content_now())"
        )
        assert found, f"after death at call {number}"
        said = reader.value("shared.look().sequence")
        assert said in (reader.value("last"), number + 1), f"after death at call {number}"
        reader.run(
            f"last = {number + 1}; held = carry(last)\n"
            "assert content_now() == content_of(last) and shared.look().sequence == last\n"
            "let_go(*held); opened.close()"
        )
        assert number < 5000, "it does not end"
    assert number > 20, "hardly a call was met"


def test_another_user_has_nothing_of_a_replica(
    host: Callable[..., Host], robot: Host, base: Host, start_as: Callable[[int, str], object]
) -> None:
    robot.run(
        "camera = keep(latest.create('camera', 64)); camera.write(b'first')\n"
        "keep(mirror.publish(camera, network=net))"
    )
    base.root.chmod(0o1777)  # as the place is where the names of all users are
    base.run(
        "replica = keep(mirror.subscribe('robot/camera', network=net))\n"
        "assert replica.wait(timeout=60)"
    )
    stranger = start_as(12345, str(base.root))
    refused = stranger.value(  # type: ignore[attr-defined]
        """[type(problem).__name__ for name in ("camera", "camera.mirror")
            for access in ("r", "rw") for problem in [refusal(Section.open, name, access=access)]]"""
    )
    assert refused == ["NotFoundError"] * 4  # names of a user are that user's
    opened = stranger.value("opened_of(root, pid)", root=str(base.root), pid=base.pid)  # type: ignore[attr-defined]
    assert opened == []
    owner = start_as(0, str(base.root))
    assert owner.value("opened_of(root, pid)", root=str(base.root), pid=base.pid)  # type: ignore[attr-defined]
    robot.run("camera.write(b'second')")
    assert base.value("until(lambda: replica.sequence == 2)")
    assert base.value("keep(latest.open('camera')).read()") == b"second"


STRANGER = """
import os
from memsection import Event, Section
def refusal(function, *arguments, **options):
    try:
        function(*arguments, **options)
    except Exception as problem:
        return problem
def opened_of(root, pid):
    # every file of the namespace, and every descriptor and mapping of who carries
    found = []
    paths = [os.path.join(place, file) for place, _, files in os.walk(root) for file in files]
    for place in ("fd", "map_files"):
        try:
            paths += [f"/proc/{pid}/{place}/{one}" for one in os.listdir(f"/proc/{pid}/{place}")]
        except PermissionError:
            pass
    for path in paths:
        for flags in (os.O_RDONLY, os.O_RDWR):
            try:
                os.close(os.open(path, flags | os.O_NONBLOCK))
            except OSError:
                continue
            found.append(path)
    return found
"""


@pytest.fixture
def start_as():  # type: ignore[no-untyped-def]
    """A program of another user, with the namespace of a host."""
    from support import users

    with users.programs() as start:

        def begin(uid: int, root: str) -> users.Program:
            made: users.Program = start(uid, root=root)
            made.run(STRANGER)
            return made

        yield begin
