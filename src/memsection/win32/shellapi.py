# SPDX-License-Identifier: MIT
"""shellapi.h: how a command line comes apart into arguments."""

from __future__ import annotations

import re
import sys

from memsection.vocabulary import status as st
from memsection.win32._base import LPCWSTR, refuse, windows

__all__ = ["CommandLineToArgv"]


@windows
def CommandLineToArgv(lpCmdLine: LPCWSTR) -> list[str]:
    """The arguments of a command line, by the rules of shell32.

    The program's name ends at the first blank, or at the next quote when it begins with one;
    backslashes mean nothing there.  After it blanks separate arguments except between quotes.  2n
    backslashes before a quote are n backslashes, one more makes the quote an ordinary character.
    Of consecutive quotes every third one is an ordinary character and the two before it are
    nothing; the quote that opened the quoted part counts with them.  (C programs take two quotes
    inside quotes for one and stay inside; this function does not.)

    Returns:
        The arguments; for an empty command line the path of the running program.

    Rights:
        None.

    Raises:
        OSError: 87: no command line.
    """
    if lpCmdLine is None:
        refuse(st.INVALID_PARAMETER, "CommandLineToArgv", "no command line given")
    if not lpCmdLine:
        return [sys.executable]
    program, rest = _program(lpCmdLine)
    return [program, *_arguments(rest)]


def _program(line: str) -> tuple[str, str]:
    if line.startswith('"'):
        name, _, rest = line[1:].partition('"')
        return name, rest
    end = next(
        (position for position, character in enumerate(line) if character in " \t"), len(line)
    )
    return line[:end], line[end:]


_TOKEN = re.compile(
    r'(?P<blanks>[ \t]+)|(?P<backslashes>\\*)(?P<quotes>"+)|(?P<plain>\\+|[^ \t"\\]+)'
)


def _arguments(text: str) -> list[str]:
    arguments: list[str] = []
    current: list[str] | None = None
    quotes = 0  # that count: 1 is inside a quoted part, 2 is at its end
    for token in _TOKEN.finditer(text):
        if token["blanks"] and quotes != 1:
            if current is not None:
                arguments.append("".join(current))
            current, quotes = None, 0
            continue
        if current is None:
            current = []
        if not token["quotes"]:
            current.append(token[0])
            continue
        halves, escaped = divmod(len(token["backslashes"]), 2)
        current.append("\\" * halves + '"' * escaped)
        whole, quotes = divmod(quotes + len(token["quotes"]) - escaped, 3)
        current.append('"' * whole)
        quotes %= 2
    if current is not None:
        arguments.append("".join(current))
    return arguments
