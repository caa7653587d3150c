# SPDX-License-Identifier: MIT
"""Services for files."""

from __future__ import annotations

import sys

assert sys.platform == "linux"


from memsection.nt.linux.services.wrapping import service

TYPE_CHECKING = False
if TYPE_CHECKING:
    from memsection.vocabulary import structs as s


class FileServices:
    """Services for files."""

    @service("open file")
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
        """NtCreateFile."""
        from memsection.nt.linux.types import file

        return file.create(access, path, attributes, share, disposition, options, descriptor)

    @service("open file again")
    def reopen_file(self, file_handle: int, access: int, share: int, options: int) -> int:
        """NtCreateFile relative to a file, with an empty name."""
        from memsection.nt.linux.types import file

        return file.reopen(file_handle, access, share, options)

    @service("file from descriptor")
    def file_from_fd(self, fd: int, access: int) -> int:
        """A file handle over a descriptor."""
        from memsection.nt.linux.types import file

        return file.from_descriptor(fd, access)

    @service("read file")
    def read_file(self, file_handle: int, count: int, offset: int | None = None) -> bytes:
        """NtReadFile."""
        from memsection.nt.linux.types import file

        return file.read(file_handle, count, offset)

    @service("write file")
    def write_file(self, file_handle: int, data: bytes, offset: int | None = None) -> int:
        """NtWriteFile."""
        from memsection.nt.linux.types import file

        return file.write(file_handle, data, offset)

    @service("query file")
    def query_file(self, file_handle: int) -> tuple[int, int]:
        """(size, position)."""
        from memsection.nt.linux.types import file

        return file.query(file_handle)

    @service("set file position")
    def set_file_position(self, file_handle: int, position: int) -> None:
        """NtSetInformationFile, FilePositionInformation."""
        from memsection.nt.linux.types import file

        file.set_position(file_handle, position)

    @service("set end of file")
    def set_end_of_file(self, file_handle: int, size: int) -> None:
        """NtSetInformationFile, FileEndOfFileInformation."""
        from memsection.nt.linux.types import file

        file.set_end(file_handle, size)

    @service("flush file")
    def flush_file(self, file_handle: int) -> None:
        """NtFlushBuffersFile."""
        from memsection.nt.linux.types import file

        file.flush(file_handle)

    @service("query file type")
    def query_file_type(self, file_handle: int) -> int:
        """GetFileType."""
        from memsection.nt.linux.types import file_facts

        return file_facts.query_type(file_handle)

    @service("query file")
    def query_file_information(self, file_handle: int) -> s.FileInformation:
        """GetFileInformationByHandle."""
        from memsection.nt.linux.types import file_facts

        return file_facts.query_information(file_handle)

    @service("lock file")
    def lock_file(
        self, file_handle: int, offset: int, length: int, exclusive: bool, wait: bool
    ) -> None:
        """NtLockFile."""
        from memsection.nt.linux.types import byte_ranges

        byte_ranges.lock(file_handle, offset, length, exclusive, wait)

    @service("unlock file")
    def unlock_file(self, file_handle: int, offset: int, length: int) -> None:
        """NtUnlockFile."""
        from memsection.nt.linux.types import byte_ranges

        byte_ranges.unlock(file_handle, offset, length)

    @service("delete file")
    def delete_file(self, path: str) -> None:
        """DeleteFile."""
        from memsection.nt.linux.types import file_facts

        file_facts.delete(path)
