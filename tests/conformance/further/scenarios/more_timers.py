# SPDX-License-Identifier: MIT
"""Waitable timers: names, due times, periods, and what waits take."""

MS = 10_000  #: in 100 ns
HOUR = 3_600_000


def names_are_told_apart_by_case(k):
    """The same name opens the timer that is there, another case is another timer."""
    name = k.name("timer") + "a"
    k.CreateWaitableTimer(None, False, name)
    k.GetLastError()
    k.CreateWaitableTimer(None, True, name)
    k.GetLastError()
    k.CreateWaitableTimer(None, False, name[:-1] + "A")
    k.GetLastError()
    k.OpenWaitableTimer(k.TIMER_ALL_ACCESS, False, name)
    k.attempt.OpenWaitableTimer(k.TIMER_ALL_ACCESS, False, name[:-1] + "B")
    k.attempt.OpenWaitableTimer(k.TIMER_ALL_ACCESS, False, None)


def types_are_told_apart(k):
    """One name is one object: another type is error 6, in both directions."""
    name = k.name("typed")
    timer = k.CreateWaitableTimer(None, False, name)
    k.attempt.CreateEvent(None, False, False, name)
    k.attempt.OpenSemaphore(k.SEMAPHORE_ALL_ACCESS, False, name)
    k.attempt.SetEvent(timer)
    k.CloseHandle(timer)
    event = k.CreateEvent(None, False, False, name)
    k.attempt.CreateWaitableTimer(None, False, name)
    k.attempt.OpenWaitableTimer(k.TIMER_ALL_ACCESS, False, name)
    k.attempt.SetWaitableTimer(event, 0, 0)
    k.attempt.CancelWaitableTimer(event)


def a_new_timer_is_not_set(k):
    """It is not signalled before it is set and due."""
    timer = k.CreateWaitableTimer(None, True, None)
    k.WaitForSingleObject(timer, 20)
    k.CancelWaitableTimer(timer)
    k.WaitForSingleObject(timer, 20)


def synchronization_lets_one_through(k):
    """A synchronization timer is not signalled any more when one wait has gone through."""
    timer = k.CreateWaitableTimer(None, False, None)
    k.SetWaitableTimer(timer, -20 * MS, 0)
    k.WaitForSingleObject(timer, 0)
    k.WaitForSingleObject(timer, 10000)
    k.WaitForSingleObject(timer, 50)


def notification_stays(k):
    """A notification timer stays signalled until it is set again."""
    timer = k.CreateWaitableTimer(None, True, None)
    k.SetWaitableTimer(timer, -20 * MS, 0)
    k.WaitForSingleObject(timer, 10000)
    k.WaitForSingleObject(timer, 0)
    k.SetWaitableTimer(timer, -HOUR * MS, 0)
    k.WaitForSingleObject(timer, 20)


def the_past_is_now(k):
    """A due time of 0, or one that has passed, is due at once."""
    timer = k.CreateWaitableTimer(None, False, None)
    k.SetWaitableTimer(timer, 0, 0)
    k.WaitForSingleObject(timer, 10000)
    k.WaitForSingleObject(timer, 20)
    k.SetWaitableTimer(timer, 1, 0)
    k.WaitForSingleObject(timer, 10000)
    k.SetWaitableTimer(timer, 116444736000000000, 0)
    k.WaitForSingleObject(timer, 10000)
    k.WaitForSingleObject(timer, 20)


def the_far_future_is_not_now(k):
    """The largest due times there are, absolute and relative, do not come."""
    timer = k.CreateWaitableTimer(None, False, None)
    k.SetWaitableTimer(timer, (1 << 63) - 1, 0)
    k.WaitForSingleObject(timer, 20)
    k.SetWaitableTimer(timer, -(1 << 62), 0)
    k.WaitForSingleObject(timer, 20)


def a_period_comes_again(k):
    """A timer with a period is due again and again, until it is cancelled."""
    timer = k.CreateWaitableTimer(None, False, None)
    k.SetWaitableTimer(timer, -20 * MS, 20)
    for _ in range(4):
        k.WaitForSingleObject(timer, 10000)
    k.CancelWaitableTimer(timer)
    k.WaitForSingleObject(timer, 0)
    k.WaitForSingleObject(timer, 60)


def what_was_missed_is_one(k):
    """However often it was due while nobody waited, one wait goes through for that."""
    timer = k.CreateWaitableTimer(None, False, None)
    k.SetWaitableTimer(timer, 0, 400)
    k.sleep(1000)
    k.WaitForSingleObject(timer, 0)
    k.WaitForSingleObject(timer, 0)
    k.WaitForSingleObject(timer, 10000)


def cancelling_keeps_what_is_signalled(k):
    """A timer that was due stays signalled when it is cancelled; one that was not does not come."""
    timer = k.CreateWaitableTimer(None, False, None)
    k.SetWaitableTimer(timer, 0, 0)
    k.sleep(50)
    k.CancelWaitableTimer(timer)
    k.WaitForSingleObject(timer, 0)
    k.WaitForSingleObject(timer, 0)
    k.SetWaitableTimer(timer, -60 * MS, 0)
    k.CancelWaitableTimer(timer)
    k.WaitForSingleObject(timer, 120)


def setting_again_replaces(k):
    """The last due time counts, and a signalled timer that is set is not signalled."""
    timer = k.CreateWaitableTimer(None, True, None)
    k.SetWaitableTimer(timer, 0, 0)
    k.WaitForSingleObject(timer, 10000)
    k.SetWaitableTimer(timer, -HOUR * MS, 0)
    k.WaitForSingleObject(timer, 0)
    k.SetWaitableTimer(timer, -20 * MS, 0)
    k.WaitForSingleObject(timer, 10000)


def a_waiter_learns_of_a_new_time(k):
    """Who sleeps for a timer that is set to an earlier time wakes at that time."""
    timer = k.CreateWaitableTimer(None, False, None)
    k.SetWaitableTimer(timer, -HOUR * MS, 0)
    waiter = k.thread(lambda: k.WaitForSingleObject(timer, 20000))
    k.sleep(50)
    k.SetWaitableTimer(timer, -20 * MS, 0)
    waiter.join()


def among_others(k):
    """A wait for any takes the timer that is due, a wait for all takes all or nothing."""
    timer = k.CreateWaitableTimer(None, False, None)
    event = k.CreateEvent(None, True, False, None)
    k.SetWaitableTimer(timer, -20 * MS, 0)
    k.WaitForMultipleObjects([event, timer], False, 10000)
    k.WaitForMultipleObjects([event, timer], False, 20)
    k.SetWaitableTimer(timer, 0, 0)
    k.WaitForMultipleObjects([event, timer], True, 50)
    k.SetEvent(event)
    k.WaitForMultipleObjects([event, timer], True, 10000)
    k.WaitForSingleObject(timer, 0)


def rights_are_checked(k):
    """Setting needs TIMER_MODIFY_STATE, waiting SYNCHRONIZE."""
    name = k.name("rights")
    k.CreateWaitableTimer(None, False, name)
    waits = k.OpenWaitableTimer(k.SYNCHRONIZE, False, name)
    sets = k.OpenWaitableTimer(k.TIMER_MODIFY_STATE, False, name)
    k.attempt.SetWaitableTimer(waits, 0, 0)
    k.attempt.CancelWaitableTimer(waits)
    k.attempt.WaitForSingleObject(sets, 0)
    k.SetWaitableTimer(sets, 0, 0)
    k.WaitForSingleObject(waits, 10000)


def a_duplicate_is_the_same_timer(k):
    """What is set through one handle comes through the other."""
    timer = k.CreateWaitableTimer(None, False, None)
    me = k.GetCurrentProcess()
    copy = k.DuplicateHandle(me, timer, me, 0, False, k.DUPLICATE_SAME_ACCESS)
    k.SetWaitableTimer(copy, -20 * MS, 0)
    k.CloseHandle(copy)
    k.WaitForSingleObject(timer, 10000)


def who_set_it_may_end(k):
    """A timer that another process set comes although that process has ended."""
    name = k.name("left")
    timer = k.CreateWaitableTimer(None, False, name)
    k.spawn("child_sets", name).wait()
    k.WaitForSingleObject(timer, 10000)
    k.WaitForSingleObject(timer, 0)


def child_sets(k, name):
    k.SetWaitableTimer(k.OpenWaitableTimer(k.TIMER_MODIFY_STATE, False, name), -300 * MS, 0)


def an_inherited_handle_sets_it(k):
    """A child waits for and sets its parent's timer through an inherited handle."""
    timer = k.CreateWaitableTimer(k.sa(inherit=True), False, None)
    k.SetWaitableTimer(timer, 0, 0)
    k.spawn("child_inherits", timer, inherit_handles=True).wait()
    k.WaitForSingleObject(timer, 10000)


def child_inherits(k, timer):
    timer = k.handle(timer)
    k.WaitForSingleObject(timer, 10000)
    k.WaitForSingleObject(timer, 0)
    k.SetWaitableTimer(timer, -300 * MS, 0)


def a_closed_timer_is_no_handle(k):
    """After the last handle is closed nothing is left of it."""
    name = k.name("gone")
    timer = k.CreateWaitableTimer(None, False, name)
    k.SetWaitableTimer(timer, -HOUR * MS, 0)
    k.CloseHandle(timer)
    k.attempt.SetWaitableTimer(timer, 0, 0)
    k.attempt.OpenWaitableTimer(k.SYNCHRONIZE, False, name)
