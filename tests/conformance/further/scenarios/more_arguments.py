# SPDX-License-Identifier: MIT
"""Arguments of NtMapViewOfSection that Windows refuses; ReactOS's tests of it, which run on
Windows, have its statuses."""

from harness.scenario import windows

_IGNORED = "Wine 8 ignores it; recorded of Windows by ReactOS's test of NtMapViewOfSection"
_KIND = "0xc00000f7 STATUS_INVALID_PARAMETER_9"


def _map_line(section, kind):
    return f"NtMapViewOfSection({section}, CURRENT_PROCESS, NULL, 0, 0, 0, 0, ViewShare, {kind}, "


def _section(k, kind=None):
    kind = k.SEC_COMMIT if kind is None else kind
    return k.NtCreateSection(k.SECTION_ALL_ACCESS, None, 0x20000, k.PAGE_READWRITE, kind, 0)[1]


def _map(k, section, commit=0, size=0, kind=0):
    return k.NtMapViewOfSection(
        section, k.GetCurrentProcess(), 0, 0, commit, 0, size, k.ViewShare, kind, k.PAGE_READWRITE
    )


@windows(_map_line("h1", "MEM_COMMIT"), _KIND, _IGNORED)
@windows(_map_line("h1", "MEM_RESERVE"), _KIND, _IGNORED)
@windows(_map_line("h1", "MEM_COMMIT|MEM_RESERVE"), _KIND, _IGNORED)
@windows(_map_line("h2", "MEM_COMMIT"), _KIND, _IGNORED)
@windows(_map_line("h2", "MEM_RESERVE"), _KIND, _IGNORED)
@windows(_map_line("h2", "MEM_COMMIT|MEM_RESERVE"), _KIND, _IGNORED)
def kinds_of_allocation(k):
    """A view of memory is neither committed nor reserved by its mapping."""
    for section in (_section(k), _section(k, k.SEC_RESERVE)):
        for kind in (k.MEM_COMMIT, k.MEM_RESERVE, k.MEM_RESERVE | k.MEM_COMMIT):
            _map(k, section, kind=kind)


@windows(
    "NtMapViewOfSection(h1, CURRENT_PROCESS, NULL, 0, 0x2000, ",
    "0xc00000f3 STATUS_INVALID_PARAMETER_5",
    "Wine 8 ignores the commit size",
)
def more_to_commit_than_the_view_has(k):
    """The pages to commit are the view's."""
    section = _section(k)
    _map(k, section, commit=0x20000)
    _map(k, section, commit=0x2000, size=0x1000)


@windows(
    "NtMapViewOfSection(h1, CURRENT_PROCESS, NULL, 0, 0, 0, 0xffffffffffffffff,",
    "0xc00000f1 STATUS_INVALID_PARAMETER_3",
    _IGNORED,
)
def views_larger_than_the_section(k):
    """A view is within its section; one that no address space has room for is another error."""
    section = _section(k)
    _map(k, section, size=0x21000)
    _map(k, section, size=0xFFFFFFFFFFFFFFFF)
