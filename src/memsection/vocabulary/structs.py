# SPDX-License-Identifier: MIT
"""Records that cross the kernel interface, with the field names of their C counterparts.

Pure data.  Records of the library itself (not of Windows) have PEP 8 field names.
"""

from __future__ import annotations

from memsection.vocabulary.records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OBJ_INHERIT = 0x02
OBJ_PROTECT_CLOSE = 0x01  #: in ObjectBasicInformation.Attributes only
OBJ_PERMANENT = 0x10
OBJ_EXCLUSIVE = 0x20
OBJ_CASE_INSENSITIVE = 0x40
OBJ_OPENIF = 0x80

DUPLICATE_CLOSE_SOURCE = 0x1
DUPLICATE_SAME_ACCESS = 0x2
DUPLICATE_SAME_ATTRIBUTES = 0x4

OWNER_SECURITY_INFORMATION = 0x1
GROUP_SECURITY_INFORMATION = 0x2
DACL_SECURITY_INFORMATION = 0x4
SACL_SECURITY_INFORMATION = 0x8
#: of the SACL the mandatory label alone, which everybody may know
LABEL_SECURITY_INFORMATION = 0x10

NOTIFICATION_EVENT = 0  #: EVENT_TYPE: manual reset
SYNCHRONIZATION_EVENT = 1  #: EVENT_TYPE: auto reset
NOTIFICATION_TIMER = 0  #: TIMER_TYPE: manual reset
SYNCHRONIZATION_TIMER = 1  #: TIMER_TYPE: lets one wait through each time that it is due
WAIT_ALL = 0  #: WAIT_TYPE
WAIT_ANY = 1  #: WAIT_TYPE

TokenUser, TokenGroups, TokenPrivileges, TokenOwner, TokenPrimaryGroup = range(1, 6)
TokenType, TokenImpersonationLevel, TokenStatistics, TokenElevation = 8, 9, 10, 20
#: Every TOKEN_INFORMATION_CLASS that a query may ask for (winnt.h), and those that are answered
#: here.
TOKEN_INFORMATION_CLASSES = range(1, 49)
TOKEN_INFORMATION_HERE = (
    TokenUser,
    TokenGroups,
    TokenPrivileges,
    TokenOwner,
    TokenPrimaryGroup,
    TokenType,
    TokenImpersonationLevel,
    TokenStatistics,
    TokenElevation,
)
TOKEN_PRIMARY, TOKEN_IMPERSONATION = 1, 2
SECURITY_ANONYMOUS, SECURITY_IDENTIFICATION, SECURITY_IMPERSONATION, SECURITY_DELEGATION = range(4)
SE_GROUP_MANDATORY = 0x1
SE_GROUP_ENABLED_BY_DEFAULT = 0x2
SE_GROUP_ENABLED = 0x4
SE_GROUP_OWNER = 0x8
FILE_SHARE_READ = 0x1
FILE_SHARE_WRITE = 0x2
FILE_SHARE_DELETE = 0x4
FILE_ATTRIBUTE_READONLY = 0x1
FILE_ATTRIBUTE_NORMAL = 0x80
FILE_TYPE_UNKNOWN, FILE_TYPE_DISK, FILE_TYPE_CHAR, FILE_TYPE_PIPE = range(4)
FILE_SUPERSEDE = 0
FILE_OPEN = 1
FILE_CREATE = 2
FILE_OPEN_IF = 3
FILE_OVERWRITE = 4
FILE_OVERWRITE_IF = 5
FILE_OPENED = 1  #: what NtCreateFile reports
FILE_CREATED = 2
FILE_OVERWRITTEN = 3
FILE_DELETE_ON_CLOSE = 0x1000  #: create option
FILE_WRITE_THROUGH = 0x2
FILE_SEQUENTIAL_ONLY = 0x4
FILE_RANDOM_ACCESS = 0x800
FILE_NON_DIRECTORY_FILE = 0x40  #: opening a directory is FILE_IS_A_DIRECTORY

CURRENT_PROCESS = -1  #: NtCurrentProcess()
CURRENT_THREAD = -2  #: NtCurrentThread()

SE_DEBUG_PRIVILEGE = 20  #: the low part of SeDebugPrivilege's LUID, on every Windows
SE_PRIVILEGE_ENABLED = 0x2


@record(frozen=True, slots=True)
class ObjectAttributes:
    """OBJECT_ATTRIBUTES.

    Any object with these attributes serves as well; ``SecurityDescriptor`` is self-relative bytes.
    """

    ObjectName: str | None = None
    RootDirectory: int = 0
    Attributes: int = 0
    SecurityDescriptor: bytes | None = None


@record(frozen=True, slots=True)
class SectionBasicInformation:
    """SECTION_BASIC_INFORMATION."""

    BaseAddress: int
    Attributes: int
    Size: int


@record(frozen=True, slots=True)
class FileInformation:
    """What GetFileInformationByHandle tells; times are 100 ns units since 1601, 0 for one that is
    not kept."""

    attributes: int
    creation_time: int
    last_access_time: int
    last_write_time: int
    volume: int  #: serial number of the volume
    size: int
    links: int
    index: int  #: what the file is known by in its volume


@record(frozen=True, slots=True)
class TokenStatisticsInformation:
    """TOKEN_STATISTICS, the LUIDs as one number each."""

    TokenId: int
    AuthenticationId: int
    ExpirationTime: int
    TokenType: int
    ImpersonationLevel: int
    DynamicCharged: int
    DynamicAvailable: int
    GroupCount: int
    PrivilegeCount: int
    ModifiedId: int


@record(frozen=True, slots=True)
class ObjectBasicInformation:
    """OBJECT_BASIC_INFORMATION, as far as this library needs it."""

    Attributes: int
    GrantedAccess: int
    HandleCount: int
    PointerCount: int


@record(frozen=True, slots=True)
class MemoryBasicInformation:
    """MEMORY_BASIC_INFORMATION."""

    BaseAddress: int
    AllocationBase: int
    AllocationProtect: int
    RegionSize: int
    State: int
    Protect: int
    Type: int


@record(frozen=True, slots=True)
class EventBasicInformation:
    """EVENT_BASIC_INFORMATION."""

    EventType: int
    EventState: int


@record(frozen=True, slots=True)
class MutantBasicInformation:
    """MUTANT_BASIC_INFORMATION; the owner besides (MutantOwnerInformation), 0 when there is
    none."""

    CurrentCount: int
    OwnedByCaller: bool
    AbandonedState: bool
    owner_pid: int = 0
    owner_tid: int = 0


@record(frozen=True, slots=True)
class SemaphoreBasicInformation:
    """SEMAPHORE_BASIC_INFORMATION."""

    CurrentCount: int
    MaximumCount: int


@record(frozen=True, slots=True)
class TimerBasicInformation:
    """TIMER_BASIC_INFORMATION; besides, what Windows does not tell: None there.

    Attributes:
        RemainingTime: Until it is due next, in 100 ns; negative: since then; 0 when it is not set.
        TimerState: Whether it is signaled.
        manual: Whether it is a notification timer.
        is_set: Whether it has a due time, to come or not waited for yet.
        period: In milliseconds, 0 for once.
    """

    RemainingTime: int
    TimerState: bool
    manual: bool | None = None
    is_set: bool | None = None
    period: int | None = None


@record(frozen=True, slots=True)
class ProcessBasicInformation:
    """PROCESS_BASIC_INFORMATION, as far as this library needs it; ExitStatus is STATUS_PENDING
    while it runs."""

    ExitStatus: int
    UniqueProcessId: int
    InheritedFromUniqueProcessId: int = 0


@record(frozen=True, slots=True)
class ThreadBasicInformation:
    """THREAD_BASIC_INFORMATION, as far as this library needs it; ExitStatus is STATUS_PENDING
    while it runs."""

    ExitStatus: int
    UniqueProcess: int
    UniqueThread: int


@record(frozen=True, slots=True)
class HandleEntry:
    """One handle of some process, found by searching its handle table.

    Attributes:
        pid: The process that has the handle.
        handle: Its value there.
        type_name: "Section", "Mutant", "Event", "Semaphore", "File", ...
        granted_access: The rights it carries.
        attributes: OBJ_INHERIT and OBJ_PROTECT_CLOSE as far as known.
        name: Full object name, or the file's path; "" when there is none or it cannot be told.
        size: Bytes of a section, else 0.
        identity: Equal for two handles exactly when they mean the same object; None when it cannot
            be told.
        creator_pid: The process that made the object, 0 when unknown.
        created: When, in seconds since the epoch; 0.0 when unknown.
        tail: The last bytes of a section's memory, where a description of it would be; None when
            unknown.
    """

    pid: int
    handle: int
    type_name: str
    granted_access: int
    attributes: int = 0
    name: str = ""
    size: int = 0
    identity: tuple[int, ...] | None = None
    creator_pid: int = 0
    created: float = 0.0
    tail: bytes | None = None


@record(frozen=True, slots=True)
class NamedObject:
    """One object in the namespace, as ``list_directory`` gives it."""

    name: str  #: as a Win32 program would give it: ``leaf`` or ``Global\\leaf``
    type_name: str
    size: int
    holders: tuple[HandleEntry, ...] = ()
    owner: str = ""
    problem: str = ""  #: why more cannot be told, when it cannot


@record(slots=True)
class ProcessStart:
    """What CreateProcess was told."""

    application: str | None
    command_line: str | None
    inherit_handles: bool = False
    creation_flags: int = 0
    environment: Mapping[str, str] | None = None
    directory: str | None = None
    standard_handles: tuple[int, int, int] | None = None  #: input, output, error
    process_inheritable: bool = False
    thread_inheritable: bool = False
    arguments: Sequence[str] = ()


@record(frozen=True, slots=True)
class StartedProcess:
    """PROCESS_INFORMATION."""

    hProcess: int
    hThread: int
    dwProcessId: int
    dwThreadId: int


@record(frozen=True, slots=True)
class Check:
    """One thing that this machine allows or not, as ``diagnose`` found it."""

    name: str
    #: "ok"; "note": something optional does not work; "problem": something needed does not
    state: str
    found: str
    remedy: str = ""
