# SPDX-License-Identifier: MIT
"""The object manager's tables: handles and objects of this process, made, opened, looked up, closed.

It owns the protocol of DESIGN "the kernel is the broker": create is atomic, open never shows a dying object, close
removes the name with the last handle anywhere.  The files are ``namespace``'s, the questions "is it alive" and "was I
last" are ``lifetime``'s, what an object of a type contains is its own module's.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import errno
import os
import stat as stat_
import time
from collections.abc import Callable

from memsection._native import ending, ledger
from memsection.nt.linux import _fast, accounts, acl, bodies, closing, control_page, lifetime, namespace, sweeping
from memsection.nt.linux import syscalls as sys_
from memsection.nt.linux.handles import CURRENT_PROCESS, GIFT, LAST_PSEUDO_HANDLE, Handle, decode, invalid, mismatch, position
from memsection.vocabulary import access as a
from memsection.vocabulary import names, object_types, security
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.object_types import ObjectType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PATIENCE_SECONDS = 2.0  #: how long an open waits for somebody who is just closing or sweeping


class LocalObject(_fast.ObjectRecord):
    """What this process knows of one object it has handles to, or views of."""

    __slots__ = ()

    def __init__(self, kind: ObjectType, identity: tuple[int, ...], facts: control_page.Facts | None = None) -> None:
        self.kind = kind
        self.identity = identity
        self.facts = facts
        self.handles: set[Handle] = set()
        self.views = 0
        self.name = ""  #: full name; "" for none
        self.directory: str | None = None
        self.place: namespace.Place | None = None  # pyright: ignore[reportIncompatibleVariableOverride]
        self.place_key: str | None = None
        self.locator_fd = -1
        self.view_ro = -1  #: descriptions without a lock, which views are mapped through (L5)
        self.view_rw = -1
        self.state: Any = None  #: a synchronisation object's mapped state words
        self.fresh = False  #: made here, and no page of it was touched yet

    def display_name(self) -> str | None:
        """The name for messages."""
        return names.win32_name(self.name) if self.name else None

    def last_handle_closed(self) -> None:
        """What a type without a name does when this process has no handle to the object any more."""


lock = _fast.Lock()
_table: dict[int, Handle] = {}
_by_identity: dict[tuple[int, ...], LocalObject] = {}
_by_place: dict[str, LocalObject] = {}
_granted: dict[tuple[bytes, int, int], int] = {}
_caches_token: security.Token | None = None  # whom the table above is about


def _after_fork_in_child() -> None:
    """The child has every handle too, and counts of its own; view descriptions it must not share (their locks probe)."""
    _fast.after_fork(True)
    for obj in _by_identity.values():
        obj.shut_views()


os.register_at_fork(before=_fast.before_fork, after_in_parent=lambda: _fast.after_fork(False),
                    after_in_child=_after_fork_in_child)

_cleans_up = 0  #: the process whose end is seen to
_is_ending = False  #: whether that end has begun
_ended: set[int] = set()  #: handles that were closed because this process is about to leave without any further ado


def first_name() -> None:
    """With a process's first named object: names go at its ordinary end too, as they do on Windows."""
    global _cleans_up
    if _cleans_up != os.getpid():
        if not _cleans_up:  # a forked child has its parent's handlers
            import atexit

            atexit.register(_at_exit)
        _cleans_up = os.getpid()
        if _leaves_at_once():
            from multiprocessing.util import Finalize

            Finalize(None, _close_named_handles, exitpriority=-50)  # after everybody who may still want them


def _at_exit() -> None:
    """See to it that this process's names go with it.

    Other handlers and finalizers, called before or after this one, may use every object: the names go when the
    interpreter has ended.
    """
    global _is_ending
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        # Its children, which may still want the names, are joined first, and its queues, which may still pickle a
        # handle, flushed.  It does so only once, and in a child of Python 3.13 after this otherwise.
        util._exit_function()
    if _leaves_at_once():
        _close_named_handles()
        return
    _is_ending = True
    _fast.switch(False)  # which does not note what is made from here on
    for handle in all_handles():
        _note_for_the_end(handle)


def _leaves_at_once() -> bool:
    """Whether this is a forked child of multiprocessing, which calls that one's finalizers and then _exit(2)."""
    process = sys.modules.get("multiprocessing.process")
    return (process is not None and process.parent_process() is not None
            and "--multiprocessing-fork" not in sys.orig_argv)


def _close_named_handles() -> None:
    for handle in all_handles():
        if handle.obj.name and handle.kind.number <= 4:
            try:
                with lock:
                    _ended.add(handle.value)
                    ledger.finish(_close, handle)
            except (OSError, NtError):
                continue  # it is gone already; the kernel closes what is left
    closing.settle()


def _note_for_the_end(handle: Handle) -> None:
    obj = handle.obj
    place = lifetime.place_of_name(obj.name) if obj.name and handle.kind.number <= 4 else None
    if place is not None:
        ending.add(handle.fd, place.dirfd, place.path, place.directory == "global", control_page.FLAGS_BEFORE_END,
                   control_page.PERMANENT)


# ---------------------------------------------------------------------- handles


def register(fd: int, kind: ObjectType, access: int, obj: LocalObject, *, data_fd: int = -1, inherit: bool = False,
             tag: bool = True, value: int = 0) -> Handle:
    """Make a descriptor a handle.  On failure the descriptor is still the caller's."""
    if tag:
        sys_.lseek(fd, position(access, data_fd), 0)
    if inherit:
        sys_.set_inheritable(fd, True)
        if data_fd >= 0:
            sys_.set_inheritable(data_fd, True)
    handle = Handle(fd, kind, access, obj, data_fd, value)
    with lock:
        stale = _table.get(handle.value)
        if stale is not None:  # closed behind our back; the number is used again
            _forget(stale)
        _table[handle.value] = handle
        obj.handles.add(handle)
        _by_identity[obj.identity] = obj
    if _is_ending:
        _note_for_the_end(handle)
    return handle


def _forget(handle: Handle) -> None:
    _table.pop(handle.value, None)
    handle.obj.handles.discard(handle)


def lookup(value: int, kind: ObjectType | None = None, access: int = 0) -> Handle:
    """The handle of this value, of this type, granting this access.

    Raises:
        NtError: INVALID_HANDLE, OBJECT_TYPE_MISMATCH, ACCESS_DENIED.
    """
    handle = _table.get(value & ~3)
    if handle is None:
        if value == CURRENT_PROCESS and kind is not None:
            raise NtError(st.OBJECT_TYPE_MISMATCH, detail=f"the pseudo handle of the process is no {kind.noun}")
        handle = _adopt(value)
    elif handle.kind.number <= 4 and not _still(handle):
        raise invalid(value)
    if kind is not None and handle.kind is not kind:
        raise mismatch(handle, kind)
    if access & ~handle.access:
        handle.require(access)
    return handle


def _still(handle: Handle) -> bool:
    """Whether the descriptor still is that handle: another process may have taken it away (H2)."""
    try:
        if decode(sys_.lseek(handle.fd, 0, 1)) is not None:
            return True
    except OSError:  # closed behind our back
        with lock:
            _forget(handle)
        return False
    with lock:
        if _table.get(handle.value) is handle:
            handle.protected = False
            ledger.finish(_close, handle)
    return False


def _adopt(value: int) -> Handle:
    """A handle that this process was given without a call: inherited through exec, or put here by another process."""
    value &= ~3
    if value <= 0:
        raise invalid(value)
    if value >= GIFT:
        from memsection.nt.linux import duplicate

        return duplicate.accept(value)
    fd = value // 4
    try:
        found = sys_.fstat(fd)
    except (OSError, OverflowError):
        raise invalid(value) from None
    if fd < 3:
        raise invalid(value)
    if not stat_.S_ISREG(found.st_mode):
        from memsection.nt.linux import process

        return process.adopt_process(fd, value)
    carried = decode(sys_.lseek(fd, 0, 1))
    if carried is None:
        from memsection.nt.linux import file

        return file.adopt(fd, found, value)
    access, data_fd, protected = carried
    try:
        facts = bodies.read(fd, found)
        kind = object_types.BY_NUMBER[facts.type]
        if data_fd >= 0:  # whoever made this description could write any number there
            data = sys_.fstat(data_fd)
            if (data.st_dev, data.st_ino) != facts.file_identity:
                raise invalid(value)
    except NtError as failure:
        raise invalid(value, failure.detail) from None
    except OSError:
        raise invalid(value) from None
    with lock:
        obj = known(found, kind, facts, fd)
        handle = register(fd, kind, access & kind.valid, obj, data_fd=data_fd, tag=False)
        handle.protected = protected
    return handle


def known(found: os.stat_result, kind: ObjectType, facts: control_page.Facts, fd: int) -> LocalObject:
    """The object with this body, new to this process or not."""
    identity = (found.st_dev, found.st_ino)
    obj = _by_identity.get(identity)
    if obj is None:
        obj = LocalObject(kind, identity, facts)
        obj.name = control_page.name(fd, facts)
        obj.directory = lifetime.directory_of(obj.name)
        if obj.name:
            first_name()
    return obj


def close(value: int) -> None:
    """NtClose."""
    if value in _ended:
        _ended.discard(value)
        return
    if LAST_PSEUDO_HANDLE <= value <= CURRENT_PROCESS:
        return  # of the current process, its threads and tokens: nothing to close, and no error (Windows 10)
    handle = lookup(value)
    with lock:
        if handle.protected:
            raise NtError(st.HANDLE_NOT_CLOSABLE, name=handle.obj.display_name())
        if _table.get(handle.value) is not handle:
            raise invalid(value)
        ledger.finish(_close, handle)
    closing.look_again()


def _close(handle: Handle) -> None:
    """Close a handle; with the last one anywhere the object's name goes (L1, L3).

    Called through ``finish``: each step may be done again when a signal handler raised before it was known to be done.
    """
    obj = handle.obj
    _forget(handle)
    if obj.handles or obj.kind.number > 4:
        handle.shut()
        if not obj.handles:
            _by_identity.pop(obj.identity, None)
            obj.last_handle_closed()
    else:
        _close_last_of_process(handle, obj)


def _close_last_of_process(handle: Handle, obj: LocalObject) -> None:
    if obj.place_key is not None:
        _by_place.pop(obj.place_key, None)
        obj.place_key = None
    if obj.name and handle.fd >= 0 and obj.view_ro < 0 and obj.view_rw < 0:
        # A description of its own asks "was I last?" after the handle is closed (L3).
        try:
            obj.view_ro = lifetime.reopen(handle.fd, sys_.O_RDONLY)
        except OSError:
            # No descriptor left, or another user's object that is no longer open to this one.  Closing must not
            # fail for that: a name whose object is gone is swept by whoever meets it.
            pass
    handle.shut()
    probe = obj.view_ro if obj.view_ro >= 0 else obj.view_rw
    if obj.name and probe >= 0:
        if not lifetime.remove_name_if_last(probe, obj):
            closing.doubt(probe, obj)
    obj.shut_locator()
    if obj.state is not None:
        obj.state.close()
        obj.state = None
    if not obj.views:
        _by_identity.pop(obj.identity, None)
        obj.shut_views()


def view_descriptor(handle: Handle, *, writable: bool) -> int:
    """The descriptor that views of this handle's object are mapped through: one without a lock (L5)."""
    if handle.data_fd >= 0:
        return handle.data_fd
    obj = handle.obj
    try:
        with lock:
            if writable:
                if obj.view_rw < 0:
                    obj.view_rw = lifetime.reopen(handle.fd, sys_.O_RDWR)
                return obj.view_rw
            if obj.view_ro < 0:
                obj.view_ro = lifetime.reopen(handle.fd, sys_.O_RDONLY)
            return obj.view_ro
    except PermissionError:
        # What was granted stays, though the descriptor now says otherwise, or the debug privilege got the handle.  The
        # view then keeps the handle's own lock, and with it the name, until it is unmapped.
        return handle.fd


# ---------------------------------------------------------------------- names, attributes, access


def place_of(attributes: Any) -> namespace.Place | None:
    """Where the name in OBJECT_ATTRIBUTES leads; None for none, a Place with an empty leaf for the directory."""
    name = attributes.ObjectName
    root = attributes.RootDirectory
    if name is None and root:
        raise NtError(st.OBJECT_NAME_INVALID, detail="a directory is given, but no name in it")
    if name is None or not name and not root:
        return None
    if root:
        lookup(root, object_types.DIRECTORY)
    directory, leaf = names.split(name, os.geteuid(), rooted=bool(root))
    if leaf in names.LINKS:
        raise NtError(st.OBJECT_TYPE_MISMATCH, name=leaf, detail="the name is taken by a prefix, which is a link")
    if not leaf:
        return None if root else _directory_itself(name)
    if "\0" in leaf:
        raise NtError(st.OBJECT_NAME_INVALID, name=leaf.replace("\0", "\\0"), detail="a name cannot contain NUL")
    place = namespace.Place(directory, leaf)
    if attributes.Attributes & s.OBJ_CASE_INSENSITIVE and not _exists(place):
        return namespace.regardless_of_case(place)
    return place


def _directory_itself(name: str) -> namespace.Place:
    raise NtError(st.OBJECT_TYPE_MISMATCH, name=name, detail="the path leads to a directory")


def grant(descriptor: bytes, desired: int, kind: ObjectType) -> int:
    """The access that this caller gets of what it desires: all of it, or ACCESS_DENIED (R1)."""
    token = _token()
    key = (descriptor, desired, kind.number)
    granted = _granted.get(key)
    if granted is None:
        granted = security.access_check(descriptor, token, desired, kind)
        if len(_granted) > 256:
            _granted.clear()
        _granted[key] = granted
    return granted


def _token() -> security.Token:
    """The caller's token; answers remembered for another one are forgotten."""
    global _caches_token
    token = accounts.current_token()
    if token is not _caches_token:
        _granted.clear()
        _caches_token = token
    return token


def needs_write(kind: ObjectType, access: int, facts: control_page.Facts | None = None) -> bool:
    """Whether a handle with this access must be able to write the body.

    The body of a section whose data is another file is only the record of which file that is: who may write the data
    must not be able to write another file's name there (S2).
    """
    if facts is not None and facts.file_identity is not None:
        return False
    if kind is object_types.SECTION:
        return access & a.SECTION_MAP_WRITE != 0
    return access & (a.SYNCHRONIZE | 0x2) != 0


# ---------------------------------------------------------------------- create and open

Build = Callable[[namespace.Place | None, "acl.Floor", bytes], tuple[int, control_page.Facts, int]]


def create(kind: ObjectType, access: int, attributes: Any, build: Build) -> tuple[int, Handle]:
    """Create an object, or open the existing one when OBJ_OPENIF says so (NtCreate*).

    ``build`` makes the body: it gets the place and the floor and gives the body's descriptor (open for reading and
    writing, control page written, nothing locked), its facts and the data descriptor or -1.

    Returns:
        (SUCCESS or OBJECT_NAME_EXISTS, handle).
    """
    place = place_of(attributes) if attributes is not None else None
    flags = attributes.Attributes if attributes is not None else 0
    given = attributes.SecurityDescriptor if attributes is not None else None
    if place is None:
        return st.SUCCESS, _make(kind, access, None, flags, given, build)
    closing.look_again()
    sweeping.look(place.directory)
    try:
        deadline = 0.0
        while True:
            if flags & s.OBJ_OPENIF or _exists(place):
                try:
                    existing = _open_named(kind, access if flags & s.OBJ_OPENIF else None, place, flags)
                except NtError as failure:
                    if failure.status != st.OBJECT_NAME_NOT_FOUND:
                        raise
                else:
                    if existing is None:
                        raise NtError(st.OBJECT_NAME_COLLISION)
                    return st.OBJECT_NAME_EXISTS, existing
            try:
                return st.SUCCESS, _make(kind, access, place, flags, given, build)
            except FileExistsError:
                pass  # somebody was faster: open theirs
            except (FileNotFoundError, PermissionError):  # ext4 says EPERM in a directory that was removed
                if not namespace.directory_is_gone(place):
                    raise
            if place.gone:
                place = namespace.Place(place.directory, place.leaf)
            deadline = _patience(deadline, place)
    except NtError as failure:
        failure.name = failure.name or names.win32_name(place.full)
        raise


def open_(kind: ObjectType, access: int, attributes: Any) -> Handle:
    """Open an existing object by name (NtOpen*)."""
    try:
        return _open(kind, access, attributes)
    except namespace.NoGlobalObjectsError as failure:
        raise NtError(st.OBJECT_NAME_NOT_FOUND, name=attributes.ObjectName,
                      detail=f"no object of that name, and there can be none: {failure.detail}") from None


def _open(kind: ObjectType, access: int, attributes: Any) -> Handle:
    simple = _fast.open_(kind, access, attributes)
    if simple is not None:
        return simple
    if attributes is None:
        raise NtError(st.INVALID_PARAMETER, detail="opening needs a name")
    if not attributes.ObjectName and not attributes.RootDirectory:
        raise NtError(st.OBJECT_PATH_SYNTAX_BAD, detail="opening needs a name")
    place = place_of(attributes)
    if place is None:
        raise NtError(st.OBJECT_TYPE_MISMATCH, detail="an empty name leads to the directory itself")
    closing.look_again()
    if place.directory == "global":
        sweeping.look("global")
    try:
        handle = _open_named(kind, access, place, attributes.Attributes)
    except NtError as failure:
        failure.name = failure.name or names.win32_name(place.full)
        raise
    assert handle is not None
    return handle


def _exists(place: namespace.Place) -> bool:
    try:
        sys_.stat(place.file, dir_fd=place.dirfd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _patience(deadline: float, place: namespace.Place) -> float:
    """Wait a moment for somebody who is just closing or sweeping; give up after PATIENCE_SECONDS."""
    now = time.monotonic()
    if not deadline:
        time.sleep(0)
        return now + PATIENCE_SECONDS
    if now > deadline:
        raise NtError(st.HOLDER_OUT_OF_REACH, name=names.win32_name(place.full),
                      detail=f"for {PATIENCE_SECONDS:g} s its name was held by a process whose descriptors this one may not "
                             "look into (another PID namespace?), or that was closing it; or it is what a crashed process "
                             "of another user left, which that user or root can remove")
    time.sleep(0.0002)
    return deadline


@ledger.whole
def _make(kind: ObjectType, access: int, place: namespace.Place | None, flags: int, given: bytes | None,
          build: Build) -> Handle:
    """A new object under a free name, complete before anybody can see it.  FileExistsError if the name is taken."""
    token = accounts.current_token()
    descriptor = security.creation_descriptor(given, token, kind)
    floor = acl.floor(descriptor, kind)
    access = kind.specific(access)
    if access & a.MAXIMUM_ALLOWED:
        access = access & ~a.MAXIMUM_ALLOWED | kind.generic_all
    if access & ~kind.valid:
        raise NtError(st.ACCESS_DENIED, detail=f"no {kind.noun} has the rights {access & ~kind.valid:#x}")
    try:
        fd, facts, data_fd = build(place, floor, descriptor)
    except (NtError, OSError) as failure:
        if not _is_shortage(failure) or not sweeping.remove_all_dead():
            raise
        fd, facts, data_fd = build(place, floor, descriptor)  # with the memory that the dead had
    lifetime.hold(fd)
    found = sys_.fstat(fd)
    if not needs_write(kind, access, facts):  # the creator's own rights are the kernel's business too (R2)
        fd, stronger = lifetime.reopen(fd, sys_.O_RDONLY), fd
        sys_.close(stronger)
        lifetime.hold(fd)
    sys_.lseek(fd, position(access, data_fd), 0)
    if place is not None:
        first_name()
    with lock:
        obj = LocalObject(kind, (found.st_dev, found.st_ino), facts)
        if place is not None:
            obj.name, obj.directory, obj.place = place.full, place.directory, place
        # It is in the table before it has its name: whoever is interrupted then closes it, and with it the name goes.
        handle = register(fd, kind, access, obj, data_fd=data_fd, inherit=bool(flags & s.OBJ_INHERIT), tag=False)
        if place is not None:
            _publish(fd, obj, place)
            obj.place_key = place.key
            _by_place[place.key] = obj
            if _is_ending:
                _note_for_the_end(handle)
        return handle


def _is_shortage(failure: NtError | OSError) -> bool:
    """Whether there was no memory, or no room on the mount."""
    if isinstance(failure, NtError):
        return failure.status in (st.COMMITMENT_LIMIT, st.DISK_FULL, st.NO_MEMORY)
    return failure.errno in (errno.ENOSPC, errno.ENOMEM, errno.EDQUOT)


def _publish(fd: int, obj: LocalObject, place: namespace.Place) -> None:
    """Give a complete body its name (N2): by a locator, or where the body itself is linked without one."""
    linked = fd
    if place.directory != "global":
        linked = obj.locator_fd = sys_.open(".", sys_.O_TMPFILE | sys_.O_RDWR, 0o600, dir_fd=place.dirfd)
        namespace.write_locator(linked, obj.kind.number, (obj.identity[0], obj.identity[1]), place.full, (os.getpid(), fd))
        lifetime.hold(linked)
    sys_.link(f"/proc/self/fd/{linked}", place.file, dst_dir_fd=place.dirfd, follow_symlinks=True)


waiting: list[tuple[int, int, int, str]] = []  #: handles given to others, which have not fetched them (``duplicate``)


def _open_named(kind: ObjectType, access: int | None, place: namespace.Place, flags: int) -> Handle | None:
    """Open what the name leads to; with access None only find out that it lives, and give None."""
    deadline = 0.0
    if waiting:  # what is kept for a receiver that has died must not keep the name
        from memsection.nt.linux import duplicate

        duplicate.settle()
    while True:
        with lock:
            mine = _own_handle(place)
            if mine is not None:  # a handle of our own keeps the name and the object alive (L1)
                return _open_body(kind, access, mine.obj, lifetime.Found(mine.fd), flags)
        found = lifetime.find(place, writable=access is not None and needs_write(kind, kind.specific(access)))
        if found is not None:
            try:
                with lock:
                    return _open_body(kind, access, None, found, flags, place)
            finally:
                found.release()
        if place.gone:
            place = namespace.Place(place.directory, place.leaf)
        deadline = _patience(deadline, place)


def _own_handle(place: namespace.Place) -> Handle | None:
    """A handle of this process to what has the name; one that another process took away keeps nothing alive (H2)."""
    obj = _by_place.get(place.key)
    while obj is not None and obj.handles:
        handle = next(iter(obj.handles))
        if _still(handle):
            if not _is_superseded(handle):
                return handle
            forget_place(obj)
        obj = _by_place.get(place.key)
    return None


def _is_superseded(handle: Handle) -> bool:
    """Whether the name of a section that this process has may have gone to another one (``succession``)."""
    facts = handle.obj.facts
    if facts is None or handle.kind is not object_types.SECTION:
        return False
    return bool(control_page.read(handle.fd, facts.body_size).flags & control_page.SUPERSEDED)


def forget_place(obj: LocalObject) -> None:
    """From now on the name is looked up, whatever handles this process has to the object."""
    if obj.place_key is not None and _by_place.get(obj.place_key) is obj:
        del _by_place[obj.place_key]
    obj.place_key = None


def remember_place(obj: LocalObject) -> None:
    """A handle of this process to the object is a way to its name."""
    assert obj.place_key is not None
    _by_place[obj.place_key] = obj


@ledger.whole
def _open_body(kind: ObjectType, access: int | None, obj: LocalObject | None, found: lifetime.Found, flags: int,
               place: namespace.Place | None = None) -> Handle | None:
    """A handle to a living body, which ``found`` (or a handle of ours) keeps alive meanwhile."""
    body = sys_.fstat(found.fd)
    facts = bodies.read(found.fd, body, place)
    actual = object_types.BY_NUMBER[facts.type]
    if actual is not kind:
        raise NtError(st.OBJECT_TYPE_MISMATCH, detail=f"asked for {kind.a_noun}, the name means {actual.a_noun}")
    if access is None:
        return None
    if access == 0:
        raise NtError(st.ACCESS_DENIED, detail="an existing object cannot be opened with no access at all")
    granted = grant(facts.descriptor, access, kind)
    if obj is not None:
        obj.facts = facts
    writable = needs_write(kind, granted)
    data_fd = lifetime.open_data(found, facts, writable=writable) if facts.file_identity is not None else -1
    fd = -1
    try:
        fd = found.handle_descriptor(writable=needs_write(kind, granted, facts))
        return _attach(fd, kind, granted, data_fd, flags, obj, found, facts, place, (body.st_dev, body.st_ino))
    except BaseException:
        if fd >= 0 and not _fast.is_open(fd * 4):
            lifetime.give_up(fd, place)
        raise


def _attach(fd: int, kind: ObjectType, granted: int, data_fd: int, flags: int, obj: LocalObject | None,
            found: lifetime.Found, facts: control_page.Facts, place: namespace.Place | None,
            identity: tuple[int, int]) -> Handle:
    if obj is None:
        obj = _by_identity.get(identity)
        if obj is None:
            obj = LocalObject(kind, identity, facts)
        if place is not None:
            first_name()
            obj.name, obj.directory = place.full, place.directory
            obj.place, obj.place_key = place, place.key
            if obj.locator_fd < 0:
                obj.locator_fd = found.keep_locator()
            hint = os.getpid(), fd
            if obj.locator_fd >= 0 and hint not in found.hints:
                namespace.write_hint(obj.locator_fd, namespace.hint_slot(hint[0]), hint)
    handle = register(fd, kind, granted, obj, data_fd=data_fd, inherit=bool(flags & s.OBJ_INHERIT))
    if obj.place_key is not None:
        _by_place[obj.place_key] = obj
    return handle


def enter(handle: Handle) -> None:
    """Put a handle without a descriptor into the table."""
    _table[handle.value] = handle
    handle.protected = True


def discard(handle: Handle, *, close: bool = True) -> None:
    """Take a handle out of the table; its descriptors are closed, or the caller's from now on.

    For handles that are not the last: nothing is asked about the name.
    """
    with lock:
        _forget(handle)
        if close:
            sys_.close(handle.fd)
            if handle.data_fd >= 0:
                sys_.close(handle.data_fd)


def rename(handle: Handle, value: int) -> None:
    """Give a handle another value than its descriptor's: the one that another process told."""
    with lock:
        _table.pop(handle.value, None)
        handle.value = value
        _table[value] = handle


def all_handles() -> list[Handle]:
    """Every handle in the table."""
    with lock:
        return list(_table.values())


def find_identity(identity: tuple[int, ...]) -> LocalObject | None:
    """The object with this identity, if this process knows it."""
    return _by_identity.get(identity)
