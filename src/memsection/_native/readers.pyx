# SPDX-License-Identifier: MIT
# cython: auto_pickle=False
"""The door to ``ms_readers``: who reads under a readers-writer lock, and which threads of this
process do.

It owns how often each thread here reads, and which one writes.  The mutex that writers exclude one
another by, waiting, and what becomes of a writer that died are the caller's business.  Each method
is one step as far as signal handlers of Python and forks are concerned: no bytecode runs in it once
something has changed.
"""

cimport cython
from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport uint32_t, uint64_t, uintptr_t
from libc.string cimport memcpy

import threading
import weakref

cdef extern from "ms_atomic.h" nogil:
    uint64_t ms_load_u64(const uint64_t *)

cdef extern from "Python.h":
    ctypedef struct PyThreadState:
        pass
    PyThreadState *PyThreadState_Get()
    uint64_t PyThreadState_GetID(PyThreadState *)

cdef extern from *:
    """
    #ifdef _WIN32
    enum { MS_BY_NAME = 1 };
    #else
    enum { MS_BY_NAME = 0 };
    #endif
    """
    bint MS_BY_NAME

cdef extern from "ms_readers.h" nogil:
    """
    #include <stddef.h>
    #define STATE_AT(member) offsetof(ms_rw_state, member)
    enum {
        WRITER_IS_AT = STATE_AT(writer),
        DEPARTURES_ARE_AT = STATE_AT(departures),
        HIGHEST_IS_AT = STATE_AT(highest),
    };
    """
    enum: WRITER_IS_AT, DEPARTURES_ARE_AT, HIGHEST_IS_AT
    uint32_t MS_READERS_MAGIC, MS_READERS_VERSION, MS_READERS_SLOTS
    uint64_t MS_LIVES_LOCKS, MS_WRITES
    ctypedef struct ms_rw_state:
        uint32_t magic
        uint32_t version
        uint64_t token[2]
        uint64_t writer
        uint64_t departures
        uint32_t highest
    ctypedef struct ms_rw_slot:
        uint64_t count
    ctypedef struct ms_readers:
        ms_rw_state *state
        uint64_t count
        uint32_t slot
        void *bell
    uint64_t ms_readers_size()
    void ms_readers_format(void *, const uint64_t *)
    int ms_readers_attach(ms_readers *, void *, uint64_t)
    int ms_readers_claim(ms_readers *, int)
    int ms_readers_connect(ms_readers *, void *)
    void ms_readers_drop(ms_readers *)
    void ms_readers_forked(ms_readers *)
    int ms_readers_enter(ms_readers *, int)
    void ms_readers_leave(ms_readers *)
    uint64_t ms_readers_block(ms_readers *)
    void ms_readers_set(ms_readers *, uint64_t)
    int ms_readers_gone(ms_readers *, int)
    uint32_t ms_readers_processes(ms_readers *)

WRITES = MS_WRITES      #: of the writer's word: it has begun to write
BY_NAME = MS_BY_NAME    #: whether locks need named objects: an event as bell

# The layout, for who looks at a lock without a place in it.
MAGIC = MS_READERS_MAGIC        #: the first 4 bytes of the memory
VERSION = MS_READERS_VERSION    #: the next 4
WRITER_AT = WRITER_IS_AT        #: the writer's word, 8 bytes
DEPARTURES_AT = DEPARTURES_ARE_AT   #: the number of 8 bytes that leaving readers raise
HIGHEST_AT = HIGHEST_IS_AT      #: the highest slot that was ever claimed, 4 bytes
SLOTS_AT = sizeof(ms_rw_state)  #: slot 0, which is never used; the others follow
SLOT_SIZE = sizeof(ms_rw_slot)  #: of each; the first 8 bytes say how often its process reads
SLOTS = MS_READERS_SLOTS        #: the highest number of a slot
LOCKS_AT = MS_LIVES_LOCKS     #: of the file: the byte that the owner of slot n locks is n after it


def size():
    """Bytes of a lock."""
    return ms_readers_size()


def format(memory, bytes token not None):
    """Make a lock that nobody has in memory of the right size; the token is sixteen random bytes."""
    cdef Py_buffer buffer
    cdef uint64_t words[2]
    if len(token) != sizeof(words):
        raise ValueError(f"lock: a token of {len(token)} bytes")
    memcpy(words, <const char *>token, sizeof(words))
    PyObject_GetBuffer(memory, &buffer, PyBUF_WRITABLE)
    try:
        if <uint64_t>buffer.len < ms_readers_size():
            raise ValueError(f"lock: {buffer.len} bytes, {ms_readers_size()} are needed")
        ms_readers_format(buffer.buf, words)
    finally:
        PyBuffer_Release(&buffer)


cdef inline uint64_t this_thread():
    """A number that no other thread of this process ever has."""
    return PyThreadState_GetID(PyThreadState_Get())


class _ThreadEnd:
    """What a thread has while it lives: its end gives back what it read."""

    def __init__(self, readers, thread):
        self._readers, self._thread = weakref.ref(readers), thread

    def __del__(self):
        readers = self._readers()
        if readers is not None:
            readers.thread_ended(self._thread)


@cython.no_gc_clear
cdef class Readers:
    """A lock in a buffer, which is held until this is gone.

    Args:
        buffer: Writable; what ``format`` made.
        fd: A read-write descriptor of the section, where there are descriptors.

    Raises:
        ValueError: There is no such lock in it.
        OSError: There is no place among the readers.
    """

    cdef Py_buffer _buffer
    cdef bint _held
    cdef ms_readers _lock
    cdef object _local
    cdef dict _reads            # how often each thread reads
    cdef uint64_t _writer       # the thread that writes
    cdef uint64_t _depth        # how often, 0 for nobody
    cdef object __weakref__

    def __init__(self, buffer, int fd):
        """Safety: the buffer is held until this is deallocated, so the words stay where they
        are."""
        if self._held:
            raise ValueError("lock: opened already")
        PyObject_GetBuffer(buffer, &self._buffer, PyBUF_WRITABLE)
        self._held = True
        if (<size_t>self._buffer.buf % 64
                or ms_readers_attach(&self._lock, self._buffer.buf, self._buffer.len)):
            raise ValueError("lock: there is none, or one of another version")
        self._local = threading.local()
        self._reads = {}
        self._claim(fd)

    def __dealloc__(self):
        if self._held:
            if self._lock.state != NULL:
                ms_readers_drop(&self._lock)
            PyBuffer_Release(&self._buffer)

    cdef int _claim(self, int fd) except -1:
        cdef int result
        with cython.critical_section(self):
            result = ms_readers_claim(&self._lock, fd)
        if result:
            raise OSError(-result, "a place among the readers")
        return 0

    def forked(self):
        """This is a child: it neither reads nor writes."""
        ms_readers_forked(&self._lock)
        self._reads.clear()
        self._depth = 0

    # ------------------------------------------------------------------ readers

    cdef int _know_thread(self, uint64_t me) except -1:
        if me not in self._reads:
            if not self._lock.slot:
                self._claim(-1)
            self._local.end = _ThreadEnd(self, me)
        return 0

    cdef bint _enter(self, uint64_t me, bint anyway) except -1:
        cdef object key = me, count = self._reads.get(key, 0)
        cdef bint entered
        self._reads[key] = count + 1
        entered = ms_readers_enter(&self._lock, anyway)
        if not entered:
            self._reads[key] = count
        return entered

    def enter(self, bint fresh=False):
        """Read, unless somebody writes or wants to; whether it was done.

        Who reads already reads once more, and who writes reads too, if this is not to be ``fresh``.
        """
        cdef uint64_t me = this_thread()
        self._know_thread(me)
        with cython.critical_section(self):
            has = self._reads.get(me, 0) != 0 or (self._depth and self._writer == me)
            return self._enter(me, not fresh and has)

    def enter_through(self, gate):
        """Read, with the mutex held, and release that."""
        cdef uint64_t me = this_thread()
        self._know_thread(me)
        with cython.critical_section(self):
            self._enter(me, True)
        try:
            gate.release()
        except:
            self.leave()
            raise

    def leave(self):
        """Read once less; whether this thread did."""
        cdef object key = this_thread()
        with cython.critical_section(self):
            count = self._reads.get(key, 0)
            if not count:
                return False
            self._reads[key] = count - 1
            ms_readers_leave(&self._lock)
        return True

    def thread_ended(self, thread):
        """Whatever the thread read is given back."""
        with cython.critical_section(self):
            count = self._reads.pop(thread, 0)
            while count:
                count -= 1
                ms_readers_leave(&self._lock)

    @property
    def token(self):
        """What is in the names that belong to this lock."""
        return (<char *>self._lock.state.token)[:sizeof(self._lock.state.token)]

    @property
    def bell(self):
        """The handle of the event that leaving readers set while somebody wants to write; 0: they wake at
        ``departures``."""
        return <uintptr_t>self._lock.bell

    def connect(self, uintptr_t bell):
        """Have such an event, by a handle of its own."""
        if ms_readers_connect(&self._lock, <void *>bell):
            raise OSError("lock: the event that wakes a writer is none")

    @property
    def reads_here(self):
        """How often this thread reads."""
        return self._reads.get(this_thread(), 0)

    @property
    def processes(self):
        """How many processes read."""
        with cython.critical_section(self):
            return ms_readers_processes(&self._lock)

    # ------------------------------------------------------------------ the writer

    @property
    def writes_here(self):
        """How often this thread writes."""
        return self._depth if self._writer == this_thread() else 0

    @property
    def writer(self):
        """0, or the process id of who writes with ``WRITES``, or without it of who waits for
        readers."""
        return ms_load_u64(&self._lock.state.writer)

    def block(self):
        """Keep new readers out, with the mutex held; the word that was there before."""
        return ms_readers_block(&self._lock)

    def restore(self, uint64_t word):
        """Undo ``block``, or ``begin`` after it."""
        self._depth = 0
        ms_readers_set(&self._lock, word)

    def gone(self, bint look):
        """Whether nobody reads; ``look``: after the dead were looked for, too."""
        with cython.critical_section(self):
            return ms_readers_gone(&self._lock, look)

    @property
    def departures(self):
        """The number that rises when a reader leaves while somebody wants to write."""
        return ms_load_u64(&self._lock.state.departures)

    def begin(self, uint32_t pid):
        """Write, after ``block`` and when all readers are gone."""
        ms_readers_set(&self._lock, MS_WRITES | pid)
        self._writer = this_thread()
        self._depth = 1

    def again(self, gate):
        """Write once more, in the thread that writes."""
        gate.acquire()
        self._depth += 1

    def finish(self, gate):
        """Write once less, and release the mutex as often; whether this thread did write."""
        if not self._depth or self._writer != this_thread():
            return False
        self._depth -= 1
        if not self._depth:
            ms_readers_set(&self._lock, 0)
        gate.release()
        return True


cdef class Side:
    """What ``with`` needs of a side of a lock: native, so that a signal handler finds it taken with
    the block to follow, or not taken."""

    cdef readonly object lock   #: whose side this is
    cdef readonly bint writes   #: which one
    cdef Readers _readers       # None where the lock's own methods are to be called: in a subclass
    cdef object _gate

    def _connect(self, lock, bint writes, Readers readers, gate):
        self.lock, self.writes, self._readers, self._gate = lock, writes, readers, gate

    def _disconnect(self):
        self._readers = None

    def __enter__(self):
        if self.writes:
            self.lock.acquire_write()
        elif self._readers is None or not self._readers.enter():
            self.lock.acquire_read()
        return self

    def __exit__(self, *_):
        cdef Readers readers = self._readers
        if self.writes:
            if readers is None or not readers.finish(self._gate):
                self.lock.release_write()
        elif readers is None or not readers.leave():
            self.lock.release_read()


cdef class Sided:
    """What has two sides.  It keeps neither: a side keeps it, and in a cycle it would be kept itself until a
    collection."""

    cdef tuple _kinds           # the classes of the sides, (to read, to write)
    cdef tuple _readers         # for each; None where the lock's own methods are to be called
    cdef object _gate
    cdef object _read_side      # weak references, None before the first
    cdef object _write_side
    cdef object __weakref__

    def _have_sides(self, tuple kinds, tuple readers, gate):
        self._kinds, self._readers, self._gate = kinds, readers, gate

    def _close_sides(self):
        self._readers = (None, None)
        for found in (self._read_side, self._write_side):
            side = None if found is None else found()
            if side is not None:
                side._disconnect()

    cdef object _new_side(self, bint writes):
        cdef object kind = self._kinds[writes]
        cdef Side side = kind.__new__(kind)
        side._connect(self, writes, self._readers[writes], self._gate)
        return side

    @property
    def read(self):
        """To read: beside other readers, not beside a writer.  The same one as long as somebody has it."""
        cdef object found = self._read_side
        side = None if found is None else found()
        if side is None:
            side = self._new_side(False)
            self._read_side = weakref.ref(side)
        return side

    @property
    def write(self):
        """To write: alone.  The same one as long as somebody has it."""
        cdef object found = self._write_side
        side = None if found is None else found()
        if side is None:
            side = self._new_side(True)
            self._write_side = weakref.ref(side)
        return side
