# SPDX-License-Identifier: MIT
"""Security descriptors of every type, checked at open, at a second create, and at duplication."""

from harness.scenario import windows

_OWNER = "documented: the owner is implicitly granted READ_CONTROL and WRITE_DAC only; Wine grants all standard rights"


def _section(k, sddl, name=None, inherit=False):
    return k.CreateFileMapping(
        k.INVALID_HANDLE_VALUE, k.sa(inherit=inherit, sddl=sddl), k.PAGE_READWRITE, 0, 4096, name
    )


@windows("OpenEvent(SYNCHRONIZE,", "error 5 ERROR_ACCESS_DENIED", _OWNER)
@windows("OpenSemaphore(SYNCHRONIZE,", "error 5 ERROR_ACCESS_DENIED", _OWNER)
@windows("OpenMutex(SYNCHRONIZE,", "error 5 ERROR_ACCESS_DENIED", _OWNER)
def generic_rights_of_every_type(k):
    """GENERIC_READ in a DACL means what it means for the type."""
    read = "D:(A;;GR;;;WD)"
    names = [k.name(leaf) for leaf in ("event", "mutex", "semaphore", "section")]
    k.CreateEvent(k.sa(sddl=read), True, False, names[0])
    k.CreateMutex(k.sa(sddl=read), False, names[1])
    k.CreateSemaphore(k.sa(sddl=read), 1, 1, names[2])
    _section(k, read, names[3])
    for access in (k.EVENT_QUERY_STATE, k.EVENT_MODIFY_STATE, k.SYNCHRONIZE, k.READ_CONTROL):
        k.attempt.OpenEvent(access, False, names[0])
        k.attempt.OpenSemaphore(access, False, names[2])
    for access in (k.MUTANT_QUERY_STATE, k.SYNCHRONIZE, k.READ_CONTROL):
        k.attempt.OpenMutex(access, False, names[1])
    for access in (
        k.SECTION_QUERY,
        k.FILE_MAP_READ,
        k.FILE_MAP_WRITE,
        k.SECTION_MAP_EXECUTE,
        k.READ_CONTROL,
    ):
        k.attempt.OpenFileMapping(access, False, names[3])


def generic_rights_asked_for(k):
    """Generic rights can be asked for at open, and become the type's own."""
    name = k.name("generic")
    event = k.CreateEvent(None, True, False, name)
    for access in (k.GENERIC_READ, k.GENERIC_WRITE, k.GENERIC_EXECUTE, k.GENERIC_ALL):
        k.NtQueryObject(k.attempt.OpenEvent(access, False, name), k.ObjectBasicInformation)
    k.CloseHandle(event)


def a_stranger_is_somebody_else(k):
    """Rights of an account that is not the caller's do not help it."""
    name = k.name("a stranger's")
    _section(k, "D:(A;;GA;;;STRANGER)", name)
    k.attempt.OpenFileMapping(k.FILE_MAP_READ, False, name)
    k.attempt.OpenFileMapping(k.FILE_MAP_ALL_ACCESS, False, name)


def denying_a_stranger(k):
    """An entry that denies somebody else changes nothing for the caller."""
    name = k.name("not for strangers")
    _section(k, "D:(D;;GA;;;STRANGER)(A;;GA;;;WD)", name)
    k.attempt.OpenFileMapping(k.FILE_MAP_ALL_ACCESS, False, name)


def rights_add_up(k):
    """What several entries grant is granted together."""
    name = k.name("added up")
    _section(k, "D:(A;;0x4;;;WD)(A;;0x2;;;AU)(A;;0x1;;;WD)", name)
    k.attempt.OpenFileMapping(k.FILE_MAP_READ | k.FILE_MAP_WRITE | k.SECTION_QUERY, False, name)
    k.attempt.OpenFileMapping(k.FILE_MAP_READ | k.SECTION_MAP_EXECUTE, False, name)


def denied_in_part(k):
    """A request is granted whole or refused: one denied right spoils it."""
    name = k.name("in part")
    _section(k, "D:(D;;0x2;;;WD)(A;;GA;;;WD)", name)
    k.attempt.OpenFileMapping(k.FILE_MAP_READ | k.SECTION_QUERY, False, name)
    k.attempt.OpenFileMapping(k.FILE_MAP_READ | k.FILE_MAP_WRITE, False, name)
    k.attempt.OpenFileMapping(k.FILE_MAP_WRITE, False, name)
    k.attempt.OpenFileMapping(k.FILE_MAP_COPY, False, name)


def the_maximum_of_every_type(k):
    """MAXIMUM_ALLOWED gives all that the DACL leaves."""
    name = k.name("maximum")
    k.CreateEvent(k.sa(sddl="D:(A;;0x100002;;;WD)"), True, False, name)
    event = k.attempt.OpenEvent(k.MAXIMUM_ALLOWED, False, name)
    k.SetEvent(event)
    k.WaitForSingleObject(event, 0)


def an_anonymous_section_is_protected_too(k):
    """The descriptor of an unnamed section limits what duplicates can gain."""
    me = k.GetCurrentProcess()
    section = _section(k, "D:(A;;0x4;;;WD)")
    reader = k.DuplicateHandle(me, section, me, k.FILE_MAP_READ, False, 0)
    k.attempt.DuplicateHandle(me, reader, me, k.FILE_MAP_READ | k.FILE_MAP_WRITE, False, 0)
    k.attempt.MapViewOfFile(reader, k.FILE_MAP_READ, 0, 0, 0)
    k.attempt.MapViewOfFile(reader, k.FILE_MAP_WRITE, 0, 0, 0)


def creating_again_over_a_weak_descriptor(k):
    """A second create of a semaphore or an event asks for everything: error 5 where that is not
    granted."""
    k.CreateEvent(k.sa(sddl="D:(A;;GR;;;WD)"), True, False, k.name("event"))
    k.attempt.CreateEvent(None, True, False, k.name("event"))
    k.CreateSemaphore(k.sa(sddl="D:(A;;GR;;;WD)"), 1, 1, k.name("semaphore"))
    k.attempt.CreateSemaphore(None, 1, 1, k.name("semaphore"))
    k.CreateMutex(k.sa(sddl="D:(A;;GA;;;WD)"), False, k.name("mutex"))
    k.attempt.CreateMutex(None, False, k.name("mutex"))
    k.GetLastError()


def the_second_descriptor_is_ignored(k):
    """A descriptor given with an existing name changes nothing."""
    name = k.name("second")
    _section(k, "D:(A;;GA;;;WD)", name)
    _section(k, "D:", name)
    k.GetLastError()
    k.attempt.OpenFileMapping(k.FILE_MAP_WRITE, False, name)


def the_inherit_flag_goes_with_a_descriptor(k):
    """Attributes carry both: the flag is of the handle, the descriptor of the object."""
    section = _section(k, "D:(A;;GR;;;WD)", inherit=True)
    k.GetHandleInformation(section)


def everything_but_one_right(k):
    """All rights but waiting: the event can be set, not waited for."""
    name = k.name("set only")
    k.CreateEvent(k.sa(sddl="D:(D;;0x100000;;;WD)(A;;GA;;;WD)"), True, False, name)
    event = k.attempt.OpenEvent(k.EVENT_MODIFY_STATE, False, name)
    k.SetEvent(event)
    k.attempt.WaitForSingleObject(event, 0)
    k.attempt.OpenEvent(k.EVENT_MODIFY_STATE | k.SYNCHRONIZE, False, name)
