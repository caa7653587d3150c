# SPDX-License-Identifier: MIT
"""Removing names: with the last handle anywhere the name goes (L1, L3, L6)."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

from memsection._native import records
from memsection.nt.linux.bodies import control_page
from memsection.nt.linux.names import locators, namespace
from memsection.nt.linux.system import descriptions
from memsection.nt.linux.system import syscalls as sys_
from memsection.nt.linux.system.descriptions import OPEN_FLAGS
from memsection.vocabulary.errors import NtError


def close_unused(fd: int, place: namespace.Place | None) -> None:
    """Close a locked description that became no handle; unlink the name if that was the last lock
    (L3).

    Nobody shares this description, so converting its lock takes nothing from anybody.
    """
    try:
        if place is not None and descriptions.try_lock(fd, sys_.LOCK_EX):
            unlink_if(place, fd)
    finally:
        sys_.close(fd)


def is_permanent(fd: int) -> bool:
    """Whether a body lives without handles (NtMakePermanentObject)."""
    try:
        return bool(control_page.read(fd, sys_.fstat(fd).st_size).flags & control_page.PERMANENT)
    except NtError:
        return False


def unlink_if(place: namespace.Place, body: int) -> None:
    """Remove the name if it (still) leads to this body, whose exclusive lock the caller holds
    (L6)."""
    status = sys_.fstat(body)
    try:
        if place.directory == "global":
            named = sys_.stat(place.file, dir_fd=place.dirfd, follow_symlinks=False)
            if (named.st_dev, named.st_ino) == (status.st_dev, status.st_ino):
                sys_.unlink(place.file, dir_fd=place.dirfd)
            return
        locator_fd = sys_.open(
            place.file, sys_.O_RDWR | OPEN_FLAGS | sys_.O_NOFOLLOW, dir_fd=place.dirfd
        )
        try:
            # The locator's shared lock keeps sweepers away between the look and the unlink.
            if not descriptions.try_lock(locator_fd, sys_.LOCK_SH):
                return
            found = sys_.fstat(locator_fd)
            locator = locators.read_locator(locator_fd, found.st_size) if found.st_nlink else None
            if locator is not None and locator.identity == (status.st_dev, status.st_ino):
                sys_.unlink(place.file, dir_fd=place.dirfd)
        finally:
            sys_.close(locator_fd)
    except FileNotFoundError:
        pass


def remove_name_if_last(probe: int, obj: records.ObjectRecord) -> bool:
    """After this process's last handle is closed: unlink the name if no handle is left anywhere
    (L1, L3).

    Whether that was so.
    """
    place = namespace.place_of_name(obj.name)
    return place is None or unlink_if_last(probe, place, obj.locator_fd)


def unlink_if_last(probe: int, place: namespace.Place, locator_fd: int = -1) -> bool:
    """Unlink the name of a body that nobody has a handle to any more; whether nobody has.

    Asked through a description of the body without a lock, and with the locator where there is one
    at hand.
    """
    if not descriptions.try_lock(probe, sys_.LOCK_EX):
        return False
    try:
        if place.directory == "global" and is_permanent(probe):
            return True
        if locator_fd < 0:
            unlink_if(place, probe)
        elif sys_.fstat(locator_fd).st_nlink:
            sys_.unlink(place.file, dir_fd=place.dirfd)
    except FileNotFoundError:
        pass  # somebody removed it by hand
    except OSError:
        # another user's body in the sticky directory, or no descriptor left: whoever meets the name
        # sweeps it
        pass
    finally:
        sys_.flock(probe, sys_.LOCK_UN)
    return True
