# SPDX-License-Identifier: MIT
"""What Windows says to each Win32 error code that this library gives: the English texts of MS-ERREF
2.2."""

from __future__ import annotations

MESSAGES = {
    0: "The operation completed successfully.",
    1: "Incorrect function.",
    2: "The system cannot find the file specified.",
    3: "The system cannot find the path specified.",
    4: "The system cannot open the file.",
    5: "Access is denied.",
    6: "The handle is invalid.",
    8: "Not enough memory resources are available to process this command.",
    14: "Not enough storage is available to complete this operation.",
    24: "The program issued a command but the command length is incorrect.",
    31: "A device attached to the system is not functioning.",
    32: "The process cannot access the file because it is being used by another process.",
    33: "The process cannot access the file because another process has locked a portion of the "
    "file.",
    38: "Reached the end of the file.",
    50: "The request is not supported.",
    59: "An unexpected network error occurred.",
    80: "The file exists.",
    87: "The parameter is incorrect.",
    109: "The pipe has been ended.",
    112: "There is not enough space on the disk.",
    122: "The data area passed to a system call is too small.",
    123: "The filename, directory name, or volume label syntax is incorrect.",
    131: "An attempt was made to move the file pointer before the beginning of the file.",
    158: "The segment is already unlocked.",
    161: "The specified path is invalid.",
    183: "Cannot create a file when that file already exists.",
    193: "%1 is not a valid Win32 application.",
    206: "The filename or extension is too long.",
    233: "No process is on the other end of the pipe.",
    258: "The wait operation timed out.",
    267: "The directory name is invalid.",
    288: "Attempt to release mutex not owned by caller.",
    298: "Too many posts were made to a semaphore.",
    299: "Only part of a ReadProcessMemory or WriteProcessMemory request was completed.",
    307: "The specified lock range is invalid.",
    317: "The system cannot find message text for message number 0x%1 in the message file for %2.",
    487: "Attempt to access invalid address.",
    574: "{Application Error} The exception %s (0x%08lx) occurred in the application at location "
    "0x%08lx.",
    587: "An attempt was made to acquire a mutant such that its maximum count would have been "
    "exceeded.",
    735: "{Wait Abandoned} The wait completed due to an abandoned mutex.",
    995: "The I/O operation has been aborted because of either a thread exit or an application "
    "request.",
    997: "Overlapped I/O operation is in progress.",
    998: "Invalid access to memory location.",
    999: "Error performing inpage operation.",
    1006: "The volume for a file has been externally altered so that the opened file is no longer "
    "valid.",
    1008: "An attempt was made to reference a token that does not exist.",
    1117: "The request could not be performed because of an I/O device error.",
    1131: "A potential deadlock condition has been detected.",
    1132: "The base address or the file offset specified does not have the proper alignment.",
    1224: "The requested operation cannot be performed on a file with a user-mapped section open.",
    1300: "Not all privileges or groups referenced are assigned to the caller.",
    1305: "The revision level is unknown.",
    1306: "Indicates two revision levels are incompatible.",
    1307: "This security ID may not be assigned as the owner of this object.",
    1309: "An attempt has been made to operate on an impersonation token by a thread that is not "
    "currently "
    "impersonating a client.",
    1313: "A specified privilege does not exist.",
    1314: "A required privilege is not held by the client.",
    1332: "No mapping between account names and security IDs was done.",
    1336: "The access control list (ACL) structure is invalid.",
    1337: "The security ID structure is invalid.",
    1338: "The security descriptor structure is invalid.",
    1344: "No more memory is available for security information updates.",
    1346: "Either a required impersonation level was not provided, or the provided impersonation "
    "level is invalid.",
    1360: "Generic access types were contained in an access mask which should already be mapped to "
    "nongeneric types.",
    1361: "A security descriptor is not in the right format (absolute or self-relative).",
    1392: "The file or directory is corrupted and unreadable.",
    1450: "Insufficient system resources exist to complete the requested service.",
    1454: "Insufficient quota to complete the requested service.",
    1455: "The paging file is too small for this operation to complete.",
    1656: "The two handles do not refer to the same object.",
    1784: "The supplied user buffer is not valid for the requested operation.",
    1815: "The specified resource language ID cannot be found in the image file.",
}
