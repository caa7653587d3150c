# SPDX-License-Identifier: MIT
"""Object directories with C's parameters: entries and their names in one buffer."""

from __future__ import annotations

import ctypes

from memsection import nt
from memsection.compat.windows import memory
from memsection.compat.windows.memory import load, store, with_unit
from memsection.compat.windows.structures import RawUnicodeString
from memsection.vocabulary import status as st

_ENTRY = 2 * ctypes.sizeof(RawUnicodeString)  #: OBJECT_DIRECTORY_INFORMATION


@with_unit
def NtQueryDirectoryObject(
    handle: int,
    buffer: int,
    size: int,
    single: int,
    restart: int,
    context: int,
    done: int,
    unit: int,
) -> int:
    start = 0 if restart or not context else load("ULONG", context)
    status, entries, _ = nt.NtQueryDirectoryObject(handle, bool(single), False, start)
    if status & 0x80000000:
        return status
    # The entries, one of zeros behind them, and then all text.
    texts = [[memory.encode_text(text, unit) for text in entry] for entry in entries]
    needed, count = _ENTRY, 0
    for entry in texts:
        more = _ENTRY + sum(map(len, entry))
        if needed + more > size:
            break
        needed, count = needed + more, count + 1
    if not count or not buffer:
        if done:
            store("ULONG", done, 2 * _ENTRY + sum(map(len, texts[0])))
        return st.BUFFER_TOO_SMALL
    ctypes.memset(buffer, 0, _ENTRY * (count + 1))
    place, at = buffer, buffer + _ENTRY * (count + 1)
    for entry in texts[:count]:
        for data in entry:
            string = RawUnicodeString.from_address(place)
            string.Length, string.MaximumLength, string.Buffer = len(data) - unit, len(data), at
            ctypes.memmove(at, data, len(data))
            place, at = place + _ENTRY // 2, at + len(data)
    if context:
        store("ULONG", context, start + count)
    if done:
        store("ULONG", done, needed)
    return st.SUCCESS if count == len(entries) else st.MORE_ENTRIES
