# SPDX-License-Identifier: MIT
"""What children inherit, beyond sections."""


def _high_value(k):
    """Use up low handle values, so that a child does not have the next ones by accident."""
    for _ in range(400):
        k.silent.CreateEvent(None, True, False, None)


def an_inherited_mutex_is_owned_by_the_parent(k):
    """A child that inherits a mutex is not its owner, and gets it when the parent releases it."""
    _high_value(k)
    mutex = k.CreateMutex(k.sa(inherit=True), True, None)
    child = k.spawn("child_wants_the_mutex", mutex, inherit_handles=True)
    child.recv()
    k.ReleaseMutex(mutex)
    child.send("go")
    child.wait()
    k.WaitForSingleObject(mutex, 0)


def child_wants_the_mutex(k, value):
    mutex = k.handle(value)
    k.WaitForSingleObject(mutex, 0)
    k.attempt.ReleaseMutex(mutex)
    k.send("looked")
    k.recv()
    k.WaitForSingleObject(mutex, 20000)
    k.ReleaseMutex(mutex)


def a_child_abandons_the_inherited_mutex(k):
    """A child that ends as owner of an inherited mutex abandons it to its parent."""
    _high_value(k)
    mutex = k.CreateMutex(k.sa(inherit=True), False, None)
    k.spawn("child_takes_the_mutex", mutex, inherit_handles=True).wait()
    k.WaitForSingleObject(mutex, 0)
    k.ReleaseMutex(mutex)
    k.WaitForSingleObject(mutex, 0)


def child_takes_the_mutex(k, value):
    k.WaitForSingleObject(k.handle(value), 0)


def an_inherited_semaphore(k):
    """Parent and child count on one semaphore."""
    _high_value(k)
    semaphore = k.CreateSemaphore(k.sa(inherit=True), 1, 5, None)
    k.spawn("child_counts", semaphore, inherit_handles=True).wait()
    for _ in range(4):
        k.WaitForSingleObject(semaphore, 0)


def child_counts(k, value):
    semaphore = k.handle(value)
    k.WaitForSingleObject(semaphore, 0)
    k.ReleaseSemaphore(semaphore, 3)


def an_inherited_process_handle(k):
    """A process handle is inherited too: one child waits for the other."""
    _high_value(k)
    first = k.spawn("child_waits_to_be_told")
    first.recv()
    process = k.OpenProcess(k.SYNCHRONIZE, True, k.pid(first.pid))
    second = k.spawn("child_waits_for", process, inherit_handles=True)
    second.recv()
    first.send("end")
    first.wait()
    second.send("now")
    second.wait()


def child_waits_to_be_told(k):
    k.send("ready")
    k.recv()


def child_waits_for(k, value):
    process = k.handle(value)
    k.WaitForSingleObject(process, 0)
    k.send("waited")
    k.recv()
    k.WaitForSingleObject(process, 20000)


def a_weak_handle_stays_weak(k):
    """An inherited handle has the access it had in the parent; the child cannot do more with it."""
    _high_value(k)
    name = k.name("weak")
    k.CreateEvent(None, True, False, name)
    event = k.OpenEvent(k.SYNCHRONIZE, True, name)
    k.spawn("child_tries_to_set", event, inherit_handles=True).wait()
    k.WaitForSingleObject(event, 0)


def child_tries_to_set(k, value):
    event = k.handle(value)
    k.NtQueryObject(event, k.ObjectBasicInformation)
    k.attempt.SetEvent(event)
    k.WaitForSingleObject(event, 0)


def an_inheritable_duplicate(k):
    """Only the inheritable duplicate of a handle is in the child."""
    _high_value(k)
    me = k.GetCurrentProcess()
    plain = k.CreateFileMapping(k.INVALID_HANDLE_VALUE, None, k.PAGE_READWRITE, 0, 4096, None)
    copy = k.DuplicateHandle(me, plain, me, k.FILE_MAP_READ, True, 0)
    view = k.MapViewOfFile(plain, k.FILE_MAP_WRITE, 0, 0, 0)
    k.write(view, b"parent")
    k.spawn("child_has_one_of_two", plain, copy, inherit_handles=True).wait()


def child_has_one_of_two(k, plain, copy):
    k.attempt.GetHandleInformation(k.handle(plain))
    reader = k.handle(copy)
    k.GetHandleInformation(reader)
    k.attempt.MapViewOfFile(reader, k.FILE_MAP_WRITE, 0, 0, 0)
    k.read(k.MapViewOfFile(reader, k.FILE_MAP_READ, 0, 0, 0), 6)


def closed_by_the_parent(k):
    """The child's handle is its own: the parent's may be closed meanwhile, and the contents
    stay."""
    _high_value(k)
    section = k.CreateFileMapping(
        k.INVALID_HANDLE_VALUE, k.sa(inherit=True), k.PAGE_READWRITE, 0, 4096, None
    )
    view = k.MapViewOfFile(section, k.FILE_MAP_WRITE, 0, 0, 0)
    k.write(view, b"parent")
    child = k.spawn("child_reads_when_told", section, inherit_handles=True)
    child.recv()
    k.UnmapViewOfFile(view)
    k.CloseHandle(section)
    child.send("read")
    child.wait()


def child_reads_when_told(k, value):
    k.send("ready")
    k.recv()
    k.read(k.MapViewOfFile(k.handle(value), k.FILE_MAP_READ, 0, 0, 0), 6)


def the_child_closes_its_own(k):
    """Closing an inherited handle in the child does not touch the parent's."""
    _high_value(k)
    name = k.name("both")
    section = k.CreateFileMapping(
        k.INVALID_HANDLE_VALUE, k.sa(inherit=True), k.PAGE_READWRITE, 0, 4096, name
    )
    k.spawn("child_closes", section, inherit_handles=True).wait()
    k.GetHandleInformation(section)
    k.NtQueryObject(section, k.ObjectBasicInformation)
    k.CloseHandle(k.OpenFileMapping(k.FILE_MAP_READ, False, name))


def child_closes(k, value):
    section = k.handle(value)
    k.CloseHandle(section)
    k.attempt.CloseHandle(section)


def natively_made_inheritable(k):
    """OBJ_INHERIT makes a handle inheritable, at creation and at opening."""
    _high_value(k)
    name = k.name("native", "\\BaseNamedObjects\\")
    _, section = k.NtCreateSection(
        k.SECTION_ALL_ACCESS, k.oa(name, k.OBJ_INHERIT), 4096, k.PAGE_READWRITE, k.SEC_COMMIT, 0
    )
    _, plain = k.NtOpenSection(k.SECTION_MAP_READ, k.oa(name))
    _, opened = k.NtOpenSection(k.SECTION_MAP_READ, k.oa(name, k.OBJ_INHERIT))
    for handle in (section, plain, opened):
        k.GetHandleInformation(handle)
    k.spawn("child_has_one_of_two", plain, opened, inherit_handles=True).wait()
