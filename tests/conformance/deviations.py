# SPDX-License-Identifier: MIT
"""Where the library knowingly differs from Windows on Linux, and what shows it.

A row of ``DEVIATIONS`` makes its scenario a strict expected failure; a row of ``OTHERS`` or
``BETWEEN_USERS`` names the test that shows a difference that no scenario can.  All are rows of
docs/reference/deviations.md, which tools/deviations.py writes.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Deviation:
    """One difference, in words for users.

    Attributes:
        operation: The function or functions.
        windows: What Windows does.
        here: What happens on Linux instead.
        error: The error that says so; "" when the call succeeds.
        reason: Why.
    """

    operation: str
    windows: str
    here: str
    error: str
    reason: str


#: By the id of the scenario that shows it.
DEVIATIONS: dict[str, Deviation] = {
    "more_guard_pages.told_once": Deviation(
        "VirtualProtect, VirtualAlloc with PAGE_GUARD",
        "the first access to such a page raises an exception, once",
        "refused",
        "50 ERROR_NOT_SUPPORTED",
        "an access that the system makes for the program (a read into the page) is refused without "
        "a signal, so that "
        "nobody could tell that the first touch has happened",
    )
}

#: By the name of the test in tests/unit/win32/test_win32_deviations.py that shows it.
OTHERS: dict[str, Deviation] = {
    "test_the_descriptor_of_a_file_is_its_mode_and_is_not_set": Deviation(
        "NtQuerySecurityObject, NtSetSecurityObject and what stands on them, of a file",
        "the file's own descriptor",
        "read: one that says what owner, group and mode say; set: refused",
        "50 ERROR_NOT_SUPPORTED for setting one",
        "a file of Linux has a mode and no descriptor; os.chmod and os.chown change it",
    ),
    "test_file_templates_are_refused": Deviation(
        "CreateFile with hTemplateFile",
        "copies attributes of the template",
        "refused, on every system",
        "50 ERROR_NOT_SUPPORTED",
        "files have no such attributes on Linux",
    ),
    "test_an_older_kernel_has_no_handles_to_other_threads": Deviation(
        "OpenThread, NtOpenThread, DuplicateHandle of GetCurrentThread(), GetExitCodeThread",
        "a handle to any thread, which tells what the thread ended with",
        "the same from Linux 6.15 on; from 6.9 on the exit code of an ended thread is told of a "
        "process's first thread alone; before, the handle is to a process's first thread alone, "
        "is signaled when the process has ended, and is not inherited; the rest is refused",
        "50 ERROR_NOT_SUPPORTED, STATUS_MEMSECTION_NOT_ON_THIS_SYSTEM",
        "older kernels have descriptors for whole processes only (pidfd_open(2), PIDFD_THREAD)",
    ),
    "test_nothing_calls_a_timers_routine": Deviation(
        "SetWaitableTimer[Ex], NtSetTimer with a completion routine",
        "called when the timer is due and the thread waits alertably",
        "refused, on every system: wait for the timer",
        "50 ERROR_NOT_SUPPORTED",
        "no wait is alertable: there are no asynchronous procedure calls",
    ),
    "test_a_timer_does_not_wake_a_system_that_sleeps": Deviation(
        "SetWaitableTimer with fResume",
        "wakes a system that sleeps, where it can",
        "sets the timer, as on a Windows that cannot",
        "none; GetLastError gives 50 ERROR_NOT_SUPPORTED",
        "to wake the system is for the administrator (rtcwake)",
    ),
    "test_timers_of_high_resolution_are_had_on_linux_alone": Deviation(
        "CreateWaitableTimerEx with CREATE_WAITABLE_TIMER_HIGH_RESOLUTION",
        "a timer of high resolution, from Windows 10 (1803) on",
        "every timer has it; refused by this library on Windows",
        "50 ERROR_NOT_SUPPORTED on Windows",
        "the service that makes such timers on Windows is not documented",
    ),
    "test_overlapped_transfers_are_done_when_the_call_returns": Deviation(
        "ReadFile, WriteFile with OVERLAPPED",
        "may go on after the call has returned",
        "done when the call returns, on every system; the offset counts",
        "",
        "what a transfer writes into would have to outlive a Python call",
    ),
    "test_a_token_tells_what_its_process_is_now": Deviation(
        "GetTokenInformation, NtQueryInformationToken",
        "classes 1 to 48; the token outlives its process",
        "user, groups, privileges, owner, primary group, type, level, statistics, elevation, as "
        "long as the process lives; "
        "for ever of a copy",
        "50 ERROR_NOT_SUPPORTED; 5 for the token of a process that has ended",
        "Linux has no tokens: a process has ids and capabilities, and nothing that a source or a "
        "default access list could "
        "be told from; the modification id is a checksum of what the token says",
    ),
    "test_a_copied_token_is_a_value_of_this_process": Deviation(
        "DuplicateTokenEx",
        "the copy can be inherited, have a descriptor, and be acted by",
        "the copy is asked, adjusted, copied, and used for AccessCheck, in the process that made it",
        "50 ERROR_NOT_SUPPORTED for an inheritable copy, and on every system for one with a "
        "descriptor",
        "a process of Linux has its ids itself: there is no object that could carry them elsewhere",
    ),
    "test_object_directories_are_those_that_are_there": Deviation(
        "NtCreateDirectoryObject",
        "makes a new object directory",
        "opens one that is there (OBJ_OPENIF); a new one is refused",
        "STATUS_MEMSECTION_NOT_ON_THIS_SYSTEM",
        "names are files of one directory for each user and one for all; nothing keeps others",
    ),
    "test_links_of_directories_are_followed_and_not_opened": Deviation(
        "NtOpenSymbolicLinkObject",
        "opens the link itself",
        "refused, for a link that is there; Global, Local and Session are followed and listed",
        "STATUS_MEMSECTION_NOT_ON_THIS_SYSTEM",
        "the links are a rule for names, not objects",
    ),
    "test_a_handle_to_a_directory_stays_in_its_process": Deviation(
        "NtDuplicateObject of an object directory, OBJ_INHERIT for one, passing one",
        "another handle, also in another process",
        "refused: open the directory again",
        "STATUS_MEMSECTION_NOT_ON_THIS_SYSTEM",
        "a handle to a directory is a name, and no descriptor carries it",
    ),
    "test_a_section_has_no_base_of_its_own": Deviation(
        "NtCreateSection with SEC_BASED",
        "the section has one address in all processes",
        "refused",
        "STATUS_INVALID_PARAMETER_6",
        "no range of addresses is kept free in all processes",
    ),
    "test_views_of_files_end_with_the_file": Deviation(
        "NtMapViewOfSection, MapViewOfFile with MEM_RESERVE",
        "a view of a file may be larger than the file, to be extended into",
        "a view ends where the section ends",
        "STATUS_INVALID_VIEW_SIZE",
        "map again after extending the section",
    ),
    "test_a_mapped_file_is_told_by_its_path": Deviation(
        "GetMappedFileName",
        "a path that begins with the name of a device",
        "the path as the system spells it",
        "",
        "Linux has no names of devices that a file could be opened by",
    ),
    "test_locked_ranges_do_not_bind_other_programs": Deviation(
        "LockFile",
        "holds against every program; with length 0, through read-only and inherited handles as "
        "well",
        "holds among users of this library and of fcntl(2); who inherits a handle reads and writes "
        "as its giver",
        "50 ERROR_NOT_SUPPORTED for length 0, for an exclusive lock through a handle that may not "
        "write, and for a handle "
        "that CreateFile of this process did not give",
        "locks of Linux are advisory, of at least one byte, exclusive only for who may write, and "
        "belong to a description, "
        "not to a process",
    ),
    "test_linux_does_not_tell_when_a_file_was_created": Deviation(
        "GetFileInformationByHandle",
        "tells when the file was created",
        "ftCreationTime is 0",
        "",
        "stat(2) does not tell it; 0 is what Windows gives for a file system that keeps none",
    ),
    "test_share_modes_do_not_bind_other_programs": Deviation(
        "CreateFile with a share mode",
        "holds against every program",
        "holds among users of this library",
        "",
        "locks of Linux are advisory; the kernel drops them when a process dies",
    ),
    "test_a_process_cannot_be_started_suspended": Deviation(
        "CreateProcess with CREATE_SUSPENDED",
        "the process does not run until it is resumed",
        "refused",
        "50 ERROR_NOT_SUPPORTED",
        "a program runs when it is loaded, and no system call stops one thread of it",
    ),
    "test_a_view_cannot_be_mapped_into_another_process": Deviation(
        "NtMapViewOfSection, NtUnmapViewOfSection on another process",
        "maps there",
        "refused",
        "STATUS_MEMSECTION_NOT_ON_THIS_SYSTEM",
        "no system call maps into another process",
    ),
    "test_files_and_processes_cannot_be_given_to_another_process": Deviation(
        "DuplicateHandle of a file, process or thread into another process",
        "the other process has the handle",
        "refused; inherited and taken handles work",
        "50 ERROR_NOT_SUPPORTED",
        "nothing can be put into another process here; an object waits with its giver until it is "
        "fetched, and an "
        "ordinary descriptor cannot say that it waits",
    ),
    "test_an_object_cannot_be_created_exclusive": Deviation(
        "NtCreateSection and its kin with OBJ_EXCLUSIVE",
        "nobody else gets a handle",
        "refused",
        "STATUS_MEMSECTION_NOT_ON_THIS_SYSTEM",
        "who opens an object is judged by its descriptor and nothing else",
    ),
    "test_an_object_of_a_user_cannot_be_made_permanent": Deviation(
        "NtMakePermanentObject and OBJ_PERMANENT, for an object whose name is not Global\\",
        "outlives its handles",
        "refused; Global\\ works",
        "STATUS_MEMSECTION_NOT_ON_THIS_SYSTEM",
        "its memory has no name in the system, and is gone with the last process",
    ),
    "test_accounts_of_a_domain_have_no_letters_here": Deviation(
        "ConvertStringSidToSid, ConvertStringSecurityDescriptorToSecurityDescriptor with LA, LG, DA "
        "and the other letters for accounts of a domain",
        "the account in the domain of the machine",
        "refused",
        "1337 ERROR_INVALID_SID; 1336 ERROR_INVALID_ACL in an entry of a list",
        "accounts of Linux have numbers, and no domain",
    ),
    "test_a_native_name_cannot_contain_a_zero": Deviation(
        "NtCreateSection and its kin with a zero inside the name",
        "an ordinary character",
        "refused",
        "STATUS_OBJECT_NAME_INVALID",
        "a name is kept as a file name",
    ),
}

#: By the name of the test in tests/security/test_deviations_between_users.py that shows it.
BETWEEN_USERS: dict[str, Deviation] = {
    "test_rights_that_are_not_about_data_are_of_use_to_the_owner_alone": Deviation(
        "opening another user's object with rights like SECTION_QUERY or READ_CONTROL and none to "
        "its data",
        "granted where the descriptor says so",
        "refused",
        "5 ERROR_ACCESS_DENIED",
        "the facts of an object stand in the same file as its data, which the kernel gives whole "
        "or not at all",
    ),
    "test_a_descriptor_that_the_kernel_cannot_enforce_is_refused": Deviation(
        "a security descriptor in which rights of a named user depend on groups, or a member of "
        "two groups is denied "
        "what one of them is allowed",
        "accepted",
        "refused when it is set",
        "1338 ERROR_INVALID_SECURITY_DESCR",
        "the kernel looks at a named user's entry alone, and allows a member of several groups "
        "what any is allowed",
    ),
    "test_a_file_of_a_third_user_is_not_opened_for_another_users_section": Deviation(
        "opening a named section of a file that belongs neither to the section's owner nor to "
        "everybody",
        "gives the file that the section's creator opened",
        "refused, where section and opener have different users",
        "5 ERROR_ACCESS_DENIED",
        "the opener opens the file by its own rights, and must not be led to one that the creator "
        "could not use; in which "
        "groups the creator was cannot be known",
    ),
    "test_a_name_that_another_user_left_is_free_for_who_may_remove_it": Deviation(
        "creating a Global\\ object under a name whose last holder was another user than its "
        "owner, or was killed",
        "creates",
        "creates for the owner and root; for others it cannot be found, and creating it is refused",
        "5, STATUS_MEMSECTION_HOLDER_OUT_OF_REACH",
        "a sticky directory lets only the owner remove a file",
    ),
}
