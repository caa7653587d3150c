# SPDX-License-Identifier: MIT
# The part of sync.pyx for waits that nobody sleeps in: those of event loops, and of who has to look.

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
