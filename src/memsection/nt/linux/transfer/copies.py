# SPDX-License-Identifier: MIT
"""Another handle of this process to the same object."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

from memsection._native import ledger
from memsection.nt.linux.handles import rights, table
from memsection.nt.linux.handles.record import Handle
from memsection.nt.linux.names import file_data, find
from memsection.nt.linux.system import syscalls as sys_


@ledger.whole
def copy(handle: Handle, access: int, inherit: bool) -> Handle:
    """Another handle of this process to the same object, with a description and a lock of its
    own."""
    kind, data_fd = handle.kind, -1
    if not kind.has_body:
        fd = sys_.duplicate_from(handle.fd, 3)  # files share their position, as on Windows
        return table.register(fd, kind, access, handle.obj, inherit=inherit, tag=False)
    facts = handle.obj.facts
    if handle.data_fd >= 0:
        assert facts is not None
        data_fd = file_data.open_data(
            find.Found(handle.fd), facts, writable=rights.needs_write(kind, access)
        )
    writable = rights.needs_write(kind, access, facts)
    return table.copy(handle, access, writable=writable, data_fd=data_fd, inherit=inherit)
