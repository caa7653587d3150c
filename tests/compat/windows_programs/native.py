# SPDX-License-Identifier: MIT
"""A program written for Windows: ntdll, security descriptors, and a NULL access list."""

import ctypes
from ctypes import byref, wintypes

ntdll, advapi32, kernel32 = ctypes.WinDLL("ntdll"), ctypes.WinDLL("advapi32", use_last_error=True), ctypes.windll.kernel32


class UNICODE_STRING(ctypes.Structure):
    _fields_ = [("Length", wintypes.USHORT), ("MaximumLength", wintypes.USHORT), ("Buffer", wintypes.LPWSTR)]


class OBJECT_ATTRIBUTES(ctypes.Structure):
    _fields_ = [("Length", wintypes.ULONG), ("RootDirectory", wintypes.HANDLE), ("ObjectName", ctypes.POINTER(UNICODE_STRING)),
                ("Attributes", wintypes.ULONG), ("SecurityDescriptor", ctypes.c_void_p), ("Qos", ctypes.c_void_p)]


class SECTION_BASIC_INFORMATION(ctypes.Structure):
    _fields_ = [("BaseAddress", ctypes.c_void_p), ("Attributes", wintypes.ULONG), ("Size", wintypes.LARGE_INTEGER)]


section, size = wintypes.HANDLE(), wintypes.LARGE_INTEGER(5000)
print(hex(ntdll.NtCreateSection(byref(section), 0xF001F, None, byref(size), 4, 0x8000000, None) & 0xFFFFFFFF))
info = SECTION_BASIC_INFORMATION()
print(hex(ntdll.NtQuerySection(section, 0, byref(info), ctypes.c_size_t(ctypes.sizeof(info)), None) & 0xFFFFFFFF), info.Size)
base, length = ctypes.c_void_p(), ctypes.c_size_t()
print(hex(ntdll.NtMapViewOfSection(section, wintypes.HANDLE(-1), byref(base), ctypes.c_size_t(0), ctypes.c_size_t(0), None,
                                   byref(length), 2, 0, 4) & 0xFFFFFFFF), bool(base.value), length.value)
ctypes.memset(base.value, 65, 3)
print(ctypes.string_at(base.value, 4))
print(hex(ntdll.NtUnmapViewOfSection(wintypes.HANDLE(-1), base) & 0xFFFFFFFF))
print(hex(ntdll.NtClose(section) & 0xFFFFFFFF), hex(ntdll.NtClose(section) & 0xFFFFFFFF))
name = "\\BaseNamedObjects\\no-such-section-of-a-program"
string = UNICODE_STRING(2 * len(name), 2 * len(name) + 2, name)
attributes = OBJECT_ATTRIBUTES(ctypes.sizeof(OBJECT_ATTRIBUTES), None, ctypes.pointer(string), 0x40, None, None)
print(hex(ntdll.NtOpenSection(byref(section), 4, byref(attributes)) & 0xFFFFFFFF))
print(ntdll.RtlNtStatusToDosError(0xC0000022))


class SECURITY_ATTRIBUTES(ctypes.Structure):
    _fields_ = [("nLength", wintypes.DWORD), ("lpSecurityDescriptor", ctypes.c_void_p), ("bInheritHandle", wintypes.BOOL)]


descriptor, size = ctypes.c_void_p(), wintypes.ULONG()
convert = advapi32.ConvertStringSecurityDescriptorToSecurityDescriptorW
print(convert("D:(A;;GA;;;WD)", 1, byref(descriptor), byref(size)), size.value)
security = SECURITY_ATTRIBUTES(ctypes.sizeof(SECURITY_ATTRIBUTES), descriptor, True)
event = kernel32.CreateEventW(byref(security), True, False, None)
flags = wintypes.DWORD()
print(bool(event), kernel32.GetHandleInformation(event, byref(flags)), flags.value)
text = wintypes.LPWSTR()
print(advapi32.ConvertSecurityDescriptorToStringSecurityDescriptorW(descriptor, 1, 4, byref(text), None), text.value)
kernel32.LocalFree.argtypes = [ctypes.c_void_p]
kernel32.LocalFree(ctypes.cast(text, ctypes.c_void_p))
print(convert("nonsense", 1, byref(descriptor), None), ctypes.get_last_error() in (1336, 1337, 1338, 87))
absolute = ctypes.create_string_buffer(40)
print(advapi32.InitializeSecurityDescriptor(absolute, 1), advapi32.SetSecurityDescriptorDacl(absolute, True, None, False))
present, access_list, defaulted = wintypes.BOOL(), ctypes.c_void_p(), wintypes.BOOL()
print(advapi32.GetSecurityDescriptorDacl(absolute, byref(present), byref(access_list), byref(defaulted)), present.value,
      access_list.value, defaulted.value)
security = SECURITY_ATTRIBUTES(24, ctypes.addressof(absolute), False)
print(bool(kernel32.CreateMutexW(byref(security), False, None)))

view = kernel32.MapViewOfFile
view.argtypes, view.restype = [wintypes.HANDLE, wintypes.DWORD, wintypes.DWORD, wintypes.DWORD, ctypes.c_size_t], ctypes.c_void_p
create = kernel32.CreateFileMappingW
create.argtypes, create.restype = [wintypes.HANDLE] + [ctypes.c_void_p] + 3 * [wintypes.DWORD] + [wintypes.LPCWSTR], wintypes.HANDLE
place = view(create(wintypes.HANDLE(-1), None, 4, 0, 4096, None), 2, 0, 0, 0)
for library in (kernel32, ntdll):
    library.RtlMoveMemory.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
    library.RtlMoveMemory(place + 3, b"memory", 6)
    library.RtlFillMemory(ctypes.c_void_p(place), ctypes.c_size_t(3), 0x141)
    print(ctypes.string_at(place, 10), library.RtlCompareMemory(ctypes.c_void_p(place), b"AAAmeM", ctypes.c_size_t(6)))
    library.RtlMoveMemory(place, place + 1, 8)
    library.RtlMoveMemory(None, None, 0)
    print(ctypes.string_at(place, 10))
    library.RtlZeroMemory(ctypes.c_void_p(place), ctypes.c_size_t(8))
    print(ctypes.string_at(place, 10))
