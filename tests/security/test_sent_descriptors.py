# SPDX-License-Identifier: MIT
"""Descriptors to users who are not trusted: what leaves is given away for good."""

from __future__ import annotations

import fcntl
import mmap
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from support.objects import leaves_nothing, unique_name
from support.workers import worker

from memsection import Section
from memsection.api import passing
from memsection.nt.linux.bodies import file_locks

_left = pytest.fixture(autouse=True)(leaves_nothing)


def receive(sock: socket.socket) -> list[int]:
    """The descriptors of what was sent, as a receiver gets them who goes round the library."""
    return socket.recv_fds(sock, passing._HEADER.size, 2)[1]


@pytest.mark.sentence(10)
@pytest.mark.parametrize("prefix", ["", "Global\\"])
def test_what_a_receiver_does_to_its_descriptor_does_nothing_to_the_sender(
    prefix: str, impatient: None, sockets: tuple[socket.socket, socket.socket]
) -> None:
    name = unique_name(prefix)
    with worker() as other, Section.create(name, 4096) as section:
        section.send(sockets[0])
        fds = receive(sockets[1])
        os.lseek(fds[0], 0, 0)
        section.map().close()
        fcntl.flock(fds[0], fcntl.LOCK_UN)
        other.run("Section.open(name).close()", name=name)
        with pytest.raises(BlockingIOError):
            fcntl.flock(fds[0], fcntl.LOCK_EX | fcntl.LOCK_NB)  # the sender's lock is still there
        section.duplicate().close()
        os.close(fds[0])


@pytest.mark.sentence(10)
def test_a_receiver_that_is_faster_than_the_sender_spoils_no_send(
    monkeypatch: pytest.MonkeyPatch, sockets: tuple[socket.socket, socket.socket]
) -> None:
    """What it gets is no handle any more before the sender has closed its own descriptor of it."""
    send_fds, received = socket.send_fds, []

    def sent_and_spoiled(sock: socket.socket, *arguments: Any) -> int:
        count = send_fds(sock, *arguments)
        received.extend(receive(sockets[1]))
        os.lseek(received[0], 0, 0)
        return count

    monkeypatch.setattr(socket, "send_fds", sent_and_spoiled)
    with Section.create(size=4096) as section:
        before = len(os.listdir("/proc/self/fd"))
        section.send(sockets[0])
        os.close(received[0])
        assert len(os.listdir("/proc/self/fd")) == before


def test_the_statement_about_a_file_stays_with_the_sender(
    sockets: tuple[socket.socket, socket.socket], tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(bytes(8192))
    with Section.from_file(tmp_path / "file") as section:
        section.send(sockets[0])
        fds = receive(sockets[1])
        file_locks._set(fds[1], file_locks._F_UNLCK, 0, 1 << 20)
        os.close(fds[0])
        os.close(fds[1])
        fd = os.open(tmp_path / "file", os.O_RDONLY)
        assert file_locks.section_in_use(fd)
        os.close(fd)


def test_a_message_that_nobody_takes_leaves_nothing() -> None:
    name = unique_name()
    left, right = socket.socketpair()
    with left, right:
        with Section.create(name, 4096) as section:
            section.send(left)
    with pytest.raises(FileNotFoundError):
        Section.open(name)


def test_what_cannot_be_sent_leaves_nothing_behind() -> None:
    left, right = socket.socketpair()
    right.close()
    with (
        left,
        Section.create(unique_name(), 4096) as section,
        pytest.raises(OSError, match="Broken pipe"),
    ):
        section.send(left)


def test_a_mapping_of_a_received_body_stays_when_its_sender_tries_to_cut_it(
    sockets: tuple[socket.socket, socket.socket],
) -> None:
    with Section.create(size=4096) as section:
        section.send(sockets[0])
        with Section.recv(sockets[1]) as received, received.map() as view:
            with pytest.raises(PermissionError):
                os.ftruncate(section.fileno(), 0)
            view[:2] = b"ok"
            with mmap.mmap(section.fileno(), 4096) as direct:
                assert direct[:2] == b"ok"
