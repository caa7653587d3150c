# SPDX-License-Identifier: MIT
"""The genuine ``mmap`` over sections, with Windows's parameters besides.

The memory of a map with a tag name is a section's, and the object holds a handle to it, as
Windows's does.  The genuine object is made over a file of its own, of the same length and without
content, and the section's memory is mapped over that.  So it can change its size, which the genuine
code does by cutting its file: never the section's.
"""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import ctypes
import errno
import fcntl
import mmap as genuine
import os
import stat
import weakref
from typing import Any, Self, cast

from memsection import Section
from memsection.api.operations import close_fd, guard_buffer, make_memory, open_fd, whole
from memsection.compat import mmap_form as form
from memsection.content.endpoint import Held, keep_with
from memsection.vocabulary import status as st
from memsection.vocabulary.access_words import SectionAccess
from memsection.vocabulary.errors import AccessError, ArgumentError, Error, NotFoundError
from memsection.vocabulary.protection import ALLOCATION_GRANULARITY

_WORDS: dict[int, SectionAccess] = {
    genuine.ACCESS_DEFAULT: "rw",
    genuine.ACCESS_READ: "r",
    genuine.ACCESS_WRITE: "rw",
    genuine.ACCESS_COPY: "c",
}
_READABLE = (genuine.ACCESS_READ, genuine.ACCESS_COPY)
_MAP_FIXED = 0x10  # mmap(2)
#: The maps of files that are alive in this process.
_maps: weakref.WeakSet[mmap] = weakref.WeakSet()

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = (
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_long,
)


class mmap(genuine.mmap):  # noqa: N801  # the name of the original
    """A map of a file or of memory; ``mmap.mmap`` with Windows's parameters besides."""

    #: whether a call means Windows's form where either would do, so that files grow
    _strict = False
    _section: Section | None = None
    _tagname: str | None = None
    _length: int | None = None  #: what ``size`` says, where the genuine one would ask the file
    _file: tuple[int, int] | None = None
    _over = False  #: whether a section's memory is mapped over the genuine object's
    _held: Held | None = None
    __hash__ = object.__hash__

    def __new__(cls, fileno: int, length: int, *args: Any, **kw: Any) -> Self:
        """Map a file, or memory: see the module."""
        strict = cls._strict or _believes_windows(sys._getframe(1).f_globals)
        return cls._make(strict, fileno, length, args, kw)

    @classmethod
    @whole
    def _make(
        cls, strict: bool, fileno: int, length: int, args: tuple[Any, ...], kw: dict[str, Any]
    ) -> Self:
        if form.is_windows(args, kw) or (strict and not kw.keys() & {"flags", "prot"}):
            return cls._windows(fileno, length, form.windows(args, kw))
        if fileno == -1 and not args and not kw.keys() - {"access", "offset"}:
            return cls._anonymous(
                length, kw.get("access", genuine.ACCESS_DEFAULT), kw.get("offset", 0)
            )
        return super().__new__(cls, fileno, length, *args, **kw)._of_file(fileno)

    @classmethod
    def _windows(cls, fileno: int, length: int, asked: form.Form) -> Self:
        if length < 0:
            raise OverflowError("memory mapped length must be positive")
        tagname, access, offset = asked
        # 0 too: before Python 2.5 it was how memory without a file was asked for
        if fileno in (-1, 0):
            if length == 0:
                raise ArgumentError("mmap: memory without a file needs a length")
            if tagname is None:
                return cls._anonymous(length, access, offset)
        elif length:
            _grow(fileno, offset + length, access)
        if tagname is None:
            return (
                super().__new__(cls, fileno, length, access=access, offset=offset)._of_file(fileno)
            )
        return cls._map_tag(fileno, length, tagname, access, offset)

    # ------------------------------------------------------------------ by name

    @classmethod
    def _map_tag(cls, fileno: int, length: int, tagname: str, access: int, offset: int) -> Self:
        if offset % ALLOCATION_GRANULARITY:
            raise ArgumentError(
                f"mmap '{tagname}': asked for offset {offset}, it has to be a multiple of "
                f"{ALLOCATION_GRANULARITY}",
                ntstatus=st.MAPPED_ALIGNMENT,
            )
        words = _WORDS[access]
        file = fileno not in (-1, 0)
        if file:
            section = Section.from_fd(
                fileno,
                name=tagname,
                size=offset + length if length else None,
                exist_ok=True,
                access=words,
            )
        else:
            section = _open_or_create(tagname, offset + length, words)
        try:
            length = length or section.size - offset
            if not 0 < length <= section.size - offset:
                raise AccessError(
                    f"mmap '{tagname}': asked for {length} bytes at offset {offset}, the section "
                    f"has "
                    f"{section.size}"
                )
            if access not in _READABLE:  # its descriptor would write whatever its protection is
                section.map(offset, length, access=words).close()
            if file or access in _READABLE:
                descriptor = _descriptor_without_lock(section)
                try:
                    self = super().__new__(cls, descriptor, length, access=access, offset=offset)
                    self._start = offset
                    self._watch(descriptor)
                finally:
                    close_fd(descriptor)
            else:
                self = cls._anonymous(length, access, offset)
                self._cover(section, length)
                self._over = True
        except BaseException:
            section.close()
            raise
        self._hold(section, tagname)
        self._length = None if file else length
        return self

    def _hold(self, section: Section, tagname: str) -> None:
        self._section, self._tagname = section, tagname
        if self._held is None:
            self._held = Held(section)
            keep_with(self, self._held)
        self._held.section = section

    def _cover(self, section: Section, length: int) -> None:
        """Map the section's memory over this object's, in one step."""
        descriptor = _descriptor_without_lock(section)
        try:
            self._map_over(descriptor, length)
            self._watch(descriptor)
        finally:
            close_fd(descriptor)

    def _map_over(self, descriptor: int, length: int) -> None:
        # Safety: exactly the pages that the genuine object maps, whose size cannot change while it
        # is exported.
        with memoryview(self) as held:
            address = ctypes.addressof(ctypes.c_char.from_buffer(held))
            found = _libc.mmap(
                address,
                length,
                form.PROT_READ | form.PROT_WRITE,
                form.MAP_SHARED | _MAP_FIXED,
                descriptor,
                self._start,
            )
        if found != address:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    # ------------------------------------------------------------------ without a name

    @classmethod
    def _anonymous(cls, length: int, access: int, offset: int) -> Self:
        """Memory in a file of its own, because memory without any cannot grow (mremap(2))."""
        if length <= 0 or offset < 0 or access not in _WORDS:
            # which knows the error
            return super().__new__(cls, -1, length, access=access, offset=offset)
        try:
            descriptor = make_memory("mmap", os.MFD_CLOEXEC)
        except OSError:
            return super().__new__(cls, -1, length, access=access, offset=offset)
        try:
            os.ftruncate(descriptor, offset + length)
            self = super().__new__(cls, descriptor, length, access=access, offset=offset)
        finally:
            close_fd(descriptor)
        self._length, self._start = length, offset
        return self

    _start = 0
    _guard: Any = None  #: against others who cut the file of a section

    def _watch(self, descriptor: int) -> None:
        """Guard the memory of a section that others can cut: their doing must not end this
        process."""
        if not _is_sealed(descriptor):
            self._guard = guard_buffer(self, descriptor, self._start)

    def _unwatch(self) -> bool:
        """Before the memory goes elsewhere; whether it was guarded."""
        guard, self._guard = self._guard, None
        if guard is not None:
            guard.remove()
        return guard is not None

    def _of_file(self, fileno: int) -> Self:
        """Be known as a map of this file."""
        try:
            found = os.fstat(fileno)
        except OSError:
            return self
        self._file = found.st_dev, found.st_ino
        _maps.add(self)
        return self

    # ----------------------------------------------------------- what differs from the genuine one

    def close(self) -> None:
        """Unmap the memory, and close the handle of a section.

        Raises:
            BufferError: Somebody uses the memory.
        """
        guarded = self._unwatch()
        try:
            super().close()
        except BaseException:
            if guarded and self._section is not None and not self.closed:  # interrupted just then
                self._watch_section(self._section)
            raise
        if self._section is not None:
            self._section.close()
        _maps.discard(self)

    def _watch_section(self, section: Section) -> None:
        descriptor = _descriptor_without_lock(section)
        try:
            self._watch(descriptor)
        finally:
            close_fd(descriptor)

    def flush(self, *args: Any) -> None:
        """Write what was changed to the file.

        Raises:
            InPageError: Somebody cut the file of a section: what was there is lost.
            ValueError: It is closed, or no such range.
        """
        if self._guard is not None:
            self._guard.check()
        super().flush(*args)

    def __exit__(self, *_: object) -> None:
        self.close()

    def size(self) -> int:
        """The size of the file, or of memory without a file.

        Raises:
            ValueError: It is closed.
        """
        return super().size() if self._length is None else len(self)

    def resize(self, newsize: int) -> None:
        """Change the size of the map, and of its file.

        A section that has a name is made anew, which needs that nobody else has a handle to it.

        Raises:
            OSError: No size; somebody else has it mapped.
            TypeError: It may not be written to.
            BufferError: Somebody uses the memory.
        """
        # the genuine one cuts the file first, and fails then: the next access would be fatal
        if newsize == 0:
            len(self)  # a closed map says so
            raise ArgumentError("resize: a map has at least one byte")
        if self._section is not None and newsize > 0:
            self._resize_section(self._section, newsize)
            return
        if (
            self._file is not None
            and newsize < len(self)
            and any(other._file == self._file for other in list(_maps) if other is not self)
        ):
            raise _in_use("resize: the file is mapped once more in this process")
        super().resize(newsize)

    def _resize_section(self, section: Section, newsize: int) -> None:
        tagname = self._tagname or ""
        self._check_resizable()
        words = cast(SectionAccess, section.access)
        section.close()
        try:
            self._hold(Section.open(tagname, access=words), tagname)
        except NotFoundError:
            pass
        else:
            raise _in_use(f"resize '{tagname}': somebody else has a handle to the section")
        if not self._over:  # of a file
            self._unwatch()  # with the section the name has gone by which others came
            super().resize(newsize)
            return
        before = self[:]
        try:
            fresh = Section.create(tagname, self._start + newsize)
        except BaseException:
            again = Section.create(tagname, self._start + len(before))
            self._move_to(again, before, len(before))
            self._hold(again, tagname)
            raise
        self._move_to(fresh, before, newsize)
        self._hold(fresh, tagname)

    def _check_resizable(self) -> None:
        """Refuse what the genuine one refuses, while nothing has changed."""
        len(self)  # a closed map says so
        try:
            super().resize(-1)
        except ValueError:
            pass  # it came to looking at the size

    @whole
    def _move_to(self, section: Section, content: bytes, size: int) -> None:
        """Have the memory of another section, of another size, with this content."""
        with section.map(self._start) as view:
            view[: min(size, len(content))] = content[:size]
        self._unwatch()
        # Back to its own file first: at no moment does it reach beyond the end of what it maps.
        file = make_memory("mmap", os.MFD_CLOEXEC)
        try:
            os.ftruncate(file, self._start + max(size, len(self)))
            os.pwrite(file, content, self._start)
            self._map_over(file, len(self))
            super().resize(size)
        finally:
            close_fd(file)
        self._cover(section, size)
        self._length = size

    def __repr__(self) -> str:
        text = super().__repr__()
        return text.replace("<mmap ", "<mmap.mmap ", 1) if type(self).__name__ == "mmap" else text

    def __sizeof__(self) -> int:
        return object.__sizeof__(self) + (len(self._tagname) + 1 if self._tagname else 0)


class WindowsMmap(mmap):
    """What a module sees that believes it is on Windows: a call that either form would do is meant
    in Windows's."""

    _strict = True


WindowsMmap.__name__ = WindowsMmap.__qualname__ = "mmap"


def _is_sealed(descriptor: int) -> bool:
    """Whether nobody can make the file shorter."""
    try:
        return bool(fcntl.fcntl(descriptor, fcntl.F_GET_SEALS) & fcntl.F_SEAL_SHRINK)
    except OSError:
        return False


def _believes_windows(module: dict[str, Any]) -> bool:
    """Whether a module thinks that it is on Windows: what it has by the names ``sys`` or ``os``
    says so."""
    return (
        getattr(module.get("sys"), "platform", "") == "win32"
        or getattr(module.get("os"), "name", "") == "nt"
    )


def _open_or_create(tagname: str, size: int, words: SectionAccess) -> Section:
    """The section of this name, of this size if it is new."""
    try:
        return Section.create(tagname, size, access=words, exist_ok=True)
    except ArgumentError:
        try:
            there = Section.open(tagname, access=words)
        except NotFoundError:
            pass
        else:
            with there:
                if there.size < size:  # what Windows says when it comes to mapping it
                    raise AccessError(
                        f"mmap '{tagname}': asked for {size} bytes, the section has {there.size}"
                    ) from None
        raise


def _descriptor_without_lock(section: Section) -> int:
    """A descriptor of the section's memory whose description carries no lock: a map must not keep
    the name (L5)."""
    descriptor = section.fileno()
    mode = os.O_RDWR if "w" in section.access else os.O_RDONLY
    return open_fd(f"/proc/self/fd/{descriptor}", mode)


def _grow(fileno: int, size: int, access: int) -> None:
    """Make a file as large as its map, as a section of a file does on Windows; whole, or not at all
    (F1)."""
    try:
        found = os.fstat(fileno)
    except OSError:
        return  # the genuine one says it
    there = found.st_size
    if size <= there or not stat.S_ISREG(found.st_mode):
        return
    if access in _READABLE:
        raise Error(
            f"mmap: asked for {size} bytes of a file that has {there}, and may not grow",
            ntstatus=st.SECTION_TOO_BIG,
        )
    try:
        os.posix_fallocate(fileno, 0, size)
    except OSError as problem:
        if problem.errno == errno.EBADF:
            raise AccessError(
                f"mmap: the descriptor may not write to the file, which has {there} bytes"
            ) from None
        os.ftruncate(fileno, there)
        raise


def _in_use(text: str) -> Error:
    return Error(text, ntstatus=st.USER_MAPPED_FILE)
