# SPDX-License-Identifier: MIT
"""What all objects of the Pythonic face have in common: owning one handle."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support import objects

from memsection import Event, Mutex, Section, Semaphore, errors
from memsection.nt import kernel
from memsection.vocabulary import access as a
from memsection.vocabulary import status as st

Maker = Callable[[str | None], Any]
MAKERS: dict[str, Maker] = {
    "Section": lambda name: Section.create(name, 4096),
    "Event": Event.create,
    "Mutex": Mutex.create,
    "Semaphore": lambda name: Semaphore.create(name, 1, maximum=2),
}


@pytest.fixture(params=MAKERS)
def thing(request: pytest.FixtureRequest, name: str) -> Iterator[Any]:
    made = MAKERS[request.param](name)
    yield made
    if not made.closed:
        made.protect_from_close = False
        made.close()


def test_closing_twice_is_harmless_and_using_a_closed_handle_is_an_error(thing: Any) -> None:
    thing.close()
    thing.close()
    assert thing.closed
    for use in (
        lambda: thing.handle,
        lambda: thing.name,
        lambda: thing.inheritable,
        thing.duplicate,
        lambda: thing.granted_access,
        lambda: thing.security,
        thing.__enter__,
        thing.detach,
    ):
        with pytest.raises(errors.HandleError) as caught:
            use()
        assert (caught.value.winerror, caught.value.ntstatus) == (6, st.INVALID_HANDLE)
    assert repr(thing) == f"<memsection.{type(thing).__name__} closed>"


@pytest.mark.parametrize(
    "make", [lambda: Section.create(size=1), Event.create], ids=["Section", "Event"]
)
def test_the_end_of_a_block_closes(make: Callable[[], Any]) -> None:
    with make() as inside:
        assert not inside.closed
    assert inside.closed


def test_a_protected_handle_stays_open_when_closed(thing: Any) -> None:
    assert not thing.protect_from_close
    thing.protect_from_close = True
    with pytest.raises(PermissionError) as caught:
        thing.close()
    assert caught.value.winerror == 6  # as CloseHandle says it
    assert not thing.closed and thing.protect_from_close
    thing.protect_from_close = False
    thing.close()
    assert thing.closed


def test_the_inherit_flag_can_be_switched(thing: Any) -> None:
    assert not thing.inheritable
    thing.inheritable = True
    assert thing.inheritable
    copy = thing.duplicate()
    assert not copy.inheritable
    copy.close()


def test_a_duplicate_means_the_same_object_under_another_value(thing: Any) -> None:
    copy = thing.duplicate()
    assert copy.handle != thing.handle
    assert copy.same_object(thing)
    assert copy.granted_access == thing.granted_access
    copy.close()


def test_another_object_is_not_the_same(thing: Any) -> None:
    with Section.create(size=1) as other:
        assert not thing.same_object(other)


def test_a_handle_can_be_given_up_and_taken_over(thing: Any) -> None:
    value = thing.detach()
    assert thing.closed
    again = type(thing).from_handle(value)
    assert again.handle == value
    again.close()
    with pytest.raises(errors.HandleError):
        type(thing).from_handle(value)


def test_a_handle_of_another_type_is_refused_and_stays_open(thing: Any) -> None:
    other = Event if type(thing) is not Event else Section
    with pytest.raises(errors.HandleError, match="asked for") as caught:
        other.from_handle(thing.handle)
    assert caught.value.ntstatus == st.OBJECT_TYPE_MISMATCH
    assert thing.name is not None
    with pytest.raises(errors.HandleError):
        other.from_process(os.getpid(), thing.handle)


def test_a_handle_is_taken_from_another_process_by_its_numbers(thing: Any) -> None:
    taken = type(thing).from_process(os.getpid(), thing.handle)
    assert taken.same_object(thing)
    assert taken.granted_access == thing.granted_access
    taken.close()


def test_numbers_that_mean_nothing_are_refused() -> None:
    with pytest.raises(errors.HandleError):
        Section.from_process(os.getpid(), 0x7FFFFFF0)
    with pytest.raises(ValueError, match="process"):
        Section.from_process(0x7FFFFFF0, 4)


def test_a_name_that_is_taken_says_so(thing: Any) -> None:
    for make in MAKERS.values():
        with pytest.raises(OSError) as caught:
            make(thing.name)
        assert isinstance(caught.value, errors.ExistsError | errors.HandleError)


def test_security_can_be_changed_and_holds_for_later_opens(thing: Any) -> None:
    thing.security = "D:"  # nobody
    with pytest.raises(PermissionError):
        type(thing).open(thing.name)
    assert thing.security.sddl.endswith("D:")
    looking = thing.duplicate(a.READ_CONTROL)
    assert looking.granted_access == a.READ_CONTROL
    assert looking.security.sddl.endswith("D:")
    looking.close()


def test_an_empty_name_is_none(name: str) -> None:
    for make in MAKERS.values():
        with pytest.raises(ValueError, match="at least one character"):
            make("")


def test_a_handle_left_to_the_collector_warns_where_it_was_opened() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        left = Section.create(size=1)
        line = sys._getframe().f_lineno - 1
        value = left.handle
        del left
        gc.collect()
    (warning,) = caught
    assert issubclass(warning.category, ResourceWarning)
    assert (warning.filename, warning.lineno) == (__file__, line)
    with pytest.raises(errors.NtError):
        kernel.query_handle(value)


@pytest.mark.parametrize("exit_by", ["pass", "raise SystemExit", "import os; os._exit(0)"])
def test_a_process_that_ends_with_open_handles_ends_well_and_leaves_nothing(
    name: str, exit_by: str
) -> None:
    program = f"from memsection import *; s = Section.create({name!r}, 1); v = s.map(); m = memoryview(v); {exit_by}"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    with pytest.raises(FileNotFoundError):
        Section.open(name)


def test_the_support_for_leaks_notices_one() -> None:
    body = objects.leaves_nothing()
    next(body)
    left = Section.create(size=1)
    with pytest.raises(AssertionError, match="handles are left behind"):
        next(body)
    left.close()
