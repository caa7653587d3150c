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

from typing import Any, Protocol

from memsection.nt.interface_directories import DirectoryKernel
from memsection.nt.interface_files import FileKernel
from memsection.nt.interface_memory import MemoryKernel
from memsection.nt.interface_processes import ProcessKernel
from memsection.nt.interface_synchronisation import SynchronisationKernel
from memsection.nt.interface_timers import TimerKernel
from memsection.vocabulary import structs as s
from memsection.vocabulary.sid import Sid

Attributes = Any  #: ObjectAttributes or any object with its fields


class Kernel(
    MemoryKernel,
    SynchronisationKernel,
    TimerKernel,
    FileKernel,
    ProcessKernel,
    DirectoryKernel,
    Protocol,
):
    """The services of an object manager: those for any object here, the others by their parts."""

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
        """NtQueryObject, ObjectTypeInformation: "Section", "Mutant", "Event", "Semaphore", "Timer",
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

    def read_security(self, handle: int, information: int, /) -> bytes:
        """As ``query_security_object`` through a duplicate that has READ_CONTROL besides, and is
        closed again.  Rights: the handle's, or what the descriptor grants the caller."""
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
