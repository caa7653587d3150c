# SPDX-License-Identifier: MIT
"""The services for object directories, a part of the kernel interface (``nt.interface``)."""

from __future__ import annotations

from typing import Any, Protocol

Attributes = Any  #: ObjectAttributes or any object with its fields


class DirectoryKernel(Protocol):
    """Object directories: where named objects are, as objects themselves."""

    def open_directory_object(self, access: int, attributes: Attributes) -> int:
        """NtOpenDirectoryObject; the handle serves as ``RootDirectory``.

        OBJECT_NAME_NOT_FOUND, OBJECT_PATH_NOT_FOUND, OBJECT_TYPE_MISMATCH for another object's
        name.
        """
        ...

    def create_directory_object(self, access: int, attributes: Attributes) -> tuple[int, int]:
        """NtCreateDirectoryObject; (SUCCESS or OBJECT_NAME_EXISTS, handle).

        On Linux it opens one that is there (OBJ_OPENIF), and NOT_ON_THIS_SYSTEM says that a new one
        cannot be made.
        """
        ...

    def query_directory_object(
        self, handle: int, single: bool, context: int, /
    ) -> tuple[list[tuple[str, str]], int]:
        """NtQueryDirectoryObject; ((name, type) of one entry or of all that are left, the context
        to go on with).  Context 0 begins.

        Rights: DIRECTORY_QUERY.  NO_MORE_ENTRIES at the end.
        """
        ...

    def open_symbolic_link_object(self, access: int, attributes: Attributes) -> int:
        """NtOpenSymbolicLinkObject.  NOT_ON_THIS_SYSTEM on Linux, for a link that is there."""
        ...
