# SPDX-License-Identifier: MIT
"""The kernel interface, which is also the Nt-named face: services under their Nt and Zw names, with
NTSTATUS results.

``kernel`` is the one object manager of this system, chosen here once; ``win32`` and ``api`` stand
on it.  A function gives the status, or a tuple of the status and what C would write through
pointers (0 or None when it failed).
"""

from __future__ import annotations

import sys

from memsection._native import view as _view
from memsection.nt import forks as _forks  # noqa: F401  # imported for what it sees to
from memsection.nt import numbers as _numbers
from memsection.nt import owners as _owners
from memsection.nt.constants import *  # noqa: F403  # the constants that go with these functions
from memsection.vocabulary import protection as _protection
from memsection.vocabulary import status as _st
from memsection.vocabulary import structs as _structs
from memsection.vocabulary.errors import NtError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from memsection.nt.interface import Kernel

if sys.platform == "win32":
    from memsection.nt.windows.services import WindowsKernel as _System
    from memsection.nt.windows.synchronisation import WaitableBase as WaitableBase
    from memsection.nt.windows.synchronisation import native as native
else:
    from memsection._native.sync import WaitableBase as WaitableBase
    from memsection._native.sync import native as native
    from memsection.nt.linux.services import LinuxKernel as _System

kernel: Kernel = _System()
ViewBuffer = _view.View  #: what kernel.view_buffer makes, to be subclassed
#: eight bytes that say that others are complete
publish, published = _view.publish, _view.published

if sys.platform != "win32":
    _owners.connect_close(kernel.close)


@_owners.whole
def _status(call: Callable[[], Any]) -> int:
    """The status of a service that gives nothing."""
    try:
        call()
    except NtError as failure:
        return failure.status
    return _st.SUCCESS


@_owners.whole
def _with(call: Callable[[], Any], nothing: Any = 0) -> tuple[int, Any]:
    """(status, result) of a service."""
    try:
        return _st.SUCCESS, call()
    except NtError as failure:
        return failure.status, nothing


@_owners.whole
def _create(call: Callable[[], tuple[int, int]]) -> tuple[int, int]:
    """(status, handle) of a service that tells the status itself."""
    try:
        return call()
    except NtError as failure:
        return failure.status, 0


ViewShare, ViewUnmap = _protection.VIEW_SHARE, _protection.VIEW_UNMAP
SectionBasicInformation, SectionImageInformation = 0, 1
MemoryBasicInformation, MemoryMappedFilenameInformation = 0, 2
ObjectBasicInformation, ObjectNameInformation, ObjectTypeInformation = 0, 1, 2
ObjectHandleFlagInformation = 4


def NtClose(Handle: int) -> int:
    return _status(lambda: kernel.close(Handle))


def NtDuplicateObject(
    SourceProcessHandle: int,
    SourceHandle: int,
    TargetProcessHandle: int,
    DesiredAccess: int = 0,
    HandleAttributes: int = 0,
    Options: int = 0,
) -> tuple[int, int]:
    return _with(
        lambda: kernel.duplicate_object(
            SourceProcessHandle,
            SourceHandle,
            TargetProcessHandle,
            DesiredAccess,
            HandleAttributes,
            Options,
        )
    )


def NtQueryObject(Handle: int, ObjectInformationClass: int) -> tuple[int, Any]:
    query = {
        0: kernel.query_object,
        1: kernel.query_object_name,
        2: kernel.query_object_type,
        4: _handle_flags,
    }.get(ObjectInformationClass)
    if query is None:
        return _st.INVALID_INFO_CLASS, None
    return _with(lambda: query(Handle), None)


def _handle_flags(handle: int) -> tuple[bool, bool]:
    """(Inherit, ProtectFromClose): OBJECT_HANDLE_FLAG_INFORMATION."""
    attributes, _ = kernel.query_handle(handle)
    return bool(attributes & _structs.OBJ_INHERIT), bool(attributes & _structs.OBJ_PROTECT_CLOSE)


def NtSetInformationObject(
    Handle: int, ObjectInformationClass: int, ObjectInformation: tuple[bool, bool]
) -> int:
    if ObjectInformationClass != ObjectHandleFlagInformation:
        return _st.INVALID_INFO_CLASS
    inherit, protect = ObjectInformation
    return _status(
        lambda: kernel.set_handle_flags(Handle, inherit=bool(inherit), protect=bool(protect))
    )


def NtCompareObjects(FirstObjectHandle: int, SecondObjectHandle: int) -> int:
    status, same = _with(lambda: kernel.compare_objects(FirstObjectHandle, SecondObjectHandle))
    return status or (_st.SUCCESS if same else _st.NOT_SAME_OBJECT)


def NtCreateFile(
    DesiredAccess: int,
    ObjectAttributes: Any,
    FileAttributes: int,
    ShareAccess: int,
    CreateDisposition: int,
    CreateOptions: int = 0,
) -> tuple[int, int, int]:
    """(status, handle, what was done).  The name is a path in the system's own spelling."""
    if ObjectAttributes is None or not (name := ObjectAttributes.ObjectName):
        return _st.OBJECT_PATH_SYNTAX_BAD, 0, 0
    if ObjectAttributes.Attributes & (_structs.OBJ_PERMANENT | _structs.OBJ_EXCLUSIVE):
        return _st.NOT_ON_THIS_SYSTEM, 0, 0  # a file is its path, whoever has a handle
    flags = ObjectAttributes.Attributes & _structs.OBJ_INHERIT
    status, found = _with(
        lambda: kernel.create_file(
            DesiredAccess,
            name,
            flags,
            ShareAccess,
            CreateDisposition,
            CreateOptions,
            ObjectAttributes.SecurityDescriptor,
        ),
        (0, 0),
    )
    return (status, *found)


def NtOpenDirectoryObject(DesiredAccess: int, ObjectAttributes: Any) -> tuple[int, int]:
    return _with(lambda: kernel.open_directory_object(DesiredAccess, ObjectAttributes))


def NtCreateDirectoryObject(DesiredAccess: int, ObjectAttributes: Any) -> tuple[int, int]:
    return _create(lambda: kernel.create_directory_object(DesiredAccess, ObjectAttributes))


def NtQueryDirectoryObject(
    DirectoryHandle: int,
    ReturnSingleEntry: bool = False,
    RestartScan: bool = False,
    Context: int = 0,
) -> tuple[int, list[tuple[str, str]], int]:
    """(status, entries, the Context to go on with): each entry is a name and the name of a type.
    Without ReturnSingleEntry all that are left; NO_MORE_ENTRIES where none is."""
    status, found = _with(
        lambda: kernel.query_directory_object(
            DirectoryHandle, bool(ReturnSingleEntry), 0 if RestartScan else Context
        ),
        ([], Context),
    )
    return (status, *found)


def NtOpenSymbolicLinkObject(DesiredAccess: int, ObjectAttributes: Any) -> tuple[int, int]:
    return _with(lambda: kernel.open_symbolic_link_object(DesiredAccess, ObjectAttributes))


def NtMakeTemporaryObject(Handle: int) -> int:
    return _status(lambda: kernel.make_temporary_object(Handle))


def NtMakePermanentObject(Handle: int) -> int:
    return _status(lambda: kernel.make_permanent_object(Handle))


def NtQuerySecurityObject(Handle: int, SecurityInformation: int) -> tuple[int, bytes | None]:
    return _with(lambda: kernel.query_security_object(Handle, SecurityInformation), None)


def NtSetSecurityObject(Handle: int, SecurityInformation: int, SecurityDescriptor: bytes) -> int:
    return _status(
        lambda: kernel.set_security_object(Handle, SecurityInformation, SecurityDescriptor)
    )


def NtCreateSection(
    DesiredAccess: int,
    ObjectAttributes: Any,
    MaximumSize: int | None,
    SectionPageProtection: int,
    AllocationAttributes: int,
    FileHandle: int = 0,
) -> tuple[int, int]:
    return _create(
        lambda: kernel.create_section(
            DesiredAccess,
            ObjectAttributes,
            MaximumSize,
            SectionPageProtection,
            AllocationAttributes,
            FileHandle,
        )
    )


def NtOpenSection(DesiredAccess: int, ObjectAttributes: Any) -> tuple[int, int]:
    return _with(lambda: kernel.open_section(DesiredAccess, ObjectAttributes))


def NtMapViewOfSection(
    SectionHandle: int,
    ProcessHandle: int,
    BaseAddress: int = 0,
    ZeroBits: int = 0,
    CommitSize: int = 0,
    SectionOffset: int = 0,
    ViewSize: int = 0,
    InheritDisposition: int = _protection.VIEW_SHARE,
    AllocationType: int = 0,
    Win32Protect: int = _protection.PAGE_READWRITE,
) -> tuple[int, int, int]:
    status, found = _with(
        lambda: kernel.map_view(
            SectionHandle,
            ProcessHandle,
            BaseAddress,
            ZeroBits,
            CommitSize,
            SectionOffset,
            ViewSize,
            InheritDisposition,
            AllocationType,
            Win32Protect,
        ),
        (0, 0, 0),
    )
    return (status, *found[1:]) if status else found


def NtMapViewOfSectionEx(
    SectionHandle: int,
    ProcessHandle: int,
    BaseAddress: int = 0,
    SectionOffset: int = 0,
    ViewSize: int = 0,
    AllocationType: int = 0,
    PageProtection: int = _protection.PAGE_READWRITE,
) -> tuple[int, int, int]:
    return NtMapViewOfSection(
        SectionHandle,
        ProcessHandle,
        BaseAddress,
        0,
        0,
        SectionOffset,
        ViewSize,
        _protection.VIEW_UNMAP,
        AllocationType,
        PageProtection,
    )


def NtUnmapViewOfSection(ProcessHandle: int, BaseAddress: int) -> int:
    return _status(lambda: kernel.unmap_view(ProcessHandle, BaseAddress))


def NtExtendSection(SectionHandle: int, NewSectionSize: int) -> tuple[int, int]:
    return _with(lambda: kernel.extend_section(SectionHandle, NewSectionSize))


def NtQuerySection(SectionHandle: int, SectionInformationClass: int = 0) -> tuple[int, Any]:
    if SectionInformationClass == SectionImageInformation:
        status, _ = _with(lambda: kernel.query_section(SectionHandle), None)
        return status or _st.SECTION_NOT_IMAGE, None
    if SectionInformationClass != SectionBasicInformation:
        return _st.INVALID_INFO_CLASS, None
    return _with(lambda: kernel.query_section(SectionHandle), None)


def NtQueryVirtualMemory(
    ProcessHandle: int, BaseAddress: int, MemoryInformationClass: int = 0
) -> tuple[int, Any]:
    query = {0: kernel.query_virtual_memory, 2: kernel.query_mapped_file_name}.get(
        MemoryInformationClass
    )
    if query is None:
        return _st.INVALID_INFO_CLASS, None
    return _with(lambda: query(ProcessHandle, BaseAddress), None)


def NtProtectVirtualMemory(
    ProcessHandle: int, BaseAddress: int, RegionSize: int, NewProtect: int
) -> tuple[int, int, int, int]:
    status, found = _with(
        lambda: kernel.protect_virtual_memory(ProcessHandle, BaseAddress, RegionSize, NewProtect),
        (0, 0, 0),
    )
    return (status, *found)


def NtAllocateVirtualMemory(
    ProcessHandle: int,
    BaseAddress: int,
    ZeroBits: int,
    RegionSize: int,
    AllocationType: int,
    Protect: int,
) -> tuple[int, int, int]:
    status, found = _with(
        lambda: kernel.allocate_virtual_memory(
            ProcessHandle, BaseAddress, ZeroBits, RegionSize, AllocationType, Protect
        ),
        (0, 0),
    )
    return (status, *found)


def NtFreeVirtualMemory(
    ProcessHandle: int, BaseAddress: int, RegionSize: int, FreeType: int
) -> tuple[int, int, int]:
    status, found = _with(
        lambda: kernel.free_virtual_memory(ProcessHandle, BaseAddress, RegionSize, FreeType), (0, 0)
    )
    return (status, *found)


def NtFlushVirtualMemory(ProcessHandle: int, BaseAddress: int, RegionSize: int = 0) -> int:
    return _status(lambda: kernel.flush_virtual_memory(ProcessHandle, BaseAddress, RegionSize))


def NtReadVirtualMemory(
    ProcessHandle: int, BaseAddress: int, NumberOfBytesToRead: int
) -> tuple[int, bytes]:
    return _with(
        lambda: kernel.read_virtual_memory(ProcessHandle, BaseAddress, NumberOfBytesToRead), b""
    )


def NtWriteVirtualMemory(ProcessHandle: int, BaseAddress: int, Buffer: bytes) -> tuple[int, int]:
    return _with(lambda: kernel.write_virtual_memory(ProcessHandle, BaseAddress, Buffer))


def NtCreateMutant(
    DesiredAccess: int, ObjectAttributes: Any, InitialOwner: bool
) -> tuple[int, int]:
    return _create(lambda: kernel.create_mutant(DesiredAccess, ObjectAttributes, InitialOwner))


def NtOpenMutant(DesiredAccess: int, ObjectAttributes: Any) -> tuple[int, int]:
    return _with(lambda: kernel.open_mutant(DesiredAccess, ObjectAttributes))


def NtReleaseMutant(MutantHandle: int) -> tuple[int, int]:
    return _with(lambda: kernel.release_mutant(MutantHandle))


def NtQueryMutant(MutantHandle: int) -> tuple[int, Any]:
    return _with(lambda: kernel.query_mutant(MutantHandle), None)


def NtCreateEvent(
    DesiredAccess: int, ObjectAttributes: Any, EventType: int, InitialState: bool
) -> tuple[int, int]:
    return _create(
        lambda: kernel.create_event(DesiredAccess, ObjectAttributes, EventType, InitialState)
    )


def NtOpenEvent(DesiredAccess: int, ObjectAttributes: Any) -> tuple[int, int]:
    return _with(lambda: kernel.open_event(DesiredAccess, ObjectAttributes))


def NtSetEvent(EventHandle: int) -> tuple[int, int]:
    return _with(lambda: kernel.set_event(EventHandle))


def NtResetEvent(EventHandle: int) -> tuple[int, int]:
    return _with(lambda: kernel.reset_event(EventHandle))


def NtClearEvent(EventHandle: int) -> int:
    return _status(lambda: kernel.reset_event(EventHandle))


def NtPulseEvent(EventHandle: int) -> tuple[int, int]:
    return _with(lambda: kernel.pulse_event(EventHandle))


def NtQueryEvent(EventHandle: int) -> tuple[int, Any]:
    return _with(lambda: kernel.query_event(EventHandle), None)


def NtCreateSemaphore(
    DesiredAccess: int, ObjectAttributes: Any, InitialCount: int, MaximumCount: int
) -> tuple[int, int]:
    return _create(
        lambda: kernel.create_semaphore(DesiredAccess, ObjectAttributes, InitialCount, MaximumCount)
    )


def NtOpenSemaphore(DesiredAccess: int, ObjectAttributes: Any) -> tuple[int, int]:
    return _with(lambda: kernel.open_semaphore(DesiredAccess, ObjectAttributes))


def NtReleaseSemaphore(SemaphoreHandle: int, ReleaseCount: int) -> tuple[int, int]:
    return _with(lambda: kernel.release_semaphore(SemaphoreHandle, ReleaseCount))


def NtQuerySemaphore(SemaphoreHandle: int) -> tuple[int, Any]:
    return _with(lambda: kernel.query_semaphore(SemaphoreHandle), None)


def NtCreateTimer(DesiredAccess: int, ObjectAttributes: Any, TimerType: int) -> tuple[int, int]:
    return _create(lambda: kernel.create_timer(DesiredAccess, ObjectAttributes, TimerType))


def NtOpenTimer(DesiredAccess: int, ObjectAttributes: Any) -> tuple[int, int]:
    return _with(lambda: kernel.open_timer(DesiredAccess, ObjectAttributes))


def NtSetTimer(
    TimerHandle: int,
    DueTime: int | None,
    TimerApcRoutine: Any = None,
    TimerContext: Any = None,
    ResumeTimer: bool = False,
    Period: int = 0,
) -> tuple[int, int]:
    if DueTime is None:
        return _st.ACCESS_VIOLATION, 0
    if TimerApcRoutine:
        return _st.NOT_SUPPORTED, 0  # nothing would call it
    try:
        return kernel.set_timer(TimerHandle, DueTime, Period, bool(ResumeTimer))
    except NtError as failure:
        return failure.status, 0


def NtCancelTimer(TimerHandle: int) -> tuple[int, int]:
    return _with(lambda: kernel.cancel_timer(TimerHandle))


def NtQueryTimer(TimerHandle: int) -> tuple[int, Any]:
    return _with(lambda: kernel.query_timer(TimerHandle), None)


def NtWaitForSingleObject(Handle: int, Alertable: bool = False, Timeout: int | None = None) -> int:
    try:
        return kernel.wait_for_single_object(Handle, Timeout)
    except NtError as failure:
        return failure.status


def NtWaitForMultipleObjects(
    Handles: Sequence[int], WaitType: int, Alertable: bool = False, Timeout: int | None = None
) -> int:
    try:
        return kernel.wait_for_multiple_objects(Handles, WaitType, Timeout)
    except NtError as failure:
        return failure.status


def NtSignalAndWaitForSingleObject(
    SignalHandle: int, WaitHandle: int, Alertable: bool = False, Timeout: int | None = None
) -> int:
    try:
        return kernel.signal_and_wait(SignalHandle, WaitHandle, Timeout)
    except NtError as failure:
        return failure.status


def NtOpenProcess(DesiredAccess: int, ObjectAttributes: Any, ClientId: int) -> tuple[int, int]:
    flags = 0 if ObjectAttributes is None else ObjectAttributes.Attributes
    return _with(lambda: kernel.open_process(DesiredAccess, flags, ClientId))


def NtTerminateProcess(ProcessHandle: int, ExitStatus: int) -> int:
    return _status(lambda: kernel.terminate_process(ProcessHandle, ExitStatus))


def NtQueryInformationProcess(
    ProcessHandle: int, ProcessInformationClass: int = 0
) -> tuple[int, Any]:
    if ProcessInformationClass != 0:
        return _st.INVALID_INFO_CLASS, None
    return _with(lambda: kernel.query_process(ProcessHandle), None)


def NtOpenThread(
    DesiredAccess: int, ObjectAttributes: Any, ClientId: int | tuple[int, int] | None
) -> tuple[int, int]:
    """The client id is the thread's id, or those of a process and one of its threads."""
    if ClientId is None:
        return _st.INVALID_PARAMETER_MIX, 0
    flags = 0 if ObjectAttributes is None else ObjectAttributes.Attributes
    pid, tid = ClientId if isinstance(ClientId, tuple) else (0, ClientId)
    return _with(lambda: kernel.open_thread(DesiredAccess, flags, tid, pid))


def NtQueryInformationThread(ThreadHandle: int, ThreadInformationClass: int = 0) -> tuple[int, Any]:
    if ThreadInformationClass != 0:
        return _st.INVALID_INFO_CLASS, None
    return _with(lambda: kernel.query_thread(ThreadHandle), None)


def NtOpenProcessToken(ProcessHandle: int, DesiredAccess: int) -> tuple[int, int]:
    return _with(lambda: kernel.open_process_token(ProcessHandle, DesiredAccess))


def NtQueryInformationToken(TokenHandle: int, TokenInformationClass: int) -> tuple[int, Any]:
    return _with(lambda: kernel.query_token(TokenHandle, TokenInformationClass), None)


def NtDuplicateToken(
    ExistingTokenHandle: int,
    DesiredAccess: int,
    ObjectAttributes: Any,
    ImpersonationLevel: int,
    TokenType: int,
) -> tuple[int, int]:
    flags = 0 if ObjectAttributes is None else ObjectAttributes.Attributes
    return _with(
        lambda: kernel.duplicate_token(
            ExistingTokenHandle, DesiredAccess, flags, ImpersonationLevel, TokenType
        )
    )


def NtAccessCheck(
    SecurityDescriptor: bytes,
    ClientToken: int,
    DesiredAccess: int,
    GenericMapping: tuple[int, int, int, int],
) -> tuple[int, int, int]:
    """(status, granted rights, what the check says): the last is SUCCESS or why nothing is
    granted."""
    status, (found, granted) = _with(
        lambda: kernel.check_access(SecurityDescriptor, ClientToken, DesiredAccess, GenericMapping),
        (0, 0),
    )
    return status, granted, found


def NtAdjustPrivilegesToken(
    TokenHandle: int, DisableAllPrivileges: bool, NewState: Sequence[tuple[int, int]] = ()
) -> tuple[int, list[tuple[int, int]]]:
    """(status, what changed, as it was before): pairs of a privilege's LUID and its attributes."""
    try:
        return kernel.adjust_privileges(TokenHandle, list(NewState), bool(DisableAllPrivileges))
    except NtError as failure:
        return failure.status, []


# Every service has its Zw name too; in user mode the two are the same.
_numbers.take_numbers(globals())
ZwClose = NtClose
ZwDuplicateObject = NtDuplicateObject
ZwQueryObject = NtQueryObject
ZwSetInformationObject = NtSetInformationObject
ZwCompareObjects = NtCompareObjects
ZwCreateFile = NtCreateFile
ZwOpenDirectoryObject = NtOpenDirectoryObject
ZwCreateDirectoryObject = NtCreateDirectoryObject
ZwQueryDirectoryObject = NtQueryDirectoryObject
ZwOpenSymbolicLinkObject = NtOpenSymbolicLinkObject
ZwMakeTemporaryObject = NtMakeTemporaryObject
ZwMakePermanentObject = NtMakePermanentObject
ZwQuerySecurityObject = NtQuerySecurityObject
ZwSetSecurityObject = NtSetSecurityObject
ZwCreateSection = NtCreateSection
ZwOpenSection = NtOpenSection
ZwMapViewOfSection = NtMapViewOfSection
ZwMapViewOfSectionEx = NtMapViewOfSectionEx
ZwUnmapViewOfSection = NtUnmapViewOfSection
ZwExtendSection = NtExtendSection
ZwQuerySection = NtQuerySection
ZwQueryVirtualMemory = NtQueryVirtualMemory
ZwProtectVirtualMemory = NtProtectVirtualMemory
ZwAllocateVirtualMemory = NtAllocateVirtualMemory
ZwFreeVirtualMemory = NtFreeVirtualMemory
ZwFlushVirtualMemory = NtFlushVirtualMemory
ZwReadVirtualMemory = NtReadVirtualMemory
ZwWriteVirtualMemory = NtWriteVirtualMemory
ZwCreateMutant = NtCreateMutant
ZwOpenMutant = NtOpenMutant
ZwReleaseMutant = NtReleaseMutant
ZwQueryMutant = NtQueryMutant
ZwCreateEvent = NtCreateEvent
ZwOpenEvent = NtOpenEvent
ZwSetEvent = NtSetEvent
ZwResetEvent = NtResetEvent
ZwClearEvent = NtClearEvent
ZwPulseEvent = NtPulseEvent
ZwQueryEvent = NtQueryEvent
ZwCreateSemaphore = NtCreateSemaphore
ZwOpenSemaphore = NtOpenSemaphore
ZwReleaseSemaphore = NtReleaseSemaphore
ZwQuerySemaphore = NtQuerySemaphore
ZwCreateTimer = NtCreateTimer
ZwOpenTimer = NtOpenTimer
ZwSetTimer = NtSetTimer
ZwCancelTimer = NtCancelTimer
ZwQueryTimer = NtQueryTimer
ZwWaitForSingleObject = NtWaitForSingleObject
ZwWaitForMultipleObjects = NtWaitForMultipleObjects
ZwSignalAndWaitForSingleObject = NtSignalAndWaitForSingleObject
ZwOpenProcess = NtOpenProcess
ZwTerminateProcess = NtTerminateProcess
ZwQueryInformationProcess = NtQueryInformationProcess
ZwOpenThread = NtOpenThread
ZwQueryInformationThread = NtQueryInformationThread
ZwOpenProcessToken = NtOpenProcessToken
ZwQueryInformationToken = NtQueryInformationToken
ZwDuplicateToken = NtDuplicateToken
ZwAccessCheck = NtAccessCheck
ZwAdjustPrivilegesToken = NtAdjustPrivilegesToken
