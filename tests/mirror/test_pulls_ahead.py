# SPDX-License-Identifier: MIT
"""The next snapshot is asked for while the last part of the one before it is on its way, and never
counts before that one is here."""

from __future__ import annotations

import pytest
from support.hosts import Host

SIZE = 3 << 20
#: A publisher of the test's.  In its first answer it announces the next snapshot, goes on when that
#: is known, and sends the last part when the next pull has come.
PUBLISHER = """
import zenoh
from memsection.mirror import contents, wire
config = zenoh.Config()
for name, value in {"mode": "peer", "listen/endpoints": ["tcp/127.0.0.1:PORT"],
                    "scouting/multicast/enabled": False, "scouting/gossip/enabled": False}.items():
    config.insert_json5(name, json.dumps(value))
session = keep(zenoh.open(config))
prefix = wire.prefix("robot", "camera")
text = contents.pack({"kind": "latest", "capacity": SIZE, "slots": 4, "version": 0})
newest, asked, is_known, is_whole = 1, [], threading.Event(), WHOLE
def record():
    return wire.Announcement(9, newest, SIZE, contents.digest(text)).pack()
def tell(query):
    with query: query.reply(prefix + "/head", text, attachment=record())
def answer(query):
    global newest
    with query:
        asked.append(wire.wants(query.payload.to_bytes())[:2])
        number, is_first = newest, len(asked) == 1
        query.reply(prefix + "/pull", text, attachment=record())
        for at in range(0, SIZE, wire.CHUNK):
            if is_first and at + 2 * wire.CHUNK == SIZE:
                newest = 2
                session.put(prefix + "/news", b"", attachment=record())
                assert is_known.wait(60)
            elif is_first and at + wire.CHUNK == SIZE:
                assert until(lambda: len(asked) > 1)
                if not is_whole: return
            query.reply(prefix + "/pull", bytes([number]) * wire.CHUNK,
                        attachment=wire.chunk(9, number, at))
        query.reply(prefix + "/pull", b"", attachment=wire.commit(9, number, SIZE))
def pull(query):
    threading.Thread(target=answer, args=(query,)).start()
made = [session.declare_queryable(prefix + "/head", tell),
        session.declare_queryable(prefix + "/pull", pull),
        session.liveliness().declare_token(prefix + "/alive/" + "%016x" % 9)]
"""


def _pull(robot: Host, base: Host, port: int, is_whole: bool) -> list[tuple[int, int]]:
    """Have two snapshots pulled; what the pulls said that they had."""
    words = {"PORT": port, "SIZE": SIZE, "WHOLE": is_whole}
    program = PUBLISHER
    for word, value in words.items():
        program = program.replace(word, str(value))
    robot.run(program)
    base.run("replica = keep(mirror.subscribe('robot/camera', network=net))")
    assert base.value(
        "until(lambda: getattr(replica._receiver._wanted, 'sequence', 0) == 2)"  # 1 is wanted first
    )
    robot.run("is_known.set()")
    assert base.value("until(lambda: replica.sequence == 2)")
    assert base.value(f"keep(latest.open('camera')).read() == bytes([2]) * {SIZE}")
    robot.run("del made")
    asked: list[tuple[int, int]] = robot.value("asked")
    return asked


def test_the_next_one_is_asked_for_while_the_last_part_is_on_its_way(
    robot: Host, base: Host, port: int
) -> None:
    assert _pull(robot, base, port, True) == [(0, 0), (9, 1)]
    assert base.value("replica.statistics")["snapshots"] == 2


def test_what_was_asked_for_after_one_that_never_came_whole_is_not_taken(
    robot: Host, base: Host, port: int
) -> None:
    asked = _pull(robot, base, port, False)
    assert asked[:3] == [(0, 0), (9, 1), (0, 0)]
    assert base.value("replica.statistics")["snapshots"] == 1


@pytest.mark.parametrize("size", [1_500_000, 3_000_000, 9_500_000])
def test_snapshots_that_follow_each_other_closely_are_whole_and_in_order(
    size: int, robot: Host, base: Host
) -> None:
    robot.run(
        f"camera = keep(latest.create('camera', {size})); camera.write(bytes({size}))\n"
        "publication = keep(mirror.publish(camera, network=net))"
    )
    base.run("replica = keep(mirror.subscribe('robot/camera', network=net))")
    assert base.value("replica.wait(timeout=60)")
    base.run("reader, seen, torn = keep(latest.open('camera')), [], 0")
    base.run(
        "def look():\n"
        "    global torn\n"
        "    while not seen or seen[-1] < 60:\n"
        "        if not replica.wait(timeout=60, after=seen[-1] if seen else 0): return\n"
        "        seen.append(replica.sequence); value = reader.read()\n"
        "        torn += len(set(value)) != 1\n"
        "looking = threading.Thread(target=look); looking.start()"
    )
    robot.run(f"for n in range(2, 61): camera.write(bytes([n]) * {size}); time.sleep(0.01)")
    base.run("looking.join(60)")
    assert base.value("(torn, seen[-1], seen == sorted(set(seen)))") == (0, 60, True)
