# SPDX-License-Identifier: MIT
# The part of sync.pyx that the Pythonic face is built on: the base class of mutexes, events and
# semaphores, and its methods that stand in for those in Python.

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
        if type(n) is not int or n < 1:
            return _semaphore_released(self, n)     # which says what is wrong
        units = min(n, MS_COUNT_MOST + 1)
        while True:
            with cython.critical_section(self):
                failed = self._failed
                if units > MS_COUNT_MOST:
                    result = -EOVERFLOW
                elif self._object != NULL:
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
