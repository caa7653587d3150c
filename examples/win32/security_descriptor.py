# SPDX-License-Identifier: MIT
"""A section that everybody may read and nobody may write, not even who made it.

SECURITY_ATTRIBUTES with a descriptor, and the access check at each open.
"""

import sys

from memsection.win32 import (
    ACL,
    ACL_REVISION,
    FILE_MAP_READ,
    FILE_MAP_WRITE,
    GENERIC_READ,
    INVALID_HANDLE_VALUE,
    PAGE_READWRITE,
    SECURITY_ATTRIBUTES,
    SECURITY_DESCRIPTOR,
    SECURITY_DESCRIPTOR_REVISION,
    AddAccessAllowedAce,
    CloseHandle,
    ConvertSecurityDescriptorToStringSecurityDescriptor,
    ConvertStringSidToSid,
    CreateFileMapping,
    GetCurrentProcess,
    InitializeAcl,
    InitializeSecurityDescriptor,
    MapViewOfFile,
    OpenFileMapping,
    ReadProcessMemory,
    SetSecurityDescriptorDacl,
    UnmapViewOfFile,
    WriteProcessMemory,
)

BUFFER_SIZE = 0x1000


def try_to_open(access: int, what: str) -> int:
    """Open the section, and say how it went."""
    try:
        section = OpenFileMapping(access, False, "SHINE GUARDED")
    except OSError as error:
        print(f"opening for {what}: error {error.winerror}")
        return 0
    print(f"opening for {what}: granted")
    return section


def main() -> int:
    acl = ACL()
    InitializeAcl(acl, 1024, ACL_REVISION)
    # Everyone
    AddAccessAllowedAce(acl, ACL_REVISION, GENERIC_READ, ConvertStringSidToSid("S-1-1-0"))
    descriptor = SECURITY_DESCRIPTOR()
    InitializeSecurityDescriptor(descriptor, SECURITY_DESCRIPTOR_REVISION)
    SetSecurityDescriptorDacl(descriptor, True, acl, False)
    print(f"descriptor: {ConvertSecurityDescriptorToStringSecurityDescriptor(descriptor)}")

    attributes = SECURITY_ATTRIBUTES()
    attributes.lpSecurityDescriptor = descriptor
    attributes.bInheritHandle = False
    section = CreateFileMapping(
        INVALID_HANDLE_VALUE, attributes, PAGE_READWRITE, 0, BUFFER_SIZE, "SHINE GUARDED"
    )

    # The handle of the create itself is not limited by the new descriptor.
    writer = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0)
    WriteProcessMemory(GetCurrentProcess(), writer, "我将无我".encode("utf-16-le"))

    weak = try_to_open(FILE_MAP_READ, "reading")
    if try_to_open(FILE_MAP_READ | FILE_MAP_WRITE, "reading and writing") or not weak:
        return 1
    reader = MapViewOfFile(weak, FILE_MAP_READ, 0, 0, 0)
    print(f"read: {ReadProcessMemory(GetCurrentProcess(), reader, 8).decode('utf-16-le')}")
    try:
        MapViewOfFile(weak, FILE_MAP_WRITE, 0, 0, 0)
        return 1
    except OSError as error:
        print(f"mapping that handle for writing: error {error.winerror}")

    UnmapViewOfFile(reader)
    UnmapViewOfFile(writer)
    CloseHandle(weak)
    CloseHandle(section)
    return 0


if __name__ == "__main__":
    sys.exit(main())
