# SPDX-License-Identifier: MIT
"""The names that a process takes with it at its end: a door to ``ms_ending``.

The interpreter calls ``ms_ending_run`` when it has ended (Py_AtExit), after every handler and finalizer.
"""

from libc.stdint cimport uint32_t
from libc.string cimport memcpy, memset

cdef extern from "ms_ending.h":
    cdef struct ms_ending:
        int fd, directory, is_body
        uint32_t flags_at, permanent
        char file[512]
    int ms_ending_add(const ms_ending *)
    int ms_ending_count()
    void ms_ending_run()

cdef extern from "Python.h":
    int Py_AtExit(void (*)())

cdef extern from "stdlib.h":
    int atexit(void (*)())

cdef bint _registered = False


def add(int fd, int directory, bytes file not None, bint is_body, uint32_t flags_at, uint32_t permanent):
    """Note a handle to a named object; what cannot be noted leaves its name to whoever meets it."""
    global _registered
    cdef ms_ending one
    if <size_t>len(file) >= sizeof(one.file):
        return False
    memset(&one, 0, sizeof(one))
    one.fd, one.directory, one.is_body, one.flags_at, one.permanent = fd, directory, is_body, flags_at, permanent
    memcpy(one.file, <const char *>file, len(file))
    if ms_ending_add(&one):
        return False
    if not _registered:
        # The interpreter has room for 32 of these; the C library is asked when others took them all.
        _registered = Py_AtExit(ms_ending_run) == 0 or atexit(ms_ending_run) == 0
    return _registered


def count():
    """How many handles are noted in this process."""
    return ms_ending_count()
