# SPDX-License-Identifier: MIT
"""The services for processes, threads and tokens, a part of the kernel interface
(``nt.interface``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from memsection.vocabulary import structs as s

Attributes = Any  #: ObjectAttributes or any object with its fields


class ProcessKernel(Protocol):
    """Processes, threads and tokens."""

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

    def open_thread(self, access: int, attributes: int, tid: int, pid: int = 0) -> int:
        """NtOpenThread; ``attributes`` is OBJ_INHERIT or 0.  INVALID_CID for no such thread, or not
        one of process ``pid``; NOT_ON_THIS_SYSTEM."""
        ...

    def query_thread(self, thread: int, /) -> s.ThreadBasicInformation:
        """NtQueryInformationThread.  Rights: THREAD_QUERY_LIMITED_INFORMATION."""
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
