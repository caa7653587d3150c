# SPDX-License-Identifier: MIT
"""pywin32's basic types: the exception, handles, security attributes, overlapped structures,
times."""

# ruff: noqa: N801, N802  # the names of the originals

from __future__ import annotations

import datetime
import time
import uuid
from collections.abc import Callable
from typing import Any

from memsection import win32 as w

TRUE, FALSE = True, False


class error(Exception):
    """A function failed: ``winerror``, ``funcname`` and ``strerror``."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.winerror, self.funcname, self.strerror = (*args, None, None, None)[:3]


class com_error(Exception):
    """What COM raises; nothing here does."""


def message(code: int) -> str:
    """The text of an error code, without a line break."""
    try:
        return str(
            w.FormatMessage(
                w.FORMAT_MESSAGE_FROM_SYSTEM | w.FORMAT_MESSAGE_IGNORE_INSERTS, None, code
            )
        ).rstrip()
    except OSError:
        return "No error message is available"


def call(name: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function of ``memsection.win32``; its failure as ``error``."""
    try:
        return function(*arguments)
    except OSError as problem:
        code = getattr(problem, "winerror", None) or 0
        raise error(code, name, message(code)) from None


def number(handle: Any) -> int:
    """The value of a handle in any of its forms."""
    if handle is None:
        return 0
    if hasattr(handle, "fileno") and not hasattr(handle, "__index__"):
        from memsection.compat.windows import msvcrt

        return msvcrt.get_osfhandle(handle.fileno())
    if not hasattr(handle, "__index__"):
        raise TypeError(f"a handle is a number, not {type(handle).__name__}")
    return int(handle)


class HANDLEType:
    """A handle that is closed with this object."""

    def __init__(self, value: Any = 0) -> None:
        self.handle = number(value)

    def __int__(self) -> int:
        return self.handle

    __index__ = __int__

    def __bool__(self) -> bool:
        return self.handle != 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, int | HANDLEType) and self.handle == int(other)

    def __hash__(self) -> int:
        return hash(self.handle)

    def Close(self) -> None:
        """Close the handle; closing again does nothing."""
        value, self.handle = self.handle, 0
        if value:
            call("CloseHandle", w.CloseHandle, value)

    close = Close

    def Detach(self) -> int:
        """Give the handle up, which stays open: its value."""
        value, self.handle = self.handle, 0
        return value

    def __enter__(self) -> HANDLEType:
        return self

    def __exit__(self, *_: object) -> None:
        self.Close()

    def __del__(self) -> None:
        try:
            self.Close()
        except Exception:
            pass  # somebody closed it underneath, or the interpreter ends

    def __repr__(self) -> str:
        return f"<PyHANDLE:{self.handle}>"


def HANDLE(value: Any = 0) -> HANDLEType:
    """A handle object for a value."""
    return HANDLEType(value)


def make_handle(name: str, function: Callable[..., Any], *arguments: Any) -> HANDLEType:
    """The handle object of what a function makes."""
    value = call(name, function, *arguments)
    found = HANDLEType.__new__(HANDLEType)
    found.handle = value
    return found


class SECURITY_ATTRIBUTES:
    """Who may do what with a new object, and whether its handle is inherited."""

    def __init__(self) -> None:
        import win32security

        self.bInheritHandle: Any = False
        self.SECURITY_DESCRIPTOR: Any = win32security.SECURITY_DESCRIPTOR()

    def Initialize(self) -> None:
        """Forget what was said about access."""
        self.SECURITY_DESCRIPTOR.Initialize()

    def SetSecurityDescriptorDacl(self, present: Any, dacl: Any, defaulted: Any) -> None:
        """Say who may do what; None gives everybody everything."""
        self.SECURITY_DESCRIPTOR.SetSecurityDescriptorDacl(present, dacl, defaulted)

    def SetSecurityDescriptorSacl(self, present: Any, sacl: Any, defaulted: Any) -> None:
        """Say what is recorded, and the label."""
        self.SECURITY_DESCRIPTOR.SetSecurityDescriptorSacl(present, sacl, defaulted)

    def SetSecurityDescriptorOwner(self, sid: Any, defaulted: Any) -> None:
        """Say whose the object is."""
        self.SECURITY_DESCRIPTOR.SetSecurityDescriptorOwner(sid, defaulted)

    def SetSecurityDescriptorGroup(self, sid: Any, defaulted: Any) -> None:
        """Say of which group the object is."""
        self.SECURITY_DESCRIPTOR.SetSecurityDescriptorGroup(sid, defaulted)


SECURITY_ATTRIBUTESType = SECURITY_ATTRIBUTES


def attributes(given: Any) -> w.SECURITY_ATTRIBUTES | None:
    """SECURITY_ATTRIBUTES for ``memsection.win32``; None when nothing is said."""
    if given is None:
        return None
    descriptor = given.SECURITY_DESCRIPTOR
    said = descriptor is not None and descriptor.is_said()
    return w.SECURITY_ATTRIBUTES(
        24, bytes(descriptor) if said else None, bool(given.bInheritHandle)
    )


def SECURITY_DESCRIPTOR(*arguments: Any) -> Any:
    """A security descriptor."""
    import win32security

    return win32security.SECURITY_DESCRIPTOR(*arguments)


def SID(*arguments: Any) -> Any:
    """A security identifier."""
    import win32security

    return win32security.SID(*arguments)


def ACL(*arguments: Any) -> Any:
    """An access list."""
    import win32security

    return win32security.ACL(*arguments)


class OVERLAPPED:
    """Where in a file to read or write, and the event of an operation."""

    def __init__(self) -> None:
        self.Internal = self.InternalHigh = self.Offset = self.OffsetHigh = 0
        self.hEvent: Any = 0
        self.object: Any = None
        self.dword = 0

    def _content(self) -> tuple[Any, ...]:
        words = (self.Internal, self.InternalHigh, self.Offset, self.OffsetHigh)
        return (*words, number(self.hEvent), self.object)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OVERLAPPED) and self._content() == other._content()

    def __hash__(self) -> int:
        return id(self)  # as pywin32's: it changes after it was put into a dictionary


OVERLAPPEDType = OVERLAPPED


class TimeType(datetime.datetime):
    """A time, which is a ``datetime`` with a time zone."""

    def Format(self, layout: str = "%c") -> str:
        """The time as text."""
        return self.strftime(layout)


def Time(value: Any) -> Any:
    """A time from seconds since the epoch, a tuple of them, or a ``datetime``."""
    if isinstance(value, datetime.datetime):
        return value
    milliseconds = 0
    if isinstance(value, tuple | time.struct_time):
        fields = tuple(value)
        milliseconds = fields[9] if len(fields) > 9 else 0
        value = time.mktime(
            (*fields, *(0, 0, -1)[len(fields) - 9 :])[:9] if len(fields) < 9 else fields[:9]
        )
    found = TimeType.fromtimestamp(value)
    return found.replace(microsecond=milliseconds * 1000) if milliseconds else found


def TimeStamp(value: int) -> Any:
    """A time from a number of 100 nanoseconds since 1601."""
    try:
        return TimeType(1601, 1, 1) + datetime.timedelta(microseconds=value // 10)
    except OverflowError:
        return datetime.datetime.max


def Unicode(value: Any) -> str:
    """Text."""
    return str(value)


class IID(bytes):
    """A GUID: its sixteen bytes as they are in memory."""

    def __new__(cls, value: Any, is_bytes: Any = False) -> IID:
        """A GUID from its text, or from bytes."""
        data = bytes(memoryview(value)) if is_bytes else uuid.UUID(str(value)).bytes_le
        if len(data) < 16:
            raise ValueError("a GUID has 16 bytes")
        return super().__new__(cls, data[:16])

    def __str__(self) -> str:
        return f"{{{uuid.UUID(bytes_le=bytes(self))}}}".upper()

    def __repr__(self) -> str:
        return f"IID('{self}')"


def CreateGuid() -> IID:
    """A new GUID."""
    return IID(uuid.uuid4())


UnicodeType, IIDType = str, IID
