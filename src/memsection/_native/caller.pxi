# SPDX-License-Identifier: MIT
# A part of ends.pyx: objects that are called without a Python frame of their own.

cdef class Caller:
    """What is called as a function is that it has, without a Python frame of its own; see ``call_directly``."""

    cdef void *_vectorcall
    cdef public object _call

    def __cinit__(self):
        self._vectorcall = <void *>_forward


cdef object _forward(object self, PyObject **arguments, size_t count, PyObject *names):
    return vectorcall((<Caller>self)._call, arguments, count, names)


cdef Caller _any = Caller.__new__(Caller)


def call_directly(kind):
    """Have the instances of a class of ``Caller``\ s called like this, but not those of its subclasses."""
    ms_call_fast(kind, <char *>&_any._vectorcall - <char *><PyObject *>_any, 0)
    return kind
