# SPDX-License-Identifier: MIT
"""Mistakes that a type checker must find: an ignore that finds nothing to ignore is an error
(warn_unused_ignores)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memsection import Event, Mutex, Section, arrays, latest
from memsection.channels import Client, Queue, Service, Topic

Section.create("name", "4096")  # type: ignore[arg-type]
Section.create("name", 4096, "rw")  # type: ignore[call-arg]
Section.open(None)  # type: ignore[arg-type]
Section.open("name").map(access=4)  # type: ignore[arg-type]
Section.open("name", access="read")  # type: ignore[arg-type]
Section.create("name", 4096, access="wr")  # type: ignore[arg-type]
Event.open("name", access="rx")  # type: ignore[arg-type]
arrays.open("name", access="read")  # type: ignore[call-overload]
Section.open("name").size = 3  # type: ignore[misc]
Section.open("name").map()[:4] = "text"  # type: ignore[call-overload]
Event.open("name").acquire()  # type: ignore[attr-defined]
Mutex.open("name").acquire("1")  # type: ignore[arg-type]
Queue.create("name", bytes).send("text")  # type: ignore[arg-type]
Topic.open("name", bytes).receive().mean()  # type: ignore[attr-defined]
Client.open("name", bytes, bytes)("text")  # type: ignore[arg-type]
Client.open("name", bytes, bytes)(b"a").mean()  # type: ignore[attr-defined]
Client.open("name", bytes, np.ndarray).submit(b"a").result().decode()  # type: ignore[attr-defined]
Service.create("name", bytes, bytes).receive().reply("text")  # type: ignore[arg-type]
Service.open("name", np.ndarray, bytes).receive().value.decode()  # type: ignore[attr-defined]
Service.create("name", bytes, bytes).serve(str)  # type: ignore[arg-type]


@dataclass
class Pose:
    x: float


latest.create("name", Pose).write(b"text")  # type: ignore[arg-type]
latest.open("name", Pose).write(Pose(1.0))  # type: ignore[attr-defined]
latest.from_section(Section.open("name"), Pose).write(Pose(1.0))  # type: ignore[attr-defined]
latest.open("name", 100, write=True).write("text")  # type: ignore[arg-type]
latest.from_section(Section.open("name"), 100, write=True).write("text")  # type: ignore[arg-type]
latest.open("name", 100).read().x  # type: ignore[union-attr]  # noqa: B018
doubles = arrays.create("name", 3, np.float64)
floats: NDArray[np.float32] = doubles  # type: ignore[assignment]
