/* SPDX-License-Identifier: MIT
 *
 * Ends: the layout of a channel, opening and closing, slots and who lives, and what becomes of all
 * that in a forked child.
 */
#define _GNU_SOURCE
#include "ms_call.h"
#include "ms_process.h"
#include "ms_sleep.h"
#include "ms_topic.h"

#include <errno.h>
#include <string.h>

#include "../include/ms_atomic.h"

#ifdef MS_TEST_STEPS
void (*ms_step_hook)(const char *name);
uint32_t ms_step_first_slot;
#endif

static ms_end *ends;
static uint32_t process_token;
uint32_t ms_forks;

/* ------------------------------------------------------------------ fork */

/* The child has no slot: the descriptions it got are its parent's, and would keep the parent's
 * slots alive after its death. It claims others when it uses its ends. */
void ms_ends_forked(void)
{
    for (ms_end *end = ends; end; end = end->following) {
        ms_lives_forked(&end->lives);
        end->slot = 0;
        end->partner = 0;
        end->token = 0;
        end->taking = 0;
        end->returned = 0;
    }
    process_token = 0;
    ms_forks++;
}

/* A number that no other process has, as far as 32 bits go. */
static uint32_t token_here(void)
{
    while (!process_token || process_token == MS_MANY)
        if (!ms_random(&process_token, sizeof process_token))
            process_token = ms_process_id() << 8 | 1;
    return process_token;
}

/* ------------------------------------------------------------------ layout */

static uint64_t round_up(uint64_t bytes, uint64_t to)
{
    return (bytes + to - 1) / to * to;
}

typedef struct {
    uint64_t ring, words, notes, seats, holders, small, large, cells, size;
} offsets;

/* Where senders wait for subscribers, those who come later still find the last messages before
 * them. */
static uint64_t ring_size(const ms_shape *shape)
{
    return (uint64_t)shape->capacity + (shape->flags & MS_SLOW_WAITS ? shape->history : 0);
}

static int lay_out(const ms_shape *shape, offsets *at)
{
    uint64_t units = shape->small_units + shape->large_units, is_topic = shape->flags & MS_TOPIC;
    if (!shape->capacity || shape->capacity > MS_CAPACITY_MOST ||
        shape->small_units > MS_UNITS_MOST || shape->large_units > MS_UNITS_MOST ||
        shape->large_unit > 1ull << 40 || shape->large_unit % MS_LINE ||
        (shape->large_units && !shape->large_unit) || shape->history > shape->capacity ||
        (!is_topic && (shape->flags || shape->history)) ||
        (is_topic && (shape->redeliver || shape->calls)) || shape->calls > MS_CALLS_MOST)
        return -EINVAL;
    at->ring = round_up(sizeof(ms_channel), 4096);
    at->words = at->ring + ring_size(shape) * sizeof(ms_entry);
    at->notes = round_up(at->words + units * sizeof(uint64_t), MS_LINE);
    at->seats = round_up(at->notes + units * sizeof(ms_note), MS_LINE);
    at->holders = at->seats + (is_topic ? (MS_ENDS_MOST + 1) * sizeof(ms_seat) : 0);
    at->small = round_up(at->holders + (is_topic ? units * sizeof(ms_holders) : 0), 4096);
    at->large = at->small + shape->small_units * MS_SMALL_UNIT;
    if (shape->large_units && shape->large_unit > (1ull << 46) / shape->large_units)
        return -EINVAL;
    at->cells = at->large + shape->large_units * shape->large_unit;
    at->size = at->cells + (uint64_t)shape->calls * sizeof(ms_cell);
    return 0;
}

uint64_t ms_channel_size(const ms_shape *shape)
{
    offsets at;
    return lay_out(shape, &at) ? 0 : at.size;
}

void ms_channel_format(void *memory, const ms_shape *shape)
{
    ms_channel *channel = memory;
    channel->capacity = shape->capacity;
    channel->redeliver = shape->redeliver;
    channel->small_units = shape->small_units;
    channel->large_units = shape->large_units;
    channel->large_unit = shape->large_unit;
    channel->flags = shape->flags;
    channel->history = shape->history;
    channel->calls = shape->calls;
#ifdef _WIN32
    ms_random(channel->shared, sizeof channel->shared); /* without it, it cannot be opened */
#endif
    channel->version = MS_CHANNEL_VERSION;
    channel->magic = MS_CHANNEL_MAGIC; /* every other word of an empty channel is 0 */
}

static int is_of(const ms_channel *channel, const ms_shape *shape)
{
    return channel->capacity == shape->capacity && channel->redeliver == shape->redeliver &&
           channel->small_units == shape->small_units &&
           channel->large_units == shape->large_units && channel->large_unit == shape->large_unit &&
           channel->flags == shape->flags && channel->history == shape->history &&
           channel->calls == shape->calls;
}

int ms_end_attach(ms_end *end, void *start, uint64_t size, const ms_shape *shape)
{
    offsets at;
    unsigned char *memory = start;
    ms_channel *channel = start;
    if (size < sizeof *channel || channel->magic != MS_CHANNEL_MAGIC)
        return -EBADMSG;
    if (channel->version != MS_CHANNEL_VERSION)
        return -EPROTO;
    if (lay_out(shape, &at) || at.size > size || !is_of(channel, shape))
        return -EBADMSG;
    memset(end, 0, sizeof *end);
    ms_lives_init(&end->lives, MS_CHANNEL_LOCKS);
    end->channel = channel;
    memcpy(end->shared, channel->shared, sizeof end->shared);
    end->ring = (ms_entry *)(memory + at.ring);
    end->words = (uint64_t *)(memory + at.words);
    end->notes = (ms_note *)(memory + at.notes);
    end->seats = (ms_seat *)(memory + at.seats);
    end->holders = (ms_holders *)(memory + at.holders);
    end->flags = shape->flags;
    end->window = shape->capacity;
    end->capacity = (uint32_t)ring_size(shape);
    end->redeliver = shape->redeliver;
    end->cells = (ms_cell *)(memory + at.cells);
    end->calls = shape->calls;
    end->units = (uint32_t)(shape->small_units + shape->large_units);
    end->pools[0] = (ms_pool){
        .unit = MS_SMALL_UNIT, .count = (uint32_t)shape->small_units, .bytes = memory + at.small};
    end->pools[1] = (ms_pool){.unit = shape->large_unit,
                              .first = (uint32_t)shape->small_units,
                              .count = (uint32_t)shape->large_units,
                              .bytes = memory + at.large};
    return 0;
}

/* ------------------------------------------------------------------ slots */

int ms_slot_take(ms_end *end, uint32_t slot)
{
    return ms_lives_block(&end->lives, slot);
}

void ms_slot_drop(ms_end *end, uint32_t slot)
{
    ms_lives_unblock(&end->lives, slot);
}

static uint32_t first_slot(void)
{
#ifdef MS_TEST_STEPS
    if (ms_step_first_slot)
        return ms_step_first_slot;
#endif
    return 1;
}

/* There was one with these roles; a "both" end says whose, because it does not count for its own
 * process. */
static void note_ever(ms_end *end)
{
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t *ever = &end->channel->ever[i], seen = ms_load_u32(ever);
        if (!(end->role & (1u << i)) || seen == MS_MANY ||
            (seen == end->token && end->role == MS_ROLE_BOTH))
            continue;
        uint32_t now = seen || end->role != MS_ROLE_BOTH ? MS_MANY : end->token;
        if (ms_cas_u32(ever, seen, now) != seen)
            ms_store_u32(ever, MS_MANY);
    }
}

static void register_member(ms_end *end, uint32_t slot)
{
    ms_member *member = &end->channel->members[slot];
    end->token = token_here();
    member->pid = ms_process_id();
    member->token = end->token;
    if (MS_IS_TOPIC(end))
        ms_topic_join(end, slot, 0);
    note_ever(
        end); /* before the role: who sees nobody that lives must see that there was somebody */
    MS_STEP("open: before the role");
    ms_store_u32(&member->role, end->role); /* SYNC(member): release; pairs with ms_partners */
    if (MS_IS_TOPIC(end))
        ms_topic_join(end, slot, 1);
    ms_store_u32(&end->slot, slot);
}

/* The lowest slot that nobody has; under the lock. */
static int claim(ms_end *end)
{
    if (!ms_lives_is_open(&end->lives))
        return -EBADF;
    uint32_t slot = first_slot();
    for (uint32_t tries = 0; tries < MS_ENDS_MOST; tries++, slot = slot % MS_ENDS_MOST + 1) {
        int result = ms_lives_hold(&end->lives, slot);
        if (result == -EAGAIN)
            continue;
        if (result)
            return result;
        MS_STEP("open: slot locked");
        if (ms_load_u32(&end->channel->members[slot].role) ||
            ms_load_u32(&end->channel->members[slot].pid))
            ms_recover_slot(end, slot); /* of its last owner, who is gone */
        register_member(end, slot);
        return 0;
    }
    return -EUSERS;
}

/* ------------------------------------------------------------------ opening and closing */

int ms_end_open(ms_end *end, void *memory, uint64_t size, const ms_shape *shape, int fd,
                uint32_t role)
{
    int result = ms_end_attach(end, memory, size, shape);
    if (result)
        return result;
    ms_watch_forks();
    end->role = role;
    end->uses = 1;
    ms_ends_lock();
    result = ms_lives_open(&end->lives, fd, end->shared);
    result = result ? result : claim(end);
    if (!result) {
        end->epoch = ms_forks;
        end->following = ends;
        ends = end;
    } else
        ms_lives_close(&end->lives);
    ms_ends_unlock();
    if (!result)
        ms_recover(end);
    return result;
}

static void leave(ms_end *end) /* under the lock */
{
    ms_end **at = &ends;
    while (*at && *at != end)
        at = &(*at)->following;
    if (*at)
        *at = end->following;
    if (MS_IS_TOPIC(end))
        ms_topic_leave(end);
    if (end->slot)
        ms_store_u32(&end->channel->members[end->slot].pid, 0);
    MS_STEP("close: before the slot is dropped");
    ms_lives_close(&end->lives);
    ms_sleep_close(end);
}

void ms_end_keep(ms_end *end)
{
    ms_add_u32(&end->uses, 1);
}

int ms_end_release(ms_end *end)
{
    if (ms_add_u32(&end->uses, (uint32_t)-1) != 1)
        return 0;
    ms_ends_lock();
    leave(end);
    ms_ends_unlock();
    return 1;
}

int ms_end_close(ms_end *end)
{
    if (!ms_swap_u32(&end->role, 0))
        return 0;
    if (end->slot) {
        ms_store_u32(&end->channel->members[end->slot].role,
                     0); /* SYNC(member): release; pairs with ms_partners */
        MS_STEP("close: before the bells");
        ms_ring_all_bells(end);
    }
    return ms_end_release(end);
}

int ms_end_enter(ms_end *end)
{
    if (!ms_peek_u32(&end->role))
        return -EBADF;
    if (__builtin_expect(ms_load_u32(&end->slot) != 0, 1))
        return 0;
    ms_ends_lock();
    int result = end->slot ? 0 : claim(end);
    if (!result)
        end->epoch = ms_forks;
    ms_ends_unlock();
    return result;
}

void ms_channel_shut(ms_end *end, int at_once)
{
    ms_or_u32(&end->channel->down,
              MS_DOWN |
                  (at_once ? MS_DOWN_AT_ONCE : 0)); /* SYNC(down): release; pairs with is_down */
    ms_fence();
    ms_ring_all_bells(end);
}

/* ------------------------------------------------------------------ who lives */

/* Whether the end that this slot names lives and has one of the roles; the dead are set right. */
static int lives(ms_end *end, uint32_t slot, uint32_t role)
{
    ms_member *member = &end->channel->members[slot];
    uint32_t has =
        ms_load_u32(&member->role); /* SYNC(member): acquire; pairs with register_member */
    if (!(has & role))
        return 0;
    if (slot == end->slot)
        return 1;
    if (ms_slot_take(end, slot))
        return 1;
    ms_recover_slot(end, slot);
    ms_slot_drop(end, slot);
    ms_ring_all_bells(end);
    return 0;
}

static int counts_for(const ms_end *end, uint32_t slot)
{
    const ms_member *member = &end->channel->members[slot];
    return slot != end->slot && !(ms_peek_u32(&member->token) == end->token &&
                                  ms_peek_u32(&member->role) == MS_ROLE_BOTH);
}

int ms_partners(ms_end *end, uint32_t role, int *ever)
{
    uint32_t there_was = ms_load_u32(&end->channel->ever[role == MS_ROLE_RECEIVE]);
    uint32_t last = ms_peek_u32(&end->partner);
    int found = 0;
    *ever = there_was == MS_MANY || (there_was && there_was != end->token);
    if (end->calls && role == MS_ROLE_SEND)
        *ever = 0; /* clients come and go: a server waits for those who may still come */
    ms_ends_lock();
    if (last && last <= MS_ENDS_MOST && counts_for(end, last) && lives(end, last, role))
        found = 1;
    for (uint32_t slot = 1; slot <= MS_ENDS_MOST && !found; slot++)
        if (ms_peek_u32(&end->channel->members[slot].role) && counts_for(end, slot) &&
            lives(end, slot, role)) {
            ms_poke_u32(&end->partner, slot);
            found = 1;
        }
    ms_ends_unlock();
    return found;
}

uint32_t ms_end_count(ms_end *end, uint32_t role)
{
    uint32_t count = 0;
    ms_ends_lock();
    for (uint32_t slot = 1; slot <= MS_ENDS_MOST; slot++)
        if (ms_peek_u32(&end->channel->members[slot].role))
            count += (uint32_t)lives(end, slot, role);
    ms_ends_unlock();
    return count;
}
