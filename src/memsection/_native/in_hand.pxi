# SPDX-License-Identifier: MIT
# A part of ends.pyx: messages in their places, being taken or made, and ends that are waited for.

@cython.no_gc_clear
cdef class Taken:
    """A message in its place: being taken, and in hand after ``keep``.  A read-only buffer of its bytes.

    In hand it stays until this object, and with it the last buffer over it, is gone.
    """

    cdef Opened _owner
    cdef ms_message _message
    cdef uint32_t _epoch
    cdef int _kept              # 0: being taken; 1: in hand; 2: neither
    cdef public bint again      #: whether it is to be delivered again when it is given back

    @property
    def format(self):
        return self._message.format

    @property
    def number(self):
        return self._message.number

    @property
    def deliveries(self):
        return self._message.deliveries

    def __len__(self):
        return self._message.length

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        if self._kept == 2:
            raise BufferError("channel: the message was given back")
        PyBuffer_FillInfo(buffer, self, <void *>self._message.bytes, self._message.length, True, flags)

    def keep(self):
        """Have it in hand: its position in the ring is free for others."""
        self._keep()

    cdef int _keep(self) except -1:
        if not self._message.in_place:
            self.finish()
        elif self._kept == 0:
            if ms_ring_keep(&self._owner._end, &self._message):
                self._kept = 2
                raise self._owner._problem(-EBADMSG)
            self._kept = 1
        return 0

    def finish(self):
        """It was copied: the place is free."""
        if self._kept == 0:
            self._kept = 2
            ms_ring_finish(&self._owner._end, &self._message)

    def let_go(self):
        """It was in hand, and copied: the place is free, whoever still has this object."""
        if self._kept == 1:
            self._kept = 2
            if self._epoch == ms_forks:
                ms_ring_release(&self._owner._end, &self._message, 0)

    def give_back(self):
        """It was not taken after all: it is the next one again."""
        if self._kept == 0:
            self._kept = 2
            ms_ring_unpull(&self._owner._end, &self._message)

    def __dealloc__(self):
        cdef int kept = self._kept
        self._kept = 2
        if self._owner is None:
            return
        if self._epoch == ms_forks:     # else it is the parent's
            if kept == 0:
                ms_ring_unpull(&self._owner._end, &self._message)
            elif kept == 1:
                ms_ring_release(&self._owner._end, &self._message, self.again)
        self._owner._release()


@cython.no_gc_clear
cdef class Place:
    """A place to make a message in: a writable buffer, until it is sent or dropped."""

    cdef Sender _owner
    cdef uint32_t _unit
    cdef uint64_t _word
    cdef uint64_t _length
    cdef uint32_t _epoch
    cdef bint _mine

    def __len__(self):
        return self._length

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        if not self._mine:
            raise BufferError("channel: the message was sent")
        PyBuffer_FillInfo(buffer, self, ms_place_bytes(&self._owner._end, self._unit), self._length, False, flags)

    def send(self, uint64_t length, uint32_t format, timeout):
        """Queue it, as its first ``length`` bytes; if that cannot be, it is dropped."""
        self._send(length, format, timeout)

    cdef int _send(self, uint64_t length, uint32_t format, object timeout) except -1:
        cdef int result
        if not self._mine or self._epoch != ms_forks:
            raise self._owner._problem(-EBADF, True)
        self._mine = False
        result = self._owner._queue_place(self._unit, self._word, min(length, self._length), format, deadline_of(timeout))
        if result:
            raise self._owner._problem(result, True)
        return 0

    def fill(self, list parts):
        """Copy buffers to their offsets; other threads of Python's run meanwhile."""
        if not self._mine or self._epoch != ms_forks:
            raise self._owner._problem(-EBADF, True)
        write_parts(ms_place_bytes(&self._owner._end, self._unit), parts, self._length)

    def offer(self, uint32_t format):
        """Queue it if there is a position: whether it was sent.  It stays if not, and is dropped if it can never be."""
        cdef int result
        if not self._mine or self._epoch != ms_forks:
            raise self._owner._problem(-EBADF, True)
        result = self._owner._queue(NULL, 0, self._unit, self._word, self._length, format, 0)
        if result == -ETIMEDOUT:
            return False
        self._mine = False
        if result:
            ms_place_free(&self._owner._end, self._unit, self._word)
            raise self._owner._problem(result, True)
        return True

    cdef int _content(self, uint32_t format, ms_content *content) except -1:
        """What a call is asked or answered with: the place as it is."""
        if not self._mine or self._epoch != ms_forks:
            raise self._owner._problem(-EBADF, True)
        memset(content, 0, sizeof(content[0]))
        content.length, content.format = self._length, format
        content.unit, content.word = self._unit, self._word
        return 0

    def drop(self):
        """It is not sent."""
        if self._mine:
            self._mine = False
            if self._epoch == ms_forks:
                ms_place_free(&self._owner._end, self._unit, self._word)

    def __dealloc__(self):
        if self._owner is not None:
            if self._mine and self._epoch == ms_forks:
                ms_place_free(&self._owner._end, self._unit, self._word)
            self._owner._release()


@cython.no_gc_clear
cdef class Watched:
    """An end that is waited for beside other things; it keeps the channel's memory."""

    cdef Opened _owner
    cdef ms_watched _watched

    @property
    def address(self):
        return <uintptr_t>&self._watched.other

    def look(self):
        """Whether it is ready, after looking after those who may have died."""
        return bool(self._watched.other.look(self._watched.other.self))

    def __dealloc__(self):
        if self._owner is not None:
            self._owner._release()
