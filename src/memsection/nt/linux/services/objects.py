# SPDX-License-Identifier: MIT
"""Services for handles and objects of any type, and for handles as descriptors."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import os

from memsection._native import ledger
from memsection.nt.linux.bodies import control_page, permissions, set_permissions
from memsection.nt.linux.handles import create_open, state, table
from memsection.nt.linux.handles.record import CURRENT_PROCESS, CURRENT_THREAD, Handle
from memsection.nt.linux.names import find, unlink
from memsection.nt.linux.services.wrapping import service
from memsection.nt.linux.system import accounts, descriptions
from memsection.nt.linux.system import syscalls as sys_
from memsection.nt.linux.types import directory
from memsection.vocabulary import access as a
from memsection.vocabulary import object_types, security
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.descriptor import SecurityDescriptor
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.object_types import DIRECTORY, FILE, PROCESS, THREAD
from memsection.vocabulary.remembering import remember_results

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

#: the value of the handle that Win32 names are relative to; no descriptor is behind it
ROOT_DIRECTORY = 0x3FFFFFFC
_PSEUDO = {CURRENT_PROCESS: object_types.PROCESS, CURRENT_THREAD: object_types.THREAD}


class ObjectServices:
    """Services for handles and objects of any type, and for handles as descriptors."""

    @service("close")
    def close(self, handle: int) -> None:
        """NtClose."""
        table.close(handle)

    @service("duplicate")
    def duplicate_object(
        self,
        source_process: int,
        source: int,
        target_process: int,
        access: int,
        attributes: int,
        options: int,
    ) -> int:
        """NtDuplicateObject."""
        from memsection.nt.linux.transfer.duplicate import duplicate

        return duplicate(source_process, source, target_process, access, attributes, options)

    @service("query object")
    def query_object(self, handle: int) -> s.ObjectBasicInformation:
        """NtQueryObject, ObjectBasicInformation."""
        if handle in _PSEUDO:  # either may do all, to itself
            return s.ObjectBasicInformation(0, _PSEUDO[handle].valid, 1, 2)
        found = table.lookup(handle)
        for hook in create_open.before_open:
            hook()
        attributes = (s.OBJ_INHERIT if found.fd >= 0 and sys_.get_inheritable(found.fd) else 0) | (
            s.OBJ_PROTECT_CLOSE if found.protected else 0
        )
        count = (
            find.count_handles(found.obj.identity)
            if found.kind.has_body
            else len(found.obj.handles)
        )
        if found.obj.directory == "global" and self._facts(found).flags & control_page.PERMANENT:
            attributes |= s.OBJ_PERMANENT
        return s.ObjectBasicInformation(attributes, found.access, count, count + 1)

    @service("query handle")
    def query_handle(self, handle: int) -> tuple[int, int]:
        """The handle's own part of ObjectBasicInformation: looking for the other handles takes
        milliseconds."""
        if handle in _PSEUDO:
            return 0, _PSEUDO[handle].valid
        found = table.lookup(handle)
        return (s.OBJ_INHERIT if found.fd >= 0 and sys_.get_inheritable(found.fd) else 0) | (
            s.OBJ_PROTECT_CLOSE if found.protected else 0
        ), found.access

    @service("query object name")
    def query_object_name(self, handle: int) -> str:
        """NtQueryObject, ObjectNameInformation."""
        if handle in _PSEUDO:
            return ""
        found = table.lookup(handle)
        if found.kind is DIRECTORY:
            return directory.path_of(found)
        name: str = found.obj.name
        return name

    @service("query object type")
    def query_object_type(self, handle: int) -> str:
        """NtQueryObject, ObjectTypeInformation."""
        if handle in _PSEUDO:
            return _PSEUDO[handle].name
        name: str = table.lookup(handle).kind.name
        return name

    @service("set handle flags")
    def set_handle_flags(
        self, handle: int, *, inherit: bool | None = None, protect: bool | None = None
    ) -> None:
        """NtSetInformationObject, ObjectHandleFlagInformation."""
        found = table.lookup(handle)
        if inherit and found.kind is DIRECTORY:
            raise directory.stays_here(directory.path_of(found))
        if inherit and found.kind is THREAD:
            from memsection.nt.linux.types import thread

            one: Any = found.obj
            thread.require_inheritable(found.fd, one.tid)
        if inherit is not None:
            for fd in (found.fd, found.data_fd):
                if fd >= 0:
                    sys_.set_inheritable(fd, inherit)
        if protect is not None:
            table.set_protected(found, protect)

    @service("compare objects")
    def compare_objects(self, first: int, second: int) -> bool:
        """NtCompareObjects."""
        return self._identity(first) == self._identity(second)

    def _identity(self, handle: int) -> tuple[int, ...]:
        if handle == CURRENT_PROCESS:
            from memsection.nt.linux.types import process

            return process.identity_of(os.getpid())
        if handle == CURRENT_THREAD:
            from memsection.nt.linux.types import thread

            return thread.current_identity()
        found = table.lookup(handle)
        if found.kind is DIRECTORY:
            return directory.identity_of(directory.path_of(found))
        return found.obj.identity

    @service("make temporary")
    def make_temporary_object(self, handle: int) -> None:
        """NtMakeTemporaryObject."""
        self._set_permanent(table.lookup(handle, None, a.DELETE), False)

    @service("make permanent")
    def make_permanent_object(self, handle: int) -> None:
        """NtMakePermanentObject; for named objects that are files of their own, in Global."""
        self._set_permanent(table.lookup(handle), True)

    def _set_permanent(self, handle: Handle, permanent: bool) -> None:
        if handle.kind is DIRECTORY:
            raise NtError(
                st.NOT_ON_THIS_SYSTEM,
                name=handle.obj.display_name(),
                detail="an object directory is there, whoever has a handle to it",
            )
        if handle.obj.directory != "global":
            if permanent:
                raise unlink.cannot_be_permanent(handle.obj.display_name())
            return
        facts = self._facts(handle)
        body = descriptions.reopen(handle.fd, sys_.O_RDWR)
        try:
            flags = facts.flags & ~control_page.PERMANENT | (
                control_page.PERMANENT if permanent else 0
            )
            control_page.write_flags(body, facts, flags)
        finally:
            sys_.close(body)

    def _facts(self, handle: Handle) -> control_page.Facts:
        """What the control page says now."""
        if handle.obj.facts is None:
            raise NtError(
                st.OBJECT_TYPE_MISMATCH,
                name=handle.obj.display_name(),
                detail=f"not for handles to {handle.kind.a_noun}",
            )
        return control_page.current(handle.fd, handle.obj.facts)

    @service("query security")
    def query_security_object(self, handle: int, information: int) -> bytes:
        """NtQuerySecurityObject."""
        system = a.ACCESS_SYSTEM_SECURITY if information & s.SACL_SECURITY_INFORMATION else 0
        if handle in _PSEUDO:
            if system:
                raise NtError(
                    st.ACCESS_DENIED,
                    detail="the pseudo handle does not grant ACCESS_SYSTEM_SECURITY",
                )
            from memsection.nt.linux.types import process

            return _select(process.descriptor(os.getpid(), _PSEUDO[handle]), information)
        found = table.lookup(
            handle,
            None,
            system | (a.READ_CONTROL if information & ~s.SACL_SECURITY_INFORMATION else 0),
        )
        return self._security_of(found, information)

    @service("query security")
    def read_security(self, handle: int, information: int) -> bytes:
        """As NtQuerySecurityObject through a duplicate that has READ_CONTROL, which is not made:
        what grants it is asked all the same (R1)."""
        if handle in _PSEUDO:
            return self.query_security_object(handle, information)
        from memsection.nt.linux.transfer.duplicate import requested_access

        found = table.lookup(handle)
        requested_access(found, a.READ_CONTROL, 0)
        return self._security_of(found, information)

    def _security_of(self, found: Handle, information: int) -> bytes:
        """The parts of an object's descriptor, as it is now."""
        if found.kind is PROCESS or found.kind is THREAD:
            from memsection.nt.linux.types import process

            one: Any = found.obj
            whole = one.process if found.kind is THREAD else one.identity
            return _select(process.descriptor_of(found, one.pid, whole), information)
        if found.kind is FILE:
            from memsection.nt.linux.types import file_facts

            return _select(file_facts.descriptor(found.fd), information)
        return _select(self._facts(found).descriptor, information)

    @service("set security")
    def set_security_object(self, handle: int, information: int, descriptor: bytes) -> None:
        """NtSetSecurityObject."""
        needed = (a.WRITE_DAC if information & s.DACL_SECURITY_INFORMATION else 0) | (
            a.WRITE_OWNER
            if information & (s.OWNER_SECURITY_INFORMATION | s.GROUP_SECURITY_INFORMATION)
            else 0
        )
        found = table.lookup(handle, None, needed)
        if found.kind is FILE:
            raise NtError(
                st.NOT_SUPPORTED,
                name=found.obj.name,
                detail="a file has a mode here, and no descriptor: use os.chmod and os.chown",
            )
        facts = self._facts(found)
        merged = security.merge_descriptors(
            SecurityDescriptor.from_bytes(facts.descriptor),
            descriptor,
            information,
            accounts.current_token(),
            found.kind,
        )
        body = descriptions.reopen(found.fd, sys_.O_RDWR)
        try:
            file_permissions = permissions.permissions_for(
                merged, found.kind, sys_.fstat(body).st_gid
            )
            if facts.file_identity is not None:
                file_permissions = permissions.owner_writes_only(file_permissions)
            set_permissions.change(
                body,
                file_permissions,
                lambda: control_page.write_descriptor(body, facts, merged.to_bytes()),
            )
        finally:
            sys_.close(body)

    @service("named objects directory")
    def named_objects_directory(self) -> int:
        """A handle for ``RootDirectory``, always the same value."""
        return ROOT_DIRECTORY

    @service("list objects")
    def list_directory(self) -> list[s.NamedObject]:
        """Every object that has a name."""
        from memsection.nt.linux.inspect import search

        return search.list_directory()

    @service("process handles")
    def process_handles(self, pid: int) -> list[s.HandleEntry]:
        """Every handle of a process."""
        from memsection.nt.linux.inspect import search

        return search.process_handles(pid)

    @service("process views")
    def process_views(self, pid: int, identity: tuple[int, ...]) -> list[tuple[int, int, int]]:
        """Where a process has views of an object."""
        from memsection.nt.linux.inspect import mappings

        return mappings.process_views(pid, identity)

    @service("threads that wait")
    def waiting_threads(self, pid: int, identity: tuple[int, ...]) -> list[int]:
        """Who waits for an object."""
        from memsection.nt.linux.inspect import mappings

        return mappings.waiting_threads(pid, identity)

    @ledger.whole  # and no service: an error of the socket is its own
    def receive_descriptors(
        self, sock: int, size: int, timeout: float | None
    ) -> tuple[bytes, list[int]]:
        """Bytes from a Unix socket, and descriptors."""
        return sys_.receive(sock, size, timeout)

    def close_descriptors(self, descriptors: Sequence[int]) -> None:
        """Descriptors that become no handle."""
        for fd in descriptors:
            sys_.close(fd)

    @service("handle descriptors")
    def handle_descriptors(self, handle: int) -> tuple[int, ...]:
        """The descriptors that are a handle: its own, and that of the file behind a section."""
        found = table.lookup(handle)
        if found.kind is DIRECTORY:
            raise directory.stays_here(directory.path_of(found))
        return (found.fd,) if found.data_fd < 0 else (found.fd, found.data_fd)

    def handle_from_descriptors(self, descriptors: Sequence[int]) -> int:
        """A handle of passed descriptors."""
        unused = {*descriptors}
        try:
            handle = self._accept(descriptors)
            unused -= {handle.fd, handle.data_fd}
            return handle.value
        finally:
            for fd in unused:
                sys_.close(fd)

    @service("handle from descriptors")
    def _accept(self, descriptors: Sequence[int]) -> Handle:
        from memsection.nt.linux.transfer.passing import accept

        return accept(descriptors)


@remember_results(64)
def _select(descriptor: bytes, information: int) -> bytes:
    """The parts of a descriptor that are asked for."""
    return SecurityDescriptor.from_bytes(descriptor).select(information).to_bytes()


def _enter_root_directory() -> None:
    """The directory handle is there from the beginning, under a value that no descriptor has."""
    root = directory.Directory("", (-4, 0))
    state.add_without_descriptor(Handle(-1, DIRECTORY, DIRECTORY.valid, root, value=ROOT_DIRECTORY))


_enter_root_directory()
