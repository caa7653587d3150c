# SPDX-License-Identifier: MIT
"""For the faces: functions that end with their result or leave nothing, and objects that own a
handle.

What it says on Linux is in ``_native.ledger``, on Windows in ``windows.owners``.
"""

from __future__ import annotations

import sys

if sys.platform == "win32":
    from memsection.nt.windows import owners as _system
else:
    from memsection._native import ledger as _system

close_owned, connect_close, connect_warning = (
    _system.close_owned,
    _system.connect_close,
    _system.connect_warning,
)
disown, done, drop_owned, drop_quietly = (
    _system.disown,
    _system.done,
    _system.drop,
    _system.drop_quietly,
)
drop_held, finish, surely = _system.drop_held, _system.finish, _system.surely
own, outside, settled = _system.own, _system.outside, _system.settled
undo_here, unless_locked, whole = _system.undo_here, _system.unless_locked, _system.whole

#: descriptors: made in a whole function, they go with what interrupts it
if sys.platform != "win32":
    close_fd, make_memory, open_fd = _system.close, _system.memfd_create, _system.open
    duplicate_fd = _system.dup
