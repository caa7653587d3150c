# SPDX-License-Identifier: MIT
"""What operations that are whole have in common on every system; ``ledger`` (Linux) and ``handles`` (Windows) include it.

Between two bytecodes, and in a call that sleeps, Python may run a handler that raises.  So what is acquired is noted in
the same native call that acquires it, in the thread's ledger.  A function that is ``whole`` ends with its result and
forgets its notes, or raises and has them undone here, without a bytecode in between.

Who includes it says what a thread's ledger is (``ms_ledger``) and what it has besides notes (``ms_mark`` and the
functions ``_undo_rest``, ``_forget_rest`` and ``_mark_rest``), and how a handle is closed (``_close_surely``).
"""

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from cpython.ref cimport Py_INCREF, PyObject

from memsection._native.vectorcall cimport Py_TPFLAGS_METHOD_DESCRIPTOR, ms_call_fast, vectorcall

import sys

cdef extern from "Python.h":
    """
    /* The code and the instruction of the innermost frame of this thread whose file is not in a directory; of the
     * outermost one where all are.  NULL without a frame, or with an exception. */
    static PyObject *ms_line_outside(PyObject *directory, int *instruction) {
        PyFrameObject *frame = PyEval_GetFrame();
        PyCodeObject *code = NULL;
        Py_XINCREF(frame);
        while (frame) {
            Py_XSETREF(code, PyFrame_GetCode(frame));
            *instruction = PyFrame_GetLasti(frame);
            Py_ssize_t is_inside = PyUnicode_Tailmatch(code->co_filename, directory, 0, PY_SSIZE_T_MAX, -1);
            if (is_inside < 0) Py_CLEAR(code);
            PyFrameObject *back = is_inside > 0 ? PyFrame_GetBack(frame) : NULL;
            Py_DECREF(frame);
            frame = back;
        }
        return (PyObject *)code;
    }
    """
    object ms_line_outside(object, int *)
    object _method "PyMethod_New"(object, object)
    object _call_with "PyVectorcall_Call"(object, tuple, dict)

cdef int note(object undo, object argument) except -1:
    """Something is done that ``undo(argument)`` undoes; that is called again if it is interrupted."""
    cdef ms_ledger *mine = ms_ledger_mine()
    if mine != NULL:
        if mine.notes == NULL:
            notes = []
            Py_INCREF(notes)
            mine.notes = <void *><PyObject *>notes
        (<list>mine.notes).append((undo, argument))
    return 0


# ---------------------------------------------------------------------- whole operations

def finish(function, *arguments):
    """Call a function until nothing interrupts it, and only then raise what did.

    Its own failures it sees to itself, and it may begin anew after each of its steps.
    """
    cdef int left = 1000
    interruption = None
    while True:
        try:
            result = function(*arguments)
            break
        except BaseException as problem:
            interruption = problem
            left -= 1
            if left == 0:
                break
    if interruption is not None:
        raise interruption
    return result


cdef void _undo(ms_ledger *mine, ms_mark begin) noexcept:
    """Give back what was acquired since; what interrupts this is not raised, because something is already."""
    cdef list noted
    if mine.notes != NULL:
        noted = <list><object><PyObject *>mine.notes
        while len(noted) > begin.notes:
            undo, argument = noted.pop()
            try:
                finish(undo, argument)
            except BaseException:
                pass
    _undo_rest(mine, begin)


cdef inline void _forget(ms_ledger *mine, ms_mark begin):
    _forget_rest(mine, begin)
    if mine.notes != NULL and len(<list><object><PyObject *>mine.notes) > begin.notes:
        del (<list><object><PyObject *>mine.notes)[begin.notes:]


cdef inline ms_mark _begin(ms_ledger *mine):
    """How far the ledger is now."""
    cdef ms_mark begin = _mark_rest(mine)
    begin.notes = 0 if mine.notes == NULL else len(<list><object><PyObject *>mine.notes)
    return begin


cdef object _import_failed = None


def connect_import_failed(failed):
    """What is asked, outside of all operations, about an exception of one that may be an import's: it gives the exception
    to raise, None to try again."""
    global _import_failed
    _import_failed = failed


cdef object _run(function, PyObject **arguments, size_t count, PyObject *names, bint settles):
    """Call a function with arguments as a vector call has them, whole."""
    try:
        return _run_once(function, arguments, count, names, settles)
    except (OSError, ImportError) as problem:
        if _import_failed is None or ms_ledger_mine() != NULL:
            raise
        better = _import_failed(problem)
        if better is problem:
            raise
        if better is not None:
            raise better from None
    return _run(function, arguments, count, names, settles)


cdef inline object _run_once(function, PyObject **arguments, size_t count, PyObject *names, bint settles):
    cdef ms_ledger *mine = ms_ledger_enter()
    cdef ms_mark begin
    if mine == NULL:
        raise MemoryError("no ledger")
    begin = _begin(mine)
    try:
        result = vectorcall(function, arguments, count, names)
        if not settles:
            PyErr_CheckSignals()    # a handler that waits would raise between here and the caller, who has nothing yet
    except BaseException:
        _undo(mine, begin)
        ms_ledger_leave(mine)
        raise
    if settles or mine.depth == 1:
        _forget(mine, begin)
    ms_ledger_leave(mine)
    return result


cdef class Whole:
    """A function that ends with its result, or raises and leaves nothing of what it did."""

    cdef void *_vectorcall  #: how it is called; it has to be a function of this file
    cdef object _function
    cdef bint _settles
    cdef dict __dict__

    def __cinit__(self):
        self._vectorcall = <void *>_call_whole

    def __call__(self, *arguments, **options):
        return _call_with(self, arguments, options)

    def __reduce__(self):
        return getattr(self, "__qualname__")    # pickled as functions are: by name

    def __get__(self, instance, owner):
        return self if instance is None else _method(self, instance)


cdef object _call_whole(object self, PyObject **arguments, size_t count, PyObject *names):
    cdef Whole mine = <Whole>self
    return _run(mine._function, arguments, count, names, mine._settles)


cdef object _like(made, function):
    """Have what calls a function say the same of itself (functools.update_wrapper, whose module takes longer to load)."""
    for name in ("__module__", "__name__", "__qualname__", "__doc__", "__annotations__"):
        try:
            setattr(made, name, getattr(function, name))
        except AttributeError:
            pass
    made.__dict__.update(getattr(function, "__dict__", ()))
    made.__wrapped__ = function
    return made


cdef Whole _any = Whole.__new__(Whole)
# As methods they are called without an object for each call: they bind as functions do.
ms_call_fast(Whole, <char *>&_any._vectorcall - <char *><PyObject *>_any, Py_TPFLAGS_METHOD_DESCRIPTOR)


def whole(function):
    """Make a function whole: what it acquired, with the result that it returns, is its caller's, or else nobody's."""
    cdef Whole made = Whole.__new__(Whole)
    made._function = function
    return _like(made, function)


def settled(function):
    """The same for a step whose result stays, whatever becomes of the operation around it."""
    cdef Whole made = Whole.__new__(Whole)
    made._function, made._settles = function, True
    return _like(made, function)


@cython.final
cdef class Attempt:
    """A step whose effect its caller may still have to undo: until that has returned, a handler can raise."""

    cdef list _notes

    def make(self, function, *arguments, **options):
        """Call a function, whole, and remember what it noted."""
        cdef ms_ledger *mine = ms_ledger_enter()
        cdef ms_mark begin
        if mine == NULL:
            raise MemoryError("no ledger")
        begin = _begin(mine)
        try:
            result = function(*arguments, **options)
            self._notes = [] if mine.notes == NULL else (<list><object><PyObject *>mine.notes)[begin.notes:]
        except BaseException:
            _undo(mine, begin)
            ms_ledger_leave(mine)
            raise
        _forget(mine, begin)
        ms_ledger_leave(mine)
        return result

    def put_back(self):
        """Undo what it took; what interrupts this is not raised, because something is already."""
        while self._notes:
            undo, argument = self._notes.pop()
            try:
                finish(undo, argument)
            except BaseException:
                pass


def done(undo, service, *arguments, **options):
    """Call a service, and note how what it did is undone: by ``undo(arguments, result)`` with a native service."""
    result = service(*arguments, **options)
    note(_Undo(undo, arguments), result)
    return result


@cython.final
cdef class _Surely:
    cdef object _function
    cdef dict __dict__

    def __call__(self, owner, *arguments):
        return finish(self._function, owner, {}, *arguments)

    def __get__(self, instance, owner):
        return self if instance is None else _method(self, instance)


def surely(function):
    """Make a function that comes to its end before what interrupts it is raised.

    It is called with a dictionary after the object, and again with the same one: which of its steps are done.
    """
    cdef _Surely made = _Surely.__new__(_Surely)
    made._function = function
    return _like(made, function)


def outside(function, *arguments):
    """Call a function of the user's in the middle of an operation: what it makes is not undone with that."""
    cdef ms_ledger *mine = ms_ledger_mine()
    cdef ms_mark begin
    if mine == NULL:
        return function(*arguments)
    begin = _begin(mine)
    try:
        return function(*arguments)
    finally:
        _forget(mine, begin)


def unless_locked(lock, function):
    """Call a function with a lock taken, unless the lock is held; whether it was called.

    It is native so that no signal handler raises between the lock and the ``try`` that releases it.
    """
    if not lock.acquire(False):
        return False
    try:
        function()
    finally:
        lock.release()
    return True


def undo_here(service, *arguments):
    """Nothing: what a part of an operation did is undone with it."""


@cython.final
cdef class _Undo:
    cdef object _undo
    cdef tuple _arguments

    def __init__(self, undo, arguments):
        self._undo, self._arguments = undo, arguments

    def __call__(self, result):
        self._undo(self._arguments, result)


# ---------------------------------------------------------------------- objects that own a handle

def own(owner, handle):
    """Make an object the owner of a handle: the operation that did this undoes it with the object."""
    owner._handle = handle
    note(_disown, owner)


def own_with_line(owner, handle, str directory not None):
    """The same, and have the object know which line made it: the innermost one outside of a directory.

    It keeps the code and the instruction, not the frame: that would keep the caller's variables alive.
    """
    cdef int instruction = 0
    own(owner, handle)
    owner._code = ms_line_outside(directory, &instruction)
    owner._instruction = instruction


def disown(owner):
    """The handle that an object owned until now, 0 for none; the object has it again if the operation is undone."""
    handle = owner._handle
    owner._handle = 0
    note(_restore, (owner, handle))
    return handle


def _restore(pair):
    pair[0]._handle = pair[1]


def _disown(owner):
    handle = owner._handle
    if handle:
        owner._handle = 0
        _close_surely(handle)


cdef object _warn = None


def connect_warning(warn):
    """Who tells that an object was left to the collector with its handle open."""
    global _warn
    _warn = warn


def drop(owner):
    """An object is left to the collector: the handle that it owns, if it has one, is closed, and that is told."""
    if not _drop(owner):
        return False
    _warn(owner)
    return True


def drop_quietly(owner):
    """The same without a word; whether there was one."""
    return _drop(owner)


# What the interpreter takes this module apart for, the names of its dictionary, is no longer there when the last objects
# go: what they need is no such name.
cdef object _is_finalizing = sys.is_finalizing


cdef bint _drop(owner) except -1:
    handle = getattr(owner, "_handle", 0)   # 0 too if its construction was interrupted
    if handle:
        owner._handle = 0
        if not _is_finalizing():    # then closing might stop half-way; the kernel does it a moment later
            _close_surely(handle)
    return handle != 0


def drop_held(holder):
    """What a ``__del__`` does with the section that an object keeps open: it is closed, and then ``closed`` is called."""
    section = getattr(holder, "section", None)
    if section is not None and _drop(section):
        holder.look_after_close()
