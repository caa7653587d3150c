# SPDX-License-Identifier: MIT
# For native code elsewhere.
from libc.stdint cimport uint64_t

cdef bint is_live_fd(int fd) noexcept
cdef int copy_description(int fd, bint writable, uint64_t position) except -2
cdef int set_position_of(int fd, uint64_t position, bint inherit) except -1
cdef int reopen_fd(int fd, bint writable) except -1
cdef uint64_t map_range(int fd, uint64_t size, int prot, int flags, uint64_t offset,
                        bint populate) except 0
cdef int unmap_range(uint64_t address, uint64_t size, bint reuses) noexcept
cdef bint close_last_fd(int fd, int *probe, int directory, const char *file, int locator,
                        bint is_body, bint keeps) noexcept
cdef bint unlink_if_last_fd(int probe, int directory, const char *file, int locator,
                            bint is_body) noexcept
