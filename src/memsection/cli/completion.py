# SPDX-License-Identifier: MIT
"""What the shell completes: names of objects, and ids of processes that hold some."""

from __future__ import annotations

import os
import re
from typing import Any

from memsection import errors
from memsection.nt import kernel

# A name that another user chose may hold a shell's commands, and what is completed stands on the
# command line unquoted: of all that means something to a shell only the backslash of a prefix may
# be in it.
_PLAIN = re.compile(r"(Global\\)?[\w.@+,:][\w.@+,:-]*\Z")


def names(incomplete: str) -> list[str]:
    """The objects whose names begin so, and mean nothing else to a shell."""
    try:
        found = sorted(
            {
                entry.name
                for entry in kernel.list_directory()
                if entry.name.startswith(incomplete) and _PLAIN.match(entry.name)
            }
        )
    except (errors.NtError, OSError):
        return []
    return [_as_typed(name) for name in found]


class _Word(str):
    """What stands on the command line for a name; it begins with whatever the name begins with,
    which is what is compared."""

    name: str

    def startswith(self, *prefix: Any) -> bool:
        return self.name.startswith(*prefix)


def _as_typed(name: str) -> str:
    """A name as the shell has to be given it."""
    shell = os.environ.get("_MEMSECTION_COMPLETE", "").removeprefix("complete_")
    if shell == "zsh":
        # What is given is read twice, as a list and as a word with a description; zsh itself quotes
        # what it puts on the line.
        return _word(name, "\\" * 4)
    typed = os.environ.get("COMP_WORDS", "").splitlines()[-1:]  # the words, a line each
    if shell == "bash" and not any(word.startswith(("'", '"')) for word in typed):
        return _word(name, "\\\\")  # it puts there what it is given
    return name


def _word(name: str, backslash: str) -> _Word:
    word = _Word(name.replace("\\", backslash))
    word.name = name
    return word


def pids(incomplete: str) -> list[str]:
    """The processes that hold named objects."""
    try:
        found = {holder.pid for entry in kernel.list_directory() for holder in entry.holders}
    except (errors.NtError, OSError):
        return []
    return [str(pid) for pid in sorted(found) if str(pid).startswith(incomplete)]
