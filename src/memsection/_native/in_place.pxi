# SPDX-License-Identifier: MIT
# A part of ends.pyx: the blocks of ``sending`` and ``receiving``.

cdef object entered_twice(str block):
    from memsection.vocabulary import errors
    return errors.ArgumentError(f"{block}: this block was entered before")


cdef class Received:
    """A message in hand, for as long as a block runs: what ``channels.Message`` is made of.

    Args:
        value: The message, of which nothing is in hand.
        number: Its number in the channel.
    """

    cdef public object value
    cdef readonly uint64_t number
    cdef readonly uint32_t deliveries
    cdef Taken _taken           # None: nothing is in hand

    def __init__(self, value, uint64_t number):
        self.value, self.number, self.deliveries = value, number, 1

    def release(self):
        self._let_go()

    cdef void _let_go(self):
        self.value = None
        self._taken = None


cdef class Receiving:
    """The block of ``receiving``: takes a message when it is entered, and lets go of it at its end.

    Args:
        core: What receives: an ``End``, or what has its own ``receive_in_place``.
        timeout: Seconds; for ever when None.
    """

    cdef object _core
    cdef object _timeout
    cdef Received _message

    def __init__(self, core, timeout):
        self._core, self._timeout = core, timeout

    def __enter__(self):
        if self._message is not None:
            raise entered_twice("receiving")
        if isinstance(self._core, End):
            self._message = (<End>self._core)._receive_in_place(self._timeout)
        else:
            self._message = self._core.receive_in_place(self._timeout)
        return self._message

    def __exit__(self, kind, error, trace):
        cdef Received message = self._message
        if message is not None:
            if kind is not None and message._taken is not None:
                message._taken.again = True
            message._let_go()


cdef class Sending:
    """The block of ``sending``: a place to make a message in, sent at its end and not at all after an exception.

    Args:
        core: The end that sends.
        shape: What ``sending`` was given: what it means is the codec's business.
        timeout: Seconds, for the place and once more for the position; for ever when None.
    """

    cdef End _core
    cdef object _timeout
    cdef uint64_t _start, _length   # of the data, after what stands before it
    cdef bytes _head
    cdef object _how            # the data is shown
    cdef Place _place
    cdef object _memory

    def __init__(self, End core, tuple shape, timeout):
        self._core, self._timeout = core, timeout
        if core._plain and len(shape) == 1 and type(shape[0]) is int and 0 <= shape[0] <= core._largest:
            self._length = shape[0]
            return
        start, length, self._head, self._how = core._codec.room(shape)
        if length > core._largest or start + length > ms_place_largest(&core._end):
            raise core._codec.too_large_in_place(length)
        self._start, self._length = start, length

    def __enter__(self):
        if self._place is not None:
            raise entered_twice("sending")
        self._place = self._core._wait_for_place(self._start + self._length, self._timeout)
        self._memory = PyMemoryView_FromObject(self._place)
        if self._start:
            memcpy(ms_place_bytes(&self._core._end, self._place._unit), PyBytes_AS_STRING(self._head), self._start)
            self._memory = self._memory[self._start:]
        return self._memory if self._core._plain else self._core._codec.place_to_fill(self._memory, self._how)

    def __exit__(self, kind, error, trace):
        try:
            self._memory.release()
        except BufferError:
            pass    # an array over it: whoever writes to that after the block spoils a message that was sent
        if kind is not None:
            self._place.drop()
        else:
            self._place._send(self._start + self._length, 0, self._timeout)
