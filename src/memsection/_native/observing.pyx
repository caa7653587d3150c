# SPDX-License-Identifier: MIT
# cython: binding=False, auto_pickle=False, freethreading_compatible=False
"""The door to topics for those who may only read them: everything is copied, and nothing is written.

It has the methods of ``ends.End`` that receive; its messages are never in hand.  What the calls mean stands in
``channel/ms_topic.h``.
"""

cimport cython
from cpython.buffer cimport PyBUF_FULL_RO, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport EAGAIN, EBADF, EBUSY, EINTR, ETIMEDOUT
from libc.stdint cimport int64_t, uint32_t, uint64_t, uintptr_t
from libc.string cimport memcpy, memset

from memsection._native.deadline cimport deadline_of, most_of, require_seconds

from memsection._native.ends import LOST as _LOST

cdef extern from *:
    """
    #ifdef Py_GIL_DISABLED
    #define MS_FREE_THREADED 1
    #else
    #define MS_FREE_THREADED 0
    #endif
    """
    enum: MS_FREE_THREADED

cdef extern from "errno.h":
    enum: ENOTCONN, EPIPE

cdef extern from "ms_spin.h" nogil:
    void ms_spin_set(int64_t)

cdef extern from "ms_atomic.h" nogil:
    uint32_t ms_load_u32(const uint32_t *)
    uint32_t ms_swap_u32(uint32_t *, uint32_t)

cdef extern from "channel/ms_channel.h" nogil:
    enum: MS_ROLE_SEND, MS_FOR_MESSAGE, MS_ENDS_MOST
    ctypedef struct ms_member:
        uint32_t role, pid
    ctypedef struct ms_channel:
        uint32_t down
        ms_member *members
    ctypedef struct ms_shape:
        uint32_t capacity, redeliver
        uint64_t small_units, large_units, large_unit
        uint32_t flags, history, calls
    ctypedef struct ms_end:
        ms_channel *channel
        uint32_t role
        uint64_t missed
    ctypedef struct ms_message:
        uint64_t number, length
        const unsigned char *bytes
        uint32_t in_place, format
    ctypedef struct ms_await:
        ms_end *end
        int what
        int64_t deadline
    ctypedef struct ms_other:
        void *self
        int (*look)(void *)
    ctypedef struct ms_watched:
        ms_other other

cdef extern from "channel/ms_topic.h" nogil:
    int ms_observer_open(ms_end *, const void *, uint64_t, const ms_shape *, int fd)
    void ms_observer_close(ms_end *)
    int ms_observer_pull(ms_end *, ms_message *, int newest)
    int ms_observer_finish(ms_end *, const ms_message *)
    void ms_observer_unpull(ms_end *, uint64_t)
    int ms_observer_ready(ms_end *)
    uint32_t ms_observer_count(ms_end *, uint32_t role)
    int ms_observer_partners(ms_end *, int *)
    int ms_observer_await(ms_await *)
    void ms_observed_make(ms_watched *, ms_end *)
    void ms_topic_rewind(ms_end *, uint64_t)
    void ms_topic_miss(ms_end *)
    uint32_t ms_topic_count(ms_end *)

cdef enum:
    LARGE = 1 << 15     # bytes from which on a copy lets go of the GIL


def set_spin(int64_t ns):
    """How long a wait spins at most before it sleeps; 0 for never."""
    ms_spin_set(ns)


@cython.no_gc_clear
cdef class Watched:
    """An observer that is waited for beside other things; it keeps the topic's memory."""

    cdef Observer _owner
    cdef ms_watched _watched

    @property
    def address(self):
        return <uintptr_t>&self._watched.other

    def look(self):
        """Whether it is ready, after looking after those who may have died."""
        return bool(self._watched.other.look(self._watched.other.self))

    def __dealloc__(self):
        if self._owner is not None:
            self._owner._leave()


@cython.no_gc_clear
cdef class Observer:
    """One that reads a topic.

    Args:
        memory: The topic; held as long as this object exists.
        shape: What it should be.
        fd: A descriptor of the section that stays open as long as this object is used.
        codec: What makes values of messages, and exceptions of results.
    """

    cdef ms_end _end
    cdef Py_buffer _buffer
    cdef bint _opened
    cdef int _uses              # waits, copies, and what waits for it beside others
    cdef object _codec
    cdef bint _plain
    cdef object __weakref__

    def __init__(self, memory, tuple shape, int fd, codec):
        """Safety: the buffer is held until this object is gone, and never written to."""
        cdef ms_shape wanted
        cdef int result
        if self._opened:
            raise ValueError("observer: opened already")
        (wanted.capacity, wanted.redeliver, wanted.small_units, wanted.large_units, wanted.large_unit, wanted.flags,
         wanted.history) = shape
        wanted.calls = 0
        PyObject_GetBuffer(memory, &self._buffer, PyBUF_FULL_RO)
        result = ms_observer_open(&self._end, self._buffer.buf, self._buffer.len, &wanted, fd)
        if result:
            PyBuffer_Release(&self._buffer)
            raise codec.problem(result)
        self._opened = True
        self._codec = codec
        self._plain = codec.plain

    def __dealloc__(self):
        if self._opened:
            ms_observer_close(&self._end)
            PyBuffer_Release(&self._buffer)

    cdef void _leave(self) noexcept:
        self._uses -= 1
        self._unmap()

    cdef void _unmap(self) noexcept:
        # With free threads somebody may be inside a call that holds nothing: then the memory goes with this object.
        if self._opened and self._uses == 0 and ms_load_u32(&self._end.role) == 0 and not MS_FREE_THREADED:
            self._opened = False
            ms_observer_close(&self._end)
            PyBuffer_Release(&self._buffer)

    cdef int _enter(self, object what=None) except -1:
        """Fails where this was closed; ``what`` is the operation, where that does not receive."""
        if ms_load_u32(&self._end.role) == 0:
            raise self._codec.problem(-EBADF, False, what)
        return 0

    def close(self):
        """No more is received here."""
        ms_swap_u32(&self._end.role, 0)
        self._unmap()

    @property
    def closed(self):
        return ms_load_u32(&self._end.role) == 0

    # ------------------------------------------------------------------ receiving

    cdef int _wait(self, ms_await *wait) except? -1000:
        cdef int result
        self._uses += 1
        with nogil:
            result = ms_observer_await(wait)
        self._uses -= 1
        if ms_load_u32(&self._end.role) == 0:
            self._unmap()
            return -EBADF
        if result == -EINTR:
            PyErr_CheckSignals()
            return 0
        return result

    cdef object _attempt(self, ms_message *message, bint newest, int *result):
        """The bytes of a message, None without one."""
        cdef char *target
        self._enter()       # what the codec runs may have closed it
        memset(message, 0, sizeof(message[0]))
        result[0] = ms_observer_pull(&self._end, message, newest)
        if result[0]:
            return None
        if not message.in_place:
            return PyBytes_FromStringAndSize(<const char *>message.bytes, message.length)
        raw = PyBytes_FromStringAndSize(NULL, message.length)
        target = PyBytes_AS_STRING(raw)
        if message.length >= LARGE:
            self._uses += 1
            with nogil:
                memcpy(target, message.bytes, message.length)
            self._uses -= 1
            if ms_load_u32(&self._end.role) == 0:
                self._unmap()
                raise self._codec.problem(-EBADF)
        else:
            memcpy(target, message.bytes, message.length)
        if ms_observer_finish(&self._end, message):
            return raw
        result[0] = -EBUSY      # torn: others wrote meanwhile
        return None

    cdef tuple _take(self, object timeout, bint newest):
        """(bytes, format, number) of the next message."""
        cdef ms_message message
        cdef ms_await wait
        cdef int result, nobody = 0
        require_seconds(timeout)
        self._enter()
        memset(&wait, 0, sizeof(wait))
        wait.end = &self._end
        wait.what = MS_FOR_MESSAGE
        wait.deadline = -2      # not worked out yet
        while True:
            raw = self._attempt(&message, newest, &result)
            if raw is not None:
                return raw, message.format, message.number
            if result != -EAGAIN and result != -EBUSY:
                raise self._codec.problem(result)
            if result == -EAGAIN and ms_load_u32(&self._end.channel.down):
                raw = self._attempt(&message, newest, &result)     # whatever was sent before is there
                if raw is not None:
                    return raw, message.format, message.number
                if result == -EAGAIN:
                    raise self._codec.problem(-EPIPE)
            if nobody:
                raise self._codec.problem(nobody)
            if wait.deadline == -2:
                wait.deadline = deadline_of(timeout)
            result = self._wait(&wait)
            if result == -ENOTCONN:
                nobody = result
            elif result:
                raise self._codec.problem(result)

    cdef tuple _receive(self, object timeout, bint copied, bint newest):
        """(value, number) of the next message."""
        while True:
            raw, format, number = self._take(timeout, newest)
            if self._plain and not format:
                return raw if copied else memoryview(raw), number
            found = self._codec.short(raw, format, copied)
            if found is not _LOST:
                return found, number
            self.miss()

    def receive(self, timeout=None, *, bint copy=True):
        """The next message, as bytes or as what the codec makes of it; always a copy of its own."""
        return self._receive(timeout, copy, False)[0]

    def receive_newest(self, timeout=None, *, bint copy=True):
        """The newest message; those before it are skipped."""
        return self._receive(timeout, copy, True)[0]

    def receive_many(self, most, timeout=None, *, bint copy=True):
        """At least one, at most so many, without waiting for more than one."""
        cdef ms_message message
        cdef int result = 0
        cdef uint64_t limit = most_of(most)
        cdef list found = []
        if limit == 0:
            require_seconds(timeout)
            return found
        found.append(self.receive(timeout, copy=copy))
        while <uint64_t>len(found) < limit and ms_load_u32(&self._end.role):
            raw = self._attempt(&message, False, &result)
            if raw is None:
                break
            one = raw if self._plain and copy and not message.format else self._codec.short(raw, message.format, copy)
            if one is _LOST:
                self.miss()
            else:
                found.append(one)
        return found

    def receive_numbered(self, timeout):
        """(value, number) of the next message; the value is shown read-only."""
        return self._receive(timeout, False, False)

    def take(self, timeout):
        """(bytes, format, number) of the next message."""
        return self._take(timeout, False)

    def unread(self, uint64_t number):
        """This message was not taken after all, if nothing was taken since."""
        ms_observer_unpull(&self._end, number)

    # ------------------------------------------------------------------ looking

    def ready(self):
        """Whether a receive would return or raise at once."""
        return self._ready("look at")

    cdef bint _ready(self, str what) except? -1:
        cdef int ever, result
        self._enter(what)
        result = ms_observer_ready(&self._end)
        if result == 0 or (result == -EAGAIN and ms_load_u32(&self._end.channel.down)):
            return True
        return not ms_observer_partners(&self._end, &ever) and bool(ever)

    def wait(self, timeout=None):
        """Wait until ``ready``: whether it is."""
        cdef ms_await wait
        cdef int result
        require_seconds(timeout)
        if self._ready("wait for"):
            return True
        memset(&wait, 0, sizeof(wait))
        wait.end = &self._end
        wait.what = MS_FOR_MESSAGE
        wait.deadline = deadline_of(timeout)
        while True:
            result = self._wait(&wait)
            if result == -ENOTCONN or self._ready("wait for"):
                return True
            if result == -ETIMEDOUT:
                return False
            if result:
                raise self._codec.problem(result, False, "wait for")

    def watched(self, bint sending=False):
        """What a wait for this end and other things has to know (``sync.Other``)."""
        cdef Watched watched
        self._enter("wait for")
        watched = Watched.__new__(Watched)
        watched._owner = self
        self._uses += 1
        ms_observed_make(&watched._watched, &self._end)
        return watched

    def rewind(self, uint64_t messages):
        """Begin with the last so many messages before this was opened."""
        self._enter("open")
        ms_topic_rewind(&self._end, messages)

    def miss(self):
        """It did not get a message for a reason of its own."""
        ms_topic_miss(&self._end)

    def count(self, uint32_t role, str what="count ends of"):
        """How many ends with this role live; ``what`` names who asks."""
        self._enter(what)
        return ms_observer_count(&self._end, role)

    def members(self):
        """(slot, role, process id) of those who say that they have it open: to be shown, never believed."""
        cdef uint32_t slot
        self._enter("look at")
        return [(slot, self._end.channel.members[slot].role & 3, self._end.channel.members[slot].pid)
                for slot in range(1, MS_ENDS_MOST + 1) if self._end.channel.members[slot].role]

    def __len__(self):
        self._enter("length of")
        return ms_topic_count(&self._end)

    @property
    def missed(self):
        return self._end.missed

    @property
    def is_down(self):
        self._enter("look at")
        return bool(ms_load_u32(&self._end.channel.down))
