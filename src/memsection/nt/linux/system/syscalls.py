# SPDX-License-Identifier: MIT
"""Every call into the system, one replaceable table.

The rest of ``nt.linux`` calls the system only through this module's names, looked up at each call,
so that a test can put a failure or a death before or after any of them.  Nothing is decided here;
an OSError goes through as it is.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import fcntl as _fcntl
import os as _os
import select as _select

from memsection._native import ledger as _ledger
from memsection._native import protocol as _protocol
from memsection._native import records as _records
from memsection._native import system as _system

O_RDONLY, O_RDWR, O_CLOEXEC, O_NOFOLLOW = _os.O_RDONLY, _os.O_RDWR, _os.O_CLOEXEC, _os.O_NOFOLLOW
O_NONBLOCK, O_NOCTTY, O_DIRECTORY, O_PATH = (
    _os.O_NONBLOCK,
    _os.O_NOCTTY,
    _os.O_DIRECTORY,
    _os.O_PATH,
)
O_TMPFILE = _os.O_TMPFILE
LOCK_SH, LOCK_EX, LOCK_NB, LOCK_UN = _fcntl.LOCK_SH, _fcntl.LOCK_EX, _fcntl.LOCK_NB, _fcntl.LOCK_UN
# fcntl.h; in the fcntl module from Python 3.9 on some systems only
F_OFD_GETLK, F_OFD_SETLK = 36, 37
F_ADD_SEALS, F_GET_SEALS = 1033, 1034
MADV_COLLAPSE = 25  # madvise(2), from Linux 6.1 on
MADV_COLD = 20  # madvise(2), from Linux 5.4 on
MAP_HUGETLB = 0x40000  # mmap(2)
F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_FUTURE_WRITE = 0x2, 0x4, 0x10
IN_MOVED_TO, IN_CREATE, IN_Q_OVERFLOW = 0x80, 0x100, 0x4000
# pidfd_open(2), from Linux 6.9 on: a descriptor for one thread, with O_EXCL among its flags
PIDFD_THREAD = _os.O_EXCL
MFD_CLOEXEC, MFD_ALLOW_SEALING, MFD_HUGETLB = 0x1, 0x2, 0x4

open = _ledger.open
close = _ledger.close
read = _os.read
write = _os.write
pread = _os.pread
pwrite = _os.pwrite
pwritev = _os.pwritev
lseek = _os.lseek
fstat = _os.fstat
stat = _os.stat
ftruncate = _os.ftruncate
fallocate = _os.posix_fallocate
fsync = _os.fsync
fchmod = _os.fchmod
chmod = _os.chmod
fchown = _os.fchown
mkdir = _os.mkdir
link = _os.link
unlink = _os.unlink
rename = _os.rename
readlink = _os.readlink
dup = _ledger.dup
fstatvfs = _os.fstatvfs
statvfs = _os.statvfs
geteuid = _os.geteuid
getegid = _os.getegid
caller_ids = _system.caller_ids
setxattr = _os.setxattr
getxattr = _os.getxattr
removexattr = _os.removexattr
memfd_create = _ledger.memfd_create
get_inheritable = _os.get_inheritable
set_inheritable = _os.set_inheritable
pidfd_open = _ledger.pidfd_open
waitid = _os.waitid
poll = _select.poll
eventfd = _ledger.eventfd
eventfd_read = _os.eventfd_read
eventfd_write = _os.eventfd_write
flock = _fcntl.flock
fcntl = _fcntl.fcntl
mmap = _ledger.mmap
munmap = _ledger.munmap
map_view = _protocol.map_view
reuse_address = _protocol.reuse
reopen = _protocol.reopen
new_handle = _records.new_handle
copy_handle = _records.copy_handle
create_body = _protocol.create_body
finish_body = _protocol.finish_body
publish = _protocol.publish
link_body = _protocol.link
is_live = _protocol.is_live
live_handle = _records.live_handle
view_descriptor = _records.view_descriptor
map_region = _records.map_region
is_unchanged = _protocol.is_unchanged
same_page = _protocol.same_page
exists = _protocol.exists
find = _protocol.find
open_locator = _protocol.open_locator
open_body = _protocol.open_body
hold_found = _protocol.hold_found
sweep_locator = _protocol.sweep
leave_hint = _protocol.leave_hint
find_body = _protocol.find_body
hold_body = _protocol.hold_body
give_up = _protocol.give_up
unlink_if_last = _protocol.unlink_if_last
close_last = _records.close_last
mprotect = _system.mprotect
msync = _system.msync
madvise = _system.madvise
mbind = _system.mbind
file_system = _system.file_system
read_file = _system.read_file
pidfd_getfd = _ledger.pidfd_getfd
duplicate_from = _ledger.duplicate_from
receive = _ledger.receive
userfault = _system.userfault
inotify_init = _system.inotify_init
inotify_add_watch = _system.inotify_add_watch
copy_from = _system.copy_from
copy_to = _system.copy_to
capabilities = _system.capabilities
set_capabilities = _system.set_capabilities


def listdir(path: str | int) -> list[str]:
    """os.listdir, while nobody forks: a child would keep the descriptor that the entries are read
    from."""
    with _records.lock:
        return _os.listdir(path)


def pidfd_send_signal(pidfd: int, number: int) -> None:
    """pidfd_send_signal(2)."""
    import signal  # brings enum: not for everybody who imports this

    signal.pidfd_send_signal(pidfd, number)
