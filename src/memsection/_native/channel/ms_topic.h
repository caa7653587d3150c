/* SPDX-License-Identifier: MIT
 *
 * A topic: a channel whose messages are for every subscriber.  The layout is a queue's, with two
 * tables more.
 *
 * A position is written again when the ring comes round to it, whether everybody has read it or
 * not: FULL of one lap becomes WRITING of the next.  Where senders wait for the slow
 * (MS_SLOW_WAITS) they first look how far the slowest subscriber that lives has come: `seats`.
 * Short messages are copied while others may overwrite them; the position's word around the copy
 * tells whether it was a message.  Nothing that a subscriber does changes a position.
 *
 * A place is held by a set of slots, `holders`.  Whoever wants to hold it sets its bit and then
 * looks whether the position is still what it was; whoever takes the place out of the ring changes
 * the position and then looks at the bits.  So one of the two sees the other.  A place that leaves
 * the ring in somebody's hands is LEFT, and freed by whoever lets go of it last: it clears its bit
 * and then looks at the state, and who makes a place LEFT looks at the bits once more.
 *
 * When no place is free, senders take the oldest ones in nobody's hands out of the ring (GONE).
 */
#ifndef MS_TOPIC_H
#define MS_TOPIC_H

#include "ms_channel.h"

#define MS_IS_TOPIC(end) (__builtin_expect((end)->flags & MS_TOPIC, 0))

/* ---- ms_topic.c: sending, and what senders wait for; as the functions of ms_ring.c ---- */

int ms_topic_push(ms_end *end, const void *bytes, uint32_t length, uint32_t format, int quiet,
                  uint64_t *position);
int ms_topic_push_place(ms_end *end, uint32_t unit, uint64_t word, uint64_t length, uint32_t format,
                        int quiet, uint64_t *position);
int ms_topic_has_room(ms_end *end);
/* The position that the next message gets, as far as a look shows. */
uint64_t ms_topic_tail(const ms_end *end);
/* The lowest position that a subscriber which is waited for has not read yet. */
uint64_t ms_topic_floor(ms_end *end);
void ms_topic_resync(ms_end *end);
int ms_topic_hints_fit(ms_end *end);

/* ---- ms_subscriber.c: receiving ---- */

/* The next message, or the newest one. */
int ms_topic_pull(ms_end *end, ms_message *message, int newest);
void ms_topic_finish(ms_end *end, const ms_message *message);
void ms_topic_unpull(ms_end *end, const ms_message *message);
int ms_topic_ready(ms_end *end);
uint32_t ms_topic_count(ms_end *end);
/* A subscriber takes its seat: before and after others can see its role. */
void ms_topic_join(ms_end *end, uint32_t slot, int is_seen);
/* Begin with the last so many messages before the end was opened. */
void ms_topic_rewind(ms_end *end, uint64_t messages);
void ms_topic_leave(ms_end *end);
/* It did not get a message for a reason of its own. */
void ms_topic_miss(ms_end *end);
/* Whether a subscriber that lives has not read this position yet. */
int ms_topic_waits(ms_end *end, uint64_t position);
/* The message at end->next: 0 and its entry and word; -EAGAIN: none, -EBUSY: being written. Changes
 * nothing shared. */
int ms_topic_find(ms_end *end, ms_entry **out, uint64_t *seen, uint64_t *at);
/* On to the newest message that there is; those that were overwritten, or taken out of the ring,
 * before this end came to them are missed, those that are still there are not. */
void ms_topic_skip(ms_end *end);
/* A copy of a short message, or where a place is: 0, -EAGAIN: it was overwritten meanwhile;
 * -EBADMSG. */
int ms_topic_read(ms_end *end, ms_entry *entry, uint64_t seen, ms_message *message);

/* ---- ms_holders.c: places in the hands of several ---- */

/* Hold the place of a message that was read, if its position still has this word: 0, -EAGAIN,
 * -EBADMSG. */
int ms_hold(ms_end *end, ms_message *message, ms_entry *entry, uint64_t seen);
void ms_unhold(ms_end *end, uint32_t unit);
/* Some slot that holds the place; 0: none. */
uint32_t ms_holder_of(const ms_end *end, uint32_t unit);
/* A QUEUED place whose position is no longer its own: free, or LEFT.  `as`: the slot in whose name
 * that is done. */
void ms_topic_unqueue(ms_end *end, uint32_t unit, uint64_t word, uint32_t as);
/* The place that an entry names, if it is queued for it. */
int ms_topic_queued(const ms_end *end, ms_entry *entry, uint32_t *unit, uint64_t *word);
void ms_free_left(ms_end *end, uint32_t unit, uint32_t as);
/* A dead slot holds nothing. */
void ms_set_holders_right(ms_end *end, uint32_t slot);
/* Take the oldest message that is in nobody's hands, and whose place could serve, out of the ring:
 * whether there was one. */
int ms_topic_make_room(ms_end *end, uint64_t length);
int ms_topic_could_make_room(ms_end *end, uint64_t length);

/* ---- ms_observer.c: reading without being able to write ---- */

/* An end over read-only memory.  `fd` is only asked who lives. */
int ms_observer_open(ms_end *end, const void *memory, uint64_t size, const ms_shape *shape, int fd);
void ms_observer_close(ms_end *end);
/* The next message, or the newest one: short ones are copied.  0, -EAGAIN, -EBUSY, -EBADMSG. */
int ms_observer_pull(ms_end *end, ms_message *message, int newest);
/* After a message in a place was copied: whether it was one, and nobody else of this process had
 * it. */
int ms_observer_finish(ms_end *end, const ms_message *message);
/* It was not taken after all, if nothing was taken since. */
void ms_observer_unpull(ms_end *end, uint64_t position);
int ms_observer_ready(ms_end *end);
uint32_t ms_observer_count(ms_end *end, uint32_t role);
/* Whether somebody lives who may send; `ever`: whether there ever was one. */
int ms_observer_partners(ms_end *end, int *ever);
/* After an attempt in vain: as ms_await_change. */
int ms_observer_await(ms_await *wait);
void ms_observed_make(ms_watched *watched, ms_end *end);

/* The words of an entry after the first; written and read while others may do the same. */
static inline uint64_t *ms_entry_words(ms_entry *entry)
{
    return (uint64_t *)(void *)entry; /* Safety: an entry is 128 bytes at a multiple of 8 */
}

#endif
