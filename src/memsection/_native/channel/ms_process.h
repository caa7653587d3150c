/* SPDX-License-Identifier: MIT
 *
 * The process that the ends of channels are in, as each system has it: its number, randomness, its
 * forks, and the lock between its threads (ms_ends_lock).
 */
#ifndef MS_PROCESS_H
#define MS_PROCESS_H

#include <stddef.h>
#include <stdint.h>

uint32_t ms_process_id(void);
/* Let other threads run. */
void ms_give_way(void);
/* Whether so many random bytes were to be had without waiting. */
int ms_random(void *bytes, size_t count);
/* Have ms_ends_forked called in every forked child, before anybody can have the lock there. */
void ms_watch_forks(void);
/* ms_end.c: this is a forked child. */
void ms_ends_forked(void);

#endif
