# SPDX-License-Identifier: MIT
# A part of ends.pyx: the ends of a service.  What the calls of the core mean stands in
# channel/ms_call.h.

cdef extern from "channel/ms_call.h" nogil:
    int ms_call_ask(ms_end *, const ms_content *, ms_call *)
    int ms_call_state(const ms_end *, const ms_call *)
    int ms_call_answer(ms_end *, const ms_call *, ms_message *)
    void ms_call_end(ms_end *, const ms_call *, int has_answer)
    int ms_call_pull(ms_end *, ms_call *, ms_message *)
    int ms_call_serve(ms_end *, ms_call *)
    int ms_call_reply(ms_end *, const ms_call *, const ms_content *)
    void ms_call_drop(ms_end *, const ms_call *, int again)
    int ms_call_is_abandoned(ms_end *, const ms_call *)
    int ms_call_is_answered(ms_end *, const ms_call *)
    ctypedef struct ms_watched_call:
        ms_other other
    void ms_watched_call_make(ms_watched_call *, ms_end *, const ms_call *)

#: What ``Asked.wait`` returns besides 0: ask again; its server has gone.
AGAIN, GONE = -ESTALE, -ENOTCONN


cdef bint fill(End end, list parts, uint64_t length, uint32_t format, unsigned char *brief,
               ms_content *content) except -1:
    """Copy what is to be sent to ``brief`` or into a place of its own: whether there is room.  No
    place is waited for: whoever could free one may wait for us."""
    memset(content, 0, sizeof(content[0]))
    content.length, content.format = length, format
    if length <= MS_SHORT:
        content.bytes = brief
        write_parts(brief, parts, length)
        return True
    if length > end._largest or ms_place_take(&end._end, length, &content.unit, &content.word):
        content.word = 0
        return False
    try:
        write_parts(ms_place_bytes(&end._end, content.unit), parts, length)
    except:
        ms_place_free(&end._end, content.unit, content.word)
        content.word = 0
        raise
    return True


cdef object payload_of(End end, ms_message *message):
    """What a cell or a place holds: bytes of its own, or a ``Taken`` that has the place in hand."""
    cdef Taken taken
    if not message.in_place:
        return PyBytes_FromStringAndSize(<const char *>message.bytes, message.length)
    try:
        taken = Taken.__new__(Taken)
    except:
        ms_place_free(&end._end, message.unit, message.word)
        raise
    taken._owner, taken._message, taken._epoch, taken._kept = end, message[0], ms_forks, 1
    ms_end_keep(&end._end)
    return taken


@cython.no_gc_clear
cdef class Asked:
    """A call that was asked, until its answer was taken or it was given up."""

    cdef ClientEnd _owner
    cdef ms_call _call
    cdef uint32_t _unit         # of the request's place, if it has one
    cdef uint64_t _word
    cdef int64_t _deadline
    cdef uint32_t _epoch
    cdef bint _open
    cdef bint _has_answer       # and with it the answer's place, if it has one
    cdef public object section  #: of what has memory of its own: it is to be there until the call has ended

    def wait(self):
        """Wait for the answer until the time that was given is up: 0, or a negative errno, and then
        the call has ended.
        """
        cdef int result
        if self._epoch != ms_forks or not self._open:
            return -EBADF       # a forked child's is its parent's
        result = self._owner._wait_for_answer(&self._call, self._deadline)
        if result:
            self._finish(1)
        return result

    def look(self):
        """What ``wait`` would give at once; -EAGAIN: nothing yet."""
        if self._epoch != ms_forks or not self._open:
            return -EBADF
        return ms_call_state(&self._owner._end, &self._call)

    def take(self):
        """The answer, as (bytes or a ``Taken``, format).  The call has ended, unless the answer
        lies ``ELSEWHERE``: its server keeps that memory until ``end``, which has to follow.
        """
        cdef uint32_t format = 0
        if self._epoch != ms_forks or not self._open:
            raise self._owner._problem(-EBADF, True)
        try:
            payload = self._owner._take(&self._call, &format)
            return payload, format
        finally:
            self._has_answer = True
            if not format & ELSEWHERE:
                self._finish(1)

    def end(self):
        """Nobody waits for the answer any more, or needs what lies ``ELSEWHERE``."""
        self._finish(self._has_answer)

    def watched(self):
        """What a wait for the answer and other things has to know (``sync.Other``)."""
        cdef WatchedCall watched = WatchedCall.__new__(WatchedCall)
        watched._asked = self
        ms_watched_call_make(&watched._watched, &self._owner._end, &self._call)
        return watched

    cdef void _finish(self, int has_answer) noexcept:
        if not self._open:
            return
        self._open = False
        if self._epoch == ms_forks:
            ms_call_end(&self._owner._end, &self._call, has_answer)
            if self._word:      # unless a server has it, or had it
                ms_place_free(&self._owner._end, self._unit, self._word)

    def __dealloc__(self):
        if self._owner is not None:
            self._finish(self._has_answer)
            self._owner._release()


@cython.no_gc_clear
cdef class WatchedCall:
    """A call whose answer is waited for beside other things; it keeps the channel's memory."""

    cdef Asked _asked
    cdef ms_watched_call _watched

    @property
    def address(self):
        return <uintptr_t>&self._watched.other

    def look(self):
        """Whether it is ready, after looking after those who may have died."""
        return bool(self._watched.other.look(self._watched.other.self))


@cython.no_gc_clear
cdef class SentAnswer:
    """An answer that its client may not have taken yet: nothing of the request is kept for it."""

    cdef End _owner
    cdef ms_call _call
    cdef uint32_t _epoch

    @property
    def is_there(self):
        """Whether it was not taken yet, and has a client who lives."""
        return self._epoch == ms_forks and bool(ms_call_is_answered(&self._owner._end, &self._call))

    def __dealloc__(self):
        if self._owner is not None:
            self._owner._release()


@cython.no_gc_clear
cdef class Held:
    """A call that a server has in hand, until it was answered or given up."""

    cdef End _owner
    cdef ms_call _call
    cdef uint32_t _epoch
    cdef uint32_t _done         # swapped: of several threads one answers
    cdef bint _seen             # whether anybody has it: if not, it is given to another
    cdef public object value    #: what was asked

    def reply_with(self, value):
        """Answer it with a value."""
        cdef ms_content answer
        cdef bint plain = (<ServerEnd>self._owner)._answers_plain
        if plain and PyBytes_CheckExact(value) and PyBytes_GET_SIZE(value) <= MS_SHORT:
            memset(&answer, 0, sizeof(answer))
            answer.bytes, answer.length = PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value)
            self._reply(&answer)
        else:
            self._owner._codec.reply(self, value)

    def reply_text(self, bytes text):
        """Answer it with a failure."""
        self._require_open()
        self._owner._codec.reply_text(self, text)

    def reply_parts(self, list parts, uint64_t length, uint32_t format):
        """Answer it: whether there was room for the answer; if not, it is still in hand."""
        cdef ms_content answer
        cdef unsigned char[MS_SHORT] brief
        self._require_open()
        if not fill(self._owner, parts, length, format, brief, &answer):
            return False
        self._reply(&answer)
        return True

    cdef int _require_open(self) except -1:
        if self._epoch != ms_forks or ms_load_u32(&self._done):
            raise self._owner._codec.late_answer_error(self._epoch != ms_forks)
        return 0

    cdef int _reply(self, ms_content *answer) except -1:
        """Whoever no longer waits for it does not get it."""
        cdef int result
        try:
            self._require_open()
            if ms_swap_u32(&self._done, 1):
                raise self._owner._codec.late_answer_error(False)
        except:
            if answer.word:
                ms_place_free(&self._owner._end, answer.unit, answer.word)
            raise
        result = ms_call_reply(&self._owner._end, &self._call, answer)
        if result and answer.word:
            ms_place_free(&self._owner._end, answer.unit, answer.word)
        return 0

    def reply_place(self, Place place, uint32_t format):
        """Answer it with what was made in a place."""
        cdef ms_content answer
        place._content(format, &answer)
        place._mine = False     # whatever comes of it, it is used or given back
        self._reply(&answer)

    def reply_beside(self, value):
        """Answer it with a value, as a coroutine that does not copy much itself."""
        return self._owner._codec.reply_beside(self._owner, self, value)

    def seen(self):
        """Somebody has it: given up from now on, its client is told, and asks nobody else by itself."""
        self._seen = True

    def drop(self):
        """Give it up: its client is told."""
        self._drop()

    cdef void _drop(self) noexcept:
        if self._epoch == ms_forks and not ms_swap_u32(&self._done, 1):
            ms_call_drop(&self._owner._end, &self._call, not self._seen)

    @property
    def done(self):
        """Whether it was answered or given up."""
        return bool(ms_load_u32(&self._done))

    @property
    def abandoned(self):
        """Whether its client has gone, or no longer waits."""
        return self._epoch != ms_forks or bool(ms_call_is_abandoned(&self._owner._end, &self._call))

    def given(self):
        """What its client was answered with."""
        cdef SentAnswer sent = SentAnswer.__new__(SentAnswer)
        sent._call, sent._epoch = self._call, self._epoch
        ms_end_keep(&self._owner._end)
        sent._owner = self._owner
        return sent

    def __dealloc__(self):
        if self._owner is not None:
            self._drop()
            self._owner._release()


cdef class ClientEnd(End):
    """The end of a client.  Its codec's ``call`` does what is not done here: everything but short
    bytes.
    """

    cdef bint _answers_plain    # answers are bytes as they are

    def __init__(self, memory, tuple shape, int fd, uint32_t role, codec, uint64_t largest):
        End.__init__(self, memory, shape, fd, role, codec, largest)
        self._answers_plain = codec.answers_plain

    def call(self, value, timeout=None, *, bint copy=True):
        """Ask, and wait for the answer."""
        cdef ms_content request
        cdef ms_call call
        cdef int64_t deadline
        cdef uint32_t format
        cdef int result
        if not self._plain or not PyBytes_CheckExact(value) or PyBytes_GET_SIZE(value) > MS_SHORT:
            return self._codec.call(self, value, timeout, copy)
        deadline = deadline_of(timeout)
        memset(&request, 0, sizeof(request))
        request.bytes, request.length = PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value)
        self._enter(True)
        ms_end_keep(&self._end)
        try:
            result = self._ask(&request, &call, deadline)
            if result == 0:
                result = self._wait_for_answer(&call, deadline)
                if result == 0:
                    payload = self._take(&call, &format)
                    if self._answers_plain and format == 0 and copy and PyBytes_CheckExact(payload):
                        return payload
                    try:
                        return self._codec.answer(payload, format, copy)
                    finally:
                        if format & ELSEWHERE:
                            ms_call_end(&self._end, &call, 1)
        finally:
            self._release()
        left = None if deadline == MS_FOREVER else max(0, deadline - ms_now()) / 1e9
        return self._codec.ask_again_or_raise(self, result, value, left, copy)

    cdef int _wait_for_answer(self, ms_call *call, int64_t deadline) except? -1000:
        """Wait for the answer: 0; otherwise a negative errno, or an exception, and the call has
        ended.
        """
        cdef ms_await wait
        cdef int result = -EINTR, found
        try:
            result = ms_call_state(&self._end, call)
            if result == -EAGAIN:
                memset(&wait, 0, sizeof(wait))
                wait.end, wait.what = &self._end, MS_FOR_ANSWER
                wait.call, wait.deadline = call, deadline
                while result == -EAGAIN:
                    found = self._wait(&wait)
                    result = ms_call_state(&self._end, call)
                    if found and result == -EAGAIN:
                        result = found
        finally:
            if result:
                ms_call_end(&self._end, call, 0)
        return result

    cdef object _take(self, const ms_call *call, uint32_t *format):
        """The answer, as bytes or a ``Taken``, and its format.  The call has ended, unless the
        format says that the answer lies ``ELSEWHERE``: then whoever opens that memory ends it.
        """
        cdef ms_message message
        cdef int result
        format[0] = 0
        ms_message_clear(&message)
        result = ms_call_answer(&self._end, call, &message)
        try:
            if result:
                raise self._problem(result, True)
            payload = payload_of(self, &message)
            format[0] = message.format
            return payload
        finally:
            if not format[0] & ELSEWHERE:
                ms_call_end(&self._end, call, 1)

    def ask(self, list parts, uint64_t length, uint32_t format, timeout):
        """Ask, waiting for a position: an ``Asked``; None if there is no place for the request."""
        cdef int64_t deadline = deadline_of(timeout)
        self._enter(True)
        ms_end_keep(&self._end)     # while bytes are copied other threads run, and may close this end
        try:
            return self._ask_parts(parts, length, format, deadline)
        finally:
            self._release()

    cdef Asked _ask_parts(self, list parts, uint64_t length, uint32_t format, int64_t deadline):
        cdef Asked asked
        cdef ms_content request
        cdef unsigned char[MS_SHORT] brief
        cdef int result = -EINTR
        if not fill(self, parts, length, format, brief, &request):
            return None
        try:
            asked = Asked.__new__(Asked)
            asked._unit, asked._word = request.unit, request.word
            asked._deadline, asked._epoch = deadline, ms_forks
            result = self._ask(&request, &asked._call, deadline)
        finally:
            if result and request.word:
                ms_place_free(&self._end, request.unit, request.word)
        if result:
            raise self._problem(result, True)
        asked._open = True
        ms_end_keep(&self._end)
        asked._owner = self
        return asked

    def ask_place(self, Place place, uint32_t format):
        """Ask at once with what was made in a place: an ``Asked``.  If that cannot be, the place stays."""
        cdef Asked asked
        cdef ms_content request
        cdef int result
        self._enter(True)
        asked = Asked.__new__(Asked)
        place._content(format, &request)
        result = self._ask(&request, &asked._call, 0)
        if result:
            raise self._problem(result, True)
        place._mine = False
        asked._unit, asked._word = request.unit, request.word
        asked._deadline, asked._epoch = MS_FOREVER, ms_forks
        asked._open = True
        ms_end_keep(&self._end)
        asked._owner = self
        return asked

    cdef int _ask(self, ms_content *request, ms_call *call, int64_t deadline) except? -1000:
        cdef ms_await wait
        cdef int nobody = 0, result = ms_call_ask(&self._end, request, call)
        if result != -EAGAIN:
            return result
        memset(&wait, 0, sizeof(wait))
        wait.end = &self._end
        wait.what = MS_FOR_ROOM
        wait.deadline = deadline
        ms_end_keep(&self._end)
        try:
            while True:
                result = self._wait(&wait)
                if result and result != -ENOTCONN:
                    return result
                nobody = result
                result = ms_call_ask(&self._end, request, call)
                if result != -EAGAIN:
                    return result
                if nobody:
                    result = nobody
                    return result
        finally:
            ms_await_end(&wait, result == 0)
            self._release()
