# SPDX-License-Identifier: MIT
"""Arrow tables and record batches in sections, read in other processes without a copy.

The bytes at offset 0 are an Arrow IPC file: any Arrow implementation can read them.  Tables lie
over the section's memory, which stays as long as anything made from them does; the handle is closed
with the memory.  What pandas or polars make of a table is their business; both can without copying
for most types.

Arrow follows offsets in a table as C follows pointers.  Whether whoever can write them is trusted
is ``open``'s question (``trusted``): from others only the values lie in the section, and everything
that leads to them is a checked copy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

try:
    import pyarrow as pa
    import pyarrow.ipc
except ImportError as failure:  # pragma: no cover - seen by a test in a process without pyarrow
    raise ImportError(
        "memsection.arrow needs pyarrow: pip install 'memsection[arrow]'"
    ) from failure

from memsection.api.operations import whole
from memsection.api.section import Section
from memsection.api.security import Security, is_written_by_this_user_alone
from memsection.content import schema
from memsection.content.arrow_checked import checked_table
from memsection.content.arrow_ipc import Stream
from memsection.content.endpoint import (
    Endpoint,
    close_with,
    closed_on_failure,
    open_section,
    open_section_async,
)
from memsection.content.facts import version_number
from memsection.vocabulary.access import DELETE, SECTION_MAP_READ, SECTION_QUERY
from memsection.vocabulary.arguments import object_name
from memsection.vocabulary.errors import ArgumentError, CorruptError, ExistsError, NotFoundError
from memsection.vocabulary.text import about, shown

if TYPE_CHECKING:
    from memsection.api.view import View


#: What pyarrow and the checks raise for bytes that are no table.
_FAILURES = (
    pa.ArrowException,
    ValueError,
    TypeError,
    LookupError,
    OSError,
    ArithmeticError,
    RecursionError,
    MemoryError,
)
_ATTEMPTS = 100  #: to replace a table that others replace, too

__all__ = ["Shared", "frame", "from_section", "open", "open_async", "put"]


class Shared(Endpoint):
    """A table in a section.

    Attributes:
        table: A ``pyarrow.Table`` over the section's memory, or over a copy if one was asked for.
        trusted: Whether nothing of it was checked.  If not, offsets, indices, null bitmaps and
        booleans are copies that
            were checked, and a writer can change values only.
        section: The section, whose name lives as long as this object or the table's memory, or
            until it is closed.
    """

    def __init__(
        self, section: Section, view: View, size: int, *, trusted: bool = True, copy: bool = False
    ) -> None:
        super().__init__(section, view)  # a table without rows would not keep the view
        self.trusted = trusted
        self._copied = copy
        with closed_on_failure(section):  # pages that are missing, or no memory for a copy
            memory = pa.py_buffer(bytes(view[:size]) if copy else memoryview(view)[:size])
        try:
            self.table = (_table_in if trusted else _foreign_table_in)(memory)
        except _FAILURES as failure:
            problem = CorruptError(
                f"{about('open', section.name)}: what is in it is no Arrow table: {failure}"
            )
            section.close()
            raise problem from None
        close_with(view, section)

    def __reduce__(self) -> tuple[Any, ...]:
        """The same memory in whatever process takes it, or a new copy; through any pickler, as a
        section's handle travels.

        Whether its writers are trusted is asked anew there, unless they were not trusted here.
        """
        return _rebuild, (self.section, self.trusted, self._copied)


def _table_in(memory: Any) -> Any:
    """All of it in place: for a writer who does not change it."""
    with pa.ipc.open_file(pa.BufferReader(memory)) as reader:
        table = reader.read_all()
    table.validate()
    return table


def _foreign_table_in(memory: Any) -> Any:
    """Values in place, the rest copied and checked: for a writer who may change it at any time."""
    with pa.ipc.open_stream(pa.PythonFile(Stream(memory), mode="r")) as reader:
        table = checked_table(reader.read_all())
    list(table.schema.names)  # text, or an error now
    return table


@whole
def put(
    name: str | None,
    table: Any,
    *,
    version: int = 0,
    replace: bool = False,
    inheritable: bool = False,
    security: Security | str | bytes | None = None,
) -> Shared:
    """Copy a table into a section of its own, complete before anybody can open it.

    Args:
        name: What other processes open it by; None for one that is only passed on.
        table: A ``pyarrow.Table`` or ``RecordBatch``, a sequence of batches, or anything with the
            Arrow C stream interface: a polars or pandas frame.
        version: A number of the program's own.
        replace: Whether it follows a table that has the name already: who has that one keeps it as
            it is, who opens the name from then on gets this one, and somebody has it at all times.
        inheritable: Whether child processes get the handle.
        security: Who may open it by name; this user alone when omitted, also when it replaces one.

    Rights:
        As for ``Section.create``; ``DELETE`` on the table that it replaces, which its owner has.

    Raises:
        ExistsError: The name is taken (FileExistsError); with ``replace`` by something else.
        ArgumentError: It is no table; or something else than a table is to be replaced
            (ValueError).
        AccessError: The table that exists may not be replaced by this user (PermissionError).
        CommitError: More memory than there is (MemoryError).
        Error: With ``replace``: a ``Global`` name; a system other than Linux.
    """
    object_name(name)
    whole = _table(table)
    counter = pa.MockOutputStream()
    _write(counter, whole)
    size = counter.size()

    def fill(unwritten: schema.UnwrittenSection) -> None:
        _write(_Sink(unwritten), whole)

    facts: schema.Facts = {
        "kind": "arrow",
        "rows": whole.num_rows,
        "version": version_number(version),
        "columns": [[field.name[:200], str(field.type)[:200]] for field in whole.schema][:1000],
    }
    section, view = schema.make(
        schema.section_attributes(
            None if replace else name, inheritable=inheritable, security=security
        ),
        size,
        facts,
        fill=fill,
    )
    if replace and name is not None:
        with closed_on_failure(section):
            _replace(name, section)
    return Shared(section, view, size)


def _replace(name: str, section: Section) -> None:
    """Give a complete table a name, in the place of the table that has it."""
    for _ in range(_ATTEMPTS):
        try:
            before = Section.open(name, access=SECTION_QUERY | SECTION_MAP_READ | DELETE)
        except NotFoundError:
            try:
                section.take_name(name)
                return
            except ExistsError:
                continue  # somebody was faster
        with before:
            found = (schema.describe(before) or {}).get("kind")
            if found != "arrow":
                raise ArgumentError(
                    f"{about('put', name)}: asked to replace a table, "
                    f"found {shown(found, 40) if found else 'something else'}"
                )
            try:
                section.take_name(name, predecessor=before)
                return
            except (ExistsError, NotFoundError):
                continue  # it has a successor by now, or its last user has gone
    raise ExistsError(f"{about('put', name)}: others replace the table again and again")


def _table(table: Any) -> Any:
    if isinstance(table, pa.Table):
        return table
    if isinstance(table, pa.RecordBatch):
        return pa.Table.from_batches([table])
    try:
        if hasattr(table, "__arrow_c_stream__"):
            return pa.table(table)
        return pa.Table.from_batches(table)
    except (TypeError, ValueError, pa.ArrowException) as failure:
        column = _column_that_fails(table)
        raise ArgumentError(
            f"put: {type(table).__name__} is no table: {failure}"
            if column is None
            else f"put: column {column!r} has values that no other process could read: {failure}"
        ) from None


def _column_that_fails(frame: Any) -> object:
    """The first column of a data frame that Arrow cannot take; None where that cannot be told."""
    for column in getattr(frame, "columns", ()):
        try:
            pa.array(frame[column])
        except (TypeError, ValueError, pa.ArrowException):
            return column
        except Exception:  # noqa: BLE001  # whatever the frame does not do
            return None
    return None


class _Sink:
    """The file that Arrow writes to."""

    closed = False

    def __init__(self, unwritten: schema.UnwrittenSection) -> None:
        self._fresh, self._at = unwritten, 0

    def write(self, data: Any) -> int:
        part = memoryview(data).cast("B")
        self._fresh.write(self._at, part)
        self._at += len(part)
        return len(part)

    def tell(self) -> int:
        return self._at

    def flush(self) -> None:
        pass  # it is where it belongs


def _write(sink: Any, table: Any) -> None:
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


@whole
def open(
    name: str,
    *,
    version: int | None = None,
    trusted: bool | None = None,
    timeout: float | None = 0,
    copy: bool = False,
) -> Shared:
    """Open a table by its name, to read.

    Args:
        name: As given to ``put``.
        version: What it should be; not looked at when omitted.
        trusted: Whether nobody who can write it would alter it to harm this process.  True takes
            all of it in place; False copies and checks offsets, indices, null bitmaps and booleans,
            so that no writer can make Arrow read or write elsewhere.  When omitted it is trusted if
            the section is this user's and its security lets nobody else write: such a writer could
            reach this process's memory anyway.
        timeout: Seconds to wait until something has the name; not at all when omitted, for ever
            when None.
        copy: Whether the table gets memory of its own, so that it is as it was at one moment.
            Values that are not trusted and lie in the section may change while Arrow computes: that
            gives other results, but sorting, ranking and other operations that look at a value
            twice can end the process. Those need a copy.

    Rights:
        As for ``Section.open`` with access ``"r"``.

    Raises:
        NotFoundError: Nothing has this name (FileNotFoundError).
        NameTimeoutError: Nothing had it within the time; a ``NotFoundError`` and a
            ``WaitTimeoutError``.
        AccessError: It does not grant the access (PermissionError).
        ArgumentError: It is no table, or its version differs, and the error shows both
            (ValueError).
        CorruptError: What is in it makes no sense.
    """
    section = open_section(name, "r", timeout)
    return from_section(section, version=version, trusted=trusted, copy=copy)


@whole
def frame(
    name: str,
    library: Literal["pandas", "polars"] = "pandas",
    *,
    version: int | None = None,
    timeout: float | None = 0,
) -> Any:
    """A data frame over a table that is opened by its name.

    Columns lie in the section where their types allow it, and are then read-only; the others are
    copied.  pandas can do it for numbers without gaps, polars for nearly everything.  The name
    lives as long as such a column does.

    Args:
        name: As given to ``put``.
        library: Whose frame.
        version: What it should be; not looked at when omitted.
        timeout: Seconds to wait until something has the name; not at all when omitted, for ever
            when None.

    Rights:
        As for ``open``.

    Raises:
        Error: As ``open``.
        ImportError: The library is not installed.
        ArgumentError: It is no library of that name that this knows (ValueError).
    """
    if library not in ("pandas", "polars"):
        raise ArgumentError(f"frame: library {library!r}: not one of 'pandas', 'polars'")
    from importlib import import_module

    module = import_module(library)
    shared = open(name, version=version, timeout=timeout)
    if library == "polars":
        return module.from_arrow(shared.table, rechunk=False)
    # One block for each column: pandas would copy several into one otherwise.
    return shared.table.to_pandas(split_blocks=True)


async def open_async(
    name: str,
    *,
    version: int | None = None,
    trusted: bool | None = None,
    timeout: float | None = None,
    copy: bool = False,
) -> Shared:
    """As ``open``, waiting for the name without blocking the event loop, for ever when ``timeout``
    is omitted.

    Rights:
        As for ``open``.

    Raises:
        NameTimeoutError: Nothing had the name within the time.
        Error: As ``open`` otherwise.
    """
    section = await open_section_async(name, "r", timeout)
    return from_section(section, version=version, trusted=trusted, copy=copy)


@whole
def from_section(
    section: Section, *, version: int | None = None, trusted: bool | None = None, copy: bool = False
) -> Shared:
    """The table in a section that came by any other way; the section becomes the table's.

    Args:
        section: Closed with the table's memory, and at once if this fails.
        version: What it should be; not looked at when omitted.
        trusted: As for ``open``.
        copy: As for ``open``.

    Rights:
        ``SECTION_QUERY`` and ``SECTION_MAP_READ``.

    Raises:
        ArgumentError: It is no table, or its version differs, and the error shows both
            (ValueError).
        CorruptError: What is in it makes no sense.
    """
    with closed_on_failure(section):
        view, facts, size = schema.attach(section, "arrow", access="r")
        schema.compare(section, {"version": version}, {"version": facts.get("version")})
        if trusted is None:
            trusted = is_written_by_this_user_alone(section)
    return Shared(section, view, size, trusted=trusted, copy=copy)


@whole
def _rebuild(section: Section, trusted: bool, copy: bool) -> Shared:
    """Unpickle."""
    return from_section(section, trusted=None if trusted else False, copy=copy)
