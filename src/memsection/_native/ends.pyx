# SPDX-License-Identifier: MIT
# cython: binding=False, auto_pickle=False, freethreading_compatible=False
"""The door to channels: one end of one, what it takes, and what it makes in place.

It converts, copies, lets go of the GIL, calls, and sees to signals.  What the calls mean stands in
``channel/ms_channel.h``; what the bytes of a message mean is the codecs' business (``memsection.channels``).
"""

cimport cython
from cpython.buffer cimport PyBUF_FULL_RO, PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_FromStringAndSize
from cpython.bytes cimport (PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE)
from cpython.exc cimport PyErr_CheckSignals
from cpython.memoryview cimport PyMemoryView_FromObject
from cpython.ref cimport PyObject
from libc.errno cimport EAGAIN, EBADF, EBADMSG, EBUSY, EINTR, EMSGSIZE, ETIMEDOUT
from libc.stdint cimport int64_t, uint32_t, uint64_t, uintptr_t
from libc.string cimport memcpy, memset

from memsection._native.deadline cimport MS_FOREVER, deadline_of, most_of, ms_now, require_seconds
from memsection._native.vectorcall cimport ms_call_fast, vectorcall

include "channel.pxi"

LOST = object()     #: what a codec gives for a message that went with its sender
SHORT, ENDS_MOST, CAPACITY_MOST, RUN, SMALL_UNIT = MS_SHORT, MS_ENDS_MOST, MS_CAPACITY_MOST, MS_RUN, MS_SMALL_UNIT
BY_NAME = MS_BY_NAME    #: whether who lives is known by named objects, and not by a descriptor of the section
# The core's results, negative: on Windows Python's module errno has other numbers.
NOTHING_YET, TIME_IS_UP, NOBODY_LIVES, IS_SHUT, IS_CLOSED = EAGAIN, ETIMEDOUT, ENOTCONN, EPIPE, EBADF
MAKES_NO_SENSE, TOO_LARGE, OTHER_LAYOUT, NO_SLOT = EBADMSG, EMSGSIZE, EPROTO, EUSERS
SEND, RECEIVE, BOTH = MS_ROLE_SEND, MS_ROLE_RECEIVE, MS_ROLE_SEND | MS_ROLE_RECEIVE

TOPIC, SLOW_WAITS, OBSERVED = MS_TOPIC, MS_SLOW_WAITS, MS_OBSERVED

cdef enum:
    LARGE = 1 << 15     # bytes from which on a copy lets go of the GIL
    IN_HAND_MOST = 64
    UNREAD_FROM = 1 << 20   # bytes from which on an event loop has a request copied by another thread
    ELSEWHERE = 1 << 31 # of a format: the message is in memory of its own, which has to be found before it is given up


def set_spin(int64_t ns):
    """How long a wait spins at most before it sleeps; 0 for never."""
    ms_spin_set(ns)


include "copies.pxi"
include "objects.pxi"


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


include "in_hand.pxi"
include "opened.pxi"
include "sender.pxi"


@cython.no_gc_clear
cdef class End(Sender):
    """One end of a channel.

    Args:
        memory: The channel; held as long as this object, or anything it lent out, exists.
        shape: What it should be.
        fd: Any descriptor of the section.
        role: ``SEND``, ``RECEIVE`` or both.
        codec: What makes messages of values and values of messages, and exceptions of results.
        largest: Bytes that a message has at most.
    """

    cdef int _try_pull(self, ms_message *message, bint newest) noexcept:
        return ms_topic_pull(&self._end, message, 1) if newest else ms_ring_pull(&self._end, message)

    cdef int _pull_of_the_dead(self, ms_message *message, bint newest) noexcept:
        """The last attempt before the end: with what the dead had in hand, whoever set it right."""
        ms_recover_all(&self._end)
        ms_message_clear(message)
        return self._try_pull(message, newest)

    cdef int _pull(self, ms_message *message, object timeout, bint newest=False) except? -1000:
        cdef ms_await wait
        cdef int nobody = 0, result
        require_seconds(timeout)
        result = self._try_pull(message, newest)
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
                    ms_message_clear(message)
                    result = self._try_pull(message, newest)  # whatever was sent before is there
                    if result == -EAGAIN:
                        result = self._pull_of_the_dead(message, newest)
                    if result == -EAGAIN:
                        result = -EPIPE
                    if result != -EBUSY:
                        return result
                result = self._wait(&wait)
                if result and result != -ENOTCONN:
                    return result
                nobody = result
                ms_message_clear(message)
                result = self._pull_of_the_dead(message, newest) if nobody else self._try_pull(message, newest)
                if result == 0 and ms_load_u32(&self._end.role) == 0:
                    ms_ring_unpull(&self._end, message)     # closed while this waited
                    result = -EBADF
                    return result
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
        ms_ring_finish(&self._end, message)
        return raw

    cdef Taken _take_message(self, ms_message *message):
        cdef Taken taken
        ms_end_keep(&self._end)     # before anything that may collect garbage, and so close this end
        try:
            taken = Taken.__new__(Taken)
        except:
            ms_ring_unpull(&self._end, message)
            self._release()
            raise
        taken._owner, taken._message, taken._epoch = self, message[0], ms_forks
        if self._end.flags & MS_TOPIC and not message.in_place:
            taken._message.bytes = <const unsigned char *>taken._message.copy
        return taken

    cdef object _give(self, ms_message *message, bint copied):
        """What the receiver gets of a message that is being taken."""
        cdef Taken taken
        if message.format & ELSEWHERE:
            return self._codec.receive(self._take_message(message), copied)
        if not message.in_place:
            format = message.format
            raw = self._short(message)
            if not self._plain:
                if self._pickles and format == 0:
                    return load_value(self._codec, raw, None)
                return self._codec.short(raw, format, copied)
            return raw if copied else memoryview(raw)
        taken = self._take_message(message)
        if not self._plain and not (self._pickles and message.format == 0):
            if self._pickles and copied and message.format == WITH_BUFFERS:
                found = unpack_message(message.bytes, message.length)
                if found is not None:
                    taken.finish()
                    return load_value(self._codec, found[0], found[1])
            return self._codec.receive(taken, copied)
        if not copied and self._plain:
            taken.keep()
            return memoryview(taken)
        made = PyBytes_FromStringAndSize(NULL, message.length)
        advise(PyBytes_AS_STRING(made), message.length)
        copy(PyBytes_AS_STRING(made), message.bytes, message.length)
        taken.finish()
        return made if self._plain else load_value(self._codec, made, None)

    cdef object _receive(self, object timeout, bint copied, bint newest):
        cdef ms_message message
        cdef int result
        while True:
            self._enter()
            ms_message_clear(&message)
            result = self._pull(&message, timeout, newest)
            if result:
                raise self._problem(result)
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

    def receive_many(self, most, timeout=None, *, bint copy=True):
        """At least one, at most so many, without waiting for more than one."""
        cdef ms_message message
        cdef int result
        cdef uint64_t limit = most_of(most)
        cdef list found = []
        if limit == 0:
            require_seconds(timeout)
            return found
        found.append(self.receive(timeout, copy=copy))
        while <uint64_t>len(found) < limit and ms_load_u32(&self._end.role):  # the codec may run what closes it
            ms_message_clear(&message)
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
        ms_message_clear(&message)
        self._enter()
        result = self._pull(&message, timeout)
        if result:
            raise self._problem(result)
        if message.in_place or message.format & ELSEWHERE:
            return self._take_message(&message)
        return self._short(&message), message.format, message.number

    def sending(self, *shape, timeout=None):
        """A block that makes a message in its place."""
        return Sending(self, shape, timeout)

    def receiving(self, timeout=None):
        """A block that has the next message in hand."""
        return Receiving(self, timeout)

    cdef Received _receive_in_place(self, object timeout):
        """The next message, left in its place."""
        cdef ms_message message
        cdef Received received
        cdef Taken taken
        cdef int result
        while True:
            self._enter()
            ms_message_clear(&message)
            result = self._pull(&message, timeout)
            if result:
                raise self._problem(result)
            if message.in_place or message.format & ELSEWHERE:
                taken = self._take_message(&message)
                if self._plain and not message.format & ELSEWHERE:
                    taken._keep()
                    value = PyMemoryView_FromObject(taken)
                else:
                    value = self._codec.receive(taken, False)
            else:
                taken = None
                raw = self._short(&message)
                value = memoryview(raw) if self._plain else self._codec.short(raw, message.format, False)
            if value is LOST:
                self.miss()
                continue
            received = Received.__new__(self._codec.message_type)
            received.value, received._taken = value, taken
            received.number, received.deliveries = message.number, message.deliveries
            return received

    def take_whole(self, timeout):
        """The next message as a ``Taken``, a short one too."""
        cdef ms_message message
        cdef int result
        ms_message_clear(&message)
        self._enter()
        result = self._pull(&message, timeout)
        if result:
            raise self._problem(result)
        return self._take_message(&message)


include "in_place.pxi"
include "calls.pxi"
include "caller.pxi"
include "server.pxi"
