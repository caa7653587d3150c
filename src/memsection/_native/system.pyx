# SPDX-License-Identifier: MIT
"""System calls on Linux that the standard library lacks, or takes no address for.

One door each: convert, drop the GIL, call, raise OSError.  It decides nothing; ``nt.linux.system.syscalls`` is who calls it.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.exc cimport PyErr_SetFromErrno
from libc.stdint cimport int64_t, uint32_t, uint64_t, uintptr_t

from memsection._native.ledger cimport note_fd

import os

from memsection._native.ledger import mmap, munmap  # for whoever maps without the table of ``nt.linux``

cdef extern from * nogil:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <errno.h>
    #include <fcntl.h>
    #include <linux/capability.h>
    #include <linux/mempolicy.h>
    #include <linux/userfaultfd.h>
    #include <sys/inotify.h>
    #include <sys/ioctl.h>
    #include <string.h>
    #include <sys/mman.h>
    #include <sys/stat.h>
    #include <sys/statfs.h>
    #include <sys/syscall.h>
    #include <sys/uio.h>
    #include <unistd.h>
    #ifndef MAP_FIXED_NOREPLACE
    #define MAP_FIXED_NOREPLACE 0x100000
    #endif
    #ifndef MADV_POPULATE_WRITE
    #define MADV_POPULATE_WRITE 23
    #endif

    static long ms_file_system(const char *path) {
        struct statfs found;
        return statfs(path, &found) ? -1 : (long)((unsigned long)found.f_type & 0xFFFFFFFFUL);
    }

    /* Binds the pages of a range to one NUMA node (mbind(2)); the range may be untouched still. */
    static long ms_bind(void *address, size_t length, unsigned node) {
        unsigned long mask[16] = {0};
        if (node >= 8 * sizeof mask) { errno = EINVAL; return -1; }
        mask[node / (8 * sizeof(long))] = 1UL << node % (8 * sizeof(long));
        return syscall(SYS_mbind, address, length, MPOL_BIND, mask, 8 * sizeof mask, 0);
    }

    /* Copies between this process and another (process_vm_readv(2)): a bad address is EFAULT, not a signal. */
    static long ms_copy(int pid, void *local, void *remote, size_t length, int write) {
        struct iovec here = {local, length}, there = {remote, length};
        return syscall(write ? SYS_process_vm_writev : SYS_process_vm_readv, pid, &here, 1UL, &there, 1UL, 0UL);
    }

    /* Makes pages that a mapped memfd has not (userfaultfd(2), UFFD_FEATURE_SIGBUS) faults: a signal in user mode, EFAULT
       for the kernel.  A page that any process allocates in the file is there in every mapping at once. */
    static int ms_userfault(void *address, size_t length) {
        int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
        if (fd < 0) return -1;
        struct uffdio_api api = {.api = UFFD_API, .features = UFFD_FEATURE_SIGBUS | UFFD_FEATURE_MISSING_SHMEM};
        struct uffdio_register range = {.range = {(uintptr_t)address, length}, .mode = UFFDIO_REGISTER_MODE_MISSING};
        if (ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &range)) {
            int saved = errno;
            close(fd);
            errno = saved;
            return -1;
        }
        return fd;
    }

    /* Opens a file, looks at which it is, and reads from it where it is a regular one, from `back` bytes before its end on
       (0: from its beginning), never more than is there; how many bytes, or -1. */
    static ssize_t ms_read_file(int directory, const char *name, int follow, size_t back, void *data, size_t count,
                                struct stat *found) {
        int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | (follow ? 0 : O_NOFOLLOW), fd;
        do fd = openat(directory, name, flags); while (fd < 0 && errno == EINTR);
        if (fd < 0) return -1;
        ssize_t got = fstat(fd, found) ? -1 : 0;
        if (!got && S_ISREG(found->st_mode))
            got = pread(fd, data, count, back && found->st_size > (off_t)back ? found->st_size - (off_t)back : 0);
        int saved = errno;
        close(fd);
        errno = saved;
        return got;
    }

    /* Bitmaps in shared memory: setting is atomic, so that two processes never lose each other's bits. */
    static void ms_set_bits(unsigned char *map, size_t first, size_t count) {
        for (; count && first % 8; first++, count--)
            __atomic_fetch_or(&map[first / 8], (unsigned char)(1u << first % 8), __ATOMIC_RELEASE);
        for (; count >= 8; first += 8, count -= 8) __atomic_store_n(&map[first / 8], 0xFF, __ATOMIC_RELEASE);
        for (; count; first++, count--)
            __atomic_fetch_or(&map[first / 8], (unsigned char)(1u << first % 8), __ATOMIC_RELEASE);
    }
    static int ms_bit(const unsigned char *map, size_t i) {
        return __atomic_load_n(&map[i / 8], __ATOMIC_ACQUIRE) >> i % 8 & 1;
    }
    static size_t ms_run(const unsigned char *map, size_t first, size_t limit) {
        size_t i = first;
        int bit = ms_bit(map, first);
        unsigned char whole = bit ? 0xFF : 0;
        while (i < limit && ms_bit(map, i) == bit) {
            i++;
            while (i % 8 == 0 && i + 8 <= limit && __atomic_load_n(&map[i / 8], __ATOMIC_ACQUIRE) == whole) i += 8;
        }
        return i - first;
    }

    /* The capability sets of the calling thread: effective, permitted, inheritable, as 64-bit masks (capget(2)). */
    static long ms_capabilities(unsigned long long *sets, int set) {
        struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
        struct __user_cap_data_struct data[2];
        if (set)
            for (int i = 0; i < 2; i++) {
                data[i].effective = (unsigned)(sets[0] >> 32 * i);
                data[i].permitted = (unsigned)(sets[1] >> 32 * i);
                data[i].inheritable = (unsigned)(sets[2] >> 32 * i);
            }
        long r = syscall(set ? SYS_capset : SYS_capget, &head, data);
        if (r == 0 && !set)
            for (int i = 0; i < 3; i++) {
                unsigned low = i == 0 ? data[0].effective : i == 1 ? data[0].permitted : data[0].inheritable;
                unsigned high = i == 0 ? data[1].effective : i == 1 ? data[1].permitted : data[1].inheritable;
                sets[i] = (unsigned long long)high << 32 | low;
            }
        return r;
    }
    """
    int c_mprotect "mprotect"(void *, size_t, int)
    int c_msync "msync"(void *, size_t, int)
    int c_madvise "madvise"(void *, size_t, int)
    uint32_t c_geteuid "geteuid"()
    uint32_t c_getegid "getegid"()
    int c_getgroups "getgroups"(int, uint32_t *)
    long ms_file_system(const char *)
    long ms_bind(void *, size_t, unsigned int)
    long ms_copy(int, void *, void *, size_t, int)
    long ms_capabilities(unsigned long long *, int)
    int ms_userfault(void *, size_t)
    struct ms_stat "stat":
        uint64_t st_dev
        uint64_t st_ino
        int64_t st_size
    ssize_t ms_read_file(int, const char *, int, size_t, void *, size_t, ms_stat *)
    void ms_set_bits(unsigned char *, size_t, size_t)
    int ms_bit(const unsigned char *, size_t)
    size_t ms_run(const unsigned char *, size_t, size_t)
    enum:
        MS_PROT_READ "PROT_READ"
        MS_PROT_WRITE "PROT_WRITE"
        MS_PROT_EXEC "PROT_EXEC"
        MS_MAP_SHARED "MAP_SHARED"
        MS_MAP_PRIVATE "MAP_PRIVATE"
        MS_MAP_FIXED "MAP_FIXED"
        MS_MAP_FIXED_NOREPLACE "MAP_FIXED_NOREPLACE"
        MS_MAP_ANONYMOUS "MAP_ANONYMOUS"
        MS_MAP_NORESERVE "MAP_NORESERVE"
        MS_MS_SYNC "MS_SYNC"
        MS_MADV_WILLNEED "MADV_WILLNEED"
        MS_MADV_POPULATE_WRITE "MADV_POPULATE_WRITE"

PROT_NONE, PROT_READ, PROT_WRITE, PROT_EXEC = 0, MS_PROT_READ, MS_PROT_WRITE, MS_PROT_EXEC
MAP_SHARED, MAP_PRIVATE, MAP_FIXED, MAP_FIXED_NOREPLACE = (MS_MAP_SHARED, MS_MAP_PRIVATE, MS_MAP_FIXED,
                                                           MS_MAP_FIXED_NOREPLACE)
MAP_ANONYMOUS, MAP_NORESERVE, MS_SYNC = MS_MAP_ANONYMOUS, MS_MAP_NORESERVE, MS_MS_SYNC
MADV_WILLNEED, MADV_POPULATE_WRITE = MS_MADV_WILLNEED, MS_MADV_POPULATE_WRITE


def mprotect(uintptr_t address, size_t length, int prot):
    """mprotect(2)."""
    if c_mprotect(<void *>address, length, prot):
        PyErr_SetFromErrno(OSError)


def msync(uintptr_t address, size_t length):
    """msync(2) with MS_SYNC: returns when the pages are written."""
    cdef int result
    with nogil:
        result = c_msync(<void *>address, length, MS_MS_SYNC)
    if result:
        PyErr_SetFromErrno(OSError)


def madvise(uintptr_t address, size_t length, int advice):
    """madvise(2)."""
    cdef int result
    with nogil:
        result = c_madvise(<void *>address, length, advice)
    if result:
        PyErr_SetFromErrno(OSError)


def mbind(uintptr_t address, size_t length, unsigned int node):
    """mbind(2) with MPOL_BIND to one node."""
    if ms_bind(<void *>address, length, node):
        PyErr_SetFromErrno(OSError)


def file_system(const char *path):
    """The type of the file system that a path is on (statfs(2), f_type)."""
    cdef long result
    with nogil:
        result = ms_file_system(path)
    if result < 0:
        PyErr_SetFromErrno(OSError)
    return result


def copy_from(int pid, uintptr_t address, size_t length):
    """Bytes of a process's memory, as many as can be read (process_vm_readv(2))."""
    data = PyBytes_FromStringAndSize(NULL, length)
    cdef char *target = PyBytes_AS_STRING(data)
    cdef long result
    with nogil:
        result = ms_copy(pid, target, <void *>address, length, 0)
    if result < 0:
        PyErr_SetFromErrno(OSError)
    return data if <size_t>result == length else data[:result]


def copy_to(int pid, uintptr_t address, data):
    """Write bytes into a process's memory; how many could be (process_vm_writev(2))."""
    cdef Py_buffer buffer   # and no typed view of Cython's: a module with one imports collections
    cdef long result = 0
    PyObject_GetBuffer(data, &buffer, PyBUF_SIMPLE)
    try:
        if buffer.len:
            with nogil:
                result = ms_copy(pid, buffer.buf, <void *>address, buffer.len, 1)
        if result < 0:
            PyErr_SetFromErrno(OSError)
    finally:
        PyBuffer_Release(&buffer)
    return result


def read_file(int directory, str name, size_t count, size_t back=0, *, bint follow=False):
    """(device, inode, size, bytes) of a file in a directory: its first bytes, or those from ``back`` before its end on; none
    of what is no regular file.

    In one step: nobody has the descriptor, and the lock is held, so that no fork comes between.
    """
    cdef bytes encoded = os.fsencode(name)
    cdef char[4096] data
    cdef ms_stat found
    cdef ssize_t got
    if b"\0" in encoded:
        raise ValueError("embedded null byte")
    if count > sizeof(data):
        raise ValueError("at most a page")
    got = ms_read_file(directory, encoded, follow, back, data, count, &found)
    if got < 0:
        PyErr_SetFromErrno(OSError)
    return found.st_dev, found.st_ino, found.st_size, data[:got]


def caller_ids():
    """Effective user, effective group and the groups besides of the calling thread, in one number
    of four bytes each (geteuid(2), getegid(2), getgroups(2))."""
    cdef uint32_t ids[66]
    cdef int count
    ids[0], ids[1] = c_geteuid(), c_getegid()
    count = c_getgroups(64, ids + 2)
    if count >= 0:
        return PyBytes_FromStringAndSize(<const char *>ids, (2 + count) * sizeof(uint32_t))
    return b"".join([each.to_bytes(4, "little") for each in (ids[0], ids[1], *os.getgroups())])


def capabilities():
    """(effective, permitted, inheritable) of the calling thread."""
    cdef unsigned long long sets[3]
    if ms_capabilities(sets, 0):
        PyErr_SetFromErrno(OSError)
    return sets[0], sets[1], sets[2]


def set_capabilities(unsigned long long effective, unsigned long long permitted, unsigned long long inheritable):
    """capset(2) for the calling thread."""
    cdef unsigned long long sets[3]
    sets[0], sets[1], sets[2] = effective, permitted, inheritable
    if ms_capabilities(sets, 1):
        PyErr_SetFromErrno(OSError)


def set_bits(uintptr_t bitmap, size_t first, size_t count):
    """Set bits of a shared bitmap atomically.  Safety: the caller has the bitmap mapped, writable, for all of them."""
    with nogil:
        ms_set_bits(<unsigned char *>bitmap, first, count)


def bit_run(uintptr_t bitmap, size_t first, size_t limit):
    """(the bit at ``first``, how many bits from there on are like it, up to ``limit``).  Safety: as above, readable."""
    cdef size_t count
    if first >= limit:
        raise ValueError("first must be below limit")
    with nogil:
        count = ms_run(<const unsigned char *>bitmap, first, limit)
    return bool(ms_bit(<const unsigned char *>bitmap, first)), count


def userfault(uintptr_t address, size_t length):
    """A descriptor that, while open, makes touching pages a fault that the mapped memfd does not have."""
    cdef int fd = ms_userfault(<void *>address, length)
    if fd < 0:
        PyErr_SetFromErrno(OSError)
    note_fd(fd)
    return fd


cdef extern from "sys/inotify.h" nogil:
    int inotify_init1(int)
    int ms_inotify_add "inotify_add_watch"(int, const char *, uint32_t)
    int IN_CLOEXEC, IN_NONBLOCK


def inotify_init():
    """A descriptor that events can be read from (inotify_init1(2)), which no program inherits and no read blocks on."""
    cdef int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK)
    if fd < 0:
        PyErr_SetFromErrno(OSError)
    return fd


def inotify_add_watch(int fd, str path, uint32_t mask):
    """Have events of a file or a directory (inotify_add_watch(2))."""
    cdef bytes name = path.encode()
    cdef int result = ms_inotify_add(fd, name, mask)
    if result < 0:
        PyErr_SetFromErrno(OSError)
    return result
