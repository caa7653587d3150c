# SPDX-License-Identifier: MIT
"""Who this process is, what accounts are called, and what this machine allows."""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import ctypes
import platform
from ctypes import wintypes as w

from memsection.nt.windows import ntdll, objects
from memsection.nt.windows import structs as n
from memsection.vocabulary import access as a
from memsection.vocabulary import names
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.privileges import PRIVILEGES
from memsection.vocabulary.sid import Sid

_TOKEN_USER, _TOKEN_PRIVILEGES = 1, 3  #: TOKEN_INFORMATION_CLASS
_LARGEST_SID = 68
#: Privileges that some operation wants: name, what is missing without it.
_PRIVILEGES = (
    ("SeDebugPrivilege", "handles of other users' processes are out of reach"),
    ("SeCreateGlobalPrivilege", "Global\\ sections cannot be created, only opened"),
    ("SeLockMemoryPrivilege", "large pages cannot be had"),
    ("SeCreatePermanentPrivilege", "objects cannot be made permanent"),
)


def _token_information(information: int) -> ctypes.Array[ctypes.c_char]:
    """What the token of this process says of itself."""
    token, size = n.HANDLE(), w.ULONG()
    ntdll.call("NtOpenProcessToken", s.CURRENT_PROCESS, a.TOKEN_QUERY, ctypes.byref(token))
    try:
        buffer = ctypes.create_string_buffer(4096)
        ntdll.call(
            "NtQueryInformationToken", token, information, buffer, len(buffer), ctypes.byref(size)
        )
        return buffer
    finally:
        objects.close(token.value)


class Accounts:
    """The part of the kernel that is about accounts and the machine."""

    def current_user(self) -> Sid:
        buffer = _token_information(_TOKEN_USER)
        # TOKEN_USER begins with a pointer into the same buffer
        address = ctypes.c_size_t.from_buffer(buffer).value
        return Sid.from_bytes(ctypes.string_at(address, 8 + 4 * ctypes.string_at(address, 2)[1]))

    def account_sid(self, name: str, *, group: bool = False) -> Sid:
        sid, domain = ctypes.create_string_buffer(_LARGEST_SID), ctypes.create_unicode_buffer(256)
        sid_size, domain_size, use = w.DWORD(len(sid)), w.DWORD(256), w.DWORD()
        if not ntdll.LookupAccountName(
            None,
            name,
            sid,
            ctypes.byref(sid_size),
            domain,
            ctypes.byref(domain_size),
            ctypes.byref(use),
        ):
            raise ntdll.last_error("LookupAccountName", name)
        return Sid.from_bytes(sid.raw)

    def account_name(self, sid: Sid) -> str:
        name, domain = ctypes.create_unicode_buffer(256), ctypes.create_unicode_buffer(256)
        name_size, domain_size, use = w.DWORD(256), w.DWORD(256), w.DWORD()
        if not ntdll.LookupAccountSid(
            None,
            sid.to_bytes(),
            name,
            ctypes.byref(name_size),
            domain,
            ctypes.byref(domain_size),
            ctypes.byref(use),
        ):
            return str(sid)
        return f"{domain.value}\\{name.value}" if domain.value else name.value

    def diagnose(self) -> list[s.Check]:
        checks = [s.Check("system", "ok", f"Windows {platform.version()}")]
        number = objects.session()
        directory = names.local_directory(number) if number else names.GLOBAL_DIRECTORY
        for prefix, path in (("Local\\", directory), ("Global\\", names.GLOBAL_DIRECTORY)):
            try:
                objects.close(objects.open_directory(path))
            except NtError as refused:
                checks.append(
                    s.Check(
                        f"{prefix} names", "problem", str(refused), "run in a session of your own"
                    )
                )
            else:
                checks.append(s.Check(f"{prefix} names", "ok", f"in {path}"))
        buffer = _token_information(_TOKEN_PRIVILEGES)
        count = w.DWORD.from_buffer(buffer).value
        held = {entry.Luid for entry in (n.LuidAndAttributes * count).from_buffer(buffer, 4)}
        remedy = "have an administrator grant it (secpol.msc, user rights)"
        checks += [
            s.Check(name, "ok", "held")
            if PRIVILEGES[name] in held
            else s.Check(name, "note", f"not held: {lack}", remedy)
            for name, lack in _PRIVILEGES
        ]
        return checks
