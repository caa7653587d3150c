# SPDX-License-Identifier: MIT
"""The services of the Linux object manager: ``nt.interface.Kernel``, delegating by object type.

Here an errno that nobody translated becomes a status, every failure learns its operation, and a process that runs
into its soft limit of descriptors gets the hard one.  What a service does stands in the module of its object.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import errno
import os
import resource  # here, because it could not be loaded when there is no descriptor left
from collections.abc import Callable, Sequence
from functools import wraps

from memsection._native import ledger
from memsection.nt.linux import (
    accounts,
    acl,
    announcement,
    appearance,
    control_page,
    duplicate,
    event,
    lifetime,
    memory,
    mutex,
    namespace,
    objects,
    process,
    quick,
    section,
    semaphore,
    wait,
)
from memsection.nt.linux import syscalls as sys_
from memsection.nt.linux.handles import CURRENT_PROCESS, Handle
from memsection.nt.linux.process import NO_PROC, proc_is_mounted
from memsection.vocabulary import access as a
from memsection.vocabulary import object_types, security
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.descriptor import SecurityDescriptor
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.object_types import DIRECTORY
from memsection.vocabulary.sid import Sid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Concatenate, ParamSpec, TypeVar

    P = ParamSpec("P")
    R = TypeVar("R")

_ROOT_DIRECTORY = 0x3FFFFFFC  #: the value of the handle that Win32 names are relative to; no descriptor is behind it


def _service(operation: str) -> Callable[[Callable[Concatenate[LinuxKernel, P], R]],
                                         Callable[Concatenate[LinuxKernel, P], R]]:
    """Give a service its name in messages, and see to errors of system calls that nobody translated."""
    def decorate(function: Callable[Concatenate[LinuxKernel, P], R]) -> Callable[Concatenate[LinuxKernel, P], R]:
        @wraps(function)
        def service(self: LinuxKernel, /, *arguments: P.args, **options: P.kwargs) -> R:
            try:
                return function(self, *arguments, **options)
            except NtError as failure:
                if failure.status == st.INVALID_CID and not proc_is_mounted():  # where processes are looked for
                    raise NtError(st.NOT_SUPPORTED, operation, failure.name, NO_PROC) from None
                failure.operation = failure.operation or operation
                raise
            except OSError as error:
                if error.errno == errno.EMFILE and _raise_descriptor_limit():
                    return service(self, *arguments, **options)
                raise _translated(error, operation) from error
        return ledger.whole(service)
    return decorate


def _translated(problem: Exception, operation: str) -> Exception:
    """What a service raises for what came up in it."""
    if isinstance(problem, NtError):
        if problem.status == st.INVALID_CID and not proc_is_mounted():  # where processes are looked for
            return NtError(st.NOT_SUPPORTED, operation, problem.name, NO_PROC)
        problem.operation = problem.operation or operation
        return problem
    if not isinstance(problem, OSError) or problem.errno is None:
        return problem  # no system call's: a signal handler's TimeoutError, for example
    # It failed because /proc is not mounted, and not because of what was looked for in it.
    if str(problem.filename or "").startswith("/proc/") and not proc_is_mounted():
        return NtError(st.NOT_SUPPORTED, operation, None, NO_PROC)
    detail = f"{problem.strerror}" + (f" ({problem.filename})" if problem.filename else "")
    if problem.errno == errno.EMFILE:
        detail = (f"this process has as many files open as it may, {resource.getrlimit(resource.RLIMIT_NOFILE)[1]}: close "
                  "some objects, or have its hard limit raised (ulimit -Hn, LimitNOFILE=)")
    elif problem.errno == errno.ENFILE:
        detail = "the system has as many files open as it may: have /proc/sys/fs/file-max raised"
    return NtError(st.from_errno(problem.errno), operation, None, detail)


def _raise_descriptor_limit() -> bool:
    """Raise the soft limit of descriptors to the hard one; whether that made room (getrlimit(2))."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard:
        return False
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return True


class LinuxKernel:
    """The object manager of this process; all of its state is in ``objects`` and ``memory``."""

    def __init__(self) -> None:
        # What is called most has a short way in native code, which calls the service here for all that is unusual.
        vars(self).update(quick.services(self, _ROOT_DIRECTORY, _translated))

    # ------------------------------------------------------------------ any object

    @_service("close")
    def close(self, handle: int) -> None:
        """NtClose."""
        objects.close(handle)

    @_service("duplicate")
    def duplicate_object(self, source_process: int, source: int, target_process: int, access: int,
                         attributes: int, options: int) -> int:
        """NtDuplicateObject."""
        return duplicate.duplicate(source_process, source, target_process, access, attributes, options)

    @_service("query object")
    def query_object(self, handle: int) -> s.ObjectBasicInformation:
        """NtQueryObject, ObjectBasicInformation."""
        if handle == CURRENT_PROCESS:
            return s.ObjectBasicInformation(0, object_types.PROCESS.valid, 1, 2)
        found = objects.lookup(handle)
        duplicate.settle()
        attributes = (s.OBJ_INHERIT if found.fd >= 0 and sys_.get_inheritable(found.fd) else 0) | (
            s.OBJ_PROTECT_CLOSE if found.protected else 0)
        count = lifetime.count_handles(found.obj.identity) if found.kind.number <= 4 else len(found.obj.handles)
        if found.obj.directory == "global" and self._facts(found).flags & control_page.PERMANENT:
            attributes |= s.OBJ_PERMANENT
        return s.ObjectBasicInformation(attributes, found.access, count, count + 1)

    @_service("query handle")
    def query_handle(self, handle: int) -> tuple[int, int]:
        """The handle's own part of ObjectBasicInformation: looking for the other handles takes milliseconds."""
        if handle == CURRENT_PROCESS:
            return 0, object_types.PROCESS.valid
        found = objects.lookup(handle)
        return (s.OBJ_INHERIT if found.fd >= 0 and sys_.get_inheritable(found.fd) else 0) | (
            s.OBJ_PROTECT_CLOSE if found.protected else 0), found.access

    @_service("query object name")
    def query_object_name(self, handle: int) -> str:
        """NtQueryObject, ObjectNameInformation."""
        return "" if handle == CURRENT_PROCESS else objects.lookup(handle).obj.name

    @_service("query object type")
    def query_object_type(self, handle: int) -> str:
        """NtQueryObject, ObjectTypeInformation."""
        return "Process" if handle == CURRENT_PROCESS else objects.lookup(handle).kind.name

    @_service("set handle flags")
    def set_handle_flags(self, handle: int, *, inherit: bool | None = None, protect: bool | None = None) -> None:
        """NtSetInformationObject, ObjectHandleFlagInformation."""
        found = objects.lookup(handle)
        if inherit is not None:
            for fd in (found.fd, found.data_fd):
                if fd >= 0:
                    sys_.set_inheritable(fd, inherit)
        if protect is not None:
            duplicate.set_protected(found, protect)

    @_service("compare objects")
    def compare_objects(self, first: int, second: int) -> bool:
        """NtCompareObjects."""
        return self._identity(first) == self._identity(second)

    def _identity(self, handle: int) -> tuple[int, ...]:
        if handle == CURRENT_PROCESS:
            return -2, os.getpid(), process.start_time(os.getpid())
        return objects.lookup(handle).obj.identity

    @_service("make temporary")
    def make_temporary_object(self, handle: int) -> None:
        """NtMakeTemporaryObject."""
        self._set_permanent(objects.lookup(handle, None, a.DELETE), False)

    @_service("make permanent")
    def make_permanent_object(self, handle: int) -> None:
        """NtMakePermanentObject; for named objects that are files of their own, in Global."""
        self._set_permanent(objects.lookup(handle), True)

    def _set_permanent(self, handle: Handle, permanent: bool) -> None:
        if permanent and handle.obj.directory != "global":
            raise NtError(st.NOT_ON_THIS_SYSTEM, name=handle.obj.display_name(),
                          detail="only an object with a Global name can outlive its handles on this system")
        if handle.obj.directory != "global":
            return
        facts = self._facts(handle)
        body = lifetime.reopen(handle.fd, sys_.O_RDWR)
        try:
            flags = facts.flags & ~control_page.PERMANENT | (control_page.PERMANENT if permanent else 0)
            control_page.write_flags(body, facts, flags)
        finally:
            sys_.close(body)

    def _facts(self, handle: Handle) -> control_page.Facts:
        """What the control page says now."""
        if handle.obj.facts is None:
            raise NtError(st.OBJECT_TYPE_MISMATCH, name=handle.obj.display_name(),
                          detail=f"not for handles to {handle.kind.a_noun}")
        return control_page.read(handle.fd, handle.obj.facts.body_size)

    @_service("query security")
    def query_security_object(self, handle: int, information: int) -> bytes:
        """NtQuerySecurityObject."""
        if handle == CURRENT_PROCESS:
            return SecurityDescriptor.from_bytes(process.descriptor(os.getpid())).select(information).to_bytes()
        found = objects.lookup(handle, None, a.READ_CONTROL)
        if isinstance(found.obj, process.Process):
            return SecurityDescriptor.from_bytes(process.descriptor(found.obj.pid)).select(information).to_bytes()
        return SecurityDescriptor.from_bytes(self._facts(found).descriptor).select(information).to_bytes()

    @_service("set security")
    def set_security_object(self, handle: int, information: int, descriptor: bytes) -> None:
        """NtSetSecurityObject."""
        needed = (a.WRITE_DAC if information & s.DACL_SECURITY_INFORMATION else 0) | (
            a.WRITE_OWNER if information & (s.OWNER_SECURITY_INFORMATION | s.GROUP_SECURITY_INFORMATION) else 0)
        found = objects.lookup(handle, None, needed)
        facts = self._facts(found)
        merged = security.merged(SecurityDescriptor.from_bytes(facts.descriptor), descriptor, information,
                                 accounts.current_token(), found.kind)
        body = lifetime.reopen(found.fd, sys_.O_RDWR)
        try:
            floor = acl.floor(merged, found.kind, sys_.fstat(body).st_gid)
            if facts.file_identity is not None:
                floor = acl.record_floor(floor)
            acl.change(body, floor, lambda: control_page.write_descriptor(body, facts, merged.to_bytes()))
        finally:
            sys_.close(body)

    @_service("named objects directory")
    def named_objects_directory(self) -> int:
        """A handle for ``RootDirectory``, always the same value."""
        return _ROOT_DIRECTORY

    @_service("list objects")
    def list_directory(self) -> list[s.NamedObject]:
        """Every object that has a name."""
        from memsection.nt.linux import search

        return search.list_directory()

    @_service("process handles")
    def process_handles(self, pid: int) -> list[s.HandleEntry]:
        """Every handle of a process."""
        from memsection.nt.linux import search

        return search.process_handles(pid)

    @_service("process views")
    def process_views(self, pid: int, identity: tuple[int, ...]) -> list[tuple[int, int, int]]:
        """Where a process has views of an object."""
        from memsection.nt.linux import inspection

        return inspection.process_views(pid, identity)

    @_service("threads that wait")
    def waiting_threads(self, pid: int, identity: tuple[int, ...]) -> list[int]:
        """Who waits for an object."""
        from memsection.nt.linux import inspection

        return inspection.waiting_threads(pid, identity)

    @ledger.whole  # and no service: an error of the socket is its own
    def receive_descriptors(self, sock: int, size: int, timeout: float | None) -> tuple[bytes, list[int]]:
        """Bytes from a Unix socket, and descriptors."""
        return sys_.receive(sock, size, timeout)

    def close_descriptors(self, descriptors: Sequence[int]) -> None:
        """Descriptors that become no handle."""
        for fd in descriptors:
            sys_.close(fd)

    @_service("handle descriptors")
    def handle_descriptors(self, handle: int) -> tuple[int, ...]:
        """The descriptors that are a handle."""
        from memsection.nt.linux import passing

        return passing.descriptors(handle)

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

    @_service("handle from descriptors")
    def _accept(self, descriptors: Sequence[int]) -> Handle:
        from memsection.nt.linux import passing

        return passing.accept(descriptors)

    # ------------------------------------------------------------------ sections and memory

    @_service("create section")
    def create_section(self, access: int, attributes: Any, maximum_size: int | None, protection: int, kind: int,
                       file: int, *, numa_node: int | None = None) -> tuple[int, int]:
        """NtCreateSection."""
        status, handle = section.create(access, attributes, maximum_size, protection, kind, file, numa_node)
        return status, handle.value

    @_service("open section")
    def open_section(self, access: int, attributes: Any) -> int:
        """NtOpenSection."""
        return objects.open_(object_types.SECTION, access, attributes).value

    @_service("map")
    def map_view(self, section_handle: int, process_handle: int, base: int, zero_bits: int, commit_size: int,
                 offset: int, view_size: int, inherit: int, allocation_type: int, protection: int, *,
                 numa_node: int | None = None) -> tuple[int, int, int]:
        """NtMapViewOfSection."""
        if process_handle != CURRENT_PROCESS:
            process.own(process_handle, a.PROCESS_VM_OPERATION, "mapping a view")
        return section.map_view(section_handle, base, zero_bits, commit_size, offset, view_size, inherit, allocation_type,
                                protection, numa_node)

    @_service("unmap")
    def unmap_view(self, process_handle: int, address: int) -> None:
        """NtUnmapViewOfSection."""
        if process_handle != CURRENT_PROCESS:
            process.own(process_handle, a.PROCESS_VM_OPERATION, "unmapping a view")
        section.unmap(address)

    @_service("extend section")
    def extend_section(self, section_handle: int, size: int) -> int:
        """NtExtendSection."""
        return section.extend(section_handle, size)

    @_service("query section")
    def query_section(self, section_handle: int) -> s.SectionBasicInformation:
        """NtQuerySection."""
        return section.query(section_handle)

    @_service("query memory")
    def query_virtual_memory(self, process_handle: int, address: int) -> s.MemoryBasicInformation:
        """NtQueryVirtualMemory."""
        pid, other = process.target(process_handle, a.PROCESS_QUERY_INFORMATION)
        return memory.query(address) if other is None or pid == os.getpid() else memory.query_of(pid, address)

    @_service("protect memory")
    def protect_virtual_memory(self, process_handle: int, address: int, size: int,
                               protection: int) -> tuple[int, int, int]:
        """NtProtectVirtualMemory."""
        process.own(process_handle, a.PROCESS_VM_OPERATION, "protecting memory")
        return memory.protect(address, size, protection)

    @_service("allocate memory")
    def allocate_virtual_memory(self, process_handle: int, address: int, zero_bits: int, size: int,
                                allocation_type: int, protection: int) -> tuple[int, int]:
        """NtAllocateVirtualMemory."""
        process.own(process_handle, a.PROCESS_VM_OPERATION, "allocating memory")
        return memory.allocate(address, zero_bits, size, allocation_type, protection)

    @_service("free memory")
    def free_virtual_memory(self, process_handle: int, address: int, size: int, free_type: int) -> tuple[int, int]:
        """NtFreeVirtualMemory."""
        process.own(process_handle, a.PROCESS_VM_OPERATION, "freeing memory")
        return memory.free(address, size, free_type)

    @_service("flush")
    def flush_virtual_memory(self, process_handle: int, address: int, size: int) -> None:
        """NtFlushVirtualMemory."""
        process.own(process_handle, a.PROCESS_VM_OPERATION, "flushing a view")
        memory.flush(address, size)

    @_service("prefetch")
    def prefetch_virtual_memory(self, process_handle: int, ranges: Sequence[tuple[int, int]]) -> None:
        """NtSetInformationVirtualMemory, VmPrefetchInformation."""
        process.own(process_handle, a.PROCESS_VM_OPERATION, "prefetching")
        memory.prefetch(ranges)

    @_service("read memory")
    def read_virtual_memory(self, process_handle: int, address: int, size: int) -> bytes:
        """NtReadVirtualMemory."""
        return memory.read(process.target(process_handle, a.PROCESS_VM_READ)[0], address, size)

    @_service("write memory")
    def write_virtual_memory(self, process_handle: int, address: int, data: bytes) -> int:
        """NtWriteVirtualMemory."""
        return memory.write(process.target(process_handle, a.PROCESS_VM_WRITE | a.PROCESS_VM_OPERATION)[0], address, data)

    @_service("make a buffer over a view")
    def view_buffer(self, address: int, length: int, *, readonly: bool, kind: type[Any] | None = None) -> Any:
        """A buffer over a view."""
        from memsection._native.view import View

        region = memory.find(address)
        if region is None or region.base != address:
            raise NtError(st.NOT_MAPPED_VIEW, detail=f"there is no view at {address:#x}")
        # It releases the region, not the address: whoever unmaps the view otherwise makes room for another one there.
        return (kind or View)(address, length, readonly=readonly, release=region,
                              check=region.guard.check if region.guard is not None else None)

    def mapped_buffer(self, section_handle: int, offset: int, view_size: int, protection: int, kind: type[Any]) -> Any:
        """A view and the buffer over it in one step, where that is simple."""
        return quick.mapped_buffer(section_handle, offset, view_size, protection, kind)

    @_service("flush")
    def flush_buffer(self, buffer: Any, offset: int, size: int) -> None:
        """Flush the view that a buffer is of."""
        memory.flush_region(memory.region_of(buffer), offset, size)

    @_service("commit")
    def commit_buffer(self, buffer: Any, offset: int, size: int, protection: int) -> None:
        """Commit pages of the view that a buffer is of."""
        memory.commit_region(memory.region_of(buffer), offset, size, protection)

    def view_fault(self, address: int) -> int | None:
        """The first missing page of a view."""
        return memory.guard_fault(address)

    @_service("resident pages")
    def resident_pages(self, address: int, size: int) -> bytes:
        """Which pages are in memory."""
        from memsection.nt.linux import inspection

        return inspection.resident_pages(address, size)

    @_service("seal")
    def seal_section(self, section_handle: int) -> None:
        """No new writable views for anybody."""
        section.seal(section_handle)

    @_service("take name")
    def take_name(self, section_handle: int, attributes: s.ObjectAttributes, predecessor: int = 0) -> None:
        """A name for an unnamed section, also in the place of the section that has it."""
        from memsection.nt.linux import succession

        succession.take_name(section_handle, attributes, predecessor)

    # ------------------------------------------------------------------ files

    @_service("open file")
    def create_file(self, access: int, path: str, attributes: int, share: int, disposition: int, options: int,
                    descriptor: bytes | None = None) -> tuple[int, int]:
        """NtCreateFile."""
        from memsection.nt.linux import file

        return file.create(access, path, attributes, share, disposition, options, descriptor)

    @_service("file from descriptor")
    def file_from_path_or_fd(self, fd: int, access: int) -> int:
        """A file handle over a descriptor."""
        from memsection.nt.linux import file

        return file.from_descriptor(fd, access)

    @_service("read file")
    def read_file(self, file_handle: int, count: int, offset: int | None = None) -> bytes:
        """NtReadFile."""
        from memsection.nt.linux import file

        return file.read(file_handle, count, offset)

    @_service("write file")
    def write_file(self, file_handle: int, data: bytes, offset: int | None = None) -> int:
        """NtWriteFile."""
        from memsection.nt.linux import file

        return file.write(file_handle, data, offset)

    @_service("query file")
    def query_file(self, file_handle: int) -> tuple[int, int]:
        """(size, position)."""
        from memsection.nt.linux import file

        return file.query(file_handle)

    @_service("set file position")
    def set_file_position(self, file_handle: int, position: int) -> None:
        """NtSetInformationFile, FilePositionInformation."""
        from memsection.nt.linux import file

        file.set_position(file_handle, position)

    @_service("set end of file")
    def set_end_of_file(self, file_handle: int, size: int) -> None:
        """NtSetInformationFile, FileEndOfFileInformation."""
        from memsection.nt.linux import file

        file.set_end(file_handle, size)

    @_service("flush file")
    def flush_file(self, file_handle: int) -> None:
        """NtFlushBuffersFile."""
        from memsection.nt.linux import file

        file.flush(file_handle)

    # ------------------------------------------------------------------ synchronisation

    @_service("create mutex")
    def create_mutant(self, access: int, attributes: Any, initial_owner: bool) -> tuple[int, int]:
        """NtCreateMutant."""
        status, handle = mutex.create(access, attributes, initial_owner)
        return status, handle.value

    @_service("open mutex")
    def open_mutant(self, access: int, attributes: Any) -> int:
        """NtOpenMutant."""
        return mutex.open_(access, attributes).value

    @_service("release mutex")
    def release_mutant(self, handle: int) -> int:
        """NtReleaseMutant."""
        return mutex.release(handle)

    @_service("abandon mutex")
    def abandon_mutant(self, handle: int) -> None:
        """Give a mutex back as if its owner had ended."""
        mutex.abandon(handle)

    @_service("query mutex")
    def query_mutant(self, handle: int) -> s.MutantBasicInformation:
        """NtQueryMutant."""
        return mutex.query(handle)

    @_service("create event")
    def create_event(self, access: int, attributes: Any, event_type: int, initial: bool) -> tuple[int, int]:
        """NtCreateEvent."""
        status, handle = event.create(access, attributes, event_type, initial)
        return status, handle.value

    @_service("open event")
    def open_event(self, access: int, attributes: Any) -> int:
        """NtOpenEvent."""
        return event.open_(access, attributes).value

    @_service("set event")
    def set_event(self, handle: int) -> int:
        """NtSetEvent."""
        return event.set_(handle)

    @_service("reset event")
    def reset_event(self, handle: int) -> int:
        """NtResetEvent."""
        return event.reset(handle)

    @_service("pulse event")
    def pulse_event(self, handle: int) -> int:
        """NtPulseEvent."""
        return event.pulse(handle)

    @_service("query event")
    def query_event(self, handle: int) -> s.EventBasicInformation:
        """NtQueryEvent."""
        return event.query(handle)

    @_service("create semaphore")
    def create_semaphore(self, access: int, attributes: Any, initial: int, maximum: int) -> tuple[int, int]:
        """NtCreateSemaphore."""
        status, handle = semaphore.create(access, attributes, initial, maximum)
        return status, handle.value

    @_service("open semaphore")
    def open_semaphore(self, access: int, attributes: Any) -> int:
        """NtOpenSemaphore."""
        return semaphore.open_(access, attributes).value

    @_service("release semaphore")
    def release_semaphore(self, handle: int, count: int) -> int:
        """NtReleaseSemaphore."""
        return semaphore.release(handle, count)

    @_service("query semaphore")
    def query_semaphore(self, handle: int) -> s.SemaphoreBasicInformation:
        """NtQuerySemaphore."""
        return semaphore.query(handle)

    @_service("wait")
    def wait_for_single_object(self, handle: int, timeout: int | None, *, careful: bool = False) -> int:
        """NtWaitForSingleObject."""
        return wait.single(handle, timeout, careful=careful)

    @_service("wait")
    def wait_for_multiple_objects(self, handles: Sequence[Any], wait_type: int, timeout: int | None, *,
                                  careful: bool = False) -> int:
        """NtWaitForMultipleObjects."""
        return wait.multiple(handles, wait_type, timeout, careful=careful)

    @_service("signal and wait")
    def signal_and_wait(self, signal: int, waited: int, timeout: int | None) -> int:
        """NtSignalAndWaitForSingleObject."""
        return wait.signal_and(signal, waited, timeout)

    @_service("wait")
    def awaited_number(self, buffer: memoryview, above: int) -> Any:
        """A number in mapped memory to wait for."""
        return wait.number(buffer, above)

    @_service("latest value")
    def announce_writer(self, handle: int) -> Any:
        """Say that there is a writer, as long as what this gives is not closed."""
        return announcement.Announcement(objects.lookup(handle).fd)

    @_service("latest value")
    def has_writer(self, handle: int) -> bool:
        """Whether some process says so."""
        return announcement.is_made(objects.lookup(handle).fd)

    def forget_directories(self) -> None:
        """The next name looks for its directory again."""
        namespace.reset()

    @_service("open")
    def watch_name(self, name: str) -> Any:
        """Watch for a name that does not exist yet."""
        return appearance.watch(name)

    @_service("open")
    def connect_waitable(self, door: Any, handle: int, failed: Callable[[NtError], Any]) -> None:
        """Native methods for one handle."""
        wait.connect(door, handle, failed)

    @_service("wait")
    def watch(self, handle: Any, ready: Callable[[], None]) -> Any:
        """A wait that nobody sleeps in."""
        return wait.watch(handle, ready)

    # ------------------------------------------------------------------ processes, tokens, accounts

    def current_process_id(self) -> int:
        """The caller's process id."""
        return os.getpid()

    @_service("open process")
    def open_process(self, access: int, attributes: int, pid: int) -> int:
        """NtOpenProcess."""
        return process.open_(access, attributes, pid)

    @_service("query process")
    def query_process(self, process_handle: int) -> s.ProcessBasicInformation:
        """NtQueryInformationProcess."""
        return process.query(process_handle)

    @_service("terminate process")
    def terminate_process(self, process_handle: int, exit_status: int) -> None:
        """NtTerminateProcess."""
        process.terminate(process_handle, exit_status)

    @_service("create process")
    def create_process(self, start: s.ProcessStart) -> s.StartedProcess:
        """A new process."""
        return process.create(start)

    @_service("open token")
    def open_process_token(self, process_handle: int, access: int) -> int:
        """NtOpenProcessToken."""
        return process.open_token(process_handle, access)

    @_service("look up privilege")
    def lookup_privilege(self, name: str) -> int:
        """The LUID of a privilege."""
        return process.lookup_privilege(name)

    @_service("adjust privileges")
    def adjust_privileges(self, token: int, privileges: Sequence[tuple[int, int]],
                          disable_all: bool = False) -> tuple[int, list[tuple[int, int]]]:
        """NtAdjustPrivilegesToken."""
        return process.adjust_privileges(token, list(privileges), disable_all)

    def current_user(self) -> Sid:
        """The SID of this process's user."""
        return accounts.current_token().user

    @_service("look up account")
    def account_sid(self, name: str, *, group: bool = False) -> Sid:
        """The SID of a Unix user or group."""
        return accounts.account_sid(name, group=group)

    def account_name(self, sid: Sid) -> str:
        """What the system calls an account."""
        return accounts.account_name(sid)

    def diagnose(self) -> list[s.Check]:
        """What this machine allows."""
        from memsection.nt.linux import diagnosis

        return diagnosis.diagnose()


def _enter_root_directory() -> None:
    """The directory handle is there from the beginning, under a value that no descriptor has."""
    root = objects.LocalObject(DIRECTORY, (-4, 0))
    root.name = "\\Sessions"
    objects.enter(Handle(-1, DIRECTORY, DIRECTORY.valid, root, value=_ROOT_DIRECTORY))


_enter_root_directory()
