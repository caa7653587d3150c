# SPDX-License-Identifier: MIT
"""iceoryx2: publish-subscribe with loaned samples, and its events to wake.

The process with the publisher writes straight into the loaned sample, as its users do.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import os

import iceoryx2 as iox

from peers import Talk

NAME = "iceoryx2"
iox.set_log_level(iox.LogLevel.Error)


def version() -> str:
    return importlib.metadata.version("iceoryx2")


class signals(Talk):  # noqa: N801
    def __init__(self) -> None:
        self.base = f"bench-{os.getpid()}-{id(self):x}"

    def _open(self) -> None:
        self.node = iox.NodeBuilder.new().create(iox.ServiceType.Ipc)

    def _event(self, name: str):
        return (
            self.node.service_builder(iox.ServiceName.new(f"{self.base}-{name}"))
            .event()
            .open_or_create()
        )

    def parent(self) -> None:
        self._open()
        self.listener = self._event("back").listener_builder().create()
        self.notifier = self._event("there").notifier_builder().create()

    def child(self) -> None:
        self._open()
        self.listener = self._event("there").listener_builder().create()
        self.notifier = self._event("back").notifier_builder().create()

    def ask(self) -> None:
        self.notifier.notify()
        self.listener.blocking_wait()

    def answer(self) -> None:
        self.listener.blocking_wait()
        self.notifier.notify()

    def close(self) -> None:
        # the other process was killed, and its files are still there
        self.node.try_cleanup_dead_nodes()
        vars(self).clear()


class frames(signals):  # noqa: N801
    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.frame = os.urandom(size)

    def _service(self):
        builder = self.node.service_builder(iox.ServiceName.new(f"{self.base}-frames"))
        return builder.publish_subscribe(iox.Slice[ctypes.c_uint8]).open_or_create()

    def parent(self) -> None:
        super().parent()
        self.publisher = (
            self._service().publisher_builder().initial_max_slice_len(self.size).create()
        )

    def child(self) -> None:
        super().child()
        self.subscriber = self._service().subscriber_builder().create()

    def ask(self) -> None:
        sample = self.publisher.loan_slice_uninit(self.size)
        ctypes.memmove(sample.payload_ptr, self.frame, self.size)
        sample.assume_init().send()
        super().ask()

    def answer(self) -> None:
        self.listener.blocking_wait()
        sample = self.subscriber.receive()
        memory = sample.payload().as_memory_view().cast("B")
        memory[0], memory[-1]
        memory.release()
        sample.delete()
        self.notifier.notify()
