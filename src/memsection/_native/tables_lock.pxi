# SPDX-License-Identifier: MIT
"""The lock of all tables, and what holds it while this process forks; ``records`` includes it."""

from memsection.vocabulary import forks

cdef extern from "ms_signals.h" nogil:
    void ms_put_signals_off()
    void ms_deliver_signals()


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
    """Have no other thread in the middle of a change, and no signal handler run until the fork is over.

    A thread that stays in the middle of one does not keep this process from forking.
    """
    global _forks_without
    cdef int taken
    # These may wait for another thread's import: without the lock, which that thread may need, and not out of the reach
    # of Ctrl-C.
    for function in tuple(forks.before):
        _run(function)
    ms_put_signals_off()
    if tables_lock.enter():
        return
    with nogil:
        taken = PyThread_acquire_lock_timed(tables_lock._lock, 5000000, 0)
    if taken == 1:
        ms_owner_store(&tables_lock._owner, PyThread_get_thread_ident())
        tables_lock._depth = 1
    else:
        _forks_without = PyThread_get_thread_ident()


cdef void _run(function) noexcept:
    # What it raises is told, as if ``os.register_at_fork`` had it, and the next one is called.
    function()


cdef void _after_fork(bint in_child):
    """Go on; a child has nothing of what other threads had not finished, and shares no view descriptions (their locks
    probe)."""
    global _forks_without
    if _forks_without != PyThread_get_thread_ident():
        tables_lock.leave()
    elif in_child:
        tables_lock.renew()
    if _forks_without == PyThread_get_thread_ident():
        _forks_without = 0
    if in_child:
        ledger.keep_own_only()
        for obj in _by_identity.values():
            (<ObjectRecord>obj).shut_views()
        for function in tuple(forks.in_child):
            _run(function)


def after_fork_in_parent():
    """The parent goes on: with the tables unlocked, and then with signals."""
    try:
        _after_fork(False)
    finally:
        ms_deliver_signals()


def after_fork_in_child():
    """The child begins: with the tables unlocked, its parent's business forgotten, and then with signals."""
    try:
        _after_fork(True)
    finally:
        ms_deliver_signals()
