/* SPDX-License-Identifier: MIT
 *
 * The mutex: recursive, owned by a thread, and abandoned when its owner ends in any way.  Taking
 * and giving back one that nobody else wants is one compare-and-swap each and no system call.
 * Sleeping is in ms_wait.c, the death of processes in ms_slot.c.
 *
 * The word says which process owns it; which of its threads, and how often, only that process
 * keeps.  The thread's `pending` covers the moments in which the two differ.
 */
#include "ms_mutex.h"

#include <errno.h>

#include "ms_atomic.h"

void ms_mutex_owned(ms_object *object, ms_thread *thread)
{
    /* Few stores: the next swap waits for all of them. */
    object->held_next = thread->held;
    thread->held = object;
    ms_poke_u64(&object->state->owner_notes, MS_WORD(1, thread->tid));
    ms_poke_u64(&object->counts, MS_WORD(MS_HIGH(ms_peek_u64(&object->counts)) + 1, 1));
    ms_store_u64(&object->owner, thread->id);
}

static void not_owned(ms_object *object, ms_thread *thread)
{
    ms_object **at = &thread->held;
    while (*at != object) /* almost always the first */
        at = &(*at)->held_next;
    *at = object->held_next;
    ms_store_u64(&object->owner, 0);
}

static void recount(ms_object *object, const ms_thread *thread, int change)
{
    ms_poke_u64(&object->counts, ms_peek_u64(&object->counts) + (uint64_t)(int64_t)change);
    ms_poke_u64(&object->state->owner_notes, MS_WORD(MS_COUNT(object), thread->tid));
}

int ms_mutex_again(ms_object *object)
{
    if (MS_COUNT(object) == MS_COUNT_MOST)
        return -EOVERFLOW;
    recount(object, ms_self(), 1);
    return 0;
}

/* Why a mutex with this word cannot be taken as it is; 0 when it can. */
static int obstacle(const ms_object *object, uint64_t word, int accept_abandoned, uint32_t *dead)
{
    if (!ms_sane(object, word))
        return -EBADMSG;
    if (MS_SLOT(word))
        return word & MS_LOCKED ? -EAGAIN : -EBUSY;
    if (word & MS_ABANDONED) {
        *dead = MS_HIGH(word);
        if (!accept_abandoned)
            return -EOWNERDEAD;
    }
    return 0;
}

int ms_mutex_try(ms_object *object, int accept_abandoned, int contended, uint32_t *dead)
{
    ms_thread *thread = ms_self();
    if (!thread)
        return -ENOMEM;
    if (__builtin_expect(ms_peek_u64(&object->owner) == thread->id, 0))
        return ms_mutex_again(object);
    uint64_t me = ms_load_u64(&object->me);
    if (!me)
        return -ENOLCK;
    uint64_t word = 0, mark = contended ? MS_CONTENDED : 0;
    int result = 0;
    ms_store_u64(&thread->pending, (uintptr_t)object);
    for (;;) {
        MS_STEP("acquire: before the swap");
        /* SYNC(mutex): acquire; pairs with the release in give_back, abandon_all and set_right */
        uint64_t seen = ms_cas_u64(&object->state->word, word, me | mark | (word & MS_CONTENDED));
        if (__builtin_expect(seen == word, 1))
            break;
        word = seen;
        result = obstacle(object, word, accept_abandoned, dead);
        if (result)
            goto out;
    }
    MS_STEP("acquire: after the swap");
    ms_mutex_owned(object, thread); /* `pending` may stay: it says no more than `owner` does */
    return word & MS_ABANDONED ? MS_WAS_ABANDONED : 0;
out:
    ms_store_u64(&thread->pending, 0);
    return result;
}

/* The last release: the word becomes `left`, and one of those who sleep is woken. */
static int give_back(ms_object *object, ms_thread *thread, uint64_t left)
{
    uint64_t me = object->me, seen;
    int result = 0;
    ms_store_u64(&thread->pending, (uintptr_t)object);
    not_owned(object, thread);
    MS_STEP("release: before the swap");
    seen = ms_cas_u64(&object->state->word, me,
                      left); /* SYNC(mutex): release; pairs with ms_mutex_try */
    if (__builtin_expect(seen == (me | MS_CONTENDED), 0)) {
        MS_STEP("release: contended");
        seen = ms_cas_u64(&object->state->word, seen,
                          left); /* SYNC(mutex): release; nobody else changes it */
        if (seen == (me | MS_CONTENDED)) {
            seen = me;
            MS_STEP("release: after the swap, before the wake");
            ms_wake(object->state, 1);
        }
    }
    if (seen != me)
        result = -EBADMSG;
    ms_store_u64(&thread->pending, 0);
    return result;
}

int ms_mutex_release(ms_object *object, uint32_t *before)
{
    ms_thread *thread = ms_self();
    if (!thread || ms_peek_u64(&object->owner) != thread->id)
        return -EPERM;
    *before = MS_COUNT(object);
    if (*before == 1)
        return give_back(object, thread, 0);
    recount(object, thread, -1);
    return 0;
}

int ms_mutex_abandon(ms_object *object)
{
    ms_thread *thread = ms_self();
    if (!thread || ms_peek_u64(&object->owner) != thread->id)
        return -EPERM;
    return give_back(object, thread, MS_WORD(MS_HIGH(object->me), MS_ABANDONED));
}
