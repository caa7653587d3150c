# SPDX-License-Identifier: MIT
"""A program written for Windows: kernel32 through ctypes, in the styles that people use."""

import ctypes
from ctypes import WINFUNCTYPE, byref, windll, wintypes

kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
kernel32.CreateFileMappingW.restype = wintypes.HANDLE
kernel32.CreateFileMappingW.argtypes = [wintypes.HANDLE, wintypes.LPVOID, wintypes.DWORD, wintypes.DWORD, wintypes.DWORD,
                                        wintypes.LPCWSTR]
kernel32.OpenFileMappingW.restype = wintypes.HANDLE
kernel32.OpenFileMappingW.argtypes = [wintypes.DWORD, wintypes.BOOL, wintypes.LPCWSTR]
kernel32.OpenFileMappingA.restype = wintypes.HANDLE
kernel32.MapViewOfFile.restype = ctypes.c_void_p
kernel32.MapViewOfFile.argtypes = [wintypes.HANDLE, wintypes.DWORD, wintypes.DWORD, wintypes.DWORD, ctypes.c_size_t]
kernel32.UnmapViewOfFile.argtypes = [ctypes.c_void_p]
kernel32.CloseHandle.argtypes = [wintypes.HANDLE]
kernel32.VirtualQuery.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
kernel32.VirtualQuery.restype = ctypes.c_size_t
NAME = "Local\\calls-of-a-program"

print(kernel32.OpenFileMappingW(4, False, NAME), ctypes.get_last_error())
problem = ctypes.WinError(ctypes.get_last_error())
print(type(problem).__name__, problem.args[0], problem.args[2:], problem.winerror, str(problem)[:11])
section = kernel32.CreateFileMappingW(wintypes.HANDLE(-1), None, 4, 0, 5000, NAME)
print(bool(section), ctypes.get_last_error())
again = kernel32.CreateFileMappingW(wintypes.HANDLE(-1), None, 4, 0, 5000, NAME)
print(bool(again), ctypes.get_last_error())
print(bool(kernel32.OpenFileMappingA(4, False, NAME.encode())))
wide = ctypes.create_unicode_buffer(NAME)
print(bool(kernel32.OpenFileMappingW(4, False, wide)))
address = kernel32.MapViewOfFile(section, 0xF001F, 0, 0, 0)
ctypes.memmove(address, b"hello", 5)
other = kernel32.MapViewOfFile(again, 4, 0, 0, 5000)
print(ctypes.string_at(other, 5))


class MEMORY_BASIC_INFORMATION(ctypes.Structure):
    _fields_ = [("BaseAddress", ctypes.c_void_p), ("AllocationBase", ctypes.c_void_p), ("AllocationProtect", wintypes.DWORD),
                ("PartitionId", wintypes.WORD), ("RegionSize", ctypes.c_size_t), ("State", wintypes.DWORD),
                ("Protect", wintypes.DWORD), ("Type", wintypes.DWORD)]


info = MEMORY_BASIC_INFORMATION()
print(kernel32.VirtualQuery(address, byref(info), ctypes.sizeof(info)), info.BaseAddress == address, info.RegionSize,
      hex(info.State), hex(info.Protect), hex(info.Type))
print(kernel32.UnmapViewOfFile(address), kernel32.UnmapViewOfFile(other), kernel32.UnmapViewOfFile(other),
      ctypes.get_last_error())
print(kernel32.CloseHandle(section), kernel32.CloseHandle(again), kernel32.CloseHandle(section), ctypes.get_last_error())

event = windll.kernel32.CreateEventW(None, False, True, "Local\\event-of-a-program")
print(windll.kernel32.WaitForSingleObject(event, 0), windll.kernel32.WaitForSingleObject(event, 0), ctypes.GetLastError())
semaphore = windll.kernel32.CreateSemaphoreW(None, 0, 5, None)
previous = wintypes.LONG(-1)
print(windll.kernel32.ReleaseSemaphore(semaphore, 2, byref(previous)), previous.value)
print(windll.kernel32.ReleaseSemaphore(semaphore, 9, byref(previous)), windll.kernel32.GetLastError())
several = (wintypes.HANDLE * 2)(event, semaphore)
print(windll.kernel32.WaitForMultipleObjects(2, several, False, 0), windll.kernel32.WaitForMultipleObjects(2, several, True, 0))
flags = wintypes.DWORD(9)
print(windll.kernel32.GetHandleInformation(wintypes.HANDLE(event), byref(flags)), flags.value)
mutex = windll.kernel32.CreateMutexW(None, True, None)
print(windll.kernel32.ReleaseMutex(mutex), windll.kernel32.ReleaseMutex(mutex), windll.kernel32.GetLastError())

prototype = WINFUNCTYPE(wintypes.HANDLE, wintypes.DWORD, wintypes.BOOL, wintypes.LPCWSTR, use_last_error=True)
open_event = prototype(("OpenEventW", windll.kernel32), ((1, "access", 0x100000), (1, "inherit", False), (1, "name", "")))
print(bool(open_event(name="Local\\event-of-a-program")), open_event(name="Local\\none"), ctypes.get_last_error())


def checked(result, function, arguments):
    if not result:
        raise ctypes.WinError(ctypes.get_last_error())
    return result


kernel32.OpenMutexW.errcheck = checked
try:
    kernel32.OpenMutexW(0x100000, False, "Local\\no-mutex")
except FileNotFoundError as problem:
    print(problem.winerror, problem.errno, str(problem)[:11])
try:
    windll.kernel32.NoSuchFunction
except AttributeError:
    print("no such function")
try:
    ctypes.WinDLL("no-such-library.dll")
except OSError as problem:
    print(type(problem).__name__)
print(ctypes.set_last_error(5), ctypes.get_last_error(), len(ctypes.FormatError(5)) > 5)
callback = WINFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda value: value + 1)
print(callback(41), windll["kernel32"].GetCurrentProcessId() > 0)
text = ctypes.create_unicode_buffer(200)
length = windll.kernel32.FormatMessageW(0x1200, None, 2, 0x409, text, 200, None)
print(length > 10, len(text.value) == length)
frequency, counter = wintypes.LARGE_INTEGER(), wintypes.LARGE_INTEGER()
print(kernel32.QueryPerformanceFrequency(byref(frequency)), kernel32.QueryPerformanceCounter(byref(counter)),
      frequency.value > 0, counter.value > 0)
system = (ctypes.c_uint32 * 12)()
windll.kernel32.GetSystemInfo(byref(system))
print(system[1], system[10])
