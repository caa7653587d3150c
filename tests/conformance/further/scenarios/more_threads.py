# SPDX-License-Identifier: MIT
"""Threads as objects: handles to them, what those tell, and waiting for their end."""

import threading


class _Other:
    """A thread of this process that runs until it is told to end."""

    def __init__(self, k):
        self._k = k
        self._told = threading.Event()
        self._end = threading.Event()
        self.handle = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._told.wait(60)

    def _run(self):
        silent, k = self._k.silent, self._k
        self.tid = silent.GetCurrentThreadId()
        self.handle = silent.DuplicateHandle(-1, -2, -1, 0, False, k.DUPLICATE_SAME_ACCESS)
        self._told.set()
        self._end.wait(60)

    def end(self):
        self._end.set()


def _opened(k, other, access):
    """A handle to the other thread, by its id."""
    return k.OpenThread(access, False, k.tid(other.tid))


def the_pseudo_handle_becomes_a_real_one(k):
    """A duplicate of the pseudo handle means the thread that made it."""
    me, thread = k.GetCurrentProcess(), k.GetCurrentThread()
    real = k.DuplicateHandle(me, thread, me, 0, False, k.DUPLICATE_SAME_ACCESS)
    k.NtQueryObject(real, k.ObjectTypeInformation)
    k.NtQueryObject(thread, k.ObjectTypeInformation)
    k.CompareObjectHandles(real, thread)
    k.CompareObjectHandles(real, me)
    k.observe("in another thread", k.in_thread(lambda: k.CompareObjectHandles(real, thread)))
    k.observe("it is this one", int(k.GetThreadId(real)) == int(k.GetCurrentThreadId()))
    k.GetExitCodeThread(real)
    k.WaitForSingleObject(real, 0)


def a_thread_is_opened_by_its_id(k):
    """The handle means the same object as any other to that thread."""
    other = _Other(k)
    mine = k.handle(other.handle)
    opened = _opened(k, other, k.SYNCHRONIZE | k.THREAD_QUERY_LIMITED_INFORMATION)
    k.NtQueryObject(opened, k.ObjectTypeInformation)
    k.CompareObjectHandles(opened, mine)
    k.CompareObjectHandles(opened, k.GetCurrentThread())
    k.observe("it is that one", int(k.GetThreadId(opened)) == other.tid)
    k.GetProcessIdOfThread(opened)
    other.end()


def its_end_is_waited_for(k):
    """A thread is signaled when it has ended, for ever and for everybody."""
    other = _Other(k)
    thread = _opened(k, other, k.SYNCHRONIZE | k.THREAD_QUERY_LIMITED_INFORMATION)
    event = k.CreateEvent(None, True, False, None)
    k.WaitForSingleObject(thread, 0)
    k.GetExitCodeThread(thread)
    k.WaitForMultipleObjects([event, thread], False, 10)
    other.end()
    k.WaitForSingleObject(thread, 30000)
    k.WaitForSingleObject(thread, 0)
    k.GetExitCodeThread(thread)
    k.WaitForMultipleObjects([event, thread], False, 30000)
    k.SetEvent(event)
    k.WaitForMultipleObjects([event, thread], True, 30000)
    k.observe("it is that one", int(k.GetThreadId(thread)) == other.tid)


def a_wait_that_began_before_the_end(k):
    """Who sleeps for a thread is woken by its end."""
    other = _Other(k)
    thread = k.handle(other.handle)
    waiting = k.thread(lambda: k.WaitForSingleObject(thread, 30000))
    k.sleep(50)
    other.end()
    waiting.join()


def what_a_handle_grants(k):
    """Waiting, asking and copying need their rights."""
    other = _Other(k)
    waiter = _opened(k, other, k.SYNCHRONIZE)
    k.attempt.GetThreadId(waiter)
    k.attempt.GetExitCodeThread(waiter)
    asker = _opened(k, other, k.THREAD_QUERY_INFORMATION)
    k.attempt.WaitForSingleObject(asker, 0)
    k.observe("it is that one", int(k.GetThreadId(asker)) == other.tid)
    k.GetExitCodeThread(asker)
    me = k.GetCurrentProcess()
    copy = k.DuplicateHandle(me, asker, me, k.THREAD_QUERY_LIMITED_INFORMATION, False, 0)
    k.GetExitCodeThread(copy)
    k.attempt.WaitForSingleObject(copy, 0)
    whole = k.attempt.DuplicateHandle(me, asker, me, k.THREAD_ALL_ACCESS, False, 0)
    k.WaitForSingleObject(whole, 0)
    other.end()


def what_is_no_thread(k):
    """Other objects are not asked as threads, and threads not as others."""
    event = k.CreateEvent(None, True, False, None)
    me = k.GetCurrentProcess()
    for handle in (event, me, 0):
        k.attempt.GetThreadId(handle)
        k.attempt.GetExitCodeThread(handle)
    k.attempt.SetEvent(k.GetCurrentThread())
    k.attempt.OpenThread(k.SYNCHRONIZE, False, 0)
    k.attempt.OpenThread(k.SYNCHRONIZE, False, 0x7FFFFFF0)


def an_ended_thread_keeps_its_handle(k):
    """A handle outlives the thread, and can be copied."""
    other = _Other(k)
    thread = k.handle(other.handle)
    other.end()
    k.WaitForSingleObject(thread, 30000)
    me = k.GetCurrentProcess()
    copy = k.DuplicateHandle(me, thread, me, 0, False, k.DUPLICATE_SAME_ACCESS)
    k.CompareObjectHandles(copy, thread)
    k.CloseHandle(thread)
    k.WaitForSingleObject(copy, 0)
    k.GetExitCodeThread(copy)
    k.CloseHandle(copy)
    k.attempt.WaitForSingleObject(copy, 0)


def a_thread_of_another_process(k):
    """A child's thread, and an inheritable handle to one of this process in a child."""
    me, thread = k.GetCurrentProcess(), k.GetCurrentThread()
    mine = k.DuplicateHandle(me, thread, me, 0, True, k.DUPLICATE_SAME_ACCESS)
    k.GetHandleInformation(mine)
    child = k.spawn("child_thread", mine, inherit_handles=True)
    (tid,) = child.recv()
    opened = k.OpenThread(k.SYNCHRONIZE | k.THREAD_QUERY_LIMITED_INFORMATION, False, k.tid(tid))
    k.WaitForSingleObject(opened, 0)
    k.GetExitCodeThread(opened)
    child.send("end")
    child.wait()
    k.WaitForSingleObject(opened, 30000)
    k.GetExitCodeThread(opened)


def child_thread(k, value):
    inherited = k.handle(value)
    k.NtQueryObject(inherited, k.ObjectTypeInformation)
    k.WaitForSingleObject(inherited, 0)
    k.GetExitCodeThread(inherited)
    k.CompareObjectHandles(inherited, k.GetCurrentThread())
    k.send(int(k.GetCurrentThreadId()))
    k.recv()
