# SPDX-License-Identifier: MIT
"""Another handle of this process to the same object."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

from memsection._native import ledger
from memsection.nt.linux.handles import rights, table
from memsection.nt.linux.handles.record import Handle
from memsection.nt.linux.names import file_data, find
from memsection.nt.linux.system import descriptions
from memsection.nt.linux.system import syscalls as sys_


@ledger.whole
def copy(handle: Handle, access: int, inherit: bool) -> Handle:
    """Another handle of this process to the same object, with a description and a lock of its
    own."""
    kind, data_fd = handle.kind, -1
    if not kind.has_body:
        fd = sys_.duplicate_from(handle.fd, 3)  # files share their position, as on Windows
        return table.register(fd, kind, access, handle.obj, inherit=inherit, tag=False)
    writable = rights.needs_write(kind, access)
    fd = descriptions.reopen(
        handle.fd,
        sys_.O_RDWR if rights.needs_write(kind, access, handle.obj.facts) else sys_.O_RDONLY,
    )
    descriptions.hold(fd)
    if handle.data_fd >= 0:
        assert handle.obj.facts is not None
        data_fd = file_data.open_data(find.Found(handle.fd), handle.obj.facts, writable=writable)
    return table.register(fd, kind, access, handle.obj, data_fd=data_fd, inherit=inherit)
