# SPDX-License-Identifier: MIT
# cython: auto_pickle=False
"""Records that own descriptors and mappings, the table of mapped regions, and the lock of all tables.

They are native for one reason: a descriptor is closed and its number forgotten, a region is taken
from the table and unmapped, in one call that no signal handler interrupts.  Otherwise what is done
once more after an interruption would close or unmap what has the number, or the address, by then
(O1, M2).  What the records mean is the object manager's business, whose classes derive from these.
"""

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
from memsection._native.protocol cimport unmap_range

from bisect import bisect_left, insort

from memsection._native import ledger

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


# ---------------------------------------------------------------------- the lock of the tables

cdef class Lock:
    """As ``threading.RLock``, without the way through the interpreter for native code."""

    def __cinit__(self):
        self._lock = PyThread_allocate_lock()
        if self._lock == NULL:
            raise MemoryError("no lock")

    def __dealloc__(self):
        if self._lock != NULL:
            PyThread_free_lock(self._lock)

    cdef bint enter(self) noexcept:
        """Take it if it is free, or this thread's already."""
        cdef unsigned long me = PyThread_get_thread_ident()
        # Only this thread ever writes its own number there: if it reads it, it is the owner.
        if ms_owner_load(&self._owner) == me:
            self._depth += 1
            return True
        if not PyThread_acquire_lock(self._lock, NOWAIT_LOCK):
            return False
        ms_owner_store(&self._owner, me)
        self._depth = 1
        return True

    cdef void leave(self) noexcept:
        self._depth -= 1
        if self._depth == 0:
            ms_owner_store(&self._owner, 0)
            PyThread_release_lock(self._lock)

    cdef void renew(self) noexcept:
        """In a forked child: whoever has it does not exist here."""
        self._lock = PyThread_allocate_lock()
        self._depth = 0
        ms_owner_store(&self._owner, 0)

    cdef void take(self):
        if not self.enter():
            with nogil:
                PyThread_acquire_lock(self._lock, WAIT_LOCK)
            ms_owner_store(&self._owner, PyThread_get_thread_ident())
            self._depth = 1

    def __enter__(self):
        self.take()

    def __exit__(self, *_):
        self.leave()


tables_lock = Lock()
lock = tables_lock      #: of the tables of handles, objects, names and regions

cdef unsigned long _forks_without = 0   # the thread that forks although another has the lock


def before_fork():
    """Have no other thread in the middle of a change.

    One that stays there does not keep this process from forking.
    """
    global _forks_without
    cdef int taken
    if tables_lock.enter():
        return
    with nogil:
        taken = PyThread_acquire_lock_timed(tables_lock._lock, 5000000, 0)
    if taken == 1:
        ms_owner_store(&tables_lock._owner, PyThread_get_thread_ident())
        tables_lock._depth = 1
    else:
        _forks_without = PyThread_get_thread_ident()


def after_fork(bint in_child):
    """Go on; a child has nothing of what other threads had not finished."""
    global _forks_without
    if _forks_without != PyThread_get_thread_ident():
        tables_lock.leave()
    elif in_child:
        tables_lock.renew()
    if _forks_without == PyThread_get_thread_ident():
        _forks_without = 0
    if in_child:
        ledger.keep_own_only()


# ---------------------------------------------------------------------- the table of regions

regions_by_base = {}    #: first address: region
bases = []              #: their first addresses, in order
cdef dict _regions = regions_by_base
cdef list _bases = bases
cdef dict _by_identity = {}     # of objects; ``connect`` gives the one in use


def add(RegionRecord region not None):
    """Enter a region into the table; its mapping is the table's, and a view of its object."""
    tables_lock.take()
    try:
        insort(_bases, region.base)
        _regions[region.base] = region
        if region.obj is not None:
            (<ObjectRecord>region.obj).views += 1
        note(remove, region)
        drop_range(region.base, region.size)
        if region.bitmap:
            drop_range(region.bitmap, region.bitmap_size)
    finally:
        tables_lock.leave()


def remove(RegionRecord region not None):
    """Take a region from the table and unmap it.

    False when that was done already: what is at its address now belongs to somebody else, and is
    left alone (M2).
    """
    cdef ObjectRecord obj = region.obj
    tables_lock.take()
    try:
        if _regions.get(region.base) is not region:
            return False
        del _regions[region.base]
        _bases.pop(bisect_left(_bases, region.base))
        if region.guard is not None:
            region.guard.remove()
        # It can fail only where the system has no more mappings and this one had grown together
        # with another one's pages; there is nothing that could be done about it.
        unmap_range(region.base, region.size, True)
        if region.bitmap:
            unmap_range(region.bitmap, region.bitmap_size, False)
        if obj is not None:
            obj.views -= 1
            if obj.views == 0 and not obj.handles:
                _by_identity.pop(obj.identity, None)
                obj.shut_views()
        return True
    finally:
        tables_lock.leave()


# ---------------------------------------------------------------------- what operations leave behind

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
