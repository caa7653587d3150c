from typing import Final

SEAL: Final[int]
READ_ONLY: Final[int]
UNLOCKED: Final[int]
FOUND: Final[int]
GONE: Final[int]
SWEPT: Final[int]
BUSY: Final[int]
LOST: Final[int]
DAMAGED: Final[int]
PLANTED: Final[int]
TAG: Final[int]
REVOKED: Final[int]
PROTECTED: Final[int]
GIVEN: Final[int]
PAGE_SIZE: Final[int]
GRANULARITY: Final[int]

Made = tuple[int, int, int, int, int, int, bytes]
Found = tuple[int, int, int, int, int, int, int, int, bool, bytes]

def layout() -> dict[str, int | bytes]: ...
def reopen(fd: int, writable: bool) -> int: ...
def position(fd: int) -> int: ...
def set_position(fd: int, position: int, inherit: bool = False) -> None: ...
def is_live(fd: int) -> bool: ...
def revoke(fd: int) -> bool: ...
def lock_shared(fd: int) -> bool: ...
def lock_exclusive(fd: int) -> bool: ...
def unlock(fd: int) -> None: ...
def make_body(directory: int, total: int, sized: bool) -> int: ...
def reserve(fd: int, offset: int, size: int) -> None: ...
def finish_body(
    fd: int,
    data_size: int,
    area: bytes,
    header_at: int,
    at: int,
    name: bytes,
    pid: int,
    uid: int,
    mode: int,
    flags: int,
) -> Made: ...
def create_body(
    directory: int,
    data_size: int,
    total: int,
    reserved: int,
    area: bytes,
    header_at: int,
    at: int,
    name: bytes,
    pid: int,
    uid: int,
    mode: int,
    flags: int,
) -> Made: ...
def same_page(fd: int, body_size: int, page: bytes) -> bool: ...
def fstat_body(fd: int) -> tuple[int, int, int, int, int, int, bool]: ...
def seals(fd: int) -> int: ...
def make_locator(
    directory: int,
    kind: int,
    device: int,
    inode: int,
    pid_namespace: int,
    name: bytes,
    checksum: int,
    pid: int,
    fd: int,
) -> int: ...
def link(fd: int, directory: int, file: bytes) -> None: ...
def publish(
    directory: int,
    file: bytes,
    kind: int,
    device: int,
    inode: int,
    pid_namespace: int,
    name: bytes,
    checksum: int,
    pid: int,
    fd: int,
) -> int: ...
def find(
    directory: int,
    file: bytes,
    name: bytes,
    checksum: int,
    pid_namespace: int,
    uid: int,
    writable: bool,
) -> Found: ...
def open_locator(
    directory: int, file: bytes, name: bytes, checksum: int, uid: int, alone: bool
) -> tuple[int, int, int, int, int, bytes, bool]: ...
def open_body(pid: int, fd: int, device: int, inode: int, writable: bool) -> int: ...
def hold_found(body: int, locator: int, directory: int, file: bytes, is_exclusive: bool) -> int: ...
def sweep(locator: int, directory: int, file: bytes) -> bool: ...
def leave_hint(locator: int, hints: bytes, slot: int, pid: int, fd: int) -> None: ...
def hints_of(hints: bytes) -> list[tuple[int, int]]: ...
def find_body(
    directory: int, file: bytes, writable: bool
) -> tuple[int, int, int, int, int, int, int, bool]: ...
def is_free(directory: int, file: str) -> bool | None: ...
def hold_body(fd: int, directory: int, file: bytes) -> int: ...
def give_up(fd: int, directory: int, file: bytes, is_body: bool) -> None: ...
def unlink_if_last(
    probe: int, directory: int, file: bytes, locator: int, is_body: bool
) -> bool: ...
def close_last(
    fd: int, probe: int, directory: int, file: bytes, locator: int, is_body: bool
) -> tuple[bool, int]: ...
def map_view(fd: int, size: int, prot: int, flags: int, offset: int, populate: bool) -> int: ...
def unmap(address: int, size: int) -> None: ...
def reuse(address: int, size: int) -> None: ...
