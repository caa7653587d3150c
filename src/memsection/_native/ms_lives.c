/* SPDX-License-Identifier: MIT
 *
 * See ms_lives.h.
 */
#define _GNU_SOURCE
#include "ms_lives.h"

#include <errno.h>

#ifdef _WIN32

#include <stdio.h>
#include <windows.h>

void ms_lives_init(ms_lives *lives, int64_t locks)
{
    *lives = (ms_lives){.held = NULL};
}

int ms_lives_is_open(const ms_lives *lives)
{
    return lives->token[0] || lives->token[1];
}

int ms_lives_open(ms_lives *lives, int fd, const uint64_t token[2])
{
    if (!token[0] && !token[1])
        return -EBADMSG;
    lives->token[0] = token[0];
    lives->token[1] = token[1];
    return 0;
}

static void end(void **event)
{
    if (*event)
        CloseHandle(*event);
    *event = NULL;
}

void ms_lives_close(ms_lives *lives)
{
    end(&lives->held);
    end(&lives->blocked);
    lives->token[0] = lives->token[1] = 0;
}

void ms_lives_forked(ms_lives *lives) {}

typedef char event_name[96];

static void name_of(const ms_lives *lives, uint32_t slot, event_name name)
{ /* Global\: the processes need not be of one session */
    snprintf(name, sizeof(event_name), "Global\\memsection.lives.%016llx%016llx.%u",
             (unsigned long long)lives->token[0], (unsigned long long)lives->token[1],
             (unsigned)slot);
}

/* Make the event of a slot, if nobody has it.  An event of that name that was made by somebody
 * else, who perhaps does not let us open it, is as good a proof as any. */
static int make(const ms_lives *lives, uint32_t slot, void **event)
{
    event_name name;
    name_of(lives, slot, name);
    HANDLE made = CreateEventA(NULL, TRUE, FALSE, name);
    DWORD error = GetLastError();
    if (made && error != ERROR_ALREADY_EXISTS) {
        *event = made;
        return 0;
    }
    if (made)
        CloseHandle(made);
    if (made || error == ERROR_ACCESS_DENIED || error == ERROR_INVALID_HANDLE)
        return -EAGAIN;
    return -ENOMEM;
}

int ms_lives_hold(ms_lives *lives, uint32_t slot)
{
    return make(lives, slot, &lives->held);
}

int ms_lives_block(ms_lives *lives, uint32_t slot)
{
    return make(lives, slot, &lives->blocked);
}

void ms_lives_unblock(ms_lives *lives, uint32_t slot)
{
    end(&lives->blocked);
}

int ms_lives_is_squatted(const ms_lives *lives, uint32_t slot)
{
    return 0;
}

void ms_lives_watch(ms_lives *lives, int fd, const uint64_t token[2])
{
    ms_lives_open(lives, fd, token);
}

int ms_lives_is_held(const ms_lives *lives, uint32_t slot)
{
    event_name name;
    name_of(lives, slot, name);
    HANDLE found = OpenEventA(SYNCHRONIZE, FALSE, name);
    if (!found)
        return GetLastError() == ERROR_ACCESS_DENIED;
    CloseHandle(found);
    return 1;
}

#else

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

void ms_lives_init(ms_lives *lives, int64_t locks)
{
    *lives = (ms_lives){.locks = locks, .fd = -1};
}

int ms_lives_is_open(const ms_lives *lives)
{
    return lives->fd >= 0;
}

int ms_lives_open(ms_lives *lives, int fd, const uint64_t token[2])
{
    (void)token;
    char path[40]; /* a description of our own, which no handle and no child shares */
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int own = open(path, O_RDWR | O_CLOEXEC);
    if (own < 0)
        return -errno;
    lives->fd = own;
    return 0;
}

void ms_lives_close(ms_lives *lives)
{
    if (lives->fd >= 0)
        close(lives->fd);
    lives->fd = -1;
}

void ms_lives_forked(ms_lives *lives)
{
    int parents = lives->fd;
    if (parents < 0)
        return;
    lives->fd = -1;
    ms_lives_open(lives, parents, NULL);
    close(parents);
}

static struct flock range(const ms_lives *lives, uint32_t slot, short type)
{
    return (struct flock){
        .l_type = type, .l_whence = SEEK_SET, .l_start = lives->locks + slot, .l_len = 1};
}

static int lock(const ms_lives *lives, uint32_t slot, short type)
{
    struct flock asked = range(lives, slot, type);
    while (fcntl(lives->fd, F_OFD_SETLK, &asked))
        if (errno != EINTR)
            return errno == EACCES ? -EAGAIN : -errno;
    return 0;
}

int ms_lives_hold(ms_lives *lives, uint32_t slot)
{
    return lock(lives, slot, F_WRLCK);
}

int ms_lives_block(ms_lives *lives, uint32_t slot)
{
    /* A read lock: it excludes who has the slot and who wants it, and not others who recover: who
     * may only read the file can have such locks too, and must not be able to hide a death by them.
     */
    return lives->fd < 0 ? -EAGAIN : lock(lives, slot, F_RDLCK);
}

void ms_lives_unblock(ms_lives *lives, uint32_t slot)
{
    lock(lives, slot, F_UNLCK);
}

int ms_lives_is_squatted(const ms_lives *lives, uint32_t slot)
{
    /* A slot is held by a lock for writing, which takes more than the right to read. */
    struct flock asked = range(lives, slot, F_WRLCK);
    return !fcntl(lives->fd, F_OFD_GETLK, &asked) && asked.l_type == F_RDLCK;
}

void ms_lives_watch(ms_lives *lives, int fd, const uint64_t token[2])
{
    (void)token;
    lives->fd = fd;
}

int ms_lives_is_held(const ms_lives *lives, uint32_t slot)
{
    /* A lock for reading proves nothing: everybody who may read the file can have one. */
    struct flock asked = range(lives, slot, F_RDLCK);
    while (fcntl(lives->fd, F_OFD_GETLK, &asked))
        if (errno != EINTR)
            return 0;
    return asked.l_type == F_WRLCK;
}

#endif
