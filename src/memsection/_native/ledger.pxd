# SPDX-License-Identifier: MIT
# For native code elsewhere, which has no ledger of its own.
from libc.stdint cimport uintptr_t

cdef int close_fd(int fd) noexcept
cdef void note_fd(int fd) noexcept
cdef void forget_fd(int fd) noexcept
cdef void note_range(uintptr_t address, size_t size) noexcept
cdef void drop_range(uintptr_t address, size_t size) noexcept
cdef int note(object undo, object argument) except -1
