# SPDX-License-Identifier: MIT
# cython: auto_pickle=False
"""Operations that are done whole or not at all on Windows: what a service acquires is noted in the call of the service.

``whole.pxi`` has what every system shares.  Here are the notes: the services of ntdll, which ``nt.windows.ntdll`` hands
in, are called natively, and what one that succeeded has made or taken (a handle, a view, reserved memory, a mutex, a
unit of a semaphore) is in the thread's ledger before any bytecode runs.  What is given back leaves the ledger the same
way.  There are no forks, so a ledger is its thread's alone.
"""

from libc.stdint cimport uint32_t

cdef extern from * nogil:
    """
    #ifdef _MSC_VER
    #define MS_OF_THREAD __declspec(thread)
    #else
    #define MS_OF_THREAD __thread
    #endif
    struct ms_ledger {
        int depth; /* operations of this thread, one inside the other */
        void *notes;
    };
    static MS_OF_THREAD struct ms_ledger ms_own;
    static struct ms_ledger *ms_ledger_enter(void) { ms_own.depth++; return &ms_own; }
    static struct ms_ledger *ms_ledger_mine(void) { return ms_own.depth ? &ms_own : NULL; }
    """
    struct ms_ledger:
        int depth
        void *notes
    ms_ledger *ms_ledger_enter()
    ms_ledger *ms_ledger_mine()

cdef uint32_t FAILED = 0x80000000               # in every status that is a failure
cdef uint32_t OBJECT_NAME_EXISTS = 0x40000000
cdef uint32_t OBJECT_TYPE_MISMATCH = 0xC0000024
cdef uint32_t ACCESS_DENIED = 0xC0000022
cdef uint32_t NOT_MAPPED_VIEW = 0xC0000019
cdef uint32_t HANDLE_NOT_CLOSABLE = 0xC0000235

cdef enum:
    ABANDONED = 0x80                            # STATUS_ABANDONED_WAIT_0
    MOST = 64                                   # MAXIMUM_WAIT_OBJECTS
    WAIT_ALL = 0
    CURRENT_PROCESS = -1
    CLOSE_SOURCE = 1                            # DUPLICATE_CLOSE_SOURCE
    MEM_RESERVE = 0x2000
    MEM_RELEASE = 0x8000
    SEMAPHORE_MODIFY_STATE = 2


cdef struct ms_mark:    # how far a ledger was when a frame began
    Py_ssize_t notes


cdef inline void _undo_rest(ms_ledger *mine, ms_mark begin) noexcept:
    pass


cdef inline void _forget_rest(ms_ledger *mine, ms_mark begin):
    pass


cdef inline ms_mark _mark_rest(ms_ledger *mine):
    cdef ms_mark begin
    begin.notes = 0
    return begin


cdef inline void ms_ledger_leave(ms_ledger *mine):
    mine.depth -= 1
    if mine.depth == 0 and mine.notes != NULL:  # a thread that ends leaves nothing
        notes = <object><PyObject *>mine.notes
        mine.notes = NULL
        Py_DECREF(notes)


cdef int _close_surely(handle) except -1:
    _close(handle)
    return 0


include "whole.pxi"

from _thread import RLock
from ctypes import byref, c_size_t, c_ssize_t, c_uint32

from cpython.ref cimport Py_DECREF

# ---------------------------------------------------------------------- the services

cdef dict _plain = {}       # those of ntdll by name, as ctypes has them: no bytecode runs in a call
cdef dict _noted = {}       # the same, with notes
cdef object _failure = None
cdef object _abandon = None
cdef object _signal_again = None
cdef object _TwoNumbers = c_uint32 * 2


def connect(dict services, failure):
    """The services to call, by name; those that acquire something, or give it back, note that.

    ``failure(status, service)`` is the exception for a service that failed when it was called here.
    """
    global _plain, _noted, _failure
    _plain, _failure = services, failure
    _noted = {name: _Noted(service, _NOTES[name]) if name in _NOTES else service for name, service in services.items()}
    return _noted


def connect_waits(abandon, signal_again):
    """How a mutex is abandoned by the thread that owns it, and how what a wait has reset is signaled again.

    Both are functions in Python, which are called again when they were interrupted.
    """
    global _abandon, _signal_again
    _abandon, _signal_again = abandon, signal_again


@cython.final
cdef class _Noted:
    """A service whose effect is noted before its caller has the status."""

    cdef object _service, _after

    def __init__(self, service, after):
        self._service, self._after = service, after

    def __call__(self, *arguments):     # where one points to something, it is a ctypes.byref: ._obj is what
        status = self._service(*arguments)
        if ms_ledger_mine() != NULL and not status & FAILED:
            try:
                self._after(arguments, status)
            except MemoryError:
                pass    # then an operation that is interrupted now leaves it
        return status


cdef bint _forget_note(undo, argument) except -1:
    """The last such note, if there is one, says nothing any more; whether there was one.

    It keeps its place, because frames count places.
    """
    cdef ms_ledger *mine = ms_ledger_mine()
    cdef list notes
    cdef Py_ssize_t i
    if mine == NULL or mine.notes == NULL:
        return False
    notes = <list><object><PyObject *>mine.notes
    for i in range(len(notes) - 1, -1, -1):
        if notes[i][0] is undo and notes[i][1] == argument:
            notes[i] = _SAYS_NOTHING
            return True
    return False


cdef tuple _SAYS_NOTHING = (lambda argument: None, None)


# ---------------------------------------------------------------------- handles

def _close(handle):
    """NtClose; the status."""
    status = _plain["NtClose"](handle)
    if not status & FAILED:
        _forget_handle(handle)
    return status


cdef int _forget_handle(handle) except -1:
    """Whatever is noted of a handle says nothing any more: its value may be another one's soon."""
    for undo in (_close, _end, _release, _put_back, _abandon_again):
        while _forget_note(undo, handle):
            pass
    return 0


def _close_there(pair):
    """A handle that was made for another process."""
    _plain["NtDuplicateObject"](*pair, 0, None, 0, 0, CLOSE_SOURCE)


@cython.final
cdef class _HandleAt:
    """A service writes a new handle to where its n-th argument points."""

    cdef int _place

    def __init__(self, int place):
        self._place = place

    def __call__(self, tuple arguments, status):
        note(_close, arguments[self._place]._obj.value)


def _was_closed(tuple arguments, status):
    _forget_handle(arguments[0])


def _note_duplicate(tuple arguments, status):
    source_process, source, process, place, _, _, options = arguments
    if options & CLOSE_SOURCE:
        if source_process == CURRENT_PROCESS:
            _forget_handle(source)
        else:
            _forget_note(_close_there, (source_process, source))
    if place is not None and process == CURRENT_PROCESS:
        note(_close, place._obj.value)
    elif place is not None:
        note(_close_there, (process, place._obj.value))


def close_owned(owner):
    """Close the handle that an object owns, if it has one; True then.  It stays the owner of one that stays open."""
    handle = owner._handle
    if not handle:
        return False
    owner._handle = 0
    status = _close(handle)
    if status & FAILED:
        if status == HANDLE_NOT_CLOSABLE:
            owner._handle = handle
        raise _failure(status, "NtClose")
    return True


# ---------------------------------------------------------------------- processes

def _end(handle):
    """A process whose maker is not told of it: then none may run."""
    _plain["NtTerminateProcess"](handle, 1)


def start(service, *arguments):
    """CreateProcess, whose handles are noted; what it returns."""
    result = service(*arguments)
    if result:
        made = arguments[len(arguments) - 1]._obj
        note(_close, made.hProcess)
        note(_end, made.hProcess)
        note(_close, made.hThread)
    return result


include "views.pxi"


# ---------------------------------------------------------------------- what waits take

def _release(handle):
    """A mutex that its thread owns from the beginning."""
    _plain["NtReleaseMutant"](handle, None)


def _put_back(handle):
    """What a wait took; it may be called again, and only its last step is not native."""
    if _plain["NtReleaseMutant"](handle, None) != OBJECT_TYPE_MISMATCH:
        return
    status = _plain["NtReleaseSemaphore"](handle, 1, None)
    if status == ACCESS_DENIED:     # who may wait need not be allowed to release by this handle
        place = c_ssize_t()
        if not _plain["NtDuplicateObject"](CURRENT_PROCESS, handle, CURRENT_PROCESS, byref(place),
                                           SEMAPHORE_MODIFY_STATE, 0, 0) & FAILED:
            status = _plain["NtReleaseSemaphore"](place.value, 1, None)
            _plain["NtClose"](place.value)
    if status == OBJECT_TYPE_MISMATCH:
        _signal_again(handle)


def _abandon_again(handle):
    """A mutex whose last owner has ended: the next one is told so too."""
    _abandon(handle)


def _note_mutex(tuple arguments, status):
    handle = arguments[0]._obj.value
    note(_close, handle)
    if arguments[3] and status != OBJECT_NAME_EXISTS:
        note(_release, handle)


def _note_wait(tuple arguments, status):
    _took(arguments[0], status)


def _note_signal_and_wait(tuple arguments, status):
    _took(arguments[1], status)


def _note_waits(tuple arguments, status):
    count, handles, wait_type = arguments[:3]
    cdef bint abandoned = ABANDONED <= status < ABANDONED + MOST
    if wait_type == WAIT_ALL and (abandoned or status < MOST):
        for rank in range(count):
            # The kernel does not tell which one was abandoned: the first mutex is told of.
            if abandoned and _plain["NtQueryMutant"](handles[rank], 0, _TwoNumbers(), 8, None) != OBJECT_TYPE_MISMATCH:
                abandoned = False
                note(_abandon_again, handles[rank])
            else:
                note(_put_back, handles[rank])
    elif abandoned:
        _took(handles[status - ABANDONED], ABANDONED)
    elif status < MOST:
        _took(handles[status], 0)


cdef int _took(handle, status) except -1:
    if status == ABANDONED:
        note(_abandon_again, handle)
    elif status == 0:
        note(_put_back, handle)
    return 0


def _note_release(tuple arguments, status):
    handle = arguments[0]
    if not _forget_note(_put_back, handle) and not _forget_note(_abandon_again, handle):
        _forget_note(_release, handle)


def _note_units(tuple arguments, status):
    left = arguments[1]
    while left > 0 and _forget_note(_put_back, arguments[0]):
        left -= 1


cdef dict _NOTES = {
    **{name: _HandleAt(0) for name in (
        "NtOpenDirectoryObject", "NtCreateDirectoryObject", "NtOpenSymbolicLinkObject", "NtCreateSection",
        "NtCreateSectionEx", "NtOpenSection", "NtCreateFile", "NtOpenMutant", "NtCreateEvent", "NtOpenEvent",
        "NtCreateSemaphore", "NtOpenSemaphore", "NtCreateTimer", "NtOpenTimer", "NtOpenProcess", "NtOpenThread",
    )},
    "NtOpenProcessToken": _HandleAt(2),
    "NtDuplicateToken": _HandleAt(5),
    "NtDuplicateObject": _note_duplicate,
    "NtClose": _was_closed,
    "NtMapViewOfSection": _has_view,
    "NtAllocateVirtualMemory": _has_memory,
    "NtFreeVirtualMemory": _note_free,
    "NtCreateMutant": _note_mutex,
    "NtReleaseMutant": _note_release,
    "NtReleaseSemaphore": _note_units,
    "NtWaitForSingleObject": _note_wait,
    "NtWaitForMultipleObjects": _note_waits,
    "NtSignalAndWaitForSingleObject": _note_signal_and_wait,
}


# ---------------------------------------------------------------------- blocks

cdef object _release_by_own(owner):
    """Call a subclass's own ``release``.  One that raises, or is interrupted, before it has given back what the block took
    has that done here; what else it did is its own."""
    cdef ms_ledger *mine = ms_ledger_enter()
    cdef ms_mark begin = _begin(mine), own
    try:
        note(_put_back, owner._handle)
        own = _begin(mine)
        owner.release()
    except BaseException:
        _forget(mine, own)
        _undo(mine, begin)
        ms_ledger_leave(mine)
        raise
    _forget(mine, begin)
    ms_ledger_leave(mine)


@cython.final
cdef class _OnExit:
    """The end of a block that has a mutex or a unit: it is released in one native call, or was not there."""

    cdef object _method, _releases
    cdef dict __dict__

    def __call__(self, owner, *exception):
        if type(owner).release in self._releases and owner._handle:
            status = _noted["NtReleaseMutant"](owner._handle, None)
            if status == OBJECT_TYPE_MISMATCH:
                status = _noted["NtReleaseSemaphore"](owner._handle, 1, None)
            if not status & FAILED:
                return None
            return self._method(owner, *exception)  # the failure in words
        return _release_by_own(owner)

    def __get__(self, instance, owner):
        return self if instance is None else _method(self, instance)


def on_exit(method, releases):
    """The native method for the end of a block, where ``release`` is one of ``releases``; else the one in Python."""
    cdef _OnExit made = _OnExit.__new__(_OnExit)
    made._method, made._releases = method, releases
    return _like(made, method)
