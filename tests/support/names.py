# SPDX-License-Identifier: MIT
"""Names of a test's own: the remains of its processes are not swept by other tests that run beside
it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from memsection.nt.linux.names import namespace
from support.objects import leaves_nothing


@contextmanager
def own_names() -> Iterator[None]:
    """Another directory for names, also for the processes that are started meanwhile."""
    before = os.environ.get(namespace.ROOT_VARIABLE)
    with tempfile.TemporaryDirectory(
        prefix=f"memsection-test-{os.getpid()}-", dir="/dev/shm"
    ) as root:
        os.environ[namespace.ROOT_VARIABLE] = root
        namespace.reset()
        try:
            yield
        finally:
            if before is None:
                del os.environ[namespace.ROOT_VARIABLE]
            else:
                os.environ[namespace.ROOT_VARIABLE] = before
            namespace.reset()


def leaves_nothing_among_own_names() -> Iterator[None]:
    """The body of a fixture: ``own_names``, and ``leaves_nothing`` in it."""
    with own_names():
        yield from leaves_nothing()
