/* SPDX-License-Identifier: MIT
 *
 * What a wait for several things has to know of something that is none of its own objects: an end
 * of a channel.
 */
#ifndef MS_OTHER_H
#define MS_OTHER_H

#include <stdint.h>

/* Something of another part of the library that can be waited for and is not taken: what that part
 * says of it. */
typedef struct {
    void *self;
    int (*ready)(void *self); /* whether it is ready */
    int (*look)(void *self);  /* the same, after looking after those who may have died */
    uint32_t *(*mark)(
        void *self,
        uint32_t *value);      /* before sleeping: the word that changes, and what it holds */
    void (*leave)(void *self); /* after a sleep: whoever else sleeps is not to miss anything */
    /* How long, up to `until`, it may be slept on after `mark`; NULL: all that time, because every
     * change wakes. */
    int64_t (*limit)(void *self, int64_t until);
} ms_other;

#endif
