# SPDX-License-Identifier: MIT
"""A view that is unmapped by its address is closed, and what it has lent keeps the memory."""

from __future__ import annotations

import gc
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from memsection import Section, View, errors, nt, win32
from memsection.nt import kernel
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s

pytestmark = pytest.mark.invariant("M2")


def _by_win32(address: int) -> None:
    win32.UnmapViewOfFile(address)


def _by_nt(address: int) -> None:
    assert nt.NtUnmapViewOfSection(nt.CURRENT_PROCESS, address) == nt.STATUS_SUCCESS


_WAYS = pytest.mark.parametrize("unmap", [_by_win32, _by_nt])
_USES: dict[str, Callable[[View], object]] = {
    "item": lambda view: view[0],
    "slice": lambda view: view[:4],
    "write": lambda view: view.__setitem__(0, 1),
    "write a slice": lambda view: view.__setitem__(slice(0, 4), b"four"),
    "len": len,
    "memoryview": memoryview,
    "bytes": bytes,
    "address": lambda view: view.address,
    "check": lambda view: view.check(),
    "flush": lambda view: view.flush(),
    "commit": lambda view: view.commit(),
    "with": lambda view: view.__enter__(),
}


@_WAYS
@pytest.mark.parametrize("use", _USES)
@pytest.mark.parametrize("kind", ["memory", "reserved", "file"])
def test_a_view_unmapped_by_its_address_is_closed(
    kind: str, use: str, unmap: Callable[[int], None], tmp_path: Path
) -> None:
    with ExitStack() as stack:
        if kind == "file":
            (tmp_path / "file").write_bytes(bytes(4096))
            section = stack.enter_context(Section.from_file(tmp_path / "file", access="rw"))
        else:
            section = stack.enter_context(Section.create(size=4096, commit=kind == "memory"))
        view = section.map()
        unmap(view.address)
        other = stack.enter_context(Section.create(size=4096))
        successor = stack.enter_context(other.map())
        with pytest.raises(errors.ArgumentError, match="closed") as caught:
            _USES[use](view)
        assert caught.value.ntstatus == st.NOT_MAPPED_VIEW
        assert view.closed
        assert bytes(successor[:4]) == bytes(4)
        view.close()


@_WAYS
def test_any_address_inside_closes_the_view(unmap: Callable[[int], None]) -> None:
    with Section.create(size=65536) as section:
        view = section.map()
        unmap(view.address + 5000)
        assert view.closed


@_WAYS
def test_what_a_view_has_lent_keeps_the_memory(unmap: Callable[[int], None]) -> None:
    with Section.create(size=4096) as section, section.map() as other:
        view = section.map()
        address, lent = view.address, memoryview(view)
        unmap(address)
        assert view.closed
        with pytest.raises(errors.ArgumentError, match="closed"):
            view[0]
        lent[:4] = b"here"
        assert bytes(other[:4]) == b"here"
        with pytest.raises(OSError, match="no view") as caught:
            win32.UnmapViewOfFile(address)
        assert caught.value.winerror == 487  # type: ignore[attr-defined, unused-ignore]
        assert bytes(lent[:4]) == b"here"
        lent.release()
        with pytest.raises(errors.NtError):
            kernel.query_mapped_file_name(s.CURRENT_PROCESS, address)


def test_an_array_over_a_view_keeps_the_memory() -> None:
    numpy = pytest.importorskip("numpy")
    with Section.create(size=4096) as section:
        view = section.map()
        array = numpy.ndarray((4096,), "u1", view)
        address = view.address
        win32.UnmapViewOfFile(address)
        array[:] = 7
        with section.map() as other:
            assert bytes(other) == bytes([7]) * 4096
        del array, view
        gc.collect()
        with pytest.raises(OSError, match="no view"):
            win32.UnmapViewOfFile(address)


def test_closing_first_leaves_nothing_for_the_address() -> None:
    with Section.create(size=4096) as section:
        view = section.map()
        address, lent = view.address, memoryview(view)
        view.close()
        with pytest.raises(OSError, match="no view"):
            win32.UnmapViewOfFile(address)
        lent[0] = 1


def test_a_view_that_lends_is_unmapped_once(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(4096))
    with Section.from_file(path, access="rw") as section, Section.create(size=4096) as new:
        view = section.map()
        address, lent = view.address, view[:4]
        win32.UnmapViewOfFile(address)
        del lent
        views: list[View] = []
        while len(views) < 20:  # one of them comes to the address that is free again
            views.append(new.map())
        view.close()
        del view
        gc.collect()
        for each in views:
            assert each[0] == 0
            each.close()
