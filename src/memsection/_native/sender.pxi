# SPDX-License-Identifier: MIT
# A part of ends.pyx: how an end sends.

@cython.no_gc_clear
cdef class Sender(Opened):
    """An end as far as it sends."""

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
            if ms_load_u32(&self._end.role) == 0:
                result = -EBADF     # another thread closed this end while the message was being made
                return result
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
                if result == 0 and ms_load_u32(&self._end.role) == 0:
                    ms_place_free(&self._end, unit[0], word[0])     # closed while this waited
                    result = -EBADF
                if result != -EAGAIN:
                    return result
                if nobody:
                    result = nobody
                    return result
        finally:
            ms_await_end(&wait, result == 0)
            self._release()

    cdef int _send(self, const char *bytes, uint64_t length, uint32_t format, object timeout) except? -1000:
        cdef int result
        if length > self._largest:
            return -EMSGSIZE
        if length <= MS_SHORT and self._end.redeliver == 0:
            self._last_word = 0
            result = ms_ring_push(&self._end, bytes, <uint32_t>length, format, 0, &self._last)
            if result == -EAGAIN:
                result = self._queue(bytes, <uint32_t>length, 0, 0, 0, format, deadline_of(timeout))
            return result
        ms_end_keep(&self._end)     # while bytes are copied other threads run, and may close this end
        try:
            return self._send_placed(bytes, length, format, deadline_of(timeout))
        finally:
            self._release()

    cdef int _send_placed(self, const char *bytes, uint64_t length, uint32_t format, int64_t deadline) except? -1000:
        cdef uint32_t unit = 0
        cdef uint64_t word = 0
        cdef int result = self._take_place(length, deadline, &unit, &word)
        if result:
            return result
        copy(ms_place_bytes(&self._end, unit), bytes, length)
        if ms_load_u32(&self._end.role) == 0:
            result = -EBADF     # another thread closed this end meanwhile
        else:
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
        require_seconds(timeout)
        self._enter(True)
        if not self._plain:
            if self._pickles:
                return self._send_object(value, timeout)
            return self._codec.send(self, value, timeout)
        if PyBytes_CheckExact(value):
            result = self._send(PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value), 0, timeout)
        else:
            try:
                PyObject_GetBuffer(value, &source, PyBUF_SIMPLE)
            except (BufferError, ValueError):
                return self._codec.send(self, value, timeout)   # it is not in C's order
            try:
                self._enter(True)   # lending it may run what closes this end
                result = self._send(<const char *>source.buf, source.len, 0, timeout)
            finally:
                PyBuffer_Release(&source)
        if result:
            if result == -EMSGSIZE:
                return self._codec.send_large(self, value, timeout)
            raise self._problem(result, True)

    cdef object _send_object(self, object value, object timeout):
        cdef int result
        data, buffers = pickle_value(value)
        self._enter(True)           # pickling may run what closes it
        if buffers is not None:
            return self._send_beside(data, buffers, timeout)
        result = self._send(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), 0, timeout)
        if result == -EMSGSIZE:
            return self._codec.send_beside(self, data, None, timeout)
        if result:
            raise self._problem(result, True)

    cdef object _send_beside(self, bytes data, list buffers, object timeout):
        cdef uint32_t unit = 0
        cdef uint64_t word = 0, counted = 0, length = laid_out_length(data, buffers, &counted)
        cdef int64_t deadline
        cdef int result
        if counted > self._largest or length > ms_place_largest(&self._end):
            return self._codec.send_beside(self, data, buffers, timeout)
        deadline = deadline_of(timeout)
        ms_end_keep(&self._end)
        try:
            result = self._take_place(length, deadline, &unit, &word)
            if result == 0:
                lay_out(ms_place_bytes(&self._end, unit), data, buffers)
                result = self._queue_place(unit, word, length, WITH_BUFFERS, deadline)
        finally:
            self._release()
        if result:
            raise self._problem(result, True)

    def send_raw(self, value, uint32_t format, timeout):
        """Send a buffer as it is: a negative errno, or 0."""
        cdef Py_buffer source
        PyObject_GetBuffer(value, &source, PyBUF_SIMPLE)
        try:
            self._enter(True)
            return self._send(<const char *>source.buf, source.len, format, timeout)
        finally:
            PyBuffer_Release(&source)

    def send_parts(self, list parts, uint64_t length, uint32_t format, timeout):
        """Send buffers at their offsets, which together make ``length`` bytes: a negative errno, or 0."""
        cdef int64_t deadline = deadline_of(timeout)
        self._enter(True)
        ms_end_keep(&self._end)
        try:
            return self._send_parts(parts, length, format, deadline)
        finally:
            self._release()

    cdef int _send_parts(self, list parts, uint64_t length, uint32_t format, int64_t deadline) except? -1000:
        cdef uint32_t unit = 0
        cdef uint64_t word = 0
        cdef int result
        cdef unsigned char *bytes
        cdef unsigned char[MS_SHORT] short_
        cdef bint brief = length <= MS_SHORT and self._end.redeliver == 0
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

    def is_waiting(self, uint64_t position, uint64_t unit, uint64_t word):
        """Whether the message of this position is still in the ring, or in its place."""
        self._enter(True)
        return bool(ms_ring_waits(&self._end, position) or (
            word and unit < self._end.units and ms_place_is_same(&self._end, <uint32_t>unit, word)))

    def place(self, uint64_t length, timeout):
        """A ``Place`` for a message of so many bytes."""
        return self._wait_for_place(length, timeout)

    cdef Place _wait_for_place(self, uint64_t length, object timeout):
        cdef uint32_t unit = 0
        cdef uint64_t word = 0
        cdef int result
        self._enter(True)
        result = self._take_place(length, deadline_of(timeout), &unit, &word)
        if result:
            raise self._problem(result, True)
        return self._place(length, unit, word)

    def place_at_once(self, uint64_t length):
        """A ``Place`` for a message of so many bytes; None if there is none, for none is waited for."""
        cdef uint32_t unit = 0
        cdef uint64_t word = 0
        self._enter(True)
        if length > self._largest or ms_place_take(&self._end, length, &unit, &word):
            return None
        return self._place(length, unit, word)

    cdef Place _place(self, uint64_t length, uint32_t unit, uint64_t word):
        cdef Place place
        ms_end_keep(&self._end)     # before anything that may collect garbage, and so close this end
        try:
            place = Place.__new__(Place)
        except:
            ms_place_free(&self._end, unit, word)
            self._release()
            raise
        place._owner, place._unit, place._word, place._length, place._epoch = self, unit, word, length, ms_forks
        place._mine = True
        return place

    def send_many(self, values, timeout=None):
        """Send values in order, waking receivers once; how many were sent before the time was up, or the end came.

        Whatever gives the values may close this end: then the next one is an error.
        """
        cdef int64_t deadline = deadline_of(timeout)
        cdef int result = 0
        cdef uint64_t sent = 0, unrung = 0
        cdef uint64_t most = min(MS_SHORT, self._largest) if self._plain and self._end.redeliver == 0 else 0
        self._enter(True)
        ms_end_keep(&self._end)
        try:
            for value in values:
                self._enter(True)
                if PyBytes_CheckExact(value) and <uint64_t>PyBytes_GET_SIZE(value) <= most:
                    result = ms_ring_push(&self._end, PyBytes_AS_STRING(value),
                                          <uint32_t>PyBytes_GET_SIZE(value), 0, 1, &self._last)
                    if result == 0:
                        sent += 1
                        unrung += 1
                        continue
                    if result != -EAGAIN:
                        raise self._problem(result, True)
                if unrung:
                    unrung = 0
                    ms_ring_bell(&self._end, MS_BELL_MESSAGE, 1)
                try:
                    self.send(value, None if timeout is None else 0 if deadline == 0 else max(0, deadline - ms_now()) / 1e9)
                except TimeoutError as failure:
                    if type(failure) is not type(self._problem(-ETIMEDOUT, True)):
                        raise       # the value's own
                    break
                sent += 1
        finally:
            if unrung:
                ms_ring_bell(&self._end, MS_BELL_MESSAGE, 1)
            self._release()
        return sent
