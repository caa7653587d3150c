# SPDX-License-Identifier: MIT
"""Handles of every type: duplicating, comparing, flags, and pseudo handles."""


def _section(k, name=None, sa=None):
    return k.CreateFileMapping(k.INVALID_HANDLE_VALUE, sa, k.PAGE_READWRITE, 0, 4096, name)


def every_type_can_be_duplicated(k):
    """Mutexes, events, semaphores and processes are duplicated like sections, with less access if
    asked."""
    me = k.GetCurrentProcess()
    event = k.CreateEvent(None, True, False, None)
    mutex = k.CreateMutex(None, False, None)
    semaphore = k.CreateSemaphore(None, 1, 2, None)
    for handle in (event, mutex, semaphore):
        copy = k.DuplicateHandle(me, handle, me, 0, False, k.DUPLICATE_SAME_ACCESS)
        k.NtQueryObject(copy, k.ObjectBasicInformation)
        k.CompareObjectHandles(handle, copy)
        k.NtQueryObject(
            k.DuplicateHandle(me, handle, me, k.SYNCHRONIZE, False, 0), k.ObjectBasicInformation
        )
    waiting = k.DuplicateHandle(me, event, me, k.SYNCHRONIZE, False, 0)
    k.attempt.SetEvent(waiting)
    k.SetEvent(event)
    k.WaitForSingleObject(waiting, 0)
    setting = k.DuplicateHandle(me, event, me, k.EVENT_MODIFY_STATE, False, 0)
    k.attempt.WaitForSingleObject(setting, 0)
    k.ResetEvent(setting)
    k.WaitForSingleObject(waiting, 0)


def a_real_handle_of_the_own_process(k):
    """Duplicating the pseudo handle gives a real one, with a value, flags and an end."""
    me = k.GetCurrentProcess()
    real = k.DuplicateHandle(me, me, me, 0, False, k.DUPLICATE_SAME_ACCESS)
    k.observe("a real value", int(real) > 0)
    k.CompareObjectHandles(me, real)
    k.GetHandleInformation(real)
    k.WaitForSingleObject(real, 0)
    section = _section(k)
    copy = k.DuplicateHandle(real, section, real, 0, False, k.DUPLICATE_SAME_ACCESS)
    k.CloseHandle(real)
    k.attempt.WaitForSingleObject(real, 0)
    k.CloseHandle(copy)


def a_mutex_taken_through_one_handle(k):
    """Ownership is of the object: a mutex taken through one handle is released through another."""
    me = k.GetCurrentProcess()
    mutex = k.CreateMutex(None, True, None)
    copy = k.DuplicateHandle(me, mutex, me, 0, False, k.DUPLICATE_SAME_ACCESS)
    k.ReleaseMutex(copy)
    k.attempt.ReleaseMutex(mutex)
    k.WaitForSingleObject(copy, 0)
    k.CloseHandle(mutex)
    k.ReleaseMutex(copy)


def closing_with_the_lowest_bits_set(k):
    """The two lowest bits of a value do not matter for closing and duplicating either."""
    me = k.GetCurrentProcess()
    section = _section(k)
    copy = k.DuplicateHandle(me, k.with_low_bits(section, 2), me, 0, False, k.DUPLICATE_SAME_ACCESS)
    k.SetHandleInformation(k.with_low_bits(copy, 1), k.HANDLE_FLAG_INHERIT, k.HANDLE_FLAG_INHERIT)
    k.GetHandleInformation(copy)
    k.CloseHandle(k.with_low_bits(section, 3))
    k.attempt.GetHandleInformation(section)


def comparing_across_types(k):
    """Handles of different objects differ, whatever their types; a bad one is error 6."""
    section, event = _section(k), k.CreateEvent(None, True, False, None)
    k.attempt.CompareObjectHandles(section, event)
    k.attempt.CompareObjectHandles(section, k.GetCurrentProcess())
    name = k.name("compared")
    one = k.CreateMutex(None, False, name)
    two = k.OpenMutex(k.SYNCHRONIZE, False, name)
    k.CompareObjectHandles(one, two)


def protected_and_inheritable(k):
    """Both flags can be set at once, and each is cleared alone."""
    both = k.HANDLE_FLAG_INHERIT | k.HANDLE_FLAG_PROTECT_FROM_CLOSE
    event = k.CreateEvent(k.sa(inherit=True), True, False, None)
    k.SetHandleInformation(event, both, both)
    k.GetHandleInformation(event)
    k.attempt.CloseHandle(event)
    k.SetHandleInformation(event, k.HANDLE_FLAG_INHERIT, 0)
    k.GetHandleInformation(event)
    k.SetHandleInformation(event, 0, both)
    k.GetHandleInformation(event)
    k.SetHandleInformation(event, both, 0)
    k.CloseHandle(event)


def a_duplicate_of_a_protected_handle_is_not_protected(k):
    """Protection belongs to the handle that has it."""
    me = k.GetCurrentProcess()
    section = _section(k)
    k.SetHandleInformation(
        section, k.HANDLE_FLAG_PROTECT_FROM_CLOSE, k.HANDLE_FLAG_PROTECT_FROM_CLOSE
    )
    copy = k.DuplicateHandle(me, section, me, 0, False, k.DUPLICATE_SAME_ACCESS)
    k.GetHandleInformation(copy)
    k.CloseHandle(copy)
    k.SetHandleInformation(section, k.HANDLE_FLAG_PROTECT_FROM_CLOSE, 0)
    k.CloseHandle(section)


def handle_count_of_every_type(k):
    """The object counts its handles: created, opened, duplicated, closed."""
    me = k.GetCurrentProcess()
    name = k.name("counted")
    event = k.CreateEvent(None, True, False, name)
    k.NtQueryObject(event, k.ObjectBasicInformation)
    opened = k.OpenEvent(k.SYNCHRONIZE, False, name)
    k.NtQueryObject(opened, k.ObjectBasicInformation)
    copy = k.DuplicateHandle(me, event, me, 0, False, k.DUPLICATE_SAME_ACCESS)
    k.NtQueryObject(event, k.ObjectBasicInformation)
    k.CloseHandle(copy)
    k.CloseHandle(opened)
    k.NtQueryObject(event, k.ObjectBasicInformation)


def names_of_every_type(k):
    """An object's full name has its directory in front, whatever its type; unnamed objects have
    none."""
    k.NtQueryObject(k.CreateMutex(None, False, k.name("mutex")), k.ObjectNameInformation)
    k.NtQueryObject(
        k.CreateEvent(None, False, False, k.name("event", "Global\\")), k.ObjectNameInformation
    )
    k.NtQueryObject(
        k.CreateSemaphore(None, 0, 1, k.name("semaphore", "Local\\")), k.ObjectNameInformation
    )
    k.NtQueryObject(k.CreateEvent(None, False, False, None), k.ObjectNameInformation)
    k.NtQueryObject(_section(k), k.ObjectNameInformation)


def closing_in_another_process(k):
    """DUPLICATE_CLOSE_SOURCE without taking the handle closes it in the other process."""
    child = k.spawn("child_has_a_section")
    (value,) = child.recv()
    process = k.OpenProcess(k.PROCESS_DUP_HANDLE, False, k.pid(child.pid))
    taken = k.DuplicateHandle(
        process,
        k.handle(value),
        k.GetCurrentProcess(),
        0,
        False,
        k.DUPLICATE_SAME_ACCESS | k.DUPLICATE_CLOSE_SOURCE,
    )
    k.read(k.MapViewOfFile(taken, k.FILE_MAP_READ, 0, 0, 0), 5)
    child.send("look")
    child.wait()


def child_has_a_section(k):
    section = _section(k)
    view = k.MapViewOfFile(section, k.FILE_MAP_WRITE, 0, 0, 0)
    k.write(view, b"child")
    k.send(section)
    k.recv()
    k.read(view, 5)


def events_go_between_processes(k):
    """An unnamed event is given to another process by value, which sets it."""
    event = k.CreateEvent(None, True, False, None)
    child = k.spawn("child_sets_what_it_is_given")
    child.recv()
    process = k.OpenProcess(k.PROCESS_DUP_HANDLE, False, k.pid(child.pid))
    given = k.DuplicateHandle(k.GetCurrentProcess(), event, process, k.EVENT_MODIFY_STATE, False, 0)
    child.send(given)
    k.WaitForSingleObject(event, 20000)
    child.wait()


def child_sets_what_it_is_given(k):
    k.send("ready")
    (value,) = k.recv()
    event = k.handle(value)
    k.attempt.WaitForSingleObject(event, 0)
    k.SetEvent(event)


def a_mutex_taken_from_another_process(k):
    """A mutex taken by its handle value is held by the other process until that ends."""
    child = k.spawn("child_owns_a_mutex")
    (value,) = child.recv()
    process = k.OpenProcess(k.PROCESS_DUP_HANDLE, False, k.pid(child.pid))
    mutex = k.DuplicateHandle(
        process, k.handle(value), k.GetCurrentProcess(), 0, False, k.DUPLICATE_SAME_ACCESS
    )
    k.WaitForSingleObject(mutex, 0)
    k.attempt.ReleaseMutex(mutex)
    child.kill()
    k.WaitForSingleObject(mutex, 20000)
    k.ReleaseMutex(mutex)
    k.WaitForSingleObject(mutex, 0)


def child_owns_a_mutex(k):
    k.send(k.CreateMutex(None, True, None))
    k.recv()
