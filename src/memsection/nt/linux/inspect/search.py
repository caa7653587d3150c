# SPDX-License-Identifier: MIT
"""Looking at what there is: the handles of a process, and every named object with its holders.

What the first article calls searching the handle table by brute force; on Linux the table is
/proc/PID/fd (proc(5)).
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import functools
import os
import stat as stat_
from collections.abc import Container

from memsection.nt.linux.bodies import control_page
from memsection.nt.linux.bodies.position import decode
from memsection.nt.linux.names import locators, namespace
from memsection.nt.linux.system import proc
from memsection.nt.linux.system import syscalls as sys_
from memsection.nt.linux.system.proc import descriptor_info
from memsection.vocabulary import access as a
from memsection.vocabulary import log, names, object_types
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.protection import PAGE_SIZE
from memsection.vocabulary.records import record

_CLOEXEC_FLAG = 0o2000000  # O_CLOEXEC in fdinfo's flags
TAIL = 64  #: bytes of a section that are looked at
_HEAD = 1856  #: bytes of a control page that are: all of it but for a long name
LEFT_BEHIND = "left by a process that was killed; goes when its owner next uses a Global name"


@record(frozen=True, slots=True, eq=False)
class _Source:
    """A descriptor that carries a handle, as it was found in a process."""

    pid: int
    fd: int
    found: os.stat_result
    carried: tuple[int, int, bool]
    attributes: int

    @property
    def identity(self) -> tuple[int, int]:
        """Device and inode of the object's body."""
        return self.found.st_dev, self.found.st_ino


def process_handles(pid: int, known: Container[tuple[int, int]] = ()) -> list[s.HandleEntry]:
    """Every handle of a process, as far as its descriptors tell; ``known`` files are no handles,
    and passed over."""
    try:
        descriptors = proc.list_descriptors(pid)
    except PermissionError:
        raise NtError(
            st.ACCESS_DENIED,
            name=f"process {pid}",
            detail="the kernel does not let this process look into its descriptors (another "
            "user's? "
            "The debug privilege, CAP_SYS_PTRACE, lifts that)",
        ) from None
    except (FileNotFoundError, ProcessLookupError, NotADirectoryError):
        raise NtError(
            st.INVALID_CID, name=f"process {pid}", detail="there is no such process"
        ) from None
    # Once for all descriptors: from the root each look would take half as long again.
    opened: list[int] = []
    try:
        for directory in ("fd", "fdinfo"):
            opened.append(sys_.open(f"/proc/{pid}/{directory}", sys_.O_PATH | sys_.O_DIRECTORY))
        entries = [_entry(pid, fd, known, *opened) for fd in descriptors]
    except (FileNotFoundError, ProcessLookupError):
        return []  # it has ended
    finally:
        for each in opened:
            sys_.close(each)
    return [entry for entry in entries if entry is not None]


def _entry(
    pid: int, fd: int, known: Container[tuple[int, int]], directory: int, infos: int
) -> s.HandleEntry | None:
    number = str(fd)
    try:
        found = sys_.stat(number, dir_fd=directory)
        if not stat_.S_ISREG(found.st_mode) or (found.st_dev, found.st_ino) in known:
            return None
        info = proc.parse_descriptor_info(sys_.read_file(infos, number, 256)[3])
        if info is None:
            return None
        attributes = 0 if info[1] & _CLOEXEC_FLAG else s.OBJ_INHERIT
        carried = decode(info[0])
        if carried is None:
            path = f"/proc/{pid}/fd/{fd}"
            return _file_entry(pid, fd, path, found, info[1], attributes)
        source = _Source(pid, fd, found, carried, attributes)
        return _entry_at_a_glance(source, directory) or _object_entry(source)
    except PermissionError:
        return _borrowed_entry(pid, fd)
    except OSError:
        return None


def _entry_at_a_glance(source: _Source, directory: int) -> s.HandleEntry | None:
    """A handle by a single read of its body: enough for all but those with long names, and those
    that this process has to ask for in other ways."""
    try:
        device, inode, size, data = sys_.read_file(
            directory, str(source.fd), TAIL + _HEAD, PAGE_SIZE + TAIL, follow=True
        )
        if (device, inode) != source.identity:
            return None  # another one has come in its place
        tail = data[:TAIL] if size > PAGE_SIZE else b""  # else there is but the control page
        whole = control_page.facts_and_name(data[len(tail) :], size)
        if whole is None or whole[0].area_pages > 1:
            return None  # what stands before the control page is not the data's end
        return _handle_entry(source, *whole, tail)
    except (OSError, NtError, KeyError):
        return None  # whoever looks again says why


def _borrowed_entry(pid: int, fd: int) -> s.HandleEntry | None:
    """A handle that only the debug privilege shows."""
    try:
        own = proc.borrow(pid, fd)
    except OSError:
        return None
    try:
        found, info = sys_.fstat(own), descriptor_info(pid, fd)
        carried = decode(info[0]) if info is not None else None
        if info is None or carried is None or not stat_.S_ISREG(found.st_mode):
            return None
        attributes = 0 if info[1] & _CLOEXEC_FLAG else s.OBJ_INHERIT
        return _read_entry(_Source(pid, fd, found, carried, attributes), own)
    except OSError:
        return None
    except (NtError, KeyError) as failure:
        _tell_passed_over(pid, fd, failure)
        return None
    finally:
        sys_.close(own)


def _file_entry(
    pid: int, fd: int, path: str, found: os.stat_result, flags: int, attributes: int
) -> s.HandleEntry | None:
    if fd < 3 or not attributes:
        return None  # a descriptor that no other process could use as a handle
    access = {os.O_RDONLY: a.FILE_GENERIC_READ, os.O_WRONLY: a.FILE_GENERIC_WRITE}.get(
        flags & os.O_ACCMODE, a.FILE_GENERIC_READ | a.FILE_GENERIC_WRITE
    )
    return s.HandleEntry(
        pid, fd * 4, "File", access, attributes, sys_.readlink(path), found.st_size
    )


def _object_entry(source: _Source) -> s.HandleEntry | None:
    pid, fd = source.pid, source.fd
    try:
        body = sys_.open_body(pid, fd, *source.identity, False)
    except OSError:
        body = -1
    if body < 0:  # forbidden, or another one has come in its place
        return _borrowed_entry(pid, fd) or s.HandleEntry(
            pid, fd * 4, "", source.carried[0], source.attributes, "", 0, source.identity
        )
    try:
        return _read_entry(source, body)
    except (NtError, KeyError) as failure:
        _tell_passed_over(pid, fd, failure)
        return None
    finally:
        sys_.close(body)


def _tell_passed_over(pid: int, fd: int, failure: NtError | KeyError) -> None:
    why = (
        f"it says to be of type {failure.args[0]}"
        if isinstance(failure, KeyError)
        else failure.detail
    )
    log.tell(
        log.INFO, "passed over a damaged object, descriptor %d of process %d: %s", fd, pid, why
    )


def _read_entry(source: _Source, body: int) -> s.HandleEntry:
    facts = control_page.read(body, source.found.st_size)
    tail = sys_.pread(body, TAIL, max(0, facts.size - TAIL)) if _has_tail(facts) else b""
    return _handle_entry(source, facts, control_page.name(body, facts), tail)


def _has_tail(facts: control_page.Facts) -> bool:
    """Whether there are last bytes of a section's memory in its body."""
    return bool(facts.size) and facts.file_identity is None


def _handle_entry(
    source: _Source, facts: control_page.Facts, name: str, tail: bytes
) -> s.HandleEntry:
    access, _, protected = source.carried
    kind = object_types.BY_NUMBER[facts.type]
    return s.HandleEntry(
        source.pid,
        source.fd * 4,
        kind.name,
        access & kind.valid,
        source.attributes | (s.OBJ_PROTECT_CLOSE if protected else 0),
        name,
        facts.size,
        source.identity,
        facts.creator_pid,
        facts.created_ns / 1e9,
        tail if _has_tail(facts) else None,
    )


def list_directory() -> list[s.NamedObject]:
    """Every living named object that this process may know of."""
    # Locators first: who has an object has its locator, too, and looking at each of those
    # descriptors takes half the time.
    locators = _locators()
    known = {file for _, file, _ in locators}
    holders: dict[tuple[int, ...], list[s.HandleEntry]] = {}
    for pid in proc.processes():
        try:
            for entry in process_handles(pid, known):
                if entry.identity is not None:
                    holders.setdefault(entry.identity, []).append(entry)
        except NtError:
            continue
    found = [*_local(locators, holders), *_global(holders)]
    found.sort(key=lambda item: item.name)
    return found


def _open_to_look(file: str, directory: int) -> int:
    flags = sys_.O_RDONLY | sys_.O_NOFOLLOW | sys_.O_NONBLOCK | sys_.O_CLOEXEC
    return sys_.open(file, flags, dir_fd=directory)


def _locators() -> list[tuple[str, tuple[int, int], locators.Locator | None]]:
    """Every file of the directory of Local names: its name, which file it is, and what it says,
    None if it is damaged."""
    found = []
    directory = namespace.local_directory()
    for file in sys_.listdir(directory):
        if file.startswith("."):
            continue  # a locator on its way to a name (``succession``)
        try:
            device, inode, size, data = sys_.read_file(directory, file, PAGE_SIZE)
            locator = (
                locators.parse_locator(data, size)
                if size <= PAGE_SIZE
                else _read_long_locator(file, (device, inode))
            )
        except OSError:
            continue
        found.append((file, (device, inode), locator))
    return found


def _read_long_locator(file: str, identity: tuple[int, int]) -> locators.Locator | None:
    fd = _open_to_look(file, namespace.local_directory())
    try:
        status = sys_.fstat(fd)
        if (status.st_dev, status.st_ino) != identity:
            raise FileNotFoundError(file)  # it has ended, and there is another one
        return locators.read_locator(fd, status.st_size)
    finally:
        sys_.close(fd)


def _local(
    locators: list[tuple[str, tuple[int, int], locators.Locator | None]],
    holders: dict[tuple[int, ...], list[s.HandleEntry]],
) -> list[s.NamedObject]:
    found, owner = [], _user(os.geteuid())
    for file, _, locator in locators:
        if locator is None:
            found.append(s.NamedObject(file, "", 0, problem="a damaged locator file"))
            log.tell(log.DEBUG, "the locator file %r is damaged", file)
            continue
        # A locator that nobody holds and whose object nobody has is what a crash left: swept when
        # next opened.
        entries = holders.get(locator.identity, [])
        if not entries and not _is_locator_held(file):
            continue
        kind = object_types.BY_NUMBER.get(locator.type)
        found.append(
            s.NamedObject(
                names.win32_name(locator.name),
                kind.name if kind else "",
                entries[0].size if entries else 0,
                tuple(entries),
                owner,
                ""
                if entries
                else "its holders' descriptors may not be looked into (another PID namespace?)",
            )
        )
    return found


def _is_locator_held(file: str) -> bool:
    try:
        fd = _open_to_look(file, namespace.local_directory())
    except OSError:
        return False  # its object has ended since
    try:
        return _has_holder(fd)
    finally:
        sys_.close(fd)


def _has_holder(fd: int) -> bool:
    try:
        sys_.flock(fd, sys_.LOCK_EX | sys_.LOCK_NB)
    except BlockingIOError:
        return True
    sys_.flock(fd, sys_.LOCK_UN)
    return False


def _global(holders: dict[tuple[int, ...], list[s.HandleEntry]]) -> list[s.NamedObject]:
    found = []
    try:
        directory = namespace.global_directory()
    except NtError:
        return []
    for file in sys_.listdir(directory):
        if not file.startswith(namespace.GLOBAL_PREFIX):
            continue
        try:
            status = sys_.stat(file, dir_fd=directory, follow_symlinks=False)
        except OSError:
            continue
        if stat_.S_ISREG(status.st_mode):
            item = _global_object(directory, file, status, holders)
            if item is not None:
                found.append(item)
    return found


def _global_object(
    directory: int,
    file: str,
    status: os.stat_result,
    holders: dict[tuple[int, ...], list[s.HandleEntry]],
) -> s.NamedObject | None:
    identity = status.st_dev, status.st_ino
    entries = tuple(holders.get(identity, ()))
    owner = _user(status.st_uid)
    shown = "Global\\" + file[len(namespace.GLOBAL_PREFIX) :]
    try:
        fd = _open_to_look(file, directory)
    except OSError:
        if entries:
            return s.NamedObject(shown, entries[0].type_name, entries[0].size, entries, owner)
        problem = "its security descriptor does not let this user look"
        locked = proc.lockers() if status.st_uid == os.geteuid() else None
        if locked is not None and identity not in locked:
            problem = LEFT_BEHIND
        return s.NamedObject(shown, "", status.st_size, (), owner, problem)
    try:
        facts = control_page.read(fd, status.st_size)
        kind = object_types.BY_NUMBER.get(facts.type)
        name = control_page.name(fd, facts)
        place = namespace.place_of_name(name)
        problem = ""
        if place is None or place.file != file:
            problem = f"a hard link that somebody made of {names.win32_name(name)}"
        elif not entries and not facts.flags & control_page.PERMANENT and not _has_holder(fd):
            problem = LEFT_BEHIND
        return s.NamedObject(
            shown if problem else names.win32_name(name),
            kind.name if kind else "",
            facts.size,
            entries,
            owner,
            problem,
        )
    except NtError as failure:
        return s.NamedObject(shown, "", 0, entries, owner, failure.detail)
    finally:
        sys_.close(fd)


def remains() -> list[s.NamedObject]:
    """The Global objects with their memory that killed processes left, as far as this user can
    tell."""
    return [found for found in _global({}) if found.problem == LEFT_BEHIND]


@functools.lru_cache(64)  # looking it up reads a file each time
def _user(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
