# SPDX-License-Identifier: MIT
# cython: binding=False, auto_pickle=False
"""The door to mutexes, events, semaphores and waiting.

It converts, lets go of the GIL, calls, and sees to signals.  Results are those of the C core: a number of 0 or more, or
a negative errno, which the callers put into their own words.  What the calls mean stands in ``ms_sync.h`` and
``ms_wait.h``.
"""

from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport EAGAIN, EBADF, EBUSY, EINTR, EINVAL, EOVERFLOW, ETIMEDOUT
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t, uintptr_t
from libc.string cimport memset

cdef extern from "ms_atomic.h" nogil:
    uint64_t ms_load_u64(const uint64_t *)
    uint32_t ms_load_u32(const uint32_t *)
    uint32_t ms_add_u32(uint32_t *, uint32_t)

cdef extern from "ms_futex.h" nogil:
    int64_t MS_FOREVER
    int64_t ms_now()
    int ms_futex_wake(uint32_t *, int)
    void ms_futex_without_waitv(int)

cdef extern from "ms_sync.h" nogil:
    enum: MS_MUTEX, MS_EVENT, MS_SEMAPHORE, MS_SET, MS_RESET, MS_PULSE
    enum: MS_MANUAL, MS_COUNT_MOST, MS_STATE_OFFSET
    uint64_t MS_SIGNALED, MS_ABANDONED, MS_LOCKED
    ctypedef struct ms_state:
        uint64_t word
        uint64_t owner_notes
    ctypedef struct ms_object:
        ms_state *state
        uint64_t owner
        uint64_t counts
        uint32_t kind
        uint32_t flags
        uint32_t maximum
    ctypedef struct ms_thread:
        uint64_t id
    void ms_state_make(ms_state *, uint32_t kind, uint32_t flags, uint32_t maximum, uint64_t word)
    int ms_object_get(int fd, int64_t page, uint32_t kind, ms_object **)
    void ms_object_put(ms_object *)
    int ms_claim(ms_object *, int fd)
    int ms_judge(ms_object *, int fd, uint64_t word)
    ms_thread *ms_self()
    int ms_mutex_try(ms_object *, int knowing, int contended, uint32_t *dead)
    int ms_mutex_release(ms_object *, uint32_t *before)
    int ms_mutex_abandon(ms_object *)
    int ms_event_change(ms_object *, int fd, int what, uint32_t *before)
    int ms_semaphore_release(ms_object *, int fd, uint32_t n, uint32_t *before)

cdef extern from "ms_wait.h" nogil:
    enum: MS_WAIT_MOST
    ctypedef struct ms_item:
        ms_object *object
        int fd
    ctypedef struct ms_wait:
        ms_item *items
        uint32_t count
        int all
        int knowing
        int64_t deadline
        uint32_t index
        uint32_t dead
        int slept
        int tried
    int ms_wait_begin(ms_wait *)
    int ms_wait_attempt(ms_wait *)
    int ms_wait_run(ms_wait *)
    void ms_wait_end(ms_wait *)
    int ms_watch(ms_wait **, int n, int look, uint32_t *control, uint32_t value, uint8_t *ready)

cdef extern from "ms_spin.h" nogil:
    void ms_spin_set(int64_t)

MUTEX, EVENT, SEMAPHORE = MS_MUTEX, MS_EVENT, MS_SEMAPHORE
SET, RESET, PULSE = MS_SET, MS_RESET, MS_PULSE
MANUAL = MS_MANUAL
STATE_SIZE = sizeof(ms_state)
FOREVER = MS_FOREVER

cdef enum:
    WATCH_MOST = 127


def state_bytes(uint32_t kind, uint32_t flags=0, uint32_t maximum=0, uint64_t word=0):
    """The first bytes of a new object's state."""
    cdef ms_state state
    ms_state_make(&state, kind, flags, maximum, word)
    return (<char *>&state)[:sizeof(ms_state)]


def now():
    """Nanoseconds of CLOCK_MONOTONIC, which deadlines count."""
    return ms_now()


def set_spin(int64_t ns):
    """The longest time that a wait spins before it sleeps; 0 for never."""
    ms_spin_set(ns)


def without_waitv(bint yes):
    """For tests: behave as if the kernel could not wait for several words."""
    ms_futex_without_waitv(yes)


cdef int64_t deadline_of(object timeout) except? -1:
    """The deadline of a timeout in seconds, from now; None is for ever, and 0 or less not at all."""
    cdef double seconds
    if timeout is None:
        return MS_FOREVER
    seconds = timeout
    if seconds != seconds:
        raise ValueError("a timeout is a number of seconds")
    if seconds <= 0:
        return 0
    if seconds > 9e9:
        return MS_FOREVER
    return ms_now() + <int64_t>(seconds * 1e9)


cdef int run(ms_wait *wait, object act=None) except? -1000:
    """Begin, run and end a wait.  A signal handler that raises ends it with nothing taken, and so does ``act``."""
    cdef int result
    result = ms_wait_begin(wait)
    if result:
        return result
    if act is not None:
        try:
            act()
        except:
            ms_wait_end(wait)
            raise
    result = ms_wait_attempt(wait)
    if result != -EBUSY and result != -EAGAIN:
        ms_wait_end(wait)
        return result
    wait.tried = 1
    while True:
        with nogil:
            result = ms_wait_run(wait)
            if result != -EINTR:
                ms_wait_end(wait)
        if result != -EINTR:
            return result
        try:
            PyErr_CheckSignals()
        except:
            ms_wait_end(wait)
            raise


cdef class State:
    """One object's state words, mapped, and what this process knows of it.  One for each object and process."""

    cdef ms_object *_object
    cdef public object guard    #: of the mapping, where the file may be cut
    cdef object __weakref__

    def __init__(self, int fd, int64_t page, uint32_t kind):
        """Safety: the record stays as long as this object, and with it the mapping."""
        cdef int result
        if self._object != NULL:
            raise ValueError("state: opened already")
        with nogil:
            result = ms_object_get(fd, page, kind, &self._object)
        if result:
            raise OSError(-result, "the state of a synchronisation object")

    def __del__(self):
        if self.guard is not None:
            self.guard.remove()

    def __dealloc__(self):
        if self._object != NULL:
            ms_object_put(self._object)

    def close(self):
        """Nothing yet: waits and doors may still use the words.  They go with the last of them."""

    def claim(self, int fd):
        """Have a slot in the object now, and not only when one is needed; what is wrong is an OSError."""
        cdef int result
        with nogil:
            result = ms_claim(self._object, fd)
        if result:
            raise OSError(-result, "a slot in a synchronisation object")

    @property
    def address(self):
        """Of the page that the words are in."""
        return <uintptr_t>self._object.state - MS_STATE_OFFSET

    @property
    def kind(self):
        return self._object.kind

    @property
    def flags(self):
        return self._object.flags

    @property
    def maximum(self):
        return self._object.maximum

    def look(self):
        """(word, thread id of the owner as its process says, depth likewise, how often this thread owns it)."""
        cdef ms_thread *thread = ms_self()
        cdef uint32_t count = 0
        cdef uint64_t notes
        if thread != NULL and ms_load_u64(&self._object.owner) == thread.id:
            count = <uint32_t>self._object.counts
        notes = ms_load_u64(&self._object.state.owner_notes)
        return ms_load_u64(&self._object.state.word), <uint32_t>notes, <uint32_t>(notes >> 32), count

    def settle(self, int fd):
        """If the process that the word names is dead, have the word say so."""
        cdef uint64_t word = ms_load_u64(&self._object.state.word)
        with nogil:
            ms_judge(self._object, fd, word)

    def release_mutex(self):
        """How often this thread owned it before, or a negative errno."""
        cdef uint32_t before = 0
        cdef int result = ms_mutex_release(self._object, &before)
        return result if result else before

    def abandon_mutex(self):
        """Give it back marked as abandoned."""
        return ms_mutex_abandon(self._object)

    def change_event(self, int fd, int what):
        """The state before, or a negative errno."""
        cdef uint32_t before = 0
        cdef int result
        while True:
            with nogil:
                result = ms_event_change(self._object, fd, what, &before)
            if result != -EINTR:
                return result if result else before
            PyErr_CheckSignals()

    def release_semaphore(self, int fd, uint32_t n):
        """The count before, or a negative errno."""
        cdef uint32_t before = 0
        cdef int result
        while True:
            with nogil:
                result = ms_semaphore_release(self._object, fd, n, &before)
            if result != -EINTR:
                return result if result else before
            PyErr_CheckSignals()


def wait(list items, *, bint all, bint knowing, int64_t deadline, act=None):
    """Wait for (state, descriptor) pairs, or (None, pidfd) for a process: (result, index, pid of a dead owner).

    ``act`` is called when the wait has begun: what it causes is not missed.
    """
    cdef ms_item list_[MS_WAIT_MOST]
    cdef ms_wait wait
    cdef uint32_t n = 0
    cdef State state
    cdef int result
    if not 1 <= len(items) <= MS_WAIT_MOST:
        raise ValueError(f"a wait has 1 to {MS_WAIT_MOST} objects")
    memset(list_, 0, sizeof(list_))
    memset(&wait, 0, sizeof(wait))
    for state, fd in items:     # the list keeps the states alive
        list_[n].object = NULL if state is None else state._object
        list_[n].fd = fd
        n += 1
    wait.items = list_
    wait.count = n
    wait.all = all
    wait.knowing = knowing
    wait.deadline = deadline
    result = run(&wait, act)
    return result, wait.index, wait.dead


# ---------------------------------------------------------------------- the short way for the Pythonic face


cdef class _Short:
    """One handle's own door: its methods are what users call, without a Python frame in between.

    ``failed(result, pid)`` is called for everything but success and the end of the time: what it returns or raises is
    the outcome.
    """

    cdef State _state
    cdef ms_object *_object
    cdef int _fd
    cdef bint _closed
    cdef object _failed

    def __init__(self, State state not None, int fd, failed):
        self._state = state
        self._object = state._object
        self._fd = fd
        self._failed = failed

    def close(self):
        """From now on every call fails with EBADF."""
        self._closed = True

    cdef object _wait(self, object timeout, bint knowing):
        cdef ms_item item
        cdef ms_wait wait
        cdef int result
        if self._closed:
            return self._failed(-EBADF, 0)
        memset(&item, 0, sizeof(item))
        memset(&wait, 0, sizeof(wait))
        item.object = self._object
        item.fd = self._fd
        wait.items = &item
        wait.count = 1
        wait.knowing = knowing
        wait.deadline = deadline_of(timeout)
        result = run(&wait)
        if result >= 0:
            return True
        if result == -ETIMEDOUT:
            return False
        return self._failed(result, wait.dead)


# Methods without arguments stay vectorcalls (no always_allow_keywords=False): on CPython 3.11 METH_NOARGS through a bound
# method costs 2 ns more (bench/mutex_uncontended.py).


cdef class ShortMutex(_Short):
    """acquire and release."""

    def acquire(self, timeout=None, *, bint abandoned_ok=False):
        cdef uint32_t dead = 0
        if not self._closed and ms_mutex_try(self._object, abandoned_ok, 0, &dead) >= 0:
            return True
        return self._wait(timeout, abandoned_ok)

    def release(self):
        cdef uint32_t before = 0
        cdef int result = -EBADF if self._closed else ms_mutex_release(self._object, &before)
        if result:
            self._failed(result, 0)


cdef class ShortEvent(_Short):
    """set, clear, is_set and wait."""

    cdef int _change(self, int what) except -1:
        cdef uint32_t before = 0
        cdef int result
        while True:
            result = -EBADF if self._closed else ms_event_change(self._object, self._fd, what, &before)
            if result == 0:
                return 0
            if result != -EINTR:
                self._failed(result, 0)
                return 0
            PyErr_CheckSignals()

    def set(self):
        self._change(MS_SET)

    def clear(self):
        self._change(MS_RESET)

    def is_set(self):
        if self._closed:
            return self._failed(-EBADF, 0)
        return ms_load_u64(&self._object.state.word) & MS_SIGNALED != 0

    def wait(self, timeout=None):
        return self._wait(timeout, False)


cdef class ShortSemaphore(_Short):
    """acquire and release."""

    def acquire(self, timeout=None):
        return self._wait(timeout, False)

    def release(self, n=1):
        cdef uint32_t before = 0
        cdef int result = -EBADF if self._closed else -EINVAL
        cdef int64_t units = min(n, MS_COUNT_MOST + 1)
        while not self._closed and units > 0:
            result = -EOVERFLOW
            if units <= MS_COUNT_MOST:
                result = ms_semaphore_release(self._object, self._fd, <uint32_t>units, &before)
            if result != -EINTR:
                break
            PyErr_CheckSignals()
        if result:
            return self._failed(result, 0)
        return before


# ---------------------------------------------------------------------- waits that nobody sleeps in


cdef class Wait:
    """A wait for one object that never sleeps: it is tried when a ``Watcher`` says so.

    ``ready`` is called from the watcher's thread, once for each time it is armed.
    """

    cdef State _state
    cdef ms_item _item
    cdef ms_wait _wait
    cdef bint _ended
    cdef readonly object ready

    def __init__(self, State state not None, int fd, ready):
        cdef int result
        self._state = state
        self._item.object = state._object
        self._item.fd = fd
        self._wait.items = &self._item
        self._wait.count = 1
        self._ended = True
        self.ready = ready
        with nogil:
            result = ms_wait_begin(&self._wait)
        if result:
            raise OSError(-result, "wait")
        self._ended = False

    def attempt(self, bint knowing):
        """(result, pid of a dead owner): take it if it can be had."""
        cdef int result
        self._wait.knowing = knowing
        self._wait.deadline = 0
        while True:
            with nogil:
                result = ms_wait_run(&self._wait)
            if result != -EINTR:
                return result, self._wait.dead
            PyErr_CheckSignals()

    def end(self):
        """What it was woken for and did not take goes to somebody else."""
        if not self._ended:
            self._ended = True
            with nogil:
                ms_wait_end(&self._wait)

    def __dealloc__(self):
        if not self._ended:
            ms_wait_end(&self._wait)


cdef class Watcher:
    """What one thread needs to sleep for up to ``capacity`` waits."""

    cdef uint32_t _control
    capacity = WATCH_MOST

    def poke(self):
        """Have ``sleep`` come back at once, if it sleeps or is about to."""
        ms_add_u32(&self._control, 1)
        ms_futex_wake(&self._control, 1)

    @property
    def pokes(self):
        """For ``sleep``: read it before the list of waits is made."""
        return ms_load_u32(&self._control)

    def sleep(self, list waits, uint32_t pokes, bint look):
        """(the waits worth an attempt, whether it is time to look after owners)."""
        cdef ms_wait *list_[WATCH_MOST]
        cdef uint8_t ready[WATCH_MOST]
        cdef int n = 0, result, i
        cdef Wait one
        for one in waits:
            if n == WATCH_MOST:
                raise ValueError(f"at most {WATCH_MOST} waits")
            one._wait.slept = 1
            list_[n] = &one._wait
            n += 1
        with nogil:
            result = ms_watch(list_, n, look, &self._control, pokes, ready)
        if result == -ETIMEDOUT:
            return [], True
        if result < 0:
            raise OSError(-result, "watch")
        return [waits[i] for i in range(n) if result and ready[i]], False
