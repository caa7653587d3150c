# SPDX-License-Identifier: MIT
"""Another process: whether it lives, which handles it has, and the privilege to look into those of
others.

Taking a handle from it is ``from_process`` of the handle's type.  Starting processes is the
standard library's business, and ``win32.CreateProcess``'s.
"""

from __future__ import annotations

from memsection.api.handle import SLOTS, Handle
from memsection.api.section import Section
from memsection.api.section_access import access_words
from memsection.nt import kernel
from memsection.nt.owners import drop_quietly, own, whole
from memsection.vocabulary import access as a
from memsection.vocabulary import object_types
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.arguments import whole_number
from memsection.vocabulary.errors import AccessError, Error, NtError, public_error
from memsection.vocabulary.names import win32_name
from memsection.vocabulary.records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self


@record(frozen=True, slots=True)
class HeldHandle:
    """A handle that some process has.

    Attributes:
        pid: The process.
        handle: The value of the handle there.
        type: "Section", "Mutant" (what Windows calls a mutex inside), "Event", "Semaphore", "File",
            ...
        name: The object's name as ``open`` takes it, a file's path, or None.
        size: Bytes of a section, else 0.
        access: What it permits with a section, as for ``Section.open``; else "".
        granted_access: The same as an access mask, for every type.
        inheritable: Whether children of that process get it.
        protected: Whether it is protected from close.
        identity: Equal for handles to the same object; None when it cannot be told.
        creator_pid: The process that made the object, 0 when unknown.
        created: When, in seconds since the epoch, 0.0 when unknown.
    """

    pid: int
    handle: int
    type: str
    name: str | None
    size: int
    access: str
    granted_access: int
    inheritable: bool
    protected: bool
    identity: tuple[int, ...] | None
    creator_pid: int
    created: float


class Process(Handle):
    """Another process, or this one, by its process id.

    As long as the object is open it means the process it was made for, also when that has ended and
    its id was given to another.  It keeps nothing alive, so leaving it to the collector is no
    mistake.
    """

    __slots__ = (*SLOTS, "pid")

    _type = object_types.PROCESS

    pid: int

    @whole
    def __init__(self, pid: int) -> None:
        """Open a process.

        Args:
            pid: Its process id.

        Rights:
            ``PROCESS_QUERY_LIMITED_INFORMATION`` and ``SYNCHRONIZE``, which everybody has for every
            process on Linux.

        Raises:
            ArgumentError: No such process.
            AccessError: The process does not permit it (Windows).
            TypeError: The process id is no int.
        """
        self._handle = 0
        self.pid = pid = whole_number(pid, "process id")
        try:
            own(
                self,
                kernel.open_process(a.PROCESS_QUERY_LIMITED_INFORMATION | a.SYNCHRONIZE, 0, pid),
            )
        except NtError as failure:
            raise public_error(failure) from None

    @classmethod
    def _adopt(cls, handle: int) -> Self:
        self = super()._adopt(handle)
        try:
            self.pid = kernel.query_process(handle).UniqueProcessId
        except NtError:
            self.pid = 0  # a handle that may not ask
        return self

    __del__ = drop_quietly  # a process that nobody looks at any more is nothing that was forgotten

    @property
    def alive(self) -> bool:
        """Whether it has not ended.

        Rights:
            ``PROCESS_QUERY_LIMITED_INFORMATION``.

        Raises:
            HandleError: The handle is closed.
        """
        try:
            return bool(self._ask(kernel.query_process).ExitStatus == st.PENDING)
        except Error as error:
            if error.ntstatus == st.NOT_ON_THIS_SYSTEM:
                return False  # it has ended; only how is not for this process to know
            raise

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it has ended.

        Args:
            timeout: Seconds; for ever when omitted.

        Returns:
            Whether it ended in time.

        Rights:
            ``SYNCHRONIZE``.

        Raises:
            HandleError: The handle is closed.
        """
        from memsection.api.waitable import units

        return bool(self._ask(kernel.wait_for_single_object, units(timeout)) == st.WAIT_0)

    async def wait_async(self, timeout: float | None = None) -> bool:
        """Wait until it has ended, without blocking the event loop.

        Args:
            timeout: Seconds; for ever when omitted.

        Returns:
            Whether it ended in time.

        Rights:
            ``SYNCHRONIZE``.

        Raises:
            HandleError: The handle is closed.
        """
        from memsection.api.waitable import wait_async

        return await wait_async(self, timeout)

    def handles(self) -> list[HeldHandle]:
        """Every handle to an object of this library, or to a file, that the process has.

        Rights:
            To look into the process: the same user, or ``debug_privilege``.

        Raises:
            AccessError: Its handles may not be looked into.
            ArgumentError: It has ended.
            HandleError: The handle is closed.
        """
        self.handle  # noqa: B018  # a closed handle is an error
        try:
            return [_held_handle(entry) for entry in kernel.process_handles(self.pid)]
        except NtError as failure:
            raise public_error(failure) from None

    def sections(self) -> list[HeldHandle]:
        """The sections among ``handles``: what to give to ``Section.from_process``.

        Rights:
            To look into the process: the same user, or ``debug_privilege``.

        Raises:
            AccessError: Its handles may not be looked into.
            ArgumentError: It has ended.
            HandleError: The handle is closed.
        """
        return [held for held in self.handles() if held.type == Section._type.name]

    def __repr__(self) -> str:
        return f"<memsection.Process {self.pid}{'' if self._handle else ' closed'}>"


def _held_handle(entry: s.HandleEntry) -> HeldHandle:
    section = entry.type_name == Section._type.name
    name = entry.name if entry.type_name == object_types.FILE.name else win32_name(entry.name)
    return HeldHandle(
        entry.pid,
        entry.handle,
        entry.type_name,
        name or None,
        entry.size,
        access_words(entry.granted_access) if section else "",
        entry.granted_access,
        bool(entry.attributes & s.OBJ_INHERIT),
        bool(entry.attributes & s.OBJ_PROTECT_CLOSE),
        entry.identity,
        entry.creator_pid,
        entry.created,
    )


class debug_privilege:  # noqa: N801  # used like a function
    """Look into the processes of other users inside a ``with`` block, if this user may.

    What SeDebugPrivilege is on Windows, CAP_SYS_PTRACE is on Linux: it is switched on at the start
    of the block, and back to what it was at its end.

    Rights:
        The process must have the privilege: run by an administrator, or by root.

    Raises:
        AccessError: It has not.
    """

    __slots__ = ("_before", "_token")

    def __enter__(self) -> Self:
        try:
            self._token = kernel.open_process_token(
                s.CURRENT_PROCESS, a.TOKEN_ADJUST_PRIVILEGES | a.TOKEN_QUERY
            )
            try:
                luid = kernel.lookup_privilege("SeDebugPrivilege")
                status, self._before = kernel.adjust_privileges(
                    self._token, [(luid, s.SE_PRIVILEGE_ENABLED)]
                )
            except BaseException:
                kernel.close(self._token)
                raise
        except NtError as failure:
            raise public_error(failure) from None
        if status == st.NOT_ALL_ASSIGNED:
            kernel.close(self._token)
            raise AccessError(
                "debug_privilege: this process does not have SeDebugPrivilege (on Linux "
                "CAP_SYS_PTRACE):"
                " run it as an administrator",
                ntstatus=st.PRIVILEGE_NOT_HELD,
            )
        return self

    def __exit__(self, *_: object) -> None:
        try:
            kernel.adjust_privileges(self._token, self._before)
        except NtError as failure:
            raise public_error(failure) from None
        finally:
            kernel.close(self._token)
