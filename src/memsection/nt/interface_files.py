# SPDX-License-Identifier: MIT
"""The services for files, a part of the kernel interface
(``nt.interface``)."""

from __future__ import annotations

from typing import Any, Protocol

from memsection.vocabulary import structs as s

Attributes = Any  #: ObjectAttributes or any object with its fields


class FileKernel(Protocol):
    """Files, as far as sections and handles need them."""

    def create_file(
        self,
        access: int,
        path: str,
        attributes: int,
        share: int,
        disposition: int,
        options: int,
        descriptor: bytes | None = None,
    ) -> tuple[int, int]:
        """NtCreateFile for a path in the system's own spelling; (handle, FILE_OPENED | FILE_CREATED
        | ...).

        ``attributes`` is OBJ_INHERIT or 0; ``disposition`` FILE_OPEN, FILE_CREATE, ...; ``options``
        FILE_DELETE_ON_CLOSE... SHARING_VIOLATION, USER_MAPPED_FILE (cutting a file that has a
        section), OBJECT_NAME_COLLISION, ...
        """
        ...

    def file_from_fd(self, fd: int, access: int) -> int:
        """A file handle over a descriptor of the C runtime that the caller has open; the descriptor
        stays the caller's."""
        ...

    def read_file(self, file: int, count: int, offset: int | None = None, /) -> bytes:
        """NtReadFile; END_OF_FILE is b"".  Rights: FILE_READ_DATA."""
        ...

    def write_file(self, file: int, data: bytes, offset: int | None = None, /) -> int:
        """NtWriteFile.  Rights: FILE_WRITE_DATA."""
        ...

    def query_file(self, file: int, /) -> tuple[int, int]:
        """(size, current position)."""
        ...

    def set_file_position(self, file: int, position: int, /) -> None:
        """NtSetInformationFile, FilePositionInformation."""
        ...

    def set_end_of_file(self, file: int, size: int, /) -> None:
        """NtSetInformationFile, FileEndOfFileInformation; USER_MAPPED_FILE for cutting a file that
        has a section."""
        ...

    def flush_file(self, file: int, /) -> None:
        """NtFlushBuffersFile."""
        ...

    def query_file_type(self, file: int, /) -> int:
        """GetFileType: FILE_TYPE_DISK, FILE_TYPE_CHAR or FILE_TYPE_PIPE.  Needs no right."""
        ...

    def query_file_information(self, file: int, /) -> s.FileInformation:
        """GetFileInformationByHandle.  Rights: FILE_READ_ATTRIBUTES.  INVALID_DEVICE_REQUEST for
        what is no disk file."""
        ...

    def reopen_file(self, file: int, access: int, share: int, options: int, /) -> int:
        """ReOpenFile.  Rights: ``access`` on the file.  SHARING_VIOLATION, ACCESS_DENIED,
        INVALID_DEVICE_REQUEST."""
        ...

    def lock_file(
        self, file: int, offset: int, length: int, exclusive: bool, wait: bool, /
    ) -> None:
        """NtLockFile.  Rights: FILE_READ_DATA or FILE_WRITE_DATA.  LOCK_NOT_GRANTED,
        INVALID_LOCK_RANGE."""
        ...

    def unlock_file(self, file: int, offset: int, length: int, /) -> None:
        """NtUnlockFile, with the very range that was locked.  RANGE_NOT_LOCKED."""
        ...

    def delete_file(self, path: str) -> None:
        """DeleteFile.  SHARING_VIOLATION, CANNOT_DELETE (read-only, or a section of it is in use),
        FILE_IS_A_DIRECTORY."""
        ...
