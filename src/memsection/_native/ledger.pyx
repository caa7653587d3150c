# SPDX-License-Identifier: MIT
# cython: auto_pickle=False
"""Operations that are done whole or not at all, wherever a signal handler raises; a door to ``ms_ledger``.

Between two bytecodes, and in a call that sleeps, Python may run a handler that raises.  So what is acquired is noted in
the same native call that acquires it: descriptors and mappings in the thread's ledger, and as notes handles that got
into the table, objects that own one, waits that took something.  A function that is ``whole`` ends with its result and
forgets them, or raises and has them undone here, without a bytecode in between.  A forked child gives back what other
threads had acquired, by the same ledgers.  The interpreter's lock is held from a system call that acquires to its note,
so that no fork comes between the two.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.exc cimport PyErr_CheckSignals, PyErr_SetFromErrno, PyErr_SetFromErrnoWithFilenameObject
from cpython.ref cimport Py_INCREF, PyObject
from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport uintptr_t

import os
import sys

cdef extern from "ms_ledger.h":
    struct ms_range:
        uintptr_t address
        size_t size
    struct ms_ledger:
        ms_ledger *next
        int depth, fd_count, range_count
        int *fds
        ms_range *ranges
        void *notes
    ms_ledger *ms_ledger_enter()
    ms_ledger *ms_ledger_mine()
    void ms_ledger_leave(ms_ledger *)
    ms_ledger *ms_ledger_first()
    void ms_ledger_keep_only()
    void ms_ledger_add_fd(int)
    void ms_ledger_drop_fd(int)
    void ms_ledger_add_range(uintptr_t, size_t)
    void ms_ledger_drop_range(uintptr_t, size_t)

cdef extern from * nogil:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <errno.h>
    #include <fcntl.h>
    #include <poll.h>
    #include <string.h>
    #include <sys/eventfd.h>
    #include <sys/mman.h>
    #include <sys/socket.h>
    #include <sys/syscall.h>
    #include <sys/uio.h>
    #include <unistd.h>
    #ifndef SYS_pidfd_open
    #define SYS_pidfd_open 434
    #endif
    #ifndef SYS_pidfd_getfd
    #define SYS_pidfd_getfd 438
    #endif
    #define MS_MOST_FDS 16
    static int ms_pidfd_open(int pid, unsigned int flags) { return (int)syscall(SYS_pidfd_open, pid, flags); }
    static int ms_pidfd_get(int pidfd, int fd) { return (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0); }
    static int ms_wait_readable(int fd, int ms) {
        struct pollfd one = {fd, POLLIN, 0};
        return poll(&one, 1, ms);
    }
    /* The bytes that are there, and the descriptors with them (unix(7)); never sleeps. */
    static long ms_receive(int sock, void *data, size_t size, int *fds, int *count) {
        char control[CMSG_SPACE(MS_MOST_FDS * sizeof(int))];
        struct iovec part = {data, size};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control,
                                 .msg_controllen = sizeof control};
        long got = recvmsg(sock, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        *count = 0;
        if (got < 0) return got;
        for (struct cmsghdr *each = CMSG_FIRSTHDR(&message); each; each = CMSG_NXTHDR(&message, each))
            if (each->cmsg_level == SOL_SOCKET && each->cmsg_type == SCM_RIGHTS)
                for (size_t i = 0; i < (each->cmsg_len - CMSG_LEN(0)) / sizeof(int) && *count < MS_MOST_FDS; i++)
                    memcpy(&fds[(*count)++], CMSG_DATA(each) + i * sizeof(int), sizeof(int));
        return got;
    }
    """
    int c_openat "openat"(int, const char *, int, ...)
    int c_close "close"(int)
    int c_fcntl "fcntl"(int, int, ...)
    int c_memfd "memfd_create"(const char *, unsigned int)
    int c_eventfd "eventfd"(unsigned int, int)
    void *c_mmap "mmap"(void *, size_t, int, int, int, long long)
    int c_munmap "munmap"(void *, size_t)
    int ms_pidfd_open(int, unsigned int)
    int ms_pidfd_get(int, int)
    int ms_wait_readable(int, int)
    long ms_receive(int, void *, size_t, int *, int *)
    enum:
        AT_FDCWD, F_DUPFD_CLOEXEC, O_CLOEXEC, EFD_CLOEXEC, MAP_FIXED, MS_MOST_FDS


cdef int close_fd(int fd) noexcept:
    ms_ledger_drop_fd(fd)
    return c_close(fd)


cdef void note_fd(int fd) noexcept:
    ms_ledger_add_fd(fd)


cdef void forget_fd(int fd) noexcept:
    """It is closed already."""
    ms_ledger_drop_fd(fd)


cdef void note_range(uintptr_t address, size_t size) noexcept:
    ms_ledger_add_range(address, size)


cdef void drop_range(uintptr_t address, size_t size) noexcept:
    ms_ledger_drop_range(address, size)


# ---------------------------------------------------------------------- what the frames of whole operations need

cdef object _give_back_fd = None    # of the object manager: what a descriptor belongs to goes with it
cdef object _is_open = None


def connect(give_back_fd, is_open):
    """Have descriptors that nobody owns given back by the object manager, which knows the handles and their objects."""
    global _give_back_fd, _is_open
    _give_back_fd, _is_open = give_back_fd, is_open


cdef struct ms_mark:    # how far a ledger was when a frame began
    int fds
    int ranges
    Py_ssize_t notes


cdef void _undo_rest(ms_ledger *mine, ms_mark begin) noexcept:
    cdef int i, fd
    cdef ms_range range
    i = mine.fd_count
    while i > begin.fds:
        i -= 1
        fd = mine.fds[i]
        if fd < 0:
            continue
        mine.fds[i] = -1
        try:
            if _give_back_fd is None:
                c_close(fd)
            else:
                _give_back_fd(fd, False)
        except BaseException:
            pass
    mine.fd_count = begin.fds
    i = mine.range_count
    while i > begin.ranges:
        i -= 1
        range = mine.ranges[i]
        if range.size:
            c_munmap(<void *>range.address, range.size)
    mine.range_count = begin.ranges


cdef inline void _forget_rest(ms_ledger *mine, ms_mark begin):
    mine.fd_count, mine.range_count = begin.fds, begin.ranges


cdef inline ms_mark _mark_rest(ms_ledger *mine):
    cdef ms_mark begin
    begin.fds, begin.ranges = mine.fd_count, mine.range_count
    return begin


cdef object _close = None


def connect_close(close):
    """The service that closes handles."""
    global _close
    _close = close


cdef int _close_surely(handle) except -1:
    """Close a handle whatever comes between."""
    cdef int left
    for left in range(100):
        try:
            _close(handle)
            break
        except BaseException:
            if _is_open is None or not _is_open(handle):
                break   # it is closed, or was before
    return 0


include "whole.pxi"


cdef class Service(Whole):
    """An operation that is whole, whose failures are told in the words of its caller."""

    cdef object _raise_errno

    def __cinit__(self):
        self._vectorcall = <void *>_call_service

    def __call__(self, *arguments, **options):
        return _call_with(self, arguments, options)


cdef object _call_service(object self, PyObject **arguments, size_t count, PyObject *names):
    cdef Service mine = <Service>self
    while True:
        try:
            return _run(mine._function, arguments, count, names, False)
        except Exception as problem:
            other = mine._raise_errno(problem)
            if other is problem:
                raise
            if other is not None:
                raise other from problem


ms_call_fast(Service, <char *>&_any._vectorcall - <char *><PyObject *>_any, Py_TPFLAGS_METHOD_DESCRIPTOR)


def service(function, failed):
    """Make a function whole; ``failed`` gives the exception to raise for one, None to try again."""
    cdef Service made = Service.__new__(Service)
    made._function, made._raise_errno = function, failed
    return _like(made, function)


def close_owned(owner):
    """Close the handle that an object owns, if it has one; True then.  It stays the owner of one that stays open."""
    handle = owner._handle
    if not handle:
        return False
    owner._handle = 0
    try:
        _close(handle)
    except BaseException:
        if _is_open is not None and _is_open(handle):
            owner._handle = handle
        raise
    return True


def drop_fd(owner):
    """What a ``__del__`` does with the descriptor of an object: nothing raises in between."""
    cdef int fd = owner._fd
    owner._fd = -1
    if fd >= 0:
        close_fd(fd)


# ---------------------------------------------------------------------- system calls that acquire, and that give back

cdef object _raise_errno(path=None):
    if path is None:
        PyErr_SetFromErrno(OSError)
    PyErr_SetFromErrnoWithFilenameObject(OSError, path)


cdef inline int _note(int fd) except -1:
    if fd < 0:
        PyErr_SetFromErrno(OSError)
    ms_ledger_add_fd(fd)
    return fd


def open(path, int flags, int mode=0o777, *, dir_fd=None):
    """openat(2), always with O_CLOEXEC."""
    cdef bytes encoded = os.fsencode(path)
    cdef const char *text = encoded
    cdef int directory = AT_FDCWD if dir_fd is None else dir_fd
    cdef int fd
    if b"\0" in encoded:
        raise ValueError("embedded null byte")
    if directory != AT_FDCWD or encoded.startswith(b"/proc/"):
        # These never sleep, and so the lock is held: no fork comes between the call and its note.
        while True:
            fd = c_openat(directory, text, flags | O_CLOEXEC, mode)
            if fd >= 0 or errno != EINTR:
                break
    else:
        while True:
            with nogil:
                fd = c_openat(directory, text, flags | O_CLOEXEC, mode)
            if fd >= 0 or errno != EINTR:
                break
            PyErr_CheckSignals()
    if fd < 0:
        _raise_errno(path)
    ms_ledger_add_fd(fd)
    return fd


def close(int fd):
    """close(2)."""
    if close_fd(fd) and errno != EINTR:
        PyErr_SetFromErrno(OSError)


def dup(int fd):
    """fcntl(2), F_DUPFD_CLOEXEC."""
    return _note(c_fcntl(fd, F_DUPFD_CLOEXEC, 0))


def duplicate_from(int fd, int lowest):
    """fcntl(2), F_DUPFD_CLOEXEC, at or above a number."""
    return _note(c_fcntl(fd, F_DUPFD_CLOEXEC, lowest))


def memfd_create(str name, unsigned int flags):
    """memfd_create(2)."""
    cdef bytes encoded = os.fsencode(name)
    return _note(c_memfd(encoded, flags))


def eventfd(unsigned int initial):
    """eventfd(2)."""
    return _note(c_eventfd(initial, EFD_CLOEXEC))


def pidfd_open(int pid, unsigned int flags=0):
    """pidfd_open(2)."""
    return _note(ms_pidfd_open(pid, flags))


def pidfd_getfd(int pidfd, int fd):
    """pidfd_getfd(2): a descriptor that shares the other process's open file description."""
    return _note(ms_pidfd_get(pidfd, fd))


def mmap(uintptr_t address, size_t length, int prot, int flags, int fd, long long offset):
    """mmap(2); the address.  What takes the place of a mapping belongs to whom that one belonged to."""
    cdef void *found = c_mmap(<void *>address, length, prot, flags, fd, offset)
    if found == <void *>-1:
        PyErr_SetFromErrno(OSError)
    if not flags & MAP_FIXED:
        ms_ledger_add_range(<uintptr_t>found, (length + 4095) // 4096 * 4096)
    return <uintptr_t>found


def munmap(uintptr_t address, size_t length):
    """munmap(2)."""
    cdef int result
    ms_ledger_drop_range(address, length)
    with nogil:
        result = c_munmap(<void *>address, length)
    if result:
        PyErr_SetFromErrno(OSError)


def receive(int sock, int size, timeout):
    """The next bytes from a Unix socket and the descriptors that came with them, noted (recvmsg(2)).

    ``timeout`` is the socket's: None, or seconds.
    """
    cdef int[MS_MOST_FDS] fds
    cdef int count = 0, ready, i, ms = -1
    cdef long got
    cdef bytes data = PyBytes_FromStringAndSize(NULL, size)
    from time import monotonic
    deadline = None if timeout is None else monotonic() + timeout
    while True:
        got = ms_receive(sock, PyBytes_AS_STRING(data), size, fds, &count)
        for i in range(count):
            ms_ledger_add_fd(fds[i])
        if got >= 0:
            return data[:got], [fds[i] for i in range(count)]
        if errno != EAGAIN and errno != EINTR:
            PyErr_SetFromErrno(OSError)
        if timeout is not None and timeout == 0:
            PyErr_SetFromErrno(OSError)
        if deadline is not None:
            left = deadline - monotonic()
            if left <= 0:
                raise TimeoutError("timed out")
            ms = <int>min(left * 1000 + 1, 1000000)
        with nogil:
            ready = ms_wait_readable(sock, ms)
        PyErr_CheckSignals()


# ---------------------------------------------------------------------- forks

def keep_own_only():
    """In a forked child: what other threads had acquired and not finished is given back; this one's goes on."""
    cdef ms_ledger *mine = ms_ledger_mine()
    cdef ms_ledger *other = ms_ledger_first()
    cdef int i
    while other != NULL:
        if other != mine:
            for i in range(other.fd_count):
                if other.fds[i] >= 0 and _give_back_fd is not None:
                    try:
                        _give_back_fd(other.fds[i], True)
                    except BaseException:
                        pass
            for i in range(other.range_count):
                if other.ranges[i].size:
                    c_munmap(<void *>other.ranges[i].address, other.ranges[i].size)
        other = other.next
    ms_ledger_keep_only()
