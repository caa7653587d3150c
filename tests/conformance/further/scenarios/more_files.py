# SPDX-License-Identifier: MIT
"""File handles: position, size, rights, and what sections of one file have in common."""

from harness.scenario import windows


def _open(k, path, access=None, disposition=None, sa=None, flags=0):
    return k.CreateFile(
        path,
        k.GENERIC_READ | k.GENERIC_WRITE if access is None else access,
        k.FILE_SHARE_READ | k.FILE_SHARE_WRITE,
        sa,
        k.OPEN_EXISTING if disposition is None else disposition,
        flags,
        0,
    )


def reading_and_writing_move_the_position(k):
    """A file handle has one position, which reading and writing move and SetFilePointer sets."""
    file = _open(k, k.put_file("position.bin", b"0123456789"))
    k.ReadFile(file, 3)
    k.WriteFile(file, b"ab")
    k.ReadFile(file, 2)
    k.SetFilePointer(file, 0, k.FILE_CURRENT)
    k.SetFilePointer(file, -1, k.FILE_END)
    k.ReadFile(file, 10)
    k.ReadFile(file, 10)
    k.SetFilePointer(file, 1, k.FILE_BEGIN)
    k.ReadFile(file, 4)
    k.attempt.SetFilePointer(file, -1, k.FILE_BEGIN)
    k.attempt.SetFilePointer(file, -100, k.FILE_CURRENT)
    k.SetFilePointer(file, 0, k.FILE_CURRENT)


def writing_beyond_the_end_leaves_zeros(k):
    """The position may be beyond the end; what is written there has zeros before it."""
    file = _open(k, k.put_file("gap.bin", b"abc"))
    k.SetFilePointer(file, 10, k.FILE_BEGIN)
    k.ReadFile(file, 4)
    k.GetFileSize(file)
    k.WriteFile(file, b"x")
    k.GetFileSize(file)
    k.CloseHandle(file)
    k.get_file("gap.bin")


def end_of_file_is_set_at_the_position(k):
    """SetEndOfFile cuts or extends the file to the handle's position."""
    file = _open(k, k.put_file("end.bin", b"0123456789"))
    k.SetFilePointer(file, 4, k.FILE_BEGIN)
    k.SetEndOfFile(file)
    k.GetFileSize(file)
    k.SetFilePointer(file, 8, k.FILE_BEGIN)
    k.SetEndOfFile(file)
    k.GetFileSize(file)
    k.SetFilePointer(file, 0, k.FILE_BEGIN)
    k.ReadFile(file, 20)


@windows(
    "SetEndOfFile(h1)",
    "error 5 ERROR_ACCESS_DENIED",
    "documented: the file must be created with the GENERIC_WRITE access right",
)
def rights_of_a_file_handle(k):
    """Reading needs GENERIC_READ, writing and cutting GENERIC_WRITE: error 5 otherwise."""
    path = k.put_file("rights.bin", b"content")
    reader, writer = _open(k, path, k.GENERIC_READ), _open(k, path, k.GENERIC_WRITE)
    k.attempt.WriteFile(reader, b"x")
    k.attempt.SetEndOfFile(reader)
    k.attempt.ReadFile(writer, 3)
    k.ReadFile(reader, 3)
    k.WriteFile(writer, b"CON")
    k.GetFileSize(writer)
    k.get_file("rights.bin")


def a_duplicate_shares_the_position(k):
    """A duplicate of a file handle is the same open file: one position for both."""
    me = k.GetCurrentProcess()
    file = _open(k, k.put_file("shared position.bin", b"0123456789"))
    copy = k.DuplicateHandle(me, file, me, 0, False, k.DUPLICATE_SAME_ACCESS)
    k.ReadFile(file, 4)
    k.ReadFile(copy, 2)
    k.SetFilePointer(copy, 0, k.FILE_BEGIN)
    k.ReadFile(file, 1)
    k.CloseHandle(file)
    k.ReadFile(copy, 1)


def two_opens_have_two_positions(k):
    """Opening a file twice gives two positions, and the handles are not the same object."""
    path = k.put_file("two.bin", b"0123456789")
    one, two = _open(k, path), _open(k, path)
    k.ReadFile(one, 4)
    k.ReadFile(two, 2)
    k.CompareObjectHandles(one, two)


def the_position_is_inherited(k):
    """A child that inherits a file handle reads on where the parent was."""
    file = _open(k, k.put_file("inherited.bin", b"0123456789"), sa=k.sa(inherit=True))
    k.ReadFile(file, 4)
    k.spawn("child_reads", file, inherit_handles=True).wait()
    k.ReadFile(file, 2)


def child_reads(k, value):
    k.ReadFile(k.handle(value), 3)


def deleted_on_close(k):
    """A file opened with FILE_FLAG_DELETE_ON_CLOSE goes when its last handle closes."""
    path = k.path("passing.bin")
    file = k.CreateFile(
        path,
        k.GENERIC_READ | k.GENERIC_WRITE,
        0,
        None,
        k.CREATE_NEW,
        k.FILE_FLAG_DELETE_ON_CLOSE,
        0,
    )
    k.WriteFile(file, b"for a moment")
    k.file_exists("passing.bin")
    k.CloseHandle(file)
    k.file_exists("passing.bin")


def what_is_no_file(k):
    """File functions on handles that are none, or of something else, are error 6."""
    event = k.CreateEvent(None, True, False, None)
    file = _open(k, k.put_file("closed.bin", b"x"))
    k.CloseHandle(file)
    for handle in (0, file, 0x7FFFFFF0, event):
        k.attempt.ReadFile(handle, 1)
        k.attempt.WriteFile(handle, b"x")
        k.attempt.GetFileSize(handle)


def sections_of_one_file_are_coherent(k):
    """Two sections of one file show the same bytes, whichever handle they were made from."""
    path = k.put_file("coherent.bin", bytes(0x2000))
    one, two = _open(k, path), _open(k, path)
    first = k.CreateFileMapping(one, None, k.PAGE_READWRITE, 0, 0, None)
    second = k.CreateFileMapping(two, None, k.PAGE_READONLY, 0, 0, None)
    k.CompareObjectHandles(first, second)
    writing = k.MapViewOfFile(first, k.FILE_MAP_WRITE, 0, 0, 0)
    reading = k.MapViewOfFile(second, k.FILE_MAP_READ, 0, 0, 0)
    k.write(writing + 0x1800, b"seen at once")
    k.read(reading + 0x1800, 12)
    k.SetFilePointer(two, 0x1800, k.FILE_BEGIN)
    k.ReadFile(two, 4)


def a_name_stands_for_the_first_file(k):
    """A second create with another file and the same name opens the section of the first file."""
    name = k.name("of a file")
    one = _open(k, k.put_file("first.bin", b"first" + bytes(95)))
    two = _open(k, k.put_file("second.bin", b"second" + bytes(94)))
    k.CreateFileMapping(one, None, k.PAGE_READWRITE, 0, 0, name)
    k.GetLastError()
    again = k.CreateFileMapping(two, None, k.PAGE_READWRITE, 0, 0, name)
    k.GetLastError()
    k.read(k.MapViewOfFile(again, k.FILE_MAP_READ, 0, 0, 0), 6)
    anonymous = k.CreateFileMapping(k.INVALID_HANDLE_VALUE, None, k.PAGE_READWRITE, 0, 0x5000, name)
    k.GetLastError()
    k.NtQuerySection(anonymous, k.SectionBasicInformation)


def a_grown_file_needs_a_new_section(k):
    """A section keeps its size when the file grows; a new one has the new size."""
    file = _open(k, k.put_file("growing.bin", b"a" * 100))
    old = k.CreateFileMapping(file, None, k.PAGE_READONLY, 0, 0, None)
    k.SetFilePointer(file, 0x2000, k.FILE_BEGIN)
    k.SetEndOfFile(file)
    k.NtQuerySection(old, k.SectionBasicInformation)
    k.attempt.MapViewOfFile(old, k.FILE_MAP_READ, 0, 0, 0x2000)
    new = k.CreateFileMapping(file, None, k.PAGE_READONLY, 0, 0, None)
    k.NtQuerySection(new, k.SectionBasicInformation)
    k.MapViewOfFile(new, k.FILE_MAP_READ, 0, 0, 0x2000)


def part_of_a_file(k):
    """A section may be smaller than its file; views end with it."""
    file = _open(k, k.put_file("part.bin", b"a" * 0x3000))
    section = k.CreateFileMapping(file, None, k.PAGE_READWRITE, 0, 0x1800, None)
    k.NtQuerySection(section, k.SectionBasicInformation)
    view = k.MapViewOfFile(section, k.FILE_MAP_READ, 0, 0, 0)
    k.VirtualQuery(view)
    k.read(view + 0x17FC, 8)
    k.attempt.MapViewOfFile(section, k.FILE_MAP_READ, 0, 0, 0x1801)
    k.attempt.MapViewOfFile(section, k.FILE_MAP_READ, 0, 0, 0x2001)
    k.GetFileSize(file)


def the_file_outlives_its_section(k):
    """What was written through a view is in the file when the view and the section are gone,
    without a flush."""
    file = _open(k, k.put_file("kept.bin", bytes(64)))
    section = k.CreateFileMapping(file, None, k.PAGE_READWRITE, 0, 0, None)
    view = k.MapViewOfFile(section, k.FILE_MAP_WRITE, 0, 0, 0)
    k.write(view + 10, b"kept")
    k.UnmapViewOfFile(view)
    k.CloseHandle(section)
    k.CloseHandle(file)
    k.get_file("kept.bin")


def flushing_part_of_a_file(k):
    """A flush takes any address and length inside the view; beyond it there is nothing to flush."""
    file = _open(k, k.put_file("flushed.bin", bytes(0x4000)))
    section = k.CreateFileMapping(file, None, k.PAGE_READWRITE, 0, 0, None)
    view = k.MapViewOfFile(section, k.FILE_MAP_WRITE, 0, 0, 0)
    k.write(view + 0x2000, b"middle")
    k.FlushViewOfFile(view, 0)
    k.FlushViewOfFile(view + 0x2000, 0x1000)
    k.FlushViewOfFile(view + 0x2003, 5)
    k.FlushViewOfFile(view + 0x3000, 0)


def large_offset_in_a_file(k):
    """The high halves count: a view beyond 4 GiB of a file that was made that large without writing
    it."""
    file = _open(k, k.put_file("large.bin", b""))
    k.SetFilePointer(file, 0x1_0001_0000, k.FILE_BEGIN)
    k.SetEndOfFile(file)
    k.GetFileSize(file)
    section = k.CreateFileMapping(file, None, k.PAGE_READWRITE, 1, 0x10000, None)
    view = k.MapViewOfFile(section, k.FILE_MAP_WRITE, 1, 0, 0x10000)
    k.write(view, b"beyond four gigabytes")
    k.SetFilePointer(file, 0x1_0000_0000, k.FILE_BEGIN)
    k.ReadFile(file, 6)
    k.UnmapViewOfFile(view)
    k.CloseHandle(section)
    k.SetFilePointer(file, 0, k.FILE_BEGIN)
    k.SetEndOfFile(file)
    k.GetFileSize(file)
