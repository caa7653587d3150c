/* SPDX-License-Identifier: MIT
 *
 * Timers: setting, cancelling, and what a wait needs of them.
 *
 * Nobody has to live for a timer to become signaled.  The state says when it is due, and whoever
 * looks compares that with the clock: it is signaled when SIGNALED is in its word, or when it is
 * ARMED and the time has come.  A waiter sleeps until then at most.
 *
 * A setting (due time, period, clock) is two words, so there are two of them: the word says which
 * one holds, and a new one is written beside it by whoever holds the object still (LOCKED), then
 * the word names it.  Somebody who dies in between leaves the old one.  Whoever reads one, reads
 * the word before and after it, or swaps it.
 *
 * A synchronization timer lets one wait through for each time that it is due: the one that takes
 * ARMED out of the word or, when it has a period, moves the due time past now.  Due times that
 * nobody waited for in between are one.
 */
#ifndef MS_TIMER_H
#define MS_TIMER_H

#include "ms_object.h"

/* What a due time counts: CLOCK_MONOTONIC, which nobody sets; or the time of day, in 100 ns since
 * 1601. */
enum { MS_SINCE_START = 0, MS_SINCE_1601 = 1 };

#define MS_PERIOD_MOST 0x7fffffffu /* ms */

typedef struct {
    int signaled;
    int armed;
    uint32_t period; /* ms */
    int64_t left; /* in 100 ns, until it is due next; negative: for so long it has been; 0 when it
                     is not armed */
} ms_timer_facts;

/* Due `span` from now (100 ns units; 0: now).  Or at a time of day. `before`: whether it was
 * signaled. */
int ms_timer_set_span(ms_object *object, int fd, uint64_t span, uint32_t period, uint32_t *before);
int ms_timer_set_date(ms_object *object, int fd, uint64_t date, uint32_t period, uint32_t *before);

/* It is due no more; whether it is signaled stays as it is. */
int ms_timer_cancel(ms_object *object, int fd, uint32_t *before);

/* What a state says, which may be a copy.  0; -EBADMSG; -EAGAIN when it changed meanwhile: read it
 * again. */
int ms_timer_look(const ms_state *state, ms_timer_facts *out);

/* Take it if it is signaled: 0, -EBUSY, -EAGAIN; -EBADMSG, or why this process gets no slot. */
int ms_timer_take(ms_object *object, int fd, int slept);

/* Whether it could be taken, by this word of it (or its damage be told). */
int ms_timer_available(const ms_object *object, uint64_t word);

/* The word of a signaled timer that this process holds still, once it is taken; a setting is
 * written if need be. */
uint64_t ms_timer_taken(ms_object *object, uint64_t word);

/* When to look again, in ns of CLOCK_MONOTONIC; MS_FOREVER when only a change of the word can make
 * it signaled. */
int64_t ms_timer_due(const ms_object *object);

#endif
