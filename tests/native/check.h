/* SPDX-License-Identifier: MIT
 *
 * What the C tests share: a check that says where it failed, and threads that start together.
 */
#ifndef MS_TESTS_CHECK_H
#define MS_TESTS_CHECK_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* Run `count` threads of `body`, each with its number; return when all have ended. */
static inline void together(int count, void *(*body)(void *))
{
    pthread_t threads[64];
    for (long i = 0; i < count; i++)
        CHECK(pthread_create(&threads[i], NULL, body, (void *)i) == 0);
    for (int i = 0; i < count; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

#endif
