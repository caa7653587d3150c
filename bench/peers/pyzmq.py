# SPDX-License-Identifier: MIT
"""pyzmq: a pair of sockets over ipc://, without copies where it can."""

from __future__ import annotations

import os
import tempfile

import zmq

from peers import Talk

NAME = "pyzmq"


def version() -> str:
    return str(zmq.__version__)


class frames(Talk):  # noqa: N801
    def __init__(self, size: int) -> None:
        self.directory = tempfile.TemporaryDirectory()
        self.address = f"ipc://{self.directory.name}/socket"
        self.frame = os.urandom(size)

    def parent(self) -> None:
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.PAIR)
        self.socket.bind(self.address)

    def child(self) -> None:
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.PAIR)
        self.socket.connect(self.address)

    def ask(self) -> None:
        self.socket.send(self.frame, copy=False)
        self.socket.recv()

    def answer(self) -> None:
        memory = self.socket.recv(copy=False).buffer
        memory[0], memory[-1]
        self.socket.send(b"x")

    def close(self) -> None:
        self.socket.close(0)
        self.context.term()
        self.directory.cleanup()


class signals(frames):
    def __init__(self) -> None:
        super().__init__(1)

    def ask(self) -> None:
        self.socket.send(b"x")
        self.socket.recv()

    def answer(self) -> None:
        self.socket.send(self.socket.recv())


class arrays(frames):
    def __init__(self, shape: tuple[int, ...]) -> None:
        import numpy as np

        super().__init__(1)
        self.frame = np.ones(shape)

    def answer(self) -> None:
        import numpy as np

        array = np.frombuffer(self.socket.recv(copy=False).buffer).reshape(self.frame.shape)
        array[0, 0], array[-1, -1]
        self.socket.send(b"x")
