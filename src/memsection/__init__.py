# SPDX-License-Identifier: MIT
"""Windows section objects for Python: shared memory with names, handles, rights and a lifetime.

The public names, re-exported one by one from where they are made; each is imported when it is first
used.
"""

from __future__ import annotations

__version__ = "0.1.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from memsection import arrays, arrow, compat, latest, nt, pickling, records, win32  # noqa: F401
    from memsection.api.event import Event
    from memsection.api.mutex import Mutex
    from memsection.api.passing import popen_arguments
    from memsection.api.process import HeldHandle, Process, debug_privilege
    from memsection.api.section import Section
    from memsection.api.security import Security
    from memsection.api.semaphore import Semaphore
    from memsection.api.timer import Timer
    from memsection.api.view import View
    from memsection.api.wait import wait_all, wait_any
    from memsection.rwlock import RWLock
    from memsection.vocabulary import errors, security
    from memsection.vocabulary.access_words import SectionAccess, WaitableAccess
    from memsection.vocabulary.errors import (
        AbandonedMutexError,
        AccessError,
        ArgumentError,
        CommitError,
        CorruptError,
        EndOfChannelError,
        Error,
        ExistsError,
        HandleError,
        InPageError,
        MessageTooLargeError,
        NameTimeoutError,
        NoReceiverError,
        NotFoundError,
        PeerDiedError,
        RemoteError,
        WaitTimeoutError,
    )
    from memsection.vocabulary.protection import ALLOCATION_GRANULARITY, PAGE_SIZE

__all__ = [
    "ALLOCATION_GRANULARITY",
    "PAGE_SIZE",
    "AbandonedMutexError",
    "AccessError",
    "ArgumentError",
    "CommitError",
    "CorruptError",
    "EndOfChannelError",
    "Error",
    "Event",
    "ExistsError",
    "HandleError",
    "HeldHandle",
    "InPageError",
    "MessageTooLargeError",
    "Mutex",
    "NameTimeoutError",
    "NoReceiverError",
    "NotFoundError",
    "PeerDiedError",
    "Process",
    "RWLock",
    "RemoteError",
    "Section",
    "SectionAccess",
    "Security",
    "Semaphore",
    "Timer",
    "View",
    "WaitTimeoutError",
    "WaitableAccess",
    "debug_privilege",
    "errors",
    "popen_arguments",
    "security",
    "wait_all",
    "wait_any",
]
# Where each name is made.  Importing at first use (PEP 562) keeps ``import memsection`` cheap for a
# program that may not need it at all (bench/import_time.py).
_HOME = {
    **dict.fromkeys(
        (
            "AbandonedMutexError",
            "AccessError",
            "ArgumentError",
            "CommitError",
            "CorruptError",
            "EndOfChannelError",
            "Error",
            "ExistsError",
            "HandleError",
            "InPageError",
            "MessageTooLargeError",
            "NameTimeoutError",
            "NoReceiverError",
            "NotFoundError",
            "PeerDiedError",
            "RemoteError",
            "WaitTimeoutError",
        ),
        "vocabulary.errors",
    ),
    **dict.fromkeys(("ALLOCATION_GRANULARITY", "PAGE_SIZE"), "vocabulary.protection"),
    **dict.fromkeys(("HeldHandle", "Process", "debug_privilege"), "api.process"),
    **dict.fromkeys(("wait_all", "wait_any"), "api.wait"),
    "Event": "api.event",
    "Mutex": "api.mutex",
    "Section": "api.section",
    "Security": "api.security",
    "Semaphore": "api.semaphore",
    "Timer": "api.timer",
    "View": "api.view",
    "popen_arguments": "api.passing",
    "RWLock": "rwlock",
    "SectionAccess": "vocabulary.access_words",
    "WaitableAccess": "vocabulary.access_words",
    "errors": "vocabulary",
    "security": "vocabulary",
}


#: Imported when they are first used, too: ``import memsection`` is enough for
#: ``memsection.arrays``.
_MODULES = ("arrays", "arrow", "compat", "latest", "nt", "pickling", "records", "win32")


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if name in _MODULES:
        return _import_module(f"memsection.{name}")
    if home is None:
        raise AttributeError(f"module 'memsection' has no attribute {name!r}")
    if home == "vocabulary":
        value: object = _import_module(f"memsection.vocabulary.{name}")
    else:
        value = getattr(_import_module(f"memsection.{home}"), name)
    globals()[name] = value
    return value


def _import_module(module: str) -> object:
    """A module; at the limit of descriptors an error that names it."""
    import sys

    def load() -> object:
        __import__(module)  # importlib would bring warnings
        return sys.modules[module]

    if "memsection.nt" in sys.modules:  # all of it: a part alone sees to no failures
        load = sys.modules["memsection.nt.owners"].settled(load)
    try:
        return load()
    except (OSError, ImportError) as problem:
        better = _explain(problem, module)
        if better is problem:
            raise
    if better is None:
        return load()
    raise better from None


def _explain(problem: OSError | ImportError, module: str) -> Exception | None:
    """The exception for an import that failed before there is an object manager: it needs no
    descriptor.  None to try again."""
    import errno
    import os

    numbers = {number: os.strerror(number) for number in (errno.EMFILE, errno.ENFILE)}
    found = [number for number, text in numbers.items() if text in str(problem)]
    if not found:
        return problem
    if found[0] == errno.EMFILE and _raise_descriptor_limit():
        return None
    limit = "the system has" if found[0] == errno.ENFILE else "this process has"
    text = f"import '{module}': {limit} as many files open as it may"
    if found[0] == errno.EMFILE and hasattr(os, "sysconf"):
        text += f", {os.sysconf('SC_OPEN_MAX')}"
    text += (
        ": close some files, or have its limit raised (ulimit -n, LimitNOFILE=), or use memsection "
        "before there are so many"
    )
    try:
        from memsection.vocabulary import errors, status
    except (OSError, ImportError):
        # No class of this library's was ever loaded, and so nobody can ask for one.
        return OSError(found[0], text)
    return errors.Error(text, ntstatus=status.from_errno(found[0]))


def _raise_descriptor_limit() -> bool:
    """Have the descriptors that the hard limit allows; whether that are more."""
    try:
        import resource
    except ImportError:
        return False  # Windows has no such limit
    except OSError:
        return False  # it is a file itself, and was not loaded before
    limits: Any = resource  # type checkers know nothing of it on Windows
    soft, hard = limits.getrlimit(limits.RLIMIT_NOFILE)
    if soft == hard:
        return False
    limits.setrlimit(limits.RLIMIT_NOFILE, (hard, hard))
    return True


def __dir__() -> list[str]:
    return sorted([*__all__, *_MODULES, "__version__"])
