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


# ---------------------------------------------------------------------- methods of the Pythonic face


@cython.no_gc_clear     # what is called when the collector takes things apart must find the state, or none
cdef class WaitableBase:
    """The base of the classes that users see: what their native methods work on, once it is connected.

    The methods get their public names in those classes (``native``), so subclasses override and call them as any other.
    Where a door is not connected, because the handle is closed or does not grant what they all do, the method in
    Python serves.
    """

    cdef State _state       #: None when it is not connected
    cdef ms_object *_object
    cdef ms_object *_quick  #: of a mutex that may be taken without looking at anything else
    cdef int _fd
    cdef object _failed

    def _connect(self, State state not None, int fd, failed):
        """``failed(result, pid)`` is called for everything but success and the end of the time: what it returns or raises
        is the outcome."""
        self._state = state
        self._object = self._quick = state._object
        self._fd = fd
        self._failed = failed

    def _disconnect(self):
        """The state stays for the calls that are under way."""
        with cython.critical_section(self):     # nothing where there is a GIL; likewise below
            self._object = self._quick = NULL
            state, failed, self._state, self._failed = self._state, self._failed, None, None

    def _take_in_python(self):
        """From now on taking it is a matter for the method in Python."""
        self._quick = NULL

    def _mutex_acquire(self, blocking=True, timeout=-1, *, bint accept_abandoned=False):
        cdef uint32_t dead = 0
        limit = None if blocking is True and timeout is _NO_LIMIT else plain_limit(blocking, timeout)
        if limit is NotImplemented:
            return _methods["mutex_acquire"](self, blocking, timeout, accept_abandoned=accept_abandoned)
        with cython.critical_section(self):
            if self._quick != NULL and ms_mutex_try(self._quick, accept_abandoned, 0, &dead) >= 0:
                return True
            in_python = self._quick == NULL
        if in_python:
            return _methods["mutex_acquire"](self, blocking, timeout, accept_abandoned=accept_abandoned)
        return take(self, "mutex_acquire", limit, accept_abandoned)

    def _mutex_release(self):
        cdef uint32_t before = 0
        cdef int result
        with cython.critical_section(self):
            failed = self._failed
            result = -EBADF if self._object == NULL else ms_mutex_release(self._object, &before)
        if result and failed is None:
            _methods["mutex_release"](self)
        elif result:
            failed(result, 0)
        ms_released(<void *><PyObject *>self)

    def _mutex_enter(self):
        if type(self).acquire is _mutex_acquire:
            self._mutex_acquire()
        else:
            self.acquire()
        return self

    def _semaphore_enter(self):
        if type(self).acquire is _semaphore_acquire:
            self._semaphore_acquire()
        else:
            self.acquire()
        return self

    def _release_on_exit(self, *_):
        if type(self).release is _mutex_release or type(self).release is _semaphore_release:
            self.release()
        else:
            _release_by_own(self)

    def _event_set(self):
        if change(self, MS_SET):
            _methods["event_set"](self)

    def _event_clear(self):
        if change(self, MS_RESET):
            _methods["event_clear"](self)

    def _event_is_set(self):
        with cython.critical_section(self):
            if self._object != NULL:
                return ms_load_u64(&self._object.state.word) & MS_SIGNALED != 0
        return _methods["event_is_set"](self)

    def _event_wait(self, timeout=None):
        return take(self, "event_wait", timeout, False)

    def _timer_wait(self, timeout=None):
        return take(self, "timer_wait", timeout, False)

    def _semaphore_acquire(self, blocking=True, timeout=-1):
        limit = plain_limit(blocking, timeout)
        if limit is NotImplemented:
            return _methods["semaphore_acquire"](self, blocking, timeout)
        return take(self, "semaphore_acquire", limit, False)

    def _semaphore_release(self, n=1):
        cdef uint32_t before = 0
        cdef int result = -EINVAL
        cdef int64_t units
        if type(n) is not int:
            return _semaphore_released(self, n)
        units = min(n, MS_COUNT_MOST + 1)
        while True:
            with cython.critical_section(self):
                failed = self._failed
                if units > MS_COUNT_MOST:
                    result = -EOVERFLOW
                elif units > 0 and self._object != NULL:
                    result = ms_semaphore_release(self._object, self._fd, <uint32_t>units, &before)
            if failed is None:
                return _semaphore_released(self, n)
            if result != -EINTR:
                break
            PyErr_CheckSignals()
        if result:
            return failed(result, 0)
        ms_released(<void *><PyObject *>self)
        return before

include "releases.pxi"
# What ``with`` calls is native: where a signal handler can raise, either nothing is taken or the block's end will release it.
cdef object _mutex_release = WaitableBase.__dict__["_mutex_release"]
cdef object _semaphore_release = WaitableBase.__dict__["_semaphore_release"]
cdef object _mutex_acquire = WaitableBase.__dict__["_mutex_acquire"]
cdef object _semaphore_acquire = WaitableBase.__dict__["_semaphore_acquire"]
cdef object _NO_LIMIT = -1     # the default itself, which is one object


cdef object plain_limit(object blocking, object timeout):
    """How long ``acquire`` may wait, None for ever; NotImplemented for what is left to the method in Python to decide."""
    if blocking is True:
        if timeout is _NO_LIMIT or timeout is None:
            return None
        limit = timeout
    elif timeout is _NO_LIMIT:
        if blocking is False:
            return 0
        limit = blocking
    else:
        return NotImplemented
    return limit if (type(limit) is float or type(limit) is int) and limit >= 0 else NotImplemented


cdef object take(WaitableBase door, str name, object timeout, bint accept_abandoned):
    cdef ms_item item
    cdef ms_wait wait
    cdef State state
    cdef int result
    with cython.critical_section(door):
        state, failed = door._state, door._failed
    if state is None:
        return _methods[name](door, timeout)
    memset(&item, 0, sizeof(item))
    memset(&wait, 0, sizeof(wait))
    item.object = state._object
    item.fd = door._fd
    wait.items = &item
    wait.count = 1
    wait.accept_abandoned = accept_abandoned
    wait.deadline = deadline_of(timeout)
    result = run(&wait)
    if result >= 0:
        return True
    if result == -ETIMEDOUT:
        return False
    if result == -EMFILE:   # the method in Python is the one that can have the limit raised
        return _methods[name](door, timeout, accept_abandoned=True) if accept_abandoned else _methods[name](door, timeout)
    return failed(result, wait.dead)


cdef int change(WaitableBase door, int what) except -1000:
    """0, -EBADF when it is not connected, or what ``failed`` did not raise for."""
    cdef uint32_t before = 0
    cdef int result
    while True:
        with cython.critical_section(door):
            failed = door._failed
            result = -EBADF if door._object == NULL else ms_event_change(door._object, door._fd, what, &before)
        if result == 0 or failed is None:
            return result
        if result != -EINTR:
            failed(result, 0)
            return 0
        PyErr_CheckSignals()


cdef extern from "Python.h":
    enum: CO_VARARGS

cdef dict _methods = {}         # the methods in Python, which say what the native ones do and serve everywhere else
cdef list _texts = []           # what the descriptors refer to


def native(str name):
    """A decorator: the native method of this name in the place of one in Python, with its documentation.

    It has to be the descriptor itself and no function around it: a bound method that is called costs 20 ns more then
    (bench/mutex_uncontended.py).
    """
    def decorate(method):
        code, defaults, only = method.__code__, method.__defaults__ or (), method.__kwdefaults__ or {}
        names = code.co_varnames[:code.co_argcount]
        first = len(names) - len(defaults)
        rest = ["*"][:len(only)]
        if code.co_flags & CO_VARARGS:
            rest = [f"*{code.co_varnames[code.co_argcount + len(only)]}"]
        arguments = ["$self", *names[1:first], *(f"{one}={value!r}" for one, value in zip(names[first:], defaults)),
                     *rest, *(f"{one}={value!r}" for one, value in only.items())]
        called = method.__name__.encode()
        text = f"{method.__name__}({', '.join(arguments)})\n--\n\n{method.__doc__ or ''}".encode()
        _texts.append((called, text))       # Safety: they stay as long as the module, as the descriptor does
        _methods[name] = ledger.whole(method)   # interrupted after it has taken something, it gives that back
        descriptor = WaitableBase.__dict__["_" + name]
        ms_describe(descriptor, called, text)
        return descriptor
    return decorate


# ---------------------------------------------------------------------- waits that nobody sleeps in


cdef class Wait:
    """A wait for one object that never sleeps: it is tried when a ``Watcher`` says so.

    ``ready`` is called from the watcher's thread, once for each time it is armed.
    """

    cdef object _state
    cdef ms_item _item
    cdef ms_wait _wait
    cdef bint _ended
    cdef int _taken         # 0 for nothing, 1 for the object, 2 for a mutex that was abandoned
    cdef readonly object ready

    def __init__(self, state not None, int fd, ready):
        cdef int result
        self._state = state
        if isinstance(state, Other):
            self._item.other = (<Other>state)._other
        else:
            self._item.object = (<State?>state)._object
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

    def attempt(self, bint accept_abandoned):
        """(result, pid of a dead owner): take it if it can be had."""
        cdef int result
        self._wait.accept_abandoned = accept_abandoned
        self._wait.deadline = 0
        while True:
            with nogil:
                result = ms_wait_run(&self._wait)
            if result != -EINTR:
                self._taken = result + 1 if 0 <= result <= 1 else 0
                return result, self._wait.dead
            PyErr_CheckSignals()

    def put_back(self):
        """Undo an attempt that took something, if there was one: who asked for it was interrupted and does not know."""
        cdef int taken = self._taken
        self._taken = 0
        if taken and isinstance(self._state, State):
            _put_back((self._state, self._item.fd), taken == 2)

    def end(self):
        """What it was woken for and did not take goes to somebody else."""
        if not self._ended:
            self._ended = True
            with nogil:
                ms_wait_end(&self._wait)

    def __dealloc__(self):
        if not self._ended:
            ms_wait_end(&self._wait)


def put_back_one(tuple arguments, tuple result):
    """Undo ``wait(*arguments, all=False)``, which had this result."""
    if result[0] in (0, 1):
        _put_back(arguments[0][result[1]], result[0] == 1)


def put_back_all(tuple arguments, tuple result):
    """Undo ``wait(*arguments, all=True)``, which had this result."""
    if result[0] in (0, 1):
        for item in arguments[0]:
            _put_back(item, result[0] == 1)


cdef int _put_back(item, bint abandoned) except -1:
    """A mutex is released, or abandoned as it was; a unit is there again, and so is what one wait took of an auto-reset
    event or a synchronization timer."""
    cdef State state = item[0]
    cdef int fd = item[1]
    if state is None:
        return 0
    if state.kind == MS_MUTEX:
        if abandoned:
            state.abandon_mutex()
        else:
            state.release_mutex()
    elif state.kind == MS_SEMAPHORE:
        state.release_semaphore(fd, 1)
    elif not state.flags & MS_MANUAL:
        state.change_event(fd, SET)
    return 0


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
