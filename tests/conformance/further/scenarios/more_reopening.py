# SPDX-License-Identifier: MIT
"""Files opened again by a handle, locked ranges, kinds of files, and removal."""

from harness.scenario import windows

_KEPT_OUT = "Wine 8 lets others read and write what is locked; documented of LockFile"
_AS_LOCKED = (
    "Wine 8 has the code of a refused lock; documented: a range is unlocked as it was locked"
)
_TAKEN, _NOT_LOCKED = "error 33 ERROR_LOCK_VIOLATION", "error 158 ERROR_NOT_LOCKED"


def _open(k, path, access=None, share=None):
    return k.CreateFile(
        path,
        k.GENERIC_READ | k.GENERIC_WRITE if access is None else access,
        k.FILE_SHARE_READ | k.FILE_SHARE_WRITE if share is None else share,
        None,
        k.OPEN_EXISTING,
        0,
        0,
    )


def a_file_opened_again_has_a_position_and_rights_of_its_own(k):
    """ReOpenFile gives a handle with other rights, at the beginning of the file."""
    reader = _open(k, k.put_file("again.bin", b"0123456789"), k.GENERIC_READ)
    k.ReadFile(reader, 4)
    writer = k.ReOpenFile(
        reader, k.GENERIC_READ | k.GENERIC_WRITE, k.FILE_SHARE_READ | k.FILE_SHARE_WRITE, 0
    )
    k.WriteFile(writer, b"ab")
    k.ReadFile(writer, 2)
    k.ReadFile(reader, 2)
    k.attempt.WriteFile(reader, b"x")
    k.CloseHandle(reader)
    k.ReadFile(writer, 2)
    k.CloseHandle(writer)
    k.get_file("again.bin")


def share_modes_hold_for_who_opens_again(k):
    """The handle that is opened again has the file open as well: both share modes have to agree."""
    alone = _open(k, k.put_file("shared.bin", b"0123456789"), k.GENERIC_READ, k.FILE_SHARE_READ)
    k.attempt.ReOpenFile(alone, k.GENERIC_WRITE, k.FILE_SHARE_READ | k.FILE_SHARE_WRITE, 0)
    k.attempt.ReOpenFile(alone, k.GENERIC_READ, k.FILE_SHARE_WRITE, 0)
    second = k.ReOpenFile(alone, k.GENERIC_READ, k.FILE_SHARE_READ, 0)
    k.ReadFile(second, 3)
    k.attempt.ReOpenFile(0x7FFFFFF0, k.GENERIC_READ, k.FILE_SHARE_READ, 0)


def a_file_opened_to_be_asked_is_opened_again_to_be_read(k):
    """Which rights the first handle has does not matter: the file is asked."""
    asking = _open(k, k.put_file("asked.bin", b"content"), 0)
    k.attempt.ReadFile(asking, 3)
    reading = k.ReOpenFile(asking, k.GENERIC_READ, k.FILE_SHARE_READ, 0)
    k.CloseHandle(asking)
    k.ReadFile(reading, 20)


@windows("ReadFile(h2, 1)", _TAKEN, _KEPT_OUT)
@windows("WriteFile(h2, b'x')", _TAKEN, _KEPT_OUT)
@windows("UnlockFile(h1, 2, 0, 3, 0)", _NOT_LOCKED, _AS_LOCKED)
@windows("UnlockFile(h2, 2, 0, 4, 0)", _NOT_LOCKED, _AS_LOCKED)
@windows("UnlockFile(h1, 2, 0, 4, 0)", _NOT_LOCKED, _AS_LOCKED, 2)
def a_locked_range_keeps_other_opens_out(k):
    """An exclusive range is for the open that locked it: others neither lock, read nor write
    there."""
    path = k.put_file("locked.bin", b"0123456789")
    one, other = _open(k, path), _open(k, path)
    k.LockFile(one, 2, 0, 4, 0)
    k.attempt.LockFile(other, 5, 0, 1, 0)
    k.attempt.LockFile(one, 2, 0, 4, 0)
    k.ReadFile(other, 2)
    k.attempt.ReadFile(other, 1)
    k.attempt.WriteFile(other, b"x")
    k.WriteFile(one, b"abc")
    k.LockFile(other, 6, 0, 4, 0)
    k.attempt.UnlockFile(one, 2, 0, 3, 0)
    k.attempt.UnlockFile(other, 2, 0, 4, 0)
    k.UnlockFile(one, 2, 0, 4, 0)
    k.attempt.UnlockFile(one, 2, 0, 4, 0)
    k.LockFile(other, 2, 0, 4, 0)


def closing_unlocks(k):
    """What a handle had locked is free when its open is closed; a duplicate keeps it."""
    path = k.put_file("closed.bin", b"0123456789")
    me = k.GetCurrentProcess()
    one, other = _open(k, path), _open(k, path)
    copy = k.DuplicateHandle(me, one, me, 0, False, k.DUPLICATE_SAME_ACCESS)
    k.LockFile(one, 0, 0, 10, 0)
    k.CloseHandle(one)
    k.attempt.LockFile(other, 0, 0, 1, 0)
    k.CloseHandle(copy)
    k.LockFile(other, 0, 0, 1, 0)


def kinds_of_files(k):
    """A file of a disk is one; what is no file has no kind."""
    file = _open(k, k.put_file("kind.bin", b"x"))
    k.GetFileType(file)
    k.CloseHandle(file)
    k.attempt.GetFileType(0x7FFFFFF0)


def a_file_is_removed_by_its_name(k):
    """DeleteFile needs the file to be shared for it, and to exist."""
    path = k.put_file("gone.bin", b"x")
    file = _open(k, path)
    k.attempt.DeleteFile(path)
    k.CloseHandle(file)
    k.DeleteFile(path)
    k.observe("there", k.file_exists("gone.bin"))
    k.attempt.DeleteFile(path)
