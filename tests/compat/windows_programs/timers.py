# SPDX-License-Identifier: MIT
"""A program written for Windows: waitable timers of kernel32, with and without a name."""

import ctypes
from ctypes import byref, wintypes

kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
kernel32.CreateWaitableTimerW.restype = wintypes.HANDLE
kernel32.CreateWaitableTimerW.argtypes = [ctypes.c_void_p, wintypes.BOOL, wintypes.LPCWSTR]
kernel32.CreateWaitableTimerExW.restype = wintypes.HANDLE
kernel32.OpenWaitableTimerW.restype = wintypes.HANDLE
kernel32.OpenWaitableTimerW.argtypes = [wintypes.DWORD, wintypes.BOOL, wintypes.LPCWSTR]
kernel32.SetWaitableTimer.argtypes = [
    wintypes.HANDLE,
    ctypes.POINTER(wintypes.LARGE_INTEGER),
    wintypes.LONG,
    ctypes.c_void_p,
    ctypes.c_void_p,
    wintypes.BOOL,
]
for one in "CancelWaitableTimer", "CloseHandle":
    getattr(kernel32, one).argtypes = [wintypes.HANDLE]
kernel32.WaitForSingleObject.argtypes = [wintypes.HANDLE, wintypes.DWORD]
kernel32.WaitForSingleObject.restype = wintypes.DWORD
NAME = "Local\\timer-of-a-program"
SECOND = 10_000_000


def in_time(units, period=0, handle=None):
    due = wintypes.LARGE_INTEGER(-units)
    return kernel32.SetWaitableTimer(handle or timer, byref(due), period, None, None, False)


print(kernel32.OpenWaitableTimerW(0x100000, False, NAME), ctypes.get_last_error())
timer = kernel32.CreateWaitableTimerW(None, True, NAME)
print(bool(timer), ctypes.get_last_error())
print(kernel32.WaitForSingleObject(timer, 0))
print(
    in_time(SECOND // 100),
    kernel32.WaitForSingleObject(timer, 20000),
    kernel32.WaitForSingleObject(timer, 0),
)
other = kernel32.OpenWaitableTimerW(0x100000, False, NAME)
print(bool(other), kernel32.WaitForSingleObject(other, 0))
print(in_time(SECOND, 0, other), ctypes.get_last_error())
print(in_time(1000 * SECOND), kernel32.WaitForSingleObject(timer, 0))
print(kernel32.CancelWaitableTimer(timer), kernel32.WaitForSingleObject(timer, 10))
pulse = kernel32.CreateWaitableTimerW(None, False, None)
print(in_time(1, 5, pulse), [kernel32.WaitForSingleObject(pulse, 20000) for _ in range(4)])
print(kernel32.CancelWaitableTimer(pulse), kernel32.CloseHandle(pulse))
past = wintypes.LARGE_INTEGER(1)
print(
    kernel32.SetWaitableTimer(timer, byref(past), 0, None, None, False),
    kernel32.WaitForSingleObject(timer, 20000),
)
again = kernel32.CreateWaitableTimerW(None, False, NAME)
print(bool(again), ctypes.get_last_error())
event = kernel32.CreateEventW
event.restype, event.argtypes = (
    wintypes.HANDLE,
    [ctypes.c_void_p, wintypes.BOOL, wintypes.BOOL, wintypes.LPCWSTR],
)
print(event(None, False, False, NAME), ctypes.get_last_error())
print(in_time(5, 0, event(None, False, False, None)), ctypes.get_last_error())
