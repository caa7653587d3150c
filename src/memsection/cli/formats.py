# SPDX-License-Identifier: MIT
"""Files that hold arrays and tables: what ``share`` makes of them, and ``save`` writes."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from memsection import Section, errors

ARRAYS, TABLES = (".npy", ".npz"), (".parquet", ".arrow", ".feather", ".csv")


def is_typed(file: str) -> bool:
    """Whether the name of a file says that an array or a table is in it."""
    return Path(file).suffix.lower() in ARRAYS + TABLES


def load(file: str, name: str, security: str | None) -> list[tuple[str, Section]]:
    """Put the arrays or the table of a file into sections: their names, and the sections, which
    keep them.

    Raises:
        ArgumentError: The file is not what its name says.
        ExistsError: A name is taken; nothing is left then.
    """
    if Path(file).suffix.lower() in TABLES:
        from memsection import arrow

        with arrow.put(name, _read(file, _table), security=security) as shared:
            return [(name, _section_of(shared))]
    from memsection import arrays

    made: list[tuple[str, Section]] = []
    try:
        for key, array in _read(file, _arrays).items():
            full = f"{name}.{key}" if key else name
            made.append((full, _section_of(arrays.put(full, array, security=security))))
    except BaseException:
        for _, section in made:
            section.close()
        raise
    return made


def _section_of(whole: Any) -> Section:
    """A handle of its own to the section of an array or a table, which itself may go."""
    return whole.section.duplicate()  # type: ignore[no-any-return]


def _read(file: str, reader: Callable[[str], Any]) -> Any:
    try:
        return reader(file)
    except ImportError:
        raise
    except Exception as failure:  # each library has errors of its own
        raise errors.ArgumentError(
            f"share '{file}': its name says {Path(file).suffix}, its content does not: {failure}; "
            "--bytes shares any file as it is"
        ) from None


def _arrays(file: str) -> dict[str, Any]:
    import numpy as np

    found = np.load(file, allow_pickle=False)
    if isinstance(found, np.ndarray):
        return {"": found}
    with found:
        whole = {key: found[key] for key in found.files}
    if not whole:
        raise ValueError("there is no array in it")
    return {"": next(iter(whole.values()))} if len(whole) == 1 else whole


def _table(file: str) -> Any:
    import pyarrow as pa

    kind = Path(file).suffix.lower()
    if kind == ".csv":
        from pyarrow import csv

        return csv.read_csv(file)
    if kind == ".parquet":
        from pyarrow import parquet

        return parquet.ParquetFile(file).read()
    with pa.OSFile(file) as source:
        try:
            return pa.ipc.open_file(source).read_all()
        except pa.ArrowInvalid:
            source.seek(0)
            return pa.ipc.open_stream(source).read_all()


def save(section: Section, kind: str, file: str) -> None:
    """Write an array or a table into a new file, in the form that the file's name says.

    Raises:
        ArgumentError: It cannot have this form.
    """
    suffix = Path(file).suffix.lower()
    if kind == "array":
        from memsection import arrays

        _write_array(arrays.from_section(section.duplicate(), access="r"), suffix, file)
        return
    from memsection import arrow

    with arrow.from_section(section.duplicate()) as shared:
        _write_table(shared.table, suffix, file)


def save_several(members: list[tuple[str, str]], file: str) -> None:
    """Write arrays into a new .npz file: the key of each, and its section's name.

    Raises:
        ArgumentError: One of them is no array.
    """
    from numpy.lib import format as npy

    from memsection import arrays

    found = {key: arrays.open(name, access="r") for key, name in members}
    with open(file, "xb") as target:
        with zipfile.ZipFile(target, "w") as archive:
            for key, array in found.items():
                with archive.open(f"{key}.npy", "w", force_zip64=True) as member:
                    npy.write_array(member, array, allow_pickle=False)
        target.flush()
        os.fsync(target.fileno())


def _refuse(file: str, what: str, forms: tuple[str, ...]) -> errors.ArgumentError:
    return errors.ArgumentError(
        f"save '{file}': {what} can be written as {', '.join(forms)}; "
        "'memsection cat NAME' writes the bytes as they are"
    )


def _write_array(array: Any, suffix: str, file: str) -> None:
    import numpy as np

    forms: tuple[str, ...] = (".npy", ".npz")
    if array.ndim in (1, 2) and array.dtype.kind in "biuf":
        forms += (".csv",)
    if suffix not in forms:
        raise _refuse(file, f"an array {array.dtype} {array.shape}", forms)
    with open(file, "xb") as target:
        if suffix == ".npy":
            np.save(target, array, allow_pickle=False)
        elif suffix == ".npz":
            np.savez(target, array)
        else:
            np.savetxt(
                target, array, fmt="%.17g" if array.dtype.kind == "f" else "%d", delimiter=","
            )
        target.flush()
        os.fsync(target.fileno())


def _write_table(table: Any, suffix: str, file: str) -> None:
    import pyarrow as pa

    if suffix not in TABLES:
        raise _refuse(file, "a table", TABLES)
    with open(file, "xb") as target:
        try:
            if suffix == ".csv":
                from pyarrow import csv

                csv.write_csv(table, target)
            elif suffix == ".parquet":
                from pyarrow import parquet

                parquet.write_table(table, target)
            else:
                with pa.ipc.new_file(target, table.schema) as writer:
                    writer.write_table(table)
        except pa.ArrowException as problem:  # lists and structs have no place in a CSV file
            raise errors.ArgumentError(
                f"save '{file}': this table cannot be written as {suffix}: {problem}"
            ) from None
        target.flush()
        os.fsync(target.fileno())
