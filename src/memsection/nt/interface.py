# SPDX-License-Identifier: MIT
"""The kernel interface: every service with its parameters, its rights and its failures, in one
protocol.

``nt.linux.services.LinuxKernel`` and ``nt.windows.services.WindowsKernel`` implement it; ``nt``
chooses one. A service that fails raises ``NtError`` with an NTSTATUS, never anything else.
Parameters have Windows's own order and meaning; output parameters are results.  Handles and
addresses are ints; 0 is no handle and any address; sizes are bytes; a ``timeout`` is ``None`` (for
ever) or 100 ns units, negative for a span from now, as for NtWaitForSingleObject.  ``attributes``
is ``None`` or an object with the fields of OBJECT_ATTRIBUTES.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.sid import Sid

Attributes = Any  #: ObjectAttributes or any object with its fields


class Watch(Protocol):
    """A wait for one object that is tried when that is worth it."""

    def attempt(self, *, careful: bool) -> int:
        """As ``wait_for_single_object`` with timeout 0.  Events pulsed since the watch was made
        count."""
        ...

    def put_back(self) -> None:
        """Undo an attempt that took the object: who made it was interrupted, and does not know."""
        ...

    def arm(self) -> None:
        """Have ``ready`` called once, from another thread, as soon as an attempt may succeed."""
        ...

    def end(self) -> None:
        """No more calls.  Once, whatever came of it."""
        ...


class NameWatch(Protocol):
    """The directory of one name, watched: what is made there after it began is not missed."""

    def wait(self, seconds: float | None, /) -> None:
        """Come back when the name may be there, or when the time is up; earlier without a reason is
        possible."""
        ...

    def is_worth_a_try(self) -> bool:
        """Whether the name may have appeared since the last time."""
        ...

    def fileno(self) -> int:
        """A descriptor that is readable when ``is_worth_a_try`` should be asked; also once a second
        besides."""
        ...

    def close(self) -> None:
        """Watch no longer."""
        ...


class Kernel(Protocol):
    """The services of an object manager."""

    # ------------------------------------------------------------------ any object

    def close(self, handle: int, /) -> None:
        """NtClose.  INVALID_HANDLE; HANDLE_NOT_CLOSABLE for a protected handle."""
        ...

    def duplicate_object(
        self,
        source_process: int,
        source: int,
        target_process: int,
        access: int,
        attributes: int,
        options: int,
    ) -> int:
        """NtDuplicateObject; the new handle's value in the target process (0 if target_process is
        0).

        Rights: PROCESS_DUP_HANDLE on both processes.  More access than the source's is checked
        against the object's descriptor.  ``attributes`` is OBJ_INHERIT or 0 (ignored with
        DUPLICATE_SAME_ATTRIBUTES).
        """
        ...

    def query_object(self, handle: int, /) -> s.ObjectBasicInformation:
        """NtQueryObject, ObjectBasicInformation.  Needs no right.  Attributes: OBJ_INHERIT,
        OBJ_PROTECT_CLOSE..."""
        ...

    def query_handle(self, handle: int, /) -> tuple[int, int]:
        """(attributes, granted access): what of ``query_object`` belongs to the handle alone,
        without counting."""
        ...

    def query_object_name(self, handle: int, /) -> str:
        """NtQueryObject, ObjectNameInformation: the full name, "" if there is none.  Needs no
        right."""
        ...

    def query_object_type(self, handle: int, /) -> str:
        """NtQueryObject, ObjectTypeInformation: "Section", "Mutant", "Event", "Semaphore",
        "Process", "File", ..."""
        ...

    def set_handle_flags(
        self, handle: int, /, *, inherit: bool | None = None, protect: bool | None = None
    ) -> None:
        """NtSetInformationObject, ObjectHandleFlagInformation; None leaves a flag as it is.  Needs
        no right."""
        ...

    def compare_objects(self, first: int, second: int) -> bool:
        """NtCompareObjects.  INVALID_HANDLE if either is none."""
        ...

    def make_temporary_object(self, handle: int, /) -> None:
        """NtMakeTemporaryObject.  Rights: DELETE."""
        ...

    def make_permanent_object(self, handle: int, /) -> None:
        """NtMakePermanentObject: the object outlives its handles until made temporary, or the
        machine restarts."""
        ...

    def query_security_object(self, handle: int, information: int, /) -> bytes:
        """NtQuerySecurityObject: a self-relative descriptor with the parts asked for.  Rights:
        READ_CONTROL."""
        ...

    def set_security_object(self, handle: int, information: int, descriptor: bytes, /) -> None:
        """NtSetSecurityObject.  Rights: WRITE_DAC for the DACL, WRITE_OWNER for owner and group."""
        ...

    def current_user(self) -> Sid:
        """The SID of the user that this process runs as (TokenUser): the owner of what it
        creates."""
        ...

    def account_sid(self, name: str, *, group: bool = False) -> Sid:
        """The SID of a user or group by its name: LookupAccountName on Windows ("DOMAIN\\user"
        too), the password and group databases on Linux, where a number serves as well.  NONE_MAPPED
        for no such account."""
        ...

    def account_name(self, sid: Sid) -> str:
        """What the system calls an account: LookupAccountSid on Windows; the SID's text where it
        has no name."""
        ...

    def diagnose(self) -> list[s.Check]:
        """What this machine allows, and what would fail here and why, each with its remedy; changes
        nothing."""
        ...

    def named_objects_directory(self) -> int:
        """A handle for ``RootDirectory`` that Win32 names are relative to; kept for the life of the
        process."""
        ...

    def list_directory(self) -> list[s.NamedObject]:
        """Every object that has a name, ``Local\\`` and ``Global\\``, with its holders as far as
        they can be seen."""
        ...

    def process_handles(self, pid: int) -> list[s.HandleEntry]:
        """NtQuerySystemInformation(SystemExtendedHandleInformation) for one process, with each
        handle's object.

        INVALID_CID for no such process; ACCESS_DENIED where its descriptors may not be looked into.
        """
        ...

    # ------------------------------------------------------------------ sections and memory

    def create_section(
        self,
        access: int,
        attributes: Attributes,
        maximum_size: int | None,
        protection: int,
        kind: int,
        file: int,
        /,
        *,
        numa_node: int | None = None,
    ) -> tuple[int, int]:
        """NtCreateSection; (SUCCESS or OBJECT_NAME_EXISTS, handle).  ``kind`` are ``SEC_*`` flags.

        A new object grants ``access`` whole (generic rights mapped; the descriptor does not limit
        its creator). An existing one (OBJ_OPENIF) is opened with ``access``, checked against its
        descriptor.
        """
        ...

    def open_section(self, access: int, attributes: Attributes) -> int:
        """NtOpenSection."""
        ...

    def map_view(
        self,
        section: int,
        process: int,
        base: int,
        zero_bits: int,
        commit_size: int,
        offset: int,
        view_size: int,
        inherit: int,
        allocation_type: int,
        protection: int,
        /,
        *,
        numa_node: int | None = None,
    ) -> tuple[int, int, int]:
        """NtMapViewOfSection; (status, address, size in whole pages).  Rights: see
        protection.needed_access."""
        ...

    def unmap_view(self, process: int, address: int, /) -> None:
        """NtUnmapViewOfSection: the whole view that contains the address.  NOT_MAPPED_VIEW."""
        ...

    def extend_section(self, section: int, size: int, /) -> int:
        """NtExtendSection; the new size.  Rights: SECTION_EXTEND_SIZE.  SECTION_NOT_EXTENDED
        without a file."""
        ...

    def query_section(self, section: int, /) -> s.SectionBasicInformation:
        """NtQuerySection, SectionBasicInformation.  Rights: SECTION_QUERY."""
        ...

    def query_virtual_memory(self, process: int, address: int, /) -> s.MemoryBasicInformation:
        """NtQueryVirtualMemory, MemoryBasicInformation."""
        ...

    def query_mapped_file_name(self, process: int, address: int, /) -> str:
        """NtQueryVirtualMemory, MemoryMappedFilenameInformation: the device path on Windows, the
        path on Linux.

        Rights: PROCESS_QUERY_INFORMATION.  INVALID_ADDRESS, FILE_INVALID (a mapping of no file).
        """
        ...

    def protect_virtual_memory(
        self, process: int, address: int, size: int, protection: int, /
    ) -> tuple[int, int, int]:
        """NtProtectVirtualMemory; (base, size, old protection of the first page)."""
        ...

    def allocate_virtual_memory(
        self,
        process: int,
        address: int,
        zero_bits: int,
        size: int,
        allocation_type: int,
        protection: int,
        /,
    ) -> tuple[int, int]:
        """NtAllocateVirtualMemory; (base, size).  In a view of a SEC_RESERVE section it commits
        pages for everybody."""
        ...

    def free_virtual_memory(
        self, process: int, address: int, size: int, free_type: int, /
    ) -> tuple[int, int]:
        """NtFreeVirtualMemory; (base, size)."""
        ...

    def flush_virtual_memory(self, process: int, address: int, size: int, /) -> None:
        """NtFlushVirtualMemory: written pages of a file view are on disk when it returns; size 0 is
        to the view's end."""
        ...

    def prefetch_virtual_memory(self, process: int, ranges: Sequence[tuple[int, int]], /) -> None:
        """NtSetInformationVirtualMemory, VmPrefetchInformation: (address, size) pairs; advice
        only."""
        ...

    def read_virtual_memory(self, process: int, address: int, size: int, /) -> bytes:
        """NtReadVirtualMemory; PARTIAL_COPY / ACCESS_VIOLATION where the memory cannot be read."""
        ...

    def write_virtual_memory(self, process: int, address: int, data: bytes, /) -> int:
        """NtWriteVirtualMemory; the bytes written."""
        ...

    def view_buffer(
        self, address: int, length: int, *, readonly: bool, kind: type[Any] | None = None
    ) -> Any:
        """A buffer (``_native.view.View``, or ``kind``, a subclass) over the view that begins at
        this address.

        The view is unmapped when the buffer is closed and the last memoryview or array over it is
        gone.  If it was unmapped otherwise by then, what is at its address now stays.
        """
        ...

    def map_buffer(
        self,
        section: int,
        offset: int,
        view_size: int,
        protection: int,
        kind: type[Any],
        numa_node: int | None = None,
        /,
    ) -> Any:
        """``map_view`` and ``view_buffer`` in one: a ``kind`` over the section from ``offset`` on.

        With size 0 it reaches to the section's end, or without ``SECTION_QUERY`` to the end of the
        last page.  Rights: as ``map_view``.
        """
        ...

    def flush_buffer(self, buffer: Any, offset: int, size: int, /) -> None:
        """``flush_virtual_memory`` for the view that a buffer is of.  NOT_MAPPED_VIEW if it was
        unmapped otherwise."""
        ...

    def commit_buffer(self, buffer: Any, offset: int, size: int, protection: int, /) -> None:
        """Commit pages of the view that a buffer is of.  NOT_MAPPED_VIEW if it was unmapped
        otherwise."""
        ...

    def view_fault(self, address: int) -> int | None:
        """The offset of the first page of this view that was found missing (its file was cut), else
        None."""
        ...

    def seal_section(self, section: int, /) -> None:
        """After it nobody gets a new writable view; existing ones keep writing.  NOT_ON_THIS_SYSTEM
        on Windows."""
        ...

    def take_name(
        self, section: int, attributes: s.ObjectAttributes, predecessor: int = 0, /
    ) -> None:
        """Give a section that was made without a name this one, ``Local`` only.  With a predecessor
        the name goes over from that section in one step: whoever opens it finds the one or the
        other.  The predecessor lives on unnamed.

        Rights: SECTION_MAP_WRITE on the section, DELETE on the predecessor.  Statuses:
        OBJECT_NAME_COLLISION when somebody else has the name.  NOT_ON_THIS_SYSTEM on Windows."""
        ...

    def receive_descriptors(
        self, sock: int, size: int, timeout: float | None, /
    ) -> tuple[bytes, list[int]]:
        """The next bytes from a Unix socket, and the descriptors that came with them; ``timeout``
        is the socket's. NOT_ON_THIS_SYSTEM on Windows."""
        ...

    def close_descriptors(self, descriptors: Sequence[int], /) -> None:
        """Close descriptors that were received and become no handle."""
        ...

    def handle_descriptors(self, handle: int, /) -> tuple[int, ...]:
        """All descriptors that together are a handle, to be passed to another process; they stay
        the handle's. NOT_ON_THIS_SYSTEM on Windows."""
        ...

    def handle_from_descriptors(self, descriptors: Sequence[int]) -> int:
        """A handle with the rights that passed descriptors carry.  They are closed, whatever
        happens.  INVALID_HANDLE for what is no handle of this library; NOT_ON_THIS_SYSTEM on
        Windows."""
        ...

    def resident_pages(self, address: int, size: int) -> bytes:
        """One byte for each page of mapped memory of this process: 1 where it is in memory, touched
        by anybody. NOT_ON_THIS_SYSTEM on Windows, which tells of a process's own pages only."""
        ...

    def process_views(self, pid: int, identity: tuple[int, ...]) -> list[tuple[int, int, int]]:
        """(address, size, protection) of each view that a process has of the object with this
        ``HandleEntry.identity``. INVALID_CID, ACCESS_DENIED; NOT_ON_THIS_SYSTEM on Windows."""
        ...

    def waiting_threads(self, pid: int, identity: tuple[int, ...]) -> list[int]:
        """Ids of the threads of a process that wait for the object with this
        ``HandleEntry.identity``. INVALID_CID, ACCESS_DENIED; NOT_ON_THIS_SYSTEM on Windows."""
        ...

    # ------------------------------------------------------------------ files

    def create_file(
        self,
        access: int,
        path: str,
        attributes: int,
        share: int,
        disposition: int,
        options: int,
        descriptor: bytes | None = None,
    ) -> tuple[int, int]:
        """NtCreateFile for a path in the system's own spelling; (handle, FILE_OPENED | FILE_CREATED
        | ...).

        ``attributes`` is OBJ_INHERIT or 0; ``disposition`` FILE_OPEN, FILE_CREATE, ...; ``options``
        FILE_DELETE_ON_CLOSE... SHARING_VIOLATION, USER_MAPPED_FILE (cutting a file that has a
        section), OBJECT_NAME_COLLISION, ...
        """
        ...

    def file_from_fd(self, fd: int, access: int) -> int:
        """A file handle over a descriptor of the C runtime that the caller has open; the descriptor
        stays the caller's."""
        ...

    def read_file(self, file: int, count: int, offset: int | None = None, /) -> bytes:
        """NtReadFile; END_OF_FILE is b"".  Rights: FILE_READ_DATA."""
        ...

    def write_file(self, file: int, data: bytes, offset: int | None = None, /) -> int:
        """NtWriteFile.  Rights: FILE_WRITE_DATA."""
        ...

    def query_file(self, file: int, /) -> tuple[int, int]:
        """(size, current position)."""
        ...

    def set_file_position(self, file: int, position: int, /) -> None:
        """NtSetInformationFile, FilePositionInformation."""
        ...

    def set_end_of_file(self, file: int, size: int, /) -> None:
        """NtSetInformationFile, FileEndOfFileInformation; USER_MAPPED_FILE for cutting a file that
        has a section."""
        ...

    def flush_file(self, file: int, /) -> None:
        """NtFlushBuffersFile."""
        ...

    def query_file_type(self, file: int, /) -> int:
        """GetFileType: FILE_TYPE_DISK, FILE_TYPE_CHAR or FILE_TYPE_PIPE.  Needs no right."""
        ...

    def query_file_information(self, file: int, /) -> s.FileInformation:
        """GetFileInformationByHandle.  Rights: FILE_READ_ATTRIBUTES.  INVALID_DEVICE_REQUEST for
        what is no disk file."""
        ...

    def reopen_file(self, file: int, access: int, share: int, options: int, /) -> int:
        """ReOpenFile.  Rights: ``access`` on the file.  SHARING_VIOLATION, ACCESS_DENIED,
        INVALID_DEVICE_REQUEST."""
        ...

    def lock_file(
        self, file: int, offset: int, length: int, exclusive: bool, wait: bool, /
    ) -> None:
        """NtLockFile.  Rights: FILE_READ_DATA or FILE_WRITE_DATA.  LOCK_NOT_GRANTED,
        INVALID_LOCK_RANGE."""
        ...

    def unlock_file(self, file: int, offset: int, length: int, /) -> None:
        """NtUnlockFile, with the very range that was locked.  RANGE_NOT_LOCKED."""
        ...

    def delete_file(self, path: str) -> None:
        """DeleteFile.  SHARING_VIOLATION, CANNOT_DELETE (read-only, or a section of it is in use),
        FILE_IS_A_DIRECTORY."""
        ...

    # ------------------------------------------------------------------ synchronisation

    def create_mutant(
        self, access: int, attributes: Attributes, initial_owner: bool
    ) -> tuple[int, int]:
        """NtCreateMutant; (SUCCESS or OBJECT_NAME_EXISTS, handle)."""
        ...

    def open_mutant(self, access: int, attributes: Attributes) -> int:
        """NtOpenMutant."""
        ...

    def release_mutant(self, handle: int, /) -> int:
        """NtReleaseMutant; the count before.  Needs ownership, not a right.  MUTANT_NOT_OWNED."""
        ...

    def abandon_mutant(self, handle: int, /) -> None:
        """Give a mutant back as if its owner had ended: whoever takes it next is told.
        MUTANT_NOT_OWNED.

        Not a service of Windows, where a thread that takes it and ends does the same.
        """
        ...

    def query_mutant(self, handle: int, /) -> s.MutantBasicInformation:
        """NtQueryMutant.  Rights: MUTANT_QUERY_STATE."""
        ...

    def create_event(
        self, access: int, attributes: Attributes, event_type: int, initial: bool
    ) -> tuple[int, int]:
        """NtCreateEvent."""
        ...

    def open_event(self, access: int, attributes: Attributes) -> int:
        """NtOpenEvent."""
        ...

    def set_event(self, handle: int, /) -> int:
        """NtSetEvent; the state before.  Rights: EVENT_MODIFY_STATE."""
        ...

    def reset_event(self, handle: int, /) -> int:
        """NtResetEvent; the state before.  Rights: EVENT_MODIFY_STATE."""
        ...

    def pulse_event(self, handle: int, /) -> int:
        """NtPulseEvent; the state before.  Rights: EVENT_MODIFY_STATE."""
        ...

    def query_event(self, handle: int, /) -> s.EventBasicInformation:
        """NtQueryEvent.  Rights: EVENT_QUERY_STATE."""
        ...

    def create_semaphore(
        self, access: int, attributes: Attributes, initial: int, maximum: int
    ) -> tuple[int, int]:
        """NtCreateSemaphore.  INVALID_PARAMETER unless 0 <= initial <= maximum and maximum > 0."""
        ...

    def open_semaphore(self, access: int, attributes: Attributes) -> int:
        """NtOpenSemaphore."""
        ...

    def release_semaphore(self, handle: int, count: int, /) -> int:
        """NtReleaseSemaphore; the count before.  Rights: SEMAPHORE_MODIFY_STATE.
        SEMAPHORE_LIMIT_EXCEEDED."""
        ...

    def query_semaphore(self, handle: int, /) -> s.SemaphoreBasicInformation:
        """NtQuerySemaphore.  Rights: SEMAPHORE_QUERY_STATE."""
        ...

    def wait_for_single_object(
        self, handle: int, timeout: int | None, /, *, careful: bool = False
    ) -> int:
        """NtWaitForSingleObject: WAIT_0, ABANDONED_WAIT_0 or TIMEOUT.  Rights: SYNCHRONIZE.  Ctrl-C
        raises as usual.

        ``careful``: an abandoned mutant is not taken and stays abandoned; AbandonedNtError tells of
        it.
        """
        ...

    def wait_for_multiple_objects(
        self, handles: Sequence[Any], wait_type: int, timeout: int | None, *, careful: bool = False
    ) -> int:
        """NtWaitForMultipleObjects with 1 to 64 handles: WAIT_0 + i, ABANDONED_WAIT_0 + i, or
        TIMEOUT.

        ``careful``: as above, and nothing else is taken either.
        """
        ...

    def signal_and_wait(self, signal: int, waited: int, timeout: int | None) -> int:
        """NtSignalAndWaitForSingleObject."""
        ...

    def connect_waitable(self, door: Any, handle: int, failed: Callable[[NtError], Any], /) -> None:
        """Have the native methods (``nt.native``) of ``door``, an ``nt.WaitableBase``, work on a
        handle's object.

        ``failed`` is called for everything but success and the end of the time, and what it raises
        or gives is the outcome.  Nothing happens where there are no such methods, or where the
        handle does not grant all that they do: then the methods in Python, and the services above,
        serve.
        """
        ...

    def awaited_number(self, buffer: memoryview, above: int, /) -> Any:
        """What stands in the place of a handle in ``wait_for_multiple_objects`` (WAIT_ANY) and
        ``watch`` for a number of eight bytes in mapped memory, perhaps read-only: available while
        it is more than ``above``.  Whoever changes it wakes those who sleep (``_native.seqlock``).
        None where the system cannot: then the caller looks now and then."""
        ...

    def announce_writer(self, handle: int, /) -> Any:
        """Say of a section that a process writes into it, as long as that process lives and until
        ``close`` of what this gives; None on a system without."""
        ...

    def has_writer(self, handle: int, /) -> bool:
        """Whether some process says so.  NOT_ON_THIS_SYSTEM."""
        ...

    def forget_directories(self) -> None:
        """Look for the directories of names again when one is needed: MEMSECTION_ROOT has changed.
        For tests."""
        ...

    def watch_name(self, name: str, /) -> NameWatch | None:
        """Watch for a name, which need not exist; None where the system tells nothing: then the
        caller looks now and then."""
        ...

    def watch(self, handle: Any, ready: Callable[[], None], /) -> Watch | None:
        """A wait that nobody sleeps in, for event loops; None on a system without: then the caller
        looks now and then.

        Rights: SYNCHRONIZE.
        """
        ...

    # ------------------------------------------------------------------ processes and tokens

    def current_process_id(self) -> int:
        """The caller's process id."""
        ...

    def open_process(self, access: int, attributes: int, pid: int) -> int:
        """NtOpenProcess; ``attributes`` is OBJ_INHERIT or 0.  INVALID_CID for no such process."""
        ...

    def query_process(self, process: int, /) -> s.ProcessBasicInformation:
        """NtQueryInformationProcess.  Rights: PROCESS_QUERY_LIMITED_INFORMATION."""
        ...

    def terminate_process(self, process: int, exit_status: int, /) -> None:
        """NtTerminateProcess.  Rights: PROCESS_TERMINATE."""
        ...

    def create_process(self, start: s.ProcessStart, /) -> s.StartedProcess:
        """What CreateProcess needs of the kernel: a new process, inheriting inheritable handles if
        told to."""
        ...

    def open_process_token(self, process: int, access: int, /) -> int:
        """NtOpenProcessToken.  Rights: PROCESS_QUERY_LIMITED_INFORMATION."""
        ...

    def query_token(self, token: int, information: int, /) -> Any:
        """NtQueryInformationToken: (SID, attributes) for TokenUser, a list of those for
        TokenGroups, of (luid, attributes) for TokenPrivileges, a SID for TokenOwner and
        TokenPrimaryGroup, a number for TokenType and TokenElevation.

        Rights: TOKEN_QUERY.  INVALID_INFO_CLASS; NOT_SUPPORTED for another class.
        """
        ...

    def duplicate_token(
        self, token: int, access: int, attributes: int, level: int, kind: int, /
    ) -> int:
        """NtDuplicateToken; access 0 for that of ``token``.  Rights: TOKEN_DUPLICATE.
        BAD_IMPERSONATION_LEVEL."""
        ...

    def check_access(
        self, descriptor: bytes, token: int, desired: int, mapping: tuple[int, int, int, int], /
    ) -> tuple[int, int]:
        """NtAccessCheck; (status, granted rights): SUCCESS, ACCESS_DENIED or PRIVILEGE_NOT_HELD,
        with all rights or none.

        Rights: TOKEN_QUERY.  NO_IMPERSONATION_TOKEN, BAD_IMPERSONATION_LEVEL, GENERIC_NOT_MAPPED,
            INVALID_SECURITY_DESCR.
        """
        ...

    def lookup_privilege(self, name: str) -> int:
        """The LUID of a privilege by its name (SeDebugPrivilege).  NO_SUCH_PRIVILEGE."""
        ...

    def adjust_privileges(
        self, token: int, privileges: Sequence[tuple[int, int]], disable_all: bool = False, /
    ) -> tuple[int, list[tuple[int, int]]]:
        """NtAdjustPrivilegesToken with (luid, attributes) pairs; (SUCCESS or NOT_ALL_ASSIGNED, the
        previous state of those that changed).  Rights: TOKEN_ADJUST_PRIVILEGES."""
        ...
