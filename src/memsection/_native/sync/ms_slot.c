/* SPDX-License-Identifier: MIT
 *
 * Slots: how a process gets one, and how it is found out that the process of one is dead.  The
 * protocol is in ms_state.h.
 */
#define _GNU_SOURCE
#include "ms_slot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ms_atomic.h"

#ifdef MS_TEST_STEPS
uint32_t ms_step_first_slot;
#endif

static int slot_lock(const ms_object *object, uint32_t slot, short type)
{
    struct flock range = {
        .l_type = type, .l_whence = SEEK_SET, .l_start = MS_SLOT_BASE + slot, .l_len = 1};
    while (fcntl(object->lock_fd, F_OFD_SETLK, &range))
        if (errno != EINTR)
            return errno == EACCES ? -EAGAIN : -errno;
    return 0;
}

/* Who stands in the way of a claim: 1 when it may only read the file, for a slot of a process is
 * locked for writing. `slot` becomes the last one that its lock covers. */
static int is_reader(const ms_object *object, uint32_t *slot)
{
    struct flock range = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = MS_SLOT_BASE + *slot, .l_len = 1};
    if (fcntl(object->lock_fd, F_OFD_GETLK, &range) || range.l_type != F_RDLCK)
        return 0;
    int64_t last = range.l_len ? range.l_start + range.l_len - 1 - MS_SLOT_BASE : MS_SLOT_MOST;
    if (last > *slot)
        *slot = last > (int64_t)MS_SLOT_MOST ? MS_SLOT_MOST : (uint32_t)last;
    return 1;
}

/* A description of our own, which no handle and no child shares. */
static int describe(ms_object *object, int fd)
{
    struct stat file;
    if (object->lock_fd >= 0)
        return 0;
    int own = ms_open_again(fd);
    if (own < 0)
        return -errno;
    /* The handle may have been closed meanwhile and its number used again. */
    if (fstat(own, &file) || file.st_dev != object->device || file.st_ino != object->inode) {
        close(own);
        return -EBADF;
    }
    object->lock_fd = own;
    return 0;
}

/* What the word becomes when the process of its slot is gone. */
static uint64_t without_slot(uint64_t word)
{
    if (word & MS_LOCKED) /* nothing had been decided, or not for this object */
        return word & ~(uint64_t)(MS_SLOT_MOST | MS_LOCKED | MS_CONTENDED);
    return MS_WORD(MS_HIGH(word), MS_ABANDONED);
}

/* With a lock of the slot held by this process, and none by its owner: set the word right.  1 if it
 * was changed.  Others may be at it too; but nobody can claim the slot meanwhile, so a word that
 * names it again was not changed. */
static int set_right(ms_object *object, uint32_t slot)
{
    for (;;) {
        uint64_t word = ms_load_u64(&object->state->word);
        if (MS_SLOT(word) != slot || !ms_sane(object, word))
            return 0;
        MS_STEP("recover: before setting right");
        if (ms_cas_u64(&object->state->word, word, without_slot(word)) == word) {
            if (word & MS_CONTENDED)
                ms_wake(object->state, word & MS_LOCKED ? INT32_MAX : 1);
            return 1;
        }
    }
}

static uint32_t first_slot(void) /* spread, so that neighbours seldom try the same */
{
#ifdef MS_TEST_STEPS
    if (ms_step_first_slot)
        return ms_step_first_slot;
#endif
    return (uint32_t)getpid() * 40503u % MS_SLOT_MOST + 1;
}

int ms_claim(ms_object *object, int fd)
{
    if (ms_load_u64(&object->me))
        return 0;
    pthread_mutex_lock(&ms_records);
    int result = describe(object, fd);
    uint32_t slot = first_slot() - 1, left = MS_SLOT_MOST;
    int readers = 0;
    while (!result && !object->me && left) {
        slot = slot % MS_SLOT_MOST + 1;
        left--;
        result = slot_lock(object, slot, F_WRLCK);
        if (!result) {
            MS_STEP("claim: slot locked");
            set_right(object, slot); /* of its last owner, who is dead */
            ms_store_u64(&object->me, MS_WORD((uint32_t)getpid(), slot));
        } else if (result == -EAGAIN) {
            uint32_t tried = slot;
            readers |= is_reader(object, &slot);
            left -= slot - tried < left ? slot - tried : left;
            result = 0;
        }
    }
    if (!result && !object->me)
        result = readers ? -EBUSY : -EUSERS;
    pthread_mutex_unlock(&ms_records);
    return result;
}

/* The word names this process: whether any thread of it knows.  A thread says so in `pending` or
 * `lockers` before it changes the word and until it noted the change, and counts in `counts` what
 * it noted.  So when nobody is at work before and after the word was read, and nothing was noted in
 * between, then nobody here wrote that word. */
static int is_known_here(const ms_object *object, uint64_t word)
{
    uint64_t counts = ms_load_u64(&object->counts);
    return ms_at_work_here(object) ||
           ((ms_load_u64(&object->state->word) ^ word) & ~MS_CONTENDED) ||
           ms_at_work_here(object) || ms_load_u64(&object->counts) != counts;
}

int ms_recover(ms_object *object, int fd, uint64_t word)
{
    uint32_t slot = MS_SLOT(word);
    if (!slot || !ms_sane(object, word))
        return 1;
    if (!ms_same_state(object))
        return -EBADMSG;
    pthread_mutex_lock(&ms_records);
    int result = describe(object, fd);
    if (!result && slot == MS_SLOT(object->me)) {
        result = is_known_here(object, word) ? 0 : -EBADMSG;
    } else if (!result) {
        /* For reading: it is to be had unless the owner lives, who has it for writing.  Whoever may
         * only read the file can have it for reading too, for as long as it likes, and does not
         * hide a death by that. */
        result = slot_lock(object, slot, F_RDLCK);
        if (result == 0) {
            MS_STEP("recover: slot locked");
            set_right(object, slot);
            slot_lock(object, slot, F_UNLCK);
            result = 1;
        } else if (result == -EAGAIN)
            result = 0;
    }
    pthread_mutex_unlock(&ms_records);
    return result;
}
