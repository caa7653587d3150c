# SPDX-License-Identifier: MIT
# cython: binding=False, auto_pickle=False
"""Atomic operations on one integer of four or eight bytes in a buffer: the door to ``ms_atomic.h``.

It checks that the buffer is such an integer and that a value fits it; where in shared memory it lies is the caller's
business.  Every operation holds the buffer for itself, so that nothing is unmapped under it.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t, uintptr_t

cdef extern from "ms_atomic.h" nogil:
    uint32_t ms_load_u32(const uint32_t *)
    uint64_t ms_load_u64(const uint64_t *)
    uint32_t ms_add_u32(uint32_t *, uint32_t)
    uint64_t ms_add_u64(uint64_t *, uint64_t)
    uint32_t ms_swap_u32(uint32_t *, uint32_t)
    uint64_t ms_swap_u64(uint64_t *, uint64_t)
    uint32_t ms_cas_u32(uint32_t *, uint32_t, uint32_t)
    uint64_t ms_cas_u64(uint64_t *, uint64_t, uint64_t)

cdef enum:
    LOAD, ADD, SWAP, CAS


cdef uint64_t bits_of(object value, Py_ssize_t size, bint signed, bint wraps) except? 0xdeadbeef:
    """An int as the bits of an integer of this size; one that does not fit is an OverflowError."""
    cdef object bits = 8 * size     # an object: shifts of C ints would overflow
    whole = value.__index__()
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    if wraps:       # a difference: what fits either way
        low, high = -(1 << (bits - 1)), (1 << bits) - 1
    if not low <= whole <= high:
        raise OverflowError(f"{whole} does not fit an integer of {size} bytes, {'signed' if signed else 'unsigned'}")
    return <uint64_t>(whole & ((1 << bits) - 1))


cdef object number_of(uint64_t bits, Py_ssize_t size, bint signed):
    if size == 4:
        return <int32_t>bits if signed else <uint32_t>bits
    return <int64_t>bits if signed else bits


cdef object operate(object target, bint signed, int what, object first, object second):
    cdef Py_buffer buffer
    cdef uint64_t one = 0, other = 0, found = 0
    PyObject_GetBuffer(target, &buffer, PyBUF_SIMPLE)
    try:
        if what != LOAD and buffer.readonly:
            raise BufferError("it cannot be written")
        if (buffer.len != 4 and buffer.len != 8) or <uintptr_t>buffer.buf % buffer.len:
            raise ValueError(f"an atomic integer has 4 or 8 bytes, aligned to its size; these are {buffer.len}")
        if what != LOAD:
            one = bits_of(first, buffer.len, signed, what == ADD)
        if what == CAS:
            other = bits_of(second, buffer.len, signed, False)
        # Safety: the buffer is held, writable where it is written, and its size and alignment were looked at.
        if buffer.len == 4:
            found = (ms_load_u32(<uint32_t *>buffer.buf) if what == LOAD else
                     ms_add_u32(<uint32_t *>buffer.buf, <uint32_t>one) if what == ADD else
                     ms_cas_u32(<uint32_t *>buffer.buf, <uint32_t>one, <uint32_t>other) if what == CAS else
                     ms_swap_u32(<uint32_t *>buffer.buf, <uint32_t>one))
        else:
            found = (ms_load_u64(<uint64_t *>buffer.buf) if what == LOAD else
                     ms_add_u64(<uint64_t *>buffer.buf, one) if what == ADD else
                     ms_cas_u64(<uint64_t *>buffer.buf, one, other) if what == CAS else
                     ms_swap_u64(<uint64_t *>buffer.buf, one))
        return number_of(found, buffer.len, signed)
    finally:
        PyBuffer_Release(&buffer)


def load(target, bint signed):
    """The integer."""
    return operate(target, signed, LOAD, None, None)


def add(target, bint signed, value):
    """Add, coming round at the end of the range; the integer before."""
    return operate(target, signed, ADD, value, None)


def exchange(target, bint signed, value):
    """Put another one in its place; the integer before."""
    return operate(target, signed, SWAP, value, None)


def compare_exchange(target, bint signed, expected, desired):
    """Put ``desired`` there if it is ``expected``; the integer before, so it was done where that is ``expected``."""
    return operate(target, signed, CAS, expected, desired)
