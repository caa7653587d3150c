# SPDX-License-Identifier: MIT
"""Views again: of files at offsets, of sections opened by name, through every kind of handle, and
at the edges."""


def _section(k, size, name=None, protect=None):
    return k.CreateFileMapping(
        k.INVALID_HANDLE_VALUE,
        None,
        k.PAGE_READWRITE if protect is None else protect,
        0,
        size,
        name,
    )


def _file(k, leaf, data):
    return k.CreateFile(
        k.put_file(leaf, data),
        k.GENERIC_READ | k.GENERIC_WRITE,
        k.FILE_SHARE_READ | k.FILE_SHARE_WRITE,
        None,
        k.OPEN_EXISTING,
        0,
        0,
    )


def a_file_at_an_offset(k):
    """A view of a file begins at its offset and ends with the section, whatever the file's last
    page holds."""
    file = _file(k, "offset.bin", bytes(0x10000) + b"second" + bytes(0x1234))
    section = k.CreateFileMapping(file, None, k.PAGE_READWRITE, 0, 0, None)
    view = k.MapViewOfFile(section, k.FILE_MAP_WRITE, 0, 0x10000, 0)
    k.VirtualQuery(view)
    k.read(view, 6)
    k.read(view + 0x123A, 16)
    k.write(view, b"SECOND")
    k.attempt.MapViewOfFile(section, k.FILE_MAP_READ, 0, 0x10000, 0x123B)
    k.UnmapViewOfFile(view)
    k.SetFilePointer(file, 0x10000, k.FILE_BEGIN)
    k.ReadFile(file, 8)


def what_an_opened_handle_can_map(k):
    """Each access that a section is opened with maps the views that it covers."""
    name = k.name("opened")
    _section(k, 0x10000, name, k.PAGE_EXECUTE_READWRITE)
    for access in (
        k.FILE_MAP_READ,
        k.FILE_MAP_WRITE,
        k.FILE_MAP_READ | k.FILE_MAP_WRITE,
        k.FILE_MAP_ALL_ACCESS,
        k.SECTION_MAP_EXECUTE,
        k.SECTION_MAP_EXECUTE | k.FILE_MAP_READ,
    ):
        section = k.OpenFileMapping(access, False, name)
        for wanted in (
            k.FILE_MAP_READ,
            k.FILE_MAP_WRITE,
            k.FILE_MAP_COPY,
            k.FILE_MAP_READ | k.FILE_MAP_EXECUTE,
        ):
            k.attempt.MapViewOfFile(section, wanted, 0, 0, 0)


def unmapping_one_of_two(k):
    """Views of the same section are unmapped one by one; the other stays with its contents."""
    section = _section(k, 0x20000)
    one = k.MapViewOfFile(section, k.FILE_MAP_WRITE, 0, 0, 0)
    two = k.MapViewOfFile(section, k.FILE_MAP_WRITE, 0, 0, 0)
    k.write(one + 0x1F000, b"both")
    k.UnmapViewOfFile(one)
    k.read(two + 0x1F000, 4)
    try:
        k.read(one + 0x1F000, 4)
    except OSError:
        pass
    k.CloseHandle(section)
    k.read(two + 0x1F000, 4)
    k.UnmapViewOfFile(two)


def protecting_a_middle_page(k):
    """A page in the middle with another protection makes three regions, which join again."""
    view = k.MapViewOfFile(_section(k, 0x4000), k.FILE_MAP_WRITE, 0, 0, 0)
    k.write(view, b"first")
    k.VirtualProtect(view + 0x1000, 0x1000, k.PAGE_READONLY)
    for offset in (0, 0x1000, 0x2000):
        k.VirtualQuery(view + offset)
    k.write(view + 0x2000, b"third")
    try:
        k.write(view + 0x1000, b"second")
    except OSError:
        pass
    k.VirtualProtect(view + 0x1000, 0x1000, k.PAGE_READWRITE)
    k.VirtualQuery(view)
    k.write(view + 0x1000, b"second")


def a_range_of_bytes_is_whole_pages(k):
    """Protecting two bytes across a page boundary protects both pages."""
    view = k.MapViewOfFile(_section(k, 0x4000), k.FILE_MAP_WRITE, 0, 0, 0)
    k.VirtualProtect(view + 0xFFF, 2, k.PAGE_NOACCESS)
    k.VirtualQuery(view)
    k.VirtualQuery(view + 0x2000)
    try:
        k.read(view, 1)
    except OSError:
        pass


def read_only_views_stay_so(k):
    """A read-only view cannot be made writable; a copy-on-write view can be made read-only and
    back."""
    section = _section(k, 0x2000)
    reader = k.MapViewOfFile(section, k.FILE_MAP_READ, 0, 0, 0)
    k.attempt.VirtualProtect(reader, 0x1000, k.PAGE_READWRITE)
    k.attempt.VirtualProtect(reader, 0x1000, k.PAGE_EXECUTE_READ)
    k.VirtualProtect(reader, 0x1000, k.PAGE_NOACCESS)
    k.VirtualProtect(reader, 0x1000, k.PAGE_READONLY)
    copy = k.MapViewOfFile(section, k.FILE_MAP_COPY, 0, 0, 0)
    k.VirtualProtect(copy, 0x1000, k.PAGE_READONLY)
    k.VirtualProtect(copy, 0x1000, k.PAGE_WRITECOPY)
    k.write(copy, b"mine")
    k.read(reader, 4)


def a_named_file_section_in_another_process(k):
    """Another process opens a named section of a file, writes it, and ends; the file has the
    bytes."""
    name = k.name("a file by name")
    file = _file(k, "named.bin", bytes(0x1000))
    section = k.CreateFileMapping(file, None, k.PAGE_READWRITE, 0, 0, name)
    k.spawn("child_writes_the_end", name).wait()
    k.read(k.MapViewOfFile(section, k.FILE_MAP_READ, 0, 0, 0) + 0xFFA, 6)
    k.SetFilePointer(file, -6, k.FILE_END)
    k.ReadFile(file, 6)


def child_writes_the_end(k, name):
    section = k.OpenFileMapping(k.FILE_MAP_WRITE, False, name)
    k.NtQuerySection(section, k.SectionBasicInformation)
    view = k.MapViewOfFile(section, k.FILE_MAP_WRITE, 0, 0, 0)
    k.write(view + 0xFFA, b"by two")


def flushing_is_for_views(k):
    """A view can be flushed as a whole, in part, and through any kind of view."""
    file = _file(k, "to flush.bin", bytes(0x3000))
    section = k.CreateFileMapping(file, None, k.PAGE_READWRITE, 0, 0, None)
    reader = k.MapViewOfFile(section, k.FILE_MAP_READ, 0, 0, 0)
    k.FlushViewOfFile(reader, 0)
    copy = k.MapViewOfFile(section, k.FILE_MAP_COPY, 0, 0, 0)
    k.write(copy, b"not in the file")
    k.FlushViewOfFile(copy, 0)
    k.SetFilePointer(file, 0, k.FILE_BEGIN)
    k.ReadFile(file, 3)


def a_section_of_one_page_many_times(k):
    """The same page can be seen at many addresses, and goes when the last is unmapped."""
    section = _section(k, 0x1000, k.name("one page"))
    views = [k.MapViewOfFile(section, k.FILE_MAP_WRITE, 0, 0, 0) for _ in range(5)]
    k.CloseHandle(section)
    for number, view in enumerate(views):
        k.write(view + number, bytes([65 + number]))
    for view in views[:-1]:
        k.UnmapViewOfFile(view)
    k.read(views[-1], 5)
    k.attempt.OpenFileMapping(k.FILE_MAP_READ, False, k.name("one page"))
