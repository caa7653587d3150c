# SPDX-License-Identifier: MIT
"""Mistakes that a type checker must find: an ignore that finds nothing to ignore is an error (warn_unused_ignores)."""

from __future__ import annotations

from memsection import Event, Mutex, Section

Section.create("name", "4096")  # type: ignore[arg-type]
Section.create("name", 4096, "rw")  # type: ignore[call-arg]
Section.open(None)  # type: ignore[arg-type]
Section.open("name").map(access=4)  # type: ignore[arg-type]
Section.open("name").size = 3  # type: ignore[misc]
Section.open("name").map()[:4] = "text"  # type: ignore[call-overload]
Event.open("name").acquire()  # type: ignore[attr-defined]
Mutex.open("name").acquire("1")  # type: ignore[arg-type]
