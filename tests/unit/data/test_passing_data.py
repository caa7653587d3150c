# SPDX-License-Identifier: MIT
"""Arrays, records, latest values and tables as arguments of other processes: they arrive as the
same memory."""

from __future__ import annotations

import dataclasses
import multiprocessing
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import pytest

from memsection import ArgumentError, HandleError, arrays, latest, records

pa: Any = pytest.importorskip(
    "pyarrow", reason="memsection[arrow] is not installed", exc_type=ImportError
)
arrow: Any = pytest.importorskip("memsection.arrow", exc_type=ImportError)


@dataclasses.dataclass
class Point:
    x: int
    y: float


@pytest.fixture(autouse=True, scope="module")
def notes(helpers: None) -> None:
    """What pickling keeps is there before anything is counted."""


def _use_records(shared: records.Records) -> object:
    shared[0] = Point(shared[0].x + 1, 2.5)
    return type(shared).__name__, shared.layout.size, shared.version


def _use_latest(writer: latest.Writer, reader: latest.Reader) -> object:
    writer.write(Point(7, 0.5))
    return type(writer).__name__, type(reader).__name__, reader.read()


def _use_table(shared: arrow.Shared) -> object:
    return type(shared).__name__, shared.table["a"].to_pylist()


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
@pytest.mark.parametrize("name_", ["named", None])
def test_multiprocessing_gets_the_same_records_values_and_tables(
    method: str, name_: str | None, name: str
) -> None:
    own = name if name_ else None
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as pool:
        with records.create(own and own + ".r", Point, 2, version=3) as shared:
            assert pool.submit(_use_records, shared).result() == ("Records", 16, 3)
            assert shared[0] == Point(1, 2.5)
        with (
            latest.create(own and own + ".l", Point) as writer,
            latest.from_section(writer.section.duplicate("r"), Point) as reader,
        ):
            assert pool.submit(_use_latest, writer, reader).result() == (
                "Writer",
                "Reader",
                Point(7, 0.5),
            )
            assert reader.read() == Point(7, 0.5)
        with arrow.put(own, pa.table({"a": [1, 2]})) as table:
            assert pool.submit(_use_table, table).result() == ("Shared", [1, 2])


def test_a_plain_pickle_carries_the_handle_too() -> None:
    with records.create(None, Point) as shared, pickle.loads(pickle.dumps(shared)) as again:
        again[0] = Point(4, 1)
        assert shared[0] == Point(4, 1)
    with latest.create(None, 8) as writer, pickle.loads(pickle.dumps(writer)) as second:
        second.write(b"new")
        assert writer.read() == b"new"


def test_what_was_opened_without_a_layout_arrives_without_one(name: str) -> None:
    with (
        records.create(name, Point),
        records.open(name) as found,
        pickle.loads(pickle.dumps(found)) as again,
    ):
        assert again[0] == {"x": 0, "y": 0.0}


@pytest.mark.parametrize(
    "make",
    [
        lambda: records.create(None, Point),
        lambda: latest.create(None, 8),
        lambda: arrow.put(None, pa.table({"a": [1]})),
    ],
)
def test_what_is_closed_cannot_be_passed_on(make: Callable[[], Any]) -> None:
    shared = make()
    shared.close()
    with pytest.raises(HandleError):
        pickle.dumps(shared)


def test_records_of_this_process_alone_cannot_be_passed_on(name: str) -> None:
    with (
        records.create(name, Point),
        records.open(name, access="c") as own,
        pytest.raises(ArgumentError, match="pass"),
    ):
        pickle.dumps(own)


# ---------------------------------------------------------------------- joblib, loky, cloudpickle

WORK = """
import sys
import numpy as np
from memsection import arrays

def add(array, n):
    array[n] += n + 1
    return type(array).__name__, array.section is not None

def part(array):
    return array[1:3]
"""


@pytest.mark.parametrize("backend", ["loky", "multiprocessing", "threading", "sequential"])
def test_joblib_gets_the_same_memory(backend: str, other: Callable[..., str]) -> None:
    program = (
        WORK
        + """
import joblib
array, large = arrays.create(None, 4), arrays.create(None, 400_000)      # beyond joblib's own threshold
with joblib.parallel_config(backend=argv[1], n_jobs=2):
    kinds = joblib.Parallel()([joblib.delayed(add)(array, n) for n in range(4)]
                              + [joblib.delayed(add)(array[::2], n) for n in range(2)]
                              + [joblib.delayed(add)(large, n) for n in range(2)])
print(set(kinds), array.tolist(), large[:3].tolist())
if argv[1] == "loky":
    from joblib.externals.loky import get_reusable_executor
    get_reusable_executor().shutdown(wait=True)
"""
    )
    assert (
        other(program, backend).splitlines()[-1]
        == "{('Array', True)} [2.0, 2.0, 5.0, 4.0] [1.0, 2.0, 0.0]"
    )


def test_loky_and_cloudpickle_get_the_same_memory(other: Callable[..., str]) -> None:
    program = (
        WORK
        + """
import pickle, cloudpickle, loky
array = arrays.create(None, 4)
again = pickle.loads(cloudpickle.dumps([array]))[0]
again[3] = 5
with loky.ProcessPoolExecutor(1) as pool:
    print(pool.submit(add, array, 0).result(), array.tolist())
    print(type(pool.submit(part, array).result()).__name__)
"""
    )
    assert other(program).splitlines() == ["('Array', True) [1.0, 0.0, 0.0, 5.0]", "Array"]


class _Library:
    """A pickler in a module of the name that a library has."""

    def __init__(self, module: str) -> None:
        space: dict[str, Any] = {"__name__": module, "pickle": pickle}
        exec(
            "def dumps(value):\n    return pickle.dumps(value)\n"
            "def dumps_in_python(value):\n    import io\n    out = io.BytesIO()\n"
            "    pickle._Pickler(out).dump(value)\n    return out.getvalue()\n",
            space,
        )
        self.dumps, self.dumps_in_python = space["dumps"], space["dumps_in_python"]


@pytest.mark.parametrize(
    "module",
    [
        "cloudpickle.cloudpickle",
        "loky.backend.reduction",
        "joblib.pool",
        "joblib.externals.loky.backend.reduction",
    ],
)
def test_a_pickler_written_in_python_is_looked_through(module: str) -> None:
    library, array = _Library(module), arrays.create(None, 3)
    for dumps in (library.dumps, library.dumps_in_python):
        again = pickle.loads(dumps(array))
        again[0] += 1
        del again
    assert array[0] == 2


@pytest.mark.parametrize(
    "module", ["cloudpickles", "joblib.numpy_pickle", "joblib.hashing", "pandas", "shelve"]
)
def test_other_picklers_copy(module: str) -> None:
    array = arrays.create(None, 3)
    again = pickle.loads(_Library(module).dumps(array))
    again[0] = 1
    assert array[0] == 0 and again.section is None


def test_an_array_that_cannot_arrive_as_the_same_memory_is_an_error() -> None:
    array, library = arrays.create(None, 3), _Library("loky")
    assert array.section is not None
    array.section.close()
    with pytest.raises(ArgumentError, match="closed"):
        library.dumps(array)
    with pytest.raises(ArgumentError, match="closed"):
        multiprocessing.reduction.ForkingPickler.dumps(array)
    assert library.dumps(np.array(array))


def test_a_private_array_is_copied_with_what_was_written_to_it(name: str) -> None:
    keep = arrays.put(name, [1, 2, 3])
    private = arrays.open(name, access="c")
    private[0] = 9
    for dumps in (_Library("loky").dumps, multiprocessing.reduction.ForkingPickler.dumps):
        assert pickle.loads(bytes(dumps(private))).tolist() == [9, 2, 3]
    assert keep.tolist() == [1, 2, 3]
