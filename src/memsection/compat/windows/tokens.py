# SPDX-License-Identifier: MIT
"""The functions of advapi32 and ntdll whose C form has buffers: accounts, privileges, tokens, and
what these are granted.

Each is called as ``declarations`` says: without the pointers that its result goes
through.
"""

# ruff: noqa: N802, N803  # the names of the originals

from __future__ import annotations

import ctypes
import struct
from typing import Any

from memsection import nt
from memsection import win32 as w
from memsection.compat.windows import memory
from memsection.compat.windows.memory import fill, fill_all, load, refusal, store, with_unit
from memsection.compat.windows.structures import KINDS, RawObjectAttributes
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.sid import Sid

_DWORD = KINDS["DWORD"]

# ------------------------------------------------------------------ accounts and privileges


@with_unit
def LookupAccountName(
    system: str | None,
    name: str | None,
    buffer: int,
    size: int,
    domain: int,
    domain_size: int,
    unit: int,
) -> int:
    sid, where, use = w.LookupAccountName(system, name)
    data, text = sid.to_bytes(), memory.encode_text(where, unit)
    if not size or not domain_size:
        raise refusal("LookupAccountName", "pointers to the sizes are needed")
    if (
        load("DWORD", size) < len(data)
        or load("DWORD", domain_size) * unit < len(text)
        or not buffer
        or not domain
    ):
        store("DWORD", size, len(data))
        store("DWORD", domain_size, len(text) // unit)
        raise NtError(st.BUFFER_TOO_SMALL, "LookupAccountName", None, "a buffer is too small")
    fill_all([(buffer, size, data)], "LookupAccountName")
    fill_all([(domain, domain_size, text)], "LookupAccountName", unit)
    return use


@with_unit
def LookupAccountSid(
    system: str | None,
    sid: bytes | None,
    name: int,
    name_size: int,
    domain: int,
    domain_size: int,
    unit: int,
) -> int:
    found, where, use = w.LookupAccountSid(system, sid or b"")
    fill_all(
        [
            (name, name_size, memory.encode_text(found, unit)),
            (domain, domain_size, memory.encode_text(where, unit)),
        ],
        "LookupAccountSid",
        unit,
    )
    return use


@with_unit
def LookupPrivilegeName(system: str | None, luid: int, name: int, size: int, unit: int) -> None:
    found = w.LookupPrivilegeName(system, load("ULONGLONG", luid) or 0)
    fill_all([(name, size, memory.encode_text(found, unit))], "LookupPrivilegeName", unit)


def AdjustTokenPrivileges(
    token: int, disable_all: int, new: int, size: int, before: int, needed: int
) -> None:
    wanted = None
    if new:
        count = _DWORD.from_address(new).value
        wanted = w.TOKEN_PRIVILEGES(
            count,
            [
                w.LUID_AND_ATTRIBUTES(
                    ctypes.c_uint64.from_buffer_copy(
                        ctypes.string_at(new + 4 + 12 * number, 8)
                    ).value,
                    ctypes.c_uint32.from_buffer_copy(
                        ctypes.string_at(new + 12 + 12 * number, 4)
                    ).value,
                )
                for number in range(count)
            ],
        )
    found = w.AdjustTokenPrivileges(token, disable_all, wanted)
    if before:
        data = found.PrivilegeCount.to_bytes(4, "little") + b"".join(
            one.Luid.to_bytes(8, "little") + one.Attributes.to_bytes(4, "little")
            for one in found.Privileges
        )
        fill(before, size, needed, data, "AdjustTokenPrivileges")


# ------------------------------------------------------------------ tokens


def _mapping(address: int) -> tuple[int, int, int, int]:
    """The GENERIC_MAPPING at an address."""
    if not address:
        raise refusal("access check", "a mapping is needed")
    read, write, execute, everything = struct.unpack("<4I", ctypes.string_at(address, 16))
    return read, write, execute, everything


def _no_privileges(buffer: int, size: int, operation: str) -> None:
    """Say that no privilege was used: a PRIVILEGE_SET."""
    if not size:
        raise refusal(operation, "a pointer to the size is needed")
    if load("DWORD", size) < 20 or not buffer:
        store("DWORD", size, 20)
        raise NtError(
            st.BUFFER_TOO_SMALL, operation, None, "20 bytes are needed for the privileges"
        )
    ctypes.memset(buffer, 0, 20)


def AccessCheck(
    descriptor: bytes | None, token: int, access: int, mapping: int, privileges: int, size: int
) -> tuple[int, bool]:
    _no_privileges(privileges, size, "AccessCheck")
    return w.AccessCheck(descriptor or b"", token, access, w.GENERIC_MAPPING(*_mapping(mapping)))


def NtAccessCheck(
    descriptor: bytes | None, token: int, access: int, mapping: int, privileges: int, size: int
) -> tuple[int, int, int]:
    _no_privileges(privileges, size, "NtAccessCheck")
    return nt.NtAccessCheck(descriptor or b"", token, access, _mapping(mapping))


def MapGenericMask(mask: int, mapping: int) -> None:
    if not mask:
        raise refusal("MapGenericMask", "a mask is needed")
    store(
        "DWORD", mask, w.MapGenericMask(load("DWORD", mask), w.GENERIC_MAPPING(*_mapping(mapping)))
    )


@with_unit
def NtDuplicateToken(
    token: int, access: int, attributes: int, effective: int, kind: int, unit: int
) -> tuple[int, int]:
    if effective:
        return st.NOT_SUPPORTED, 0  # what is not in force cannot be left out here
    level = 0
    if attributes:
        quality = RawObjectAttributes.from_address(attributes).SecurityQualityOfService
        level = load("DWORD", quality + 4) if quality else 0
    return nt.NtDuplicateToken(
        token, access, memory.object_attributes(attributes, unit), level, kind
    )


def _token(what: int, value: Any, address: int) -> bytes:
    """What a token says as C has it; SIDs stand behind, and are pointed to."""
    if isinstance(value, int):
        return struct.pack("<I", value)
    if isinstance(value, Sid):  # TOKEN_OWNER, TOKEN_PRIMARY_GROUP
        return struct.pack("<Q", address + 8) + value.to_bytes()
    if what == w.TokenPrivileges:
        return struct.pack("<I", len(value)) + b"".join(struct.pack("<QI", *one) for one in value)
    if what == w.TokenStatistics:
        return struct.pack(
            "<QQqIIIIIIQ",
            value.TokenId,
            value.AuthenticationId,
            value.ExpirationTime,
            value.TokenType,
            value.ImpersonationLevel,
            value.DynamicCharged,
            value.DynamicAvailable,
            value.GroupCount,
            value.PrivilegeCount,
            value.ModifiedId,
        )
    accounts = [value] if what == w.TokenUser else value
    head = b"" if what == w.TokenUser else struct.pack("<Q", len(accounts))
    table, sids = b"", b""
    for sid, attributes in accounts:
        table += struct.pack(
            "<QQ", address + len(head) + 16 * len(accounts) + len(sids), attributes
        )
        sids += sid.to_bytes()
    return head + table + sids


def NtQueryInformationToken(token: int, what: int, buffer: int, size: int, needed: int) -> int:
    status, value = nt.NtQueryInformationToken(token, what)
    if not status & 0x80000000:
        fill(buffer, size, needed, _token(what, value, buffer), "NtQueryInformationToken")
    return status


def GetTokenInformation(token: int, what: int, buffer: int, size: int, needed: int) -> None:
    status = NtQueryInformationToken(token, what, buffer, size, needed)
    if status & 0x80000000:
        raise NtError(status, "GetTokenInformation", None, f"class {what}")


def NtAdjustPrivilegesToken(
    token: int, disable_all: int, new: int, size: int, before: int, needed: int
) -> int:
    wanted = []
    if new and not disable_all:
        wanted = list(
            struct.iter_unpack(
                "<QI", ctypes.string_at(new + 4, 12 * _DWORD.from_address(new).value)
            )
        )
    status, found = nt.NtAdjustPrivilegesToken(token, bool(disable_all), wanted)
    if before and not status & 0x80000000:
        fill(
            before,
            size,
            needed,
            struct.pack("<I", len(found)) + b"".join(struct.pack("<QI", *one) for one in found),
            "NtAdjustPrivilegesToken",
        )
    return status
