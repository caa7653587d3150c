# SPDX-License-Identifier: MIT
"""VirtualAlloc, VirtualProtect and VirtualQuery beside views; copy-on-write between processes."""

from harness.scenario import windows


def _section(k, size=0x20000, protect=None, name=None):
    return k.CreateFileMapping(
        k.INVALID_HANDLE_VALUE,
        None,
        k.PAGE_READWRITE if protect is None else protect,
        0,
        size,
        name,
    )


@windows(
    "VirtualQuery(a1+0x10000)",
    "MEM_RESERVE Protect=0 RegionSize=0x10000 Type=MEM_PRIVATE "
    "AllocationProtect=PAGE_NOACCESS Base=+0x0 AllocationBase=-0x10000",
    "documented: consecutive pages with identical attributes are one region",
    nth=2,
)
def private_memory(k):
    """Memory is reserved, then committed, decommitted and released."""
    memory = k.VirtualAlloc(0, 0x20000, k.MEM_RESERVE, k.PAGE_NOACCESS)
    k.VirtualQuery(memory)
    k.VirtualAlloc(memory + 0x10000, 0x1000, k.MEM_COMMIT, k.PAGE_READWRITE)
    k.VirtualQuery(memory)
    k.VirtualQuery(memory + 0x10000)
    k.write(memory + 0x10000, b"committed")
    try:
        k.read(memory, 1)
    except OSError:
        pass
    k.VirtualFree(memory + 0x10000, 0x1000, k.MEM_DECOMMIT)
    k.VirtualQuery(memory + 0x10000)
    k.VirtualFree(memory, 0, k.MEM_RELEASE)
    k.VirtualQuery(memory)


@windows(
    "VirtualFree(a1, 0, MEM_RELEASE)",
    "error 487 ERROR_INVALID_ADDRESS",
    "Wine 11 dlls/ntdll/tests/virtual.c: STATUS_MEMORY_NOT_ALLOCATED where nothing is allocated",
    2,
)
def private_memory_is_zero_and_writable(k):
    """Committed memory is zero at first; its protection can be changed and is told back."""
    memory = k.VirtualAlloc(0, 0x3000, k.MEM_RESERVE | k.MEM_COMMIT, k.PAGE_READWRITE)
    k.read(memory + 0x2FF0, 16)
    k.VirtualProtect(memory, 0x1000, k.PAGE_READONLY)
    k.VirtualProtect(memory, 0x2000, k.PAGE_READWRITE)
    k.VirtualQuery(memory)
    k.VirtualFree(memory, 0, k.MEM_RELEASE)
    k.attempt.VirtualFree(memory, 0, k.MEM_RELEASE)


def protections_are_of_one_view(k):
    """Making pages of one view read-only leaves another view of the section as it was."""
    section = _section(k)
    one = k.MapViewOfFile(section, k.FILE_MAP_WRITE, 0, 0, 0)
    two = k.MapViewOfFile(section, k.FILE_MAP_WRITE, 0, 0, 0)
    k.VirtualProtect(one, 0x1000, k.PAGE_READONLY)
    k.write(two, b"through the other")
    k.read(one, 17)
    try:
        k.write(one, b"x")
    except OSError:
        pass
    k.VirtualQuery(two)


def a_query_after_the_view_is_gone(k):
    """Where a view was there is free memory."""
    view = k.MapViewOfFile(_section(k, 0x100000), k.FILE_MAP_READ, 0, 0, 0)
    k.VirtualQuery(view + 0x80000)
    k.UnmapViewOfFile(view)
    k.VirtualQuery(view + 0x80000)


def queries_of_every_view(k):
    """What a view was mapped with is what a query tells."""
    section = _section(k, 0x10000, k.PAGE_EXECUTE_READWRITE)
    for access in (
        k.FILE_MAP_READ,
        k.FILE_MAP_WRITE,
        k.FILE_MAP_COPY,
        k.FILE_MAP_READ | k.FILE_MAP_EXECUTE,
        k.FILE_MAP_WRITE | k.FILE_MAP_EXECUTE,
        k.FILE_MAP_COPY | k.FILE_MAP_EXECUTE,
    ):
        k.VirtualQuery(k.MapViewOfFile(section, access, 0, 0, 0))


def copies_between_processes(k):
    """What one process writes to its copy is not seen by another that has its own."""
    name = k.name("copied")
    section = _section(k, 0x10000, name=name)
    shared = k.MapViewOfFile(section, k.FILE_MAP_WRITE, 0, 0, 0)
    k.write(shared, b"shared")
    mine = k.MapViewOfFile(section, k.FILE_MAP_COPY, 0, 0, 0)
    k.write(mine, b"parent")
    child = k.spawn("child_copies", name)
    child.recv()
    k.read(mine, 6)
    k.read(shared, 6)
    k.write(shared + 0x2000, b"later")
    child.send("go on")
    child.wait()
    k.read(shared, 6)


def child_copies(k, name):
    section = k.OpenFileMapping(k.FILE_MAP_COPY, False, name)
    view = k.MapViewOfFile(section, k.FILE_MAP_COPY, 0, 0, 0)
    k.read(view, 6)
    k.write(view, b"child!")
    k.send("written")
    k.recv()
    k.read(view, 6)
    k.read(view + 0x2000, 5)


def opening_for_copying(k):
    """A handle opened with FILE_MAP_COPY maps copies and reads, but no writable views."""
    name = k.name("for copying")
    _section(k, name=name)
    section = k.OpenFileMapping(k.FILE_MAP_COPY, False, name)
    k.attempt.MapViewOfFile(section, k.FILE_MAP_COPY, 0, 0, 0)
    k.attempt.MapViewOfFile(section, k.FILE_MAP_READ, 0, 0, 0)
    k.attempt.MapViewOfFile(section, k.FILE_MAP_WRITE, 0, 0, 0)


def reserved_pages_of_another_view(k):
    """Pages committed through one view of a reserved section are there in a view that was mapped
    before."""
    section = k.CreateFileMapping(
        k.INVALID_HANDLE_VALUE, None, k.PAGE_READWRITE | k.SEC_RESERVE, 0, 0x100000, None
    )
    one = k.MapViewOfFile(section, k.FILE_MAP_WRITE, 0, 0, 0)
    two = k.MapViewOfFile(section, k.FILE_MAP_WRITE, 0, 0x10000, 0)
    k.VirtualAlloc(one + 0x20000, 0x3000, k.MEM_COMMIT, k.PAGE_READWRITE)
    k.write(one + 0x22000, b"committed")
    k.read(two + 0x12000, 9)
    k.VirtualQuery(two + 0x10000)
    three = k.MapViewOfFile(section, k.FILE_MAP_READ, 0, 0x20000, 0)
    k.read(three + 0x2000, 9)
    k.VirtualQuery(three)


def reserved_pages_committed_twice(k):
    """Committing what is committed is no error and keeps the contents."""
    section = k.CreateFileMapping(
        k.INVALID_HANDLE_VALUE, None, k.PAGE_READWRITE | k.SEC_RESERVE, 0, 0x40000, None
    )
    view = k.MapViewOfFile(section, k.FILE_MAP_WRITE, 0, 0, 0)
    k.VirtualAlloc(view, 0x2000, k.MEM_COMMIT, k.PAGE_READWRITE)
    k.write(view + 0x1000, b"kept")
    k.VirtualAlloc(view, 0x4000, k.MEM_COMMIT, k.PAGE_READWRITE)
    k.read(view + 0x1000, 4)
    k.VirtualQuery(view)


def the_last_bytes_of_a_view(k):
    """A view ends with its last page: the byte after it is not the section's."""
    section = _section(k, 0x10000)
    memory = k.VirtualAlloc(0, 0x30000, k.MEM_RESERVE, k.PAGE_NOACCESS)
    k.VirtualFree(memory, 0, k.MEM_RELEASE)
    view = k.MapViewOfFileEx(section, k.FILE_MAP_WRITE, 0, 0, 0x2000, memory)
    k.observe("same address", int(view) == int(memory))
    k.write(view + 0x1FFF, b"!")
    try:
        k.write(view + 0x1FFF, b"!!")
    except OSError:
        pass
    k.read(view + 0x1FFE, 2)


def addresses_that_are_refused(k):
    """A chosen address must be a free multiple of 64 KiB."""
    section = _section(k)
    view = k.MapViewOfFile(section, k.FILE_MAP_READ, 0, 0, 0)
    for address in (view, view + 0x10000, view + 0x1000):
        k.attempt.MapViewOfFileEx(section, k.FILE_MAP_READ, 0, 0, 0x10000, address)
    private = k.VirtualAlloc(0, 0x10000, k.MEM_RESERVE, k.PAGE_NOACCESS)
    k.attempt.MapViewOfFileEx(section, k.FILE_MAP_READ, 0, 0, 0x10000, private)
