# SPDX-License-Identifier: MIT
# cython: binding=False, auto_pickle=False
"""The door to mutexes, events, semaphores and waiting.

It converts, lets go of the GIL, calls, and sees to signals.  Results are those of the C core: a number of 0 or more, or
a negative errno, which the callers put into their own words.  What the calls mean stands in the headers of
``sync/``.
"""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.exc cimport PyErr_CheckSignals
from cpython.ref cimport PyObject
from libc.errno cimport EAGAIN, EBADF, EBUSY, EINTR, EINVAL, EMFILE, EOVERFLOW, ETIMEDOUT
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t, uintptr_t
from libc.string cimport memcpy, memset

from memsection._native.deadline cimport MS_FOREVER, deadline_of, ms_now

from memsection._native import ledger

cdef extern from "ms_atomic.h" nogil:
    uint64_t ms_load_u64(const uint64_t *)
    uint32_t ms_load_u32(const uint32_t *)
    uint32_t ms_add_u32(uint32_t *, uint32_t)

cdef extern from "ms_futex.h" nogil:
    int ms_futex_wake(uint32_t *, int)
    void ms_futex_without_waitv(int)

cdef extern from "sync/ms_state.h" nogil:
    enum: MS_MUTEX, MS_EVENT, MS_SEMAPHORE, MS_TIMER
    enum: MS_MANUAL, MS_COUNT_MOST, MS_STATE_OFFSET
    uint64_t MS_SIGNALED, MS_ABANDONED, MS_LOCKED
    ctypedef struct ms_state:
        uint64_t word
        uint64_t owner_notes
    void ms_state_make(ms_state *, uint32_t kind, uint32_t flags, uint32_t maximum, uint64_t word)

cdef extern from "sync/ms_object.h" nogil:
    ctypedef struct ms_object:
        ms_state *state
        uint64_t owner
        uint64_t counts
        uint32_t kind
        uint32_t flags
        uint32_t maximum
    ctypedef struct ms_thread:
        uint64_t id
    int ms_object_get(int fd, int64_t page, uint32_t kind, ms_object **)
    void ms_object_put(ms_object *)
    ms_thread *ms_self()

cdef extern from "sync/ms_slot.h" nogil:
    int ms_claim(ms_object *, int fd)
    int ms_recover(ms_object *, int fd, uint64_t word)

cdef extern from "sync/ms_mutex.h" nogil:
    int ms_mutex_try(ms_object *, int accept_abandoned, int contended, uint32_t *dead)
    int ms_mutex_release(ms_object *, uint32_t *before)
    int ms_mutex_abandon(ms_object *)

cdef extern from "sync/ms_event.h" nogil:
    enum: MS_SET, MS_RESET, MS_PULSE
    int ms_event_change(ms_object *, int fd, int what, uint32_t *before)
    int ms_semaphore_release(ms_object *, int fd, uint32_t n, uint32_t *before)

cdef extern from "sync/ms_timer.h" nogil:
    ctypedef struct ms_timer_facts:
        int signaled
        int armed
        uint32_t period
        int64_t left
    int ms_timer_set_span(ms_object *, int fd, uint64_t span, uint32_t period, uint32_t *before)
    int ms_timer_set_date(ms_object *, int fd, uint64_t date, uint32_t period, uint32_t *before)
    int ms_timer_cancel(ms_object *, int fd, uint32_t *before)
    int ms_timer_look(const ms_state *, ms_timer_facts *)

cdef extern from "sync/ms_wait.h" nogil:
    enum: MS_WAIT_MOST
    ctypedef struct ms_other:
        pass
    ctypedef struct ms_item:
        ms_object *object
        int fd
        const ms_other *other
    ctypedef struct ms_wait:
        ms_item *items
        uint32_t count
        int all
        int accept_abandoned
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

cdef extern from *:
    """
    /* A method's name and documentation are in its definition, which Cython makes writable. */
    static int ms_describe(PyObject *descriptor, const char *name, const char *text) {
        if (!PyObject_TypeCheck(descriptor, &PyMethodDescr_Type)) {
            PyErr_SetString(PyExc_TypeError, "native: no method descriptor");
            return -1;
        }
        PyMethodDef *method = ((PyMethodDescrObject *)descriptor)->d_method;
        method->ml_name = name;
        method->ml_doc = text;
        return 0;
    }
    """
    int ms_describe(object descriptor, const char *name, const char *text) except -1

MUTEX, EVENT, SEMAPHORE, TIMER = MS_MUTEX, MS_EVENT, MS_SEMAPHORE, MS_TIMER
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


cdef tuple timer_look(const ms_state *state):
    cdef ms_timer_facts facts
    cdef int result = ms_timer_look(state, &facts)
    return result, facts.signaled != 0, facts.armed != 0, facts.period, facts.left


def timer_facts(bytes data not None):
    """``State.look_timer`` of a copy of the state's bytes."""
    cdef ms_state state
    if len(data) != sizeof(state):
        raise ValueError(f"a state has {sizeof(state)} bytes")
    memcpy(&state, <const char *>data, sizeof(state))
    return timer_look(&state)


def now():
    """Nanoseconds of CLOCK_MONOTONIC, which deadlines count."""
    return ms_now()


def set_spin(int64_t ns):
    """The longest time that a wait spins before it sleeps; 0 for never."""
    ms_spin_set(ns)


def without_waitv(bint yes):
    """For tests: behave as if the kernel could not wait for several words."""
    ms_futex_without_waitv(yes)


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


# Guarded states that nobody uses any more, of mutexes that a thread here still owns.  When that thread ends it writes to the
# words, and their file may have been cut by then: so these stay, with their guards.
cdef set _unused_and_owned = set()


cdef int _forget_unused() except -1:
    for state in list(_unused_and_owned):
        if not ms_load_u64(&(<State>state)._object.owner):
            _unused_and_owned.discard(state)
            (<State>state).guard.remove()
    return 0


cdef class State:
    """One object's state words, mapped, and what this process knows of it.  One for each object and process."""

    cdef ms_object *_object
    cdef public object guard    #: of the mapping, where the file may be cut
    cdef object __weakref__

    def __init__(self, int fd, int64_t page, uint32_t kind):
        """Safety: the record stays as long as this object, and with it the mapping."""
        cdef int result
        _forget_unused()
        if self._object != NULL:
            raise ValueError("state: opened already")
        with nogil:
            result = ms_object_get(fd, page, kind, &self._object)
        if result:
            raise OSError(-result, "the state of a synchronisation object")

    def __del__(self):
        if self.guard is None:
            return
        _unused_and_owned.add(self)
        _forget_unused()

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

    def recover_dead_owner(self, int fd):
        """If the process that the word names is dead, have the word say so."""
        cdef uint64_t word = ms_load_u64(&self._object.state.word)
        with nogil:
            ms_recover(self._object, fd, word)

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


    def set_timer(self, int fd, int64_t due, uint32_t period):
        """Have it due after -``due`` or at ``due`` (100 ns units), then each ``period`` ms if that is not 0.

        Whether it was signaled, or a negative errno.
        """
        cdef uint32_t before = 0
        cdef int result
        cdef uint64_t span = -<uint64_t>due
        while True:
            with nogil:
                if due > 0:
                    result = ms_timer_set_date(self._object, fd, <uint64_t>due, period, &before)
                else:
                    result = ms_timer_set_span(self._object, fd, span, period, &before)
            if result != -EINTR:
                return result if result else before
            PyErr_CheckSignals()

    def cancel_timer(self, int fd):
        """Whether it is signaled, or a negative errno."""
        cdef uint32_t before = 0
        cdef int result
        while True:
            with nogil:
                result = ms_timer_cancel(self._object, fd, &before)
            if result != -EINTR:
                return result if result else before
            PyErr_CheckSignals()

    def look_timer(self):
        """(result, whether it is signaled, whether it has a due time, period in ms, 100 ns until it is due)."""
        return timer_look(self._object.state)


cdef class Other:
    """Something of another part of the library that can be waited for.

    Args:
        address: Of its ``ms_other``, which stays as long as ``owner``.
        owner: Kept.
        whole: What it is part of: a wait for all has that once.
        name: For errors.
    """

    cdef const ms_other *_other
    cdef object _owner
    cdef readonly object whole
    cdef readonly object name

    def __init__(self, uintptr_t address, owner, whole, name):
        """Safety: the caller vouches for the address as long as the owner lives."""
        self._other = <const ms_other *>address
        self._owner = owner
        self.whole = whole
        self.name = name


cdef extern from "ms_number.h" nogil:
    ctypedef struct ms_number:
        ms_other other
    void ms_number_make(ms_number *, const uint64_t *, uint64_t)


cdef class Number:
    """A number in shared memory that is waited for to be more than another one (``Other``); its buffer is held."""

    cdef Py_buffer _buffer
    cdef ms_number _number
    cdef bint _held

    def __cinit__(self, buffer, uint64_t above):
        PyObject_GetBuffer(buffer, &self._buffer, PyBUF_SIMPLE)
        self._held = True
        # Safety: eight bytes, aligned, mapped for as long as the buffer is held.
        if self._buffer.len != 8 or <uintptr_t>self._buffer.buf % 8:
            raise ValueError("a number has 8 bytes, aligned")
        ms_number_make(&self._number, <const uint64_t *>self._buffer.buf, above)

    @property
    def address(self):
        """Of what ``Other`` needs."""
        return <uintptr_t>&self._number.other

    def __dealloc__(self):
        if self._held:
            PyBuffer_Release(&self._buffer)


def wait(list items, *, bint all, bint accept_abandoned, int64_t deadline, act=None):
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
    for item, fd in items:      # the list keeps the states alive
        if isinstance(item, Other):
            list_[n].other = (<Other>item)._other
        else:
            state = item
            list_[n].object = NULL if state is None else state._object
        list_[n].fd = fd
        n += 1
    wait.items = list_
    wait.count = n
    wait.all = all
    wait.accept_abandoned = accept_abandoned
    wait.deadline = deadline
    result = run(&wait, act)
    return result, wait.index, wait.dead


include "waitable.pxi"
include "watching.pxi"
