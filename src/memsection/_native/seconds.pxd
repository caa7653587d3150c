# SPDX-License-Identifier: MIT
"""Timeouts of Python as numbers, for every door that takes one; refused as ``vocabulary.arguments.seconds`` refuses them."""


cdef inline double seconds_of(object timeout) except? -1:
    cdef double seconds
    try:
        seconds = timeout
    except TypeError:
        raise TypeError(f"timeout: a number of seconds is needed, not {repr(timeout)[:60]}") from None
    if seconds != seconds:
        raise ValueError("timeout: a number of seconds is needed, not nan")
    return seconds
