# SPDX-License-Identifier: MIT
# cython: auto_pickle=False
"""Included by ``handles.pyx``: views on Windows, the buffers over them, and reserved memory."""

from _weakref import ref

cdef object lock = RLock()  # reentrant: the collector may release a view at any line
cdef dict _mapped = {}      # where a view begins: what the buffer over it will call


def view_lock():
    """For what a view must not end in the middle of."""
    return lock


@cython.final
cdef class Mapped:
    """What unmaps one view, unless that was done otherwise: somebody else's view may be at its address by then."""

    cdef readonly object address
    cdef object buffer      # a weak reference to it

    def __init__(self, address):
        self.address = address

    def __call__(self):
        with lock:
            if _mapped.get(self.address) is self:
                status = _unmap_now(CURRENT_PROCESS, self.address, self.address)
                if status & FAILED:
                    raise _failure(status, "NtUnmapViewOfSection")

    @property
    def is_mapped(self):
        """Whether the view is there.  With ``view_lock`` held it stays."""
        return _mapped.get(self.address) is self

    def register(self, buffer):
        """A buffer has this to call: from now on it is what unmaps the view."""
        self.buffer = ref(buffer)
        with lock:
            _mapped[self.address] = self

    cdef int end_buffer(self) except -2:
        """Close the buffer over the view: 1 when nobody uses the memory, 0 when its last user unmaps it, -1 when it was
        closed before."""
        buffer = self.buffer() if self.buffer is not None else None
        return buffer._end() if buffer is not None else 1


def is_base(address):
    """Whether a view with a buffer begins there, or there is none at all."""
    return address in _mapped or not _mapped


def unmap(process, address, base):
    """NtUnmapViewOfSection for an address in a view that begins at ``base``; the status.

    A buffer over it is closed with that, and what is lent of it keeps the memory mapped until the last user of it goes.
    """
    cdef Mapped over
    cdef int users
    with lock:
        over = _mapped.get(base) if process == CURRENT_PROCESS else None
        if over is not None:
            users = over.end_buffer()
            if users != 1:
                if users == 0:
                    _forget_note(_unmap, (process, base))
                return NOT_MAPPED_VIEW if users < 0 else 0
        return _unmap_now(process, address, base)


cdef object _unmap_now(process, address, base):
    with lock:
        released = _mapped.pop(base, None) if process == CURRENT_PROCESS else None
        status = _plain["NtUnmapViewOfSection"](process, address)
        if not status & FAILED:
            _forget_note(_unmap, (process, base))
        elif released is not None:
            _mapped[base] = released
    return status


def _unmap(pair):
    process, base = pair
    unmap(process, base, base)


def _free(pair):
    process, base = pair
    _plain["NtFreeVirtualMemory"](process, byref(c_size_t(base)), byref(c_size_t(0)), MEM_RELEASE)


def _has_view(tuple arguments, status):
    note(_unmap, (arguments[1], arguments[2]._obj.value))


def _has_memory(tuple arguments, status):
    if arguments[4] & MEM_RESERVE:      # else it is memory of what was reserved before
        note(_free, (arguments[0], arguments[1]._obj.value))


def _note_free(tuple arguments, status):
    if arguments[3] & MEM_RELEASE:
        _forget_note(_free, (arguments[0], arguments[1]._obj.value))
