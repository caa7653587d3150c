/* SPDX-License-Identifier: MIT
 *
 * What channel_steps.c and call_steps.c share: an end and what it has in hand, and the bytes of
 * messages.
 */
#ifndef CHANNEL_STEPS_H
#define CHANNEL_STEPS_H

#include "channel/ms_call.h"

#include <errno.h>
#include <string.h>

#include "ms_futex.h"

typedef struct {
    ms_end end;
    ms_message kept;
    ms_call asked, taken; /* of a client, of a server */
    ms_content request;
    int64_t seed; /* of the call in hand */
} actor;

static inline void fill(unsigned char *bytes, uint64_t length, uint32_t seed)
{
    for (uint64_t i = 0; i < length; i++)
        bytes[i] = (unsigned char)(seed + (i < 4 ? 0 : i));
    memcpy(bytes, &seed, 4);
}

static inline int64_t check(const unsigned char *bytes, uint64_t length)
{
    uint32_t seed;
    if (length < 4)
        return -EILSEQ;
    memcpy(&seed, bytes, 4);
    for (uint64_t i = 4; i < length; i++)
        if (bytes[i] != (unsigned char)(seed + i))
            return -EILSEQ;
    return seed;
}

static inline int patient(ms_await *wait)
{
    int result;
    while ((result = ms_await_change(wait)) == -EINTR)
        return 0;
    return result;
}

static inline ms_await begin(actor *one, int what, uint64_t length, int64_t timeout_ms)
{
    return (ms_await){.end = &one->end,
                      .what = what,
                      .length = length,
                      .deadline = timeout_ms < 0 ? MS_FOREVER
                                  : timeout_ms   ? ms_now() + timeout_ms * 1000000
                                                 : 0};
}

#endif
