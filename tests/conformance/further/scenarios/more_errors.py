# SPDX-License-Identifier: MIT
"""The last error after success, and failures that leave things as they were."""


def _section(k, name=None, size=0x10000):
    return k.CreateFileMapping(k.INVALID_HANDLE_VALUE, None, k.PAGE_READWRITE, 0, size, name)


def success_leaves_the_last_error_alone(k):
    """Calls that succeed do not touch the last error, creates apart."""
    section = _section(k)
    k.SetLastError(4242)
    view = k.MapViewOfFile(section, k.FILE_MAP_WRITE, 0, 0, 0)
    k.GetLastError()
    k.UnmapViewOfFile(view)
    k.GetHandleInformation(section)
    k.GetLastError()
    me = k.GetCurrentProcess()
    copy = k.DuplicateHandle(me, section, me, 0, False, k.DUPLICATE_SAME_ACCESS)
    k.CloseHandle(copy)
    k.GetLastError()


def creates_of_every_type(k):
    """Every create sets the last error: 0 for a new object, 183 for one that exists."""
    for leaf, create in (
        ("event", lambda name: k.CreateEvent(None, True, False, name)),
        ("mutex", lambda name: k.CreateMutex(None, False, name)),
        ("semaphore", lambda name: k.CreateSemaphore(None, 1, 1, name)),
        ("section", lambda name: _section(k, name)),
    ):
        k.SetLastError(4242)
        create(k.name(leaf))
        k.GetLastError()
        create(k.name(leaf))
        k.GetLastError()
        create(None)
        k.GetLastError()


def failures_of_every_type(k):
    """A failing call sets the last error to the code that it raises."""
    for fail in (
        lambda: k.OpenEvent(k.SYNCHRONIZE, False, k.name("none")),
        lambda: k.CloseHandle(0x7FFFFFF0),
        lambda: k.MapViewOfFile(_section(k), k.FILE_MAP_READ, 0, 1, 0),
        lambda: k.ReleaseMutex(k.CreateMutex(None, False, None)),
        lambda: k.CreateSemaphore(None, 2, 1, None),
    ):
        k.SetLastError(4242)
        try:
            fail()
        except OSError:
            pass
        k.GetLastError()


def a_failed_create_leaves_no_name(k):
    """A create that fails makes nothing."""
    name = k.name("never made")
    k.attempt.CreateFileMapping(k.INVALID_HANDLE_VALUE, None, k.PAGE_NOACCESS, 0, 4096, name)
    k.attempt.CreateFileMapping(k.INVALID_HANDLE_VALUE, None, k.PAGE_READWRITE, 0, 0, name)
    k.attempt.CreateSemaphore(None, 5, 1, name)
    k.attempt.OpenFileMapping(k.FILE_MAP_READ, False, name)
    k.attempt.OpenSemaphore(k.SYNCHRONIZE, False, name)


def a_failed_map_leaves_the_handle(k):
    """After a refused view the section is as good as before."""
    section = _section(k)
    k.attempt.MapViewOfFile(section, k.FILE_MAP_READ, 0, 0, 0x20000)
    k.attempt.MapViewOfFile(section, k.FILE_MAP_READ | k.FILE_MAP_EXECUTE, 0, 0, 0)
    k.write(k.MapViewOfFile(section, k.FILE_MAP_WRITE, 0, 0, 0), b"works")


def a_process_that_is_not_there(k):
    """Process ids that nobody has: error 87; without any right on a process nothing can be done
    with it."""
    k.attempt.OpenProcess(k.PROCESS_DUP_HANDLE, False, 0x7FFFFFF0)
    process = k.OpenProcess(k.SYNCHRONIZE, False, k.GetCurrentProcessId())
    k.WaitForSingleObject(process, 0)
    k.attempt.DuplicateHandle(
        process, _section(k), k.GetCurrentProcess(), 0, False, k.DUPLICATE_SAME_ACCESS
    )


def names_of_one_process_in_another(k):
    """A name created by a child is there for the parent until the child ends, with what the child
    wrote."""
    name = k.name("the child's")
    child = k.spawn("child_creates", name)
    child.recv()
    section = k.OpenFileMapping(k.FILE_MAP_READ, False, name)
    k.read(k.MapViewOfFile(section, k.FILE_MAP_READ, 0, 0, 0), 5)
    k.NtQueryObject(section, k.ObjectBasicInformation)
    child.send("end")
    child.wait()
    k.NtQueryObject(section, k.ObjectBasicInformation)
    k.CloseHandle(k.OpenFileMapping(k.FILE_MAP_READ, False, name))
    k.CloseHandle(section)
    k.attempt.OpenFileMapping(k.FILE_MAP_READ, False, name)


def child_creates(k, name):
    k.write(k.MapViewOfFile(_section(k, name), k.FILE_MAP_WRITE, 0, 0, 0), b"child")
    k.send("made")
    k.recv()
