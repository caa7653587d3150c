# SPDX-License-Identifier: MIT
"""Native sections and views: parameters one by one, and rights of queries."""

from harness.scenario import windows

_MADE = "NtCreateSection(SECTION_ALL_ACCESS, None, 0x10000, PAGE_READWRITE, "


def _create(k, size=0x10000, protect=None, kind=None, access=None, file=0):
    _, section = k.NtCreateSection(
        k.SECTION_ALL_ACCESS if access is None else access,
        None,
        size,
        k.PAGE_READWRITE if protect is None else protect,
        k.SEC_COMMIT if kind is None else kind,
        file,
    )
    return section


def _map(k, section, protect=None, *, inherit=None, kind=0, base=0, offset=0, size=0):
    return k.NtMapViewOfSection(
        section,
        k.GetCurrentProcess(),
        base,
        0,
        0,
        offset,
        size,
        k.ViewShare if inherit is None else inherit,
        kind,
        k.PAGE_READWRITE if protect is None else protect,
    )


def rights_of_queries(k):
    """Querying a section needs SECTION_QUERY; querying the object needs nothing."""
    for access in (k.SECTION_QUERY, k.SECTION_MAP_READ, k.SECTION_MAP_READ | k.SECTION_QUERY, 0):
        section = _create(k, access=access)
        k.NtQuerySection(section, k.SectionBasicInformation)
        k.NtQueryObject(section, k.ObjectBasicInformation)
        k.NtQueryObject(section, k.ObjectNameInformation)


def rights_of_mapping(k):
    """Each protection of a view needs its rights on the handle, and nothing more."""
    for access in (
        k.SECTION_MAP_READ,
        k.SECTION_MAP_WRITE,
        k.SECTION_MAP_READ | k.SECTION_MAP_WRITE,
        k.SECTION_MAP_EXECUTE,
        k.SECTION_MAP_READ | k.SECTION_MAP_EXECUTE,
        k.SECTION_ALL_ACCESS,
    ):
        section = _create(k, protect=k.PAGE_EXECUTE_READWRITE, access=access)
        for protect in (
            k.PAGE_READONLY,
            k.PAGE_READWRITE,
            k.PAGE_WRITECOPY,
            k.PAGE_EXECUTE_READ,
            k.PAGE_EXECUTE_READWRITE,
            k.PAGE_EXECUTE_WRITECOPY,
        ):
            _map(k, section, protect)


def how_children_get_views(k):
    """ViewShare and ViewUnmap are the two dispositions there are."""
    section = _create(k)
    for inherit in (k.ViewShare, k.ViewUnmap):
        _map(k, section, inherit=inherit)


def view_protections_that_are_none(k):
    """Combinations and zero are STATUS_INVALID_PAGE_PROTECTION."""
    section = _create(k)
    for protect in (
        0,
        0x3,
        k.PAGE_READONLY | k.PAGE_READWRITE,
        k.PAGE_WRITECOPY | k.PAGE_READWRITE,
        0xFF,
    ):
        _map(k, section, protect)


def no_access_views(k):
    """A PAGE_NOACCESS view takes address space; its pages cannot be touched."""
    section = _create(k)
    status, view, _ = _map(k, section, k.PAGE_NOACCESS)
    k.observe("mapped", status == 0)


def unmapping_natively(k):
    """Any address of the view unmaps the whole; a second time, and private memory, are
    STATUS_NOT_MAPPED_VIEW."""
    me = k.GetCurrentProcess()
    section = _create(k)
    _, view, _ = _map(k, section)
    k.NtUnmapViewOfSection(me, view + 0x5123)
    k.NtUnmapViewOfSection(me, view)
    private = k.VirtualAlloc(0, 0x10000, k.MEM_RESERVE | k.MEM_COMMIT, k.PAGE_READWRITE)
    k.NtUnmapViewOfSection(me, private)
    k.write(private, b"still there")
    k.NtUnmapViewOfSection(0x7FFFFFF0, view)
    k.NtUnmapViewOfSection(section, view)


def by_a_handle_of_the_own_process(k):
    """A real handle of the own process serves for mapping and unmapping, if it grants
    PROCESS_VM_OPERATION."""
    section = _create(k)
    able = k.OpenProcess(k.PROCESS_VM_OPERATION, False, k.GetCurrentProcessId())
    unable = k.OpenProcess(k.PROCESS_QUERY_INFORMATION, False, k.GetCurrentProcessId())
    status, view, _ = k.NtMapViewOfSection(
        section, able, 0, 0, 0, 0, 0, k.ViewShare, 0, k.PAGE_READWRITE
    )
    k.NtMapViewOfSection(section, unable, 0, 0, 0, 0, 0, k.ViewShare, 0, k.PAGE_READWRITE)
    k.write(view, b"own")
    k.NtUnmapViewOfSection(unable, view)
    k.NtUnmapViewOfSection(able, view)


def sizes_of_views_are_whole_pages(k):
    """The size that comes back is in whole pages; the offset counts."""
    section = _create(k, 0x35000)
    for offset, size in (
        (0, 0),
        (0, 1),
        (0, 0x1001),
        (0x10000, 0),
        (0x30000, 0x4001),
        (0x30000, 0x5000),
        (0x30000, 0x5001),
        (0x10000, 0x25001),
    ):
        _map(k, section, offset=offset, size=size)


def bad_offsets(k):
    """An offset is a multiple of 64 KiB."""
    section = _create(k, 0x40000)
    for offset in (1, 0x1000, 0xFFFF, 0x1F000):
        _map(k, section, offset=offset)


def names_relative_to_nothing(k):
    """The directory itself cannot be opened as a section."""
    for name in ("\\BaseNamedObjects", "\\", ""):
        k.NtOpenSection(k.SECTION_MAP_READ, k.oa(name))


def attributes_of_sections(k):
    """What a section was made with is what it reports."""
    for kind in (k.SEC_COMMIT, k.SEC_RESERVE):
        section = _create(k, 0x1234, kind=kind)
        k.NtQuerySection(section, k.SectionBasicInformation)
    path = k.put_file("attributes.bin", bytes(0x1234))
    file = k.CreateFile(path, k.GENERIC_READ | k.GENERIC_WRITE, 0, None, k.OPEN_EXISTING, 0, 0)
    section = _create(k, None, file=file)
    k.NtQuerySection(section, k.SectionBasicInformation)
    section = _create(k, 0x1000, file=file)
    k.NtQuerySection(section, k.SectionBasicInformation)


@windows(
    _MADE + "SEC_RESERVE|SEC_COMMIT",
    "0xc00000f4 STATUS_INVALID_PARAMETER_6",
    "the native API tests of ReactOS",
)
@windows(
    _MADE + "SEC_NOCACHE",
    "0xc00000f4 STATUS_INVALID_PARAMETER_6",
    "the native API tests of ReactOS",
)
@windows(_MADE + "0,", "0xc00000f4 STATUS_INVALID_PARAMETER_6", "the native API tests of ReactOS")
def contradicting_flags(k):
    """SEC_RESERVE and SEC_COMMIT exclude one another, and there is no section without one of
    them."""
    for kind in (k.SEC_RESERVE | k.SEC_COMMIT, k.SEC_NOCACHE, 0):
        _create(k, kind=kind)


def two_names_two_sections(k):
    """Natively made sections under two names are two objects, and each is found by its own."""
    one, two = (k.name(leaf, "\\BaseNamedObjects\\") for leaf in ("one", "two"))
    _, first = k.NtCreateSection(
        k.SECTION_ALL_ACCESS, k.oa(one), 4096, k.PAGE_READWRITE, k.SEC_COMMIT, 0
    )
    _, second = k.NtCreateSection(
        k.SECTION_ALL_ACCESS, k.oa(two), 4096, k.PAGE_READWRITE, k.SEC_COMMIT, 0
    )
    k.attempt.CompareObjectHandles(first, second)
    _, again = k.NtOpenSection(k.SECTION_ALL_ACCESS, k.oa(one))
    k.CompareObjectHandles(first, again)
    k.CloseHandle(first)
    k.CloseHandle(again)
    k.NtOpenSection(k.SECTION_ALL_ACCESS, k.oa(one))
    k.NtOpenSection(k.SECTION_ALL_ACCESS, k.oa(two))
