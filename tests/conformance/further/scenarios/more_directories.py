# SPDX-License-Identifier: MIT
"""Object directories: opened by their names, names relative to them, and what is in them."""

GLOBAL = "\\BaseNamedObjects"


def _open(k, name=GLOBAL, root=0, access=None, flags=0):
    wanted = k.DIRECTORY_QUERY | k.DIRECTORY_TRAVERSE if access is None else access
    return k.NtOpenDirectoryObject(wanted, k.oa(name, flags, root=root))[1]


def _local(k):
    """A handle to the directory that plain names are in."""
    event = k.CreateEvent(None, True, False, k.name("where"))
    _, full = k.silent.NtQueryObject(event, k.ObjectNameInformation)
    path = full.rpartition("\\")[0]
    status, directory = k.silent.NtOpenDirectoryObject(
        k.DIRECTORY_QUERY | k.DIRECTORY_TRAVERSE, k.oa(path)
    )
    k.observe("opened by its full name", status)
    k.CloseHandle(event)
    return k.handle(directory)


def _named(k, directory, *names):
    """(name, type) of those of these names that a directory has."""
    status, entries, _ = k.silent.NtQueryDirectoryObject(directory, False, True, 0)
    k.observe("found", sorted(entry for entry in entries if entry[0] in names))
    return entries


def opened_by_name(k):
    """The global directory, the root, and what is above the directory of a session."""
    for name in (GLOBAL, "\\", "\\Sessions"):
        directory = _open(k, name)
        k.CloseHandle(directory)
        k.attempt.CloseHandle(directory)


def names_that_are_none(k):
    """What is wrong with a path tells the status."""
    for name in (
        None,
        "",
        "BaseNamedObjects",
        GLOBAL + "\\",
        "\\" + GLOBAL,
        GLOBAL + "\\\\Local",
        GLOBAL + "\\" + k.name("nothing"),
        GLOBAL + "\\" + k.name("nothing") + "\\below",
        "\\" + k.name("nothing"),
        "\\" + k.name("nothing") + "\\below",
        "\\Sessions\\" + k.name("nothing"),
    ):
        _open(k, name)


def case_counts_unless_told(k):
    """OBJ_CASE_INSENSITIVE is for directories as well."""
    _open(k, GLOBAL.upper())
    _open(k, GLOBAL.upper(), flags=k.OBJ_CASE_INSENSITIVE)


def links_are_followed(k):
    """Global and Local in a directory lead to directories."""
    local = _local(k)
    there = _open(k, "Global", local)
    again = _open(k, "Local", local)
    back = _open(k, GLOBAL)
    k.CompareObjectHandles(there, back)
    k.CompareObjectHandles(again, local)
    k.CompareObjectHandles(there, local)
    k.NtQueryObject(there, k.ObjectNameInformation)
    k.NtQueryObject(local, k.ObjectNameInformation)


def another_type_is_no_directory(k):
    """The name of an event opens no directory, a directory no section, and neither serves for the
    other."""
    local = _local(k)
    name = k.name("event")
    event = k.CreateEvent(None, True, False, name)
    _open(k, name, local)
    _open(k, name + "x", event)
    k.NtOpenSection(k.SECTION_QUERY, k.oa(GLOBAL))
    k.NtQueryDirectoryObject(event, True, True, 0)
    k.NtQueryDirectoryObject(0, True, True, 0)
    k.attempt.SetEvent(local)


def names_relative_to_a_directory(k):
    """A section is made and opened by a name in the directory that a handle means."""
    whole, local = _open(k), _local(k)
    name = k.name("section")
    _, section = k.NtCreateSection(
        k.SECTION_ALL_ACCESS, k.oa(name, root=whole), 0x1000, k.PAGE_READWRITE, k.SEC_COMMIT, 0
    )
    k.NtQueryObject(section, k.ObjectNameInformation)
    k.NtOpenSection(k.SECTION_QUERY, k.oa(GLOBAL + "\\" + name))
    k.NtOpenSection(k.SECTION_QUERY, k.oa(name, root=local))
    k.NtOpenSection(k.SECTION_QUERY, k.oa("Global\\" + name, root=local))
    k.NtOpenSection(k.SECTION_QUERY, k.oa("\\" + name, root=whole))
    root = _open(k, "\\")
    k.NtOpenSection(k.SECTION_QUERY, k.oa("BaseNamedObjects\\" + name, root=root))
    k.CloseHandle(whole)
    k.NtOpenSection(k.SECTION_QUERY, k.oa(name, root=whole))


def what_is_listed(k):
    """Each object with the name of its type, in its own directory, as long as it lives."""
    local, whole = _local(k), _open(k)
    names = [k.name(text) for text in ("a", "b", "c", "d", "e")]
    k.CreateFileMapping(k.INVALID_HANDLE_VALUE, None, k.PAGE_READWRITE, 0, 4096, names[0])
    k.CreateMutex(None, False, names[1])
    k.CreateSemaphore(None, 1, 1, names[2])
    k.CreateWaitableTimer(None, False, names[3])
    event = k.CreateEvent(None, True, False, "Global\\" + names[4])
    _named(k, local, "Global", "Local", "Session", *names)
    _named(k, whole, "Global", "Local", "Session", *names)
    k.CloseHandle(event)
    _named(k, whole, *names)


def what_the_root_has(k):
    """Directories are listed, too."""
    _named(k, _open(k, "\\"), "BaseNamedObjects", "Sessions")


def _walk(k, directory):
    """(The entries of a directory, asked for one at a time; the status that ended it)"""
    entries, status, context = [], 0, 0
    while not status and len(entries) < 10000:
        before = context
        status, found, context = k.silent.NtQueryDirectoryObject(
            directory, True, not context, context
        )
        if not status:
            entries += found
            assert len(found) == 1 and context == before + 1
    return entries, status


def _at_once(k, directory):
    return k.silent.NtQueryDirectoryObject(directory, False, True, 0)[1]


def entries_one_by_one(k):
    """The context goes on where the last call ended; the end is STATUS_NO_MORE_ENTRIES."""
    k.CreateEvent(None, True, False, k.name("one"))
    directory = _local(k)
    # Other programs create and close objects in this directory meanwhile: the two ways are compared
    # in a moment in which nobody did.
    for _ in range(1000):
        before = _at_once(k, directory)
        entries, status = _walk(k, directory)
        if _at_once(k, directory) == before:
            break
    k.observe("status at the end", hex(status))
    k.observe("as many at once", sorted(entries) == sorted(before))
    k.NtQueryDirectoryObject(directory, True, False, 100000)
    k.NtQueryDirectoryObject(directory, False, False, 100000)
    k.NtQueryDirectoryObject(directory, True, True, 100000)


def rights_of_directories(k):
    """Listing needs DIRECTORY_QUERY; a name in it needs no right of the handle's."""
    name = k.name("event")
    section = k.CreateFileMapping(
        k.INVALID_HANDLE_VALUE, None, k.PAGE_READWRITE, 0, 4096, "Global\\" + name
    )
    for access in (k.DIRECTORY_QUERY, k.DIRECTORY_TRAVERSE, k.DIRECTORY_CREATE_OBJECT):
        directory = _open(k, access=access)
        k.NtQueryDirectoryObject(directory, True, True, 0)
        k.NtOpenSection(k.SECTION_QUERY, k.oa(name, root=directory))
    k.CloseHandle(section)


def creating_one_that_is_there(k):
    """OBJ_OPENIF opens it; without, the name is taken."""
    k.NtCreateDirectoryObject(k.DIRECTORY_QUERY, k.oa(GLOBAL))
    _, directory = k.NtCreateDirectoryObject(k.DIRECTORY_QUERY, k.oa(GLOBAL, k.OBJ_OPENIF))
    k.NtQueryObject(directory, k.ObjectNameInformation)
    name = k.name("event")
    k.CreateEvent(None, True, False, "Global\\" + name)
    k.NtCreateDirectoryObject(k.DIRECTORY_QUERY, k.oa(GLOBAL + "\\" + name))
    k.NtCreateDirectoryObject(k.DIRECTORY_QUERY, k.oa(GLOBAL + "\\" + name, k.OBJ_OPENIF))
