# SPDX-License-Identifier: MIT
# For native code elsewhere that reads and changes these records.
from cpython.pythread cimport PyThread_type_lock
from libc.stdint cimport uint32_t, uint64_t


cdef class HandleRecord:
    cdef public object value, kind, obj
    cdef public int fd, data_fd
    cdef public uint64_t access
    cdef public bint protected


cdef class ObjectRecord:
    cdef public object directory, facts, identity, kind, name, place, place_key, state
    cdef public set handles
    cdef public int locator_fd, view_ro, view_rw, views
    cdef public bint fresh
    cdef uint64_t asked, granted, asked_by      # the last verdict, and for which caller and descriptor
    cdef object asked_of


cdef class RegionRecord:
    cdef public uint64_t base, size, offset, bitmap, bitmap_size
    cdef public uint32_t protection, modifiers
    cdef public bint writable, shared
    cdef public object obj, changed, guard, buffer


cdef class Lock:
    cdef PyThread_type_lock _lock
    cdef unsigned long _owner
    cdef int _depth

    cdef bint enter(self) noexcept
    cdef void leave(self) noexcept
    cdef void renew(self) noexcept
    cdef void take(self)


cdef Lock tables_lock
