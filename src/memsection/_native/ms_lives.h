/* SPDX-License-Identifier: MIT
 *
 * Which of some numbered slots belong to a process that lives, as the kernel says: what a process
 * holds of a slot goes with its end, however it ends.
 *
 * On Linux a slot is held by an exclusive byte-range lock (fcntl(2), open file description locks)
 * on one byte of the section's file.  On Windows, where sections have no locks, it is held by an
 * event of a name that only who may read the section knows: the event is there as long as somebody
 * has a handle to it, nobody waits for it, and whoever makes it first has it.
 */
#ifndef MS_LIVES_H
#define MS_LIVES_H

#include <stdint.h>

/* Linux: the lock of slot n is on this byte + n, of a readers-writer lock, of a channel. */
#define MS_LIVES_LOCKS (1ll << 62)
#define MS_CHANNEL_LOCKS ((1ll << 62) + (1ll << 32))

#ifdef _WIN32
typedef struct {
    uint64_t token[2]; /* in the names of the events; {0, 0}: closed */
    void *held;        /* the event of our slot; NULL */
    void *blocked;     /* that of a slot that is looked at; NULL */
} ms_lives;
#else
typedef struct {
    int64_t locks; /* the byte of slot 0 */
    int fd;        /* the description that carries the locks, which no child shares; -1: closed */
} ms_lives;
#endif

/* Closed; `locks`, where slots are locks, is the byte of slot 0. */
void ms_lives_init(ms_lives *lives, int64_t locks);
int ms_lives_is_open(const ms_lives *lives);
/* Linux: `fd` is a read-write descriptor of the section.  Windows: `token` is what all who use the
 * slots have in common. */
int ms_lives_open(ms_lives *lives, int fd, const uint64_t token[2]);
/* Give up whatever is held. */
void ms_lives_close(ms_lives *lives);
/* In a forked child: what the parent holds is not the child's, and the child does not keep it. */
void ms_lives_forked(ms_lives *lives);

/* Hold a slot until the end; 0, or -EAGAIN when somebody has it, or looks at it. */
int ms_lives_hold(ms_lives *lives, uint32_t slot);
/* Keep everybody from holding a slot, until `ms_lives_unblock`; 0, or -EAGAIN when somebody has it.
 */
int ms_lives_block(ms_lives *lives, uint32_t slot);
void ms_lives_unblock(ms_lives *lives, uint32_t slot);
/* Whether a slot that was not to be had is held by a process that could not hold it in earnest,
 * because it may only read the section; where that can be told. */
int ms_lives_is_squatted(const ms_lives *lives, uint32_t slot);

/* For one that never holds or recovers a slot, because it may only read the section: what is opened
 * here is closed by nobody; `fd` stays open as long as it is used. */
void ms_lives_watch(ms_lives *lives, int fd, const uint64_t token[2]);
/* Whether a slot is held by a process that may hold it.  It changes nothing. */
int ms_lives_is_held(const ms_lives *lives, uint32_t slot);

#endif
