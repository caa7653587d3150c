# SPDX-License-Identifier: MIT
"""Object names: the directories, the prefixes that Win32 names use, and what is a valid name.

Pure text.  How a name becomes a file is in ``nt.linux.names``.
"""

from __future__ import annotations

from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError

#: of a full name, in UTF-16 code units (conformance: names.the_longest_name)
MAXIMUM_CHARACTERS = 32766
GLOBAL_DIRECTORY = "\\BaseNamedObjects"
SESSIONS_DIRECTORY = "\\Sessions"
_SESSION_LINKS = SESSIONS_DIRECTORY + "\\BNOLINKS"  #: what the link Session leads to
#: Symbolic links in every BaseNamedObjects directory: taken by something that is no section
#: (names.the_prefix_words...).
LINKS = {"Global": "global", "Local": "local", "Session": "session"}


def local_directory(session: int) -> str:
    """The directory that an unprefixed or ``Local\\`` name is in."""
    return f"\\Sessions\\{session}\\BaseNamedObjects"


def utf16_length(text: str) -> int:
    """Characters as Windows counts them."""
    # Not by encoding: a handle may be closed when the interpreter has already taken its codecs
    # apart.
    return (
        len(text) if text.isascii() else len(text) + sum(character > "\uffff" for character in text)
    )


def win32_name(full: str) -> str:
    """The name a Win32 program would give for a full object name: ``leaf`` or ``Global\\leaf``."""
    directory, _, leaf = full.rpartition("\\")
    if directory == GLOBAL_DIRECTORY:
        return f"Global\\{leaf}"
    return leaf


def split(path: str, session: int, *, rooted: bool) -> tuple[str, str]:
    """Where an object path leads: ``("local" | "global", leaf)``.

    Args:
        path: A full path (``\\BaseNamedObjects\\leaf``), or one relative to the session's
            directory.
        session: The session number of the caller.
        rooted: Whether the path is relative to the session's directory of named objects.

    Returns:
        The directory and the leaf; the leaf is empty when the path leads to the directory itself.

    Raises:
        NtError: With the status that Windows gives for this path (conformance: names,
            native.path_errors).
    """
    if utf16_length(path) > MAXIMUM_CHARACTERS:
        raise NtError(
            st.OBJECT_NAME_INVALID, detail=f"the name has more than {MAXIMUM_CHARACTERS} characters"
        )
    if rooted:
        if path.startswith("\\"):
            raise NtError(st.OBJECT_PATH_SYNTAX_BAD, detail="a name may not begin with a backslash")
        return _below("local", path, session)
    if not path.startswith("\\"):
        raise NtError(
            st.OBJECT_PATH_SYNTAX_BAD, detail="a full object path begins with a backslash"
        )
    for directory, prefix in (("global", GLOBAL_DIRECTORY), ("local", local_directory(session))):
        if path in (prefix, "\\"):  # the root itself is a directory, too
            return directory, ""
        if path.startswith(prefix + "\\"):
            return _below(directory, path[len(prefix) + 1 :], session, empty_is_invalid=True)
    if "\\\\" in path:
        raise NtError(st.OBJECT_NAME_INVALID, detail="the path has an empty component")
    if "\\" not in path[1:]:
        raise NtError(
            st.OBJECT_NAME_NOT_FOUND, detail="there is no such object in the root directory"
        )
    raise NtError(st.OBJECT_PATH_NOT_FOUND, detail="there is no such object directory")


def _below(
    directory: str, rest: str, session: int, *, empty_is_invalid: bool = False
) -> tuple[str, str]:
    head, separator, tail = rest.partition("\\")
    if not separator:
        if not rest and empty_is_invalid:
            raise NtError(st.OBJECT_NAME_INVALID, detail="the name ends with a backslash")
        return directory, rest
    if head in LINKS:
        if not tail:
            raise NtError(st.OBJECT_NAME_INVALID, detail=f"nothing follows the prefix {head}\\")
        if head != "Session":
            return _below(
                "global" if head == "Global" else "local", tail, session, empty_is_invalid=True
            )
        number, separator, tail = tail.partition("\\")
        if separator and number == str(session):
            return _below("local", tail, session, empty_is_invalid=True)
        raise NtError(
            st.OBJECT_PATH_NOT_FOUND,
            detail=f"the session of this process is {session}, not '{number}'",
        )
    if not head or tail.startswith("\\"):
        raise NtError(st.OBJECT_NAME_INVALID, detail="the path has an empty component")
    raise NtError(
        st.OBJECT_PATH_NOT_FOUND,
        detail=f"a backslash separates directories, and there is no directory '{head}'",
    )


def directories_in(directory: str, session: int) -> dict[str, str]:
    """What leads from an object directory to others, by name: the full names of those."""
    own = local_directory(session)
    known = {
        "\\": {"BaseNamedObjects": GLOBAL_DIRECTORY, "Sessions": SESSIONS_DIRECTORY},
        SESSIONS_DIRECTORY: {
            "BNOLINKS": _SESSION_LINKS,
            str(session): f"{SESSIONS_DIRECTORY}\\{session}",
        },
        f"{SESSIONS_DIRECTORY}\\{session}": {"BaseNamedObjects": own},
        _SESSION_LINKS: {str(session): own},
    }
    if directory in (GLOBAL_DIRECTORY, own):
        return {"Global": GLOBAL_DIRECTORY, "Local": own, "Session": _SESSION_LINKS}
    return known.get(directory, {})


def has_links(directory: str) -> bool:
    """Whether what leads from a directory to others are symbolic links, not directories."""
    return directory == _SESSION_LINKS or directory.endswith("BaseNamedObjects")


def spell(path: str, session: int, *, rooted: bool) -> str:
    """A path with its directories as their names are written, whatever their case in it.

    What may be an object's own name is left alone.
    """
    found = local_directory(session) if rooted else "\\"
    parts = path.split("\\")
    for position in range(0 if rooted else 1, len(parts)):
        if position == len(parts) - 1 and has_links(found):
            break
        below = directories_in(found, session)
        part = _spelling(parts[position], below)
        if part not in below:
            break
        parts[position], found = part, below[part]
    return "\\".join(parts)


def _spelling(part: str, below: dict[str, str]) -> str:
    """A part of a path as the directory's name is written that it means, whatever its case; as it
    is where it means none."""
    return next((name for name in below if name.upper() == part.upper()), part)


def first_object(path: str, session: int, *, rooted: bool) -> tuple[str, str] | None:
    """What a path asks to be a directory and is none that there is: the directory that this is in,
    "local" or "global", and its name; None where there is nothing like that."""
    found = local_directory(session) if rooted else "\\"
    for part in path.split("\\")[0 if rooted else 1 : -1]:
        below = directories_in(found, session)
        if part not in below:
            kept = {GLOBAL_DIRECTORY: "global", local_directory(session): "local"}.get(found)
            return (kept, part) if kept and part and "\0" not in part else None
        found = below[part]
    return None


def directory_of_path(path: str, session: int, *, ignore_case: bool = False) -> str:
    """The full name of the object directory that a full path leads to, links followed.

    Raises:
        NtError: OBJECT_PATH_SYNTAX_BAD, OBJECT_NAME_INVALID; OBJECT_NAME_NOT_FOUND where the last
            part is no directory, OBJECT_PATH_NOT_FOUND where another part is none.
    """
    if utf16_length(path) > MAXIMUM_CHARACTERS:
        raise NtError(
            st.OBJECT_NAME_INVALID, detail=f"the name has more than {MAXIMUM_CHARACTERS} characters"
        )
    if not path.startswith("\\"):
        raise NtError(
            st.OBJECT_PATH_SYNTAX_BAD, detail="a full object path begins with a backslash"
        )
    parts = path[1:].split("\\") if len(path) > 1 else []
    found = "\\"
    for position, part in enumerate(parts, 1):
        if not part or "" in parts[position:-1]:
            raise NtError(st.OBJECT_NAME_INVALID, detail="the path has an empty component")
        below = directories_in(found, session)
        if ignore_case:
            part = _spelling(part, below)
        if part not in below:
            raise NtError(
                st.OBJECT_NAME_NOT_FOUND if position == len(parts) else st.OBJECT_PATH_NOT_FOUND,
                name=path,
                detail=f"there is no directory of that name in {found}",
            )
        found = below[part]
    return found
