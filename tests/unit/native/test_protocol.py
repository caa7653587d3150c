# SPDX-License-Identifier: MIT
"""The door to the protocol steps: what it makes the object manager can read, and the other way."""

from __future__ import annotations

import os
import signal
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from memsection._native import ledger, protocol
from memsection.nt.linux.bodies import control_page
from memsection.nt.linux.names import locators

NAME = b"\\Sessions\\0\\BaseNamedObjects\\a"
CHECKSUM = zlib.crc32(NAME)
SIZE = 8192
UID, PID = os.geteuid(), os.getpid()


def descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path, os.O_RDONLY)
    before = descriptors()
    yield fd
    assert descriptors() == before
    os.close(fd)


def area() -> bytes:
    return control_page.Template("", b"descriptor", 1, 4, 0x8000000, 4096, 0).area


def create(flags: int = protocol.SEAL, directory: int = -1, name: bytes = NAME) -> protocol.Made:
    return protocol.create_body(
        directory, SIZE, SIZE + 4096, SIZE + 4096, area(), 0, SIZE, name, PID, UID, 0o600, flags
    )


def publish(directory: int, made: protocol.Made) -> int:
    return protocol.publish(
        directory, b"a", 1, made[1], made[2], locators.pid_namespace(), NAME, CHECKSUM, PID, made[0]
    )


def test_a_body_that_was_created_is_what_the_object_manager_reads() -> None:
    fd, device, inode, uid, gid, created, page = create()
    found = os.fstat(fd)
    assert (device, inode, uid, gid) == (found.st_dev, found.st_ino, found.st_uid, found.st_gid)
    facts = control_page.read(fd, found.st_size)
    assert (facts.size, facts.created_ns, facts.creator_pid) == (SIZE, created, PID)
    assert (facts.descriptor, facts.page) == (b"descriptor", page)
    assert control_page.name(fd, facts) == NAME.decode()
    assert protocol.same_page(fd, found.st_size, page)
    assert protocol.seals(fd) == 6
    os.close(fd)


def test_a_draft_with_pages_of_its_own_is_written_as_it_is() -> None:
    draft = control_page.Draft("n" * 2000, "", b"d")
    fd = protocol.make_body(-1, SIZE + draft.area_pages * 4096, True)
    draft.write(fd, SIZE, (1, 4, 0x8000000, SIZE), (0, 0), (1, 2))
    written = os.pread(fd, draft.area_pages * 4096, SIZE)
    os.close(fd)
    made = protocol.create_body(
        -1,
        SIZE,
        SIZE + len(written),
        0,
        written,
        len(written) - 4096,
        SIZE,
        b"",
        PID,
        UID,
        -1,
        protocol.SEAL,
    )
    facts = control_page.read(made[0], SIZE + len(written))
    assert control_page.name(made[0], facts) == "n" * 2000
    assert (facts.creator_pid, facts.created_ns) == (PID, made[5])
    os.close(made[0])


def test_a_read_only_handle_replaces_the_descriptor_that_made_it() -> None:
    before = len(descriptors())
    fd = create(protocol.SEAL | protocol.READ_ONLY)[0]
    assert len(descriptors()) == before + 1
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.pwrite(fd, b"x", 0)
    os.close(fd)


def test_a_published_name_is_found_and_goes_with_the_last_handle(directory: int) -> None:
    made = create()
    locator = publish(directory, made)
    facts = locators.read_locator(locator, os.fstat(locator).st_size)
    assert facts is not None
    assert (facts.identity, facts.name) == ((made[1], made[2]), NAME.decode())
    with pytest.raises(FileExistsError):
        publish(directory, made)
    found = protocol.find(directory, b"a", NAME, CHECKSUM, locators.pid_namespace(), UID, True)
    assert found[0] == protocol.FOUND
    assert found[3:8] == (made[1], made[2], SIZE + 4096, PID, made[0])
    assert found[8]
    assert protocol.hints_of(found[9]) == facts.hints == [(PID, made[0])]
    last, probe = protocol.close_last(made[0], -1, directory, b"a", locator, False)
    assert not last
    ledger.close(probe)
    protocol.leave_hint(locator, found[9], 4, 77, 8)
    again = locators.read_locator(locator, os.fstat(locator).st_size)
    assert again is not None
    assert again.hints == [(PID, made[0]), (77, 8)]
    protocol.give_up(found[1], directory, b"a", False)
    assert not os.listdir(directory)
    for fd in (locator, found[2]):
        ledger.close(fd)
    with pytest.raises(FileNotFoundError):
        protocol.find(directory, b"a", NAME, CHECKSUM, locators.pid_namespace(), UID, True)


def test_a_search_goes_on_where_hints_end(directory: int) -> None:
    made = create()
    locator = publish(directory, made)
    protocol.leave_hint(locator, b"", 0, 1, 0)
    lost = protocol.find(directory, b"a", NAME, CHECKSUM, locators.pid_namespace(), UID, False)
    assert lost[0] == protocol.LOST
    outcome, found, device, inode, pid_namespace, hints, is_exclusive = protocol.open_locator(
        directory, b"a", NAME, CHECKSUM, UID, True
    )
    assert (outcome, device, inode, is_exclusive) == (protocol.FOUND, made[1], made[2], False)
    assert pid_namespace == locators.pid_namespace()
    assert protocol.hints_of(hints) == [(1, 0)]
    assert protocol.open_body(PID, directory, device, inode, False) == -1
    body = protocol.open_body(PID, made[0], device, inode, False)
    assert protocol.hold_found(body, found, directory, b"a", is_exclusive) == protocol.FOUND
    for fd in (made[0], locator, body):
        ledger.close(fd)
    assert protocol.sweep(found, directory, b"a")
    ledger.close(found)
    assert not os.listdir(directory)


def test_a_global_body_is_found_by_its_own_name(directory: int) -> None:
    made = create(0, directory)
    protocol.link(made[0], directory, b"g")
    outcome, fd, device, inode, size, uid, links, is_writable = protocol.find_body(
        directory, b"g", True
    )
    assert (outcome, device, inode, size, uid, links, is_writable) == (
        protocol.FOUND,
        made[1],
        made[2],
        SIZE + 4096,
        UID,
        1,
        True,
    )
    assert protocol.hold_body(fd, directory, b"g") == protocol.FOUND
    ledger.close(made[0])
    probe = protocol.reopen(fd, False)
    assert not protocol.unlink_if_last(probe, directory, b"g", -1, True)
    ledger.close(fd)
    assert protocol.unlink_if_last(probe, directory, b"g", -1, True)
    ledger.close(probe)
    assert not os.listdir(directory)


def test_a_handle_is_live_until_it_is_revoked() -> None:
    fd = create()[0]
    assert not protocol.is_live(fd)
    protocol.set_position(fd, protocol.TAG | 3, inherit=True)
    assert protocol.is_live(fd)
    assert os.get_inheritable(fd)
    assert protocol.revoke(fd)
    assert not protocol.revoke(fd)
    assert protocol.position(fd) == protocol.TAG | protocol.REVOKED | 3
    os.close(fd)
    with pytest.raises(OSError, match="Bad file"):
        protocol.is_live(fd)


def test_locks_are_taken_only_where_nobody_is_in_the_way() -> None:
    fd = create()[0]
    other = protocol.reopen(fd, False)
    assert not protocol.lock_exclusive(other)
    assert protocol.lock_shared(other)
    protocol.unlock(fd)
    assert protocol.lock_exclusive(other)
    assert not protocol.lock_shared(fd)
    os.close(fd)
    os.close(other)


def test_a_view_comes_back_to_its_address() -> None:
    fd = create()[0]
    address = protocol.map_view(fd, SIZE, 3, 1, 0, True)
    assert address % protocol.GRANULARITY == 0
    protocol.unmap(address, SIZE)
    assert protocol.map_view(fd, SIZE, 1, 1, 0, False) == address
    protocol.unmap(address, SIZE)
    os.close(fd)


@pytest.mark.invariant("O1")
def test_what_an_interrupted_operation_acquired_is_given_back(directory: int) -> None:
    """Whatever the step acquired stands in the ledger, so an operation that raises leaves
    nothing."""
    before = descriptors()

    class InterruptedHere(Exception):
        pass

    @ledger.whole
    def operation() -> None:
        made = create()
        publish(directory, made)
        protocol.reopen(made[0], True)
        protocol.map_view(made[0], SIZE, 3, 1, 0, False)
        raise InterruptedHere

    with pytest.raises(InterruptedHere):
        operation()
    assert descriptors() == before
    os.unlink("a", dir_fd=directory)


@pytest.mark.invariant("O1")
def test_a_signal_during_a_reservation_leaves_nothing() -> None:
    before = descriptors()

    class RungError(Exception):
        pass

    def ring(*_: object) -> None:
        raise RungError

    @ledger.whole
    def operation() -> int:
        size = 32 << 20
        made = protocol.create_body(
            -1, size, size + 4096, size + 4096, area(), 0, size, b"", PID, UID, 0o600, 0
        )
        signal.pause()
        return made[0]

    old = signal.signal(signal.SIGALRM, ring)
    try:
        for delay in (0.0002, 0.001, 0.005):
            with pytest.raises(RungError):
                signal.setitimer(signal.ITIMER_REAL, delay)
                operation()
            assert descriptors() == before
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


def test_a_failure_is_an_oserror_of_its_kind() -> None:
    with pytest.raises(FileNotFoundError):
        protocol.reopen(999999, False)
    with pytest.raises(OSError, match="Bad file descriptor"):
        protocol.reserve(999999, 0, 4096)
    with pytest.raises(OSError, match="Invalid argument"):
        protocol.create_body(-1, 0, 4096, 0, b"short", 0, 0, b"", 0, 0, -1, 0)
