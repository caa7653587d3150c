# SPDX-License-Identifier: MIT
"""Sections: memory that processes share, by name, by handle, or through a file.

Everything about the handle itself is in ``handle``, and what the words of access mean in
``section_access``; how a section exists, and for how long, is the kernel interface's business.
"""

from __future__ import annotations

import os

from memsection.api.appearing import open_in_time, open_in_time_async
from memsection.api.attributes import object_attributes, plain_attributes, section_attributes
from memsection.api.handle import PACKAGE, SLOTS, Handle
from memsection.api.passing import Passable
from memsection.api.section_access import (
    FILE_RIGHTS,
    PROTECTIONS,
    RIGHTS,
    access_words,
    node_number,
    protection_of,
)
from memsection.api.view import View
from memsection.nt import kernel
from memsection.nt.owners import own_with_line, whole
from memsection.vocabulary import access as a
from memsection.vocabulary import object_types
from memsection.vocabulary import protection as p
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.arguments import may_wait, object_name, whole_number
from memsection.vocabulary.errors import AccessError, ArgumentError, Error, NtError, public_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any, Self

    from memsection.api.security import Security
    from memsection.vocabulary.access_words import Access, SectionAccess

_create_section, _open_section, _map_buffer = (
    kernel.create_section,
    kernel.open_section,
    kernel.map_buffer,
)
_new = object.__new__
_SHARE_ALL = s.FILE_SHARE_READ | s.FILE_SHARE_WRITE | s.FILE_SHARE_DELETE


def _part(offset: int, length: int | None) -> tuple[int, int]:
    """Which part of a section a view is asked of: its offset, and its size or 0 for the rest."""
    size = 0 if length is None else whole_number(length, "length")
    offset = whole_number(offset, "offset")
    if length is not None and size <= 0:
        raise ArgumentError(
            f"map: asked for {length} bytes, a view has at least one", ntstatus=st.INVALID_VIEW_SIZE
        )
    if offset < 0:
        raise ArgumentError(f"map: asked for offset {offset}", ntstatus=st.INVALID_VIEW_SIZE)
    return offset, size


def _label(name: str | None) -> str:
    return "a section" if name is None else repr(name)


class Section(Passable):
    """Memory that any number of processes map, and that goes by itself when the last of them lets
    go.

    ``access`` is ``"r"``, ``"rw"`` or ``"c"`` (copy-on-write: what is written stays in the view),
    each also with ``"x"`` behind it for executable memory.
    """

    __slots__ = {
        **dict.fromkeys(SLOTS, ""),
        "_access": "",
        "_size": "",
        "created": "Whether this call made the object, or found it.",
    }

    _type = object_types.SECTION
    _words = RIGHTS

    _access: str
    _size: int
    created: bool

    @classmethod
    def _adopt(cls, handle: int) -> Self:
        return cls._own(handle, "", False)

    @classmethod
    def _own(cls, handle: int, access: str, created: bool) -> Self:
        """One that owns a handle, and knows which line of the user's made it."""
        self = _new(cls)
        own_with_line(self, handle, PACKAGE)
        self._access, self._size, self.created = access, -1, created
        return self

    # ------------------------------------------------------------------ making and opening

    @classmethod
    @whole
    def create(
        cls,
        name: str | None = None,
        size: int = 0,
        *,
        access: SectionAccess = "rw",
        exist_ok: bool = False,
        inheritable: bool = False,
        security: Security | str | bytes | None = None,
        commit: bool = True,
        large_pages: bool = False,
        numa_node: int | None = None,
        permanent: bool = False,
    ) -> Self:
        r"""Make a section of memory, with a name or without one.

        Args:
            name: What other processes open it by; ``Global\name`` for other users and containers.
            size: Bytes; rounded up to whole pages.
            access: What the section and this handle permit.
            exist_ok: Whether a section that has the name already is opened instead, if it is as
                large; see ``created``.
            inheritable: Whether child processes get the handle.
            security: Who may open it by name; this user alone when omitted.
            commit: Whether the memory is reserved now.  If not, ``View.commit`` has to ask for it.
            large_pages: Whether to use large pages.
            numa_node: Where the memory should be.
            permanent: Whether it exists without handles until it is removed: on Linux with a
                ``Global\`` name only; on Windows the right to create permanent objects is needed.

        Rights:
            None for a new object: its creator gets every right that ``access`` implies, and may
            change and delete it. An existing one must grant ``SECTION_QUERY`` and what ``access``
            asks for.

        Raises:
            ExistsError: The name is taken (FileExistsError).
            HandleError: With ``exist_ok``: the name is that of a mutex, an event or a semaphore.
            ArgumentError: The size is not positive, or more than an existing section has; the name,
                the access or the security makes no sense (ValueError).
            TypeError: The name is no str, or the size no int.
            AccessError: An existing section does not grant the access; the right to use large pages
                is missing.
            CommitError: More memory than this machine, or this container, has (MemoryError).
            Error: Such a section cannot be permanent on this system; ``memsection keep`` holds it.

        Example:
            >>> from memsection import Section
            >>> with Section.create(size=4096) as section, section.map() as view:
            ...     view[:5] = b"hello"
            ...     bytes(view[:5])
            b'hello'
        """
        kind = (p.SEC_COMMIT if commit else p.SEC_RESERVE) | (
            p.SEC_LARGE_PAGES if large_pages else 0
        )
        if type(name) is not str and name is not None:
            object_name(name, *["size"] * (size == 0))
        if type(size) is not int:
            size = whole_number(size, "size")
        if size <= 0:
            raise ArgumentError(
                f"create {_label(name)}: asked for {size} bytes, a section has at least one"
            )
        attributes = object_attributes(
            object_types.SECTION,
            name,
            inheritable=inheritable,
            exist_ok=exist_ok,
            permanent=permanent,
            security=security,
        )
        section = cls._create(attributes, size, access, kind, numa_node=numa_node)
        if not section.created:
            section._require(size)
        return section

    def _require(self, size: int) -> None:
        """Close a section that was found smaller than it was asked for, and say so."""
        try:
            found = self.size
            if found < size:
                raise ArgumentError(
                    f"create {_label(self.name)}: asked for {size} bytes, the section that has "
                    f"the name has {found}"
                )
        except BaseException:
            self.close()
            raise

    @classmethod
    def _create(
        cls,
        attributes: s.ObjectAttributes | None,
        size: int | None,
        access: str,
        kind: int,
        file: int = 0,
        numa_node: int | None = None,
    ) -> Self:
        protection = protection_of(access)
        mask = RIGHTS[access]
        if numa_node is not None:
            numa_node = node_number(numa_node)
        while True:
            try:
                status, handle = _create_section(
                    a.STANDARD_RIGHTS_REQUIRED | mask,
                    attributes,
                    size,
                    protection,
                    kind,
                    file,
                    numa_node=numa_node,
                )
                break
            except NtError as failure:
                if (
                    failure.status != st.ACCESS_DENIED
                    or attributes is None
                    or attributes.ObjectName is None
                    or not attributes.Attributes & s.OBJ_OPENIF
                ):
                    raise public_error(failure) from None
                # It may exist and grant what was asked for, but not what a creator gets besides.
                denied = failure
            try:
                status, handle = st.OBJECT_NAME_EXISTS, kernel.open_section(mask, attributes)
                break
            except NtError as failure:
                if failure.status != st.OBJECT_NAME_NOT_FOUND:
                    raise public_error(denied) from None
                # It went between the two calls: the name is free again.
        return cls._own(handle, access, status != st.OBJECT_NAME_EXISTS)

    @classmethod
    @whole
    def open(
        cls,
        name: str,
        *,
        access: SectionAccess | int = "rw",
        inheritable: bool = False,
        timeout: float | None = 0,
    ) -> Self:
        r"""Open a section by its name.

        Args:
            name: As given to ``create``.
            access: What this handle is to permit; an access mask for what the words cannot say.
            inheritable: Whether child processes get the handle.
            timeout: Seconds to wait until something has the name; not at all when omitted, for ever
                when None.

        Rights:
            The section must grant ``SECTION_QUERY`` and, as ``access`` asks, ``SECTION_MAP_READ``,
            ``SECTION_MAP_WRITE`` and ``SECTION_MAP_EXECUTE``: all of it, or nothing is opened.

        Raises:
            NotFoundError: Nothing has this name (FileNotFoundError).
            NameTimeoutError: Nothing had it within the time; a ``WaitTimeoutError``, too.
            AccessError: The section does not grant the access (PermissionError).
            HandleError: The name is that of a mutex, an event or a semaphore (ValueError).
            ArgumentError: No such name or access can be (ValueError).
        """
        if type(name) is not str:
            raise TypeError(f"name: a str is needed, not {type(name).__name__}")
        waits = may_wait(timeout)
        words = access if type(access) is str else ""
        try:
            handle = _open_section(
                RIGHTS[words] if words in RIGHTS else cls._mask(access),
                plain_attributes(name, 0)
                if name and not inheritable
                else object_attributes(object_types.SECTION, name, inheritable=inheritable),
            )
        except NtError as failure:
            if waits and failure.status == st.OBJECT_NAME_NOT_FOUND:
                return open_in_time(
                    lambda: cls.open(name, access=access, inheritable=inheritable), name, timeout
                )
            # A name for it here would keep it, and all frames, in a circle with its traceback.
            raise cls._refusal(name, words, failure) from None
        return cls._own(handle, words, False)

    @classmethod
    def _refusal(cls, name: str, words: str, failure: NtError) -> Error:
        """The exception for an opening that failed, with the way out if there is one."""
        problem = public_error(failure)
        if words == "rw" and isinstance(problem, AccessError) and cls._is_readable(name):
            text = f"{problem.strerror}; access='r' opens it to read"
            return AccessError(text, ntstatus=failure.status)
        return problem

    @classmethod
    def _is_readable(cls, name: str) -> bool:
        try:
            cls.open(name, access="r").close()
        except Error:
            return False
        return True

    @classmethod
    async def open_async(
        cls,
        name: str,
        *,
        access: SectionAccess | int = "rw",
        inheritable: bool = False,
        timeout: float | None = None,
    ) -> Self:
        """As ``open``, waiting for the name without blocking the event loop, for ever when
        ``timeout`` is omitted.

        Rights:
            As for ``open``.

        Raises:
            NameTimeoutError: Nothing had the name within the time.
            Error: As ``open`` otherwise.
        """
        return await open_in_time_async(
            lambda: cls.open(name, access=access, inheritable=inheritable), name, timeout
        )

    @classmethod
    @whole
    def from_file(
        cls,
        file: str | os.PathLike[str] | IO[Any],
        *,
        name: str | None = None,
        size: int | None = None,
        access: SectionAccess = "r",
        exist_ok: bool = False,
        inheritable: bool = False,
        security: Security | str | bytes | None = None,
    ) -> Self:
        """Make a section of a file: its views show the file, and what they write goes to it.

        Args:
            file: A path, or an open file of Python's; the section keeps what it needs of it.
            name: What other processes open the section by.
            size: Bytes; the file's own size when omitted.  A file that may be written to grows to
                it.
            access: What the section and this handle permit.
            exist_ok: Whether a section that has the name already is opened instead.
            inheritable: Whether child processes get the handle.
            security: Who may open it by name; this user alone when omitted.  The file has rights of
                its own.

        Rights:
            Read access to the file; write access for ``"rw"``.

        Raises:
            NotFoundError: No such file (FileNotFoundError).
            ExistsError: The name is taken (FileExistsError).
            AccessError: The file does not permit it (PermissionError).
            ArgumentError: The file is empty, is larger than ``size`` can be, or cannot be mapped
                (ValueError).
        """
        attributes = section_attributes(
            name, inheritable=inheritable, exist_ok=exist_ok, security=security
        )
        mask = protection_of(access) and FILE_RIGHTS[access]
        size = None if size is None else whole_number(size, "size")
        try:
            if isinstance(file, (str, os.PathLike)):
                handle, _ = kernel.create_file(
                    mask, os.path.abspath(file), 0, _SHARE_ALL, s.FILE_OPEN, 0
                )
            else:
                if not hasattr(file, "writable"):
                    found = type(file).__name__
                    raise TypeError(f"from_file: {found} is no file; from_fd takes descriptors")
                if file.writable():
                    file.flush()  # what Python still holds back belongs to the file
                handle = kernel.file_from_fd(file.fileno(), mask)
        except NtError as failure:
            raise public_error(failure) from None
        try:
            return cls._create(attributes, size, access, p.SEC_COMMIT, handle)
        finally:
            kernel.close(handle)

    @classmethod
    @whole
    def from_fd(
        cls,
        fd: int,
        *,
        name: str | None = None,
        size: int | None = None,
        access: SectionAccess | None = None,
        exist_ok: bool = False,
        inheritable: bool = False,
        security: Security | str | bytes | None = None,
    ) -> Self:
        """Make a section of whatever a file descriptor shows: a memfd, a POSIX shared memory
        object, a file.

        Args:
            fd: The descriptor; it stays the caller's.
            name: What other processes open the section by.
            size: Bytes; all there are when omitted.
            access: What the section permits; ``"rw"`` when omitted, and ``"r"`` if the descriptor
                is read-only.
            exist_ok: Whether a section that has the name already is opened instead.
            inheritable: Whether child processes get the handle.
            security: Who may open it by name; this user alone when omitted.

        Rights:
            Those that the descriptor was opened with.

        Raises:
            ExistsError: The name is taken (FileExistsError).
            AccessError: The descriptor does not permit it (PermissionError).
            HandleError: There is no such descriptor.
            ArgumentError: What it shows is empty or cannot be mapped (ValueError).
        """
        attributes = section_attributes(
            name, inheritable=inheritable, exist_ok=exist_ok, security=security
        )
        words = "rw" if access is None else access
        mask = protection_of(words) and FILE_RIGHTS[words]
        fd = whole_number(fd, "file descriptor")
        size = None if size is None else whole_number(size, "size")
        try:
            try:
                handle = kernel.file_from_fd(fd, mask)
            except NtError as failure:
                if access is not None or failure.status != st.ACCESS_DENIED:
                    raise
                words = "r"
                handle = kernel.file_from_fd(fd, FILE_RIGHTS[words])
        except NtError as failure:
            raise public_error(failure) from None
        try:
            return cls._create(attributes, size, words, p.SEC_COMMIT, handle)
        finally:
            kernel.close(handle)

    # ------------------------------------------------------------------ what it is

    @property
    def size(self) -> int:
        """Bytes: whole pages without a file, exact with one.

        Rights:
            ``SECTION_QUERY``.

        Raises:
            AccessError: This handle was not granted it.
            HandleError: The handle is closed.
        """
        if self._size < 0 or not self._handle:
            self._size = self._ask(kernel.query_section).Size
        return self._size

    def __len__(self) -> int:
        return self.size

    def __bool__(self) -> bool:
        return True

    @property
    def access(self) -> str:
        """What the handle permits, in the words of ``create`` and ``open``; "" when it can map
        nothing.

        Rights:
            None.

        Raises:
            HandleError: The handle is closed.
        """
        if not self._handle:
            self._raise_closed()
        if not self._access:
            self._access = access_words(self.granted_access)
        return self._access

    # ------------------------------------------------------------------ what can be done with it

    @whole
    def map(
        self,
        offset: int = 0,
        length: int | None = None,
        *,
        access: SectionAccess | None = None,
        numa_node: int | None = None,
    ) -> View:
        """Map part of this section into the calling process.

        The view keeps the memory alive by itself: closing every handle to the
        section takes its name away, never the bytes under a view (L1, L2).

        Args:
            offset: First byte to map, a multiple of 65536 (``ALLOCATION_GRANULARITY``).
            length: Bytes to map; to the end of the section when omitted.
            access: What the view permits; as much as the handle when omitted.
            numa_node: Where pages that nobody touched yet should be.

        Returns:
            A buffer of exactly ``length`` bytes, unmapped when closed.

        Rights:
            ``SECTION_MAP_READ`` for a read-only or copy-on-write view,
            ``SECTION_MAP_WRITE`` for a writable one, and
            ``SECTION_MAP_EXECUTE`` besides for an executable one.

        Raises:
            AccessError: This handle was not granted those rights, or the section was created
                with less protection (PermissionError).
            ArgumentError: The offset is unaligned or the range leaves the section (ValueError).
            HandleError: The handle is closed.

        Platforms:
            Linux: when somebody truncates the mapped file, the next operation
            on the view raises an in-page error; the process lives.

        Example:
            >>> from memsection import Section
            >>> with Section.create(size=100_000) as section:
            ...     with section.map(65536, 10) as view:
            ...         len(view)
            10
        """
        handle = self._handle or self._raise_closed()
        words = access or self._access or self.access
        try:
            protection = PROTECTIONS[words]
        except KeyError:
            raise ArgumentError(
                f"access {words!r}: not one of {', '.join(map(repr, PROTECTIONS))}"
                if words
                else "map: this handle permits no views"
            ) from None
        size = 0
        if length is not None or offset or type(offset) is not int:
            offset, size = _part(offset, length)
        if numa_node is not None:
            numa_node = node_number(numa_node)
        try:
            view: View = _map_buffer(handle, offset, size, protection, View, numa_node)
        except NtError as failure:
            raise public_error(failure) from None
        view._committed_as = protection
        return view

    def _announce_writer(self) -> Any:
        """Say that there is a writer, until what this gives is closed or the process ends; None on
        a system without."""
        return self._ask(kernel.announce_writer)

    def _has_writer(self) -> bool:
        return bool(self._ask(kernel.has_writer))

    def seal(self) -> None:
        """Let nobody make a new writable view, the owner included; views that exist keep writing.

        It cannot be taken back.

        Rights:
            ``SECTION_MAP_WRITE``.

        Raises:
            AccessError: This handle was not granted it.
            Error: A section of a file; a system other than Linux.
            HandleError: The handle is closed.

        Platforms:
            Windows: has nothing like it.
        """
        self._ask(kernel.seal_section)

    def take_name(self, name: str, *, predecessor: Section | None = None) -> None:
        """Give this section, which was made without a name, a name; or that of another section in
        its place.

        So a section can be filled first and become visible complete, and a new one can follow an
        old one under a name that exists all the time.  Who has the predecessor keeps it, as it is;
        who opens the name finds this section.

        Args:
            name: A ``Local`` name.
            predecessor: The section that has the name now.

        Rights:
            ``SECTION_MAP_WRITE`` here, ``DELETE`` on the predecessor: its creator has it.

        Raises:
            ExistsError: Somebody else has the name (FileExistsError).
            AccessError: A handle does not permit it.
            ArgumentError: It has a name already; the name is none, or too long.
            Error: It is a ``Global`` name; a system other than Linux.
            HandleError: A handle is closed.

        Platforms:
            Windows: names a section when it is made, and never later.

        Example:
            >>> from memsection import Section
            >>> with Section.create(size=4096) as first, Section.create(size=4096) as second:
            ...     first.take_name("takes-a-name")
            ...     second.take_name("takes-a-name", predecessor=first)
            ...     with Section.open("takes-a-name") as found:
            ...         found.same_object(second)
            True
        """
        if not name:
            raise ArgumentError("take_name: a section is given a name")
        attributes = object_attributes(object_types.SECTION, name)
        self._ask(kernel.take_name, attributes, 0 if predecessor is None else predecessor.handle)

    def fileno(self) -> int:
        """The file descriptor behind the handle, for system calls and other libraries; it stays the
        handle's.

        The bytes of the section begin at offset 0; what comes after ``size`` of them is the
        library's.  For a section of a file it is a descriptor of the file.

        Rights:
            None.

        Raises:
            Error: A system other than Linux.
            HandleError: The handle is closed.

        Platforms:
            Windows: has no descriptors.
        """
        return int(self._ask(kernel.handle_descriptors)[-1])

    def duplicate(self, access: Access | int | None = None, *, inheritable: bool = False) -> Self:
        duplicate = super().duplicate(access, inheritable=inheritable)
        if access is None:
            duplicate._access = self._access
        elif access in RIGHTS:
            duplicate._access = str(access)
        return duplicate

    duplicate.__doc__ = Handle.duplicate.__doc__
