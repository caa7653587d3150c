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
from functools import update_wrapper

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

cdef extern from "Python.h":
    object _method "PyMethod_New"(object, object)

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
    static int ms_pidfd_open(int pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }
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
    int ms_pidfd_open(int)
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


cdef int note(object undo, object argument) except -1:
    """Something is done that ``undo(argument)`` undoes; that is called again if it is interrupted."""
    cdef ms_ledger *mine = ms_ledger_mine()
    if mine != NULL:
        if mine.notes == NULL:
            notes = []
            Py_INCREF(notes)
            mine.notes = <void *><PyObject *>notes
        (<list>mine.notes).append((undo, argument))
    return 0


# ---------------------------------------------------------------------- whole operations

cdef object _give_back_fd = None    # of the object manager: what a descriptor belongs to goes with it
cdef object _is_open = None


def connect(give_back_fd, is_open):
    """Have descriptors that nobody owns given back by the object manager, which knows the handles and their objects."""
    global _give_back_fd, _is_open
    _give_back_fd, _is_open = give_back_fd, is_open


def finish(function, *arguments):
    """Call a function until nothing interrupts it, and only then raise what did.

    Its own failures it sees to itself, and it may begin anew after each of its steps.
    """
    cdef int left = 1000
    interruption = None
    while True:
        try:
            result = function(*arguments)
            break
        except BaseException as problem:
            interruption = problem
            left -= 1
            if left == 0:
                break
    if interruption is not None:
        raise interruption
    return result


cdef void _undo(ms_ledger *mine, int fds, int ranges, Py_ssize_t notes) noexcept:
    """Give back what was acquired since; what interrupts this is not raised, because something is already."""
    cdef int i, fd
    cdef ms_range range
    cdef list noted
    if mine.notes != NULL:
        noted = <list><object><PyObject *>mine.notes
        while len(noted) > notes:
            undo, argument = noted.pop()
            try:
                finish(undo, argument)
            except BaseException:
                pass
    i = mine.fd_count
    while i > fds:
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
    mine.fd_count = fds
    i = mine.range_count
    while i > ranges:
        i -= 1
        range = mine.ranges[i]
        if range.size:
            c_munmap(<void *>range.address, range.size)
    mine.range_count = ranges


cdef inline void _forget(ms_ledger *mine, int fds, int ranges, Py_ssize_t notes):
    mine.fd_count, mine.range_count = fds, ranges
    if mine.notes != NULL and len(<list><object><PyObject *>mine.notes) > notes:
        del (<list><object><PyObject *>mine.notes)[notes:]


cdef object _run(function, tuple arguments, dict options, bint settles):
    cdef ms_ledger *mine = ms_ledger_enter()
    cdef int fds, ranges
    cdef Py_ssize_t notes
    if mine == NULL:
        raise MemoryError("no ledger")
    fds, ranges = mine.fd_count, mine.range_count
    notes = 0 if mine.notes == NULL else len(<list><object><PyObject *>mine.notes)
    try:
        result = function(*arguments, **options) if options else function(*arguments)
        if not settles:
            PyErr_CheckSignals()    # a handler that waits would raise between here and the caller, who has nothing yet
    except BaseException:
        _undo(mine, fds, ranges, notes)
        ms_ledger_leave(mine)
        raise
    if settles or mine.depth == 1:
        _forget(mine, fds, ranges, notes)
    ms_ledger_leave(mine)
    return result


cdef class Whole:
    """A function that ends with its result, or raises and leaves nothing of what it did."""

    cdef object _function
    cdef bint _settles
    cdef dict __dict__

    def __call__(self, *arguments, **options):
        return _run(self._function, arguments, options, self._settles)

    def __reduce__(self):
        return getattr(self, "__qualname__")    # pickled as functions are: by name

    def __get__(self, instance, owner):
        return self if instance is None else _method(self, instance)


cdef class Service(Whole):
    """An operation that is whole, whose failures are told in the words of its caller."""

    cdef object _failed

    def __call__(self, *arguments, **options):
        while True:
            try:
                return _run(self._function, arguments, options, False)
            except Exception as problem:
                other = self._failed(problem)
                if other is problem:
                    raise
                if other is not None:
                    raise other from problem


def service(function, failed):
    """Make a function whole; ``failed`` gives the exception to raise for one, None to try again."""
    cdef Service made = Service.__new__(Service)
    made._function, made._failed = function, failed
    return update_wrapper(made, function)


def whole(function):
    """Make a function whole: what it acquired, with the result that it returns, is its caller's, or else nobody's."""
    cdef Whole made = Whole.__new__(Whole)
    made._function = function
    return update_wrapper(made, function)


def settled(function):
    """The same for a step whose result stays, whatever becomes of the operation around it."""
    cdef Whole made = Whole.__new__(Whole)
    made._function, made._settles = function, True
    return update_wrapper(made, function)


def done(undo, service, *arguments, **options):
    """Call a service, and note how what it did is undone: by ``undo(arguments, result)`` with a native service."""
    result = service(*arguments, **options)
    note(_Undo(undo, arguments), result)
    return result


@cython.final
cdef class _Surely:
    cdef object _function
    cdef dict __dict__

    def __call__(self, owner, *arguments):
        return finish(self._function, owner, {}, *arguments)

    def __get__(self, instance, owner):
        return self if instance is None else _method(self, instance)


def surely(function):
    """Make a function that comes to its end before what interrupts it is raised.

    It is called with a dictionary after the object, and again with the same one: which of its steps are done.
    """
    cdef _Surely made = _Surely.__new__(_Surely)
    made._function = function
    return update_wrapper(made, function)


def outside(function, *arguments):
    """Call a function of the user's in the middle of an operation: what it makes is not undone with that."""
    cdef ms_ledger *mine = ms_ledger_mine()
    cdef int fds, ranges
    cdef Py_ssize_t notes
    if mine == NULL:
        return function(*arguments)
    fds, ranges = mine.fd_count, mine.range_count
    notes = 0 if mine.notes == NULL else len(<list><object><PyObject *>mine.notes)
    try:
        return function(*arguments)
    finally:
        _forget(mine, fds, ranges, notes)


def unless_locked(lock, function):
    """Call a function with a lock taken, unless the lock is held; whether it was called.

    It is native so that no signal handler raises between the lock and the ``try`` that releases it.
    """
    if not lock.acquire(False):
        return False
    try:
        function()
    finally:
        lock.release()
    return True


def undo_here(service, *arguments):
    """Nothing: what a part of an operation did is undone with it."""


@cython.final
cdef class _Undo:
    cdef object _undo
    cdef tuple _arguments

    def __init__(self, undo, arguments):
        self._undo, self._arguments = undo, arguments

    def __call__(self, result):
        self._undo(self._arguments, result)


# ---------------------------------------------------------------------- objects that own a handle

def own(owner, handle):
    """Make an object the owner of a handle: the operation that did this undoes it with the object."""
    owner._handle = handle
    note(_disown, owner)


def disown(owner):
    """The handle that an object owned until now, 0 for none; the object has it again if the operation is undone."""
    handle = owner._handle
    owner._handle = 0
    note(_restore, (owner, handle))
    return handle


def _restore(pair):
    pair[0]._handle = pair[1]


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


def _disown(owner):
    handle = owner._handle
    if handle:
        owner._handle = 0
        _close_surely(handle)


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


cdef object _warn = None


def connect_warning(warn):
    """Who tells that an object was left to the collector with its handle open."""
    global _warn
    _warn = warn


def drop(owner):
    """An object is left to the collector: the handle that it owns, if it has one, is closed, and that is told."""
    if not drop_quietly(owner):
        return False
    _warn(owner)
    return True


def drop_quietly(owner):
    """The same without a word; whether there was one."""
    handle = getattr(owner, "_handle", 0)   # 0 too if its construction was interrupted
    if handle:
        owner._handle = 0
        if not sys.is_finalizing():     # then closing might stop half-way; the kernel does it a moment later
            _close_surely(handle)
    return handle != 0


def drop_fd(owner):
    """What a ``__del__`` does with the descriptor of an object: nothing raises in between."""
    cdef int fd = owner._fd
    owner._fd = -1
    if fd >= 0:
        close_fd(fd)


def drop_held(holder):
    """What a ``__del__`` does with the section that an object keeps open: it is closed, and then ``closed`` is called."""
    section = getattr(holder, "section", None)
    if section is not None and drop_quietly(section):
        holder.closed()


# ---------------------------------------------------------------------- system calls that acquire, and that give back

cdef object _failed(path=None):
    if path is None:
        PyErr_SetFromErrno(OSError)
    PyErr_SetFromErrnoWithFilenameObject(OSError, path)


cdef inline int _noted(int fd) except -1:
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
        _failed(path)
    ms_ledger_add_fd(fd)
    return fd


def close(int fd):
    """close(2)."""
    if close_fd(fd) and errno != EINTR:
        PyErr_SetFromErrno(OSError)


def dup(int fd):
    """fcntl(2), F_DUPFD_CLOEXEC."""
    return _noted(c_fcntl(fd, F_DUPFD_CLOEXEC, 0))


def duplicate_from(int fd, int lowest):
    """fcntl(2), F_DUPFD_CLOEXEC, at or above a number."""
    return _noted(c_fcntl(fd, F_DUPFD_CLOEXEC, lowest))


def memfd_create(str name, unsigned int flags):
    """memfd_create(2)."""
    cdef bytes encoded = os.fsencode(name)
    return _noted(c_memfd(encoded, flags))


def eventfd(unsigned int initial):
    """eventfd(2)."""
    return _noted(c_eventfd(initial, EFD_CLOEXEC))


def pidfd_open(int pid):
    """pidfd_open(2)."""
    return _noted(ms_pidfd_open(pid))


def pidfd_getfd(int pidfd, int fd):
    """pidfd_getfd(2): a descriptor that shares the other process's open file description."""
    return _noted(ms_pidfd_get(pidfd, fd))


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
