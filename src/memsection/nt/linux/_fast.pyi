# SPDX-License-Identifier: MIT
import sys

assert sys.platform == "linux"

from typing import Any

from memsection.nt.linux.handles.record import Handle
from memsection.vocabulary.object_types import ObjectType

class PlaceRecord:
    directory: str
    file: str
    full: str
    leaf: str
    dirfd: int
    gone: bool
    key: str
    uid: int
    checksum: int
    path: bytes
    name: bytes
    generation: int

class FactsRecord:
    type: int
    flags: int
    protection: int
    attributes: int
    creator_pid: int
    creator_uid: int
    area_pages: int
    bitmap_pages: int
    size: int
    created_ns: int
    body_size: int
    file_identity: tuple[int, int] | None
    name_at: tuple[int, int]
    path_at: tuple[int, int]
    descriptor: bytes
    page: bytes | None

def connect(lent: dict[str, Any]) -> None: ...
def switch(on: bool) -> bool: ...
def forget_places() -> None: ...
def generation() -> int: ...
def open_(kind: ObjectType, access: int, attributes: Any) -> Handle | None: ...
def open_section(access: int, attributes: Any) -> int: ...
def create_section(
    access: int,
    attributes: Any,
    maximum_size: int | None,
    protection: int,
    kind: int,
    file: int,
    *,
    numa_node: int | None = None,
) -> tuple[int, int]: ...
def close(handle: int) -> None: ...
def forget_in_child() -> None: ...
