# SPDX-License-Identifier: MIT
"""A program written for Windows: layouts of structures, wide text in them, native sizes."""

import ctypes
import mmap
import os
import struct
import sys
from ctypes import Structure, Union, c_float, c_int32, c_long, c_ulong, c_wchar, c_wchar_p, sizeof, wintypes
from ctypes.wintypes import *

print(sys.platform, os.name, sys.getwindowsversion().major >= 6)


class Graphics(Structure):
    _pack_ = 4
    _fields_ = [("packetId", c_int32), ("status", c_int32), ("currentTime", c_wchar * 15), ("lastTime", c_wchar * 15),
                ("laps", c_int32), ("letter", c_wchar), ("position", c_float), ("long", c_long)]


class Info(ctypes.Structure):
    _fields_ = [("size", wintypes.DWORD), ("value", LONG), ("name", wintypes.WCHAR * 4), ("flags", c_ulong), ("ok", BOOL),
                ("title", LPWSTR), ("handle", HANDLE), ("when", wintypes.FILETIME)]


class Either(Union):
    _fields_ = [("text", c_wchar * 4), ("number", ctypes.c_uint64)]


for kind in (Graphics, Info, Either, wintypes.RECT, wintypes.POINT, wintypes.MSG, wintypes.WIN32_FIND_DATAW, DWORD, LONG,
             ULONG, BOOL, WPARAM, LPARAM, WORD, c_wchar, c_long):
    print(sizeof(kind))
for name, *_ in Graphics._fields_:
    print(name, getattr(Graphics, name).offset, getattr(Graphics, name).size)

with mmap.mmap(-1, sizeof(Graphics), tagname="Local\\structures-of-a-program") as memory:
    graphics = Graphics.from_buffer(memory)
    graphics.currentTime, graphics.laps, graphics.letter, graphics.long = "1:23.456", 7, "ä", -5
    print(repr(graphics.currentTime), repr(graphics.lastTime), graphics.laps, repr(graphics.letter), graphics.long)
    print(bytes(memory[8:20]))
    graphics.lastTime = "x" * 15
    print(graphics.lastTime)
    try:
        graphics.lastTime = "x" * 16
    except ValueError as problem:
        print(type(problem).__name__, str(problem)[:15])
    print(Graphics.from_buffer_copy(memory).currentTime)
    del graphics

info = Info(size=1, name="abc", title="Überschrift")
print(info.name, info.title, info.title is None, Info().title)
info.title = "another"
print(info.title)
either = Either(text="ab")
print(hex(either.number), either.text)

buffer = ctypes.create_unicode_buffer(260)
buffer.value = "äö"
print(repr(buffer.value), sizeof(buffer), len(buffer), repr(buffer[0]), repr(buffer[:2]))
buffer[1] = "x"
print(buffer.value, sizeof(ctypes.create_unicode_buffer("abc")), (c_wchar * 3)().value == "")
print(ctypes.cast(buffer, c_wchar_p).value, ctypes.wstring_at(buffer), ctypes.wstring_at(ctypes.addressof(buffer), 1))
print(c_wchar_p("text").value, c_wchar_p(None).value, c_wchar("q").value, DWORD(-1).value, LONG(0xFFFFFFFF).value)
print(struct.calcsize("l"), struct.calcsize("=l"), struct.calcsize("@LQ"), struct.pack("l", -1), struct.Struct("ll").size)
print(mmap.ALLOCATIONGRANULARITY, hasattr(os, "O_BINARY"))
