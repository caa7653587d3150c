# SPDX-License-Identifier: MIT
"""Services for object directories."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

from memsection.nt.linux.services.wrapping import service
from memsection.nt.linux.types import directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class DirectoryServices:
    """Services for object directories."""

    @service("open directory object")
    def open_directory_object(self, access: int, attributes: Any) -> int:
        """NtOpenDirectoryObject."""
        return directory.open_(access, attributes)

    @service("create directory object")
    def create_directory_object(self, access: int, attributes: Any) -> tuple[int, int]:
        """NtCreateDirectoryObject."""
        return directory.create(access, attributes)

    @service("query directory object")
    def query_directory_object(
        self, handle: int, single: bool, context: int
    ) -> tuple[list[tuple[str, str]], int]:
        """NtQueryDirectoryObject."""
        return directory.query(handle, single, context)

    @service("open symbolic link object")
    def open_symbolic_link_object(self, access: int, attributes: Any) -> int:
        """NtOpenSymbolicLinkObject."""
        return directory.open_link(access, attributes)
