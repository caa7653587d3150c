# SPDX-License-Identifier: MIT
# cython: auto_pickle=False
"""A fault under a view becomes an error: the door to ``ms_guard``.

It owns which descriptor the handler asks for a file's size: one ``O_PATH`` descriptor for each *file*, shared by all
guards of that file and closed with the last of them, so thousands of views of one file cost one descriptor.  It has an
open file description of its own: a duplicate of the caller's would keep the locks that hang on that one.  What a view
does about a fault is the caller's business (``Guard.check`` suits ``view.View``).
"""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.ref cimport PyObject
from libc.errno cimport ENOMEM, errno
from libc.stdint cimport int32_t, uint32_t, uint64_t, uintptr_t
from libc.stdio cimport snprintf
from posix.fcntl cimport O_CLOEXEC, open as c_open
from posix.stat cimport fstat, struct_stat
from posix.unistd cimport close as c_close

import os

cdef extern from "fcntl.h":
    int O_PATH

cdef extern from "sys/mman.h":
    int PROT_READ, PROT_WRITE

cdef extern from "Python.h":
    unsigned long PyThread_get_thread_ident()

cdef extern from "ms_atomic.h" nogil:
    uint64_t ms_load_u64(const uint64_t *)
    uint64_t ms_swap_u64(uint64_t *, uint64_t)

cdef extern from "ms_guard.h" nogil:
    ctypedef struct ms_guard:
        pass
    int ms_guard_add(void *, size_t, int, int, uint64_t, ms_guard **)
    int ms_guard_add_reserved(void *, size_t, int, const uint32_t *, uint64_t, ms_guard **)
    void ms_guard_remove(ms_guard *)
    int ms_guard_fault(const ms_guard *, uint64_t *)
    int ms_guard_look(const ms_guard *, uint64_t *)
    int ms_guard_sync(ms_guard *)
    int ms_guard_ensure()


cdef bint _watching = False


cdef int _watch_others() except -1:
    """Come back on top after every change of the handlers by way of the interpreter.

    A handler in Python that is installed later would never run for a fault, because the instruction is tried again before
    the interpreter gets to it, for ever.
    """
    global _watching
    import _signal
    import faulthandler
    if not _watching:
        _watching = True
        _signal.signal = _ensure_after(_signal.signal)      # which signal.signal calls, however it was imported
        faulthandler.enable = _ensure_after(faulthandler.enable)
        faulthandler.disable = _ensure_after(faulthandler.disable)
    return 0


cdef object _ensure_after(function):
    def call(*arguments, **options):
        try:
            return function(*arguments, **options)
        finally:
            ms_guard_ensure()
    call.__name__, call.__doc__, call.__wrapped__ = function.__name__, function.__doc__, function
    return call


cdef object _failure(int error):
    return MemoryError("guard: no room for another view") if error == ENOMEM else OSError(error, os.strerror(error))


cdef class _File:
    """A descriptor that only tells what the file is, closed with its last user."""

    cdef int fd
    cdef set users      # addresses of the guards, which are not kept alive by this
    cdef object identity

    def __cinit__(self, int fd, identity):
        cdef char path[32]
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd)
        self.fd = -1
        self.identity, self.users = identity, set()
        self.fd = c_open(path, O_PATH | O_CLOEXEC)
        if self.fd < 0:
            raise OSError(errno, os.strerror(errno))

    def __dealloc__(self):
        # Not os.close: at interpreter exit the module may be gone.
        if self.fd >= 0:
            c_close(self.fd)


# An entry keeps its inode in use, so an identity here never means another file.  The users are counted here, not by weak
# references: those call a function in Python, in which a signal handler could raise where nobody catches it.
cdef dict _files = {}


cdef int _use_file(Guard guard, int fd) except -1:
    cdef struct_stat st
    cdef _File file
    if fstat(fd, &st) != 0:
        raise OSError(errno, os.strerror(errno))
    identity = (st.st_dev, st.st_ino)
    with cython.critical_section(_files):   # nothing where there is a GIL
        file = _files.get(identity)
        if file is None:
            # Allocating may have the collector run, and with it another thread: who comes first is asked afterwards.
            file = _File(fd, identity)
            file = _files.setdefault(identity, file)
        file.users.add(<uintptr_t><PyObject *>guard)
        guard._file, guard._thread = file, PyThread_get_thread_ident()
    return 0


cdef int _leave_file(Guard guard) except -1:
    cdef _File file
    with cython.critical_section(_files):
        file, guard._file = guard._file, None
        if file is not None:
            file.users.discard(<uintptr_t><PyObject *>guard)
            if not file.users:
                del _files[file.identity]
    return 0


def keep_only(guards):
    """In a forked child: the guards that other threads were about to use are removed, but for these."""
    cdef Guard guard
    cdef unsigned long me = PyThread_get_thread_ident()
    kept = {<uintptr_t><PyObject *>each for each in guards}
    for file in list(_files.values()):
        for address in list((<_File>file).users):
            # Safety: a guard leaves before its memory goes, and nothing in this loop has one collected.
            guard = <Guard><PyObject *><uintptr_t>address
            if address not in kept and guard._thread != me and not guard._of_buffer:
                guard._take()


cdef class Guard:
    """One guarded view; made by ``add`` and ``add_reserved``.

    Remove it before the memory is unmapped.  One that is dropped removes itself.
    """

    cdef uint64_t _slot     # a pointer into the static table, 0 once removed; a word, so that it can be taken once
    cdef _File _file
    cdef unsigned long _thread  # that made it
    cdef bint _of_buffer
    cdef object _last_fault

    cdef ms_guard *_get(self) noexcept:
        # Safety: the table is static: a pointer into it never dangles, at worst it means another view by now.
        return <ms_guard *><uintptr_t>ms_load_u64(&self._slot)

    def remove(self):
        """Forget the view: afterwards no handler works on it, and its memory may be unmapped.  Again is harmless."""
        cdef uint64_t slot = ms_load_u64(&self._slot)
        if slot != 0:
            self._last_fault = self.fault
            self._take()

    cdef void _take(self) noexcept:
        cdef uint64_t slot = ms_swap_u64(&self._slot, 0)
        if slot != 0:
            ms_guard_remove(<ms_guard *><uintptr_t>slot)
        if self._file is not None:
            _leave_file(self)

    @property
    def fault(self):
        """Offset of the first page that was touched and found missing, or None."""
        cdef uint64_t offset
        if self._get() == NULL:
            return self._last_fault
        return offset if ms_guard_fault(self._get(), &offset) else None

    def check(self):
        """Make sure that the view may be used.

        The handler is put back on top if somebody replaced it, and pages of a reserved section that were committed
        meanwhile are opened.

        Raises:
            InPageError: A page was found missing, or the file is shorter now than what the view covers.
        """
        cdef uint64_t offset
        if self._get() == NULL:
            return
        if ms_guard_look(self._get(), &offset):
            # Imported when needed: the core stands below the vocabulary, and only this error has to be a public one.
            from memsection.vocabulary import errors
            raise errors.InPageError(f"view: page at offset {offset} is gone: its file was cut short")
        cdef int result = ms_guard_ensure()
        if result >= 0:
            result = ms_guard_sync(self._get())
        if result < 0:
            raise _failure(-result)

    def sync(self):
        """Open the pages of a reserved section that are committed by now."""
        cdef int result = ms_guard_sync(self._get()) if self._get() != NULL else 0
        if result < 0:
            raise _failure(-result)

    def __dealloc__(self):
        self._take()


def add(uintptr_t address, size_t length, int prot, int fd=-1, uint64_t file_offset=0):
    """Guard a mapping of a file against its being cut.

    Args:
        address: Where it is mapped.
        length: Bytes of the file that it covers.
        prot: Its protection (``PROT_*``): zero pages that take the place of lost ones get it.
        fd: A descriptor of the file, only looked at here; -1 for none, then a cut is noticed by faults alone.
        file_offset: Where in the file it begins.
    """
    cdef Guard guard = Guard.__new__(Guard)
    cdef ms_guard *slot = NULL
    cdef int result
    _watch_others()
    if fd >= 0:
        _use_file(guard, fd)
    # Safety: the caller vouches that [address, address + length) is its mapping until it removes the guard.
    result = ms_guard_add(<void *>address, length, prot, guard._file.fd if fd >= 0 else -1, file_offset, &slot)
    if result < 0:
        raise _failure(-result)
    ms_swap_u64(&guard._slot, <uint64_t><uintptr_t>slot)
    return guard


def add_buffer(buffer, int fd, uint64_t file_offset):
    """Guard the mapping that a buffer is over, as ``add``; the buffer is not held.

    Args:
        buffer: Whoever owns it removes the guard before the mapping goes.
        fd: A descriptor of the file that is mapped.
        file_offset: Where in the file it begins.
    """
    cdef Py_buffer over
    cdef Guard guard
    PyObject_GetBuffer(buffer, &over, PyBUF_SIMPLE)
    try:
        guard = add(<uintptr_t>over.buf, over.len, PROT_READ if over.readonly else PROT_READ | PROT_WRITE, fd, file_offset)
    finally:
        PyBuffer_Release(&over)
    guard._of_buffer = True
    return guard


def add_reserved(uintptr_t address, size_t length, int prot, uintptr_t bitmap_address, uint64_t first_page):
    """Guard a view of a reserved section, mapped without access.

    Args:
        address: Where it is mapped.
        length: Its size in bytes.
        prot: The protection that a page gets when it is committed.
        bitmap_address: The section's bitmap, u32 words, lowest bit first, one bit for each 4096 bytes; it stays
            mapped until the guard is removed.  Anybody may change it.
        first_page: The bit that stands for the view's first page.
    """
    cdef Guard guard = Guard.__new__(Guard)
    cdef ms_guard *slot = NULL
    _watch_others()
    # Safety: as in add; the bitmap's words are aligned, which is checked here, and read one by one.
    if bitmap_address % 4 != 0:
        raise ValueError("guard: the bitmap is not aligned to its words")
    cdef int result = ms_guard_add_reserved(<void *>address, length, prot, <const uint32_t *>bitmap_address, first_page,
                                            &slot)
    if result < 0:
        raise _failure(-result)
    ms_swap_u64(&guard._slot, <uint64_t><uintptr_t>slot)
    return guard


def sync_reserved(Guard guard not None):
    """``guard.sync()``: apply what is committed to the pages' protection, before a system call gets them."""
    guard.sync()


def ensure():
    """Put the handlers back on top if somebody replaced them; True when that was needed."""
    cdef int result = ms_guard_ensure()
    if result < 0:
        raise _failure(-result)
    return result == 1
