# SPDX-License-Identifier: MIT
"""The services for processes, threads and tokens."""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import ctypes
import os
import struct
from collections.abc import Mapping, Sequence
from ctypes import wintypes as w
from typing import Any

from memsection._native import handles
from memsection.nt.windows import arguments, named, ntdll
from memsection.nt.windows import structs as n
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.sid import Sid

_USE_STANDARD_HANDLES = 0x100  #: STARTF_USESTDHANDLES
_UNICODE_ENVIRONMENT = 0x400  #: CREATE_UNICODE_ENVIRONMENT


def _environment_block(
    environment: Mapping[str, str] | None,
) -> ctypes.Array[ctypes.c_wchar] | None:
    """The variables as CreateProcess takes them: sorted by name, each ended by a zero, the whole by
    another."""
    if environment is None:
        return None
    lines = [
        f"{key}={value}"
        for key, value in sorted(environment.items(), key=lambda item: item[0].upper())
    ]
    if any("\0" in line for line in lines):
        raise NtError(
            st.INVALID_PARAMETER, "CreateProcess", None, "an environment variable contains a zero"
        )
    return ctypes.create_unicode_buffer("\0".join(lines) + "\0")


def _security(inheritable: bool) -> n.SecurityAttributes:
    return n.SecurityAttributes(ctypes.sizeof(n.SecurityAttributes), None, inheritable)


def _open(function: str, access: int, attributes: int, client: n.ClientId, called: str) -> int:
    """A service that opens what is known by an id."""
    native = s.ObjectAttributes(None, 0, attributes)
    return named.create(function, access, native, ctypes.byref(client), called=called)[1]


class Processes:
    """The part of the kernel that is about processes, threads and tokens."""

    def current_process_id(self) -> int:
        return os.getpid()

    def open_process(self, access: int, attributes: int, pid: int) -> int:
        return _open("NtOpenProcess", access, attributes, n.ClientId(pid, 0), f"process {pid}")

    def query_process(self, process: int) -> s.ProcessBasicInformation:
        info = n.ProcessBasicInformation()
        ntdll.call(
            "NtQueryInformationProcess", process, 0, ctypes.byref(info), ctypes.sizeof(info), None
        )
        return s.ProcessBasicInformation(
            info.ExitStatus & 0xFFFFFFFF, info.UniqueProcessId, info.InheritedFromUniqueProcessId
        )

    def open_thread(self, access: int, attributes: int, tid: int, pid: int = 0) -> int:
        return _open("NtOpenThread", access, attributes, n.ClientId(pid, tid), f"thread {tid}")

    def query_thread(self, thread: int) -> s.ThreadBasicInformation:
        info = n.ThreadBasicInformation()
        ntdll.call(
            "NtQueryInformationThread", thread, 0, ctypes.byref(info), ctypes.sizeof(info), None
        )
        code = info.ExitStatus & 0xFFFFFFFF
        return s.ThreadBasicInformation(code, info.UniqueProcess or 0, info.UniqueThread or 0)

    def terminate_process(self, process: int, exit_status: int) -> None:
        ntdll.call("NtTerminateProcess", process, exit_status)

    def create_process(self, start: s.ProcessStart) -> s.StartedProcess:
        command = start.command_line
        if command is None and start.arguments:
            import subprocess  # for its quoting; not needed by most programs

            command = subprocess.list2cmdline(start.arguments)
        startup = n.StartupInfo(cb=ctypes.sizeof(n.StartupInfo))
        if start.standard_handles is not None:
            startup.dwFlags = _USE_STANDARD_HANDLES
            startup.hStdInput, startup.hStdOutput, startup.hStdError = start.standard_handles
        made = n.ProcessInformation()
        # CreateProcess writes into it
        text = None if command is None else ctypes.create_unicode_buffer(command)
        if not handles.start(
            ntdll.CreateProcess,
            start.application,
            text,
            ctypes.byref(_security(start.process_inheritable)),
            ctypes.byref(_security(start.thread_inheritable)),
            start.inherit_handles,
            start.creation_flags | _UNICODE_ENVIRONMENT,
            _environment_block(start.environment),
            start.directory,
            ctypes.byref(startup),
            ctypes.byref(made),
        ):
            raise ntdll.last_error("CreateProcess", start.application or command)
        return s.StartedProcess(made.hProcess, made.hThread, made.dwProcessId, made.dwThreadId)

    def open_process_token(self, process: int, access: int) -> int:
        handle = n.HANDLE()
        ntdll.call("NtOpenProcessToken", process, access, ctypes.byref(handle))
        return handle.value

    def query_token(self, token: int, information: int) -> Any:
        size, buffer = w.ULONG(), ctypes.create_string_buffer(1 << 16)
        if information not in s.TOKEN_INFORMATION_CLASSES:
            raise NtError(st.INVALID_INFO_CLASS, "query token", None, f"class {information}")
        if information not in s.TOKEN_INFORMATION_HERE:
            raise NtError(
                st.NOT_SUPPORTED,
                "query token",
                None,
                f"information class {information} is not answered here",
            )
        ntdll.call(
            "NtQueryInformationToken", token, information, buffer, len(buffer), ctypes.byref(size)
        )
        if information == s.TokenUser:
            return _sid_at(buffer, 0), w.DWORD.from_buffer(buffer, 8).value
        if information in (s.TokenOwner, s.TokenPrimaryGroup):
            return _sid_at(buffer, 0)
        if information == s.TokenStatistics:
            return s.TokenStatisticsInformation(*struct.unpack_from("<QQqiiIIIIQ", buffer))
        count = w.DWORD.from_buffer(buffer).value
        # pairs of a pointer and attributes, from the first multiple of eight on
        if information == s.TokenGroups:
            return [
                (_sid_at(buffer, 8 + 16 * rank), w.DWORD.from_buffer(buffer, 16 + 16 * rank).value)
                for rank in range(count)
            ]
        if information == s.TokenPrivileges:
            return [
                (one.Luid, one.Attributes)
                for one in (n.LuidAndAttributes * count).from_buffer(buffer, 4)
            ]
        return count

    def duplicate_token(
        self, token: int, access: int, attributes: int, level: int, kind: int
    ) -> int:
        handle = n.HANDLE()
        quality = n.SecurityQualityOfService(ctypes.sizeof(n.SecurityQualityOfService), level, 0, 0)
        native = arguments.object_attributes(s.ObjectAttributes(None, 0, attributes))
        assert native is not None
        native.SecurityQualityOfService = ctypes.addressof(quality)
        ntdll.call("NtDuplicateToken", token, access, native, False, kind, ctypes.byref(handle))
        return handle.value

    def check_access(
        self, descriptor: bytes, token: int, desired: int, mapping: tuple[int, int, int, int]
    ) -> tuple[int, int]:
        used, size, granted, found = (
            ctypes.create_string_buffer(1024),
            w.ULONG(1024),
            w.ULONG(),
            ctypes.c_uint32(),
        )
        ntdll.call(
            "NtAccessCheck",
            descriptor,
            token,
            desired,
            (w.ULONG * 4)(*mapping),
            used,
            ctypes.byref(size),
            ctypes.byref(granted),
            ctypes.byref(found),
        )
        return found.value, granted.value

    def lookup_privilege(self, name: str) -> int:
        luid = ctypes.c_uint64()
        if not ntdll.LookupPrivilegeValue(None, name, ctypes.byref(luid)):
            raise ntdll.last_error("LookupPrivilegeValue", name)
        return luid.value

    def adjust_privileges(
        self, token: int, privileges: Sequence[tuple[int, int]], disable_all: bool = False
    ) -> tuple[int, list[tuple[int, int]]]:
        wanted = _token_privileges(len(privileges))
        for entry, (luid, attributes) in zip(wanted.Privileges, privileges, strict=True):
            entry.Luid, entry.Attributes = luid, attributes
        # Only a token opened with TOKEN_QUERY tells the state before; without the right nobody asks
        # for it.
        before, size = _token_privileges(64), w.ULONG()
        status = ntdll.status_of(
            "NtAdjustPrivilegesToken",
            token,
            disable_all,
            ctypes.byref(wanted),
            ctypes.sizeof(before),
            ctypes.byref(before),
            ctypes.byref(size),
        )
        if status == st.ACCESS_DENIED:
            before.Count = 0
            status = ntdll.status_of(
                "NtAdjustPrivilegesToken", token, disable_all, ctypes.byref(wanted), 0, None, None
            )
        if status & 0x80000000:
            raise NtError(status, ntdll.operation("NtAdjustPrivilegesToken"))
        asked = dict(privileges)
        # Wine tells the state of all before, Windows of those that changed.
        return status, [
            (entry.Luid, entry.Attributes)
            for entry in before.Privileges[: before.Count]
            if (entry.Attributes ^ (0 if disable_all else asked[entry.Luid]))
            & s.SE_PRIVILEGE_ENABLED
        ]


def _sid_at(buffer: ctypes.Array[ctypes.c_char], offset: int) -> Sid:
    """The SID that a pointer in a buffer leads to."""
    address = ctypes.c_size_t.from_buffer(buffer, offset).value
    return Sid.from_bytes(ctypes.string_at(address, 8 + 4 * ctypes.string_at(address, 2)[1]))


def _token_privileges(count: int):  # type: ignore[no-untyped-def]  # a structure made for its length
    """TOKEN_PRIVILEGES with room for so many."""
    fields = [("Count", w.DWORD), ("Privileges", n.LuidAndAttributes * count)]
    value = type("TokenPrivileges", (ctypes.Structure,), {"_pack_": 4, "_fields_": fields})()
    value.Count = count
    return value
