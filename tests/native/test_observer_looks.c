/* SPDX-License-Identifier: MIT
 *
 * How often an observer looks that no sender wakes: on a clock that goes on only while it sleeps,
 * and with looks that are counted.
 */
#define _GNU_SOURCE
#include "channel/ms_sleep.h"
#include "channel/ms_topic.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int64_t now = 1000000000ll;
static uint32_t looks, naps;

static int64_t counted_now(void)
{
    return now;
}

static int counted_nap(int64_t ns)
{
    now += ns;
    naps++;
    return 0;
}

static int counted_find(ms_end *end, ms_entry **entry, uint64_t *seen, uint64_t *at)
{
    looks++;
    return ms_topic_find(end, entry, seen, at);
}

#define ms_now counted_now
#define ms_nap counted_nap
#define ms_topic_find counted_find
#include "channel/ms_observer.c"
#undef ms_now
#undef ms_nap
#undef ms_topic_find

#include "check.h"

enum { SECONDS = 3 };

int main(void)
{
    ms_shape shape = {.capacity = 8, .small_units = 24, .flags = MS_TOPIC, .history = 3};
    uint64_t size = ms_channel_size(&shape);
    int fd = memfd_create("topic", MFD_CLOEXEC);
    CHECK(fd >= 0 && !ftruncate(fd, (off_t)size));
    unsigned char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(memory != MAP_FAILED);
    ms_channel_format(memory, &shape);
    ms_end sender, observer;
    CHECK(!ms_end_open(&sender, memory, size, &shape, fd, MS_ROLE_SEND));
    CHECK(!ms_observer_open(&observer, memory, size, &shape, fd));

    ms_spin_set(0);
    int64_t begun = now;
    ms_await wait = {
        .end = &observer, .what = MS_FOR_MESSAGE, .deadline = now + SECONDS * 1000000000ll};
    int result = 0;
    while (result != -ETIMEDOUT) {
        ms_message message;
        CHECK(ms_observer_pull(&observer, &message, 0) == -EAGAIN);
        result = ms_observer_await(&wait);
        CHECK(result == 0 || result == -EINTR || result == -ETIMEDOUT);
    }
    CHECK(now - begun >= SECONDS * 1000000000ll);
    CHECK(naps > SECONDS * 500 && looks > naps);
    CHECK(looks <= SECONDS * 1000);
    ms_end_close(&sender);
    munmap(memory, size);
    close(fd);
    return 0;
}
