/* SPDX-License-Identifier: MIT
 *
 * Taking one object of a wait, whatever it is, without sleeping; see ms_take.h.
 */
#include "ms_take.h"

#include <errno.h>
#include <poll.h>

#include "ms_atomic.h"
#include "ms_mutex.h"
#include "ms_timer.h"

int ms_process_ended(int pidfd)
{
    struct pollfd look = {.fd = pidfd, .events = POLLIN};
    int n = poll(&look, 1, 0);
    if (n > 0)
        return look.revents & POLLNVAL ? -EBADF : 0;
    return n == 0 || errno == EINTR ? -EBUSY : -errno;
}

static int take_event(ms_object *object, uint32_t pulses, int slept)
{
    uint64_t word = ms_load_u64(&object->state->word);
    for (;;) {
        int pulsed = MS_HIGH(word) != pulses;
        uint64_t now;
        if (!ms_sane(object, word))
            return -EBADMSG;
        if (object->flags & MS_MANUAL)
            return word & MS_SIGNALED || pulsed ? 0 : -EBUSY;
        if (word & MS_LOCKED)
            return -EAGAIN;
        if (word & MS_SIGNALED)
            now = word & ~MS_SIGNALED;
        else if (word & MS_TOKEN && pulsed)
            now = word & ~MS_TOKEN;
        else
            return -EBUSY;
        MS_STEP("wait: before taking the event");
        /* SYNC(event): acquire; pairs with ms_event_change */
        uint64_t seen = ms_cas_u64(&object->state->word, word, slept ? now | MS_CONTENDED : now);
        if (seen == word)
            return 0;
        word = seen;
    }
}

static int take_semaphore(ms_object *object, int slept)
{
    uint64_t word = ms_load_u64(&object->state->word);
    for (;;) {
        if (!ms_sane(object, word))
            return -EBADMSG;
        if (word & MS_LOCKED)
            return -EAGAIN;
        if (!MS_HIGH(word))
            return -EBUSY;
        uint64_t now = word - MS_WORD(1, 0);
        MS_STEP("wait: before taking the unit");
        /* SYNC(semaphore): acquire; pairs with ms_semaphore_release */
        uint64_t seen = ms_cas_u64(&object->state->word, word, slept ? now | MS_CONTENDED : now);
        if (seen == word)
            return 0;
        word = seen;
    }
}

int ms_take(ms_wait *wait, const ms_item *item)
{
    ms_object *object = item->object;
    if (item->other)
        return item->other->ready(item->other->self) ? 0 : -EBUSY;
    if (!object)
        return ms_process_ended(item->fd);
    if (object->kind == MS_MUTEX)
        return ms_mutex_try(object, wait->accept_abandoned, wait->slept, &wait->dead);
    if (object->kind == MS_EVENT)
        return take_event(object, item->pulses, wait->slept);
    if (object->kind == MS_TIMER)
        return ms_timer_take(object, item->fd, wait->slept);
    return take_semaphore(object, wait->slept);
}

int ms_mine(const ms_object *object)
{
    const ms_thread *thread = ms_self();
    return thread && ms_peek_u64(&object->owner) == thread->id;
}

int ms_available(const ms_object *object, uint64_t word, uint32_t pulses)
{
    if (!ms_sane(object, word))
        return 1;
    if (object->kind == MS_MUTEX)
        return !MS_SLOT(word);
    if (object->kind == MS_TIMER)
        return ms_timer_available(object, word);
    if (object->kind == MS_EVENT && object->flags & MS_MANUAL)
        return word & MS_SIGNALED || MS_HIGH(word) != pulses;
    if (word & MS_LOCKED)
        return 0;
    if (object->kind == MS_SEMAPHORE)
        return MS_HIGH(word) != 0;
    return word & MS_SIGNALED || (word & MS_TOKEN && MS_HIGH(word) != pulses);
}
