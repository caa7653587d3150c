# SPDX-License-Identifier: MIT
import sys

assert sys.platform == "linux"

from typing import Any

from memsection.nt.linux.bodies.control_page import Facts
from memsection.nt.linux.handles.record import Handle, LocalObject
from memsection.vocabulary.object_types import ObjectType

class HandleRecord:
    value: int
    kind: ObjectType
    obj: LocalObject
    fd: int
    data_fd: int
    access: int
    protected: bool
    def shut(self) -> None: ...

class ObjectRecord:
    directory: str | None
    facts: Facts | None
    identity: tuple[int, ...]
    kind: ObjectType
    name: str
    place: PlaceRecord | None
    place_key: str | None
    state: Any
    handles: set[Handle]
    locator_fd: int
    view_ro: int
    view_rw: int
    views: int
    fresh: bool
    def shut_locator(self) -> None: ...
    def shut_views(self) -> None: ...

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

class RegionRecord:
    base: int
    size: int
    offset: int
    bitmap: int
    bitmap_size: int
    protection: int
    modifiers: int
    writable: bool
    shared: bool
    obj: LocalObject | None
    changed: list[tuple[int, int]] | None
    guard: Any
    def __call__(self) -> None: ...

class AbsentRecord:
    fd: int
    def remove(self) -> None: ...

class Lock:
    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...

def connect(lent: dict[str, Any]) -> None: ...
def is_alone() -> bool: ...
def is_free(directory: int, name: str) -> bool | None: ...
def use_lock(lock: Lock) -> None: ...
def switch(on: bool) -> bool: ...
def forget_places() -> None: ...
def generation() -> int: ...
def open_(kind: ObjectType, access: int, attributes: Any) -> Handle | None: ...
def open_section(access: int, attributes: Any) -> int: ...
def create_section(access: int, attributes: Any, maximum_size: int | None, protection: int, kind: int, file: int, *,
                   numa_node: int | None = None) -> tuple[int, int]: ...
def close(handle: int) -> None: ...
def map_view(section_handle: int, process_handle: int, base: int, zero_bits: int, commit_size: int, offset: int,
             view_size: int, inherit: int, allocation_type: int, protection: int, *,
             numa_node: int | None = None) -> tuple[int, int, int]: ...
def mapped_buffer(section_handle: int, offset: int, view_size: int, protection: int, kind: type[Any]) -> Any: ...
def unmap_view(process_handle: int, address: int) -> None: ...
def next_address(size: int) -> int: ...
def free_address(address: int, size: int) -> None: ...
def add(region: RegionRecord) -> None: ...
def remove(region: RegionRecord) -> bool: ...
def tables_lock() -> Lock: ...
def is_open(value: int) -> bool: ...
def give_back(fd: int, in_child: bool) -> None: ...
def before_fork() -> None: ...
def after_fork(in_child: bool) -> None: ...
