# SPDX-License-Identifier: MIT
# cython: auto_pickle=False
"""A latest value in any shared buffer: the door to ``ms_seqlock``.

It owns how long a reader tries.  Where the buffer comes from, what the bytes mean, and that there is only one writer is
the caller's business.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

from memsection._native.seconds cimport seconds_of

import time

cdef extern from "ms_atomic.h" nogil:
    uint64_t ms_load_u64(const uint64_t *)

cdef extern from "ms_view.h" nogil:
    uint64_t MS_VIEW_CLOSED
    int ms_view_acquire(uint64_t *)
    int ms_view_release(uint64_t *)
    int ms_view_close(uint64_t *)

cdef extern from "ms_seqlock.h" nogil:
    ctypedef struct ms_seqlock:
        unsigned char *base
        uint64_t capacity
        uint32_t slots
        uint64_t written
    int MS_SEQLOCK_OK
    int MS_SEQLOCK_EMPTY
    int MS_SEQLOCK_AGAIN
    uint64_t ms_seqlock_size(uint64_t, uint32_t)
    int ms_seqlock_format(void *, uint64_t, uint64_t, uint32_t)
    int ms_seqlock_attach(ms_seqlock *, void *, uint64_t)
    void *ms_seqlock_begin(ms_seqlock *)
    void ms_seqlock_commit(ms_seqlock *, uint64_t)
    void ms_seqlock_wake(ms_seqlock *)
    int ms_seqlock_look(const ms_seqlock *, uint64_t *, uint64_t *)
    int ms_seqlock_watch(const ms_seqlock *, uint64_t, int64_t, uint32_t)
    int ms_seqlock_copy(const ms_seqlock *, uint64_t, uint64_t, void *, uint64_t)

cdef double PAUSE = 20e-6   # seconds between attempts that follow many vain ones
NUMBER_AT = 24  #: where in the buffer the number of the newest complete value is: 8 bytes
SLOTS = 4       #: a reader then has the time of three writes for one copy

cdef enum:
    PATIENCE = 100      # attempts between two looks at the clock
    LARGE = 65536       # bytes from which on a copy lets other threads run


def size(uint64_t capacity, uint32_t slots=SLOTS):
    """Bytes that a buffer needs for values of up to ``capacity`` bytes.

    Raises:
        ValueError: The capacity is 0 or absurd, or there are fewer than 2 or more than 64 slots.
    """
    cdef uint64_t needed = ms_seqlock_size(capacity, slots)
    if needed == 0:
        raise ValueError(f"latest value: {capacity} bytes in {slots} slots: asked for 1 byte to 64 PiB in 2 to 64 slots")
    return needed


cdef class Latest:
    """One end of a latest value: a writer, or one of many readers.

    Args:
        buffer: The memory; held until ``close``.
        writable: Whether this end writes.  There may be one such end at a time; the next one goes on where a dead one
            stopped.
        capacity: Format the buffer for values of up to so many bytes; 0 to take it as it is.
        slots: How many values the writer goes round over, when formatting.

    Raises:
        ValueError: The buffer is too small or not aligned, or what is in it cannot be a latest value.
        BufferError: It is read-only and this end is to write.
    """

    cdef Py_buffer _buffer
    cdef ms_seqlock _lock
    cdef uint64_t _state
    cdef readonly bint writable

    def __cinit__(self, buffer, *, bint writable, uint64_t capacity=0, uint32_t slots=SLOTS):
        self._state = MS_VIEW_CLOSED
        PyObject_GetBuffer(buffer, &self._buffer, PyBUF_WRITABLE if writable else PyBUF_SIMPLE)
        self._state = 0
        self.writable = writable
        # Safety: the buffer is held until the state word says that nobody is inside a call any more.
        if capacity != 0:
            if not writable:
                raise ValueError("latest value: only the writer formats the buffer")
            if ms_seqlock_format(self._buffer.buf, self._buffer.len, capacity, slots) != MS_SEQLOCK_OK:
                raise ValueError(f"latest value: {self._buffer.len} bytes, but {size(capacity, slots)} aligned to 8 are needed")
        cdef int result = ms_seqlock_attach(&self._lock, self._buffer.buf, self._buffer.len)
        if result == MS_SEQLOCK_EMPTY:
            raise ValueError("latest value: the buffer was never formatted")
        if result != MS_SEQLOCK_OK:
            raise ValueError(f"latest value: the header does not describe one that fits into {self._buffer.len} bytes")

    cdef int _enter(self) except -1:
        if ms_view_acquire(&self._state) != 0:
            raise ValueError("latest value: used after it was closed")
        return 0

    cdef void _leave(self) noexcept:
        if ms_view_release(&self._state):
            PyBuffer_Release(&self._buffer)

    cdef int _enter_writer(self) except -1:
        if not self.writable:
            raise TypeError("latest value: this end only reads")
        return self._enter()

    def write(self, value):
        """Publish a value: a buffer of at most ``capacity`` bytes.  Never waits.

        Raises:
            ValueError: It is longer, or this end was closed.
            TypeError: This end only reads.
        """
        cdef Py_buffer source
        self._enter_writer()
        try:
            PyObject_GetBuffer(value, &source, PyBUF_SIMPLE)
            try:
                self._write(source.buf, source.len)
            finally:
                PyBuffer_Release(&source)
        finally:
            self._leave()

    cdef int _write(self, const void *source, uint64_t length) except -1:
        cdef void *target
        if length > self._lock.capacity:
            raise ValueError(f"latest value: {length} bytes, at most {self._lock.capacity} fit")
        target = ms_seqlock_begin(&self._lock)
        if length < LARGE:
            memcpy(target, source, length)
        else:
            with nogil:
                memcpy(target, source, length)
        ms_seqlock_commit(&self._lock, length)
        ms_seqlock_wake(&self._lock)
        return 0

    def begin(self):
        """Where the next value goes: its offset in the buffer, for producing it in place; ``commit`` publishes it."""
        self._enter_writer()
        try:
            return <unsigned char *>ms_seqlock_begin(&self._lock) - self._lock.base
        finally:
            self._leave()

    def commit(self, uint64_t length):
        """Publish the ``length`` bytes at the offset that ``begin`` gave."""
        self._enter_writer()
        try:
            if length > self._lock.capacity:
                raise ValueError(f"latest value: {length} bytes, at most {self._lock.capacity} fit")
            ms_seqlock_commit(&self._lock, length)
            ms_seqlock_wake(&self._lock)
        finally:
            self._leave()

    cdef int _copy(self, uint64_t sequence, uint64_t offset, void *target, uint64_t length) noexcept:
        cdef int result
        if length < LARGE:
            return ms_seqlock_copy(&self._lock, sequence, offset, target, length)
        with nogil:
            result = ms_seqlock_copy(&self._lock, sequence, offset, target, length)
        return result

    cdef object _read(self, object into, double timeout):
        """(number, bytes), or (number, length) with the value in ``into``; None when there is no value yet."""
        cdef uint64_t sequence = 0, length = 0
        cdef Py_buffer target
        cdef int result, attempt
        cdef double deadline = 0
        cdef bytes value
        if into is not None:
            try:
                PyObject_GetBuffer(into, &target, PyBUF_WRITABLE)
            except BufferError:
                raise TypeError(f"latest value: a buffer to write to is needed, not {type(into).__name__}") from None
        try:
            while True:
                for attempt in range(PATIENCE):
                    result = ms_seqlock_look(&self._lock, &sequence, &length)
                    if result == MS_SEQLOCK_EMPTY:
                        return None
                    if result != MS_SEQLOCK_OK:
                        continue
                    if into is None:
                        value = PyBytes_FromStringAndSize(NULL, length)
                        if self._copy(sequence, 0, PyBytes_AS_STRING(value), length) == MS_SEQLOCK_OK:
                            return sequence, value
                    elif <uint64_t>target.len < length:
                        raise ValueError(f"latest value: {length} bytes do not fit into {target.len}")
                    elif self._copy(sequence, 0, target.buf, length) == MS_SEQLOCK_OK:
                        return sequence, length
                # Ctrl-C, then other threads: for longer once it is clear that the next attempt is no better.
                PyErr_CheckSignals()
                time.sleep(0 if deadline == 0 else PAUSE)
                if deadline == 0:
                    deadline = time.monotonic() + timeout
                elif time.monotonic() >= deadline:
                    raise TimeoutError(f"latest value: no complete value for {timeout} s: the writer is too fast for "
                                       "this reader, or somebody else writes into the memory")
        finally:
            if into is not None:
                PyBuffer_Release(&target)

    def read(self, timeout=1.0):
        """The newest complete value: its number, from 1, and its bytes.  None when nothing was written yet.

        It never waits for the writer; the timeout bounds how often a copy is tried that the writer overtakes.

        Raises:
            TimeoutError: The writer overtook every attempt, or what is in the memory makes no sense.
            ValueError: This end was closed.
        """
        self._enter()
        try:
            return self._read(None, seconds_of(timeout))
        finally:
            self._leave()

    def read_into(self, target not None, timeout=1.0):
        """As ``read``, into a buffer: the value's number and length.  After an exception the buffer holds anything."""
        self._enter()
        try:
            return self._read(target, seconds_of(timeout))
        finally:
            self._leave()

    def look(self):
        """The number and the length of the newest value; None where there is none, or where it cannot be told just now
        because the writer is too fast.

        Raises:
            ValueError: This end was closed.
        """
        cdef uint64_t sequence = 0, length = 0
        cdef int attempt
        self._enter()
        try:
            for attempt in range(PATIENCE):
                if ms_seqlock_look(&self._lock, &sequence, &length) == MS_SEQLOCK_OK:
                    return sequence, length
            return None
        finally:
            self._leave()

    def read_part(self, uint64_t sequence, uint64_t offset, target not None):
        """Copy bytes of the value with a number, from an offset on, until a buffer is full; whether that is the value's:
        then all that was copied of it before is, too.  Otherwise the buffer holds anything.

        Raises:
            ValueError: A value has not so many bytes, or this end was closed.
        """
        cdef Py_buffer into
        self._enter()
        try:
            PyObject_GetBuffer(target, &into, PyBUF_WRITABLE)
            try:
                if offset > self._lock.capacity or <uint64_t>into.len > self._lock.capacity - offset:
                    raise ValueError(f"latest value: {into.len} bytes from {offset} on, at most {self._lock.capacity} fit")
                return self._copy(sequence, offset, into.buf, into.len) == MS_SEQLOCK_OK
            finally:
                PyBuffer_Release(&into)
        finally:
            self._leave()

    def watch(self, uint64_t sequence, double pause, uint32_t looks):
        """Look whether the newest value has another number: so many times, with a pause (seconds) before each; whether
        it has.

        A look costs the writer nothing, and in here it costs the other threads nothing: nobody holds the interpreter's
        lock.

        Raises:
            ValueError: This end was closed, or the pause is none of at most a minute.
        """
        cdef int found
        if not 0 <= pause <= 60:
            raise ValueError(f"latest value: a pause of {pause} s, asked for at most 60")
        self._enter()
        try:
            with nogil:
                found = ms_seqlock_watch(&self._lock, sequence, <int64_t>(pause * 1e9), looks)
            return found != 0
        finally:
            self._leave()

    @property
    def sequence(self):
        """The number of the newest complete value, 0 when there is none."""
        cdef uint64_t sequence = 0, length = 0
        self._enter()
        try:
            ms_seqlock_look(&self._lock, &sequence, &length)
            return sequence
        finally:
            self._leave()

    @property
    def capacity(self):
        """Bytes that a value may have."""
        return self._lock.capacity

    @property
    def slots(self):
        """How many values the writer goes round over."""
        return self._lock.slots

    @property
    def closed(self):
        """Whether this end was closed."""
        return bool(ms_load_u64(&self._state) & MS_VIEW_CLOSED)

    def close(self):
        """Give the buffer back.  Again is harmless."""
        if ms_view_close(&self._state) == 1:
            PyBuffer_Release(&self._buffer)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def __dealloc__(self):
        if ms_view_close(&self._state) == 1:
            PyBuffer_Release(&self._buffer)
