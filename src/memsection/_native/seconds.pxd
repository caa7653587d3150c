# SPDX-License-Identifier: MIT
"""Timeouts of Python as numbers, for every door that takes one; refused as ``vocabulary.arguments.seconds`` refuses them."""

from libc.math cimport HUGE_VAL


cdef inline double seconds_of(object timeout) except? -1:
    cdef double seconds
    try:
        seconds = timeout
    except TypeError:
        raise TypeError(f"timeout: a number of seconds is needed, not {repr(timeout)[:60]}") from None
    except OverflowError:   # an int that no float is
        return HUGE_VAL if timeout > 0 else -HUGE_VAL
    if seconds != seconds:
        from memsection.vocabulary import errors
        raise errors.ArgumentError("timeout: a number of seconds is needed, not nan")
    return seconds
