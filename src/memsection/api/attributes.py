# SPDX-License-Identifier: MIT
"""What a create or an open is told besides access: name, flags and security, as
OBJECT_ATTRIBUTES."""

from __future__ import annotations

from memsection.nt import kernel
from memsection.vocabulary import object_types
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.arguments import object_name
from memsection.vocabulary.errors import ArgumentError, NtError, public_error
from memsection.vocabulary.object_types import ObjectType
from memsection.vocabulary.remembering import remember_results

TYPE_CHECKING = False
if TYPE_CHECKING:
    from memsection.api.security import Security


def object_attributes(
    kind: ObjectType,
    name: str | None,
    *,
    inheritable: bool = False,
    exist_ok: bool = False,
    permanent: bool = False,
    security: Security | str | bytes | None = None,
) -> s.ObjectAttributes | None:
    """OBJECT_ATTRIBUTES for a create or an open; None when there is nothing to say.

    Raises:
        ArgumentError: The name is empty, or the security makes no sense.
        TypeError: The name is no str, or the security is none.
    """
    object_name(name)
    if name is None and not (inheritable or permanent) and security is None:
        return None
    if name == "":
        raise ArgumentError(
            "name '': a name has at least one character; None makes an unnamed object",
            ntstatus=st.OBJECT_NAME_INVALID,
        )
    flags = (
        (s.OBJ_INHERIT if inheritable else 0)
        | (s.OBJ_OPENIF if exist_ok else 0)
        | (s.OBJ_PERMANENT if permanent else 0)
    )
    if security is None:
        return plain_attributes(name, flags)
    return s.ObjectAttributes(
        name,
        0 if name is None else kernel.named_objects_directory(),
        flags,
        descriptor_bytes(security, kind),
    )


def section_attributes(
    name: str | None,
    *,
    inheritable: bool = False,
    exist_ok: bool = False,
    permanent: bool = False,
    security: Security | str | bytes | None = None,
) -> s.ObjectAttributes | None:
    """As ``object_attributes``, for a section."""
    return object_attributes(
        object_types.SECTION,
        name,
        inheritable=inheritable,
        exist_ok=exist_ok,
        permanent=permanent,
        security=security,
    )


@remember_results(64)
def plain_attributes(name: str | None, flags: int) -> s.ObjectAttributes:
    """OBJECT_ATTRIBUTES without a descriptor; the same record for the same name, which nobody
    changes."""
    return s.ObjectAttributes(
        name, 0 if name is None else kernel.named_objects_directory(), flags, None
    )


def descriptor_bytes(security: Security | str | bytes, kind: ObjectType) -> bytes:
    """The self-relative descriptor for a ``Security``, SDDL text, or such bytes as they are."""
    if isinstance(security, bytes):
        return security
    from memsection.api.security import Security

    if not isinstance(security, (Security, str)):
        raise TypeError(
            "security: a Security, SDDL text or the bytes of a descriptor are needed, not "
            f"{type(security).__name__}"
        )
    try:
        return (Security.from_sddl(security) if isinstance(security, str) else security).descriptor(
            kind
        )
    except NtError as failure:
        raise public_error(failure) from None
