# SPDX-License-Identifier: MIT
# A part of ends.pyx: one that has a channel open, as far as that has nothing to do with sending and receiving.

@cython.no_gc_clear
cdef class Opened:
    """A channel that is open: its life, waits, and what can be seen of it.  What ``End`` takes."""

    cdef ms_end _end
    cdef Py_buffer _buffer
    cdef bint _opened
    cdef object _codec
    cdef bint _plain            # messages are bytes as they are
    cdef bint _pickles          # messages are pickles
    cdef uint64_t _largest
    cdef object __weakref__
    cdef uint64_t _last         # position of the last message sent, and its place, for those with memory of their own
    cdef uint64_t _last_unit
    cdef uint64_t _last_word

    def __init__(self, memory, tuple shape, int fd, uint32_t role, codec, uint64_t largest):
        """Safety: the buffer is held until nothing uses the end any more."""
        cdef int result
        cdef ms_shape wanted = shape_of(shape)
        if self._opened:
            raise ValueError("end: opened already")
        # As a memoryview asks, so that a view lends what stays until this is given back, whatever the collector takes apart.
        PyObject_GetBuffer(memory, &self._buffer, PyBUF_FULL_RO)
        if self._buffer.readonly:
            PyBuffer_Release(&self._buffer)
            raise TypeError("end: a channel's ends write to its memory")
        result = ms_end_open(&self._end, self._buffer.buf, self._buffer.len, &wanted, fd, role)
        if result:
            PyBuffer_Release(&self._buffer)
            raise codec.problem(result)
        self._opened = True
        self._codec = codec
        self._plain = codec.plain
        self._pickles = codec.pickles
        self._largest = largest

    def __dealloc__(self):
        if self._opened:
            ms_end_close(&self._end)
            PyBuffer_Release(&self._buffer)

    cdef void _unmap(self) noexcept:
        # With free threads somebody may be inside a call that holds nothing: then the memory goes with this object.
        if self._opened and not MS_FREE_THREADED:
            self._opened = False
            PyBuffer_Release(&self._buffer)

    cdef void _release(self) noexcept:
        if ms_end_release(&self._end):
            self._unmap()

    cdef object _problem(self, int result, bint sending=False, object what=None):
        return self._codec.problem(result, sending, what)

    def close(self):
        """No more is sent or received here.  What is in hand stays."""
        if ms_end_close(&self._end):
            self._unmap()

    @property
    def closed(self):
        return ms_load_u32(&self._end.role) == 0

    # ------------------------------------------------------------------ waiting

    cdef int _wait(self, ms_await *wait) except? -1000:
        """0: try again.  A signal handler that raises ends it."""
        cdef int result
        with nogil:
            result = ms_await_change(wait)
        if result == -EINTR:
            PyErr_CheckSignals()
            return 0
        return result

    cdef int _enter(self, bint sending=False, object what=None) except -1:
        """Fails on an end that was closed; ``what`` is the operation, where that neither sends nor receives."""
        cdef int result = ms_end_enter(&self._end)
        if result:
            raise self._problem(result, sending, what)
        return 0

    # ------------------------------------------------------------------ looking, ending

    def ready(self, bint sending=False):
        """Whether a receive (or a send of something short) would return or raise at once."""
        self._enter(sending, "look at")
        return bool(ms_channel_ready(&self._end, MS_FOR_ROOM if sending else MS_FOR_MESSAGE, 0))

    def wait(self, timeout=None):
        """Wait until ``ready``: whether it is."""
        cdef ms_await wait
        cdef int result
        require_seconds(timeout)
        self._enter(False, "wait for")
        if ms_channel_ready(&self._end, MS_FOR_MESSAGE, 0):
            return True
        memset(&wait, 0, sizeof(wait))
        wait.end = &self._end
        wait.what = MS_FOR_MESSAGE
        wait.deadline = deadline_of(timeout)
        ms_end_keep(&self._end)
        try:
            while True:
                result = self._wait(&wait)
                if result == -ETIMEDOUT:
                    return bool(ms_channel_ready(&self._end, MS_FOR_MESSAGE, 0))
                if result == -ENOTCONN or ms_channel_ready(&self._end, MS_FOR_MESSAGE, 0):
                    return True
                if result:
                    raise self._problem(result, False, "wait for")
        finally:
            ms_await_end(&wait, 0)
            self._release()

    def watched(self, bint sending=False, uint64_t length=0):
        """What a wait for this end and other things has to know (``sync.Other``); with a length, for a place of so many bytes."""
        cdef int what = MS_FOR_PLACE if length else MS_FOR_ROOM if sending else MS_FOR_MESSAGE
        cdef Watched watched
        self._enter(sending, "wait for")
        watched = Watched.__new__(Watched)
        watched._owner = self
        ms_watched_make(&watched._watched, &self._end, what, length)
        ms_end_keep(&self._end)
        return watched

    def partners(self, uint32_t role):
        """(whether another end with this role lives, whether there ever was one)."""
        cdef int ever = 0, there
        self._enter(False, "look at")
        there = ms_partners(&self._end, role, &ever)
        return bool(there), bool(ever)

    def count(self, uint32_t role, str what="count ends of"):
        """How many ends with this role live; ``what`` names who asks."""
        self._enter(False, what)
        return ms_end_count(&self._end, role)

    def shutdown(self, bint at_once):
        """No more is sent, by anybody."""
        self._enter(False, "shut down")
        ms_channel_shut(&self._end, at_once)

    def recover(self):
        """Look after those who may have died: how many had."""
        self._enter(False, "look at")
        return ms_recover(&self._end)

    def places_in_hand(self):
        """(how many places are in hands, the process ids of the first of those who have them, as they say)."""
        cdef uint32_t slots[IN_HAND_MOST]
        cdef uint32_t n, i
        self._enter(False, "look at")
        n = ms_places_in_hand(&self._end, slots, IN_HAND_MOST)
        pids = {self._end.channel.members[slots[i]].pid for i in range(min(n, <uint32_t>IN_HAND_MOST))
                if slots[i] <= MS_ENDS_MOST}
        return n, sorted(pids)

    def members(self):
        """(slot, role, process id) of those who say that they have it open: to be shown, never believed."""
        cdef uint32_t slot
        self._enter(False, "look at")
        return [(slot, self._end.channel.members[slot].role & 3, self._end.channel.members[slot].pid)
                for slot in range(1, MS_ENDS_MOST + 1) if self._end.channel.members[slot].role]

    def __len__(self):
        self._enter(False, "length of")
        return ms_ring_count(&self._end)

    @property
    def missed(self):
        """How many messages of a topic this end did not get."""
        return self._end.missed

    def miss(self):
        """It did not get a message for a reason of its own."""
        if self._end.flags & MS_TOPIC:
            ms_topic_miss(&self._end)

    def rewind(self, uint64_t messages):
        """Begin with the last so many messages of a topic before this end was opened."""
        self._enter(False, "open")
        ms_topic_rewind(&self._end, messages)

    def unread(self, uint64_t position):
        """Whether a subscriber that lives has not read this position of a topic yet."""
        self._enter(False, "look at")
        return bool(ms_topic_waits(&self._end, position))

    @property
    def is_down(self):
        self._enter(False, "look at")
        return bool(ms_load_u32(&self._end.channel.down))

    @property
    def largest(self):
        """Bytes of the largest message for which there can be a place."""
        return ms_place_largest(&self._end)

    @property
    def repaired(self):
        return ms_load_u32(&self._end.repaired)

    @property
    def redeliver(self):
        return self._end.redeliver
