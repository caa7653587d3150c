# SPDX-License-Identifier: MIT
# For native code elsewhere.
from libc.stdint cimport uint64_t

cdef int unmap_range(uint64_t address, uint64_t size, bint reuses) noexcept
