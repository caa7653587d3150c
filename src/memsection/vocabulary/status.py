# SPDX-License-Identifier: MIT
"""NT status codes with their Win32 error and errno equivalents: one table.

It owns the numbers and their translation.  Exceptions stand in ``errors``.  The pairs
of status and Win32 error are those of RtlNtStatusToDosError (MS-ERREF 2.3, and the
conformance transcripts).
"""

from __future__ import annotations

import errno as _errno

from memsection.vocabulary.records import record


@record(frozen=True, slots=True)
class Row:
    """What one status is called, and what it is for Win32 and POSIX programs."""

    name: str
    winerror: int
    errno: int
    text: str


_TABLE: dict[int, Row] = {}


def _status(value: int, name: str, winerror: int, errno: int, text: str) -> int:
    _TABLE[value] = Row(name, winerror, errno, text)
    return value


_s = _status
SUCCESS = _s(0x00000000, "STATUS_SUCCESS", 0, 0, "success")
WAIT_0 = SUCCESS
ABANDONED_WAIT_0 = _s(
    0x00000080, "STATUS_ABANDONED_WAIT_0", 735, _errno.EOWNERDEAD, "the mutex was abandoned"
)
USER_APC = _s(0x000000C0, "STATUS_USER_APC", 0, _errno.EINTR, "the wait was interrupted")
TIMEOUT = _s(0x00000102, "STATUS_TIMEOUT", 258, _errno.ETIMEDOUT, "the time is up")
PENDING = _s(0x00000103, "STATUS_PENDING", 997, _errno.EINPROGRESS, "still going on")
MORE_ENTRIES = _s(
    0x00000105, "STATUS_MORE_ENTRIES", 234, 0, "there are more entries than were given"
)
NOT_ALL_ASSIGNED = _s(
    0x00000106,
    "STATUS_NOT_ALL_ASSIGNED",
    1300,
    _errno.EPERM,
    "the token does not have all these privileges",
)
OBJECT_NAME_EXISTS = _s(
    0x40000000, "STATUS_OBJECT_NAME_EXISTS", 183, _errno.EEXIST, "the name exists and was opened"
)
TIMER_RESUME_IGNORED = _s(
    0x40000025,
    "STATUS_TIMER_RESUME_IGNORED",
    50,
    0,
    "the timer is set, and does not wake a system that sleeps",
)
IMAGE_NOT_AT_BASE = _s(0x40000003, "STATUS_IMAGE_NOT_AT_BASE", 0, 0, "mapped at another address")
PARTIAL_COPY = _s(
    0x8000000D, "STATUS_PARTIAL_COPY", 299, _errno.EFAULT, "only a part could be copied"
)
NO_MORE_ENTRIES = _s(
    0x8000001A, "STATUS_NO_MORE_ENTRIES", 259, _errno.ENOENT, "there are no more entries"
)
UNSUCCESSFUL = _s(
    0xC0000001, "STATUS_UNSUCCESSFUL", 31, _errno.EIO, "the operation did not succeed"
)
NOT_IMPLEMENTED = _s(0xC0000002, "STATUS_NOT_IMPLEMENTED", 1, _errno.ENOSYS, "not implemented")
INVALID_INFO_CLASS = _s(
    0xC0000003, "STATUS_INVALID_INFO_CLASS", 87, _errno.EINVAL, "no such information class"
)
INFO_LENGTH_MISMATCH = _s(
    0xC0000004, "STATUS_INFO_LENGTH_MISMATCH", 24, _errno.EINVAL, "wrong length"
)
ACCESS_VIOLATION = _s(
    0xC0000005, "STATUS_ACCESS_VIOLATION", 998, _errno.EFAULT, "invalid access to memory"
)
IN_PAGE_ERROR = _s(
    0xC0000006, "STATUS_IN_PAGE_ERROR", 999, _errno.EIO, "a page of the view is gone"
)
PAGEFILE_QUOTA = _s(
    0xC0000007, "STATUS_PAGEFILE_QUOTA", 1454, _errno.ENOMEM, "the quota is used up"
)
INVALID_HANDLE = _s(0xC0000008, "STATUS_INVALID_HANDLE", 6, _errno.EBADF, "no such handle")
INVALID_CID = _s(0xC000000B, "STATUS_INVALID_CID", 87, _errno.ESRCH, "no such process")
INVALID_PARAMETER = _s(
    0xC000000D, "STATUS_INVALID_PARAMETER", 87, _errno.EINVAL, "invalid parameter"
)
NO_SUCH_FILE = _s(0xC000000F, "STATUS_NO_SUCH_FILE", 2, _errno.ENOENT, "no such file")
INVALID_DEVICE_REQUEST = _s(
    0xC0000010, "STATUS_INVALID_DEVICE_REQUEST", 1, _errno.ENOTTY, "not for this kind of file"
)
END_OF_FILE = _s(0xC0000011, "STATUS_END_OF_FILE", 38, _errno.ENODATA, "end of the file")
NO_MEMORY = _s(0xC0000017, "STATUS_NO_MEMORY", 8, _errno.ENOMEM, "not enough memory")
CONFLICTING_ADDRESSES = _s(
    0xC0000018,
    "STATUS_CONFLICTING_ADDRESSES",
    487,
    _errno.EADDRINUSE,
    "the address range is not free, or not this view's",
)
NOT_MAPPED_VIEW = _s(
    0xC0000019, "STATUS_NOT_MAPPED_VIEW", 487, _errno.EFAULT, "there is no view at this address"
)
UNABLE_TO_FREE_VM = _s(
    0xC000001A, "STATUS_UNABLE_TO_FREE_VM", 87, _errno.EINVAL, "this memory cannot be given back"
)
UNABLE_TO_DELETE_SECTION = _s(
    0xC000001B,
    "STATUS_UNABLE_TO_DELETE_SECTION",
    87,
    _errno.EINVAL,
    "a view's memory cannot be given back",
)
INVALID_VIEW_SIZE = _s(
    0xC000001F,
    "STATUS_INVALID_VIEW_SIZE",
    5,
    _errno.EINVAL,
    "the view would reach beyond the end of the section",
)
INVALID_FILE_FOR_SECTION = _s(
    0xC0000020, "STATUS_INVALID_FILE_FOR_SECTION", 193, _errno.EINVAL, "this file cannot be mapped"
)
ALREADY_COMMITTED = _s(
    0xC0000021, "STATUS_ALREADY_COMMITTED", 5, _errno.EBUSY, "the pages are committed already"
)
ACCESS_DENIED = _s(0xC0000022, "STATUS_ACCESS_DENIED", 5, _errno.EACCES, "access denied")
BUFFER_TOO_SMALL = _s(
    0xC0000023, "STATUS_BUFFER_TOO_SMALL", 122, _errno.ENOBUFS, "the buffer is too small"
)
OBJECT_TYPE_MISMATCH = _s(
    0xC0000024, "STATUS_OBJECT_TYPE_MISMATCH", 6, _errno.EBADF, "an object of another type"
)
NOT_COMMITTED = _s(
    0xC000002D, "STATUS_NOT_COMMITTED", 487, _errno.EFAULT, "the pages are not committed"
)
INVALID_PARAMETER_MIX = _s(
    0xC0000030,
    "STATUS_INVALID_PARAMETER_MIX",
    87,
    _errno.EINVAL,
    "parameters that do not go together",
)
OBJECT_NAME_INVALID = _s(
    0xC0000033, "STATUS_OBJECT_NAME_INVALID", 123, _errno.EINVAL, "not a valid name"
)
OBJECT_NAME_NOT_FOUND = _s(
    0xC0000034, "STATUS_OBJECT_NAME_NOT_FOUND", 2, _errno.ENOENT, "no object of that name"
)
OBJECT_NAME_COLLISION = _s(
    0xC0000035, "STATUS_OBJECT_NAME_COLLISION", 183, _errno.EEXIST, "the name is taken"
)
OBJECT_PATH_INVALID = _s(
    0xC0000039, "STATUS_OBJECT_PATH_INVALID", 161, _errno.EINVAL, "not a valid path"
)
OBJECT_PATH_NOT_FOUND = _s(
    0xC000003A, "STATUS_OBJECT_PATH_NOT_FOUND", 3, _errno.ENOENT, "no such directory"
)
OBJECT_PATH_SYNTAX_BAD = _s(
    0xC000003B, "STATUS_OBJECT_PATH_SYNTAX_BAD", 161, _errno.EINVAL, "not a full path"
)
SECTION_TOO_BIG = _s(
    0xC0000040,
    "STATUS_SECTION_TOO_BIG",
    8,
    _errno.EFBIG,
    "the section would be larger than its file, which it may not extend",
)
SHARING_VIOLATION = _s(
    0xC0000043, "STATUS_SHARING_VIOLATION", 32, _errno.EBUSY, "the file is in use by another handle"
)
INVALID_PAGE_PROTECTION = _s(
    0xC0000045, "STATUS_INVALID_PAGE_PROTECTION", 87, _errno.EINVAL, "not a valid page protection"
)
MUTANT_NOT_OWNED = _s(
    0xC0000046, "STATUS_MUTANT_NOT_OWNED", 288, _errno.EPERM, "this thread does not own the mutex"
)
SEMAPHORE_LIMIT_EXCEEDED = _s(
    0xC0000047,
    "STATUS_SEMAPHORE_LIMIT_EXCEEDED",
    298,
    _errno.EOVERFLOW,
    "the semaphore's maximum would be exceeded",
)
SECTION_NOT_IMAGE = _s(
    0xC0000049, "STATUS_SECTION_NOT_IMAGE", 87, _errno.ENOEXEC, "the section is no image"
)
SECTION_PROTECTION = _s(
    0xC000004E,
    "STATUS_SECTION_PROTECTION",
    87,
    _errno.EACCES,
    "more than the section's own protection",
)
FILE_LOCK_CONFLICT = _s(
    0xC0000054, "STATUS_FILE_LOCK_CONFLICT", 33, _errno.EBUSY, "somebody has locked a part of it"
)
LOCK_NOT_GRANTED = _s(
    0xC0000055, "STATUS_LOCK_NOT_GRANTED", 33, _errno.EBUSY, "somebody has locked a part of it"
)
DELETE_PENDING = _s(
    0xC0000056, "STATUS_DELETE_PENDING", 5, _errno.EBUSY, "the file is about to be deleted"
)
UNKNOWN_REVISION = _s(
    0xC0000058, "STATUS_UNKNOWN_REVISION", 1305, _errno.EINVAL, "a revision that is not known"
)
REVISION_MISMATCH = _s(
    0xC0000059, "STATUS_REVISION_MISMATCH", 1306, _errno.EINVAL, "revisions that do not go together"
)
INVALID_OWNER = _s(
    0xC000005A, "STATUS_INVALID_OWNER", 1307, _errno.EPERM, "not allowed as an owner"
)
NO_IMPERSONATION_TOKEN = _s(
    0xC000005C, "STATUS_NO_IMPERSONATION_TOKEN", 1309, _errno.EINVAL, "not an impersonation token"
)
NO_SUCH_PRIVILEGE = _s(
    0xC0000060, "STATUS_NO_SUCH_PRIVILEGE", 1313, _errno.EINVAL, "no such privilege"
)
PRIVILEGE_NOT_HELD = _s(
    0xC0000061, "STATUS_PRIVILEGE_NOT_HELD", 1314, _errno.EPERM, "a privilege is missing"
)
NONE_MAPPED = _s(0xC0000073, "STATUS_NONE_MAPPED", 1332, _errno.EINVAL, "no such account")
INVALID_ACL = _s(
    0xC0000077, "STATUS_INVALID_ACL", 1336, _errno.EINVAL, "not a valid access control list"
)
INVALID_SID = _s(
    0xC0000078, "STATUS_INVALID_SID", 1337, _errno.EINVAL, "not a valid security identifier"
)
INVALID_SECURITY_DESCR = _s(
    0xC0000079,
    "STATUS_INVALID_SECURITY_DESCR",
    1338,
    _errno.EINVAL,
    "not a valid security descriptor",
)
INVALID_IMAGE_FORMAT = _s(
    0xC000007B, "STATUS_INVALID_IMAGE_FORMAT", 193, _errno.ENOEXEC, "not an executable image"
)
NO_TOKEN = _s(0xC000007C, "STATUS_NO_TOKEN", 1008, _errno.ESRCH, "no token")
DISK_FULL = _s(0xC000007F, "STATUS_DISK_FULL", 112, _errno.ENOSPC, "the disk is full")
SECTION_NOT_EXTENDED = _s(
    0xC0000087, "STATUS_SECTION_NOT_EXTENDED", 14, _errno.EINVAL, "the section cannot be extended"
)
FILE_INVALID = _s(
    0xC0000098, "STATUS_FILE_INVALID", 1006, _errno.EINVAL, "the file was changed from outside"
)
FREE_VM_NOT_AT_BASE = _s(
    0xC000009F,
    "STATUS_FREE_VM_NOT_AT_BASE",
    487,
    _errno.EINVAL,
    "not the beginning of an allocation",
)
ALLOTTED_SPACE_EXCEEDED = _s(
    0xC0000099,
    "STATUS_ALLOTTED_SPACE_EXCEEDED",
    1344,
    _errno.ENOSPC,
    "the access control list has no room left",
)
INSUFFICIENT_RESOURCES = _s(
    0xC000009A,
    "STATUS_INSUFFICIENT_RESOURCES",
    1450,
    _errno.EAGAIN,
    "the system has no more of a resource",
)
FILE_IS_A_DIRECTORY = _s(
    0xC00000BA, "STATUS_FILE_IS_A_DIRECTORY", 5, _errno.EISDIR, "it is a directory"
)
BAD_IMPERSONATION_LEVEL = _s(
    0xC00000A5,
    "STATUS_BAD_IMPERSONATION_LEVEL",
    1346,
    _errno.EPERM,
    "the token's impersonation level does not allow it",
)
MEMORY_NOT_ALLOCATED = _s(
    0xC00000A0, "STATUS_MEMORY_NOT_ALLOCATED", 487, _errno.EINVAL, "nothing was allocated there"
)
NOT_SUPPORTED = _s(0xC00000BB, "STATUS_NOT_SUPPORTED", 50, _errno.ENOTSUP, "not supported here")
UNEXPECTED_IO_ERROR = _s(
    0xC00000E9, "STATUS_UNEXPECTED_IO_ERROR", 1117, _errno.EIO, "input or output failed"
)
INVALID_PARAMETER_1 = _s(
    0xC00000EF, "STATUS_INVALID_PARAMETER_1", 87, _errno.EINVAL, "invalid parameter 1"
)
INVALID_PARAMETER_2 = _s(
    0xC00000F0, "STATUS_INVALID_PARAMETER_2", 87, _errno.EINVAL, "invalid parameter 2"
)
INVALID_PARAMETER_3 = _s(
    0xC00000F1, "STATUS_INVALID_PARAMETER_3", 87, _errno.EINVAL, "invalid parameter 3"
)
INVALID_PARAMETER_4 = _s(
    0xC00000F2, "STATUS_INVALID_PARAMETER_4", 87, _errno.EINVAL, "invalid parameter 4"
)
INVALID_PARAMETER_5 = _s(
    0xC00000F3, "STATUS_INVALID_PARAMETER_5", 87, _errno.EINVAL, "invalid parameter 5"
)
INVALID_PARAMETER_6 = _s(
    0xC00000F4, "STATUS_INVALID_PARAMETER_6", 87, _errno.EINVAL, "invalid parameter 6"
)
INVALID_PARAMETER_7 = _s(
    0xC00000F5, "STATUS_INVALID_PARAMETER_7", 87, _errno.EINVAL, "invalid parameter 7"
)
INVALID_PARAMETER_8 = _s(
    0xC00000F6, "STATUS_INVALID_PARAMETER_8", 87, _errno.EINVAL, "invalid parameter 8"
)
INVALID_PARAMETER_9 = _s(
    0xC00000F7, "STATUS_INVALID_PARAMETER_9", 87, _errno.EINVAL, "invalid parameter 9"
)
BAD_DESCRIPTOR_FORMAT = _s(
    0xC00000E7,
    "STATUS_BAD_DESCRIPTOR_FORMAT",
    1361,
    _errno.EINVAL,
    "not the form of a security descriptor that is wanted here",
)
FILE_CORRUPT_ERROR = _s(
    0xC0000102,
    "STATUS_FILE_CORRUPT_ERROR",
    1392,
    _errno.EBADMSG,
    "the object's own record of itself is damaged",
)
NOT_A_DIRECTORY = _s(0xC0000103, "STATUS_NOT_A_DIRECTORY", 267, _errno.ENOTDIR, "not a directory")
NAME_TOO_LONG = _s(
    0xC0000106, "STATUS_NAME_TOO_LONG", 206, _errno.ENAMETOOLONG, "the name is too long"
)
GENERIC_NOT_MAPPED = _s(
    0xC00000E6,
    "STATUS_GENERIC_NOT_MAPPED",
    1360,
    _errno.EINVAL,
    "generic rights have to be mapped first",
)
PROCESS_IS_TERMINATING = _s(
    0xC000010A, "STATUS_PROCESS_IS_TERMINATING", 5, _errno.ESRCH, "the process has ended"
)
MAPPED_FILE_SIZE_ZERO = _s(
    0xC000011E, "STATUS_MAPPED_FILE_SIZE_ZERO", 1006, _errno.EINVAL, "the file is empty"
)
TOO_MANY_OPENED_FILES = _s(
    0xC000011F,
    "STATUS_TOO_MANY_OPENED_FILES",
    4,
    _errno.EMFILE,
    "this process has no more handles (file descriptors)",
)
CANCELLED = _s(0xC0000120, "STATUS_CANCELLED", 995, _errno.ECANCELED, "cancelled")
INVALID_LOCK_RANGE = _s(
    0xC00001A1, "STATUS_INVALID_LOCK_RANGE", 307, _errno.EINVAL, "no range that can be locked"
)
RANGE_NOT_LOCKED = _s(
    0xC000007E, "STATUS_RANGE_NOT_LOCKED", 158, _errno.ENOLCK, "the range is not locked"
)
CANNOT_DELETE = _s(0xC0000121, "STATUS_CANNOT_DELETE", 5, _errno.EPERM, "it cannot be deleted")
COMMITMENT_LIMIT = _s(
    0xC000012D, "STATUS_COMMITMENT_LIMIT", 1455, _errno.ENOMEM, "more memory than can be had"
)
INVALID_IMAGE_NOT_MZ = _s(
    0xC000012F, "STATUS_INVALID_IMAGE_NOT_MZ", 193, _errno.ENOEXEC, "not an executable image"
)
PIPE_DISCONNECTED = _s(
    0xC00000B0, "STATUS_PIPE_DISCONNECTED", 233, _errno.ECONNRESET, "the other end has gone"
)
UNHANDLED_EXCEPTION = _s(
    0xC0000144, "STATUS_UNHANDLED_EXCEPTION", 574, _errno.EIO, "the other side raised an exception"
)
PIPE_BROKEN = _s(0xC000014B, "STATUS_PIPE_BROKEN", 109, _errno.EPIPE, "nobody is at the other end")
MUTANT_LIMIT_EXCEEDED = _s(
    0xC0000191,
    "STATUS_MUTANT_LIMIT_EXCEEDED",
    587,
    _errno.EOVERFLOW,
    "the mutex was taken too often",
)
POSSIBLE_DEADLOCK = _s(
    0xC0000194,
    "STATUS_POSSIBLE_DEADLOCK",
    1131,
    _errno.EDEADLK,
    "this thread would wait for itself",
)
MESSAGE_NOT_FOUND = _s(
    0xC0000109, "STATUS_MESSAGE_NOT_FOUND", 317, _errno.ENOMSG, "no text for this message"
)
RESOURCE_LANG_NOT_FOUND = _s(
    0xC0000204, "STATUS_RESOURCE_LANG_NOT_FOUND", 1815, _errno.ENOMSG, "no text in this language"
)
NOT_SAME_OBJECT = _s(
    0xC00001AC, "STATUS_NOT_SAME_OBJECT", 1656, _errno.EINVAL, "not the same object"
)
INVALID_BUFFER_SIZE = _s(
    0xC0000206, "STATUS_INVALID_BUFFER_SIZE", 1784, _errno.EMSGSIZE, "the message is too large"
)
INVALID_ADDRESS = _s(
    0xC0000141,
    "STATUS_INVALID_ADDRESS",
    59,
    _errno.EFAULT,
    "nothing of that kind is at the address",
)
MAPPED_ALIGNMENT = _s(
    0xC0000220,
    "STATUS_MAPPED_ALIGNMENT",
    1132,
    _errno.EINVAL,
    "not a multiple of the allocation granularity (65536)",
)
HANDLE_NOT_CLOSABLE = _s(
    0xC0000235, "STATUS_HANDLE_NOT_CLOSABLE", 6, _errno.EPERM, "the handle is protected from close"
)
USER_MAPPED_FILE = _s(
    0xC0000243, "STATUS_USER_MAPPED_FILE", 1224, _errno.ETXTBSY, "a section of the file is in use"
)
# Win32 errors that no NT status means, in the form that FACILITY_NTWIN32 gives them (MS-ERREF 2.3).
FILE_EXISTS = _s(0xC0070050, "ERROR_FILE_EXISTS", 80, _errno.EEXIST, "the file exists")
NEGATIVE_SEEK = _s(
    0xC0070083, "ERROR_NEGATIVE_SEEK", 131, _errno.EINVAL, "before the beginning of the file"
)
# Statuses of this library (customer bit set, MS-ERREF 2.3): what Windows has no word for.
HOLDER_OUT_OF_REACH = _s(
    0xE0530001,
    "STATUS_MEMSECTION_HOLDER_OUT_OF_REACH",
    5,
    _errno.EACCES,
    "somebody holds the name whose descriptors this process may not look into",
)
NAMESPACE_REFUSED = _s(
    0xE0530002,
    "STATUS_MEMSECTION_NAMESPACE_REFUSED",
    5,
    _errno.EPERM,
    "the namespace directory is not safe to use",
)
NO_KERNEL_FLOOR = _s(
    0xE0530003,
    "STATUS_MEMSECTION_NO_KERNEL_FLOOR",
    1338,
    _errno.EINVAL,
    "the kernel cannot enforce this security descriptor",
)
NOT_ON_THIS_SYSTEM = _s(
    0xE0530004,
    "STATUS_MEMSECTION_NOT_ON_THIS_SYSTEM",
    50,
    _errno.ENOTSUP,
    "this system cannot do that",
)
del _s


def row(status: int) -> Row:
    """Everything known of a status; one that is not in the table is an unexpected error."""
    return _TABLE.get(status & 0xFFFFFFFF) or Row(
        f"NTSTATUS {status & 0xFFFFFFFF:#010x}", 317, _errno.EIO, "unknown status"
    )


def winerror(status: int) -> int:
    """The Win32 error code of a status (RtlNtStatusToDosError)."""
    return row(status).winerror


def rows_by_status() -> dict[int, Row]:
    """The whole table."""
    return dict(_TABLE)


_BY_ERRNO = {
    _errno.EACCES: ACCESS_DENIED,
    _errno.EPERM: ACCESS_DENIED,
    _errno.EROFS: ACCESS_DENIED,
    _errno.ENOENT: OBJECT_NAME_NOT_FOUND,
    _errno.EEXIST: OBJECT_NAME_COLLISION,
    _errno.EBADF: INVALID_HANDLE,
    _errno.ENOMEM: NO_MEMORY,
    _errno.ENOSPC: DISK_FULL,
    _errno.EDQUOT: DISK_FULL,
    _errno.EFBIG: SECTION_TOO_BIG,
    _errno.EMFILE: TOO_MANY_OPENED_FILES,
    _errno.ENFILE: TOO_MANY_OPENED_FILES,
    _errno.EINVAL: INVALID_PARAMETER,
    _errno.ENOTDIR: OBJECT_PATH_NOT_FOUND,
    _errno.ELOOP: OBJECT_PATH_INVALID,
    _errno.ENAMETOOLONG: NAME_TOO_LONG,
    _errno.EISDIR: FILE_IS_A_DIRECTORY,
    _errno.ESRCH: INVALID_CID,
    _errno.EFAULT: ACCESS_VIOLATION,
    _errno.EIO: UNEXPECTED_IO_ERROR,
    _errno.ENOSYS: NOT_SUPPORTED,
    _errno.EOPNOTSUPP: NOT_SUPPORTED,
    _errno.ETXTBSY: SHARING_VIOLATION,
    _errno.EBUSY: SHARING_VIOLATION,
    _errno.EAGAIN: INSUFFICIENT_RESOURCES,
    _errno.ETIMEDOUT: TIMEOUT,
    _errno.EADDRINUSE: CONFLICTING_ADDRESSES,
    _errno.ENODEV: INVALID_FILE_FOR_SECTION,
}


def from_errno(number: int | None) -> int:
    """The status of a system call's errno; the one place where errno becomes NTSTATUS."""
    return UNSUCCESSFUL if number is None else _BY_ERRNO.get(number, UNSUCCESSFUL)
