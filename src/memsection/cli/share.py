# SPDX-License-Identifier: MIT
"""``memsection share FILE NAME``: a file's bytes, or a pipe's, in a named section."""

from __future__ import annotations

import os
import signal
import stat
import sys
import time
from contextlib import ExitStack
from typing import IO, Annotated, Any

import typer

from memsection import Event, Section, errors
from memsection.cli import content, contents, formats
from memsection.cli.output import err, parse_size, progress, size_words
from memsection.vocabulary import status as st
from memsection.vocabulary.text import shown

_CHUNK = 8 * 1024 * 1024


def share(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The file; - for standard input.")],
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help=r"The section's name; Global\NAME for other users."),
    ],
    security: Annotated[
        str | None,
        typer.Option(
            help="Who may open it, as SDDL text; this user alone if not given.", metavar="SDDL"
        ),
    ] = None,
    follow: Annotated[
        bool,
        typer.Option(
            "--follow",
            "-f",
            help="Pass the bytes on as they come, however many, to one 'memsection cat NAME'.",
        ),
    ] = False,
    plain: Annotated[
        bool,
        typer.Option(
            "--bytes",
            help="The file as it is, also where its name says that it holds an array or a table.",
        ),
    ] = False,
    buffer: Annotated[
        str, typer.Option(help="With --follow: how much may wait to be read.", metavar="SIZE")
    ] = "1M",
) -> None:
    """Put a file's bytes into a named section, and hold it until Ctrl-C.

    'memsection cat NAME' writes them out again, from any process. With --follow it ends by itself
    when everything was read.

    A file .npy, .npz, .parquet, .arrow, .feather or .csv becomes an array or a table; 'memsection
    save NAME FILE' is the reverse. Each of several arrays of a .npz file has the name NAME.KEY.
    """
    told = _end_by_signals()
    try:
        if formats.is_typed(file) and not (plain or follow):
            _hold_typed(file, name, security)
        with _source(file) as source:
            if follow:
                _stream(source, name, security, parse_size(buffer))
                return
            section, length = _fill(source, name, security)
        with section:
            _hold(name, length, "standard input" if file == "-" else file)
    except KeyboardInterrupt:
        err.print(shown(f"'{name}': let go"))
        raise typer.Exit(130 if signal.SIGINT in told else 0) from None


def _end_by_signals() -> list[int]:
    """SIGINT and SIGTERM end this command from now on; which of them came is entered in the list.

    A shell's background job begins with Ctrl-C ignored.
    """
    told: list[int] = []

    def end(ending: int, _: object) -> None:
        told.append(ending)
        raise KeyboardInterrupt

    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, end)
    return told


def _hold(name: str, length: int, origin: str) -> None:
    """Tell what is shared, and stay until Ctrl-C."""
    err.print(
        shown(
            f"'{name}': {length} bytes ({size_words(length)}) from {origin}, held by process "
            f"{os.getpid()} until Ctrl-C"
        )
    )
    while True:
        time.sleep(3600)


def _hold_typed(file: str, name: str, security: str | None) -> None:
    """Share the arrays or the table of a file, until Ctrl-C."""
    with _source(file), ExitStack() as stack:
        try:
            made = formats.load(file, name, security)
        except ImportError as missing:
            raise errors.Error(
                f"share '{file}': {missing}; --bytes shares it as it is", ntstatus=st.NOT_SUPPORTED
            ) from None
        for full, section in made:
            stack.enter_context(section)
            words = contents.content_of(section).words()
            err.print(
                shown(f"'{full}': {words} from {file}, held by process {os.getpid()} until Ctrl-C")
            )
        while True:
            time.sleep(3600)


def _source(file: str) -> IO[bytes]:
    """The file, open; what is wrong with it as an error of this library."""
    if file == "-":
        return open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)
    try:
        return open(file, "rb", buffering=0)
    except OSError as problem:
        kinds = {
            FileNotFoundError: (errors.NotFoundError, st.NO_SUCH_FILE),
            PermissionError: (errors.AccessError, st.ACCESS_DENIED),
            IsADirectoryError: (errors.Error, st.FILE_IS_A_DIRECTORY),
        }
        kind, status = kinds.get(type(problem), (errors.Error, st.UNEXPECTED_IO_ERROR))
        raise kind(f"share '{file}': cannot be read: {problem.strerror}", ntstatus=status) from None


def _fill(source: IO[bytes], name: str, security: str | None) -> tuple[Section, int]:
    """A section with everything that the source has, and how much that is."""
    facts = os.fstat(source.fileno())
    if not (stat.S_ISREG(facts.st_mode) and facts.st_size):
        return _fill_unknown(source, name, security)
    section = None
    try:
        with content.announcement(name):
            section = Section.create(name, facts.st_size + content.SIZE, security=security)
            view = section.map()
            trailer = content.Content.write(view, content.FILLING, facts.st_size)
        with view, progress(name, facts.st_size) as bar:
            done = 0
            while done < facts.st_size:
                with memoryview(view)[done : min(done + _CHUNK, facts.st_size)] as place:
                    count: int = _reader(source)(place)
                if not count:
                    break  # the file was cut while we read it: what there was is what is shared
                done += count
                bar.update(bar.task_ids[0], completed=done)
            trailer.length = done
            trailer.state = content.WHOLE
            trailer.release()
    except BaseException:
        if section is not None:
            section.close()
        raise
    return section, done


def _fill_unknown(source: IO[bytes], name: str, security: str | None) -> tuple[Section, int]:
    """The same for a pipe, whose length is known at its end."""
    data = bytearray()
    with progress(name, None) as bar:
        while chunk := source.read(1 << 20):
            data += chunk
            bar.update(bar.task_ids[0], completed=len(data))
    with content.announcement(name):
        section = Section.create(name, len(data) + content.SIZE, security=security)
        with section.map() as view:
            memoryview(view)[: len(data)] = data
            content.Content.write(view, content.WHOLE, len(data)).release()
    return section, len(data)


def _reader(source: IO[bytes]) -> Any:
    return source.readinto  # type: ignore[attr-defined]  # every raw file has it


def _stream(source: IO[bytes], name: str, security: str | None, capacity: int) -> None:
    came, went = content.event_names(name)
    with ExitStack() as stack:
        with content.announcement(name):
            came_event = stack.enter_context(
                Event.create(came, manual_reset=False, security=security)
            )
            went_event = stack.enter_context(
                Event.create(went, manual_reset=False, security=security)
            )
            section = stack.enter_context(
                Section.create(name, capacity + content.SIZE, security=security)
            )
            view = stack.enter_context(section.map())
            trailer = content.Content.write(view, content.STREAM, len(view) - content.SIZE)
        ring = content.Ring(section, trailer, came_event, went_event)
        err.print(
            shown(
                f"'{name}': passing on what comes, {size_words(ring.capacity)} at most waiting to "
                f"be read"
            )
        )
        while ring.put(_reader(source)):
            pass
        ring.end()
        ring.wait_until_taken()
        err.print(shown(f"'{name}': {trailer.written} bytes passed on"))
        trailer.release()
