# SPDX-License-Identifier: MIT
"""Mutexes, events, semaphores: what waits take, what they leave, and who may do what."""


def any_takes_from_one_only(k):
    """A wait for any takes one unit of the first that is signalled, and leaves the rest."""
    semaphore = k.CreateSemaphore(None, 2, 2, None)
    event = k.CreateEvent(None, False, True, None)
    k.WaitForMultipleObjects([semaphore, event], False, 0)
    k.WaitForMultipleObjects([semaphore, event], False, 0)
    k.WaitForMultipleObjects([semaphore, event], False, 0)
    k.WaitForMultipleObjects([semaphore, event], False, 0)


def all_takes_from_every_one(k):
    """A wait for all takes a unit of each, owns the mutex and resets the auto-reset event."""
    semaphore = k.CreateSemaphore(None, 1, 2, None)
    event = k.CreateEvent(None, False, True, None)
    manual = k.CreateEvent(None, True, True, None)
    mutex = k.CreateMutex(None, False, None)
    k.WaitForMultipleObjects([semaphore, event, manual, mutex], True, 1000)
    for handle in (semaphore, event, manual):
        k.WaitForSingleObject(handle, 0)
    k.in_thread(lambda: k.WaitForSingleObject(mutex, 0))
    k.ReleaseMutex(mutex)


def a_failed_wait_for_all_takes_nothing(k):
    """When one object is missing the mutex is not owned and the semaphore keeps its units."""
    mutex = k.CreateMutex(None, False, None)
    semaphore = k.CreateSemaphore(None, 1, 1, None)
    never = k.CreateEvent(None, True, False, None)
    k.WaitForMultipleObjects([mutex, semaphore, never], True, 30)
    k.attempt.ReleaseMutex(mutex)
    k.WaitForSingleObject(semaphore, 0)


def all_with_an_abandoned_mutex(k):
    """A wait for all that includes an abandoned mutex says so."""
    mutex = k.CreateMutex(None, False, None)
    event = k.CreateEvent(None, True, True, None)
    k.in_thread(lambda: k.WaitForSingleObject(mutex, 0))
    k.WaitForMultipleObjects([event, mutex], True, 5000)
    k.ReleaseMutex(mutex)
    k.WaitForMultipleObjects([event, mutex], True, 5000)


def completed_by_another_thread(k):
    """A wait for all ends when the last of its objects is signalled."""
    events = [k.CreateEvent(None, True, False, None) for _ in range(3)]
    waiter = k.thread(lambda: k.WaitForMultipleObjects(events, True, 20000))
    for event in events:
        k.sleep(30)
        k.SetEvent(event)
    waiter.join()


def recursion_is_counted(k):
    """Every successful wait by the owner needs a release, also one among several objects."""
    mutex = k.CreateMutex(None, True, None)
    event = k.CreateEvent(None, True, False, None)
    k.WaitForSingleObject(mutex, 0)
    k.WaitForMultipleObjects([event, mutex], False, 0)
    for _ in range(4):
        k.attempt.ReleaseMutex(mutex)


def only_the_thread_that_owns_it(k):
    """Another thread of the same process is refused with error 288, and so is a process."""
    name = k.name("owned")
    mutex = k.CreateMutex(None, True, name)
    k.in_thread(lambda: k.attempt.ReleaseMutex(mutex))
    k.spawn("child_releases", name).wait()
    k.ReleaseMutex(mutex)
    k.in_thread(lambda: k.attempt.ReleaseMutex(mutex))


def child_releases(k, name):
    k.attempt.ReleaseMutex(k.OpenMutex(k.SYNCHRONIZE, False, name))


def a_handle_with_synchronize_alone(k):
    """SYNCHRONIZE is enough to take and to release a mutex."""
    name = k.name("synchronize")
    k.CreateMutex(None, False, name)
    mutex = k.OpenMutex(k.SYNCHRONIZE, False, name)
    k.WaitForSingleObject(mutex, 0)
    k.ReleaseMutex(mutex)


def abandoned_by_one_of_two_threads(k):
    """The first waiter after the owner's end is told; those after it are not."""
    mutex = k.CreateMutex(None, False, None)
    k.in_thread(lambda: k.WaitForSingleObject(mutex, 0))
    k.in_thread(lambda: (k.WaitForSingleObject(mutex, 5000), k.ReleaseMutex(mutex)))
    k.in_thread(lambda: (k.WaitForSingleObject(mutex, 5000), k.ReleaseMutex(mutex)))


def abandoned_twice(k):
    """Whoever owns it next and ends abandons it again."""
    mutex = k.CreateMutex(None, False, None)
    k.in_thread(lambda: k.WaitForSingleObject(mutex, 0))
    k.in_thread(lambda: k.WaitForSingleObject(mutex, 5000))
    k.WaitForSingleObject(mutex, 5000)
    k.ReleaseMutex(mutex)


def abandoned_with_its_handle_closed(k):
    """Closing the handle does not release the mutex; the owner's end abandons it."""
    name = k.name("closed by its owner")
    mutex = k.CreateMutex(None, False, name)

    def body():
        own = k.OpenMutex(k.SYNCHRONIZE, False, name)
        k.WaitForSingleObject(own, 0)
        k.CloseHandle(own)
        k.observe("ends", True)

    k.in_thread(body)
    k.WaitForSingleObject(mutex, 5000)
    k.ReleaseMutex(mutex)


def a_mutex_closed_while_owned(k):
    """The last close of an owned mutex ends it, and its name is free."""
    name = k.name("closed while owned")
    k.CloseHandle(k.CreateMutex(None, True, name))
    k.attempt.OpenMutex(k.SYNCHRONIZE, False, name)
    again = k.CreateMutex(None, False, name)
    k.GetLastError()
    k.in_thread(lambda: (k.WaitForSingleObject(again, 0), k.ReleaseMutex(again)))


def the_largest_semaphore(k):
    """Counts go up to 2147483647."""
    semaphore = k.CreateSemaphore(None, 0x7FFFFFFE, 0x7FFFFFFF, None)
    k.ReleaseSemaphore(semaphore, 1)
    k.attempt.ReleaseSemaphore(semaphore, 1)
    k.attempt.ReleaseSemaphore(semaphore, 0x7FFFFFFF)
    k.WaitForSingleObject(semaphore, 0)
    k.ReleaseSemaphore(semaphore, 1)


def too_many_at_once(k):
    """A release beyond the maximum releases none of them."""
    semaphore = k.CreateSemaphore(None, 1, 3, None)
    k.attempt.ReleaseSemaphore(semaphore, 3)
    k.ReleaseSemaphore(semaphore, 2)
    for _ in range(4):
        k.WaitForSingleObject(semaphore, 0)


def set_again_and_again(k):
    """Setting a set event and resetting a reset one change nothing."""
    for manual in (True, False):
        event = k.CreateEvent(None, manual, False, None)
        k.ResetEvent(event)
        k.SetEvent(event)
        k.SetEvent(event)
        k.WaitForSingleObject(event, 0)
        k.WaitForSingleObject(event, 0)
        k.ResetEvent(event)
        k.WaitForSingleObject(event, 0)


def wrong_types(k):
    """Each function wants its own type: error 6 otherwise."""
    event = k.CreateEvent(None, True, False, None)
    mutex = k.CreateMutex(None, True, None)
    semaphore = k.CreateSemaphore(None, 0, 1, None)
    for handle in (mutex, semaphore, 0, 0x7FFFFFF0):
        k.attempt.SetEvent(handle)
        k.attempt.ResetEvent(handle)
        k.attempt.PulseEvent(handle)
    for handle in (event, semaphore, 0, 0x7FFFFFF0):
        k.attempt.ReleaseMutex(handle)
    for handle in (event, mutex, 0, 0x7FFFFFF0):
        k.attempt.ReleaseSemaphore(handle, 1)


def waiting_for_a_closed_handle(k):
    """A closed handle cannot be waited for, alone or among others."""
    event, other = k.CreateEvent(None, True, True, None), k.CreateEvent(None, True, True, None)
    k.CloseHandle(event)
    k.attempt.WaitForSingleObject(event, 0)
    k.attempt.WaitForMultipleObjects([other, event], False, 0)
    k.attempt.WaitForMultipleObjects([other, event], True, 0)


def several_processes_and_one_event(k):
    """A process that has ended is signalled for ever, also in a wait for all."""
    child = k.spawn("child_ends_when_told")
    child.recv()
    process = k.OpenProcess(k.SYNCHRONIZE, False, k.pid(child.pid))
    event = k.CreateEvent(None, True, True, None)
    k.WaitForMultipleObjects([process, event], False, 0)
    k.WaitForMultipleObjects([process, event], True, 20)
    child.send("end")
    child.wait()
    k.WaitForMultipleObjects([process, event], True, 20000)
    k.WaitForSingleObject(process, 0)
    k.WaitForSingleObject(process, 0)


def child_ends_when_told(k):
    k.send("ready")
    k.recv()


def killed_while_waiting(k):
    """A waiter that is killed takes nothing with it."""
    name = k.name("waited for")
    semaphore = k.CreateSemaphore(None, 0, 5, name)
    child = k.spawn("child_waits", name)
    child.recv()
    k.sleep(100)
    child.kill()
    k.ReleaseSemaphore(semaphore, 1)
    k.WaitForSingleObject(semaphore, 0)
    k.WaitForSingleObject(semaphore, 0)


def child_waits(k, name):
    semaphore = k.OpenSemaphore(k.SYNCHRONIZE, False, name)
    k.send("waiting")
    k.silent.WaitForSingleObject(semaphore, 60000)


def a_queue_between_processes(k):
    """Producer and consumer: a mutex, a semaphore for what is there, and a section for the data."""
    name = k.name("queue")
    section = k.CreateFileMapping(k.INVALID_HANDLE_VALUE, None, k.PAGE_READWRITE, 0, 4096, name)
    view = k.MapViewOfFile(section, k.FILE_MAP_WRITE, 0, 0, 0)
    mutex = k.CreateMutex(None, False, k.name("queue mutex"))
    items = k.CreateSemaphore(None, 0, 100, k.name("queue items"))
    child = k.spawn("child_consumes", name, k.name("queue mutex"), k.name("queue items"))
    for number in range(20):
        k.silent.WaitForSingleObject(mutex, k.INFINITE)
        k.silent_write(view + 1 + number, bytes([number + 1]))
        k.silent.ReleaseMutex(mutex)
        k.silent.ReleaseSemaphore(items, 1)
    child.wait()
    k.observe("left", k.silent.WaitForSingleObject(items, 0) == 0x102)


def child_consumes(k, section_name, mutex_name, items_name):
    view = k.MapViewOfFile(
        k.OpenFileMapping(k.FILE_MAP_WRITE, False, section_name), k.FILE_MAP_WRITE, 0, 0, 0
    )
    mutex = k.OpenMutex(k.SYNCHRONIZE, False, mutex_name)
    items = k.OpenSemaphore(k.SYNCHRONIZE, False, items_name)
    total = 0
    for number in range(20):
        k.silent.WaitForSingleObject(items, k.INFINITE)
        k.silent.WaitForSingleObject(mutex, k.INFINITE)
        total += k.silent_read(view + 1 + number, 1)[0]
        k.silent.ReleaseMutex(mutex)
    k.observe("total", total)
