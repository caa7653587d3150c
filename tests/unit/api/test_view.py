# SPDX-License-Identifier: MIT
"""Views through the Pythonic face: a buffer, its operations, its end."""

from __future__ import annotations

import gc
import os
import struct
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from memsection import Section, View, errors
from memsection.nt import kernel
from memsection.vocabulary import protection as p
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s


def test_a_view_is_a_buffer() -> None:
    with Section.create(size=4096) as section, section.map() as view:
        struct.pack_into("<I", view, 8, 0xDEADBEEF)
        assert struct.unpack_from("<I", view, 8) == (0xDEADBEEF,)
        with memoryview(view) as whole:
            assert (whole.nbytes, whole.format, whole.readonly) == (4096, "B", False)
            assert whole.cast("I")[2] == 0xDEADBEEF
        assert bytes(view[8:12]) == b"\xef\xbe\xad\xde"
        assert view[8] == 0xEF
        assert isinstance(view, View) and view.address % 65536 == 0


def test_a_closed_view_is_an_error_and_closing_again_is_not() -> None:
    with Section.create(size=4096) as section:
        view = section.map()
        view.close()
        view.close()
        assert view.closed and repr(view) == "<memsection.View closed>"
        for use in (
            lambda: view[0],
            lambda: len(view),
            lambda: view.address,
            view.flush,
            view.check,
            view.commit,
            lambda: memoryview(view),
            view.__enter__,
        ):
            with pytest.raises(ValueError, match="closed"):
                use()


@pytest.mark.invariant("L2")
def test_closing_while_it_is_used_neither_fails_nor_unmaps() -> None:
    with Section.create(size=4096) as section:
        view = section.map()
        address = view.address
        part = view[:4]
        view.close()
        part[:] = b"used"
        assert bytes(part) == b"used"
        part.release()
        with pytest.raises(errors.NtError):
            kernel.unmap_view(s.CURRENT_PROCESS, address)


def test_a_view_left_to_the_collector_is_unmapped_without_a_word() -> None:
    with Section.create(size=4096) as section:
        view = section.map()
        address = view.address
        del view
        with pytest.raises(errors.NtError):
            kernel.unmap_view(s.CURRENT_PROCESS, address)


@pytest.mark.parametrize(
    ("offset", "length"), [(-1, None), (0, 4097), (4096, 1), (0, -1), (5000, None)]
)
def test_a_range_that_leaves_the_view_is_refused(offset: int, length: int | None) -> None:
    with Section.create(size=4096) as section, section.map() as view:
        for operation in (view.flush, view.commit):
            with pytest.raises(ValueError, match="the view has 4096"):
                operation(offset, length)


def test_flushing_memory_without_a_file_does_nothing() -> None:
    with Section.create(size=4096) as section, section.map() as view:
        view.flush()
        view.flush(100, 0)
        view.flush(0, 10)


def test_committing_twice_is_harmless() -> None:
    with (
        Section.create(size=1 << 20, commit=False) as section,
        section.map() as one,
        section.map() as other,
    ):
        one.commit(4096, 10)
        one[4096:4100] = b"kept"
        one.commit()
        assert bytes(other[4096:4100]) == b"kept"


@pytest.mark.linux_only("Windows refuses to cut a file that is mapped")
def test_a_file_that_is_cut_short_is_an_error_and_not_the_end(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * 64)
    with Section.from_file(path, access="rw") as section, section.map() as view:
        view.check()
        os.truncate(path, 4096)
        with pytest.raises(errors.InPageError) as caught:
            view[8192]
        assert caught.value.winerror == 999
        with pytest.raises(BufferError):
            view.flush()


def test_a_class_makes_nothing_by_itself() -> None:
    with pytest.raises(TypeError, match=r"section\.map"):
        View()


def _successor(section: Section, address: int) -> View:
    """A view at an address where another one was; the others on the way there are closed again."""
    others: list[View] = []
    try:
        for _ in range(100):
            view = section.map()
            if view.address == address:
                return view
            others.append(view)
    finally:
        for other in others:
            other.close()
    pytest.skip("the system put no view at that address again")


@pytest.mark.invariant("M2")
@pytest.mark.parametrize("left", ["closed", "collected"])
@pytest.mark.parametrize("kind", ["memory", "reserved", "file"])
def test_a_stale_view_leaves_what_is_at_its_address_now_alone(
    kind: str, left: str, tmp_path: Path
) -> None:
    def make() -> Section:
        if kind != "file":
            return Section.create(size=4096, commit=kind == "memory")
        path = tmp_path / "file"
        path.write_bytes(bytes(4096))
        return Section.from_file(path, access="rw")

    with make() as old, Section.create(size=4096) as new:
        stale = old.map()
        address = stale.address
        kernel.unmap_view(s.CURRENT_PROCESS, address)  # as UnmapViewOfFile(view.address) does
        view = _successor(new, address)
        view[:4] = b"here"
        if left == "closed":
            stale.close()
            stale.close()
        else:
            del stale
            gc.collect()
        assert kernel.query_virtual_memory(s.CURRENT_PROCESS, address).AllocationBase == address
        assert bytes(view[:4]) == b"here"
        view.close()
        with pytest.raises(errors.NtError):
            kernel.unmap_view(s.CURRENT_PROCESS, address)
        with new.map() as again:
            assert bytes(again[:4]) == b"here"


@pytest.mark.invariant("M2")
def test_a_stale_view_commits_nothing_of_what_is_at_its_address_now() -> None:
    with (
        Section.create(size=65536, commit=False) as old,
        Section.create(size=65536, commit=False) as new,
    ):
        stale = old.map()
        address = stale.address
        kernel.unmap_view(s.CURRENT_PROCESS, address)
        with _successor(new, address) as view:
            with pytest.raises(errors.ArgumentError) as caught:
                stale.commit()
            assert caught.value.ntstatus == st.NOT_MAPPED_VIEW
            assert (
                kernel.query_virtual_memory(s.CURRENT_PROCESS, view.address).State == p.MEM_RESERVE
            )
        stale.close()
        with old.map() as again:
            assert (
                kernel.query_virtual_memory(s.CURRENT_PROCESS, again.address).State == p.MEM_RESERVE
            )


@pytest.mark.invariant("M2")
@pytest.mark.parametrize("successor", [True, False])
def test_flushing_a_stale_view_is_an_error(successor: bool, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(4096))
    with (
        Section.from_file(path, access="rw") as file,
        Section.create(size=4096) as new,
        ExitStack() as stack,
    ):
        stale = file.map()
        address = stale.address
        kernel.unmap_view(s.CURRENT_PROCESS, address)
        if successor:
            stack.enter_context(_successor(new, address))
        with pytest.raises(errors.ArgumentError) as caught:
            stale.flush()
        assert caught.value.ntstatus == st.NOT_MAPPED_VIEW
        stale.close()


@pytest.mark.linux_only("a system call is replaced")
@pytest.mark.invariant("M2")
def test_a_view_that_is_unmapped_while_it_is_flushed_is_there_until_that_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from memsection.nt.linux.system import syscalls

    path = tmp_path / "file"
    path.write_bytes(bytes(4096))
    real = syscalls.msync

    def unmap_first(address: int, size: int) -> None:
        kernel.unmap_view(s.CURRENT_PROCESS, address)
        real(address, size)  # an error where nothing is mapped

    with Section.from_file(path, access="rw") as file:
        stale = file.map()
        address = stale.address
        monkeypatch.setattr(syscalls, "msync", unmap_first)
        stale.flush()
        assert stale.closed
        with pytest.raises(errors.NtError):
            kernel.unmap_view(s.CURRENT_PROCESS, address)


@pytest.mark.linux_only("Wine 8 tells of a commit in the view alone through which it was made")
def test_a_view_that_another_thread_closes_is_there_until_it_is_committed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Section.create(size=65536, commit=False) as section:
        view = section.map()
        service = kernel.commit_buffer

        def close_first(*arguments: Any) -> None:
            view.close()
            service(*arguments)

        monkeypatch.setattr(kernel, "commit_buffer", close_first, raising=False)
        view.commit()
        with section.map() as again:
            assert (
                kernel.query_virtual_memory(s.CURRENT_PROCESS, again.address).State == p.MEM_COMMIT
            )


def test_a_view_that_was_unmapped_otherwise_is_closed_without_a_word() -> None:
    with Section.create(size=4096) as section:
        stale = section.map()
        kernel.unmap_view(s.CURRENT_PROCESS, stale.address)
        stale.close()
