/* SPDX-License-Identifier: MIT
 *
 * Calls: asking, serving, answering, giving up.  The words are described in ms_call.h.
 *
 * A call is asked like this, and every step can be the last of a process: the cell becomes ASKED;
 * its bytes are written; a ticket with its number goes into the ring.  It is taken like this: the
 * ticket's position becomes READING; the cell becomes TAKING; a place becomes HELD; the position is
 * given back; the bytes are copied; the cell becomes SERVING.  So a server that dies before it has
 * the call in hand leaves TAKING, and one that had it SERVING.  A ticket whose call was cancelled,
 * or is served already, means nothing: its number tells.
 */
#include "ms_call.h"

#include <errno.h>
#include <string.h>

#include "../include/ms_atomic.h"

/* What travels in the ring. */
typedef struct {
    uint64_t number;
    uint32_t cell, reserved;
} ticket;

static ms_cell *cell_of(const ms_end *end, const ms_call *call)
{
    return &end->cells[call->cell];
}

static int becomes(ms_cell *cell, uint64_t from, uint64_t to)
{
    return ms_cas_u64(&cell->word, from, to) == from;
}

static int is_same_call(uint64_t word, const ms_call *call)
{
    return MS_CALL_NUMBER(word) == MS_CALL_NUMBER(call->word) &&
           MS_CALL_CLIENT(word) == MS_CALL_CLIENT(call->word);
}

static uint64_t answered_word(const ms_call *call)
{
    return MS_CALL_BECOMES(call->word, MS_CALL_SERVER(call->word), MS_CALL_ANSWERED);
}

static int frees(ms_cell *cell, uint64_t from)
{
    return becomes(cell, from, MS_CALL_WORD(MS_CALL_NUMBER(from), 0, 0, MS_CALL_FREE));
}

/* ------------------------------------------------------------------ content */

static void put(ms_cell *cell, const ms_content *content)
{
    cell->format = content->format;
    if (content->word) {
        cell->length = MS_IN_PLACE;
        cell->u.place.unit = content->unit;
        cell->u.place.length = content->length;
        cell->u.place.word = content->word;
    } else {
        cell->length = (uint32_t)content->length;
        memcpy(cell->u.bytes, content->bytes, content->length);
    }
}

/* The place that a cell notes, of a sender with this slot: 0 and its unit and word, or -EBADMSG. */
static int read_noted_place(const ms_end *end, const ms_cell *cell, uint32_t sender, uint32_t *unit,
                            uint64_t *word)
{
    uint64_t at = *(const volatile uint64_t *)&cell->u.place.unit;
    *word = *(const volatile uint64_t *)&cell->u.place.word;
    if (*(const volatile uint32_t *)&cell->length != MS_IN_PLACE || at >= end->units ||
        MS_PLACE_STATE(*word) != MS_PLACE_SENDING || MS_PLACE_WHO(*word) != sender)
        return -EBADMSG;
    *unit = (uint32_t)at;
    return 0;
}

/* A place of the sender's becomes that of `slot`, unless it is already: its word, or 0. */
static uint64_t hand_over(ms_end *end, uint32_t unit, uint64_t word, uint32_t slot)
{
    uint64_t held = MS_PLACE_BECOMES(word, slot, MS_PLACE_HELD);
    uint64_t seen = ms_cas_u64(&end->words[unit], word, held);
    return seen == word || seen == held ? held : 0;
}

/* What a cell holds, checked, with its place in hand: 0 or -EBADMSG. */
static int get(ms_end *end, ms_cell *cell, uint32_t sender, ms_message *message)
{
    uint32_t length = *(volatile uint32_t *)&cell->length, unit;
    uint64_t word;
    ms_message_clear(message);
    message->format = *(volatile uint32_t *)&cell->format;
    message->deliveries = 1;
    if (length != MS_IN_PLACE) {
        message->length = length;
        message->bytes = cell->u.bytes;
        return length <= MS_SHORT ? 0 : -EBADMSG;
    }
    message->length = *(volatile uint64_t *)&cell->u.place.length;
    if (read_noted_place(end, cell, sender, &unit, &word) ||
        message->length > ms_place_room(end, unit, word))
        return -EBADMSG;
    MS_STEP("call: before holding the place");
    message->word = hand_over(end, unit, word, end->slot);
    message->unit = unit;
    message->in_place = 1;
    message->bytes = ms_place_bytes(end, unit);
    return message->word ? 0 : -EBADMSG;
}

/* ------------------------------------------------------------------ the client */

int ms_call_is_there(const ms_end *end)
{
    for (uint32_t i = 0; i < end->calls; i++)
        if (MS_CALL_STATE(ms_peek_u64(&end->cells[i].word)) == MS_CALL_FREE)
            return 1;
    return 0;
}

/* A cell of our own: first the one that was used last, whose lines are warm. */
static int claim(ms_end *end, ms_call *call)
{
    uint32_t first = ms_peek_u32(&end->warm_cell) % end->calls;
    for (uint32_t i = 0; i < end->calls; i++) {
        uint32_t at = first + i < end->calls ? first + i : first + i - end->calls;
        uint64_t word = ms_load_u64(&end->cells[at].word);
        if (MS_CALL_STATE(word) != MS_CALL_FREE)
            continue;
        uint64_t mine = MS_CALL_WORD(MS_CALL_NUMBER(word) + 1, 0, end->slot, MS_CALL_ASKED);
        MS_STEP("call: before claiming a cell");
        if (!becomes(&end->cells[at], word, mine)) /* SYNC(cell): acquire; pairs with ms_call_end */
            continue;
        ms_poke_u32(&end->warm_cell, at);
        *call = (ms_call){.cell = at, .word = mine};
        return 0;
    }
    return -EAGAIN;
}

int ms_call_ask(ms_end *end, const ms_content *request, ms_call *call)
{
    uint64_t position;
    int result = claim(end, call);
    if (result)
        /* SYNC(down): acquire; pairs with ms_channel_shut */
        return ms_load_u32(&end->channel->down) ? -EPIPE : result;
    put(cell_of(end, call), request);
    ticket mine = {.number = MS_CALL_NUMBER(call->word), .cell = call->cell};
    MS_STEP("call: before its ticket");
    /* SYNC(request): release, by the ring; pairs with take */
    result = ms_ring_push(end, &mine, sizeof mine, 0, 0, &position);
    if (result) /* without a bell: those who wait for a position would wake each other */
        frees(cell_of(end, call), call->word);
    return result;
}

int ms_call_state(const ms_end *end, const ms_call *call)
{
    /* SYNC(answer): acquire; pairs with ms_call_reply */
    uint64_t word = ms_load_u64(&cell_of(end, call)->word);
    if (!is_same_call(word, call))
        return -EBADMSG;
    switch (MS_CALL_STATE(word)) {
    case MS_CALL_ANSWERED:
        return 0;
    case MS_CALL_ASKED:
        return ms_load_u32(&end->channel->down) & MS_DOWN_AT_ONCE ? -EPIPE : -EAGAIN;
    case MS_CALL_TAKING:
    case MS_CALL_SERVING:
        return -EAGAIN;
    case MS_CALL_DROPPED:
        return -ENOTCONN;
    case MS_CALL_AGAIN:
        return -ESTALE;
    default:
        return -EBADMSG;
    }
}

int ms_call_is_in_hand(const ms_end *end, const ms_call *call)
{
    uint32_t state = MS_CALL_STATE(ms_load_u64(&cell_of(end, call)->word));
    return state == MS_CALL_TAKING || state == MS_CALL_SERVING;
}

int ms_call_answer(ms_end *end, const ms_call *call, ms_message *answer)
{
    ms_cell *cell = cell_of(end, call);
    return get(end, cell, MS_CALL_SERVER(ms_load_u64(&cell->word)), answer);
}

/* What nobody will look at: its place goes before the cell does, so that whoever recovers us finds
 * one of the two. */
static int end_answered(ms_end *end, ms_cell *cell, uint64_t word, int has_answer)
{
    ms_message unwanted = {.in_place = 0};
    if (!has_answer && get(end, cell, MS_CALL_SERVER(word), &unwanted))
        unwanted.in_place = 0;
    MS_STEP("call: before freeing the cell");
    int done = frees(cell, word); /* SYNC(cell): release; pairs with claim */
    if (unwanted.in_place)
        ms_place_free(end, unwanted.unit, unwanted.word);
    return done;
}

void ms_call_end(ms_end *end, const ms_call *call, int has_answer)
{
    ms_cell *cell = cell_of(end, call);
    for (int tries = 0; tries < 8; tries++) { /* it has no more states than that before it */
        uint64_t word = ms_load_u64(&cell->word);
        uint32_t state = MS_CALL_STATE(word);
        if (!is_same_call(word, call))
            return;
        MS_STEP("call: before ending it");
        if (state == MS_CALL_TAKING || state == MS_CALL_SERVING) {
            if (becomes(cell, word, MS_CALL_BECOMES(word, MS_CALL_SERVER(word), MS_CALL_ABANDONED)))
                return;
        } else if (state == MS_CALL_ANSWERED ? end_answered(end, cell, word, has_answer)
                   : state == MS_CALL_ASKED || state == MS_CALL_DROPPED || state == MS_CALL_AGAIN
                       ? frees(cell, word)
                       : 1)
            break;
    }
    MS_STEP("call: ended, before the bell");
    ms_ring_bell(end, MS_BELL_ROOM, 0);
}

/* ------------------------------------------------------------------ the server */

/* What it became meanwhile is ABANDONED, if nobody spoiled it: then the cell is ours to free. */
static int finish_abandoned(ms_end *end, const ms_call *call)
{
    ms_cell *cell = cell_of(end, call);
    uint64_t abandoned = MS_CALL_BECOMES(call->word, MS_CALL_SERVER(call->word), MS_CALL_ABANDONED);
    MS_STEP("serve: before freeing the cell");
    if (frees(cell, abandoned))
        ms_ring_bell(end, MS_BELL_ROOM, 0);
    return -ESTALE;
}

static int take(ms_end *end, const ticket *ticket, ms_call *call, ms_message *request)
{
    if (ticket->cell >= end->calls)
        return -ESTALE;
    ms_cell *cell = &end->cells[ticket->cell];
    ms_expect_to_write(cell); /* the answer goes where the request is */
    uint64_t word = ms_load_u64(&cell->word);
    if (MS_CALL_STATE(word) != MS_CALL_ASKED || MS_CALL_NUMBER(word) != ticket->number)
        return -ESTALE;
    uint64_t mine = MS_CALL_BECOMES(word, end->slot, MS_CALL_TAKING);
    MS_STEP("serve: before taking");
    if (!becomes(cell, word, mine)) /* SYNC(request): acquire; pairs with ms_call_ask */
        return -ESTALE;
    *call = (ms_call){.cell = ticket->cell, .word = mine};
    MS_STEP("serve: taking");
    if (!get(end, cell, MS_CALL_CLIENT(word), request))
        return 0;
    /* Who gives up a call says so in the cell before it takes its place back: nothing is wrong
     * then. */
    if (ms_load_u64(&cell->word) != mine)
        return finish_abandoned(end, call);
    ms_call_drop(end, call, 0);
    return -EBADMSG;
}

int ms_call_pull(ms_end *end, ms_call *call, ms_message *request)
{
    ms_message next;
    ticket found;
    ms_message_clear(&next);
    int result = ms_ring_pull(end, &next);
    if (result)
        return result;
    result = -ESTALE;
    if (!next.in_place && next.length == sizeof found) {
        memcpy(&found, next.bytes, sizeof found);
        result = take(end, &found, call, request);
    }
    MS_STEP("serve: before giving the position back");
    ms_ring_finish(end, &next);
    return result;
}

int ms_call_serve(ms_end *end, ms_call *call)
{
    uint64_t mine = MS_CALL_BECOMES(call->word, MS_CALL_SERVER(call->word), MS_CALL_SERVING);
    MS_STEP("serve: before having it in hand");
    if (!becomes(cell_of(end, call), call->word, mine))
        return finish_abandoned(end, call);
    call->word = mine;
    MS_STEP("serve: in hand");
    return 0;
}

int ms_call_reply(ms_end *end, const ms_call *call, const ms_content *answer)
{
    ms_cell *cell = cell_of(end, call);
    put(cell, answer);
    MS_STEP("serve: before answering");
    /* SYNC(answer): release; pairs with ms_call_state */
    if (!becomes(cell, call->word, answered_word(call)))
        return finish_abandoned(end, call);
    ms_poke_u32(&cell->bell.told, (uint32_t)MS_CALL_NUMBER(call->word));
    MS_STEP("serve: answered, before the bell");
    ms_ring_cell(end, call->cell);
    return 0;
}

void ms_call_drop(ms_end *end, const ms_call *call, int again)
{
    MS_STEP("serve: before dropping");
    uint64_t now = MS_CALL_BECOMES(call->word, 0, again ? MS_CALL_AGAIN : MS_CALL_DROPPED);
    if (!becomes(cell_of(end, call), call->word, now)) {
        finish_abandoned(end, call);
        return;
    }
    ms_ring_cell(end, call->cell);
}

/* Recover the client, unless it is one of ours; nobody else may come by to do that. */
static void look_at_client(ms_end *end, const ms_call *call)
{
    uint32_t client = MS_CALL_CLIENT(call->word);
    if (!client || client == end->slot)
        return;
    ms_ends_lock();
    if (!ms_slot_take(end, client)) {
        ms_recover_slot(end, client);
        ms_slot_drop(end, client);
    }
    ms_ends_unlock();
}

static int is_still(ms_end *end, const ms_call *call, uint64_t word)
{
    if (ms_load_u64(&cell_of(end, call)->word) != word)
        return 0;
    look_at_client(end, call);
    return ms_load_u64(&cell_of(end, call)->word) == word;
}

int ms_call_is_abandoned(ms_end *end, const ms_call *call)
{
    return !is_still(end, call, call->word);
}

int ms_call_is_answered(ms_end *end, const ms_call *call)
{
    return is_still(end, call, answered_word(call));
}

/* ------------------------------------------------------------------ the dead */

/* The cell's place, if its word has not changed since: whoever recovers beside us may have set it
 * right already, and then the cell may be another call's. */
static int is_still_noted(const ms_end *end, const ms_cell *cell, uint64_t word, uint32_t *unit,
                          uint64_t *place)
{
    int result = read_noted_place(end, cell, MS_CALL_SERVER(word), unit, place);
    ms_fence_acquire();
    return !result && ms_peek_u64(&cell->word) == word;
}

/* Whether nothing is left to do; if not, the cell has changed meanwhile. */
static int undo_serving(ms_end *end, uint32_t at, uint64_t word)
{
    ms_cell *cell = &end->cells[at];
    uint32_t state = MS_CALL_STATE(word), unit;
    uint64_t place;
    MS_STEP("recover: before setting a call right");
    if (state == MS_CALL_TAKING || state == MS_CALL_SERVING) {
        uint32_t now = state == MS_CALL_TAKING ? MS_CALL_AGAIN : MS_CALL_DROPPED;
        if (!becomes(cell, word, MS_CALL_BECOMES(word, 0, now)))
            return 0;
        ms_ring_cell(end, at);
    } else if (state == MS_CALL_ABANDONED)
        return frees(cell, word);
    else if (state == MS_CALL_ANSWERED && is_still_noted(end, cell, word, &unit, &place))
        hand_over(end, unit, place, MS_CALL_CLIENT(word));
    return 1;
}

static int undo_asking(ms_end *end, uint32_t at, uint64_t word)
{
    ms_cell *cell = &end->cells[at];
    uint32_t state = MS_CALL_STATE(word), unit;
    uint64_t place;
    MS_STEP("recover: before setting a call right");
    if (state == MS_CALL_ABANDONED)
        return 1;
    if (state == MS_CALL_TAKING || state == MS_CALL_SERVING)
        return becomes(cell, word, MS_CALL_BECOMES(word, MS_CALL_SERVER(word), MS_CALL_ABANDONED));
    /* Into its client's hands, like every place that one had: from there it is taken back. */
    if (state == MS_CALL_ANSWERED && is_still_noted(end, cell, word, &unit, &place))
        hand_over(end, unit, place, MS_CALL_CLIENT(word));
    MS_STEP("recover: before freeing a cell");
    return frees(cell, word);
}

/* A cell that changed meanwhile is looked at again: a server that takes a dead client's call has to
 * find in the cell that it was given up, before its place is gone. */
static void set_right(ms_end *end, uint32_t at, uint32_t slot)
{
    for (int tries = 0; tries < 8; tries++) { /* it has no more states than that */
        uint64_t word = ms_load_u64(&end->cells[at].word);
        if (MS_CALL_STATE(word) == MS_CALL_FREE)
            return;
        if (MS_CALL_CLIENT(word) == slot   ? undo_asking(end, at, word)
            : MS_CALL_SERVER(word) == slot ? undo_serving(end, at, word)
                                           : 1)
            return;
    }
}

void ms_calls_set_right(ms_end *end, uint32_t slot)
{
    for (uint32_t at = 0; at < end->calls; at++)
        set_right(end, at, slot);
}

/* ------------------------------------------------------------------ one sleeper for many waits */

static int is_ready(void *self)
{
    ms_watched_call *watched = self;
    return !ms_peek_u32(&watched->end->role) || ms_peek_u32(&watched->nobody) ||
           ms_call_state(watched->end, &watched->call) != -EAGAIN;
}

static int look_and_say(void *self)
{
    ms_watched_call *watched = self;
    int ever;
    ms_look_after(watched->end);
    int nobody = !ms_call_is_in_hand(watched->end, &watched->call) &&
                 !ms_partners(watched->end, MS_ROLE_RECEIVE, &ever) && ever;
    ms_poke_u32(&watched->nobody, (uint32_t)nobody);
    return is_ready(self);
}

static uint32_t *mark(void *self, uint32_t *value)
{
    const ms_watched_call *watched = self;
    ms_bell *bell = &cell_of(watched->end, &watched->call)->bell;
    /* SYNC(bell): acquire, before the mark; pairs with ring */
    *value = ms_load_u32(&bell->sequence);
    ms_swap_u32(&bell->mark, 1);
    ms_fence();
    return &bell->sequence;
}

static void leave(void *self) /* nobody else sleeps there */
{
    (void)self;
}

void ms_watched_call_make(ms_watched_call *watched, ms_end *end, const ms_call *call)
{
    *watched = (ms_watched_call){.end = end, .call = *call};
    watched->other = (ms_other){
        .self = watched, .ready = is_ready, .look = look_and_say, .mark = mark, .leave = leave};
}
