from collections.abc import Callable
from typing import Any, Final

class HandleRecord:
    value: int
    kind: Any
    obj: Any
    fd: int
    data_fd: int
    access: int
    protected: bool
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
    def shut_locator(self) -> None: ...
    def shut_views(self) -> None: ...

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

def is_alone() -> bool: ...
def before_fork() -> None: ...
def after_fork(in_child: bool) -> None: ...
def add(region: RegionRecord) -> None: ...
def remove(region: RegionRecord) -> bool: ...
def connect(
    handles: dict[int, Any],
    objects_by_identity: dict[Any, Any],
    directories: dict[Any, Any],
    given: list[Any],
    close_handle: Callable[[Any], None],
) -> None: ...
def is_open(value: int) -> bool: ...
def give_back(fd: int, in_child: bool) -> None: ...
