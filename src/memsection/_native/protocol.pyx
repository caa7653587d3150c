# SPDX-License-Identifier: MIT
# cython: auto_pickle=False
"""The steps that make, find, map and remove objects: a door to ``_native/protocol``.

A step is a fixed series of system calls, which comes to its end or undoes what it did; the door
converts its arguments and results, notes what it acquires in the thread's ledger, and raises
OSError for a negative errno.  It decides nothing: which steps make an operation, what is tried
again and what an outcome means is the object manager's business.

The interpreter's lock is held from a call that acquires to its note, so that neither a fork nor a
signal handler comes between the two.  It is released only where a call may take long: while pages
are reserved or given back.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.exc cimport (
    PyErr_CheckSignals,
    PyErr_SetFromErrno,
    PyErr_SetFromErrnoWithFilenameObject,
)
from libc.errno cimport EAGAIN, EINTR, ENOENT
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy, memset

from memsection._native.ledger cimport close_fd, drop_range, forget_fd, note_fd, note_range

cdef extern from "protocol/ms_layout.h" nogil:
    enum:
        MS_PAGE_SIZE, MS_PAGE_DESCRIPTOR_AT, MS_PAGE_TEXT_AT, MS_PAGE_STATE_AT, MS_PAGE_HEADER_SIZE
        MS_PAGE_PERMANENT, MS_PAGE_SUPERSEDED, MS_PAGE_VERSION, MS_LOCATOR_VERSION, MS_HINTS
        MS_GRANULARITY, MS_HANDLE_DATA_SHIFT
    uint64_t MS_HANDLE_TAG, MS_HANDLE_REVOKED, MS_HANDLE_PROTECTED, MS_HANDLE_PENDING
    const char *MS_PAGE_MAGIC
    const char *MS_LOCATOR_MAGIC
    ctypedef struct ms_hint:
        uint32_t pid, fd
    ctypedef struct ms_locator:
        uint64_t device, inode, pid_namespace
        ms_hint hints[16]

cdef extern from "protocol/ms_description.h" nogil:
    int ms_description_reopen(int, int)
    int ms_description_position(int, uint64_t *)
    int ms_description_set(int, uint64_t, int)
    int ms_description_copy(int, int, uint64_t)
    int ms_description_is_live(int)
    int ms_description_revoke(int)
    int ms_description_lock(int, int)

cdef extern from "protocol/ms_body.h" nogil:
    enum:
        MS_BODY_SEAL, MS_BODY_READ_ONLY, MS_BODY_UNLOCKED
    ctypedef struct ms_file:
        uint64_t device, inode, size, links
        uint32_t uid, gid
        int is_regular
    ctypedef struct ms_body_plan:
        const char *area
        size_t area_size, page_at
        uint64_t at
        const char *name
        size_t name_length
        uint64_t size
        uint32_t pid, uid
        int mode, flags
    ctypedef struct ms_body_made:
        int fd
        ms_file file
        uint64_t created_ns
        size_t page_size
        char page[4096]
    int ms_body_make(int, uint64_t)
    int ms_body_reserve(int, uint64_t, uint64_t)
    int ms_body_finish(int, const ms_body_plan *, ms_body_made *)
    int ms_body_file(int, ms_file *)
    int ms_body_same_page(int, uint64_t, const char *, size_t)
    int ms_body_is_unchanged(int, uint64_t, const char *, size_t)
    int ms_body_open(uint32_t, uint32_t, uint64_t, uint64_t, int, ms_file *)

cdef extern from "protocol/ms_name.h" nogil:
    enum:
        MS_FOUND, MS_GONE, MS_SWEPT, MS_BUSY, MS_LOST, MS_DAMAGED, MS_PLANTED
    ctypedef struct ms_name:
        int directory
        const char *file
        const char *text
        uint32_t length, checksum
    ctypedef struct ms_located:
        int fd, is_exclusive
        uint32_t owner
        ms_locator head
    ctypedef struct ms_found_body:
        int body, is_writable
        ms_file file
        ms_hint source
        ms_located locator
    int ms_name_make_locator(const ms_name *, uint32_t, uint64_t, uint64_t, uint64_t, ms_hint)
    int ms_name_link(int, int, const char *)
    int ms_name_open_locator(const ms_name *, uint32_t, int, ms_located *)
    int ms_name_find(const ms_name *, uint32_t, uint64_t, int, ms_found_body *)
    int ms_name_hold(int, int, int, int, const char *)
    int ms_name_sweep(int, int, const char *)
    void ms_name_leave_hint(int, const ms_hint *, int, ms_hint)
    int ms_name_find_body(int, const char *, int, int *, ms_file *, int *)
    int ms_name_hold_body(int, int, const char *)
    int ms_name_is_free(int, const char *)
    int ms_name_exists(int, const char *)
    int ms_name_unlink_if_last(int, int, const char *, int, int)
    int ms_name_close_last(int, int *, int, const char *, int, int, int)
    void ms_name_give_up(int, int, const char *, int)

cdef extern from "protocol/ms_mapping.h" nogil:
    ctypedef struct ms_addresses:
        uint64_t next
    int ms_mapping_map(ms_addresses *, int, size_t, int, int, uint64_t, uint64_t *)
    void ms_mapping_populate(uint64_t, size_t)
    int ms_mapping_unmap(ms_addresses *, uint64_t, size_t)
    void ms_mapping_reuse(ms_addresses *, uint64_t, size_t)

cdef extern from * nogil:
    """
    #include <errno.h>
    #include <fcntl.h>
    #include <sys/file.h>
    static inline void set_errno(int number) { errno = number; }
    """
    void set_errno(int)
    enum:
        F_GET_SEALS, LOCK_EX, LOCK_SH, LOCK_UN
    int c_fcntl "fcntl"(int, int, ...)
    int c_flock "flock"(int, int)

SEAL, READ_ONLY, UNLOCKED = MS_BODY_SEAL, MS_BODY_READ_ONLY, MS_BODY_UNLOCKED
FOUND, GONE, SWEPT, BUSY = MS_FOUND, MS_GONE, MS_SWEPT, MS_BUSY
LOST, DAMAGED, PLANTED = MS_LOST, MS_DAMAGED, MS_PLANTED
TAG, REVOKED, PROTECTED, PENDING = (MS_HANDLE_TAG, MS_HANDLE_REVOKED, MS_HANDLE_PROTECTED,
                                  MS_HANDLE_PENDING)
PAGE_SIZE, GRANULARITY = MS_PAGE_SIZE, MS_GRANULARITY

cdef enum:
    LONG = 4 << 20      # bytes from which on unmapping takes so long that others may go on


cdef int _check(int result) except -1:
    """A result that is no failure."""
    if result < 0:
        set_errno(-result)
        PyErr_SetFromErrno(OSError)
    return result


cdef int _check_by_path(int result, int fd) except -1:
    """The same for a step that goes by the path of a descriptor; the failure tells that it is absent."""
    if result == -ENOENT:
        set_errno(ENOENT)
        PyErr_SetFromErrnoWithFilenameObject(OSError, f"/proc/self/fd/{fd}")
    return _check(result)


cdef int _note(int fd) except -1:
    """A new descriptor, noted; OSError for a negative errno."""
    note_fd(_check(fd))
    return fd


def layout():
    """What ``ms_layout.h`` says, for the test that compares it with the object manager's."""
    return {
        "page_magic": MS_PAGE_MAGIC, "page_version": MS_PAGE_VERSION,
        "page_header": MS_PAGE_HEADER_SIZE, "descriptor_at": MS_PAGE_DESCRIPTOR_AT,
        "text_at": MS_PAGE_TEXT_AT, "state_at": MS_PAGE_STATE_AT, "permanent": MS_PAGE_PERMANENT,
        "superseded": MS_PAGE_SUPERSEDED, "page_size": MS_PAGE_SIZE,
        "locator_magic": MS_LOCATOR_MAGIC, "locator_version": MS_LOCATOR_VERSION,
        "locator": sizeof(ms_locator), "hints": MS_HINTS, "granularity": MS_GRANULARITY,
        "tag": MS_HANDLE_TAG, "revoked": MS_HANDLE_REVOKED, "protected": MS_HANDLE_PROTECTED,
        "pending": MS_HANDLE_PENDING, "data_shift": MS_HANDLE_DATA_SHIFT,
    }


# ---------------------------------------------------------------------- descriptions

cdef int reopen_fd(int fd, bint writable) except -1:
    cdef int opened = _check_by_path(ms_description_reopen(fd, writable), fd)
    note_fd(opened)
    return opened


def reopen(int fd, bint writable):
    """A new description of what a descriptor means, for reading or for both (R2)."""
    return reopen_fd(fd, writable)


def position(int fd):
    """The position of a description, which says whether it is a handle and what it grants (H1)."""
    cdef uint64_t where = 0
    _check(ms_description_position(fd, &where))
    return where


def set_position(int fd, uint64_t position, bint inherit=False):
    """Make a description this handle, and with ``inherit`` the descriptor one for children."""
    set_position_of(fd, position, inherit)


cdef int copy_description(int fd, bint writable, uint64_t position) except -2:
    """A description of its own of what a handle's descriptor means, locked and at a position; -1
    where somebody else has the exclusive lock."""
    cdef int copy = ms_description_copy(fd, writable, position)
    if copy == -EAGAIN:
        return -1
    _check_by_path(copy, fd)
    note_fd(copy)
    return copy


cdef int set_position_of(int fd, uint64_t position, bint inherit) except -1:
    return _check(ms_description_set(fd, position, inherit))


cdef bint is_live_fd(int fd) noexcept:
    return ms_description_is_live(fd) > 0


def is_live(int fd):
    """Whether it is a handle that nobody took away (H2)."""
    return _check(ms_description_is_live(fd)) != 0


def revoke(int fd):
    """Take a handle away from whoever has it; whether it was one."""
    return _check(ms_description_revoke(fd)) != 0


def lock_shared(int fd):
    """Take the shared lock, if nobody's exclusive one is in the way; whether it was had."""
    return _check(ms_description_lock(fd, LOCK_SH)) != 0


def lock_exclusive(int fd):
    """Take the exclusive lock, if nobody else has any; whether it was had."""
    return _check(ms_description_lock(fd, LOCK_EX)) != 0


def unlock(int fd):
    """Give the lock back."""
    if c_flock(fd, LOCK_UN):
        PyErr_SetFromErrno(OSError)


# ---------------------------------------------------------------------- bodies

cdef inline int _reserve(int fd, uint64_t offset, uint64_t size) except -1:
    cdef int result
    while True:
        with nogil:
            result = ms_body_reserve(fd, offset, size)
        if result != -EINTR:
            break
        PyErr_CheckSignals()
    return _check(result)


cdef tuple _finish(int fd, uint64_t size, bytes area, size_t header_at, uint64_t at, bytes name,
                   uint32_t pid, uint32_t uid, int mode, int flags):
    cdef ms_body_plan plan
    cdef ms_body_made made
    plan.area, plan.area_size = PyBytes_AS_STRING(area), PyBytes_GET_SIZE(area)
    plan.page_at, plan.at = header_at, at
    plan.name, plan.name_length = PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name)
    plan.size, plan.pid, plan.uid, plan.mode, plan.flags = size, pid, uid, mode, flags
    _check_by_path(ms_body_finish(fd, &plan, &made), fd)
    if made.fd != fd:
        forget_fd(fd)
        note_fd(made.fd)
    return (made.fd, made.file.device, made.file.inode, made.file.uid, made.file.gid,
            made.created_ns, PyBytes_FromStringAndSize(made.page, made.page_size))


def make_body(int directory, uint64_t total, bint sized):
    """An empty file, in memory or without a name in a directory; with ``sized`` of this size."""
    return _note(ms_body_make(directory, total if sized else 0))


def reserve(int fd, uint64_t offset, uint64_t size):
    """Have the pages of a part of a body now (C1)."""
    _reserve(fd, offset, size)


def finish_body(int fd, uint64_t data_size, bytes area not None, size_t header_at, uint64_t at,
                bytes name not None, uint32_t pid, uint32_t uid, int mode, int flags):
    """Write the control area, give the mode, seal and lock; the descriptor of the handle, and facts.

    Returns:
        (descriptor, device, inode, user, group, time of creation in ns, beginning of the page).
    """
    return _finish(fd, data_size, area, header_at, at, name, pid, uid, mode, flags)


def create_body(int directory, uint64_t data_size, uint64_t total, uint64_t reserved,
                bytes area not None, size_t header_at, uint64_t at, bytes name not None,
                uint32_t pid, uint32_t uid, int mode, int flags):
    """A body made, reserved, written, sealed and locked in one step; as ``finish_body``."""
    cdef int fd = _note(ms_body_make(directory, 0 if reserved == total else total))
    try:
        if reserved:
            _reserve(fd, 0, reserved)
        return _finish(fd, data_size, area, header_at, at, name, pid, uid, mode, flags)
    except BaseException:
        close_fd(fd)
        raise


def same_page(int fd, uint64_t body_size, bytes page not None):
    """Whether the control page still begins so: the descriptor too (R1)."""
    return ms_body_same_page(fd, body_size, PyBytes_AS_STRING(page), PyBytes_GET_SIZE(page)) != 0


def is_unchanged(int fd, uint64_t body_size, bytes page not None):
    """Whether that is so, and the body is sealed as every one in memory is (M3)."""
    return ms_body_is_unchanged(fd, body_size, PyBytes_AS_STRING(page), PyBytes_GET_SIZE(page)) != 0


def fstat_body(int fd):
    """(device, inode, size, user, group, links, whether it is a regular file)."""
    cdef ms_file file
    _check(ms_body_file(fd, &file))
    return (file.device, file.inode, file.size, file.uid, file.gid, file.links,
            file.is_regular != 0)


def seals(int fd):
    """The seals of a file; -1 for one that is no memory."""
    return c_fcntl(fd, F_GET_SEALS)


include "names.pxi"


# ---------------------------------------------------------------------- the last close

def give_up(int fd, int directory, bytes file not None, bint is_body):
    """Close a locked description that became no handle; was it the last, the name goes (L3)."""
    ms_name_give_up(fd, directory, file, is_body)
    forget_fd(fd)


def unlink_if_last(int probe, int directory, bytes file not None, int locator, bint is_body):
    """Remove the name of a body if nobody has a handle (L1, L6); whether nobody has."""
    return _check(ms_name_unlink_if_last(probe, directory, file, locator, is_body)) != 0


cdef bint close_last_fd(int fd, int *probe, int directory, const char *file, int locator,
                        bint is_body, bint keeps) noexcept:
    """Close the last handle of this process; whether it was the last of all.

    The handle is closed in every case: that the name could not be looked at leaves it to whoever
    meets it.
    """
    cdef int given = probe[0]
    cdef int last = ms_name_close_last(fd, probe, directory, file, locator, is_body, keeps)
    forget_fd(fd)
    if given < 0 <= probe[0]:
        note_fd(probe[0])
    elif probe[0] < 0 <= given:
        forget_fd(given)
    return last != 0


cdef bint unlink_if_last_fd(int probe, int directory, const char *file, int locator,
                            bint is_body) noexcept:
    return ms_name_unlink_if_last(probe, directory, file, locator, is_body) != 0


def close_last(int fd, int probe, int directory, bytes file not None, int locator, bint is_body):
    """Close the last handle of this process, and remove the name if it was the last of all (L3).

    Returns:
        (whether it was the last, the probe): the description without a lock that was given, or
        one that is the caller's from now on; -1 where none could be had.
    """
    cdef bint last = close_last_fd(fd, &probe, directory, file, locator, is_body, True)
    return last, probe


# ---------------------------------------------------------------------- views

cdef ms_addresses _addresses


def map_view(int fd, uint64_t size, int prot, int flags, uint64_t offset, bint populate):
    """Map at a multiple of the granularity; the address."""
    return map_range(fd, size, prot, flags, offset, populate)


cdef uint64_t map_range(int fd, uint64_t size, int prot, int flags, uint64_t offset,
                        bint populate) except 0:
    cdef uint64_t address = 0
    _check(ms_mapping_map(&_addresses, fd, size, prot, flags, offset, &address))
    note_range(address, (size + MS_PAGE_SIZE - 1) // MS_PAGE_SIZE * MS_PAGE_SIZE)
    if populate:
        with nogil:
            ms_mapping_populate(address, size)
    return address


cdef int unmap_range(uint64_t address, uint64_t size, bint reuses) noexcept:
    cdef int failure
    drop_range(address, size)
    if size <= LONG:
        return ms_mapping_unmap(&_addresses if reuses else NULL, address, size)
    with nogil:
        failure = ms_mapping_unmap(NULL, address, size)
    if reuses and not failure:
        ms_mapping_reuse(&_addresses, address, size)
    return failure


def unmap(uint64_t address, uint64_t size):
    """Unmap; a view of this size may come there again."""
    _check(unmap_range(address, size, True))


def reuse(uint64_t address, uint64_t size):
    """A view of this size may come to this address."""
    ms_mapping_reuse(&_addresses, address, size)
