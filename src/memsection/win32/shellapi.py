# SPDX-License-Identifier: MIT
"""shellapi.h: how a command line comes apart into arguments."""

from __future__ import annotations

from memsection.vocabulary import status as st
from memsection.win32._base import LPCWSTR, failed, windows

__all__ = ["CommandLineToArgv"]


@windows
def CommandLineToArgv(lpCmdLine: LPCWSTR) -> list[str]:
    """The arguments of a command line, by the rules of Windows C programs.

    The program's name ends at the first blank, or at the closing quote when it begins with one; backslashes mean
    nothing there.  After it blanks separate arguments except between quotes; 2n backslashes before a quote are n
    backslashes, one more makes the quote an ordinary character, and two quotes inside quotes are one.

    Rights:
        None.

    Raises:
        OSError: 87: no command line.
    """
    if lpCmdLine is None:
        failed(st.INVALID_PARAMETER, "CommandLineToArgv", "no command line given")
    if not lpCmdLine:
        return []
    program, rest = _program(lpCmdLine)
    return [program, *_arguments(rest)]


def _program(line: str) -> tuple[str, str]:
    if line.startswith('"'):
        name, _, rest = line[1:].partition('"')
        return name, rest
    end = next((position for position, character in enumerate(line) if character <= " "), len(line))
    return line[:end], line[end:]


def _arguments(text: str) -> list[str]:
    arguments: list[str] = []
    current: list[str] | None = None
    quoted, position = False, 0
    while position < len(text):
        character = text[position]
        if character in " \t" and not quoted:
            if current is not None:
                arguments.append("".join(current))
                current = None
            position += 1
            continue
        current = [] if current is None else current
        backslashes = len(text[position:]) - len(text[position:].lstrip("\\"))
        position += backslashes
        if text[position:position + 1] != '"':
            current.append("\\" * backslashes)
            if not backslashes:
                current.append(character)
                position += 1
            continue
        current.append("\\" * (backslashes // 2))
        position += 1
        if backslashes % 2:
            current.append('"')
        elif quoted and text[position:position + 1] == '"':
            current.append('"')
            position += 1
        else:
            quoted = not quoted
    if current is not None:
        arguments.append("".join(current))
    return arguments
