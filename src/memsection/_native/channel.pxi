# SPDX-License-Identifier: MIT
# A part of ends.pyx: what it uses of the core, as channel/ms_channel.h and ms_topic.h have it.

cdef extern from *:
    """
    #ifdef Py_GIL_DISABLED
    #define MS_FREE_THREADED 1
    #else
    #define MS_FREE_THREADED 0
    #endif
    """
    enum: MS_FREE_THREADED

cdef extern from *:
    """
    #ifdef _WIN32
    enum { MS_BY_NAME = 1 };
    #else
    enum { MS_BY_NAME = 0 };
    #endif
    """
    bint MS_BY_NAME

cdef extern from "ms_errno.h":
    enum: ENOTCONN, EPIPE, EPROTO, ESTALE, EUSERS

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
    void ms_message_clear(ms_message *)
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
    uint32_t ms_places_in_hand(const ms_end *, uint32_t *, uint32_t)
    int ms_ring_push(ms_end *, const void *, uint32_t, uint32_t, int quiet, uint64_t *)
    int ms_ring_push_place(ms_end *, uint32_t, uint64_t, uint64_t, uint32_t, int quiet, uint64_t *)
    int ms_ring_pull(ms_end *, ms_message *)
    void ms_ring_finish(ms_end *, const ms_message *)
    int ms_ring_keep(ms_end *, ms_message *)
    void ms_ring_unpull(ms_end *, const ms_message *)
    void ms_ring_release(ms_end *, const ms_message *, int again)
    uint32_t ms_ring_count(ms_end *)
    int ms_ring_waits(ms_end *, uint64_t)
    int ms_recover(ms_end *)
    int ms_recover_all(ms_end *)
    void ms_ring_bell(ms_end *, int, int)
    int ms_await_change(ms_await *)
    void ms_await_end(ms_await *, int)
    int ms_channel_ready(ms_end *, int, uint64_t)
    ctypedef struct ms_other:
        void *self
        int (*look)(void *)
    ctypedef struct ms_watched:
        ms_other other
    void ms_watched_make(ms_watched *, ms_end *, int what, uint64_t)

cdef extern from "channel/ms_topic.h" nogil:
    enum: MS_TOPIC, MS_SLOW_WAITS, MS_OBSERVED
    int ms_topic_pull(ms_end *, ms_message *, int newest)
    void ms_topic_rewind(ms_end *, uint64_t)
    void ms_topic_miss(ms_end *)
    int ms_topic_waits(ms_end *, uint64_t)

cdef extern from "channel/ms_call.h" nogil:
    ctypedef struct ms_content:
        const void *bytes
        uint64_t length, word
        uint32_t unit, format
