# SPDX-License-Identifier: MIT
"""Names of every type, and what native names can do."""


def _section(k, name):
    return k.attempt.CreateFileMapping(
        k.INVALID_HANDLE_VALUE, None, k.PAGE_READWRITE, 0, 4096, name
    )


def bad_names_are_bad_for_every_type(k):
    """A leading backslash, a directory that is not there and a bare prefix: the same errors for all
    types."""
    for name in (
        k.name("leading", "\\"),
        k.name("inside\\x"),
        "Global\\",
        "Local\\",
        "Local",
        "Global",
    ):
        k.attempt.CreateMutex(None, False, name)
        k.attempt.CreateEvent(None, True, False, name)
        k.attempt.CreateSemaphore(None, 0, 1, name)
        k.attempt.OpenMutex(k.SYNCHRONIZE, False, name)
        k.attempt.OpenEvent(k.SYNCHRONIZE, False, name)
        k.attempt.OpenSemaphore(k.SYNCHRONIZE, False, name)


def empty_names_of_every_type(k):
    """The empty string makes an unnamed object of any type."""
    one, two = k.CreateEvent(None, True, False, ""), k.CreateEvent(None, True, False, "")
    k.GetLastError()
    k.attempt.CompareObjectHandles(one, two)
    k.attempt.CreateMutex(None, False, "")
    k.attempt.CreateSemaphore(None, 0, 1, "")
    k.attempt.OpenEvent(k.SYNCHRONIZE, False, "")
    k.attempt.OpenMutex(k.SYNCHRONIZE, False, "")


def prefixes_may_be_repeated(k):
    """The prefixes are links within the directory, so they can follow one another."""
    section = _section(k, k.name("repeated"))
    opened = k.attempt.OpenFileMapping(k.FILE_MAP_READ, False, k.name("repeated", "Local\\Local\\"))
    k.attempt.CompareObjectHandles(section, opened)
    everybody = _section(k, k.name("repeated", "Global\\"))
    for prefix in ("Global\\Global\\", "Local\\Global\\"):
        opened = k.attempt.OpenFileMapping(k.FILE_MAP_READ, False, k.name("repeated", prefix))
        k.attempt.CompareObjectHandles(everybody, opened)


def the_prefixes_know_upper_and_lower_case(k):
    """The prefixes must be written as they are."""
    for prefix in ("global\\", "GLOBAL\\", "local\\", "LOCAL\\", "Global/", "Local/"):
        section = _section(k, k.name("prefix", prefix))
        k.attempt.NtQueryObject(section or 0, k.ObjectNameInformation)


def names_that_look_like_paths(k):
    """Dots, slashes and spaces have no meaning in object names."""
    made = {}
    for leaf in (
        ".",
        "..",
        "../x",
        "./x",
        "x",
        " x",
        "x ",
        "x.",
        "/",
        "a/b",
        "%00",
        "%2e",
        "a\tb",
        "a\nb",
        "*",
        "?",
    ):
        made[leaf] = _section(k, k.name(leaf))
        k.GetLastError()
    for leaf, section in made.items():
        opened = k.attempt.OpenFileMapping(k.FILE_MAP_READ, False, k.name(leaf))
        k.attempt.CompareObjectHandles(section, opened)


def case_can_be_ignored_natively(k):
    """OBJ_CASE_INSENSITIVE finds a name whatever its case; without it case matters."""
    name = k.name("MixedCase", "\\BaseNamedObjects\\")
    other = k.name("mIXEDcASE", "\\BaseNamedObjects\\")
    k.NtCreateSection(k.SECTION_ALL_ACCESS, k.oa(name), 4096, k.PAGE_READWRITE, k.SEC_COMMIT, 0)
    k.NtOpenSection(k.SECTION_MAP_READ, k.oa(other))
    k.NtOpenSection(k.SECTION_MAP_READ, k.oa(other, k.OBJ_CASE_INSENSITIVE))
    k.NtCreateSection(
        k.SECTION_ALL_ACCESS,
        k.oa(other, k.OBJ_CASE_INSENSITIVE),
        4096,
        k.PAGE_READWRITE,
        k.SEC_COMMIT,
        0,
    )
    k.NtCreateSection(k.SECTION_ALL_ACCESS, k.oa(other), 4096, k.PAGE_READWRITE, k.SEC_COMMIT, 0)
    k.NtOpenSection(k.SECTION_MAP_READ, k.oa(other))


def a_name_is_free_when_its_object_is_gone(k):
    """A name can be taken by another type once the last handle is closed."""
    name = k.name("changing hands")
    k.CloseHandle(k.CreateEvent(None, True, False, name))
    k.CloseHandle(_section(k, name))
    mutex = k.CreateMutex(None, True, name)
    k.GetLastError()
    k.CloseHandle(mutex)
    semaphore = k.CreateSemaphore(None, 1, 1, name)
    k.GetLastError()
    k.attempt.OpenMutex(k.SYNCHRONIZE, False, name)
    k.CloseHandle(semaphore)
    k.attempt.OpenSemaphore(k.SYNCHRONIZE, False, name)


def the_last_handle_of_every_type(k):
    """Events, mutexes and semaphores lose their name with the last handle, like sections."""
    me = k.GetCurrentProcess()
    name = k.name("last")
    event = k.CreateEvent(None, True, True, name)
    copy = k.DuplicateHandle(me, event, me, 0, False, k.DUPLICATE_SAME_ACCESS)
    k.CloseHandle(event)
    k.WaitForSingleObject(k.OpenEvent(k.SYNCHRONIZE, False, name), 0)
    fresh = k.CreateEvent(None, True, False, name)
    k.GetLastError()
    k.WaitForSingleObject(fresh, 0)
    k.CloseHandle(copy)


def unpaired_surrogates(k):
    """A name is a row of 16-bit numbers, pairs or not."""
    section = _section(k, k.name("lone \ud800 surrogate"))
    opened = k.attempt.OpenFileMapping(k.FILE_MAP_READ, False, k.name("lone \ud800 surrogate"))
    k.attempt.CompareObjectHandles(section, opened)
    k.attempt.OpenFileMapping(k.FILE_MAP_READ, False, k.name("lone \ud801 surrogate"))


def accents_are_not_composed(k):
    """Two ways to write one letter are two names."""
    section = _section(k, k.name("caf\u00e9"))
    other = _section(k, k.name("cafe\u0301"))
    k.GetLastError()
    k.attempt.CompareObjectHandles(section, other)


def inherit_and_openif_together(k):
    """OBJ_OPENIF tells whether it opened, and OBJ_INHERIT is of the new handle."""
    name = k.name("both ways", "\\BaseNamedObjects\\")
    for attributes in (k.OBJ_OPENIF, k.OBJ_OPENIF | k.OBJ_INHERIT):
        _, handle = k.NtCreateSection(
            k.SECTION_MAP_READ, k.oa(name, attributes), 4096, k.PAGE_READWRITE, k.SEC_COMMIT, 0
        )
        k.GetHandleInformation(handle)
        k.NtQueryObject(handle, k.ObjectBasicInformation)
