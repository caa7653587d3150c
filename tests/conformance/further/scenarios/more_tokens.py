# SPDX-License-Identifier: MIT
"""Tokens: what a handle permits, copies and their types; and the names of mapped files."""

QUERY, DUPLICATE, IMPERSONATE = 0x8, 0x2, 0x4  #: TOKEN_QUERY, TOKEN_DUPLICATE, TOKEN_IMPERSONATE
TYPE, LEVEL = 8, 9  #: TokenType, TokenImpersonationLevel
ANONYMOUS, IDENTIFICATION, IMPERSONATION, DELEGATION = range(4)
PRIMARY, IMPERSONATING = 1, 2


def a_process_has_a_primary_token(k):
    """The token of a process is a primary one, and has no level."""
    token = k.OpenProcessToken(k.GetCurrentProcess(), QUERY)
    k.GetTokenInformation(token, TYPE)
    k.attempt.GetTokenInformation(token, LEVEL)


def asking_needs_the_right_to_query(k):
    """A handle without TOKEN_QUERY tells nothing."""
    token = k.OpenProcessToken(k.GetCurrentProcess(), DUPLICATE)
    k.attempt.GetTokenInformation(token, TYPE)


def what_is_no_process_has_no_token(k):
    """What is no process, and what is no token, is error 6."""
    k.attempt.OpenProcessToken(0, QUERY)
    event = k.CreateEvent(None, True, False, None)
    k.attempt.OpenProcessToken(event, QUERY)
    k.attempt.GetTokenInformation(event, TYPE)


def a_copy_has_the_type_and_the_level_that_was_asked_for(k):
    """An impersonation token tells its level; a primary copy has none."""
    token = k.OpenProcessToken(k.GetCurrentProcess(), QUERY | DUPLICATE)
    for level in (IDENTIFICATION, IMPERSONATION):
        copy = k.DuplicateTokenEx(token, QUERY, None, level, IMPERSONATING)
        k.GetTokenInformation(copy, TYPE)
        k.GetTokenInformation(copy, LEVEL)
        k.CloseHandle(copy)
    copy = k.DuplicateTokenEx(token, QUERY, None, IMPERSONATION, PRIMARY)
    k.GetTokenInformation(copy, TYPE)
    k.attempt.GetTokenInformation(copy, LEVEL)


def copying_needs_the_right_to_duplicate(k):
    """A handle with TOKEN_QUERY alone is not copied."""
    token = k.OpenProcessToken(k.GetCurrentProcess(), QUERY)
    k.attempt.DuplicateTokenEx(token, QUERY, None, IMPERSONATION, IMPERSONATING)


def a_level_does_not_rise(k):
    """A copy of an impersonation token has at most its level."""
    token = k.OpenProcessToken(k.GetCurrentProcess(), QUERY | DUPLICATE)
    low = k.DuplicateTokenEx(token, QUERY | DUPLICATE, None, IDENTIFICATION, IMPERSONATING)
    k.attempt.DuplicateTokenEx(low, QUERY, None, IMPERSONATION, IMPERSONATING)
    same = k.DuplicateTokenEx(low, QUERY, None, IDENTIFICATION, IMPERSONATING)
    k.GetTokenInformation(same, LEVEL)


def the_copy_has_the_rights_that_were_asked_for(k):
    """Zero means the rights of the handle that is copied."""
    token = k.OpenProcessToken(k.GetCurrentProcess(), QUERY | DUPLICATE)
    same = k.DuplicateTokenEx(token, 0, None, IMPERSONATION, IMPERSONATING)
    k.GetTokenInformation(same, TYPE)
    less = k.DuplicateTokenEx(token, IMPERSONATE, None, IMPERSONATION, IMPERSONATING)
    k.attempt.GetTokenInformation(less, TYPE)


def the_file_behind_a_view_has_a_name(k):
    """Any address of a view of a file leads to the file's name, as long as the view is there."""
    path = k.put_file("mapped.bin", b"x" * 0x3000)
    file = k.CreateFile(path, k.GENERIC_READ, k.FILE_SHARE_READ, None, k.OPEN_EXISTING, 0, 0)
    section = k.CreateFileMapping(file, None, k.PAGE_READONLY, 0, 0, None)
    view = k.MapViewOfFile(section, k.FILE_MAP_READ, 0, 0, 0)
    k.GetMappedFileName(k.GetCurrentProcess(), view)
    k.GetMappedFileName(k.GetCurrentProcess(), view + 0x2FFF)
    k.CloseHandle(section)
    k.CloseHandle(file)
    k.GetMappedFileName(k.GetCurrentProcess(), view)
    k.UnmapViewOfFile(view)


def memory_without_a_file_has_no_name(k):
    """Private memory, a free address and a view of plain memory are behind no file."""
    memory = k.VirtualAlloc(0, 0x1000, k.MEM_RESERVE | k.MEM_COMMIT, k.PAGE_READWRITE)
    k.attempt.GetMappedFileName(k.GetCurrentProcess(), memory)
    k.VirtualFree(memory, 0, k.MEM_RELEASE)
    k.attempt.GetMappedFileName(k.GetCurrentProcess(), memory)
    section = k.CreateFileMapping(k.INVALID_HANDLE_VALUE, None, k.PAGE_READWRITE, 0, 0x1000, None)
    view = k.MapViewOfFile(section, k.FILE_MAP_READ, 0, 0, 0)
    k.attempt.GetMappedFileName(k.GetCurrentProcess(), view)
