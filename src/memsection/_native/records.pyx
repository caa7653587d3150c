# SPDX-License-Identifier: MIT
# cython: auto_pickle=False
"""Records that own descriptors and mappings, the table of mapped regions, and the lock of all tables.

They are native for one reason: a descriptor is closed and its number forgotten, a region is taken
from the table and unmapped, in one call that no signal handler interrupts.  Otherwise what is done
once more after an interruption would close or unmap what has the number, or the address, by then
(O1, M2).  What the records mean is the object manager's business, whose classes derive from these.
"""

from cpython.exc cimport PyErr_SetFromErrno
from cpython.pythread cimport (
    NOWAIT_LOCK,
    PyThread_acquire_lock,
    PyThread_allocate_lock,
    PyThread_free_lock,
    PyThread_get_thread_ident,
    PyThread_release_lock,
    PyThread_type_lock,
    WAIT_LOCK,
)
from libc.stdint cimport uint32_t, uint64_t

from memsection._native.ledger cimport close_fd, drop_range, note
from memsection._native.protocol cimport (
    close_last_fd,
    copy_description,
    is_live_fd,
    map_range,
    reopen_fd,
    set_position_of,
    unlink_if_last_fd,
    unmap_range,
)

from bisect import bisect_left, insort

from memsection._native import ledger

cdef extern from "protocol/ms_layout.h":
    enum:
        MS_HANDLE_DATA_SHIFT
    uint64_t MS_HANDLE_TAG

cdef extern from "fcntl.h":
    int c_fcntl "fcntl"(int, int, ...)
    enum:
        F_SETFD

cdef extern from "sys/mman.h":
    enum:
        MAP_SHARED, PROT_NONE

cdef enum:
    # Sizes of fresh views whose pages are had in one call: below, faults are as fast, and above,
    # who maps much may not write to all of it.
    POPULATE_FROM = 65536
    POPULATE_TO = 4 << 20

cdef extern from "pythread.h" nogil:
    int PyThread_acquire_lock_timed(PyThread_type_lock, long long, int)

cdef extern from *:
    """
    static unsigned long ms_owner_load(const unsigned long *owner) {
        return __atomic_load_n(owner, __ATOMIC_RELAXED);
    }
    static void ms_owner_store(unsigned long *owner, unsigned long thread) {
        __atomic_store_n(owner, thread, __ATOMIC_RELAXED);
    }
    /* Whether this is the only thread of the interpreter. */
    static int ms_is_alone(void) {
        PyThreadState *me = PyThreadState_Get();
        return PyInterpreterState_ThreadHead(PyThreadState_GetInterpreter(me)) == me
            && !PyThreadState_Next(me);
    }
    """
    unsigned long ms_owner_load(const unsigned long *)
    void ms_owner_store(unsigned long *, unsigned long)
    int ms_is_alone()


def is_alone():
    """Whether this process has no other thread that runs Python code."""
    return bool(ms_is_alone())


# ---------------------------------------------------------------------- records

cdef class HandleRecord:
    """A handle: its value, what it grants, and the descriptors behind it."""

    def __init__(self, int fd, kind, uint64_t access, ObjectRecord obj not None, int data_fd=-1,
                 value=0):
        self.fd, self.data_fd = fd, data_fd
        self.value = value or <long long>fd * 4
        self.kind, self.access, self.obj = kind, access, obj

    def shut(self):
        """Close the descriptors.  Again is harmless."""
        if self.fd >= 0:
            close_fd(self.fd)
            self.fd = -1
        if self.data_fd >= 0:
            close_fd(self.data_fd)
            self.data_fd = -1


cdef class ObjectRecord:
    """An object, and the descriptors that this process has of it besides its handles'."""

    def __init__(self, kind, tuple identity not None, facts=None, place=None, bint fresh=False):
        self.kind, self.identity, self.facts, self.fresh = kind, identity, facts, fresh
        self.handles = set()
        self.name = ""
        if place is not None:
            self.name, self.directory, self.place = place.full, place.directory, place
        self.locator_fd = self.view_ro = self.view_rw = -1

    def shut_locator(self):
        """Close the locator.  Again is harmless."""
        if self.locator_fd >= 0:
            close_fd(self.locator_fd)
            self.locator_fd = -1

    def shut_views(self):
        """Close the descriptions that views are mapped through.  Again is harmless."""
        if self.view_ro >= 0:
            close_fd(self.view_ro)
            self.view_ro = -1
        if self.view_rw >= 0:
            close_fd(self.view_rw)
            self.view_rw = -1

    def shut(self):
        """Close what there is of an object without a handle, and forget it, but for what its views
        need.  Again is harmless."""
        self.shut_locator()
        if self.state is not None:
            self.state.close()
            self.state = None
        if self.views == 0:
            _by_identity.pop(self.identity, None)
            self.shut_views()


cdef class RegionRecord:
    """A mapped range.  Calling one unmaps it, unless that was done already."""

    def __cinit__(self, uint64_t base, uint64_t size, uint32_t protection, obj, uint64_t offset,
                  bint writable, bint shared):
        self.base, self.size, self.protection, self.offset = base, size, protection, offset
        self.obj, self.writable, self.shared = obj, writable, shared

    def __call__(self):
        remove(self)


cdef class UserfaultRecord:
    """A descriptor that goes with a region, or with this."""

    cdef public int fd

    def __cinit__(self):
        self.fd = -1

    def remove(self):
        """Before the region is unmapped.  Again is harmless."""
        if self.fd >= 0:
            close_fd(self.fd)
            self.fd = -1


def close_last(HandleRecord handle not None, int directory, bytes file not None, bint is_body):
    """Close the last handle of this process to an object, and remove the name if none is left
    anywhere (L3).  Again is harmless.

    It is asked through the description that read-only views are mapped through, or else writable
    ones.  The object has one afterwards, without a lock, if it has views or somebody else has a
    handle; unless none could be had.

    Returns:
        Whether no handle is left anywhere.
    """
    cdef ObjectRecord obj = handle.obj
    cdef int *probe = &obj.view_ro if obj.view_ro >= 0 or obj.view_rw < 0 else &obj.view_rw
    cdef bint last = True
    if handle.fd >= 0:
        last = close_last_fd(handle.fd, probe, directory, file, obj.locator_fd, is_body,
                             obj.views > 0)
        handle.fd = -1
    elif probe[0] >= 0:
        last = unlink_if_last_fd(probe[0], directory, file, obj.locator_fd, is_body)
    handle.shut()
    return last


cdef dict _by_identity = {}     # of objects; ``connect`` gives the one in use

include "tables_lock.pxi"
include "regions.pxi"


# ---------------------------------------------------------------------- what operations leave behind

cdef inline uint64_t _position(uint64_t access, int data_fd):
    """What the position of a handle's description says of it (H1)."""
    return MS_HANDLE_TAG | <uint64_t>(data_fd + 1) << MS_HANDLE_DATA_SHIFT | access


cdef int _let_children_have(int fd) except -1:
    if fd >= 0 and c_fcntl(fd, F_SETFD, 0):
        PyErr_SetFromErrno(OSError)
    return 0


cdef HandleRecord _enter(kind, int fd, object_type, uint64_t access, ObjectRecord obj, int data_fd,
                         value, bint inherit):
    cdef HandleRecord handle = kind(fd, object_type, access, obj, data_fd, value)
    if inherit:
        _let_children_have(fd)
        _let_children_have(data_fd)
    tables_lock.take()
    try:
        stale = _table.get(handle.value)
        if stale is not None:
            (<ObjectRecord>(<HandleRecord>stale).obj).handles.discard(stale)
        _table[handle.value] = handle
        obj.handles.add(handle)
        _by_identity[obj.identity] = obj
    finally:
        tables_lock.leave()
    return handle


def new_handle(kind, int fd, object_type, uint64_t access, ObjectRecord obj not None, int data_fd,
               value, bint inherit, bint tag):
    """Make a descriptor a handle, which stands in the table with its object; with ``tag`` its
    position says so (H1).

    What had its number before was closed behind our back.
    """
    if tag:
        set_position_of(fd, _position(access, data_fd), False)
    return _enter(kind, fd, object_type, access, obj, data_fd, value, inherit)


def copy_handle(HandleRecord handle not None, uint64_t access, bint writable, int data_fd,
                bint inherit):
    """Another handle to what a handle of this process means, with a description and a lock of its
    own; None where somebody else has the exclusive lock."""
    cdef int fd = copy_description(handle.fd, writable, _position(access, data_fd))
    if fd < 0:
        return None
    return _enter(type(handle), fd, handle.kind, access, handle.obj, data_fd, 0, inherit)


def forget(HandleRecord handle not None):
    """Take a handle out of the table.  Again is harmless."""
    _table.pop(handle.value, None)
    (<ObjectRecord>handle.obj).handles.discard(handle)


def close_beside_others(HandleRecord handle not None):
    """Take a handle out of the table, and close it if this process has another one to its object;
    whether it has.  Again is harmless."""
    forget(handle)
    if not (<ObjectRecord>handle.obj).handles:
        return False
    handle.shut()
    return True


def close_handle(HandleRecord handle not None):
    """Close a handle that is in the table and not protected; whether it was such a one."""
    tables_lock.take()
    try:
        if handle.protected or _table.get(handle.value) is not handle:
            return False
        ledger.finish(_close_handle, handle)
        return True
    finally:
        tables_lock.leave()


def live_handle(value):
    """The handle of this value; None where there is none in the table, or its descriptor is closed
    or revoked (H2)."""
    cdef HandleRecord handle = _table.get(value & ~3)
    if handle is not None and handle.kind.has_body and not is_live_fd(handle.fd):
        return None
    return handle


cdef dict _table
cdef object _directories, _given, _close_handle


def connect(dict handles, dict objects_by_identity, dict directories, list given, close_handle):
    """Take the tables in which a descriptor may stand, and what closes a handle."""
    global _table, _by_identity, _directories, _given, _close_handle
    _table, _by_identity, _directories, _given = handles, objects_by_identity, directories, given
    _close_handle = close_handle
    ledger.connect(give_back, is_open)


def is_open(value):
    """Whether there is a handle of this value."""
    return value & ~3 in _table


def give_back(int fd, bint in_child):
    """A descriptor whose operation does not go on: what it belongs to goes with it, unless that is
    older.

    A forked child keeps what its tables know: the handle is its parent's too, and the child has all
    of those.
    """
    cdef HandleRecord handle
    tables_lock.take()
    try:
        handle = _table.get(fd * 4)
        if handle is None or handle.fd != fd:
            handle = next((each for each in _table.values() if each.fd == fd), None)
        if handle is not None:
            if not in_child:
                handle.protected = False
                ledger.finish(_close_handle, handle)
        elif not _is_kept(fd):
            close_fd(fd)
    finally:
        tables_lock.leave()


cdef bint _is_kept(int fd) except -1:
    """Whether something in the tables has this descriptor."""
    for handle in _table.values():
        if handle.data_fd == fd:
            return True
    for obj in _by_identity.values():
        if fd == obj.locator_fd or fd == obj.view_ro or fd == obj.view_rw:
            return True
    for region in _regions.values():
        if region.guard is not None and getattr(region.guard, "fd", -1) == fd:
            return True
    return any([fd == known[0] for known in _directories.values()]) or any(
        [fd in given[:3] for given in _given])
