# SPDX-License-Identifier: MIT
# cython: auto_pickle=False
"""A mapping as a buffer, with its bounds and its exports.

It owns the moment of unmapping: once, when the view was closed and the last buffer over it is gone.  How memory is
mapped and unmapped is the caller's business (``release``), and so is whether it is still what it was (``check``).
"""

cimport cython
from cpython.buffer cimport PyBUF_FULL_RO, PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_FillInfo, PyBuffer_Release
from cpython.buffer cimport PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.weakref cimport PyWeakref_NewRef
from cpython.ref cimport Py_DECREF, Py_INCREF, PyObject
from libc.stdint cimport uint32_t, uint64_t, uintptr_t
from libc.string cimport memcpy

import sys

cdef extern from *:
    """
    static PyObject *ms_new(PyTypeObject *type, PyObject *nothing) { return type->tp_new(type, nothing, NULL); }
    """
    object ms_new(type, tuple)

cdef extern from "ms_atomic.h" nogil:
    uint64_t ms_load_u64(const uint64_t *)
    void ms_store_u64(uint64_t *, uint64_t)
    uint32_t ms_load_u32(const uint32_t *)
    uint32_t ms_swap_u32(uint32_t *, uint32_t)
    void ms_fence_acquire()
    void ms_fence_release()

cdef extern from "ms_view.h" nogil:
    uint64_t MS_VIEW_CLOSED
    int ms_view_acquire(uint64_t *)
    int ms_view_release(uint64_t *)
    int ms_view_close(uint64_t *)


cdef object _closed_error():
    # Imported when needed: the core stands below the vocabulary, and only this error has to be a public one.
    from memsection.vocabulary import errors, status
    return errors.ArgumentError("view: used after it was closed", ntstatus=status.NOT_MAPPED_VIEW)


cdef void _call(release) noexcept:
    # An exception that leaves here is reported by the interpreter (sys.unraisablehook) and goes no further.
    try:
        release()
    except BaseException:
        # At exit the interpreter takes modules apart, and the system takes the memory back anyway.
        if sys is not None and not sys.is_finalizing():
            raise


@cython.no_gc_clear     # the collector must not take the view away before it was left
cdef class Lease:
    """What a buffer over a view belongs to: the view's memory stays as long as this lives.

    NumPy, given a memoryview as the ``buffer`` of an array, keeps what the memoryview's buffer belongs to, and not the
    buffer.  Were that the view, closing the view would take the memory from under the array.
    """

    cdef readonly View view

    def __cinit__(self, View view not None):
        view._enter()
        self.view = view

    def __dealloc__(self):
        if self.view is not None:
            self.view._leave()


@cython.no_gc_clear     # the collector must not take _release away before it was called
cdef class View:
    """A mapped range of memory as a buffer of bytes.

    Closing never raises: while memoryviews or arrays still use the memory it is released when the last of them goes.

    Args:
        address: Where the memory is mapped.
        length: Its size in bytes.
        readonly: Whether buffers over it refuse writing.
        release: Called once, when nothing uses the memory any more.
        check: Called before the memory is lent out; what it raises is raised to whoever asked.
        committed: Whether all of its pages are known to have memory.

    Raises:
        ValueError: The range is invalid (negative length or address 0), or the view was opened already.
    """

    cdef char *_start
    cdef Py_ssize_t _length
    cdef uint64_t _state
    cdef bint _readonly
    cdef bint _all_committed
    cdef uint32_t _lent     #: the view itself counts as a user, until nobody has a reference to it: see __getbuffer__
    cdef object _release
    cdef PyObject *_kept    #: _release once more, where the collector does not see it: see __del__
    cdef object _check
    cdef object __weakref__

    def __cinit__(self):
        self._state = MS_VIEW_CLOSED

    def __init__(self, uintptr_t address, Py_ssize_t length, *, bint readonly, object release, object check=None,
                 bint committed=False):
        self._open(address, length, readonly, release, check, committed)

    cdef int _open(self, uintptr_t address, Py_ssize_t length, bint readonly, object release, object check,
                   bint committed) except -1:
        if not ms_load_u64(&self._state) & MS_VIEW_CLOSED or self._start != NULL:
            raise ValueError("view: opened already")
        if length < 0 or address == 0 or <uintptr_t>length > <uintptr_t>-1 - address:
            raise ValueError(f"view: no memory of {length} bytes can be at address {address:#x}")
        # Safety: the caller vouches for [address, address + length) until it is asked to release it, and no access
        # below or through an exported buffer leaves that range.
        self._start = <char *>address
        self._length = length
        self._readonly = readonly
        self._all_committed = committed
        self._release = release
        self._check = check
        ms_store_u64(&self._state, 0)
        return 0

    cdef int _enter(self) except -1:
        """Hold the memory: it stays until ``_leave``."""
        if ms_view_acquire(&self._state) != 0:
            raise _closed_error()
        if self._check is not None:
            try:
                self._check()
            except BaseException:
                self._leave()
                raise
        return 0

    cdef void _leave(self) noexcept:
        if ms_view_release(&self._state):
            self._unmap()

    cdef void _unmap(self) noexcept:
        # Only the one caller that ms_view names comes here.
        release, self._release, self._check = self._release, None, None
        if self._kept != NULL:
            self._kept = NULL
            Py_DECREF(release)
        if release is not None:
            _call(release)

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        lease = Lease(self)
        if flags != PyBUF_FULL_RO and ms_swap_u32(&self._lent, 1) == 0:
            # No memoryview asks.  It may be numpy.ndarray(buffer=view), which gives the buffer back at once and goes
            # on using the memory as long as it holds the view.
            if ms_view_acquire(&self._state) != 0:
                ms_swap_u32(&self._lent, 0)     # closed meanwhile
                raise _closed_error()
        PyBuffer_FillInfo(buffer, lease, self._start, self._length, self._readonly, flags)

    def __len__(self):
        if ms_load_u64(&self._state) & MS_VIEW_CLOSED:
            raise _closed_error()
        return self._length

    def __getitem__(self, key):
        found = memoryview(self)[key]
        if self._check is not None and type(found) is int:
            self._check()   # what was read may have been there no more
        return found

    def __setitem__(self, key, value):
        with memoryview(self) as whole:
            whole[key] = value
            if self._check is not None:
                self._check()   # likewise what was written

    def close(self):
        """Give the memory up: now, or when the last buffer over it goes.  Never raises; again is harmless."""
        if ms_view_close(&self._state) == 1:
            self._unmap()

    def _end(self):
        """Close it for whoever unmaps it by its address: 1 when nobody uses the memory, which is the caller's to unmap
        now, unless that is done already; 0 when the last user will; -1 when it was closed before and is used."""
        cdef int told = ms_view_close(&self._state)
        if told < 0 and ms_load_u64(&self._state) == MS_VIEW_CLOSED:
            # Whoever closed it has not unmapped it yet; in a forked child that thread may not be there to do so.
            return 1
        return told

    def __enter__(self):
        if ms_load_u64(&self._state) & MS_VIEW_CLOSED:
            raise _closed_error()
        return self

    def __exit__(self, *exception):
        self.close()

    cdef void _drop(self) noexcept:
        # Nobody has a reference any more, so nobody uses the view without a buffer either.
        if ms_view_close(&self._state) == 1:
            self._unmap()
        if ms_swap_u32(&self._lent, 0):
            self._leave()

    def __del__(self):
        self._drop()
        if self._release is not None and self._kept == NULL:
            # Garbage together with a buffer over it: the collector takes such things apart in any order, and the
            # release, to be called when the buffer goes, must be whole then.  A reference that the collector cannot
            # account for makes it leave the release alone.
            Py_INCREF(self._release)
            self._kept = <PyObject *>self._release

    def __dealloc__(self):
        # For a subclass whose __del__ does not call this one's; otherwise it was dropped just before.
        self._drop()

    @property
    def address(self):
        """Where the memory is mapped."""
        if ms_load_u64(&self._state) & MS_VIEW_CLOSED:
            raise _closed_error()
        return <uintptr_t>self._start

    @property
    def _mapping(self):
        """What it calls to release the memory, which names the view that it is of; None when that was done."""
        return self._release

    @property
    def _is_whole(self):
        """Whether all of its pages are known to have memory; False where that has to be asked."""
        return self._all_committed

    @property
    def readonly(self):
        """Whether buffers over it refuse writing."""
        return self._readonly

    @property
    def closed(self):
        """Whether it was closed; the memory may still be mapped for those who use it."""
        return bool(ms_load_u64(&self._state) & MS_VIEW_CLOSED)

    @property
    def exports(self):
        """How many buffers over it are in use."""
        return (ms_load_u64(&self._state) & ~MS_VIEW_CLOSED) - ms_load_u32(&self._lent)


def lend(type kind not None, uintptr_t address, Py_ssize_t length, bint readonly, release, check, bint committed):
    """A view of this kind, whose own constructor is not called: it may be closed to everybody else.

    What releases it learns it by a weak reference (``buffer``).
    """
    cdef View made = ms_new(kind, ())
    made._open(address, length, readonly, release, check, committed)
    release.buffer = PyWeakref_NewRef(made, None)
    return made


# ---------------------------------------------------------------------- eight bytes that say that others are complete


cdef enum:
    MARK = 8


cdef char *_place_of_mark(Py_buffer *buffer, Py_ssize_t offset) except NULL:
    if offset < 0 or offset > buffer.len - MARK:
        raise ValueError(f"mark: {MARK} bytes at offset {offset} of a buffer of {buffer.len}")
    return <char *>buffer.buf + offset


def publish(memory, Py_ssize_t offset, bytes mark not None):
    """Write eight bytes to a buffer: whoever sees them by ``published`` sees everything that was written before."""
    cdef Py_buffer buffer
    cdef char *at
    cdef uint64_t word
    if len(mark) != MARK:
        raise ValueError(f"mark: {len(mark)} bytes, it has {MARK}")
    memcpy(&word, <const char *>mark, MARK)
    PyObject_GetBuffer(memory, &buffer, PyBUF_SIMPLE | PyBUF_WRITABLE)
    try:
        at = _place_of_mark(&buffer, offset)
        if <uintptr_t>at % MARK == 0:
            ms_store_u64(<uint64_t *>at, word)      # SYNC(mark): release; pairs with published
        else:                                       # of a section that was made before its mark had an even place
            ms_fence_release()
            memcpy(at, &word, MARK)
    finally:
        PyBuffer_Release(&buffer)


def published(memory, Py_ssize_t offset):
    """The eight bytes there, read before everything that is read afterwards."""
    cdef Py_buffer buffer
    cdef char *at
    cdef uint64_t word
    PyObject_GetBuffer(memory, &buffer, PyBUF_SIMPLE)
    try:
        at = _place_of_mark(&buffer, offset)
        if <uintptr_t>at % MARK == 0:
            word = ms_load_u64(<const uint64_t *>at)    # SYNC(mark): acquire; pairs with publish
        else:
            memcpy(&word, at, MARK)
            ms_fence_acquire()
        return PyBytes_FromStringAndSize(<char *>&word, MARK)
    finally:
        PyBuffer_Release(&buffer)
