# SPDX-License-Identifier: MIT
# A part of ends.pyx: bytes that are copied, where other threads of Python's may run meanwhile.

cdef extern from *:
    """
    #ifdef _WIN32
    enum { MADV_HUGEPAGE };
    static int madvise(void *start, size_t length, int advice) { return 0; }
    #else
    #include <sys/mman.h>
    #endif
    """
    enum: MADV_HUGEPAGE
    int madvise(void *, size_t, int) nogil

cdef enum:
    PAGE = 4096             # at most what a page has where this matters; other values are refused, and nothing is lost
    HUGE = 1 << 22          # bytes from which on a new buffer asks for huge pages


cdef void copy(void *target, const void *source, uint64_t length) noexcept:
    if length >= LARGE:
        with nogil:
            memcpy(target, source, length)
    else:
        memcpy(target, source, length)


cdef void advise(void *made, uint64_t length) noexcept:
    """A large buffer is about to be filled for the first time.  Huge pages where the kernel gives them
    (madvise(2)): a third of the time for pages that were not there, nothing for those that were.
    NumPy does the same for arrays of this size.
    """
    cdef uintptr_t first = (<uintptr_t>made + PAGE - 1) & ~<uintptr_t>(PAGE - 1)
    if length >= HUGE:
        madvise(<void *>first, (<uintptr_t>made + length - first) & ~<uintptr_t>(PAGE - 1), MADV_HUGEPAGE)


def private(buffer):
    """A writable copy of a buffer."""
    cdef Py_buffer source
    PyObject_GetBuffer(buffer, &source, PyBUF_SIMPLE)
    try:
        made = PyByteArray_FromStringAndSize(NULL, source.len)
        advise(PyByteArray_AS_STRING(made), source.len)
        copy(PyByteArray_AS_STRING(made), source.buf, source.len)
        return made
    finally:
        PyBuffer_Release(&source)


def private_bytes(buffer):
    """Bytes of their own; other threads of Python's run while they are copied."""
    cdef Py_buffer source
    PyObject_GetBuffer(buffer, &source, PyBUF_SIMPLE)
    try:
        made = PyBytes_FromStringAndSize(NULL, source.len)
        advise(PyBytes_AS_STRING(made), source.len)
        copy(PyBytes_AS_STRING(made), source.buf, source.len)
        return made
    finally:
        PyBuffer_Release(&source)


def write(memory, list parts):
    """Copy buffers to their offsets, which rise; other threads of Python's run meanwhile."""
    cdef Py_buffer target
    PyObject_GetBuffer(memory, &target, PyBUF_WRITABLE)
    try:
        write_parts(<unsigned char *>target.buf, parts, target.len)
    finally:
        PyBuffer_Release(&target)


cdef int write_parts(unsigned char *bytes, list parts, uint64_t length) except -1:
    """Copy buffers to their offsets, which rise."""
    cdef uint64_t at, done = 0
    cdef Py_buffer source
    for at, part in parts:
        PyObject_GetBuffer(part, &source, PyBUF_SIMPLE)
        try:
            if at < done or <uint64_t>source.len > length or at > length - <uint64_t>source.len:
                raise ValueError("channel: parts overlap or leave the message")
            memset(bytes + done, 0, at - done)  # what an earlier message left is nobody's business
            copy(bytes + at, source.buf, source.len)
            done = at + <uint64_t>source.len
        finally:
            PyBuffer_Release(&source)
    return 0
