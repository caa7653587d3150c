from collections.abc import Callable
from typing import Any, Final, TypeVar

H = TypeVar("H", bound="HandleRecord")
R = TypeVar("R", bound="RegionRecord")

class HandleRecord:
    value: int
    kind: Any
    obj: Any
    fd: int
    data_fd: int
    access: int
    protected: bool
    def __init__(
        self, fd: int, kind: Any, access: int, obj: ObjectRecord, data_fd: int = -1, value: int = 0
    ) -> None: ...
    def shut(self) -> None: ...

class ObjectRecord:
    directory: Any
    facts: Any
    identity: Any
    kind: Any
    name: Any
    place: Any
    place_key: Any
    state: Any
    handles: set[Any]
    locator_fd: int
    view_ro: int
    view_rw: int
    views: int
    fresh: bool
    def __init__(
        self,
        kind: Any,
        identity: tuple[int, ...],
        facts: Any = None,
        place: Any = None,
        fresh: bool = False,
    ) -> None: ...
    def shut_locator(self) -> None: ...
    def shut_views(self) -> None: ...
    def shut(self) -> None: ...

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
    obj: Any
    changed: Any
    guard: Any
    buffer: Any
    def __init__(
        self,
        base: int,
        size: int,
        protection: int,
        obj: Any,
        offset: int,
        writable: bool,
        shared: bool,
    ) -> None: ...
    def __call__(self) -> None: ...

class UserfaultRecord:
    fd: int
    def remove(self) -> None: ...

class Lock:
    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...

lock: Final[Lock]
regions_by_base: Final[dict[int, Any]]
bases: Final[list[int]]

def close_last(handle: HandleRecord, directory: int, file: bytes, is_body: bool) -> bool: ...
def is_alone() -> bool: ...
def before_fork() -> None: ...
def after_fork_in_parent() -> None: ...
def after_fork_in_child() -> None: ...
def view_descriptor(handle: HandleRecord, writable: bool) -> int: ...
def map_region(
    kind: type[R],
    obj: ObjectRecord,
    fd: int,
    size: int,
    protection: int,
    prot: int,
    flags: int,
    offset: int,
    writable: bool,
) -> R: ...
def add(region: RegionRecord) -> None: ...
def remove(region: RegionRecord) -> bool: ...
def unmap(region: RegionRecord) -> bool: ...
def release_part(region: RegionRecord, start: int, size: int, rest: list[Any]) -> bool: ...
def connect(
    handles: dict[int, Any],
    objects_by_identity: dict[Any, Any],
    directories: dict[Any, Any],
    given: list[Any],
    close_handle: Callable[[Any], None],
) -> None: ...
def new_handle(
    kind: type[H],
    fd: int,
    object_type: Any,
    access: int,
    obj: ObjectRecord,
    data_fd: int,
    value: int,
    inherit: bool,
    tag: bool,
) -> H: ...
def copy_handle(
    handle: H, access: int, writable: bool, data_fd: int, inherit: bool
) -> H | None: ...
def close_beside_others(handle: HandleRecord) -> bool: ...
def close_handle(handle: HandleRecord) -> bool: ...
def forget(handle: HandleRecord) -> None: ...
def live_handle(value: int) -> Any: ...
def is_open(value: int) -> bool: ...
def give_back(fd: int, in_child: bool) -> None: ...
