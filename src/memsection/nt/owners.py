# SPDX-License-Identifier: MIT
"""For the faces: functions that end with their result or leave nothing, and objects that own a
handle.

What it says is in ``_native/whole.pxi``, on Linux as ``_native.ledger``, on Windows as
``_native.handles``.
"""

from __future__ import annotations

import sys

if sys.platform == "win32":
    from memsection._native import handles as _system
else:
    from memsection._native import guard as _guard
    from memsection._native import ledger as _system
    from memsection.nt.linux.system import beside as _beside

Attempt = _system.Attempt
close_owned, connect_warning = _system.close_owned, _system.connect_warning
disown, done, drop_owned, drop_quietly = (
    _system.disown,
    _system.done,
    _system.drop,
    _system.drop_quietly,
)
drop_held, finish, surely = _system.drop_held, _system.finish, _system.surely
own, own_with_line = _system.own, _system.own_with_line
outside, settled = _system.outside, _system.settled
undo_here, unless_locked, whole = _system.undo_here, _system.unless_locked, _system.whole

#: descriptors: made in a whole function, they go with what interrupts it
if sys.platform != "win32":
    connect_close = _system.connect_close
    close_fd, make_memory, open_fd = _system.close, _system.memfd_create, _system.open
    duplicate_fd = _system.dup
    guard_buffer = _guard.add_buffer
    beside = _beside.beside
