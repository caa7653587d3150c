# SPDX-License-Identifier: MIT
"""The base of every object of the Pythonic face: it owns one handle.

Closing, duplicating, inheriting, comparing, security, and the warning for a handle left to the
collector live here, for all types alike.  Sending is ``passing``'s, for the types that can be sent;
what an object can do besides stands in the file of its type; how names, rights and counts work is
the kernel interface's business.
"""

from __future__ import annotations

import os

from memsection.api.attributes import descriptor_bytes
from memsection.nt import kernel
from memsection.nt.owners import (
    close_owned,
    connect_warning,
    disown,
    drop_owned,
    own_with_line,
    undo_here,
    whole,
)
from memsection.vocabulary import access as a
from memsection.vocabulary import object_types
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.arguments import whole_number
from memsection.vocabulary.errors import ArgumentError, HandleError, NtError, public_error
from memsection.vocabulary.names import win32_name
from memsection.vocabulary.object_types import ObjectType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType
    from typing import Any, ClassVar, Self

    from memsection.api.security import Security
    from memsection.vocabulary.access_words import Access

#: lines of these files are no user's
PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep

#: What every handle has, for the ``__slots__`` of its class.
SLOTS = ("__weakref__", "_code", "_handle", "_instruction")
_NONE: tuple[str, ...] = ()

#: Called after a handle was closed.  ``transit`` is here while it holds duplicates: a close is an
#: occasion to look which have arrived.
after_close: set[Callable[[], object]] = set()


class Handle:
    """One handle of this process to one object.

    Made by the class methods of its subclasses, never by the class itself.  A handle is closed
    once, by ``close`` or at the end of a ``with`` block; one that is left to the collector is
    closed then, with a ``ResourceWarning`` that names the line which opened it.
    """

    # Without attributes of its own, so that a subclass can have a compiled base beside this one;
    # they have SLOTS.
    __slots__ = _NONE

    _new: ClassVar[Callable[..., Any]] = object.__new__
    _type: ClassVar[ObjectType]  #: every subclass names its type
    #: access in the words of this face, and the rights each means
    _words: ClassVar[dict[str, int]] = {}

    _handle: int
    _code: CodeType
    _instruction: int

    def __init__(self) -> None:
        name = type(self).__name__
        raise TypeError(f"{name}() makes nothing: use {name}.create(...) or {name}.open(name)")

    @classmethod
    def _adopt(cls, handle: int) -> Self:
        """An object that owns this handle from now on, and knows which line of the user's made
        it."""
        self: Self = cls._new(cls)
        own_with_line(self, handle, PACKAGE)
        return self

    @classmethod
    def _mask(cls, access: str | int) -> int:
        """The rights that an access argument asks for."""
        if isinstance(access, int):
            return access
        try:
            return cls._words[access]
        except KeyError:
            raise ArgumentError(
                f"access {access!r}: not one of {', '.join(map(repr, cls._words))},"
                " and no access mask"
            ) from None

    # ------------------------------------------------------------------ from elsewhere

    @classmethod
    @whole
    def from_handle(cls, handle: int) -> Self:
        """Take over a handle value of this process: an inherited one, or one that ``win32`` or
        ``nt`` gave.

        Args:
            handle: The value; from now on this object closes it.

        Rights:
            None.

        Raises:
            HandleError: No handle of this process has that value, or it means an object of another
                type.
        """
        try:
            kind = kernel.query_object_type(handle := whole_number(handle, "handle"))
        except NtError as failure:
            raise public_error(failure) from None
        if kind != cls._type.name:
            found = object_types.BY_NAME.get(kind)
            raise HandleError(
                f"handle {handle:#x}: asked for {cls._type.a_noun}, it means "
                f"{found.a_noun if found else kind}",
                ntstatus=st.OBJECT_TYPE_MISMATCH,
            )
        return cls._adopt(handle)

    @classmethod
    @whole
    def from_process(cls, pid: int, handle: int, *, access: Access | int | None = None) -> Self:
        """Duplicate a handle of another process, known by process id and value, into this one.

        The other process need not take part, and may have nothing to do with this one.

        Args:
            pid: The process that has the handle.
            handle: The value of the handle there.
            access: What the new handle permits; as much as the other when omitted.

        Rights:
            ``PROCESS_DUP_HANDLE`` on the process: on Linux that it runs as the same user (see
            ``debug_privilege`` for others).  Access beyond that of the source handle is checked
            against the object's descriptor.

        Raises:
            AccessError: The process, or the access asked for, is out of reach.
            ArgumentError: No such process.
            HandleError: The process has no such handle, or it means an object of another type.
        """
        mask, options = (0, s.DUPLICATE_SAME_ACCESS) if access is None else (cls._mask(access), 0)
        pid, handle = whole_number(pid, "process id"), whole_number(handle, "handle")
        try:
            process = kernel.open_process(a.PROCESS_DUP_HANDLE, 0, pid)
            try:
                mine = kernel.duplicate_object(process, handle, s.CURRENT_PROCESS, mask, 0, options)
            finally:
                kernel.close(process)
        except NtError as failure:
            raise public_error(failure) from None
        try:
            return cls.from_handle(mine)
        except BaseException:
            undo_here(kernel.close, mine)
            raise

    # ------------------------------------------------------------------ about the handle

    @property
    def handle(self) -> int:
        """The handle's value, for ``win32`` and ``nt`` or another process.

        Rights:
            None.

        Raises:
            HandleError: It is closed.
        """
        return self._handle or self._raise_closed()

    @property
    def closed(self) -> bool:
        """Whether the handle was closed."""
        return not self._handle

    @property
    def name(self) -> str | None:
        r"""The object's name as given to ``create`` and ``open`` (``Global\`` in front if it has
        it); None without one.

        Rights:
            None.

        Raises:
            HandleError: The handle is closed.
        """
        full: str = self._ask(kernel.query_object_name)
        return win32_name(full) if full else None

    @property
    def granted_access(self) -> int:
        """The access mask that the handle carries.

        Rights:
            None.

        Raises:
            HandleError: The handle is closed.
        """
        return int(self._ask(kernel.query_handle)[1])

    @property
    def inheritable(self) -> bool:
        """Whether child processes that are started with inheritance get this handle, under the same
        value.

        Rights:
            None, to look and to change.

        Raises:
            HandleError: The handle is closed.
        """
        return bool(self._ask(kernel.query_handle)[0] & s.OBJ_INHERIT)

    @inheritable.setter
    def inheritable(self, yes: bool) -> None:
        self._ask(kernel.set_handle_flags, inherit=yes)

    @property
    def protect_from_close(self) -> bool:
        """Whether ``close`` is refused.

        Rights:
            None, to look and to change.

        Raises:
            HandleError: The handle is closed.
        """
        return bool(self._ask(kernel.query_handle)[0] & s.OBJ_PROTECT_CLOSE)

    @protect_from_close.setter
    def protect_from_close(self, yes: bool) -> None:
        self._ask(kernel.set_handle_flags, protect=yes)

    @property
    @whole
    def security(self) -> Security:
        """Who may do what with the object.

        Rights:
            ``READ_CONTROL`` to look, ``WRITE_DAC`` to change the access list, which is all that
            assigning changes. What the handle was not granted is asked of the object's descriptor
            for this one operation.

        Raises:
            AccessError: Neither the handle nor the descriptor grants the right.
            ArgumentError: To be set: no descriptor that the kernel can enforce.
            HandleError: The handle is closed.
        """
        from memsection.api.security import Security

        return Security.from_descriptor(self._descriptor_bytes())

    @security.setter
    @whole
    def security(self, security: Security | str | bytes) -> None:
        descriptor = descriptor_bytes(security, self._type)
        parts = s.DACL_SECURITY_INFORMATION
        self._with_right(a.WRITE_DAC, kernel.set_security_object, parts, descriptor)

    def same_object(self, other: Handle) -> bool:
        """Whether both handles mean the same object.

        Rights:
            None.

        Raises:
            HandleError: One of them is closed.
        """
        return bool(self._ask(kernel.compare_objects, other.handle))

    # ------------------------------------------------------------------ what can be done with it

    @whole
    def duplicate(self, access: Access | int | None = None, *, inheritable: bool = False) -> Self:
        """Another handle of this process to the same object.

        Args:
            access: What the new handle permits; as much as this one when omitted.
            inheritable: Whether child processes get it.

        Rights:
            None for the same access or less.  For more, the object's descriptor must grant it to
            this user.

        Raises:
            AccessError: The descriptor does not grant the additional access.
            HandleError: This handle is closed.
        """
        mask, options = (0, s.DUPLICATE_SAME_ACCESS) if access is None else (self._mask(access), 0)
        attributes = s.OBJ_INHERIT if inheritable else 0
        try:
            return self._adopt(
                kernel.duplicate_object(
                    s.CURRENT_PROCESS, self.handle, s.CURRENT_PROCESS, mask, attributes, options
                )
            )
        except NtError as failure:
            raise public_error(failure) from None

    def close(self) -> None:
        """Close the handle.  Closing again does nothing.

        The object, and its name, exist as long as some process has a handle to it.

        Rights:
            None.

        Raises:
            AccessError: The handle is protected from close; it stays open.
        """
        try:
            closed = close_owned(self)
        except NtError as failure:
            raise public_error(failure) from None
        if closed and after_close:
            for look in tuple(after_close):
                look()

    @whole
    def detach(self) -> int:
        """Give up ownership: the value of the handle, which stays open; this object is closed.

        Rights:
            None.

        Raises:
            HandleError: The handle is closed.
        """
        return disown(self) or self._raise_closed()

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError(f"a {type(self).__name__} cannot be pickled: pass its process id")

    def __enter__(self) -> Self:
        self.handle  # noqa: B018  # a closed handle is an error here, not later
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    __del__ = drop_owned  # native: whatever raises between two bytecodes, the handle is closed

    def __repr__(self) -> str:
        kind = type(self).__name__
        if not self._handle:
            return f"<memsection.{kind} closed>"
        try:
            name = self.name
        except OSError as problem:
            return f"<memsection.{kind} handle={self._handle:#x} {problem}>"
        shown = "unnamed" if name is None else repr(name)
        return f"<memsection.{kind} {shown} handle={self._handle:#x}>"

    # ------------------------------------------------------------------ for the subclasses

    def _raise_closed(self) -> int:
        raise HandleError(f"{type(self).__name__}: the handle is closed")

    def _ask(self, service: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """What a service says of this handle; a failure is raised as the public exception."""
        try:
            return service(self._handle or self._raise_closed(), *arguments, **options)
        except NtError as failure:
            raise public_error(failure) from None

    def _descriptor_bytes(self) -> bytes:
        """Owner, group and access list of the object, as a self-relative descriptor."""
        parts = (
            s.OWNER_SECURITY_INFORMATION
            | s.GROUP_SECURITY_INFORMATION
            | s.DACL_SECURITY_INFORMATION
        )
        return bytes(self._ask(kernel.read_security, parts))

    def _with_right(self, right: int, service: Callable[..., Any], *arguments: Any) -> Any:
        """The same through a handle that has one more right, for just this call, when this one has
        not."""
        if self.granted_access & right == right:
            return self._ask(service, *arguments)
        try:
            handle = kernel.duplicate_object(
                s.CURRENT_PROCESS, self.handle, s.CURRENT_PROCESS, right, 0, 0
            )
            try:
                return service(handle, *arguments)
            finally:
                kernel.close(handle)
        except NtError as failure:
            raise public_error(failure) from None


def _warn_of_leak(owner: Handle) -> None:
    """Warn where the handle was opened, which is closed by now."""
    try:
        import warnings
    except ImportError:
        return  # the interpreter is being taken apart
    code, instruction = owner._code, owner._instruction
    line = next(
        (line for first, last, line in code.co_lines() if first <= instruction < last and line),
        code.co_firstlineno,
    )
    warnings.warn_explicit(
        f"a {type(owner).__name__} was opened here and never closed",
        ResourceWarning,
        code.co_filename,
        line,
        source=owner,
    )


connect_warning(_warn_of_leak)
