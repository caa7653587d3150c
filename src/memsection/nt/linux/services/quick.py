# SPDX-License-Identifier: MIT
"""The door to the fast path (``_fast``): what it borrows from the other modules, and whether it is
open.

``MEMSECTION_FAST=0`` in the environment closes it: then the Python modules, which are the
reference, do everything.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import os

from memsection._native import records
from memsection.nt.linux import _fast
from memsection.nt.linux.bodies import commit, control_page, permissions
from memsection.nt.linux.handles import (
    at_exit,
    last_handle,
    object_attributes,
    record,
    rights,
    state,
)
from memsection.nt.linux.handles.record import Handle
from memsection.nt.linux.names import closing, locators, namespace, sweep, unlink, verify
from memsection.nt.linux.system import accounts
from memsection.vocabulary import protection as p
from memsection.vocabulary import security
from memsection.vocabulary.object_types import SECTION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


VARIABLE = "MEMSECTION_FAST"

switch = _fast.switch


def services(
    kernel: Any, root_directory: int, translated: Callable[[Exception, str], Exception]
) -> dict[str, Callable[..., Any]]:
    """Connect the fast path, and give the services that go it.

    ``translated(problem, operation)`` is what a service raises instead of what a system call or a
    module did.
    """
    records.connect(
        state.handles,
        state.objects_by_identity,
        namespace.known_directories,
        state.pending_transfers,
        last_handle.close_handle,
    )
    _fast.connect(
        {
            "translated": translated,
            "on": os.environ.get(VARIABLE) != "0",
            "root": root_directory,
            "slow": (kernel.close, kernel.open_section, kernel.create_section),
            "table": state.handles,
            "by_identity": state.objects_by_identity,
            "by_place": state.objects_by_place,
            "place_of": object_attributes.place_of,
            "grant": rights.grant,
            "remove_name": unlink.remove_name_if_last,
            "close_unused": unlink.close_unused,
            "read_facts": verify.read_body,
            "pid_namespace": locators.pid_namespace,
            "arrange_exit_cleanup": at_exit.arrange_exit_cleanup,
            "template": _template,
            "check_commit": commit.check,
            "section": SECTION,
            "Handle": Handle,
            "LocalObject": record.LocalObject,
            "Facts": control_page.Facts,
            "layout": (*locators.LAYOUT, *control_page.LAYOUT, p.ALLOCATION_GRANULARITY),
            "closing": (
                closing.doubtful,
                closing.later,
                closing.note_doubtful,
                closing.recheck_doubtful,
                sweep.sweep_if_due,
            ),
            "protections": [(each, p.needed_access(each)) for each in p.PAGE_PROTECTIONS],
        }
    )
    return {name: getattr(_fast, name) for name in ("close", "open_section", "create_section")}


def _template(protection: int) -> tuple[control_page.Facts | None, bytes, int, int, int]:
    """What all new sections of memory of this protection have in common, for this caller and
    without a descriptor given.

    Facts, the beginning of the control page, mode, user and group; no facts where a section of this
    kind is not simple.
    """
    descriptor = security.creation_descriptor(None, accounts.current_token(), SECTION)
    file_permissions = permissions.permissions_for(descriptor, SECTION)
    head = control_page.Draft("", "", descriptor).head(SECTION.number, protection, p.SEC_COMMIT)
    if (
        head is None
        or file_permissions.acl_entries is not None
        or protection not in p.SECTION_PROTECTIONS
    ):
        return None, b"", 0, 0, 0
    facts = control_page.Facts()
    facts.type, facts.protection, facts.attributes, facts.descriptor = (
        SECTION.number,
        protection,
        p.SEC_COMMIT,
        descriptor,
    )
    return facts, head, file_permissions.mode, file_permissions.uid, file_permissions.gid
