# SPDX-License-Identifier: MIT
"""How objects of this library's are called without a tuple of arguments (PEP 590)."""

from cpython.ref cimport PyObject

cdef extern from "Python.h":
    """
    #include <stddef.h>

    /* Have the instances of a type called by the function that each has at an offset.  Their ``__call__`` has to do the
     * same.  A subclass with one of its own is called by that: it does not inherit this. */
    static void ms_call_fast(PyObject *type, size_t offset, unsigned long flags) {
        PyTypeObject *it = (PyTypeObject *)type;
        it->tp_vectorcall_offset = (Py_ssize_t)offset;
        it->tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL | flags;
        PyType_Modified(it);
    }
    """
    void ms_call_fast(object, size_t, unsigned long)
    unsigned long Py_TPFLAGS_METHOD_DESCRIPTOR
    object vectorcall "PyObject_Vectorcall"(object, PyObject **, size_t, PyObject *)
