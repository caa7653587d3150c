# SPDX-License-Identifier: MIT
"""A program written for Windows: access lists, SIDs, accounts, tokens, locks and messages as C has them."""

import ctypes
import os
import struct
import tempfile
from ctypes import byref, wintypes

advapi32 = ctypes.WinDLL("advapi32", use_last_error=True)
kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
ntdll = ctypes.WinDLL("ntdll")
P = ctypes.c_void_p
for function in ("GetSidSubAuthorityCount", "GetSidSubAuthority", "GetSidIdentifierAuthority", "FreeSid"):
    getattr(advapi32, function).restype = P
kernel32.CreateFileW.restype = kernel32.ReOpenFile.restype = kernel32.GetCurrentProcess.restype = wintypes.HANDLE


def shown(descriptor):
    text = wintypes.LPWSTR()
    advapi32.ConvertSecurityDescriptorToStringSecurityDescriptorW(descriptor, 1, 0xF, byref(text), None)
    return text.value


def sid_text(sid):
    text = wintypes.LPWSTR()
    return text.value if advapi32.ConvertSidToStringSidW(sid, byref(text)) else ctypes.get_last_error()


# SIDs
size, world = wintypes.DWORD(4), ctypes.create_string_buffer(68)
print(advapi32.CreateWellKnownSid(1, None, world, byref(size)), ctypes.get_last_error(), size.value)
print(advapi32.CreateWellKnownSid(1, None, world, byref(size)), size.value, sid_text(world))
print(advapi32.IsWellKnownSid(world, 1), advapi32.IsWellKnownSid(world, 22))
admins, authority = P(), (ctypes.c_ubyte * 6)(0, 0, 0, 0, 0, 5)
print(advapi32.AllocateAndInitializeSid(authority, 2, 32, 544, 0, 0, 0, 0, 0, 0, byref(admins)), sid_text(admins))
print(ctypes.c_ubyte.from_address(advapi32.GetSidSubAuthorityCount(admins)).value,
      ctypes.c_uint32.from_address(advapi32.GetSidSubAuthority(admins, 1)).value,
      list(ctypes.string_at(advapi32.GetSidIdentifierAuthority(admins), 6)))

# an access list
acl = ctypes.create_string_buffer(200)
print(advapi32.InitializeAcl(acl, 200, 2), advapi32.AddAccessAllowedAceEx(acl, 2, 3, 0x10000000, world),
      advapi32.AddAccessDeniedAceEx(acl, 2, 0, 2, admins), advapi32.IsValidAcl(acl))
ace = P()
print(advapi32.GetAce(acl, 1, byref(ace)), ctypes.string_at(ace.value, 8).hex(), ace.value - ctypes.addressof(acl))
print(advapi32.GetAce(acl, 2, byref(ace)), ctypes.get_last_error())
found = (wintypes.DWORD * 3)()
print(advapi32.GetAclInformation(acl, found, 12, 2), list(found))

# descriptors in both forms
absolute = ctypes.create_string_buffer(40)
advapi32.InitializeSecurityDescriptor(absolute, 1)
advapi32.SetSecurityDescriptorDacl(absolute, True, acl, False)
advapi32.SetSecurityDescriptorOwner(absolute, world, False)
audit = ctypes.create_string_buffer(100)
advapi32.InitializeAcl(audit, 100, 2)
print(advapi32.AddAuditAccessAceEx(audit, 2, 0, 1, world, True, True),
      advapi32.SetSecurityDescriptorSacl(absolute, True, audit, False))
print(shown(absolute), advapi32.SetSecurityDescriptorControl(absolute, 0x400, 0x400))
control, revision = wintypes.WORD(), wintypes.DWORD()
print(advapi32.GetSecurityDescriptorControl(absolute, byref(control), byref(revision)), hex(control.value), revision.value)
size = wintypes.DWORD(0)
print(advapi32.MakeSelfRelativeSD(absolute, None, byref(size)), ctypes.get_last_error(), size.value > 20)
relative = ctypes.create_string_buffer(size.value)
print(advapi32.MakeSelfRelativeSD(absolute, relative, byref(size)), shown(relative) == shown(absolute))
present, list_, defaulted = wintypes.BOOL(), P(), wintypes.BOOL()
print(advapi32.GetSecurityDescriptorSacl(relative, byref(present), byref(list_), byref(defaulted)), present.value,
      bool(list_.value))
sizes = [wintypes.DWORD(0) for _ in range(5)]
none = [part for one in sizes for part in (None, byref(one))]
print(advapi32.MakeAbsoluteSD(relative, *none), ctypes.get_last_error(), sizes[0].value, sizes[3].value, sizes[4].value)
buffers = [ctypes.create_string_buffer(max(one.value, 1)) for one in sizes]
print(advapi32.MakeAbsoluteSD(relative, *[part for pair in zip(buffers, map(byref, sizes), strict=True) for part in pair]),
      shown(buffers[0]) == shown(absolute))

# entries
entry = struct.pack("<III4xQIIIIQ", 0x80000000, 1, 0, 0, 0, 0, 0, 0, ctypes.addressof(world))
made = P()
print(advapi32.SetEntriesInAclW(1, entry, None, byref(made)), advapi32.GetAce(made, 0, byref(ace)),
      ctypes.string_at(ace.value + 8, 12) == world.raw[:12])

# accounts and privileges
name, domain, use = ctypes.create_unicode_buffer(64), ctypes.create_unicode_buffer(64), wintypes.DWORD()
length, domain_length = wintypes.DWORD(64), wintypes.DWORD(64)
print(advapi32.LookupAccountSidW(None, world, name, byref(length), domain, byref(domain_length), byref(use)), name.value,
      length.value, use.value)
length, domain_length = wintypes.DWORD(1), wintypes.DWORD(64)
print(advapi32.LookupAccountSidW(None, world, name, byref(length), domain, byref(domain_length), byref(use)),
      ctypes.get_last_error(), length.value >= 8)
sid, size, domain_length = ctypes.create_string_buffer(68), wintypes.DWORD(68), wintypes.DWORD(64)
print(advapi32.LookupAccountNameW(None, "Everyone", sid, byref(size), domain, byref(domain_length), byref(use)), sid_text(sid))
luid, length = ctypes.c_uint64(), wintypes.DWORD(64)
print(advapi32.LookupPrivilegeValueW(None, "SeDebugPrivilege", byref(luid)), luid.value,
      advapi32.LookupPrivilegeNameW(None, byref(luid), name, byref(length)), name.value, length.value)

# tokens
token, needed = wintypes.HANDLE(), wintypes.DWORD()
print(advapi32.OpenProcessToken(wintypes.HANDLE(kernel32.GetCurrentProcess()), 0xE, byref(token)))
print(advapi32.GetTokenInformation(token, 1, None, 0, byref(needed)), ctypes.get_last_error(), needed.value > 16)
buffer = ctypes.create_string_buffer(needed.value)
print(advapi32.GetTokenInformation(token, 1, buffer, needed.value, byref(needed)),
      sid_text(P(P.from_buffer(buffer).value))[:4])
kind = wintypes.DWORD()
print(advapi32.GetTokenInformation(token, 8, byref(kind), 4, byref(needed)), kind.value, needed.value)
print(hex(ntdll.NtQueryInformationToken(token, 8, byref(kind), 4, byref(needed)) & 0xFFFFFFFF), kind.value)
copy, member = wintypes.HANDLE(), wintypes.BOOL()
print(advapi32.DuplicateToken(token, 2, byref(copy)), advapi32.CheckTokenMembership(copy, world, byref(member)), member.value)
mask, mapping = wintypes.DWORD(0x80000000), (wintypes.DWORD * 4)(1, 2, 4, 7)
advapi32.MapGenericMask(byref(mask), mapping)
print(mask.value)
granted, status, privileges, room = wintypes.DWORD(), wintypes.BOOL(), ctypes.create_string_buffer(64), wintypes.DWORD(64)
text, plain = "O:WDG:WDD:(A;;0x3;;;WD)", P()
advapi32.ConvertStringSecurityDescriptorToSecurityDescriptorW(text, 1, byref(plain), None)
for wanted in (1, 4):
    print(advapi32.AccessCheck(plain, copy, wanted, mapping, privileges, byref(room), byref(granted), byref(status)),
          granted.value, status.value)

# files
with tempfile.TemporaryDirectory() as directory:
    path = os.path.join(directory, "file")
    with open(path, "wb") as file:
        file.write(b"x" * 100)
    handle = wintypes.HANDLE(kernel32.CreateFileW(path, 0xC0000000, 3, None, 3, 0, None))
    other = wintypes.HANDLE(kernel32.ReOpenFile(handle, 0xC0000000, 3, 0))
    facts = (wintypes.DWORD * 13)()
    print(kernel32.GetFileInformationByHandle(handle, facts), facts[9], facts[10])
    print(kernel32.LockFile(handle, 0, 0, 10, 0), kernel32.LockFile(other, 5, 0, 10, 0), ctypes.get_last_error())
    print(kernel32.UnlockFile(handle, 0, 0, 10, 0))
    where = struct.pack("<QQIIQ", 0, 0, 5, 0, 0)
    print(kernel32.LockFileEx(other, 3, 0, 10, 0, where), kernel32.UnlockFileEx(other, 0, 10, 0, where))
    print(kernel32.CloseHandle(other), kernel32.CloseHandle(handle))

# messages
text = ctypes.create_unicode_buffer(200)
first = ctypes.create_unicode_buffer("first")
words = (P * 3)(ctypes.addressof(first), 42, 0xFFFFFFFB)
print(kernel32.FormatMessageW(0x2400, "%1 of %2!d! and %3!5d!: %2!04x! 100%%%0 not this", 0, 0, text, 200, words), text.value)
print(kernel32.FormatMessageW(0x2400, "%1", 0, 0, text, 3, words), ctypes.get_last_error())
