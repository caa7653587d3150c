/* SPDX-License-Identifier: MIT
 *
 * Signals of one thread are put off from before a fork until the child has forgotten what is its
 * parent's: a handler that raises in between would end that half-way.  Those of faults are not: a
 * fault whose signal is blocked ends the process, and the guards of views handle some of them.
 */
#ifndef MS_SIGNALS_H
#define MS_SIGNALS_H

#include <pthread.h>
#include <signal.h>

static _Thread_local sigset_t ms_signals_before;
static _Thread_local int ms_signals_are_put_off;

static inline void ms_put_signals_off(void)
{
    static const int of_faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
    sigset_t all;
    if (ms_signals_are_put_off++)
        return;
    sigfillset(&all);
    for (unsigned i = 0; i < sizeof of_faults / sizeof *of_faults; i++)
        sigdelset(&all, of_faults[i]);
    pthread_sigmask(SIG_BLOCK, &all, &ms_signals_before);
}

static inline void ms_deliver_signals(void)
{
    if (ms_signals_are_put_off && !--ms_signals_are_put_off)
        pthread_sigmask(SIG_SETMASK, &ms_signals_before, NULL);
}

#endif
