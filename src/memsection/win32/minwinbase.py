# SPDX-License-Identifier: MIT
"""minwinbase.h: the structures that several headers share.

Fields have their documented names and order.  ``nLength`` and its like are kept because programs
set them; nothing depends on their value.
"""

from __future__ import annotations

from memsection.vocabulary.records import record

__all__ = ["OVERLAPPED", "SECURITY_ATTRIBUTES"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from memsection.win32.securitybaseapi import SECURITY_DESCRIPTOR


@record(slots=True)
class SECURITY_ATTRIBUTES:
    """Who may do what with a new object, and whether its handle is inherited.

    Attributes:
        nLength: The size of the structure; not looked at.
        lpSecurityDescriptor: A SECURITY_DESCRIPTOR, the bytes of a self-relative one, or None for
            the default.
        bInheritHandle: Whether children created with ``bInheritHandles`` have the handle too.
    """

    nLength: int = 24
    lpSecurityDescriptor: SECURITY_DESCRIPTOR | bytes | None = None
    bInheritHandle: bool | int = False


@record(slots=True)
class OVERLAPPED:
    """Where in a file to read or write; the call returns when it is done."""

    Internal: int = 0
    InternalHigh: int = 0
    Offset: int = 0
    OffsetHigh: int = 0
    hEvent: int = 0

    @property
    def position(self) -> int:
        """The 64-bit offset made of both halves."""
        return (self.OffsetHigh & 0xFFFFFFFF) << 32 | self.Offset & 0xFFFFFFFF
