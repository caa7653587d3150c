# SPDX-License-Identifier: MIT
"""For what opens descriptors of its own, beside a section: the same at the limit as everything
else.

The services raise the soft limit of descriptors when they meet it, and tell the hard one in an
error.  What is opened without them asks them by a duplicate of the section, which takes one too.
"""

from __future__ import annotations

import errno

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from memsection.api.section import Section

    T = TypeVar("T")


def with_descriptors(section: Section, make: Callable[[], T]) -> T:
    """What ``make`` gives, with the descriptors that the hard limit allows.

    Raises:
        Error: The hard limit was met; the error names it.
        OSError: As ``make``, for any other reason.
    """
    try:
        return make()
    except OSError as problem:
        if problem.errno != errno.EMFILE:
            raise
    return _at_the_limit(section, make)


def _at_the_limit(section: Section, make: Callable[[], T]) -> T:
    duplicates: list[Section] = []
    try:
        while True:
            try:
                return make()
            except OSError as problem:
                if problem.errno != errno.EMFILE:
                    raise
            # kept, so that the next one meets the limit if this one did not
            duplicates.append(section.duplicate())
    finally:
        for duplicate in duplicates:
            duplicate.close()


def ensure_descriptors(count: int) -> None:
    """Have so many descriptors free, for what does not say which limit it met.

    Raises:
        Error: The hard limit was met; the error names it.
    """
    from memsection.api.section import Section  # which uses this file

    kept: list[Section] = []
    try:
        kept.append(Section.create(size=1))
        while len(kept) < count:
            kept.append(kept[0].duplicate())
    finally:
        for one in kept:
            one.close()
