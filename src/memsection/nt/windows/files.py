# SPDX-License-Identifier: MIT
"""The services for files, as far as sections need them."""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import ctypes
import msvcrt

from memsection.nt.windows import arguments, ntdll, objects
from memsection.nt.windows import structs as n
from memsection.vocabulary import access as a
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.object_types import FILE

#: the rights that a section looks at
_CONTENT = a.FILE_READ_DATA | a.FILE_WRITE_DATA | a.FILE_EXECUTE
_ATTRIBUTE_NORMAL = 0x80
_SYNCHRONOUS_IO_NONALERT = 0x20
_NON_DIRECTORY_FILE = 0x40
_STANDARD, _POSITION, _END_OF_FILE = 5, 14, 20  #: FILE_INFORMATION_CLASS


def _native_path(path: str) -> str:
    """The object name of a path as Windows programs write it."""
    string = n.UnicodeString()
    if not ntdll.RtlDosPathNameToNtPathName(path, ctypes.byref(string), None, None):
        raise NtError(st.OBJECT_PATH_NOT_FOUND, "open file", path)
    try:
        return string.text()
    finally:
        ntdll.RtlFreeUnicodeString(ctypes.byref(string))


def _overlapped_for(offset: int) -> ctypes.Array[ctypes.c_uint64]:
    """An OVERLAPPED that says where, and nothing else."""
    return (ctypes.c_uint64 * 4)(0, 0, offset, 0)


class Files:
    """The part of the kernel that is about files."""

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
        # What kernel32 adds as well: handles are for synchronous use, and can be waited for and
        # asked for the size.
        access |= a.SYNCHRONIZE | a.FILE_READ_ATTRIBUTES
        if options & s.FILE_DELETE_ON_CLOSE:
            access |= a.DELETE
        name = arguments.object_attributes(
            s.ObjectAttributes(
                _native_path(path), 0, attributes | s.OBJ_CASE_INSENSITIVE, descriptor
            )
        )
        handle, io = n.HANDLE(), n.IoStatusBlock()
        ntdll.call(
            "NtCreateFile",
            ctypes.byref(handle),
            access,
            name,
            ctypes.byref(io),
            None,
            _ATTRIBUTE_NORMAL,
            share,
            disposition,
            options | _SYNCHRONOUS_IO_NONALERT | _NON_DIRECTORY_FILE,
            None,
            0,
            name=path,
        )
        return handle.value, io.Information

    def reopen_file(self, file: int, access: int, share: int, options: int) -> int:
        name = arguments.object_attributes(s.ObjectAttributes("", file))
        handle = n.HANDLE()
        ntdll.call(
            "NtCreateFile",
            ctypes.byref(handle),
            access | a.SYNCHRONIZE | a.FILE_READ_ATTRIBUTES,
            name,
            ctypes.byref(n.IoStatusBlock()),
            None,
            0,
            share,
            s.FILE_OPEN,
            options | _SYNCHRONOUS_IO_NONALERT | _NON_DIRECTORY_FILE,
            None,
            0,
        )
        return handle.value

    def file_from_fd(self, fd: int, access: int) -> int:
        try:
            handle = msvcrt.get_osfhandle(fd)
        except (OSError, OverflowError) as error:
            raise NtError(st.INVALID_HANDLE, "file", f"descriptor {fd}", str(error)) from None
        needed = FILE.specific(access) & _CONTENT
        granted = objects.basic(handle).GrantedAccess
        if granted & needed != needed:
            raise NtError(
                st.ACCESS_DENIED,
                "file",
                f"descriptor {fd}",
                f"asked for {FILE.words(needed)}, the "
                f"descriptor has {FILE.words(granted & _CONTENT)}",
            )
        return objects.duplicate(
            s.CURRENT_PROCESS, handle, s.CURRENT_PROCESS, 0, 0, s.DUPLICATE_SAME_ACCESS
        )

    def read_file(self, file: int, count: int, offset: int | None = None) -> bytes:
        buffer, io = ctypes.create_string_buffer(count), n.IoStatusBlock()
        status = ntdll.status_of(
            "NtReadFile",
            file,
            0,
            None,
            None,
            ctypes.byref(io),
            buffer,
            count,
            arguments.large(offset),
            None,
        )
        if status == st.END_OF_FILE:
            return b""
        if status & 0x80000000:
            raise NtError(status, ntdll.operation("NtReadFile"))
        return buffer.raw[: io.Information]

    def write_file(self, file: int, data: bytes, offset: int | None = None) -> int:
        io = n.IoStatusBlock()
        ntdll.call(
            "NtWriteFile",
            file,
            0,
            None,
            None,
            ctypes.byref(io),
            bytes(data),
            len(data),
            arguments.large(offset),
            None,
        )
        return int(io.Information)

    def query_file(self, file: int) -> tuple[int, int]:
        info, position, io = n.FileStandardInformation(), n.LARGE(), n.IoStatusBlock()
        ntdll.call(
            "NtQueryInformationFile",
            file,
            ctypes.byref(io),
            ctypes.byref(info),
            ctypes.sizeof(info),
            _STANDARD,
        )
        ntdll.call(
            "NtQueryInformationFile",
            file,
            ctypes.byref(io),
            ctypes.byref(position),
            ctypes.sizeof(position),
            _POSITION,
        )
        return info.EndOfFile, position.value

    def set_file_position(self, file: int, position: int) -> None:
        self._set(file, position, _POSITION)

    def set_end_of_file(self, file: int, size: int) -> None:
        self._set(file, size, _END_OF_FILE)

    def flush_file(self, file: int) -> None:
        ntdll.call("NtFlushBuffersFile", file, ctypes.byref(n.IoStatusBlock()))

    def query_file_type(self, file: int) -> int:
        ctypes.set_last_error(0)
        kind = ntdll.GetFileType(file)
        if kind == s.FILE_TYPE_UNKNOWN and ctypes.get_last_error():
            raise ntdll.last_error("GetFileType")
        return int(kind)

    def query_file_information(self, file: int) -> s.FileInformation:
        info = n.ByHandleFileInformation()
        if not ntdll.GetFileInformationByHandle(file, ctypes.byref(info)):
            raise ntdll.last_error("GetFileInformationByHandle")
        return s.FileInformation(
            info.FileAttributes,
            info.CreationTime,
            info.LastAccessTime,
            info.LastWriteTime,
            info.VolumeSerialNumber,
            info.FileSizeHigh << 32 | info.FileSizeLow,
            info.NumberOfLinks,
            info.FileIndexHigh << 32 | info.FileIndexLow,
        )

    def lock_file(self, file: int, offset: int, length: int, exclusive: bool, wait: bool) -> None:
        if not ntdll.LockFileEx(
            file,
            exclusive << 1 | (not wait),
            0,
            length & 0xFFFFFFFF,
            length >> 32,
            _overlapped_for(offset),
        ):
            raise ntdll.last_error("LockFileEx")

    def unlock_file(self, file: int, offset: int, length: int) -> None:
        if not ntdll.UnlockFileEx(
            file, 0, length & 0xFFFFFFFF, length >> 32, _overlapped_for(offset)
        ):
            raise ntdll.last_error("UnlockFileEx")

    def delete_file(self, path: str) -> None:
        if not ntdll.DeleteFile(path):
            raise ntdll.last_error("DeleteFile", path)

    @staticmethod
    def _set(file: int, number: int, information: int) -> None:
        value, io = n.LARGE(number), n.IoStatusBlock()
        ntdll.call(
            "NtSetInformationFile",
            file,
            ctypes.byref(io),
            ctypes.byref(value),
            ctypes.sizeof(value),
            information,
        )
