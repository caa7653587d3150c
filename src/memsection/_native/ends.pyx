# SPDX-License-Identifier: MIT
# cython: binding=False, auto_pickle=False
"""The door to channels: one end of one, what it takes, and what it makes in place.

It converts, copies, lets go of the GIL, calls, and sees to signals.  What the calls mean stands in
``channel/ms_channel.h``; what the bytes of a message mean is the codecs' business (``memsection.channels``).
"""

cimport cython
from cpython.buffer cimport PyBUF_FULL_RO, PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_FromStringAndSize
from cpython.bytes cimport (PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE)
from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport EAGAIN, EBADF, EBADMSG, EBUSY, EINTR, EMSGSIZE, ETIMEDOUT
from libc.stdint cimport int64_t, uint32_t, uint64_t, uintptr_t
from libc.string cimport memcpy, memset

from memsection._native.deadline cimport MS_FOREVER, deadline_of, ms_now

cdef extern from *:
    """
    #ifdef Py_GIL_DISABLED
    #define MS_FREE_THREADED 1
    #else
    #define MS_FREE_THREADED 0
    #endif
    """
    enum: MS_FREE_THREADED

cdef extern from "errno.h":
    enum: ENOTCONN, EPIPE, ESTALE

cdef extern from "ms_spin.h" nogil:
    void ms_spin_set(int64_t)

cdef extern from "ms_atomic.h" nogil:
    uint32_t ms_load_u32(const uint32_t *)
    uint32_t ms_swap_u32(uint32_t *, uint32_t)

cdef extern from "channel/ms_channel.h" nogil:
    enum: MS_SHORT, MS_RUN, MS_ENDS_MOST, MS_SMALL_UNIT, MS_CAPACITY_MOST
    enum: MS_ROLE_SEND, MS_ROLE_RECEIVE, MS_FOR_MESSAGE, MS_FOR_ROOM, MS_FOR_PLACE, MS_FOR_ANSWER, MS_BELL_MESSAGE
    ctypedef struct ms_member:
        uint32_t role, pid
    ctypedef struct ms_channel:
        uint32_t down
        ms_member *members
    ctypedef struct ms_shape:
        uint32_t capacity, redeliver
        uint64_t small_units, large_units, large_unit
        uint32_t flags, history, calls
    ctypedef struct ms_end:
        ms_channel *channel
        uint32_t capacity, redeliver, units, role, slot, epoch, repaired, flags
        uint64_t *words
        uint64_t missed
    ctypedef struct ms_message:
        uint64_t position, number, length, word
        const unsigned char *bytes
        uint32_t unit, in_place, in_ring, format, deliveries
        uint64_t *copy
    ctypedef struct ms_call:
        uint64_t word
        uint32_t cell
    ctypedef struct ms_await:
        ms_end *end
        int what
        uint64_t length
        const ms_call *call
        int64_t deadline
    uint32_t ms_forks
    uint64_t ms_channel_size(const ms_shape *)
    void ms_channel_format(void *, const ms_shape *)
    int ms_end_open(ms_end *, void *, uint64_t, const ms_shape *, int fd, uint32_t role)
    int ms_end_close(ms_end *)
    int ms_end_enter(ms_end *)
    void ms_end_keep(ms_end *)
    int ms_end_release(ms_end *)
    int ms_partners(ms_end *, uint32_t role, int *ever)
    uint32_t ms_end_count(ms_end *, uint32_t role)
    void ms_channel_shut(ms_end *, int at_once)
    int ms_place_take(ms_end *, uint64_t, uint32_t *, uint64_t *)
    unsigned char *ms_place_bytes(const ms_end *, uint32_t)
    int ms_place_free(ms_end *, uint32_t, uint64_t)
    uint64_t ms_place_largest(const ms_end *)
    int ms_place_is_same(const ms_end *, uint32_t, uint64_t)
    uint32_t ms_places_kept(const ms_end *, uint32_t *, uint32_t)
    int ms_ring_push(ms_end *, const void *, uint32_t, uint32_t, int quiet, uint64_t *)
    int ms_ring_push_place(ms_end *, uint32_t, uint64_t, uint64_t, uint32_t, int quiet, uint64_t *)
    int ms_ring_pull(ms_end *, ms_message *)
    void ms_ring_pulled(ms_end *, const ms_message *)
    int ms_ring_keep(ms_end *, ms_message *)
    void ms_ring_unpull(ms_end *, const ms_message *)
    void ms_kept_done(ms_end *, const ms_message *, int again)
    uint32_t ms_ring_count(ms_end *)
    int ms_ring_waits(ms_end *, uint64_t)
    int ms_judge(ms_end *)
    void ms_ring_bell(ms_end *, int, int)
    int ms_await_change(ms_await *)
    void ms_await_end(ms_await *, int)
    int ms_channel_ready(ms_end *, int)
    ctypedef struct ms_other:
        pass
    ctypedef struct ms_watched:
        ms_other other
    void ms_watched_make(ms_watched *, ms_end *, int what)

cdef extern from "channel/ms_topic.h" nogil:
    enum: MS_TOPIC, MS_SLOW_WAITS, MS_OBSERVED
    int ms_topic_pull(ms_end *, ms_message *, int newest)
    void ms_topic_rewind(ms_end *, uint64_t)
    void ms_topic_miss(ms_end *)
    int ms_topic_waits(ms_end *, uint64_t)

LOST = object()     #: what a codec gives for a message that went with its sender
SHORT, ENDS_MOST, CAPACITY_MOST, RUN, SMALL_UNIT = MS_SHORT, MS_ENDS_MOST, MS_CAPACITY_MOST, MS_RUN, MS_SMALL_UNIT
SEND, RECEIVE, BOTH = MS_ROLE_SEND, MS_ROLE_RECEIVE, MS_ROLE_SEND | MS_ROLE_RECEIVE

TOPIC, SLOW_WAITS, OBSERVED = MS_TOPIC, MS_SLOW_WAITS, MS_OBSERVED

cdef enum:
    LARGE = 1 << 15     # bytes from which on a copy lets go of the GIL
    KEPT_MOST = 64
    ELSEWHERE = 1 << 31 # of a format: the message is in memory of its own, which has to be found before it is given up


def set_spin(int64_t ns):
    """How long a wait spins at most before it sleeps; 0 for never."""
    ms_spin_set(ns)


cdef void copy(void *target, const void *source, uint64_t length) noexcept:
    if length >= LARGE:
        with nogil:
            memcpy(target, source, length)
    else:
        memcpy(target, source, length)


def private(buffer):
    """A writable copy of a buffer."""
    cdef Py_buffer source
    PyObject_GetBuffer(buffer, &source, PyBUF_SIMPLE)
    try:
        made = PyByteArray_FromStringAndSize(NULL, source.len)
        copy(PyByteArray_AS_STRING(made), source.buf, source.len)
        return made
    finally:
        PyBuffer_Release(&source)


cdef int write_parts(unsigned char *bytes, list parts, uint64_t length) except -1:
    """Copy buffers to their offsets, which rise."""
    cdef uint64_t at, done = 0
    cdef Py_buffer source
    for at, part in parts:
        PyObject_GetBuffer(part, &source, PyBUF_SIMPLE)
        try:
            if at < done or <uint64_t>source.len > length or at > length - <uint64_t>source.len:
                raise ValueError("channel: parts overlap or leave the message")
            memset(bytes + done, 0, at - done)  # what an earlier message left is nobody's business
            copy(bytes + at, source.buf, source.len)
            done = at + <uint64_t>source.len
        finally:
            PyBuffer_Release(&source)
    return 0


cdef ms_shape shape_of(tuple numbers) except *:
    cdef ms_shape shape
    shape.capacity, shape.redeliver, shape.small_units, shape.large_units, shape.large_unit = numbers[:5]
    shape.flags, shape.history, shape.calls = (*numbers[5:], 0, 0, 0)[:3]
    return shape


def size(tuple shape):
    """Bytes of a channel of (capacity, redeliver, small units, large units, bytes of a large one), of a topic its flags and
    history, and of a service two zeros and its calls; 0: it cannot be."""
    cdef ms_shape wanted = shape_of(shape)
    return ms_channel_size(&wanted)


def format(memory, tuple shape):
    """Make an empty channel in zeroed memory of the right size."""
    cdef Py_buffer buffer
    cdef ms_shape wanted = shape_of(shape)
    PyObject_GetBuffer(memory, &buffer, PyBUF_WRITABLE)
    try:
        if ms_channel_size(&wanted) == 0 or <uint64_t>buffer.len < ms_channel_size(&wanted):
            raise ValueError(f"channel: {buffer.len} bytes, {ms_channel_size(&wanted)} are needed")
        ms_channel_format(buffer.buf, &wanted)
    finally:
        PyBuffer_Release(&buffer)


@cython.no_gc_clear
cdef class Taken:
    """A message in its place: being taken, and in hand after ``keep``.  A read-only buffer of its bytes.

    In hand it stays until this object, and with it the last buffer over it, is gone.
    """

    cdef End _owner
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
        if not self._message.in_place:
            self.done()
        elif self._kept == 0:
            if ms_ring_keep(&self._owner._end, &self._message):
                self._kept = 2
                raise self._owner._failed(-EBADMSG)
            self._kept = 1

    def done(self):
        """It was copied: the place is free."""
        if self._kept == 0:
            self._kept = 2
            ms_ring_pulled(&self._owner._end, &self._message)

    def back(self):
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
                ms_kept_done(&self._owner._end, &self._message, self.again)
        self._owner._release()


@cython.no_gc_clear
cdef class Place:
    """A place to make a message in: a writable buffer, until it is sent or dropped."""

    cdef End _owner
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
        cdef int result
        if not self._mine or self._epoch != ms_forks:
            raise self._owner._failed(-EBADF)
        self._mine = False
        result = self._owner._queue_place(self._unit, self._word, min(length, self._length), format, deadline_of(timeout))
        if result:
            raise self._owner._failed(result, True)

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

    cdef End _owner
    cdef ms_watched _watched

    @property
    def address(self):
        return <uintptr_t>&self._watched.other

    def __dealloc__(self):
        if self._owner is not None:
            self._owner._release()


@cython.no_gc_clear
cdef class End:
    """One end of a channel.

    Args:
        memory: The channel; held as long as this object, or anything it lent out, exists.
        shape: What it should be.
        fd: Any descriptor of the section.
        role: ``SEND``, ``RECEIVE`` or both.
        codec: What makes messages of values and values of messages, and exceptions of results.
        largest: Bytes that a message has at most.
    """

    cdef ms_end _end
    cdef Py_buffer _buffer
    cdef bint _opened
    cdef object _codec
    cdef bint _plain            # messages are bytes as they are
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

    cdef object _failed(self, int result, bint sending=False):
        return self._codec.problem(result, sending)

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

    cdef int _enter(self) except -1:
        cdef int result = ms_end_enter(&self._end)
        if result:
            raise self._failed(result)
        return 0

    # ------------------------------------------------------------------ sending

    cdef int _queue(self, const void *bytes, uint32_t length, uint32_t unit, uint64_t word, uint64_t placed,
                    uint32_t format, int64_t deadline) except? -1000:
        """Queue short bytes, or a place if ``placed`` is not 0, waiting for a position."""
        cdef ms_await wait
        cdef int result = 0, nobody = 0
        memset(&wait, 0, sizeof(wait))
        wait.end = &self._end
        wait.what = MS_FOR_ROOM
        wait.deadline = deadline
        ms_end_keep(&self._end)
        try:
            while True:
                if word:
                    self._last_unit, self._last_word = unit, word
                    result = ms_ring_push_place(&self._end, unit, word, placed, format, 0, &self._last)
                else:
                    result = ms_ring_push(&self._end, bytes, length, format, 0, &self._last)
                if result != -EAGAIN:
                    return result
                if nobody:
                    result = nobody
                    return result
                result = self._wait(&wait)
                if result == -ENOTCONN:
                    nobody = result
                elif result:
                    return result
        finally:
            ms_await_end(&wait, result == 0)
            self._release()

    cdef int _queue_place(self, uint32_t unit, uint64_t word, uint64_t length, uint32_t format,
                          int64_t deadline) except? -1000:
        cdef int result = -EINTR
        try:
            result = self._queue(NULL, 0, unit, word, length, format, deadline)
        finally:
            if result:
                ms_place_free(&self._end, unit, word)
        return result

    cdef int _take_place(self, uint64_t length, int64_t deadline, uint32_t *unit, uint64_t *word) except? -1000:
        cdef ms_await wait
        cdef int nobody = 0, result = ms_place_take(&self._end, length, unit, word)
        if result != -EAGAIN:
            return result
        memset(&wait, 0, sizeof(wait))
        wait.end = &self._end
        wait.what = MS_FOR_PLACE
        wait.length = length
        wait.deadline = deadline
        ms_end_keep(&self._end)
        try:
            while True:
                result = self._wait(&wait)
                if result and result != -ENOTCONN:
                    return result
                nobody = result
                result = ms_place_take(&self._end, length, unit, word)
                if result != -EAGAIN:
                    return result
                if nobody:
                    result = nobody
                    return result
        finally:
            ms_await_end(&wait, result == 0)
            self._release()

    cdef int _send(self, const char *bytes, uint64_t length, uint32_t format, object timeout) except? -1000:
        cdef uint32_t unit = 0
        cdef uint64_t word = 0
        cdef int result
        cdef int64_t deadline
        if length > self._largest:
            return -EMSGSIZE
        if length <= MS_SHORT and self._end.redeliver == 0:
            self._last_word = 0
            result = ms_ring_push(&self._end, bytes, <uint32_t>length, format, 0, &self._last)
            if result == -EAGAIN:
                result = self._queue(bytes, <uint32_t>length, 0, 0, 0, format, deadline_of(timeout))
            return result
        deadline = deadline_of(timeout)
        result = self._take_place(length, deadline, &unit, &word)
        if result:
            return result
        copy(ms_place_bytes(&self._end, unit), bytes, length)
        self._last_unit, self._last_word = unit, word
        result = ms_ring_push_place(&self._end, unit, word, length, format, 0, &self._last)
        if result == -EAGAIN:
            return self._queue_place(unit, word, length, format, deadline)
        if result:
            ms_place_free(&self._end, unit, word)
        return result

    def send(self, value, timeout=None):
        """Send bytes, or what the codec makes of a value."""
        cdef Py_buffer source
        cdef int result
        self._enter()
        if not self._plain:
            return self._codec.send(self, value, timeout)
        if PyBytes_CheckExact(value):
            result = self._send(PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value), 0, timeout)
        else:
            PyObject_GetBuffer(value, &source, PyBUF_SIMPLE)
            try:
                result = self._send(<const char *>source.buf, source.len, 0, timeout)
            finally:
                PyBuffer_Release(&source)
        if result:
            if result == -EMSGSIZE:
                return self._codec.send_large(self, value, timeout)
            raise self._failed(result, True)

    def send_raw(self, value, uint32_t format, timeout):
        """Send a buffer as it is: a negative errno, or 0."""
        cdef Py_buffer source
        PyObject_GetBuffer(value, &source, PyBUF_SIMPLE)
        try:
            self._enter()
            return self._send(<const char *>source.buf, source.len, format, timeout)
        finally:
            PyBuffer_Release(&source)

    def send_parts(self, list parts, uint64_t length, uint32_t format, timeout):
        """Send buffers at their offsets, which together make ``length`` bytes: a negative errno, or 0."""
        cdef int64_t deadline = deadline_of(timeout)
        cdef uint32_t unit = 0
        cdef uint64_t word = 0
        cdef int result
        cdef unsigned char *bytes
        cdef unsigned char[MS_SHORT] short_
        cdef bint brief = length <= MS_SHORT and self._end.redeliver == 0
        self._enter()
        if brief:
            bytes = short_
        else:
            result = self._take_place(length, deadline, &unit, &word)
            if result:
                return result
            bytes = ms_place_bytes(&self._end, unit)
        try:
            write_parts(bytes, parts, length)
        except:
            if word:
                ms_place_free(&self._end, unit, word)
            raise
        if brief:
            return self._queue(short_, <uint32_t>length, 0, 0, 0, format, deadline)
        return self._queue_place(unit, word, length, format, deadline)

    @property
    def last(self):
        """The position of the last message that was sent, its place, and the place's word; 0 without one."""
        return self._last, self._last_unit, self._last_word

    def waits(self, uint64_t position, uint64_t unit, uint64_t word):
        """Whether the message of this position is still in the ring, or in its place."""
        self._enter()
        return bool(ms_ring_waits(&self._end, position) or (
            word and unit < self._end.units and ms_place_is_same(&self._end, <uint32_t>unit, word)))

    def place(self, uint64_t length, timeout):
        """A ``Place`` for a message of so many bytes."""
        cdef Place place
        cdef uint32_t unit = 0
        cdef uint64_t word = 0
        cdef int result
        self._enter()
        result = self._take_place(length, deadline_of(timeout), &unit, &word)
        if result:
            raise self._failed(result, True)
        place = Place.__new__(Place)
        place._owner, place._unit, place._word, place._length, place._epoch = self, unit, word, length, ms_forks
        place._mine = True
        ms_end_keep(&self._end)
        return place

    def send_many(self, values, timeout=None):
        """Send bytes in order, waking receivers once; how many were sent before the time was up, or the end came."""
        cdef int64_t deadline = deadline_of(timeout)
        cdef int result = 0
        cdef uint64_t sent = 0
        cdef Py_buffer source
        self._enter()
        try:
            for value in values:
                PyObject_GetBuffer(value, &source, PyBUF_SIMPLE)
                try:
                    result = -EAGAIN
                    if source.len <= MS_SHORT and <uint64_t>source.len <= self._largest and self._end.redeliver == 0:
                        result = ms_ring_push(&self._end, source.buf, <uint32_t>source.len, 0, 1, &self._last)
                    if result == -EAGAIN:
                        if sent:
                            ms_ring_bell(&self._end, MS_BELL_MESSAGE, 1)
                        left = None if timeout is None else 0 if deadline == 0 else max(0, deadline - ms_now()) / 1e9
                        result = self._send(<const char *>source.buf, source.len, 0, left)
                finally:
                    PyBuffer_Release(&source)
                if result == -EMSGSIZE:
                    result = 0
                    try:
                        self._codec.send_large(self, value, left)
                    except TimeoutError:
                        result = -ETIMEDOUT
                if result:
                    break
                sent += 1
        finally:
            if sent:
                ms_ring_bell(&self._end, MS_BELL_MESSAGE, 1)
        if result and result != -ETIMEDOUT:
            raise self._failed(result, True)
        return sent

    # ------------------------------------------------------------------ receiving

    cdef int _try_pull(self, ms_message *message, bint newest) noexcept:
        return ms_topic_pull(&self._end, message, 1) if newest else ms_ring_pull(&self._end, message)

    cdef int _pull(self, ms_message *message, object timeout, bint newest=False) except? -1000:
        cdef ms_await wait
        cdef int nobody = 0, result = self._try_pull(message, newest)
        if result == 0 or result == -EBADMSG:
            return result
        memset(&wait, 0, sizeof(wait))
        wait.end = &self._end
        wait.what = MS_FOR_MESSAGE
        wait.deadline = deadline_of(timeout)
        ms_end_keep(&self._end)
        try:
            while True:
                if result == -EAGAIN and ms_load_u32(&self._end.channel.down):
                    memset(message, 0, sizeof(message[0]))
                    result = self._try_pull(message, newest)  # whatever was sent before is there
                    if result == -EAGAIN:
                        result = -EPIPE
                    if result != -EBUSY:
                        return result
                result = self._wait(&wait)
                if result and result != -ENOTCONN:
                    return result
                nobody = result
                memset(message, 0, sizeof(message[0]))
                result = self._try_pull(message, newest)
                if result == 0 or result == -EBADMSG:
                    return result
                if nobody:
                    result = nobody
                    return result
        finally:
            ms_await_end(&wait, result == 0)
            self._release()

    cdef object _short(self, ms_message *message):
        """A private copy of a short message; nothing was taken when there is no memory for it."""
        try:
            raw = PyBytes_FromStringAndSize(<const char *>message.bytes, message.length)
        except:
            ms_ring_unpull(&self._end, message)
            raise
        ms_ring_pulled(&self._end, message)
        return raw

    cdef Taken _taken(self, ms_message *message):
        cdef Taken taken
        try:
            taken = Taken.__new__(Taken)
        except:
            ms_ring_unpull(&self._end, message)
            raise
        taken._owner, taken._message, taken._epoch = self, message[0], ms_forks
        if self._end.flags & MS_TOPIC and not message.in_place:
            taken._message.bytes = <const unsigned char *>taken._message.copy
        ms_end_keep(&self._end)
        return taken

    cdef object _give(self, ms_message *message, bint copied):
        """What the receiver gets of a message that is being taken."""
        cdef Taken taken
        if message.format & ELSEWHERE:
            return self._codec.receive(self._taken(message), copied)
        if not message.in_place:
            format = message.format
            raw = self._short(message)
            if not self._plain:
                return self._codec.short(raw, format, copied)
            return raw if copied else memoryview(raw)
        taken = self._taken(message)
        if not self._plain:
            return self._codec.receive(taken, copied)
        if not copied:
            taken.keep()
            return memoryview(taken)
        made = PyBytes_FromStringAndSize(NULL, message.length)
        copy(PyBytes_AS_STRING(made), message.bytes, message.length)
        taken.done()
        return made

    cdef object _receive(self, object timeout, bint copied, bint newest):
        cdef ms_message message
        cdef int result
        while True:
            self._enter()
            memset(&message, 0, sizeof(message))
            result = self._pull(&message, timeout, newest)
            if result:
                raise self._failed(result)
            found = self._give(&message, copied)
            if found is not LOST:
                return found
            self.miss()

    def receive(self, timeout=None, *, bint copy=True):
        """The next message, as bytes or as what the codec makes of it."""
        return self._receive(timeout, copy, False)

    def receive_newest(self, timeout=None, *, bint copy=True):
        """The newest message of a topic; those before it are skipped."""
        return self._receive(timeout, copy, True)

    def receive_many(self, uint64_t most, timeout=None, *, bint copy=True):
        """At least one, at most so many, without waiting for more than one."""
        cdef ms_message message
        cdef int result
        cdef list found = []
        if most == 0:
            return found
        found.append(self.receive(timeout, copy=copy))
        while <uint64_t>len(found) < most and ms_load_u32(&self._end.role):  # the codec may run what closes it
            memset(&message, 0, sizeof(message))
            result = ms_ring_pull(&self._end, &message)
            if result:
                break       # what made no sense is gone; what was received before it is not to be lost with it
            one = self._give(&message, copy)
            if one is LOST:
                self.miss()
            else:
                found.append(one)
        return found

    def take(self, timeout):
        """The next message in its place (a ``Taken``), or (bytes, format, number) of a short one."""
        cdef ms_message message
        cdef int result
        memset(&message, 0, sizeof(message))
        self._enter()
        result = self._pull(&message, timeout)
        if result:
            raise self._failed(result)
        if message.in_place or message.format & ELSEWHERE:
            return self._taken(&message)
        return self._short(&message), message.format, message.number

    def take_whole(self, timeout):
        """The next message as a ``Taken``, a short one too."""
        cdef ms_message message
        cdef int result
        memset(&message, 0, sizeof(message))
        self._enter()
        result = self._pull(&message, timeout)
        if result:
            raise self._failed(result)
        return self._taken(&message)

    # ------------------------------------------------------------------ looking, ending

    def ready(self, bint sending=False):
        """Whether a receive (or a send of something short) would return or raise at once."""
        self._enter()
        return bool(ms_channel_ready(&self._end, MS_FOR_ROOM if sending else MS_FOR_MESSAGE))

    def wait(self, timeout=None):
        """Wait until ``ready``: whether it is."""
        cdef ms_await wait
        cdef int result
        self._enter()
        if ms_channel_ready(&self._end, MS_FOR_MESSAGE):
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
                    return bool(ms_channel_ready(&self._end, MS_FOR_MESSAGE))
                if result == -ENOTCONN or ms_channel_ready(&self._end, MS_FOR_MESSAGE):
                    return True
                if result:
                    raise self._failed(result)
        finally:
            ms_await_end(&wait, 0)
            self._release()

    def watched(self, bint sending=False):
        """What a wait for this end and other things has to know (``sync.Other``)."""
        cdef Watched watched
        self._enter()
        watched = Watched.__new__(Watched)
        watched._owner = self
        ms_watched_make(&watched._watched, &self._end, MS_FOR_ROOM if sending else MS_FOR_MESSAGE)
        ms_end_keep(&self._end)
        return watched

    def partners(self, uint32_t role):
        """(whether another end with this role lives, whether there ever was one)."""
        cdef int ever = 0, there
        self._enter()
        there = ms_partners(&self._end, role, &ever)
        return bool(there), bool(ever)

    def count(self, uint32_t role):
        """How many ends with this role live."""
        self._enter()
        return ms_end_count(&self._end, role)

    def shutdown(self, bint at_once):
        """No more is sent, by anybody."""
        self._enter()
        ms_channel_shut(&self._end, at_once)

    def judge(self):
        """Look after those who may have died: how many had."""
        self._enter()
        return ms_judge(&self._end)

    def kept(self):
        """(how many places are in hands, the process ids of the first of those who have them, as they say)."""
        cdef uint32_t slots[KEPT_MOST]
        cdef uint32_t n, i
        self._enter()
        n = ms_places_kept(&self._end, slots, KEPT_MOST)
        pids = {self._end.channel.members[slots[i]].pid for i in range(min(n, <uint32_t>KEPT_MOST))
                if slots[i] <= MS_ENDS_MOST}
        return n, sorted(pids)

    def members(self):
        """(slot, role, process id) of those who say that they have it open: to be shown, never believed."""
        cdef uint32_t slot
        self._enter()
        return [(slot, self._end.channel.members[slot].role & 3, self._end.channel.members[slot].pid)
                for slot in range(1, MS_ENDS_MOST + 1) if self._end.channel.members[slot].role]

    def __len__(self):
        self._enter()
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
        self._enter()
        ms_topic_rewind(&self._end, messages)

    def unread(self, uint64_t position):
        """Whether a subscriber that lives has not read this position of a topic yet."""
        self._enter()
        return bool(ms_topic_waits(&self._end, position))

    @property
    def is_down(self):
        self._enter()
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


include "calls.pxi"
