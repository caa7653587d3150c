# SPDX-License-Identifier: MIT
"""Timeouts of Python as deadlines of the core, for every door that waits."""

from cpython.number cimport PyNumber_Index
from libc.stdint cimport int64_t, uint64_t

from memsection._native.seconds cimport seconds_of

cdef extern from "ms_futex.h" nogil:
    int64_t MS_FOREVER
    int64_t ms_now()


cdef inline int64_t deadline_of(object timeout) except? -1:
    """The deadline of a timeout in seconds, from now; None is for ever, and 0 or less not at all."""
    cdef double seconds
    if timeout is None:
        return MS_FOREVER
    seconds = seconds_of(timeout)
    if seconds <= 0:
        return 0
    if seconds > 9e9:
        return MS_FOREVER
    return ms_now() + <int64_t>(seconds * 1e9)


cdef inline int require_seconds(object timeout) except -1:
    """Refuse what is no number of seconds, before anything is done that may come to its end without a wait."""
    if timeout is not None and type(timeout) is not int:
        seconds_of(timeout)
    return 0


cdef inline uint64_t most_of(object most) except? 0:
    """How many messages ``receive_many`` takes at most."""
    number = PyNumber_Index(most)
    if number < 0:
        raise ValueError(f"receive_many: most is a number from 0 on, not {number}")
    return min(number, 1 << 62)
