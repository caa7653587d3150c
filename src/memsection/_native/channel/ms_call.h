/* SPDX-License-Identifier: MIT
 *
 * Calls: requests that are answered.  The ring says in which order servers take them; everything
 * else of a call is in its cell, and one word of that decides, changed by compare-and-swap only:
 *
 *     0..3    state   FREE -> ASKED -> TAKING -> SERVING -> ANSWERED -> FREE; the others are below
 *     4..13   client  whose call it is, a slot
 *     14..23  server  who has it in hand, a slot: TAKING, SERVING, ANSWERED, ABANDONED
 *     24..63  number  how often the cell was used: a late attempt, and a late answer, fail
 *
 *     DROPPED     who had it in hand died, or gave it up: for the client to find
 *     AGAIN       who was taking it died before it had it in hand: the client asks again
 *     ABANDONED   the client has gone or no longer waits; whoever serves it frees the cell
 *
 * The bytes in a cell are the client's until the call was asked, then the server's that took it,
 * and the client's again when it was answered.  Those that do not fit lie in a place, which is
 * SENDING by whoever wrote it until the other one has it HELD; a place that is noted in a cell
 * belongs to the call only while its word is the one that is noted.
 */
#ifndef MS_CALL_H
#define MS_CALL_H

#include "ms_channel.h"

#define MS_CALLS_MOST (1u << 23)

enum {
    MS_CALL_FREE,
    MS_CALL_ASKED,
    MS_CALL_TAKING,
    MS_CALL_SERVING,
    MS_CALL_ANSWERED,
    MS_CALL_DROPPED,
    MS_CALL_AGAIN,
    MS_CALL_ABANDONED
};

typedef struct ms_cell {
    uint64_t word;
    uint32_t length; /* of short bytes, else MS_IN_PLACE */
    uint32_t format;
    union {
        unsigned char bytes[MS_SHORT];
        struct {
            uint64_t unit, length, word;
        } place;
    } u;
    ms_bell bell; /* where the client sleeps */
} ms_cell;
_Static_assert(sizeof(ms_cell) == 192, "a cell has three cache lines");

#define MS_CALL_WORD(number, server, client, state)                                                \
    ((uint64_t)(number) << 24 | (uint64_t)(server) << 14 | (uint64_t)(client) << 4 | (state))
#define MS_CALL_STATE(word) ((uint32_t)(word) & 0xfu)
#define MS_CALL_CLIENT(word) ((uint32_t)((word) >> 4) & 0x3ffu)
#define MS_CALL_SERVER(word) ((uint32_t)((word) >> 14) & 0x3ffu)
#define MS_CALL_NUMBER(word) ((word) >> 24)
/* The same call in another state and in the hands of another server. */
#define MS_CALL_BECOMES(word, server, state)                                                       \
    MS_CALL_WORD(MS_CALL_NUMBER(word), server, MS_CALL_CLIENT(word), state)

/* What a request or an answer consists of: short bytes, or a place that is SENDING if `word` is not
 * 0. */
typedef struct {
    const void *bytes;
    uint64_t length, word;
    uint32_t unit, format;
} ms_content;

/* A call as its client or its server knows it: the cell, and the word as it was last set here. */
typedef struct ms_call {
    uint64_t word;
    uint32_t cell;
} ms_call;

/* ---- the client ---- */

/* Ask.  0; -EAGAIN: no cell or no position is free; -EPIPE: shut down. */
int ms_call_ask(ms_end *end, const ms_content *request, ms_call *call);
/* 0: answered; -EAGAIN: not yet; -ENOTCONN: DROPPED; -ESTALE: AGAIN; -EPIPE: shut down before
 * anybody had it; -EBADMSG. */
int ms_call_state(const ms_end *end, const ms_call *call);
/* Whether a server has it, or is just taking it. */
int ms_call_is_in_hand(const ms_end *end, const ms_call *call);
/* The answer: in the cell until ms_call_end, or in a place that is HELD from now on.  0 or
 * -EBADMSG. */
int ms_call_answer(ms_end *end, const ms_call *call, ms_message *answer);
/* The client has what it wants, or wants nothing any more: the cell, and the place of an answer
 * that was not asked for. */
void ms_call_end(ms_end *end, const ms_call *call, int has_answer);
/* Whether there is a cell for another call. */
int ms_call_is_there(const ms_end *end);

/* ---- the server ---- */

/* Begin to take the next call.  0; -EAGAIN, -EBUSY: as ms_ring_pull; -ESTALE: what was taken is a
 * call that nobody waits for any more; -EBADMSG: it made no sense, and its client has been told. */
int ms_call_pull(ms_end *end, ms_call *call, ms_message *request);
/* It is in hand: whoever dies from now on takes it along.  0, or -ESTALE: nobody waits for it any
 * more, and it is gone. */
int ms_call_serve(ms_end *end, ms_call *call);
/* Answer it.  0, or -ESTALE: nobody waits for it any more; a place is the caller's then. */
int ms_call_reply(ms_end *end, const ms_call *call, const ms_content *answer);
/* Give it up: its client is told; `again`: nobody has seen it, and its client asks again. */
void ms_call_drop(ms_end *end, const ms_call *call, int again);
/* Whether its client has gone, or no longer waits. */
int ms_call_is_abandoned(ms_end *end, const ms_call *call);
/* Whether its answer has not been taken yet, and its client lives. */
int ms_call_is_answered(ms_end *end, const ms_call *call);

/* ---- the dead, and those who wait ---- */

/* Set right every cell that names the slot, whose lock the caller has; before its places. */
void ms_calls_set_right(ms_end *end, uint32_t slot);
/* For ms_wait: a call whose answer is waited for beside other things.  `self` is an
 * ms_watched_call. */
typedef struct {
    ms_end *end;
    ms_call call;
    uint32_t nobody;
    ms_other other;
} ms_watched_call;
void ms_watched_call_make(ms_watched_call *watched, ms_end *end, const ms_call *call);

#endif
