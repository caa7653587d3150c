# SPDX-License-Identifier: MIT
# cython: binding=False, auto_pickle=False
"""Atomic operations on one integer of four or eight bytes in a buffer: the door to ``ms_atomic.h``.

It checks that the buffer is such an integer and that a value fits it; where in shared memory it lies is the caller's
business.  Every operation holds the buffer for itself, so that nothing is unmapped under it.
"""

from cpython.buffer cimport PyBUF_FULL_RO, PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
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
    if type(value) is int and 0 <= value <= 0x7fffffff:
        return <uint64_t>value      # what is added and stored most often, without large numbers
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


cdef uint64_t perform(void *at, Py_ssize_t size, int what, uint64_t one, uint64_t other) noexcept:
    if size == 4:
        return (ms_load_u32(<uint32_t *>at) if what == LOAD else
                ms_add_u32(<uint32_t *>at, <uint32_t>one) if what == ADD else
                ms_cas_u32(<uint32_t *>at, <uint32_t>one, <uint32_t>other) if what == CAS else
                ms_swap_u32(<uint32_t *>at, <uint32_t>one))
    return (ms_load_u64(<uint64_t *>at) if what == LOAD else
            ms_add_u64(<uint64_t *>at, one) if what == ADD else
            ms_cas_u64(<uint64_t *>at, one, other) if what == CAS else
            ms_swap_u64(<uint64_t *>at, one))


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
        found = perform(buffer.buf, buffer.len, what, one, other)
        return number_of(found, buffer.len, signed)
    finally:
        PyBuffer_Release(&buffer)


cdef int kind_of(const char *format, Py_ssize_t size) except -1:
    """1 for a signed integer, 0 for one without a sign; a ValueError for what is no integer in this machine's order."""
    cdef const char *letter = format
    cdef char code = 0
    if letter != NULL:
        letter += 1 if letter[0] == b"=" or letter[0] == b"@" else 0
        code = letter[0]
    if code != 0 and letter[1] == 0 and (size == 4 or size == 8):
        if code == b"i" or code == b"l" or code == b"q":
            return 1
        if code == b"I" or code == b"L" or code == b"Q":
            return 0
    raise ValueError("asked for " + (format.decode(errors="replace") if format != NULL else "bytes") + f" of {size} bytes: "
                     "there are integers of 4 and 8 bytes in this machine's order")


cdef object operate_at(object array, int what, tuple arguments, Py_ssize_t values):
    """An operation on an element of a strided buffer: the indices come first, alone or as a tuple, then the values."""
    cdef Py_buffer buffer
    cdef Py_ssize_t i, index, n = len(arguments) - values
    cdef bint signed
    cdef char *at
    cdef uint64_t one = 0, other = 0, found
    if n < 1:
        raise TypeError(f"a place and {values} value{'s' * (values != 1)} are needed, {len(arguments)} arguments were given")
    if n == 1 and type(arguments[0]) is tuple:
        arguments, n = arguments[0] + arguments[1:], len(arguments[0])
    PyObject_GetBuffer(array, &buffer, PyBUF_FULL_RO)
    try:
        signed = kind_of(buffer.format, buffer.itemsize)
        if what != LOAD and buffer.readonly:
            raise BufferError("it cannot be written")
        if n != buffer.ndim:
            raise IndexError(f"atomic operation: {n} indices, the array has {buffer.ndim} dimensions")
        at = <char *>buffer.buf
        for i in range(n):
            index = arguments[i]
            if index < 0:
                index += buffer.shape[i]
            if not 0 <= index < buffer.shape[i]:
                raise IndexError(f"atomic operation: index {arguments[i]} of {buffer.shape[i]} in dimension {i}")
            at += index * buffer.strides[i]
        if <uintptr_t>at % buffer.itemsize:
            raise ValueError(f"an atomic integer is aligned to its size, which is {buffer.itemsize} bytes")
        if what != LOAD:
            one = bits_of(arguments[n], buffer.itemsize, signed, what == ADD)
        if what == CAS:
            other = bits_of(arguments[n + 1], buffer.itemsize, signed, False)
        # Safety: the indices are within the shape that the exporter gave, and the buffer is held.
        found = perform(at, buffer.itemsize, what, one, other)
        return number_of(found, buffer.itemsize, signed)
    finally:
        PyBuffer_Release(&buffer)


def load_at(array, *place):
    """As ``load``, of an element of an array."""
    return operate_at(array, LOAD, place, 0)


def add_at(array, *place_and_value):
    """As ``add``, to an element of an array."""
    return operate_at(array, ADD, place_and_value, 1)


def exchange_at(array, *place_and_value):
    """As ``exchange``, of an element of an array."""
    return operate_at(array, SWAP, place_and_value, 1)


def compare_exchange_at(array, *place_and_values):
    """As ``compare_exchange``, of an element of an array."""
    return operate_at(array, CAS, place_and_values, 2)


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
