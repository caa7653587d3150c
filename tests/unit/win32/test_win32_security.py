# SPDX-License-Identifier: MIT
"""Security descriptors as C programs build them, and what they do to objects."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest

from memsection import win32

EVERYONE = "S-1-1-0"


def _descriptor() -> win32.SECURITY_DESCRIPTOR:
    descriptor = win32.SECURITY_DESCRIPTOR()
    win32.InitializeSecurityDescriptor(descriptor, win32.SECURITY_DESCRIPTOR_REVISION)
    return descriptor


def _text(descriptor: win32.SECURITY_DESCRIPTOR | bytes) -> str:
    return win32.ConvertSecurityDescriptorToStringSecurityDescriptor(descriptor)


def test_a_descriptor_that_is_filled_in_is_the_one_that_its_text_describes() -> None:
    descriptor, acl = _descriptor(), win32.ACL()
    win32.InitializeAcl(acl, 256, win32.ACL_REVISION)
    win32.AddAccessDeniedAce(acl, win32.ACL_REVISION, win32.SECTION_MAP_WRITE, "AN")
    win32.AddAccessAllowedAce(
        acl, win32.ACL_REVISION, win32.GENERIC_READ, win32.ConvertStringSidToSid(EVERYONE)
    )
    win32.SetSecurityDescriptorDacl(descriptor, True, acl, False)
    win32.SetSecurityDescriptorOwner(descriptor, "BA")
    win32.SetSecurityDescriptorGroup(descriptor, "SY")
    text = "O:BAG:SYD:(D;;DC;;;AN)(A;;GR;;;WD)"
    assert _text(descriptor) == text
    assert bytes(descriptor) == win32.ConvertStringSecurityDescriptorToSecurityDescriptor(text)
    assert (
        win32.ConvertSecurityDescriptorToStringSecurityDescriptor(
            descriptor, 1, win32.OWNER_SECURITY_INFORMATION
        )
        == "O:BA"
    )


def test_no_list_an_empty_list_and_nothing_said_are_three_things() -> None:
    descriptor = _descriptor()
    assert _text(descriptor) == ""
    win32.SetSecurityDescriptorDacl(descriptor, True, None)
    assert _text(descriptor) == "D:NO_ACCESS_CONTROL"
    win32.SetSecurityDescriptorDacl(descriptor, True, win32.ACL())
    assert _text(descriptor) == "D:"
    win32.SetSecurityDescriptorDacl(descriptor, False)
    assert _text(descriptor) == ""


def test_what_was_not_initialized_and_unknown_revisions_are_refused() -> None:
    raw = win32.SECURITY_DESCRIPTOR()
    calls: list[Callable[[], object]] = [
        lambda: win32.SetSecurityDescriptorDacl(raw, True, None),
        lambda: win32.InitializeSecurityDescriptor(raw, 2),
        lambda: win32.ConvertStringSecurityDescriptorToSecurityDescriptor("D:", 2),
        lambda: _text(raw),
    ]
    for call in calls:
        with pytest.raises(OSError) as caught:
            call()
        assert caught.value.winerror == win32.ERROR_UNKNOWN_REVISION


def test_what_is_no_descriptor_list_or_sid_is_refused() -> None:
    with pytest.raises(TypeError):
        win32.SetSecurityDescriptorDacl(b"", True, None)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        win32.AddAccessAllowedAce(b"", 2, 0, EVERYONE)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        win32.ConvertStringSecurityDescriptorToSecurityDescriptor(5)  # type: ignore[arg-type]
    for wrong in (5, 1 << 62, "D:"):
        with pytest.raises(TypeError):
            win32.ConvertSecurityDescriptorToStringSecurityDescriptor(wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        win32.SetKernelObjectSecurity(0, win32.DACL_SECURITY_INFORMATION, 20)  # type: ignore[arg-type]
    for text, code in (("S-1-", win32.ERROR_INVALID_SID), ("S-2-1-0", win32.ERROR_INVALID_SID)):
        with pytest.raises(OSError) as caught:
            win32.ConvertStringSidToSid(text)
        assert caught.value.winerror == code
    assert win32.ConvertSidToStringSid(win32.ConvertStringSidToSid("WD").to_bytes()) == EVERYONE


@pytest.mark.parametrize("through", ["kernel object", "security info"])
def test_the_descriptor_of_an_object_is_changed_through_its_handle(through: str) -> None:
    name = f"security {uuid.uuid4()}"
    section = win32.CreateFileMapping(
        win32.INVALID_HANDLE_VALUE, None, win32.PAGE_READWRITE, 0, 0x1000, name
    )
    win32.CloseHandle(win32.OpenFileMapping(win32.FILE_MAP_WRITE, False, name))
    acl = win32.ACL()
    win32.AddAccessAllowedAce(acl, win32.ACL_REVISION, win32.GENERIC_READ, EVERYONE)
    what = win32.DACL_SECURITY_INFORMATION
    if through == "kernel object":
        descriptor = _descriptor()
        win32.SetSecurityDescriptorDacl(descriptor, True, acl)
        win32.SetKernelObjectSecurity(section, what, descriptor)
        found = win32.GetKernelObjectSecurity(section, what)
    else:
        win32.SetSecurityInfo(section, win32.SE_KERNEL_OBJECT, what, None, None, acl)
        found = win32.GetSecurityInfo(section, win32.SE_KERNEL_OBJECT, what)
    assert ";;;WD)" in _text(found)
    with pytest.raises(PermissionError):
        win32.OpenFileMapping(win32.FILE_MAP_WRITE, False, name)
    win32.CloseHandle(win32.OpenFileMapping(win32.FILE_MAP_READ, False, name))
    win32.CloseHandle(section)


def test_security_attributes_take_a_descriptor_in_either_form() -> None:
    descriptor = _descriptor()
    win32.SetSecurityDescriptorDacl(descriptor, True, win32.ACL())
    for form in (descriptor, bytes(descriptor)):
        name = f"closed {uuid.uuid4()}"
        attributes = win32.SECURITY_ATTRIBUTES(lpSecurityDescriptor=form)
        event = win32.CreateEvent(attributes, True, False, name)
        with pytest.raises(PermissionError):
            win32.OpenEvent(win32.EVENT_MODIFY_STATE, False, name)
        win32.CloseHandle(event)


def test_only_kernel_objects_and_files_have_their_security_asked_for_by_handle() -> None:
    with pytest.raises(ValueError, match="type"):
        win32.GetSecurityInfo(0, 2, win32.DACL_SECURITY_INFORMATION)
    with pytest.raises(ValueError, match="type"):
        win32.SetSecurityInfo(0, 2, win32.DACL_SECURITY_INFORMATION)


def test_reading_and_changing_a_descriptor_needs_the_rights() -> None:
    name = f"rights {uuid.uuid4()}"
    event = win32.CreateEvent(None, True, False, name)
    weak = win32.OpenEvent(win32.SYNCHRONIZE, False, name)
    with pytest.raises(PermissionError):
        win32.GetKernelObjectSecurity(weak, win32.DACL_SECURITY_INFORMATION)
    with pytest.raises(PermissionError):
        win32.SetKernelObjectSecurity(
            weak,
            win32.DACL_SECURITY_INFORMATION,
            win32.ConvertStringSecurityDescriptorToSecurityDescriptor("D:"),
        )
    win32.CloseHandle(weak)
    win32.CloseHandle(event)


@pytest.mark.linux_only("Wine 8 shows a SACL to who has READ_CONTROL")
def test_a_sacl_is_not_shown_to_who_may_read_the_descriptor() -> None:
    labelled = win32.ConvertStringSecurityDescriptorToSecurityDescriptor(
        "D:(A;;GA;;;WD)S:(ML;;NW;;;LW)"
    )
    event = win32.CreateEvent(
        win32.SECURITY_ATTRIBUTES(lpSecurityDescriptor=labelled), True, False, None
    )
    both = win32.SACL_SECURITY_INFORMATION | win32.DACL_SECURITY_INFORMATION
    for handle in (event, win32.GetCurrentProcess()):
        for what in (win32.SACL_SECURITY_INFORMATION, both):
            with pytest.raises(PermissionError) as caught:
                win32.GetKernelObjectSecurity(handle, what)
            assert caught.value.winerror == win32.ERROR_ACCESS_DENIED
    assert "S:(ML;;NW;;;LW)" in win32.ConvertSecurityDescriptorToStringSecurityDescriptor(
        win32.GetKernelObjectSecurity(event, win32.LABEL_SECURITY_INFORMATION), 1, 0xF
    )
    win32.CloseHandle(event)
