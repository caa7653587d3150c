# SPDX-License-Identifier: MIT
"""A peer on a socket sends forged bodies, keeps locks on them and cuts them; and tampers with what
it is sent.

The receiver, a process that is watched, gets an error of the library or a handle that works, and
never waits for ever.
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import os
import socket
import struct
import sys
from pathlib import Path

sys.path[:0] = [
    str(Path(__file__).resolve().parent.parent),
    str(Path(__file__).resolve().parents[2] / "src"),
]

from support.storms import Storm, main  # noqa: E402  (after the path)
from support.workers import fork, reap  # noqa: E402

from memsection import Error, Event, Mutex, Section, Semaphore, Timer  # noqa: E402
from memsection.nt.linux.system import descriptions  # noqa: E402

KINDS = {1: Section, 2: Mutex, 3: Event, 4: Semaphore, 9: Timer}
PATIENCE = 60.0  #: seconds without an answer of the receiver
BATCH = 200


def receive(sock: socket.socket) -> None:
    """The honest side: take a handle of the kind that it is told, use it, and say what came of
    it."""
    descriptions.LOCK_PATIENCE_SECONDS = 0.02
    while True:
        told = sock.recv(1)
        if not told:
            return
        kind = KINDS[told[0]]
        answer = b"o"
        try:
            got = kind.recv(sock)
            sock.sendall(b"g")
            sock.recv(1)  # the peer cuts it now
            try:
                use(got)
            finally:
                got.close()
        except Error:
            answer = b"e"
        except Exception:
            answer = b"r"
        sock.sendall(answer)


def use(got: Section | Mutex | Event | Semaphore | Timer) -> None:
    """Touch what was received."""
    if isinstance(got, Section):
        with got.map(access="r") as view:
            bytes(view)
    elif isinstance(got, Event):
        got.set()
    elif isinstance(got, Timer):
        got.set(0, period=1)
        got.wait(timeout=0)
        got.cancel()
    elif isinstance(got, Mutex):
        if got.acquire(timeout=0, accept_abandoned=True):
            got.release()
    elif got.acquire(timeout=0):
        got.release()


def forge(storm: Storm, kind: int) -> tuple[int, list[int]]:
    """A body with something wrong, and descriptors that stay open with it."""
    chance = storm.random
    made = {
        1: lambda: Section.create(chance.choice([None, "Global\\forged"]), 8192),
        2: Mutex.create,
        3: Event.create,
        4: Semaphore.create,
        9: Timer.create,
    }[kind]()
    try:
        source = made.handle // 4  # its descriptor
        data = bytearray(os.pread(source, os.fstat(source).st_size, 0))
    finally:
        made.close()
    for _ in range(chance.choice([0, 0, 1, 3])):
        at = len(data) - 4096 + chance.randrange(0, 256, 4)
        data[at : at + 4] = struct.pack(
            "<I", chance.choice([0, 1, 5, 1 << 31, 0xFFFFFFFF, chance.getrandbits(32)])
        )
    fd = os.memfd_create("forged", chance.choice([0, os.MFD_ALLOW_SEALING, os.MFD_ALLOW_SEALING]))
    os.truncate(fd, max(0, len(data) + chance.choice([0, 0, 0, -4096, 4096, 100])))
    os.pwrite(fd, data, 0)
    if chance.random() < 0.7:
        with contextlib.suppress(OSError):
            fcntl.fcntl(
                fd,
                fcntl.F_ADD_SEALS,
                chance.choice([fcntl.F_SEAL_SHRINK, fcntl.F_SEAL_GROW, 6, 6, 6]),
            )
    os.lseek(fd, 1 << 62 | chance.choice([0xF001F, 0x1F0003, 0x1F0001, 4, (7 << 32) | 0xF001F]), 0)
    keeper = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY)
    fcntl.flock(keeper, chance.choice([fcntl.LOCK_EX, fcntl.LOCK_SH, fcntl.LOCK_UN, fcntl.LOCK_UN]))
    return fd, [keeper]


def lie(storm: Storm, sock: socket.socket) -> None:
    """One message, and what the receiver says of it."""
    kind = storm.random.choice(list(KINDS))
    fd, more = forge(storm, kind)
    try:
        header = struct.pack("=8sBB6x", b"memsecth", kind, 1)
        sock.sendall(bytes([kind]))
        sock.sendmsg([header], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])
        storm.count("messages")
        answer = sock.recv(1)
        if answer == b"g":
            with contextlib.suppress(OSError):
                os.ftruncate(fd, 0)
            os.lseek(fd, 0, 0)
            fcntl.flock(fd, fcntl.LOCK_UN)
            storm.count("believed")
            sock.sendall(b".")
            answer = sock.recv(1)
        if answer == b"r" or not answer:
            storm.count(
                "raw", example=f"the receiver of a {KINDS[kind].__name__} answers {answer!r}"
            )
    finally:
        for each in (fd, *more):
            os.close(each)


def tamper(storm: Storm) -> None:
    """What was sent is the receiver's: the sender's handle does not feel what happens to it."""
    left, right = socket.socketpair()
    with (
        left,
        right,
        Section.create("Global\\sent" if storm.random.random() < 0.5 else "sent", 4096) as section,
    ):
        section.send(left)
        fds = socket.recv_fds(right, 16, 2)[1]
        os.lseek(fds[0], storm.random.choice([0, 1 << 62, 1 << 61]), 0)
        fcntl.flock(fds[0], fcntl.LOCK_UN)
        with contextlib.suppress(OSError):
            fcntl.flock(fds[0], fcntl.LOCK_EX | fcntl.LOCK_NB)
        section.map().close()
        section.duplicate().close()
        Section.open(section.name or "").close()
        os.close(fds[0])
        storm.count("tampered")


def run(storm: Storm) -> None:
    """Batches, each with a receiver of its own."""
    while storm.goes_on():
        here, there = socket.socketpair()
        here.settimeout(PATIENCE)

        def body(there: socket.socket = there, here: socket.socket = here) -> None:
            here.close()
            receive(there)

        child = fork(body)
        there.close()
        try:
            for _ in range(BATCH):
                lie(storm, here)
                if storm.left < 0:
                    break
            tamper(storm)
        except TimeoutError:
            storm.count("stuck", example="the receiver does not answer")
            os.kill(child, 9)
        except (BrokenPipeError, ConnectionResetError):
            pass  # counted below
        here.close()
        status = reap(child)
        if status:
            storm.count("raw", example=f"the receiver ended with {status}")


if __name__ == "__main__":
    main(run)
