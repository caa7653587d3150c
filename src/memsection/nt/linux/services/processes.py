# SPDX-License-Identifier: MIT
"""Services for processes, threads, tokens and accounts."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import os

from memsection.nt.linux.services.wrapping import service
from memsection.nt.linux.system import accounts
from memsection.nt.linux.types import process, thread
from memsection.vocabulary import structs as s
from memsection.vocabulary.sid import Sid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


class ProcessServices:
    """Services for processes, threads, tokens and accounts."""

    def current_process_id(self) -> int:
        """The caller's process id."""
        return os.getpid()

    @service("open process")
    def open_process(self, access: int, attributes: int, pid: int) -> int:
        """NtOpenProcess."""
        return process.open_(access, attributes, pid)

    @service("query process")
    def query_process(self, process_handle: int) -> s.ProcessBasicInformation:
        """NtQueryInformationProcess."""
        return process.query(process_handle)

    @service("terminate process")
    def terminate_process(self, process_handle: int, exit_status: int) -> None:
        """NtTerminateProcess."""
        process.terminate(process_handle, exit_status)

    @service("create process")
    def create_process(self, start: s.ProcessStart) -> s.StartedProcess:
        """A new process."""
        from memsection.nt.linux.types import new_process

        return new_process.create(start)

    @service("open thread")
    def open_thread(self, access: int, attributes: int, tid: int, pid: int = 0) -> int:
        """NtOpenThread."""
        return thread.open_(access, attributes, tid, pid)

    @service("query thread")
    def query_thread(self, thread_handle: int) -> s.ThreadBasicInformation:
        """NtQueryInformationThread."""
        return thread.query(thread_handle)

    @service("open token")
    def open_process_token(self, process_handle: int, access: int) -> int:
        """NtOpenProcessToken."""
        from memsection.nt.linux.types import token

        return token.open_token(process_handle, access)

    @service("query token")
    def query_token(self, token: int, information: int) -> Any:
        """NtQueryInformationToken."""
        from memsection.nt.linux.types import token_facts

        return token_facts.query(token, information)

    @service("duplicate token")
    def duplicate_token(
        self, token: int, access: int, attributes: int, level: int, kind: int
    ) -> int:
        """NtDuplicateToken."""
        from memsection.nt.linux.types import token_copies

        return token_copies.duplicate(token, access, attributes, level, kind)

    @service("check access")
    def check_access(
        self, descriptor: bytes, token: int, desired: int, mapping: tuple[int, int, int, int]
    ) -> tuple[int, int]:
        """NtAccessCheck."""
        from memsection.nt.linux.types import token_copies

        return token_copies.check_access(descriptor, token, desired, mapping)

    @service("look up privilege")
    def lookup_privilege(self, name: str) -> int:
        """The LUID of a privilege."""
        from memsection.nt.linux.types import token

        return token.lookup_privilege(name)

    @service("adjust privileges")
    def adjust_privileges(
        self, token: int, privileges: Sequence[tuple[int, int]], disable_all: bool = False
    ) -> tuple[int, list[tuple[int, int]]]:
        """NtAdjustPrivilegesToken."""
        from memsection.nt.linux.types.token import adjust_privileges

        return adjust_privileges(token, list(privileges), disable_all)

    def current_user(self) -> Sid:
        """The SID of this process's user."""
        return accounts.current_token().user

    @service("look up account")
    def account_sid(self, name: str, *, group: bool = False) -> Sid:
        """The SID of a Unix user or group."""
        return accounts.account_sid(name, group=group)

    def account_name(self, sid: Sid) -> str:
        """What the system calls an account."""
        return accounts.account_name(sid)

    def diagnose(self) -> list[s.Check]:
        """What this machine allows."""
        from memsection.nt.linux.inspect import diagnosis

        return diagnosis.diagnose()
