# SPDX-License-Identifier: MIT
"""The exceptions.  Each knows its NT status; every public one is also the builtin one would catch.

``NtError`` is what the kernel interface raises inside; ``win32`` and ``api`` turn it into what
their callers expect.  Numbers and their translation are in ``status``.
"""

from __future__ import annotations

from memsection.vocabulary import status as st
from memsection.vocabulary.text import shown as _shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    _E = TypeVar("_E", bound="Error")


class NtError(Exception):
    """A kernel service failed: the status, the operation, the object, and what was asked and found.

    It crosses layers, never the public surface.
    """

    def __init__(
        self, status: int, operation: str = "", name: str | None = None, detail: str = ""
    ) -> None:
        super().__init__(status, operation, name, detail)
        self.status = status & 0xFFFFFFFF
        self.operation = operation
        self.name = name
        self.detail = detail

    def __str__(self) -> str:
        return message(self)


class AbandonedNtError(NtError):
    """A wait without ``accept_abandoned`` found an abandoned mutex, and left it abandoned:
    ABANDONED_WAIT_0, by whom, and which of the objects."""

    def __init__(self, name: str | None, *, owner_pid: int, index: int = 0) -> None:
        whom = f"process {owner_pid}" if owner_pid else "its owner"
        super().__init__(
            st.ABANDONED_WAIT_0,
            "wait",
            name,
            f"{whom} ended while it owned the mutex; what it protects may be half changed",
        )
        self.owner_pid = owner_pid
        self.index = index


def message(failure: NtError) -> str:
    """One sentence: operation, object, what was asked and what was found."""
    head = " ".join(filter(None, (failure.operation, f"'{failure.name}'" if failure.name else "")))
    return _shown(f"{head}: {failure.detail or st.row(failure.status).text}".removeprefix(": "))


class Error(OSError):
    """Base of every error of this library.

    Its text is one line of printable characters: what names and files bring along besides is
    escaped.

    Attributes:
        winerror: The Win32 error code, on every system.
        ntstatus: The NT status code.
        errno: The POSIX error number.
        hint: What can be done about it, where whoever raised it knows more than its status tells:
        a sentence, or "" because the text says all; None where there is nothing to add.
    """

    ntstatus: int = st.UNSUCCESSFUL
    hint: str | None = None

    def __init__(self, text: str = "", *, ntstatus: int | None = None) -> None:
        if ntstatus is not None:
            self.ntstatus = ntstatus & 0xFFFFFFFF
        row = st.row(self.ntstatus)
        super().__init__(row.errno, _shown(text or row.text))
        self._winerror = row.winerror

    @property
    def winerror(self) -> int:  # type: ignore[override, unused-ignore]  # a plain attribute on Windows
        return self._winerror

    def __str__(self) -> str:
        return f"[WinError {self._winerror}] {self.strerror}"

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), str(self.strerror), self.ntstatus, self.hint)


def with_hint(problem: _E, hint: str) -> _E:
    """The error, with what can be done about it."""
    problem.hint = hint
    return problem


def _rebuild(kind: type[Error], text: str, ntstatus: int, hint: str | None = None) -> Error:
    made = kind(text, ntstatus=ntstatus)
    made.hint = hint
    return made


class NotFoundError(Error, FileNotFoundError):
    """No object of that name."""

    ntstatus = st.OBJECT_NAME_NOT_FOUND


class ExistsError(Error, FileExistsError):
    """The name is taken."""

    ntstatus = st.OBJECT_NAME_COLLISION


class AccessError(Error, PermissionError):
    """A right is missing: on the object, on the handle, or on the name."""

    ntstatus = st.ACCESS_DENIED


class WaitTimeoutError(Error, TimeoutError):
    """The time was up."""

    ntstatus = st.TIMEOUT


class NameTimeoutError(NotFoundError, WaitTimeoutError):
    """The time was up, and still no object had the name."""

    ntstatus = st.OBJECT_NAME_NOT_FOUND


class ArgumentError(Error, ValueError):
    """An argument that no object could satisfy."""

    ntstatus = st.INVALID_PARAMETER


class CommitError(Error, MemoryError):
    """Memory that cannot be had."""

    ntstatus = st.COMMITMENT_LIMIT


class HandleError(Error, ValueError):
    """The handle is closed, is none, or means an object of another type."""

    ntstatus = st.INVALID_HANDLE


class InPageError(Error, BufferError):
    """A page under a view is gone: its file was cut short."""

    ntstatus = st.IN_PAGE_ERROR


class CorruptError(Error):
    """The object's own record of itself, which any holder may write, does not make sense."""

    ntstatus = st.FILE_CORRUPT_ERROR


class AbandonedMutexError(Error):
    """The mutex's owner ended while holding it; what it protects may be half changed.

    Attributes:
        owner_pid: Process id of the owner that ended, 0 when unknown.
    """

    ntstatus = st.ABANDONED_WAIT_0

    def __init__(self, text: str = "", *, ntstatus: int | None = None, owner_pid: int = 0) -> None:
        super().__init__(text, ntstatus=ntstatus)
        self.owner_pid = owner_pid


class EndOfChannelError(Error, EOFError):
    """No more comes: the channel was shut down, or all who sent to it have gone and it is empty."""

    ntstatus = st.END_OF_FILE


class NoReceiverError(Error, BrokenPipeError):
    """The channel is full, and all others who received from it have gone."""

    ntstatus = st.PIPE_BROKEN


class MessageTooLargeError(ArgumentError):
    """A message is larger than the channel takes."""

    ntstatus = st.INVALID_BUFFER_SIZE


class PeerDiedError(Error, ConnectionError):
    """Whoever had the call in hand died or gave it up, or all who could have taken it have gone."""

    ntstatus = st.PIPE_DISCONNECTED


class RemoteError(Error):
    """What a server's function raised, told by its text: nothing of the server's is unpickled for
    it.

    Attributes:
        type: The exception's name, with its module if that is not the builtins: ``"KeyError"``,
            ``"shop.OutOfStock"``.
        text: What it said.
        traceback: Where it was raised, as the server's Python shows it; lines of printable
            characters.
    """

    ntstatus = st.UNHANDLED_EXCEPTION

    def __init__(
        self, text: str = "", *, ntstatus: int | None = None, type: str = "", traceback: str = ""
    ) -> None:
        super().__init__(f"{type}: {text}" if type and text else type or text, ntstatus=ntstatus)
        self.type, self.text = _shown(type), text
        self.traceback = "\n".join(map(_shown, traceback.split("\n")))

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_remote, (self.text, self.ntstatus, self.type, self.traceback)


def _rebuild_remote(text: str, ntstatus: int, kind: str, traceback: str) -> RemoteError:
    return RemoteError(text, ntstatus=ntstatus, type=kind, traceback=traceback)


for _public in (
    Error,
    NotFoundError,
    NameTimeoutError,
    ExistsError,
    AccessError,
    WaitTimeoutError,
    ArgumentError,
    CommitError,
    HandleError,
    InPageError,
    CorruptError,
    AbandonedMutexError,
    EndOfChannelError,
    NoReceiverError,
    MessageTooLargeError,
    PeerDiedError,
    RemoteError,
):
    # where users import it from: what a traceback and a pickle name
    _public.__module__ = "memsection"

_KINDS: dict[int, type[Error]] = {
    st.OBJECT_NAME_NOT_FOUND: NotFoundError,
    st.OBJECT_PATH_NOT_FOUND: NotFoundError,
    st.NO_SUCH_FILE: NotFoundError,
    st.OBJECT_NAME_COLLISION: ExistsError,
    st.OBJECT_NAME_EXISTS: ExistsError,
    st.FILE_EXISTS: ExistsError,
    st.ACCESS_DENIED: AccessError,
    st.PRIVILEGE_NOT_HELD: AccessError,
    st.NOT_ALL_ASSIGNED: AccessError,
    st.SECTION_PROTECTION: AccessError,
    st.HOLDER_OUT_OF_REACH: AccessError,
    st.NAMESPACE_REFUSED: AccessError,
    st.HANDLE_NOT_CLOSABLE: AccessError,
    st.MUTANT_NOT_OWNED: AccessError,
    st.SHARING_VIOLATION: AccessError,
    st.TIMEOUT: WaitTimeoutError,
    st.INVALID_PARAMETER: ArgumentError,
    st.INVALID_PARAMETER_MIX: ArgumentError,
    st.MAPPED_ALIGNMENT: ArgumentError,
    st.INVALID_VIEW_SIZE: ArgumentError,
    st.OBJECT_NAME_INVALID: ArgumentError,
    st.OBJECT_PATH_INVALID: ArgumentError,
    st.OBJECT_PATH_SYNTAX_BAD: ArgumentError,
    st.NAME_TOO_LONG: ArgumentError,
    st.INVALID_CID: ArgumentError,
    st.INVALID_PAGE_PROTECTION: ArgumentError,
    st.MAPPED_FILE_SIZE_ZERO: ArgumentError,
    st.SECTION_TOO_BIG: ArgumentError,
    st.CONFLICTING_ADDRESSES: ArgumentError,
    st.NOT_MAPPED_VIEW: ArgumentError,
    st.INVALID_ACL: ArgumentError,
    st.INVALID_SID: ArgumentError,
    st.NONE_MAPPED: ArgumentError,
    st.INVALID_SECURITY_DESCR: ArgumentError,
    st.NO_KERNEL_FLOOR: ArgumentError,
    st.SEMAPHORE_LIMIT_EXCEEDED: ArgumentError,
    st.INVALID_FILE_FOR_SECTION: ArgumentError,
    **{value: ArgumentError for value in range(st.INVALID_PARAMETER_1, st.INVALID_PARAMETER_9 + 1)},
    st.COMMITMENT_LIMIT: CommitError,
    st.NO_MEMORY: CommitError,
    st.PAGEFILE_QUOTA: CommitError,
    st.INVALID_HANDLE: HandleError,
    st.OBJECT_TYPE_MISMATCH: HandleError,
    st.IN_PAGE_ERROR: InPageError,
    st.FILE_CORRUPT_ERROR: CorruptError,
    st.ABANDONED_WAIT_0: AbandonedMutexError,
}


def public_error(failure: NtError) -> Error:
    """The public exception for a failed kernel service."""
    if isinstance(failure, AbandonedNtError):
        return AbandonedMutexError(message(failure), owner_pid=failure.owner_pid)
    return _KINDS.get(failure.status, Error)(message(failure), ntstatus=failure.status)
