# SPDX-License-Identifier: MIT
"""Where names are: the directories, the file of each name, and locators, the small files that lead
to a body.

It finds, makes and removes files, and checks whose they are; whether an object is alive is asked by
``find``. ``Local\\`` names are locators in a directory of the user alone; ``Global\\`` names are
the bodies themselves, in the shared one.  A name never leaves its directory: all that is not plain
is escaped, what is too long is a digest.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import errno
import os
import stat as stat_

from memsection._native import records
from memsection.nt.linux.system import syscalls as sys_
from memsection.vocabulary import names
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

ROOT_VARIABLE = "MEMSECTION_ROOT"
_MEMORY_ROOT, _OTHER_ROOT = "/dev/shm", "/tmp"
_TMPFS = 0x01021994  # statfs(2), TMPFS_MAGIC
_EVERYBODYS = 0o1777  # a sticky directory that all users may write
GLOBAL_PREFIX = "memsection."  #: of a Global\ body's file
_LONGEST = 180


class Place:
    """Where one name is kept."""

    __slots__ = (
        "checksum",
        "directory",
        "dirfd",
        "file",
        "full",
        "generation",
        "gone",
        "is_global",
        "key",
        "leaf",
        "name",
        "path",
        "uid",
    )

    def __init__(self, directory: str, leaf: str) -> None:
        import zlib

        self.directory = directory
        self.is_global = directory == "global"
        #: the directory was removed under us: look for the name again, in a new one
        self.gone = False
        self.leaf = leaf
        self.uid = os.geteuid()
        self.key = f"{self.uid} {directory} {leaf}"
        if directory == "local":
            self.dirfd = local_directory()
            self.file = escape(leaf)
            self.full = f"\\Sessions\\{self.uid}\\BaseNamedObjects\\{leaf}"
        else:
            self.dirfd = global_directory()
            self.file = GLOBAL_PREFIX + escape(leaf)
            self.full = f"{names.GLOBAL_DIRECTORY}\\{leaf}"
        self.generation = _generation
        self.path = self.file.encode()
        self.name = self.full.encode("utf-8", "surrogatepass")
        self.checksum = zlib.crc32(self.name)


def escape(leaf: str) -> str:
    """The file name of a name: itself where it is plain, else escaped; a digest where that is too
    long."""
    if (
        leaf.isascii()
        and len(leaf) <= _LONGEST
        and leaf[0] != "."
        and leaf.translate(_PLAIN).isalnum()
    ):
        return leaf
    raw = leaf.encode("utf-8", "surrogatepass")
    text = "".join(
        chr(byte) if chr(byte) in _SAFE or chr(byte) == "." and position else f"%{byte:02X}"
        for position, byte in enumerate(raw)
    )
    if len(text) <= _LONGEST:
        return text
    import hashlib

    return "%%" + hashlib.sha256(raw).hexdigest()  # nothing escaped has two in a row


def regardless_of_case(place: Place) -> Place:
    """The place of an object whose name differs from this one in case only, if there is one
    (OBJ_CASE_INSENSITIVE)."""
    prefix = place.file[: len(place.file) - len(escape(place.leaf))]
    for file in sys_.listdir(place.dirfd):
        leaf = _unescape(file[len(prefix) :]) if file.startswith(prefix) else None
        if leaf and _upper(leaf) == _upper(place.leaf):
            return Place(place.directory, leaf)
    return place


def _unescape(file: str) -> str | None:
    """The name that a file name stands for; None for a digest, and for what is no name."""
    plain, *escaped = file.split("%")
    try:
        raw = plain.encode() + b"".join(
            bytes.fromhex(part[:2]) + part[2:].encode() for part in escaped
        )
        leaf = raw.decode("utf-8", "surrogatepass")
    except ValueError:
        return None
    return leaf if leaf and escape(leaf) == file else None


def _upper(text: str) -> str:
    """Character by character, as the system's table does it: nothing becomes longer."""
    return "".join(
        character.upper() if len(character.upper()) == 1 else character for character in text
    )


_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
_PLAIN = {ord(letter): "a" for letter in "-_."}

_generation = 1  # of the directories that places are in

#: Places by the name that was given for each, relative to the directory of names; only those of the
#: user whose id they carry, and of directories that are still in use, are good (``is_current``).
known_places: dict[str, Place] = {}
_MOST_REMEMBERED = 256


def remember(name: str, place: Place) -> None:
    """Have a name lead to its place at once the next time."""
    if len(known_places) >= _MOST_REMEMBERED:
        known_places.clear()
    if place.generation == _generation:
        known_places[name] = place


def is_current(place: Place) -> bool:
    """Whether the place is this user's (N1), in a directory that is in use."""
    return place.generation == _generation and place.uid == os.geteuid()


# (which, effective uid): (descriptor, path)
known_directories: dict[tuple[str, int], tuple[int, str]] = {}


def reset() -> None:
    """Forget the directories; the next name looks for them again (``MEMSECTION_ROOT`` may have
    changed)."""
    global _generation
    _generation += 1
    known_places.clear()
    while known_directories:
        sys_.close(known_directories.popitem()[1][0])


def _refusal(path: str, found: str) -> NtError:
    return NtError(
        st.NAMESPACE_REFUSED,
        detail=f"the namespace directory {path} {found}; remove it, or set "
        f"{ROOT_VARIABLE} to another directory of yours",
    )


class NoGlobalObjectsError(NtError):
    """The directory is one in which no Global object can be: making one is refused, and none has
    any name."""

    def __init__(self, refused: NtError) -> None:
        super().__init__(refused.status, detail=refused.detail)


def _alone(find: Callable[[], int]) -> Callable[[], int]:
    """Have one thread at a time look for a directory: two would both open it, and one descriptor
    would be forgotten."""

    def find_alone() -> int:
        with records.lock:
            return find()

    find_alone.__name__, find_alone.__doc__ = find.__name__, find.__doc__
    return find_alone


@_alone
def local_directory() -> int:
    """The descriptor of this user's directory, made on first use and verified: owner, mode, no link
    (N1)."""
    uid = os.geteuid()
    known = known_directories.get(("local", uid))
    if known is not None:
        return known[0]
    path = f"{os.environ.get(ROOT_VARIABLE) or _local_root()}/memsection-{uid}"
    try:
        sys_.mkdir(path, 0o700)
    except FileExistsError:
        pass
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise NtError(
            st.DISK_FULL if full else st.NAMESPACE_REFUSED,
            detail=(
                f"the directory for names, {path}, cannot be made: {error.strerror}"
                + (
                    " (no memory or no inode is left there)"
                    if full
                    else f"; set {ROOT_VARIABLE} to another directory"
                )
            ),
        ) from None
    known_directories["local", uid] = _open_verified(path, uid), path
    return known_directories["local", uid][0]


def _local_root() -> str:
    """Where the directories of all users are: /dev/shm where it is what it is everywhere, else
    /tmp.

    That is a fact of the machine.  If a failure decided it (no inode left, which any user can bring
    about), two processes could have two objects of one name.
    """
    try:
        found = sys_.stat(_MEMORY_ROOT)
        if (
            stat_.S_ISDIR(found.st_mode)
            and found.st_mode & _EVERYBODYS == _EVERYBODYS
            and sys_.file_system(_MEMORY_ROOT.encode()) == _TMPFS
            and not sys_.statvfs(_MEMORY_ROOT).f_flag & os.ST_RDONLY
        ):
            return _MEMORY_ROOT
    except (FileNotFoundError, NotADirectoryError):
        pass
    return _OTHER_ROOT


def _open_verified(path: str, uid: int) -> int:
    try:
        fd = sys_.open(path, sys_.O_RDONLY | sys_.O_DIRECTORY | sys_.O_NOFOLLOW | sys_.O_CLOEXEC)
    except NotADirectoryError:
        raise _refusal(path, "is a link or a file") from None
    except PermissionError:
        raise _refusal(path, "belongs to somebody else") from None
    found = sys_.fstat(fd)
    if found.st_uid == uid and not found.st_mode & 0o077:
        return fd
    sys_.close(fd)
    if found.st_uid != uid:
        raise _refusal(path, f"belongs to user {found.st_uid}, not {uid}")
    raise _refusal(
        path, f"is open to others (mode {stat_.S_IMODE(found.st_mode):04o}, must be 0700)"
    )


@_alone
def global_directory() -> int:
    """The descriptor of the directory that all users share: root's, or the user's own; sticky if
    others may write."""
    uid = os.geteuid()
    known = known_directories.get(("global", uid))
    if known is not None:
        return known[0]
    path = os.environ.get(ROOT_VARIABLE) or _MEMORY_ROOT
    try:
        fd = sys_.open(path, sys_.O_RDONLY | sys_.O_DIRECTORY | sys_.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
            raise
        raise NtError(
            st.NAMESPACE_REFUSED, detail=f"Global names need the directory {path}: {error}"
        ) from None
    found = sys_.fstat(fd)
    if found.st_uid not in (0, uid) or found.st_mode & 0o022 and not found.st_mode & stat_.S_ISVTX:
        sys_.close(fd)
        raise _refusal(
            path,
            f"belongs to user {found.st_uid} with mode {stat_.S_IMODE(found.st_mode):04o}: not "
            f"root's, "
            "or open to others without the sticky bit",
        )
    # a body is made here without a name first, and its position carries the granted access (H1)
    try:
        probe = sys_.open(".", sys_.O_TMPFILE | sys_.O_RDWR | sys_.O_CLOEXEC, 0o600, dir_fd=fd)
        try:
            sys_.lseek(probe, 1 << 62, 0)
        finally:
            sys_.close(probe)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.EOPNOTSUPP, errno.EISDIR):
            sys_.close(fd)
            raise NoGlobalObjectsError(
                _refusal(path, "is not on a tmpfs, which Global objects need")
            ) from None
        # No room, or not writable for this user: what is there can still be opened.
    known_directories["global", uid] = fd, path
    return fd


def is_known(directory: str) -> bool:
    """Whether this process has used names of this directory, "local" or "global"."""
    return (directory, os.geteuid()) in known_directories


def path_of(directory: str) -> str:
    """The directory's path, for messages and for listing."""
    if directory == "local":
        local_directory()
    else:
        global_directory()
    return known_directories[directory, os.geteuid()][1]


def is_global_body(path: str) -> bool:
    """Whether a file is the memory of a Global object, by where it is: no file that the object's
    users know of."""
    directory, file = os.path.split(path)
    return file.startswith(GLOBAL_PREFIX) and directory == (
        os.environ.get(ROOT_VARIABLE) or _MEMORY_ROOT
    ).rstrip("/")


def directory_is_gone(place: Place) -> bool:
    """Whether somebody removed the directory under us; it is then forgotten, so that the next try
    makes a new one."""
    if sys_.fstat(place.dirfd).st_nlink:
        return False
    reset()
    place.gone = True
    return True


def place_of_name(full: str) -> Place | None:
    """Where a full name is kept; None for what is no name of this user's namespace."""
    try:
        directory, leaf = names.split(full, os.geteuid(), rooted=False)
        return Place(directory, leaf) if leaf else None
    except NtError:
        return None


def directory_of(full: str) -> str | None:
    """ "local", "global", or None for an unnamed object."""
    if not full:
        return None
    return "global" if full.startswith(names.GLOBAL_DIRECTORY + "\\") else "local"
