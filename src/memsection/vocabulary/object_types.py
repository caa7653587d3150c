# SPDX-License-Identifier: MIT
"""One row for each object type: its name, its rights, what generic rights mean, what can be done
with it."""

from __future__ import annotations

from memsection.vocabulary import access as a
from memsection.vocabulary.records import record


@record(frozen=True, slots=True, eq=False)
class ObjectType:
    """What the object manager has to know of a type."""

    name: str
    number: int  #: in the control page
    valid: int  #: every right that an object of this type can have
    generic_read: int
    generic_write: int
    generic_execute: int
    generic_all: int
    waitable: bool
    #: its state is a file in memory, which says itself what it is, and whose lock says that it
    #: lives
    has_body: bool
    rights: dict[str, int]  #: their names

    @property
    def noun(self) -> str:
        """What messages call such an object."""
        return "mutex" if self.name == "Mutant" else self.name.lower()

    @property
    def a_noun(self) -> str:
        """That with its article."""
        return f"{'an' if self.noun[0] in 'aeiou' else 'a'} {self.noun}"

    def specific(self, mask: int) -> int:
        """The mask with generic rights replaced by what they mean for this type
        (RtlMapGenericMask)."""
        if mask & a.GENERIC_MASK:
            for bit, meaning in (
                (a.GENERIC_READ, self.generic_read),
                (a.GENERIC_WRITE, self.generic_write),
                (a.GENERIC_EXECUTE, self.generic_execute),
                (a.GENERIC_ALL, self.generic_all),
            ):
                if mask & bit:
                    mask = mask & ~bit | meaning
        return mask

    def words(self, mask: int) -> str:
        """A mask in words, for messages."""
        return a.names(mask, self.rights)


def _rights(prefix: str, *more: str) -> dict[str, int]:
    whole = {
        name: value
        for name, value in vars(a).items()
        if name.startswith(prefix) and isinstance(value, int)
    }
    table = {name: value for name, value in whole.items() if name.endswith("_ALL_ACCESS")}
    table.update(
        (name, value)
        for name, value in whole.items()
        if "GENERIC" not in name and name not in table
    )
    table.update(
        (name, getattr(a, name))
        for name in (
            "DELETE",
            "READ_CONTROL",
            "WRITE_DAC",
            "WRITE_OWNER",
            "SYNCHRONIZE",
            "MAXIMUM_ALLOWED",
        )
    )
    return table


_R, _A = a.READ_CONTROL, a.STANDARD_RIGHTS_ALL

SECTION = ObjectType(
    "Section",
    1,
    a.STANDARD_RIGHTS_ALL | 0x3F,
    _R | a.SECTION_QUERY | a.SECTION_MAP_READ,
    _R | a.SECTION_MAP_WRITE,
    _R | a.SECTION_MAP_EXECUTE,
    a.SECTION_ALL_ACCESS,
    False,
    True,
    _rights("SECTION_"),
)
MUTANT = ObjectType(
    "Mutant",
    2,
    a.MUTANT_ALL_ACCESS,
    _R | a.MUTANT_QUERY_STATE,
    _R,
    _R | a.SYNCHRONIZE,
    a.MUTANT_ALL_ACCESS,
    True,
    True,
    _rights("MUTANT_"),
)
EVENT = ObjectType(
    "Event",
    3,
    a.EVENT_ALL_ACCESS,
    _R | a.EVENT_QUERY_STATE,
    _R | a.EVENT_MODIFY_STATE,
    _R | a.SYNCHRONIZE,
    a.EVENT_ALL_ACCESS,
    True,
    True,
    _rights("EVENT_"),
)
SEMAPHORE = ObjectType(
    "Semaphore",
    4,
    a.SEMAPHORE_ALL_ACCESS,
    _R | a.SEMAPHORE_QUERY_STATE,
    _R | a.SEMAPHORE_MODIFY_STATE,
    _R | a.SYNCHRONIZE,
    a.SEMAPHORE_ALL_ACCESS,
    True,
    True,
    _rights("SEMAPHORE_"),
)
TIMER = ObjectType(
    "Timer",
    9,
    a.TIMER_ALL_ACCESS,
    _R | a.TIMER_QUERY_STATE,
    _R | a.TIMER_MODIFY_STATE,
    _R | a.SYNCHRONIZE,
    a.TIMER_ALL_ACCESS,
    True,
    True,
    _rights("TIMER_"),
)
PROCESS = ObjectType(
    "Process",
    5,
    a.PROCESS_ALL_ACCESS,
    _R | a.PROCESS_QUERY_INFORMATION | a.PROCESS_VM_READ,
    _R
    | a.PROCESS_CREATE_PROCESS
    | a.PROCESS_CREATE_THREAD
    | a.PROCESS_VM_OPERATION
    | a.PROCESS_VM_WRITE
    | a.PROCESS_DUP_HANDLE
    | a.PROCESS_SET_QUOTA
    | a.PROCESS_SET_INFORMATION
    | a.PROCESS_SUSPEND_RESUME,
    _R | a.SYNCHRONIZE | a.PROCESS_QUERY_LIMITED_INFORMATION | a.PROCESS_TERMINATE,
    a.PROCESS_ALL_ACCESS,
    True,
    False,
    _rights("PROCESS_"),
)
THREAD = ObjectType(
    "Thread",
    10,
    a.THREAD_ALL_ACCESS,
    _R | a.THREAD_QUERY_INFORMATION | a.THREAD_GET_CONTEXT,
    _R
    | a.THREAD_TERMINATE
    | a.THREAD_SUSPEND_RESUME
    | 0x4  # THREAD_ALERT, which has a name in the kernel alone
    | a.THREAD_SET_CONTEXT
    | a.THREAD_SET_INFORMATION
    | a.THREAD_SET_LIMITED_INFORMATION,
    _R | a.SYNCHRONIZE | a.THREAD_QUERY_LIMITED_INFORMATION | a.THREAD_RESUME,
    a.THREAD_ALL_ACCESS,
    True,
    False,
    _rights("THREAD_"),
)
FILE = ObjectType(
    "File",
    6,
    a.FILE_ALL_ACCESS,
    a.FILE_GENERIC_READ,
    a.FILE_GENERIC_WRITE,
    a.FILE_GENERIC_EXECUTE,
    a.FILE_ALL_ACCESS,
    True,
    False,
    _rights("FILE_"),
)
TOKEN = ObjectType(
    "Token",
    7,
    a.TOKEN_ALL_ACCESS,
    _R | a.TOKEN_QUERY | a.TOKEN_DUPLICATE,
    _R | a.TOKEN_ADJUST_PRIVILEGES,
    _R,
    a.TOKEN_ALL_ACCESS,
    False,
    False,
    _rights("TOKEN_"),
)
DIRECTORY = ObjectType(
    "Directory",
    8,
    a.DIRECTORY_ALL_ACCESS,
    _R | a.DIRECTORY_QUERY | a.DIRECTORY_TRAVERSE,
    _R | a.DIRECTORY_CREATE_OBJECT | a.DIRECTORY_CREATE_SUBDIRECTORY,
    _R | a.DIRECTORY_QUERY | a.DIRECTORY_TRAVERSE,
    a.DIRECTORY_ALL_ACCESS,
    False,
    False,
    _rights("DIRECTORY_"),
)

ALL = (SECTION, MUTANT, EVENT, SEMAPHORE, PROCESS, FILE, TOKEN, DIRECTORY, TIMER, THREAD)
#: Names of the types that have a body: what is listed, searched for and counted.
LISTED = tuple(kind.name for kind in ALL if kind.has_body)
BY_NUMBER = {kind.number: kind for kind in ALL}
BY_NAME = {kind.name: kind for kind in ALL}
