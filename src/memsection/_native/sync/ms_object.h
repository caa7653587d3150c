/* SPDX-License-Identifier: MIT
 *
 * What a process keeps about an object for itself: one record for each object, and one for each
 * thread that ever owned a mutex.  Strangers cannot reach it.
 */
#ifndef MS_OBJECT_H
#define MS_OBJECT_H

#include <pthread.h>
#include <stdint.h>

#include "ms_spin.h"
#include "ms_state.h"

/* One object as this process has it: one record however many handles there are. */
typedef struct ms_object {
    ms_state *state;
    uint64_t me;     /* the word of a mutex that this process owns; 0 before it claimed a slot */
    uint64_t owner;  /* mutex: the ms_thread.id of the thread here that owns it, else 0 */
    uint64_t counts; /* how often it was taken, or held still, here; below that, how often that
                        thread has it */
    uint32_t kind, flags, maximum;
    ms_pace pace;
    struct ms_object *held_next; /* of what that thread owns */
    uint64_t lockers;            /* threads here that hold the object LOCKED, or are about to */
    uint64_t device, inode;
    int lock_fd; /* the description that carries the slot's lock, -1 before it is needed */
    uint32_t uses;
    struct ms_object *next;
} ms_object;

/* One thread that ever owned a mutex. */
typedef struct ms_thread {
    uint64_t id; /* never used again in this process */
    ms_object *held;
    uint64_t pending; /* the object whose word changes before or after that is noted: its address; 0
                         when it owns none */
    uint32_t tid;
    struct ms_thread *next, **link;
} ms_thread;

/* The record of the object behind this descriptor (read-write), whose last page begins at `page`;
 * made if need be. -EBADMSG when its state makes no sense, -EACCES for a read-only descriptor. */
int ms_object_get(int fd, int64_t page, uint32_t kind, ms_object **out);
void ms_object_put(ms_object *object);

/* Whether a word can be one of this object. */
int ms_sane(const ms_object *object, uint64_t word);

/* This thread's record; NULL without memory. */
#ifdef __GLIBC__ /* a pointer fits into what glibc keeps free for this model, which needs no call  \
                  */
extern __thread ms_thread *ms_thread_here
    __attribute__((tls_model("initial-exec"), visibility("hidden")));
#else
extern __thread ms_thread *ms_thread_here __attribute__((visibility("hidden")));
#endif
ms_thread *ms_new_thread(void);

static inline ms_thread *ms_self(void)
{
    ms_thread *here = ms_thread_here;
    return __builtin_expect(here != NULL, 1) ? here : ms_new_thread();
}

/* The lock of all records of this process; and what it protects. */
extern pthread_mutex_t ms_records __attribute__((visibility("hidden")));
/* Whether any thread here owns the object, holds it still, or is about to. */
int ms_at_work_here(const ms_object *object);
/* Whether the page still says what the record does. */
int ms_same_state(const ms_object *object);

/* A description of our own of what a handle's descriptor means; -1 where the file does not let us.
 * The owner may always: where the security descriptor gives even its owner less, the owner's bits
 * are widened for that moment. */
int ms_open_again(int fd);

#endif
