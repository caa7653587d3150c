# SPDX-License-Identifier: MIT
# A part of ends.pyx: the end of a server, which takes the calls of ``calls.pxi``.

cdef class Unread:
    """A request that was not copied yet: bytes or a ``Taken``, and its format."""

    cdef public object payload
    cdef readonly uint32_t format

    def __init__(self, payload, uint32_t format):
        self.payload, self.format = payload, format


cdef class ServerEnd(End):
    """The end of a server.  Its codec's ``opened`` makes the value of a request, and its ``reply``
    answers with one.
    """

    cdef bint _answers_plain    # answers are bytes as they are
    cdef object _call_type      # a class of ``Held``

    def __init__(self, memory, tuple shape, int fd, uint32_t role, codec, uint64_t largest):
        End.__init__(self, memory, shape, fd, role, codec, largest)
        self._answers_plain, self._call_type = codec.answers_plain, codec.call_type

    cdef int _next(self, ms_call *call, ms_message *request, ms_await *wait) except? -1000:
        """The next call that makes sense, TAKING; a negative errno."""
        cdef int result
        cdef uint32_t skipped = 0
        while True:
            ms_message_clear(request)
            result = ms_call_pull(&self._end, call, request)
            if result == 0:
                return 0
            if result == -ESTALE or result == -EBADMSG:
                # Whoever writes such things without end gets no longer than was given.
                skipped += 1
                PyErr_CheckSignals()
                if skipped <= self._end.capacity or ms_now() < wait.deadline:
                    continue
                return -ETIMEDOUT
            if result == -EAGAIN and ms_load_u32(&self._end.channel.down):
                ms_message_clear(request)
                # Whatever was asked before is there, or was being taken by one who died.
                ms_recover_all(&self._end)
                result = ms_call_pull(&self._end, call, request)
                if result == 0:
                    return 0
                if result == -EAGAIN:
                    return -EPIPE
            result = self._wait(wait)
            if result:
                return result

    def receive(self, timeout=None, *, bint copy=True):
        """The next call, waiting while there is none.

        Args:
            timeout: Seconds; for ever when omitted, 0 looks once.
            copy: Whether its value is private and writable; otherwise it is read-only over the
                request's place, which it keeps until nothing uses it any more.
        """
        return self._receive(timeout, copy, False)

    def receive_unread(self, *, bint copy=True):
        """The next call if there is one.  A value of some length that has to be copied is left where it is:
        then ``value`` is an ``Unread``, and the call not yet ``seen``.
        """
        return self._receive(0, copy, copy)

    cdef Held _receive(self, timeout, bint copy, bint unread):
        cdef ms_await wait
        cdef ms_call call
        cdef ms_message request
        cdef Held held
        cdef int result = -EINTR
        self._enter()
        memset(&wait, 0, sizeof(wait))
        wait.end = &self._end
        wait.what = MS_FOR_MESSAGE
        wait.deadline = deadline_of(timeout)
        ms_end_keep(&self._end)
        try:
            while True:
                result = self._next(&call, &request, &wait)
                if result:
                    raise self._problem(result)
                held = self._hold(&call, &request)
                payload = payload_of(self, &request)
                if ms_call_serve(&self._end, &held._call):
                    ms_swap_u32(&held._done, 1)     # its client has gone
                    continue
                if self._plain and copy and request.format == 0 and PyBytes_CheckExact(payload):
                    held.value = payload
                elif unread and (request.format & ELSEWHERE or request.length >= UNREAD_FROM):
                    held.value = Unread(payload, request.format)
                    return held
                elif not self._codec.give_value(held, payload, request.format, copy):
                    continue    # it made no sense, and its client was told
                held._seen = True
                return held
        finally:
            ms_await_end(&wait, result == 0)
            self._release()

    cdef Held _hold(self, ms_call *call, ms_message *request):
        cdef Held held
        try:
            held = Held.__new__(self._call_type)
        except:
            if request.in_place:
                ms_place_free(&self._end, request.unit, request.word)
            ms_call_drop(&self._end, call, 1)
            raise
        held._call, held._epoch = call[0], ms_forks
        ms_end_keep(&self._end)
        held._owner = self
        return held
